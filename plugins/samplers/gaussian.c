/* gaussian.c: a suggestion by Gaussian processes: one of the objective, one of each measured constraint.
 * Their parameters follow from the history alone: fit k starts from fit k - 1, and anew at every 16th. */
#include <stdlib.h>
#include <string.h>
#include "latin.h"
#include "surrogate.h"

enum { FIRST = 8, AGAIN = 16, COLD = 40, WARM = 12 };

struct gaussian {
    parzen_pool pool, fits;                      /* of an ask, of a fit */
    long done; uint64_t mark; double *theta;     /* the latest fit, and of which history */
};

gaussian *gaussian_open(const sx_space *s)
{
    gaussian *m = calloc(1, sizeof *m);
    if (m) m->theta = calloc((size_t)(1 + s->constraints) * (size_t)(s->n + 2), sizeof *m->theta);
    if (!m || !m->theta) abort();                /* as the core does */
    return m;
}

void gaussian_close(gaussian *m)
{
    if (!m) return;
    parzen_free(&m->pool);
    parzen_free(&m->fits);
    free(m->theta);
    free(m);
}

typedef struct {                                 /* one ask */
    gaussian *m;
    const sx_space *s; const sx_history *h; sx_rng *r;
    coords c;
    targets told;
    process *objective, **constraint;
    double best; bool feasible;                  /* of the good trials; none is known where not feasible */
    double *mean, *var;
} search;

/* --- Fits --- */

static double *rows_of(parzen_pool *p, const coords *c, const targets *t, long room)
{
    double *u = PARZEN_NEW(p, double, (t->n + room) * c->d + 1);
    for (long i = 0; i < t->n; i++) coords_put(c, t->trial[i]->x, u + i * c->d);
    return u;
}

/* Weights of objectives, equally likely everywhere: exponential numbers, divided by their sum. */
static double *weights(parzen_pool *p, int n, uint64_t key)
{
    double *w = PARZEN_NEW(p, double, n), sum = 0;
    for (int j = 0; j < n; j++) sum += w[j] = -log(1 - sx_uniform_of(key, (uint64_t)j));
    for (int j = 0; j < n; j++) w[j] /= sum;
    return w;
}

static targets targets_at(parzen_pool *p, const search *q, int which, long done)
{
    return which ? targets_constraint(p, q->h, done, which - 1)
                 : targets_of(p, q->s, q->h, done, weights(p, q->s->objectives, (uint64_t)done));
}

static void fit(const search *q, long done, bool cold)
{
    const int d = q->s->n;
    parzen_pool *p = &q->m->fits;
    for (int which = 0; which <= q->s->constraints; which++) {
        double *theta = q->m->theta + which * (d + 2);
        for (int j = 0; cold && j < d + 2; j++) theta[j] = j <= d ? 0 : -4;
        const targets t = targets_at(p, q, which, done);
        if (t.n > 1)
            process_climb(p, process_prepare(p, d, t.n, rows_of(p, &q->c, &t, 0), t.y),
                          cold ? COLD : WARM, cold ? 0.3 : 0.1, theta);
        parzen_reset(p);
    }
}

/* Of the first `done` trials: numbers, fates and values. */
static uint64_t mark_of(const sx_history *h, long done)
{
    uint64_t mark = 0;
    for (long i = 0; i < done; i++) {
        const sx_trial *t = h->trial[i];
        uint64_t bits = 0;
        if (t->value) memcpy(&bits, t->value, sizeof bits);
        mark = (mark ^ bits ^ (uint64_t)t->number << 8 ^ (uint64_t)t->fate) * 0x9e3779b97f4a7c15u;
        mark ^= mark >> 29;
    }
    return mark;
}

/* A long history changes slowly. */
static bool due(long k) { return k % AGAIN == 0 || k < 48 || k % (k < 96 ? 2 : k < 192 ? 4 : 8) == 0; }

static void fit_all(search *q)
{
    gaussian *m = q->m;
    const long done = q->h->done, cold = done < FIRST ? done : done < AGAIN ? FIRST : done / AGAIN * AGAIN;
    const bool known = m->done >= cold && m->done <= done && m->mark == mark_of(q->h, m->done);
    for (long k = known ? m->done + 1 : cold; k <= done; k++)
        if (k == cold || due(k)) fit(q, k, k == cold);
    m->done = done;
    m->mark = mark_of(q->h, done);
}

/* --- Models --- */

static bool elsewhere(const search *q, const sx_trial *refused)
{
    for (long i = 0; i < q->h->n; i++) {
        const sx_trial *t = q->h->trial[i];
        if (t->fate == SX_REFUSED) continue;
        const sx_history one = { .n = 1, .done = 1, .trial = &t };
        if (sx_point_find(q->s, &one, refused->x, 0) >= 0) return true;
    }
    return false;
}

