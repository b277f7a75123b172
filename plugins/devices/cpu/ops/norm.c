/* norm.c: sums over rows and what batch normalisation makes of them. Sums run in floats over short blocks and
 * in doubles beyond, per fixed group of rows, so that any number of threads gives the same bits. */
#include <string.h>
#include "cpu.h"

enum { BLOCK = 16 };                             /* pixels summed in floats; errors stay where sums cancel */

SX_FAST static void add_columns(long n, long c, const float *restrict x, float *restrict s)
{
    long p = 0;
    for (; p + 4 <= n; p += 4, x += 4 * c)
        for (long j = 0; j < c; j++) s[j] += (x[j] + x[j + c]) + (x[j + 2 * c] + x[j + 3 * c]);
    for (; p < n; p++, x += c)
        for (long j = 0; j < c; j++) s[j] += x[j];
}

SX_FAST static void add_squares(long n, long c, const float *restrict x, float *restrict s)
{
    for (long p = 0; p < n; p++, x += c)
        for (long j = 0; j < c; j++) s[j] += x[j] * x[j];
}

SX_FAST static void max_columns(long n, long c, const float *restrict x, float *restrict s)
{
    for (long p = 0; p < n; p++, x += c)
        for (long j = 0; j < c; j++) s[j] = x[j] > s[j] || x[j] != x[j] ? x[j] : s[j];
}

/* Pixel after pixel, two at a time: the bits of one at a time. */
SX_FAST static void add_moments(long n, long c, const float *restrict x, const float *restrict shift,
                                float *restrict s, float *restrict q)
{
    long p = 0;
    for (; p + 2 <= n; p += 2, x += 2 * c)
        for (long j = 0; j < c; j++) {
            const float a = x[j] - shift[j], b = x[j + c] - shift[j];
            s[j] = s[j] + a + b;
            q[j] = q[j] + a * a + b * b;
        }
    for (; p < n; p++, x += c)
        for (long j = 0; j < c; j++) {
            const float a = x[j] - shift[j];
            s[j] += a;
            q[j] += a * a;
        }
}

SX_FAST static void add_products(long n, long c, const float *restrict x, const float *restrict dy,
                                 const float *restrict mean, float *restrict g, float *restrict b)
{
    for (long p = 0; p < n; p++, x += c, dy += c)
        for (long j = 0; j < c; j++) {
            g[j] += dy[j] * (x[j] - mean[j]);
            b[j] += dy[j];
        }
}

SX_FAST static void to_double(long n, float *restrict from, double *restrict to)
{
    for (long i = 0; i < n; i++) to[i] += (double)from[i], from[i] = 0;
}

/* --- reduce: a row is seen as axes alternately kept and folded --- */
typedef struct {
    sx_fold fold; bool over_rows;
    int rank;
    long dim[SX_RANK + 2];
    bool folded[SX_RANK + 2]; /* of a row, neighbours of one kind joined; at least 2 axes */
    long result; double scale;                               /* elements of the result that one row goes to */
} folding;

static void add_axis(folding *f, long dim, bool folded)
{
    if (f->rank && f->folded[f->rank - 1] == folded) f->dim[f->rank - 1] *= dim;
    else f->dim[f->rank] = dim, f->folded[f->rank++] = folded;
}

