/* test_gp.c: models of a history: Gaussian processes against plain sums, what targets they learn, and the
 * samplers gp, forest and auto as a study meets them. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "../bench/functions.h"
#include "../plugins/samplers/surrogate/surrogate.h"
#include "param.h"
#include "trials.h"

static sx_arena *a;
static sx_diags d;
static parzen_pool pool;
static void open_all(void) { a = sx_arena_open(NULL); sx_diags_init(&d, a); }
static void close_all(void) { parzen_free(&pool); sx_arena_close(a); }
TestSuite(gp, .init = open_all, .fini = close_all);

static double random_of(uint64_t i) { return sx_uniform_of(77, i); }

/* --- Against plain sums --- */
enum { N = 37, D = 4, Q = 45 };                  /* no multiples of what the loops take at once */
static double u[(N + Q) * D], y[N];
static const double theta[D + 2] = { 0.3, -1, 2, 1, 0.2, -4 };

static void make_data(void)
{
    for (int i = 0; i < N + Q; i++) {
        for (int j = 0; j < D; j++) u[i * D + j] = random_of((uint64_t)(i * D + j));
        u[i * D + 2] = floor(3 * u[i * D + 2]);  /* a category */
        if (i % 3 == 0) u[i * D + 3] = COORDS_OFF;
    }
    for (int i = 0; i < N; i++)
        y[i] = sin(5 * u[i * D]) + u[i * D + 2] - 1 + 0.1 * random_of((uint64_t)(9999 + i));
}

static double kernel(const double *p, const double *q)
{
    double sum = 0;
    for (int j = 0; j < D; j++) sum += exp(theta[j]) * fmin(1, (p[j] - q[j]) * (p[j] - q[j]));
    const double r = sqrt(5 * sum);
    return exp(theta[D]) * (1 + r + r * r / 3) * exp(-r);
}

/* Gauss' elimination with the largest pivot: m right sides; returns ln det. */
static double eliminate(double *c, int n, double *b, int m)
{
    double log_det = 0;
    for (int k = 0; k < n; k++) {
        log_det += log(fabs(c[k * n + k]));
        for (int i = 0; i < n; i++) {
            if (i == k) continue;
            const double f = c[i * n + k] / c[k * n + k];
            for (int j = k; j < n; j++) c[i * n + j] -= f * c[k * n + j];
            for (int j = 0; j < m; j++) b[i * m + j] -= f * b[k * m + j];
        }
    }
    for (int i = 0; i < n; i++) for (int j = 0; j < m; j++) b[i * m + j] /= c[i * n + i];
    return log_det;
}

static void fill(double *c)
{
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++)
            c[i * N + k] = kernel(u + i * D, u + k * D) + (i == k ? exp(theta[D + 1]) : 0);
}

Test(gp, posterior_is_that_of_plain_sums)
{
    static double c[N * N], b[N * (Q + 1)];
    double mean[Q], var[Q];
    make_data();
    fill(c);
    for (int i = 0; i < N; i++) {
        for (int q = 0; q < Q; q++) b[i * (Q + 1) + q] = kernel(u + i * D, u + (N + q) * D);
        b[i * (Q + 1) + Q] = y[i];
    }
    const double log_det = eliminate(c, N, b, Q + 1);
    double likelihood = -0.5 * log_det;
    for (int i = 0; i < N; i++) likelihood -= 0.5 * y[i] * b[i * (Q + 1) + Q];
    cr_expect_float_eq(process_likelihood(process_prepare(&pool, D, N, u, y), theta, NULL), likelihood, 1e-9);
    const process *g = process_open(&pool, D, N, N, u, y, theta);
    cr_assert(g);
    process_predict(g, Q, u + N * D, mean, var);
    for (int q = 0; q < Q; q++) {
        double m = 0, v = exp(theta[D]);
        for (int i = 0; i < N; i++) {
            const double k = kernel(u + i * D, u + (N + q) * D);
            m += k * b[i * (Q + 1) + Q];
            v -= k * b[i * (Q + 1) + q];
        }
        cr_expect_float_eq(mean[q], m, 1e-10);
        cr_expect_float_eq(var[q], v, 1e-10);
    }
}

