/* parzen_optuna.c: Optuna's estimator: one product kernel per observation, truncated to the axes, and the
 * prior last. optuna/samplers/_tpe/parzen_estimator.py and probability_distributions.py, 5.0.0. */
#include <string.h>
#include "parzen.h"

/* One kernel per option and the prior; the more kernels, the sharper they are. */
static void fit_choice(parzen_pool *p, parzen_dim *dim, const double *const *x, long n)
{
    const parzen_axis *a = dim->axis;
    const long k = a->options;
    const double m = (double)(n + 1), other = 1 / m / (1 + (double)k / m),
        same = (1 / m + 1) / (1 + (double)k / m);
    dim->kernels = k + 1;
    dim->of = PARZEN_NEW(p, int32_t, n + 1);
    dim->prob = PARZEN_NEW(p, double, (k + 1) * k);
    for (long i = 0; i < n; i++) dim->of[i] = (int32_t)x[i][a->at];
    dim->of[n] = (int32_t)k;
    for (long i = 0; i <= k; i++)
        for (long o = 0; o < k; o++)
            dim->prob[i * k + o] = i == k ? parzen_option(a, o) : i == o ? same : other;
}

static void add_kernel(parzen_dim *dim, double mu, double sigma)
{
    const parzen_axis *a = dim->axis;
    dim->mu[dim->kernels] = mu;
    dim->sigma[dim->kernels] = sigma;
    dim->norm[dim->kernels++] = parzen_log_mass((a->low - mu) / sigma, (a->high - mu) / sigma)
        + (a->step > 0 ? 0 : log(sigma) + PARZEN_LN_SQRT_2PI);
}

/* The width is the distance to the farther neighbour; the ends of the axis are neighbours of a lone
 * observation only. Equal observations of a grid share kernels: at most three each, whatever the history's
 * length. */
static void fit_numeric(parzen_pool *p, parzen_dim *dim, const double *const *x, long n)
{
    const parzen_axis *a = dim->axis;
    const double narrow = a->sigma / fmin(100, (double)(2 + n));
    double *z = PARZEN_NEW(p, double, n);
    int32_t *order = PARZEN_NEW(p, int32_t, n);
    dim->mu = PARZEN_NEW(p, double, n + 1);
    dim->sigma = PARZEN_NEW(p, double, n + 1);
    dim->norm = PARZEN_NEW(p, double, n + 1);
    dim->of = PARZEN_NEW(p, int32_t, n + 1);
    for (long i = 0; i < n; i++) z[i] = parzen_z(a, x[i][a->at]);
    parzen_sort(p, z, n, order);
    const double ends = n == 1 ? 1 : 0;
    for (long i = 0; i < n; i++) {
        const double here = z[order[i]];
        const double left = i ? here - z[order[i - 1]] : ends ? here - a->low : 0;
        const double right = i < n - 1 ? z[order[i + 1]] - here : ends ? a->high - here : 0;
        const double sigma = fmin(fmax(fmax(left, right), narrow), a->sigma);
        const long last = dim->kernels - 1;
        if (last < 0 || dim->mu[last] != here || dim->sigma[last] != sigma) add_kernel(dim, here, sigma);
        dim->of[order[i]] = (int32_t)dim->kernels - 1;
    }
    add_kernel(dim, a->mu, a->sigma);
    dim->of[n] = (int32_t)dim->kernels - 1;
}

static parzen_mix *fit(parzen_pool *p, const parzen_axis *const *axis, int d, const double *const *x, long n,
                       double prior_weight, bool flat)
{
    parzen_mix *mix = PARZEN_NEW(p, parzen_mix, 1);
    *mix = (parzen_mix){ .m = n + 1, .d = d, .accept = 1 };
    mix->weight = PARZEN_NEW(p, double, n + 1);
    mix->dim = PARZEN_NEW(p, parzen_dim, d);
    parzen_weights(n, mix->weight);
    if (flat) for (long i = 0; i < n; i++) mix->weight[i] = 1;
    mix->weight[n] = prior_weight;
    double sum = 0;
    for (long i = 0; i <= n; i++) sum += mix->weight[i];
    for (long i = 0; i <= n; i++) mix->weight[i] /= sum;
    for (int j = 0; j < d; j++) {
        mix->dim[j] = (parzen_dim){ .axis = axis[j] };
        (axis[j]->options ? fit_choice : fit_numeric)(p, &mix->dim[j], x, n);
    }
    return mix;
}

static void draw(const parzen_mix *mix, sx_rng *r, double *x)
{
    const long i = parzen_pick(mix->weight, mix->m, sx_uniform(r));
    for (int j = 0; j < mix->d; j++) {
        const parzen_dim *dim = &mix->dim[j];
        const parzen_axis *a = dim->axis;
        const long k = dim->of[i];
        const double u = sx_uniform(r);
        if (a->options) {
            x[j] = (double)parzen_pick(dim->prob + k * a->options, a->options, u);
            continue;
        }
        const double mu = dim->mu[k], sigma = dim->sigma[k];
        x[j] = parzen_x(a, mu + sigma * parzen_quantile(u, (a->low - mu) / sigma, (a->high - mu) / sigma));
    }
}

/* Log densities of all kernels of one axis at a value of it. */
static void row(const parzen_dim *dim, double x, double *out)
{
    const parzen_axis *a = dim->axis;
    double from, to;
    if (!a->options) parzen_cell(a, x, &from, &to);
    for (long k = 0; k < dim->kernels; k++)
        out[k] = a->options ? log(dim->prob[k * a->options + (long)x])
            : parzen_log_mass((from - dim->mu[k]) / dim->sigma[k], (to - dim->mu[k]) / dim->sigma[k])
                - dim->norm[k];
}

/* Adds one axis at candidate c to the log densities of the components. On a grid, and of a choice, candidates
 * that agree share the kernels' row, and components that agree share its entries. */
static void add_axis(parzen_pool *p, const parzen_mix *mix, int j, const double *x, long c,
                     const double **rows, double *total)
{
    const parzen_dim *dim = &mix->dim[j];
    const double here = x[c * mix->d + j];
    if (!dim->axis->options && !(dim->axis->step > 0)) {
        const double z = parzen_z(dim->axis, here);
        for (long i = 0; i < mix->m; i++) {
            const long k = dim->of[i];
            const double far = (z - dim->mu[k]) / dim->sigma[k];
            total[i] -= 0.5 * far * far + dim->norm[k];
        }
        return;
    }
    rows[c] = NULL;
    for (long e = 0; e < c && !rows[c]; e++) if (x[e * mix->d + j] == here) rows[c] = rows[e];
    if (!rows[c]) {
        double *made = PARZEN_NEW(p, double, dim->kernels);
        row(dim, here, made);
        rows[c] = made;
    }
    for (long i = 0; i < mix->m; i++) total[i] += rows[c][dim->of[i]];
}

static void score(parzen_pool *p, const parzen_mix *mix, const double *x, long n, double *out)
{
    double *start = PARZEN_NEW(p, double, mix->m), *total = PARZEN_NEW(p, double, mix->m);
    const double **rows = PARZEN_NEW(p, const double *, mix->d * n);
    for (long i = 0; i < mix->m; i++) start[i] = log(mix->weight[i]);
    for (long c = 0; c < n; c++) {
        memcpy(total, start, (size_t)mix->m * sizeof *total);
        for (int j = 0; j < mix->d; j++) add_axis(p, mix, j, x, c, rows + j * n, total);
        out[c] = parzen_log_sum(total, mix->m);
    }
}

const parzen_flavour parzen_optuna = { "optuna", 10, 0.1, fit, draw, score };
