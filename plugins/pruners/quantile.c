/* quantile.c: a trial's best report against a percentile of the others' reports at the same step.
 * Verdicts are those of Optuna's PercentilePruner. */
#include "quantile.h"
#include <stdlib.h>

/* Is the latest report the first at or behind a step of judgement? Trials may report every few steps only. */
static bool due(const struct quantile *set, const sx_trial *t)
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

/* Linear between the two nearest of n ascending values, rounded as numpy does. */
static double percentile_of(const double *v, long n, double percentile)
{
    const double at = (double)(n - 1) * percentile / 100;
    const long low = (long)at, high = low + 1 < n ? low + 1 : low;
    const double t = at - (double)low, span = v[high] - v[low];
    if (v[low] == v[high]) return v[low];        /* infinite ones, too */
    return t < 0.5 ? v[low] + span * t : v[high] - span * (1 - t);
}

/* Reports of complete trials at the step; NaN ones count for min_trials, but not for the percentile, as in
 * Optuna. */
static double others_at(const struct quantile *set, const sx_history *h, long step)
{
    double *v = malloc((size_t)(h->n + 1) * sizeof *v), result = NAN;
    long n = 0, found = 0;
    for (long i = 0; v && i < h->n; i++) {
        const sx_trial *t = h->trial[i];
        for (long k = 0; t->fate == SX_DONE && k < t->steps; k++) {
            if (t->step[k] != step) continue;
            found++;
            if (!isnan(t->curve[k])) v[n++] = t->curve[k];
            break;
        }
    }
    if (n > 0 && found >= set->min_trials) {
        qsort(v, (size_t)n, sizeof *v, ascending);
        result = percentile_of(v, n, set->percentile);
    }
    free(v);
    return result;
}

sx_verdict quantile_judge(const struct quantile *set, const sx_history *h, const sx_trial *self)
{
    long complete = 0;
    double best = NAN;
    for (long i = 0; i < h->n; i++) complete += h->trial[i]->fate == SX_DONE;
    if (!complete || complete < set->startup || !self->steps || !due(set, self)) return SX_GO;
    for (long k = 0; k < self->steps; k++) best = fmin(best, self->curve[k]);    /* fmin leaves NaN out */
    if (isnan(best)) return SX_STOP;
    return best > others_at(set, h, self->step[self->steps - 1]) ? SX_STOP : SX_GO;
}
