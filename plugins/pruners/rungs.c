/* rungs.c: the rule of ASHA (Li et al., A System for Massively Parallel Hyperparameter Tuning, 2018): of n
 * trials that have come to a rung the best n / factor go on, whenever n has grown enough for one more. */
#include "rungs.h"
#include <limits.h>
#include <stdlib.h>

typedef struct { const sx_trial *trial; bool runs; } place;      /* runs: it has gone on since it paused */
typedef struct { long n; place *v; } field;      /* by number, each trial as it was known last */
typedef struct { double value; long number; bool paused; } entry;

static bool takes(const rungs *r, long number) { return !r->takes || r->takes(r->ctx, number); }

static field look(const rungs *r, const sx_history *h)
{
    field f = { 0 };
    for (long i = 0; i < h->n; i++) if (h->trial[i]->number >= f.n) f.n = h->trial[i]->number + 1;
    f.v = calloc((size_t)f.n + 1, sizeof *f.v);
    if (!f.v) return (field){ 0 };
    for (long i = 0; i < h->n; i++) {
        const sx_trial *t = h->trial[i];
        place *p = &f.v[t->number];
        if (t->fate == SX_REFUSED || !takes(r, t->number)) continue;
        if (t->fate == SX_RUNNING) p->runs = true;               /* what it told before still counts */
        else p->trial = t;
    }
    return f;
}

static long last_step(const sx_trial *t) { return t->steps ? t->step[t->steps - 1] : -1; }
static long next_rung(const rungs *r, long rung)
{
    return rung > LONG_MAX / r->factor ? LONG_MAX : rung * r->factor;
}

/* The best report up to the rung. */
static double best_at(const sx_trial *t, long rung)
{
    double best = !t->steps && t->value ? *t->value : NAN;
    for (long k = 0; k < t->steps && (!k || t->step[k - 1] < rung); k++) best = fmin(best, t->curve[k]);
    return isnan(best) ? INFINITY : best;
}

/* How a trial stands on a rung. Complete ones that ended early stand on every rung, the failed and stopped
 * ones that reached none on the first, as the worst. */
static bool stands(const rungs *r, const place *p, long rung, entry *e)
{
    const sx_trial *t = p->trial;
    if (!t) return false;
    const bool first = rung == r->first, early = first || next_rung(r, last_step(t)) >= rung,
               here = last_step(t) >= rung || (t->fate == SX_DONE && early),
               lost = first && (t->fate == SX_FAILED || t->fate == SX_PRUNED);
    *e = (entry){ here ? best_at(t, rung) : INFINITY, t->number,
                  t->fate == SX_PAUSED && !p->runs && last_step(t) < next_rung(r, rung) };
    return here || lost;
}

/* Equal ones in order of number. */
static int by_value(const void *x, const void *y)
{
    const entry *a = x, *b = y;
    if (a->value != b->value) return a->value < b->value ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

/* The best of a rung: those that go on. Returns how many; the caller frees *best. */
static long best_of(const rungs *r, const field *f, long rung, entry **best)
{
    long n = 0, top = 0;
    entry *v = *best = malloc((size_t)(f->n + 1) * sizeof *v);
    for (long i = 0; v && i < f->n; i++) n += stands(r, &f->v[i], rung, &v[n]);
    if (v) qsort(v, (size_t)n, sizeof *v, by_value);
    while (top < n / r->factor && v[top].value < INFINITY) top++;
    return top;
}

/* Is the latest report the first at or behind a rung? */
static bool rung_reached(const rungs *r, const sx_trial *t)
{
    const long now = last_step(t), before = t->steps > 1 ? t->step[t->steps - 2] : -1;
    long rung = r->first;
    while (rung <= before) rung = next_rung(r, rung);
    return rung <= now;
}

/* Has it paused here before? Then it goes on because it was called. */
static bool was_called(const sx_history *h, const sx_trial *self)
{
    for (long i = 0; i < h->n; i++) {
        const sx_trial *t = h->trial[i];
        if (t->number == self->number && t->fate == SX_PAUSED && last_step(t) == last_step(self)) return true;
    }
    return false;
}

sx_verdict rungs_judge(const rungs *r, const sx_history *h, const sx_trial *self)
{
    return rung_reached(r, self) && takes(r, self->number) && !was_called(h, self) ? SX_PAUSE : SX_GO;
}

long rungs_resume(const rungs *r, const sx_history *h)
{
    const field f = look(r, h);
    long number = -1, top = 0;
    for (long i = 0; i < f.n; i++) {
        const long last = f.v[i].trial ? last_step(f.v[i].trial) : 0;
        if (last > top) top = last;
    }
    for (long rung = r->first; rung <= top; rung = next_rung(r, rung)) {
        entry *best;
        const long n = best_of(r, &f, rung, &best);
        for (long i = 0; i < n; i++) if (best[i].paused) { number = best[i].number; break; }
        free(best);
    }
    free(f.v);
    return number;
}
