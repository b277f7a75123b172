/* random.c: random search: every axis by its own prior, parents first.
 * The baseline that every other sampler has to beat, and the shortest sampler there is. */
#include <strix/plugin.h>

static int ask(const void *params, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    (void)params, (void)cache, (void)h;
    *tag = 0;
    sx_point_random(s, r, x);
    return 0;
}

SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, random, SX_NO_PARAMS, sx_no_params,
          .doc = "random search by the axes' priors", .ask = ask);
SX_PLUGIN("random", "1.0", "MIT", SX_ITEM(random));
