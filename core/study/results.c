/* results.c: the trials of a study as their user sees them, the best one, the front of several objectives. */
#include <string.h>
#include "own.h"

double *sx_study_reals(sx_arena *a, const double *v, long n)
{
    double *copy = v ? sx_alloc_array(a, (size_t)n + 1, sizeof *copy) : NULL;
    if (v && n) memcpy(copy, v, (size_t)n * sizeof *v);
    return copy;
}

void sx_study_copy_row(sx_study *s, sx_arena *a, const sx_trial_row *from, sx_trial_row *to)
{
    const sx_space *space = &s->exp->domain->space;
    *to = *from;
    to->t.x = sx_study_reals(a, from->t.x, space->n);
    to->t.value = sx_study_reals(a, from->t.value, space->objectives);
    to->t.constraint = sx_study_reals(a, from->t.constraint, space->constraints);
    to->t.step = from->t.steps ? sx_dup(a, from->t.step, (size_t)from->t.steps * sizeof(long)) : NULL;
    to->t.curve = from->t.steps ? sx_study_reals(a, from->t.curve, from->t.steps) : NULL;
    to->worker = sx_strdup(a, from->worker);
    to->dir = sx_strdup(a, from->dir);
    to->reason = sx_strdup(a, from->reason);
    to->values = sx_strdup(a, from->values);
}

typedef struct { sx_study *s; sx_arena *a; const sx_trial_row **v; long n, cap; } gathering;

static void gather(void *ctx, const sx_trial_row *row)
{
    gathering *g = ctx;
    sx_trial_row *r = SX_NEW(g->a, sx_trial_row);
    sx_study_copy_row(g->s, g->a, row, r);
    for (long i = 0; r->t.value && i < g->s->exp->tune.objectives; i++)
        ((double *)(uintptr_t)r->t.value)[i] = sx_minimised(g->s, i, r->t.value[i]);
    for (long i = 0; i < r->t.steps; i++)
        ((double *)(uintptr_t)r->t.curve)[i] = sx_minimised(g->s, 0, r->t.curve[i]);
    SX_PUSH(g->a, *g, r);
}

typedef int reader(sx_db *db, int64_t study, sx_on_trial *each, void *ctx);

/* way: the store's, NULL where it has none. */
static long gather_rows(sx_study *s, sx_arena *a, reader *way, const sx_trial_row *const **rows, sx_diags *d)
{
    gathering g = { .s = s, .a = a };
    const int rc = (way ? way : s->store->trials)(s->db, s->id, gather, &g);
    *rows = g.v;
    return rc ? sx_study_told(s, rc, d) : g.n;
}

long sx_study_trials(sx_study *s, sx_arena *a, const sx_trial_row *const **rows, sx_diags *d)
{
    return gather_rows(s, a, NULL, rows, d);
}

long sx_study_brief(sx_study *s, sx_arena *a, const sx_trial_row *const **rows, sx_diags *d)
{
    return gather_rows(s, a, s->store->brief, rows, d);
}

long sx_study_leased(sx_study *s, sx_arena *a, const sx_trial_row *const **rows, sx_diags *d)
{
    return gather_rows(s, a, s->store->leased ? s->store->leased : s->store->brief, rows, d);
}

int sx_study_find(sx_study *s, sx_arena *a, long number, const sx_trial_row **row, sx_diags *d)
{
    gathering g = { .s = s, .a = a };
    *row = NULL;
    const int rc = s->store->one ? s->store->one(s->db, s->id, number, gather, &g)
                                 : s->store->trials(s->db, s->id, gather, &g);
    for (long i = 0; i < g.n && !rc && !*row; i++) if (g.v[i]->t.number == number) *row = g.v[i];
    if (rc) return sx_study_told(s, rc, d);
    return *row ? 0 : sx_error(d, SX_E_USAGE, SX_NOWHERE, "study '%s' has no trial %ld", s->name, number);
}

const sx_trial_row *sx_study_numbered(sx_study *s, sx_arena *a, long number, sx_diags *d)
{
    const sx_trial_row *row;
    return sx_study_find(s, a, number, &row, d) ? NULL : row;
}

const double *sx_study_whole(const sx_study *s, sx_arena *a, const sx_trial_row *row)
{
    double *x = sx_study_reals(a, row->t.x, s->exp->domain->space.n);
    return x && sx_past_fit(s->past, x) ? x : NULL;
}

