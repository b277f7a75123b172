/* test_again.c: a step that computes results of the forward pass again takes less memory and learns the same bits; what
 * `train.recompute` chooses by the memory that there is. */
#include "train_help.h"
#include "mode.h"

TestSuite(again, .init = bench_begin, .fini = bench_end, .timeout = 120);

#define ADAM_WITH(RECOMPUTE) "epochs = 1; recompute = \"" RECOMPUTE "\"; " ADAM
#define CONV(NAME, MORE) NAME " = { type = \"conv2d\"; filters = 32; kernel = 3; padding = \"same\"; " MORE " }; "

static const struct { const char *name, *layers; } nets[] = {
    { "chain", CONV("c1", "activation = \"relu\";") CONV("c2", "activation = \"selu\";") CONV("c3", "activation = \"tanh\";")
               CONV("c4", "") CONV("c5", "activation = \"relu\";") CONV("c6", "") "f = { type = \"flatten\"; };" },
    { "batch normalisation, pooling and dropout",
      CONV("c1", "activation = \"relu\";") "n1 = { type = \"batchnorm\"; }; d1 = { type = \"dropout\"; rate = 0.3; };"
      CONV("c2", "activation = \"relu\";") "n2 = { type = \"batchnorm\"; }; p2 = { type = \"maxpool2d\"; size = 2; };"
      CONV("c3", "activation = \"selu\";") "n3 = { type = \"batchnorm\"; }; d3 = { type = \"dropout\"; rate = 0.5; };"
      CONV("c4", "") "p4 = { type = \"maxpool2d\"; size = 3; stride = 2; }; f = { type = \"flatten\"; };" },
    { "residual sums", CONV("x", "")
      "b = { repeat = 4; index = \"i\"; x = { type = \"batchnorm\"; }; "
      CONV("c1", "") "n1 = { type = \"batchnorm\"; activation = \"relu\"; };" CONV("c2", "") "n2 = { type = \"batchnorm\"; };"
      "sum = { type = \"add\"; inputs = [ \"n2\", \"x\" ]; activation = \"relu\"; }; }; f = { type = \"flatten\"; };" },
    { "branches that meet", CONV("a", "activation = \"relu\";") CONV("l", "inputs = [ \"a\" ];") CONV("l2", "activation = \"relu\";")
      CONV("r", "inputs = [ \"a\" ]; activation = \"tanh\";") "both = { type = \"concat\"; inputs = [ \"l2\", \"r\" ]; };"
      CONV("m", "") CONV("m2", "") "f = { type = \"flatten\"; };" },
    { "a frozen part before", CONV("a", "freeze = true;") CONV("b", "freeze = true; activation = \"relu\";")
      CONV("c", "activation = \"relu\";") CONV("d", "activation = \"relu\";") CONV("e", "") "f = { type = \"flatten\"; };" },
};
enum { NETS = sizeof nets / sizeof *nets };

static void open_with(const char *layers, const char *train)
{
    no_errors(bench_exp(layers, train), "exp");
    no_errors(bench_net(2, true), "net");
}

static const sx_graph *graph(void) { return t.net->train.s->graph; }

static const float *learned(long *n)
{
    sx_tally o;
    no_errors(sx_net_init(t.net, &t.diags), "init");
    no_errors(sx_net_train(t.net, 0, NULL, NULL, &o, &t.diags), "train");
    return all_tensors(n);
}

static void check_net(const char *name, const char *layers)
{
    long n, m;
    open_with(layers, ADAM_WITH("none"));
    const sx_budget kept = sx_net_used(t.net);
    cr_expect_eq(kept.again, 0);
    cr_expect_eq(graph()->redone.pieces, 0);
    const float *a = learned(&n);
    open_with(layers, ADAM_WITH("all"));
    const sx_budget redone = sx_net_used(t.net);
    cr_expect_gt(graph()->redone.pieces, 0, "%s", name);
    cr_expect_lt(redone.slab, kept.slab, "%s: %zu instead of %zu", name, redone.slab, kept.slab);
    cr_expect_eq(redone.spared, kept.total - redone.total, "%s", name);
    cr_expect(redone.again > 0 && redone.again < 1, "%s: %g", name, redone.again);
    const float *b = learned(&m);
    cr_assert_eq(n, m);
    same_bits(a, b, n, name);
}

Test(again, learns_the_same_bits)
{
    for (int i = 0; i < NETS; i++) check_net(nets[i].name, nets[i].layers);
}

Test(again, one_stage_per_op_learns_the_same_bits)
{
    cr_assert_eq(setenv("STRIX_NO_FUSE", "1", 1), 0);
    for (int i = 0; i < NETS; i++) check_net(nets[i].name, nets[i].layers);
}
