/* fanova.c: functional ANOVA: regression trees on bootstrap samples; the variance that each tree's marginal
 * of one axis has, over that of the whole tree. Volumes are shares of the space: no sampling is needed. */
#include "importance.h"
#include <stdlib.h>
#include <string.h>
#include "rng.h"

enum { TREES = 64, SAMPLES = 500, OPTIONS = 64 };

/* What a node keeps of an axis: an interval of [0, 1], or a set of options. */
typedef struct { double low, high; uint64_t in; } side;
typedef struct { double value, volume; side *box; } leaf;
typedef struct { int axis; long options; double *u; } feature;       /* options 0: a number; u: of trials */
typedef struct {
    sx_arena *a; const sx_told *t; int d; feature *f;
    double *y;                                   /* values with mean 0 and deviation 1 */
    struct { leaf *v; long n, cap; } leaves;
    long *order;                                 /* room for sorting the trials of a node */
} forest;
typedef struct { int feature; double at, gain; } split;              /* at: a bound, or an option */

/* --- Growing a tree --- */

static double measure(const feature *f, const side *s)
{
    return f->options ? (double)__builtin_popcountll(s->in) / (double)f->options : s->high - s->low;
}

static bool is_left(const feature *f, double at, long i) { return f->options ? f->u[i] == at : f->u[i] < at; }

static int by_key(const void *x_, const void *y_, void *key_)
{
    const double *key = key_, x = key[*(const long *)x_], y = key[*(const long *)y_];
    return (x > y) - (x < y);
}

/* What a split of n values with this sum into `left` of them with that sum takes off the squared error. */
static double gain(double left, double left_sum, double n, double sum)
{
    const double right = n - left, right_sum = sum - left_sum;
    return left_sum * left_sum / left + right_sum * right_sum / right - sum * sum / n;
}

static void try_number(forest *w, int at, const long *v, long n, double sum, split *best)
{
    const double *u = w->f[at].u;
    double left = 0;
    memcpy(w->order, v, (size_t)n * sizeof *v);
    qsort_r(w->order, (size_t)n, sizeof *v, by_key, (void *)(uintptr_t)u);
    for (long i = 0; i + 1 < n; i++) {
        const double here = u[w->order[i]], next = u[w->order[i + 1]];
        left += w->y[w->order[i]];
        if (!(here < next)) continue;
        const double g = gain((double)(i + 1), left, (double)n, sum);
        if (g > best->gain) *best = (split){ at, here + (next - here) / 2, g };
    }
}

static void try_choice(const forest *w, int at, const long *v, long n, double sum, split *best)
{
    double count[OPTIONS] = { 0 }, total[OPTIONS] = { 0 };
    for (long i = 0; i < n; i++) {
        count[(long)w->f[at].u[v[i]]]++;
        total[(long)w->f[at].u[v[i]]] += w->y[v[i]];
    }
    for (long k = 0; k < w->f[at].options; k++) {
        if (!(count[k] > 0) || !(count[k] < (double)n)) continue;
        const double g = gain(count[k], total[k], (double)n, sum);
        if (g > best->gain) *best = (split){ at, (double)k, g };
    }
}

static void grow(forest *w, long *v, long n, const side *box, int depth);

static void grow_side(forest *w, long *v, long n, const side *box, int depth, const split *s, bool left)
{
    side *own = sx_dup(w->a, box, (size_t)w->d * sizeof *box), *cut = &own[s->feature];
    if (w->f[s->feature].options) {
        const uint64_t one = (uint64_t)1 << (long)s->at;
        cut->in = left ? one : cut->in & ~one;
    } else if (left) cut->high = s->at;
    else cut->low = s->at;
    grow(w, v, n, own, depth + 1);
}

static void grow(forest *w, long *v, long n, const side *box, int depth)
{
    enum { DEEPEST = 64 };
    double sum = 0, volume = 1;
    for (long i = 0; i < n; i++) sum += w->y[v[i]];
    split best = { 0, 0, 1e-12 };
    for (int k = 0; k < w->d && depth < DEEPEST && n > 1; k++) {
        if (w->f[k].options) try_choice(w, k, v, n, sum, &best);
        else try_number(w, k, v, n, sum, &best);
    }
    if (best.gain > 1e-12) {
        long left = 0;
        for (long i = 0; i < n; i++) {
            if (!is_left(&w->f[best.feature], best.at, v[i])) continue;
            const long moved = v[i];
            v[i] = v[left];
            v[left++] = moved;
        }
        grow_side(w, v, left, box, depth, &best, true);
        grow_side(w, v + left, n - left, box, depth, &best, false);
        return;
    }
    for (int k = 0; k < w->d; k++) volume *= measure(&w->f[k], &box[k]);
    SX_PUSH(w->a, w->leaves, ((leaf){ sum / (double)n, volume, (side *)(uintptr_t)box }));
}

/* --- Variances of a tree --- */

static void moments(const forest *w, double *mean, double *variance)
{
    *mean = *variance = 0;
    for (long i = 0; i < w->leaves.n; i++) *mean += w->leaves.v[i].volume * w->leaves.v[i].value;
    for (long i = 0; i < w->leaves.n; i++) {
        const double off = w->leaves.v[i].value - *mean;
        *variance += w->leaves.v[i].volume * off * off;
    }
}

