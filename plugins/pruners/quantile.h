/* quantile.h: a trial against the others at its step, for the pruners that differ in the share they let go
 * on. */
#ifndef QUANTILE_H
#define QUANTILE_H
#include <strix/plugin.h>

struct quantile { double percentile; long startup, warmup, interval, min_trials; };
#define QUANTILE_PARAMS \
    SX_INT(struct quantile, startup, .def = 5, .min = 0, .max = 1e9, \
           .doc = "complete trials before the first stop"), \
    SX_INT(struct quantile, warmup, .def = 0, .min = 0, .max = 1e9, \
           .doc = "steps that every trial may run"), \
    SX_INT(struct quantile, interval, .def = 1, .min = 1, .max = 1e9, \
           .doc = "steps from one judgement to the next, counted from the warmup"), \
    SX_INT(struct quantile, min_trials, .def = 1, .min = 1, .max = 1e9, \
           .doc = "complete trials that must have a report of the step")

/* Stops a trial whose best report so far is worse than that percentile of the complete trials at its step. */
sx_verdict quantile_judge(const struct quantile *set, const sx_history *h, const sx_trial *self);
#endif
