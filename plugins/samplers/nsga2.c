/* nsga2.c: a genetic search for the front of several objectives: Deb, Pratap, Agarwal, Meyarivan, "A fast
 * and elitist multiobjective genetic algorithm: NSGA-II" (2002), with their rule for constraints.
 * A trial's generation is in its tag; who survived is read from the history. */
#include <stdlib.h>
#include <string.h>
#include "evolution/generation.h"
#include "latin.h"
#include "unit.h"

struct nsga2 { long population; double crossover, swap, mutation, eta; };

static const sx_param params[] = {
    SX_INT(struct nsga2, population, .def = 50, .min = 4, .max = 1000, .doc = "trials of a generation"),
    SX_REAL(struct nsga2, crossover, .def = 0.9, .min = 0, .max = 1,
            .doc = "share of children of two parents"),
    SX_REAL(struct nsga2, swap, .def = 0.5, .min = 0, .max = 1, .doc = "chance that parents mix in an axis"),
    SX_REAL(struct nsga2, mutation, .def = 0, .min = 0, .max = 1,
            .doc = "chance that an axis changes; 0: one of them on average"),
    SX_REAL(struct nsga2, eta, .def = 20, .min = 0, .max = 1000,
            .doc = "how near children stay to their parents, of crossover and mutation"),
    SX_END
};

enum { MARK = 0x2a2 };

typedef struct {
    double *x, *y;                               /* point, objectives */
    double broken, crowding; long rank, number;
} member;
typedef struct {
    const struct nsga2 *set; const sx_space *s;
    long done; const sx_trial *last;             /* of the history that was taken in */
    long generation, parents, have;              /* v[0 .. parents): those that survived, then children */
    member *v; double *memory;
} search;

/* --- Who is better --- */
/* Less broken comes first; among equally feasible ones domination decides. */
static bool dominates(const member *a, const member *b, int m)
{
    bool better = false;
    if (a->broken != b->broken) return a->broken < b->broken;
    for (int j = 0; j < m; j++) {
        if (a->y[j] > b->y[j]) return false;
        better = better || a->y[j] < b->y[j];
    }
    return better;
}

static void rank_all(search *q, long n)
{
    for (long i = 0; i < n; i++) q->v[i].rank = -1;
    for (long left = n, rank = 0; left > 0; rank++)
        for (long i = 0; i < n; i++) {
            bool front = q->v[i].rank < 0;
            for (long k = 0; k < n && front; k++)
                front = !((q->v[k].rank < 0 || q->v[k].rank == rank)
                          && dominates(&q->v[k], &q->v[i], q->s->objectives));
            if (front) q->v[i].rank = rank, left--;
        }
}

