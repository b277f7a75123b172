/* covariance.c: Hansen, "The CMA evolution strategy: a tutorial" (2016), with negative weights;
 * margins for grids: Hamano, Saito, Nomura, Shirakawa, "CMA-ES with margin" (GECCO 2022). */
#include "covariance.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strix/plugin.h>

covariance *covariance_open(int d, long most)
{
    const size_t n = (size_t)d, m = (size_t)most;
    covariance *c = calloc(1, sizeof *c);
    double *v = calloc(9 * n + 3 * n * n + m, sizeof *v);
    if (!c || !v) { free(c); free(v); return NULL; }
    *c = (covariance){ .d = d };
    double **const part[] = { &c->mean, &c->scale, &c->root, &c->path_c, &c->path_s };
    for (size_t i = 0; i < sizeof part / sizeof *part; i++, v += n) *part[i] = v;
    c->work = v;
    c->c = c->work + 4 * n + n * n;
    c->b = c->c + n * n;
    c->weight = c->b + n * n;
    return c;
}

void covariance_close(covariance *c)
{
    if (c) free(c->mean);
    free(c);
}

static void set_constants(covariance *c)
{
    const double d = c->d, n = (double)c->lambda;
    double plus = 0, plus2 = 0, minus = 0, minus2 = 0;
    for (long i = 0; i < c->lambda; i++) {
        const double w = c->weight[i] = log((n + 1) / 2) - log((double)i + 1);
        *(w > 0 ? &plus : &minus) += w;
        *(w > 0 ? &plus2 : &minus2) += w * w;
    }
    const double mu = c->mu_eff = plus * plus / plus2, mu_minus = minus2 > 0 ? minus * minus / minus2 : 0;
    c->c_1 = 2 / ((d + 1.3) * (d + 1.3) + mu);
    c->c_mu = fmin(1 - c->c_1, 2 * (mu - 2 + 1 / mu) / ((d + 2) * (d + 2) + mu));
    c->c_sigma = (mu + 2) / (d + mu + 5);
    c->d_sigma = 1 + 2 * fmax(0, sqrt((mu - 1) / (d + 1)) - 1) + c->c_sigma;
    c->c_c = (4 + mu / d) / (d + 4 + 2 * mu / d);
    c->chi = sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d));
    const double alpha = c->c_mu > 0 ? fmin(fmin(1 + c->c_1 / c->c_mu, 1 + 2 * mu_minus / (mu + 2)),
                                            (1 - c->c_1 - c->c_mu) / (d * c->c_mu)) : 0;
    for (long i = 0; i < c->lambda; i++) c->weight[i] *= c->weight[i] > 0 ? 1 / plus : alpha / -minus;
}

void covariance_start(covariance *c, long lambda, double sigma, const double *mean)
{
    const size_t n = (size_t)c->d;
    c->lambda = lambda;
    c->sigma = sigma;
    c->generation = 0;
    memset(c->c, 0, n * n * sizeof *c->c);
    memset(c->b, 0, n * n * sizeof *c->b);
    for (size_t i = 0; i < n; i++) {
        c->mean[i] = mean[i];
        c->scale[i] = c->root[i] = c->c[i * n + i] = c->b[i * n + i] = 1;
        c->path_c[i] = c->path_s[i] = 0;
    }
    if (n) set_constants(c);
}

void covariance_point(const covariance *c, const double *z, double *v)
{
    const int d = c->d;
    for (int i = 0; i < d; i++) {
        double y = 0;
        for (int j = 0; j < d; j++) y += c->b[i * d + j] * c->root[j] * z[j];
        v[i] = c->mean[i] + c->sigma * c->scale[i] * y;
    }
}

/* One rotation of Jacobi's that makes a[p][q] zero. */
static void rotate(double *a, double *b, int d, int p, int q)
{
    const double theta = (a[q * d + q] - a[p * d + p]) / (2 * a[p * d + q]);
    const double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
    const double cos = 1 / sqrt(t * t + 1), sin = t * cos;
    for (int k = 0; k < d; k++) {
        const double x = a[k * d + p], y = a[k * d + q];
        a[k * d + p] = cos * x - sin * y;
        a[k * d + q] = sin * x + cos * y;
    }
    for (int k = 0; k < d; k++) {
        const double x = a[p * d + k], y = a[q * d + k], u = b[k * d + p], w = b[k * d + q];
        a[p * d + k] = cos * x - sin * y;
        a[q * d + k] = sin * x + cos * y;
        b[k * d + p] = cos * u - sin * w;
        b[k * d + q] = sin * u + cos * w;
    }
}

static void decompose(covariance *c)
{
    const int d = c->d;
    double *a = c->work + 4 * d;
    memcpy(a, c->c, (size_t)(d * d) * sizeof *a);
    memset(c->b, 0, (size_t)(d * d) * sizeof *a);
    for (int i = 0; i < d; i++) c->b[i * d + i] = 1;
    for (int sweep = 0; sweep < 30; sweep++) {
        double off = 0, on = 0;
        for (int p = 0; p < d; p++)
            for (int q = 0; q < d; q++) *(p == q ? &on : &off) += a[p * d + q] * a[p * d + q];
        if (!(off > 1e-28 * on)) break;
        for (int p = 0; p < d; p++)
            for (int q = p + 1; q < d; q++) if (fabs(a[p * d + q]) > 0) rotate(a, c->b, d, p, q);
    }
    for (int i = 0; i < d; i++) c->root[i] = sqrt(fmax(a[i * d + i], 1e-20));
}

