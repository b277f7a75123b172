/* conv.c: which way a convolution goes: by matrix units, straight from the image, or Winograd's, where these
 * can and pay (ways.c has them as tasks); else, chunk by chunk, by oneDNN's primitives where it has one for
 * the shape, or by columns of the image (im2col) and matrix products. Weight gradients are summed per fixed
 * group of images. */
#include <string.h>
#include "conv.h"

typedef struct {
    geometry g;
    conv_kind kind;
    conv_path path;
    bool dnnl; dnnl_conv *engine;
    bool wino;                                   /* Winograd's way will take it */
    size_t packed;                               /* bytes of the weights as oneDNN keeps them */
    long bands;                                  /* of each image, where there are few images */
} conv;

static geometry geometry_of(const sx_window *w, const tensor *x, const tensor *y)
{
    return (geometry){ .h = x->dim[1], .w = x->dim[2], .c = x->dim[3],
                       .oh = y->dim[1], .ow = y->dim[2], .k = y->dim[3],
                       .r = w->size[0], .s = w->size[1], .stride = { w->stride[0], w->stride[1] },
                       .pad = { w->pad[0], w->pad[1], w->pad[2], w->pad[3] },
                       .dilation = { w->dilation[0], w->dilation[1] }, .groups = w->groups };
}

/* Elements of one filter. */
static long taps_of(const geometry *g) { return g->r * g->s * (g->c / g->groups); }
static size_t weight_bytes(const geometry *g) { return (size_t)(g->k * taps_of(g)) * sizeof(float); }
static size_t column_bytes(const geometry *g) { return (size_t)(g->oh * g->ow * taps_of(g)) * sizeof(float); }
/* Do products of sizes stay within their types? oneDNN counts in 32 bits; columns are no larger than a
 * tensor. */
static bool is_sane(const geometry *g)
{
    const long most = INT32_MAX, columns = 1L << 40, pixels = g->oh * g->ow, taps = taps_of(g);
    return pixels > 0 && pixels <= most && taps <= most && g->k <= most && g->c <= most
        && taps <= columns / pixels;
}
/* A 1x1 window of stride 1 without padding: the image is its own column matrix. */
static bool is_plain(const geometry *g)
{
    return g->r == 1 && g->s == 1 && g->stride[0] == 1 && g->stride[1] == 1 && g->oh == g->h && g->ow == g->w
        && !g->pad[0] && !g->pad[1];
}

static bool make(sx_dev *dev, task *t, conv_kind kind, const sx_window *w, const tensor *x, const tensor *y)
{
    conv *c = t->own = sx_plan_alloc(t->plan, sizeof *c);
    *c = (conv){ .g = geometry_of(w, x, y), .kind = kind, .path = dev->conv, .bands = 1,
                 .dnnl = dev->conv != CONV_IM2COL && dnnl_here() };
    const geometry *g = &c->g;
    if (!is_sane(g)) return false;
    t->lane = is_plain(g) ? 0 : column_bytes(g);
    t->partial = kind == CONV_BWD_W ? weight_bytes(g) : 0;
    return true;
}

/* --- few images: bands of lines of the result are cut out of each, so that all threads have work. Only where
 * columns are nearly as fast as oneDNN on the whole image; by shapes alone, so that any number of threads
 * gives the same bits. BAND: products that are worth a share. --- */
enum { FEW = 4, SHARES = 16, LINES = 4, TAPS = 64, BAND = 2 << 20 };

static geometry band_of(const geometry *g, long i, long bands, long *line, long *first)
{
    geometry b = *g;
    const long end = (i + 1) * g->oh / bands;
    *first = i * g->oh / bands;
    const long top = *first * g->stride[0] - g->pad[0];
    const long bottom = (end - 1) * g->stride[0] - g->pad[0] + (g->r - 1) * g->dilation[0] + 1;
    *line = top < 0 ? 0 : top > g->h ? g->h : top;
    b.oh = end - *first;
    b.h = (bottom > g->h ? g->h : bottom < *line ? *line : bottom) - *line;
    b.pad[0] = *line - top;
    return b;
}

static long bands_of(const geometry *g, long images)
{
    const double products = (double)(g->oh * g->ow) * (double)taps_of(g) * (double)g->k;
    long n = ceil_div(SHARES, images);
    if (n > g->oh / LINES) n = g->oh / LINES;
    if ((double)n > products / BAND) n = (long)(products / BAND);
    return images >= FEW || taps_of(g) < TAPS || n < 2 ? 1 : n;
}

