/* lhs.c: Latin hypercube sampling: in every axis each slice of its range is used once in `points` trials.
 * Trial n is point n of a design that follows from the seed, so any number of workers share one. */
#include "latin.h"

struct lhs { long points; };

static const sx_param params[] = {
    SX_INT(struct lhs, points, .def = 50, .min = 1, .max = LATIN_MOST,
           .doc = "trials of one design, the study's budget at best; behind them the next design begins"),
    SX_END
};

/* A point that was refused, for it breaks a constraint or repeats one, makes room for one at random. */
static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    const long points = ((const struct lhs *)p)->points, k = sx_rng_trial(r);
    (void)cache;
    *tag = 0;
    if (h->n > h->done && h->trial[h->n - 1]->fate == SX_REFUSED) sx_point_random(s, r, x);
    else latin_point(s, sx_rng_study(r) + (uint64_t)(k / points), points, k % points, x);
    return 0;
}

SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, lhs, params, struct lhs, .doc = "Latin hypercube sampling",
          .ask = ask);
SX_PLUGIN("lhs", "1.0", "MIT", SX_ITEM(lhs));