/* Shapes the row so that it ends in [folded, kept]; a missing end is an axis of length 1. */
static bool reduce_make(sx_dev *dev, task *t)
{
    (void)dev;
    const sx_fold_over *attr = t->op->attr;
    folding *f = t->own = sx_plan_alloc(t->plan, sizeof *f);
    const tensor *x = &t->in[0];
    *f = (folding){ .fold = attr->fold, .over_rows = attr->axes & 1, .result = 1 };
    long folded = attr->axes & 1 ? x->dim[0] : 1;
    if (f->over_rows) add_axis(f, 1, true);
    for (int i = 1; i < x->rank; i++) {
        const bool gone = attr->axes >> i & 1;
        if (x->dim[i] > 1) add_axis(f, x->dim[i], gone);
        if (gone) folded *= x->dim[i];
        else f->result *= x->dim[i];
    }
    if (!f->rank || f->folded[f->rank - 1]) f->dim[f->rank] = 1, f->folded[f->rank++] = false;
    if (f->rank < 2) {
        f->dim[1] = f->dim[0], f->folded[1] = false;
        f->dim[0] = 1, f->folded[0] = true;
        f->rank = 2;
    }
    t->line = f->over_rows && f->rank == 2 ? f->dim[1] : 0;
    f->scale = attr->fold == SX_MEAN ? 1.0 / (double)folded : 1;
    t->partial = f->over_rows ? (size_t)f->result * sizeof(double) : 0;
    t->lane = (size_t)f->result * (sizeof(double) + sizeof(float));
    t->rows = x->dim[0];
    t->in[0].row = (size_t)row_size(x) * sizeof(float);
    t->out.row = f->over_rows ? 0 : (size_t)row_size(&t->out) * sizeof(float);
    return true;
}

/* n lines of c into sums[c], block by block through floats. */
static void fold_lines(sx_fold fold, long n, long c, const float *x, float *s, double *sums)
{
    for (long p = 0; p < n; p += BLOCK) {
        const long m = n - p < BLOCK ? n - p : BLOCK;
        if (fold == SX_SUM_SQUARES) add_squares(m, c, x + p * c, s);
        else add_columns(m, c, x + p * c, s);
        to_double(c, s, sums);
    }
}

SX_FAST static double line_sum(sx_fold fold, long n, const float *x)
{
    float s[16] = { 0 };
    double sum = 0;
    long i = 0;
    for (; i + 16 <= n; i += 16) {
        for (int j = 0; j < 16; j++) s[j] += fold == SX_SUM_SQUARES ? x[i + j] * x[i + j] : x[i + j];
        if (i % 1024 == 1008) for (int j = 0; j < 16; j++) sum += (double)s[j], s[j] = 0;
    }
    for (int j = 0; j < 16; j++) sum += (double)s[j];
    for (; i < n; i++) sum += fold == SX_SUM_SQUARES ? (double)x[i] * (double)x[i] : (double)x[i];
    return sum;
}

/* n lines of c, the last two axes of a row, into the result at `at`. */
static void fold_plane(const folding *f, long n, long c, const float *x, float *s, double *sums)
{
    if (f->fold == SX_MAX) {
        for (long j = 0; j < c; j++) s[j] = (float)sums[j];
        max_columns(n, c, x, s);
        for (long j = 0; j < c; j++) sums[j] = (double)s[j], s[j] = 0;
    } else if (c == 1) *sums += line_sum(f->fold, n, x);
    else fold_lines(f->fold, n, c, x, s, sums);
}

static void fold_row(const folding *f, const float *x, float *s, double *sums)
{
    const long n = f->dim[f->rank - 2], c = f->dim[f->rank - 1];
    long planes = 1;
    for (int i = 0; i < f->rank - 2; i++) planes *= f->dim[i];
    for (long k = 0; k < planes; k++) {
        long at = 0, step = c, rest = k;
        for (int i = f->rank - 3; i >= 0; i--) {
            if (!f->folded[i]) at += rest % f->dim[i] * step, step *= f->dim[i];
            rest /= f->dim[i];
        }
        fold_plane(f, n, c, x + k * n * c, s, sums + at);
    }
}

static void clear(const folding *f, double *sums)
{
    for (long i = 0; i < f->result; i++) sums[i] = f->fold == SX_MAX ? -INFINITY : 0;
}