Test(gp, gradients_are_those_of_differences)
{
    static const process_belief belief = { 0.1, 0.02, 50 };
    double g[D + 2], at[D + 2], unused[D + 2];
    make_data();
    process_fit *f = process_prepare(&pool, D, N, u, y);
    process_likelihood(f, theta, g);
    process_prior(&belief, D, theta, g);
    for (int j = 0; j < D + 2; j++) {
        double v[2];
        for (int side = 0; side < 2; side++) {
            memcpy(at, theta, sizeof at);
            at[j] += side ? 1e-5 : -1e-5;
            v[side] = process_likelihood(f, at, unused) + process_prior(&belief, D, at, NULL);
        }
        const double by_difference = (v[1] - v[0]) / 2e-5;
        cr_expect_float_eq(g[j], by_difference, 1e-5 * fmax(1, fabs(g[j])), "parameter %d: %g", j, g[j]);
    }
}

Test(gp, a_running_trial_takes_doubt_and_leaves_the_mean)
{
    double mean[2][Q], var[2][Q];
    make_data();
    for (int with = 0; with < 2; with++) {
        const process *g = process_open(&pool, D, N - 1 + with, N - 1, u, y, theta);
        process_predict(g, Q, u + N * D, mean[with], var[with]);
    }
    double less = 0;
    for (int q = 0; q < Q; q++) {
        cr_expect_float_eq(mean[0][q], mean[1][q], 1e-10);
        cr_expect_leq(var[1][q], var[0][q] + 1e-12);
        less += var[0][q] - var[1][q];
    }
    cr_expect_gt(less, 1e-3);
}

Test(gp, climbing_goes_up_and_stays_inside)
{
    static const process_belief belief = { 0.1, 0.01, 100 };
    double at[D + 2];
    make_data();
    memcpy(at, theta, sizeof at);
    process_fit *f = process_prepare(&pool, D, N, u, y);
    const double before = process_likelihood(f, theta, NULL) + process_prior(&belief, D, theta, NULL);
    process_climb(&pool, f, &belief, 60, 0.3, at);
    const double after = process_likelihood(f, at, NULL) + process_prior(&belief, D, at, NULL);
    cr_expect_gt(after, before + 1, "%g, %g", before, after);
    for (int j = 0; j < D + 2; j++) cr_expect(at[j] >= -12 && at[j] <= 6);
    cr_expect_gt(at[0], at[1], "the axis that matters has the shorter length");
}

Test(gp, a_matrix_that_is_not_positive_is_refused)
{
    double c[] = { 1, 0, 0, 2, 1, 0, 0, 0, 1 }, spare[12];
    cr_expect(!cholesky_factor(3, c, spare));
    const double big[D + 2] = { -12, -12, -12, -12, 0, -60 };
    for (int i = 0; i < N * D; i++) u[i] = 0.5;
    cr_expect_null(process_open(&pool, D, N, N, u, y, big), "equal points without noise");
}

/* The derivative of ln h is Phi / h: the chain from the middle into the far tail. */
Test(gp, log_improvement_is_right_in_the_tails)
{
    for (double z = -200; z < 8; z += 0.37) {
        const double step = 1e-4 * fmax(1, fabs(z)) / 10;
        const double slope = (improve_standard(z + step) - improve_standard(z - step)) / (2 * step);
        const double want = exp(parzen_log_phi(z) - improve_standard(z));
        cr_expect_float_eq(slope / want, 1, 1e-5, "at %g: %g, not %g", z, slope, want);
    }
    cr_expect_float_eq(improve_standard(0), log(0.3989422804014327), 1e-15);
    cr_expect_float_eq(improve_standard(-15 - 1e-12) / improve_standard(-15 + 1e-12), 1, 1e-12);
    cr_expect_float_eq(improve_standard(-1 - 1e-12) / improve_standard(-1 + 1e-12), 1, 1e-11);
    cr_expect(isfinite(improve_log(5, 0, -5)));
}

