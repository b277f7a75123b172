/* test_pruners.c: pruners: verdicts of Optuna's own MedianPruner and PercentilePruner; patience, halving and
 * divergence by hand. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "param.h"

static sx_arena *a;
static sx_diags d;
static void open_all(void) { a = sx_arena_open(NULL); sx_diags_init(&d, a); }
static void close_all(void) { sx_arena_close(a); }
TestSuite(pruners, .init = open_all, .fini = close_all);

typedef struct { const sx_pruner *item; void *params; } pruner;

static pruner load(const char *name, const char *settings)
{
    sx_conf *c = NULL;
    const sx_entry *e = sx_find(sx_registry_open(a, getenv("STRIX_PLUGIN_PATH")), SX_KIND_PRUNER, name,
                                SX_NOWHERE, &d);
    cr_assert(e, "%s: %s", name, d.n ? d.v[0].text : "");
    cr_assert_eq(sx_config_parse(a, settings, "test", NULL, &c, &d), 0);
    void *params = sx_alloc(a, e->item->params_size + 1);
    cr_assert_eq(sx_param_fill(a, e->params, name, c, NULL, NULL, params, &d), 0, "%s",
                 d.n ? d.v[0].text : "");
    return (pruner){ (const sx_pruner *)e->item, params };
}

static sx_trial curve(sx_fate fate, const json_t *steps, const json_t *values)
{
    const size_t n = json_array_size(steps);
    long *step = sx_alloc_array(a, n + 1, sizeof *step);
    double *y = sx_alloc_array(a, n + 1, sizeof *y);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(values, i);
        step[i] = (long)json_integer_value(json_array_get(steps, i));
        y[i] = json_is_number(v) ? json_number_value(v) : NAN;
    }
    return (sx_trial){ .fate = fate, .steps = (long)n, .step = step, .curve = y };
}

static sx_history others(const json_t *list)
{
    const size_t n = json_array_size(list);
    const sx_trial **v = sx_alloc_array(a, n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        const json_t *t = json_array_get(list, i);
        const char *state = json_string_value(json_object_get(t, "state"));
        sx_trial *copy = SX_NEW(a, sx_trial);
        *copy = curve(!strcmp(state, "complete") ? SX_DONE : !strcmp(state, "pruned") ? SX_PRUNED : SX_FAILED,
                      json_object_get(t, "steps"), json_object_get(t, "values"));
        v[i] = copy;
    }
    return (sx_history){ .n = (long)n, .done = (long)n, .trial = v };
}

static long setting(const json_t *c, const char *name)
{
    return (long)json_integer_value(json_object_get(c, name));
}

static void as_optuna(const char *name)
{
    json_t *cases = json_load_file(sx_format(a, "%s/tests/data/%s.json", getenv("STRIX_SOURCE"), name), 0, NULL);
    cr_assert_eq(json_array_size(cases), 60);
    for (size_t k = 0; k < json_array_size(cases); k++) {
        const json_t *c = json_array_get(cases, k), *stop = json_object_get(c, "stop");
        const json_t *share = json_object_get(c, "percentile");
        const char *settings =
            sx_format(a, "startup = %ld; warmup = %ld; interval = %ld; min_trials = %ld;", setting(c, "startup"),
                      setting(c, "warmup"), setting(c, "interval"), setting(c, "min_trials"));
        if (share) settings = sx_format(a, "%s percentile = %.1f;", settings, json_number_value(share));
        const pruner p = load(name, settings);
        const sx_history h = others(json_object_get(c, "trials"));
        sx_trial self = curve(SX_RUNNING, json_object_get(c, "steps"), json_object_get(c, "values"));
        for (self.steps = 1; self.steps <= (long)json_array_size(stop); self.steps++) {
            const bool want = json_is_true(json_array_get(stop, (size_t)self.steps - 1));
            cr_expect_eq(p.item->judge(p.params, &h, &self) == SX_STOP, want, "%s, case %zu, report %ld", name, k,
                         self.steps);
        }
    }
    json_decref(cases);
}

Test(pruners, median_as_optuna) { as_optuna("median"); }
Test(pruners, percentile_as_optuna) { as_optuna("percentile"); }

static sx_verdict after(const pruner *p, const double *y, long n)
{
    static const long step[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    const sx_trial t = { .fate = SX_RUNNING, .steps = n, .step = step, .curve = y };
    return p->item->judge(p->params, &(sx_history){ .n = 0 }, &t);
}

Test(pruners, patience_counts_reports_since_the_best)
{
    const pruner p = load("patience", "patience = 3;"), choosy = load("patience",
                                                                      "patience = 2; min_delta = 0.1;");
    const double y[] = { 5, 4, 4, 3.95, 4, 4, 4, 1 };
    for (long n = 1; n < 7; n++) cr_assert_eq(after(&p, y, n), SX_GO, "%ld", n);
    cr_assert_eq(after(&p, y, 7), SX_STOP);
    cr_assert_eq(after(&p, y, 8), SX_GO, "an improvement ends the wait");
    cr_assert_eq(after(&choosy, y, 3), SX_GO);
    cr_assert_eq(after(&choosy, y, 4), SX_STOP, "0.05 is no improvement of 0.1");
}

Test(pruners, patience_and_reports_that_are_no_numbers)
{
    const pruner p = load("patience", "patience = 2;");
    const double y[] = { NAN, 1, NAN, 0.5, NAN, NAN, 0.1, INFINITY };
    cr_assert_eq(after(&p, y, 1), SX_GO);
    cr_assert_eq(after(&p, y, 5), SX_GO);
    cr_assert_eq(after(&p, y, 6), SX_STOP);
    cr_assert_eq(after(&p, y, 8), SX_GO);
}

Test(pruners, none_stops_nothing)
{
    const pruner p = load("none", "");
    const double y[] = { 1, 2, 3, NAN };
    for (long n = 0; n <= 4; n++) cr_assert_eq(after(&p, y, n), SX_GO);
}

Test(pruners, divergence_knows_what_guessing_gives)
{
    static const long step[] = { 1, 2, 3 };
    const pruner p = load("divergence", ""), late = load("divergence", "epochs = 3; margin = 0.5;");
    const sx_history accuracy = { .chance = -0.1 }, unknown = { .chance = 0 };
    const double guesses[] = { -0.1, -0.1, -0.104 }, learns[] = { -0.1, -0.12, -0.1 }, lost[] = { -0.5, -0.6, NAN };
    sx_trial t = { .fate = SX_RUNNING, .steps = 1, .step = step, .curve = guesses };
    cr_assert_eq(p.item->judge(p.params, &accuracy, &t), SX_GO, "one epoch is given");
    t.steps = 2;
    cr_assert_eq(p.item->judge(p.params, &accuracy, &t), SX_STOP);
    cr_assert_eq(late.item->judge(late.params, &accuracy, &t), SX_GO);
    cr_assert_eq(p.item->judge(p.params, &unknown, &t), SX_GO);
    t.curve = learns;
    cr_assert_eq(p.item->judge(p.params, &accuracy, &t), SX_GO);
    t.steps = 3;
    cr_assert_eq(p.item->judge(p.params, &accuracy, &t), SX_GO, "its best epoch counts");
    cr_assert_eq(late.item->judge(late.params, &accuracy, &t), SX_STOP, "0.12 is not half as much again as 0.1");
    t.curve = lost;
    cr_assert_eq(p.item->judge(p.params, &unknown, &t), SX_STOP, "no number");
}

/* --- Successive halving --- */

