/* tell.c: what became of a trial: reports and their judgement by the pruners, signs of life, notes, its
 * end. */
#include <string.h>
#include "own.h"

const char *sx_fate_name(sx_fate f)
{
    switch (f) {
    case SX_RUNNING: return "running";
    case SX_DONE: return "complete";
    case SX_PRUNED: return "pruned";
    case SX_FAILED: return "failed";
    case SX_PAUSED: return "paused";
    case SX_REFUSED: return "refused";
    }
    return "unknown";
}

void sx_study_curve(sx_study *s, int64_t id, long step, double v)
{
    struct live *l = s->lives;
    while (l && l->id != id) l = l->next;
    if (!l) {
        l = SX_NEW(s->arena, struct live);
        *l = (struct live){ .next = s->lives, .id = id };
        s->lives = l;
    }
    while (l->n && l->v[l->n - 1].step >= step) l->n--;              /* gone back to a checkpoint */
    if (l->n == l->cap) {
        const long more = 2 * l->cap + 16;
        l->v = sx_grow(s->arena, l->v, (size_t)l->n, (size_t)more, sizeof *l->v);
        l->cap = more;
    }
    l->v[l->n].step = step;
    l->v[l->n++].v = v;
}

/* The first pruner that wants something else than going on has its way. */
static sx_verdict verdict(const sx_study *s, const sx_history *h, const sx_trial *self)
{
    const sx_tune_conf *t = &s->exp->tune;
    sx_verdict v = SX_GO;
    for (long i = 0; i < t->pruners && v == SX_GO; i++)
        v = ((const sx_pruner *)(const void *)t->pruner[i].entry->item)->judge(t->pruner[i].params, h, self);
    return v;
}

static int judge(sx_study *s, const sx_claim *c, sx_diags *d)
{
    struct live *l = sx_goal_pruner(s->exp) ? s->lives : NULL;
    while (l && l->id != c->row.id) l = l->next;
    const int rc = l ? sx_study_news(s, d) : 0;
    if (rc || !l) return rc;
    sx_arena *a = sx_arena_open(NULL);
    long *steps = sx_alloc_array(a, (size_t)l->n, sizeof *steps);
    double *curve = sx_alloc_array(a, (size_t)l->n, sizeof *curve);
    for (long i = 0; i < l->n; i++) { steps[i] = l->v[i].step; curve[i] = l->v[i].v; }
    sx_trial self = c->row.t;
    self.fate = SX_RUNNING;
    self.steps = l->n;
    self.step = steps;
    self.curve = curve;
    sx_history h = sx_past_at(s->past, a, s->since);
    sx_study_facts(s, &h);
    const sx_verdict v = verdict(s, &h, &self);
    sx_arena_close(a);
    return v == SX_STOP ? 1 : v == SX_PAUSE ? 2 : 0;
}

int sx_study_report(sx_study *s, const sx_claim *c, long step, long n, const char *const *name,
                    const double *value, sx_diags *d)
{
    enum { MOST = 2 * (SX_VALUES + 1) };
    sx_metric m[MOST];
    const sx_tune_conf *t = &s->exp->tune;       /* several objectives have no common curve */
    const long objective = t->objectives == 1 ? sx_goal_place(t->objective[0], n, name) : -1;
    if (n > MOST)
        return sx_error(d, SX_E_USAGE, SX_NOWHERE, "%ld metrics in a report, more than %d", n, MOST);
    for (long i = 0; i < n; i++) m[i] = (sx_metric){ name[i], value[i], i == objective ? 0 : -1 };
    int rc = s->store->report(s->db, c->row.id, c->row.worker, step, (int)n, m);
    const bool away = rc == 1;                   /* the store keeps it for later: no news, no verdict */
    bool stopped = false;
    if (!away && (rc || (rc = sx_study_stopped(s, &stopped, d)))) return sx_study_told(s, rc, d);
    if (stopped) return SX_E_STOPPED;
    if (objective < 0) return 0;
    sx_study_curve(s, c->row.id, step, sx_minimised(s, 0, value[objective]));
    return away ? 0 : judge(s, c, d);
}

int sx_study_beat(sx_study *s, const sx_claim *c, const char *worker, double lease, sx_diags *d)
{
    return sx_study_told(s, s->store->beat(s->db, c->row.id, worker, lease), d);
}

int sx_study_drop(sx_study *s, int64_t id, const char *worker, bool died, sx_diags *d)
{
    return sx_study_told(s, s->store->drop(s->db, id, worker, died), d);
}

int sx_study_note(sx_study *s, const sx_claim *c, const char *key, const char *json, sx_diags *d)
{
    return sx_study_told(s, s->store->note(s->db, c->row.id, key, json), d);
}

