/* test_grad.c: gradients against central differences on whole small graphs, through the CPU device;
 * and which ops they are made of. */
#include <math.h>
#include "exec.h"
#include "graph_help.h"

TestSuite(grad, .fini = close_graphs);
SX_MAP1(mytanh, tanhf(x), 1 - y * y);
SX_MAP1(wave, sinf(x * k[0]), k[0] * cosf(x * k[0]));
SX_MAP1(relu, x > 0 ? x : 0, x > 0 ? 1 : 0);
SX_MAP2(ratio, x0 / x1, 1 / x1, -y / x1);
SX_MAP2(nothing, x1 + k[0], 0, 1);

/* --- Running a graph on the CPU --- */
typedef sx_t builder(sx_graph *g);
struct net {
    sx_graph *g; sx_program *p; sx_memory *mem; const sx_machine *m;
    size_t *at;                                  /* by value: offset in mem */
    long n; sx_t *w, *d; sx_t loss;
};

static float noise(void)
{
    static uint32_t s = 2463534242u;
    s ^= s << 13; s ^= s >> 17; s ^= s << 5;
    return (float)(s >> 8) * 0x1p-23f - 1;
}

static void fill(struct net *t, uint32_t id)
{
    const sx_val *v = sx_graph_val(t->g, (sx_t){ id });
    const long n = sx_val_count(v);
    float *x = sx_alloc(arena, sx_val_bytes(v) + 4);
    for (long i = 0; i < n; i++) {
        if (v->dtype == SX_I32) ((int32_t *)(void *)x)[i] = strcmp(v->name, "step") ? (int32_t)(i % 3) : 0;
        else x[i] = v->role == SX_ROLE_STATE ? 0.6f + 0.3f * noise() : noise();
    }
    cr_assert_eq(t->m->device->write(t->m->queue, t->mem->buf, t->at[id], x, sx_val_bytes(v)), 0);
}

static void open_net(struct net *t, sx_graph *g)
{
    static sx_machine *m;
    static sx_arena *device;                     /* a device lives for the test, graphs for a case */
    t->g = g;
    if (!m) {
        device = sx_arena_open(NULL);
        cr_assert_eq(sx_machine_open(device, sx_registry_open(device, NULL), "cpu", 2, &m, &diags), 0, "%s",
                     diags.v[0].text);
    }
    t->m = m;
    cr_assert_eq(sx_program_open(arena, m, g, false, NULL, &t->p, &diags), 0, "%s",
                 diags.n ? diags.v[0].text : "");
    size_t bytes = 0;
    t->at = sx_alloc_array(arena, (size_t)g->vals.n + 1, sizeof *t->at);
    for (uint32_t id = 1; id <= g->vals.n; id++) {
        t->at[id] = bytes;
        if (g->vals.v[id - 1].role != SX_ROLE_TEMP) bytes += (sx_val_bytes(&g->vals.v[id - 1]) + 63) & ~63ul;
    }
    cr_assert_eq(sx_memory_open(arena, m, bytes, &t->mem, &diags), 0);
    for (uint32_t id = 1; id <= g->vals.n; id++) {
        const sx_val *v = &g->vals.v[id - 1];
        if (v->role == SX_ROLE_TEMP) continue;
        sx_program_bind(t->p, (sx_t){ id }, t->mem, t->at[id]);
        if (v->maker < 0) fill(t, id);
    }
}

static void get(struct net *t, sx_t v, float *out)
{
    const uint32_t on = sx_graph_root(t->g, v).id;
    cr_assert_eq(t->m->device->read(t->m->queue, t->mem->buf, t->at[on], out,
                                    sx_val_bytes(sx_graph_val(t->g, v))), 0);
}

static double loss_at(struct net *t, sx_t w, const float *x, long n)
{
    cr_assert_eq(t->m->device->write(t->m->queue, t->mem->buf, t->at[w.id], x, (size_t)n * 4), 0);
    cr_assert_eq(sx_program_run(t->p, 1, &diags), 0, "%s", diags.n ? diags.v[0].text : "");
    float rows[64];
    get(t, t->loss, rows);
    double sum = 0;
    for (long i = 0; i < sx_val_count(sx_graph_val(t->g, t->loss)); i++) sum += rows[i];
    return sum;
}

