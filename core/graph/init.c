/* init.c: the numbers that weights and states start with, by the formulas and names of Keras 3.
 * Each is a function of the tensor's key alone, so that one seed gives one net on every device. */
#include "graph.h"
#include <string.h>

enum { GLOROT, HE, LECUN };
static const struct { const char *name; int fan; bool normal; } spread[] = {
    { "glorot_uniform", GLOROT, false }, { "glorot_normal", GLOROT, true }, { "he_uniform", HE, false },
    { "he_normal", HE, true }, { "lecun_uniform", LECUN, false }, { "lecun_normal", LECUN, true },
};
enum { SPREADS = sizeof spread / sizeof *spread };

static int find(const char *init)
{
    for (int i = 0; i < SPREADS; i++) if (strcmp(spread[i].name, init) == 0) return i;
    return -1;
}

bool sx_init_known(const char *init)
{
    return init && (strcmp(init, "zeros") == 0 || strcmp(init, "ones") == 0 || find(init) >= 0);
}

/* Variance of an element: scale / fan. Shapes are [out, window.., in]. */
static double variance(const sx_val *v, int fan)
{
    double field = 1;
    for (int i = 1; i + 1 < v->rank; i++) field *= (double)v->shape[i];
    const double in = v->rank > 1 ? (double)v->shape[v->rank - 1] * field : (double)v->shape[0];
    const double out = (double)v->shape[0] * (v->rank > 1 ? field : 1);
    return fan == GLOROT ? 2 / (in + out) : fan == HE ? 2 / in : 1 / in;
}

/* Normal numbers beyond 2 deviations are drawn again from the next stream; Keras divides by the deviation
 * that is left. */
static void truncated(sx_key key, long from, long n, double deviation, float *out)
{
    const float to = (float)(deviation / 0.87962566103423978);
    sx_normal_fill(key, 0, (uint64_t)from, n, out);
    for (long i = 0; i < n; i++) {
        float pair[2];
        for (uint32_t step = 1; fabsf(out[i]) > 2; step++) {
            sx_normal_fill(key, step, (uint64_t)(from + (i & ~1L)), 2, pair);
            out[i] = pair[i & 1];
        }
        out[i] *= to;
    }
}

void sx_init_fill(const sx_val *v, long from, long n, float *out)
{
    const int kind = v->init ? find(v->init) : -1;
    if (kind < 0) {
        const float fill = v->init ? strcmp(v->init, "ones") == 0 : v->fill;
        for (long i = 0; i < n; i++) out[i] = fill;
        return;
    }
    const double var = variance(v, spread[kind].fan);
    if (spread[kind].normal) { truncated(v->key, from, n, sqrt(var), out); return; }
    const float limit = (float)sqrt(3 * var);
    sx_uniform_fill(v->key, 0, (uint64_t)from, n, out);
    for (long i = 0; i < n; i++) out[i] = limit * (2 * out[i] - 1);
}
