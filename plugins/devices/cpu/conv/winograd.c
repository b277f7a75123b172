/* winograd.c: 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3): a quarter of the products of the direct
 * way. Lavin & Gray 2016, "Fast algorithms for convolutional neural networks", sec. 4.3. */
#include <string.h>
#include "winograd.h"

/* --- weights: u = G w G', as panels of NR filters, [panel][POINTS][c][NR] --- */
/* o = G x, of three lines of x that are NR * step apart; in doubles, rounded once at the end */
static inline void three_points(const double *restrict x, long step, double *restrict o)
{
    const double p2 = P2, q2 = Q2, zero = 1 / (p2 * q2), first = 0.5 / (p2 * (p2 - q2)),
                 second = 0.5 / (q2 * (q2 - p2));
    for (long i = 0; i < NR; i++) {
        const double a = x[i], b = x[i + NR * step], c = x[i + 2 * NR * step];
        o[i] = zero * a;
        o[i + NR] = first * (a + P * b + p2 * c);
        o[i + 2 * NR] = first * (a - P * b + p2 * c);
        o[i + 3 * NR] = second * (a + Q * b + q2 * c);
        o[i + 4 * NR] = second * (a - Q * b + q2 * c);
        o[i + 5 * NR] = c;
    }
}

/* w: [3, 3, NR] */
SX_FAST static void weight_points(const float *w, float *u, long step)
{
    double x[9 * NR], t[3 * EDGE * NR], o[EDGE * NR];
    for (long i = 0; i < 9 * NR; i++) x[i] = w[i];
    /* columns become lines */
    for (int j = 0; j < 3; j++) three_points(x + j * NR, 3, t + j * EDGE * NR);
    for (int i = 0; i < EDGE; i++) {
        three_points(t + i * NR, EDGE, o);
        for (int j = 0; j < EDGE; j++)
            for (int k = 0; k < NR; k++) u[(i * EDGE + j) * step + k] = (float)o[j * NR + k];
    }
}

typedef struct { const geometry *g; bool back; const float *w; float *u; } preparing;

/* Weights of n channels from c on, [c][3, 3][NR]; those of filters that are not there are zero. */
static void turn_weights(const preparing *p, long panel, long c, long n, float *w)
{
    const geometry *g = p->g;
    const long first = panel * NR, filters = g->k - first < NR ? g->k - first : NR;
    memset(w, 0, (size_t)(n * 9 * NR) * sizeof *w);
    for (long i = 0; i < 9 && p->back; i++)
        for (long l = 0; l < n; l++) {
            const float *from = p->w + ((c + l) * 9 + 8 - i) * g->k + first;
            memcpy(w + (l * 9 + i) * NR, from, (size_t)filters * sizeof *w);
        }
    for (long k = 0; k < filters && !p->back; k++)
        for (long i = 0; i < 9; i++) {
            const float *from = p->w + ((first + k) * 9 + i) * g->c + c;
            for (long l = 0; l < n; l++) w[(l * 9 + i) * NR + k] = from[l];
        }
}

static void prepare_panel(const void *ctx, long panel, int thread)
{
    (void)thread;
    enum { AT_ONCE = 16 };
    const preparing *p = ctx;
    const geometry *g = p->g;
    const long size = g->c * NR;
    float w[AT_ONCE * 9 * NR];
    for (long c = 0; c < g->c; c++) {
        const long left = g->c - c;
        if (c % AT_ONCE == 0) turn_weights(p, panel, c, left < AT_ONCE ? left : AT_ONCE, w);
        weight_points(w + c % AT_ONCE * 9 * NR, p->u + panel * POINTS * size + c * NR, size);
    }
}

static void prepare(pool *p, const geometry *g, bool back, const float *w, void *u)
{
    pool_for(p, panels_of(g->k), prepare_panel, &(preparing){ g, back, w, u });
}

/* --- the whole --- */
static geometry turned(const geometry *g)
{
    return (geometry){ .h = g->oh, .w = g->ow, .c = g->k, .oh = g->h, .ow = g->w, .k = g->c, .r = 3, .s = 3,
                       .pad = { 2 - g->pad[0], 2 - g->pad[1], 2 - g->pad[2], 2 - g->pad[3] },
                       .stride = { 1, 1 }, .dilation = { 1, 1 }, .groups = 1 };
}

static bool can(const geometry *g)
{
    bool yes = g->r == 3 && g->s == 3 && g->groups == 1;
    for (int i = 0; i < 2; i++) yes = yes && g->stride[i] == 1 && g->dilation[i] == 1;
    for (int i = 0; i < 4; i++) yes = yes && g->pad[i] <= 2;
    return yes;
}

/* Products against the direct way's: below `share` the transforms of pixels are worth their time, from PIXELS
 * on that of the weights, too. */
static bool pays(conv_kind kind, const geometry *g, long images)
{
    enum { CHANNELS = 16, PIXELS = 512 };
    const double share = 0.45;
    const long c = kind == CONV_BWD_W ? wino_sum_rows(g) : g->c;     /* as sums fill them up */
    const double direct = 9.0 * (double)(g->oh * g->ow) * (double)(g->c * g->k);
    const double ours = wino_products(g) * (double)(c * (ceil_div(2 * g->k, NR) * NR / 2));
    return isa_most() > ISA_PLAIN && g->c >= CHANNELS && images * g->oh * g->ow >= PIXELS
        && ours <= share * direct;
}

