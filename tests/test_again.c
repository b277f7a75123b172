/* test_again.c: a step that computes results of the forward pass again takes less memory and learns the same
 * bits; what `train.recompute` chooses by the memory that there is. */
#include "train_help.h"
#include "mode.h"

TestSuite(again, .init = bench_begin, .fini = bench_end, .timeout = 120);

#define ADAM_WITH(RECOMPUTE) "epochs = 1; recompute = \"" RECOMPUTE "\"; " ADAM
#define CONV(NAME, MORE) \
    NAME " = { type = \"conv2d\"; filters = 32; kernel = 3; padding = \"same\"; " MORE " }; "

static const struct { const char *name, *layers; } nets[] = {
    { "chain",
      CONV("c1", "activation = \"relu\";") CONV("c2", "activation = \"selu\";")
      CONV("c3", "activation = \"tanh\";")
      CONV("c4", "") CONV("c5", "activation = \"relu\";") CONV("c6", "") "f = { type = \"flatten\"; };" },
    { "batch normalisation, pooling and dropout",
      CONV("c1", "activation = \"relu\";") "n1 = { type = \"batchnorm\"; };"
      "d1 = { type = \"dropout\"; rate = 0.3; };" CONV("c2", "activation = \"relu\";")
      "n2 = { type = \"batchnorm\"; }; p2 = { type = \"maxpool2d\"; size = 2; };"
      CONV("c3", "activation = \"selu\";") "n3 = { type = \"batchnorm\"; };"
      "d3 = { type = \"dropout\"; rate = 0.5; };" CONV("c4", "")
      "p4 = { type = \"maxpool2d\"; size = 3; stride = 2; }; f = { type = \"flatten\"; };" },
    { "residual sums", CONV("x", "")
      "b = { repeat = 4; index = \"i\"; x = { type = \"batchnorm\"; }; " CONV("c1", "")
      "n1 = { type = \"batchnorm\"; activation = \"relu\"; };" CONV("c2", "")
      "n2 = { type = \"batchnorm\"; };"
      "sum = { type = \"add\"; inputs = [ \"n2\", \"x\" ]; activation = \"relu\"; }; };"
      "f = { type = \"flatten\"; };" },
    { "branches that meet",
      CONV("a", "activation = \"relu\";") CONV("l", "inputs = [ \"a\" ];")
      CONV("l2", "activation = \"relu\";")
      CONV("r", "inputs = [ \"a\" ]; activation = \"tanh\";")
      "both = { type = \"concat\"; inputs = [ \"l2\", \"r\" ]; };"
      CONV("m", "") CONV("m2", "") "f = { type = \"flatten\"; };" },
    { "a frozen part before",
      CONV("a", "freeze = true;") CONV("b", "freeze = true; activation = \"relu\";")
      CONV("c", "activation = \"relu\";") CONV("d", "activation = \"relu\";") CONV("e", "")
      "f = { type = \"flatten\"; };" },
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

/* --- What is chosen --- */
/* The residual sums, with so many bytes for all of it. */
static sx_budget within(double bytes)
{
    const char *train = sx_format(t.arena, "epochs = 1; memory = %.0f; %s", bytes, ADAM);
    open_with(nets[2].layers, train);
    return sx_net_used(t.net);
}

Test(again, auto_computes_nothing_again_where_all_fits)
{
    const sx_budget free_to = within(0), fits = within(1.01 * (double)free_to.total);
    cr_expect_eq(free_to.again, 0);
    cr_expect_eq(free_to.spared, 0);
    cr_expect_eq(fits.total, free_to.total);
    cr_expect_eq(graph()->redone.pieces, 0);
}

Test(again, auto_computes_as_little_again_as_fits)
{
    const double all = (double)within(0).total;
    double before = 0;
    for (double share = 0.95; share > 0.7; share -= 0.1) {
        const sx_budget b = within(share * all);
        cr_expect_leq((double)b.total, share * all);
        cr_expect_eq((double)(b.total + b.spared), all);
        cr_expect_geq(b.again, before, "%g of the memory: %g after %g", share, b.again, before);
        before = b.again;
    }
    cr_expect_gt(before, 0);
}

Test(again, auto_takes_the_least_where_nothing_fits)
{
    const sx_budget b = within(1);
    open_with(nets[2].layers, ADAM_WITH("all"));
    cr_expect_gt(b.spared, 0);
    cr_expect_eq(b.total, sx_net_used(t.net).total);
}

Test(again, an_evaluation_computes_nothing_again)
{
    no_errors(bench_exp(nets[2].layers, ADAM_WITH("all")), "exp");
    no_errors(bench_net(2, false), "net");
    cr_expect_eq(sx_net_used(t.net).spared, 0);
}

/* The budget of a point is that of the step that will run, and what a constraint knows as memory(). */
Test(again, a_budget_is_that_of_the_step_that_runs)
{
    sx_budget b;
    open_with(nets[2].layers, ADAM_WITH("all"));
    no_errors(sx_step_budget(t.arena, t.exp, &t.data->shape, t.machine, &b, &t.diags), "budget");
    const sx_budget used = sx_net_used(t.net);
    cr_expect_eq(b.slab, used.slab);
    cr_expect_eq(b.spared, used.spared);
    cr_expect_float_eq(b.again, used.again, 1e-12);
}

Test(again, gradients_for_comparison_are_those_of_the_training)
{
    sx_probe a, b;
    const char *const how[2] = { ADAM_WITH("none"), ADAM_WITH("all") };
    for (int i = 0; i < 2; i++) {
        open_with(nets[1].layers, how[i]);
        no_errors(sx_net_init(t.net, &t.diags), "init");
        no_errors(sx_net_probe(t.arena, t.net, true, i ? &b : &a, &t.diags), "probe");
    }
    cr_assert_eq(a.n, b.n);
    for (long i = 0; i < a.n; i++) same_bits(a.grad[i], b.grad[i], a.weight[i]->count, a.weight[i]->name);
}

/* Gradients of one batch, with the model cut every so many bytes. */
static void probe_cut(const char *layers, const char *train, size_t bytes, sx_probe *out)
{
    open_with(layers, train);
    no_errors(sx_net_init(t.net, &t.diags), "init");
    t.net->train.s->graph->again = (sx_again){ bytes, 0 };
    no_errors(sx_net_probe(t.arena, t.net, true, out, &t.diags), "probe");
}

Test(again, any_cut_gives_the_same_gradients)
{
    sx_probe kept, cut;
    cr_assert_eq(setenv("STRIX_NO_FUSE", "1", 1), 0);
    for (int i = 0; i < NETS; i++) {
        probe_cut(nets[i].layers, ADAM_WITH("none"), 0, &kept);
        for (size_t bytes = 1; bytes < 1 << 26; bytes *= 40) {
            probe_cut(nets[i].layers, ADAM_WITH("none"), bytes, &cut);
            for (long k = 0; k < kept.n; k++)
                same_bits(kept.grad[k], cut.grad[k], kept.weight[k]->count,
                          sx_format(t.arena, "%s, cut every %zu bytes: %s", nets[i].name, bytes,
                                    kept.weight[k]->name));
        }
    }
}

static double apart(const float *a, const float *b, long n)
{
    double d = 0, r = 0;
    for (long i = 0; i < n; i++) {
        d += pow((double)a[i] - (double)b[i], 2);
        r += pow((double)a[i], 2);
    }
    return sqrt(d / r);
}

/* In bf16 what is made again is rounded where the device stores it, which need not be where it was the first
 * time; in f32 sums may go by other groups. */
Test(again, fused_gradients_are_as_close_as_rounding)
{
    static const struct { const char *type; double most; } types[] = { { "f32", 1e-6 }, { "bf16", 0.15 } };
    const char *layers = "r = { type = \"resize\"; height = 28; width = 28; };"
        "c1 = { type = \"conv2d\"; filters = 16; kernel = 3; padding = \"same\"; activation = \"relu\"; };"
        "c2 = { type = \"conv2d\"; filters = 16; kernel = 3; padding = \"same\"; activation = \"relu\"; };"
        "p2 = { type = \"maxpool2d\"; size = 2; };" CONV("c3", "activation = \"relu\";")
        CONV("c4", "activation = \"relu\";") "f = { type = \"flatten\"; };";
    for (int k = 0; k < 2; k++) {
        sx_probe kept, cut;
        const char *train = sx_format(t.arena, "precision = \"%s\"; %s", types[k].type, ADAM_WITH("none"));
        probe_cut(layers, train, 0, &kept);
        for (size_t bytes = 1000; bytes < 1 << 26; bytes *= 40) {
            probe_cut(layers, train, bytes, &cut);
            for (long i = 0; i < kept.n; i++) {
                const double d = apart(kept.grad[i], cut.grad[i], kept.weight[i]->count);
                cr_expect_lt(d, types[k].most, "%s, cut every %zu bytes: %s differs by %g of its length",
                             types[k].type, bytes, kept.weight[i]->name, d);
            }
        }
    }
}
