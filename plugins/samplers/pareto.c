/* pareto.c: good trials where there are several objectives: ranks of domination, hypervolume, greedy subsets.
 * All objectives are minimised; points are rows of m numbers. */
#include <string.h>
#include "parzen.h"

static bool dominates(const double *a, const double *b, int m)
{
    bool strictly = false;
    for (int j = 0; j < m; j++) {
        if (a[j] > b[j]) return false;
        strictly |= a[j] < b[j];
    }
    return strictly;
}

void parzen_ranks(parzen_pool *p, const double *y, long n, int m, long *rank)
{
    (void)p;
    for (long i = 0; i < n; i++) rank[i] = -1;
    for (long left = n, r = 0; left > 0; r++)
        for (long i = 0; i < n; i++) {
            bool front = rank[i] < 0;
            for (long k = 0; k < n && front; k++)
                front = !((rank[k] < 0 || rank[k] == r) && dominates(y + k * m, y + i * m, m));
            if (front) rank[i] = r, left--;
        }
}

static double box(const double *point, int m, const double *reference)
{
    double volume = 1;
    for (int j = 0; j < m; j++) volume *= fmax(reference[j] - point[j], 0);
    return volume;
}

/* Exclusive volumes summed up: each point's box less what the points behind it cover of it (While et al.,
 * WFG, 2012). */
double parzen_hypervolume(parzen_pool *p, const double *y, long n, int m, const double *reference)
{
    double sum = 0;
    double *rest = PARZEN_NEW(p, double, n * m);
    for (long i = 0; i < n; i++) {
        long left = 0;
        for (long k = i + 1; k < n; k++, left++)
            for (int j = 0; j < m; j++) rest[left * m + j] = fmax(y[i * m + j], y[k * m + j]);
        long kept = 0;                           /* dominated boxes add nothing */
        for (long k = 0; k < left; k++) {
            bool needed = true;
            for (long e = 0; e < left && needed; e++)
                needed = !(dominates(rest + e * m, rest + k * m, m)
                           || (e < k && !memcmp(rest + e * m, rest + k * m, (size_t)m * sizeof *rest)));
            if (needed && box(rest + k * m, m, reference) > 0) kept++;
            else rest[k * m] = INFINITY;
        }
        long to = 0;
        for (long k = 0; k < left; k++)
            if (!isinf(rest[k * m])) memmove(rest + to++ * m, rest + k * m, (size_t)m * sizeof *rest);
        sum += box(y + i * m, m, reference) - (kept ? parzen_hypervolume(p, rest, kept, m, reference) : 0);
    }
    return sum;
}

void parzen_subset(parzen_pool *p, const double *y, long n, int m, const double *reference, long k,
                   long *picked)
{
    double *set = PARZEN_NEW(p, double, (k + 1) * m), have = 0;
    bool *taken = PARZEN_NEW(p, bool, n);
    memset(taken, 0, (size_t)n * sizeof *taken);
    for (long held = 0; held < k; held++) {
        long best = -1;
        double most = -INFINITY;
        for (long i = 0; i < n; i++) {
            if (taken[i]) continue;
            memcpy(set + held * m, y + i * m, (size_t)m * sizeof *set);
            const double with = parzen_hypervolume(p, set, held + 1, m, reference);
            if (best < 0 || with - have > most) most = with - have, best = i;
        }
        memcpy(set + held * m, y + best * m, (size_t)m * sizeof *set);
        have += most;
        taken[best] = true;
        picked[held] = best;
    }
}

/* Somewhat worse than the worst of the points, so that each has a volume. */
static void reference_of(const double *y, long n, int m, double *reference)
{
    for (int j = 0; j < m; j++) {
        double worst = -INFINITY;
        for (long i = 0; i < n; i++) if (isfinite(y[i * m + j])) worst = fmax(worst, y[i * m + j]);
        if (isinf(worst)) worst = 0;
        reference[j] = fmax(1.1 * worst, 0.9 * worst);
        if (reference[j] == 0) reference[j] = 1e-12;
    }
}

void parzen_pareto(parzen_pool *p, const double *y, long n, int m, long k, bool *good)
{
    long *rank = PARZEN_NEW(p, long, n), *at = PARZEN_NEW(p, long, n), *picked = PARZEN_NEW(p, long, n);
    double *front = PARZEN_NEW(p, double, n * m), *reference = PARZEN_NEW(p, double, m);
    memset(good, 0, (size_t)n * sizeof *good);
    parzen_ranks(p, y, n, m, rank);
    for (long r = 0, left = k; left > 0; r++) {
        long size = 0;
        for (long i = 0; i < n; i++) {
            if (rank[i] != r) continue;
            memcpy(front + size * m, y + i * m, (size_t)m * sizeof *y);
            at[size++] = i;
        }
        if (!size) return;
        const long take = size < left ? size : left;
        for (long i = 0; i < take; i++) picked[i] = i;
        if (take < size) {
            reference_of(front, size, m, reference);
            parzen_subset(p, front, size, m, reference, take, picked);
        }
        for (long i = 0; i < take; i++) good[at[picked[i]]] = true;
        left -= take;
    }
}
