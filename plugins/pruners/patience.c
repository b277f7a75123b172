/* patience.c: stops a trial whose objective has not improved for a number of reports.
 * Looks at the trial alone; early stopping of a training run, but as the study sees it. */
#include <strix/plugin.h>

struct patience { long patience; double min_delta; };

static const sx_param params[] = {
    SX_INT(struct patience, patience, .def = 5, .min = 1, .max = 1000000000,
           .doc = "reports without improvement before the stop"),
    SX_REAL(struct patience, min_delta, .def = 0, .min = 0, .max = 1e300,
            .doc = "what counts as improvement must be more than this"),
    SX_END
};

/* A report that is no number is no improvement. */
static sx_verdict judge(const void *p, const sx_history *h, const sx_trial *self)
{
    const struct patience *set = p;
    double best = INFINITY;
    long waited = 0;
    (void)h;
    for (long i = 0; i < self->steps; i++) {
        const bool better = self->curve[i] < best - (isinf(best) ? 0 : set->min_delta);
        waited = better ? 0 : waited + 1;
        if (better) best = self->curve[i];
    }
    return waited >= set->patience ? SX_STOP : SX_GO;
}

SX_DEFINE(SX_KIND_PRUNER, sx_pruner, patience, params, struct patience,
          .doc = "stops a trial that no longer improves",
          .judge = judge);
SX_PLUGIN("patience", "1.0", "MIT", SX_ITEM(patience));