/* value: minimised. */
static int finish(sx_study *s, const sx_trial_row *row, const char *worker, sx_fate fate, const double *value,
                  const double *constraint, const char *reason, sx_diags *d)
{
    sx_trial_row r = *row;
    r.t.fate = fate;
    r.t.value = value;
    r.t.constraint = constraint;
    r.worker = worker;
    r.reason = reason;
    return sx_study_told(s, s->store->finish(s->db, &r), d);
}

int sx_study_fail(sx_study *s, const sx_trial_row *row, const char *worker, const char *reason, sx_diags *d)
{
    return finish(s, row, worker, SX_FAILED, NULL, NULL, reason, d);
}

/* A trial that lacks one of its values has none. */
static const double *all_minimised(const sx_study *s, sx_arena *a, const double *value)
{
    double *v = sx_study_reals(a, value, s->exp->tune.objectives);
    for (long i = 0; v && i < s->exp->tune.objectives; i++) {
        if (isnan(v[i])) return NULL;
        v[i] = sx_minimised(s, i, v[i]);
    }
    return v;
}

int sx_study_tell(sx_study *s, const sx_claim *c, sx_fate fate, const double *value, const double *constraint,
                  const char *reason, sx_diags *d)
{
    sx_arena *a = sx_arena_open(NULL);
    const int rc = finish(s, &c->row, c->row.worker, fate, all_minimised(s, a, value), constraint, reason, d);
    sx_arena_close(a);
    return rc;
}

int sx_study_remark(sx_study *s, const char *key, const char *json, sx_diags *d)
{
    return s->store->remark ? sx_study_told(s, s->store->remark(s->db, s->id, key, json), d)
                            : SX_E_UNSUPPORTED;
}

int sx_study_remarks(sx_study *s, sx_on_note *each, void *ctx, sx_diags *d)
{
    return s->store->remarks ? sx_study_told(s, s->store->remarks(s->db, s->id, each, ctx), d) : 0;
}

int sx_study_notes(sx_study *s, const char *key, sx_on_note *each, void *ctx, sx_diags *d)
{
    return s->store->notes ? sx_study_told(s, s->store->notes(s->db, s->id, key, each, ctx), d) : 0;
}

/* Checks that a trial can be told, and works out what its values say of the constraints. */
static int take_values(const sx_study *s, sx_arena *a, const sx_trial_row *row, sx_fate fate, long n,
                       const double *value, double **constraint, sx_diags *d)
{
    const sx_tune_conf *t = &s->exp->tune;
    if (row->waiting ? fate != SX_PRUNED : row->t.fate != SX_RUNNING && row->t.fate != SX_PAUSED)
        return sx_error(d, SX_E_USAGE, SX_NOWHERE, "trial %ld is %s, not running", row->t.number,
                        row->waiting ? "waiting" : sx_fate_name(row->t.fate));
    if (n != t->objectives && (n || fate == SX_DONE)) {
        const char *all = t->objective[0];
        for (long i = 1; i < t->objectives; i++) all = sx_format(a, "%s, %s", all, t->objective[i]);
        return sx_error(d, SX_E_USAGE, SX_NOWHERE, "trial %ld was told %ld value%s; study '%s' is about %s",
                        row->t.number, n, n == 1 ? "" : "s", s->name, all);
    }
    if (!n || !t->measured.n || !s->exp->search) return 0;
    sx_exp *at = NULL;
    const double *x;
    double *v = sx_alloc_array(a, (size_t)n, sizeof *v);
    *constraint = sx_alloc_array(a, (size_t)t->measured.n, sizeof **constraint);
    int rc = sx_study_point(s, a, row, &x, d);
    if (!rc) rc = sx_exp_at(a, s->exp, x, &at, d);
    return rc ? rc : sx_exp_measure(a, at, s->machine, n, t->objective, value, v, *constraint, d);
}

int sx_study_tell_number(sx_study *s, long number, sx_fate fate, long n, const double *value,
                         const char *reason, sx_diags *d)
{
    sx_arena *a = sx_arena_open(NULL);
    double *constraint = NULL;
    const sx_trial_row *row;
    int rc = sx_study_find(s, a, number, &row, d);
    if (!rc) rc = take_values(s, a, row, fate, n, value, &constraint, d);
    if (!rc)
        rc = finish(s, row, NULL, fate, n ? all_minimised(s, a, value) : NULL, constraint, reason, d);
    sx_arena_close(a);
    return rc;
}

int sx_study_end(sx_study *s, sx_diags *d)
{
    static const char reason[] = "paused when the study ended";
    if (s->store->shelve) return sx_study_told(s, s->store->shelve(s->db, s->id, reason), d);
    sx_arena *a = sx_arena_open(NULL);
    const sx_trial_row *const *row;
    const long n = sx_study_trials(s, a, &row, d);
    int rc = n < 0 ? (int)n : 0;
    for (long i = 0; i < n && !rc; i++)
        if (row[i]->t.fate == SX_PAUSED)
            rc = finish(s, row[i], NULL, SX_PRUNED, NULL, NULL, reason, d);
    sx_arena_close(a);
    return rc;
}
