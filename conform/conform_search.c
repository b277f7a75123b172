/* conform_search.c: what any sampler and any pruner must do: legal points, the same answer to the same
 * question. Nothing is trained: objectives are small formulas, studies live in memory. */
#include "conform.h"
#include "trials.h"

/* One space with everything in it: a branch with children of its own, log, grid, hyperopt's kinds, weights, a
 * normal axis. */
static const double zero = 0, one = 1, share[] = { 0.5, 0.3, 0.2 };
static const sx_when in_zero = { 0, 1, &zero }, in_one = { 0, 1, &one };
static const sx_axis branch = { .name = "branch", .kind = SX_AXIS_CHOICE, .high = 2, .weight = share };
static const sx_axis rate = { .name = "rate", .kind = SX_AXIS_REAL, .low = 1e-4, .high = 1, .log = true };
static const sx_axis plain = { .name = "plain", .kind = SX_AXIS_REAL, .low = -2, .high = 3, .whens = 1,
                               .when = &in_zero };
static const sx_axis whole = { .name = "whole", .kind = SX_AXIS_REAL, .low = 1, .high = 4, .step = 1,
                               .whole = true, .whens = 1, .when = &in_one };
static const sx_axis log_whole = { .name = "log_whole", .kind = SX_AXIS_REAL, .low = 1, .high = 512,
                                   .step = 1, .whole = true, .log = true };
static const sx_axis q = { .name = "q", .kind = SX_AXIS_REAL, .low = 1, .high = 16, .step = 2,
                           .round = true };
static const sx_axis normal = { .name = "normal", .kind = SX_AXIS_NORMAL, .mu = 1, .sigma = 2 };
static const sx_axis log_normal = { .name = "log_normal", .kind = SX_AXIS_NORMAL, .mu = 0, .sigma = 1,
                                    .log = true, .step = 0.5, .round = true };
static const sx_axis single = { .name = "single", .kind = SX_AXIS_REAL, .low = 7, .high = 7, .step = 1 };
static const sx_axis flag = { .name = "flag", .kind = SX_AXIS_CHOICE, .high = 1 };
static const sx_axis *const all_axes[] = { &branch, &rate, &plain, &whole, &log_whole, &q, &normal,
                                           &log_normal, &single };
static const sx_space everything = { 9, 1, 0, all_axes };
static const sx_axis *const few_axes[] = { &branch, &flag, &single, &whole };
static const sx_space few = { 4, 1, 0, few_axes }; /* branches 0 and 2: 2 points each; branch 1: 8 */
static const sx_space several = { 9, 3, 0, all_axes }, limited = { 9, 1, 2, all_axes };
enum { AXES = 9, POINTS = 12, TRIALS = 40, TIMES = 11 };

static double loss(const sx_space *s, const double *x)
{
    double sum = 0;
    for (int i = 0; i < s->n; i++) if (!isnan(x[i])) sum += fabs(x[i] - 1) / (1 + fabs(x[i]));
    return sum;
}

static bool legal(const sx_space *s, double *x)
{
    bool good = true;
    for (int i = 0; i < s->n; i++) {             /* what the core does with an answer */
        if (!sx_active(s, x, i)) { x[i] = NAN; continue; }
        good = good && isfinite(x[i]);
        x[i] = sx_axis_snap(s->axis[i], x[i]);
    }
    return good;
}

