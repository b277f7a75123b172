/* targets.c: what a model learns from a history: one number for each trial, good ones spread out, bad ones
 * drawn together. Half of all random nets learn nothing, and a model that has to tell how little learns
 * nothing else. */
#include <string.h>
#include "surrogate.h"

enum { BEST = 150, LATEST = 100, OTHERS = 50 };  /* of a long history */
static const double WORST = 2, SLOPE = 0.5;      /* the best is 0, the median 1 */

static double median(parzen_pool *p, const double *v, long n)
{
    int32_t *order = PARZEN_NEW(p, int32_t, n);
    parzen_sort(p, v, n, order);
    return n ? 0.5 * (v[order[(n - 1) / 2]] + v[order[n / 2]]) : NAN;
}

/* --- One number of each trial; NaN: it has none --- */

static double report_at(const sx_trial *t, long step)
{
    double v = NAN;
    for (long i = 0; i < t->steps && t->step[i] <= step; i++) v = t->curve[i];
    return v;
}

/* What a trial cut short at `step` would still have won, going by those that came to their ends. */
static double gain_after(parzen_pool *p, const targets *t, long step)
{
    double *gain = PARZEN_NEW(p, double, t->n);
    long n = 0;
    for (long i = 0; i < t->n; i++) {
        const sx_trial *o = t->trial[i];
        if (o->fate != SX_DONE || !o->value) continue;
        gain[n] = o->value[0] - report_at(o, step);
        n += isfinite(gain[n]);
    }
    return n ? median(p, gain, n) : 0;
}

static double value_of(parzen_pool *p, const targets *t, const sx_trial *o, int objective)
{
    if (o->fate == SX_DONE) return o->value && isfinite(o->value[objective]) ? o->value[objective] : NAN;
    if ((o->fate != SX_PRUNED && o->fate != SX_PAUSED) || !o->steps || objective) return NAN;
    const double last = o->curve[o->steps - 1];
    return isfinite(last) ? last + gain_after(p, t, o->step[o->steps - 1]) : NAN;
}

/* A paused trial stands in the history again when it goes on: its latest state counts. */
static bool stands_again(const sx_history *h, long i, long done)
{
    if (h->trial[i]->fate != SX_PAUSED) return false;
    for (long k = i + 1; k < done; k++) if (h->trial[k]->number == h->trial[i]->number) return true;
    return false;
}

static targets collect(parzen_pool *p, const sx_history *h, long done)
{
    targets t = { .trial = PARZEN_NEW(p, const sx_trial *, done), .y = PARZEN_NEW(p, double, done) };
    for (long i = 0; i < done; i++) if (!stands_again(h, i, done)) t.trial[t.n++] = h->trial[i];
    return t;
}

/* --- Good ones spread out, bad ones drawn together --- */

/* 0 at the best, 1 at the median, little more however bad. */
static void squash(parzen_pool *p, long n, double *y)
{
    double *known = PARZEN_NEW(p, double, n), best = INFINITY, above = INFINITY;
    long m = 0;
    for (long i = 0; i < n; i++) if (!isnan(y[i])) known[m++] = y[i], best = fmin(best, y[i]);
    double middle = m ? median(p, known, m) : NAN;
    for (long i = 0; i < m; i++) if (known[i] > best) above = fmin(above, known[i]);
    if (!(middle > best)) middle = above;
    for (long i = 0; i < n; i++) {
        const double z = isinf(middle - best) ? 0 : (y[i] - best) / (middle - best);
        y[i] = isnan(y[i]) ? WORST : z > 1 ? fmin(1 + SLOPE * log(z), WORST) : z;
    }
}

static void standardize(targets *t)
{
    double mean = 0, square = 0;
    for (long i = 0; i < t->n; i++) mean += t->y[i] / (double)t->n;
    for (long i = 0; i < t->n; i++) square += (t->y[i] - mean) * (t->y[i] - mean) / (double)t->n;
    const double by = square > 1e-24 ? 1 / sqrt(square) : 1;
    for (long i = 0; i < t->n; i++) t->y[i] = (t->y[i] - mean) * by;
    t->worst = (WORST - mean) * by;
}

/* Several objectives as one: Tchebycheff's, the worst of the weighted ones, and a little of all (Knowles,
 * "ParEGO", 2006). */
static void scalarize(parzen_pool *p, const sx_space *s, targets *t, const double *weight)
{
    double *z = PARZEN_NEW(p, double, t->n), *sum = PARZEN_NEW(p, double, t->n);
    for (long i = 0; i < t->n; i++) t->y[i] = sum[i] = 0;
    for (int j = 0; j < s->objectives; j++) {
        for (long i = 0; i < t->n; i++) z[i] = value_of(p, t, t->trial[i], j);
        squash(p, t->n, z);
        for (long i = 0; i < t->n; i++) {
            t->y[i] = fmax(t->y[i], weight[j] * z[i]);
            sum[i] += 0.05 * weight[j] * z[i];
        }
    }
    for (long i = 0; i < t->n; i++) t->y[i] += sum[i];
}

/* The best, the latest and some in between, all in their order. */
static void thin(parzen_pool *p, targets *t)
{
    if (t->n <= TARGETS_MOST) return;
    int32_t *order = PARZEN_NEW(p, int32_t, t->n);
    bool *keep = PARZEN_NEW(p, bool, t->n);
    const uint64_t key = (uint64_t)t->n / 64;    /* the same ones for a while */
    memset(keep, 0, (size_t)t->n * sizeof *keep);
    parzen_sort(p, t->y, t->n, order);
    for (long i = 0; i < BEST; i++) keep[order[i]] = true;
    for (long i = t->n - LATEST; i < t->n; i++) keep[i] = true;
    for (long i = 0; i < OTHERS; i++) 
        keep[(long)(sx_uniform_of(key, (uint64_t)i) * (double)(t->n - LATEST))] = true;
    long n = 0;
    for (long i = 0; i < t->n; i++) if (keep[i]) t->trial[n] = t->trial[i], t->y[n++] = t->y[i];
    t->n = n;
}

targets targets_of(parzen_pool *p, const sx_space *s, const sx_history *h, long done, const double *weight)
{
    targets t = collect(p, h, done);
    if (s->objectives > 1 && weight) scalarize(p, s, &t, weight);
    else for (long i = 0; i < t.n; i++) t.y[i] = value_of(p, &t, t.trial[i], 0);
    squash(p, t.n, t.y);
    thin(p, &t);
    standardize(&t);
    return t;
}

targets targets_constraint(parzen_pool *p, const sx_history *h, long done, int c)
{
    const targets all = collect(p, h, done);
    targets t = all;
    double *size = PARZEN_NEW(p, double, all.n);
    t.n = 0;
    for (long i = 0; i < all.n; i++) {
        const sx_trial *o = all.trial[i];
        if (!o->constraint || !isfinite(o->constraint[c])) continue;
        t.trial[t.n] = o;
        t.y[t.n] = o->constraint[c];
        size[t.n] = fabs(o->constraint[c]);
        t.n++;
    }
    const double unit = t.n ? median(p, size, t.n) : 1;
    for (long i = 0; i < t.n; i++) t.y[i] = asinh(t.y[i] / (unit > 0 ? unit : 1));
    if (t.n > TARGETS_MOST) {
        const long from = t.n - TARGETS_MOST;    /* the latest */
        t.trial += from, t.y += from, t.n = TARGETS_MOST;
    }
    return t;
}
