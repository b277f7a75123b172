/* direct.c: what convolutions summed straight from their images (thin.c, depthwise.c) share: weights and sums
 * in lines of filters. */
#include <string.h>
#include "conv.h"

long direct_taps(const geometry *g) { return g->r * g->s * (g->c / g->groups); }
long direct_lanes(const geometry *g)
{
    enum { LANES = 16 };                         /* floats of the longest vector */
    return ceil_div(g->k, LANES) * LANES;
}
size_t direct_weights(const geometry *g)
{
    return (size_t)(direct_taps(g) * direct_lanes(g)) * sizeof(float);
}

/* Few weights, for one thread */
void direct_prepare(pool *p, const geometry *g, bool back, const float *w, void *to)
{
    (void)p, (void)back;
    const long taps = direct_taps(g), lanes = direct_lanes(g);
    float *u = to;
    memset(u, 0, direct_weights(g));
    for (long k = 0; k < g->k; k++)
        for (long t = 0; t < taps; t++) u[t * lanes + k] = w[k * taps + t];
}

void direct_join(pool *p, const geometry *g, cpu_isa most, long groups, size_t partial, float *sums,
                 float *dw)
{
    (void)p, (void)most;
    const long taps = direct_taps(g), lanes = direct_lanes(g), each = (long)(partial / sizeof *sums);
    for (long i = 1; i < groups; i++)
        for (long j = 0; j < taps * lanes; j++) sums[j] += sums[i * each + j];
    for (long k = 0; k < g->k; k++)
        for (long t = 0; t < taps; t++) dw[k * taps + t] = sums[t * lanes + k];
}
