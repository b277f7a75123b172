/* claim.c: which trial comes next: asks the sampler inside the store's claim, and can ask again for what was
 * asked before. */
#include <stdlib.h>
#include <string.h>
#include "own.h"
#include "rng.h"

static void one_event(void *past, int64_t seq, const sx_trial_row *row) { sx_past_add(past, seq, row); }

void sx_study_facts(sx_study *s, sx_history *h)
{
    if (!s->chance_known) s->chance = sx_goal_chance(s->exp);
    s->chance_known = true;
    h->chance = s->chance;
    h->epochs = s->exp->search ? 0 : s->exp->train.epochs;
}

int sx_study_news(sx_study *s, sx_diags *d)
{
    return sx_study_told(s, s->store->news(s->db, s->id, &s->since, one_event, s->past), d);
}

typedef struct {
    sx_study *s; sx_arena *a; sx_diags *d;
    const double *fixed;                     /* of a queued trial: numbers to keep, NaN where free; or NULL */
    sx_refusals refused;                     /* so far, their words in a */
} asking;

static void first_of(sx_arena *a, sx_diag *kept, const sx_diag *g)
{
    if (!kept->text && g->text) *kept = sx_diag_copy(a, g);
}

static void add_refusals(sx_arena *a, sx_refusals *to, const sx_refusals *more)
{
    to->broken += more->broken;
    to->unbuilt += more->unbuilt;
    first_of(a, &to->rule, &more->rule);
    first_of(a, &to->net, &more->net);
    first_of(a, &to->mistake, &more->mistake);
}

const sx_refusals *sx_study_refusals(const sx_study *s) { return &s->refusals; }
void sx_study_refuse(sx_study *s, const sx_refusals *more) { add_refusals(s->arena, &s->refusals, more); }

/* Why a point was refused, for the ask and for the count; a layer's refusal is no mistake of the file. */
static void note_refusal(asking *q, const sx_diag *g, sx_diag *why)
{
    *why = sx_diag_copy(q->a, g);
    const sx_refusals one = { .broken = !g->code,
                              .unbuilt = g->code != 0,
                              .rule = g->code ? (sx_diag){ 0 } : *why,
                              .net = g->code ? *why : (sx_diag){ 0 },
                              .mistake = g->code == SX_E_CONFIG ? *why : (sx_diag){ 0 } };
    add_refusals(q->a, &q->refused, &one);
}

/* The point of vars, as one of the space. */
static void usual(const sx_study *s, double *x)
{
    const sx_domain *domain = s->exp->domain;
    if (domain->space.n) memcpy(x, s->usual, (size_t)domain->space.n * sizeof *x);
    sx_domain_repair(domain, x);
}

/* A sampler's answer becomes the point of a queued trial. */
static void keep_fixed(const sx_study *s, const double *fixed, double *x)
{
    const sx_domain *domain = s->exp->domain;
    for (int i = 0; i < domain->space.n; i++) {
        if (!isnan(fixed[i])) x[i] = fixed[i];
        if (isnan(x[i]) && sx_active(&domain->space, x, i)) x[i] = sx_study_nearest(s, i);
    }
    sx_domain_repair(domain, x);
}

/* Have the constraints values at the point of vars? Then it is no mistake of the file that they have none
 * elsewhere: 1 / (n - 3). */
static bool rules_work(const asking *q)
{
    sx_arena *a = sx_arena_open(NULL);
    sx_diags unsaid;
    sx_diags_init(&unsaid, a);
    sx_exp *at = NULL;
    sx_diag why;
    double *x = sx_alloc_array(a, (size_t)q->s->exp->domain->space.n + 1, sizeof *x);
    usual(q->s, x);
    int rc = sx_exp_at(a, q->s->exp, x, &at, &unsaid);
    if (!rc) rc = sx_exp_constraints(a, at, q->s->machine, &why, &unsaid);
    sx_arena_close(a);
    return !rc || rc == SX_E_REFUSED;
}

