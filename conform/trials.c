/* trials.c: a study in memory, for whoever looks at samplers alone.
 * The history it hands out has the order that the core's has: ended trials as they ended, then the running
 * ones. */
#include <time.h>
#include "trials.h"

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

trials trials_open(sx_arena *a, const sx_sampler *sampler, const void *params, const sx_space *s,
                   uint64_t seed, bool cached)
{
    trials t = { .arena = sx_arena_open(a), .sampler = sampler, .params = params, .space = s, .seed = seed,
                 .cache = cached && sampler->open ? sampler->open(params, s) : NULL };
    t.places = sx_places_open(t.arena, s->n);
    return t;
}

void trials_close(trials *t)
{
    if (t->cache && t->sampler->close) t->sampler->close(t->cache);
    sx_arena_close(t->arena);
}

sx_history trials_history(const trials *t, sx_arena *a)
{
    const sx_trial **list = sx_alloc_array(a, (size_t)(t->all.n + t->refused.n) + 1, sizeof *list);
    sx_history h = { .done = t->ended.n, .trial = list, .places = t->places };
    for (long i = 0; i < t->ended.n; i++) list[h.n++] = t->ended.v[i];
    for (long i = 0; i < t->all.n; i++) if (t->all.v[i]->fate == SX_RUNNING) list[h.n++] = t->all.v[i];
    for (long i = 0; i < t->refused.n; i++) list[h.n++] = t->refused.v[i];
    return h;
}

int trials_probe(trials *t, double *x)
{
    sx_arena *a = sx_arena_open(t->arena);
    const sx_history h = trials_history(t, a);
    t->tag = 0;
    if (!t->refused.n) sx_rng_init(&t->rng, t->seed, t->all.n, "ask");
    t->asked -= seconds();
    const int rc = t->sampler->ask(t->params, t->cache, t->space, &h, &t->rng, x, &t->tag);
    t->asked += seconds();
    sx_arena_close(a);
    return rc;
}

sx_trial *trials_add(trials *t, const double *x)
{
    sx_trial *trial = SX_NEW(t->arena, sx_trial);
    *trial = (sx_trial){ .number = t->all.n, .fate = SX_RUNNING, .tag = t->tag,
                         .x = sx_dup(t->arena, x, (size_t)t->space->n * sizeof *x) };
    SX_PUSH(t->arena, t->all, trial);
    return trial;
}

int trials_ask(trials *t)
{
    double *x = sx_alloc_array(t->arena, (size_t)t->space->n + 1, sizeof *x);
    const int rc = trials_probe(t, x);
    if (rc == 0) trials_add(t, x);
    return rc;
}

void trials_tell_all(trials *t, sx_trial *trial, sx_fate fate, const double *value, const double *constraint)
{
    const size_t m = (size_t)t->space->objectives, c = (size_t)t->space->constraints;
    trial->fate = fate;
    trial->value = fate == SX_DONE && value ? sx_dup(t->arena, value, m * sizeof *value) : NULL;
    trial->constraint = constraint && c ? sx_dup(t->arena, constraint, c * sizeof *constraint) : NULL;
    sx_places_add(t->places, trial->x);
    SX_PUSH(t->arena, t->ended, trial);
}

void trials_tell(trials *t, sx_trial *trial, sx_fate fate, double value)
{
    trials_tell_all(t, trial, fate, &value, NULL);
}

void trials_refuse(trials *t, const double *x)
{
    sx_trial *trial = SX_NEW(t->arena, sx_trial);
    *trial = (sx_trial){ .number = t->all.n, .fate = SX_REFUSED,
                         .x = sx_dup(t->arena, x, (size_t)t->space->n * sizeof *x) };
    SX_PUSH(t->arena, t->refused, trial);
}
