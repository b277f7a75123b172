/* thin_kernels.h: the loops of thin.c over a line of pixels; for each set of instructions anew. Pixels or taps
 * times filters are sums in registers. No guard. */
#include "vector.h"
#undef MANY
#undef FEW
#undef GROUP
#if LEVEL == 2
#define MANY 12                                  /* pixels times 2 vectors, as much as registers hold */
#define FEW 4
#define GROUP 9                                  /* taps times 2 vectors */
#else
#define MANY 6
#define FEW 2
#define GROUP 6
#endif

/* n pixels from `at` on, `vecs` vectors of filters from k on */
INLINE void NAME(results)(const int n, const int vecs, const span *s, long at, long k)
{
    vec a[MANY][2];
#pragma GCC unroll 12
    for (int i = 0; i < n; i++) a[i][0] = a[i][1] = SPLAT(0);
    const float *u = s->u + k, *x = s->x + at * s->step;
    for (long t = 0; t < s->taps; t++, u += s->lanes) {
        const vec u0 = LOAD(u), u1 = vecs > 1 ? LOAD(u + W) : u0;
        const float *p = x + s->off[t];
#pragma GCC unroll 12
        for (int i = 0; i < n; i++) {
            const vec b = SPLAT(p[i * s->step]);
            a[i][0] = FMA(b, u0, a[i][0]);
            if (vecs > 1) a[i][1] = FMA(b, u1, a[i][1]);
        }
    }
    float *y = s->y + at * s->k + k;
    const long left = s->k - k;
#pragma GCC unroll 12
    for (int i = 0; i < n; i++, y += s->k) {
        if (left >= W) STORE(y, a[i][0]);
        else STOREN(y, a[i][0], left);
        if (vecs > 1 && left >= 2 * W) STORE(y + W, a[i][1]);
        else if (vecs > 1 && left > W) STOREN(y + W, a[i][1], left - W);
    }
}

INLINE void NAME(filters)(const int vecs, const span *s, long k)
{
    long i = 0;
    for (; i + MANY <= s->n; i += MANY) NAME(results)(MANY, vecs, s, i, k);
    for (; i + FEW <= s->n; i += FEW) NAME(results)(FEW, vecs, s, i, k);
    for (; i < s->n; i++) NAME(results)(1, vecs, s, i, k);
}

TARGET static void NAME(forward)(const span *s)
{
    for (long k = 0; k < s->k; k += 2 * W)
        if (s->lanes - k >= 2 * W) NAME(filters)(2, s, k);
        else NAME(filters)(1, s, k);
}

/* Sums of `taps` taps from t on */
INLINE void NAME(sums)(const int taps, const int vecs, const span *s, long t, long k)
{
    vec a[GROUP][2];
    const float *x = s->x, *y = s->dy + k;
    const long left = s->k - k, step = s->step;
    long off[GROUP];
#pragma GCC unroll 9
    for (int i = 0; i < taps; i++) {
        a[i][0] = a[i][1] = SPLAT(0);
        off[i] = s->off[t + i];
    }
    for (long j = 0; j < s->n; j++, x += step, y += s->k) {
        const vec d0 = left >= W ? LOAD(y) : LOADN(y, left);
        const vec d1 = vecs < 2 || left <= W ? SPLAT(0) : left >= 2 * W ? LOAD(y + W) : LOADN(y + W, left - W);
#pragma GCC unroll 9
        for (int i = 0; i < taps; i++) {
            const vec b = SPLAT(x[off[i]]);
            a[i][0] = FMA(b, d0, a[i][0]);
            if (vecs > 1) a[i][1] = FMA(b, d1, a[i][1]);
        }
    }
    float *o = s->sums + t * s->lanes + k;
#pragma GCC unroll 9
    for (int i = 0; i < taps; i++, o += s->lanes) {
        STORE(o, LOAD(o) + a[i][0]);
        if (vecs > 1) STORE(o + W, LOAD(o + W) + a[i][1]);
    }
}

INLINE void NAME(taps)(const int vecs, const span *s, long k)
{
    long t = 0;
    for (; t + GROUP <= s->taps; t += GROUP) NAME(sums)(GROUP, vecs, s, t, k);
    for (; t + 3 <= s->taps; t += 3) NAME(sums)(3, vecs, s, t, k);
    for (; t < s->taps; t++) NAME(sums)(1, vecs, s, t, k);
}

TARGET static void NAME(gradient)(const span *s)
{
    for (long k = 0; k < s->k; k += 2 * W)
        if (s->lanes - k >= 2 * W) NAME(taps)(2, s, k);
        else NAME(taps)(1, s, k);
}
