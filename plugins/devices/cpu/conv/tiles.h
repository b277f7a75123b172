/* tiles.h: the inside of products by matrix units (tiles.c): bf16 factors, f32 sums. A tile is 16 lines of 64
 * bytes; one of sums is 16 x 16, and gains products of 16 lines of 32 numbers with 16 columns of such. */
#ifndef SX_TILES_H
#define SX_TILES_H
#include "conv.h"

/* of a tile of sums; numbers of a sum a tile; two tiles side by side */
enum { SIDE_T = 16, DEPTH_T = 32, PAIR_T = 2 * SIDE_T };

/* Windows over a strip of padded lines, each position of which is a result, wanted or not. */
typedef struct {
    long taps, blocks; const long *off;          /* blocks: of 32 channels; off: of each tap, in pixels */
    long pixel;                                  /* numbers from pixel to pixel */
    const uint16_t *x, *u; /* u: [panel of 32 filters][tap][block][half][pair of channels][16][2] */
    long n, wide, high, first; /* positions; those of a line, lines of an image; line of position 0 */
    long oh, ow, k;                              /* what is wanted, of each image */
    const float *bias; float low;                /* bias NULL: none; results are not below */
    long line; float *y;                         /* the line of results that y begins with, of all images */
    float *c;                                    /* room for 32 x 32 */
} tile_strip;

/* sums[tap][c][k] += x' dy for blocks of 32 channels, blocks of 32 filters, and taps; from each range's
 * beginning to its end */
typedef struct {
    long steps, c, k; /* steps: of 32 positions; c, k: that are there; x, dy, sums have whole blocks */
    const long *off;                             /* of each tap, in positions */
    const uint16_t *x, *dy;                      /* x: [c][ldx]; dy: pairs of positions, [steps * 16][k][2] */
    long ldx, channels, filters; /* of x and sums: numbers of a line; channels and filters, filled up */
    long from[3], end[3];                        /* block of channels, of filters, tap */
    float *sums;
} tile_sums;

typedef struct {
    void (*forward)(const tile_strip *s);
    void (*gradient)(const tile_sums *s);
} tile_kernels;
/* Do both give the same, but for rounding, on a trial of all that they do? */
bool tiles_agree(const tile_kernels *k, const tile_kernels *with);
/* Are there units here that compute what their definition says? Tried once. */
bool tiles_here(void);
/* Where there are no such units, or most forbids them: plain C, which gives the same bits. */
const tile_kernels *tile_kernels_of(cpu_isa most);
#endif