static bool same(const double *a, const double *b, int n)
{
    for (int i = 0; i < n; i++) if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

/* Asks for a point and makes it legal. 0; 1 exhausted; 2 illegal. */
static int point(trials *t, double *x)
{
    const int rc = trials_probe(t, x);
    return rc ? rc : legal(t->space, x) ? 0 : 2;
}

/* Trials end in every way there is, and now and then one goes on running. What a space has several of pulls
 * in several directions; some trials know nothing of their constraints. */
static void tell(trials *t, sx_trial *trial)
{
    static const sx_fate fates[] = { SX_DONE, SX_DONE, SX_PRUNED, SX_DONE, SX_FAILED, SX_DONE, SX_DONE,
                                     SX_RUNNING };
    static const long steps[] = { 1, 2, 3 };
    static const double curve[] = { 0.5, NAN, 0.25 };
    const sx_fate fate = fates[trial->number % 8];
    const double y = loss(t->space, trial->x);
    const double value[3] = { y, 1 - y, fabs(y - 1) }, broken[2] = { y - 4, 1 - y };
    if (fate == SX_RUNNING) return;
    if (fate == SX_PRUNED) trial->steps = trial->number % 3, trial->step = steps, trial->curve = curve;
    trials_tell_all(t, trial, fate, value, trial->number % 5 ? broken : NULL);
}

enum { CACHED = 1, RENEW = 2, REFUSE = 4 };

/* The core may refuse an answer and ask again, with the same number. */
static int ask_twice(trials *t, double *x)
{
    int rc = 0;
    for (int i = 0; i < 3 && !rc; i++) if (!(rc = point(t, x))) trials_refuse(t, x);
    if (!rc) rc = point(t, x);
    t->refused.n = 0;
    return rc;
}

/* A whole study; its points go to x. Returns how many came, -1 where one was not legal. RENEW: the cache is
 * dropped halfway; REFUSE: before each ask others go wrong. */
static long play(conform *c, const sx_entry *e, const void *params, const sx_space *space, int how,
                 double x[][AXES])
{
    const sx_sampler *s = (const sx_sampler *)e->item;
    trials t = trials_open(c->arena, s, params, space, 11, how & CACHED);
    long n = 0;
    int rc = 0;
    for (; n < TRIALS && !rc; n++) {
        if (how & RENEW && n == TRIALS / 2 && t.cache) {
            if (s->close) s->close(t.cache);
            t.cache = s->open(params, space);
        }
        if (how & REFUSE && n % 3) rc = ask_twice(&t, x[n]);
        if (!rc) rc = point(&t, x[n]);
        if (rc) break;
        tell(&t, trials_add(&t, x[n]));
    }
    trials_close(&t);
    return rc > 1 || rc < 0 ? -1 : n;
}

static bool same_play(double a[][AXES], double b[][AXES], long n, long m)
{
    if (n != m) return false;
    for (long i = 0; i < n; i++) if (!same(a[i], b[i], AXES)) return false;
    return true;
}

static void check_purity(conform *c, const sx_entry *e, const void *params, const sx_space *s,
                         const char *where)
{
    static double a[TRIALS][AXES], b[TRIALS][AXES];
    const long n = play(c, e, params, s, CACHED, a);
    if (!conform_check(c, n >= 0, "%d points are legal, whatever became of earlier trials%s", TRIALS, where))
        return;
    long m = play(c, e, params, s, CACHED, b);
    conform_check(c, same_play(a, b, n, m), "the same history and seed give the same points%s", where);
    m = play(c, e, params, s, CACHED | REFUSE, b);
    conform_check(c, same_play(a, b, n, m), "refused points leave no trace in later trials%s", where);
    if (!((const sx_sampler *)e->item)->open) return;
    m = play(c, e, params, s, 0, b);
    conform_check(c, same_play(a, b, n, m), "without its cache it gives the same points%s", where);
    m = play(c, e, params, s, CACHED | RENEW, b);
    conform_check(c, same_play(a, b, n, m), "with a new cache halfway it gives the same points%s", where);
}

/* A point that was refused is not the answer again, as long as there are others. */
static void check_refused(conform *c, const sx_entry *e, const void *params)
{
    trials t = trials_open(c->arena, (const sx_sampler *)e->item, params, &everything, 17, true);
    double x[AXES];
    int rc = 0;
    long again = 0;
    for (int i = 0; i < 24 && !(rc = point(&t, x)); i++) tell(&t, trials_add(&t, x));
    for (int i = 0; i < 20 && !rc && !(rc = point(&t, x)); i++) {
        bool told = false;
        for (long k = 0; k < t.refused.n; k++) told = told || same(t.refused.v[k]->x, x, AXES);
        again += told;
        trials_refuse(&t, x);
    }
    conform_check(c, rc == 0 || rc == 1, "a point that is refused makes room for another one");
    if (again) conform_note(c, "gives refused points again: %ld of 20", again);
    trials_close(&t);
}

/* Does it find all points of a finite space, and say so not too early? One that repeats points is helped by
 * the core. */
static void check_finite(conform *c, const sx_entry *e, const void *params)
{
    trials t = trials_open(c->arena, (const sx_sampler *)e->item, params, &few, 5, true);
    double x[AXES];
    int rc = 0;
    long fresh = 0;
    for (int i = 0; i < 20 * POINTS && !(rc = point(&t, x)); i++) {
        sx_arena *a = sx_arena_open(c->arena);
        const sx_history h = trials_history(&t, a);
        fresh += sx_point_find(&few, &h, x, 0) < 0;
        sx_trial *trial = trials_add(&t, x);
        trials_tell(&t, trial, SX_DONE, loss(&few, x));
        sx_arena_close(a);
    }
    conform_check(c, rc == 0 || (rc == 1 && fresh == POINTS),
                  "a finite space is not called exhausted before it is");
    if (rc == 1) conform_check(c, t.all.n == POINTS, "it gives each of %d points once", POINTS);
    else conform_note(c, "repeats points: %ld of %d different ones in %ld trials", fresh, POINTS, t.all.n);
    trials_close(&t);
}

/* Workers ask while others' trials run. */
static void check_parallel(conform *c, const sx_entry *e, const void *params)
{
    trials t = trials_open(c->arena, (const sx_sampler *)e->item, params, &everything, 3, true);
    double x[AXES];
    int rc = 0;
    for (int i = 0; i < 24 && !(rc = point(&t, x)); i++)
        trials_tell(&t, trials_add(&t, x), SX_DONE, loss(&everything, x));
    const long from = t.all.n;
    for (int i = 0; i < 8 && !rc && !(rc = point(&t, x)); i++) trials_add(&t, x);
    bool distinct = rc == 0 || rc == 1;
    for (long i = from; i < t.all.n; i++)
        for (long k = 0; k < i; k++) distinct = distinct && !same(t.all.v[i]->x, t.all.v[k]->x, AXES);
    conform_check(c, distinct, "eight workers at once get eight different points");
    trials_close(&t);
}

/* Histories that no model likes. */
static void check_odd(conform *c, const sx_entry *e, const void *params)
{
    static const struct { const char *name; sx_fate fate; double value; } odd[] = {
        { "failed", SX_FAILED, 0 }, { "running", SX_RUNNING, 0 }, { "refused", SX_REFUSED, 0 },
        { "equal", SX_DONE, 0 },
        { "infinite", SX_DONE, INFINITY }, { "not numbers", SX_DONE, NAN }, { "huge", SX_DONE, -1e308 } };
    for (size_t k = 0; k < sizeof odd / sizeof *odd; k++) {
        trials t = trials_open(c->arena, (const sx_sampler *)e->item, params, &everything, 9, true);
        double x[AXES];
        int rc = 0;
        for (int i = 0; i < 30 && !(rc = point(&t, x)); i++) {
            sx_trial *trial = trials_add(&t, x);
            if (odd[k].fate != SX_RUNNING) trials_tell(&t, trial, odd[k].fate, odd[k].value);
        }
        conform_check(c, rc == 0 || rc == 1, "30 trials that are all %s do it no harm", odd[k].name);
        trials_close(&t);
    }
}

static void note_speed(conform *c, const sx_entry *e, const void *params, long n)
{
    trials t = trials_open(c->arena, (const sx_sampler *)e->item, params, &everything, 1, true);
    double x[AXES];
    sx_rng r;
    sx_rng_init(&r, 1, 0, "conform");
    for (long i = 0; i < n; i++) {
        sx_point_random(&everything, &r, x);
        trials_tell(&t, trials_add(&t, x), SX_DONE, loss(&everything, x));
    }
    trials_probe(&t, x);                         /* reads the history */
    t.asked = 0;
    for (int i = 0; i < TIMES; i++) {
        trials_tell(&t, trials_add(&t, x), SX_DONE, loss(&everything, x));
        if (point(&t, x)) break;
    }
    conform_note(c, "%.0f us per suggestion behind %ld trials of %d axes", 1e6 * t.asked / TIMES, n, AXES);
    trials_close(&t);
}

int conform_sampler(conform *c, const sx_entry *e)
{
    const void *params = conform_params(c, c->arena, e);
    if (!params) return SX_E_CONFIG;
    if (!conform_check(c, ((const sx_sampler *)e->item)->ask != NULL, "has ask")) return SX_E_PLUGIN;
    check_purity(c, e, params, &everything, "");
    check_purity(c, e, params, &several, ", with three objectives");
    check_purity(c, e, params, &limited, ", with constraints");
    check_refused(c, e, params);
    check_finite(c, e, params);
    check_parallel(c, e, params);
    check_odd(c, e, params);
    note_speed(c, e, params, 100);
    note_speed(c, e, params, 1000);
    return 0;
}

/* --- Pruners --- */
enum { STEPS = 10, OTHERS = 12 };
static const long step[STEPS] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };

/* A trial that falls from `from` by a tenth of itself each step. */
static sx_trial *curve_of(sx_arena *a, long number, sx_fate fate, double from)
{
    double *y = sx_alloc_array(a, STEPS, sizeof *y), *value = SX_NEW(a, double);
    for (int i = 0; i < STEPS; i++) y[i] = from * (1 - 0.1 * i);
    *value = y[STEPS - 1];
    sx_trial *t = SX_NEW(a, sx_trial);
    *t = (sx_trial){ .number = number, .fate = fate, .steps = STEPS, .step = step, .curve = y,
                     .value = fate == SX_DONE ? value : NULL };
    return t;
}

static sx_verdict judge(const sx_entry *e, const void *params, const sx_history *h, const sx_trial *self)
{
    return ((const sx_pruner *)e->item)->judge(params, h, self);
}

static bool known(sx_verdict v) { return v == SX_GO || v == SX_PAUSE || v == SX_STOP; }

/* Only a paused trial may be called, and only once. */
static void check_resume(conform *c, const sx_pruner *p, const void *params, const sx_history *none)
{
    const sx_trial *list[2 * OTHERS];
    bool fine = true;
    conform_check(c, p->resume(params, none) == -1, "there is no trial to go on with in an empty history");
    for (long i = 0; i < OTHERS; i++) {
        sx_trial *t = curve_of(c->arena, i, i % 4 == 3 ? SX_DONE : SX_PAUSED, 2 + sin((double)i));
        if (i % 4 != 3) t->steps = 1 + i % 3;
        list[i] = t;
    }
    sx_history h = { .n = OTHERS, .done = OTHERS, .trial = list, .epochs = STEPS };
    for (long number; fine && h.n < 2 * OTHERS && (number = p->resume(params, &h)) != -1;) {
        fine = number >= 0 && number < OTHERS && list[number]->fate == SX_PAUSED;
        for (long i = OTHERS; fine && i < h.n; i++) fine = list[i]->number != number;
        sx_trial *again = SX_NEW(c->arena, sx_trial);
        *again = (sx_trial){ .number = number, .fate = SX_RUNNING };
        list[h.n++] = again;
    }
    conform_check(c, fine, "it goes on with paused trials only, with none twice");
}