/* --- Targets --- */
static const sx_space one_objective = { .n = 0, .objectives = 1 };
static sx_trial *told(sx_trial **list, long *n, sx_fate fate, double value)
{
    sx_trial *t = SX_NEW(a, sx_trial);
    *t = (sx_trial){ .number = *n, .fate = fate,
                     .value = fate == SX_DONE ? sx_dup(a, &value, sizeof value) : NULL };
    return list[(*n)++] = t;
}

static void report(sx_trial *t, long steps, double from, double by)
{
    long *step = sx_alloc_array(a, (size_t)steps, sizeof *step);
    double *curve = sx_alloc_array(a, (size_t)steps, sizeof *curve);
    for (long i = 0; i < steps; i++) step[i] = i + 1, curve[i] = from + by * (double)i;
    t->steps = steps, t->step = step, t->curve = curve;
}

static targets targets_for(sx_trial **list, long n)
{
    const sx_history h = { .n = n, .done = n, .trial = (const sx_trial *const *)list };
    return targets_of(&pool, &one_objective, &h, n, NULL);
}

Test(gp, failed_trials_are_the_worst_and_bad_ones_are_drawn_near)
{
    sx_trial *list[16];
    long n = 0;
    for (int i = 0; i < 8; i++) told(list, &n, SX_DONE, i);
    told(list, &n, SX_DONE, 1e9);
    told(list, &n, SX_FAILED, 0);
    told(list, &n, SX_DONE, NAN);
    const targets t = targets_for(list, n);
    cr_assert_eq(t.n, 11);
    double sum = 0, square = 0;
    for (long i = 0; i < t.n; i++) sum += t.y[i], square += t.y[i] * t.y[i];
    cr_expect_float_eq(sum, 0, 1e-12);
    cr_expect_float_eq(square / 11, 1, 1e-12);
    for (int i = 1; i < 8; i++) cr_expect_lt(t.y[i - 1], t.y[i]);
    cr_expect_float_eq(t.y[8], t.y[9], 1e-12);
    cr_expect_float_eq(t.y[10], t.worst, 1e-12);
    cr_expect_lt(t.y[8] - t.y[4], 1.5 * (t.y[4] - t.y[0]), "a huge loss is not far away");
}

Test(gp, cut_trials_are_taken_for_what_they_would_have_won)
{
    sx_trial *list[16];
    long n = 0;
    for (int i = 0; i < 3; i++) report(told(list, &n, SX_DONE, i), 5, i + 4, -1);    /* wins 1 a step */
    report(told(list, &n, SX_PRUNED, 0), 2, 4, -1);      /* as the first one: would end at 0 */
    report(told(list, &n, SX_PAUSED, 0), 3, 6, -1);      /* as the third one */
    told(list, &n, SX_PRUNED, 0);                /* never reported */
    const targets t = targets_for(list, n);
    cr_expect_float_eq(t.y[3], t.y[0], 1e-12);
    cr_expect_float_eq(t.y[4], t.y[2], 1e-12);
    cr_expect_float_eq(t.y[5], t.worst, 1e-12);
    sx_trial *again = told(list, &n, SX_DONE, 1);        /* the paused one went on to its end */
    again->number = 4;
    const targets later = targets_for(list, n);
    cr_assert_eq(later.n, n - 1);
    cr_expect_float_eq(later.y[5], later.y[1], 1e-12);
}

Test(gp, a_long_history_is_thinned)
{
    enum { MANY = 1000 };
    static sx_trial *list[MANY];
    long n = 0, best = 0;
    for (int i = 0; i < MANY; i++) told(list, &n, SX_DONE, random_of((uint64_t)i));
    const targets t = targets_for(list, n);
    cr_expect(t.n <= TARGETS_MOST && t.n >= 200);
    for (long i = 0; i < t.n; i++) best += *t.trial[i]->value < 0.1;
    long all = 0;
    for (int i = 0; i < MANY; i++) all += *list[i]->value < 0.1;
    cr_expect_eq(best, all, "the best are kept: %ld of %ld", best, all);
    cr_expect_eq(t.trial[t.n - 1], list[MANY - 1], "and the latest");
}

/* --- Samplers --- */
static const char *const names[] = { "gp", "forest", "auto" };
enum { NAMES = 3 };

