/* importance.c: PED-ANOVA, and the order of axes by importance. Each axis becomes a grid of at most 50 cells;
 * a density on it is a mixture of a kernel for each cell that was tried and one as wide as the axis. */
#include "importance.h"
#include <stdlib.h>
#include <string.h>

enum { CELLS = 50 };
static const double TARGET = 0.1;                /* the best tenth against all */

/* --- An axis as a grid --- */

static double place(const sx_axis *a, double x) { return a->log ? log(x) : x; }

/* Normal axes have no ends: those of the values that were tried. */
static void reach(const sx_told *t, const sx_axis *a, int at, double *low, double *high)
{
    *low = a->kind == SX_AXIS_NORMAL ? INFINITY : sx_axis_snap(a, a->low);
    *high = a->kind == SX_AXIS_NORMAL ? -INFINITY : sx_axis_snap(a, a->high);
    for (long i = 0; i < t->n && a->kind == SX_AXIS_NORMAL; i++) {
        const double x = t->x[i][at];
        if (isnan(x)) continue;
        *low = fmin(*low, x);
        *high = fmax(*high, x);
    }
}

sx_grid sx_importance_grid(const sx_told *t, int at)
{
    const sx_axis *a = t->space->axis[at];
    double low, high;
    reach(t, a, at, &low, &high);
    if (a->kind == SX_AXIS_CHOICE) return (sx_grid){ a, at, (long)a->high + 1, 0, 1 };
    const double step = a->step > 0 ? a->step : a->whole ? 1 : 0;
    double cells = CELLS;
    if (a->log && a->whole) cells = ceil(log2(high - low + 1)) + 1;
    else if (step > 0 && !a->log) cells = nearbyint((high - low) / step) + 1;
    const long n = !(low < high) ? 1 : cells < CELLS ? (long)cells : CELLS;
    const double from = place(a, low), width = n > 1 ? (place(a, high) - from) / (double)(n - 1) : 1;
    return (sx_grid){ a, at, n, from, width };
}

double sx_importance_place(const sx_grid *g, double x) { return (place(g->axis, x) - g->low) / g->width; }

static long cell_of(const sx_grid *g, double x)
{
    const double k = ceil(sx_importance_place(g, x) - 0.5);
    return k > 0 ? (k < (double)g->cells ? (long)k : g->cells - 1) : 0;
}

/* --- Densities on a grid --- */

/* Mass of a normal law between a and b, cut off nowhere. */
static double mass(double a, double b)
{
    if (a > 0) return 0.5 * (erfc(a * M_SQRT1_2) - erfc(b * M_SQRT1_2));
    return 0.5 * (erfc(-b * M_SQRT1_2) - erfc(-a * M_SQRT1_2));
}

static void add_normal(double *p, long cells, double mu, double sigma, double weight)
{
    const double all = mass((-0.5 - mu) / sigma, ((double)cells - 0.5 - mu) / sigma);
    for (long k = 0; k < cells; k++)
        p[k] += weight * mass(((double)k - 0.5 - mu) / sigma, ((double)k + 0.5 - mu) / sigma) / all;
}

/* The first cell up to which more than `count` values lie (or just as many). */
static long quantile(const double *n, long cells, double count, bool more)
{
    double sum = 0;
    long last = 0;
    for (long k = 0; k < cells; k++) {
        if (!(n[k] > 0)) continue;
        sum += n[k];
        last = k;
        if (more ? sum > count : sum >= count) return k;
    }
    return last;
}

/* Scott's rule, with the distance of the quartiles where that is less; at least a third of a cell. */
static double bandwidth(const double *n, long cells, double all)
{
    double mean = 0, square = 0;
    for (long k = 0; k < cells; k++) mean += n[k] * (double)k / all;
    for (long k = 0; k < cells; k++) square += n[k] * ((double)k - mean) * ((double)k - mean);
    const double deviation = sqrt(square / fmax(1, all - 1));
    const double quartiles = (double)(quantile(n, cells, floor(0.75 * all), true) -
                                      quantile(n, cells, floor(0.25 * all), false));
    return fmax(1.059 * fmin(quartiles / 1.34, deviation) * pow(all, -0.2), 0.5 / 1.64);
}

static void numeric_density(const double *n, long cells, double all, double *p)
{
    const double sigma = bandwidth(n, cells, all);
    for (long k = 0; k < cells; k++)
        if (n[k] > 0) add_normal(p, cells, (double)k, sigma, n[k] / (all + 1));
    add_normal(p, cells, (double)(cells - 1) / 2, (double)cells, 1 / (all + 1));
}

