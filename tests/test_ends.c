/* test_ends.c: several inputs and outputs: what an epoch tells of them, weights of losses, bits, files of the
 * data set `tensors` and what is said of wrong ones. Shapes and gradients: golden/ends.cfg. */
#include "train_help.h"
#include "mode.h"
#include "tensors.h"

TestSuite(ends, .init = bench_begin, .fini = bench_end);

/* --- One data set, several outputs --- */

#define HEAD(NAME, FROM) \
    NAME " = { type = \"dense\"; units = 5; activation = \"softmax\"; inputs = [ \"" FROM "\" ]; };"
#define TRUNK "c = { type = \"conv2d\"; filters = 4; kernel = 3; activation = \"relu\"; };" \
    "f = { type = \"flatten\"; }; d = { type = \"dropout\"; rate = 0.2; };"

static int open_exp(const char *model, const char *dataset, const char *train)
{
    const char *text = sx_format(t.arena, "model = { %s };\ndataset = { %s };\ntrain = { batch = 16; %s };\n",
                                 model, dataset, train);
    sx_conf *root;
    no_errors(sx_config_parse(t.arena, text, "test", NULL, &root, &t.diags), "config");
    return sx_exp_open(t.arena, t.registry, root, "test", &t.exp, &t.diags);
}

static int idx_exp(const char *layers, const char *outputs, const char *train)
{
    return open_exp(sx_format(t.arena, "input = [ 8, 8, 1 ]; layers = { %s }; %s", layers, outputs),
                    sx_format(t.arena, "type = \"idx\"; dir = \"%s\"; train = [ \"train-x\", \"train-y\" ]; "
                              "test = [ \"test-x\", \"test-y\" ];", t.dir), train);
}

static float *weights_after_epoch(int threads, sx_tally *tally, long *n)
{
    no_errors(bench_net(threads, true), "net");
    no_errors(sx_net_init(t.net, &t.diags), "init");
    no_errors(sx_net_train(t.net, 0, NULL, NULL, tally, &t.diags), "train");
    return all_tensors(n);
}

/* Those of the net that a plain one has, too: its numbers are the same. */
static void same_main(const char *outputs, const char *train)
{
    long n, m;
    sx_tally one, two;
    no_errors(idx_exp(TRUNK HEAD("o", "d"), "", "epochs = 1;"), "one output");
    (void)weights_after_epoch(1, &one, &n);
    sx_net *plain = t.net;
    no_errors(idx_exp(TRUNK HEAD("o", "d") HEAD("a", "f"), outputs, train), "several outputs");
    (void)weights_after_epoch(2, &two, &m);
    const sx_tensor *v;
    n = sx_net_tensors(plain, &v);
    for (long i = 0; i < n; i++) {
        float *x = sx_alloc_array(t.arena, (size_t)v[i].count, sizeof *x);
        float *y = sx_alloc_array(t.arena, (size_t)v[i].count, sizeof *y);
        const sx_tensor *w = sx_net_tensor(t.net, v[i].name);
        cr_assert(w, "%s", v[i].name);
        no_errors(sx_net_read(plain, &v[i], x, &t.diags), v[i].name);
        no_errors(sx_net_read(t.net, w, y, &t.diags), v[i].name);
        for (long k = 0; k < v[i].count; k++)
            cr_assert_eq(x[k], y[k], "%s[%ld]: %g and %g", v[i].name, k, (double)x[k], (double)y[k]);
    }
    cr_assert_eq(one.loss, two.metric[0]);
}

Test(ends, a_second_output_of_no_weight_changes_no_number)
{
    same_main("outputs = [ \"o\", \"a\" ];", "epochs = 1; loss = { o = \"cross_entropy\"; "
              "a = { type = \"cross_entropy\"; weight = 0; }; };");
}

Test(ends, an_output_by_name_is_the_net_without_a_name)
{
    long n, m;
    sx_tally one, two;
    no_errors(idx_exp(TRUNK HEAD("o", "d"), "", "epochs = 1;"), "unnamed");
    const float *x = weights_after_epoch(1, &one, &n);
    no_errors(idx_exp(TRUNK HEAD("o", "d"), "outputs = \"o\";",
                      "epochs = 1; loss = { o = \"cross_entropy\"; };"), "named");
    cr_assert_str_eq(t.exp->train.value[0].name, "accuracy");
    const float *y = weights_after_epoch(2, &two, &m);
    cr_assert_eq(n, m);
    same_bits(x, y, n, "weights");
    cr_assert_eq(one.loss, two.loss);
}

