/* median.c: stops a trial whose best report so far is worse than the median of the others at the same step.
 * Optuna's MedianPruner, same settings and defaults. */
#include <stdlib.h>
#include <strix/plugin.h>

struct median { long startup, warmup, interval, min_trials; };

static const sx_param params[] = {
    SX_INT(struct median, startup, .def = 5, .min = 0, .max = 1e9,
           .doc = "complete trials before the first stop"),
    SX_INT(struct median, warmup, .def = 0, .min = 0, .max = 1e9, .doc = "steps that every trial may run"),
    SX_INT(struct median, interval, .def = 1, .min = 1, .max = 1e9,
           .doc = "steps from one judgement to the next, counted from the warmup"),
    SX_INT(struct median, min_trials, .def = 1, .min = 1, .max = 1e9,
           .doc = "complete trials that must have a report of the step"),
    SX_END
};

/* Is the latest report the first at or behind a step of judgement? Trials may report every few steps only. */
static bool due(const struct median *set, const sx_trial *t)
{
    const long step = t->step[t->steps - 1];
    if (step < set->warmup) return false;
    const long judged = (step - set->warmup) / set->interval * set->interval + set->warmup;
    return t->steps < 2 || t->step[t->steps - 2] < judged;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Reports of complete trials at the step; NaN ones count for min_trials, but not for the median, as in
 * Optuna. */
static double median_at(const sx_history *h, long step, long min_trials)
{
    double *v = malloc((size_t)(h->n + 1) * sizeof *v), median = NAN;
    long n = 0, found = 0;
    for (long i = 0; v && i < h->n; i++) {
        const sx_trial *t = h->trial[i];
        for (long k = 0; t->fate == SX_DONE && k < t->steps; k++) {
            if (t->step[k] != step) continue;
            found++;
            if (!isnan(t->curve[k])) v[n++] = t->curve[k];
        }
    }
    if (n > 0 && found >= min_trials) {
        qsort(v, (size_t)n, sizeof *v, ascending);
        median = n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
    }
    free(v);
    return median;
}

static sx_verdict judge(const void *p, const sx_history *h, const sx_trial *self)
{
    const struct median *set = p;
    long complete = 0;
    double best = NAN;
    for (long i = 0; i < h->n; i++) complete += h->trial[i]->fate == SX_DONE;
    if (!complete || complete < set->startup || !self->steps || !due(set, self)) return SX_GO;
    for (long k = 0; k < self->steps; k++) best = fmin(best, self->curve[k]);    /* fmin leaves NaN out */
    if (isnan(best)) return SX_STOP;
    return best > median_at(h, self->step[self->steps - 1], set->min_trials) ? SX_STOP : SX_GO;
}

SX_DEFINE(SX_KIND_PRUNER, sx_pruner, median, params, struct median,
          .doc = "stops trials worse than the median at their step",
          .judge = judge);
SX_PLUGIN("median", "1.0", "MIT", SX_ITEM(median));