/* A kernel is its own option and a little of every one: 1 against 1 / kernels. */
static void choice_density(const double *n, long cells, double all, double *p)
{
    double kernels = 1;
    for (long k = 0; k < cells; k++) kernels += n[k] > 0;
    const double other = 1 / kernels, sum = 1 + other * (double)cells;
    for (long k = 0; k < cells; k++)
        p[k] = (n[k] + all * other) / sum / (all + 1) + 1 / (all + 1) / (double)cells;
}

/* Of the trials that are `in` (NULL: all) and have the axis; returns how many. */
static double density(sx_arena *a, const sx_told *t, const sx_grid *g, const bool *in, double **out)
{
    double *n = sx_alloc_array(a, (size_t)g->cells, sizeof *n), all = 0;
    *out = sx_alloc_array(a, (size_t)g->cells, sizeof **out);
    for (long i = 0; i < t->n; i++) {
        if ((in && !in[i]) || isnan(t->x[i][g->at])) continue;
        n[cell_of(g, t->x[i][g->at])]++;
        all++;
    }
    if (!(all > 0)) return 0;
    if (g->axis->kind == SX_AXIS_CHOICE) choice_density(n, g->cells, all, *out);
    else numeric_density(n, g->cells, all, *out);
    return all;
}

/* --- PED-ANOVA --- */

static int by_value(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Marks the best tenth and what equals its last; returns how many. */
static long best_tenth(sx_arena *a, const sx_told *t, bool *in)
{
    double *y = sx_dup(a, t->y, (size_t)t->n * sizeof *y);
    long kept = 0;
    qsort(y, (size_t)t->n, sizeof *y, by_value);
    const double last = y[(long)ceil(TARGET * (double)t->n) - 1];
    for (long i = 0; i < t->n; i++) kept += in[i] = t->y[i] <= last;
    return kept;
}

static double pearson(sx_arena *a, const sx_told *t, int at, const bool *best, long kept)
{
    const sx_grid g = sx_importance_grid(t, at);
    double *p, *q, sum = 0;
    if (g.cells < 2) return 0;
    const double in_best = density(a, t, &g, best, &p), in_all = density(a, t, &g, NULL, &q);
    if (in_all < 2 || !(in_best > 0)) return 0;
    for (long k = 0; k < g.cells; k++) {
        const double all = q[k] + 1e-12, off = (p[k] + 1e-12) / all - 1;
        sum += all * off * off;
    }
    const double alpha = in_best / (double)kept, beta = in_all / (double)t->n;
    return alpha * alpha / beta * sum;
}

void sx_importance_ped(sx_arena *a, const sx_told *t, double *raw)
{
    bool *best = sx_alloc_array(a, (size_t)t->n, sizeof *best);
    const long kept = best_tenth(a, t, best);
    for (int i = 0; i < t->space->n; i++) raw[i] = pearson(a, t, i, best, kept);
}

/* --- The order --- */

static int by_share(const void *x, const void *y)
{
    const sx_importance *a = x, *b = y;
    const double s = isnan(a->share) ? -1 : a->share, r = isnan(b->share) ? -1 : b->share;
    return s != r ? (s < r) - (s > r) : (a->axis > b->axis) - (a->axis < b->axis);
}

long sx_importance_rank(sx_arena *a, const sx_told *t, sx_importance_method *method, sx_importance **out)
{
    sx_arena *scratch = sx_arena_open(a);
    double *raw = sx_alloc_array(scratch, (size_t)t->space->n + 1, sizeof *raw), sum = 0;
    sx_importance *v = sx_alloc_array(a, (size_t)t->space->n + 1, sizeof *v);
    long n = 0;
    if (t->n > 0) method(scratch, t, raw);
    for (int i = 0; i < t->space->n; i++) {
        long active = 0;
        for (long k = 0; k < t->n; k++) active += !isnan(t->x[k][i]);
        if (!active) continue;
        v[n++] = (sx_importance){ i, raw[i], (double)active / (double)t->n };
        if (!isnan(raw[i])) sum += raw[i];
    }
    for (long i = 0; i < n && sum > 0; i++) v[i].share /= sum;
    if (n) qsort(v, (size_t)n, sizeof *v, by_share);
    sx_arena_close(scratch);
    *out = v;
    return n;
}