int conform_pruner(conform *c, const sx_entry *e)
{
    const sx_pruner *p = (const sx_pruner *)e->item;
    const void *params = conform_params(c, c->arena, e);
    if (!params) return SX_E_CONFIG;
    if (!conform_check(c, p->judge != NULL, "has judge")) return SX_E_PLUGIN;
    const sx_trial *others[OTHERS];
    for (long i = 0; i < OTHERS; i++)
        others[i] = curve_of(c->arena, i, i == 3 ? SX_PRUNED : i == 4 ? SX_FAILED : SX_DONE,
                             i == 5 ? NAN : 1 + (double)i);
    const sx_history none = { .trial = others }, many = { .n = OTHERS, .done = OTHERS, .trial = others };
    sx_trial best = *curve_of(c->arena, OTHERS, SX_RUNNING, 0.1),
        worst = *curve_of(c->arena, OTHERS + 1, SX_RUNNING, 1000);
    best.steps = worst.steps = 1;
    conform_check(c, judge(e, params, &none, &worst) != SX_STOP,
                  "the first report of the first trial stops nothing");
    bool went = true, pure = true, fine = true;
    for (best.steps = worst.steps = 1; best.steps <= STEPS; best.steps++, worst.steps++) {
        const sx_verdict v = judge(e, params, &many, &worst);
        went = went && judge(e, params, &many, &best) != SX_STOP;
        pure = pure && judge(e, params, &many, &worst) == v;
        fine = fine && known(v);
    }
    conform_check(c, went, "a trial that is better than all others goes on");
    conform_check(c, pure, "the same history gives the same verdict");
    conform_check(c, fine, "verdicts are SX_GO, SX_PAUSE or SX_STOP");
    fine = true;
    sx_trial lost = *curve_of(c->arena, OTHERS + 2, SX_RUNNING, NAN);
    for (lost.steps = 0; lost.steps <= STEPS; lost.steps++)
        fine = fine && known(judge(e, params, &many, &lost));
    conform_check(c, fine, "reports that are no numbers, and no reports, do it no harm");
    if (p->resume) check_resume(c, p, params, &none);
    return 0;
}
