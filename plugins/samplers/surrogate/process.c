/* process.c: Gaussian processes: how likely their parameters are, which are likeliest, and what they predict.
 * Rasmussen and Williams, "Gaussian processes for machine learning", 2006, algorithms 2.1 and 5.4. */
#include <string.h>
#include "surrogate.h"

enum { LANES = KERNEL_LANES };
static const double LEAST = -12, MOST = 6;       /* of theta */

process_fit *process_prepare(parzen_pool *p, int d, long n, const double *u, const double *y)
{
    process_fit *f = PARZEN_NEW(p, process_fit, 1);
    const long nn = n * n, spare = nn > (d + 4) * n ? nn : (d + 4) * n;
    *f = (process_fit){ .d = d, .n = n, .y = y, .gap = PARZEN_NEW(p, double, nn * d / 2 + 1),
                        .k = PARZEN_NEW(p, double, nn), .slope = PARZEN_NEW(p, double, nn),
                        .factor = PARZEN_NEW(p, double, nn), .inverse = PARZEN_NEW(p, double, nn),
                        .spare = PARZEN_NEW(p, double, spare), .alpha = PARZEN_NEW(p, double, n),
                        .length = PARZEN_NEW(p, double, d) };
    kernel_gaps(d, n, u, f->gap);
    return f;
}

/* By theta: half the trace of (a a' - C^-1) dC. slope becomes the weights of the pairs. */
static void gradient_of(process_fit *f, double scale, double noise, double *gradient)
{
    const long n = f->n;
    double of_scale = 0, diagonal = 0;
    cholesky_inverse(n, f->factor, f->spare, f->inverse);
    for (long i = 0; i < n; i++) {
        double *w = f->slope + i * n;
        for (long k = 0; k < i; k++) {
            const double pair = f->alpha[i] * f->alpha[k] - f->inverse[i * n + k];
            of_scale += pair * f->k[i * n + k];
            w[k] *= pair;
        }
        diagonal += f->alpha[i] * f->alpha[i] - f->inverse[i * n + i];
    }
    kernel_pull(f->d, n, f->gap, f->slope, f->spare, gradient);
    for (int j = 0; j < f->d; j++) gradient[j] *= f->length[j];
    gradient[f->d] = of_scale + 0.5 * scale * diagonal;
    gradient[f->d + 1] = 0.5 * noise * diagonal;
}

double process_likelihood(process_fit *f, const double *theta, double *gradient)
{
    const int d = f->d;
    const long n = f->n;
    const double scale = exp(theta[d]), noise = exp(theta[d + 1]);
    for (int j = 0; j < d; j++) f->length[j] = exp(theta[j]);
    kernel_rows(d, n, f->gap, f->length, scale, f->k, f->slope);
    for (long i = 0; i < n; i++) {
        memcpy(f->factor + i * n, f->k + i * n, (size_t)i * sizeof *f->k);
        f->factor[i * n + i] = scale + noise;
    }
    if (!cholesky_factor(n, f->factor, f->spare)) return -INFINITY;
    memcpy(f->alpha, f->y, (size_t)n * sizeof *f->y);
    cholesky_solve(n, n, f->factor, f->alpha);
    double likelihood = 0;
    for (long i = 0; i < n; i++) likelihood -= 0.5 * f->y[i] * f->alpha[i] + log(f->factor[i * n + i]);
    if (gradient) gradient_of(f, scale, noise, gradient);
    return likelihood;
}

/* Of lengths that are neither 0 nor infinite, of a scale near 1 and of little noise. */
double process_prior(const process_belief *b, int d, const double *theta, double *gradient)
{
    const double scale = exp(theta[d]), noise = exp(theta[d + 1]);
    double sum = theta[d] - scale + 0.1 * theta[d + 1] - b->noise * noise;
    for (int j = 0; j < d; j++) {
        const double l = exp(theta[j]);
        sum -= b->smooth / l + b->rough * l;
        if (gradient) gradient[j] += b->smooth / l - b->rough * l;
    }
    if (gradient) gradient[d] += 1 - scale, gradient[d + 1] += 0.1 - b->noise * noise;
    return sum;
}

static double clamp(double v, double low, double high) { return v < low ? low : v > high ? high : v; }

/* Rprop: each parameter has a step of its own, which grows while its slope keeps its sign (Riedmiller and
 * Braun, 1993). theta: where it starts, then the best place that it came by. */
