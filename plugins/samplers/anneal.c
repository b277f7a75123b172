/* anneal.c: search around one of the best trials in a window that narrows as trials come in, each axis for
 * itself. After hyperopt's anneal.suggest (0.3.0), which is short and beats its TPE within 100 trials. */
#include "latin.h"
#include "unit.h"

struct anneal { double best, shrink; long startup; };

static const sx_param params[] = {
    SX_REAL(struct anneal, best, .def = 2, .min = 1, .max = 1e6,
            .doc = "mean rank of the trial that is searched around; 1: always the best"),
    SX_REAL(struct anneal, shrink, .def = 0.1, .min = 0, .max = 1e6,
            .doc = "how fast the window narrows: 1 / (1 + shrink n) of an axis behind n trials"),
    SX_INT(struct anneal, startup, .def = 5, .min = 0, .max = LATIN_MOST,
           .doc = "trials of a Latin hypercube first"),
    SX_END
};

static bool known(const sx_trial *t, int axis)
{
    return t->fate == SX_DONE && t->value && !isnan(t->value[0]) && (axis < 0 || !isnan(t->x[axis]));
}

static bool before(const sx_trial *a, const sx_trial *b)
{
    return a->value[0] < b->value[0] || (a->value[0] == b->value[0] && a->number < b->number);
}

/* Of the trials that know the axis (-1: any) the one of this rank, or the last; count: how many there are. */
static const sx_trial *ranked(const sx_history *h, int axis, long rank, long *count)
{
    const sx_trial *at = NULL;
    *count = 0;
    for (long i = 0; i < h->done; i++) *count += known(h->trial[i], axis);
    for (long k = 0; k <= rank && k < *count; k++) {
        const sx_trial *next = NULL;
        for (long i = 0; i < h->done; i++) {
            const sx_trial *t = h->trial[i];
            if (known(t, axis) && (!at || before(at, t)) && (!next || before(t, next))) next = t;
        }
        if (!next) break;                        /* a paused trial may stand there twice */
        at = next;
    }
    return at;
}

/* A window of this width around u, inside 0 .. 1. */
static double near(double u, double width, sx_rng *r)
{
    const double middle = fmin(fmax(u, width / 2), 1 - width / 2);
    return middle + width * (sx_uniform(r) - 0.5);
}

static double moved(const sx_axis *a, double x, double width, sx_rng *r)
{
    if (a->kind == SX_AXIS_CHOICE) return sx_uniform(r) < width ? sx_axis_at(a, sx_uniform(r)) : x;
    if (a->kind == SX_AXIS_REAL) return sx_axis_at(a, near(unit_of(a, x), width, r));
    /* A normal law of `width` times the deviation around x, by the quantiles of the axis' own. */
    const sx_axis own = { .kind = SX_AXIS_NORMAL, .mu = a->log ? log(fmax(x, 1e-300)) : x,
                          .sigma = a->sigma * width };
    const double z = sx_axis_at(&own, sx_uniform(r));
    return sx_axis_snap(a, a->log ? exp(z) : z);
}

static long rank_of(double mean, sx_rng *r)
{
    const double u = sx_uniform(r);
    return mean > 1 ? (long)fmin(log1p(-u) / log1p(-1 / mean), 1000) : 0;
}

/* Trials of this ask that were refused widen the window: around a corner of a grid all may be known. */
static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    const struct anneal *set = p;
    const long trial = sx_rng_trial(r);
    long refused = 0, count;
    (void)cache;
    *tag = 0;
    while (refused < h->n - h->done && h->trial[h->n - 1 - refused]->fate == SX_REFUSED) refused++;
    if (trial < set->startup && !refused) return latin_point(s, sx_rng_study(r), set->startup, trial, x), 0;
    const sx_trial *around = ranked(h, -1, rank_of(set->best, r), &count);
    for (int i = 0; i < s->n; i++) {
        const sx_trial *t = around && known(around, i) ? around : ranked(h, i, rank_of(set->best, r), &count);
        const double width = (1 + 0.1 * (double)refused) / (1 + set->shrink * (double)count);
        if (!sx_active(s, x, i)) x[i] = NAN;
        else if (!t) x[i] = sx_axis_at(s->axis[i], sx_uniform(r));
        else x[i] = moved(s->axis[i], t->x[i], fmin(width, 1), r);
    }
    return 0;
}

SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, anneal, params, struct anneal,
          .doc = "search in a narrowing window around one of the best trials", .ask = ask);
SX_PLUGIN("anneal", "1.0", "MIT", SX_ITEM(anneal));