/* Can the point be built, and does it keep the constraints? */
static int check_point(void *ctx, const double *x, sx_diag *why)
{
    asking *q = ctx;
    if (q->s->exp->search && !q->s->exp->tune.known.n) return 0;
    sx_arena *a = sx_arena_open(NULL);
    if (q->fixed) {
        double *whole = sx_dup(a, x, (size_t)q->s->exp->domain->space.n * sizeof *x);
        keep_fixed(q->s, q->fixed, whole);
        x = whole;
    }
    sx_diags own;
    sx_diags_init(&own, a);
    sx_exp *at = NULL;
    sx_diag reason = { .code = SX_E_REFUSED, .text = "it was refused" };
    int rc = sx_exp_at(a, q->s->exp, x, &at, &own);
    if (rc == SX_E_REFUSED && sx_diags_first(&own)) reason = *sx_diags_first(&own);
    if (!rc) rc = sx_exp_constraints(a, at, q->s->machine, &reason, &own);
    if (rc == SX_E_CONFIG && at && sx_diags_first(&own) && rules_work(q)) {
        rc = SX_E_REFUSED;                       /* a rule without a value there cannot have been kept */
        reason = *sx_diags_first(&own);
        reason.code = 0;
    }
    if (rc == SX_E_REFUSED) note_refusal(q, &reason, why);
    else if (rc) sx_diags_pass(&own, rc, q->d);
    sx_arena_close(a);
    return rc;
}

/* The sampler has no further point, but this one is wanted: the fixed values, with those of vars or any
 * others that keep the constraints. */
static int fill_up(asking *q, long number, double *x)
{
    enum { TRIED = 100 };
    sx_rng r;
    sx_diag why;
    sx_rng_init(&r, q->s->exp->tune.seed, number, "fill");
    usual(q->s, x);
    int rc = check_point(q, x, &why);
    for (int i = 0; i < TRIED && rc == SX_E_REFUSED; i++) {
        sx_point_random(&q->s->exp->domain->space, &r, x);
        rc = check_point(q, x, &why);
    }
    return rc;
}

/* The sampler's answer beside the fixed values. Where nothing keeps the constraints it is the last point
 * that was tried, and the trial ends before it starts: see judge. */
static int suggest_queued(asking *q, const sx_ask_want *w, double *x, int64_t *tag)
{
    sx_diags own, *told = q->d;
    sx_diags_init(&own, q->a);
    q->d = &own;                                 /* that nothing was found is no error of the ask */
    int rc = sx_ask_point(q->a, w, x, tag, &own);
    if (rc == 1) {
        *tag = 0;
        rc = fill_up(q, w->number, x);
    }
    q->d = told;
    if (rc && rc != SX_E_REFUSED) return sx_diags_pass(&own, rc, told);
    keep_fixed(q->s, q->fixed, x);
    return 0;
}

static bool first_is_vars(const sx_study *s) { return s->exp->root && s->exp->tune.first; }

/* The point of trial `number` after the history h; q->fixed overwrites the sampler's answer. */
static int suggest(asking *q, const sx_history *h, void *cache, long number, double *x, int64_t *tag)
{
    const sx_study *s = q->s;
    const sx_ask_want w = { .exp = s->exp,
                            .history = h,
                            .seed = s->exp->tune.seed,
                            .number = number,
                            .cache = cache,
                            .check = check_point,
                            .ctx = q };
    *tag = 0;
    usual(s, x);
    if (q->fixed) return suggest_queued(q, &w, x, tag);
    sx_diag why;
    int rc = number == 0 && first_is_vars(s) ? check_point(q, x, &why) : SX_E_REFUSED;
    if (rc != SX_E_REFUSED) return rc;
    rc = sx_ask_point(q->a, &w, x, tag, q->d);
    return rc == SX_E_REFUSED ? sx_diags_code(q->d) : rc;
}

/* The paused trial that a pruner wants to go on; -1: none does. */
static long promoted(sx_study *s, sx_history h)
{
    const sx_tune_conf *t = &s->exp->tune;
    long number = -1;
    if (!sx_goal_pruner(s->exp)) return -1;
    sx_study_facts(s, &h);
    for (long i = 0; i < t->pruners && number < 0; i++) {
        const sx_pruner *p = (const sx_pruner *)(const void *)t->pruner[i].entry->item;
        if (p->resume) number = p->resume(t->pruner[i].params, &h);
    }
    return number;
}

static bool stands_again(const sx_history *h, long i)
{
    for (long k = i + 1; k < h->done; k++) if (h->trial[k]->number == h->trial[i]->number) return true;
    return false;
}

