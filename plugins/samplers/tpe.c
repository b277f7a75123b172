/* tpe.c: tree-structured Parzen estimators, as Optuna 5 (joint) and hyperopt (each axis alone) do them.
 * Draws candidates like the good trials and takes the one that is least like the bad ones. */
#include <stdlib.h>
#include "parzen.h"

struct tpe {
    int flavour;
    long startup, candidates;
    double gamma, prior_weight;
    bool multivariate, group, constant_liar, repeats;
};

static const char *const flavours[] = { "optuna", "hyperopt", NULL };
static const sx_param params[] = {
    SX_CHOICE(struct tpe, flavour, .choices = flavours, .doc = "whose estimator, with its defaults"),
    SX_INT(struct tpe, startup, .def = -1, .min = -1, .max = 1e9,
           .doc = "trials drawn at random first; -1: 10 of optuna, 20 of hyperopt"),
    SX_INT(struct tpe, candidates, .def = 24, .min = 1, .max = 1000,
           .doc = "points drawn and scored for each suggestion"),
    SX_REAL(struct tpe, gamma, .def = 0, .min = 0, .max = 1,
            .doc = "share of good trials: gamma n of optuna, gamma sqrt(n) of hyperopt; 0: 0.1 and 0.25"),
    SX_REAL(struct tpe, prior_weight, .def = 1, .min = 0, .max = 1e6, .flags = SX_OPEN_MIN,
            .doc = "weight of the prior beside one of each trial"),
    SX_BOOL(struct tpe, multivariate, .def = 1,
            .doc = "optuna: one joint model of the axes that all trials have"),
    SX_BOOL(struct tpe, group, .def = 0,
            .doc = "optuna: a joint model of every group of axes that go together"),
    SX_BOOL(struct tpe, constant_liar, .def = 1,
            .doc = "running trials count as bad ones, so that workers keep apart"),
    SX_BOOL(struct tpe, repeats, .def = 0, .doc = "the same point may be suggested again"),
    SX_END
};

typedef struct {                                 /* one ask */
    const struct tpe *set;
    const parzen_flavour *f;
    parzen_pool *pool;
    const sx_space *s; const sx_history *h; sx_rng *r;
    parzen_axis *axis;
    parzen_split split;
    int *label;                                  /* axes of one label are drawn together; -1: alone */
} search;
typedef struct {                                 /* candidates of axes that are drawn together */
    const parzen_axis **axis; int d;
    double *x, *score; long n;
} block;

/* Has the axis a value there that the model can use? Histories come from stores that others write to, too. */
static bool usable(const parzen_axis *a, double x)
{
    return isfinite(x) && (!a->options || (x >= 0 && x < (double)a->options));
}

/* The model of the points in which every axis of the block is active. */
static parzen_mix *model(const search *q, const block *b, const parzen_trials *t, bool flat)
{
    const double **x = PARZEN_NEW(q->pool, const double *, t->n);
    long n = 0;
    for (long i = 0; i < t->n; i++) {
        bool whole = true;
        for (int j = 0; j < b->d && whole; j++) whole = usable(b->axis[j], t->v[i]->x[b->axis[j]->at]);
        if (whole) x[n++] = t->v[i]->x;
    }
    return q->f->fit(q->pool, b->axis, b->d, x, n, q->set->prior_weight, flat);
}

/* Puts the best candidate into x and crosses it out, so that the next call gives the next best. */
static bool take_best(const block *b, double *x)
{
    long best = -1;
    for (long c = 0; c < b->n; c++)
        if (!isnan(b->score[c]) && (best < 0 || b->score[c] > b->score[best])) best = c;
    if (best < 0) return false;
    b->score[best] = NAN;
    for (int j = 0; j < b->d; j++) x[b->axis[j]->at] = b->x[best * b->d + j];
    return true;
}

/* The axes that go with axis j, their candidates and how good those look. */
static block candidates(const search *q, int j)
{
    block b = { .axis = PARZEN_NEW(q->pool, const parzen_axis *, q->s->n), .n = q->set->candidates };
    for (int k = 0; k < q->s->n; k++)
        if (k == j || (q->label[j] >= 0 && q->label[k] == q->label[j])) b.axis[b.d++] = &q->axis[k];
    const parzen_mix *l = model(q, &b, &q->split.below, q->s->objectives > 1),
        *g = model(q, &b, &q->split.above, false);
    double *log_g = PARZEN_NEW(q->pool, double, b.n);
    b.x = PARZEN_NEW(q->pool, double, b.n * b.d);
    b.score = PARZEN_NEW(q->pool, double, b.n);
    for (long c = 0; c < b.n; c++) q->f->draw(l, q->r, b.x + c * b.d);
    q->f->score(q->pool, l, b.x, b.n, b.score);
    q->f->score(q->pool, g, b.x, b.n, log_g);
    for (long c = 0; c < b.n; c++) {
        b.score[c] -= log_g[c];
        if (isnan(b.score[c])) b.score[c] = -INFINITY;               /* neither model knows such a place */
    }
    return b;
}