/* A trial with a report at every epoch up to `epochs`, the last one as given; those before are a bit worse. */
static const sx_trial *at_rung(long number, sx_fate fate, long epochs, double y)
{
    long *step = sx_alloc_array(a, (size_t)epochs + 1, sizeof *step);
    double *curve = sx_alloc_array(a, (size_t)epochs + 1, sizeof *curve);
    for (long i = 0; i < epochs; i++) { step[i] = i + 1; curve[i] = y + 0.01 * (double)(epochs - 1 - i); }
    sx_trial *t = SX_NEW(a, sx_trial);
    *t = (sx_trial){ .number = number, .fate = fate, .steps = epochs, .step = step, .curve = curve };
    return t;
}

typedef struct { const sx_trial **v; long n, cap; } list;

static long resumed(const pruner *p, const list *t, long done)
{
    const sx_history h = { .n = t->n, .done = done, .trial = t->v, .epochs = 27 };
    return p->item->resume(p->params, &h);
}

Test(pruners, asha_promotes_as_soon_as_a_rung_allows)
{
    const pruner p = load("asha", "min_epochs = 2; factor = 3;");
    const double y[] = { 0.5, 0.3, 0.4, 0.9, 0.2, 0.35 };
    list t = { 0 };
    long want[] = { -1, -1, 1, 1, 4, 4 };        /* of three one goes on, of six two */
    for (long i = 0; i < 6; i++) {
        SX_PUSH(a, t, at_rung(i, SX_PAUSED, 2, y[i]));
        cr_assert_eq(resumed(&p, &t, t.n), want[i], "%ld", i);
    }
    SX_PUSH(a, t, at_rung(4, SX_RUNNING, 0, 0)); /* called; the other one of the best two is 1 */
    cr_assert_eq(resumed(&p, &t, 6), 1);
    SX_PUSH(a, t, at_rung(1, SX_RUNNING, 0, 0));
    cr_assert_eq(resumed(&p, &t, 6), -1, "both places are taken");
}

