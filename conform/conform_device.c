/* conform_device.c: the op suite: every op of ops.def against a naive reference, the same bits for any number
 * of threads, fused stages against one stage per op, and what a device must do with absurd requests. */
#include "conform.h"
#include "exec.h"
#include "reference.h"
#include <stdlib.h>
#include <string.h>

typedef enum { ANY, TIED, POSITIVE, LABELS, BYTES, STEP, ORDER, INDEX, ARGS, PIXELS } content;
typedef struct { content content; long dim[5]; } input;  /* dim ends with 0 */
typedef struct {
    const char *text;
    sx_opcode code;
    reference *ref;
    input in[6];                                 /* ends where dim[0] is 0 */
    const void *attr; size_t attr_size;
    const sx_map *map;
} trial;
enum { MOST = 8, CLASSES = 10 };
#define ATTR(T, ...) .attr = &(const T)__VA_ARGS__, .attr_size = sizeof(T)

SX_MAP1(test_leaky, x > 0 ? x : k[0] * x, x > 0 ? 1 : k[0]);
SX_MAP1(test_tanh, tanhf(x), 1 - y * y);
SX_MAP2(test_mix, x0 * x1 + k[0] * x0, x1 + k[0], x0);

/* --- Trials --- */
/* A convolution and both its gradients: images, filters, result, window; stride, pads, dilation, groups. */
#define CONVS(TEXT, N, H, W, C, K, OH, OW, R, S, SH, SW, T, L, B, U, DH, DW, G) \
    { TEXT, SX_OP_CONV2D, ref_conv2d, { { ANY, { N, H, W, C } }, { ANY, { K, R, S, (C) / (G) } } }, \
      ATTR(sx_window, { { R, S }, { SH, SW }, { T, L, B, U }, { DH, DW }, G }), NULL }, \
    { TEXT, SX_OP_CONV2D_BWD_X, ref_conv2d_bwd_x, { { ANY, { N, OH, OW, K } }, \
      { ANY, { K, R, S, (C) / (G) } } }, \
      ATTR(sx_conv_bwd, { { { R, S }, { SH, SW }, { T, L, B, U }, { DH, DW }, G }, H, W }), NULL }, \
    { TEXT, SX_OP_CONV2D_BWD_W, ref_conv2d_bwd_w, { { ANY, { N, H, W, C } }, { ANY, { N, OH, OW, K } } }, \
      ATTR(sx_conv_bwd, { { { R, S }, { SH, SW }, { T, L, B, U }, { DH, DW }, G }, H, W }), NULL }
/* Both poolings with their gradients. */
#define POOLS(TEXT, N, H, W, C, OH, OW, R, S, SH, SW, T, L, B, U) \
    { TEXT, SX_OP_MAXPOOL, ref_maxpool, { { TIED, { N, H, W, C } } }, \
      ATTR(sx_window, { { R, S }, { SH, SW }, { T, L, B, U }, { 1, 1 }, 1 }), NULL }, \
    { TEXT, SX_OP_MAXPOOL_ARG, ref_maxpool_arg, { { TIED, { N, H, W, C } } }, \
      ATTR(sx_window, { { R, S }, { SH, SW }, { T, L, B, U }, { 1, 1 }, 1 }), NULL }, \
    { TEXT, SX_OP_MAXPOOL_BWD, ref_maxpool_bwd, { { ANY, { N, OH, OW, C } }, { ARGS, { N, OH, OW, C } } }, \
      ATTR(sx_pool_bwd, { { { R, S }, { SH, SW }, { T, L, B, U }, { 1, 1 }, 1 }, H, W }), NULL }, \
    { TEXT, SX_OP_AVGPOOL, ref_avgpool, { { ANY, { N, H, W, C } } }, \
      ATTR(sx_window, { { R, S }, { SH, SW }, { T, L, B, U }, { 1, 1 }, 1 }), NULL }, \
    { TEXT, SX_OP_AVGPOOL_BWD, ref_avgpool_bwd, { { ANY, { N, OH, OW, C } } }, \
      ATTR(sx_pool_bwd, { { { R, S }, { SH, SW }, { T, L, B, U }, { 1, 1 }, 1 }, H, W }), NULL }
#define MATMUL(N, K, M, TA, TB) \
    { #N "x" #K "x" #M, SX_OP_MATMUL, ref_matmul, { { ANY, { TA ? K : N, TA ? N : K } }, \
      { ANY, { TB ? M : K, TB ? K : M } } }, \
      ATTR(sx_mm, { (TA ? SX_TRANS_A : 0) | (TB ? SX_TRANS_B : 0) }), NULL }
#define MIX(TEXT, A, B) { TEXT, SX_OP_MAP, ref_mix, { { ANY, A }, { ANY, B } }, NULL, 0, &test_mix }
#define DIMS(...) { __VA_ARGS__ }
#define REDUCE(TEXT, FOLD, AXES, ...) { TEXT, SX_OP_REDUCE, ref_reduce, { { ANY, { __VA_ARGS__ } } }, \
    ATTR(sx_fold_over, { FOLD, AXES }), NULL }
