/* trees.c: a random forest as a model of a study: steps and conditions cost it nothing, and it never fails.
 * Each tree sees the trials drawn with replacement and cuts where its halves differ most, among some of the
 * axes (Breiman, "Random forests", 2001; Hutter et al., "Sequential model-based optimization", 2011). */
#include <string.h>
#include "surrogate.h"

enum { TREES = 20, LEAF = 2, TRIES = 3 };

typedef struct {                                 /* axis -1: a leaf */
    int axis; bool equal; double cut, mean, var;
    int32_t left, right;
} node;
typedef struct { int d; node *v; int32_t n, root[TREES]; } trees;
typedef struct {                                 /* one tree as it grows */
    trees *t;
    const suggestion *q; const double *u, *y;
    int32_t *row, *spare;
    uint64_t key, next;
} growth;

static double draw(growth *g) { return sx_uniform_of(g->key, g->next++); }

typedef struct { int axis; bool equal; double cut, gain; } split;

static bool goes_left(const split *s, double u) { return s->equal ? u == s->cut : u < s->cut; }

/* How much of the squares a cut takes away. */
static double gain_of(const growth *g, const split *s, int32_t from, int32_t to)
{
    double left = 0, right = 0;
    int32_t n = 0;
    for (int32_t i = from; i < to; i++) {
        const int32_t r = g->row[i];
        if (goes_left(s, g->u[(long)r * g->t->d + s->axis])) left += g->y[r], n++;
        else right += g->y[r];
    }
    const int32_t m = to - from - n;
    if (n < LEAF || m < LEAF) return -INFINITY;
    return left * left / n + right * right / m;
}

/* A few cuts of each axis, at random between two of its values: trees that differ make a smooth forest. */
static split best_split(growth *g, int32_t from, int32_t to)
{
    split best = { .axis = -1, .gain = -INFINITY };
    for (int j = 0; j < g->t->d; j++) {
        if (draw(g) > 5.0 / 6) continue;
        for (int tries = 0; tries < TRIES; tries++) {
            const int32_t a = g->row[from + (int32_t)(draw(g) * (to - from))],
                b = g->row[from + (int32_t)(draw(g) * (to - from))];
            const double ua = g->u[(long)a * g->t->d + j], ub = g->u[(long)b * g->t->d + j];
            if (ua == ub) continue;
            split s = { .axis = j, .equal = g->q->c.axis[j].category };
            s.cut = s.equal ? ua : ua + (ub - ua) * (0.02 + 0.96 * draw(g));
            s.gain = gain_of(g, &s, from, to);
            if (s.gain > best.gain) best = s;
        }
    }
    return best;
}

static int32_t leaf(growth *g, int32_t from, int32_t to)
{
    node *l = &g->t->v[g->t->n];
    double sum = 0, square = 0;
    for (int32_t i = from; i < to; i++) sum += g->y[g->row[i]] / (to - from);
    for (int32_t i = from; i < to; i++) {
        const double off = g->y[g->row[i]] - sum;
        square += off * off / (to - from);
    }
    *l = (node){ .axis = -1, .mean = sum, .var = square };
    return g->t->n++;
}

/* Rows that go left first; returns where the others begin. */
static int32_t part(growth *g, const split *s, int32_t from, int32_t to)
{
    int32_t left = from, right = 0;
    for (int32_t i = from; i < to; i++) {
        const int32_t r = g->row[i];
        if (goes_left(s, g->u[(long)r * g->t->d + s->axis])) g->row[left++] = r;
        else g->spare[right++] = r;
    }
    memcpy(g->row + left, g->spare, (size_t)right * sizeof *g->spare);
    return left;
}

static int32_t grow(growth *g, int32_t from, int32_t to)
{
    const split s = to - from < 2 * LEAF ? (split){ .axis = -1 } : best_split(g, from, to);
    const int32_t at = leaf(g, from, to);
    if (s.axis < 0 || !(g->t->v[at].var > 0)) return at;
    const int32_t middle = part(g, &s, from, to);
    const int32_t left = grow(g, from, middle), right = grow(g, middle, to);
    node *top = &g->t->v[at];
    top->axis = s.axis, top->equal = s.equal, top->cut = s.cut;
    top->left = left, top->right = right;
    return at;
}

static trees *plant(const suggestion *q, uint64_t key, long n, const double *u, const double *y)
{
    trees *t = PARZEN_NEW(q->pool, trees, 1);
    growth g = { .t = t, .q = q, .u = u, .y = y, .row = PARZEN_NEW(q->pool, int32_t, n),
                 .spare = PARZEN_NEW(q->pool, int32_t, n), .key = key };
    *t = (trees){ .d = q->s->n, .v = PARZEN_NEW(q->pool, node, TREES * 2 * n) };
    for (int k = 0; k < TREES; k++) {
        for (long i = 0; i < n; i++) g.row[i] = (int32_t)(draw(&g) * (double)n);
        t->root[k] = grow(&g, 0, (int32_t)n);
    }
    return t;
}

static void predict(const void *model, long n, const double *u, double *mean, double *var)
{
    const trees *t = model;
    for (long i = 0; i < n; i++, u += t->d) {
        double sum = 0, square = 0;
        for (int k = 0; k < TREES; k++) {
            const node *at = &t->v[t->root[k]];
            while (at->axis >= 0) {
                const split s = { .axis = at->axis, .equal = at->equal, .cut = at->cut };
                at = &t->v[goes_left(&s, u[at->axis]) ? at->left : at->right];
            }
            sum += at->mean / TREES, square += at->mean * at->mean / TREES;
        }
        mean[i] = sum;
        var[i] = fmax(square - sum * sum, 0);
    }
}

/* Running trials take the value that the others let expect. */
static void *model(void *own, const suggestion *q, int which, long n, long told, const double *u,
                   const double *y)
{
    (void)own, (void)which;
    const uint64_t key = (uint64_t)(sx_uniform(q->r) * 0x1p53);
    if (told < 2) return NULL;
    trees *t = plant(q, key, told, u, y);
    if (n == told) return t;
    double *all = PARZEN_NEW(q->pool, double, n), *var = PARZEN_NEW(q->pool, double, n);
    memcpy(all, y, (size_t)told * sizeof *y);
    predict(t, n - told, u + told * q->s->n, all + told, var);
    return plant(q, key, n, u, all);
}

const surrogate forest = { NULL, NULL, NULL, model, predict };
