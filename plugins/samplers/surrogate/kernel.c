/* kernel.c: the Matern 5/2 kernel with a length for each axis: k = s (1 + r + r r / 3) exp(-r), r = sqrt(5
 * D), D = sum l_j min(1, difference squared). Loops over many pairs at once, and no sum whose order a
 * compiler or a wider register could change: the same bits everywhere. */
#include <string.h>
#include "../below.h"
#include "surrogate.h"

void kernel_gaps(int d, long n, const double *u, double *gap)
{
    for (long i = 0; i < n; i++)
        for (int j = 0; j < d; j++, gap += i)
            for (long k = 0; k < i; k++) {
                const double t = u[i * d + j] - u[k * d + j];
                gap[k] = t * t < 1 ? t * t : 1;
            }
}

/* k of n sums, which become the slopes there. */
SX_FAST static void values(long n, double scale, double *restrict sum, double *restrict k)
{
    for (long i = 0; i < n; i++) {
        const double r = sqrt(5 * sum[i]), e = scale * exp_below(-(r < 700 ? r : 700));
        k[i] = (1 + r + r * r * (1.0 / 3)) * e;
        sum[i] = -5.0 / 6 * (1 + r) * e;
    }
}

SX_FAST static void add(long n, double by, const double *restrict gap, double *restrict sum)
{
    for (long i = 0; i < n; i++) sum[i] += by * gap[i];
}

void kernel_rows(int d, long n, const double *gap, const double *inverse, double scale, double *k,
                 double *slope)
{
    for (long i = 0; i < n; i++) {
        double *sum = slope + i * n;
        memset(sum, 0, (size_t)i * sizeof *sum);
        for (int j = 0; j < d; j++, gap += i) add(i, inverse[j], gap, sum);
        values(i, scale, sum, k + i * n);
    }
}

/* What is added up here is added up by column first, which keeps the loops wide. */
SX_FAST static void weigh(long n, const double *restrict w, const double *restrict gap, double *restrict sum)
{
    for (long k = 0; k < n; k++) sum[k] += w[k] * gap[k];
}

void kernel_pull(int d, long n, const double *gap, const double *w, double *sum, double *pull)
{
    memset(sum, 0, (size_t)(d * n) * sizeof *sum);
    for (long i = 0; i < n; i++)
        for (int j = 0; j < d; j++, gap += i) weigh(i, w + i * n, gap, sum + j * n);
    for (int j = 0; j < d; j++) {
        pull[j] = 0;
        for (long k = 0; k < n; k++) pull[j] += sum[j * n + k];
    }
}

SX_FAST static void lanes(int d, const double *u, const double *at, const double *inverse, double scale,
                          double *k)
{
    double sum[KERNEL_LANES] = { 0 };
    for (int j = 0; j < d; j++)
        for (int c = 0; c < KERNEL_LANES; c++) {
            const double t = u[j] - at[j * KERNEL_LANES + c], gap = t * t < 1 ? t * t : 1;
            sum[c] += inverse[j] * gap;
        }
    values(KERNEL_LANES, scale, sum, k);
}

/* One point against KERNEL_LANES others. */
void kernel_lanes(int d, const double *u, const double *at, const double *inverse, double scale, double *k)
{
    lanes(d, u, at, inverse, scale, k);
}
