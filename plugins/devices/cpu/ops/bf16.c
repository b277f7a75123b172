/* bf16.c: bf16 <-> f32, by integers, so that denormals go through where arithmetic flushes them. */
#include <string.h>
#include "cpu.h"

SX_FAST static void widen(long n, const uint16_t *restrict x, float *restrict y)
{
    for (long i = 0; i < n; i++) {
        const uint32_t bits = (uint32_t)x[i] << 16;
        memcpy(&y[i], &bits, sizeof bits);
    }
}

SX_FAST static void narrow(long n, const float *restrict x, uint16_t *restrict y)
{
    for (long i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        const uint32_t near = bits + 0x7fff + (bits >> 16 & 1), nan = bits | 0x400000;
        const uint32_t rounded = x[i] != x[i] ? nan : near;
        y[i] = (uint16_t)(rounded >> 16);
    }
}

void bf16_widen(long n, const uint16_t *x, float *y) { widen(n, x, y); }
void bf16_narrow(long n, const float *x, uint16_t *y) { narrow(n, x, y); }