static trials load(const char *name, const char *settings, const sx_space *s, uint64_t seed, bool cached)
{
    sx_conf *c = NULL;
    sx_registry *all = sx_registry_open(a, getenv("STRIX_PLUGIN_PATH"));
    const sx_entry *e = sx_find(all, SX_KIND_SAMPLER, name, SX_NOWHERE, &d);
    cr_assert(e, "%s: %s", name, d.n ? d.v[0].text : "");
    cr_assert_eq(sx_config_parse(a, settings, "test", NULL, &c, &d), 0);
    void *params = sx_alloc(a, e->item->params_size + 1);
    cr_assert_eq(sx_param_fill(a, e->params, name, c, NULL, NULL, params, &d), 0);
    return trials_open(a, (const sx_sampler *)e->item, params, s, seed, cached);
}

static bool same(const double *x, const double *v, int n)
{
    for (int i = 0; i < n; i++) if (x[i] != v[i] && !(isnan(x[i]) && isnan(v[i]))) return false;
    return true;
}

/* The same study with a cache, dropped now and then, and without. Behind 48 trials fits are rarer. */
Test(gp, answers_do_not_hang_on_the_cache)
{
    const function *f = functions[4];
    for (int k = 0; k < NAMES; k++) {
        trials t = load(names[k], "", &f->space, 3, true), bare = load(names[k], "", &f->space, 3, false);
        double x[16];
        for (int i = 0; i < 62; i++) {
            cr_assert_eq(trials_ask(&t), 0);
            if (i % 6 == 1 || i > 57) {
                cr_assert_eq(trials_probe(&bare, x), 0);
                cr_assert(same(x, t.all.v[i]->x, f->space.n), "%s: trial %d", names[k], i);
            }
            for (int j = 0; j < f->space.n; j++)
                cr_assert_eq(isnan(t.all.v[i]->x[j]), !sx_active(&f->space, t.all.v[i]->x, j));
            sx_trial *twin = trials_add(&bare, t.all.v[i]->x);
            const sx_fate fate = i % 9 == 4 ? SX_FAILED : SX_DONE;
            trials_tell(&t, t.all.v[i], fate, f->loss(t.all.v[i]->x));
            trials_tell(&bare, twin, fate, f->loss(twin->x));
            if (i % 13 == 7) {
                t.sampler->close(t.cache);
                t.cache = t.sampler->open(t.params, &f->space);
            }
        }
        trials_close(&t);
        trials_close(&bare);
    }
}

static const double in_one = 1;
static const sx_when when_one = { 0, 1, &in_one };
static const sx_axis branch = { .name = "branch", .kind = SX_AXIS_CHOICE, .high = 2 },
    flag = { .name = "flag", .kind = SX_AXIS_CHOICE, .high = 1 };
static const sx_axis depth = { .name = "depth", .kind = SX_AXIS_REAL, .low = 1, .high = 4, .step = 1,
                               .whole = true, .whens = 1, .when = &when_one };
static const sx_axis *const few_axes[] = { &branch, &flag, &depth };
static const sx_space few = { 3, 1, 0, few_axes };

Test(gp, a_finite_space_is_given_once_then_it_ends)
{
    for (int k = 0; k < NAMES; k++) {
        trials t = load(names[k], k < 2 ? "startup = 3;" : "", &few, 3, true);
        for (int i = 0; i < 12; i++) {
            cr_assert_eq(trials_ask(&t), 0, "%s: trial %d", names[k], i);
            for (int j = 0; j < i; j++) cr_assert(!same(t.all.v[i]->x, t.all.v[j]->x, 3), "%s", names[k]);
            if (i != 5) trials_tell(&t, t.all.v[i], SX_DONE, t.all.v[i]->x[1] - t.all.v[i]->x[0]);
        }
        cr_assert_eq(trials_ask(&t), 1, "%s", names[k]);
        trials_close(&t);
    }
}

Test(gp, running_trials_keep_apart)
{
    const function *f = functions[3];
    for (int k = 0; k < NAMES; k++) {
        trials t = load(names[k], "", &f->space, 8, true);
        for (int i = 0; i < 40; i++) {
            cr_assert_eq(trials_ask(&t), 0);
            for (int j = 0; j < i; j++)
                cr_assert(!same(t.all.v[i]->x, t.all.v[j]->x, f->space.n), "%s", names[k]);
            if (i >= 8) trials_tell(&t, t.all.v[i - 8], SX_DONE, f->loss(t.all.v[i - 8]->x));
        }
        trials_close(&t);
    }
}

