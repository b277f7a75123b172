/* suggestion.c: a suggestion by a model of the history, whatever the model: targets, models of the objective
 * and of each measured constraint, the incumbent, and the point whose improvement is most likely and
 * largest. */
#include <stdlib.h>
#include <string.h>
#include "../latin.h"
#include "surrogate.h"

struct suggester { const surrogate *kind; void *own; parzen_pool pool; };

suggester *suggester_open(const surrogate *kind, const sx_space *s)
{
    suggester *m = calloc(1, sizeof *m);
    if (!m) abort();                             /* as the core does */
    *m = (suggester){ .kind = kind, .own = kind->open ? kind->open(s) : NULL };
    return m;
}

void suggester_close(suggester *m)
{
    if (!m) return;
    parzen_free(&m->pool);
    if (m->own) m->kind->close(m->own);
    free(m);
}

typedef struct {                                 /* one ask */
    suggestion q;
    const surrogate *kind; void *own;
    targets told;
    void *objective, **constraint;
    double best; bool feasible;                  /* of the good trials; none is known where not feasible */
    double *mean, *var;
} search;

/* --- Data of a model --- */

double *suggestion_rows(parzen_pool *p, const suggestion *q, const targets *t, long room)
{
    double *u = PARZEN_NEW(p, double, (t->n + room) * q->s->n + 1);
    for (long i = 0; i < t->n; i++) coords_put(&q->c, t->trial[i]->x, u + i * q->s->n);
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

targets suggestion_targets(parzen_pool *p, const suggestion *q, int which, long done, uint64_t key)
{
    return which ? targets_constraint(p, q->h, done, which - 1)
                 : targets_of(p, q->s, q->h, done, weights(p, q->s->objectives, key));
}

/* --- Models --- */

static bool elsewhere(const suggestion *q, const sx_trial *refused)
{
    for (long i = 0; i < q->h->n; i++) {
        const sx_trial *t = q->h->trial[i];
        if (t->fate == SX_REFUSED) continue;
        const sx_history one = { .n = 1, .done = 1, .trial = &t };
        if (sx_point_find(q->s, &one, refused->x, 0) >= 0) return true;
    }
    return false;
}

/* A model of t; refused points count as worst ones in the objective's, running ones as good as it expects,
 * so that only its doubt about them goes. */
static void *model_of(const search *a, const targets *t, int which)
{
    const suggestion *q = &a->q;
    parzen_pool *p = q->pool;
    const long others = q->h->n - q->h->done;
    const int d = q->s->n;
    double *u = suggestion_rows(p, q, t, others), *y = PARZEN_NEW(p, double, t->n + others);
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
    return a->kind->model(a->own, q, which, n, told, u, y);
}

static bool feasible(const suggestion *q, const sx_trial *t)
{
    for (int c = 0; t->constraint && c < q->s->constraints; c++) if (t->constraint[c] > 0) return false;
    return true;
}

/* Trials by what the model thinks of them, which noise does not fool; those that break a constraint last. */
static const sx_trial **rank(search *a)
{
    parzen_pool *p = a->q.pool;
    const long n = a->told.n;
    double *key = PARZEN_NEW(p, double, n), *var = PARZEN_NEW(p, double, n);
    int32_t *order = PARZEN_NEW(p, int32_t, n);
    const sx_trial **good = PARZEN_NEW(p, const sx_trial *, n);
    a->kind->predict(a->objective, n, suggestion_rows(p, &a->q, &a->told, 0), key, var);
    a->best = INFINITY;
    for (long i = 0; i < n; i++) {
        if (feasible(&a->q, a->told.trial[i])) a->best = fmin(a->best, key[i]), a->feasible = true;
        else key[i] += 1000;
    }
    parzen_sort(p, key, n, order);
    for (long i = 0; i < n; i++) good[i] = a->told.trial[order[i]];
    return good;
}

static void score(void *of, long n, const double *u, double *out)
{
    const search *a = of;
    a->kind->predict(a->objective, n, u, a->mean, a->var);
    for (long i = 0; i < n; i++) out[i] = a->feasible ? improve_log(a->mean[i], a->var[i], a->best) : 0;
    for (int c = 0; c < a->q.s->constraints; c++) {
        if (!a->constraint[c]) continue;
        a->kind->predict(a->constraint[c], n, u, a->mean, a->var);
        for (long i = 0; i < n; i++) out[i] += parzen_log_phi(-a->mean[i] / sqrt(a->var[i] + 1e-12));
    }
}

static bool open_models(search *a)
{
    const suggestion *q = &a->q;
    a->told = suggestion_targets(q->pool, q, 0, q->h->done, (uint64_t)(sx_uniform(q->r) * 0x1p53));
    if (a->told.n < 2 || !(a->objective = model_of(a, &a->told, 0))) return false;
    a->constraint = PARZEN_NEW(q->pool, void *, q->s->constraints);
    for (int c = 0; c < q->s->constraints; c++) {
        const targets t = suggestion_targets(q->pool, q, c + 1, q->h->done, 0);
        a->constraint[c] = t.n > 1 ? model_of(a, &t, c + 1) : NULL;
    }
    return true;
}

static bool from_model(search *a, double *x)
{
    const suggestion *q = &a->q;
    if (a->kind->prepare) a->kind->prepare(a->own, q);
    if (!open_models(a)) return false;
    a->mean = PARZEN_NEW(q->pool, double, ACQUIRE_MOST);
    a->var = PARZEN_NEW(q->pool, double, ACQUIRE_MOST);
    const sx_trial **good = rank(a);
    const acquisition to = { &q->c, q->h, q->r, q->pool, good, a->told.n < 4 ? a->told.n : 4, score, a };
    return acquire(&to, x);
}

/* --- The suggestion --- */

static long counted(const sx_history *h)
{
    long n = 0;
    for (long i = 0; i < h->n; i++) n += h->trial[i]->fate != SX_REFUSED;
    return n;
}

int suggester_ask(suggester *m, long startup, const sx_space *s, const sx_history *h, sx_rng *r, double *x)
{
    search a = { .q = { s, h, r, &m->pool, coords_of(&m->pool, s) }, .kind = m->kind, .own = m->own };
    const long number = sx_rng_trial(r);
    bool found = false;
    if (counted(h) >= startup && 2 * h->done >= startup) {
        found = s->n && from_model(&a, x);
    } else {                                     /* one design after another while workers wait for results */
        latin_point(s, sx_rng_study(r) + (uint64_t)(number / startup), startup, number % startup, x);
        found = untried(s, h, x);
    }
    parzen_reset(&m->pool);
    return found ? 0 : untried_random(s, h, r, x);
}
