/* test_graph.c: names, refusals and brackets of layers; initial weights. */
#include <math.h>
#include "graph_help.h"

TestSuite(graph, .fini = close_graphs);

static const sx_conf stride = { .kind = SX_CONF_INT, .name = "stride", .file = "m.cfg", .line = 9 };
static const sx_conf conf = { .kind = SX_CONF_GROUP, .name = "pool", .file = "m.cfg", .line = 7,
                              .first = (sx_conf *)(uintptr_t)&stride };

static void enter(sx_graph *g, const char *path, const char *type, const sx_t *x)
{
    sx_graph_enter(g, &(sx_layer_context){ .path = path, .type = type, .conf = &conf, .inputs = 1, .in = x,
                                           .training = true, .lr_scale = 1 });
}

Test(graph, weights_are_named_by_path)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(3));
    sx_graph_enter(g, &(sx_layer_context){ .path = "blocks.0.fc", .type = "dense", .inputs = 1, .in = &x,
                                           .training = true,
                                           .lr_scale = 0.5, .l2 = 0.25 });
    const sx_t w = sx_weight(g, "kernel", SX_SHAPE(2, 3), "he_normal"), s = sx_state(g, "mean", SX_SHAPE(2),
            7);
    sx_graph_leave(g, NULL, NULL, x, sx_matmul(g, x, w, SX_TRANS_B));
    const sx_val *v = sx_graph_val(g, w);
    cr_expect_str_eq(v->name, "blocks.0.fc/kernel");
    cr_expect(v->role == SX_ROLE_WEIGHT && v->learned && v->lr_scale == 0.5f && v->l2 == 0.25f && v->l1 == 0);
    const sx_key key = sx_key_of(1, 0, "blocks.0.fc/kernel");
    cr_expect_eq(memcmp(&v->key, &key, sizeof key), 0);
    cr_expect_str_eq(sx_graph_val(g, s)->name, "blocks.0.fc/mean");
    cr_expect(sx_graph_val(g, s)->role == SX_ROLE_STATE && !sx_graph_val(g, s)->learned &&
              sx_graph_val(g, s)->fill == 7);
    cr_expect_eq(g->spans.n, 1);
    cr_expect_eq(sx_graph_cost(g, 0, g->ops.n).parameters, 6);
    cr_expect_eq((long)sx_graph_cost(g, 0, g->ops.n).macs, 6);
}

Test(graph, asked_for_twice_is_one_weight)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(3));
    sx_t w[2];
    for (int i = 0; i < 2; i++) {
        enter(g, "shared", "dense", &x);
        w[i] = sx_weight(g, "w", SX_SHAPE(3), "ones");
        sx_graph_leave(g, NULL, NULL, x, sx_mul(g, x, w[i]));
    }
    cr_expect_eq(w[0].id, w[1].id);
    cr_expect_eq(sx_graph_cost(g, 0, g->ops.n).parameters, 3);
    enter(g, "shared", "dense", &x);
    REFUSED(sx_weight(g, "w", SX_SHAPE(4), "ones"), "dense shares 'shared/w' of shape [3], but needs [4]");
    REFUSED(sx_weight(g, "v", SX_SHAPE(4), "once"), "dense has no initial values 'once'");
}

Test(graph, many_names)
{
    sx_graph *g = new_graph(true, 4);
    sx_t w[2000];
    for (int i = 0; i < 2000; i++) w[i] = sx_weight(g, sx_format(arena, "w%d", i), SX_SHAPE(2), "ones");
    for (int i = 0; i < 2000; i++)
        cr_assert_eq(sx_weight(g, sx_format(arena, "w%d", i), SX_SHAPE(2), "ones").id, w[i].id);
}

