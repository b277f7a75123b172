/* test_shape.c: the shape rule of every op, on odd sizes, and its refusals. */
#include "graph_help.h"

TestSuite(shape, .fini = close_graphs);

Test(shape, convolution)
{
    sx_graph *g = new_graph(true, 3);
    const sx_t x = batch_of(g, "x", SX_SHAPE(7, 5, 6)), w = sx_weight(g, "w", SX_SHAPE(4, 3, 2, 6), "zeros");
    SHAPE_IS(sx_conv2d(g, x, w, &(sx_window){ .size = { 3, 2 } }), "*3x5x4x4");
    SHAPE_IS(sx_conv2d(g, x, w, &(sx_window){ .stride = { 2, 3 }, .pad = { 1, 0, 1, 1 } }), "*3x4x2x4");
    SHAPE_IS(sx_conv2d(g, x, w, &(sx_window){ .dilation = { 3, 4 } }), "*3x1x1x4");
    const sx_t grouped = sx_weight(g, "g", SX_SHAPE(4, 1, 1, 3), "zeros"), depth = sx_weight(g, "d",
            SX_SHAPE(6, 3, 3, 1), "zeros");
    SHAPE_IS(sx_conv2d(g, x, grouped, &(sx_window){ .groups = 2 }), "*3x7x5x4");
    SHAPE_IS(sx_conv2d(g, x, depth, &(sx_window){ .groups = 6 }), "*3x5x3x6");
    REFUSED(sx_conv2d(g, x, w, &(sx_window){ .dilation = { 4, 1 } }),
            "window 3x2 does not fit the 7x5 input");
    REFUSED(sx_conv2d(g, x, grouped, &(sx_window){ .groups = 1 }),
            "kernel is for 3 channels a group, the input has 6");
    REFUSED(sx_conv2d(g, x, depth, &(sx_window){ .groups = 4 }),
            "cannot divide 6 channels and 6 filters into 4 groups");
    REFUSED(sx_conv2d(g, x, w, &(sx_window){ .size = { 9, 9 } }),
            "kernel does not have the window's size 9x9");
    REFUSED(sx_conv2d(g, x, w, &(sx_window){ .stride = { -1, 1 } }),
            "has a window with an impossible size, stride, dilation or padding");
    const sx_t flat = batch_of(g, "flat", SX_SHAPE(9));
    REFUSED(sx_conv2d(g, flat, w, &(sx_window){ .size = { 3, 2 } }),
            "wants an image (height, width, channels), not [9]");
}

Test(shape, pooling_and_resizing)
{
    sx_graph *g = new_graph(true, 2);
    const sx_t x = batch_of(g, "x", SX_SHAPE(7, 1, 5));
    SHAPE_IS(sx_pool2d(g, x, SX_POOL_MAX, &(sx_window){ .size = { 2, 1 }, .stride = { 2, 2 } }), "*2x3x1x5");
    SHAPE_IS(sx_pool2d(g, x, SX_POOL_MEAN, &(sx_window){ .size = { 7, 1 } }), "*2x1x1x5");
    SHAPE_IS(sx_pool2d(g, x, SX_POOL_MAX, &(sx_window){ .size = { 2, 2 }, .stride = { 2, 2 },
                                                        .pad = { 0, 0, 1, 1 } }), "*2x4x1x5");
    REFUSED(sx_pool2d(g, x, SX_POOL_MAX, &(sx_window){ .size = { 2, 2 } }),
            "window 2x2 does not fit the 7x1 input");
    REFUSED(sx_pool2d(g, x, SX_POOL_MAX, &(sx_window){ .size = { 2, 1 }, .pad = { 2, 0, 0, 0 } }),
            "pads by a whole window or more");
    SHAPE_IS(sx_resize(g, x, 3, 9, false), "*2x3x9x5");
    REFUSED(sx_resize(g, x, 0, 9, false), "makes an image of 0x9");
    SHAPE_IS(sx_resize(g, x, 4, 4, true), "*2x4x4x5");
}

