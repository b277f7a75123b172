/* bf16.c: bf16 <-> f32, by integers alone, so that denormals and NaN go through wherever arithmetic flushes them. */
#include <string.h>
#include "cpu.h"

SX_FAST void bf16_widen(long n, const uint16_t *restrict x, float *restrict y)
{
    for (long i = 0; i < n; i++) {
        const uint32_t bits = (uint32_t)x[i] << 16;
        memcpy(&y[i], &bits, sizeof bits);
    }
}

/* To the nearest, of two equally near ones to the even one; NaN stays NaN, and quiet. */
SX_FAST void bf16_narrow(long n, const float *restrict x, uint16_t *restrict y)
{
    for (long i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        const uint32_t near = bits + 0x7fff + (bits >> 16 & 1), nan = bits | 0x400000;
        y[i] = (uint16_t)(((int32_t)(bits & 0x7fffffff) > 0x7f800000 ? nan : near) >> 16);
    }
}
