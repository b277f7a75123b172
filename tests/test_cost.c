/* test_cost.c: FLOP of single ops and the bytes of stages, counted by hand. */
#include "graph_help.h"
#include "plan.h"

static double flop_of(const sx_graph *g, sx_opcode code)
{
    double all = 0;
    for (long i = 0; i < g->ops.n; i++)
        if (g->ops.v[i].op->code == (uint32_t)code) all += sx_op_flop(g, &g->ops.v[i]);
    return all;
}

TestSuite(cost, .fini = close_graphs);
SX_MAP1(curve, x > 0 ? 2e-3f * x : k[0] + expf(x - 1.0f), 1);

Test(cost, convolution_both_ways)
{
    sx_graph *g = new_graph(true, 2);
    const sx_window w = { { 3, 3 }, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 2 };
    const sx_t x = batch_of(g, "x", SX_SHAPE(5, 6, 4)), k = sx_weight(g, "k", SX_SHAPE(8, 3, 3, 2), "zeros");
    const sx_t y = sx_conv2d(g, sx_map1(g, &curve, x, SX_K(1)), k, &w);
    const double all = 2. * (2 * 5 * 6 * 8) * 3 * 3 * 2;
    cr_expect_eq(flop_of(g, SX_OP_CONV2D), all);
    sx_t *weights, *grads;
    long n;
    const sx_t loss = sx_reduce(g, y, SX_SUM, 14);
    sx_grad(g, sx_reshape(g, loss, (const long[]){ 0 }), 1, &n, &weights, &grads);
    cr_expect_eq(flop_of(g, SX_OP_CONV2D_BWD_W), all);
    cr_expect_eq(sx_graph_cost(g, 0, g->ops.n).macs, all / 4);       /* of one row */
    cr_expect_eq(flop_of(g, SX_OP_MAP), 5. * 2 * 5 * 6 * 4);         /* > * + expf - */
}

Test(cost, products_and_pools)
{
    sx_graph *g = new_graph(false, 3);
    const sx_window w = { { 2, 2 }, { 2, 2 }, { 0 }, { 1, 1 }, 1 };
    const sx_t p = sx_pool2d(g, batch_of(g, "x", SX_SHAPE(4, 4, 5)), SX_POOL_MAX, &w);
    sx_matmul(g, sx_reshape(g, p, SX_SHAPE(20)), sx_weight(g, "w", SX_SHAPE(7, 20), "zeros"), SX_TRANS_B);
    cr_expect_eq(flop_of(g, SX_OP_MAXPOOL), 3. * 2 * 2 * 5 * 4);
    cr_expect_eq(flop_of(g, SX_OP_MATMUL), 2. * 3 * 7 * 20);
}

Test(cost, a_stage_moves_what_it_touches)
{
    sx_graph *g = new_graph(false, 3);
    const sx_t all = sx_graph_bound(g, SX_ROLE_INPUT, "all", SX_U8, (const long[]){ 1000, 6, 0 }, false);
    const sx_t rows = sx_graph_bound(g, SX_ROLE_INPUT, "rows", SX_I32, (const long[]){ 3, 0 }, true);
    const sx_t x = sx_graph_op(g, SX_OP_GATHER, 2, (const sx_t[]){ all, rows }, NULL, 0);
    sx_graph_result(g, sx_add(g, x, x), "y");
    sx_plan *p;
    uint32_t n;
    cr_assert_eq(sx_plan_open(arena, g, NULL, NULL, false, &p, &diags), 0);
    const sx_stage *s = sx_plan_stages(p, &n);
    cr_assert_eq(n, 2);
    const sx_work gather = sx_plan_work(p, &s[0]), sum = sx_plan_work(p, &s[1]);
    cr_expect_eq(gather.read, 3 * 6 + 3 * 4);    /* three rows of the thousand, their numbers */
    cr_expect_eq(gather.written, 3 * 6 * 4);
    cr_expect_eq(sum.read, 3 * 6 * 4, "what is read twice counts once: %g", sum.read);
    cr_expect_eq(sum.flop, 3 * 6);
}
