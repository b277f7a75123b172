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

/* By the first objective, then the second, ..: nobody is dominated by one that stands behind. */
static int32_t *sorted(parzen_pool *p, const double *y, long n, int m)
{
    int32_t *order = PARZEN_NEW(p, int32_t, n), *by = PARZEN_NEW(p, int32_t, n);
    int32_t *next = PARZEN_NEW(p, int32_t, n);
    double *key = PARZEN_NEW(p, double, n);
    for (long i = 0; i < n; i++) order[i] = (int32_t)i;
    for (int j = m - 1; j >= 0; j--) {
        for (long i = 0; i < n; i++) key[i] = y[order[i] * m + j];
        parzen_sort(p, key, n, by);
        for (long i = 0; i < n; i++) next[i] = order[by[i]];
        memcpy(order, next, (size_t)n * sizeof *order);
    }
    return order;
}

/* Zhang, Tian, Cheng, Jin, "An efficient approach to nondominated sorting", IEEE TEVC 19 (2015): each point
 * joins the first front none of whose members dominates it, found by halving. */
void parzen_ranks(parzen_pool *p, const double *y, long n, int m, long *rank)
{
    const int32_t *order = sorted(p, y, n, m);
    long *latest = PARZEN_NEW(p, long, n), *before = PARZEN_NEW(p, long, n), fronts = 0;
    for (long k = 0; k < n; k++) {
        const long i = order[k];
        long low = 0, high = fronts;
        while (low < high) {
            const long r = low + (high - low) / 2;
            long member = latest[r];
            while (member >= 0 && !dominates(y + member * m, y + i * m, m)) member = before[member];
            if (member >= 0) low = r + 1;
            else high = r;
        }
        before[i] = low < fronts ? latest[low] : -1;
        latest[low] = i;
        fronts += low == fronts;
        rank[i] = low;
    }
}

static double box(const double *point, int m, const double *reference)
{
    double volume = 1;
    for (int j = 0; j < m; j++) volume *= fmax(reference[j] - point[j], 0);
    return volume;
}

/* Strips from left to right. */
static double area(parzen_pool *p, const double *y, long n, int m, const double *reference)
{
    double *key = PARZEN_NEW(p, double, n), sum = 0, low = reference[1];
    int32_t *order = PARZEN_NEW(p, int32_t, n);
    for (long i = 0; i < n; i++) key[i] = y[i * m];
    parzen_sort(p, key, n, order);
    for (long k = 0; k < n; k++) {
        const double *at = y + order[k] * m;
        if (!(at[1] < low) || !(at[0] < reference[0])) continue;
        sum += (reference[0] - at[0]) * (low - at[1]);
        low = at[1];
    }
    return sum;
}

/* Slices along the third objective. */
static double volume(parzen_pool *p, const double *y, long n, const double *reference)
{
    double *key = PARZEN_NEW(p, double, n), *below = PARZEN_NEW(p, double, 3 * n), sum = 0;
    int32_t *order = PARZEN_NEW(p, int32_t, n);
    for (long i = 0; i < n; i++) key[i] = y[i * 3 + 2];
    parzen_sort(p, key, n, order);
    for (long k = 0; k < n && key[order[k]] < reference[2]; k++) {
        memcpy(below + k * 3, y + order[k] * 3, 3 * sizeof *y);
        const double from = key[order[k]];
        const double next = k + 1 < n ? fmin(key[order[k + 1]], reference[2]) : reference[2];
        const parzen_place here = parzen_here(p);
        if (next > from) sum += (next - from) * area(p, below, k + 1, 3, reference);
        parzen_back(p, here);
    }
    return sum;
}

/* Exclusive volumes summed up: each point's box less what the points behind it cover of it (While et al.,
 * WFG, 2012). */
static double boxes(parzen_pool *p, const double *y, long n, int m, const double *reference)
{
    double sum = 0;
    for (long i = 0; i < n; i++)
        sum += parzen_exclusive(p, y + (i + 1) * m, n - i - 1, m, reference, y + i * m);
    return sum;
}

double parzen_hypervolume(parzen_pool *p, const double *y, long n, int m, const double *reference)
{
    if (m == 2) return area(p, y, n, 2, reference);
    return m == 3 ? volume(p, y, n, reference) : boxes(p, y, n, m, reference);
}

/* What a point adds to the volume of others. */
double parzen_exclusive(parzen_pool *p, const double *y, long n, int m, const double *reference,
                        const double *point)
{
    const parzen_place here = parzen_here(p);
    double *rest = PARZEN_NEW(p, double, n * m);
    long kept = 0;
    for (long k = 0; k < n; k++) {               /* what others cover; dominated parts add nothing */
        double *part = rest + kept * m;
        for (int j = 0; j < m; j++) part[j] = fmax(point[j], y[k * m + j]);
        bool needed = box(part, m, reference) > 0;
        for (long e = 0; e < kept && needed; e++)
            needed = !dominates(rest + e * m, part, m)
                && memcmp(rest + e * m, part, (size_t)m * sizeof *rest) != 0;
        kept += needed;
    }
    const double volume_of_rest = kept ? parzen_hypervolume(p, rest, kept, m, reference) : 0;
    parzen_back(p, here);
    return box(point, m, reference) - volume_of_rest;
}

/* What a point adds only shrinks as others come in, so whoever still adds most after a new look is next. */
void parzen_subset(parzen_pool *p, const double *y, long n, int m, const double *reference, long k,
                   long *picked)
{
    double *set = PARZEN_NEW(p, double, (k + 1) * m), *gain = PARZEN_NEW(p, double, n);
    long *looked = PARZEN_NEW(p, long, n);
    for (long i = 0; i < n; i++) gain[i] = box(y + i * m, m, reference), looked[i] = 0;
    for (long held = 0; held < k; ) {
        long best = 0;
        for (long i = 1; i < n; i++) if (gain[i] > gain[best]) best = i;
        if (looked[best] < held) {
            gain[best] = fmax(parzen_exclusive(p, set, held, m, reference, y + best * m), 0);
            looked[best] = held;
            continue;
        }
        memcpy(set + held * m, y + best * m, (size_t)m * sizeof *set);
        gain[best] = -INFINITY;
        looked[best] = k;
        picked[held++] = best;
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
