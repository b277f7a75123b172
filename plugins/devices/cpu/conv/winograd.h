/* winograd.h: the inside of Winograd's convolutions: tiles, and the kernels that each set of instructions has
 * of its own. Lavin & Gray 2016, "Fast algorithms for convolutional neural networks", sec. 4.3. */
#ifndef SX_WINOGRAD_H
#define SX_WINOGRAD_H
#include "conv.h"

enum { SIDE = 4, EDGE = SIDE + 2, POINTS = EDGE * EDGE }; /* of a tile: result, input, their products */
/* Tiles and filters of a product, floats of a cache line. */
enum { MR = 8, NR = 32, LANES = 16 };
/* The points are 0, P, -P, Q, -Q and infinity: with these the error is less than half of that with the usual
 * 1 and 2 (a search over sixteenths), and all constants of the transforms of pixels are exact. */
#define P 0.625f
#define Q 1.5f
#define P2 (P * P)
#define Q2 (Q * Q)

/* A tile of n results along an axis takes the first n + 1 of the points and infinity: its pixels' transform
 * makes up for those left out, so that all tiles share the transform of the weights. */
static inline bool needs(int n, long point) { return point <= n || point == EDGE - 1; }

/* m[rows, NR] = v[rows, c] u[c, NR]; half: the second half of the filters is not there and need not be
 * made */
typedef struct { long c, ldv; const float *v, *u; float *m; bool half; } point_factors;
/* s[c, NR] (+)= x' y, c a multiple of MR, over so many tiles; half: zeros in that half */
typedef struct { long tiles, c, ldx, ldy; const float *x, *y; bool first, half; float *s; } terms;
/* The points of a tile of rows x columns results are `step` apart. */
typedef struct {
    long n, step, line, pixel; int rows, columns;
    const float *m, *bias; bool relu; float *y;
} results;

/* Of a tile of rows x columns results: px[i][j], of c channels each */
typedef struct { long c; int rows, columns; const float *px[EDGE][EDGE]; } pixels;

typedef struct {
    /* v: where the results of point 0 go, filled up with zeros to whole lines */
    void (*in)(const pixels *d, float *v, long step);        /* (rows + 2) x (columns + 2): B' d B */
    void (*spread)(const pixels *d, float *v, long step);    /* rows x columns: A d A' */
    void (*mul)(long rows, const point_factors *f);
    void (*sum)(const terms *t);
    void (*out)(const results *r);               /* A' m A */
    long rows;                                   /* of a product at a time, at most */
} wino_kernels;
const wino_kernels *wino_kernels_of(cpu_isa most);

static inline long lines_of(long n) { return (n + LANES - 1) / LANES * LANES; }
static inline long panels_of(long filters) { return ceil_div(filters, NR); }
/* From point to point of n floats: an odd count of cache lines, so that points do not share cache sets. */
static inline long step_of(long n) { return n / LANES % 2 ? n : n + LANES; }
static inline long tiles_of(const geometry *g) { return ceil_div(g->oh, SIDE) * ceil_div(g->ow, SIDE); }

/* i, j: of its first result; line: that of its image's first, counted through all images */
typedef struct { long image, i, j, line; int rows, columns; } tile;
static inline tile tile_of(const geometry *g, long t)
{
    const long across = ceil_div(g->ow, SIDE), each = tiles_of(g), at = t % each, i = at / across * SIDE,
               j = at % across * SIDE;
    return (tile){ t / each, i, j, t / each * g->oh, (int)lesser(SIDE, g->oh - i), (int)lesser(SIDE, g->ow - j) };
}
/* B' d B of the tile's pixels; zero: as many as there are channels */
void wino_load(const wino_kernels *k, const geometry *g, const tile *at, const float *x, const float *zero,
               float *v, long step);

/* --- Kinds of tiles (winograd_order.c): those at the bottom and at the right have fewer results where 4 does
 * not divide the image. In the order of these kinds all tiles that need a point are neighbours. --- */
enum { BOTTOM, WHOLE, RIGHT, CORNER, KINDS };
typedef struct { long start[KINDS + 1]; } wino_order;
/* Tiles [from, from + n) in that order. */
wino_order wino_order_of(const geometry *g, long from, long n, tile *t);
/* Of all tiles of so many images, and the place of one. */
wino_order wino_order_all(const geometry *g, long images);
long wino_place(const geometry *g, long images, long t);
stretch wino_needing(const geometry *g, const wino_order *o, long point);
double wino_products(const geometry *g);         /* points of an image's tiles that are needed */
/* winograd_weights.c: what the way does to weights' gradients */
static inline long wino_sum_rows(const geometry *g) { return ceil_div(g->c, MR) * MR; }
long wino_least_sums(const geometry *g);
size_t wino_sums(const geometry *g);
size_t wino_scratch_sums(const geometry *g);
void wino_add(const geometry *g, cpu_isa most, long line, long lines, const float *x, const float *dy,
              bool first, float *sums, void *scratch);
void wino_join(pool *p, const geometry *g, cpu_isa most, long groups, size_t partial, float *sums, float *dw);
extern const conv_gathering wino_gathering;
#endif
