/* test_optimizers.c: 30 steps of every optimizer against Keras; schedules at their ends. */
#include <criterion/criterion.h>
#include <string.h>
#include "golden/optimizers.h"
#include "param.h"

typedef struct { sx_arena *a; sx_registry *r; sx_diags d; const sx_entry *entry; void *params; } item;

static item open_item(int kind, const char *type, const char *settings)
{
    item i = { .a = sx_arena_open(NULL) };
    sx_conf *root = NULL;
    sx_diags_init(&i.d, i.a);
    i.r = sx_registry_open(i.a, NULL);
    const char *text = sx_format(i.a, "x = { type = \"%s\"; %s };", type, settings);
    int rc = sx_config_parse(i.a, text, "text", NULL, &root, &i.d);
    const sx_scope *scope = sx_scope_open(i.a, NULL, NULL);
    if (!rc)
        rc = sx_param_item(i.a, i.r, kind, sx_conf_member(root, "x"), NULL, scope, NULL, &i.entry, &i.params,
                           &i.d);
    sx_diags_print(&i.d, stderr);
    cr_assert_eq(rc, 0);
    return i;
}

/* The weights of a case after every step, compared as the issue asks: 1e-6, relative to the largest of a row
 * where above 1. */
static void run_case(const char *type, const char *settings, const float want[STEPS][N])
{
    item i = open_item(SX_KIND_OPTIMIZER, type, settings);
    const sx_optimizer *o = (const sx_optimizer *)(const void *)i.entry->item;
    float w[N], slot[4][N] = { { 0 } }, *slots[4] = { slot[0], slot[1], slot[2], slot[3] };
    double memo[4] = { 0 };
    memcpy(w, start, sizeof w);
    for (long t = 0; t < STEPS; t++) {
        float k[8] = { 0 };
        o->coef(i.params, 0.01, t + 1, memo, k);
        o->update->host(N, w, grads[t], slots, k);
        for (int n = 0; n < N; n++)
            cr_assert_float_eq(w[n], want[t][n], 1e-6 * fmax(1, fabs(want[t][n])),
                               "%s step %ld weight %d: %.9g, Keras %.9g", type, t + 1, n, (double)w[n],
                               (double)want[t][n]);
    }
    sx_arena_close(i.a);
}

Test(optimizers, as_keras)
{
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        run_case(cases[c].type, cases[c].settings, cases[c].w);
}

/* k[0] carries the learning rate alone, so that the core may scale it for a single weight. */
Test(optimizers, k0_is_linear_in_the_rate)
{
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        item i = open_item(SX_KIND_OPTIMIZER, cases[c].type, cases[c].settings);
        const sx_optimizer *o = (const sx_optimizer *)(const void *)i.entry->item;
        double memo[2][4] = { { 0 } };
        float k[2][8] = { { 0 } };
        o->coef(i.params, 0.01, 1, memo[0], k[0]);
        o->coef(i.params, 0.02, 1, memo[1], k[1]);
        cr_assert_float_eq(k[1][0], 2 * k[0][0], 1e-8);
        cr_assert_arr_eq(&k[0][1], &k[1][1], 7 * sizeof(float));
        sx_arena_close(i.a);
    }
}

static double rate(const item *i, long epoch, long step)
{
    const sx_schedule *s = (const sx_schedule *)(const void *)i->entry->item;
    return s->factor(i->params, &(sx_progress){ .step = step, .steps = 10, .epoch = epoch, .epochs = 5 });
}

Test(schedules, cosine_falls_to_its_floor)
{
    item i = open_item(SX_KIND_SCHEDULE, "cosine", "floor = 0.1;");
    cr_assert_float_eq(rate(&i, 0, 0), 1, 1e-12);
    cr_assert_float_eq(rate(&i, 2, 5), 0.55, 1e-12);
    for (long at = 1; at < 50; at++)
        cr_assert_lt(rate(&i, at / 10, at % 10), rate(&i, (at - 1) / 10, (at - 1) % 10));
    cr_assert_float_eq(rate(&i, 5, 0), 0.1, 1e-12);
    sx_arena_close(i.a);
}

Test(schedules, cosine_warms_up)
{
    item i = open_item(SX_KIND_SCHEDULE, "cosine", "warmup = 1;");
    cr_assert_lt(rate(&i, 0, 0), 0.1);
    cr_assert_gt(rate(&i, 0, 0), 0);
    for (long at = 1; at < 10; at++) cr_assert_gt(rate(&i, 0, at), rate(&i, 0, at - 1));
    cr_assert_float_eq(rate(&i, 1, 0), 1, 1e-12);
    sx_arena_close(i.a);
}

Test(schedules, constant_is_one)
{
    item i = open_item(SX_KIND_SCHEDULE, "constant", "");
    cr_assert_eq(rate(&i, 0, 0), 1);
    cr_assert_eq(rate(&i, 4, 9), 1);
    sx_arena_close(i.a);
}
