/* spread.c: mean, deviation and the interval of Student's t, for results over several seeds. */
#include <math.h>
#include "replica.h"

/* The regularised incomplete beta function of x = df / (df + t^2), a = df / 2, b = 1/2 by its continued
 * fraction (Lentz' method; DLMF 8.17.22): the probability that |T| is above t. */
static double beyond(double t, double df)
{
    const double a = df / 2, b = 0.5, x = df / (df + t * t);
    const bool flip = x > (a + 1) / (a + b + 2);
    const double p = flip ? b : a, q = flip ? a : b, y = flip ? 1 - x : x;
    double c = 1, d = 1 - (p + q) * y / (p + 1), f;
    d = 1 / d;
    f = d;
    for (int m = 1; m < 300; m++) {
        const double even = m * (q - m) * y / ((p + 2 * m - 1) * (p + 2 * m)),
                     odd = -(p + m) * (p + q + m) * y / ((p + 2 * m) * (p + 2 * m + 1));
        d = 1 / (1 + even * d);
        c = 1 + even / c;
        f *= c * d;
        d = 1 / (1 + odd * d);
        c = 1 + odd / c;
        f *= c * d;
        if (fabs(c * d - 1) < 1e-15) break;
    }
    const double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return flip ? 1 - front * f / p : front * f / p;
}

/* The t that 95 % of the law with df degrees of freedom lie within, by bisection. */
static double quantile(double df)
{
    double low = 1.9, high = 13;
    for (int i = 0; i < 60; i++) {
        const double t = (low + high) / 2;
        if (beyond(t, df) > 0.05) low = t;
        else high = t;
    }
    return (low + high) / 2;
}

sx_spread sx_spread_of(const double *v, long n)
{
    sx_spread s = { .n = n, .mean = NAN, .sd = NAN, .low = NAN, .high = NAN };
    double sum = 0, squares = 0;
    for (long i = 0; i < n; i++) sum += v[i];
    if (n > 0) s.mean = sum / (double)n;
    if (n < 2 || !isfinite(s.mean)) return s;
    for (long i = 0; i < n; i++) squares += (v[i] - s.mean) * (v[i] - s.mean);
    s.sd = sqrt(squares / (double)(n - 1));
    const double half = quantile((double)(n - 1)) * s.sd / sqrt((double)n);
    s.low = s.mean - half;
    s.high = s.mean + half;
    return s;
}