static bool came_farther(const sx_trial *t, const sx_trial *than)
{
    const long last = t->steps ? t->step[t->steps - 1] : 0,
               other = than->steps ? than->step[than->steps - 1] : 0;
    return last != other ? last > other : last && t->curve[t->steps - 1] < than->curve[than->steps - 1];
}

/* Where nothing else is left and no trial is complete, the paused one that came farthest: a search of few
 * trials would end with none. */
static long last_hope(const sx_history *h)
{
    const sx_trial *best = NULL;
    if (h->n > h->done) return -1;
    for (long i = 0; i < h->done; i++) if (h->trial[i]->fate == SX_DONE) return -1;
    for (long i = 0; i < h->done; i++)
        if (h->trial[i]->fate == SX_PAUSED && !stands_again(h, i) &&
            (!best || came_farther(h->trial[i], best)))
            best = h->trial[i];
    return best ? best->number : -1;
}

static int suggest_new(asking *q, const sx_history *h, const sx_trial_row *queued, sx_trial_row *made)
{
    if (made->t.number < 0) return 1;
    double *x = sx_alloc_array(q->a, (size_t)q->s->exp->domain->space.n + 1, sizeof *x);
    q->fixed = queued ? queued->t.x : NULL;
    made->t.x = x;
    return suggest(q, h, q->s->cache, made->t.number, x, &made->t.tag);
}