static void reduce_rows(const task *t, const lane *l, long from, long n)
{
    const folding *f = t->own;
    const float *x = in_at(t, 0, l, from);
    float *y = f->over_rows ? NULL : out_at(t, l, from);
    double *sums = f->over_rows ? partial_at(t, l->run, l->group) : (double *)l->scratch;
    float *s = (float *)(l->scratch + (size_t)f->result * sizeof(double));
    memset(s, 0, (size_t)f->result * sizeof *s);
    if (f->over_rows && l->first) clear(f, sums);
    if (t->line) {                               /* rows and folded axes are one run of lines */
        const stretch part = strip_of(t, l, n * row_size(&t->in[0]));
        fold_plane(f, part.n, t->line, strip_at(&t->in[0], l, from, part.from * t->line), s, sums);
        return;
    }
    for (long i = 0; i < n; i++, x += row_size(&t->in[0])) {
        if (!f->over_rows) clear(f, sums);
        fold_row(f, x, s, sums);
        for (long j = 0; y && j < f->result; j++) *y++ = (float)(sums[j] * f->scale);
    }
}

static void reduce_end(const task *t, const pass *r)
{
    const folding *f = t->own;
    if (!f->over_rows) return;
    float *y = whole_at(&t->out, r);
    for (long j = 0; j < f->result; j++) {
        double sum = ((double *)partial_at(t, r, 0))[j];
        for (long g = 1; g < r->groups; g++) {
            const double v = ((double *)partial_at(t, r, g))[j];
            sum = f->fold != SX_MAX ? sum + v : v > sum || v != v ? v : sum;
        }
        y[j] = (float)(sum * f->scale);
    }
}
const kernel k_reduce = { .by_rows = 1, .sums = true, .make = reduce_make, .rows = reduce_rows,
                          .end = reduce_end };

/* --- moments: mean and M2 of blocks about their first pixels, joined as by Chan, Golub & LeVeque. Blocks are
 * counted from the group's first pixel on, so that the strips of a chain, which go by its other tasks, change
 * no bit: these are the only sums that the forward pass goes on with. --- */
static long channels(const tensor *x) { return x->dim[x->rank - 1]; }

/* Of a group: pixels, mean and M2 of whole blocks; of the block at hand pixels, first one, sums and
 * squares */
typedef struct { double *count, *open, *mean, *m2; float *first, *s, *q; } moments;

static size_t moments_bytes(long c)
{
    return (size_t)(2 * c + 2) * sizeof(double) + (size_t)(3 * c) * sizeof(float);
}

static moments moments_at(const task *t, const pass *r, long group)
{
    const long c = channels(&t->in[0]);
    double *all = partial_at(t, r, group);
    float *first = (float *)(all + 2 + 2 * c);
    return (moments){ all, all + 1, all + 2, all + 2 + c, first, first + c, first + 2 * c };
}

static bool moments_make(sx_dev *dev, task *t)
{
    (void)dev;
    t->line = channels(&t->in[0]);
    t->partial = moments_bytes(t->line);
    return true;
}

/* n pixels of these means and M2 join those of a. */
static void join(long c, const moments *a, double n, const double *mean, const double *m2)
{
    const double all = *a->count + n, share = n / all, both = *a->count * share;
    for (long j = 0; j < c; j++) {
        const double d = mean[j] - a->mean[j];
        a->mean[j] += d * share;
        a->m2[j] += m2[j] + d * d * both;
    }
    *a->count = all;
}

/* The same of a block of n pixels, whose sums are about its first one. */
SX_FAST static void join_block(long c, double before, double n, const float *restrict first,
                               float *restrict s, float *restrict q, double *restrict mean,
                               double *restrict m2)
{
    const double part = 1 / n, share = n / (before + n), both = before * share;
    for (long j = 0; j < c; j++) {
        const double sum = (double)s[j], at = sum * part, d = (double)first[j] + at - mean[j];
        mean[j] += d * share;
        m2[j] += (double)q[j] - sum * at + d * d * both;
        s[j] = q[j] = 0;
    }
}

