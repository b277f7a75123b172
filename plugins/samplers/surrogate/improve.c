/* improve.c: the logarithm of expected improvement, right also where improvement is next to impossible, so
 * that a search has a slope to climb everywhere (Ament et al., "Unexpected improvements to expected
 * improvement", 2023). */
#include "surrogate.h"

/* ln (phi(z) + z Phi(z)). Below, phi is taken out: 1 - t Phi(-t) / phi(t) = 1/t^2 - 3/t^4 + 15/t^6 - ... */
double improve_standard(double z)
{
    const double log_phi = -0.5 * z * z - PARZEN_LN_SQRT_2PI, half = 0.70710678118654752440;
    if (z > -1) return log(exp(log_phi) + z * 0.5 * erfc(-z * half));
    const double t = -z;
    if (t < 15) return log_phi + log1p(-t * 0.5 * erfc(t * half) * exp(-log_phi));
    double sum = 0, term = 1;
    for (int k = 1; k < 20 && fabs(term) > 1e-17; k++) {
        term *= (k == 1 ? 1 : -(2 * k - 1)) / (t * t);
        sum += term;
    }
    return log_phi + log(sum);
}

double improve_log(double mean, double var, double best)
{
    const double deviation = sqrt(var + 1e-12);
    return improve_standard((best - mean) / deviation) + log(deviation);
}
