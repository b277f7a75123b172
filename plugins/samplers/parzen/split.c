/* split.c: which trials of a history are good, which are bad, and which axes are drawn together.
 * Ties keep the order of trials: accuracy 0.1 exactly is common, and the peers' unstable sorts differ by
 * machine. */
#include <string.h>
#include "parzen.h"

enum { MOST = 25 };                              /* of good trials, with one objective */

long parzen_good(const parzen_flavour *f, double gamma, long n, bool several)
{
    const long good = (long)ceil(gamma * (f == &parzen_hyperopt ? sqrt((double)n) : (double)n));
    return several || good < MOST ? good : MOST;
}

static bool better(const parzen_merit *x, const parzen_merit *y)
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
static parzen_merit merit_optuna(const sx_space *s, const sx_trial *t)
{
    const bool done = t->fate == SX_DONE, cut = t->fate == SX_PRUNED || t->fate == SX_PAUSED;
    if (!done && !cut) return (parzen_merit){ PARZEN_BAD, 0, 0 };
    const double broken = violation(s, t);
    if (broken > 0) return (parzen_merit){ PARZEN_INFEASIBLE, broken, 0 };
    if (done) return (parzen_merit){ PARZEN_COMPLETE, t->value ? known(t->value[0]) : INFINITY, 0 };
    if (!t->steps) return (parzen_merit){ PARZEN_PRUNED, 1, 0 };
    return (parzen_merit){ PARZEN_PRUNED, -(double)t->step[t->steps - 1], last_report(t) };
}

/* hyperopt: by loss, which failed and running trials lack; a trial that was cut short has its last report. */
static parzen_merit merit_hyperopt(const sx_trial *t)
{
    if (t->fate == SX_REFUSED) return (parzen_merit){ PARZEN_BAD, 0, 0 };
    if (t->fate == SX_DONE && t->value) return (parzen_merit){ PARZEN_COMPLETE, known(t->value[0]), 0 };
    if (t->fate == SX_PRUNED || t->fate == SX_PAUSED)
        return (parzen_merit){ PARZEN_COMPLETE, last_report(t), 0 };
    return (parzen_merit){ PARZEN_COMPLETE, INFINITY, 0 };
}

parzen_merit parzen_merit_of(const parzen_flavour *f, const sx_space *s, const sx_trial *t)
{
    return f == &parzen_hyperopt ? merit_hyperopt(t) : merit_optuna(s, t);
}

bool parzen_seen(const parzen_flavour *f, sx_fate fate, bool liar)
{
    return fate == SX_RUNNING ? liar : fate != SX_FAILED || f == &parzen_hyperopt;
}

bool parzen_counts(const parzen_flavour *f, sx_fate fate)
{
    return fate == SX_DONE || fate == SX_PRUNED || fate == SX_PAUSED
        || (f == &parzen_hyperopt && (fate == SX_RUNNING || fate == SX_FAILED));
}

/* The best ones, in order; equal ones by number. */
typedef struct { const parzen_entry *v; long *best, held, most; } list;

static bool goes_before(const list *l, long i, long k)
{
    const parzen_merit *x = &l->v[i].merit, *y = &l->v[k].merit;
    return better(x, y) || (i < k && !better(y, x));
}

static void insert(list *l, long i)
{
    if (l->held == l->most && !goes_before(l, i, l->best[l->most - 1])) return;
    long at = l->held < l->most ? l->held++ : l->most - 1;
    for (; at > 0 && goes_before(l, i, l->best[at - 1]); at--) l->best[at] = l->best[at - 1];
    l->best[at] = i;
}

/* The k best of n from rank `from` on. k is at most 25; those that were good last time come first, and most
 * others fail the first comparison. */
static void mark_best(parzen_pool *p, const parzen_entry *v, long n, int from, long k, bool *good)
{
    list l = { .v = v, .best = PARZEN_NEW(p, long, k + 1), .most = k };
    for (int others = 0; others < 2 && k > 0; others++)
        for (long i = 0; i < n; i++) {
            const int rank = v[i].merit.rank;
            if ((v[i].side == PARZEN_BELOW) != others && rank >= from && rank < PARZEN_BAD) insert(&l, i);
        }
    for (long i = 0; i < l.held; i++) good[l.best[i]] = true;
}

/* With several objectives the complete ones are taken by rank of domination; the others follow as ever. */
static long mark_front(parzen_pool *p, const sx_space *s, const parzen_entry *v, long n, long k, bool *good)
{
    const int m = s->objectives;
    long *at = PARZEN_NEW(p, long, n), complete = 0;
    double *y = PARZEN_NEW(p, double, n * m);
    bool *chosen = PARZEN_NEW(p, bool, n);
    for (long i = 0; i < n; i++) {
        if (v[i].merit.rank != PARZEN_COMPLETE) continue;
        for (int j = 0; j < m; j++) y[complete * m + j] = known(v[i].x[s->n + j]);
        at[complete++] = i;
    }
    const long take = k < complete ? k : complete;
    parzen_pareto(p, y, complete, m, take, chosen);
    for (long i = 0; i < complete; i++) good[at[i]] = chosen[i];
    return take;
}

void parzen_mark(parzen_pool *p, const sx_space *s, const parzen_entry *v, long n, long want, bool *good)
{
    const bool several = s->objectives > 1;
    memset(good, 0, (size_t)n * sizeof *good);
    if (several) want -= mark_front(p, s, v, n, want, good);
    mark_best(p, v, n, several ? PARZEN_PRUNED : PARZEN_COMPLETE, want, good);
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

void parzen_label(parzen_pool *p, const parzen_book *b, bool joint, bool group, int *label)
{
    const int n = b->s->n;
    bool *common = PARZEN_NEW(p, bool, n);
    for (int j = 0; j < n; j++) label[j] = -1;
    if (b->f == &parzen_hyperopt || !joint) return;
    if (group) {
        parzen_groups(n, b->pattern, b->patterns, label);
    } else {
        parzen_common(n, b->pattern, b->patterns, common);
        for (int j = 0; j < n; j++) label[j] = common[j] ? 0 : -1;
    }
    for (int j = 0; j < n; j++) if (sx_axis_count(b->s->axis[j]) == 1) label[j] = -1;
}
