/* test_train.c: a training learns, gives the same bits for any number of threads, slices and interruptions,
 * and stops when it should: early, pruned, paused, by a signal, at a loss that is not finite. */
#include "train_help.h"
#include "file.h"

TestSuite(train, .init = bench_begin, .fini = bench_end, .timeout = 120);

static int train(const sx_train_want *w, sx_outcome *o)
{
    return sx_train(t.arena, t.exp, t.net, t.data, w, o, &t.diags);
}

static double value_of(const sx_outcome *o, const char *name)
{
    for (long i = 0; i < o->n; i++) if (!strcmp(o->name[i], name)) return o->value[i];
    cr_assert_fail("no %s", name);
    return NAN;
}

static void open_net(const char *train_text, int threads)
{
    no_errors(bench_exp(SMALL, train_text), "exp");
    no_errors(bench_net(threads, true), "net");
}

Test(train, learns_an_easy_set)
{
    sx_outcome o;
    sx_tally test;
    open_net("epochs = 12;" ADAM, 2);
    no_errors(train(&(sx_train_want){ 0 }, &o), "train");
    cr_expect_eq(o.epochs, 12);
    cr_expect_lt(value_of(&o, "loss"), 0.5);
    no_errors(sx_net_eval(t.net, t.data->fit, t.data->shape.fit, NULL, &test, NULL, &t.diags), "eval");
    cr_expect_gt(test.metric[0], 0.95, "accuracy %g after %ld epochs", test.metric[0], o.epochs);
}

Test(train, same_bits_for_any_number_of_threads)
{
    const float *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        long n;
        sx_outcome o;
        open_net("epochs = 2;" ADAM, threads);
        no_errors(train(&(sx_train_want){ 0 }, &o), "train");
        const float *now = all_tensors(&n);
        if (first) same_bits(first, now, n, sx_format(t.arena, "%d threads", threads));
        else first = now;
    }
}

/* Outputs of all fitted rows, `at_once` of them a call. */
static float *outputs(long at_once)
{
    const long rows = t.data->shape.fit;
    float *y = sx_alloc_array(t.arena, (size_t)rows * 5, sizeof *y);
    sx_tally tally;
    for (long from = 0; from < rows; from += at_once)
        no_errors(sx_net_eval(t.net, t.data->fit + from, rows - from < at_once ? rows - from : at_once, NULL, &tally,
                              (float *[]){ y + from * 5 }, &t.diags), "eval");
    return y;
}

/* A device may make something of the weights once for many batches, until they change. */
Test(train, evaluations_of_one_batch_and_of_many_see_the_same_weights)
{
    no_errors(bench_exp("a = { type = \"conv2d\"; filters = 16; kernel = 3; padding = \"same\"; activation = \"relu\"; }; "
                        "b = { type = \"conv2d\"; filters = 32; kernel = 3; padding = \"same\"; activation = \"relu\"; }; "
                        "f = { type = \"flatten\"; };", ADAM), "exp");
    no_errors(bench_net(2, true), "net");
    no_errors(sx_net_init(t.net, &t.diags), "weights");
    const sx_tensor *w = sx_net_tensor(t.net, "b/kernel");
    float *kernel = sx_alloc_array(t.arena, (size_t)w->count, sizeof *kernel), *before = NULL;
    no_errors(sx_net_read(t.net, w, kernel, &t.diags), "kernel");
    for (int i = 0; i < 3; i++) {
        const long n = t.data->shape.fit * 5;
        float *many = outputs(t.data->shape.fit), *one = outputs(16);
        same_bits(many, one, n, "one batch a call");
        cr_assert(!before || memcmp(before, many, (size_t)n * sizeof *many), "other weights, same outputs");
        before = many;
        for (long k = 0; k < w->count; k++) kernel[k] *= 0.5f;
        no_errors(sx_net_write(t.net, w, kernel, &t.diags), "kernel");
    }
}

Test(train, another_seed_gives_another_net)
{
    long n;
    sx_outcome o;
    open_net("epochs = 1;" ADAM, 1);
    no_errors(train(&(sx_train_want){ 0 }, &o), "train");
    const float *one = all_tensors(&n);
    no_errors(sx_net_open(t.arena, t.exp, t.machine, t.data, 8, 3, true, &t.net, &t.diags), "net");
    no_errors(train(&(sx_train_want){ 0 }, &o), "train");
    cr_assert_neq(memcmp(one, all_tensors(&n), (size_t)n * sizeof *one), 0);
}

/* --- Interruptions --- */
static int stop_at(void *ctx, const sx_epoch *e) { return e->epoch == *(long *)ctx ? 2 : 0; }

