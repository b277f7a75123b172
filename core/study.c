/* study.c: one search: asks its sampler inside the store's claim, tells the store what happened, asks the
 * pruner. What a sampler saw is an event's number, so every suggestion can be asked for again
 * (sx_study_replay). */
#include "study.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "file.h"
#include "history.h"
#include "log.h"
#include "search.h"

struct report { long step; double v; };
struct live {
    struct live *next;
    int64_t id;
    long n, cap;
    struct report *v;
}; /* of a trial that runs here */
struct sx_study {
    sx_arena *arena; sx_registry *registry; sx_exp *exp;
    const sx_store *store; sx_db *db; int64_t id, since;
    const char *url, *name;
    sx_past *past;
    const double *usual;                         /* the point of `vars` */
    void *cache;                                 /* the sampler's */
    const sx_machine *machine;
    struct live *lives;
};

sx_exp *sx_study_exp(sx_study *s) { return s->exp; }
const char *sx_study_name(const sx_study *s) { return s->name; }
const char *sx_study_url(const sx_study *s) { return s->url; }
void sx_study_use(sx_study *s, const sx_machine *m) { s->machine = m; }

/* An error of the store, with its words. */
static int told(const sx_study *s, int rc, sx_diags *d)
{
    return rc < 0 ? sx_error(d, rc, SX_NOWHERE, "%s", s->store->last_error()) : rc;
}

static const sx_sampler *sampler(const sx_study *s)
{
    return (const sx_sampler *)(const void *)s->exp->tune.sampler.entry->item;
}
static const sx_pruner *pruner(const sx_study *s)
{
    return (const sx_pruner *)(const void *)s->exp->tune.pruner.entry->item;
}
/* And back. */
static double minimised(const sx_study *s, long objective, double v)
{
    return s->exp->tune.maximize[objective] ? -v : v;
}

/* --- Opening --- */

static void close_store(void *study)
{
    sx_study *s = study;
    if (s->cache && sampler(s)->close) sampler(s)->close(s->cache);
    if (s->db) s->store->close(s->db);
}

/* make: what is not there is made. Who joins a study makes no database: a mistyped path leaves none. */
static int open_store(sx_study *s, bool write, bool make, sx_diags *d)
{
    const char *colon = strchr(s->url, ':');
    const char *scheme = colon ? sx_strndup(s->arena, s->url, (size_t)(colon - s->url)) : s->url;
    if (!colon) {
        sx_error(d, SX_E_USAGE, SX_NOWHERE, "store '%s' names no kind of store", s->url);
        sx_hint(d, "Write sqlite:%s.", s->url);
        return SX_E_USAGE;
    }
    const sx_entry *e = sx_find(s->registry, SX_KIND_STORE, scheme, SX_NOWHERE, d);
    if (!e) return SX_E_PLUGIN;
    s->store = (const sx_store *)(const void *)e->item;
    int rc = write && !make ? s->store->open(s->url, false, &s->db) : 0;
    if (!rc && s->db) s->store->close(s->db), s->db = NULL;
    if (!rc) rc = s->store->open(s->url, write, &s->db);
    if (rc) return told(s, rc, d);
    if (*s->store->last_error()) sx_warn(d, SX_NOWHERE, "%s", s->store->last_error());
    sx_arena_defer(s->arena, close_store, s);
    return 0;
}

static int stored_exp(sx_study *s, const sx_study_row *row, sx_diags *d)
{
    sx_conf *root = NULL;
    const char *file = sx_format(s->arena, "%s.cfg", s->name);
    int rc = sx_config_parse(s->arena, row->config, file, NULL, &root, d);
    if (rc) return rc;
    rc = !sx_conf_member(root, "model") ? sx_search_open(s->arena, s->registry, root, file, &s->exp, d)
                                        : sx_exp_open(s->arena, s->registry, root, file, &s->exp, d);
    if (!rc) s->exp->tune.seed = row->seed;      /* --seed is in no file */
    return rc;
}

