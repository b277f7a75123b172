/* percentile.c: stops a trial that is not among the best share of the others at the same step.
 * Optuna's PercentilePruner, same settings. */
#include "quantile.h"

static const sx_param params[] = {
    SX_REAL(struct quantile, percentile, .def = 25, .min = 0, .max = 100,
            .doc = "share of the trials, the best ones, that goes on"),
    QUANTILE_PARAMS,
    SX_END
};

static sx_verdict judge(const void *p, const sx_history *h, const sx_trial *self)
{
    return quantile_judge(p, h, self);
}

SX_DEFINE(SX_KIND_PRUNER, sx_pruner, percentile, params, struct quantile,
          .doc = "stops trials outside the best share at their step",
          .judge = judge);
SX_PLUGIN("percentile", "1.0", "MIT", SX_ITEM(percentile));
