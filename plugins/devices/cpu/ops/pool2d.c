/* pool2d.c: pooling: ops that look at windows of pixels without weights. Channels are the inner loop. */
#include <string.h>
#include "pool2d.h"

static pooling *pooling_of(task *t, const sx_window *p, const tensor *x, const tensor *y)
{
    pooling *g = t->own = sx_plan_alloc(t->plan, sizeof *g);
    *g = (pooling){ .h = x->dim[1], .w = x->dim[2], .c = x->dim[3], .oh = y->dim[1], .ow = y->dim[2],
                    .kh = p->size[0], .kw = p->size[1], .stride = { p->stride[0], p->stride[1] },
                    .top = p->pad[0], .left = p->pad[1] };
    for (int i = 0; i < 2; i++) g->dilation[i] = p->dilation[i] > 0 ? p->dilation[i] : 1;
    g->apart = g->stride[0] >= g->kh && g->stride[1] >= g->kw && g->dilation[0] == 1 && g->dilation[1] == 1;
    return g;
}

/* Windows that tile the image: whole lines of them are divisible. Strips are counted in pixels of the large
 * image. */
static void divide(task *t, const pooling *g)
{
    if (!g->apart || g->top || g->left || g->stride[0] != g->kh || g->oh * g->kh != g->h) return;
    t->line = g->c;
    t->grain = g->kh * g->w;
}

static bool forward_make(sx_dev *dev, task *t)
{
    (void)dev;
    if (t->in[0].rank != 4) return false;
    divide(t, pooling_of(t, t->op->attr, &t->in[0], &t->out));
    t->lane = (size_t)t->in[0].dim[3] * 2 * sizeof(float);
    return true;
}

static bool arg_make(sx_dev *dev, task *t)
{
    if (!forward_make(dev, t)) return false;
    const pooling *g = t->own;
    t->lane = (size_t)g->c * (2 * sizeof(float) + sizeof(int32_t));
    return g->kh * g->kw <= 256;
}

static bool backward_make(sx_dev *dev, task *t)
{
    (void)dev;
    if (t->out.rank != 4) return false;
    pooling_of(t, &((const sx_pool_bwd *)t->op->attr)->window, &t->out, &t->in[0]);
    return true;
}

static bool maxpool_bwd_make(sx_dev *dev, task *t)
{
    if (!backward_make(dev, t)) return false;
    divide(t, t->own);
    return true;
}

/* Lines of windows of n images, or of the strip at hand; counted through all images of the chunk. */
static stretch window_lines(const task *t, const lane *l, long n)
{
    const pooling *g = t->own;
    if (!t->line) return (stretch){ 0, n * g->oh };
    const stretch p = strip_of(t, l, n * g->h * g->w * g->c);
    return (stretch){ p.from / t->grain, p.n / t->grain };
}

/* The part of window (i, j) inside the image: rows r0..r1 and columns s0..s1 of the window. */
typedef struct { long r0, r1, s0, s1; } inside;

static long first_in(long start, long step) { return start >= 0 ? 0 : (-start + step - 1) / step; }
static long end_in(long start, long step, long size, long length)
{
    const long n = length > start ? (length - start + step - 1) / step : 0;
    return n < size ? n : size;
}

static inside inside_of(const pooling *g, long i, long j)
{
    const long y = i * g->stride[0] - g->top, x = j * g->stride[1] - g->left;
    return (inside){ first_in(y, g->dilation[0]), end_in(y, g->dilation[0], g->kh, g->h),
                     first_in(x, g->dilation[1]), end_in(x, g->dilation[1], g->kw, g->w) };
}

static long place(const pooling *g, long i, long j, long r, long s)
{
    const long y = i * g->stride[0] - g->top + r * g->dilation[0],
               x = j * g->stride[1] - g->left + s * g->dilation[1];
    return (y * g->w + x) * g->c;
}

/* --- largest element: the first of equals wins. A channel whose sign is -1 has its smallest one taken
 * (poolfirst.c). --- */
const float *pool_signs(const task *t, const lane *l, float *room)
{
    const float *gamma = t->inputs > 1 ? in_at(t, 1, l, 0) : NULL;
    for (long j = 0; j < t->in[0].dim[3]; j++) room[j] = gamma && gamma[j] < 0 ? -1 : 1;
    return room;
}