static void told_difference(const sx_study *s, const sx_study_row *row, const char *space, sx_diags *d)
{
    const char *difference = row->space ? sx_domain_difference(s->arena, row->space, space) : NULL;
    if (difference) sx_detail(d, "%s.", difference);
    sx_hint(d, "Give the study another name (--set study.name=...), or set the old one aside with --fresh; `strix study"
               " import` takes its trials along.");
}

/* given: the experiment comes from a file, and its text is kept; else it came from the store and stays as it
 * is there. */
static int join(sx_study *s, bool given, const sx_study_row *row, bool write, sx_diags *d)
{
    const sx_domain *domain = s->exp->domain;
    const char **dist = sx_alloc_array(s->arena, (size_t)domain->space.n + 1, sizeof *dist);
    for (int i = 0; i < domain->space.n; i++) dist[i] = sx_axis_optuna(s->arena, domain->var[i]);
    sx_study_row *w = SX_NEW(s->arena, sx_study_row);
    *w = (sx_study_row){ .size = sizeof *w,
                         .name = s->name,
                         .seed = s->exp->tune.seed,
                         .objectives = (int)s->exp->tune.objectives,
                         .metric = s->exp->tune.objective,
                         .maximize = s->exp->tune.maximize,
                         .axes = &domain->space,
                         .distribution = dist,
                         .space = sx_domain_json(s->arena, domain),
                         .config = given ? sx_conf_write(s->arena, s->exp->root) : NULL };
    if (write && row->config && w->config && strcmp(row->config, w->config))
        sx_log(SX_LOG_INFO, "study", "the configuration of '%s' has changed; new trials follow the new one",
               s->name);
    const int rc = s->store->study(s->db, w, &s->id);
    if (!rc) return 0;
    told(s, rc, d);
    if (rc == SX_E_CONFIG) told_difference(s, row, w->space, d);
    return rc;
}

static int read_news(sx_study *s, sx_diags *d);

/* A study goes on with another space: one line says what became of its trials. */
static int tell_change(sx_study *s, const sx_study_row *row, sx_diags *d)
{
    const char *is = sx_domain_json(s->arena, s->exp->domain),
               *difference = row->space ? sx_domain_difference(s->arena, row->space, is) : NULL;
    long ended, fit;
    const int rc = difference ? read_news(s, d) : 0;
    if (rc || !difference) return rc;
    sx_past_count(s->past, &ended, &fit);
    sx_warn(d, SX_NOWHERE, "study '%s' has another space now: %s; %ld of %ld ended trials fit it", s->name, difference,
            fit, ended);
    return 0;
}

/* The value of axis i nearest to its variable; 0 where it has none. */
static double nearest(const sx_study *s, int i)
{
    const sx_var *v = s->exp->domain->var[i];
    sx_datum is = { 0 };
    if (sx_scope_has(s->exp->scope, v->name))
        (void)!sx_scope_get(s->arena, s->exp->scope, v->name, SX_NOWHERE, &is, NULL);
    const double r = sx_datum_real(&is);
    if (v->axis.kind != SX_AXIS_CHOICE)
        return isnan(r) ? sx_axis_at(&v->axis, 0.5) : sx_axis_snap(&v->axis, r);
    long best = 0;
    double least = INFINITY;
    for (long k = 0; k <= (long)v->axis.high; k++) {
        const double off = sx_datum_equal(&v->option[k], &is) ? -1 : fabs(sx_datum_real(&v->option[k]) - r);
        if (off < least) { least = off; best = k; }
    }
    return (double)best;
}

/* The point of `vars`, or the nearest one of the space. */
static const double *usual_point(sx_study *s)
{
    const sx_domain *domain = s->exp->domain;
    double *x = sx_alloc_array(s->arena, (size_t)domain->space.n + 1, sizeof *x);
    if (!sx_domain_point(s->arena, domain, NULL, 0, s->exp->scope, x, NULL)) return x;
    for (int i = 0; i < domain->space.n; i++) x[i] = sx_active(&domain->space, x, i) ? nearest(s, i) : NAN;
    return x;
}

