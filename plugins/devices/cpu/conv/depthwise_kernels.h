/* depthwise_kernels.h: the loops of depthwise.c over pixels that see the same taps; for each set of
 * instructions anew. No guard. */
#include "vector.h"

/* n pixels from `at` on, `vecs` vectors of filters from k on; part: of the vector so many filters, 0: all */
INLINE void NAME(results)(const int n, const int vecs, const span *s, long at, long k, const long part)
{
    vec a[MANY][2];
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) a[i][0] = a[i][1] = SPLAT(0);
    for (long t = 0; t < s->taps; t++) {
        const float *u = s->u + s->weight[t] + k, *x = s->x + s->off[t] + at * s->in + k;
        const vec u0 = LOAD(u), u1 = vecs > 1 ? LOAD(u + W) : u0;
#pragma GCC unroll 4
        for (int i = 0; i < n; i++, x += s->in) {
            a[i][0] = FMA(part ? LOADN(x, part) : LOAD(x), u0, a[i][0]);
            if (vecs > 1) a[i][1] = FMA(LOAD(x + W), u1, a[i][1]);
        }
    }
    const float *bias = s->bias ? s->bias + k : NULL;
    const vec low = SPLAT(s->low), b0 = !bias ? SPLAT(0) : part ? LOADN(bias, part) : LOAD(bias),
              b1 = bias && vecs > 1 ? LOAD(bias + W) : SPLAT(0);
    float *y = s->y + at * s->out + k;
#pragma GCC unroll 4
    for (int i = 0; i < n; i++, y += s->out) {
        const vec z = MAX(low, a[i][0] + b0);
        if (part) STOREN(y, z, part);
        else STORE(y, z);
        if (vecs > 1) STORE(y + W, MAX(low, a[i][1] + b1));
    }
}

INLINE void NAME(pixels)(const int n, const span *s, long at)
{
    long k = 0;
    for (; k + 2 * W <= s->k; k += 2 * W) NAME(results)(n, 2, s, at, k, 0);
    for (; k + W <= s->k; k += W) NAME(results)(n, 1, s, at, k, 0);
    if (k < s->k) NAME(results)(n, 1, s, at, k, s->k - k);
}

TARGET static void NAME(forward)(const span *s)
{
    long i = 0;
    for (; i + MANY <= s->n; i += MANY) NAME(pixels)(MANY, s, i);
    for (; i < s->n; i++) NAME(pixels)(1, s, i);
}

/* Sums of `taps` taps from t on, of a vector of filters from k on */
INLINE void NAME(sums)(const int taps, const span *s, long t, long k, const long part)
{
    vec a[GROUP];
    long off[GROUP];
#pragma GCC unroll 9
    for (int i = 0; i < taps; i++) {
        a[i] = SPLAT(0);
        off[i] = s->off[t + i] + k;
    }
    const float *x = s->x, *dy = s->dy + k;
    for (long j = 0; j < s->n; j++, x += s->in, dy += s->out) {
        const vec d = part ? LOADN(dy, part) : LOAD(dy);
#pragma GCC unroll 9
        for (int i = 0; i < taps; i++) a[i] = FMA(part ? LOADN(x + off[i], part) : LOAD(x + off[i]), d, a[i]);
    }
#pragma GCC unroll 9
    for (int i = 0; i < taps; i++) {
        float *o = s->sums + s->weight[t + i] + k;
        STORE(o, LOAD(o) + a[i]);
    }
}

INLINE void NAME(taps)(const span *s, long k, const long part)
{
    long t = 0;
    for (; t + GROUP <= s->taps; t += GROUP) NAME(sums)(GROUP, s, t, k, part);
    for (; t + 3 <= s->taps; t += 3) NAME(sums)(3, s, t, k, part);
    for (; t < s->taps; t++) NAME(sums)(1, s, t, k, part);
}

TARGET static void NAME(gradient)(const span *s)
{
    long k = 0;
    for (; k + W <= s->k; k += W) NAME(taps)(s, k, 0);
    if (k < s->k) NAME(taps)(s, k, s->k - k);
}
