/* test_model.c: expansion of layers and writing them into a graph: loops, templates, inputs, limits. */
#include "model_help.h"

static void expands(const char *vars, const char *layers, const char *want)
{
    world w = open_layers(vars, layers);
    opens(&w);
    cr_assert_str_eq(sketch(&w), want, "%s", sketch(&w));
    sx_arena_close(w.a);
}

static void wrong(const char *layers, int code, const char *message)
{
    world w = open_layers("", layers);
    fails(&w, code, message);
    sx_arena_close(w.a);
}

Test(model, members_run_in_the_order_of_the_file)
{
    expands("", "z = { type = \"relu\"; }; a = { type = \"tanh\"; }; m = { type = \"selu\"; };",
            "z relu<input, a tanh<z, m selu<a");
}

Test(model, loops_conditions_blocks)
{
    expands(
        "n = 2;",
        "b = { repeat = \"n\"; index = \"i\"; r = { type = \"relu\"; repeat = \"i\"; };"
        " t = { type = \"tanh\"; when = \"i + 1 < n\"; }; }; e = { }; none = { repeat = 0; x = { type = \"selu\"; }; };"
        " last = { type = \"selu\"; };",
        "b.0.t tanh<input, b.1.r.0 relu<b.0.t, last selu<b.1.r.0");
}

Test(model, activation_is_appended)
{
    expands("f = \"tanh\";", "c = { type = \"conv2d\"; filters = 1; kernel = 1; activation = \"${f}\"; };"
            " d = { type = \"relu\"; activation = \"linear\"; };",
            "c conv2d<input, c.tanh tanh<c, d relu<c.tanh");
}

Test(model, inputs_by_name)
{
    expands(
        "",
        "a = { type = \"relu\"; }; b = { x = { type = \"tanh\"; }; s = { type = \"add\"; inputs = [ \"x\", \"a\", \"input\" ]; }; };"
        " r = { repeat = 2; y = { type = \"selu\"; }; }; l = { type = \"add\"; inputs = [ \"r.y\", \"r.0.y\", \"b\", \"b.x\" ]; };",
        "a relu<input, b.x tanh<a, b.s add<b.x+a+input, r.0.y selu<b.s, r.1.y selu<r.0.y, l add<r.1.y+r.0.y+b.s+b.x");
    expands(
        "",
        "x = { type = \"relu\"; }; b = { x = { type = \"tanh\"; }; y = { type = \"add\"; inputs = \"x\"; }; };",
        "x relu<input, b.x tanh<x, b.y add<b.x");
}

static const char *const templates =
    "templates = { t = { params = { n = 2; name = \"q\"; twice = \"${2 * n}\"; };"
    " c = { repeat = \"n\"; index = \"i\"; l = { type = \"dense\"; units = \"twice\"; name = \"${name}${i}\"; }; }; }; };";

static world with_template(const char *layers)
{
    sx_arena *a = sx_arena_open(NULL);
    const world w = open_text(sx_format(
        a, "%s\nvars = { deep = 3; }; model = { input = [ 8 ]; layers = { %s }; };", templates, layers));
    sx_arena_close(a);
    return w;
}

Test(model, templates)
{
    world w = with_template(
        "u = { use = \"t\"; }; v = { in = { use = \"t\"; n = \"deep\"; name = \"z\"; freeze = true; lr_scale = 0.5; }; };");
    opens(&w);
    cr_assert_str_eq(
        sketch(&w),
        "u.q0 dense<input, u.q1 dense<u.q0, v.in.z0 dense<u.q1, v.in.z1 dense<v.in.z0, v.in.z2 dense<v.in.z1");
    cr_assert_eq(*(const long *)w.e->layers->v[0].params, 4);
    cr_assert_eq(*(const long *)w.e->layers->v[4].params, 6);
    cr_assert(!w.e->layers->v[1].frozen && w.e->layers->v[4].frozen);
    cr_assert_float_eq(w.e->layers->v[4].lr_scale, 0.5, 0);
    sx_arena_close(w.a);
    w = with_template("u = { use = \"tt\"; };");
    fails(&w, SX_E_CONFIG, "no template 'tt'");
    sx_arena_close(w.a);
    w = with_template("u = { use = \"t\"; deep = 3; };");
    fails(&w, SX_E_CONFIG, "no parameter 'deep'");
    sx_arena_close(w.a);
}

Test(model, a_template_that_uses_itself)
{
    world w = open_text(
        "templates = { t = { a = { use = \"t\"; }; }; }; model = { input = [ 8 ]; layers = { u = { use = \"t\"; }; }; };");
    fails(&w, SX_E_CONFIG, "nested more than");
    sx_arena_close(w.a);
}

Test(model, freeze_by_pattern_and_group)
{
    world w = open_text(
        "model = { input = [ 8 ]; freeze = [ \"a.*\" ]; layers = { a = { x = { type = \"relu\"; }; };"
        " b = { freeze = true; y = { type = \"relu\"; }; }; c = { type = \"relu\"; }; }; };");
    opens(&w);
    for (int i = 0; i < 3; i++) cr_assert_eq(w.e->layers->v[i].frozen, i < 2);
    sx_arena_close(w.a);
}