/* The gradient of each element of each weight against (f(x + h) - f(x - h)) / 2h; factor: of what grads
 * should be. */
static void check_weight(struct net *t, long i, double factor, double h)
{
    const sx_val *v = sx_graph_val(t->g, t->w[i]);
    const long n = sx_val_count(v);
    float *x = sx_alloc_array(arena, (size_t)n, 4), *d = sx_alloc_array(arena, (size_t)n, 4);
    get(t, t->w[i], x);
    loss_at(t, t->w[i], x, n);
    get(t, t->d[i], d);
    for (long k = 0; k < n; k++) {
        const float old = x[k];
        x[k] = (float)(old + h);
        const double up = loss_at(t, t->w[i], x, n);
        x[k] = (float)(old - h);
        const double want = factor * (up - loss_at(t, t->w[i], x, n)) / (2 * h);
        x[k] = old;
        cr_expect(fabs(d[k] - want) < 2e-2 * (1 + fabs(want)), "%s[%ld]: %g, differences give %g", v->name, k,
                  d[k], want);
    }
    loss_at(t, t->w[i], x, n);
}

static void check(builder *build, double h)
{
    struct net t = { 0 };
    sx_graph *g = new_graph(true, 4);
    t.loss = build(g);
    cr_assert(t.loss.id, "%s", diags.n ? diags.v[0].text : "refused");
    cr_assert_eq(sx_grad(g, t.loss, 1, &t.n, &t.w, &t.d), 0, "%s", diags.n ? diags.v[0].text : "");
    sx_graph_result(g, t.loss, "loss");
    for (long i = 0; i < t.n; i++) sx_graph_result(g, t.d[i], sx_format(arena, "d%ld", i));
    open_net(&t, g);
    for (long i = 0; i < t.n; i++) check_weight(&t, i, 1, h);
    close_graphs();
}

static sx_t weight(sx_graph *g, const char *name, const long *shape)
{
    return sx_weight(g, name, shape, "zeros");
}
static sx_t curved(sx_graph *g, sx_t y) { return sx_map1(g, &wave, y, SX_K(0.7f)); }
static sx_t total(sx_graph *g, sx_t y)
{
    return sx_reduce(g, curved(g, y), SX_SUM, (1u << sx_rank(g, y)) - 1);
}

/* --- Cases --- */
static sx_t matmuls(sx_graph *g)
{
    const sx_t a = weight(g, "a", SX_SHAPE(3, 5)), at = weight(g, "at", SX_SHAPE(5, 3));
    const sx_t b = weight(g, "b", SX_SHAPE(5, 2)), bt = weight(g, "bt", SX_SHAPE(2, 5));
    sx_t y = sx_matmul(g, a, b, 0);
    y = sx_add(g, y, sx_matmul(g, at, b, SX_TRANS_A));
    y = sx_add(g, y, sx_matmul(g, a, bt, SX_TRANS_B));
    y = sx_mul(g, y, sx_matmul(g, at, bt, SX_TRANS_A | SX_TRANS_B));
    const sx_t x = batch_of(g, "x", SX_SHAPE(3));
    return total(g, sx_matmul(g, x, y, 0));
}
Test(grad, matmul) { check(matmuls, 1e-2); }

static sx_t broadcasts(sx_graph *g)
{
    const sx_t x = batch_of(g, "x", SX_SHAPE(3, 2));
    sx_t y = sx_add(g, x, weight(g, "channel", SX_SHAPE(2)));
    y = sx_mul(g, weight(g, "rows", SX_SHAPE(3, 1)), y);
    y = sx_mul(g, y, weight(g, "one", SX_SHAPE(1)));
    y = sx_map2(g, &ratio, y, sx_map1(g, &wave, weight(g, "all", SX_SHAPE(1, 3, 2)), SX_K(0.1f)), NULL);
    y = sx_map1(g, &mytanh, sx_map2(g, &ratio, y, sx_constant(g, 20, SX_SHAPE(2)), NULL), NULL);
    return total(g, sx_mul(g, y, y));
}
Test(grad, broadcasting_and_maps) { check(broadcasts, 1e-3); }

