/* split.c: which trials of a history are good, which are bad, and which axes are drawn together.
 * Ties keep the order of trials: accuracy 0.1 exactly is common, and the peers' unstable sorts differ by
 * machine. */
#include "parzen.h"

enum { MOST = 25 };                              /* of good trials, with one objective */

long parzen_good(const parzen_flavour *f, double gamma, long n, bool several)
{
    const long good = (long)ceil(gamma * (f == &parzen_hyperopt ? sqrt((double)n) : (double)n));
    return several || good < MOST ? good : MOST;
}

/* How good a trial is: rank first, then the numbers; less is better. */
typedef struct { int rank; double a, b; } merit;
enum { COMPLETE, PRUNED, INFEASIBLE, BAD };

static bool better(const merit *x, const merit *y)
{
    if (x->rank != y->rank) return x->rank < y->rank;
    return x->a < y->a || (x->a == y->a && x->b < y->b);
}

static double known(double v) { return isnan(v) ? INFINITY : v; }
static double last_report(const sx_trial *t) { return t->steps ? known(t->curve[t->steps - 1]) : INFINITY; }

static double violation(const sx_space *s, const sx_trial *t)
{
    double sum = 0;
    for (int i = 0; t->constraint && i < s->constraints; i++)
        sum += t->constraint[i] > 0 ? t->constraint[i] : 0;
    return sum;
}

/* Optuna: complete by value, pruned ones by how far they came, infeasible ones by how much they break. */
static merit merit_optuna(const sx_space *s, const sx_trial *t)
{
    const bool done = t->fate == SX_DONE, cut = t->fate == SX_PRUNED || t->fate == SX_PAUSED;
    if (!done && !cut) return (merit){ BAD, 0, 0 };
    const double broken = violation(s, t);
    if (broken > 0) return (merit){ INFEASIBLE, broken, 0 };
    if (done) return (merit){ COMPLETE, t->value ? known(t->value[0]) : INFINITY, 0 };
    if (!t->steps) return (merit){ PRUNED, 1, 0 };
    return (merit){ PRUNED, -(double)t->step[t->steps - 1], last_report(t) };
}

/* hyperopt: by loss, which failed and running trials lack; a trial that was cut short has its last report. */
static merit merit_hyperopt(const sx_trial *t)
{
    if (t->fate == SX_REFUSED) return (merit){ BAD, 0, 0 };
    if (t->fate == SX_DONE && t->value) return (merit){ COMPLETE, known(t->value[0]), 0 };
    if (t->fate == SX_PRUNED || t->fate == SX_PAUSED) return (merit){ COMPLETE, last_report(t), 0 };
    return (merit){ COMPLETE, INFINITY, 0 };
}

/* Marks the k best of n by insertion into a list of k: k is at most 25, and most trials fail the first
 * comparison. */
static void mark_best(parzen_pool *p, const merit *v, long n, long k, bool *good)
{
    long *best = PARZEN_NEW(p, long, k + 1), held = 0;
    for (long i = 0; i < n && k > 0; i++) {
        if (held == k && !better(&v[i], &v[best[k - 1]])) continue;
        long at = held < k ? held++ : k - 1;
        for (; at > 0 && better(&v[i], &v[best[at - 1]]); at--) best[at] = best[at - 1];
        best[at] = i;
    }
    for (long i = 0; i < held; i++) if (v[best[i]].rank < BAD) good[best[i]] = true;
}

/* With several objectives the complete ones are taken by rank of domination; the others follow as ever. */
static long mark_front(parzen_pool *p, int m, const sx_trial **t, const merit *v, long n, long k, bool *good)
{
    long *at = PARZEN_NEW(p, long, n), complete = 0;
    double *y = PARZEN_NEW(p, double, n * m);
    bool *chosen = PARZEN_NEW(p, bool, n);
    for (long i = 0; i < n; i++) {
        if (v[i].rank != COMPLETE || !t[i]->value) continue;
        for (int j = 0; j < m; j++) y[complete * m + j] = known(t[i]->value[j]);
        at[complete++] = i;
    }
    const long take = k < complete ? k : complete;
    parzen_pareto(p, y, complete, m, take, chosen);
    for (long i = 0; i < complete; i++) good[at[i]] = chosen[i];
    return take;
}