/* out = C^(-1/2) y */
static void whiten(const covariance *c, const double *y, double *out)
{
    const int d = c->d;
    double *half = c->work + 3 * d;
    for (int j = 0; j < d; j++) {
        half[j] = 0;
        for (int i = 0; i < d; i++) half[j] += c->b[i * d + j] * y[i];
        half[j] /= c->root[j];
    }
    for (int i = 0; i < d; i++) {
        out[i] = 0;
        for (int j = 0; j < d; j++) out[i] += c->b[i * d + j] * half[j];
    }
}

static double squared(const double *v, int d)
{
    double sum = 0;
    for (int i = 0; i < d; i++) sum += v[i] * v[i];
    return sum;
}

static void add_outer(double *c, const double *y, double weight, int d)
{
    for (int i = 0; i < d; i++) for (int j = 0; j < d; j++) c[i * d + j] += weight * y[i] * y[j];
}

/* The paths; returns Hansen's h_sigma: the step size does not grow too fast. */
static double follow_path(covariance *c, const double *mean_step)
{
    const int d = c->d;
    double *white = c->work + d;
    whiten(c, mean_step, white);
    const double s = c->c_sigma, decay = 1 - pow(1 - s, 2 * ((double)c->generation + 1));
    for (int i = 0; i < d; i++)
        c->path_s[i] = (1 - s) * c->path_s[i] + sqrt(s * (2 - s) * c->mu_eff) * white[i];
    const double length = sqrt(squared(c->path_s, d));
    const double h = length / sqrt(decay) < (1.4 + 2 / ((double)d + 1)) * c->chi;
    const double far = h * sqrt(c->c_c * (2 - c->c_c) * c->mu_eff);
    for (int i = 0; i < d; i++) c->path_c[i] = (1 - c->c_c) * c->path_c[i] + far * mean_step[i];
    c->sigma *= exp(fmin(c->c_sigma / c->d_sigma * (length / c->chi - 1), 1));
    return h;
}

void covariance_update(covariance *c, const double *v)
{
    const int d = c->d;
    const double sigma = c->sigma;
    double *step = c->work, *y = c->work + 2 * d, *white = c->work + d, sum = 0;
    if (!d) return;
    memset(step, 0, (size_t)d * sizeof *step);
    for (long k = 0; k < c->lambda; k++) {
        sum += c->weight[k];
        for (int i = 0; i < d && c->weight[k] > 0; i++)
            step[i] += c->weight[k] * (v[k * d + i] - c->mean[i]) / (sigma * c->scale[i]);
    }
    const double h = follow_path(c, step), lost = (1 - h) * c->c_c * (2 - c->c_c);
    const double keep = 1 + c->c_1 * lost - c->c_1 - c->c_mu * sum;
    for (int i = 0; i < d * d; i++) c->c[i] *= keep;
    add_outer(c->c, c->path_c, c->c_1, d);
    for (long k = 0; k < c->lambda; k++) {
        double w = c->weight[k];
        for (int i = 0; i < d; i++) y[i] = (v[k * d + i] - c->mean[i]) / (sigma * c->scale[i]);
        if (w < 0) {
            whiten(c, y, white);
            w *= d / fmax(squared(white, d), 1e-12);
        }
        add_outer(c->c, y, c->c_mu * w, d);
    }
    for (int i = 0; i < d; i++) c->mean[i] = fmin(fmax(c->mean[i] + sigma * c->scale[i] * step[i], 0), 1);
    decompose(c);
    c->generation++;
}

static double quantile(double u)
{
    const sx_axis normal = { .kind = SX_AXIS_NORMAL, .mu = 0, .sigma = 1 };
    return sx_axis_at(&normal, u);
}
static double phi(double z) { return 0.5 * erfc(-z * 0.70710678118654752440); }

void covariance_margin(covariance *c, int axis, long values, double alpha)
{
    const double n = (double)values, m = c->mean[axis], cell = fmin(fmax(floor(m * n), 0), n - 1);
    const double spread = c->sigma * sqrt(c->c[axis * c->d + axis]), wide = spread * c->scale[axis];
    if (values < 2) return;
    if (cell == 0 || cell == n - 1) {            /* one side only: the mean stays near it */
        const double side = cell == 0 ? 1 / n : cell / n, reach = wide * quantile(1 - alpha);
        c->mean[axis] = side + (m < side ? -1 : 1) * fmin(fabs(m - side), reach);
        return;
    }
    const double low = cell / n, high = (cell + 1) / n;
    double below = fmax(phi((low - m) / wide), alpha / 2), above = fmax(phi((m - high) / wide), alpha / 2);
    const double inside = 1 - below - above, over = below + above + fmax(inside, alpha / 2) - 1;
    const double spare = below + above - alpha;
    if (over > 0 && spare > 0) {
        below -= over * (below - alpha / 2) / spare;
        above -= over * (above - alpha / 2) / spare;
    }
    const double left = fmax(quantile(1 - below), 1e-3), right = fmax(quantile(1 - above), 1e-3);
    c->scale[axis] = (high - low) / ((left + right) * spread);
    c->mean[axis] = (low * right + high * left) / (left + right);
}

bool covariance_spent(const covariance *c, const long *values, double least)
{
    double widest = -1, most = 0, fewest = INFINITY;
    for (int i = 0; i < c->d; i++) {
        if (!values[i]) widest = fmax(widest, c->sigma * c->scale[i] * sqrt(c->c[i * c->d + i]));
        most = fmax(most, c->root[i]);
        fewest = fmin(fewest, c->root[i]);
    }
    return c->d && ((widest >= 0 && !(widest > least)) || most > 1e7 * fewest);
}
