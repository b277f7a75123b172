/* winograd_weights.c: weight gradients of 3x3 convolutions by Winograd's F(3x3, 4x4): the transpose of the
 * forward pass, dw = G' [sum over tiles of (B' x B) (.) (A dy A')] G. */
#include <string.h>
#include "winograd.h"

/* The points of tiles, [POINTS][tiles][c] of both sides, and a pixel of zeros behind them. */
typedef struct { long ldx, ldy, stepx, stepy; } layout;
static layout layout_of(const geometry *g, long tiles)
{
    const long ldx = lines_of(g->c), ldy = panels_of(g->k) * NR;
    return (layout){ ldx, ldy, step_of(tiles * ldx), step_of(tiles * ldy) };
}
static size_t points_bytes(const geometry *g, long tiles)
{
    const layout l = layout_of(g, tiles);
    return (size_t)(POINTS * (l.stepx + l.stepy)) * sizeof(float);
}
static size_t zeros_bytes(const geometry *g) { return round_up((size_t)(g->c + g->k) * sizeof(float)); }

/* Tiles at a time: their points fill about half of L2. */
enum { MOST_TILES = 64 };
static long block_of(const geometry *g)
{
    enum { BYTES = 512 << 10, LEAST = 16 };
    const long n = (long)(BYTES / sizeof(float)) / (POINTS * (lines_of(g->c) + panels_of(g->k) * NR));
    return n < LEAST ? LEAST : lesser(n, MOST_TILES);
}

/* Sums are laid out as [panel][POINTS][c][NR]. */
size_t wino_sums(const geometry *g)
{
    return (size_t)(panels_of(g->k) * POINTS * wino_sum_rows(g) * NR) * sizeof(float);
}

size_t wino_scratch_sums(const geometry *g)
{
    return round_up(points_bytes(g, block_of(g))) + zeros_bytes(g);
}
long wino_least_sums(const geometry *g) { return ceil_div(block_of(g), tiles_of(g)); }

static void load_dy(const wino_kernels *k, const geometry *g, const tile *at, const float *dy, float *v,
                    long step)
{
    const float *first = dy + ((at->line + at->i) * g->ow + at->j) * g->k;
    pixels d = { .c = g->k, .rows = at->rows, .columns = at->columns };
    for (int i = 0; i < at->rows; i++)
        for (int j = 0; j < at->columns; j++) d.px[i][j] = first + (i * g->ow + j) * g->k;
    k->spread(&d, v, step);
}

/* Points of the tile of x and dy go to that place. */
static void transform(const wino_kernels *k, const geometry *g, const layout *l, const tile *t, long place,
                      const float *x, const float *dy, const float *zero, float *v)
{
    wino_load(k, g, t, x, zero, v + place * l->ldx, l->stepx);
    load_dy(k, g, t, dy, v + POINTS * l->stepx + place * l->ldy, l->stepy);
}

/* Sums at one point of one panel, of the tiles at these places. */
static void sum_points(const wino_kernels *k, const geometry *g, const layout *l, long panel, long point,
                       stretch places, bool first, const float *v, float *sums)
{
    const float *x = v + point * l->stepx + places.from * l->ldx,
                *y = v + POINTS * l->stepx + point * l->stepy + places.from * l->ldy + panel * NR;
    k->sum(&(terms){ places.n, wino_sum_rows(g), l->ldx, l->ldy, x, y, first, 2 * (g->k - panel * NR) <= NR,
                     sums + (panel * POINTS + point) * wino_sum_rows(g) * NR });
}

/* Whole images, so line is 0. */
void wino_add(const geometry *g, cpu_isa most, long line, long lines, const float *x, const float *dy,
              bool first, float *sums, void *scratch)
{
    (void)line;
    const wino_kernels *const use = wino_kernels_of(most);
    const long block = block_of(g), tiles = lines / g->oh * tiles_of(g);
    const layout l = layout_of(g, block);
    float *v = scratch, *zero = (float *)((char *)scratch + round_up(points_bytes(g, block)));
    memset(zero, 0, zeros_bytes(g));
    for (long at = 0; at < tiles; at += block, first = false) {
        const long n = lesser(tiles - at, block);
        tile t[MOST_TILES];
        const wino_order o = wino_order_of(g, at, n, t);
        for (long i = 0; i < n; i++) transform(use, g, &l, &t[i], i, x, dy, zero, v);
        for (long p = 0; p < POINTS; p++) {
            const stretch s = wino_needing(g, &o, p);
            for (long i = 0; i < panels_of(g->k) && (s.n || first); i++)
                sum_points(use, g, &l, i, p, s, first, v, sums);
        }
    }
}

/* --- or the points of all tiles are kept until the end --- */
static size_t points(const geometry *g, long images) { return points_bytes(g, images * tiles_of(g)); }