/* Parents come first, so an axis is known to be active when its turn comes. Returns the last block drawn. */
static block draw_point(const search *q, double *x)
{
    block last = { 0 };
    for (int j = 0; j < q->s->n; j++) x[j] = NAN;
    for (int j = 0; j < q->s->n; j++) {
        if (!sx_active(q->s, x, j)) x[j] = NAN;
        else if (isnan(x[j]) && sx_axis_count(q->axis[j].axis) == 1) x[j] = sx_axis_at(q->axis[j].axis, 0);
        else if (isnan(x[j])) {
            last = candidates(q, j);
            take_best(&last, x);
        }
    }
    return last;
}

/* Blanks inactive axes; false where an active one has no value. */
static bool settle(const sx_space *s, double *x)
{
    bool whole = true;
    for (int j = 0; j < s->n; j++) {
        if (!sx_active(s, x, j)) x[j] = NAN;
        else if (isnan(x[j])) whole = false;
    }
    return whole;
}

static bool fresh(const search *q, const double *x)
{
    return q->set->repeats || sx_point_find(q->s, q->h, x, 0) < 0;
}

/* The model's best new point: the next best candidate where the best was tried before, then other draws. */
static bool from_model(const search *q, double *x)
{
    double *y = PARZEN_NEW(q->pool, double, q->s->n);
    for (int round = 0; round < 8; round++) {
        const block last = draw_point(q, x);
        if (fresh(q, x)) return true;
        for (bool more = true; more; ) {
            for (int j = 0; j < q->s->n; j++) y[j] = x[j];
            more = take_best(&last, y);
            if (!more || !settle(q->s, y) || !fresh(q, y)) continue;
            for (int j = 0; j < q->s->n; j++) x[j] = y[j];
            return true;
        }
    }
    return false;
}

/* By the prior; in a finite space whose last points chance does not find, by counting through it. 1: it is
 * exhausted. */
static int from_prior(const search *q, double *x)
{
    bool finite = true;
    for (int tries = 0; tries < 100; tries++) {
        sx_point_random(q->s, q->r, x);
        if (fresh(q, x)) return 0;
    }
    for (int j = 0; j < q->s->n; j++) finite = finite && sx_axis_count(q->axis[j].axis) > 0;
    if (!finite) return 0;
    long near = 0;
    sx_point_first(q->s, 1, x);
    do {
        const long at = sx_point_find(q->s, q->h, x, near);
        if (at < 0) return 0;
        near = at + 1;
    } while (sx_point_next(q->s, 1, x));
    return 1;
}

static int suggest(search *q, double *x)
{
    const struct tpe *set = q->set;
    q->axis = PARZEN_NEW(q->pool, parzen_axis, q->s->n);
    q->label = PARZEN_NEW(q->pool, int, q->s->n);
    for (int j = 0; j < q->s->n; j++) q->axis[j] = parzen_axis_of(q->s->axis[j], j);
    q->split = parzen_divide(q->pool, q->f, q->s, q->h, set->gamma > 0 ? set->gamma : q->f->gamma,
                             set->constant_liar);
    if (q->split.n < (set->startup < 0 ? q->f->startup : set->startup) || !q->split.n)
        return from_prior(q, x);
    parzen_label(q->pool, q->f, q->s, &q->split, set->multivariate, set->group, q->label);
    return from_model(q, x) ? 0 : from_prior(q, x);
}

static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    const struct tpe *set = p;
    parzen_pool own = { 0 };
    search q = { .set = set, .f = set->flavour == 1 ? &parzen_hyperopt : &parzen_optuna,
                 .pool = cache ? cache : &own,
                 .s = s, .h = h, .r = r };
    *tag = 0;
    const int result = suggest(&q, x);
    parzen_reset(q.pool);
    parzen_free(&own);
    return result;
}

/* What is kept between asks is memory, not knowledge. */
static void *open(const void *p, const sx_space *s)
{
    (void)p, (void)s;
    return calloc(1, sizeof(parzen_pool));
}

static void close(void *cache)
{
    parzen_free(cache);
    free(cache);
}

SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, tpe, params, struct tpe, .doc = "tree-structured Parzen estimators",
          .open = open, .close = close, .ask = ask);
SX_PLUGIN("tpe", "1.0", "MIT", SX_ITEM(tpe));
