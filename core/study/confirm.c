/* confirm.c: plans the runs that confirm a study's best trials and gathers what came of them. The plan, a
 * list of trial numbers in the order of the runs, is a remark on NAME.confirm; a command that was killed goes
 * on from it. */
#include "confirm.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "rng.h"

static const char plan_key[] = "strix:confirm";
typedef struct { sx_arena *a; long *v; long n, cap; } plan;
typedef struct { const sx_trial_row **v; long n, cap; bool *up; } chosen;

/* --- The study beside --- */

static sx_conf *setting(sx_arena *a, sx_conf *group, const char *name, sx_conf_kind kind)
{
    sx_conf *c = sx_conf_member(group, name);
    if (!c) return sx_conf_add(a, group, name, kind);
    c->kind = kind;
    c->first = c->last = NULL;
    return c;
}

static sx_conf *group_of(sx_arena *a, sx_conf *root, const char *name)
{
    sx_conf *c = sx_conf_member(root, name);
    return c ? c : sx_conf_add(a, root, name, SX_CONF_GROUP);
}

static void set_item(sx_arena *a, sx_conf *group, const char *name, const char *type)
{
    setting(a, setting(a, group, name, SX_CONF_GROUP), "type", SX_CONF_TEXT)->s = type;
}

/* The same training, with nothing left to search. */
static sx_conf *config(sx_arena *a, const sx_exp *e, const char *name, long runs)
{
    sx_conf *root = sx_conf_copy(a, e->root), *tune = group_of(a, root, "tune"),
            *study = group_of(a, root, "study");
    const sx_key key = sx_key_of(e->tune.seed, 0, "confirm");
    set_item(a, tune, "sampler", "random");
    set_item(a, tune, "pruner", "none");
    setting(a, tune, "trials", SX_CONF_INT)->i = runs;
    setting(a, tune, "replicas", SX_CONF_INT)->i = 1;
    setting(a, tune, "seed", SX_CONF_INT)->i = (int64_t)key.v[0];
    setting(a, tune, "first", SX_CONF_BOOL)->b = false;
    setting(a, tune, "test", SX_CONF_BOOL)->b = true;
    setting(a, study, "name", SX_CONF_TEXT)->s = name;
    setting(a, study, "store", SX_CONF_TEXT)->s = e->study.store;
    setting(a, study, "runs", SX_CONF_TEXT)->s = sx_format(a, "%s.confirm", e->study.runs);
    return root;
}

static int open_study(sx_arena *a, sx_registry *r, sx_study *of, long runs, sx_study **out, sx_diags *d)
{
    const sx_exp *e = sx_study_exp(of);
    const char *name = sx_format(a, "%s.confirm", sx_study_name(of));
    sx_exp *own = NULL;
    const int rc = sx_exp_open(a, r, config(a, e, name, runs), e->file, &own, d);
    return rc ? rc : sx_study_open(a, r, own, sx_study_url(of), name, true, out, d);
}

/* --- The plan --- */

static void read_plan(void *ctx, long trial, const char *key, const char *json)
{
    plan *p = ctx;
    (void)trial;
    if (strcmp(key, plan_key)) return;
    json_t *list = json_loads(json, 0, NULL), *v;
    size_t i;
    json_array_foreach(list, i, v) SX_PUSH(p->a, *p, (long)json_integer_value(v));
    json_decref(list);
}

static int write_plan(sx_study *s, const plan *p, sx_diags *d)
{
    const char *text = "";
    for (long i = 0; i < p->n; i++) text = sx_format(p->a, "%s%s%ld", text, i ? ", " : "", p->v[i]);
    return sx_study_remark(s, plan_key, sx_format(p->a, "[%s]", text), d);
}

static long count(const plan *p, long trial)
{
    long n = 0;
    for (long i = 0; i < p->n; i++) n += p->v[i] == trial;
    return n;
}

/* The complete trials that fit the space, best first: of one objective by it, of several the front. */
static int choose(sx_arena *a, sx_study *of, long top, chosen *c, sx_diags *d)
{
    const sx_trial_row *const *row;
    const bool many = sx_study_exp(of)->tune.objectives > 1;
    const bool maximize = sx_study_exp(of)->tune.maximize[0];
    const long n = many ? sx_study_front(of, a, &row, d) : sx_study_trials(of, a, &row, d);
    for (long i = 0; i < n; i++) {
        if (row[i]->t.fate != SX_DONE || !row[i]->t.value || isnan(*row[i]->t.value) ||
            !sx_study_feasible(of, row[i]) || !sx_study_fits(of, row[i]))
            continue;
        SX_PUSH(a, *c, row[i]);
        for (long k = c->n - 1; k > 0; k--) {
            const double x = *c->v[k - 1]->t.value, y = *c->v[k]->t.value;
            if (maximize ? x >= y : x <= y) break;
            const sx_trial_row *t = c->v[k];
            c->v[k] = c->v[k - 1];
            c->v[k - 1] = t;
        }
        if (c->n > top) c->n = top;
    }
    if (n >= 0 && !c->n)
        return sx_error(d, SX_E_DATA, SX_NOWHERE, "study '%s' has no complete trial to confirm",
                        sx_study_name(of));
    return n < 0 ? (int)n : 0;
}

/* Adds what the plan has and the study has not. */
static int queue(sx_arena *a, sx_study *of, sx_study *s, const plan *p, sx_diags *d)
{
    const sx_trial_row *const *has, *const *row;
    const long queued = sx_study_trials(s, a, &has, d),
               n = queued < 0 ? queued : sx_study_trials(of, a, &row, d);
    int rc = n < 0 ? (int)n : 0;
    for (long i = queued; i < p->n && !rc; i++) {
        long k = 0, number;
        while (k < n && row[k]->t.number != p->v[i]) k++;
        const double *x = k < n ? sx_study_whole(of, a, row[k]) : NULL;
        rc = x ? sx_study_queue(s, x, &number, d)
               : sx_error(d, SX_E_DATA, SX_NOWHERE, "study '%s' has no trial %ld%s", sx_study_name(of), p->v[i],
                          k < n ? " that fits its space" : "");
    }
    return rc;
}

