/* strix/store.h: for authors of stores, the ledger of trials that all workers of a study share.
 * Every call returns 0 or SX_E_*; last_error tells the story. Trial numbers, not ids, key everything outside
 * a store. The whole truth about the order of a study is its list of events: a trial starts (SX_RUNNING),
 * pauses, starts again, ends. What a sampler saw is thus a number, `seen`: the events before its ask. */
#ifndef STRIX_STORE_H
#define STRIX_STORE_H
#include <strix/plugin.h>

typedef struct sx_db sx_db;
typedef struct {
    uint32_t size;
    sx_trial t;                                  /* x by axis (NaN: not stored); values and curve minimised */
    int64_t id, seen;                            /* the store's id; the last event that its ask had seen */
    int attempt; bool queued;                    /* how often claimed (0: not by strix); by `study add` */
    const char *worker, *dir, *reason;           /* who has it; run directory; why it ended so; or NULL */
    double started, ended;                       /* seconds since 1970, UTC; 0: not known */
    const char *values;                          /* active variables as shown: {"lr": 0.001, "batch": 64} */
    bool waiting;                                /* queued, not started */
    double lease;                                /* seconds until the lease runs out, < 0: it has; 0: none */
} sx_trial_row;
typedef struct { const char *name; double value; int objective; } sx_metric; /* objective -1: none */
typedef struct {
    uint32_t size;
    const char *name, *config, *space;           /* resolved text; JSON. NULL: made by others */
    uint64_t seed;
    int objectives; const bool *maximize;
    const char *const *metric;                   /* names of the objectives, or NULL */
    const sx_space *axes;                        /* what x means */
    const char *const *distribution;             /* text of each axis in Optuna's form */
} sx_study_row;
/* Called inside the claim's short transaction. queued: its fixed values (x with NaN elsewhere), or NULL.
 * made->t.number is the number of the new trial, or -1: no new one may be made. Fills made->t.x and t.tag, or
 * names a paused trial to go on with by another t.number. 0; 1: nothing to run; SX_E_*. */
typedef int sx_ask(void *ctx, const sx_trial_row *queued, sx_trial_row *made);
/* has_best: of one objective, once a trial is complete. */
typedef void sx_on_study(void *ctx, int64_t study, const char *name, long trials, double best, bool has_best);
typedef void sx_on_event(void *ctx, int64_t event, const sx_trial_row *r);   /* rows live during the call */
typedef void sx_on_trial(void *ctx, const sx_trial_row *r);
/* A remark on the study (trial -1), or a note on that trial; the texts live during the call. */
typedef void sx_on_note(void *ctx, long trial, const char *key, const char *json);
typedef struct {
    SX_HEAD;
    /* A file or server of unknown revision is opened for reading only: write is refused with SX_E_STORE;
     * after a successful open last_error may hold a warning. */
    int (*open)(const char *url, bool write, sx_db **db);
    void (*close)(sx_db *db);
    /* Creates the study, or checks that it agrees (SX_E_CONFIG) and takes the new config. What `want` points
     * to lives until close. */
    int (*study)(sx_db *db, const sx_study_row *want, int64_t *study);
    /* SX_E_DATA: no such study. What row points to lives until close. The axes of a study made by others are
     * the union of what its trials used, without conditions. From here on x has the order of these axes,
     * until `study` gives others. */
    int (*find)(sx_db *db, const char *name, int64_t *study, sx_study_row *row);
    int (*list)(sx_db *db, sx_on_study *each, void *ctx);
    int (*rename)(sx_db *db, int64_t study, const char *name);
    /* Events after *since, in order, each with number, x, tag and, but where it starts, values and curve as they
     * were; *since is moved behind the last one. `each` does not call the store. */
    int (*news)(sx_db *db, int64_t study, int64_t *since, sx_on_event *each, void *ctx);
    /* Every trial as it is now, in order of number. */
    int (*trials)(sx_db *db, int64_t study, sx_on_trial *each, void *ctx);
    /* Takes an expired lease first (SX_FAILED after 3 attempts), then what ask names: a paused trial, a
     * queued one, a new one while there are fewer than budget. 1: nothing is left; 2: nothing now, but trials
     * of others still run. mine lives until the next claim. */
    int (*claim)(sx_db *db, int64_t study, const char *worker, double lease, long budget, sx_ask *ask,
                 void *ctx, sx_trial_row *mine);
    /* Queues a point; x NaN: left to the sampler. */
    int (*add)(sx_db *db, int64_t study, const sx_trial_row *fixed, long *number);
    /* SX_E_LOST: someone else has it now, stop. worker NULL: whoever has it. 1: the store is away for the
     * moment and keeps the report; the next call about this trial that reaches it delivers it first. */
    int (*report)(sx_db *db, int64_t trial, const char *worker, long step, int n, const sx_metric *m);
    int (*beat)(sx_db *db, int64_t trial, const char *worker, double lease);
    /* Fate, values, constraints, reason, in one transaction; SX_E_LOST as above. */
    int (*finish)(sx_db *db, const sx_trial_row *r);
    /* An attribute of the trial; "strix:dir" is its run directory (row.dir). */
    int (*note)(sx_db *db, int64_t trial, const char *key, const char *json);
    /* Gives the lease back: another worker may go on at once. died: this attempt counts. */
    int (*drop)(sx_db *db, int64_t trial, const char *worker, bool died);
    const char *(*last_error)(void);             /* of this thread; never NULL */
    /* An attribute of the study; json NULL: no longer there. All of them whose keys begin with "strix:". The
     * notes of that key on all trials, by number. */
    int (*remark)(sx_db *db, int64_t study, const char *key, const char *json);
    int (*remarks)(sx_db *db, int64_t study, sx_on_note *each, void *ctx);
    int (*notes)(sx_db *db, int64_t study, const char *key, sx_on_note *each, void *ctx);
    /* Adds n ended trials that were run elsewhere, all or none of them: fate, x, value, curve, reason,
     * started and ended (0: now) count, numbers follow the last one; note, JSON, is kept as
     * "strix:imported". */
    int (*import)(sx_db *db, int64_t study, long n, const sx_trial_row *r, const char *const *note);
    /* As `trials`, without points, their words and curves: who runs what, how it ended, where it lies. Or
     * NULL. */
    int (*brief)(sx_db *db, int64_t study, sx_on_trial *each, void *ctx);
    /* As `brief`, those alone that a worker has: a few of many. Or NULL. */
    int (*leased)(sx_db *db, int64_t study, sx_on_trial *each, void *ctx);
    /* Nothing is left to do: paused trials are shown as pruned, with their last value. No event says so: for
     * samplers they stay paused, and an ask may name them once more. Or NULL. */
    int (*shelve)(sx_db *db, int64_t study, const char *reason);
    /* How rows have the values of an axis: its distribution, joined with those that the study had before. Or
     * NULL. */
    const char *(*written)(sx_db *db, int64_t study, int axis);
    /* As `trials`, that of one number alone; no call where there is none. Or NULL. */
    int (*one)(sx_db *db, int64_t study, long number, sx_on_trial *each, void *ctx);
} sx_store;
#endif