static void gather(const geometry *g, cpu_isa most, long images, long from, long n, const float *x,
                   const float *dy, void *all, void *zero)
{
    const layout l = layout_of(g, images * tiles_of(g));
    memset(zero, 0, zeros_bytes(g));
    for (long t = 0; t < n * tiles_of(g); t++) {
        const tile at = tile_of(g, t);
        const long place = wino_place(g, images, from * tiles_of(g) + t);
        transform(wino_kernels_of(most), g, &l, &at, place, x, dy, zero, all);
    }
}

/* --- the end: sums of all groups, and back from the points --- */
typedef struct {
    const geometry *g; const wino_kernels *use; long tiles; const float *v;
    long groups; size_t partial; float *sums, *dw;
} joining;

/* o = G' x: three lines of six that are `step` apart */
static inline void from_six(const double *restrict x, long step, double *restrict o, long to)
{
    const double p2 = P2, q2 = Q2, zero = 1 / (p2 * q2), first = 0.5 / (p2 * (p2 - q2)),
                 second = 0.5 / (q2 * (q2 - p2));
    for (long i = 0; i < NR; i++) {
        const double a = first * (x[i + step] + x[i + 2 * step]), b = first * (x[i + step] - x[i + 2 * step]),
                     c = second * (x[i + 3 * step] + x[i + 4 * step]),
                     d = second * (x[i + 3 * step] - x[i + 4 * step]);
        o[i] = zero * x[i] + a + c;
        o[i + to] = P * b + Q * d;
        o[i + 2 * to] = p2 * a + q2 * c + x[i + 5 * step];
    }
}

/* One channel of a panel: its sums are `step` apart; dw: [9][NR] */
SX_FAST static void from_sums(const joining *j, const float *sums, long step, double *dw)
{
    double x[POINTS * NR], t[3 * EDGE * NR];
    for (long p = 0; p < POINTS; p++) {
        float s[NR];
        memcpy(s, sums + p * step, sizeof s);
        for (long n = 1; n < j->groups; n++) {
            const float *more = sums + p * step + (long)(j->partial / sizeof(float)) * n;
            for (int i = 0; i < NR; i++) s[i] += more[i];
        }
        for (int i = 0; i < NR; i++) x[p * NR + i] = s[i];
    }
    for (int i = 0; i < EDGE; i++) from_six(x + i * NR, EDGE * NR, t + i * NR, EDGE * NR);
    for (int i = 0; i < 3; i++) from_six(t + i * EDGE * NR, NR, dw + i * 3 * NR, NR);
}

enum { AT_ONCE = 16 };
static void join_part(const void *ctx, long part, int thread)
{
    (void)thread;
    const joining *j = ctx;
    const geometry *g = j->g;
    const long parts = ceil_div(g->c, AT_ONCE), panel = part / parts, from = part % parts * AT_ONCE,
               n = g->c - from < AT_ONCE ? g->c - from : AT_ONCE, step = wino_sum_rows(g) * NR,
               filters = g->k - panel * NR < NR ? g->k - panel * NR : NR;
    double dw[AT_ONCE][9 * NR];
    for (long c = 0; c < n; c++) from_sums(j, j->sums + panel * POINTS * step + (from + c) * NR, step, dw[c]);
    for (long k = 0; k < filters; k++)
        for (int i = 0; i < 9; i++) {
            float *to = j->dw + ((panel * NR + k) * 9 + i) * g->c + from;
            for (long c = 0; c < n; c++) to[c] = (float)dw[c][i * NR + k];
        }
}

static void sum_part(const void *ctx, long point, int thread)
{
    (void)thread;
    enum { TILES = 64 }; /* their points stay in L2 while all panels pass by */
    const joining *j = ctx;
    const layout l = layout_of(j->g, j->tiles);
    const wino_order o = wino_order_all(j->g, j->tiles / tiles_of(j->g));
    const stretch s = wino_needing(j->g, &o, point);
    for (long at = 0; at < s.n || at == 0; at += TILES)
        for (long i = 0; i < panels_of(j->g->k); i++)
            sum_points(j->use, j->g, &l, i, point, (stretch){ s.from + at, lesser(TILES, s.n - at) }, at == 0,
                       j->v, j->sums);
}

void wino_join(pool *p, const geometry *g, cpu_isa most, long groups, size_t partial, float *sums, float *dw)
{
    (void)most;
    pool_for(p, panels_of(g->k) * ceil_div(g->c, AT_ONCE), join_part,
             &(joining){ .g = g, .groups = groups, .partial = partial, .sums = sums, .dw = dw });
}

static void gather_end(pool *p, const geometry *g, cpu_isa most, long images, void *all, float *sums,
                       float *dw)
{
    pool_for(p, POINTS, sum_part,
             &(joining){ .g = g, .use = wino_kernels_of(most), .tiles = images * tiles_of(g), .v = all,
                         .sums = sums });
    wino_join(p, g, most, 1, 0, sums, dw);
}

const conv_gathering wino_gathering = { .points = points, .scratch = zeros_bytes, .rows = gather,
                                        .end = gather_end };
