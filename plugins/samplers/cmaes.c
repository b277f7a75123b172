/* cmaes.c: CMA-ES with margins for grids and probabilities for categories: for many cheap trials.
 * A population's points follow from the seed, the trial's number and the generation in its tag, so the whole
 * search is read from the history again where nothing was kept. */
#include <stdlib.h>
#include <string.h>
#include "evolution/covariance.h"
#include "evolution/generation.h"
#include "unit.h"

struct cmaes { long population; double sigma, grow; };

static const sx_param params[] = {
    SX_INT(struct cmaes, population, .def = 0, .min = 0, .max = 2000,
           .doc = "trials of a generation; 0: 4 + 3 ln of the number of axes"),
    SX_REAL(struct cmaes, sigma, .def = 0.2, .min = 0, .max = 1, .flags = SX_OPEN_MIN,
            .doc = "step size at first, of the width of an axis"),
    SX_REAL(struct cmaes, grow, .def = 2, .min = 1, .max = 10,
            .doc = "a search that has come to rest starts again with a population so many times as large"),
    SX_END
};

enum { MARK = 0xc3a, MOST = 2000, MANY = 1000 };
static const double LEARN = 0.25, FLOOR = 0.15, LEAST = 1e-7;

/* An axis by its kind: coordinate `at` of the numeric part, or a row of probabilities. values: of a grid; 0:
 * continuous. */
typedef struct { const sx_axis *axis; int at; long values; double *odds; } gene;
typedef struct { int rank; double value; long place; } merit;
typedef struct {
    const struct cmaes *set; const sx_space *s;
    gene *gene; covariance *cov;
    int d; long *values, lambda;                 /* numeric axes; [d]; points of a generation */
    long done; const sx_trial *last;             /* of the history that was taken in */
    long generation, starts;                     /* of all; how often it started */
    double best; long still;                     /* of the generation before; how many were the same */
    long have; double *v, *x; merit *merit;      /* of this one: [have][d] as drawn, [have][n] as tried */
} search;

static bool numeric(const sx_axis *a) { return a->kind != SX_AXIS_CHOICE || a->level; }

static long values_of(const sx_axis *a)
{
    const long n = sx_axis_count(a);
    return n > MANY || a->log || a->round ? 0 : n;
}

static long first_population(const search *q)
{
    const long own = 4 + (long)(3 * log(fmax(q->s->n, 1)));
    return q->set->population ? (q->set->population > 2 ? q->set->population : 3) : own;
}

/* --- Starting --- */
static void start(search *q, uint64_t key)
{
    double *mean = malloc(((size_t)q->d + 1) * sizeof *mean);
    if (!mean) abort();                          /* as sx_alloc: memory so small costs one trial */
    for (int j = 0; j < q->d; j++)
        mean[j] = q->starts ? sx_uniform_of(key + (uint64_t)q->starts, (uint64_t)j) : 0.5;
    q->lambda = (long)fmin((double)first_population(q) * pow(q->set->grow, (double)q->starts), MOST);
    covariance_start(q->cov, q->lambda, q->set->sigma, mean);
    q->starts++;
    q->still = 0;
    for (int i = 0; i < q->s->n; i++) {
        const gene *g = &q->gene[i];
        const long n = g->odds ? (long)g->axis->high + 1 : 0;
        double sum = 0;
        for (long k = 0; k < n; k++) sum += g->axis->weight ? g->axis->weight[k] : 1;
        for (long k = 0; k < n; k++) g->odds[k] = (g->axis->weight ? g->axis->weight[k] : 1) / sum;
    }
    free(mean);
}

static void reset(search *q, uint64_t key)
{
    q->done = q->generation = q->starts = q->have = 0;
    q->last = NULL;
    start(q, key);
}

static void close(void *cache)
{
    search *q = cache;
    if (!q) return;
    for (int i = 0; q->gene && i < q->s->n; i++) free(q->gene[i].odds);
    covariance_close(q->cov);
    free(q->gene);
    free(q->values);
    free(q->v);
    free(q->x);
    free(q->merit);
    free(q);
}

