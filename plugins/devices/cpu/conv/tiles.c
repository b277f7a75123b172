/* tiles.c: products by matrix units (AMX) for convolutions in bf16: two sets of kernels that give the same
 * bits, one by the unit's instructions, one by their definition. */
#include <math.h>
#include <pthread.h>
#include <string.h>
#include "tiles.h"

#define LEVEL 0
#include "tiles_kernels.h"
#undef LEVEL
static const tile_kernels plain = { forward_0, gradient_0 };
#if defined __x86_64__ && defined __GNUC__
#include <immintrin.h>
#define LEVEL 2
#include "tiles_kernels.h"
#undef LEVEL
static const tile_kernels unit = { forward_2, gradient_2 };
#else
#define unit plain
#endif

/* What is tried: two taps, two blocks of channels and of filters that are there by halves, positions that
 * fill no tile. Numbers are further apart than a tile's lines are long. */
enum { TAPS = 2, SHIFT = 5, FILLED = 2 * PAIR_T, CHANNELS = PAIR_T + 8, FILTERS = PAIR_T + SIDE_T,
       WIDE = 25, COLUMNS = 20, LINES = 2, SEEN = 3 * PAIR_T };
typedef struct {
    uint16_t x[SEEN * FILLED], u[TAPS * FILLED * FILLED];            /* or gradients for u */
    float y[LINES * COLUMNS * FILTERS], sums[TAPS * FILLED * FILLED];
} trial;

/* Of both signs, between 2^-3 and 2^3 */
static void draw(uint32_t *seed, long n, uint16_t *x)
{
    for (long i = 0; i < n; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        x[i] = (uint16_t)((0x3e00 + (*seed >> 16) % 0x300) | (*seed & 0x8000));
    }
}

/* Results of two lines, and sums for weights that are added to, too */
static void try_kernels(const tile_kernels *k, trial *t)
{
    const long off[TAPS] = { 0, SHIFT };
    float room[PAIR_T * PAIR_T];
    uint32_t seed = 1;
    *t = (trial){ .y = { 0 } };
    draw(&seed, SEEN * FILLED, t->x);
    draw(&seed, TAPS * FILLED * FILLED, t->u);
    k->forward(&(tile_strip){ .taps = TAPS, .blocks = FILLED / DEPTH_T, .off = off, .pixel = FILLED,
                              .x = t->x, .u = t->u, .n = LINES * WIDE, .wide = WIDE, .high = LINES,
                              .oh = LINES, .ow = COLUMNS, .k = FILTERS, .low = -INFINITY,
                              .y = t->y, .c = room });
    for (int i = 0; i < 2; i++)
        k->gradient(&(tile_sums){ .steps = 2, .c = CHANNELS, .k = FILTERS, .off = off, .x = t->x, .dy = t->u,
                                  .ldx = SEEN, .channels = FILLED, .filters = FILLED, .end = { 2, 2, TAPS },
                                  .sums = t->sums });
}

static bool near(long n, const float *a, const float *b)
{
    const float most = 0.01f;                    /* far above rounding, less than any product */
    bool all = true;
    for (long i = 0; i < n; i++) all = all && fabsf(a[i] - b[i]) < most;
    return all;
}

bool tiles_agree(const tile_kernels *k, const tile_kernels *with)
{
    trial a, b;
    try_kernels(k, &a);
    try_kernels(with, &b);
    return near(LINES * COLUMNS * FILTERS, a.y, b.y) && near(TAPS * FILLED * FILLED, a.sums, b.sums);
}

static bool good;
static void try_unit(void) { good = isa_here() == ISA_AMX && tiles_agree(&unit, &plain); }

bool tiles_here(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, try_unit);
    return good;
}

const tile_kernels *tile_kernels_of(cpu_isa most)
{
    return most == ISA_AMX && tiles_here() ? &unit : &plain;
}