/* What every axis is read as in a trial that has no value for it. */
static const double *values_of_vars(sx_study *s)
{
    const int n = s->exp->domain->space.n;
    double *x = sx_alloc_array(s->arena, (size_t)n + 1, sizeof *x);
    for (int i = 0; i < n; i++) x[i] = isnan(s->usual[i]) ? nearest(s, i) : s->usual[i];
    return x;
}

int sx_study_open(sx_arena *a, sx_registry *r, sx_exp *e, const char *url, const char *name, bool write,
                  sx_study **out, sx_diags *d)
{
    sx_study *s = SX_NEW(a, sx_study);
    *out = NULL;
    *s = (sx_study){ .arena = a,
                     .registry = r,
                     .exp = e,
                     .url = sx_strdup(a, url ? url : e->study.store),
                     .name = sx_strdup(a, name ? name : e->study.name) };
    int rc = open_store(s, write, e != NULL, d);
    if (rc) return rc;
    sx_study_row row = { 0 };
    rc = s->store->find(s->db, s->name, &s->id, &row);
    if (rc && (rc != SX_E_DATA || !e || !write)) return told(s, rc, d);
    rc = e ? 0 : row.config ? stored_exp(s, &row, d) : sx_search_of_axes(a, r, &row, &s->exp, d);
    if (rc) return rc;
    if (!e) s->exp->study.store = s->url, s->exp->study.name = s->name;
    if ((rc = join(s, e != NULL, &row, write, d))) return rc;
    s->usual = usual_point(s);
    s->past = sx_past_open(a, s->exp->domain, values_of_vars(s));
    if (sampler(s)->open) s->cache = sampler(s)->open(s->exp->tune.sampler.params, &s->exp->domain->space);
    if (e && write && (rc = tell_change(s, &row, d))) return rc;
    *out = s;
    return 0;
}

/* --- Asking --- */

static void one_event(void *past, int64_t seq, const sx_trial_row *row) { sx_past_add(past, seq, row); }

static int read_news(sx_study *s, sx_diags *d)
{
    return told(s, s->store->news(s->db, s->id, &s->since, one_event, s->past), d);
}

typedef struct { sx_study *s; sx_arena *a; sx_diags *d; bool said; } asking;

/* Can the point be built, and does it keep the constraints? */
static int check_point(void *ctx, const double *x, const char **why)
{
    const asking *q = ctx;
    if (q->s->exp->search && !q->s->exp->tune.known.n) return 0;
    sx_arena *a = sx_arena_open(NULL);
    sx_diags own;
    sx_diags_init(&own, a);
    sx_exp *at = NULL;
    const char *reason = NULL;
    int rc = sx_exp_at(a, q->s->exp, x, &at, &own);
    if (rc == SX_E_REFUSED && own.n) reason = own.v[0].text;
    if (!rc) rc = sx_exp_constraints(a, at, q->s->machine, &reason, &own);
    if (rc == SX_E_REFUSED) *why = sx_strdup(q->a, reason ? reason : "it was refused");
    else if (rc) sx_error(q->d, rc, SX_NOWHERE, "%s", own.n ? own.v[0].text : sx_error_text(rc));
    sx_arena_close(a);
    return rc;
}

static bool first_is_vars(const sx_study *s) { return s->exp->root && s->exp->tune.first; }