static const sx_axis unit = { .name = "x", .kind = SX_AXIS_REAL, .high = 1 };
static const sx_axis *const units[] = { &unit, &unit, &unit, &unit, &unit };

/* Beyond a half the objective is better and a constraint broken. */
Test(gp, constraints_are_learnt)
{
    const sx_space s = { 3, 1, 1, units };
    for (int k = 0; k < NAMES; k++) {
        trials t = load(names[k], "", &s, 2, true);
        double best = INFINITY;
        long kept = 0;
        for (int i = 0; i < 40; i++) {
            cr_assert_eq(trials_ask(&t), 0);
            const double *x = t.all.v[i]->x, value = x[1] + x[2] - x[0], broken = x[0] - 0.5;
            trials_tell_all(&t, t.all.v[i], SX_DONE, &value, &broken);
            if (broken <= 0) best = fmin(best, value);
            kept += i >= 20 && broken <= 0;
        }
        cr_expect_lt(best, k == 1 ? -0.2 : -0.4, "%s: %g", names[k], best);
        cr_expect_geq(kept, 8, "%s: %ld of 20", names[k], kept);
        trials_close(&t);
    }
}

/* f1 = x0, f2 = g (1 - sqrt(x0 / g)), g = 1 + 9 mean of the others: the volume below (1, 6), at most 5.67. */
static double front_volume(const char *sampler, int n, uint64_t seed)
{
    const sx_space s = { 5, 2, 0, units };
    trials t = load(sampler, "", &s, seed, true);
    double volume = 0;
    for (int i = 0; i < n; i++) {
        cr_assert_eq(trials_ask(&t), 0);
        const double *x = t.all.v[i]->x, g = 1 + 9.0 / 4 * (x[1] + x[2] + x[3] + x[4]);
        const double value[2] = { x[0], g * (1 - sqrt(x[0] / g)) };
        trials_tell_all(&t, t.all.v[i], SX_DONE, value, NULL);
    }
    for (int strip = 0; strip < 1000; strip++) {
        double low = 6;
        for (int i = 0; i < n; i++)
            if (t.all.v[i]->value[0] <= strip / 1000.0) low = fmin(low, t.all.v[i]->value[1]);
        volume += (6 - low) / 1000;
    }
    trials_close(&t);
    return volume;
}

Test(gp, several_objectives)
{
    for (int k = 0; k < NAMES; k += 2) {
        const double volume = front_volume(names[k], 50, 1);
        cr_expect_gt(volume, 5.2, "%s: %g", names[k], volume);
    }
}

static int ascending(const void *p, const void *q)
{
    const double x = *(const double *)p, v = *(const double *)q;
    return (x > v) - (x < v);
}

/* Medians of 7 seeds after 50 trials; the figures are far from the real ones and from random search's. */
Test(gp, they_learn)
{
    static const double most[][5] = { { 0.02, 0.5, 15, 0.014, 0.015 }, { 0.2, 0.9, 70, 0.02, 0.016 },
                                      { 0.02, 0.5, 15, 0.014, 0.015 } };
    for (int k = 0; k < NAMES; k++)
        for (int f = 1; f < 5; f += 2) {
            double best[7];
            for (int seed = 0; seed < 7; seed++) {
                trials t = load(names[k], "", &functions[f]->space, (uint64_t)seed, true);
                best[seed] = INFINITY;
                for (int i = 0; i < 50; i++) {
                    cr_assert_eq(trials_ask(&t), 0);
                    const double loss = functions[f]->loss(t.all.v[i]->x);
                    trials_tell(&t, t.all.v[i], SX_DONE, loss);
                    best[seed] = fmin(best[seed], loss - functions[f]->optimum);
                }
                trials_close(&t);
            }
            qsort(best, 7, sizeof *best, ascending);
            cr_expect_lt(best[3], most[k][f], "%s on %s: %g", names[k], functions[f]->name, best[3]);
        }
}
