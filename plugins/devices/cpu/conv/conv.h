/* conv.h: convolutions, and the ways that they can go: Winograd's, straight from the image, by matrix units, by oneDNN, by
 * columns of the image (conv.c, which chooses). */
#ifndef SX_CONV_H
#define SX_CONV_H
#include "cpu.h"

/* conv.c: geometry of a convolution; onednn.c: its primitives */
typedef struct {
    long h, w, c, oh, ow, k, r, s, stride[2], pad[4], dilation[2], groups;
} geometry;
/* What is done to each result as it is stored: plus the bias of its filter, then what is negative becomes zero. */
typedef struct { const float *bias; bool relu; } conv_post;          /* bias NULL: none */
void conv_join(chain *c);                        /* what follows a convolution is done as it stores; ways must be chosen */
/* winograd.c: y = x w for windows of 3x3 that go one step at a time; one thread a call. most: no better
 * instructions are used. u: the weights transformed, w those of the forward pass. */
bool wino_can(const geometry *g);
bool wino_pays(const geometry *g, long images, long chunk);          /* chunk at a time, on this processor */
geometry wino_back(const geometry *g);           /* dx of dy is one, too, with the weights turned round */
long wino_least(const geometry *g);              /* images at a time that weights are worth loading for */
size_t wino_weights(const geometry *g);
size_t wino_scratch(const geometry *g);
void wino_prepare(pool *p, const geometry *g, bool back, const float *w, float *u);
/* Lines of results are counted through all images; a range of them begins and ends at a grain. */
long wino_grain(const geometry *g);
long wino_tiles(const geometry *g);              /* of an image */
/* x: the first image; y: where the first line of the range goes */
void wino_run(const geometry *g, cpu_isa most, const conv_post *post, long line, long lines, const float *x,
              const float *u, float *y, void *scratch);
/* winograd_weights.c: dw of x and dy. Either sums are kept, one of each group of images, or (gathers) what is
 * summed, of all of them; by shapes alone. */
bool wino_pays_w(const geometry *g, long images);
bool wino_gathers(const geometry *g, long images);
long wino_least_w(const geometry *g);
size_t wino_sums(const geometry *g);
size_t wino_points(const geometry *g, long images);
size_t wino_scratch_w(const geometry *g);
void wino_add(const geometry *g, cpu_isa most, long images, const float *x, const float *dy, bool first,
              float *sums, void *scratch);
void wino_join(pool *p, const geometry *g, long groups, size_t partial, float *sums, float *dw);
/* images [from, from + images) of all; x, dy: the first of these */
void wino_gather(const geometry *g, cpu_isa most, long all, long from, long images, const float *x,
                 const float *dy, void *points, void *scratch);
void wino_join_gathered(pool *p, const geometry *g, cpu_isa most, long images, void *points, float *dw);

/* direct.c: convolutions summed straight from their images. Lines of results (run, weights_grad) or of images (back)
 * are counted through all images; any range of them: the other one is whole, this one begins with the range. u and
 * sums: [taps of a filter, filters], filled up to whole vectors. */
typedef struct {
    bool (*can)(const geometry *g);
    size_t (*scratch)(const geometry *g);
    void (*run)(const geometry *g, cpu_isa most, const conv_post *post, long line, long lines, const float *x,
                const float *u, float *y, void *scratch);
    void (*back)(const geometry *g, cpu_isa most, long line, long lines, const float *dy, const float *u,
                 float *dx, void *scratch);      /* NULL: cannot */
    void (*weights_grad)(const geometry *g, cpu_isa most, long line, long lines, const float *x, const float *dy,
                         float *sums, void *scratch);                /* adds to sums */
} conv_direct;
extern const conv_direct conv_thin, conv_depthwise;                 /* few channels; each channel by itself */
long direct_taps(const geometry *g);
long direct_lanes(const geometry *g);            /* filters, filled up */
size_t direct_weights(const geometry *g);
void direct_prepare(const geometry *g, const float *w, float *u);
void direct_collect(const geometry *g, const float *sums, float *dw);

/* tiles_conv.c: stride 1 by matrix units, or their twin in plain C: factors are rounded to bf16, sums are
 * f32. Lines as above: any range of them; gradients are summed range by range, u and scratch as for Winograd.
 * tiles_back: as wino_back. */
bool tiles_can(const geometry *g);
bool tiles_pay(const geometry *g);               /* on this processor */
geometry tiles_back(const geometry *g);
long tiles_least(const geometry *g);             /* images at a time that weights are worth loading for */
size_t tiles_weights(const geometry *g);
size_t tiles_scratch(const geometry *g);
void tiles_prepare(pool *p, const geometry *g, bool back, const float *w, void *u);
void tiles_run(const geometry *g, cpu_isa most, const conv_post *post, long line, long lines, const float *x,
               const void *u, float *y, void *scratch);
/* dw: sums of groups, that each range of lines is added to; or (gather) both sides of all images are kept,
 * and multiplied at the end. x, dy: the first of these lines, or images; x of tiles_add: the first image. */
size_t tiles_sums(const geometry *g);
size_t tiles_scratch_w(const geometry *g);
void tiles_add(const geometry *g, cpu_isa most, long line, long lines, const float *x, const float *dy,
               float *sums, void *scratch);
void tiles_join(pool *p, const geometry *g, cpu_isa most, long groups, size_t partial, const float *sums,
                float *dw);
bool tiles_gather_pays(const geometry *g, long images);
size_t tiles_points(const geometry *g, long images);
size_t tiles_scratch_gather(const geometry *g);
void tiles_gather_begin(const geometry *g, long images, void *all);
void tiles_gather(const geometry *g, cpu_isa most, long images, long from, long n, const float *x,
                  const float *dy, void *all, void *scratch);
void tiles_gather_end(pool *p, const geometry *g, cpu_isa most, long images, void *all, float *dw);

typedef enum { CONV_FWD, CONV_BWD_X, CONV_BWD_W } conv_kind;
/* tiles_tasks.c: as direct_post, and as direct_make for ops in bf16; forced: wherever it can be, not only
 * where it pays */
bool tiles_post(task *t, bool relu);
bool tiles_make(task *t, conv_kind kind, bool forced, const geometry *g);
bool direct_post(task *t, bool relu);            /* can it add a bias, its input 2 then, and cut? */
bool direct_make(task *t, conv_kind kind, const conv_direct *way, const geometry *g); /* false: it cannot */
typedef struct dnnl_conv dnnl_conv;
bool dnnl_here(void);
/* What a primitive for so many images a call would take: bytes of weights in its own layout and of scratch;
 * false: there is none for this shape. */
bool dnnl_conv_needs(conv_kind kind, const geometry *g, long images, size_t *weights, size_t *scratch);
dnnl_conv *dnnl_conv_open(conv_kind kind, const geometry *g, long images);       /* NULL: not to be had */
void dnnl_conv_close(void *c);
int dnnl_one_thread(void); /* its OpenMP uses one thread from this one; gives what it was */
void dnnl_threads(int n);
/* [K, r, s, c/g] to its own layout, or back. These two fail where memory fails. */
bool dnnl_conv_reorder(const dnnl_conv *c, float *plain, void *own, bool back);
/* a, b: x, y (fwd), dy, dx (bwd_x) or x, dy (bwd_w; weights are the result) */
bool dnnl_conv_run(const dnnl_conv *c, const float *a, void *weights, const float *b, void *scratch);
#endif
