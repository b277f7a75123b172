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

enum { TRIED = PAIR_T };                         /* positions, channels and filters of what is tried */
typedef struct { float y[TRIED * TRIED], sums[TRIED * TRIED]; } trial;

/* A window of one tap over 32 positions, and its sums for weights */
static void try_kernels(const tile_kernels *k, trial *to)
{
    uint16_t x[TRIED * TRIED], u[TRIED * TRIED];
    float room[TRIED * TRIED];
    const long off = 0;
    uint32_t seed = 1;
    for (long i = 0; i < TRIED * TRIED; i++) {   /* of both signs, between 2^-3 and 2^3 */
        seed = seed * 1664525u + 1013904223u;
        x[i] = (uint16_t)(0x3e00 + (seed >> 23) % 0x300 + (seed >> 16 & 0x8000));
        u[i] = (uint16_t)(0x3e00 + (seed >> 13) % 0x300 + (seed << 3 & 0x8000));
    }
    *to = (trial){ { 0 }, { 0 } };
    k->forward(&(tile_strip){ .taps = 1, .blocks = 1, .off = &off, .pixel = TRIED, .x = x, .u = u, .n = TRIED, .wide = TRIED,
                              .high = 1, .oh = 1, .ow = TRIED, .k = TRIED, .low = -INFINITY, .y = to->y, .c = room });
    k->gradient(&(tile_sums){ .steps = 1, .c = TRIED, .k = TRIED, .off = &off, .x = x, .dy = u, .ldx = TRIED,
                              .channels = TRIED, .filters = TRIED, .end = { 1, 1, 1 }, .sums = to->sums });
}

static bool agree;
static void compare_units(void)
{
    const float most = 0.01f;                    /* far above rounding, far below a number in the wrong place */
    trial a, b;
    if (isa_here() != ISA_AMX) return;
    try_kernels(&plain, &a);
    try_kernels(&unit, &b);
    agree = true;
    for (long i = 0; i < TRIED * TRIED; i++)
        agree = agree && fabsf(a.y[i] - b.y[i]) < most && fabsf(a.sums[i] - b.sums[i]) < most;
}

bool tiles_here(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, compare_units);
    return agree;
}

const tile_kernels *tile_kernels_of(cpu_isa most)
{
    return most == ISA_AMX && tiles_here() ? &unit : &plain;
}