void process_climb(parzen_pool *p, process_fit *f, const process_belief *b, int iterations, double step,
                   double *theta)
{
    const int m = f->d + 2;
    double *at = PARZEN_NEW(p, double, m), *g = PARZEN_NEW(p, double, m), *before = PARZEN_NEW(p, double, m),
           *by = PARZEN_NEW(p, double, m), best = -INFINITY;
    memcpy(at, theta, (size_t)m * sizeof *at);
    for (int j = 0; j < m; j++) before[j] = 0, by[j] = step;
    for (int i = 0; i < iterations; i++) {
        double v = process_likelihood(f, at, g);
        if (isinf(v)) return;
        v += process_prior(b, f->d, at, g);
        if (v > best) {
            best = v;
            memcpy(theta, at, (size_t)m * sizeof *at);
        }
        for (int j = 0; j < m; j++) {
            const double sign = g[j] * before[j];
            by[j] = sign > 0 ? fmin(1.2 * by[j], 1) : sign < 0 ? fmax(0.5 * by[j], 1e-4) : by[j];
            before[j] = sign < 0 ? 0 : g[j];
            if (before[j] != 0) at[j] = clamp(at[j] + (g[j] > 0 ? by[j] : -by[j]), LEAST, MOST);
        }
    }
}

process *process_open(parzen_pool *p, int d, long n, long told, const double *u, const double *y,
                      const double *theta)
{
    process *g = PARZEN_NEW(p, process, 1);
    *g = (process){ d, n, u, PARZEN_NEW(p, double, d), exp(theta[d]), exp(theta[d + 1]),
                    PARZEN_NEW(p, double, n * n), PARZEN_NEW(p, double, n),
                    PARZEN_NEW(p, double, (d + n) * LANES) };
    double *gap = PARZEN_NEW(p, double, n * n * d / 2 + 1),
           *spare = PARZEN_NEW(p, double, (n > 4 ? n : 4) * n);
    for (int j = 0; j < d; j++) g->length[j] = exp(theta[j]);
    kernel_gaps(d, n, u, gap);
    kernel_rows(d, n, gap, g->length, g->scale, g->factor, spare);
    for (long i = 0; i < n; i++) {
        g->factor[i * n + i] = g->scale + g->noise;
        g->alpha[i] = i < told ? y[i] : 0;
    }
    if (!cholesky_factor(n, g->factor, spare)) return NULL;
    cholesky_solve(told, n, g->factor, g->alpha);
    return g;
}

/* v[i] = (k[i] - sum over j < i of l[i][j] v[j]) / l[i][i], for LANES points at once. */
SX_FAST static void solve_lanes(long n, const double *l, double *restrict v)
{
    for (long i = 0; i < n; i++) {
        double sum[LANES];
        const double by = 1 / l[i * n + i];
        for (int c = 0; c < LANES; c++) sum[c] = v[i * LANES + c];
        for (long j = 0; j < i; j++)
            for (int c = 0; c < LANES; c++) sum[c] -= l[i * n + j] * v[j * LANES + c];
        for (int c = 0; c < LANES; c++) v[i * LANES + c] = sum[c] * by;
    }
}

static void predict_lanes(const process *g, const double *at, double *k, double *mean, double *var)
{
    for (int c = 0; c < LANES; c++) mean[c] = 0, var[c] = g->scale;
    for (long i = 0; i < g->n; i++) {
        kernel_lanes(g->d, g->u + i * g->d, at, g->length, g->scale, k + i * LANES);
        for (int c = 0; c < LANES; c++) mean[c] += g->alpha[i] * k[i * LANES + c];
    }
    solve_lanes(g->n, g->factor, k);
    for (long i = 0; i < g->n; i++)
        for (int c = 0; c < LANES; c++) var[c] -= k[i * LANES + c] * k[i * LANES + c];
}

void process_predict(const process *g, long n, const double *u, double *mean, double *var)
{
    double *at = g->lanes, *k = at + g->d * LANES, m[LANES], v[LANES];
    for (long from = 0; from < n; from += LANES) {
        const long lanes = n - from < LANES ? n - from : LANES;
        for (int j = 0; j < g->d; j++)
            for (long c = 0; c < LANES; c++)
                at[j * LANES + c] = u[(from + (c < lanes ? c : 0)) * g->d + j];
        predict_lanes(g, at, k, m, v);
        for (long c = 0; c < lanes; c++) mean[from + c] = m[c], var[from + c] = v[c] > 0 ? v[c] : 0;
    }
}
