/* test_samplers.c: samplers: what the grid counts through, what TPE never repeats, and that it learns. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "../bench/functions.h"
#include "param.h"
#include "rng.h"
#include "trials.h"

static sx_arena *a;
static sx_diags d;
static void open_all(void) { a = sx_arena_open(NULL); sx_diags_init(&d, a); }
static void close_all(void) { sx_arena_close(a); }
TestSuite(samplers, .init = open_all, .fini = close_all);

static trials load(const char *name, const char *settings, const sx_space *s, uint64_t seed)
{
    sx_conf *c = NULL;
    const sx_entry *e = sx_find(sx_registry_open(a, getenv("STRIX_PLUGIN_PATH")), SX_KIND_SAMPLER, name,
                                SX_NOWHERE, &d);
    cr_assert(e, "%s: %s", name, d.n ? d.v[0].text : "");
    cr_assert_eq(sx_config_parse(a, settings, "test", NULL, &c, &d), 0);
    void *params = sx_alloc(a, e->item->params_size + 1);
    cr_assert_eq(sx_param_fill(a, e->params, name, c, NULL, NULL, params, &d), 0, "%s",
                 d.n ? d.v[0].text : "");
    return trials_open(a, (const sx_sampler *)e->item, params, s, seed, true);
}

/* --- The functions that the benchmark searches --- */
static double option(const char *name)
{
    static const char *const names[] = { "relu", "selu", "tanh", "adam", "adamax", "nadam", "rms-prop" };
    for (int i = 0; i < 7; i++) if (!strcmp(name, names[i])) return i < 3 ? i : i - 3;
    return NAN;
}

static double at(const json_t *params, const char *name)
{
    const json_t *v = json_object_get(params, name);
    return json_is_string(v) ? option(json_string_value(v)) : json_number_value(v);
}

static double accuracy(const json_t *p, bool vgg)
{
    static const char *const names[] = { "batch_size", "learning_rate", "fcl_num_layers", "fcl_layer_size",
                                         "fcl_dropout_rate",
                                         "activation", "optimizer", "num_blocks", "block_size" };
    double v[SIZE + 1];
    for (int i = 0; i <= SIZE; i++) v[i] = at(p, names[i]);
    return function_accuracy(vgg, (int)at(p, "conv"), v);
}

Test(samplers, functions_of_the_benchmark)
{
    json_t *root = json_load_file(sx_format(a, "%s/tests/data/hpo-bench-points.json",
                                            getenv("STRIX_SOURCE")), 0, NULL);
    long checked = 0;
    for (const function *const *f = functions; *f; f++) {
        const json_t *list = json_object_get(json_object_get(root, (*f)->name), "points");
        for (size_t i = 0; i < json_array_size(list); i++, checked++) {
            const json_t *p = json_array_get(list, i), *x = json_object_get(p, "x"),
                *named = json_object_get(p, "params");
            const double want = json_number_value(json_object_get(p, "loss"));
            double v[8], got;
            for (size_t j = 0; j < json_array_size(x); j++) v[j] = json_number_value(json_array_get(x, j));
            if (x) got = (*f)->loss(v);
            else got = accuracy(named, (*f)->name[0] == 'v'), got = -(got * got);
            cr_expect(fabs(got - want) <= 1e-12 * fmax(1, fabs(want)), "%s %zu: %.17g, not %.17g",
                      (*f)->name, i, got, want);
        }
    }
    cr_assert_eq(checked, 68);
    json_decref(root);
}

/* --- A finite space with a condition: 2 + 2 + 2 * 4 points --- */
static const double one = 1;
static const sx_when in_one = { 0, 1, &one };
static const sx_axis branch = { .name = "branch", .kind = SX_AXIS_CHOICE, .high = 2 },
    flag = { .name = "flag", .kind = SX_AXIS_CHOICE, .high = 1 };
static const sx_axis depth = { .name = "depth", .kind = SX_AXIS_REAL, .low = 1, .high = 4, .step = 1,
                               .whole = true, .whens = 1, .when = &in_one };