Test(train, resumed_ends_with_the_same_bits)
{
    static const char *const settings[] = {
        "epochs = 4;" ADAM,
            "epochs = 4; optimizer = { type = \"nadam\"; lr = 0.01; schedule = \"cosine\"; };" };
    for (int i = 0; i < 2; i++) {
        long n, at = 1;
        sx_outcome o;
        const char *dir = in_dir(sx_format(t.arena, "run%d", i));
        open_net(settings[i], 1);
        no_errors(train(&(sx_train_want){ 0 }, &o), "straight");
        const float *straight = all_tensors(&n);
        for (at = 1; at <= 3; at++) {            /* a new process each time, as far as the core can tell */
            open_net(settings[i], 2);
            no_errors(train(&(sx_train_want){ .dir = dir, .resume = true, .report = stop_at, .ctx = &at },
                            &o), "part");
            cr_assert(o.paused && o.epochs == at);
        }
        open_net(settings[i], 1);
        no_errors(train(&(sx_train_want){ .dir = dir, .resume = true }, &o), "rest");
        cr_assert_eq(o.epochs, 4);
        same_bits(straight, all_tensors(&n), n, settings[i]);
    }
}

static void damage(const char *file, long at)
{
    FILE *f = fopen(file, "r+b");
    cr_assert(f);
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    const int old = fgetc(f);
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    fputc(old ^ 1, f);
    fclose(f);
}

/* Damage of the last checkpoint costs an epoch, of both the whole training: the result is the same. */
Test(train, damaged_checkpoints)
{
    long n, at = 2;
    sx_outcome o;
    open_net("epochs = 3;" ADAM, 1);
    no_errors(train(&(sx_train_want){ 0 }, &o), "straight");
    const float *straight = all_tensors(&n);
    for (int i = 0; i < 3; i++) {
        const char *dir = in_dir(sx_format(t.arena, "run%d", i));
        open_net("epochs = 3;" ADAM, 1);
        no_errors(train(&(sx_train_want){ .dir = dir, .report = stop_at, .ctx = &at }, &o), "part");
        const char *last = sx_format(t.arena, "%s/last.safetensors", dir), *prev = sx_format(t.arena,
            "%s/prev.safetensors", dir);
        if (i == 0) cr_assert_eq(truncate(last, 5000), 0);
        if (i > 0) damage(last, i == 1 ? -9 : 20);
        if (i == 2) damage(prev, 9);
        open_net("epochs = 3;" ADAM, 1);
        const long before = t.diags.n;
        no_errors(train(&(sx_train_want){ .dir = dir, .resume = true }, &o), "rest");
        cr_expect_eq(t.diags.n - before, i == 2 ? 2 : 1, "a warning for each damaged file");
        cr_expect_str_eq(t.diags.v[before].where.file, last);
        same_bits(straight, all_tensors(&n), n, "after damage");
    }
}

/* A checkpoint that does not fit is left where it is; the training starts anew and says so. */
Test(train, checkpoint_of_other_batches)
{
    long n, at = 1;
    sx_outcome o;
    const sx_train_want part = { .dir = in_dir("run"), .report = stop_at, .ctx = &at };
    open_net("epochs = 2;" ADAM, 1);
    no_errors(train(&part, &o), "part");
    open_net("epochs = 2; eval_batch = 9;" ADAM, 1);
    t.exp->train.batch = 20;
    no_errors(sx_net_open(t.arena, t.exp, t.machine, t.data, 7, 3, true, &t.net, &t.diags), "net");
    no_errors(train(&(sx_train_want){ 0 }, &o), "alone");
    const float *alone = all_tensors(&n);
    no_errors(train(&(sx_train_want){ .dir = in_dir("run"), .resume = true }, &o), "not resumed");
    cr_expect(strstr(t.diags.v[t.diags.n - 1].text, "other batches or metrics"));
    same_bits(alone, all_tensors(&n), n, "from the start");
}

/* A finished training that is resumed has nothing to do, and the same result. */
Test(train, resumed_when_it_is_done)
{
    long n;
    sx_outcome one, two;
    const sx_train_want want = { .dir = in_dir("run"), .resume = true };
    open_net("epochs = 3; early_stop = { patience = 2; };" ADAM, 1);
    no_errors(train(&want, &one), "train");
    const float *first = all_tensors(&n);
    open_net("epochs = 3; early_stop = { patience = 2; };" ADAM, 1);
    no_errors(train(&want, &two), "again");
    cr_expect(one.epochs == two.epochs && one.best_epoch == two.best_epoch && one.best == two.best);
    cr_expect_eq(value_of(&one, "loss"), value_of(&two, "loss"));
    same_bits(first, all_tensors(&n), n, "again");
}

static int count_pulses(void *ctx, long epoch, double share)
{
    cr_assert(share >= 0 && share <= 1 && epoch >= 0);
    ++*(long *)ctx;
    return 0;
}

static int fail_pulse(void *ctx, long epoch, double share)
{
    (void)ctx, (void)epoch, (void)share;
    return SX_E_LOST;
}

Test(train, pulses_change_no_bit_and_may_end_it)
{
    long n, pulses = 0;
    sx_outcome o;
    open_net("epochs = 1;" ADAM, 1);
    no_errors(train(&(sx_train_want){ 0 }, &o), "alone");
    const float *alone = all_tensors(&n);
    open_net("epochs = 1;" ADAM, 1);
    no_errors(train(&(sx_train_want){ .pulse = count_pulses, .pulse_ctx = &pulses }, &o), "watched");
    cr_expect_gt(pulses, 0);
    same_bits(alone, all_tensors(&n), n, "watched");
    open_net("epochs = 1;" ADAM, 1);
    cr_expect_eq(train(&(sx_train_want){ .pulse = fail_pulse }, &o), SX_E_LOST);
}