static sx_t shared(sx_graph *g)
{
    sx_t y = batch_of(g, "x", SX_SHAPE(3));
    for (int i = 0; i < 3; i++)
        y = sx_map1(g, &mytanh, sx_matmul(g, y, weight(g, "w", SX_SHAPE(3, 3)), SX_TRANS_B), NULL);
    return total(g, sx_mul(g, y, weight(g, "v", SX_SHAPE(3))));
}
Test(grad, shared_weights_add_up) { check(shared, 1e-2); }

static sx_t convolutions(sx_graph *g)
{
    const sx_t x = batch_of(g, "x", SX_SHAPE(5, 7, 2));
    const sx_window skip = { .stride = { 2, 1 }, .pad = { 1, 0, 2, 1 } };
    const sx_window wide = { .dilation = { 1, 2 }, .groups = 2 };
    sx_t y = sx_conv2d(g, x, weight(g, "a", SX_SHAPE(4, 3, 2, 2)), &skip);
    y = sx_conv2d(g, curved(g, y), weight(g, "b", SX_SHAPE(4, 2, 2, 2)), &wide);
    return total(g, sx_conv2d(g, y, weight(g, "c", SX_SHAPE(4, 1, 1, 1)), &(sx_window){ .groups = 4 }));
}
Test(grad, convolution) { check(convolutions, 1e-2); }

static sx_t image(sx_graph *g, long h, long w, long c)               /* [4, h, w, c], from weights */
{
    return sx_mul(g, batch_of(g, "x", SX_SHAPE(h, w, c)), weight(g, "image", SX_SHAPE(h, w, c)));
}
static sx_t pools(sx_graph *g)
{
    const sx_t x = image(g, 6, 5, 2);
    const sx_window w = { .size = { 3, 2 }, .stride = { 2, 1 }, .pad = { 1, 0, 1, 1 } };
    const sx_t most = sx_pool2d(g, x, SX_POOL_MAX, &w), mean = sx_pool2d(g, x, SX_POOL_MEAN, &w);
    const sx_t far = sx_add(g, mean, sx_constant(g, 9, SX_SHAPE(1)));
    return total(g, sx_map2(g, &ratio, most, sx_map1(g, &wave, far, SX_K(0.15f)), NULL));
}
Test(grad, pooling) { check(pools, 1e-3); }

static sx_t folds(sx_graph *g)
{
    const sx_t x = image(g, 3, 2, 2);
    const sx_t a = sx_reduce(g, x, SX_MEAN, 6), b = sx_reduce(g, x, SX_SUM_SQUARES, 8),
        c = sx_reduce(g, x, SX_SUM, 1);
    return total(g, sx_mul(g, sx_add(g, sx_mul(g, a, x), b), c));
}
Test(grad, reduction) { check(folds, 1e-2); }

static sx_t moves(sx_graph *g)
{
    const sx_t x = image(g, 4, 3, 2);
    /* 3, 4, 2 */
    const sx_t turned = sx_permute(g, x, (const int[]){ 0, 2, 1, 3 });
    /* 3, 2, 2 */
    const sx_t some = sx_slice(g, turned, 2, 1, 2);
    /* 4, 3, 3 */
    const sx_t wide = sx_pad(g, some, (const long[]){ 0, 1, 0, 0 }, (const long[]){ 0, 0, 1, 1 }, 0.5f);
    /* 4, 3, 5 */
    const sx_t both = sx_concat(g, 2, (const sx_t[]){ wide, x }, -1);
    /* 5, 4, 2, 3 */
    const sx_t rows = sx_permute(g, sx_slice(g, both, 0, 1, 2), (const int[]){ 3, 1, 0, 2 });
    return sx_add(g, total(g, sx_reshape(g, both, SX_SHAPE(-1, 5))), total(g, rows));
}
Test(grad, bookkeeping) { check(moves, 1e-2); }

static sx_t resizes(sx_graph *g)
{
    const sx_t x = image(g, 4, 3, 2);
    return sx_add(g, total(g, sx_resize(g, x, 7, 5, false)), total(g, sx_resize(g, x, 2, 3, false)));
}
Test(grad, resizing) { check(resizes, 1e-2); }

