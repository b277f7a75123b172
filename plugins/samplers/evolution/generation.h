/* generation.h: how samplers with a population keep book: a trial's tag says which generation asked for it,
 * and at which attempt. Everything else follows from the history, read once from its beginning. */
#ifndef GENERATION_H
#define GENERATION_H
#include <strix/plugin.h>

enum { GENERATION_BITS = 32, ATTEMPT_BITS = 10 };

/* mark: the sampler's own, below 2^20, so that it knows its tags from another sampler's. */
static inline int64_t generation_tag(unsigned mark, long generation, long attempt)
{
    const int64_t most = (1 << ATTEMPT_BITS) - 1;
    if (attempt > most) attempt = (long)most;
    return ((int64_t)mark << ATTEMPT_BITS | attempt) << GENERATION_BITS | generation;
}
static inline bool generation_is(int64_t tag, unsigned mark, long generation)
{
    return tag >> (GENERATION_BITS + ATTEMPT_BITS) == (int64_t)mark
        && (tag & (((int64_t)1 << GENERATION_BITS) - 1)) == generation;
}
static inline long generation_attempt(int64_t tag)
{
    return (long)(tag >> GENERATION_BITS & ((1 << ATTEMPT_BITS) - 1));
}
/* How many points of this ask were refused. */
static inline long generation_refused(const sx_history *h)
{
    long n = 0;
    while (n < h->n - h->done && h->trial[h->n - 1 - n]->fate == SX_REFUSED) n++;
    return n;
}
/* Has the trial ended for good? */
static inline bool generation_over(const sx_trial *t)
{
    return t->fate == SX_DONE || t->fate == SX_PRUNED || t->fate == SX_FAILED;
}
/* By how much it breaks measured constraints, 0: not at all; a failed trial breaks them all. */
static inline double generation_violation(const sx_space *s, const sx_trial *t)
{
    double sum = 0;
    if (t->fate == SX_FAILED || (t->fate == SX_DONE && !t->value)) return INFINITY;
    for (int i = 0; t->constraint && i < s->constraints; i++) sum += fmax(t->constraint[i], 0);
    return sum;
}
#endif