static void *open(const void *p, const sx_space *s)
{
    search *q = malloc(sizeof *q);
    const size_t n = (size_t)s->n + 1;
    if (!q) return NULL;
    *q = (search){ .set = p, .s = s, .gene = calloc(n, sizeof(gene)), .values = calloc(n, sizeof(long)) };
    if (!q->gene || !q->values) return close(q), NULL;
    for (int i = 0; i < s->n; i++) {
        const sx_axis *a = s->axis[i];
        q->gene[i] = (gene){ .axis = a, .at = -1 };
        if (numeric(a)) q->values[q->gene[i].at = q->d++] = q->gene[i].values = values_of(a);
        else if (!(q->gene[i].odds = calloc((size_t)a->high + 1, sizeof(double)))) return close(q), NULL;
    }
    q->v = malloc((size_t)(q->d + 1) * (MOST + 1) * sizeof *q->v);  /* and the one that is asked for */
    q->x = malloc(n * MOST * sizeof *q->x);
    q->merit = malloc(MOST * sizeof *q->merit);
    q->cov = covariance_open(q->d, MOST);
    if (!q->v || !q->x || !q->merit || !q->cov) return close(q), NULL;
    return q;
}

/* --- Points --- */
static uint64_t key_of(uint64_t study, long number, long attempt)
{
    return study + (uint64_t)(number + 1) * 0x9e3779b97f4a7c15u + (uint64_t)attempt * 0xd1342543de82ef95u;
}

/* Draws what a trial of this generation was, or will be. Outside the box it is drawn again, at last cut. */
static void draw(const search *q, uint64_t key, double *v)
{
    static const sx_axis normal = { .kind = SX_AXIS_NORMAL, .mu = 0, .sigma = 1 };
    double *z = q->cov->work;
    uint64_t next = 0;
    bool inside = false;
    for (int tries = 0; tries < 20 && !inside; tries++) {
        for (int j = 0; j < q->d; j++) z[j] = sx_axis_at(&normal, sx_uniform_of(key, next++));
        covariance_point(q->cov, z, v);
        inside = true;
        for (int j = 0; j < q->d; j++) inside = inside && v[j] >= 0 && v[j] <= 1;
    }
    for (int j = 0; j < q->d; j++) v[j] = fmin(fmax(v[j], 0), 1);
}

static long pick(const double *odds, long n, double u)
{
    long k = 0;
    while (k < n - 1 && (u -= odds[k]) >= 0) k++;
    return k;
}

static double value_at(const gene *g, double v)
{
    if (g->axis->kind != SX_AXIS_CHOICE) return sx_axis_at(g->axis, v);
    return fmin(floor(v * (g->axis->high + 1)), g->axis->high);
}

static void point(const search *q, uint64_t key, const double *v, double *x)
{
    for (int i = 0; i < q->s->n; i++) {
        const gene *g = &q->gene[i];
        if (!sx_active(q->s, x, i)) x[i] = NAN;
        else if (g->at >= 0) x[i] = value_at(g, v[g->at]);
        else x[i] = (double)pick(g->odds, (long)g->axis->high + 1, sx_uniform_of(~key, (uint64_t)i));
    }
}

