/* forest.c: search by a random forest and expected improvement: for spaces of steps, cliffs and conditions.
 * docs/search.md tells how it treats failed, pruned and running trials. */
#include "part.h"
#include "surrogate/surrogate.h"

struct forest { long startup; };

static const sx_param params[] = {
    SX_INT(struct forest, startup, .def = 10, .min = 1, .max = 10000,
           .doc = "points of a Latin hypercube before the first model"),
    SX_END
};

static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    const struct forest *set = p;
    suggester *own = cache ? NULL : suggester_open(&forest, s);
    const int rc = suggester_ask(cache ? cache : own, set->startup, s, h, r, x);
    *tag = 0;
    suggester_close(own);
    return rc;
}

static void *open(const void *p, const sx_space *s) { return (void)p, suggester_open(&forest, s); }
static void close(void *cache) { suggester_close(cache); }

SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, forest, params, struct forest, .open = open, .close = close,
          .ask = ask, .doc = "random forest and expected improvement");
SAMPLER_PLUGIN(forest, "1.0");
