/* hyperband.c: successive halving in several brackets, from early and harsh to none at all: a hedge against
 * trials that start slowly. Li et al., Hyperband, 2018; its brackets are filled side by side, by trial
 * number. */
#include "rungs.h"

struct hyperband { long min_epochs, factor, max_epochs; };
enum { MOST = 20 };

static const sx_param params[] = {
    SX_INT(struct hyperband, min_epochs, .def = 1, .min = 1, .max = 1000000,
           .doc = "epochs to the first rung of the harshest bracket"),
    SX_INT(struct hyperband, factor, .def = 3, .min = 2, .max = 1000,
           .doc = "one of so many goes on, for so many times the epochs"),
    SX_INT(struct hyperband, max_epochs, .def = 0, .min = 0, .max = 1000000,
           .doc = "epochs of a whole training; 0: train.epochs"),
    SX_END
};

/* s_max: how often the epochs can be divided by the factor. */
static int most_halvings(const struct hyperband *set, const sx_history *h)
{
    const long epochs = set->max_epochs ? set->max_epochs : h->epochs;
    int s = 0;
    for (long left = epochs / set->min_epochs; left >= set->factor && s < MOST; left /= set->factor) s++;
    return s;
}

static double power(long factor, int n)
{
    double v = 1;
    while (n-- > 0) v *= (double)factor;
    return v;
}

/* Trials that begin in the bracket of s halvings, so that all brackets cost about the same. */
static long share(const struct hyperband *set, int most, int s)
{
    return (long)ceil((most + 1) * power(set->factor, s) / (s + 1));
}

/* The harshest bracket is filled first, the one without halving last, and so on again. */
static int bracket_of(const struct hyperband *set, int most, long number)
{
    long all = 0;
    for (int s = 0; s <= most; s++) all += share(set, most, s);
    number %= all;
    int s = most;
    while (s > 0 && number >= share(set, most, s)) number -= share(set, most, s--);
    return s;
}

typedef struct { const struct hyperband *set; int most, s; } member;

static bool takes(const void *ctx, long number)
{
    const member *m = ctx;
    return bracket_of(m->set, m->most, number) == m->s;
}

static rungs rungs_of(const member *m)
{
    return (rungs){ .first = (long)((double)m->set->min_epochs * power(m->set->factor, m->most - m->s)),
                    .factor = m->set->factor, .takes = takes, .ctx = m };
}

static sx_verdict judge(const void *p, const sx_history *h, const sx_trial *self)
{
    member m = { .set = p, .most = most_halvings(p, h) };
    m.s = bracket_of(p, m.most, self->number);
    const rungs r = rungs_of(&m);
    return m.s ? rungs_judge(&r, h, self) : SX_GO;
}

static long resume(const void *p, const sx_history *h)
{
    member m = { .set = p, .most = most_halvings(p, h) };
    long number = -1;
    for (m.s = m.most; m.s > 0 && number < 0; m.s--) {
        const rungs r = rungs_of(&m);
        number = rungs_resume(&r, h);
    }
    return number;
}

SX_DEFINE(SX_KIND_PRUNER, sx_pruner, hyperband, params, struct hyperband,
          .doc = "successive halving in brackets of several beginnings",
          .judge = judge, .resume = resume);
SX_PLUGIN("hyperband", "1.0", "MIT", SX_ITEM(hyperband));