Test(shape, bookkeeping)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(3, 5)), s = sx_constant(g, 2, SX_SHAPE(2, 6));
    SHAPE_IS(s, "2x6");
    SHAPE_IS(sx_reshape(g, x, SX_SHAPE(15)), "*4x15");
    SHAPE_IS(sx_reshape(g, x, SX_SHAPE(5, -1, 1)), "*4x5x3x1");
    SHAPE_IS(sx_reshape(g, s, SX_SHAPE(-1)), "12");
    REFUSED(sx_reshape(g, x, SX_SHAPE(4, -1)), "cannot reshape [3, 5] to [4, 3]");
    REFUSED(sx_reshape(g, x, SX_SHAPE(14)), "cannot reshape [3, 5] to [14]");
    SHAPE_IS(sx_permute(g, x, (const int[]){ 0, 2, 1 }), "*4x5x3");
    SHAPE_IS(sx_permute(g, x, (const int[]){ 2, 0, 1 }), "5x4x3");
    REFUSED(sx_permute(g, x, (const int[]){ 0, 1, 1 }), "permutes axes that are no permutation of 0 .. 2");
    SHAPE_IS(sx_slice(g, x, -1, 1, 3), "*4x3x3");
    REFUSED(sx_slice(g, x, 2, 3, 3), "slices 3 from 3 on of an axis of length 5");
    REFUSED(sx_slice(g, x, 3, 0, 1), "slices axis 3 of 3");
    SHAPE_IS(sx_pad(g, x, (const long[]){ 0, 1, 0 }, (const long[]){ 0, 2, 7 }, 0), "*4x6x12");
    SHAPE_IS(sx_concat(g, 3, (const sx_t[]){ x, x, x }, -1), "*4x3x15");
    REFUSED(sx_concat(g, 2, (const sx_t[]){ x, s }, 1), "cannot join [3, 5] and [2, 6]");
    SHAPE_IS(sx_stop(g, x), "*4x3x5");
    SHAPE_IS(sx_random(g, x, SX_UNIFORM, 0, 1), "*4x3x5");
    SHAPE_IS(sx_random(g, s, SX_NORMAL, 0, 1), "2x6");
}

Test(shape, broadcasting_keeps_rows_apart)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(3, 4)), v = batch_of(g, "v", SX_SHAPE(4)),
        rows = batch_of(g, "rows", (const long[]){ 0 });
    SHAPE_IS(sx_add(g, x, sx_weight(g, "b", SX_SHAPE(4), "zeros")), "*4x3x4");
    SHAPE_IS(sx_mul(g, sx_weight(g, "c", SX_SHAPE(3, 1), "ones"), x), "*4x3x4");
    SHAPE_IS(sx_mul(g, x, sx_constant(g, 1, SX_SHAPE(4, 1, 1))), "*4x3x4");
    SHAPE_IS(sx_add(g, rows, sx_weight(g, "o", SX_SHAPE(1), "zeros")), "*4");
    REFUSED(sx_add(g, x, sx_weight(g, "d", SX_SHAPE(3), "zeros")), "cannot combine [3, 4] and [3]");
    REFUSED(sx_add(g, v, rows), "combines rows of [4] and []");
    REFUSED(sx_add(g, x, v), "combines rows of [3, 4] and [4]");
}

