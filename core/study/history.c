/* history.c: the events of a study kept in memory, and the history of any moment made of them: it only grows,
 * and what a sampler saw once can be shown again. */
#include "history.h"
#include <string.h>
#include "places.h"

enum { NEAR = 64 };                              /* events back, where the start of a trial is looked for */
/* trial->fate: what happened; NULL: it does not fit the space */
typedef struct { int64_t seq; const sx_trial *trial; bool ended; } event;
/* What is known after some of the events: ended trials, then running ones. */
typedef struct { const sx_trial **v; long n, cap, done, events; } state;
struct sx_past {
    sx_arena *arena; const sx_domain *domain; const double *usual;
    struct { event *v; long n, cap; } events;
    state now;                                   /* after all events that were asked for so far */
    sx_places *places;                           /* of now's ended trials, and so of any earlier moment's */
};

sx_past *sx_past_open(sx_arena *a, const sx_domain *domain, const double *usual)
{
    sx_past *p = SX_NEW(a, sx_past);
    *p = (sx_past){ .arena = a, .domain = domain, .usual = usual,
                    .places = sx_places_open(a, domain->space.n) };
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

static bool empty(const double *x, int n)
{
    for (int i = 0; i < n; i++) if (!isnan(x[i])) return false;
    return n > 0;
}

bool sx_past_fit(const sx_past *p, double *x)
{
    const sx_space *s = &p->domain->space;
    if (empty(x, s->n)) return false;            /* it was never begun */
    for (int i = 0; i < s->n; i++) {
        if (!sx_active(s, x, i)) { x[i] = NAN; continue; }
        if (isnan(x[i]) && p->usual) x[i] = p->usual[i];
        if (isnan(x[i]) || !fits(s->axis[i], &x[i])) return false;
    }
    return true;
}

/* The point of an earlier one of the last events of the trial, if this is the same. */
static const double *known(const sx_past *p, const sx_trial *t)
{
    const size_t bytes = (size_t)p->domain->space.n * sizeof *t->x;
    for (long i = p->events.n; i-- > 0 && i >= p->events.n - NEAR;) {
        const sx_trial *was = p->events.v[i].trial;
        if (was && was->number == t->number) return memcmp(was->x, t->x, bytes) ? NULL : was->x;
    }
    return NULL;
}

/* As a point of the space; NULL: it does not fit. */
static const double *point(const sx_past *p, const sx_trial *t)
{
    const double *was = known(p, t);
    if (was) return was;
    const size_t n = (size_t)p->domain->space.n;
    double *x = sx_alloc_array(p->arena, n, sizeof *x);
    if (n) memcpy(x, t->x, n * sizeof *x);
    return sx_past_fit(p, x) ? x : NULL;
}

void sx_past_add(sx_past *p, int64_t seq, const sx_trial_row *row)
{
    sx_trial *t = sx_dup(p->arena, &row->t, sizeof row->t);
    const size_t each = sizeof *t->value;
    t->x = point(p, &row->t);
    t->value =
        row->t.value ? sx_dup(p->arena, row->t.value, (size_t)p->domain->space.objectives * each) : NULL;
    t->constraint = row->t.constraint ? sx_dup(p->arena, row->t.constraint,
                                               (size_t)p->domain->space.constraints * each)
                                      : NULL;
    t->step = t->steps ? sx_dup(p->arena, row->t.step, (size_t)t->steps * sizeof *t->step) : NULL;
    t->curve = t->steps ? sx_dup(p->arena, row->t.curve, (size_t)t->steps * sizeof *t->curve) : NULL;
    const bool ended = t->fate != SX_RUNNING && t->fate != SX_PAUSED;
    SX_PUSH(p->arena, p->events, ((event){ seq, t->x ? t : NULL, ended }));
}

void sx_past_count(const sx_past *p, long *ended, long *fit)
{
    *ended = *fit = 0;
    for (long i = 0; i < p->events.n; i++) {
        const event *e = &p->events.v[i];
        *ended += e->ended;
        *fit += e->ended && e->trial;
    }
}

int64_t sx_past_last(const sx_past *p) { return p->events.n ? p->events.v[p->events.n - 1].seq : 0; }

static void put(sx_arena *a, state *s, long at, const sx_trial *t)
{
    SX_PUSH(a, *s, t);
    for (long i = s->n - 1; i > at; i--) s->v[i] = s->v[i - 1];
    s->v[at] = t;
}

static void leave(state *s, long number)
{
    long to = s->done;
    for (long i = s->done; i < s->n; i++) if (s->v[i]->number != number) s->v[to++] = s->v[i];
    s->n = to;
}

static void happen(sx_arena *a, state *s, const sx_trial *t)
{
    leave(s, t->number);
    long at = s->done;
    if (t->fate != SX_RUNNING) s->done++;
    else while (at < s->n && s->v[at]->number < t->number) at++;
    put(a, s, at, t);
}

/* Goes on to the last event up to `seen`. */
static void go_on(const sx_past *p, sx_arena *a, state *s, int64_t seen)
{
    for (; s->events < p->events.n && p->events.v[s->events].seq <= seen; s->events++)
        if (p->events.v[s->events].trial) happen(a, s, p->events.v[s->events].trial);
}

sx_history sx_past_at(sx_past *p, sx_arena *a, int64_t seen)
{
    state then = { 0 }, *s = &p->now;
    if (s->events && p->events.v[s->events - 1].seq > seen) go_on(p, a, s = &then, seen);
    else {
        const long known = s->done;
        go_on(p, p->arena, s, seen);
        sx_places_expect(p->places, s->done - known);
        for (long i = known; i < s->done; i++) sx_places_add(p->places, s->v[i]->x);
    }
    return (sx_history){ .n = s->n, .done = s->done, .trial = s->v, .places = p->places };
}