Test(pruners, asha_looks_at_the_highest_rung_first_and_at_who_fell_out)
{
    const pruner p = load("asha", "min_epochs = 1; factor = 2;");
    list t = { 0 };
    SX_PUSH(a, t, at_rung(0, SX_PAUSED, 1, 0.9));
    SX_PUSH(a, t, at_rung(1, SX_FAILED, 0, 0));  /* counts, as the worst */
    cr_assert_eq(resumed(&p, &t, t.n), 0);
    SX_PUSH(a, t, at_rung(0, SX_PAUSED, 2, 0.8));                    /* stands there again, on the next rung */
    cr_assert_eq(resumed(&p, &t, t.n), -1);
    SX_PUSH(a, t, at_rung(2, SX_PAUSED, 1, 0.5));
    SX_PUSH(a, t, at_rung(3, SX_PAUSED, 1, 0.7));
    cr_assert_eq(resumed(&p, &t, t.n), 2, "of four the two best are 2 and 3; 0 has gone on before");
    SX_PUSH(a, t, at_rung(2, SX_PAUSED, 2, 0.4));
    cr_assert_eq(resumed(&p, &t, t.n), 2, "the upper rung comes first: 2 is the better one of two there");
    SX_PUSH(a, t, at_rung(2, SX_DONE, 3, 0.3));
    cr_assert_eq(resumed(&p, &t, t.n), 3, "then the lower one");
    SX_PUSH(a, t, at_rung(3, SX_PRUNED, 1, 0.7));
    cr_assert_eq(resumed(&p, &t, t.n), -1);
}

Test(pruners, asha_promotes_nothing_that_is_no_number)
{
    const pruner p = load("asha", "factor = 2;");
    list t = { 0 };
    for (long i = 0; i < 4; i++) SX_PUSH(a, t, at_rung(i, SX_PAUSED, 1, NAN));
    cr_assert_eq(resumed(&p, &t, t.n), -1);
    SX_PUSH(a, t, at_rung(4, SX_PAUSED, 1, 7));
    cr_assert_eq(resumed(&p, &t, t.n), 4);
}

Test(pruners, asha_pauses_at_its_rungs_only)
{
    const pruner p = load("asha", "min_epochs = 2; factor = 3;");
    list t = { 0 };
    const sx_history none = { .trial = t.v };
    for (long e = 1; e <= 20; e++) {
        const bool rung = e == 2 || e == 6 || e == 18;
        cr_assert_eq(p.item->judge(p.params, &none, at_rung(0, SX_RUNNING, e, 1)), rung ? SX_PAUSE : SX_GO, "%ld", e);
    }
    SX_PUSH(a, t, at_rung(0, SX_PAUSED, 6, 1));
    const sx_history paused = { .n = 1, .done = 1, .trial = t.v };
    cr_assert_eq(p.item->judge(p.params, &paused, at_rung(0, SX_RUNNING, 6, 1)), SX_GO, "it was called");
    cr_assert_eq(p.item->judge(p.params, &paused, at_rung(0, SX_RUNNING, 18, 1)), SX_PAUSE);
    sx_trial sparse = *at_rung(1, SX_RUNNING, 2, 1);                 /* reports every five epochs */
    sparse.step = (const long[]){ 5, 10 };
    sparse.steps = 1;
    cr_assert_eq(p.item->judge(p.params, &none, &sparse), SX_PAUSE, "behind the rung of 2");
    sparse.steps = 2;
    cr_assert_eq(p.item->judge(p.params, &none, &sparse), SX_PAUSE, "behind the rung of 6");
}

/* R = 27, factor 3: brackets of 27, 12, 6 and 4 trials (Li et al.: ceil(4 / (s + 1) * 3^s)) that begin with 1, 3,
 * 9 and 27 epochs. */
Test(pruners, hyperband_has_brackets_by_number)
{
    const pruner p = load("hyperband", "");
    const struct { long from, first; } bracket[] = { { 0, 1 }, { 27, 3 }, { 39, 9 }, { 45, 27 }, { 49, 1 } };
    const sx_history h = { .epochs = 27 };
    for (int b = 0; b < 4; b++) {
        for (long number = bracket[b].from; number < bracket[b + 1].from; number++) {
            long first = 1;
            while (first < 27 && p.item->judge(p.params, &h, at_rung(number, SX_RUNNING, first, 1)) == SX_GO) first++;
            cr_assert_eq(first, bracket[b].first, "trial %ld: %ld", number, first);
        }
    }
    cr_assert_eq(p.item->judge(p.params, &h, at_rung(49, SX_RUNNING, 1, 1)), SX_PAUSE, "and so on again");
    const sx_history unknown = { .epochs = 0 };
    cr_assert_eq(p.item->judge(p.params, &unknown, at_rung(0, SX_RUNNING, 1, 1)), SX_GO);
}

Test(pruners, hyperband_compares_within_a_bracket)
{
    const pruner p = load("hyperband", "max_epochs = 27;");
    list t = { 0 };
    SX_PUSH(a, t, at_rung(0, SX_PAUSED, 1, 0.1));
    SX_PUSH(a, t, at_rung(27, SX_PAUSED, 3, 0.2));
    SX_PUSH(a, t, at_rung(28, SX_PAUSED, 3, 0.3));
    cr_assert_eq(resumed(&p, &t, t.n), -1, "one here, two there");
    SX_PUSH(a, t, at_rung(29, SX_PAUSED, 3, 0.25));
    cr_assert_eq(resumed(&p, &t, t.n), 27);
    SX_PUSH(a, t, at_rung(1, SX_PAUSED, 1, 0.3));
    SX_PUSH(a, t, at_rung(2, SX_PAUSED, 1, 0.4));
    cr_assert_eq(resumed(&p, &t, t.n), 0, "the harsh bracket comes first");
}