/* --- the whole: blocks of tiles, whose points stay in L2 while all weights pass by --- */
/* LEAST, HEAVY: tiles that weights are worth loading for, and those that a core's cache does not hold. */
enum { BLOCK = 4 * MR, LEAST = MR, HEAVY = 32 };
typedef struct { long ldv, stepv, stepm; } layout;
static layout layout_of(const geometry *g)
{
    return (layout){ lines_of(g->c), step_of(BLOCK * lines_of(g->c)), step_of(BLOCK * NR) };
}

static long least(const geometry *g, bool heavy) { return ceil_div(heavy ? HEAVY : LEAST, tiles_of(g)); }

/* A strip is whole tiles high, and holds nearly a multiple of 32 of them: blocks of all instructions but
 * AVX2's, which are of 30. What follows finds it in a cache. */
static long grain(const geometry *g)
{
    enum { TILES = 32, MOST = 6 };
    const long lines = g->oh % SIDE ? g->oh : SIDE, tiles = ceil_div(lines, SIDE) * ceil_div(g->ow, SIDE);
    long bands = 1;
    while (bands < MOST && bands * tiles % TILES) bands++;
    return bands * lines;
}

static size_t weights(const geometry *g)
{
    return (size_t)(POINTS * panels_of(g->k) * NR * g->c) * sizeof(float);
}
/* Both sides of the products, and a pixel of zeros. */
static size_t scratch(const geometry *g)
{
    const layout l = layout_of(g);
    return (size_t)(POINTS * (l.stepv + l.stepm) + g->c) * sizeof(float);
}

/* Lines of tiles, counted through all images, that lie before this line of the results. */
static long tile_lines(const geometry *g, long line)
{
    return line / g->oh * ceil_div(g->oh, SIDE) + line % g->oh / SIDE;
}

void wino_load(const wino_kernels *k, const geometry *g, const tile *at, const float *x, const float *zero,
               float *v, long step)
{
    const long top = at->i - g->pad[0], left = at->j - g->pad[1], line = g->w * g->c;
    const float *image = x + at->image * g->h * line;
    pixels d = { .c = g->c, .rows = at->rows, .columns = at->columns };
    if (top >= 0 && left >= 0 && top + EDGE <= g->h && left + EDGE <= g->w) {
        const float *first = image + top * line + left * g->c;
        for (int i = 0; i < EDGE; i++)
            for (int j = 0; j < EDGE; j++) d.px[i][j] = first + i * line + j * g->c;
    } else {
        for (long i = 0, r = top; i < at->rows + 2; i++, r++)
            for (long j = 0, s = left; j < at->columns + 2; j++, s++)
                d.px[i][j] = r < 0 || r >= g->h || s < 0 || s >= g->w ? zero : image + r * line + s * g->c;
    }
    k->in(&d, v, step);
}

/* m: of the block; even shares of the tiles that need a point are a product each */
static void multiply(const wino_kernels *k, const geometry *g, bool half, const wino_order *o, const float *v,
                     const float *u, float *m)
{
    const layout l = layout_of(g);
    for (long p = 0; p < POINTS; p++) {
        const stretch s = wino_needing(g, o, p);
        const long parts = ceil_div(s.n, k->rows);
        for (long i = 0; i < parts; i++) {
            const long from = s.from + s.n * i / parts, rows = s.from + s.n * (i + 1) / parts - from;
            k->mul(rows, &(point_factors){ g->c, l.ldv, v + p * l.stepv + from * l.ldv,
                                           u + p * NR * g->c, m + p * l.stepm + from * NR, half });
        }
    }
}

/* y: line `line` of the results */
static void store(const wino_kernels *k, const geometry *g, const conv_post *post, const tile *at, long panel,
                  long line, const float *m, float *y)
{
    const long first = panel * NR;
    float *to = y + ((at->line + at->i - line) * g->ow + at->j) * g->k + first;
    k->out(&(results){ .n = lesser(NR, g->k - first), .step = layout_of(g).stepm, .line = g->ow * g->k,
                       .pixel = g->k, .rows = at->rows, .columns = at->columns,
                       .m = m, .bias = post->bias ? post->bias + first : NULL, .relu = post->relu, .y = to });
}

/* u: as panels; lines: whole lines of tiles */
static void run(const geometry *g, cpu_isa most, const conv_post *post, long line, long lines, const float *x,
                const void *weights, float *y, void *room)
{
    const float *u = weights;
    const wino_kernels *const use = wino_kernels_of(most);
    const layout l = layout_of(g);
    const long across = ceil_div(g->ow, SIDE), end = tile_lines(g, line + lines) * across;
    const long block = BLOCK / use->rows * use->rows;                /* whole products */
    float *v = room, *m = v + POINTS * l.stepv, *zero = m + POINTS * l.stepm;
    memset(zero, 0, (size_t)g->c * sizeof *zero);
    for (long at = tile_lines(g, line) * across; at < end; at += block) {
        const long n = lesser(end - at, block);
        tile t[BLOCK];
        const wino_order o = wino_order_of(g, at, n, t);
        for (long i = 0; i < n; i++) wino_load(use, g, &t[i], x, zero, v + i * l.ldv, l.stepv);
        for (long p = 0; p < panels_of(g->k); p++) {
            multiply(use, g, 2 * (g->k - p * NR) <= NR, &o, v, u + p * POINTS * NR * g->c, m);
            for (long i = 0; i < n; i++) store(use, g, post, &t[i], p, line, m + i * NR, y);
        }
    }
}

const conv_way conv_winograd = {
    .can = can, .pays = pays, .turned = turned, .least = least, .grain = grain, .weights = weights,
    .scratch = scratch, .prepare = prepare, .run = run, .least_sums = wino_least_sums, .whole = true,
    .sums = wino_sums, .scratch_sums = wino_scratch_sums, .add = wino_add, .join = wino_join,
    .gathering = &wino_gathering,
};
