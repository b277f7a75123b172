/* parzen_score.c: log densities of many candidates under one mixture of product kernels: where the time of a
 * suggestion goes. Kernels are taken in blocks that stay in the nearest cache, each for all candidates.
 * Sums have eight lanes whatever the machine's registers, so their bits are the same on all of them. */
#include "../below.h"
#include "parzen.h"

enum { BLOCK = 128, LANES = 8 };

/* Log masses of one value of an axis; of NULL: an entry for each component. */
typedef struct { double x; const double *table; const int32_t *of; } column;
typedef struct {                                 /* one call */
    const parzen_mix *mix; parzen_pool *pool;
    const double *x; long n;
    column *column; long columns;
    long *uses; int used;                        /* [n][used]: the columns that a candidate adds up */
    const parzen_dim **open; double *z; int opens;       /* continuous axes; [n][opens]: candidates there */
} scoring;

static double *level_of(parzen_pool *p, parzen_dim *dim, long level)
{
    double *row = dim->mass[level];
    if (row) return row;
    row = dim->mass[dim->made[dim->rows++] = level] = PARZEN_NEW(p, double, dim->kernels);
    for (long k = 0; k < dim->kernels; k++) row[k] = NAN;
    return row;
}

/* Log masses of the cell of x under the kernels of a numeric axis: as far as they are used, known ones again.
 * They stay with the mixture. */
static const double *level_row(parzen_pool *p, parzen_dim *dim, double x)
{
    const parzen_axis *a = dim->axis;
    double *row = level_of(p, dim, parzen_level(a, x)), from, to;
    parzen_cell(a, x, &from, &to);
    for (long k = 0; k < dim->kernels; k++)
        if (isnan(row[k]) && dim->sigma[k] > 0)
            row[k] = parzen_log_mass((from - dim->mu[k]) / dim->sigma[k], (to - dim->mu[k]) / dim->sigma[k])
                - dim->norm[k];
    return row;
}

static const double *wide_row(parzen_pool *p, const parzen_dim *dim, double x)
{
    double *row = PARZEN_NEW(p, double, dim->kernels), from, to;
    parzen_cell(dim->axis, x, &from, &to);
    for (long k = 0; k < dim->kernels; k++)
        row[k] = parzen_log_mass((from - dim->mu[k]) / dim->sigma[k], (to - dim->mu[k]) / dim->sigma[k])
            - dim->norm[k];
    return row;
}

static const double *option_row(parzen_pool *p, const parzen_dim *dim, long option)
{
    const long options = dim->axis->options;
    double *row = PARZEN_NEW(p, double, options + 1);
    const double other = log(dim->other);
    for (long k = 0; k < options; k++) row[k] = other;
    row[option] = log(dim->same);
    row[options] = log(parzen_option(dim->axis, option));
    return row;
}

static column column_of(const scoring *q, parzen_dim *dim, double x)
{
    if (dim->axis->options) return (column){ x, option_row(q->pool, dim, (long)x), dim->of };
    if (dim->axis->levels) return (column){ x, level_row(q->mix->pool, dim, x), dim->of };
    return (column){ x, wide_row(q->pool, dim, x), NULL };
}

/* Candidates that agree in an axis share its column. */
static void add_columns(scoring *q, int j)
{
    const int d = q->mix->d;
    const long first = q->columns;
    for (long c = 0; c < q->n; c++) {
        const double x = q->x[c * d + j];
        long k = first;
        while (k < q->columns && q->column[k].x != x) k++;
        if (k == q->columns) q->column[q->columns++] = column_of(q, &q->mix->dim[j], x);
        q->uses[c * d + q->used] = k;
    }
    q->used++;
}

static void prepare(scoring *q)
{
    const int d = q->mix->d;
    q->column = PARZEN_NEW(q->pool, column, q->n * d);
    q->uses = PARZEN_NEW(q->pool, long, q->n * d);
    q->open = PARZEN_NEW(q->pool, const parzen_dim *, d);
    q->z = PARZEN_NEW(q->pool, double, q->n * d);
    for (int j = 0; j < d; j++) {
        const parzen_dim *dim = &q->mix->dim[j];
        if (dim->axis->options || dim->axis->step > 0) { add_columns(q, j); continue; }
        for (long c = 0; c < q->n; c++) q->z[c * d + q->opens] = parzen_z(dim->axis, q->x[c * d + j]);
        q->open[q->opens++] = dim;
    }
}

/* --- The loops --- */
SX_FAST static void spread(long n, const double *table, const int32_t *of, double *restrict out)
{
    for (long i = 0; i < n; i++) out[i] = table[of[i]];
}

SX_FAST static void add_four(long n, const double *a, const double *b, const double *c, const double *d,
                             double *restrict t)
{
    for (long i = 0; i < n; i++) t[i] += (a[i] + b[i]) + (c[i] + d[i]);
}

SX_FAST static void add_one(long n, const double *a, double *restrict t)
{
    for (long i = 0; i < n; i++) t[i] += a[i];
}

SX_FAST static void add_normal(long n, double z, const double *mu, const double *inverse, const double *norm,
                               double *restrict t)
{
    for (long i = 0; i < n; i++) {
        const double far = (z - mu[i]) * inverse[i];
        t[i] -= 0.5 * far * far + norm[i];
    }
}

