/* test_experiment.c: sections of an experiment: defaults, what is wrong with them, points of a space. */
#include "model_help.h"

#define NET "model = { input = [ 28, 28, 1 ]; layers = { f = { type = \"flatten\"; }; " \
            "out = { type = \"dense\"; units = 10; activation = \"softmax\"; }; }; };\n"

Test(experiment, defaults)
{
    world w = open_text(NET);
    opens(&w);
    const sx_train_conf *t = &w.e->train;
    cr_assert_eq(t->batch, 32);
    cr_assert_eq(t->eval_batch, 32);
    cr_assert_float_eq(t->lr, 1e-3, 0);
    cr_assert_str_eq(w.e->output->loss.entry->item->name, "cross_entropy");
    cr_assert_str_eq(t->optimizer.entry->item->name, "adam");
    cr_assert_str_eq(t->schedule.entry->item->name, "constant");
    cr_assert_eq(t->metrics, 1);
    cr_assert(!t->early_stop && !t->restore_best);
    cr_assert_str_eq(w.e->tune.objective[0], "val_accuracy");
    cr_assert(w.e->tune.maximize[0]);
    cr_assert_float_eq(w.e->data.val, 0.2, 0);
    cr_assert_str_eq(w.e->study.store, "sqlite:studies/test.db");
    cr_assert_str_eq(w.e->study.name, "test");
    cr_assert_str_eq(w.e->study.runs, "studies/test.runs");
    sx_arena_close(w.a);
}

Test(experiment, settings)
{
    world w = open_text(
        NET
        "vars = { rate = 0.01; kind = \"nadam\"; };\n"
        "train = { epochs = \"2 * 3\"; batch = 16; eval_batch = 100; precision = \"bf16\";\n"
        "  optimizer = { type = \"${kind}\"; lr = \"rate / 2\"; clip = 1.0; schedule = { type = \"cosine\"; floor = 0.1; };\n"
        "                adam = { beta_1 = 0.5; }; nadam = { beta_1 = 0.8; }; };\n"
        "  early_stop = { monitor = \"val_accuracy\"; patience = 2; }; };\n"
        "tune = { trials = 7; objective = \"val_loss\"; sampler = { type = \"random\"; seed = 5; }; on_repeat = \"rerun\"; };\n");
    opens(&w);
    const sx_train_conf *t = &w.e->train;
    cr_assert_eq(t->epochs, 6);
    cr_assert_eq(t->batch, 16);
    cr_assert_eq(t->eval_batch, 100);
    cr_assert_eq(t->precision, 2);
    cr_assert_str_eq(t->optimizer.entry->item->name, "nadam");
    cr_assert_float_eq(*(const double *)t->optimizer.params, 0.8, 0);    /* beta_1 comes first in its table */
    cr_assert_float_eq(t->lr, 0.005, 0);
    cr_assert_float_eq(t->clip, 1, 0);
    cr_assert_str_eq(t->schedule.entry->item->name, "cosine");
    cr_assert(t->early_stop && t->restore_best);
    cr_assert_str_eq(t->monitor, "val_accuracy");
    cr_assert_eq(w.e->tune.seed, 5);
    cr_assert(!w.e->tune.maximize[0]);
    cr_assert_eq(w.e->tune.on_repeat, 2);
    sx_arena_close(w.a);
}

static void wrong(const char *text, int code, const char *message)
{
    world w = open_text(text);
    fails(&w, code, message);
    sx_arena_close(w.a);
}