/* Shall it be this way? */
static bool suits(const task *t, conv_path path, const conv_way *way)
{
    const conv *c = t->own;
    return (c->path == path || c->path == CONV_AUTO)
        && way_suits(c->kind, way, c->path == path, &c->g, t->rows);
}

/* Then its kernel takes the task. */
static bool take(task *t, conv_path path, const conv_way *way)
{
    const conv *c = t->own;
    if (!suits(t, path, way)) return false;
    way_take(t, c->kind, way, &c->g);
    return true;
}
static bool take_direct(task *t)
{
    return take(t, CONV_THIN, &conv_thin) || take(t, CONV_DEPTHWISE, &conv_depthwise);
}
/* Of ops in bf16 */
static bool take_tiles(task *t)
{
    const conv *c = t->own;
    const tensor *results = c->kind == CONV_BWD_W ? &t->in[1] : &t->out;
    return results->half && take(t, CONV_AMX, &conv_tiles);
}

/* Winograd's takes it in `fit`: tasks that have one go in equal chunks. */
static void plan_winograd(task *t)
{
    conv *c = t->own;
    c->wino = suits(t, CONV_WINOGRAD, &conv_winograd);
    if (c->wino) way_least(t, c->kind, &conv_winograd, &c->g);
}

static const kernel few_images;
static bool fwd_make(sx_dev *dev, task *t)
{
    if (!make(dev, t, CONV_FWD, t->op->attr, &t->in[0], &t->out)) return false;
    conv *c = t->own;
    if (dev->conv == CONV_AUTO || dev->conv == CONV_IM2COL) c->bands = bands_of(&c->g, t->rows);
    if (c->bands > 1) {
        t->kernel = &few_images;
        if (t->lane) t->lane = ceil_div(column_bytes(&c->g), c->g.oh) * ceil_div(c->g.oh, c->bands);
    } else if (!take_tiles(t)) {
        if (take_direct(t)) t->thin = 4 * t->in[0].size <= t->out.size;
        else plan_winograd(t);
    }
    return true;
}
static bool bwd_x_make(sx_dev *dev, task *t)
{
    if (!make(dev, t, CONV_BWD_X, &((const sx_conv_bwd *)t->op->attr)->window, &t->out, &t->in[0]))
        return false;
    if (!take_tiles(t) && !take_direct(t)) plan_winograd(t);
    return true;
}
static bool bwd_w_make(sx_dev *dev, task *t)
{
    if (!make(dev, t, CONV_BWD_W, &((const sx_conv_bwd *)t->op->attr)->window, &t->in[0], &t->in[1]))
        return false;
    if (!take_tiles(t) && !take_direct(t)) take(t, CONV_WINOGRAD, &conv_winograd);
    return true;
}

/* Room for either way: oneDNN may still refuse to make what it described. */
static void fit(task *t, long chunk)
{
    conv *c = t->own;
    size_t scratch;
    if (c->wino) {
        way_take(t, c->kind, &conv_winograd, &c->g);
        return;
    }
    c->dnnl = c->dnnl && dnnl_conv_needs(c->kind, &c->g, chunk, &c->packed, &scratch);
    if (!c->dnnl) return;
    c->packed = round_up(c->packed);
    t->lane = larger_size(t->lane, scratch + (c->kind == CONV_BWD_W ? c->packed : 0));
    if (c->kind == CONV_BWD_W) t->partial = larger_size(t->partial, c->packed);
    else t->shared = c->packed;
}

void conv_join(chain *all)
{
    for (int i = 0; i + 1 < all->n; i++) {
        task *t = &all->t[i], *then = t + 1;
        bool relu;
        if (!t->out.local || then->in[0].id != t->out.id || chain_readers(all, t->out.id) != 1) continue;
        if (!map_is_bias(then, &relu) || !way_post(t, relu)) continue;
        tensor *in = sx_plan_alloc(t->plan, 3 * sizeof *in);
        in[0] = t->in[0], in[1] = t->in[1], in[2] = then->in[1];
        t->in = in, t->inputs = 3, t->out = then->out;
        chain_drop(all, i + 1);
    }
}

static void *ready(task *t, long chunk)
{
    conv *c = t->own;
    return c->dnnl ? c->engine = dnnl_conv_open(c->kind, &c->g, chunk) : NULL;
}

