/* test_step.c: the step around a model: what is refused, the budget against what is taken, clipping, weight
 * penalties. */
#include "train_help.h"

TestSuite(step, .init = bench_begin, .fini = bench_end);

static void refused(int rc, int code, const char *text)
{
    cr_expect_eq(rc, code, "%s", text);
    cr_assert(t.diags.n);
    cr_expect(strstr(t.diags.v[0].text, text), "'%s' instead of '%s'", t.diags.v[0].text, text);
}

Test(step, batch_larger_than_the_data)
{
    no_errors(bench_exp(SMALL, "epochs = 1;" ADAM), "exp");
    t.exp->train.batch = 161;
    refused(bench_net(1, true), SX_E_CONFIG, "a batch of 161 rows is larger than the 160 rows");
}

Test(step, input_of_another_size)
{
    no_errors(bench_exp(SMALL, "epochs = 1;" ADAM), "exp");
    t.exp->input->shape[0] = 9;
    refused(bench_net(1, true), SX_E_CONFIG, "model.input is [9, 8, 1], the data give [8, 8, 1]");
}

Test(step, output_must_have_room_for_the_classes)
{
    no_errors(bench_exp("f = { type = \"flatten\"; };", "epochs = 1;" ADAM), "exp");
    const sx_data_shape s = { .rows = 100, .fit = 80, .val = 20, .inputs = 1, .labels = 1,
                              .input = { { "x", SX_U8, 3, { 8, 8, 1 }, 0 } },
                              .label = { { "y", SX_I32, 0, { 0 }, 6 } } };
    sx_steps steps;
    refused(sx_steps_write(t.arena, t.exp, &s, true, 0, 0, (sx_again){ 0 }, &steps, &t.diags), SX_E_CONFIG,
            "5 outputs, the data set has 6 classes");
}

Test(step, output_must_be_a_list)
{
    no_errors(bench_exp("", "epochs = 1;" ADAM), "exp");
    cr_expect_neq(bench_net(1, true), 0);
    cr_expect(t.diags.n, "an image into dense, or out of the model, is refused");
}

static void budget(const char *layers, const char *train)
{
    sx_budget b;
    no_errors(bench_exp(layers, train), "exp");
    no_errors(bench_net(2, true), "net");
    no_errors(sx_step_budget(t.arena, t.exp, &t.data->shape, t.machine, &b, &t.diags), "budget");
    const sx_budget used = sx_net_used(t.net);
    cr_expect_float_eq((double)b.total / (double)used.total, 1, 0.1, "planned %zu, used %zu", b.total,
                       used.total);
    cr_expect_eq(b.slab, used.slab);
    cr_expect_eq(b.scratch, used.scratch);
    cr_expect_gt(b.scratch, 0);
    cr_expect_gt(b.parameters, 100);
    cr_expect_gt(b.macs, 100);
}

Test(step, budget_is_what_is_taken)
{
    budget(SMALL, "epochs = 1;" ADAM);
    budget("f = { type = \"flatten\"; }; h = { type = \"dense\"; units = 300; activation = \"tanh\"; };",
           "epochs = 1; eval_batch = 7;" ADAM);
}

static float *one_epoch(const char *layers, const char *train, long *n)
{
    sx_tally tally;
    no_errors(bench_exp(layers, train), "exp");
    no_errors(bench_net(1, true), "net");
    no_errors(sx_net_init(t.net, &t.diags), "init");
    no_errors(sx_net_train(t.net, 0, NULL, NULL, &tally, &t.diags), "train");
    cr_assert(isfinite(tally.loss) && tally.rows == 160);
    return all_tensors(n);
}