Test(graph, a_refusal_stands_at_its_setting_and_stays)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(1, 1, 96));
    enter(g, "blocks.2.pool", "maxpool2d", &x);
    const sx_t y = sx_refuse(g, "stride", "window %dx%d does not fit the 1x1 input", 2, 2);
    cr_expect_eq(sx_refuse(g, NULL, "this comes second").id, 0);
    const sx_t z = sx_softmax(g, sx_add(g, y, sx_weight(g, "w", SX_SHAPE(2), "ones")));
    sx_graph_leave(g, NULL, NULL, x, z);
    enter(g, "top", "dense", &z);
    cr_expect_eq(sx_dim(g, z, -1), 1);
    cr_expect_eq(sx_rank(g, z), 0);
    cr_expect_eq(sx_refuse(g, NULL, "wants other things").id, 0);
    sx_graph_leave(g, NULL, NULL, z, sx_softmax(g, z));
    cr_assert_eq(diags.n, 1);
    cr_expect(g->refused);
    cr_expect_str_eq(diags.v[0].text, "maxpool2d window 2x2 does not fit the 1x1 input");
    cr_expect_str_eq(diags.v[0].detail, "The input of blocks.2.pool is [1, 1, 96].");
    cr_expect_str_eq(diags.v[0].where.file, "m.cfg");
    cr_expect_eq(diags.v[0].where.line, 9);
    cr_expect_eq(diags.v[0].code, SX_E_REFUSED);
}

Test(graph, refusals_of_ops_stand_at_the_layer)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(3));
    enter(g, "a", "dense", &x);
    sx_graph_leave(g, NULL, NULL, x, sx_conv2d(g, x, x, &(sx_window){ .size = { 1, 1 } }));
    enter(g, "b", "silent", &x);
    sx_graph_leave(g, NULL, NULL, x, (sx_t){ 0 });
    enter(g, "c", "odd", &x);
    sx_graph_leave(g, NULL, NULL, x, sx_in(g, 1));
    cr_assert_eq(diags.n, 3);
    cr_expect_str_eq(diags.v[0].text, "dense wants an image (height, width, channels), not [3]");
    cr_expect_eq(diags.v[0].where.line, 7);
    cr_expect_str_eq(diags.v[1].text, "silent gives no output");
    cr_expect_str_eq(diags.v[2].text, "odd asks for input 2 of 1");
}

Test(graph, quiet_refusals_are_not_told)
{
    sx_graph *g = new_graph(true, 4);
    g->quiet = true;
    sx_refuse(g, NULL, "no");
    cr_expect(g->refused);
    cr_expect_eq(diags.n, 0);
}

Test(graph, training_and_frozen)
{
    sx_graph *g = new_graph(true, 4);
    cr_expect(sx_training(g));
    const sx_t x = batch_of(g, "x", SX_SHAPE(3));
    sx_graph_enter(g, &(sx_layer_context){ .path = "a", .inputs = 1, .in = &x, .training = true,
                                           .frozen = true, .lr_scale = 1 });
    cr_expect_not(sx_training(g));
    const sx_t w = sx_weight(g, "w", SX_SHAPE(3), "ones");
    cr_expect_not(sx_graph_val(g, w)->learned);
    sx_graph_leave(g, NULL, NULL, x, sx_mul(g, x, w));
    cr_expect_eq(sx_graph_cost(g, 0, g->ops.n).frozen, 3);
    cr_expect_eq(sx_graph_cost(g, 0, g->ops.n).parameters, 0);
    cr_expect_not(sx_training(new_graph(false, 4)));
}

static const sx_draw *draw_of(sx_graph *g, const char *path)
{
    const sx_t x = { 2 };
    enter(g, path, "dropout", &x);
    const sx_t y = sx_random(g, x, SX_BERNOULLI, 0.5, 0);
    sx_graph_leave(g, NULL, NULL, x, y);
    return g->ops.v[sx_graph_val(g, y)->maker].attr;
}

Test(graph, a_new_layer_leaves_random_numbers_of_others_alone)
{
    sx_graph *a = new_graph(true, 4);
    batch_of(a, "x", SX_SHAPE(3));
    const sx_draw *one = draw_of(a, "one"), *again = draw_of(a, "one"), *two = draw_of(a, "two");
    sx_graph *b = new_graph(true, 4);
    batch_of(b, "x", SX_SHAPE(3));
    cr_expect_eq(memcmp(draw_of(b, "two")->key, two->key, 8), 0);
    cr_expect_neq(memcmp(one->key, again->key, 8), 0);
    cr_expect_neq(memcmp(one->key, two->key, 8), 0);
}