/* --- Learning --- */
static int by_merit(const void *a, const void *b)
{
    const merit *x = a, *y = b;
    if (x->rank != y->rank) return x->rank - y->rank;
    if (x->value < y->value || x->value > y->value) return x->value < y->value ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

/* Complete ones by value, then pruned ones by their last report, then those that break a constraint. */
static merit merit_of(const search *q, const sx_trial *t)
{
    const double broken = generation_violation(q->s, t), last = t->steps ? t->curve[t->steps - 1] : INFINITY;
    const double value = t->fate == SX_DONE && t->value ? t->value[0] : last;
    if (broken > 0) return (merit){ 2, broken, q->have };
    return (merit){ t->fate != SX_DONE, isnan(value) ? INFINITY : value, q->have };
}

/* As it was drawn where it is that point; somebody else's is taken by its values. */
static void remember(search *q, const sx_trial *t, uint64_t study)
{
    const int n = q->s->n;
    const uint64_t key = key_of(study, t->number, generation_attempt(t->tag));
    double *v = q->v + q->have * q->d, *x = q->x + q->have * n;
    draw(q, key, v);
    point(q, key, v, x);
    for (int i = 0; i < n; i++) {
        const gene *g = &q->gene[i];
        if (g->at >= 0 && x[i] != t->x[i] && !isnan(t->x[i])) v[g->at] = unit_of(g->axis, t->x[i]);
        x[i] = t->x[i];
    }
    q->merit[q->have] = merit_of(q, t);
    q->have++;
}

/* Options of good points become likelier; none dies out. */
static void learn_odds(search *q, const gene *g, int axis)
{
    const long n = (long)g->axis->high + 1;
    const double least = FLOOR / (double)n;
    double sum = 0;
    for (long r = 0; r < q->have; r++) {
        const double x = q->x[q->merit[r].place * q->s->n + axis];
        const double by = 2 * r < q->have ? LEARN * 2 / (double)(q->have + 1) : 0;
        if (isnan(x) || !(by > 0)) continue;
        for (long k = 0; k < n; k++) g->odds[k] += by * ((k == (long)x) - g->odds[k]);
    }
    for (long k = 0; k < n; k++) sum += g->odds[k] = fmax(g->odds[k], least);
    for (long k = 0; k < n; k++) g->odds[k] /= sum;
}

static void evolve(search *q, uint64_t study)
{
    const size_t bytes = (size_t)q->d * sizeof *q->v;
    double *sorted = malloc(bytes * (size_t)q->have + 1);
    if (!sorted) abort();
    qsort(q->merit, (size_t)q->have, sizeof *q->merit, by_merit);
    for (long k = 0; k < q->have; k++) memcpy(sorted + k * q->d, q->v + q->merit[k].place * q->d, bytes);
    covariance_update(q->cov, sorted);
    free(sorted);
    for (int i = 0; i < q->s->n; i++) if (q->gene[i].odds) learn_odds(q, &q->gene[i], i);
    for (int j = 0; j < q->d; j++)
        if (q->values[j]) covariance_margin(q->cov, j, q->values[j], 1 / (double)(q->d * q->lambda));
    const double best = q->merit[0].rank ? INFINITY : q->merit[0].value;
    q->still = best == q->best || fabs(best - q->best) < 1e-12 ? q->still + 1 : 0;
    q->best = best;
    q->have = 0;
    q->generation++;
    if (covariance_spent(q->cov, q->values, LEAST) || q->still > 10 + 30 * q->d / q->lambda) start(q, study);
}

static void read(search *q, const sx_history *h, uint64_t study)
{
    if (!q->starts || h->done < q->done || (q->done && h->trial[q->done - 1] != q->last)) reset(q, study);
    for (; q->done < h->done; q->done++) {
        const sx_trial *t = q->last = h->trial[q->done];
        if (!generation_is(t->tag, MARK, q->generation) || !generation_over(t)) continue;
        remember(q, t, study);
        if (q->have == q->lambda) evolve(q, study);
    }
}

static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    search *own = cache ? NULL : open(p, s), *q = cache ? cache : own;
    if (!q) return SX_E_MEMORY;
    const uint64_t study = sx_rng_study(r);
    const long attempt = generation_refused(h);
    const uint64_t key = key_of(study, sx_rng_trial(r), attempt);
    double *v = q->v + (long)MOST * q->d;
    read(q, h, study);
    if (attempt < 20) {
        draw(q, key, v);
        point(q, key, v, x);
    } else sx_point_random(s, r, x);             /* all that the population can reach was tried */
    *tag = generation_tag(MARK, q->generation, attempt);
    close(own);
    return 0;
}

SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, cmaes, params, struct cmaes,
          .doc = "CMA-ES with margins for grids, for many cheap trials", .open = open, .close = close,
          .ask = ask);
SX_PLUGIN("cmaes", "1.0", "MIT", SX_ITEM(cmaes));
