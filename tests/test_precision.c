/* test_precision.c: the precision rule over the examples: what goes by the rows of the batch is bf16 where
 * that is asked for; weights, states, statistics, losses and gradients of weights stay f32. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "step.h"

static sx_arena *a;
static sx_diags d;
static sx_registry *r;
static void begin(void) { a = sx_arena_open(NULL); sx_diags_init(&d, a); r = sx_registry_open(a, NULL); }
static void end(void) { sx_arena_close(a); }
TestSuite(precision, .init = begin, .fini = end);

static void fine(int rc)
{
    if (rc) sx_diags_print(&d, stderr);
    cr_assert_eq(rc, 0);
}

static sx_exp *example(const char *name, int precision)
{
    const char *source = getenv("STRIX_SOURCE");
    sx_conf *root;
    sx_exp *e;
    const char *file = sx_format(a, "%s/examples/%s.cfg", source ? source : ".", name);
    fine(sx_config_load(a, file, NULL, &root, &d));
    fine(sx_exp_open(a, r, root, file, &e, &d));
    e->train.precision = precision;
    return e;
}

/* What each op makes under bf16; '?': bf16 by rows, f32 else. */
static const struct { const char *op, *type; } table[] = {
    { "rows", "i32" }, { "conv2d", "bf16" }, { "conv2d_bwd_x", "bf16" }, { "conv2d_bwd_w", "f32" },
    { "maxpool", "bf16" }, { "maxpool_arg", "u8" }, { "maxpool_bwd", "bf16" }, { "moments", "f32" },
    { "norm_scale", "f32" }, { "scale_shift", "bf16" }, { "norm_sums", "f32" }, { "norm_bwd", "bf16" },
    { "softmax", "f32" }, { "xent", "f32" }, { "xent_bwd", "bf16" }, { "hit", "f32" }, { "reduce", "f32" },
    { "random", "f32" }, { "fill", "f32" }, { "resize", "bf16" }, { "cast", "bf16" }, { "matmul", "?" },
    { "map", "?" }, { "map_bwd", "?" },
};

static void check_value(const sx_graph *g, const sx_val *v, const char *where)
{
    const char *is = sx_dtype_name(v->dtype), *op = v->maker < 0 ? "" : g->ops.v[v->maker].op->name;
    if (v->role != SX_ROLE_TEMP && v->role != SX_ROLE_INPUT)
        cr_expect_str_eq(is, "f32", "%s: %s is %s", where, v->name, is);
    if (!v->batched) cr_expect_neq(v->dtype, SX_BF16, "%s: a %s without rows is bf16", where, op);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const char *want = *table[i].type != '?' ? table[i].type : v->batched ? "bf16" : "f32";
        if (!strcmp(op, table[i].op))
            cr_expect_str_eq(is, want, "%s: %s makes %s, not %s", where, op, is, want);
    }
}

static void check_step(const sx_step *s, const char *where)
{
    const sx_graph *g = s->graph;
    for (long i = 0; i < g->vals.n; i++) check_value(g, &g->vals.v[i], where);
    for (long i = 0; i < g->spans.n; i++) {
        const sx_span *l = &g->spans.v[i];
        const sx_val *y = l->layer ? sx_graph_val(g, l->y) : NULL;
        if (y && (y->maker < 0 || g->ops.v[y->maker].op->code != SX_OP_SOFTMAX))
            cr_expect_eq(y->dtype, SX_BF16, "%s: %s", where, l->at.path);
    }
    for (long i = 0; i < s->n_learned; i++)
        cr_expect_eq(sx_graph_val(g, s->grads[i])->dtype, SX_F32, "%s: gradient %ld", where, i);
}