static double of_choice(const forest *w, int k, double mean)
{
    const double options = (double)w->f[k].options;
    double level[OPTIONS] = { 0 }, variance = 0;
    for (long i = 0; i < w->leaves.n; i++) {
        const leaf *l = &w->leaves.v[i];
        const double add = l->value * l->volume / measure(&w->f[k], &l->box[k]);
        for (long o = 0; o < w->f[k].options; o++) if (l->box[k].in >> o & 1) level[o] += add;
    }
    for (long o = 0; o < w->f[k].options; o++) variance += (level[o] - mean) * (level[o] - mean) / options;
    return variance;
}

static int by_value(const void *x_, const void *y_)
{
    const double *x = x_, *y = y_;
    return (x[0] > y[0]) - (x[0] < y[0]);
}

/* The marginal is a staircase: it climbs by a leaf's part where the leaf begins, and falls where it ends. */
static double of_number(const forest *w, int k, double mean)
{
    const long n = 2 * w->leaves.n;
    double (*step)[2] = sx_alloc_array(w->a, (size_t)n, sizeof *step), level = 0, variance = 0;
    for (long i = 0; i < w->leaves.n; i++) {
        const leaf *l = &w->leaves.v[i];
        const double add = l->value * l->volume / measure(&w->f[k], &l->box[k]);
        step[2 * i][0] = l->box[k].low, step[2 * i][1] = add;
        step[2 * i + 1][0] = l->box[k].high, step[2 * i + 1][1] = -add;
    }
    qsort(step, (size_t)n, sizeof *step, by_value);
    for (long i = 0; i + 1 < n; i++) {
        level += step[i][1];
        variance += (step[i + 1][0] - step[i][0]) * (level - mean) * (level - mean);
    }
    return variance;
}

/* --- The forest --- */

static bool always_active(const sx_told *t, int axis)
{
    for (long i = 0; i < t->n; i++) if (isnan(t->x[i][axis])) return false;
    return true;
}

static bool make_feature(sx_arena *a, const sx_told *t, int axis, feature *f)
{
    const sx_grid g = sx_importance_grid(t, axis);
    const bool choice = g.axis->kind == SX_AXIS_CHOICE;
    if (g.cells < 2 || (choice && g.cells > OPTIONS) || !always_active(t, axis)) return false;
    *f = (feature){ axis, choice ? g.cells : 0, sx_alloc_array(a, (size_t)t->n, sizeof(double)) };
    for (long i = 0; i < t->n; i++) {
        const double at = sx_importance_place(&g, t->x[i][axis]);
        f->u[i] = choice ? at : fmin(fmax(at / (double)(g.cells - 1), 0), 1);
    }
    return true;
}

static void one_tree(const forest *all, int number, double *raw)
{
    forest w = *all;
    sx_rng rng;
    double mean, variance;
    const long n = w.t->n < SAMPLES ? w.t->n : SAMPLES;
    w.a = sx_arena_open(all->a);
    long *v = sx_alloc_array(w.a, (size_t)n, sizeof *v);
    side *box = sx_alloc_array(w.a, (size_t)w.d, sizeof *box);
    sx_rng_init(&rng, 0, number, "fanova");
    for (long i = 0; i < n; i++) v[i] = (long)(sx_uniform(&rng) * (double)w.t->n);
    for (int k = 0; k < w.d; k++)
        box[k] = (side){ 0, 1, ~(uint64_t)0 >> (w.f[k].options ? 64 - w.f[k].options : 0) };
    w.order = sx_alloc_array(w.a, (size_t)n, sizeof *w.order);
    grow(&w, v, n, box, 0);
    moments(&w, &mean, &variance);
    for (int k = 0; k < w.d && variance > 0; k++)
        raw[w.f[k].axis] += (w.f[k].options ? of_choice : of_number)(&w, k, mean) / variance / TREES;
    sx_arena_close(w.a);
}

static double *standardised(sx_arena *a, const sx_told *t)
{
    double *y = sx_dup(a, t->y, (size_t)t->n * sizeof *y), mean = 0, square = 0;
    for (long i = 0; i < t->n; i++) mean += y[i] / (double)t->n;
    for (long i = 0; i < t->n; i++) square += (y[i] - mean) * (y[i] - mean) / (double)t->n;
    for (long i = 0; i < t->n; i++) y[i] = square > 0 ? (y[i] - mean) / sqrt(square) : 0;
    return y;
}

void sx_importance_fanova(sx_arena *a, const sx_told *t, double *raw)
{
    forest w = { .a = a, .t = t, .f = sx_alloc_array(a, (size_t)t->space->n + 1, sizeof *w.f) };
    for (int i = 0; i < t->space->n; i++) {
        const bool ours = make_feature(a, t, i, &w.f[w.d]);
        w.d += ours;
        raw[i] = ours || sx_importance_grid(t, i).cells < 2 ? 0 : NAN;
    }
    w.y = standardised(a, t);
    for (int i = 0; i < TREES && w.d; i++) one_tree(&w, i, raw);
}