Test(shape, algebra_and_losses)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(6)), w = sx_weight(g, "w", SX_SHAPE(3, 6), "zeros"),
        labels = labels_of(g);
    const sx_t y = sx_matmul(g, x, w, SX_TRANS_B), im = batch_of(g, "im", SX_SHAPE(2, 3, 6));
    SHAPE_IS(y, "*4x3");
    SHAPE_IS(sx_matmul(g, x, y, SX_TRANS_A), "6x3");
    REFUSED(sx_matmul(g, x, w, 0), "multiplies rows of 6 and columns of 3");
    REFUSED(sx_matmul(g, im, w, SX_TRANS_B), "multiplies [2, 3, 6] and [3, 6], which are no matrices");
    SHAPE_IS(sx_softmax(g, y), "*4x3");
    SHAPE_IS(sx_xent(g, y, labels), "*4");
    SHAPE_IS(sx_hit(g, y, labels), "*4");
    REFUSED(sx_xent(g, im, labels), "wants one row of classes for each label, not [2, 3, 6]");
    REFUSED(sx_xent(g, y, x), "wants one label a row");
    SHAPE_IS(sx_reduce(g, im, SX_SUM, 0x7), "1x1x1x6");
    SHAPE_IS(sx_reduce(g, im, SX_MEAN, 0x6), "*4x1x1x6");
    REFUSED(sx_reduce(g, y, SX_MAX, 4), "reduces axes that [3] does not have");
    SHAPE_IS(sx_moments(g, im, 7), "2x6");
    REFUSED(sx_moments(g, im, 3), "asks for moments over other axes than all but the last");
    const sx_t gamma = sx_weight(g, "gamma", SX_SHAPE(6), "ones"), m = sx_moments(g, im, 7);
    SHAPE_IS(sx_normalize(g, im, m, gamma, gamma, 1e-3), "*4x2x3x6");
    REFUSED(sx_normalize(g, y, m, gamma, gamma, 1e-3), "normalises 3 channels by [2, 6]");
}

Test(shape, of_the_step)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t order = sx_graph_bound(g, SX_ROLE_INPUT, "order", SX_I32, (const long[]){ 13, 0 }, false);
    const sx_t data = sx_graph_bound(g, SX_ROLE_INPUT, "data", SX_U8, (const long[]){ 13, 5, 5, 1, 0 },
                                     false);
    const sx_t all = sx_graph_bound(g, SX_ROLE_INPUT, "all", SX_I32, (const long[]){ 13, 0 }, false);
    const sx_t log = sx_graph_bound(g, SX_ROLE_RESULT, "log", SX_F32, (const long[]){ 12, 0 }, false);
    const sx_batch b = { 4, 3 };
    const sx_t rows = sx_graph_op(g, SX_OP_ROWS, 2, (sx_t[]){ order, g->step }, &b, sizeof b);
    const sx_t x = sx_graph_op(g, SX_OP_GATHER, 2, (sx_t[]){ data, rows }, NULL, 0);
    const sx_t y = sx_graph_op(g, SX_OP_GATHER, 2, (sx_t[]){ all, rows }, NULL, 0);
    SHAPE_IS(rows, "*4");
    SHAPE_IS(x, "*4x5x5x1");
    cr_expect_eq(sx_graph_val(g, x)->dtype, SX_F32);
    cr_expect_eq(sx_graph_val(g, y)->dtype, SX_I32);
    const sx_t loss = sx_reshape(g, sx_reduce(g, x, SX_SUM, 0xe), SX_SHAPE(-1));
    SHAPE_IS(loss, "*4x1");
    const sx_t each = sx_xent(g, sx_reshape(g, x, SX_SHAPE(-1)), y);
    cr_expect_eq(sx_graph_op(g, SX_OP_PUT, 3, (sx_t[]){ log, each, g->step }, &b, sizeof b).id, log.id);
    REFUSED(sx_graph_op(g, SX_OP_PUT, 3, (sx_t[]){ log, loss, g->step }, &b, sizeof b),
            "puts [1] into a log of [12]");
    const sx_batch far = { 4, 4 };
    REFUSED(sx_graph_op(g, SX_OP_ROWS, 2, (sx_t[]){ order, g->step }, &far, sizeof far),
            "takes more rows than there are");
    REFUSED(sx_graph_op(g, SX_OP_SOFTMAX, 1, &y, NULL, 0), "gives whole numbers to softmax");
    SHAPE_IS(sx_add(g, y, y), "*4");             /* labels become numbers where a layer computes with them */
}