static const sx_axis *const few_axes[] = { &branch, &flag, &depth };
static const sx_space few = { 3, 1, 0, few_axes };
static const sx_axis rate = { .name = "rate", .kind = SX_AXIS_REAL, .low = 1e-4, .high = 1, .log = true };
static const sx_axis *const two_axes[] = { &flag, &rate };
static const sx_space two = { 2, 1, 0, two_axes };

Test(samplers, grid_counts_with_the_last_axis_fastest)
{
    static const double want[12][3] = { { 0, 0, NAN }, { 0, 1, NAN }, { 1, 0, 1 }, { 1, 0, 2 }, { 1, 0, 3 },
                                        { 1, 0, 4 },
                                        { 1, 1, 1 }, { 1, 1, 2 }, { 1, 1, 3 }, { 1, 1, 4 }, { 2, 0, NAN },
                                        { 2, 1, NAN } };
    trials t = load("grid", "", &few, 1);
    for (int i = 0; i < 12; i++) {               /* several workers: every third trial ends late or never */
        cr_assert_eq(trials_ask(&t), 0);
        for (int j = 0; j < 3; j++)
            cr_expect(t.all.v[i]->x[j] == want[i][j] || (isnan(want[i][j]) && isnan(t.all.v[i]->x[j])),
                      "point %d axis %d", i, j);
        if (i % 3) trials_tell(&t, t.all.v[i], i % 2 ? SX_DONE : SX_FAILED, 1);
        if (i == 7) trials_tell(&t, t.all.v[3], SX_DONE, 1);
    }
    cr_assert_eq(trials_ask(&t), 1, "it ends");
    trials_close(&t);
}

Test(samplers, grid_of_a_continuous_axis)
{
    trials t = load("grid", "points = 3;", &two, 1);
    static const double want[] = { 1e-4, 1e-2, 1 };
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(trials_ask(&t), 0);
        cr_expect_float_eq(t.all.v[i]->x[1] / want[i % 3], 1, 1e-14);
        cr_expect_eq(t.all.v[i]->x[0], i / 3);
    }
    cr_assert_eq(trials_ask(&t), 1);
    trials_close(&t);
}

static const char *const variants[] = { "", "flavour = \"hyperopt\";", "multivariate = false;",
                                        "group = true;", "startup = 0;",
                                        "candidates = 1;", "gamma = 1.0;", "constant_liar = false;" };
enum { VARIANTS = sizeof variants / sizeof *variants };

Test(samplers, tpe_gives_every_point_once_then_ends)
{
    for (int v = 0; v < VARIANTS; v++) {
        trials t = load("tpe", variants[v], &few, 3);
        for (int i = 0; i < 12; i++) {
            cr_assert_eq(trials_ask(&t), 0, "%s: trial %d", variants[v], i);
            const sx_history h = trials_history(&t, a);
            cr_assert_eq(h.n, i + 1);
            for (int k = 0; k < i; k++) {
                const sx_history before = { .n = 1, .done = 1, .trial = &(const sx_trial *){ t.all.v[k] } };
                cr_assert_lt(sx_point_find(&few, &before, t.all.v[i]->x, 0), 0, "%s: %d repeats %d",
                             variants[v], i, k);
            }
            if (i != 5) trials_tell(&t, t.all.v[i], SX_DONE, t.all.v[i]->x[1] - t.all.v[i]->x[0]);
        }
        cr_assert_eq(trials_ask(&t), 1, "%s", variants[v]);
        trials_close(&t);
    }
}

Test(samplers, tpe_repeats_if_asked_to)
{
    trials t = load("tpe", "repeats = true;", &few, 3);
    for (int i = 0; i < 60; i++) {
        cr_assert_eq(trials_ask(&t), 0);
        trials_tell(&t, t.all.v[i], SX_DONE, -t.all.v[i]->x[0]);
    }
    trials_close(&t);
}

Test(samplers, tpe_goes_elsewhere_when_refused)
{
    trials t = load("tpe", "", &functions[3]->space, 3);
    double x[16];
    for (int i = 0; i < 30; i++) {
        cr_assert_eq(trials_ask(&t), 0);
        trials_tell(&t, t.all.v[i], i < 15 ? SX_DONE : SX_REFUSED, functions[3]->loss(t.all.v[i]->x));
    }
    cr_assert_eq(trials_probe(&t, x), 0);
    const sx_history h = trials_history(&t, a);
    cr_assert_lt(sx_point_find(&functions[3]->space, &h, x, 0), 0);
    trials_close(&t);
}