static void check_example(const char *name)
{
    sx_exp *e = example(name, 2);
    sx_data_shape shape;
    sx_machine *m;
    sx_steps steps;
    sx_budget half, full;
    fine(sx_step_shape(a, e, 1000, 200, &shape, &d));
    fine(sx_steps_write(a, e, &shape, true, 1, 0, (sx_again){ 0 }, &steps, &d));
    check_step(steps.train, sx_format(a, "%s, training", name));
    check_step(steps.eval, sx_format(a, "%s, evaluation", name));
    fine(sx_machine_open(a, r, "null", 1, &m, &d));
    fine(sx_step_budget(a, e, &shape, m, &half, &d));
    e->train.precision = 0;
    fine(sx_step_budget(a, e, &shape, m, &full, &d));
    cr_expect_lt(half.slab, full.slab, "%s: %zu of %zu bytes", name, half.slab, full.slab);
    cr_expect_eq(half.weights, full.weights);
    fine(sx_steps_write(a, e, &shape, true, 1, 0, (sx_again){ 0 }, &steps, &d));
    for (long i = 0; i < steps.train->graph->vals.n; i++)
        cr_expect_neq(steps.train->graph->vals.v[i].dtype, SX_BF16, "%s, f32", name);
}

Test(precision, convstrix28) { check_example("convstrix28"); }
Test(precision, convstrix) { check_example("convstrix"); }
Test(precision, fcnn) { check_example("fcnn"); }
Test(precision, vggstrix) { check_example("vggstrix"); }

Test(precision, one_row_sums_nothing_and_gradients_are_f32)
{
    sx_exp *e = example("fcnn", 2);
    sx_data_shape shape;
    sx_steps steps;
    e->train.batch = 1;
    fine(sx_step_shape(a, e, 10, 2, &shape, &d));
    fine(sx_steps_write(a, e, &shape, true, 1, 0, (sx_again){ 0 }, &steps, &d));
    const sx_step *s = steps.train;
    for (long i = 0; i < s->n_learned; i++)
        cr_expect_eq(sx_graph_val(s->graph, s->grads[i])->dtype, SX_F32, "gradient %ld", i);
}

/* A branch that was summed is f32; joined with one that was not it is of the compute type again. So are
 * results of own ops. */
static bool doubled_shape(const void *attr, int n, const sx_view *in, long shape[SX_RANK])
{
    (void)attr, (void)n;
    shape[0] = in[0].shape[0], shape[1] = 2 * in[0].shape[1], shape[2] = 0;
    return true;
}

Test(precision, branches_of_two_types_and_own_ops)
{
    static const sx_op doubled = { .size = sizeof doubled, .name = "doubled", .inputs = 1,
                                  .infer = doubled_shape };
    for (int half = 0; half < 2; half++) {
        sx_graph *g = sx_graph_open(a, &(sx_graph_want){ .compute = half ? SX_BF16 : SX_F32,
                                        .batch = 4 }, &d);
        const sx_dtype type = g->compute;
        const sx_t x = sx_graph_bound(g, SX_ROLE_INPUT, "x", type, (const long[]){ 4, 6, 0 }, true);
        const sx_t sum = sx_reduce(g, x, SX_SUM, 2), labels = sx_graph_bound(g, SX_ROLE_INPUT, "y", SX_I32,
                                                                           (const long[]){ 4, 1, 0 }, true);
        const sx_t both = sx_concat(g, 2, (const sx_t[]){ sum, x }, 1),
                   own = sx_custom(g, &doubled, 1, &x, NULL);
        cr_expect_eq(sx_graph_val(g, sum)->dtype, SX_F32);
        cr_expect_eq(sx_graph_val(g, both)->dtype, type);
        cr_expect_eq(sx_graph_val(g, own)->dtype, type);
        g->quiet = true;
        cr_expect_eq(sx_concat(g, 2, (const sx_t[]){ x, labels }, 1).id, 0, "numbers and labels");
    }
}

Test(precision, a_device_without_bf16_says_so)
{
    sx_exp *e = example("fcnn", 2);
    sx_data_shape shape;
    sx_machine *m;
    sx_budget b;
    fine(sx_step_shape(a, e, 1000, 200, &shape, &d));
    fine(sx_machine_open(a, r, "cpu", 1, &m, &d));
    m->info.dtypes &= ~(1u << SX_BF16);
    cr_expect_eq(sx_step_budget(a, e, &shape, m, &b, &d), SX_E_UNSUPPORTED);
    cr_expect_str_eq(d.v[d.n - 1].text, "device 'cpu' does not compute in bf16");
}