/* The point of trial `number` after the history h; fixed (NaN: free) overwrites the sampler's answer. */
static int suggest(asking *q, const sx_history *h, void *cache, long number, const double *fixed, double *x,
                   int64_t *tag)
{
    const sx_study *s = q->s;
    const sx_domain *domain = s->exp->domain;
    const size_t bytes = (size_t)domain->space.n * sizeof *x;
    const char *why = NULL;
    *tag = 0;
    if (bytes) memcpy(x, s->usual, bytes);
    sx_domain_repair(domain, x);
    if (!fixed && number == 0 && first_is_vars(s) && !check_point(q, x, &why)) return 0;
    const sx_ask_want w = { .exp = s->exp,
                            .history = h,
                            .seed = s->exp->tune.seed,
                            .number = number,
                            .cache = cache,
                            .check = check_point,
                            .ctx = q };
    int rc = sx_ask_point(q->a, &w, x, tag, q->d);
    if (!fixed || rc < 0) return rc;
    if (rc && bytes) memcpy(x, s->usual, bytes); /* exhausted, but this point is wanted */
    for (int i = 0; i < domain->space.n; i++) {
        if (!isnan(fixed[i])) x[i] = fixed[i];
        if (isnan(x[i]) && sx_active(&domain->space, x, i)) x[i] = nearest(s, i);
    }
    sx_domain_repair(domain, x);
    return 0;
}

