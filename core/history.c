/* history.c: the events of a study kept in memory, and the history of any moment made of them: it only grows,
 * and what a sampler saw once can be shown again. */
#include "history.h"
#include <string.h>

typedef struct { int64_t seq; const sx_trial *trial; } event;        /* trial->fate: what happened */
struct sx_past {
    sx_arena *arena; const sx_domain *domain; const double *usual;
    struct { event *v; long n, cap; } events;
};

sx_past *sx_past_open(sx_arena *a, const sx_domain *domain, const double *usual)
{
    sx_past *p = SX_NEW(a, sx_past);
    *p = (sx_past){ .arena = a, .domain = domain, .usual = usual };
    return p;
}

/* A stored value, of another program perhaps, as a legal one: off its grid by rounding at most. */
static bool fits(const sx_axis *a, double *v)
{
    const double legal = sx_axis_snap(a, *v), off = fabs(legal - *v);
    if (a->kind == SX_AXIS_CHOICE) return legal == *v;
    if (!(off <= 1e-8 * (a->step > 0 ? a->step : fmax(fabs(*v), 1e-300)))) return false;
    if (a->step > 0) *v = legal;
    return true;
}

static bool legal_point(const sx_past *p, double *x)
{
    const sx_space *s = &p->domain->space;
    for (int i = 0; i < s->n; i++) {
        if (!sx_active(s, x, i)) { x[i] = NAN; continue; }
        if (isnan(x[i]) && p->usual) x[i] = p->usual[i];
        if (isnan(x[i]) || !fits(s->axis[i], &x[i])) return false;
    }
    return true;
}

void sx_past_add(sx_past *p, int64_t seq, const sx_trial_row *row)
{
    const size_t n = (size_t)p->domain->space.n;
    double *x = sx_alloc_array(p->arena, n, sizeof *x);
    sx_trial *t = sx_dup(p->arena, &row->t, sizeof row->t);
    if (n) memcpy(x, row->t.x, n * sizeof *x);
    const bool legal = legal_point(p, x);
    t->x = x;
    t->value =
        row->t.value ? sx_dup(p->arena, row->t.value, (size_t)p->domain->space.objectives * sizeof *x) : NULL;
    t->constraint = row->t.constraint ? sx_dup(p->arena, row->t.constraint,
                                               (size_t)p->domain->space.constraints * sizeof *x)
                                      : NULL;
    t->step = t->steps ? sx_dup(p->arena, row->t.step, (size_t)t->steps * sizeof *t->step) : NULL;
    t->curve = t->steps ? sx_dup(p->arena, row->t.curve, (size_t)t->steps * sizeof *t->curve) : NULL;
    SX_PUSH(p->arena, p->events, ((event){ seq, legal ? t : NULL }));
}

int64_t sx_past_last(const sx_past *p) { return p->events.n ? p->events.v[p->events.n - 1].seq : 0; }

typedef struct { const sx_trial **v; long n, cap; } trials;

static void start(sx_arena *a, trials *running, const sx_trial *t)
{
    SX_PUSH(a, *running, t);
    for (long i = running->n - 1; i > 0 && running->v[i - 1]->number > t->number; i--) {
        running->v[i] = running->v[i - 1];
        running->v[i - 1] = t;
    }
}

static void leave(trials *running, long number)
{
    long to = 0;
    for (long i = 0; i < running->n; i++)
        if (running->v[i]->number != number) running->v[to++] = running->v[i];
    running->n = to;
}

sx_history sx_past_at(const sx_past *p, sx_arena *a, int64_t seen)
{
    trials done = { 0 }, running = { 0 };
    for (long i = 0; i < p->events.n && p->events.v[i].seq <= seen; i++) {
        const sx_trial *t = p->events.v[i].trial;
        if (!t) continue;
        leave(&running, t->number);
        if (t->fate == SX_RUNNING) start(a, &running, t);
        else SX_PUSH(a, done, t);
    }
    const long n = done.n;
    for (long i = 0; i < running.n; i++) SX_PUSH(a, done, running.v[i]);
    return (sx_history){ .n = done.n, .done = n, .trial = done.v };
}
