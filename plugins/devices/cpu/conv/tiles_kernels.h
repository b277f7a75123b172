/* tiles_kernels.h: the loops of tiles.c, once for the matrix unit and once for its twin. Two by two tiles of
 * sums at a time: four products for four tiles loaded. No guard. */
#include "tiles_unit.h"

#undef TILED_INLINE
#define TILED_INLINE static inline __attribute__((always_inline)) TILED

/* 32 positions from `at` on by the filters of a panel, 16 of which (half) may not be there */
TILED_INLINE void NAME(windows)(const bool half, const tile_strip *s, long at, const uint16_t *u)
{
    const long pixel = s->pixel * (long)sizeof *s->x;
    TILE_ZERO(0);
    TILE_ZERO(2);
    if (!half) {
        TILE_ZERO(1);
        TILE_ZERO(3);
    }
    for (long t = 0; t < s->taps; t++) {
        const uint16_t *x = s->x + (at + s->off[t]) * s->pixel;
        for (long b = 0; b < s->blocks; b++, x += DEPTH_T, u += 2 * SIDE_T * DEPTH_T) {
            TILE_LOAD(4, x, pixel);
            TILE_LOAD(6, u, 64);
            TILE_DOT(0, 4, 6);
            TILE_LOAD(5, x + SIDE_T * s->pixel, pixel);
            TILE_DOT(2, 5, 6);
            if (half) continue;
            TILE_LOAD(7, u + SIDE_T * DEPTH_T, 64);
            TILE_DOT(1, 4, 7);
            TILE_DOT(3, 5, 7);
        }
    }
    TILE_STORE(0, s->c, PAIR_T * sizeof *s->c);
    TILE_STORE(2, s->c + SIDE_T * PAIR_T, PAIR_T * sizeof *s->c);
    if (half) return;
    TILE_STORE(1, s->c + SIDE_T, PAIR_T * sizeof *s->c);
    TILE_STORE(3, s->c + SIDE_T * PAIR_T + SIDE_T, PAIR_T * sizeof *s->c);
}

INLINE void NAME(filters)(const tile_strip *s, const float *c, long k, float *y)
{
    const vec low = SPLAT(s->low);
    const long n = s->k - k < PAIR_T ? s->k - k : PAIR_T;
    for (long f = 0; f < n; f += W) {
        const long left = n - f;
        vec v = LOAD(c + f);
        if (s->bias) v += left < W ? LOADN(s->bias + k + f, left) : LOAD(s->bias + k + f);
        v = MAX(low, v);
        if (left < W) STOREN(y + k + f, v, left);
        else STORE(y + k + f, v);
    }
}

/* Of 32 positions, those that are wanted */
INLINE void NAME(wanted)(const tile_strip *s, long at, long k)
{
    long v = s->first + at / s->wide, j = at % s->wide;
    const long n = s->n - at < PAIR_T ? s->n - at : PAIR_T;
    long i = v % s->high, line = v / s->high * s->oh + i - s->line;
    for (long p = 0; p < n; p++) {
        if (j < s->ow && i < s->oh) NAME(filters)(s, s->c + p * PAIR_T, k, s->y + (line * s->ow + j) * s->k);
        if (++j < s->wide) continue;
        j = 0, i++, line++;
        if (i == s->high) i = 0, line += s->oh - s->high;
    }
}

TILED static void NAME(forward)(const tile_strip *s)
{
    const uint16_t *u = s->u;
    TILES_OPEN();
    for (long k = 0; k < s->k; k += PAIR_T, u += s->taps * s->blocks * 2 * SIDE_T * DEPTH_T)
        for (long at = 0; at < s->n; at += PAIR_T) {
            if (s->k - k <= SIDE_T) NAME(windows)(true, s, at, u);
            else NAME(windows)(false, s, at, u);
            NAME(wanted)(s, at, k);
        }
    TILES_CLOSE();
}

/* 32 channels by 32 filters of a tap, or 16 where the others are not there */
TILED_INLINE void NAME(sums)(const bool channels, const bool filters, const tile_sums *s, long c, long k,
                             long tap)
{
    const long ldx = s->ldx * (long)sizeof *s->x, ldy = s->filters * 2 * (long)sizeof *s->dy,
               lds = s->filters * (long)sizeof *s->sums;
    const uint16_t *x = s->x + c * s->ldx + s->off[tap], *dy = s->dy + 2 * k;
    float *to = s->sums + (tap * s->channels + c) * s->filters + k;
    TILE_LOAD(0, to, lds);
    if (filters) TILE_LOAD(1, to + SIDE_T, lds);
    if (channels) TILE_LOAD(2, to + SIDE_T * s->filters, lds);
    if (channels && filters) TILE_LOAD(3, to + SIDE_T * s->filters + SIDE_T, lds);
    for (long i = 0; i < s->steps; i++, x += DEPTH_T, dy += DEPTH_T * s->filters) {
        TILE_LOAD(4, x, ldx);
        TILE_LOAD(6, dy, ldy);
        TILE_DOT(0, 4, 6);
        if (filters) {
            TILE_LOAD(7, dy + 2 * SIDE_T, ldy);
            TILE_DOT(1, 4, 7);
        }
        if (!channels) continue;
        TILE_LOAD(5, x + SIDE_T * s->ldx, ldx);
        TILE_DOT(2, 5, 6);
        if (filters) TILE_DOT(3, 5, 7);
    }
    TILE_STORE(0, to, lds);
    if (filters) TILE_STORE(1, to + SIDE_T, lds);
    if (channels) TILE_STORE(2, to + SIDE_T * s->filters, lds);
    if (channels && filters) TILE_STORE(3, to + SIDE_T * s->filters + SIDE_T, lds);
}

TILED static void NAME(gradient)(const tile_sums *s)
{
    TILES_OPEN();
    for (long c = s->from[0] * PAIR_T; c < s->end[0] * PAIR_T; c += PAIR_T)
        for (long k = s->from[1] * PAIR_T; k < s->end[1] * PAIR_T; k += PAIR_T) {
            const bool channels = s->c - c > SIDE_T, filters = s->k - k > SIDE_T;
            for (long t = s->from[2]; t < s->end[2]; t++)
                if (channels && filters) NAME(sums)(true, true, s, c, k, t);
                else if (channels) NAME(sums)(true, false, s, c, k, t);
                else if (filters) NAME(sums)(false, true, s, c, k, t);
                else NAME(sums)(false, false, s, c, k, t);
        }
    TILES_CLOSE();
}