#define NORMS(TEXT, C, ...) \
    { TEXT, SX_OP_MOMENTS, ref_moments, { { ANY, { __VA_ARGS__, C } } }, NULL, 0, NULL }, \
    { TEXT, SX_OP_SCALE_SHIFT, ref_scale_shift, { { ANY, { __VA_ARGS__, C } }, { ANY, { 2, C } } }, \
      NULL, 0, NULL }, \
    { TEXT, SX_OP_NORM_SUMS, ref_norm_sums, { { ANY, { __VA_ARGS__, C } }, \
      { ANY, { __VA_ARGS__, C } }, { POSITIVE, { 2, C } } }, \
      ATTR(sx_eps, { 1e-3 }), NULL }, \
    { TEXT, SX_OP_NORM_BWD, ref_norm_bwd, { { ANY, { __VA_ARGS__, C } }, \
      { ANY, { __VA_ARGS__, C } }, { POSITIVE, { 2, C } }, \
      { ANY, { C } }, { ANY, { 2, C } } }, ATTR(sx_eps, { 1e-3 }), NULL }, \
    { TEXT, SX_OP_NORM_SCALE, ref_norm_scale, { { POSITIVE, { 2, C } }, { ANY, { C } }, { ANY, { C } } }, \
      ATTR(sx_eps, { 1e-3 }), NULL }
#define ROWS(TEXT, CODE, REF, N, C) { TEXT, CODE, REF, { { ANY, { N, C } }, { LABELS, { N } }, \
    { ANY, { CODE == SX_OP_XENT_BWD ? N : 0 } } }, NULL, 0, NULL }