/* --- Does it learn? Medians of 15 seeds after 50 trials; the figures are far from both the real and the
 * random ones. --- */
static int ascending(const void *p, const void *q)
{
    const double x = *(const double *)p, y = *(const double *)q;
    return (x > y) - (x < y);
}

static double regret(const char *sampler, const char *settings, const function *f)
{
    double best[15];
    for (int seed = 0; seed < 15; seed++) {
        trials t = load(sampler, settings, &f->space, (uint64_t)seed);
        best[seed] = INFINITY;
        for (int i = 0; i < 50; i++) {
            cr_assert_eq(trials_ask(&t), 0);
            const double loss = f->loss(t.all.v[i]->x);
            trials_tell(&t, t.all.v[i], SX_DONE, loss);
            best[seed] = fmin(best[seed], loss - f->optimum);
        }
        trials_close(&t);
    }
    qsort(best, 15, sizeof *best, ascending);
    return best[7];
}

Test(samplers, tpe_learns)
{
    static const double most[][5] = { { 0.35, 0.7, 40, 0.018, 0.018 }, { 1, 1.5, 110, 0.026, 0.022 },
                                      { 0.6, 1.2, 80, 0.021, 0.02 } };
    for (int v = 0; v < 3; v++)
        for (int f = 0; functions[f]; f++) {
            const double r = regret("tpe", variants[v], functions[f]);
            cr_expect_lt(r, most[v][f], "%s on %s: %g", variants[v], functions[f]->name, r);
        }
    cr_assert_gt(regret("random", "", functions[1]), 1.2);
}

Test(samplers, empty_space)
{
    const sx_space none = { 0, 1, 0, NULL };
    static const char *const names[] = { "random", "grid", "tpe", "sobol", "lhs", "anneal", "cmaes",
                                         "nsga2" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        trials t = load(names[i], "", &none, 1);
        cr_assert_eq(trials_ask(&t), 0);
        trials_tell(&t, t.all.v[0], SX_DONE, 0);
        cr_assert_leq(trials_ask(&t), 1);
        trials_close(&t);
    }
}


/* --- Designs --- */
static const sx_axis unit = { .name = "u", .kind = SX_AXIS_REAL, .low = 0, .high = 1 };
static const sx_axis *unit_axes[70];
static sx_space units(int n)
{
    for (int i = 0; i < n; i++) unit_axes[i] = &unit;
    return (sx_space){ n, 1, 0, unit_axes };
}

/* Warnock's formula for the L2 discrepancy, squared. */
static double discrepancy(const trials *t, int n, int axes)
{
    double cross = 0, single = 0;
    for (int i = 0; i < n; i++) {
        const double *x = t->all.v[i]->x;
        double one_point = 1;
        for (int j = 0; j < axes; j++) one_point *= 1 - x[j] * x[j];
        single += one_point;
        for (int k = 0; k < n; k++) {
            double both = 1;
            for (int j = 0; j < axes; j++) both *= 1 - fmax(x[j], t->all.v[k]->x[j]);
            cross += both;
        }
    }
    return pow(3, -axes) - pow(2, 1 - axes) / n * single + cross / n / n;
}

static double discrepancy_of(const char *sampler, const char *settings, uint64_t seed, int n, int axes)
{
    const sx_space s = units(axes);
    trials t = load(sampler, settings, &s, seed);
    for (int i = 0; i < n; i++) cr_assert_eq(trials_ask(&t), 0);
    const double is = discrepancy(&t, n, axes);
    trials_close(&t);
    return is;
}

Test(samplers, designs_are_more_even_than_chance)
{
    double sobol = 0, latin = 0, random = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        sobol += discrepancy_of("sobol", "", seed, 64, 5);
        latin += discrepancy_of("lhs", "points = 64;", seed, 64, 5);
        random += discrepancy_of("random", "", seed, 64, 5);
    }
    cr_expect_lt(sobol, 0.4 * random, "sobol %g, random %g", sobol, random);
    cr_expect_lt(latin, 0.8 * random, "lhs %g, random %g", latin, random);
}