Test(model, weights_files)
{
    world w = open_layers(
        "",
        "a = { weights = \"there_is_none.safetensors\"; x = { type = \"relu\"; }; }; b = { type = \"relu\"; weights = \"random\"; };");
    opens(&w);
    sx_weights_use *use;
    cr_assert_eq(w.e->layers->files.n, 1);
    cr_assert_str_eq(w.e->layers->files.v[0].prefix, "a.");
    cr_assert_eq(sx_model_weights(w.a, w.e, &use, &w.d), SX_E_DATA);
    cr_assert_not_null(strstr(w.d.v[w.d.n - 1].hint, "random"));
    sx_arena_close(w.a);
}

Test(model, mistakes)
{
    wrong("a = { type = \"conv3d\"; };", SX_E_PLUGIN, "no layer 'conv3d'");
    wrong("a = { type = \"conv2d\"; filter = 3; kernel = 3; };", SX_E_CONFIG,
          "conv2d has no parameter 'filter'");
    wrong("a = { type = \"dropout\"; rate = 1.5; };", SX_E_CONFIG, "dropout 'rate' is 1.5, outside [0, 1)");
    wrong("a = { type = \"relu\"; inputs = \"b\"; }; b = { type = \"relu\"; };", SX_E_CONFIG,
          "cyclic inputs: 'a' reads 'b'");
    wrong("a = { type = \"relu\"; inputs = \"a\"; };", SX_E_CONFIG, "cyclic inputs");
    wrong("a = { type = \"relu\"; inputs = \"c\"; };", SX_E_CONFIG, "no such layer");
    wrong("a = { type = \"relu\"; inputs = \"c:\"; };", SX_E_CONFIG, "names no layer's output");
    wrong("a = { type = \"relu\"; inputs = [ \"input\", \"input\" ]; };", SX_E_CONFIG,
          "relu takes 1 input, not 2");
    wrong("a = { type = \"relu\"; }; b = { type = \"tanh\"; share = \"a\"; };", SX_E_CONFIG,
          "a relu, and this is a tanh");
    wrong("a = { type = \"relu\"; name = \"n\"; }; b = { type = \"tanh\"; name = \"n\"; };", SX_E_CONFIG,
          "is there already");
    wrong("a = { x = 3; };", SX_E_CONFIG, "a block has no setting 'x'");
    wrong("x = 3;", SX_E_CONFIG, "a block has no setting 'x'");
    wrong("a = { repeat = 3; index = \"max\"; };", SX_E_CONFIG, "cannot be named 'max'");
    wrong("a = { repeat = 3; index = \"2b\"; };", SX_E_CONFIG, "cannot be named '2b'");
    wrong("a = { repeat = 3; index = \"b-c\"; };", SX_E_CONFIG, "cannot be named 'b-c'");
    wrong("a = { repeat = -1; };", SX_E_CONFIG, "'repeat' is -1, outside");
}

Test(model, huge_ones_are_refused_at_once)
{
    wrong("a = { repeat = 10001; };", SX_E_CONFIG, "'repeat' is 10001, outside");
    wrong("a = { repeat = 10000; b = { repeat = 10000; c = { repeat = 10000; }; }; };", SX_E_CONFIG,
          "more than 10000 layers");
    wrong("a = { repeat = 4000; b = { type = \"relu\"; }; c = { type = \"tanh\"; }; };", SX_E_CONFIG,
          "more than 10000 layers");
    wrong("a = { type = \"conv2d\"; kernel = 3; filters = \"10 ** 12\"; };", SX_E_CONFIG, "outside");
}

/* Builds both graphs without a device. */
static int build(world *w, sx_steps *s)
{
    sx_data_shape shape;
    opens(w);
    cr_assert_eq(sx_step_shape(w->a, w->e, 100, 20, &shape, &w->d), 0);
    return w->rc = sx_steps_write(w->a, w->e, &shape, true, 1, 0, (sx_again){ 0 }, s, &w->d);
}

#define TAIL "f = { type = \"flatten\"; }; o = { type = \"dense\"; units = 3; activation = \"softmax\"; };"

Test(model, rows_of_the_table)
{
    world w = open_layers("", "c = { type = \"conv2d\"; filters = 4; kernel = 3; padding = \"same\"; };"
                          " p = { type = \"maxpool2d\"; freeze = true; };" TAIL);
    sx_steps s;
    cr_assert_eq(build(&w, &s), 0);
    const sx_layer_row *r = s.eval->layers.v;
    cr_assert_eq(s.eval->layers.n, 5);
    cr_assert_eq(r[0].parameters, 4 * 3 * 3 * 2 + 4);
    cr_assert_float_eq(r[0].macs, 8.0 * 8 * 4 * 3 * 3 * 2, 0);
    cr_assert_eq(r[0].bytes, 8 * 8 * 4 * 4);
    cr_assert(r[1].frozen && r[1].shape[0] == 4 && r[1].shape[1] == 4 && r[1].shape[2] == 4);
    cr_assert_eq(r[2].shape[0], 64);
    sx_arena_close(w.a);
}