/* NaN makes a failure of oneDNN (there is no memory left) a loss that is not finite rather than a wrong one.
 */
static void spoil(size_t bytes, float *x)
{
    for (size_t i = 0; i < bytes / sizeof *x; i++) x[i] = NAN;
}

static void begin(const task *t, const pass *r)
{
    const conv *c = t->own;
    if (c->engine && !dnnl_conv_reorder(c->engine, whole_at(&t->in[1], r), shared_at(t, r), false))
        spoil(c->packed, shared_at(t, r));
}

/* --- columns: line (i, j) holds what the window sees there, [r, s, c / groups] --- */
static void columns(const geometry *g, long group, const float *x, float *col)
{
    const long c = g->c / g->groups;
    for (long i = 0; i < g->oh; i++)
        for (long j = 0; j < g->ow; j++)
            for (long r = 0; r < g->r; r++) {
                const long y = i * g->stride[0] - g->pad[0] + r * g->dilation[0];
                for (long s = 0; s < g->s; s++, col += c) {
                    const long v = j * g->stride[1] - g->pad[1] + s * g->dilation[1];
                    if (y < 0 || y >= g->h || v < 0 || v >= g->w) memset(col, 0, (size_t)c * sizeof *col);
                    else memcpy(col, x + (y * g->w + v) * g->c + group * c, (size_t)c * sizeof *col);
                }
            }
}

SX_FAST static void add(long n, const float *restrict from, float *restrict to)
{
    for (long i = 0; i < n; i++) to[i] += from[i];
}

static void add_columns(const geometry *g, long group, const float *col, float *x)
{
    const long c = g->c / g->groups;
    for (long i = 0; i < g->oh; i++)
        for (long j = 0; j < g->ow; j++)
            for (long r = 0; r < g->r; r++) {
                const long y = i * g->stride[0] - g->pad[0] + r * g->dilation[0];
                for (long s = 0; s < g->s; s++, col += c) {
                    const long v = j * g->stride[1] - g->pad[1] + s * g->dilation[1];
                    if (y >= 0 && y < g->h && v >= 0 && v < g->w)
                        add(c, col, x + (y * g->w + v) * g->c + group * c);
                }
            }
}

typedef struct { const float *p; long line; } matrix;
static matrix columns_of(const geometry *g, long group, const float *x, float *room)
{
    if (is_plain(g)) return (matrix){ x + group * (g->c / g->groups), g->c };
    columns(g, group, x, room);
    return (matrix){ room, taps_of(g) };
}

static void image_fwd(const geometry *g, const float *x, const float *w, float *y, float *room)
{
    const long k = g->k / g->groups, taps = taps_of(g);
    for (long i = 0; i < g->groups; i++) {
        const matrix col = columns_of(g, i, x, room);
        gemm(SX_TRANS_B, g->oh * g->ow, k, taps, col.p, col.line, w + i * k * taps, taps, 0, y + i * k, g->k);
    }
}

static void image_bwd_x(const geometry *g, const float *dy, const float *w, float *dx, float *room)
{
    const long k = g->k / g->groups, taps = taps_of(g);
    if (!is_plain(g)) memset(dx, 0, (size_t)(g->h * g->w * g->c) * sizeof *dx);
    for (long i = 0; i < g->groups; i++) {
        float *to = is_plain(g) ? dx + i * taps : room;
        gemm(0, g->oh * g->ow, taps, k, dy + i * k, g->k, w + i * k * taps, taps, 0, to,
             is_plain(g) ? g->c : taps);
        if (!is_plain(g)) add_columns(g, i, room, dx);
    }
}

static void image_bwd_w(const geometry *g, const float *x, const float *dy, float beta, float *dw,
                        float *room)
{
    const long k = g->k / g->groups, taps = taps_of(g);
    for (long i = 0; i < g->groups; i++) {
        const matrix col = columns_of(g, i, x, room);
        gemm(SX_TRANS_A, k, taps, g->oh * g->ow, dy + i * k, g->k, col.p, col.line, beta, dw + i * k * taps,
             taps);
    }
}

/* Forward and to x alike: a goes through the weights to b, image by image. */
typedef void image_work(const geometry *g, const float *a, const float *w, float *b, float *room);