static sx_t norm_training(sx_graph *g)
{
    const sx_t x = image(g, 3, 2, 3), m = sx_moments(g, x, 7);
    return total(g, sx_normalize(g, x, m, weight(g, "gamma", SX_SHAPE(3)), weight(g, "beta", SX_SHAPE(3)),
                                 1e-2));
}
Test(grad, normalisation_of_the_batch) { check(norm_training, 1e-2); }

static sx_t norm_frozen(sx_graph *g)
{
    const sx_t mean = sx_state(g, "mean", SX_SHAPE(1, 3), 0);
    const sx_t variance = sx_state(g, "variance", SX_SHAPE(1, 3), 1);
    const sx_t x = image(g, 3, 2, 3), m = sx_concat(g, 2, (const sx_t[]){ mean, variance }, 0);
    return total(g, sx_normalize(g, x, m, weight(g, "gamma", SX_SHAPE(3)), weight(g, "beta", SX_SHAPE(3)),
                                 1e-2));
}
Test(grad, normalisation_by_states) { check(norm_frozen, 1e-2); }

static sx_t bare_moments(sx_graph *g)
{
    const sx_t x = image(g, 3, 2, 2), m = sx_moments(g, x, 7);
    return total(g, sx_mul(g, x, sx_reshape(g, m, SX_SHAPE(1, 2, 2))));
}
Test(grad, moments_by_themselves) { check(bare_moments, 1e-2); }

static sx_t classifier(sx_graph *g)
{
    const sx_t x = batch_of(g, "x", SX_SHAPE(6, 6, 1));
    sx_t y = sx_conv2d(g, x, weight(g, "conv", SX_SHAPE(3, 3, 3, 1)), &(sx_window){ .pad = { 1, 1, 1, 1 } });
    y = sx_map1(g, &relu, sx_add(g, y, weight(g, "bias", SX_SHAPE(3))), NULL);
    y = sx_normalize(g, y, sx_moments(g, y, 7), weight(g, "gamma", SX_SHAPE(3)),
                     weight(g, "beta", SX_SHAPE(3)), 1e-2);
    y = sx_pool2d(g, y, SX_POOL_MAX, &(sx_window){ .size = { 2, 2 }, .stride = { 2, 2 } });
    y = sx_mul(g, y, sx_random(g, y, SX_BERNOULLI, 0.7, 0));
    y = sx_matmul(g, sx_reshape(g, y, SX_SHAPE(-1)), weight(g, "dense", SX_SHAPE(3, 27)), SX_TRANS_B);
    return sx_xent(g, y, labels_of(g));
}
Test(grad, a_classifier) { check(classifier, 1e-3); }

static sx_t softmaxes(sx_graph *g)
{
    const sx_t y = sx_matmul(g, batch_of(g, "x", SX_SHAPE(5)), weight(g, "w", SX_SHAPE(3, 5)), SX_TRANS_B);
    return total(g, sx_mul(g, sx_softmax(g, y), weight(g, "v", SX_SHAPE(3))));
}
Test(grad, softmax) { check(softmaxes, 1e-2); }

/* --- Own gradients --- */
static bool square_shape(const void *attr, int n, const sx_view *in, long shape[SX_RANK])
{
    (void)attr;
    for (int i = 0; i < in[0].rank; i++) shape[i] = in[0].shape[i];
    return n == 1;
}
static void square_host(const void *attr, int n, const sx_view *in, sx_view *y, long from, long to)
{
    (void)attr, (void)n;
    long row = 1;
    for (int i = 1; i < y->rank; i++) row *= y->shape[i];
    const float *x = in[0].data;
    for (long i = from * row; i < to * row; i++) ((float *)y->data)[i] = x[i] * x[i];
}
SX_MAP2(square_back, 2 * x0 * x1, 2 * x1, 2 * x0);
static sx_t square_grad(sx_graph *g, const void *attr, const sx_t *in, sx_t y, sx_t dy, int which)
{
    (void)attr, (void)y, (void)which;
    return sx_map2(g, &square_back, in[0], dy, NULL);
}
static const sx_op square = { .size = sizeof(sx_op), .name = "square", .inputs = 1, .rowwise = true,
                              .infer = square_shape,
                              .host = square_host, .grad = square_grad };
static sx_t own(sx_graph *g)
{
    const sx_t x = image(g, 2, 2, 1);
    return total(g, sx_custom(g, &square, 1, &x, NULL));
}
Test(grad, of_own_ops) { check(own, 1e-2); }

