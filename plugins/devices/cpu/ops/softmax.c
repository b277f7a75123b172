/* softmax.c: ops over classes: softmax, its cross-entropy and the hit count. Each row is shifted by its
 * maximum. */
#include "cpu.h"

static long classes(const tensor *a) { return a->dim[a->rank - 1]; }

static float largest(long c, const float *x)
{
    float m = x[0];
    for (long j = 1; j < c; j++) m = x[j] > m ? x[j] : m;
    return m;
}

static void softmax_line(long c, const float *x, float *y)
{
    const float m = largest(c, x);
    double sum = 0;
    for (long j = 0; j < c; j++) sum += (double)(y[j] = expf(x[j] - m));
    const float k = (float)(1 / sum);
    for (long j = 0; j < c; j++) y[j] *= k;
}

static void softmax_rows(const task *t, const lane *l, long from, long n)
{
    const long c = classes(&t->out), lines = n * row_size(&t->out) / c;
    const float *x = in_at(t, 0, l, from);
    float *y = out_at(t, l, from);
    for (long i = 0; i < lines; i++) softmax_line(c, x + i * c, y + i * c);
}
const kernel k_softmax = { .by_rows = 1, .rows = softmax_rows };

static void softmax_bwd_rows(const task *t, const lane *l, long from, long n)
{
    const long c = classes(&t->out), lines = n * row_size(&t->out) / c;
    const float *y = in_at(t, 0, l, from), *dy = in_at(t, 1, l, from);
    float *dx = out_at(t, l, from);
    for (long i = 0; i < lines; i++, y += c, dy += c, dx += c) {
        double dot = 0;
        for (long j = 0; j < c; j++) dot += (double)(y[j] * dy[j]);
        for (long j = 0; j < c; j++) dx[j] = y[j] * (dy[j] - (float)dot);
    }
}
const kernel k_softmax_bwd = { .by_rows = 3, .rows = softmax_bwd_rows };

static bool labelled(sx_dev *dev, task *t)
{
    (void)dev;
    return t->in[0].rank == 2 && t->in[1].dtype == SX_I32 && t->in[1].size == t->rows;
}

static void xent_rows(const task *t, const lane *l, long from, long n)
{
    const long c = classes(&t->in[0]);
    const float *x = in_at(t, 0, l, from);
    const int32_t *label = arg_at(&t->in[1], l, from);
    float *y = out_at(t, l, from);
    for (long i = 0; i < n; i++, x += c) {
        const float m = largest(c, x);
        double sum = 0;
        for (long j = 0; j < c; j++) sum += (double)expf(x[j] - m);
        const bool known = label[i] >= 0 && label[i] < c;
        y[i] = known ? (float)(log(sum) + (double)(m - x[label[i]])) : NAN;
    }
}
const kernel k_xent = { .by_rows = 3, .make = labelled, .rows = xent_rows };

static void xent_bwd_rows(const task *t, const lane *l, long from, long n)
{
    const long c = classes(&t->out);
    const float *x = in_at(t, 0, l, from), *dloss = in_at(t, 2, l, from);
    const int32_t *label = arg_at(&t->in[1], l, from);
    float *dx = out_at(t, l, from);
    for (long i = 0; i < n; i++, x += c, dx += c) {
        softmax_line(c, x, dx);
        if (label[i] >= 0 && label[i] < c) dx[label[i]] -= 1;
        for (long j = 0; j < c; j++) dx[j] *= dloss[i];
    }
}
const kernel k_xent_bwd = { .by_rows = 7, .make = labelled, .rows = xent_bwd_rows };

static void hit_rows(const task *t, const lane *l, long from, long n)
{
    const long c = classes(&t->in[0]);
    const float *x = in_at(t, 0, l, from);
    const int32_t *label = arg_at(&t->in[1], l, from);
    float *y = out_at(t, l, from);
    for (long i = 0; i < n; i++, x += c) {
        long best = 0;
        for (long j = 1; j < c; j++) best = x[j] > x[best] ? j : best;
        y[i] = best == label[i];
    }
}
const kernel k_hit = { .by_rows = 3, .make = labelled, .rows = hit_rows };