static void through_weights(const task *t, const lane *l, long from, long n, image_work *work)
{
    const conv *c = t->own;
    const float *a = in_at(t, 0, l, from), *w = whole_at(&t->in[1], l->run);
    float *b = out_at(t, l, from);
    if (c->engine && dnnl_conv_run(c->engine, a, shared_at(t, l->run), b, l->scratch)) return;
    for (long i = 0; i < n; i++)
        work(&c->g, a + i * row_size(&t->in[0]), w, b + i * row_size(&t->out), (float *)l->scratch);
}
static void fwd_rows(const task *t, const lane *l, long from, long n)
{
    through_weights(t, l, from, n, image_fwd);
}
static void bwd_x_rows(const task *t, const lane *l, long from, long n)
{
    through_weights(t, l, from, n, image_bwd_x);
}

typedef struct { const task *t; const pass *r; } call;

static void band_rows(const void *ctx, long i, int thread)
{
    const call *f = ctx;
    const task *t = f->t;
    const conv *c = t->own;
    long line, first;
    const geometry b = band_of(&c->g, i % c->bands, c->bands, &line, &first);
    const long image = i / c->bands, from = image * row_size(&t->in[0]) + line * b.w * b.c;
    const float *x = (const float *)whole_at(&t->in[0], f->r) + from, *w = whole_at(&t->in[1], f->r);
    float *y = (float *)whole_at(&t->out, f->r) + image * row_size(&t->out) + first * b.ow * b.k;
    image_fwd(&b, x, w, y, pool_room(f->r->pool, thread));
}

static void bands_whole(const task *t, int n, const pass *r)
{
    (void)n;
    const conv *c = t->own;
    pool_for(r->pool, t->rows * c->bands, band_rows, &(call){ t, r });
}
static const kernel few_images = { .by_rows = 1, .alone = true, .whole = bands_whole };

static void bwd_w_rows(const task *t, const lane *l, long from, long n)
{
    const conv *c = t->own;
    const geometry *g = &c->g;
    const float *x = in_at(t, 0, l, from), *dy = in_at(t, 1, l, from);
    float *dw = partial_at(t, l->run, l->group);
    if (!c->engine) {
        for (long i = 0; i < n; i++)
            image_bwd_w(g, x + i * row_size(&t->in[0]), dy + i * row_size(&t->in[1]),
                        l->first && i == 0 ? 0 : 1, dw, (float *)l->scratch);
        return;
    }
    float *part = l->first ? dw : (float *)l->scratch;
    if (!dnnl_conv_run(c->engine, x, part, dy, l->scratch + c->packed)) spoil(c->packed, part);
    if (!l->first) add((long)(c->packed / sizeof *dw), part, dw);
}

/* Groups are added in order, slice by slice of the weights. */
enum { SLICE = 8192 };

static void join_slice(const void *ctx, long i, int thread)
{
    (void)thread;
    const call *j = ctx;
    const long size = (long)(j->t->partial / sizeof(float)), from = i * SLICE,
               n = size - from < SLICE ? size - from : SLICE;
    for (long g = 1; g < j->r->groups; g++)
        add(n, (float *)partial_at(j->t, j->r, g) + from, (float *)partial_at(j->t, j->r, 0) + from);
}

static void bwd_w_end(const task *t, const pass *r)
{
    const conv *c = t->own;
    pool_for(r->pool, ceil_div((long)(t->partial / sizeof(float)), SLICE), join_slice, &(call){ t, r });
    float *dw = whole_at(&t->out, r);
    if (!c->engine) memcpy(dw, partial_at(t, r, 0), weight_bytes(&c->g));
    else if (!dnnl_conv_reorder(c->engine, dw, partial_at(t, r, 0), true)) spoil(weight_bytes(&c->g), dw);
}

const kernel k_conv2d = { .by_rows = 1, .make = fwd_make, .fit = fit, .ready = ready, .drop = dnnl_conv_close,
                          .begin = begin, .rows = fwd_rows };
const kernel k_conv2d_bwd_x = { .by_rows = 1, .make = bwd_x_make, .fit = fit, .ready = ready,
                                .drop = dnnl_conv_close, .begin = begin, .rows = bwd_x_rows };
const kernel k_conv2d_bwd_w = { .by_rows = 3, .sums = true, .make = bwd_w_make, .fit = fit, .ready = ready,
                                .drop = dnnl_conv_close, .rows = bwd_w_rows, .end = bwd_w_end };
