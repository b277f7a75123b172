/* normal.c: the normal law for truncated kernels: masses and quantiles that stay right in the far tails.
 * A kernel of 1/100 of an axis sees cells 100 deviations away, where a difference of two CDFs is 0. */
#include "parzen.h"

static const double SQRT_HALF = 0.70710678118654752440;

double parzen_log_phi(double x)
{
    if (x > 6) return log1p(-0.5 * erfc(x * SQRT_HALF));
    if (x > -20) return log(0.5 * erfc(-x * SQRT_HALF));
    if (isinf(x)) return x;
    double sum = 1, term = 1;                    /* asymptotic series of Mills' ratio */
    for (int k = 1; k < 20 && fabs(term) > 1e-17; k++) {
        term *= -(2 * k - 1) / (x * x);
        sum += term;
    }
    return -0.5 * x * x - log(-x) - PARZEN_LN_SQRT_2PI + log(sum);
}

double parzen_log_mass(double a, double b)
{
    if (!(a < b)) return -INFINITY;
    if (b - a < 1e-6) {                          /* a difference would lose what a rectangle keeps */
        const double middle = a + (b - a) / 2;
        return log(b - a) - 0.5 * middle * middle - PARZEN_LN_SQRT_2PI;
    }
    if (a > 0) {                                 /* mirror: the left tail is the exact one */
        const double t = a;
        a = -b;
        b = -t;
    }
    if (b > 0) return log1p(-0.5 * erfc(-a * SQRT_HALF) - 0.5 * erfc(b * SQRT_HALF));
    if (b > -30) return log(0.5 * (erfc(-b * SQRT_HALF) - erfc(-a * SQRT_HALF)));
    const double la = parzen_log_phi(a), lb = parzen_log_phi(b);
    return lb + log1p(-exp(la - lb));
}

/* Wichura, "Algorithm AS 241", Applied Statistics 37 (1988), routine PPND16: p in (0, 0.5]. */
static double ratio(const double *n, const double *d, double r)
{
    double top = n[7], bottom = d[7];
    for (int i = 6; i >= 0; i--) top = top * r + n[i], bottom = bottom * r + d[i];
    return top / bottom;
}

static double lower_quantile(double p)
{
    static const double middle[2][8] = {
        { 3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
          1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
          3.3430575583588128105e4, 2.5090809287301226727e3 },
        { 1, 4.2313330701600911252e1, 6.8718700749205790830e2,
          5.3941960214247511077e3, 2.1213794301586595867e4, 3.9307895800092710610e4,
          2.8729085735721942674e4, 5.2264952788528545610e3 } };
    static const double side[2][8] = {
        { 1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
          3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
          2.27238449892691845833e-2, 7.74545014278341407640e-4 },
        { 1, 2.05319162663775882187e0, 1.67638483018380384940e0,
          6.89767334985100004550e-1, 1.48103976427480074590e-1, 1.51986665636164571966e-2,
          5.47593808499534494600e-4, 1.05075007164441684324e-9 } };
    static const double tail[2][8] = {
        { 6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
          2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
          2.71155556874348757815e-5, 2.01033439929228813265e-7 },
        { 1, 5.99832206555887937690e-1, 1.36929880922735805310e-1,
          1.48753612908506148525e-2, 7.86869131145613259100e-4, 1.84631831751005468180e-5,
          1.42151175831644588870e-7, 2.04426310338993978564e-15 } };
    const double q = p - 0.5;
    if (q >= -0.425) return q * ratio(middle[0], middle[1], 0.180625 - q * q);
    const double r = sqrt(-log(p));
    return r <= 5 ? -ratio(side[0], side[1], r - 1.6) : -ratio(tail[0], tail[1], r - 5);
}

void parzen_tails(double a, double b, double *left, double *right)
{
    *left = 0.5 * erfc(-a * SQRT_HALF);
    *right = 0.5 * erfc(b * SQRT_HALF);
}

double parzen_between(double q, double a, double b, double left, double right)
{
    if (a > 0) return -parzen_between(1 - q, -b, -a, right, left);
    /* Below zero altogether the mass is the difference of two small numbers, not one minus two. */
    const double mass = b > 0 ? 1 - left - right : 0.5 * erfc(-b * SQRT_HALF) - left;
    const double lower = left + q * mass, upper = b > 0 ? right + (1 - q) * mass : 1 - lower;
    const double tail = lower_quantile(fmax(fmin(lower, upper), 1e-300)), x = lower <= upper ? tail : -tail;
    return fmin(fmax(x, a), b);
}

double parzen_quantile(double q, double a, double b)
{
    double left, right;
    parzen_tails(a, b, &left, &right);
    return parzen_between(q, a, b, left, right);
}

double parzen_log_sum(const double *v, long n)
{
    double top = -INFINITY, sum = 0;
    for (long i = 0; i < n; i++) top = v[i] > top ? v[i] : top;
    if (isinf(top)) return top;
    for (long i = 0; i < n; i++) if (v[i] - top > -46) sum += exp(v[i] - top);   /* the rest is below 1e-20 */
    return top + log(sum);
}
