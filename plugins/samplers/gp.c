/* gp.c: search by Gaussian processes and the logarithm of expected improvement, which serves a study of some
 * hundred costly trials best. docs/search.md tells how it treats failed, pruned and running trials. */
#include "part.h"
#include "surrogate/surrogate.h"

struct gp { long startup; };

static const sx_param params[] = {
    SX_INT(struct gp, startup, .def = 10, .min = 1, .max = 10000,
           .doc = "points of a Latin hypercube before the first model"),
    SX_END
};

static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    const struct gp *set = p;
    suggester *own = cache ? NULL : suggester_open(&gaussian, s);
    const int rc = suggester_ask(cache ? cache : own, set->startup, s, h, r, x);
    *tag = 0;
    suggester_close(own);
    return rc;
}

static void *open(const void *p, const sx_space *s) { return (void)p, suggester_open(&gaussian, s); }
static void close(void *cache) { suggester_close(cache); }

SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, gp, params, struct gp, .open = open, .close = close, .ask = ask,
          .doc = "Gaussian processes and expected improvement");
SAMPLER_PLUGIN(gp, "1.0");