#define RMSPROP(MORE) "epochs = 1; optimizer = { type = \"rmsprop\"; lr = 0.001; epsilon = 1.0; " MORE " };"
#define LINEAR "f = { type = \"flatten\"; };"
/* A tiny norm makes the steps of a plain gradient method tiny; one that is never reached changes nothing. */
Test(step, clipping)
{
    long n, m;
    const float *free_ = one_epoch(LINEAR, RMSPROP(""), &n);
    const float *wide = one_epoch(LINEAR, RMSPROP("clip = 1e9;"), &m);
    for (long i = 0; i < n; i++) cr_assert_float_eq((double)free_[i], (double)wide[i], 1e-6);
    const float *tight = one_epoch(LINEAR, RMSPROP("clip = 1e-6;"), &m);
    no_errors(sx_net_init(t.net, &t.diags), "init");
    const float *first = all_tensors(&m);
    double moved = 0, moved_tight = 0;
    const long weights = SIDE * SIDE * 5 + 5;
    for (long i = 0; i < weights; i++) {
        moved += fabs((double)free_[i] - (double)first[i]);
        moved_tight += fabs((double)tight[i] - (double)first[i]);
    }
    cr_expect_gt(moved, 1e-3);
    cr_expect_lt(moved_tight, 1e-3 * moved);
}

Test(step, l2_makes_weights_smaller)
{
    double sum[2] = { 0 };
    for (int i = 0; i < 2; i++) {
        long n;
        const char *layer = i ? "f = { type = \"flatten\"; }; h = { type = \"dense\"; units = 9; l2 = 0.5; };"
                              : "f = { type = \"flatten\"; }; h = { type = \"dense\"; units = 9; };";
        const float *v = one_epoch(layer, "epochs = 1;" ADAM, &n);
        const sx_tensor *w = sx_net_tensor(t.net, "h/kernel");
        cr_assert(w);
        for (long k = 0; k < w->count; k++) sum[i] += fabs((double)v[k + (long)(w->offset / sizeof(float))]);
    }
    cr_expect_lt(sum[1], 0.7 * sum[0]);
}

/* A frozen block: weights from a file, no slots, no update, batchnorm with its statistics as they are. */
static void write_block(const char *file)
{
    static float kernel[36], one[4] = { 1, 2, 3, 4 };
    for (int i = 0; i < 36; i++) kernel[i] = (float)i / 36 - 0.5f;
    const sx_blob v[] = { { "c/kernel", "F32", 4, { 4, 3, 3, 1 }, 144, kernel }, { "c/bias", "F32", 1, { 4 },
        16, one },
                          { "n/gamma", "F32", 1, { 4 }, 16, one }, { "n/beta", "F32", 1, { 4 }, 16, one },
                          { "n/mean", "F32", 1, { 4 }, 16, one }, { "n/variance", "F32", 1, { 4 }, 16,
                              one } };
    no_errors(sx_tensors_write(file, &(sx_blobs){ .n = 6, .v = v }, &t.diags), "weights");
}

Test(step, frozen_block_stays_as_its_file_says)
{
    long n;
    const char *file = in_dir("w.safetensors");
    write_block(file);
    one_epoch(sx_format(t.arena,
                        "base = { weights = \"%s\"; freeze = true; c = { type = \"conv2d\"; filters = 4; kernel = 3; }; "
                        "n = { type = \"batchnorm\"; }; }; f = { type = \"flatten\"; };", file),
                            "epochs = 1;" ADAM, &n);
    static const char *const name[] = { "base.c/bias", "base.n/gamma", "base.n/mean", "base.n/variance" };
    for (int i = 0; i < 4; i++) {
        float v[4];
        const sx_tensor *w = sx_net_tensor(t.net, name[i]);
        cr_assert(w, "%s", name[i]);
        no_errors(sx_net_read(t.net, w, v, &t.diags), "read");
        for (int k = 0; k < 4; k++)
            cr_expect_eq(v[k], (float)(k + 1), "%s[%d] is %g", name[i], k, (double)v[k]);
    }
    cr_expect(sx_net_tensor(t.net, "base.c/kernel")->frozen);
    cr_expect(sx_net_tensor(t.net, "adam.0/o/kernel"));
    cr_expect_not(sx_net_tensor(t.net, "adam.0/base.c/kernel"));
    cr_expect_eq(sx_net_used(t.net).frozen, 36 + 3 * 4);
}
