/* thin_kernels.h: the loops of thin.c over a line of pixels; for each set of instructions anew. Pixels or
 * taps times filters are sums in registers. No guard. */
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

/* A vector of which so many are left */
INLINE vec NAME(part)(const float *p, long left)
{
    return left >= W ? LOAD(p) : left > 0 ? LOADN(p, left) : SPLAT(0);
}
INLINE void NAME(put)(vec v, long left, float *p)
{
    if (left >= W) STORE(p, v);
    else if (left > 0) STOREN(p, v, left);
}

/* n pixels from `at` on, `vecs` vectors of filters from k on */
INLINE void NAME(results)(const int n, const int vecs, const span *s, long at, long k)
{
    vec a[MANY][2];
#pragma GCC unroll 12
    for (int i = 0; i < n; i++) a[i][0] = a[i][1] = SPLAT(0);
    const long step = s->step, lanes = s->lanes;
    const float *u = s->u + k, *x = s->x + at * step;
    for (long t = 0; t < s->taps; t++, u += lanes) {
        const vec u0 = LOAD(u), u1 = vecs > 1 ? LOAD(u + W) : u0;
        const float *p = x + s->off[t];
#pragma GCC unroll 12
        for (int i = 0; i < n; i++, p += step) {
            const vec b = SPLAT(*p);
            a[i][0] = FMA(b, u0, a[i][0]);
            if (vecs > 1) a[i][1] = FMA(b, u1, a[i][1]);
        }
    }
    const long left = s->k - k;
    const vec low = SPLAT(s->low), b0 = s->bias ? NAME(part)(s->bias + k, left) : SPLAT(0),
              b1 = s->bias && vecs > 1 ? NAME(part)(s->bias + k + W, left - W) : SPLAT(0);
    float *y = s->y + at * s->k + k;
#pragma GCC unroll 12
    for (int i = 0; i < n; i++, y += s->k) {
        NAME(put)(MAX(low, a[i][0] + b0), left, y);
        if (vecs > 1) NAME(put)(MAX(low, a[i][1] + b1), left - W, y + W);
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
        if (s->k - k > W) NAME(filters)(2, s, k);
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
        const vec d0 = NAME(part)(y, left), d1 = vecs > 1 ? NAME(part)(y + W, left - W) : d0;
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
        if (s->k - k > W) NAME(taps)(2, s, k);
        else NAME(taps)(1, s, k);
}