Test(graph, logits_and_outputs)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(3)), y = sx_softmax(g, x);
    cr_expect_eq(sx_logits(g, y).id, x.id);
    cr_expect_eq(sx_logits(g, x).id, 0);
    enter(g, "two", "split", &x);
    sx_out(g, 2, y);
    sx_graph_leave(g, NULL, NULL, x, x);
    cr_assert_eq(g->outs.n, 3);
    cr_expect(g->outs.v[0].id == x.id && g->outs.v[1].id == 0 && g->outs.v[2].id == y.id);
}

/* --- Names in texts, initial numbers --- */
Test(graph, names_in_the_text_of_a_map)
{
    cr_expect(sx_map_names("x > 0 ? 1 : k[0]", "x"));
    cr_expect(sx_map_names("1 - y * y", "y"));
    cr_expect_not(sx_map_names("expf(k[0])", "x"));
    cr_expect_not(sx_map_names("x0 * x1", "x"));
    cr_expect(sx_map_names("x0*x1", "x1"));
    cr_expect_not(sx_map_names("0x1p-3f * max_x1 * x10", "x1"));
    cr_expect_not(sx_map_names("", "x"));
}

static void moments_of(const char *init, const long *shape, double *mean, double *deviation, double *largest)
{
    sx_graph *g = new_graph(true, 4);
    const sx_val *v = sx_graph_val(g, sx_weight(g, "w", shape, init));
    const long n = sx_val_count(v);
    float *x = sx_alloc_array(arena, (size_t)n, sizeof *x);
    float *end = sx_alloc_array(arena, (size_t)n, sizeof *end);
    sx_init_fill(v, 0, n, x);
    sx_init_fill(v, 1002, n - 1002, end);
    cr_expect_not(memcmp(end, x + 1002, (size_t)(n - 1002) * sizeof *x), "%s: a part is another", init);
    *mean = *deviation = *largest = 0;
    for (long i = 0; i < n; i++) *mean += x[i] / (double)n;
    for (long i = 0; i < n; i++) {
        *deviation += (x[i] - *mean) * (x[i] - *mean) / (double)n;
        if (fabs(x[i]) > *largest) *largest = fabs(x[i]);
    }
    *deviation = sqrt(*deviation);
}

Test(graph, initial_weights_follow_keras)
{
    const long dense[] = { 200, 300, 0 }, conv[] = { 32, 3, 3, 64, 0 };
    const struct { const char *init; const long *shape; double deviation, largest; } want[] = {
        { "glorot_uniform", dense, sqrt(2. / 500), sqrt(6. / 500) }, { "glorot_normal", dense, sqrt(2. / 500),
                2.274 * sqrt(2. / 500) },
        { "he_uniform", conv, sqrt(2. / 576), sqrt(6. / 576) }, { "he_normal", conv, sqrt(2. / 576),
                2.274 * sqrt(2. / 576) },
        { "lecun_uniform", conv, sqrt(1. / 576), sqrt(3. / 576) }, { "lecun_normal", dense, sqrt(1. / 300),
                2.274 * sqrt(1. / 300) },
        { "glorot_uniform", conv, sqrt(2. / 864), sqrt(6. / 864) },
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        double mean, deviation, largest;
        moments_of(want[i].init, want[i].shape, &mean, &deviation, &largest);
        cr_expect(fabs(mean) < 0.03 * want[i].deviation, "%s: mean %g", want[i].init, mean);
        cr_expect(fabs(deviation / want[i].deviation - 1) < 0.02, "%s: deviation %g, not %g", want[i].init,
                  deviation, want[i].deviation);
        cr_expect(largest <= want[i].largest * 1.0001 && largest > 0.98 * want[i].largest, "%s: largest %g",
                  want[i].init, largest);
    }
    double mean, deviation, largest;
    moments_of("ones", dense, &mean, &deviation, &largest);
    cr_expect(fabs(mean - 1) < 1e-6 && largest == 1);
}
