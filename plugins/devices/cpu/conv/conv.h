/* conv.h: convolutions, and the ways that they can go: Winograd's, straight from the image, by matrix units
 * (ways.c makes tasks of these), by oneDNN, by columns of the image (conv.c, which chooses). */
#ifndef SX_CONV_H
#define SX_CONV_H
#include "cpu.h"

typedef struct {
    long h, w, c, oh, ow, k, r, s, stride[2], pad[4], dilation[2], groups;
} geometry;
/* What is done to each result as it is stored: plus the bias of its filter, then what is negative becomes
 * zero. */
typedef struct { const float *bias; bool relu; } conv_post;          /* bias NULL: none */
typedef enum { CONV_FWD, CONV_BWD_X, CONV_BWD_W } conv_kind;

/* Weight gradients for which both sides of the whole batch are kept, and multiplied at the end. */
typedef struct {
    bool (*pays)(const geometry *g);             /* NULL: wherever the points are few beside the sums */
    size_t (*points)(const geometry *g, long images);                /* bytes of both sides */
    size_t (*scratch)(const geometry *g);
    void (*begin)(const geometry *g, long images, void *all);        /* NULL: there is nothing to begin */
    /* images [from, from + n) of all; x, dy: the first of these */
    void (*rows)(const geometry *g, cpu_isa most, long images, long from, long n, const float *x,
                 const float *dy, void *all, void *scratch);
    void (*end)(pool *p, const geometry *g, cpu_isa most, long images, void *all, float *sums, float *dw);
} conv_gathering;

/* A way by kernels of our own. Lines of results (back: of images) are counted through all images, and go
 * range by range: what is made of lines, or added up, begins with the range, the other side with the first
 * image. most: no better instructions are used. scratch: bytes of one thread, for the time of a call. */
typedef struct {
    bool (*can)(const geometry *g);
    /* On this processor; NULL: wherever it can. */
    bool (*pays)(conv_kind kind, const geometry *g, long images);

    /* y = x w. dx of dy is such a convolution, too, with the weights turned round, or one of `back`. */
    geometry (*turned)(const geometry *g);       /* as the way then sees it; NULL: it is none */
    long (*least)(const geometry *g, bool heavy); /* images at a time that weights are worth loading for */
    long (*grain)(const geometry *g);            /* lines that a strip has multiples of; NULL: any number */
    size_t (*weights)(const geometry *g), (*scratch)(const geometry *g);
    void (*prepare)(pool *p, const geometry *g, bool back, const float *w, void *u); /* u: w as it wants it */
    void (*run)(const geometry *g, cpu_isa most, const conv_post *post, long line, long lines, const float *x,
                const void *u, float *y, void *scratch);
    void (*back)(const geometry *g, cpu_isa most, long line, long lines, const float *dy, const void *u,
                 float *dx, void *scratch);      /* NULL: it cannot, or is turned */

    /* dw of x and dy: sums of groups of images, in a layout of its own */
    long (*least_sums)(const geometry *g);       /* images at a time */
    bool whole;                                  /* ranges are whole images, from the first on */
    size_t (*sums)(const geometry *g), (*scratch_sums)(const geometry *g);
    void (*add)(const geometry *g, cpu_isa most, long line, long lines, const float *x, const float *dy,
                bool first, float *sums, void *scratch);             /* first: to nothing */
    void (*join)(pool *p, const geometry *g, cpu_isa most, long groups, size_t partial, float *sums,
                 float *dw);
    const conv_gathering *gathering;             /* NULL: it cannot */
} conv_way;
/* Few channels, each channel by itself, 3x3 windows, matrix units: the last rounds factors to bf16, sums are
 * f32, and where there is no unit its twin in plain C does the same. */
extern const conv_way conv_thin, conv_depthwise, conv_winograd, conv_tiles;

/* ways.c. Can it be this way, and does that pay, unless it is forced? */
bool way_suits(conv_kind kind, const conv_way *way, bool forced, const geometry *g, long images);
void way_take(task *t, conv_kind kind, const conv_way *way, const geometry *g);
void way_least(task *t, conv_kind kind, const conv_way *way, const geometry *g);     /* if it will be taken */
bool way_post(task *t, bool relu);               /* can it add a bias, its input 2 then, and cut? */

/* direct.c: weights and sums as [taps of a filter, filters], filled up to whole vectors */
long direct_taps(const geometry *g);
long direct_lanes(const geometry *g);            /* filters, filled up */
size_t direct_weights(const geometry *g);
void direct_prepare(pool *p, const geometry *g, bool back, const float *w, void *u);
void direct_join(pool *p, const geometry *g, cpu_isa most, long groups, size_t partial, float *sums,
                 float *dw);

typedef struct dnnl_conv dnnl_conv;
/* What a primitive for so many images a call would take: bytes of weights in its own layout and of scratch;
 * false: there is none for this shape. */
bool dnnl_conv_needs(conv_kind kind, const geometry *g, long images, size_t *weights, size_t *scratch);
dnnl_conv *dnnl_conv_open(conv_kind kind, const geometry *g, long images);       /* NULL: not to be had */
void dnnl_conv_close(void *c);
/* [K, r, s, c/g] to its own layout, or back. These two fail where memory fails. */
bool dnnl_conv_reorder(const dnnl_conv *c, float *plain, void *own, bool back);
/* a, b: x, y (fwd), dy, dx (bwd_x) or x, dy (bwd_w; weights are the result) */
bool dnnl_conv_run(const dnnl_conv *c, const float *a, void *weights, const float *b, void *scratch);
#endif
