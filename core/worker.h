/* worker.h: one worker claims trials of a study, runs them, reports, until nothing is left; the supervisor keeps N of them alive. */
#ifndef SX_WORKER_H
#define SX_WORKER_H
#include "study.h"
#include "train.h"

typedef struct {                                 /* what happens, for bars, lines and --events; called from the worker's thread */
    const char *kind;                            /* "trial_start", "epoch", "pulse", "trial_end" */
    const sx_claim *claim; const sx_epoch *epoch; long of_epochs; double share; sx_fate fate; double value; const char *reason;
} sx_event;
typedef struct {
    const char *name;                            /* host-pid-n; NULL: made here */
    const char *device; int threads; double lease; long budget; double until;   /* until: no new trial after (CLOCK_MONOTONIC seconds); 0: none */
    volatile int *stop;
    void (*event)(void *ctx, const sx_event *e); void *ctx;
} sx_worker_want;
/* Returns 0 when nothing is left, SX_E_STOPPED after a signal. A trial that fails costs that trial only. */
int sx_work(sx_arena *a, sx_study *s, const sx_worker_want *w, long *done, long *failed, sx_diags *d);
#endif