Test(model, shared_weights_count_once)
{
    world w = open_layers(
        "", "a = { type = \"conv2d\"; filters = 2; kernel = 3; padding = \"same\"; };"
            " b = { type = \"conv2d\"; filters = 2; kernel = 3; padding = \"same\"; share = \"a\"; };" TAIL);
    sx_steps s;
    cr_assert_eq(build(&w, &s), 0);
    cr_assert_eq(s.eval->layers.v[0].parameters, 2 * 3 * 3 * 2 + 2);
    cr_assert_eq(s.eval->layers.v[1].parameters, 0);
    sx_arena_close(w.a);
}

/* A frozen layer is built as for evaluation: nothing of it is learned, its statistics stay. */
Test(model, frozen_layers_do_not_learn)
{
    world w = open_layers(
        "",
        "b = { freeze = true; c = { type = \"conv2d\"; filters = 2; kernel = 3; }; n = { type = \"batchnorm\"; };"
        " d = { type = \"dropout\"; }; };" TAIL);
    sx_steps s;
    cr_assert_eq(build(&w, &s), 0);
    cr_assert_eq(s.train->n_learned, 2);
    for (long i = 0; i < 2; i++)
        cr_assert_eq(strncmp(sx_graph_val(s.train->graph, s.train->learned[i])->name, "o/", 2), 0);
    for (long i = 0; i < s.train->graph->ops.n; i++) {
        const uint32_t code = s.train->graph->ops.v[i].op->code;
        cr_assert(code != SX_OP_ASSIGN && code != SX_OP_RANDOM && code != SX_OP_CONV2D_BWD_W);
    }
    sx_arena_close(w.a);
    w = open_layers(
        "", "c = { type = \"conv2d\"; filters = 2; kernel = 3; }; n = { type = \"batchnorm\"; };" TAIL);
    cr_assert_eq(build(&w, &s), 0);
    cr_assert_eq(s.train->n_learned, 6);
    sx_arena_close(w.a);
}

static void refuses(const char *layers, const char *message)
{
    world w = open_layers("", layers);
    sx_steps s;
    (void)build(&w, &s);
    fails(&w, SX_E_REFUSED, message);
    sx_arena_close(w.a);
}

Test(model, shapes_that_do_not_fit)
{
    refuses("p = { type = \"maxpool2d\"; size = 9; };" TAIL,
            "maxpool2d window 9x9 does not fit the 8x8 input");
    refuses("c = { type = \"conv2d\"; filters = 1; kernel = [ 1, 9 ]; };" TAIL,
            "conv2d window 1x9 does not fit the 8x8 input");
    refuses("c = { type = \"conv2d\"; filters = 3; kernel = 1; groups = 2; };" TAIL,
            "cannot divide 3 filters into 2 groups");
    refuses("c = { type = \"conv2d\"; filters = 3; kernel = [ 1, 2, 3 ]; };" TAIL,
            "'kernel' takes one or two numbers");
    refuses("c = { type = \"conv2d\"; filters = 3; kernel = 1; pad = [ 1, 1, 1, 1 ]; };" TAIL,
            "'pad' needs padding");
    refuses("d = { type = \"dense\"; units = 3; };" TAIL, "put a flatten before it");
    refuses("r = { type = \"relu\"; }; a = { type = \"relu\"; inputs = \"r:1\"; };" TAIL,
            "reads an output that is not there");
    refuses("a = { type = \"flatten\"; }; b = { type = \"add\"; inputs = [ \"a\", \"input\" ]; };" TAIL, "");
    refuses("o = { type = \"flatten\"; };", "cross_entropy wants a net that ends in a softmax");
    refuses(
        "c = { type = \"conv2d\"; filters = 16777216; kernel = 1; }; e = { type = \"conv2d\"; filters = 16777216; kernel = 1; };" TAIL,
        "2^40");
    refuses(
        "a = { type = \"flatten\"; }; d = { repeat = 3; x = { type = \"dense\"; units = 400000; }; }; " TAIL,
        "above 2^37");
}

Test(model, expanded_text_can_be_read_again)
{
    world w = open_layers("n = 3; word = \"relu\";",
                          "b = { repeat = \"n\"; r = { type = \"${word}\"; }; };" TAIL);
    opens(&w);
    sx_conf *root = NULL;
    const char *text = sx_model_expand(w.a, w.e, &w.d);
    cr_assert_eq(sx_config_parse(w.a, text, "expanded", NULL, &root, &w.d), 0, "%s", text);
    cr_assert_eq(sx_conf_count(sx_conf_member(root, "layers")), 6);
    cr_assert_str_eq(sx_conf_find(root, "layers.2.path")->s, "b.2.r");
    cr_assert_eq(sx_conf_find(root, "vars.n")->i, 3);
    sx_arena_close(w.a);
}
