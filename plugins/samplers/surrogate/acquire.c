/* acquire.c: the untried point that a model likes best: many points at random and near good ones, then from
 * the best of those one axis at a time, all values of a finite axis, four steps along a continuous one. */
#include <string.h>
#include "surrogate.h"

enum { RANDOM = 300, NEAR = 150, STARTS = 4, LEVELS = 16, MOVES = 4, SWEEPS = 4 };

typedef struct { double *x, *u, *score; long n; int d; } points;

static points points_of(const acquisition *q, long room)
{
    const int d = q->space->d;
    return (points){ PARZEN_NEW(q->pool, double, room * d), PARZEN_NEW(q->pool, double, room * d),
                     PARZEN_NEW(q->pool, double, room), 0, d };
}

static double normal(sx_rng *r)
{
    const double u = sx_uniform(r), v = sx_uniform(r);
    return sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * v);
}

/* Makes x whole again after a move: axes that came alive take a value of the prior. */
static void repair(const acquisition *q, double *x)
{
    const sx_space *s = q->space->space;
    for (int i = 0; i < s->n; i++) {
        if (!sx_active(s, x, i)) x[i] = NAN;
        else if (isnan(x[i])) x[i] = sx_axis_at(s->axis[i], sx_uniform(q->rng));
    }
}

static double *push(points *p, const double *x)
{
    double *to = p->x + p->n++ * p->d;
    memcpy(to, x, (size_t)p->d * sizeof *x);
    return to;
}

static void score(const acquisition *q, points *p)
{
    for (long i = 0; i < p->n; i++) coords_put(q->space, p->x + i * p->d, p->u + i * p->d);
    q->score(q->model, p->n, p->u, p->score);
    for (long i = 0; i < p->n; i++) if (isnan(p->score[i])) p->score[i] = -INFINITY;
}

/* A step of about `width` along axis i, at least to the next value; another category. */
static void step_along(const acquisition *q, int i, double width, double *x)
{
    const coord *c = &q->space->axis[i];
    if (isnan(x[i]) || c->count == 1) return;
    if (c->category) {
        const double other = floor(sx_uniform(q->rng) * (double)(c->count - 1));
        x[i] = other + (other >= x[i]);
        return;
    }
    const double was = x[i], u = coords_of_value(c, was), by = width * normal(q->rng);
    x[i] = coords_value(c, u + by);
    if (x[i] == was && c->count) x[i] = coords_value(c, u + copysign(1.0 / (double)(c->count - 1), by));
}

static void mutate(const acquisition *q, double *x)
{
    const int d = q->space->d;
    for (int k = sx_uniform(q->rng) < 0.5 ? 1 : 2; k > 0; k--) {
        const int i = (int)(sx_uniform(q->rng) * d);
        if (sx_uniform(q->rng) < 0.5) step_along(q, i, 0.1, x);
        else if (!isnan(x[i])) x[i] = sx_axis_at(q->space->axis[i].axis, sx_uniform(q->rng));
        repair(q, x);
    }
}

static bool all_levels(const coord *c) { return c->count && c->count <= LEVELS; }

/* All values that axis i may move to: every level, or a few near ones. */
static void moves_along(const acquisition *q, int i, double width, const double *x, points *to)
{
    const coord *c = &q->space->axis[i];
    const bool all = all_levels(c);
    for (long k = 0; k < (all ? c->count : MOVES); k++) {
        double *y = push(to, x);
        if (all) y[i] = coords_level(c, k);
        else step_along(q, i, width, y);
        if (y[i] == x[i]) to->n--;
        else repair(q, y);
    }
}

/* A place that a climb has come to; still: how many axes since have shown no better one. */
typedef struct { double *x, at; int still; } climber;

static bool better(const acquisition *q, const points *p, long i, double than)
{
    return p->score[i] > than && untried(q->space->space, q->history, p->x + i * p->d);
}

static long best_of(const acquisition *q, const points *p, long from, long to, double than)
{
    long best = -1;
    for (long i = from; i < to; i++) if (better(q, p, i, best < 0 ? than : p->score[best])) best = i;
    return best;
}

/* The moves along one axis of all climbers are scored together. */
static void climb_axis(const acquisition *q, points *p, int i, double width, int n, climber *c)
{
    long end[STARTS];
    p->n = 0;
    for (int k = 0; k < n; k++) {                /* levels that were all tried from here are no better now */
        const bool known = all_levels(&q->space->axis[i]) && c[k].still >= q->space->d;
        if (!isnan(c[k].x[i]) && !known) moves_along(q, i, width, c[k].x, p);
        end[k] = p->n;
    }
    score(q, p);
    for (int k = 0; k < n; k++) {
        const long best = best_of(q, p, k ? end[k - 1] : 0, end[k], c[k].at);
        c[k].still++;
        if (best < 0) continue;
        memcpy(c[k].x, p->x + best * p->d, (size_t)p->d * sizeof *p->x);
        c[k].at = p->score[best];
        c[k].still = 0;
    }
}

static void climb(const acquisition *q, points *spare, int n, climber *c)
{
    double width = 0.1;
    for (int sweep = 0; sweep < SWEEPS; sweep++, width *= 0.4)
        for (int i = 0; i < q->space->d; i++) climb_axis(q, spare, i, width, n, c);
}

bool acquire(const acquisition *q, double *x)
{
    points pool = points_of(q, RANDOM + NEAR), spare = points_of(q, STARTS * (LEVELS + MOVES));
    const int d = q->space->d;
    climber c[STARTS];
    int n = 0;
    for (long i = 0; i < RANDOM; i++) sx_point_random(q->space->space, q->rng, pool.x + pool.n++ * d);
    for (long i = 0; i < NEAR && q->goods; i++) mutate(q, push(&pool, q->good[i % q->goods]->x));
    score(q, &pool);
    for (; n < STARTS; n++) {
        const long best = best_of(q, &pool, 0, pool.n, -INFINITY);
        if (best < 0) break;
        c[n] = (climber){ pool.x + best * d, pool.score[best], 0 };
        pool.score[best] = -INFINITY;
    }
    if (!n) return false;
    climb(q, &spare, n, c);
    int top = 0;
    for (int k = 1; k < n; k++) if (c[k].at > c[top].at) top = k;
    memcpy(x, c[top].x, (size_t)d * sizeof *x);
    return true;
}