static void end_block(long c, const moments *m)
{
    if (!(*m->open > 0)) return;
    join_block(c, *m->count, *m->open, m->first, m->s, m->q, m->mean, m->m2);
    *m->count += *m->open, *m->open = 0;
}

static void moments_rows(const task *t, const lane *l, long from, long n)
{
    const stretch part = strip_of(t, l, n * row_size(&t->in[0]));
    const long c = t->line;
    const float *x = strip_at(&t->in[0], l, from, part.from * c);
    const moments m = moments_at(t, l->run, l->group);
    if (l->first) memset(m.count, 0, moments_bytes(c));
    long open = (long)*m.open;
    for (long p = 0, k; p < part.n; p += k) {
        k = part.n - p < BLOCK - open ? part.n - p : BLOCK - open;
        if (open == 0) memcpy(m.first, x + p * c, (size_t)c * sizeof *x);
        add_moments(k, c, x + p * c, m.first, m.s, m.q);
        *m.open = (double)(open += k);
        if (open == BLOCK) end_block(c, &m), open = 0;
    }
}

static void moments_end(const task *t, const pass *r)
{
    const long c = channels(&t->in[0]);
    const moments all = moments_at(t, r, 0);
    float *y = whole_at(&t->out, r);
    end_block(c, &all);
    for (long g = 1; g < r->groups; g++) {
        const moments m = moments_at(t, r, g);
        end_block(c, &m);
        join(c, &all, *m.count, m.mean, m.m2);
    }
    for (long j = 0; j < c; j++) {
        const double var = all.m2[j] / *all.count;
        y[j] = (float)all.mean[j];
        y[c + j] = var < 0 ? 0 : (float)var;
    }
}
const kernel k_moments = { .by_rows = 1, .sums = true, .make = moments_make, .rows = moments_rows,
                           .end = moments_end };

/* --- normalisation --- */
static double inverse(double var, double eps) { return 1 / sqrt(var + eps); }

static void norm_scale_rows(const task *t, const lane *l, long from, long n)
{
    const sx_eps *e = t->op->attr;
    const float *m = in_at(t, 0, l, 0), *gamma = in_at(t, 1, l, 0), *beta = in_at(t, 2, l, 0);
    float *y = out_at(t, l, 0);
    const long c = channels(&t->out);
    (void)from, (void)n;
    for (long j = 0; j < c; j++) {
        const double scale = (double)gamma[j] * inverse((double)m[c + j], e->eps);
        y[j] = (float)scale;
        y[c + j] = (float)((double)beta[j] - (double)m[j] * scale);
    }
}
static bool single_make(sx_dev *dev, task *t)    /* small and undivided */
{
    (void)dev;
    t->rows = 1;
    t->out.row = (size_t)t->out.size * sizeof(float);
    return true;
}
const kernel k_norm_scale = { .make = single_make, .rows = norm_scale_rows };

SX_FAST static void scale_shift(long n, long c, const float *restrict x, const float *restrict s,
                                float *restrict y)
{
    for (long p = 0; p < n; p++)
        for (long j = 0; j < c; j++) y[p * c + j] = x[p * c + j] * s[j] + s[c + j];
}

static void scale_shift_rows(const task *t, const lane *l, long from, long n)
{
    const stretch part = strip_of(t, l, n * row_size(&t->out));
    const long c = t->line, e = part.from * c;
    scale_shift(part.n, c, strip_at(&t->in[0], l, from, e), in_at(t, 1, l, 0), strip_at(&t->out, l, from, e));
}
static bool scale_shift_make(sx_dev *dev, task *t)
{
    (void)dev;
    t->line = channels(&t->out);
    t->in_place = 1;
    return true;
}
const kernel k_scale_shift = { .by_rows = 1, .make = scale_shift_make, .rows = scale_shift_rows };

static bool norm_sums_make(sx_dev *dev, task *t)
{
    (void)dev;
    const long c = t->line = channels(&t->in[0]);
    t->partial = (size_t)(2 * c) * sizeof(double);
    t->lane = (size_t)(2 * c) * sizeof(float);
    return true;
}