SX_FAST static void max_into(long c, const float *restrict sign, const float *restrict x, float *restrict y)
{
    for (long j = 0; j < c; j++) {
        const float v = sign[j] * x[j];
        y[j] = BEATS(v, y[j]) ? v : y[j];
    }
}

SX_FAST static void times(long c, const float *restrict sign, float *restrict y)
{
    for (long j = 0; j < c; j++) y[j] *= sign[j];
}

static void max_pixel(const pooling *g, const float *sign, const float *x, long i, long j, float *y)
{
    const inside in = inside_of(g, i, j);
    for (long k = 0; k < g->c; k++) y[k] = -INFINITY;
    for (long r = in.r0; r < in.r1; r++)
        for (long s = in.s0; s < in.s1; s++) max_into(g->c, sign, x + place(g, i, j, r, s), y);
    times(g->c, sign, y);
}

typedef void pixel_work(const pooling *g, const float *sign, const float *x, long i, long j, float *y);
static void each_pixel(const task *t, const lane *l, long from, long n, pixel_work *work)
{
    const pooling *g = t->own;
    const stretch part = window_lines(t, l, n);
    const long image = g->h * g->w * g->c, skipped = t->line ? part.from * t->grain * g->c : 0;
    const float *x = strip_at(&t->in[0], l, from, skipped), *sign = pool_signs(t, l, (float *)l->scratch);
    float *y = strip_at(&t->out, l, from, part.from * g->ow * g->c);
    for (long k = 0; k < part.n; k++) {          /* a strip begins with its own first window line */
        const float *at = t->line ? x + k * t->grain * g->c : x + k / g->oh * image;
        for (long j = 0; j < g->ow; j++, y += g->c) work(g, sign, at, t->line ? 0 : k % g->oh, j, y);
    }
}

static void maxpool_rows(const task *t, const lane *l, long from, long n)
{
    each_pixel(t, l, from, n, max_pixel);
}
const kernel k_maxpool = { .by_rows = 1, .make = forward_make, .rows = maxpool_rows };

SX_FAST static void arg_into(long c, const float *restrict sign, const float *restrict x, int32_t k,
                             float *restrict best, int32_t *restrict arg)
{
    for (long j = 0; j < c; j++) {
        const float v = sign[j] * x[j];
        const int better = BEATS(v, best[j]);
        best[j] = better ? v : best[j];
        arg[j] = better ? k : arg[j];
    }
}

SX_FAST static void to_bytes(long c, const int32_t *restrict from, uint8_t *restrict to)
{
    for (long j = 0; j < c; j++) to[j] = (uint8_t)from[j];
}

/* sign: behind it is room for the best pixels so far and their places. */
static void arg_pixel(const pooling *g, float *sign, const float *x, long i, long j, uint8_t *y)
{
    const inside in = inside_of(g, i, j);
    float *best = sign + g->c;
    int32_t *arg = (int32_t *)(best + g->c);
    for (long k = 0; k < g->c; k++) best[k] = -INFINITY, arg[k] = (int32_t)(in.r0 * g->kw + in.s0);
    for (long r = in.r0; r < in.r1; r++)
        for (long s = in.s0; s < in.s1; s++)
            arg_into(g->c, sign, x + place(g, i, j, r, s), (int32_t)(r * g->kw + s), best, arg);
    to_bytes(g->c, arg, y);
}

static void arg_rows(const task *t, const lane *l, long from, long n)
{
    const pooling *g = t->own;
    const stretch part = window_lines(t, l, n);
    const long image = g->h * g->w * g->c, skipped = t->line ? part.from * t->grain * g->c : 0;
    const float *x = strip_at(&t->in[0], l, from, skipped);
    uint8_t *y = (uint8_t *)arg_at(&t->out, l, from) + (t->out.strip ? 0 : part.from * g->ow * g->c);
    pool_signs(t, l, (float *)l->scratch);
    for (long k = 0; k < part.n; k++) {
        const float *at = t->line ? x + k * t->grain * g->c : x + k / g->oh * image;
        for (long j = 0; j < g->ow; j++, y += g->c)
            arg_pixel(g, (float *)l->scratch, at, t->line ? 0 : k % g->oh, j, y);
    }
}
const kernel k_maxpool_arg = { .by_rows = 1, .make = arg_make, .rows = arg_rows };