/* Of the first 2^k points each axis has one in every interval of that length, scrambled or not. */
Test(samplers, sobol_fills_every_interval_once)
{
    enum { POINTS = 256, AXES = 64 };
    static bool hit[AXES][POINTS];
    const sx_space s = units(AXES + 2);
    trials t = load("sobol", "", &s, 5);
    for (int i = 0; i < POINTS; i++) {
        cr_assert_eq(trials_ask(&t), 0);
        for (int j = 0; j < AXES; j++) {
            bool *cell = &hit[j][(int)(t.all.v[i]->x[j] * POINTS)];
            cr_assert(!*cell, "point %d, axis %d", i, j);
            *cell = true;
        }
    }
    trials_close(&t);
}

/* In two axes at once as well: 16 points, one in each cell of 4 by 4. */
Test(samplers, sobol_fills_squares)
{
    bool hit[16] = { false };
    const sx_space s = units(2);
    trials t = load("sobol", "", &s, 9);
    for (int i = 0; i < 16; i++) {
        cr_assert_eq(trials_ask(&t), 0);
        const double *x = t.all.v[i]->x;
        bool *cell = &hit[(int)(x[0] * 4) * 4 + (int)(x[1] * 4)];
        cr_assert(!*cell, "point %d", i);
        *cell = true;
    }
    trials_close(&t);
}

Test(samplers, lhs_uses_each_slice_once_in_each_design)
{
    const sx_space s = units(3);
    trials t = load("lhs", "points = 20;", &s, 5);
    for (int design = 0; design < 2; design++) {
        bool hit[3][20] = { { false } };
        for (int i = 0; i < 20; i++) {
            cr_assert_eq(trials_ask(&t), 0);
            for (int j = 0; j < 3; j++) {
                bool *slice = &hit[j][(int)(t.all.v[20 * design + i]->x[j] * 20)];
                cr_assert(!*slice);
                *slice = true;
            }
        }
    }
    cr_assert_neq(t.all.v[0]->x[0], t.all.v[20]->x[0], "another design");
    trials_close(&t);
}

/* --- The others learn, too --- */
Test(samplers, cmaes_and_anneal_learn)
{
    static const double most[][5] = { { 0.7, 1, 40, 0.02, 0.02 }, { 0.35, 0.7, 30, 0.018, 0.018 } };
    static const char *const names[] = { "cmaes", "anneal" };
    for (int v = 0; v < 2; v++)
        for (int f = 0; functions[f]; f++) {
            const double r = regret(names[v], "", functions[f]);
            cr_expect_lt(r, most[v][f], "%s on %s: %g", names[v], functions[f]->name, r);
        }
}

/* Rosenbrock's valley in five axes takes a covariance. */
Test(samplers, cmaes_arrives)
{
    trials t = load("cmaes", "", &functions[2]->space, 4);
    double best = INFINITY;
    for (int i = 0; i < 3000; i++) {
        cr_assert_eq(trials_ask(&t), 0);
        const double loss = functions[2]->loss(t.all.v[i]->x);
        trials_tell(&t, t.all.v[i], SX_DONE, loss);
        best = fmin(best, loss);
    }
    cr_assert_lt(best, 1e-6, "%g", best);
    trials_close(&t);
}

/* --- Several objectives: f1 = x0, f2 = g (1 - sqrt(x0 / g)), g = 1 + 9 mean of the others (ZDT1) --- */
static double front_volume(const char *sampler, const char *settings, int n, uint64_t seed)
{
    sx_space s = units(5);
    s.objectives = 2;
    trials t = load(sampler, settings, &s, seed);
    double volume = 0;
    for (int i = 0; i < n; i++) {
        cr_assert_eq(trials_ask(&t), 0);
        const double *x = t.all.v[i]->x, g = 1 + 9.0 / 4 * (x[1] + x[2] + x[3] + x[4]);
        const double y[2] = { x[0], g * (1 - sqrt(x[0] / g)) };
        trials_tell_all(&t, t.all.v[i], SX_DONE, y, NULL);
    }
    for (int strip = 0; strip < 1000; strip++) { /* below (1, 6) */
        double low = 6;
        for (int i = 0; i < n; i++)
            if (t.all.v[i]->value[0] <= strip / 1000.0) low = fmin(low, t.all.v[i]->value[1]);
        volume += (6 - low) / 1000;
    }
    trials_close(&t);
    return volume;                               /* of the true front: 6 - 1 + 2 / 3 = 5.67 */
}

