/* train.h: epochs, early stop, reports, checkpoints of one training. */
#ifndef SX_TRAIN_H
#define SX_TRAIN_H
#include "ckpt.h"

/* epoch: from 1; names: "loss", "accuracy", "val_loss", "val_accuracy" .. */
/* again: the training goes on behind it; it was told before, unless its worker died just then. */
typedef struct {
    long epoch; double seconds; long n; const char *const *name; const double *value; bool again;
} sx_epoch;
typedef struct {
    const char *dir;                             /* run directory; NULL: nothing is written */
    const char *init;                            /* safetensors for the first weights, or NULL */
    bool resume; /* from dir/last.safetensors where it is there and whole, else prev.safetensors */
    bool strict; /* with resume: checkpoints that cannot be continued are an error, and nothing is replaced;
                  * one that is finished (or has more epochs than are asked for) is left as it is */
    volatile int *stop; /* 1: finish the epoch, save, return SX_E_STOPPED; 2: return at once; or NULL */
    /* After each epoch, saved already. Returns 0 to go on, 1 pruned (stop, keep), 2 pause, or SX_E_*. */
    int (*report)(void *ctx, const sx_epoch *e); void *ctx;
    /* About every second, for bars and heartbeats: epochs done, share of this one; may be NULL; nonzero
     * (SX_E_*): give up. */
    int (*pulse)(void *ctx, long epoch, double share); void *pulse_ctx;
} sx_train_want;
typedef struct {
    /* best_epoch from 1; 0: none */
    long epochs, best_epoch; double best; double seconds; bool pruned, paused, diverged, early;
    long n; const char *const *name; const double *value; /* of the best epoch (by train.monitor) */
} sx_outcome;
/* 0 also for pruned and paused; SX_E_DIVERGED, SX_E_STOPPED, SX_E_LOST .. The net holds the best weights
 * where restore_best. A resumed training ends with the bits of one that was never stopped. */
int sx_train(sx_arena *a, const sx_exp *e, sx_net *n, const sx_data *data, const sx_train_want *w,
             sx_outcome *out, sx_diags *d);
/* What the epochs of a run directory took so far, by its log. */
double sx_train_seconds(sx_arena *a, const char *dir);
/* Is the training in a run directory the one of e? Its config.cfg against e, both worked out: 0 (also where
 * there is none, or no checkpoint), or SX_E_CONFIG where what its checkpoints mean has changed; other changes
 * of the training are a warning. */
int sx_train_same(sx_arena *a, const char *dir, const sx_exp *e, sx_diags *d);
/* The experiment at its point as a config text that trains the same net again. */
char *sx_train_config(sx_arena *a, const sx_exp *e);
#endif
