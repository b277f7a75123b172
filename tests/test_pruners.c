/* test_pruners.c: pruners: verdicts of Optuna's own MedianPruner, patience counted by hand. */
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

Test(pruners, median_as_optuna)
{
    json_t *cases = json_load_file(sx_format(a, "%s/tests/data/median.json", getenv("STRIX_SOURCE")), 0,
                                   NULL);
    cr_assert_eq(json_array_size(cases), 60);
    for (size_t k = 0; k < json_array_size(cases); k++) {
        const json_t *c = json_array_get(cases, k), *stop = json_object_get(c, "stop");
        const pruner p = load("median",
                              sx_format(a, "startup = %ld; warmup = %ld; interval = %ld; min_trials = %ld;",
            setting(c, "startup"), setting(c, "warmup"), setting(c, "interval"), setting(c, "min_trials")));
        const sx_history h = others(json_object_get(c, "trials"));
        sx_trial self = curve(SX_RUNNING, json_object_get(c, "steps"), json_object_get(c, "values"));
        for (self.steps = 1; self.steps <= (long)json_array_size(stop); self.steps++) {
            const bool want = json_is_true(json_array_get(stop, (size_t)self.steps - 1));
            cr_expect_eq(p.item->judge(p.params, &h, &self) == SX_STOP, want, "case %zu, report %ld", k,
                         self.steps);
        }
    }
    json_decref(cases);
}

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
