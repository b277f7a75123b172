/* trials.h: a study in memory: asks a sampler, remembers its points, tells it how they went.
 * What the suites of samplers, their tests and bench/hpo share; no store, no training, no check of
 * repeats. */
#ifndef TRIALS_H
#define TRIALS_H
#include <strix/plugin.h>
#include "places.h"
#include "rng.h"

typedef struct {
    sx_arena *arena;
    const sx_sampler *sampler; const void *params; const sx_space *space; uint64_t seed;
    void *cache;
    sx_places *places;                           /* of the ended ones */
    struct { sx_trial **v; long n, cap; } all, ended;                /* by number; in order of their ends */
    struct { sx_trial **v; long n, cap; } refused;                   /* of the ask that goes on */
    int64_t tag;                                 /* of the latest answer; trials_add notes it */
    sx_rng rng;                                  /* of the ask that goes on */
    double asked;                                /* seconds of CPU time spent in the sampler */
} trials;

trials trials_open(sx_arena *a, const sx_sampler *sampler, const void *params, const sx_space *s,
                   uint64_t seed, bool cached);
void trials_close(trials *t);
sx_history trials_history(const trials *t, sx_arena *a); /* ended ones, then running ones; lives in a */
/* Asks for the next number's point. 0: it is the last of `all` and running; else the sampler's answer,
 * nothing added. */
int trials_ask(trials *t);
/* The same without adding it, for x of the caller. */
int trials_probe(trials *t, double *x);
sx_trial *trials_add(trials *t, const double *x);                    /* a running trial at x (copied) */
/* value counts where it is SX_DONE */
void trials_tell(trials *t, sx_trial *trial, sx_fate fate, double value);
/* The same of all objectives and constraints (NULL: not known); copied. */
void trials_tell_all(trials *t, sx_trial *trial, sx_fate fate, const double *value, const double *constraint);
void trials_refuse(trials *t, const double *x);                      /* the ask goes on without this point */
#endif