bool sx_study_fits(const sx_study *s, const sx_trial_row *row)
{
    sx_arena *a = sx_arena_open(NULL);
    const bool fits = sx_study_whole(s, a, row) != NULL;
    sx_arena_close(a);
    return fits;
}

static int no_point(const sx_study *s, const sx_trial_row *row, sx_diags *d)
{
    if (row->waiting) {
        sx_error(d, SX_E_USAGE, SX_NOWHERE, "trial %ld of study '%s' waits: it has no point yet",
                 row->t.number, s->name);
        sx_hint(d, "What was not queued with it is chosen when it starts.");
        return SX_E_USAGE;
    }
    sx_error(d, SX_E_CONFIG, SX_NOWHERE, "trial %ld does not fit the space that study '%s' has now",
             row->t.number, s->name);
    if (row->dir) sx_hint(d, "Its configuration is %s/config.cfg.", row->dir);
    return SX_E_CONFIG;
}

int sx_study_point(const sx_study *s, sx_arena *a, const sx_trial_row *row, const double **x, sx_diags *d)
{
    const sx_space *space = &s->exp->domain->space;
    double *at = sx_study_reals(a, row->t.x, space->n);
    *x = at;
    if (row->waiting || !at || !sx_past_fit(s->past, at)) return no_point(s, row, d);
    for (int i = 0; i < space->n; i++) if (isnan(row->t.x[i])) at[i] = NAN;
    return 0;
}

bool sx_study_feasible(const sx_study *s, const sx_trial_row *row)
{
    for (int i = 0; row->t.constraint && i < s->exp->domain->space.constraints; i++)
        if (row->t.constraint[i] > 0) return false;
    return true;
}

/* Is it complete, with all its values, and within the constraints? */
static bool counts(const sx_study *s, const sx_trial_row *row)
{
    bool whole = row->t.fate == SX_DONE && row->t.value && sx_study_feasible(s, row);
    for (long i = 0; whole && i < s->exp->tune.objectives; i++) whole = !isnan(row->t.value[i]);
    return whole;
}

/* By the first objective in which they differ. */
static bool better(const sx_study *s, const sx_trial_row *x, const sx_trial_row *y)
{
    long i = 0;
    while (i + 1 < s->exp->tune.objectives && x->t.value[i] == y->t.value[i]) i++;
    return sx_minimised(s, i, x->t.value[i]) < sx_minimised(s, i, y->t.value[i]);
}

const sx_trial_row *sx_study_best(sx_study *s, sx_arena *a, sx_diags *d)
{
    const sx_trial_row *const *row, *best = NULL;
    const long n = sx_study_brief(s, a, &row, d);
    for (long i = 0; i < n; i++) if (counts(s, row[i]) && (!best || better(s, row[i], best))) best = row[i];
    return best ? sx_study_numbered(s, a, best->t.number, d) : NULL;
}

/* x is as good in all objectives and better in one. */
static bool dominates(const sx_study *s, const sx_trial_row *x, const sx_trial_row *y)
{
    bool better = false;
    for (long i = 0; i < s->exp->tune.objectives; i++) {
        const double a = sx_minimised(s, i, x->t.value[i]), b = sx_minimised(s, i, y->t.value[i]);
        if (a > b) return false;
        better |= a < b;
    }
    return better;
}

long sx_study_front(sx_study *s, sx_arena *a, const sx_trial_row *const **rows, sx_diags *d)
{
    const sx_trial_row *const *row;
    struct { const sx_trial_row **v; long n, cap; } front = { 0 };
    const long n = sx_study_trials(s, a, &row, d);
    for (long i = 0; i < n; i++) {
        bool beaten = !counts(s, row[i]);
        for (long k = 0; k < n && !beaten; k++) beaten = counts(s, row[k]) && dominates(s, row[k], row[i]);
        if (!beaten) SX_PUSH(a, front, row[i]);
    }
    *rows = front.v;
    return n < 0 ? n : front.n;
}

const char *sx_study_written(sx_study *s, int i)
{
    const char *text = s->store->written ? s->store->written(s->db, s->id, i) : NULL;
    return text ? text : sx_axis_optuna(s->arena, s->exp->domain->var[i]);
}