static void norm_sums_rows(const task *t, const lane *l, long from, long n)
{
    const stretch part = strip_of(t, l, n * row_size(&t->in[0]));
    const long c = t->line, pixels = part.n, e = part.from * c;
    const float *x = strip_at(&t->in[0], l, from, e), *dy = strip_at(&t->in[1], l, from, e),
                *mean = in_at(t, 2, l, 0);
    double *sums = partial_at(t, l->run, l->group);
    float *s = (float *)l->scratch;
    if (l->first) memset(sums, 0, t->partial);
    memset(s, 0, t->lane);
    for (long p = 0; p < pixels; p += BLOCK) {
        const long m = pixels - p < BLOCK ? pixels - p : BLOCK;
        add_products(m, c, x + p * c, dy + p * c, mean, s, s + c);
        to_double(2 * c, s, sums);
    }
}

static void norm_sums_end(const task *t, const pass *r)
{
    const sx_eps *e = t->op->attr;
    const long c = channels(&t->in[0]);
    const float *m = whole_at(&t->in[2], r);
    float *y = whole_at(&t->out, r);
    for (long j = 0; j < 2 * c; j++) {
        double sum = 0;
        for (long g = 0; g < r->groups; g++) sum += ((double *)partial_at(t, r, g))[j];
        y[j] = (float)(j < c ? sum * inverse((double)m[c + j], e->eps) : sum);
    }
}
const kernel k_norm_sums = { .by_rows = 3, .sums = true, .make = norm_sums_make, .rows = norm_sums_rows,
                             .end = norm_sums_end };

SX_FAST static void norm_bwd(long n, long c, const float *restrict x, const float *restrict dy,
                             const float *restrict mean, const float *restrict k, float *restrict dx)
{
    const float *a = k, *b = k + c, *d = k + 2 * c;
    for (long p = 0; p < n; p++)
        for (long j = 0; j < c; j++)
            dx[p * c + j] = a[j] * dy[p * c + j] + b[j] * (x[p * c + j] - mean[j]) + d[j];
}

static bool norm_bwd_make(sx_dev *dev, task *t)
{
    (void)dev;
    t->line = channels(&t->out);
    t->lane = (size_t)(3 * t->line) * sizeof(float);
    t->in_place = 3;
    return true;
}

/* dx = a dy + b (x - mean) + d: gamma invstd (dy - mean(dy) - xhat mean(dy xhat)) with the channel's numbers
 * taken out. They are rounded once: their errors are the same in every pixel and would add up in the sums
 * below this layer. */
void norm_bwd_factors(const task *t, const lane *l, float *k)
{
    const sx_eps *attr = t->op->attr;
    const long c = channels(&t->out), count = t->out.size / c;
    const float *m = in_at(t, 2, l, 0), *gamma = in_at(t, 3, l, 0), *sums = in_at(t, 4, l, 0);
    for (long j = 0; j < c; j++) {
        const double inv = inverse((double)m[c + j], attr->eps), a = (double)gamma[j] * inv;
        k[j] = (float)a;
        k[c + j] = (float)(-a * inv * (double)sums[j] / (double)count);
        k[2 * c + j] = (float)(-a * (double)sums[c + j] / (double)count);
    }
}

static void norm_bwd_rows(const task *t, const lane *l, long from, long n)
{
    const stretch part = strip_of(t, l, n * row_size(&t->out));
    const long c = t->line, e = part.from * c;
    float *k = (float *)l->scratch;
    norm_bwd_factors(t, l, k);
    norm_bwd(part.n, c, strip_at(&t->in[0], l, from, e), strip_at(&t->in[1], l, from, e), in_at(t, 2, l, 0),
             k, strip_at(&t->out, l, from, e));
}
const kernel k_norm_bwd = { .by_rows = 3, .make = norm_bwd_make, .rows = norm_bwd_rows };