static parzen_trials by_number(parzen_pool *p, const sx_history *h)
{
    double *number = PARZEN_NEW(p, double, h->n);
    int32_t *order = PARZEN_NEW(p, int32_t, h->n);
    parzen_trials t = { PARZEN_NEW(p, const sx_trial *, h->n), h->n };
    for (long i = 0; i < h->n; i++) number[i] = (double)h->trial[i]->number;
    parzen_sort(p, number, h->n, order);
    for (long i = 0; i < h->n; i++) t.v[i] = h->trial[order[i]];
    return t;
}

/* Does the flavour look at such a trial at all, and does it count for the size of the good set? */
static bool seen(const parzen_flavour *f, sx_fate fate, bool liar)
{
    return fate == SX_RUNNING ? liar : fate != SX_FAILED || f == &parzen_hyperopt;
}

static bool counts(const parzen_flavour *f, sx_fate fate)
{
    return fate == SX_DONE || fate == SX_PRUNED || fate == SX_PAUSED
        || (f == &parzen_hyperopt && (fate == SX_RUNNING || fate == SX_FAILED));
}

parzen_split parzen_divide(parzen_pool *p, const parzen_flavour *f, const sx_space *s, const sx_history *h,
                           double gamma, bool liar)
{
    const parzen_trials all = by_number(p, h);
    parzen_trials use = { PARZEN_NEW(p, const sx_trial *, h->n), 0 };
    for (long i = 0; i < all.n; i++) if (seen(f, all.v[i]->fate, liar)) use.v[use.n++] = all.v[i];
    merit *v = PARZEN_NEW(p, merit, use.n);
    bool *good = PARZEN_NEW(p, bool, use.n);
    parzen_split split = { .told = { PARZEN_NEW(p, const sx_trial *, use.n), 0 },
                           .below = { PARZEN_NEW(p, const sx_trial *, use.n), 0 },
                           .above = { PARZEN_NEW(p, const sx_trial *, use.n), 0 } };
    for (long i = 0; i < use.n; i++) {
        const sx_trial *t = use.v[i];
        good[i] = false;
        v[i] = f == &parzen_hyperopt ? merit_hyperopt(t) : merit_optuna(s, t);
        if (counts(f, t->fate)) split.told.v[split.told.n++] = t;
    }
    split.n = split.told.n;
    const bool several = s->objectives > 1;
    long want = parzen_good(f, gamma, split.n, several);
    if (several) {
        want -= mark_front(p, s->objectives, use.v, v, use.n, want, good);
        for (long i = 0; i < use.n; i++) if (v[i].rank == COMPLETE) v[i].rank = BAD;
    }
    mark_best(p, v, use.n, want, good);
    for (long i = 0; i < use.n; i++) {
        parzen_trials *side = good[i] ? &split.below : &split.above;
        side->v[side->n++] = use.v[i];
    }
    return split;
}

void parzen_common(int axes, const double *const *x, long n, bool *common)
{
    for (int j = 0; j < axes; j++) {
        common[j] = n > 0;
        for (long i = 0; i < n && common[j]; i++) common[j] = !isnan(x[i][j]);
    }
}

/* Two axes belong together where no trial tells them apart: an axis joins the first earlier one of equal
 * activity. */
int parzen_groups(int axes, const double *const *x, long n, int *label)
{
    int groups = 0;
    for (int j = 0; j < axes; j++) {
        label[j] = -1;
        bool ever = false;
        for (long i = 0; i < n && !ever; i++) ever = !isnan(x[i][j]);
        for (int k = 0; ever && k < j && label[j] < 0; k++) {
            bool alike = label[k] >= 0;
            for (long i = 0; i < n && alike; i++) alike = isnan(x[i][j]) == isnan(x[i][k]);
            if (alike) label[j] = label[k];
        }
        if (ever && label[j] < 0) label[j] = groups++;
    }
    return groups;
}

void parzen_label(parzen_pool *p, const parzen_flavour *f, const sx_space *s, const parzen_split *split,
                  bool joint, bool group, int *label)
{
    const long told = split->told.n;
    const double **x = PARZEN_NEW(p, const double *, told);
    bool *common = PARZEN_NEW(p, bool, s->n);
    for (int j = 0; j < s->n; j++) label[j] = -1;
    if (f == &parzen_hyperopt || !joint) return;
    for (long i = 0; i < told; i++) x[i] = split->told.v[i]->x;
    if (group) {
        parzen_groups(s->n, x, told, label);
    } else {
        parzen_common(s->n, x, told, common);
        for (int j = 0; j < s->n; j++) label[j] = common[j] ? 0 : -1;
    }
    for (int j = 0; j < s->n; j++) if (sx_axis_count(s->axis[j]) == 1) label[j] = -1;
}
