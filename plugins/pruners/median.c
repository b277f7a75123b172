/* median.c: stops a trial whose best report so far is worse than the median of the others at the same step.
 * Optuna's MedianPruner, same settings and defaults. */
#include "quantile.h"

static const sx_param params[] = { QUANTILE_PARAMS, SX_END };

static sx_verdict judge(const void *p, const sx_history *h, const sx_trial *self)
{
    struct quantile set = *(const struct quantile *)p;
    set.percentile = 50;
    return quantile_judge(&set, h, self);
}

SX_DEFINE(SX_KIND_PRUNER, sx_pruner, median, params, struct quantile,
          .doc = "stops trials worse than the median at their step",
          .judge = judge);
SX_PLUGIN("median", "1.0", "MIT", SX_ITEM(median));