static int by_rank(const void *a, const void *b)
{
    const member *x = a, *y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    if (x->crowding != y->crowding) return x->crowding > y->crowding ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* The nearest ones on both sides in one objective, within the front. */
static double gap(const search *q, long n, long i, int j)
{
    const member *self = &q->v[i];
    double below = -INFINITY, above = INFINITY, least = INFINITY, most = -INFINITY;
    for (long k = 0; k < n; k++) {
        const member *o = &q->v[k];
        if (o->rank != self->rank) continue;
        least = fmin(least, o->y[j]), most = fmax(most, o->y[j]);
        if (k == i) continue;
        const bool before = o->y[j] < self->y[j] || (o->y[j] == self->y[j] && o->number < self->number);
        if (before) below = fmax(below, o->y[j]);
        else above = fmin(above, o->y[j]);
    }
    if (isinf(below) || isinf(above)) return INFINITY;
    return most > least ? (above - below) / (most - least) : 0;
}

/* The best `population` of all become parents. */
static void select_best(search *q)
{
    const long n = q->have;
    rank_all(q, n);
    for (long i = 0; i < n; i++) q->v[i].crowding = 0;
    for (long i = 0; i < n; i++)
        for (int j = 0; j < q->s->objectives; j++) q->v[i].crowding += gap(q, n, i, j);
    qsort(q->v, (size_t)n, sizeof *q->v, by_rank);
    q->parents = q->have = n < q->set->population ? n : q->set->population;
    q->generation++;
}

/* --- Reading --- */
static void remember(search *q, const sx_trial *t)
{
    member *e = &q->v[q->have++];
    const int n = q->s->n, m = q->s->objectives;
    for (int i = 0; i < n; i++) e->x[i] = t->x[i];
    for (int j = 0; j < m; j++) {
        const double y = t->fate == SX_DONE && t->value ? t->value[j] : INFINITY;
        e->y[j] = isnan(y) ? INFINITY : y;
    }
    if (t->fate == SX_PRUNED && m == 1 && t->steps && !isnan(t->curve[t->steps - 1]))
        *e->y = t->curve[t->steps - 1];
    e->broken = generation_violation(q->s, t);
    e->number = t->number;
}

static void read(search *q, const sx_history *h)
{
    if (h->done < q->done || (q->done && h->trial[q->done - 1] != q->last))
        q->done = q->generation = q->parents = q->have = 0;
    for (; q->done < h->done; q->done++) {
        const sx_trial *t = q->last = h->trial[q->done];
        if (!generation_is(t->tag, MARK, q->generation) || !generation_over(t)) continue;
        remember(q, t);
        if (q->have - q->parents == q->set->population) select_best(q);
    }
}

/* --- Children --- */
static const member *tournament(const search *q, sx_rng *r)
{
    const member *a = &q->v[(long)(sx_uniform(r) * (double)q->parents)];
    const member *b = &q->v[(long)(sx_uniform(r) * (double)q->parents)];
    return by_rank(b, a) < 0 ? b : a;
}

/* Simulated binary crossover: as far apart as the parents, on average, around the same middle. */
static double crossed(double a, double b, double eta, sx_rng *r)
{
    const double u = sx_uniform(r), power = 1 / (eta + 1);
    const double spread = u < 0.5 ? pow(2 * u, power) : pow(0.5 / (1 - u), power);
    return 0.5 * (a + b) + (sx_uniform(r) < 0.5 ? -0.5 : 0.5) * spread * (b - a);
}

static double mutated(double v, double eta, sx_rng *r)
{
    const double u = sx_uniform(r), power = 1 / (eta + 1);
    return v + (u < 0.5 ? pow(2 * u, power) - 1 : 1 - pow(2 - 2 * u, power));
}

/* Of an axis that a parent lacks the other one's value is taken, and one at random where both do. */
static double gene(const search *q, int i, const member *a, const member *b, bool change, sx_rng *r)
{
    const sx_axis *axis = q->s->axis[i];
    const double eta = q->set->eta, x = isnan(a->x[i]) ? b->x[i] : a->x[i], y = isnan(b->x[i]) ? x : b->x[i];
    const bool mix = sx_uniform(r) < q->set->swap;
    if (isnan(x)) return sx_axis_at(axis, sx_uniform(r));
    if (axis->kind == SX_AXIS_CHOICE && !axis->level)
        return change ? sx_axis_at(axis, sx_uniform(r)) : mix ? y : x;
    const double was = unit_of(axis, x);
    double u = was;
    if (mix && x != y) u = crossed(u, unit_of(axis, y), eta, r);
    if (change) u = mutated(u, eta, r);
    if (u == was) return x;
    u = fmin(fmax(u, 0), 1 - 0x1p-53);
    return axis->kind == SX_AXIS_CHOICE ? floor(u * (axis->high + 1)) : sx_axis_at(axis, u);
}

static void breed(const search *q, sx_rng *r, long attempt, double *x)
{
    const int n = q->s->n;
    const member *a = tournament(q, r), *b = sx_uniform(r) < q->set->crossover ? tournament(q, r) : a;
    const double usual = q->set->mutation > 0 ? q->set->mutation : 1 / (double)n;
    const double mutation = fmin(usual * (double)(1 + attempt), 1);  /* who repeats a point changes more */
    for (int i = 0; i < n; i++) {
        const bool change = sx_uniform(r) < mutation;
        x[i] = sx_active(q->s, x, i) ? gene(q, i, a, b, change, r) : NAN;
    }
}

static void *open(const void *p, const sx_space *s)
{
    const struct nsga2 *set = p;
    const size_t n = 2 * (size_t)set->population, row = (size_t)(s->n + s->objectives);
    search *q = malloc(sizeof *q);
    if (!q) return NULL;
    *q = (search){ .set = set, .s = s, .v = calloc(n, sizeof *q->v),
                   .memory = malloc(n * row * sizeof(double) + 1) };
    for (size_t i = 0; i < n && q->v; i++) {
        q->v[i].x = q->memory + i * row;
        q->v[i].y = q->v[i].x + s->n;
    }
    if (q->v && q->memory) return q;
    free(q->v);
    free(q->memory);
    free(q);
    return NULL;
}

static void close(void *cache)
{
    search *q = cache;
    if (!q) return;
    free(q->v);
    free(q->memory);
    free(q);
}

static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    enum { TRIES = 20 };
    search *own = cache ? NULL : open(p, s), *q = cache ? cache : own;
    if (!q) return SX_E_MEMORY;
    const long population = q->set->population, refused = generation_refused(h), trial = sx_rng_trial(r);
    read(q, h);
    *tag = generation_tag(MARK, q->generation, refused);
    for (long tries = refused; tries < TRIES; tries++) {
        if (q->parents) breed(q, r, tries, x);
        else if (trial < population && !tries && population <= LATIN_MOST)
            latin_point(s, sx_rng_study(r), population, trial, x);
        else sx_point_random(s, r, x);
        if (sx_point_find(s, h, x, 0) < 0) break;
    }
    if (refused >= TRIES) sx_point_random(s, r, x);
    close(own);
    return 0;
}

SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, nsga2, params, struct nsga2,
          .doc = "NSGA-II, a genetic search for several objectives", .open = open, .close = close,
          .ask = ask);
SX_PLUGIN("nsga2", "1.0", "MIT", SX_ITEM(nsga2));