SX_FAST static double largest(long n, const double *t)
{
    double top[LANES], most = -INFINITY;
    for (int j = 0; j < LANES; j++) top[j] = -INFINITY;
    for (long i = 0; i < n; i += LANES)
        for (int j = 0; j < LANES; j++) top[j] = t[i + j] > top[j] ? t[i + j] : top[j];
    for (int j = 0; j < LANES; j++) most = top[j] > most ? top[j] : most;
    return most;
}

/* What is more than e^-46 of the largest term; the rest is below 1e-20 of the sum. Padded to whole lanes. */
SX_FAST static long near(long size, const double *t, double top, const double *weight, double *restrict far,
                         double *restrict of)
{
    const double least = top - 46;
    long n = 0;
    for (long i = 0; i < size; i += LANES) {
        int any = 0;
        for (int j = 0; j < LANES; j++) any |= t[i + j] > least;
        for (int j = 0; any && j < LANES; j++) {
            far[n] = t[i + j] - top;
            of[n] = weight[i + j];
            n += t[i + j] > least;
        }
    }
    for (; n % LANES; n++) far[n] = of[n] = 0;
    return n;
}

SX_FAST static double weighed(long n, double *restrict far, const double *restrict weight)
{
    double sum[LANES] = { 0 };
    for (long i = 0; i < n; i++) far[i] = weight[i] * exp_below(far[i]);
    for (long i = 0; i < n; i += LANES) for (int j = 0; j < LANES; j++) sum[j] += far[i + j];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static long whole(long n) { return (n + LANES - 1) / LANES * LANES; }

/* Log densities of one block of components at candidate c, without their weights; padded to whole lanes. */
static void block_of(const scoring *q, long c, long from, long n, const double *const *row, double *t)
{
    const int d = q->mix->d;
    const long *use = q->uses + c * d;
    int j = 0;
    for (long i = 0; i < n; i++) t[i] = 0;
    for (long i = n; i < whole(n); i++) t[i] = -INFINITY;
    for (; j + 4 <= q->used; j += 4)
        add_four(n, row[use[j]], row[use[j + 1]], row[use[j + 2]], row[use[j + 3]], t);
    for (; j < q->used; j++) add_one(n, row[use[j]], t);
    for (j = 0; j < q->opens; j++) {
        const parzen_dim *o = q->open[j];
        add_normal(n, q->z[c * d + j], o->mu + from, o->inverse + from, o->norm + from, t);
    }
}

/* The largest term so far stays the unit of the sum. */
static void add_block(long n, const double *t, const double *weight, double *top, double *sum)
{
    const double most = largest(n, t);
    if (most > *top) {
        *sum *= isinf(*top) ? 0 : exp(*top - most);
        *top = most;
    }
    double far[BLOCK + LANES], of[BLOCK + LANES];
    if (most > *top - 46 && !isinf(*top)) *sum += weighed(near(n, t, *top, weight, far, of), far, of);
}

/* One grid or choice alone: components of one kernel are one, as heavy as all of them. */
static void score_kernels(const scoring *q, double *out)
{
    const parzen_dim *dim = q->mix->dim;
    const long kernels = dim->axis->options ? dim->axis->options + 1 : dim->kernels;
    double *weight = PARZEN_NEW(q->pool, double, kernels);
    memset(weight, 0, (size_t)kernels * sizeof *weight);
    for (long i = 0; i < q->mix->m; i++) weight[dim->of[i]] += q->mix->weight[i];
    for (long c = 0; c < q->n; c++) {
        const double *row = q->column[q->uses[c]].table;
        double top = -INFINITY, sum = 0;
        for (long k = 0; k < kernels; k++) if (weight[k] > 0 && row[k] > top) top = row[k];
        for (long k = 0; k < kernels && !isinf(top); k++)
            if (weight[k] > 0) sum += weight[k] * exp_below(row[k] - top);
        out[c] = isinf(top) ? top : top + log(sum);
    }
}

void parzen_score(parzen_pool *p, const parzen_mix *mix, const double *x, long n, double *out)
{
    scoring q = { .mix = mix, .pool = p, .x = x, .n = n };
    prepare(&q);
    if (mix->d == 1 && mix->dim->of) {
        score_kernels(&q, out);
        return;
    }
    double *spreads = PARZEN_NEW(p, double, q.columns * BLOCK), *sum = PARZEN_NEW(p, double, n), t[BLOCK];
    const double **row = PARZEN_NEW(p, const double *, q.columns);
    for (long c = 0; c < n; c++) out[c] = -INFINITY, sum[c] = 0;
    for (long from = 0; from < mix->m; from += BLOCK) {
        const long size = mix->m - from < BLOCK ? mix->m - from : BLOCK;
        double weight[BLOCK] = { 0 };
        memcpy(weight, mix->weight + from, (size_t)size * sizeof *weight);
        for (long k = 0; k < q.columns; k++) {
            row[k] = q.column[k].of ? spreads + k * BLOCK : q.column[k].table + from;
            if (q.column[k].of) spread(size, q.column[k].table, q.column[k].of + from, spreads + k * BLOCK);
        }
        for (long c = 0; c < n; c++) {
            block_of(&q, c, from, size, row, t);
            add_block(whole(size), t, weight, &out[c], &sum[c]);
        }
    }
    for (long c = 0; c < n; c++) if (!isinf(out[c])) out[c] += log(sum[c]);
}