static volatile int stop;
static int raise_stop(void *ctx, const sx_epoch *e)
{
    if (e->epoch == 2) stop = *(int *)ctx;
    return 0;
}

Test(train, a_signal_finishes_the_epoch_and_saves)
{
    int how = 1;
    sx_outcome o;
    open_net("epochs = 5;" ADAM, 1);
    cr_assert_eq(train(&(sx_train_want){ .dir = in_dir("run"), .stop = &stop, .report = raise_stop,
                                         .ctx = &how }, &o), SX_E_STOPPED);
    cr_assert_eq(o.epochs, 2);
    stop = 0;
    open_net("epochs = 5;" ADAM, 1);
    t.diags.errors = 0;
    cr_assert_eq(train(&(sx_train_want){ .dir = in_dir("run"), .resume = true, .stop = &stop }, &o), 0);
    cr_assert_eq(o.epochs, 5);
    char *log;
    size_t bytes;
    no_errors(sx_file_read(t.arena, in_dir("run/log.jsonl"), 1 << 20, &log, &bytes, &t.diags), "log");
    long lines = 0;
    for (size_t i = 0; i < bytes; i++) lines += log[i] == '\n';
    cr_expect_eq(lines, 5, "one line an epoch: %s", log);
}

/* --- Ends --- */
static int prune(void *ctx, const sx_epoch *e)
{
    (void)ctx;
    return e->epoch == 2;
}

Test(train, pruned_keeps_what_it_has)
{
    sx_outcome o;
    open_net("epochs = 5;" ADAM, 1);
    no_errors(train(&(sx_train_want){ .report = prune }, &o), "train");
    cr_expect(o.pruned && o.epochs == 2 && o.best_epoch >= 1);
}

/* Nothing gets better by 10. */
#define EARLY "epochs = 30; early_stop = { patience = 3; min_delta = 10.0; restore_best = true; };"
#define FLAT "f = { type = \"flatten\"; };"
Test(train, early_stop_and_best_weights)
{
    sx_outcome o;
    no_errors(bench_exp(FLAT, EARLY ADAM), "exp");
    no_errors(bench_net(1, true), "net");
    no_errors(train(&(sx_train_want){ .dir = in_dir("run") }, &o), "train");
    cr_expect(o.early && o.epochs == 4 && o.best_epoch == 1, "%ld epochs, best %ld", o.epochs, o.best_epoch);
    sx_tally val;
    no_errors(sx_net_eval(t.net, t.data->val, t.data->shape.val, NULL, &val, NULL, &t.diags), "eval");
    cr_expect_eq(val.loss, value_of(&o, "val_loss"), "the weights of the first epoch are back");
    no_errors(train(&(sx_train_want){ 0 }, &o), "without a directory");
    no_errors(sx_net_eval(t.net, t.data->val, t.data->shape.val, NULL, &val, NULL, &t.diags), "eval");
    cr_expect_eq(val.loss, value_of(&o, "val_loss"), "from memory as well");
}

Test(train, divergence_is_an_error_not_a_hang)
{
    sx_outcome o;
    no_errors(bench_exp(FLAT, "epochs = 50; optimizer = { type = \"rmsprop\"; lr = 1.0; };"), "exp");
    t.exp->train.lr = 1e38;                      /* more than a file may ask for */
    no_errors(bench_net(1, true), "net");
    cr_assert_eq(train(&(sx_train_want){ 0 }, &o), SX_E_DIVERGED);
    cr_expect(o.diverged);
    open_net("epochs = 50; divergence = 0.001;" ADAM, 1);
    cr_assert_eq(train(&(sx_train_want){ 0 }, &o), SX_E_DIVERGED);
}

Test(train, unknown_monitor)
{
    sx_outcome o;
    open_net("epochs = 1;" ADAM, 1);
    t.exp->train.monitor = "val_acuracy";
    cr_assert_eq(train(&(sx_train_want){ 0 }, &o), SX_E_CONFIG);
    cr_expect(strstr(t.diags.v[0].hint, "'val_accuracy'"));
}

/* The config of the run directory makes the same net again. */
Test(train, run_directory_trains_the_same_again)
{
    long n;
    sx_outcome o;
    sx_conf *root;
    open_net("epochs = 1;" ADAM, 1);
    no_errors(train(&(sx_train_want){ .dir = in_dir("a/b/run") }, &o), "train");
    const float *first = all_tensors(&n);
    no_errors(sx_config_load(t.arena, in_dir("a/b/run/config.cfg"), NULL, &root, &t.diags), "config");
    no_errors(sx_exp_open(t.arena, t.registry, root, "again", &t.exp, &t.diags), "exp");
    no_errors(bench_net(1, true), "net");
    no_errors(train(&(sx_train_want){ 0 }, &o), "again");
    same_bits(first, all_tensors(&n), n, "again");
}
