/* worker.h: one worker claims trials of a study, runs them, reports, until nothing is left. */
#ifndef SX_WORKER_H
#define SX_WORKER_H
#include "study.h"
#include "train.h"

typedef struct {                                 /* what happens, for bars and lines */
    const char *kind;                            /* "trial_start", "epoch", "pulse", "trial_end" */
    const sx_claim *claim; const sx_epoch *epoch;
    long at_epoch, of_epochs; double share;      /* epochs done, in a pulse; share of the next one */
    sx_fate fate; double value; const char *reason;             /* of the end; SX_RUNNING: it goes on later */
    double left;                                 /* at the start: seconds of tune.trial_time; 0: no limit */
} sx_event;
typedef struct {
    const char *name;                            /* NULL: made here, see sx_worker_name */
    const char *device; int threads;
    double lease; long budget;                   /* 0: three heartbeats, tune.trials */
    double until;                                /* no new trial after (CLOCK_MONOTONIC seconds); 0: none */
    bool whole; /* nor one that would not end by then if it takes as long as the longest so far */
    volatile int *stop;                          /* 1: finish the epoch, give the trial back; or NULL */
    void (*event)(void *ctx, const sx_event *e); void *ctx;          /* or NULL */
} sx_worker_want;
/* Returns 0 when nothing is left, SX_E_STOPPED after a signal. A trial that fails costs that trial only; what
 * would fail every trial (no data, no device, disk full) ends the worker with its code, and the trial is
 * given back. */
int sx_work_run(sx_arena *a, sx_study *s, const sx_worker_want *w, long *done, long *failed, sx_diags *d);
const char *sx_worker_name(sx_arena *a, long pid, int thread);       /* HOST-PID-THREAD */
/* Gives back the trials of workers of this host that are no more: of process pid, or with pid 0 of all that
 * do not exist. */
int sx_work_revive(sx_study *s, long pid, sx_diags *d);
/* The trial of process pid of this host failed: reason. */
int sx_work_fail(sx_study *s, long pid, const char *reason, sx_diags *d);
/* Deletes the weights of all ended trials but the `tune.keep` best. */
int sx_work_tidy(sx_study *s, sx_diags *d);
#endif