int sx_confirm_open(sx_arena *a, sx_registry *r, sx_study *of, long top, long seeds, sx_study **out,
                    sx_diags *d)
{
    plan p = { .a = a };
    chosen c = { 0 };
    *out = NULL;
    if (sx_study_exp(of)->search || !sx_study_exp(of)->root)
        return sx_search_refuse(sx_study_exp(of), d);
    int rc = choose(a, of, top, &c, d);
    if (!rc) rc = open_study(a, r, of, top * seeds, out, d);
    if (!rc) rc = sx_study_remarks(*out, read_plan, &p, d);
    const long before = p.n;
    for (long s = 1; s <= seeds && !rc; s++)
        for (long i = 0; i < c.n; i++)
            if (count(&p, c.v[i]->t.number) < s) SX_PUSH(a, p, c.v[i]->t.number);
    if (!rc && p.n > before) rc = write_plan(*out, &p, d);
    if (!rc) rc = queue(a, of, *out, &p, d);
    return rc || p.n == top * seeds ? rc : open_study(a, r, of, p.n, out, d);
}

/* --- Results --- */

typedef struct {
    sx_arena *a;
    const plan *p;
    struct {
        const char **v;
        long n, cap;
    } names;
    json_t **each;
} results;

static void read_result(void *ctx, long trial, const char *key, const char *json)
{
    results *r = ctx;
    (void)key;
    if (trial < 0 || trial >= r->p->n || r->each[trial]) return;
    json_t *doc = r->each[trial] = json_loads(json, 0, NULL);
    for (void *at = json_object_iter(doc); at; at = json_object_iter_next(doc, at)) {
        const char *name = json_object_iter_key(at);
        long i = 0;
        while (i < r->names.n && strcmp(r->names.v[i], name)) i++;
        if (i == r->names.n) SX_PUSH(r->a, r->names, sx_strdup(r->a, name));
    }
}

static sx_spread spread_of(const results *r, const sx_trial_row *const *run, long runs, long trial,
                           const char *name)
{
    struct { double *v; long n, cap; } values = { 0 };
    for (long i = 0; i < runs && i < r->p->n; i++) {
        const json_t *v = json_array_get(json_object_get(r->each[i], name), 0);
        if (r->p->v[i] == trial && run[i]->t.fate == SX_DONE && json_is_number(v))
            SX_PUSH(r->a, values, json_number_value(v));
    }
    return sx_spread_of(values.v, values.n);
}

static void fill(const results *r, const sx_trial_row *const *run, long runs, sx_confirmed *c)
{
    c->metrics = r->names.n;
    c->name = r->names.v;
    c->spread = sx_alloc_array(r->a, (size_t)r->names.n + 1, sizeof *c->spread);
    for (long i = 0; i < c->metrics; i++) c->spread[i] = spread_of(r, run, runs, c->trial, c->name[i]);
    for (long i = 0; i < r->p->n; i++) {
        if (r->p->v[i] != c->trial) continue;
        c->runs++;
        c->failed += i < runs && (run[i]->t.fate == SX_FAILED || run[i]->t.fate == SX_PRUNED);
    }
}

static double mean_of(const sx_confirmed *c, const char *objective)
{
    for (long i = 0; i < c->metrics; i++) if (!strcmp(c->name[i], objective)) return c->spread[i].mean;
    return NAN;
}

static void sort(const sx_exp *e, sx_confirmed *v, long n)
{
    const char *by = e->tune.objective[0];
    for (long i = 1; i < n; i++)
        for (long k = i; k > 0; k--) {
            const double x = mean_of(&v[k - 1], by), y = mean_of(&v[k], by);
            if (!(isnan(x) && !isnan(y)) && !(e->tune.maximize[0] ? y > x : y < x)) break;
            const sx_confirmed t = v[k];
            v[k] = v[k - 1];
            v[k - 1] = t;
        }
}

long sx_confirm_read(sx_arena *a, sx_study *of, sx_study *confirm, sx_confirmed **out, sx_diags *d)
{
    plan p = { .a = a };
    struct { sx_confirmed *v; long n, cap; } list = { 0 };
    const sx_trial_row *const *run, *const *row;
    int rc = sx_study_remarks(confirm, read_plan, &p, d);
    results r = { .a = a, .p = &p, .each = sx_alloc_array(a, (size_t)p.n + 1, sizeof *r.each) };
    if (!rc) rc = sx_study_notes(confirm, "strix:replicas", read_result, &r, d);
    const long runs = rc ? rc : sx_study_trials(confirm, a, &run, d),
               n = runs < 0 ? runs : sx_study_trials(of, a, &row, d);
    for (long i = 0; i < p.n && n >= 0; i++) {
        sx_confirmed c = { .trial = p.v[i] };
        bool known = false;
        for (long k = 0; k < list.n; k++) known |= list.v[k].trial == c.trial;
        for (long k = 0; k < n; k++) if (row[k]->t.number == c.trial) c.row = row[k];
        if (known) continue;
        fill(&r, run, runs, &c);
        SX_PUSH(a, list, c);
    }
    for (long i = 0; i < p.n; i++) json_decref(r.each[i]);
    sort(sx_study_exp(of), list.v, list.n);
    *out = list.v;
    return n < 0 ? n : list.n;
}
