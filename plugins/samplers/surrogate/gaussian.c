/* gaussian.c: Gaussian processes as a model of a study: one of the objective, one of each measured
 * constraint. Their parameters follow from the history alone: fit k starts from fit k - 1, and anew at every
 * 16th. */
#include <stdlib.h>
#include <string.h>
#include "surrogate.h"

/* Categories and cliffs need short lengths; noise is small beside what the targets were drawn to. */
static const process_belief belief = { .smooth = 0.1, .rough = 0.01, .noise = 100 };
enum { FIRST = 8, AGAIN = 16, COLD = 40, WARM = 12 };

typedef struct {
    parzen_pool pool;                            /* of a fit */
    long done; uint64_t mark; double *theta;     /* the latest fit, and of which history */
} memory;

static void *open(const sx_space *s)
{
    memory *m = calloc(1, sizeof *m);
    if (m) m->theta = calloc((size_t)(1 + s->constraints) * (size_t)(s->n + 2), sizeof *m->theta);
    if (!m || !m->theta) abort();                /* as the core does */
    return m;
}

static void close(void *own)
{
    memory *m = own;
    parzen_free(&m->pool);
    free(m->theta);
    free(m);
}

static void fit(memory *m, const suggestion *q, long done, bool cold)
{
    const int d = q->s->n;
    parzen_pool *p = &m->pool;
    for (int which = 0; which <= q->s->constraints; which++) {
        double *theta = m->theta + which * (d + 2);
        for (int j = 0; cold && j < d + 2; j++) theta[j] = j <= d ? 0 : -4;
        const targets t = suggestion_targets(p, q, which, done, (uint64_t)done);
        if (t.n > 1)
            process_climb(p, process_prepare(p, d, t.n, suggestion_rows(p, q, &t, 0), t.y),
                          &belief, cold ? COLD : WARM, cold ? 0.3 : 0.1, theta);
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

static void prepare(void *own, const suggestion *q)
{
    memory *m = own;
    const long done = q->h->done, cold = done < FIRST ? done : done < AGAIN ? FIRST : done / AGAIN * AGAIN;
    const bool known = m->done >= cold && m->done <= done && m->mark == mark_of(q->h, m->done);
    for (long k = known ? m->done + 1 : cold; k <= done; k++)
        if (k == cold || due(k)) fit(m, q, k, k == cold);
    m->done = done;
    m->mark = mark_of(q->h, done);
}

static void *model(void *own, const suggestion *q, int which, long n, long told, const double *u,
                   const double *y)
{
    const memory *m = own;
    return process_open(q->pool, q->s->n, n, told, u, y, m->theta + which * (q->s->n + 2));
}

static void predict(const void *g, long n, const double *u, double *mean, double *var)
{
    process_predict(g, n, u, mean, var);
}

const surrogate gaussian = { open, close, prepare, model, predict };