SX_FAST static void give(long c, const float *restrict dy, const uint8_t *restrict arg, int k,
                         float *restrict dx)
{
    for (long j = 0; j < c; j++) dx[j] = arg[j] == k ? dy[j] : 0;
}
SX_FAST static void give_more(long c, const float *restrict dy, const uint8_t *restrict arg, int k,
                              float *restrict dx)
{
    for (long j = 0; j < c; j++) dx[j] += arg[j] == k ? dy[j] : 0;
}

static void scatter_pixel(const pooling *g, const float *dy, const uint8_t *arg, long i, long j, float *dx)
{
    const inside in = inside_of(g, i, j);
    for (long r = in.r0; r < in.r1; r++)
        for (long s = in.s0; s < in.s1; s++)
            (g->apart ? give : give_more)(g->c, dy, arg, (int)(r * g->kw + s), dx + place(g, i, j, r, s));
}

/* Whether windows leave elements out, which have no gradient then. */
static bool gaps(const pooling *g)
{
    return !(g->apart && g->stride[0] == g->kh && g->stride[1] == g->kw && g->oh * g->kh - g->top >= g->h
             && g->ow * g->kw - g->left >= g->w);
}

static void maxpool_bwd_rows(const task *t, const lane *l, long from, long n)
{
    const pooling *g = t->own;
    const stretch part = window_lines(t, l, n);
    const long image = g->h * g->w * g->c, step = t->line ? t->grain * g->c : image;
    const float *dy = strip_at(&t->in[0], l, from, part.from * g->ow * g->c);
    const uint8_t *arg = (uint8_t *)arg_at(&t->in[1], l, from)
                         + (t->in[1].strip ? 0 : part.from * g->ow * g->c);
    float *dx = strip_at(&t->out, l, from, t->line ? part.from * step : 0);
    if (gaps(g)) memset(dx, 0, (size_t)(t->line ? part.n * step : n * image) * sizeof *dx);
    for (long k = 0; k < part.n; k++) {
        float *at = t->line ? dx + k * step : dx + k / g->oh * image;
        for (long j = 0; j < g->ow; j++, dy += g->c, arg += g->c)
            scatter_pixel(g, dy, arg, t->line ? 0 : k % g->oh, j, at);
    }
}
const kernel k_maxpool_bwd = { .by_rows = 3, .make = maxpool_bwd_make, .rows = maxpool_bwd_rows };

/* --- mean of the elements inside the image --- */
SX_FAST static void add_scaled(long c, const float *restrict x, float k, float *restrict y)
{
    for (long j = 0; j < c; j++) y[j] += k * x[j];
}

static float share(inside in) { return 1.0f / (float)((in.r1 - in.r0) * (in.s1 - in.s0)); }

static void mean_pixel(const pooling *g, const float *sign, const float *x, long i, long j, float *y)
{
    (void)sign;
    const inside in = inside_of(g, i, j);
    memset(y, 0, (size_t)g->c * sizeof *y);
    for (long r = in.r0; r < in.r1; r++)
        for (long s = in.s0; s < in.s1; s++) add_scaled(g->c, x + place(g, i, j, r, s), share(in), y);
}

static void avgpool_rows(const task *t, const lane *l, long from, long n)
{
    each_pixel(t, l, from, n, mean_pixel);
}
const kernel k_avgpool = { .by_rows = 1, .make = forward_make, .rows = avgpool_rows };

static void avgpool_bwd_rows(const task *t, const lane *l, long from, long n)
{
    const pooling *g = t->own;
    const float *dy = in_at(t, 0, l, from);
    float *dx = out_at(t, l, from);
    const long image = g->h * g->w * g->c;
    memset(dx, 0, (size_t)(n * image) * sizeof *dx);
    for (long b = 0; b < n; b++, dx += image)
        for (long i = 0; i < g->oh; i++)
            for (long j = 0; j < g->ow; j++, dy += g->c) {
                const inside in = inside_of(g, i, j);
                for (long r = in.r0; r < in.r1; r++)
                    for (long s = in.s0; s < in.s1; s++)
                        add_scaled(g->c, dy, share(in), dx + place(g, i, j, r, s));
            }
}
const kernel k_avgpool_bwd = { .by_rows = 1, .make = backward_make, .rows = avgpool_bwd_rows };
