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

/* m[rows, NR] = v[rows, c] u[c, NR]; half: the second half of the filters is not there and need not be
 * made */
typedef struct { long c, ldv; const float *v, *u; float *m; bool half; } point_factors;
/* s[c, NR] (+)= x' y, c a multiple of MR, over so many tiles; half: zeros in that half */
typedef struct { long tiles, c, ldx, ldy; const float *x, *y; bool first, half; float *s; } terms;
/* The points of a tile are `step` apart; of the 4x4 results those in rows x columns are wanted. */
typedef struct {
    long n, step, line, pixel; int rows, columns;
    const float *m, *bias; bool relu; float *y;
} results;

typedef struct {
    /* px: pixels of c channels each; v: where those of point 0 go, filled up with zeros to whole lines */
    void (*in)(long c, const float *const *px, float *v, long step);     /* 6x6 pixels: B' d B */
    void (*spread)(long c, const float *const *px, float *v, long step); /* 4x4 pixels: A d A' */
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
typedef struct { long image, i, j, line; } tile;
static inline tile tile_of(const geometry *g, long t)
{
    const long across = ceil_div(g->ow, SIDE), each = tiles_of(g), at = t % each;
    return (tile){ t / each, at / across * SIDE, at % across * SIDE, t / each * g->oh };
}
/* B' d B of the tile's pixels; zero: as many as there are channels */
void wino_load(const wino_kernels *k, const geometry *g, long t, const float *x, const float *zero, float *v,
               long step);

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
