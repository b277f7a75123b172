/* parzen_hyperopt.c: hyperopt's estimator: each axis alone, the prior stands among the sorted observations.
 * adaptive_parzen_normal, GMM1 and LGMM1 of hyperopt/tpe.py, 0.3.0. */
#include <string.h>
#include "parzen.h"

/* Counts with forgetting weights on top of the prior. */
static void fit_choice(parzen_pool *p, parzen_mix *mix, const double *const *x, long n, const double *forget,
                       double prior_weight)
{
    parzen_dim *dim = mix->dim;
    const parzen_axis *a = dim->axis;
    mix->m = 1;
    dim->prob = PARZEN_NEW(p, double, a->options);
    for (long k = 0; k < a->options; k++)
        dim->prob[k] = prior_weight * (a->weight ? (double)a->options * parzen_option(a, k) : 1);
    for (long i = 0; i < n; i++) dim->prob[(long)x[i][a->at]] += forget[i];
    double sum = 0;
    for (long k = 0; k < a->options; k++) sum += dim->prob[k];
    for (long k = 0; k < a->options; k++) dim->prob[k] /= sum;
}

static double phi(double x, double mu, double sigma)
{
    return 0.5 * (1 + erf((x - mu) / (1.41421356237309504880 * sigma)));
}

static double mass(const parzen_mix *mix, double from, double to)
{
    const parzen_dim *d = mix->dim;
    double sum = 0;
    for (long i = 0; i < mix->m; i++)
        sum += mix->weight[i] * (phi(to, d->mu[i], d->sigma[i]) - phi(from, d->mu[i], d->sigma[i]));
    return sum;
}

/* mu: sorted, m of them, the prior at `prior`. A neighbour's distance is the width; the prior counts as a
 * neighbour. */
static void widths(const parzen_axis *a, const double *mu, long m, long prior, double *sigma)
{
    const double narrow = a->sigma / fmin(100, (double)(1 + m));
    for (long i = 0; i < m; i++) {
        const double left = i ? mu[i] - mu[i - 1] : 0, right = i < m - 1 ? mu[i + 1] - mu[i] : 0;
        const double wide = m == 2 ? a->sigma / 2 : fmax(left, right);
        sigma[i] = i == prior ? a->sigma : fmin(fmax(wide, narrow), a->sigma);
    }
}

static void fit_numeric(parzen_pool *p, parzen_mix *mix, const double *const *x, long n,
                        const double *forget, double prior_weight)
{
    parzen_dim *dim = mix->dim;
    const parzen_axis *a = dim->axis;
    const long m = mix->m = dim->kernels = n + 1;
    double *z = PARZEN_NEW(p, double, n), sum = prior_weight;
    int32_t *order = PARZEN_NEW(p, int32_t, n);
    for (long i = 0; i < n; i++) z[i] = parzen_z(a, x[i][a->at]), sum += forget[i];
    parzen_sort(p, z, n, order);
    long prior = 0; /* a lone observation goes before an equal prior, several go behind it */
    while (prior < n && (z[order[prior]] < a->mu || (n == 1 && !(a->mu < z[0])))) prior++;
    dim->mu = PARZEN_NEW(p, double, m);
    dim->sigma = PARZEN_NEW(p, double, m);
    dim->norm = PARZEN_NEW(p, double, m);
    mix->weight = PARZEN_NEW(p, double, m);
    for (long i = 0; i < m; i++) {
        const long from = i < prior ? i : i - 1;
        dim->mu[i] = i == prior ? a->mu : z[order[from]];
        mix->weight[i] = (i == prior ? prior_weight : forget[order[from]]) / sum;
    }
    widths(a, dim->mu, m, prior, dim->sigma);
    for (long i = 0; i < m; i++) dim->norm[i] = log(dim->sigma[i] / mix->weight[i]) + PARZEN_LN_SQRT_2PI;
    if (a->bounded) mix->accept = mass(mix, a->low, a->high);
}

static parzen_mix *fit(parzen_pool *p, const parzen_axis *const *axis, int d, const double *const *x, long n,
                       double prior_weight, bool flat)
{
    parzen_mix *mix = PARZEN_NEW(p, parzen_mix, 1);
    *mix = (parzen_mix){ .d = d, .dim = PARZEN_NEW(p, parzen_dim, 1), .accept = 1 };
    *mix->dim = (parzen_dim){ .axis = axis[0] };
    double *forget = PARZEN_NEW(p, double, n);
    parzen_weights(n, forget);
    if (flat) for (long i = 0; i < n; i++) forget[i] = 1;
    (axis[0]->options ? fit_choice : fit_numeric)(p, mix, x, n, forget, prior_weight);
    return mix;
}

/* A draw outside the axis is drawn again, component included: so the mixture is cut as a whole. */
static void draw(const parzen_mix *mix, sx_rng *r, double *x)
{
    const parzen_dim *d = mix->dim;
    const parzen_axis *a = d->axis;
    if (a->options) {
        *x = (double)parzen_pick(d->prob, a->options, sx_uniform(r));
        return;
    }
    double z = a->mu;
    for (int tries = 0; tries < 1000; tries++) {
        const long i = parzen_pick(mix->weight, mix->m, sx_uniform(r));
        z = d->mu[i] + d->sigma[i] * parzen_quantile(sx_uniform(r), -INFINITY, INFINITY);
        if (z >= a->low && z < a->high) break;
    }
    *x = parzen_x(a, fmin(fmax(z, a->low), a->high));
}

/* A log axis without steps is not divided by its mass inside: hyperopt's own slip, a constant of the
 * mixture. */
static double log_density(const parzen_mix *mix, double x, double *term)
{
    const parzen_dim *d = mix->dim;
    const parzen_axis *a = d->axis;
    if (a->step > 0) {
        double from, to;
        parzen_cell(a, x, &from, &to);
        return log(mass(mix, from, to)) - log(mix->accept);
    }
    const double z = parzen_z(a, x);
    for (long i = 0; i < mix->m; i++) {
        const double far = (z - d->mu[i]) / d->sigma[i];
        term[i] = -0.5 * far * far - d->norm[i];
    }
    return parzen_log_sum(term, mix->m) - (a->log ? log(x) : log(mix->accept));
}

static void score(parzen_pool *p, const parzen_mix *mix, const double *x, long n, double *out)
{
    const parzen_dim *d = mix->dim;
    double *term = PARZEN_NEW(p, double, mix->m);
    for (long c = 0; c < n; c++) {
        long e = 0;
        while (e < c && x[e] != x[c]) e++;
        out[c] = e < c ? out[e] : d->axis->options ? log(d->prob[(long)x[c]]) : log_density(mix, x[c], term);
    }
}

const parzen_flavour parzen_hyperopt = { "hyperopt", 20, 0.25, fit, draw, score };