/* A model of t; refused points count as worst ones in the objective's, running ones as good as it expects, so that
 * only its doubt about them goes. */
static process *model_of(const search *q, const targets *t, int which)
{
    parzen_pool *p = &q->m->pool;
    const long others = q->h->n - q->h->done;
    const int d = q->s->n;
    double *u = rows_of(p, &q->c, t, others), *y = PARZEN_NEW(p, double, t->n + others);
    memcpy(y, t->y, (size_t)t->n * sizeof *y);
    long n = t->n;
    for (long i = q->h->done; i < q->h->n && !which; i++) {
        const sx_trial *o = q->h->trial[i];
        if (o->fate != SX_REFUSED || elsewhere(q, o)) continue;
        coords_put(&q->c, o->x, u + n * d);
        y[n++] = t->worst;
    }
    const long told = n;
    for (long i = q->h->done; i < q->h->n; i++)
        if (q->h->trial[i]->fate == SX_RUNNING) coords_put(&q->c, q->h->trial[i]->x, u + n++ * d);
    return process_open(p, d, n, told, u, y, q->m->theta + which * (d + 2));
}

static bool feasible(const search *q, const sx_trial *t)
{
    for (int c = 0; t->constraint && c < q->s->constraints; c++) if (t->constraint[c] > 0) return false;
    return true;
}

/* Trials by what the model thinks of them, which noise does not fool; those that break a constraint last. */
static const sx_trial **rank(search *q)
{
    parzen_pool *p = &q->m->pool;
    const long n = q->told.n;
    double *key = PARZEN_NEW(p, double, n), *var = PARZEN_NEW(p, double, n);
    int32_t *order = PARZEN_NEW(p, int32_t, n);
    const sx_trial **good = PARZEN_NEW(p, const sx_trial *, n);
    process_predict(q->objective, n, q->objective->u, key, var);
    q->best = INFINITY;
    for (long i = 0; i < n; i++) {
        if (feasible(q, q->told.trial[i])) q->best = fmin(q->best, key[i]), q->feasible = true;
        else key[i] += 1000;
    }
    parzen_sort(p, key, n, order);
    for (long i = 0; i < n; i++) good[i] = q->told.trial[order[i]];
    return good;
}

static void score(void *model, long n, const double *u, double *out)
{
    const search *q = model;
    process_predict(q->objective, n, u, q->mean, q->var);
    for (long i = 0; i < n; i++) out[i] = q->feasible ? improve_log(q->mean[i], q->var[i], q->best) : 0;
    for (int c = 0; c < q->s->constraints; c++) {
        if (!q->constraint[c]) continue;
        process_predict(q->constraint[c], n, u, q->mean, q->var);
        for (long i = 0; i < n; i++) out[i] += parzen_log_phi(-q->mean[i] / sqrt(q->var[i] + 1e-12));
    }
}

static bool open_models(search *q)
{
    parzen_pool *p = &q->m->pool;
    q->told = targets_of(p, q->s, q->h, q->h->done, 
                         weights(p, q->s->objectives, (uint64_t)(sx_uniform(q->r) * 0x1p53)));
    if (q->told.n < 2 || !(q->objective = model_of(q, &q->told, 0))) return false;
    q->constraint = PARZEN_NEW(p, process *, q->s->constraints);
    for (int c = 0; c < q->s->constraints; c++) {
        const targets t = targets_constraint(p, q->h, q->h->done, c);
        q->constraint[c] = t.n > 1 ? model_of(q, &t, c + 1) : NULL;
    }
    return true;
}

static bool from_model(search *q, double *x)
{
    parzen_pool *p = &q->m->pool;
    q->c = coords_of(p, q->s);
    fit_all(q);
    if (!open_models(q)) return false;
    q->mean = PARZEN_NEW(p, double, ACQUIRE_MOST);
    q->var = PARZEN_NEW(p, double, ACQUIRE_MOST);
    const sx_trial **good = rank(q);
    const acquisition a = { &q->c, q->h, q->r, p, good, q->told.n < 4 ? q->told.n : 4, score, q };
    return acquire(&a, x);
}

/* --- The suggestion --- */

static long counted(const sx_history *h)
{
    long n = 0;
    for (long i = 0; i < h->n; i++) n += h->trial[i]->fate != SX_REFUSED;
    return n;
}

int gaussian_ask(gaussian *m, long startup, const sx_space *s, const sx_history *h, sx_rng *r, double *x)
{
    search q = { .m = m, .s = s, .h = h, .r = r };
    const long number = sx_rng_trial(r);
    bool found = false;
    if (counted(h) < startup && number < startup) {
        latin_point(s, sx_rng_study(r), startup, number, x);
        found = untried(s, h, x);
    } else if (counted(h) >= startup && s->n) {
        found = from_model(&q, x);
    }
    parzen_reset(&m->pool);
    return found ? 0 : untried_random(s, h, r, x);
}
