/* tiles_unit.h: eight tiles under the same names for the matrix unit (LEVEL 2) and for its twin in plain C
 * (LEVEL 0), so that kernels over them are written once, and tested on every processor. No guard. Intel,
 * Architecture Instruction Set Extensions Programming Reference, ch. 3: TDPBF16PS. */
#include "vector.h"
#undef TILED
#undef TILES_OPEN
#undef TILES_CLOSE
#undef TILE_ZERO
#undef TILE_LOAD
#undef TILE_STORE
#undef TILE_DOT

#if LEVEL == 2
#define TILED __attribute__((target("avx512f,amx-tile,amx-bf16")))
/* All eight are whole. Tiles are set up by thread, and other libraries leave their own behind. The barrier:
 * compilers may not know that loads of tiles read memory. */
typedef struct { uint8_t palette, start, zero[14]; uint16_t line[16]; uint8_t lines[16]; } tile_shapes;
static const tile_shapes shape_of_tiles = {
    .palette = 1, .line = { 64, 64, 64, 64, 64, 64, 64, 64 }, .lines = { 16, 16, 16, 16, 16, 16, 16, 16 }
};
#define TILES_OPEN() do { __asm__ volatile("" ::: "memory"); _tile_loadconfig(&shape_of_tiles); } while (0)
#define TILES_CLOSE() _tile_release()
#define TILE_ZERO(t) _tile_zero(t)
#define TILE_LOAD(t, p, bytes) _tile_loadd(t, p, bytes)              /* lines are so many bytes apart */
#define TILE_STORE(t, p, bytes) _tile_stored(t, p, bytes)
#define TILE_DOT(c, a, b) _tile_dpbf16ps(c, a, b) /* c += a b; b: pairs of the sum side by side */
#else
#define TILED
#define TILES_OPEN() ((void)0)
#define TILES_CLOSE() ((void)0)
#define TILE_ZERO(t) memset(&twin[t], 0, sizeof twin[t])
#define TILE_LOAD(t, p, bytes) load_tile(&twin[t], p, bytes)
#define TILE_STORE(t, p, bytes) store_tile(&twin[t], p, bytes)
#define TILE_DOT(c, a, b) dot_tiles(&twin[c], &twin[a], &twin[b])
typedef union { uint32_t bits[16][16]; uint16_t half[16][32]; float sum[16][16]; } tile;
static _Thread_local tile twin[8];

static void load_tile(tile *t, const void *p, long bytes)
{
    for (int i = 0; i < 16; i++) memcpy(t->bits[i], (const char *)p + i * bytes, sizeof t->bits[i]);
}
static void store_tile(const tile *t, void *p, long bytes)
{
    for (int i = 0; i < 16; i++) memcpy((char *)p + i * bytes, t->bits[i], sizeof t->bits[i]);
}

/* Denormals count as zero, before and after; what becomes the least normal number by rounding does not. */
static inline float rounded(double x) { return (float)(fabs(x) < 0x1.ffffffp-127 ? x * 0 : x); }
static inline double number(uint16_t half)
{
    const uint32_t bits = (uint32_t)(half & 0x7f80 ? half : half & 0x8000) << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Even and odd members of a sum go to two sums, each product by one rounding, then both and the tile are
 * added. Products are exact in double, and so is where a sum is rounded to f32: where double is too short,
 * one side is too small to matter. */
SX_FAST static void dot_tiles(tile *c, const tile *a, const tile *b)
{
    for (int i = 0; i < 16; i++) {
        float even[16] = { 0 }, odd[16] = { 0 };
        for (int k = 0; k < 16; k++) {
            const double p = number(a->half[i][2 * k]), q = number(a->half[i][2 * k + 1]);
            for (int j = 0; j < 16; j++) {
                even[j] = rounded((double)even[j] + p * number(b->half[k][2 * j]));
                odd[j] = rounded((double)odd[j] + q * number(b->half[k][2 * j + 1]));
            }
        }
        for (int j = 0; j < 16; j++) {
            const float both = rounded((double)even[j] + (double)odd[j]);
            c->sum[i][j] = rounded((double)rounded((double)c->sum[i][j]) + (double)both);
        }
    }
}
#endif