/* The store may ask again: what was said the time before is forgotten. */
static int ask(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
{
    asking *q = ctx;
    sx_study *s = q->s;
    sx_diags_init(q->d, q->a);
    q->refused = (sx_refusals){ 0 };
    int rc = sx_study_news(s, q->d);
    if (rc) return rc;
    const sx_history h = sx_past_at(s->past, q->a, s->since);
    long paused = promoted(s, h);
    if (paused < 0 && (rc = suggest_new(q, &h, queued, made)) == 1) paused = last_hope(&h);
    if (paused < 0) return rc;
    made->t.number = paused;
    return 0;
}

/* What a part of the space has wrong would else be seen nowhere: the search goes on without that part. */
static void warn_mistake(sx_study *s, sx_diags *d)
{
    const sx_diag *g = &s->refusals.mistake;
    if (!g->text || s->warned) return;
    s->warned = true;
    sx_diags_add(d, 0, g);
    sx_detail(d, "%s%sSuggestions with this mistake are refused; the search goes on without them.",
              g->detail ? g->detail : "", g->detail ? " " : "");
}

static int claim(sx_study *s, sx_arena *a, const char *worker, double lease, long budget, sx_claim *out,
                 sx_diags *d)
{
    sx_trial_row row = { 0 };
    sx_diags own;
    asking q = { .s = s, .a = sx_arena_open(NULL), .d = &own };
    sx_diags_init(&own, q.a);
    const int rc = s->store->claim(s->db, s->id, worker, lease, budget, ask, &q, &row);
    sx_study_refuse(s, &q.refused);
    if (rc < 0 && !own.errors) sx_study_told(s, rc, d);
    else if (rc < 0 || !own.errors) sx_diags_pass(&own, rc, d);      /* an error that was overcome is none */
    sx_arena_close(q.a);
    if (rc < 0) return rc;
    warn_mistake(s, d);
    *out = (sx_claim){ 0 };
    if (rc) return rc;
    sx_study_copy_row(s, a, &row, &out->row);
    out->x = (double *)(uintptr_t)out->row.t.x;
    for (long i = 0; i < row.t.steps; i++) sx_study_curve(s, row.id, row.t.step[i], row.t.curve[i]);
    return 0;
}

/* Why the claimed trial cannot be tried, in *why, else NULL. One that was begun in another space may not
 * fit this one; a queued one may have no point that keeps the constraints. That is looked at here, and not
 * where it is asked for, so that it is also seen when a worker dies in between. */
static int judge(sx_study *s, sx_arena *a, const sx_claim *c, const char **why, sx_diags *d)
{
    *why = NULL;
    if (!sx_past_fit(s->past, c->x)) *why = "its point does not fit the changed space";
    if (*why || !c->row.queued || c->row.dir || c->row.t.steps) return 0;
    asking q = { .s = s, .a = a, .d = d };
    sx_diag last = { 0 };
    const int rc = check_point(&q, c->x, &last);
    if (rc == SX_E_REFUSED)
        *why = sx_format(a, "no point with these values keeps the constraints; the last: %s", last.text);
    else if (rc) (void)!sx_study_drop(s, c->row.id, c->row.worker, false, NULL);
    return rc == SX_E_REFUSED ? 0 : rc;
}

int sx_study_claim(sx_study *s, sx_arena *a, const char *worker, double lease, long budget, sx_claim *out,
                   sx_diags *d)
{
    for (;;) {
        bool stopped;
        const char *why;
        int rc = sx_study_stopped(s, &stopped, d);
        if (!rc && stopped) return 3;
        if (!rc) rc = claim(s, a, worker, lease, budget, out, d);
        if (!rc) rc = judge(s, a, out, &why, d);
        if (rc || !why) return rc;
        rc = sx_study_tell(s, out, SX_FAILED, NULL, NULL, why, d);
        if (rc && rc != SX_E_LOST) return rc;
    }
}

int sx_study_ask(sx_study *s, sx_arena *a, const char *worker, double lease, sx_claim *out, sx_diags *d)
{
    return sx_study_claim(s, a, worker, lease, INT32_MAX, out, d);
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
        if (names(v, n, domain->fixed[i].name) || names(v, n, domain->fixed[i].label))
            keep[domain->fixed[i].axis] = true;
    for (int i = domain->space.n - 1; i >= 0; i--) {
        const sx_axis *axis = domain->space.axis[i];
        for (int w = 0; keep[i] && w < axis->whens; w++) keep[axis->when[w].parent] = true;
        if (!keep[i]) x[i] = NAN;
    }
}

/* A point that leaves nothing to the sampler is judged as the sampler's own are. */
static int check_named(sx_study *s, const double *x, sx_diags *d)
{
    const sx_space *space = &s->exp->domain->space;
    asking q = { .s = s, .a = s->arena, .d = d };
    sx_diag why = { 0 };
    for (int i = 0; i < space->n; i++) if (isnan(x[i]) && sx_active(space, x, i)) return 0;
    const int rc = check_point(&q, x, &why);
    if (rc != SX_E_REFUSED) return rc;
    sx_error(d, SX_E_USAGE, SX_NOWHERE, "the point cannot be a trial of study '%s'", s->name);
    sx_detail(d, "%s.", why.text);
    return SX_E_USAGE;
}

int sx_study_add(sx_study *s, const sx_named *v, long n, long *number, sx_diags *d)
{
    const sx_domain *domain = s->exp->domain;
    double *x = sx_alloc_array(s->arena, (size_t)domain->space.n + 1, sizeof *x);
    bool *keep = sx_alloc_array(s->arena, (size_t)domain->space.n + 1, sizeof *keep);
    const sx_scope *scope = sx_domain_bind(s->arena, domain, s->usual, s->exp->scope);
    int rc = sx_domain_some(s->arena, domain, v, n, scope, x, d);
    if (rc) return rc;
    blank_unnamed(domain, v, n, x, keep);
    rc = check_named(s, x, d);
    return !rc && number ? sx_study_queue(s, x, number, d) : rc;
}

int sx_study_queue(sx_study *s, const double *x, long *number, sx_diags *d)
{
    const sx_trial_row row = { .size = sizeof row, .t = { .x = x } };
    return sx_study_told(s, s->store->add(s->db, s->id, &row, number), d);
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
    int rc = row->seen > s->since ? sx_study_news(s, d) : 0;
    if (rc) return rc;
    sx_arena *a = sx_arena_open(NULL);
    const sx_history h = sx_past_at(s->past, a, row->seen);
    const sx_sampler *p = sx_study_sampler(s);
    void *cache = p->open ? p->open(s->exp->tune.sampler.params, &s->exp->domain->space) : NULL;
    asking q = { .s = s, .a = a, .d = d };
    int64_t tag;
    rc = suggest(&q, &h, cache, row->t.number, x, &tag);
    if (rc == 1)
        rc = sx_error(d, SX_E_EXHAUSTED, SX_NOWHERE, "the sampler has no point for trial %ld", row->t.number);
    if (!rc) rc = !same_point(x, row->t.x, s->exp->domain->space.n);
    if (cache && p->close) p->close(cache);
    sx_arena_close(a);
    return rc;
}