#define CLASS(N, C) \
    { #N "x" #C, SX_OP_SOFTMAX, ref_softmax, { { ANY, { N, C } } }, NULL, 0, NULL }, \
    { #N "x" #C, SX_OP_SOFTMAX_BWD, ref_softmax_bwd, { { ANY, { N, C } }, { ANY, { N, C } } }, \
      NULL, 0, NULL }, \
    ROWS(#N "x" #C, SX_OP_XENT, ref_xent, N, C), ROWS(#N "x" #C, SX_OP_XENT_BWD, ref_xent_bwd, N, C), \
    { #N "x" #C, SX_OP_HIT, ref_hit, { { TIED, { N, C } }, { LABELS, { N } } }, NULL, 0, NULL }

static const trial trials[] = {
    CONVS("3x3 same", 5, 7, 7, 33, 16, 7, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1),
    CONVS("3x3 same, 16 channels", 8, 12, 12, 16, 32, 12, 12, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1),
    CONVS("3x3 same, 32 and 64 channels", 12, 10, 9, 32, 64, 10, 9, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1),
    CONVS("3x3, one channel", 9, 14, 13, 1, 32, 14, 13, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1),
    CONVS("3x3, three channels, 40 filters", 2, 9, 11, 3, 40, 9, 11, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1),
    CONVS("3x3 valid, one channel, 33 filters", 3, 8, 8, 1, 33, 6, 6, 3, 3, 1, 1, 0, 0, 0, 0, 1, 1, 1),
    CONVS("5x5, two channels, strided", 2, 9, 9, 2, 16, 5, 5, 5, 5, 2, 2, 2, 2, 2, 2, 1, 1, 1),
    CONVS("1x1", 3, 5, 4, 12, 7, 5, 4, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1),
    CONVS("1x1, stride 2", 3, 5, 5, 8, 16, 3, 3, 1, 1, 2, 2, 0, 0, 0, 0, 1, 1, 1),
    CONVS("asymmetric", 2, 8, 9, 4, 6, 4, 5, 3, 2, 2, 2, 0, 1, 1, 1, 1, 1, 1),
    CONVS("dilated", 2, 9, 9, 8, 16, 9, 9, 3, 3, 1, 1, 2, 2, 2, 2, 2, 2, 1),
    CONVS("two groups", 3, 6, 6, 8, 12, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 2),
    CONVS("depthwise", 3, 6, 6, 16, 16, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 16),
    CONVS("depthwise, strided, two filters each", 2, 9, 8, 20, 40, 5, 4, 3, 3, 2, 2, 1, 0, 1, 1, 1, 1, 20),
    CONVS("one image of one pixel", 1, 1, 1, 3, 5, 1, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1),
    CONVS("one larger image", 1, 34, 33, 24, 32, 34, 33, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1),
    CONVS("two larger images", 2, 67, 40, 16, 48, 34, 40, 3, 3, 2, 1, 3, 2, 1, 2, 2, 2, 1),
    CONVS("many images", 67, 3, 3, 5, 8, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1),
    POOLS("2x2 of 8x8", 3, 8, 8, 16, 4, 4, 2, 2, 2, 2, 0, 0, 0, 0),
    POOLS("2x2 of 7x7", 2, 7, 7, 33, 3, 3, 2, 2, 2, 2, 0, 0, 0, 0),
    POOLS("2x2 of 3x1", 2, 3, 2, 5, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0),
    POOLS("3x3, stride 2, padded", 2, 7, 8, 6, 4, 4, 3, 3, 2, 2, 1, 1, 1, 1),
    POOLS("3x2, stride 1", 1, 5, 6, 3, 3, 5, 3, 2, 1, 1, 0, 0, 0, 0),
    POOLS("2x2, stride 3", 2, 8, 8, 4, 3, 3, 2, 2, 3, 3, 0, 0, 0, 0),
    POOLS("padded below", 1, 3, 3, 2, 2, 2, 2, 2, 2, 2, 0, 0, 1, 1),
    POOLS("all of one image", 2, 4, 5, 9, 1, 1, 4, 5, 4, 5, 0, 0, 0, 0),
    { "28x28 to 50x40", SX_OP_RESIZE, ref_resize, { { ANY, { 3, 28, 28, 1 } } },
      ATTR(sx_size2, { 50, 40, false }), NULL },
    { "bytes, smaller", SX_OP_RESIZE, ref_resize, { { PIXELS, { 3, 28, 27, 2 } } },
      ATTR(sx_size2, { 14, 20, true }), NULL },
    { "9x7 to 4x3", SX_OP_RESIZE, ref_resize, { { ANY, { 2, 9, 7, 5 } } },
      ATTR(sx_size2, { 4, 3, false }), NULL },
    { "bytes, whole", SX_OP_RESIZE, ref_resize, { { PIXELS, { 2, 28, 28, 1 } } },
      ATTR(sx_size2, { 128, 128, true }), NULL },
    { "50x40 to 28x28", SX_OP_RESIZE_BWD, ref_resize_bwd, { { ANY, { 2, 50, 40, 3 } } },
      ATTR(sx_size2, { 28, 28, false }), NULL },
    MATMUL(1, 1, 1, 0, 0), MATMUL(5, 7, 3, 0, 0), MATMUL(64, 100, 10, 0, 1), MATMUL(33, 64, 200, 1, 0),
    MATMUL(20, 9, 17, 1, 1),
    MATMUL(64, 300, 512, 0, 1), MATMUL(300, 64, 130, 1, 0),
    MIX("same shape", DIMS(3, 5, 7), DIMS(3, 5, 7)),
    MIX("a vector over the last axis", DIMS(4, 9, 9, 33), DIMS(33)),
    MIX("a scalar", DIMS(4, 1000), DIMS(1)), MIX("one number a row", DIMS(64, 50), DIMS(64, 1)),
    MIX("both are spread", DIMS(5, 1, 3), DIMS(4, 1)),
    MIX("over middle axes", DIMS(6, 1, 1, 40), DIMS(6, 5, 7, 1)),
    MIX("the smaller one first", DIMS(3000), DIMS(2, 3000)),
    MIX("a plane over images", DIMS(9, 6, 5, 4), DIMS(6, 5, 4)),
    MIX("a plane of ones", DIMS(9, 6, 5, 4), DIMS(1, 1, 5, 4)),
    { "leaky", SX_OP_MAP, ref_leaky, { { ANY, { 70, 70 } } }, NULL, 0, &test_leaky },
    { "tanh", SX_OP_MAP, ref_tanh, { { ANY, { 1, 9001 } } }, NULL, 0, &test_tanh },
    { "tanh, from the result", SX_OP_MAP_BWD, ref_tanh_bwd, { { ANY, { 70, 71 } }, { ANY, { 70, 71 } } },
      ATTR(sx_map_use, { 0, -1, -1, 1 }), &test_tanh },
    { "of input 0", SX_OP_MAP_BWD, ref_mix_bwd, { { ANY, { 8, 9, 33 } }, { ANY, { 33 } } },
      ATTR(sx_map_use, { 0, -1, 1, -1 }), &test_mix },
    { "of input 1", SX_OP_MAP_BWD, ref_mix_bwd, { { ANY, { 8, 9, 33 } }, { ANY, { 8, 1, 33 } } },
      ATTR(sx_map_use, { 1, 1, -1, -1 }), &test_mix },
    REDUCE("bias", SX_SUM, 7, 6, 9, 9, 33), REDUCE("batch", SX_SUM, 1, 64, 50),
    REDUCE("rows", SX_MEAN, 2, 64, 50),
    REDUCE("all", SX_MEAN, 15, 5, 6, 7, 8), REDUCE("every other", SX_SUM, 5, 5, 6, 7, 8),
    REDUCE("the others", SX_SUM, 10, 5, 6, 7, 8),
    REDUCE("largest", SX_MAX, 7, 6, 9, 9, 33), REDUCE("largest of rows", SX_MAX, 2, 64, 50),
    REDUCE("squares", SX_SUM_SQUARES, 3, 40, 3000),
    REDUCE("squares of columns", SX_SUM_SQUARES, 1, 40, 30),
    REDUCE("height and width", SX_MEAN, 6, 3, 5, 4, 16), REDUCE("one axis", SX_SUM, 1, 9000),
    NORMS("four axes", 33, 6, 7, 5), NORMS("two axes", 17, 40), NORMS("one channel", 1, 3, 4, 5),
    NORMS("32 channels", 32, 9, 12, 11),
    CLASS(7, 10), CLASS(64, 2), CLASS(3, 100),
    { "", SX_OP_CAST, ref_copy, { { BYTES, { 5, 300 } } }, NULL, 0, NULL },
    { "of whole numbers", SX_OP_CAST, ref_copy, { { INDEX, { 5, 300 } } }, NULL, 0, NULL },
    { "a vector", SX_OP_EXPAND, ref_copy, { { ANY, { 33 } } }, ATTR(sx_shape, { 4, { 2, 3, 4, 33 } }), NULL },
    { "one number a row", SX_OP_EXPAND, ref_copy, { { ANY, { 5, 1, 1 } } },
      ATTR(sx_shape, { 3, { 5, 7, 6 } }), NULL },
    { "", SX_OP_PERMUTE, ref_permute, { { ANY, { 4, 5, 6, 7 } } }, ATTR(sx_axes, { { 0, 3, 1, 2 } }), NULL },
    { "all axes", SX_OP_PERMUTE, ref_permute, { { ANY, { 4, 5, 6 } } },
      ATTR(sx_axes, { { 2, 0, 1 } }), NULL },
    { "matrix", SX_OP_PERMUTE, ref_permute, { { ANY, { 60, 70 } } }, ATTR(sx_axes, { { 1, 0 } }), NULL },
    { "channels", SX_OP_SLICE, ref_slice, { { ANY, { 4, 3, 5, 9 } } }, ATTR(sx_range, { 3, 2, 4 }), NULL },
    { "rows", SX_OP_SLICE, ref_slice, { { ANY, { 9, 3, 5 } } }, ATTR(sx_range, { 0, 2, 5 }), NULL },
    { "height", SX_OP_SLICE, ref_slice, { { ANY, { 4, 8, 5, 2 } } }, ATTR(sx_range, { 1, 7, 1 }), NULL },
    { "of a vector", SX_OP_SLICE, ref_slice, { { ANY, { 90 } } }, ATTR(sx_range, { 0, 20, 50 }), NULL },
    { "images", SX_OP_PAD, ref_pad, { { ANY, { 3, 4, 5, 2 } } },
      ATTR(sx_border, { { 0, 1, 2, 0 }, { 0, 2, 0, 1 }, -1 }), NULL },
    { "rows", SX_OP_PAD, ref_pad, { { ANY, { 3, 5 } } },
      ATTR(sx_border, { { 2, 0 }, { 1, 3 }, 0.5f }), NULL },
    { "a vector", SX_OP_PAD, ref_pad, { { ANY, { 40 } } }, ATTR(sx_border, { { 2 }, { 7 }, 0 }), NULL },
    { "channels", SX_OP_CONCAT, ref_concat, { { ANY, { 4, 3, 2 } }, { ANY, { 4, 3, 7 } },
      { ANY, { 4, 3, 1 } } }, ATTR(sx_axes, { { 2 } }), NULL },
    { "rows", SX_OP_CONCAT, ref_concat, { { ANY, { 4, 3 } }, { ANY, { 70, 3 } } },
      ATTR(sx_axes, { { 0 } }), NULL },
    { "uniform", SX_OP_RANDOM, ref_random, { { STEP, { 1 } } },
      ATTR(sx_draw, { SX_UNIFORM, -2, 3, { 5, 6 } }), NULL },
    { "normal", SX_OP_RANDOM, ref_random, { { STEP, { 1 } } },
      ATTR(sx_draw, { SX_NORMAL, 1, 2, { 7, 8 } }), NULL },
    { "bernoulli", SX_OP_RANDOM, ref_random, { { STEP, { 1 } } },
      ATTR(sx_draw, { SX_BERNOULLI, 0.3, 0, { 9, 10 } }), NULL },
    { "", SX_OP_ROWS, ref_rows, { { ORDER, { 70 } }, { STEP, { 1 } } }, ATTR(sx_batch, { 16, 4 }), NULL },
    { "bytes", SX_OP_GATHER, ref_gather, { { BYTES, { 70, 7, 3 } }, { INDEX, { 16 } } }, NULL, 0, NULL },
    { "floats", SX_OP_GATHER, ref_gather, { { ANY, { 70, 7, 3 } }, { INDEX, { 16 } } }, NULL, 0, NULL },
    { "labels", SX_OP_GATHER, ref_gather, { { ORDER, { 70 } }, { INDEX, { 16 } } }, NULL, 0, NULL },
    { "", SX_OP_FILL, ref_fill, { { ANY, { 0 } } }, ATTR(sx_fill, { 2.5f }), NULL },
};

/* --- Graphs with their data --- */
typedef struct { sx_t t; void *data; size_t bytes; } bound;
typedef struct {
    sx_graph *g;
    sx_diags *d;
    sx_arena *a;
    bound in[MOST], out[MOST];
    int ins, outs;
    bool half;                                   /* what goes by rows is bf16 */
} probe;

static void open_probe(probe *p, sx_arena *a, sx_diags *d, long batch, bool half)
{
    const sx_graph_want want = { .training = true, .compute = half ? SX_BF16 : SX_F32, .batch = batch };
    *p = (probe){ .g = sx_graph_open(a, &want, d), .d = d, .a = a, .half = half };
}

static uint32_t draw(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }
static double unit(uint32_t *state) { return (double)(draw(state) >> 8) * 0x1p-24; }

static double number(content c, uint32_t *s, long i)
{
    switch (c) {
    case TIED: return floor(unit(s) * 5) - 2;
    case POSITIVE: return 0.1 + unit(s);
    case LABELS: return floor(unit(s) * 2);      /* every head has at least two classes */
    case BYTES: case PIXELS: return floor(unit(s) * 256);
    case STEP: return 6;
    case ORDER: return (double)(i * 37 % 70);
    case INDEX: return floor(unit(s) * 70);
    case ARGS: return floor(unit(s) * 4);
    case ANY: break;
    }
    return 2 * unit(s) - 1;
}

static sx_dtype type_of(content c)
{
    return c == BYTES || c == ARGS                                ? SX_U8
           : c == LABELS || c == STEP || c == ORDER || c == INDEX ? SX_I32
                                                                  : SX_F32;
}

static void store(void *data, sx_dtype type, long i, double v)
{
    const float x = (float)v;
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (type == SX_U8) ((uint8_t *)data)[i] = (uint8_t)v;
    else if (type == SX_BF16) ((uint16_t *)data)[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    else if (type == SX_I32) ((int32_t *)data)[i] = (int32_t)v;
    else ((float *)data)[i] = x;
}

static sx_t add_input(probe *p, sx_role role, content c, sx_dtype type, const long *dim)
{
    uint32_t state = 77u + (uint32_t)p->ins * 1000u;
    bound *b = &p->in[p->ins++];
    const bool rows = dim[1] != 0 && dim[0] == p->g->batch;
    if (p->half && rows && role == SX_ROLE_INPUT && type == SX_F32) type = SX_BF16;
    b->t = c == STEP ? p->g->step
                     : sx_graph_bound(p->g, role, sx_format(p->a, "in%d", p->ins), type, dim, rows);
    const sx_val *v = sx_graph_val(p->g, b->t);
    b->bytes = sx_val_bytes(v);
    b->data = sx_alloc(p->a, b->bytes);
    for (long i = 0; i < sx_val_count(v); i++) store(b->data, v->dtype, i, number(c, &state, i));
    return b->t;
}

static void add_output(probe *p, sx_t t)
{
    bound *b = &p->out[p->outs++];
    *b = (bound){ .t = t, .bytes = sx_graph_val(p->g, t) ? sx_val_bytes(sx_graph_val(p->g, t)) : 0 };
    if (b->bytes) sx_graph_result(p->g, t, sx_format(p->a, "out%d", p->outs));
    b->data = sx_alloc(p->a, b->bytes);
}

/* Runs p; results are filled with NaN before. Inputs that ops write into are read back. */
static int run(probe *p, const sx_machine *m, bool fuse, unsigned times)
{
    sx_arena *a = sx_arena_open(p->a);
    sx_program *program;
    sx_memory *memory[2 * MOST];
    int code = sx_program_open(a, m, p->g, fuse, NULL, &program, p->d);
    bool stepped = false;
    for (int i = 0; i < p->ins + p->outs && !code; i++) {
        bound *b = i < p->ins ? &p->in[i] : &p->out[i - p->ins];
        stepped |= b->t.id == p->g->step.id;
        if (i >= p->ins) memset(b->data, 0xff, b->bytes);
        code = sx_memory_open(a, m, b->bytes, &memory[i], p->d);
        if (!code) code = m->device->write(m->queue, memory[i]->buf, 0, b->data, b->bytes);
        if (!code) sx_program_bind(program, b->t, memory[i], 0);
    }
    sx_memory *step;
    if (!code && !stepped && !(code = sx_memory_open(a, m, 4, &step, p->d)))
        sx_program_bind(program, p->g->step, step, 0);
    if (!code) code = sx_program_run(program, times, p->d);
    for (int i = 0; i < p->ins + p->outs && !code; i++) {
        bound *b = i < p->ins ? &p->in[i] : &p->out[i - p->ins];
        code = m->device->read(m->queue, memory[i]->buf, 0, b->data, b->bytes);
    }
    sx_arena_close(a);
    return code;
}

/* --- One op --- */
static double value_at(const void *data, sx_dtype type, long i)
{
    const uint32_t bits = type == SX_BF16 ? (uint32_t)((const uint16_t *)data)[i] << 16 : 0;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return type == SX_U8    ? ((const uint8_t *)data)[i]
           : type == SX_BF16 ? (double)wide
           : type == SX_I32 ? ((const int32_t *)data)[i]
                            : (double)((const float *)data)[i];
}

static view view_of(const probe *p, const bound *b, bool filled)
{
    const sx_val *v = sx_graph_val(p->g, b->t);
    view w = { .dtype = v->dtype, .rank = v->rank, .size = sx_val_count(v) };
    for (int i = 0; i < v->rank; i++) w.dim[i] = v->shape[i];
    w.v = sx_alloc_array(p->a, (size_t)w.size + 1, sizeof *w.v);
    for (long i = 0; filled && i < w.size; i++) w.v[i] = value_at(b->data, v->dtype, i);
    return w;
}

/* Relative L2 error; NaN where the device left any. */
static double distance(const view *want, const void *got)
{
    double off = 0, all = 0;
    for (long i = 0; i < want->size; i++) {
        const double d = value_at(got, want->dtype, i) - want->v[i];
        off += d * d;
        all += want->v[i] * want->v[i];
    }
    return off == 0 ? 0 : sqrt(off / (all > 0 ? all : 1));
}

static bool is_map(sx_opcode c) { return c == SX_OP_MAP || c == SX_OP_MAP_BWD; }

/* The op with its shape where it has no input of that shape; sx_graph_op cannot know maps and given shapes.
 */
static sx_t write_op(probe *p, const trial *t, const sx_t *in)
{
    if (t->code == SX_OP_FILL) return sx_constant(p->g, 2.5f, (const long[]){ 3, 70, 0 });
    if (t->code == SX_OP_RANDOM) {
        const sx_draw *d = t->attr;
        const sx_t like = sx_constant(p->g, 0, (const long[]){ 67, 33, 0 });
        return sx_random(p->g, like, d->law, d->a, d->b);
    }
    if (t->code == SX_OP_MAP) return sx_graph_map(p->g, t->map, p->ins, in, SX_K(0.25f));
    return sx_graph_op(p->g, t->code, p->ins, in, t->attr, t->attr_size);
}

static bool build(probe *p, const trial *t)
{
    sx_t in[6];
    for (int i = 0; i < 6 && t->in[i].dim[0]; i++) {
        const content c = t->in[i].content;
        in[i] = add_input(p, SX_ROLE_INPUT, c, type_of(c), t->in[i].dim);
    }
    const sx_t y = write_op(p, t, in);
    if (!y.id) return false;
    sx_node *op = &p->g->ops.v[p->g->ops.n - 1];
    if (t->code == SX_OP_MAP_BWD) op->map = t->map, op->k = SX_K(0.25f);
    add_output(p, y);
    return true;
}

/* A result in bf16 is one in f32 that was rounded once, to 8 bits. */
static void test_op(conform *c, const trial *t, sx_machine *const *machine, int machines, bool half)
{
    sx_arena *a = sx_arena_open(c->arena);
    sx_diags d;
    sx_diags_init(&d, a);
    probe p;
    open_probe(&p, a, &d, t->in[0].dim[0] ? t->in[0].dim[0] : 1, half);
    const char *name = sx_op_row(t->code)->name, *colon = *t->text ? ", " : "",
               *type = half ? " in bf16" : "";
    float k[8] = { 0.25f };
    double error = NAN;
    bool same = true, made = build(&p, t);
    if (made && t->code == SX_OP_MAP_BWD) p.g->ops.v[p.g->ops.n - 1].k = k;
    void *first = made ? sx_alloc(a, p.out[0].bytes + 1) : NULL;
    for (int i = 0; i < machines && made; i++) {
        made = run(&p, machine[i], false, 1) == 0;
        if (i == 0 && made) memcpy(first, p.out[0].data, p.out[0].bytes);
        same = same && made && !memcmp(first, p.out[0].data, p.out[0].bytes);
    }
    if (made) {
        view in[6], want = view_of(&p, &p.out[0], false);
        for (int i = 0; i < p.ins; i++) in[i] = view_of(&p, &p.in[i], true);
        const void *attr = t->code == SX_OP_RANDOM ? p.g->ops.v[p.g->ops.n - 1].attr : t->attr;
        t->ref(in, p.ins, &want, attr);
        error = distance(&want, first);
    }
    const bool rounded = made && sx_graph_val(p.g, p.out[0].t)->dtype == SX_BF16;
    const double limit = rounded ? 0x1.8p-9 : is_map(t->code) ? 1e-6 : 1e-5;
    if (!conform_check(c, error <= limit, "op %s%s%s%s", name, colon, t->text, type))
        conform_note(c, "relative error %.2g, at most %.0e is allowed", error, limit);
    if (!same)
        conform_check(c, false, "op %s%s%s%s: the same bits for any number of threads", name, colon, t->text,
                      type);
    if (d.errors) conform_diags(c, &d);
    sx_arena_close(a);
}

/* --- Ops that write into bound values --- */
SX_UPDATE(test_update, 2,
    s[0] += k[1] * (d - s[0]);
    s[1] += k[2] * (d * d - s[1]);
    w -= k[0] * s[0] / (sqrtf(s[1]) + k[3]););

static void expect(conform *c, const view *want, const void *got, const char *what)
{
    const double error = distance(want, got);
    if (!conform_check(c, error <= 1e-5, "%s", what)) conform_note(c, "relative error %.2g", error);
}

enum { WEIGHTS = 70001, TABLE = 3 };
/* Two steps of an update with decay; the table has three rows and the counter stands at 2. */
static void test_learning(conform *c, sx_arena *a, const sx_machine *m, sx_diags *d)
{
    probe p;
    open_probe(&p, a, d, 1, false);
    const long dims[] = { WEIGHTS, 0 }, table[] = { TABLE, SX_TABLE_WIDTH, 0 }, one[] = { 1, 0 };
    sx_t in[6] = { add_input(&p, SX_ROLE_WEIGHT, ANY, SX_F32, dims),
                   add_input(&p, SX_ROLE_INPUT, ANY, SX_F32, dims),
                   add_input(&p, SX_ROLE_INPUT, POSITIVE, SX_F32, table),
                   add_input(&p, SX_ROLE_INPUT, STEP, SX_I32, one),
                   add_input(&p, SX_ROLE_SLOT, POSITIVE, SX_F32, dims),
                   add_input(&p, SX_ROLE_SLOT, POSITIVE, SX_F32, dims) };
    for (int i = 0; i < TABLE * SX_TABLE_WIDTH; i++) ((float *)p.in[2].data)[i] *= 0.5f; /* rates below 1 */
    *(int32_t *)p.in[3].data = 2;
    const sx_learn learn = { &test_update, 0.5f, 0.125f, TABLE };
    sx_graph_op(p.g, SX_OP_UPDATE, 6, in, &learn, sizeof learn);
    sx_graph_op(p.g, SX_OP_ADVANCE, 1, &in[3], NULL, 0);
    view v[6];
    for (int i = 0; i < 6; i++) v[i] = view_of(&p, &p.in[i], true);
    for (int step = 2; step < 4; step++)
        for (long i = 0; i < WEIGHTS; i++) {
            const double *k = v[2].v + step % TABLE * SX_TABLE_WIDTH, g = v[1].v[i];
            v[0].v[i] -= k[SX_TABLE_LR] * 0.5 * 0.125 * v[0].v[i];
            v[4].v[i] += k[1] * (g - v[4].v[i]);
            v[5].v[i] += k[2] * (g * g - v[5].v[i]);
            v[0].v[i] -= k[0] * 0.5 * v[4].v[i] / (sqrt(v[5].v[i]) + k[3]);
        }
    if (!conform_check(c, run(&p, m, true, 2) == 0, "op update runs")) return;
    expect(c, &v[0], p.in[0].data, "op update: weights");
    expect(c, &v[4], p.in[4].data, "op update: the first slot");
    expect(c, &v[5], p.in[5].data, "op update: the second slot");
    conform_check(c, *(int32_t *)p.in[3].data == 4, "op advance counts steps");
}

/* A log of three batches, five steps: the last of them overwrite the first. A state takes its value after it
 * was read. */
static void test_writing(conform *c, sx_arena *a, const sx_machine *m, sx_diags *d)
{
    probe p;
    open_probe(&p, a, d, 4, false);
    const long log[] = { 12, 0 }, rows[] = { 4, 0 }, one[] = { 1, 0 };
    const sx_t in[3] = { add_input(&p, SX_ROLE_STATE, ANY, SX_F32, log),
                         add_input(&p, SX_ROLE_STATE, ANY, SX_F32, rows),
                         add_input(&p, SX_ROLE_INPUT, STEP, SX_I32, one) };
    *(int32_t *)p.in[2].data = 0;
    const sx_batch batch = { 4, 3 };
    sx_graph_op(p.g, SX_OP_PUT, 3, in, &batch, sizeof batch);
    const sx_t more = sx_graph_map(
        p.g, &test_mix, 2, (const sx_t[]){ in[1], sx_constant(p.g, 1, (const long[]){ 1, 0 }) }, SX_K(0.25f));
    sx_graph_op(p.g, SX_OP_ASSIGN, 2, (const sx_t[]){ in[1], more }, NULL, 0);
    sx_graph_op(p.g, SX_OP_ADVANCE, 1, &in[2], NULL, 0);
    view want = view_of(&p, &p.in[0], false), state = view_of(&p, &p.in[1], true);
    for (int step = 0; step < 5; step++)
        for (long i = 0; i < 4; i++) {
            want.v[step % 3 * 4 + i] = state.v[i];
            state.v[i] *= 1.25;
        }
    if (!conform_check(c, run(&p, m, true, 5) == 0, "op put runs")) return;
    expect(c, &want, p.in[0].data, "op put: rows of each step");
    expect(c, &state, p.in[1].data, "op assign: once every reader had the old value");
}

/* --- Fused stages --- */
/* A convolution block forward and backward, as layers write it: bias, activation, normalisation, pooling. */
static void write_block(probe *p, long n, long h, long w, long c, long k)
{
    const long oh = h / 2, ow = w / 2;
    const sx_t x = add_input(p, SX_ROLE_INPUT, ANY, SX_F32, (const long[]){ n, h, w, c, 0 });
    const sx_t kernel = add_input(p, SX_ROLE_WEIGHT, ANY, SX_F32, (const long[]){ k, 3, 3, c, 0 });
    const sx_t bias = add_input(p, SX_ROLE_WEIGHT, ANY, SX_F32, (const long[]){ k, 0 });
    const sx_t gamma = add_input(p, SX_ROLE_WEIGHT, ANY, SX_F32, (const long[]){ k, 0 });
    const sx_t beta = add_input(p, SX_ROLE_WEIGHT, ANY, SX_F32, (const long[]){ k, 0 });
    const sx_t dy = add_input(p, SX_ROLE_INPUT, ANY, SX_F32, (const long[]){ n, oh, ow, k, 0 });
    const sx_window same = { { 3, 3 }, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 1 },
                    pool = { { 2, 2 }, { 2, 2 }, { 0 }, { 1, 1 }, 1 };
    const sx_eps eps = { 1e-3 };
    sx_graph *g = p->g;
#define COUNT(...) (int)(sizeof((sx_t[]){ __VA_ARGS__ }) / sizeof(sx_t)), (const sx_t[]){ __VA_ARGS__ }
#define OP(CODE, A, ...) sx_graph_op(g, CODE, COUNT(__VA_ARGS__), A, sizeof *(A))
#define BARE(CODE, ...) sx_graph_op(g, CODE, COUNT(__VA_ARGS__), NULL, 0)
    const sx_t z = OP(SX_OP_CONV2D, &same, x, kernel);
    const sx_t y = sx_graph_map(g, &test_leaky, 1, (const sx_t[]){ sx_add(g, z, bias) }, SX_K(0.25f));
    const sx_t m = BARE(SX_OP_MOMENTS, y);
    const sx_t u = BARE(SX_OP_SCALE_SHIFT, y, OP(SX_OP_NORM_SCALE, &eps, m, gamma, beta));
    const sx_t q = OP(SX_OP_MAXPOOL, &pool, u), arg = OP(SX_OP_MAXPOOL_ARG, &pool, u);
    const sx_pool_bwd unpool = { pool, h, w };
    const sx_t du = OP(SX_OP_MAXPOOL_BWD, &unpool, dy, arg), sums = OP(SX_OP_NORM_SUMS, &eps, y, du, m);
    const sx_t dv = OP(SX_OP_NORM_BWD, &eps, y, du, m, gamma, sums);
    const sx_map_use use = { 0, 1, -1, -1 };
    const sx_t dz = OP(SX_OP_MAP_BWD, &use, dv, y);      /* the sign of y is that of its input */
    g->ops.v[g->ops.n - 1].map = &test_leaky;
    g->ops.v[g->ops.n - 1].k = sx_dup(p->a, SX_K(0.25f), 8 * sizeof(float));
    const sx_conv_bwd back = { same, h, w };
    const sx_fold_over over = { SX_SUM, 7 };
    const sx_t results[] = { q, sums, OP(SX_OP_REDUCE, &over, dz), OP(SX_OP_CONV2D_BWD_W, &back, x, dz),
                             OP(SX_OP_CONV2D_BWD_X, &back, dz, kernel) };
#undef COUNT
#undef OP
#undef BARE
    for (int i = 0; i < 5; i++) add_output(p, results[i]);
}

/* Values that branch and meet again: none may be lost while another is made. */
static void write_branches(probe *p, long n, long h, long w, long c, long k)
{
    (void)k;
    sx_graph *g = p->g;
    const sx_t x = add_input(p, SX_ROLE_INPUT, ANY, SX_F32, (const long[]){ n, h, w, c, 0 });
    const sx_t y = add_input(p, SX_ROLE_INPUT, ANY, SX_F32, (const long[]){ n, h, w, c, 0 });
    const sx_t a = sx_graph_map(g, &test_leaky, 1, &x, SX_K(0.25f)),
               b = sx_graph_map(g, &test_tanh, 1, &a, NULL);
    const sx_t d = sx_graph_map(g, &test_leaky, 1, &a, SX_K(0.5f)), e = sx_mul(g, b, d), f = sx_add(g, e, a);
    const sx_t m = sx_add(g, sx_graph_map(g, &test_mix, 2, (const sx_t[]){ f, d }, SX_K(0.25f)),
                          sx_mul(g, f, b)),
               q = sx_mul(g, m, y);
    const sx_t results[] = { q, sx_mul(g, q, q), sx_reduce(g, m, SX_SUM, 7), sx_add(g, d, d),
                             sx_reduce(g, e, SX_MEAN, 6) };
    for (int i = 0; i < 5; i++) add_output(p, results[i]);
}

typedef void writing(probe *p, long n, long h, long w, long c, long k);
static void test_fused(conform *c, sx_machine *const *machine, int machines, const char *what, writing *write,
                       const long s[5], bool half)
{
    sx_arena *a = sx_arena_open(c->arena);
    sx_diags d;
    sx_diags_init(&d, a);
    probe p;
    open_probe(&p, a, &d, s[0], half);
    write(&p, s[0], s[1], s[2], s[3], s[4]);
    view want[5];
    void *first[5];
    bool made = !p.g->refused && run(&p, machine[0], false, 1) == 0, same = true;
    for (int i = 0; i < 5 && made; i++) want[i] = view_of(&p, &p.out[i], true);
    for (int j = 0; j < machines && made; j++) {
        made = run(&p, machine[j], true, 1) == 0;
        for (int i = 0; i < 5 && made; i++) {
            if (j == 0) first[i] = sx_dup(a, p.out[i].data, p.out[i].bytes);
            same = same && !memcmp(first[i], p.out[i].data, p.out[i].bytes);
        }
    }
    const char *shape = sx_format(a, "%s of %ldx%ldx%ldx%ld%s", what, s[0], s[1], s[2], s[3],
                                  half ? " in bf16" : "");
    /* fused, less is rounded: other pixels tie where pooling chooses */
    const double limit = half ? 0.12 : 1e-5;
    conform_check(c, made, "%s runs fused and not", shape);
    for (int i = 0; i < 5 && made; i++) {
        const double error = distance(&want[i], first[i]);
        if (!conform_check(c, error <= limit, "fused %s: result %d", shape, i + 1))
            conform_note(c, "differs by %.2g from one stage per op", error);
    }
    conform_check(c, same, "fused %s: the same bits for any number of threads", shape);
    if (d.errors) conform_diags(c, &d);
    sx_arena_close(a);
}

/* --- The device itself --- */
static void test_memory(conform *c, const sx_machine *m)
{
    static const size_t absurd[] = { SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2, (size_t)1 << 60 };
    const sx_device *v = m->device;
    sx_buf *buf = NULL;
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++)
        conform_check(c, v->alloc(m->dev, absurd[i], &buf) == SX_E_MEMORY && *v->last_error(),
                      "%zu bytes are refused with words", absurd[i]);
    char data[100], back[100];
    memset(data, 7, sizeof data);
    if (!conform_check(c, v->alloc(m->dev, 3u << 20, &buf) == 0, "3 MiB can be had")) return;
    bool good = v->read(m->queue, buf, (3u << 20) - 100, back, 100) == 0;
    for (int i = 0; i < 100; i++) good = good && back[i] == 0;
    conform_check(c, good, "memory is zero at first");
    good = v->write(m->queue, buf, 1000, data, 100) == 0 && v->read(m->queue, buf, 1000, back, 100) == 0;
    conform_check(c, good && (m->info.idle || !memcmp(data, back, 100)), "what is written is read");
    good = v->write(m->queue, buf, (3u << 20) - 99, data, 100) != 0
           && v->read(m->queue, buf, SIZE_MAX - 10, back, 100) != 0;
    conform_check(c, good, "writing and reading beyond a buffer is refused");
    v->free(buf);
    v->free(NULL);
    v->queue_free(NULL);
}

static int open_machines(conform *c, sx_machine **machine, int most)
{
    int n = 0;
    for (; n < most; n++) {
        sx_diags d;
        sx_diags_init(&d, c->arena);
        if (sx_machine_open(c->arena, c->registry, c->entry->item->name, n + 1, &machine[n], &d) == 0)
            continue;
        conform_diags(c, &d);
        break;
    }
    return n;
}

int conform_device(conform *c, const sx_entry *e)
{
    sx_machine *machine[3];
    const sx_device *v = (const sx_device *)(const void *)e->item;
    c->entry = e;
    if (v->count() == 0) {
        conform_skip(c, "there is none here");
        return 0;
    }
    const int n = open_machines(c, machine, 3);
    if (!conform_check(c, n == 3, "opens with 1, 2 and 3 threads")) return SX_E_DEVICE;
    test_memory(c, machine[0]);
    if (machine[0]->info.idle) {
        conform_skip(c, "its ops: it computes nothing");
        return 0;
    }
    const bool halves = machine[0]->info.dtypes & 1u << SX_BF16;
    for (int half = 0; half <= halves; half++)
        for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) test_op(c, &trials[i], machine, n, half);
    sx_diags d;
    sx_diags_init(&d, c->arena);
    test_learning(c, c->arena, machine[1], &d);
    test_writing(c, c->arena, machine[1], &d);
    conform_diags(c, &d);
    static const long blocks[][5] = { { 6, 8, 8, 16, 32 },
                                      { 37, 14, 14, 1, 32 },
                                      { 5, 7, 7, 3, 33 },
                                      { 3, 64, 48, 4, 24 },
                                      { 64, 28, 28, 8, 16 } };
    for (int half = 0; half <= halves; half++)
        for (int i = 0; i < 5; i++) {
            test_fused(c, machine, n, "block", write_block, blocks[i], half);
            test_fused(c, machine, n, "branches", write_branches, blocks[i], half);
        }
    return 0;
}