#define BOTH "outputs = { main = \"o\"; aux = \"a\"; };"
#define LOSSES "loss = { main = \"cross_entropy\"; aux = { type = \"cross_entropy\"; weight = 0.3; }; };"

Test(ends, the_budget_is_what_is_taken)
{
    sx_budget b;
    no_errors(idx_exp(TRUNK HEAD("o", "d") HEAD("a", "f"), BOTH, "epochs = 1;" LOSSES), "exp");
    no_errors(bench_net(2, true), "net");
    no_errors(sx_step_budget(t.arena, t.exp, &t.data->shape, t.machine, &b, &t.diags), "budget");
    const sx_budget used = sx_net_used(t.net);
    cr_assert_float_eq((double)b.total / (double)used.total, 1, 0.02, "planned %zu, used %zu", b.total,
                       used.total);
}

Test(ends, losses_add_up_by_their_weights)
{
    long n, m;
    sx_tally one, two;
    static const char *const name[] = { "main_loss", "main_accuracy", "aux_loss", "aux_accuracy" };
    no_errors(idx_exp(TRUNK HEAD("o", "d") HEAD("a", "f"), BOTH, "epochs = 1;" LOSSES), "exp");
    cr_assert_eq(t.exp->train.values, 4);
    for (int i = 0; i < 4; i++) cr_assert_str_eq(t.exp->train.value[i].name, name[i]);
    const float *x = weights_after_epoch(1, &one, &n), *y = weights_after_epoch(3, &two, &m);
    same_bits(x, y, n, "one thread and three");
    cr_assert_float_eq(one.loss, one.metric[0] + 0.3 * one.metric[2], 1e-12);
    cr_assert(one.metric[2] > 0 && isfinite(one.metric[2]) && one.metric[1] <= 1);
}

Test(ends, the_whole_loss_is_the_objective_and_any_value_can_be)
{
    no_errors(idx_exp(TRUNK HEAD("o", "d") HEAD("a", "f"), BOTH, "epochs = 1;" LOSSES), "exp");
    cr_assert_str_eq(t.exp->tune.objective[0], "val_loss");
    no_errors(idx_exp(TRUNK HEAD("o", "d") HEAD("a", "f"), BOTH,
                      "epochs = 1; early_stop = { monitor = \"val_aux_accuracy\"; };" LOSSES
                      " }; tune = { objective = \"val_main_accuracy\";"), "exp");
    cr_assert(t.exp->tune.maximize[0]);
}

/* Parts put together again are what was split, forward and backward. */
Test(ends, further_outputs_of_a_layer)
{
    long n, m;
    sx_tally one, two;
    no_errors(idx_exp("f = { type = \"flatten\"; };" HEAD("o", "f"), "", "epochs = 1;"), "whole");
    const float *x = weights_after_epoch(1, &one, &n);
    no_errors(idx_exp("f = { type = \"flatten\"; }; s = { type = \"split\"; parts = 4; };"
                      "j = { type = \"concat\"; inputs = [ \"s\", \"s:1\", \"s:2\", \"s:3\" ]; };"
                      HEAD("o", "j"), "", "epochs = 1;"), "split");
    const float *y = weights_after_epoch(1, &two, &m);
    cr_assert_eq(n, m);
    same_bits(x, y, n, "weights");
}

/* --- Training that stops and goes on --- */

static volatile int stop;
static int stop_after_two(void *ctx, const sx_epoch *e)
{
    (void)ctx;
    stop = e->epoch >= 2;
    cr_expect_eq(e->n, 10);
    return 0;
}

static int train_in(const char *dir, bool resume, bool stops)
{
    sx_train_want want = { .dir = in_dir(dir), .resume = resume, .stop = &stop };
    sx_outcome o;
    stop = 0;
    if (stops) want.report = stop_after_two;
    no_errors(bench_net(2, true), "net");
    return sx_train(t.arena, t.exp, t.net, t.data, &want, &o, &t.diags);
}

