/* divergence.c: stops a trial that learns nothing: its objective is no number, or still what guessing gives.
 * Half of a wide range of learning rates ends so, and shows it after an epoch or two. */
#include <strix/plugin.h>

struct divergence { long epochs; double margin; };

static const sx_param params[] = {
    SX_INT(struct divergence, epochs, .def = 2, .min = 1, .max = 1e9,
           .doc = "epochs after which a net must do better than guessing"),
    SX_REAL(struct divergence, margin, .def = 0.1, .min = 0, .max = 1,
            .doc = "how much better, as a share of what guessing gives"),
    SX_END
};

/* Where it is not known what guessing gives, only what is no number is stopped. */
static sx_verdict judge(const void *p, const sx_history *h, const sx_trial *self)
{
    const struct divergence *set = p;
    double best = INFINITY;
    if (!self->steps) return SX_GO;
    if (!isfinite(self->curve[self->steps - 1])) return SX_STOP;
    if (h->chance == 0 || self->step[self->steps - 1] < set->epochs) return SX_GO;
    for (long k = 0; k < self->steps; k++) best = fmin(best, self->curve[k]);
    return best < h->chance - set->margin * fabs(h->chance) ? SX_GO : SX_STOP;
}

SX_DEFINE(SX_KIND_PRUNER, sx_pruner, divergence, params, struct divergence,
          .doc = "stops trials that are no better than guessing",
          .judge = judge);
SX_PLUGIN("divergence", "1.0", "MIT", SX_ITEM(divergence));