Test(shape, nothing_overflows)
{
    sx_graph *g = new_graph(true, 1L << 20);
    const sx_t x = batch_of(g, "x", SX_SHAPE(1024));
    REFUSED(sx_weight(g, "w", SX_SHAPE(1L << 40, 2), "zeros"), "makes a tensor of more than 2^40 elements");
    REFUSED(sx_weight(g, "v", SX_SHAPE(1L << 62, 1L << 62, 1L << 62), "zeros"),
            "makes a tensor of more than 2^40 elements");
    REFUSED(sx_pad(g, x, (const long[]){ 0, INT64_MAX }, (const long[]){ 0, 0 }, 0),
            "pads to more than 2^40 elements");
    REFUSED(sx_resize(g, sx_reshape(g, x, SX_SHAPE(32, 32, 1)), 1L << 30, 1L << 30, false),
            "makes a tensor of more than 2^40 elements");
    const long nine[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 0 };
    REFUSED(sx_reshape(g, x, nine), "asks for more than 8 axes");
}

/* --- Whatever a layer asks for, it gets a tensor that can be or a refusal --- */
static uint64_t state = 0x9e3779b97f4a7c15u;
static long any(void)
{
    static const long odd[] = { 0, 1, 2, 3, 5, 7, -1, -2, 255, 256, 1L << 20, 1L << 40, INT64_MAX,
                                INT64_MIN };
    state ^= state << 13; state ^= state >> 7; state ^= state << 17;
    return state % 3 ? odd[2 + state / 3 % 3] : odd[state / 3 % (sizeof odd / sizeof *odd)];
}

static sx_t any_op(sx_graph *g, sx_t x, sx_t z, int kind)
{
    const sx_window w = { { any(), any() }, { any(), any() }, { any(), any(), any(), any() },
                          { any(), any() }, any() };
    const long a[SX_RANK] = { any(), any(), any(), any() };
    const long b[SX_RANK] = { any(), any(), any(), any() };
    const int axes[SX_RANK] = { (int)any(), (int)any(), (int)any(), (int)any() };
    switch (kind) {
    case 0: return sx_conv2d(g, x, z, &w);
    case 1: return sx_pool2d(g, x, any() & 1 ? SX_POOL_MAX : SX_POOL_MEAN, &w);
    case 2: return sx_reshape(g, x, SX_SHAPE(any(), any()));
    case 3: return sx_slice(g, x, (int)any(), any(), any());
    case 4: return sx_pad(g, x, a, b, 0);
    case 5: return sx_permute(g, x, axes);
    case 6: return sx_concat(g, 2, (const sx_t[]){ x, z }, (int)any());
    case 7: return sx_resize(g, x, any(), any(), false);
    case 8: return sx_weight(g, "w", SX_SHAPE(any(), any(), any(), any()), "zeros");
    case 9: return sx_reduce(g, x, SX_SUM, (unsigned)any());
    case 10: return sx_matmul(g, x, z, (unsigned)any());
    case 11: return sx_mul(g, x, z);
    case 12: return sx_constant(g, 1, SX_SHAPE(any(), any(), any()));
    case 13: return sx_moments(g, x, (unsigned)any());
    default: return sx_normalize(g, x, z, x, z, 1);
    }
}

Test(shape, any_numbers_give_a_tensor_or_a_refusal)
{
    long made = 0;
    for (int i = 0; i < 2000; i++) {
        sx_graph *g = new_graph(true, 2);
        sx_t x = batch_of(g, "x", SX_SHAPE(3, 5, 2)), y = sx_constant(g, 1, SX_SHAPE(3, 3, 2));
        for (int k = 0; k < 10; k++) {
            g->mute = false;
            const sx_t z = any_op(g, x, y, (int)((uint64_t)any() % 2 * 8 + state / 64 % 8));
            const sx_val *v = sx_graph_val(g, z);
            if (!v) continue;
            made++;
            cr_assert(v->rank > 0 && v->rank <= SX_RANK);
            cr_assert(sx_val_count(v) > 0 && sx_val_count(v) <= 1L << 40);
            if (k & 1) x = z; else y = z;
        }
        if (i % 100 == 0) close_graphs();
    }
    cr_expect_gt(made, 1000, "only %ld", made);
}