Test(ends, a_stopped_training_goes_on_with_the_same_bits)
{
    no_errors(idx_exp(TRUNK HEAD("o", "d") HEAD("a", "f"), BOTH,
                      "epochs = 4; early_stop = { monitor = \"val_aux_loss\"; patience = 4; restore_best = false; };" LOSSES), "exp");
    long n, m;
    no_errors(train_in("straight", false, false), "straight");
    const float *x = all_tensors(&n);
    cr_assert_eq(train_in("cut", false, true), SX_E_STOPPED);
    t.diags.n = t.diags.errors = 0;
    no_errors(train_in("cut", true, false), "resumed");
    const float *y = all_tensors(&m);
    same_bits(x, y, n, "weights");
}

/* --- Files of `tensors` --- */

enum { ROWS = 24 };
static float facts[ROWS * 3 + 1];
static unsigned char image[ROWS * 4];
static int64_t fine[ROWS], coarse[ROWS];

static sx_blob columns[4];
static void write_tensors(const char *name, long n)
{
    no_errors(sx_tensors_write(in_dir(name), &(sx_blobs){ .n = n, .v = columns }, &t.diags), "file");
}

static void fill_columns(void)
{
    for (int i = 0; i < ROWS; i++) {
        fine[i] = i % 4, coarse[i] = i % 3 == 0;
        for (int k = 0; k < 3; k++) facts[3 * i + k] = (float)(i * (k + 1) % 7) / 7;
        for (int k = 0; k < 4; k++) image[4 * i + k] = (unsigned char)(k == i % 4 ? 200 : i);
    }
    columns[0] = (sx_blob){ "facts", "F32", 2, { ROWS, 3 }, sizeof(float) * ROWS * 3, facts };
    columns[1] = (sx_blob){ "image", "U8", 4, { ROWS, 2, 2, 1 }, sizeof image, image };
    columns[2] = (sx_blob){ "fine", "I64", 1, { ROWS }, sizeof fine, fine };
    columns[3] = (sx_blob){ "coarse", "I64", 1, { ROWS }, sizeof coarse, coarse };
}

#define TWO_INPUTS "inputs = { image = [ 2, 2, 1 ]; facts = [ 3 ]; }; layers = { " \
    "f = { type = \"flatten\"; }; j = { type = \"concat\"; inputs = [ \"f\", \"facts\" ]; }; fine = { type = \"dense\"; units = 4; " \
    "activation = \"softmax\"; }; " \
    "coarse = { type = \"dense\"; units = 2; inputs = \"j\"; activation = \"softmax\"; }; }; " \
    "outputs = [ \"fine\", \"coarse\" ];"

static int open_two(const char *more)
{
    const char *data = sx_format(t.arena, "type = \"tensors\"; dir = \"%s\"; %s", t.dir, more);
    const int bad = open_exp(TWO_INPUTS, data, "epochs = 1;");
    return bad ? bad : bench_net(1, true);
}

#define WIDE(NAME) NAME " = { type = \"conv2d\"; filters = 128; kernel = 3; padding = \"same\"; activation = \"selu\"; };"

/* Both inputs and both outputs meet a net whose results are computed again. */
Test(ends, what_is_computed_again_changes_no_gradient_of_either_output)
{
    static const char *const model = "inputs = { image = [ 2, 2, 1 ]; facts = [ 3 ]; }; layers = { "
        "r = { type = \"resize\"; height = 6; width = 6; inputs = [ \"image\" ]; }; " WIDE("c1") WIDE("c2") WIDE("c3")
        "f = { type = \"flatten\"; }; d = { type = \"dropout\"; rate = 0.3; };"
        "j = { type = \"concat\"; inputs = [ \"d\", \"facts\" ]; }; fine = { type = \"dense\"; units = 4; "
        "activation = \"softmax\"; }; g = { type = \"flatten\"; inputs = [ \"c2\" ]; }; "
        "coarse = { type = \"dense\"; units = 2; inputs = \"g\"; activation = \"softmax\"; }; }; "
        "outputs = [ \"fine\", \"coarse\" ];";
    sx_probe kept, cut;
    fill_columns();
    write_tensors("train.safetensors", 4);
    cr_assert_eq(setenv("STRIX_NO_FUSE", "1", 1), 0);
    const char *data = sx_format(t.arena, "type = \"tensors\"; dir = \"%s\";", t.dir);
    no_errors(open_exp(model, data, "epochs = 1;"), "exp");
    no_errors(bench_net(1, true), "net");
    no_errors(sx_net_init(t.net, &t.diags), "init");
    no_errors(sx_net_probe(t.arena, t.net, true, &kept, &t.diags), "kept");
    t.net->train.s->graph->again.segment = 1 << 17;
    no_errors(sx_net_probe(t.arena, t.net, true, &cut, &t.diags), "computed again");
    for (long i = 0; i < kept.n; i++)
        same_bits(kept.grad[i], cut.grad[i], kept.weight[i]->count, kept.weight[i]->name);
}