/* y = x w with a gradient towards x that is three times the true one; that of w stays true. */
SX_MAP2(triple, 3 * x0 * x1, 3 * x1, 3 * x0);
static sx_t triple_forward(sx_graph *g, const void *p, sx_t x)
{
    (void)p;
    return sx_mul(g, x, weight(g, "w", SX_SHAPE(2)));
}
static sx_t triple_backward(sx_graph *g, const void *p, sx_t x, sx_t y, sx_t dy)
{
    (void)p, (void)x, (void)y;
    return sx_map2(g, &triple, dy, weight(g, "w", SX_SHAPE(2)), NULL);
}
static const sx_layer layer = { .kind = SX_KIND_LAYER, .name = "triple", .forward = triple_forward,
                                .backward = triple_backward };

Test(grad, of_a_layer_with_its_own_backward)
{
    struct net t = { 0 };
    sx_graph *g = new_graph(true, 4);
    const sx_t x = sx_mul(g, batch_of(g, "x", SX_SHAPE(2)), weight(g, "below", SX_SHAPE(2)));
    sx_graph_enter(g, &(sx_layer_context){ .path = "triple", .inputs = 1, .in = &x, .training = true,
                                           .lr_scale = 1 });
    const sx_t y = layer.forward(g, NULL, x);
    sx_graph_leave(g, &layer, NULL, x, y);
    t.loss = total(g, y);
    cr_assert_eq(sx_grad(g, t.loss, 1, &t.n, &t.w, &t.d), 0, "%s", diags.n ? diags.v[0].text : "");
    cr_assert_eq(t.n, 2);
    sx_graph_result(g, t.loss, "loss");
    for (long i = 0; i < t.n; i++) sx_graph_result(g, t.d[i], sx_format(arena, "d%ld", i));
    open_net(&t, g);
    check_weight(&t, 0, 3, 1e-2);
    check_weight(&t, 1, 1, 1e-2);
}

/* --- Structure --- */
static int grad_of(sx_graph *g, sx_t loss, long *n, sx_t **d)
{
    sx_t *w;
    return sx_grad(g, loss, 1, n, &w, d);
}

Test(grad, nothing_flows_to_data_or_frozen_weights)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(5, 5, 1));
    g->at.frozen = true;
    const sx_t fixed = weight(g, "fixed", SX_SHAPE(2, 3, 3, 1));
    g->at.frozen = false;
    const sx_t below = sx_conv2d(g, x, fixed, &(sx_window){ .size = { 3, 3 } });
    const sx_t y = sx_conv2d(g, below, weight(g, "w", SX_SHAPE(2, 3, 3, 2)),
                             &(sx_window){ .size = { 3, 3 } });
    long n;
    sx_t *d;
    cr_assert_eq(grad_of(g, sx_reduce(g, y, SX_SUM, 15), &n, &d), 0);
    cr_expect_eq(n, 1);
    cr_expect_eq(count_ops(g, SX_OP_CONV2D_BWD_X), 0);
    cr_expect_eq(count_ops(g, SX_OP_CONV2D_BWD_W), 1);
}

static const sx_node *last_of(const sx_graph *g, sx_opcode code)
{
    for (long i = g->ops.n; i-- > 0;) if (g->ops.v[i].op->code == (uint32_t)code) return &g->ops.v[i];
    return NULL;
}

Test(grad, maps_keep_only_what_their_gradient_names)
{
    long n;
    sx_t *d;
    sx_graph *g = new_graph(true, 4);
    const sx_t x = sx_add(g, batch_of(g, "x", SX_SHAPE(3)), weight(g, "b", SX_SHAPE(3))),
        y = sx_map1(g, &mytanh, x, NULL);
    cr_assert_eq(grad_of(g, sx_reduce(g, y, SX_SUM, 3), &n, &d), 0);
    cr_expect_eq(count_ops(g, SX_OP_MAP_BWD), 1, "the sum passes its gradient on");
    const sx_node *back = last_of(g, SX_OP_MAP_BWD);
    const sx_map_use *use = back->attr;
    cr_expect_eq(back->inputs, 2);
    cr_expect(use->which == 0 && use->x0 == -1 && use->x1 == -1 && use->y == 1);
    cr_expect_eq(back->in[1].id, y.id);
    cr_expect_eq(back->map, &mytanh);
    g = new_graph(true, 4);
    const sx_t b = weight(g, "b", SX_SHAPE(3)), c = weight(g, "c", SX_SHAPE(3));
    cr_assert_eq(grad_of(g, sx_reduce(g, sx_add(g, sx_map2(g, &nothing, b, c, NULL), b), SX_SUM, 1), &n, &d),
                 0);
    cr_expect_eq(count_ops(g, SX_OP_MAP_BWD), 0, "0 and 1 need no op");
}