Test(experiment, mistakes)
{
    wrong("", SX_E_CONFIG, "no 'model'");
    wrong("model = { input = [ 8 ]; };", SX_E_CONFIG, "no 'layers'");
    wrong(NET "trian = { };", SX_E_CONFIG, "no section 'trian'");
    wrong(NET "train = 3;", SX_E_CONFIG, "'train' is not a group");
    wrong(NET "train = { batch = 0; };", SX_E_CONFIG, "train 'batch' is 0, outside");
    wrong(NET "train = { optimizr = \"adam\"; };", SX_E_CONFIG, "train has no parameter 'optimizr'");
    wrong(NET "train = { optimizer = { type = \"adan\"; }; };", SX_E_PLUGIN, "no optimizer 'adan'");
    wrong(NET "train = { optimizer = { type = \"adam\"; beta = 1; }; };", SX_E_CONFIG,
          "adam has no parameter 'beta'");
    wrong(NET "train = { optimizer = { type = \"adam\"; beta_1 = 1.0; }; };", SX_E_CONFIG, "outside [0, 1)");
    wrong(NET "tune = { objective = \"val_acuracy\"; };", SX_E_CONFIG, "'objective' is 'val_acuracy'");
    wrong(NET "train = { early_stop = { monitor = \"x\"; }; };", SX_E_CONFIG, "'monitor' is 'x'");
    wrong(NET "vars = { max = 3; };", SX_E_CONFIG, "cannot be named 'max'");
    wrong(NET "train = { epochs = \"1 / 0\"; };", SX_E_CONFIG, "zero");
    wrong(NET "train = { epochs = \"2 ** 80\"; };", SX_E_CONFIG, "");
    wrong(NET "train = { epochs = \"nothing\"; };", SX_E_CONFIG, "undefined variable 'nothing'");
    wrong(NET "vars = { a = \"${b}\"; b = \"${a}\"; }; train = { epochs = \"a\"; };", SX_E_CONFIG, "");
}

Test(experiment, all_mistakes_at_once)
{
    world w = open_text(NET
                        "train = { epochs = 0; batch = -1; loss = \"l3\"; }; study = { heartbeat = 0; };");
    cr_assert_eq(w.d.errors, 4);
    sx_arena_close(w.a);
}

#define SPACE "vars = { units = 4; rate = 0.1; };\n" \
    "model = { input = [ 28, 28, 1 ]; layers = { f = { type = \"flatten\"; }; h = { type = \"dense\"; units = \"units\"; };" \
    " d = { type = \"dropout\"; rate = \"rate\"; }; out = { type = \"dense\"; units = 10; activation = \"softmax\"; }; }; };\n" \
    "tune = { space = { units = { int = [ 1, 64 ]; }; rate = { uniform = [ 0.0, 1.5 ]; }; };\n"

static int at(const world *w, double units, double rate, sx_exp **out)
{
    double x[2];
    for (int i = 0; i < 2; i++) x[i] = !strcmp(w->e->domain->var[i]->name, "units") ? units : rate;
    sx_diags own;
    sx_diags_init(&own, w->a);
    return sx_exp_at(w->a, w->e, x, out, &own);
}

Test(experiment, points)
{
    world w = open_text(SPACE "};");
    opens(&w);
    sx_exp *p = NULL;
    cr_assert_eq(at(&w, 33, 0.5, &p), 0);
    cr_assert_eq(*(const long *)p->layers->v[1].params, 33);
    cr_assert_eq(*(const long *)w.e->layers->v[1].params, 4);
    cr_assert_eq(at(&w, 33, 1.5, &p),
                 SX_E_REFUSED); /* outside dropout's range: this point's fault, not the file's */
    sx_arena_close(w.a);
}

Test(experiment, constraints)
{
    world w = open_text(SPACE
                        "constraints = [ \"parameters() < 10000\", \"memory() <= device_memory()\" ]; };");
    opens(&w);
    cr_assert_eq(w.e->tune.known.n, 2);
    sx_diag why;
    sx_exp *small = NULL, *big = NULL;
    cr_assert_eq(at(&w, 2, 0.5, &small), 0);
    cr_assert_eq(at(&w, 64, 0.5, &big), 0);
    cr_assert_eq(sx_exp_constraints(w.a, small, NULL, &why, &w.d), 0);
    cr_assert_eq(sx_exp_constraints(w.a, big, NULL, &why, &w.d), SX_E_REFUSED);
    cr_assert_not_null(strstr(why.text, "parameters() is 50890"), "%s", why.text);
    sx_arena_close(w.a);
}
