/* cholesky.c: factors, solutions and inverses of positive matrices, lower halves of [n][n] by rows.
 * All three are made of one loop, which adds four rows at once to a fifth. */
#include <string.h>
#include "surrogate.h"

enum { FOUR = 4 };

SX_FAST static void add_rows(long n, const double *a, const double *restrict r0, const double *restrict r1,
                             const double *restrict r2, const double *restrict r3, double *restrict y)
{
    const double a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];
    for (long j = 0; j < n; j++) y[j] += (a0 * r0[j] + a1 * r1[j]) + (a2 * r2[j] + a3 * r3[j]);
}

/* y[0..n) += the sum over k in [from, to) of a[k stride] times row k of r, `width` apart. Rows are 0 where
 * they have no value, so that four go together. */
static void add_all(long n, long from, long to, const double *a, long stride, const double *r, long width,
                    double *y)
{
    for (long k = from; k < to; k += FOUR) {
        double by[FOUR] = { 0 };
        const double *row[FOUR];
        for (long t = 0; t < FOUR; t++) {
            row[t] = r + (k + t < to ? k + t : k) * width;
            if (k + t < to) by[t] = a[(k + t) * stride];
        }
        add_rows(n, by, row[0], row[1], row[2], row[3], y);
    }
}

/* Columns from .. from + 3, below what earlier ones have taken off; `column` keeps them as negative rows. */
static bool panel(long n, double *a, long from, long to, double *column)
{
    for (long k = from; k < to; k++) {
        const double *top = a + k * n;
        double inverse = 1;
        for (long i = k; i < n; i++) {
            double v = a[i * n + k];
            for (long t = from; t < k; t++) v -= a[i * n + t] * top[t];
            if (i == k && !(v > 1e-14)) return false;
            a[i * n + k] = i == k ? sqrt(v) : v * inverse;
            if (i == k) inverse = 1 / a[i * n + k];
            column[(k - from) * n + i] = -a[i * n + k];
        }
    }
    return true;
}

bool cholesky_factor(long n, double *a, double *spare)
{
    for (long from = 0; from < n; from += FOUR) {
        const long to = from + FOUR < n ? from + FOUR : n;
        if (!panel(n, a, from, to, spare)) return false;
        for (long i = to; i < n; i++)
            add_all(i + 1 - to, 0, to - from, a + i * n + from, 1, spare + to, n, a + i * n + to);
    }
    return true;
}

void cholesky_solve(long n, long width, const double *l, double *y)
{
    for (long i = 0; i < n; i++) {
        for (long k = 0; k < i; k++) y[i] -= l[i * width + k] * y[k];
        y[i] /= l[i * width + i];
    }
    for (long i = n - 1; i >= 0; i--) {
        y[i] /= l[i * width + i];
        for (long k = 0; k < i; k++) y[k] -= l[i * width + k] * y[i];
    }
}

void cholesky_inverse(long n, const double *l, double *spare, double *inverse)
{
    memset(spare, 0, (size_t)(n * n) * sizeof *spare);               /* becomes the inverse of l */
    for (long i = 0; i < n; i++) {
        double *row = spare + i * n;
        add_all(i, 0, i, l + i * n, 1, spare, n, row);
        for (long j = 0; j < i; j++) row[j] /= -l[i * n + i];
        row[i] = 1 / l[i * n + i];
    }
    for (long i = 0; i < n; i++) {
        double *row = inverse + i * n;
        memset(row, 0, (size_t)(i + 1) * sizeof *row);
        add_all(i + 1, i, n, spare + i, n, spare, n, row);
    }
}