Test(grad, big_cheap_values_are_drawn_again)
{
    for (long size = 8; size <= 80000; size *= 10000) {
        long n;
        sx_t *d;
        sx_graph *g = new_graph(true, 1);
        const sx_t x = sx_mul(g, batch_of(g, "x", SX_SHAPE(size)), weight(g, "w", SX_SHAPE(size)));
        cr_assert_eq(grad_of(g, sx_reduce(g, sx_mul(g, x, sx_random(g, x, SX_BERNOULLI, 0.5, 0)), SX_SUM, 3),
                             &n, &d), 0);
        cr_expect_eq(count_ops(g, SX_OP_RANDOM), size > 1000 ? 2 : 1);
        if (size > 1000)
            cr_expect_eq(memcmp(last_of(g, SX_OP_RANDOM)->attr, g->ops.v[1].attr, sizeof(sx_draw)), 0);
    }
}

Test(grad, a_maximum_over_axes_is_refused)
{
    long n;
    sx_t *d;
    sx_graph *g = new_graph(true, 4);
    const sx_t x = sx_add(g, batch_of(g, "x", SX_SHAPE(3)), weight(g, "b", SX_SHAPE(3)));
    const sx_conf conf = { .kind = SX_CONF_GROUP, .file = "m.cfg", .line = 3 };
    sx_graph_enter(g, &(sx_layer_context){ .path = "top", .type = "largest", .conf = &conf, .inputs = 1,
                                           .in = &x, .training = true, .lr_scale = 1 });
    const sx_t y = sx_reduce(g, x, SX_MAX, 2);
    sx_graph_leave(g, NULL, NULL, x, y);
    cr_expect_eq(grad_of(g, sx_reduce(g, y, SX_SUM, 3), &n, &d), SX_E_REFUSED);
    cr_assert_eq(diags.n, 1);
    cr_expect_str_eq(diags.v[0].text, "largest takes a maximum over axes, which has no gradient");
    cr_expect_eq(diags.v[0].where.line, 3);
}

Test(grad, foreign_moments_are_refused)
{
    long n;
    sx_t *d;
    sx_graph *g = new_graph(true, 4);
    const sx_t x = sx_add(g, batch_of(g, "x", SX_SHAPE(3)), weight(g, "b", SX_SHAPE(3)));
    const sx_t m = sx_moments(g, sx_mul(g, x, x), 1), gamma = weight(g, "gamma", SX_SHAPE(3));
    const sx_t y = sx_normalize(g, x, m, gamma, gamma, 1e-3);
    cr_expect_eq(grad_of(g, sx_reduce(g, y, SX_SUM, 3), &n, &d), SX_E_REFUSED);
    cr_assert_eq(diags.n, 1);
    cr_expect_str_eq(diags.v[0].text, "normalises by moments of another tensor, which has no gradient");
}

Test(grad, a_weight_that_cannot_learn_is_told)
{
    long n;
    sx_t *d;
    sx_graph *g = new_graph(true, 4);
    const sx_t w = weight(g, "w", SX_SHAPE(3)), v = weight(g, "v", SX_SHAPE(3));
    cr_expect_eq(grad_of(g, sx_reduce(g, sx_mul(g, sx_stop(g, w), v), SX_SUM, 1), &n, &d), SX_E_REFUSED);
    cr_expect_eq(n, 2);
    cr_assert_eq(diags.n, 1);
    cr_expect_str_eq(diags.v[0].text, "weight 'w' cannot learn: the loss does not depend on it");
    cr_expect_eq(d[0].id, 0);
    cr_expect_neq(d[1].id, 0);
}
