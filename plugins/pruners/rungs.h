/* rungs.h: successive halving as it runs asynchronously, for the pruners asha and hyperband: trials stand on
 * rungs, the best of each rung go on. */
#ifndef RUNGS_H
#define RUNGS_H
#include <strix/plugin.h>

typedef struct {
    long first, factor;                          /* rungs at first, first * factor, first * factor^2 .. */
    bool (*takes)(const void *ctx, long number); const void *ctx;    /* which trials stand here; NULL: all */
} rungs;

/* Who reaches a rung waits there, also the best one: so all that have come there are in the history, and it
 * is called at once. */
sx_verdict rungs_judge(const rungs *r, const sx_history *h, const sx_trial *self);
/* The paused trial that belongs to the best of its rung, of the highest rung that has one; -1: none. */
long rungs_resume(const rungs *r, const sx_history *h);
#endif
