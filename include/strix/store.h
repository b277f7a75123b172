/* strix/store.h: for authors of stores, the ledger of trials that all workers of a study share.
 * Every call returns 0 or SX_E_*; last_error tells the story. Trial numbers, not ids, key everything outside a store. */
#ifndef STRIX_STORE_H
#define STRIX_STORE_H
#include <strix/plugin.h>

typedef struct sx_db sx_db;
typedef struct {
    uint32_t size;
    sx_trial t;                                  /* x in the axes' order; values minimised */
    int64_t id, seen;                            /* the store's id; events of the history's fixed part at its ask */
    int attempt; bool queued;                    /* how often claimed; made by `study add` */
    const char *worker, *dir, *reason;           /* who has it; run directory; why it failed or was pruned; or NULL */
    double started, ended;                       /* seconds since 1970, UTC; 0: not known */
    const char *values;                          /* JSON object of the active variables as shown: {"lr": 0.001, "batch": 64} */
} sx_trial_row;
typedef struct { const char *name; double value; int objective; } sx_metric;        /* objective -1: none, side table only */
typedef struct {
    uint32_t size;
    const char *name, *config, *space;           /* config: resolved text; space: JSON, see core/space.h */
    uint64_t seed;
    int objectives; const bool *maximize; const char *const *metric;                 /* names of the objectives */
    const sx_space *axes;                        /* what x means; labels: distribution text of each axis in Optuna's form */
    const char *const *distribution;
} sx_study_row;
/* Called inside the claim's short transaction. queued: its fixed values, or NULL. Fills made->t.x, t.tag, values, or names
 * a paused trial to go on with by made->t.number. 0; 1: the space is exhausted; SX_E_*. */
typedef int sx_ask(void *ctx, const sx_trial_row *queued, sx_trial_row *made);
typedef struct {
    SX_HEAD;
    int (*open)(const char *url, bool write, sx_db **db);      void (*close)(sx_db *db);
    int (*study)(sx_db *db, const sx_study_row *want, int64_t *study);               /* creates it, or checks that it agrees */
    int (*find)(sx_db *db, const char *name, int64_t *study, sx_study_row *row);     /* row's texts live until close; SX_E_DATA: none */
    int (*list)(sx_db *db, void (*each)(void *ctx, int64_t study, const char *name, long trials, double best, bool has_best), void *ctx);
    /* Events after *since, in order: ended and paused trials with curves; then, with number order, those running or queued
     * (fate SX_RUNNING). *since is moved behind the last event. */
    int (*news)(sx_db *db, int64_t study, int64_t *since, void (*each)(void *ctx, const sx_trial_row *r), void *ctx);
    /* Takes an expired lease first, then a resumable paused trial, then a queued one, else asks. 1: the budget or the space is used up. */
    int (*claim)(sx_db *db, int64_t study, const char *worker, double lease, long budget, sx_ask *ask, void *ctx, sx_trial_row *mine);
    int (*add)(sx_db *db, int64_t study, const sx_trial_row *fixed, long *number);   /* queues a point */
    int (*report)(sx_db *db, int64_t trial, long step, int n, const sx_metric *m);   /* many metrics a step */
    int (*beat)(sx_db *db, int64_t trial, const char *worker, double lease);         /* SX_E_LOST: someone else has it now, stop */
    int (*finish)(sx_db *db, const sx_trial_row *r);           /* fate, values, constraints, reason, in one transaction */
    int (*note)(sx_db *db, int64_t trial, const char *key, const char *json);        /* attributes, artefacts */
    int (*drop)(sx_db *db, int64_t trial, const char *worker); /* gives the lease back: another worker may go on at once */
    const char *(*last_error)(void);                           /* of this thread; never NULL */
} sx_store;
#endif