Test(samplers, nsga2_and_tpe_find_a_front)
{
    double nsga2 = 0, tpe = 0, random = 0;
    for (uint64_t seed = 0; seed < 5; seed++) {
        nsga2 += front_volume("nsga2", "population = 20;", 300, seed) / 5;
        tpe += front_volume("tpe", "", 100, seed) / 5;
        random += front_volume("random", "", 300, seed) / 5;
    }
    cr_expect_gt(nsga2, 5.2, "nsga2 %g, random %g", nsga2, random);
    cr_expect_gt(tpe, 4.9, "tpe %g, random %g", tpe, random);
    cr_expect_lt(random, 4.7, "random %g", random);
}

/* x0 above a half breaks a constraint, though the objective is better there. */
Test(samplers, nsga2_keeps_to_constraints)
{
    sx_space s = units(3);
    s.constraints = 1;
    trials t = load("nsga2", "population = 10;", &s, 2);
    long kept = 0;
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(trials_ask(&t), 0);
        const double *x = t.all.v[i]->x, y = x[1] + x[2] - x[0], broken = x[0] - 0.5;
        trials_tell_all(&t, t.all.v[i], SX_DONE, &y, &broken);
        kept += i >= 150 && broken <= 0;
    }
    cr_assert_gt(kept, 25, "%ld of 50", kept);
    trials_close(&t);
}

/* --- What samplers keep between suggestions is found again from the history alone, to the last bit: behind
 * trials that end in any order and way, some of them never. --- */
static void end_somehow(trials *t, sx_trial *trial, const function *f, sx_rng *r)
{
    static const long steps[] = { 1, 2, 3 };
    static const double curve[] = { 0.5, 0.4, 0.3 };
    const double u = sx_uniform(r), y[2] = { f->loss(trial->x), sx_uniform(r) };
    trial->steps = u < 0.15 ? (long)(u * 20) : 0;
    trial->step = steps;
    trial->curve = curve;
    trials_tell_all(t, trial, u < 0.15 ? SX_PRUNED : u < 0.25 ? SX_FAILED : SX_DONE, y, NULL);
}

static void without_cache(const char *sampler, const char *settings, const function *f, int objectives)
{
    sx_space s = f->space;
    s.objectives = objectives;
    trials t = load(sampler, settings, &s, 21);
    sx_trial *running[5] = { NULL };
    sx_rng r;
    sx_rng_init(&r, 5, 0, "fates");
    for (int i = 0; i < 220; i++) {
        if (i > 60 && i % 8 == 0) {
            double x[16], cold[16];
            void *cache = t.cache;
            cr_assert_eq(trials_probe(&t, x), 0);
            t.cache = NULL;
            cr_assert_eq(trials_probe(&t, cold), 0);
            t.cache = cache;
            for (int j = 0; j < s.n; j++)
                cr_assert(x[j] == cold[j] || (isnan(x[j]) && isnan(cold[j])),
                          "%s %s: trial %d axis %d: %a, cold %a", sampler, settings, i, j, x[j], cold[j]);
        }
        cr_assert_eq(trials_ask(&t), 0);
        const int slot = (int)(sx_uniform(&r) * 5);
        if (running[slot]) end_somehow(&t, running[slot], f, &r);
        running[slot] = t.all.v[i];
    }
    trials_close(&t);
}

Test(samplers, caches_change_no_bit)
{
    for (int v = 0; v < VARIANTS; v++) without_cache("tpe", variants[v], functions[4], 1);
    without_cache("tpe", "", functions[1], 1);
    without_cache("tpe", "", functions[3], 2);
    without_cache("cmaes", "", functions[3], 1);
    without_cache("nsga2", "population = 12;", functions[4], 2);
}