Test(ends, columns_come_by_name)
{
    fill_columns();
    write_tensors("train.safetensors", 4);
    no_errors(open_two("test = \"train.safetensors\";"), "two");
    const sx_data_shape *s = &t.data->shape;
    cr_assert(s->inputs == 2 && s->labels == 2 && s->rows == 2 * ROWS && s->test == ROWS);
    cr_assert_str_eq(s->input[0].name, "image");
    cr_assert_str_eq(s->input[1].name, "facts");
    const int f = sx_net_head(t.net, 0)->label, c = sx_net_head(t.net, 1)->label;
    cr_assert(s->label[f].classes == 4 && s->label[c].classes == 2);
    for (int i = 0; i < ROWS; i++)
        cr_assert(t.data->label[f][i] == fine[i] && t.data->label[c][ROWS + i] == coarse[i]);
    float got[3];
    no_errors(t.machine->device->read(t.machine->queue, t.data->x[1]->buf, 5 * sizeof got, got, sizeof got),
              "read");
    cr_assert_eq(memcmp(got, facts + 15, sizeof got), 0);
}

/* Numbers of another type, and such as lie where no float may lie, become f32. */
Test(ends, other_floats_are_converted)
{
    fill_columns();
    static double wide[ROWS * 3];
    for (int i = 0; i < ROWS * 3; i++) wide[i] = (double)facts[i];
    columns[0] = (sx_blob){ "facts", "F64", 2, { ROWS, 3 }, sizeof wide, wide };
    write_tensors("train.safetensors", 4);
    no_errors(open_two(""), "two");
    cr_assert_eq(t.data->shape.input[1].dtype, SX_F32);
    float got[3];
    no_errors(t.machine->device->read(t.machine->queue, t.data->x[1]->buf, 5 * sizeof got, got, sizeof got),
              "read");
    cr_assert_eq(memcmp(got, facts + 15, sizeof got), 0);
}

static void wrong(const char *more, const char *text)
{
    t.diags.n = t.diags.errors = 0;
    cr_expect_neq(open_two(more), 0, "%s", text);
    cr_assert(t.diags.n);
    cr_expect(strstr(t.diags.v[0].text, text), "'%s' instead of '%s'", t.diags.v[0].text, text);
    fill_columns();
}

Test(ends, wrong_files_are_told)
{
    fill_columns();
    wrong("", "cannot read this file");
    columns[3].shape[0]--, columns[3].bytes -= 8;
    write_tensors("train.safetensors", 4);
    wrong("", "'coarse' has 23 rows, the columns before it have 24");
    fine[7] = -1;
    write_tensors("train.safetensors", 4);
    wrong("", "label -1 of row 7 in 'fine' is outside");
    fine[7] = (int64_t)1 << 40;
    write_tensors("train.safetensors", 4);
    wrong("", "label 1099511627776 of row 7 in 'fine' is outside");
    write_tensors("train.safetensors", 2);
    wrong("", "there are no labels");
    write_tensors("train.safetensors", 4);
    wrong("inputs = [ \"fine\" ];", "'fine' is of type I64; inputs are");
    wrong("labels = [ \"image\" ];", "'image' is of type U8 with 4 axes; labels are");
    wrong("labels = [ \"colour\" ];", "there is no tensor 'colour'");
    wrong("classes = [ 4 ];", "dataset.classes has 1 numbers for 2 labels");
    wrong("inputs = [ \"image\", \"facts\", \"image\" ];", "two columns 'image'");
    wrong("inputs = [ \"image\" ];", "the data set has no input 'facts'");
    wrong("labels = [ \"fine\" ]; test = \"none\";", "cannot read this file");
    columns[0].shape[1] = 2, columns[0].bytes = sizeof(float) * ROWS * 2;
    write_tensors("other.safetensors", 4);
    wrong("test = \"other.safetensors\";", "another shape than those of the training part");
    FILE *f = fopen(in_dir("train.safetensors"), "r+b");
    cr_assert(f && !fseek(f, 0, SEEK_END) && !ftruncate(fileno(f), ftell(f) - 1));
    fclose(f);
    wrong("", "not a valid safetensors file");
}