static int ask(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
{
    asking *q = ctx;
    sx_study *s = q->s;
    int rc = read_news(s, q->d);
    q->said = rc < 0;
    if (rc) return rc;
    const sx_history h = sx_past_at(s->past, q->a, s->since);
    const long paused = pruner(s)->resume ? pruner(s)->resume(s->exp->tune.pruner.params, &h) : -1;
    if (paused >= 0) { made->t.number = paused; return 0; }
    if (made->t.number < 0) return 1;
    double *x = sx_alloc_array(q->a, (size_t)s->exp->domain->space.n + 1, sizeof *x);
    rc = suggest(q, &h, s->cache, made->t.number, queued ? queued->t.x : NULL, x, &made->t.tag);
    q->said = rc < 0;
    made->t.x = x;
    return rc;
}

static void keep_curve(sx_study *s, int64_t id, long step, double v)
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

static double *reals(sx_arena *a, const double *v, long n)
{
    double *copy = v ? sx_alloc_array(a, (size_t)n + 1, sizeof *copy) : NULL;
    if (v && n) memcpy(copy, v, (size_t)n * sizeof *v);
    return copy;
}

static void copy_row(sx_study *s, sx_arena *a, const sx_trial_row *from, sx_trial_row *to)
{
    const sx_space *space = &s->exp->domain->space;
    *to = *from;
    to->t.x = reals(a, from->t.x, space->n);
    to->t.value = reals(a, from->t.value, space->objectives);
    to->t.constraint = reals(a, from->t.constraint, space->constraints);
    to->t.step = from->t.steps ? sx_dup(a, from->t.step, (size_t)from->t.steps * sizeof(long)) : NULL;
    to->t.curve = from->t.steps ? reals(a, from->t.curve, from->t.steps) : NULL;
    to->worker = sx_strdup(a, from->worker);
    to->dir = sx_strdup(a, from->dir);
    to->reason = sx_strdup(a, from->reason);
    to->values = sx_strdup(a, from->values);
}

static int claim(sx_study *s, sx_arena *a, const char *worker, double lease, long budget, sx_claim *out,
                 sx_diags *d)
{
    sx_trial_row row = { 0 };
    asking q = { s, sx_arena_open(NULL), d, false };
    const int rc = s->store->claim(s->db, s->id, worker, lease, budget, ask, &q, &row);
    sx_arena_close(q.a);
    if (rc < 0) return q.said ? rc : told(s, rc, d);
    *out = (sx_claim){ 0 };
    if (rc) return rc;
    copy_row(s, a, &row, &out->row);
    out->x = (double *)(uintptr_t)out->row.t.x;
    for (long i = 0; i < row.t.steps; i++) keep_curve(s, row.id, row.t.step[i], row.t.curve[i]);
    return 0;
}

/* A trial that was begun in another space may not fit this one: it is over. */
int sx_study_claim(sx_study *s, sx_arena *a, const char *worker, double lease, long budget, sx_claim *out,
                   sx_diags *d)
{
    for (;;) {
        bool stopped;
        int rc = sx_study_stopped(s, &stopped, d);
        if (!rc && stopped) return 3;
        if (!rc) rc = claim(s, a, worker, lease, budget, out, d);
        if (rc || sx_past_fit(s->past, out->x)) return rc;
        rc = sx_study_tell(s, out, SX_FAILED, NULL, NULL, "its point does not fit the changed space", d);
        if (rc && rc != SX_E_LOST) return rc;
    }
}

int sx_study_ask(sx_study *s, sx_arena *a, const char *worker, double lease, sx_claim *out, sx_diags *d)
{
    return sx_study_claim(s, a, worker, lease, INT32_MAX, out, d);
}

/* --- Telling --- */

static int judge(sx_study *s, const sx_claim *c, sx_diags *d)
{
    struct live *l = s->lives;
    while (l && l->id != c->row.id) l = l->next;
    const int rc = read_news(s, d);
    if (rc || !l) return rc;
    sx_arena *a = sx_arena_open(NULL);
    long *step = sx_alloc_array(a, (size_t)l->n + 1, sizeof *step);
    double *curve = sx_alloc_array(a, (size_t)l->n + 1, sizeof *curve);
    for (long i = 0; i < l->n; i++) { step[i] = l->v[i].step; curve[i] = l->v[i].v; }
    sx_trial self = c->row.t;
    self.fate = SX_RUNNING;
    self.steps = l->n;
    self.step = step;
    self.curve = curve;
    const sx_history h = sx_past_at(s->past, a, s->since);
    const sx_verdict v = pruner(s)->judge(s->exp->tune.pruner.params, &h, &self);
    sx_arena_close(a);
    return v == SX_STOP ? 1 : v == SX_PAUSE ? 2 : 0;
}

int sx_study_report(sx_study *s, const sx_claim *c, long step, long n, const char *const *name,
                    const double *value, sx_diags *d)
{
    enum { MOST = 64 };
    sx_metric m[MOST];
    const sx_tune_conf *t = &s->exp->tune;       /* several objectives have no common curve */
    const long objective = t->objectives == 1 ? sx_goal_place(t->objective[0], n, name) : -1;
    if (n > MOST)
        return sx_error(d, SX_E_USAGE, SX_NOWHERE, "%ld metrics in a report, more than %d", n, MOST);
    for (long i = 0; i < n; i++) m[i] = (sx_metric){ name[i], value[i], i == objective ? 0 : -1 };
    int rc = s->store->report(s->db, c->row.id, c->row.worker, step, (int)n, m);
    const bool away = rc == 1;                   /* the store keeps it for later: no news, no verdict */
    bool stopped = false;
    if (!away && (rc || (rc = sx_study_stopped(s, &stopped, d)))) return told(s, rc, d);
    if (stopped) return SX_E_STOPPED;
    if (objective < 0) return 0;
    keep_curve(s, c->row.id, step, minimised(s, 0, value[objective]));
    return away ? 0 : judge(s, c, d);
}

int sx_study_beat(sx_study *s, const sx_claim *c, const char *worker, double lease, sx_diags *d)
{
    return told(s, s->store->beat(s->db, c->row.id, worker, lease), d);
}

int sx_study_drop(sx_study *s, int64_t id, const char *worker, bool died, sx_diags *d)
{
    return told(s, s->store->drop(s->db, id, worker, died), d);
}

int sx_study_note(sx_study *s, const sx_claim *c, const char *key, const char *json, sx_diags *d)
{
    return told(s, s->store->note(s->db, c->row.id, key, json), d);
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
    return told(s, s->store->finish(s->db, &r), d);
}

/* A trial that lacks one of its values has none. */
static const double *all_minimised(const sx_study *s, sx_arena *a, const double *value)
{
    double *v = reals(a, value, s->exp->tune.objectives);
    for (long i = 0; v && i < s->exp->tune.objectives; i++) {
        if (isnan(v[i])) return NULL;
        v[i] = minimised(s, i, v[i]);
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

static bool names(const sx_named *v, long n, const char *name)
{
    for (long i = 0; i < n; i++) if (!strcmp(v[i].name, name)) return true;
    return false;
}

/* Leaves what was named, and the choices that it hangs on; the sampler fills the rest. */
static void blank_unnamed(const sx_domain *domain, const sx_named *v, long n, double *x, bool *keep)
{
    for (int i = 0; i < domain->space.n; i++)
        keep[i] = names(v, n, domain->var[i]->axis.name) || names(v, n, domain->var[i]->name);
    for (long i = 0; i < domain->n_fixed; i++)
        if (names(v, n, domain->fixed[i].name)) keep[domain->fixed[i].axis] = true;
    for (int i = domain->space.n - 1; i >= 0; i--) {
        const sx_axis *axis = domain->space.axis[i];
        for (int w = 0; keep[i] && w < axis->whens; w++) keep[axis->when[w].parent] = true;
        if (!keep[i]) x[i] = NAN;
    }
}

int sx_study_add(sx_study *s, const sx_named *v, long n, long *number, sx_diags *d)
{
    const sx_domain *domain = s->exp->domain;
    double *x = sx_alloc_array(s->arena, (size_t)domain->space.n + 1, sizeof *x);
    bool *keep = sx_alloc_array(s->arena, (size_t)domain->space.n + 1, sizeof *keep);
    const sx_scope *scope = sx_domain_bind(s->arena, domain, s->usual, s->exp->scope);
    const int rc = sx_domain_point(s->arena, domain, v, n, scope, x, d);
    if (rc) return rc;
    blank_unnamed(domain, v, n, x, keep);
    const sx_trial_row row = { .size = sizeof row, .t = { .x = x } };
    if (!number) return 0;
    return told(s, s->store->add(s->db, s->id, &row, number), d);
}

/* --- Reading --- */

typedef struct { sx_study *s; sx_arena *a; const sx_trial_row **v; long n, cap; } gathering;

static void gather(void *ctx, const sx_trial_row *row)
{
    gathering *g = ctx;
    sx_trial_row *r = SX_NEW(g->a, sx_trial_row);
    copy_row(g->s, g->a, row, r);
    for (long i = 0; r->t.value && i < g->s->exp->tune.objectives; i++)
        ((double *)(uintptr_t)r->t.value)[i] = minimised(g->s, i, r->t.value[i]);
    for (long i = 0; i < r->t.steps; i++)
        ((double *)(uintptr_t)r->t.curve)[i] = minimised(g->s, 0, r->t.curve[i]);
    SX_PUSH(g->a, *g, r);
}

long sx_study_trials(sx_study *s, sx_arena *a, const sx_trial_row *const **rows, sx_diags *d)
{
    gathering g = { .s = s, .a = a };
    const int rc = s->store->trials(s->db, s->id, gather, &g);
    *rows = g.v;
    return rc ? told(s, rc, d) : g.n;
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

const sx_trial_row *sx_study_best(sx_study *s, sx_arena *a, sx_diags *d)
{
    const sx_trial_row *const *row, *best = NULL;
    const long n = sx_study_trials(s, a, &row, d);
    for (long i = 0; i < n; i++) {
        if (!counts(s, row[i])) continue;
        if (!best || minimised(s, 0, *row[i]->t.value) < minimised(s, 0, *best->t.value)) best = row[i];
    }
    return best;
}

/* x is as good in all objectives and better in one. */
static bool dominates(const sx_study *s, const sx_trial_row *x, const sx_trial_row *y)
{
    bool better = false;
    for (long i = 0; i < s->exp->tune.objectives; i++) {
        const double a = minimised(s, i, x->t.value[i]), b = minimised(s, i, y->t.value[i]);
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

int sx_study_remark(sx_study *s, const char *key, const char *json, sx_diags *d)
{
    return s->store->remark ? told(s, s->store->remark(s->db, s->id, key, json), d) : SX_E_UNSUPPORTED;
}

int sx_study_remarks(sx_study *s, sx_on_note *each, void *ctx, sx_diags *d)
{
    return s->store->remarks ? told(s, s->store->remarks(s->db, s->id, each, ctx), d) : 0;
}

int sx_study_notes(sx_study *s, const char *key, sx_on_note *each, void *ctx, sx_diags *d)
{
    return s->store->notes ? told(s, s->store->notes(s->db, s->id, key, each, ctx), d) : 0;
}

static const sx_trial_row *numbered(sx_study *s, sx_arena *a, long number, sx_diags *d)
{
    const sx_trial_row *const *row;
    const long n = sx_study_trials(s, a, &row, d);
    for (long i = 0; i < n; i++) if (row[i]->t.number == number) return row[i];
    if (n >= 0) sx_error(d, SX_E_USAGE, SX_NOWHERE, "study '%s' has no trial %ld", s->name, number);
    return NULL;
}

/* Checks that a trial can be told, and works out what its values say of the constraints. */
static int take_values(const sx_study *s, sx_arena *a, const sx_trial_row *row, sx_fate fate, long n,
                       const double *value, double **constraint, sx_diags *d)
{
    const sx_tune_conf *t = &s->exp->tune;
    if (row->waiting ? fate != SX_PRUNED : row->t.fate != SX_RUNNING && row->t.fate != SX_PAUSED)
        return sx_error(d, SX_E_USAGE, SX_NOWHERE, "trial %ld is not running", row->t.number);
    if (n != t->objectives && (n || fate == SX_DONE)) {
        const char *all = t->objective[0];
        for (long i = 1; i < t->objectives; i++) all = sx_format(a, "%s, %s", all, t->objective[i]);
        return sx_error(d, SX_E_USAGE, SX_NOWHERE, "trial %ld was told %ld value%s; study '%s' is about %s",
                        row->t.number, n, n == 1 ? "" : "s", s->name, all);
    }
    if (!n || !t->measured.n || !s->exp->search) return 0;
    sx_exp *at = NULL;
    double *v = sx_alloc_array(a, (size_t)n, sizeof *v);
    *constraint = sx_alloc_array(a, (size_t)t->measured.n, sizeof **constraint);
    const int rc = sx_exp_at(a, s->exp, row->t.x, &at, d);
    return rc ? rc : sx_exp_measure(a, at, s->machine, n, t->objective, value, v, *constraint, d);
}

int sx_study_tell_number(sx_study *s, long number, sx_fate fate, long n, const double *value,
                         const char *reason, sx_diags *d)
{
    sx_arena *a = sx_arena_open(NULL);
    double *constraint = NULL;
    const sx_trial_row *row = numbered(s, a, number, d);
    int rc = row ? take_values(s, a, row, fate, n, value, &constraint, d) : SX_E_USAGE;
    if (!rc)
        rc = finish(s, row, NULL, fate, n ? all_minimised(s, a, value) : NULL, constraint, reason, d);
    sx_arena_close(a);
    return rc;
}

int sx_study_end(sx_study *s, sx_diags *d)
{
    sx_arena *a = sx_arena_open(NULL);
    const sx_trial_row *const *row;
    const long n = sx_study_trials(s, a, &row, d);
    int rc = n < 0 ? (int)n : 0;
    for (long i = 0; i < n && !rc; i++)
        if (row[i]->t.fate == SX_PAUSED)
            rc = finish(s, row[i], NULL, SX_PRUNED, NULL, NULL, "paused when the study ended", d);
    sx_arena_close(a);
    return rc;
}

static bool same_point(const double *x, const double *y, int n)
{
    for (int i = 0; i < n; i++)
        if (!(isnan(x[i]) && isnan(y[i])) && memcmp(&x[i], &y[i], sizeof *x)) return false;
    return true;
}

static void read_from(void *from, long trial, const char *key, const char *json)
{
    (void)trial;
    if (!strcmp(key, "strix:space_from")) *(long *)from = strtol(json, NULL, 10);
}

/* The first trial of the space that the study has now: the ones before were asked for in another. */
static long asked_from(sx_study *s)
{
    long from = 0;
    return sx_study_remarks(s, read_from, &from, NULL) ? 0 : from;
}

int sx_study_replay(sx_study *s, const sx_trial_row *row, double *x, sx_diags *d)
{
    if (row->waiting || !row->attempt || row->queued || row->t.number < asked_from(s)) return 2;
    int rc = row->seen > s->since ? read_news(s, d) : 0;
    if (rc) return rc;
    sx_arena *a = sx_arena_open(NULL);
    const sx_history h = sx_past_at(s->past, a, row->seen);
    const sx_sampler *p = sampler(s);
    void *cache = p->open ? p->open(s->exp->tune.sampler.params, &s->exp->domain->space) : NULL;
    asking q = { s, a, d, false };
    int64_t tag;
    rc = suggest(&q, &h, cache, row->t.number, NULL, x, &tag);
    if (rc == 1)
        rc = sx_error(d, SX_E_EXHAUSTED, SX_NOWHERE, "the sampler has no point for trial %ld", row->t.number);
    if (!rc) rc = !same_point(x, row->t.x, s->exp->domain->space.n);
    if (cache && p->close) p->close(cache);
    sx_arena_close(a);
    return rc;
}

/* --- Setting aside --- */

struct ids { int64_t *v; long n, cap; };
struct texts { const char **v; long n, cap; };
typedef struct { sx_arena *a; struct ids id; struct texts dir; } moved;

static void find_dir(void *ctx, const sx_trial_row *row)
{
    moved *m = ctx;
    if (!row->dir) return;
    SX_PUSH(m->a, m->id, row->id);
    SX_PUSH(m->a, m->dir, sx_strdup(m->a, row->dir));
}

/* The directory of runs gets the study's new ending, and the trials learn where theirs are. */
static int move_runs(sx_study *s, const sx_exp *e, const char *ending, sx_diags *d)
{
    moved m = { .a = s->arena };
    const size_t n = strlen(e->study.runs);
    const char *to = sx_format(s->arena, "%s%s", e->study.runs, ending);
    if (!sx_file_exists(e->study.runs)) return 0;
    if (rename(e->study.runs, to))
        return sx_error(d, SX_E_IO, (sx_where){ .file = e->study.runs }, "cannot be renamed to %s: %s", to,
                        strerror(errno));
    int rc = s->store->trials(s->db, s->id, find_dir, &m);
    for (long i = 0; i < m.id.n && !rc; i++)
        if (!strncmp(m.dir.v[i], e->study.runs, n))
            rc = s->store->note(s->db, m.id.v[i], "strix:dir",
                                sx_json_text(s->arena, sx_format(s->arena, "%s%s", to, m.dir.v[i] + n)));
    return told(s, rc, d);
}

int sx_study_put_aside(sx_arena *a, sx_registry *r, const sx_exp *e, const char **aside, sx_diags *d)
{
    sx_study s = { .arena = sx_arena_open(a), .registry = r, .url = e->study.store, .name = e->study.name };
    sx_study_row row;
    int64_t other;
    *aside = NULL;
    int rc = open_store(&s, true, true, d), none = rc;
    if (!rc && (none = s.store->find(s.db, s.name, &s.id, &row)) != SX_E_DATA) rc = told(&s, none, d);
    if (!none) {
        int i = 1;
        do *aside = sx_format(a, "%s.%d", s.name, i);
        while (!(none = s.store->find(s.db, *aside, &other, &row)) && ++i < 100000);
        rc = none != SX_E_DATA ? told(&s, none, d) : told(&s, s.store->rename(s.db, s.id, *aside), d);
        if (!rc) rc = move_runs(&s, e, *aside + strlen(s.name), d);
    }
    sx_arena_close(s.arena);
    return rc;
}
