/* tpe.c: tree-structured Parzen estimators, as Optuna 5 (joint) and hyperopt (each axis alone) do them.
 * Draws candidates like the good trials and takes the one that is least like the bad ones. */
#include <stdlib.h>
#include "parzen/parzen.h"
#include "part.h"

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

/* Joint models of axes that are drawn together, good side and bad; Optuna's, kept from ask to ask. */
typedef struct {
    parzen_pool pool;
    const parzen_axis **axis; int d;
    parzen_mix *mix[3];                          /* by side */
    long logged, epoch;                          /* how far it followed the book; epoch 0: not begun */
} follower;
/* What an ask leaves to the next one: nothing that it could not find again. */
typedef struct {
    const sx_space *s;
    parzen_book *book;
    parzen_axis *axis;
    follower *follower;                          /* by the first axis of the block */
    parzen_pool pool;                            /* of one ask */
} memory;
typedef struct {                                 /* one ask */
    const struct tpe *set;
    const parzen_flavour *f;
    memory *memory; parzen_pool *pool;
    const sx_space *s; const sx_history *h; sx_rng *r;
    parzen_axis *axis;
    int *label;                                  /* axes of one label are drawn together; -1: alone */
} search;
typedef struct {                                 /* candidates of axes that are drawn together */
    const parzen_axis **axis; int d;
    double *x, *score; long n;
} block;

/* Has the axis a value there that the model can use? Histories come from stores that others write to, too. */
static bool usable(const block *b, const double *x)
{
    for (int j = 0; j < b->d; j++) {
        const parzen_axis *a = b->axis[j];
        const double v = x[a->at];
        if (!isfinite(v) || (a->options && !(v >= 0 && v < (double)a->options))) return false;
    }
    return true;
}

/* The points of a side in which every axis of the block is active. */
static long points(const search *q, const block *b, parzen_side side, const double ***x, long **number)
{
    const long all = parzen_book_side(q->memory->book, q->pool, side, x, number);
    long n = 0;
    for (long i = 0; i < all; i++) {
        if (!usable(b, (*x)[i])) continue;
        (*number)[n] = (*number)[i];
        (*x)[n++] = (*x)[i];
    }
    return n;
}

static bool flat(const search *q, parzen_side side) { return side == PARZEN_BELOW && q->s->objectives > 1; }

static void begin(const search *q, const block *b, follower *f)
{
    parzen_reset(&f->pool);
    f->axis = PARZEN_NEW(&f->pool, const parzen_axis *, b->d);
    f->d = b->d;
    for (int j = 0; j < b->d; j++) f->axis[j] = b->axis[j];
    for (int side = PARZEN_BELOW; side <= PARZEN_ABOVE; side++) {
        const double **x;
        long *number;
        const long n = points(q, b, side, &x, &number);
        f->mix[side] = parzen_optuna_open(&f->pool, f->axis, f->d, q->set->prior_weight, flat(q, side));
        parzen_optuna_load(f->mix[side], number, x, n);
    }
}

static bool same_block(const follower *f, const block *b)
{
    bool same = f->d == b->d;
    for (int j = 0; j < b->d && same; j++) same = f->axis[j] == b->axis[j];
    return same;
}

/* The memory of a point that is gone may hold another one by now, so what leaves is not looked at. */
static void follow(const block *b, follower *f, const parzen_change *c)
{
    if (c->from) parzen_optuna_drop(f->mix[c->from], c->number, c->x);
    if (c->to && usable(b, c->x)) parzen_optuna_put(f->mix[c->to], c->number, c->x);
}

/* The models of a block, brought up to date: change by change where there are few. */
static follower *models(const search *q, const block *b)
{
    enum { FEW = 40 };
    const parzen_book *book = q->memory->book;
    follower *f = &q->memory->follower[b->axis[0]->at];
    if (f->epoch != book->epoch || book->logged - f->logged > FEW || !same_block(f, b)) begin(q, b, f);
    else for (long i = f->logged; i < book->logged; i++) follow(b, f, &book->log[i]);
    f->epoch = book->epoch;
    f->logged = book->logged;
    for (int side = PARZEN_BELOW; side <= PARZEN_ABOVE; side++) parzen_optuna_settle(f->mix[side]);
    return f;
}

/* The model of one side. */
static parzen_mix *fitted(const search *q, const block *b, parzen_side side)
{
    const double **x;
    long *number;
    const long n = points(q, b, side, &x, &number);
    return q->f->fit(q->pool, b->axis, b->d, x, n, q->set->prior_weight, flat(q, side));
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
    const follower *f = q->f == &parzen_optuna ? models(q, &b) : NULL;
    const parzen_mix *l = f ? f->mix[PARZEN_BELOW] : fitted(q, &b, PARZEN_BELOW),
        *g = f ? f->mix[PARZEN_ABOVE] : fitted(q, &b, PARZEN_ABOVE);
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
    parzen_book *book = q->memory->book;
    parzen_book_read(book, q->h);
    const long startup = set->startup < 0 ? q->f->startup : set->startup;
    if (book->told < startup || !book->told) return from_prior(q, x);
    parzen_book_split(book, q->pool);
    q->label = PARZEN_NEW(q->pool, int, q->s->n);
    parzen_label(q->pool, book, set->multivariate, set->group, q->label);
    return from_model(q, x) ? 0 : from_prior(q, x);
}

static void *open(const void *p, const sx_space *s)
{
    const struct tpe *set = p;
    const parzen_flavour *f = set->flavour == 1 ? &parzen_hyperopt : &parzen_optuna;
    const size_t n = (size_t)s->n + 1;
    memory *m = malloc(sizeof *m);
    if (!m) return NULL;
    *m = (memory){ .s = s, .axis = malloc(n * sizeof *m->axis), .follower = calloc(n, sizeof *m->follower) };
    if (!m->axis || !m->follower) abort();
    m->book = parzen_book_open(f, s, set->gamma > 0 ? set->gamma : f->gamma, set->constant_liar);
    for (int j = 0; j < s->n; j++) m->axis[j] = parzen_axis_of(s->axis[j], j);
    return m;
}

static void close(void *cache)
{
    memory *m = cache;
    if (!m) return;
    for (int j = 0; j < m->s->n; j++) parzen_free(&m->follower[j].pool);
    parzen_free(&m->pool);
    parzen_book_close(m->book);
    free(m->axis);
    free(m->follower);
    free(m);
}

/* Without a cache one is made for this ask alone: there is no second way to an answer. */
static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    const struct tpe *set = p;
    memory *own = cache ? NULL : open(p, s), *m = cache ? cache : own;
    *tag = 0;
    if (!m) return SX_E_MEMORY;
    search q = { .set = set, .f = m->book->f, .memory = m, .pool = &m->pool, .s = s, .h = h, .r = r,
                 .axis = m->axis };
    const int result = suggest(&q, x);
    parzen_reset(&m->pool);
    close(own);
    return result;
}

SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, tpe, params, struct tpe, .doc = "tree-structured Parzen estimators",
          .open = open, .close = close, .ask = ask);
SAMPLER_PLUGIN(tpe, "1.0");
