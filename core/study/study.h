/* study.h: the search: history, ask, tell, prune, claim, on top of a sampler, a pruner and a store. */
#ifndef SX_STUDY_H
#define SX_STUDY_H
#include <strix/store.h>
#include "model.h"

typedef struct sx_study sx_study;
/* Opens the study of e in its store, made where write and not there yet; url and name (NULL: those of e) come
 * first. With e NULL the named study of url, its config read from there; one that others made gets a space of
 * what its trials used. */
int sx_study_open(sx_arena *a, sx_registry *r, sx_exp *e, const char *url, const char *name, bool write,
                  sx_study **out, sx_diags *d);
/* The store plugin of a URL; NULL: told (no kind of store is named, or there is no such plugin). */
const sx_store *sx_store_of(sx_registry *r, const char *url, sx_diags *d);
int sx_store_told(const sx_store *store, int rc, sx_diags *d);   /* returns rc; an error with the store's words */
sx_exp *sx_study_exp(sx_study *s);               /* its `search`: nothing to train, ask and tell only */
const char *sx_study_name(const sx_study *s);
const char *sx_study_url(const sx_study *s);
void sx_study_use(sx_study *s, const sx_machine *m);             /* the device that constraints are about */
typedef struct {
    sx_trial_row row; double *x;                 /* all of it in the arena given to sx_study_claim */
    sx_exp *exp;                                 /* the experiment at the point; the worker's */
} sx_claim;
/* Suggestions that were refused before a trial began, and the first of each: by constraints, or as they make no net;
 * mistake: the first of those that the file is to blame for, and not a layer that its input does not suit. text NULL:
 * there was none. What this process asked for, and what it was told of others. */
typedef struct { long broken, unbuilt; sx_diag rule, net, mistake; } sx_refusals;
const sx_refusals *sx_study_refusals(const sx_study *s);
void sx_study_refuse(sx_study *s, const sx_refusals *more);
/* 0: a trial to run; 1: nothing left to do (budget used up, space exhausted); 2: nothing now, but trials of
 * others run and may come back; 3: nothing, since the study was stopped; SX_E_*. lease in seconds, INFINITY:
 * held by hand. */
int sx_study_claim(sx_study *s, sx_arena *a, const char *worker, double lease, long budget, sx_claim *out,
                   sx_diags *d);
/* Stores the metrics of an epoch and asks the pruner. 0 go on, 1 stop, 2 pause, SX_E_LOST, SX_E_STOPPED (the
 * whole study) ... */
int sx_study_report(sx_study *s, const sx_claim *c, long step, long n, const char *const *name,
                    const double *value, sx_diags *d);
const char *sx_fate_name(sx_fate f);             /* "complete", "pruned", "failed" .. */
int sx_study_beat(sx_study *s, const sx_claim *c, const char *worker, double lease, sx_diags *d);
/* value: of each objective, as the user sees it; constraint: measured ones, kept where <= 0. NULL: none. */
int sx_study_tell(sx_study *s, const sx_claim *c, sx_fate f, const double *value, const double *constraint,
                  const char *reason, sx_diags *d);
/* A trial that only `worker` may still run has failed. */
int sx_study_fail(sx_study *s, const sx_trial_row *row, const char *worker, const char *reason, sx_diags *d);
/* Gives the lease of a trial back; died: this attempt counts (3 are made). */
int sx_study_drop(sx_study *s, int64_t id, const char *worker, bool died, sx_diags *d);
int sx_study_note(sx_study *s, const sx_claim *c, const char *key, const char *json, sx_diags *d);
/* Remarks on the study, notes on its trials: see store.h. */
int sx_study_remark(sx_study *s, const char *key, const char *json, sx_diags *d);
int sx_study_remarks(sx_study *s, sx_on_note *each, void *ctx, sx_diags *d);
int sx_study_notes(sx_study *s, const char *key, sx_on_note *each, void *ctx, sx_diags *d);
/* steer.c: what one command asks of all the others. A stop: no new trial, running ones are given back after
 * their epoch; it lasts until it is undone. A skip: the trial ends as pruned, and its worker leaves it at its
 * next report. */
int sx_study_stop(sx_study *s, bool stop, sx_diags *d);
int sx_study_stopped(sx_study *s, bool *stopped, sx_diags *d);
int sx_study_skip(sx_study *s, long number, sx_diags *d);
/* Queues a point; number NULL: only says whether it is legal. */
int sx_study_add(sx_study *s, const sx_named *v, long n, long *number, sx_diags *d);
/* x NaN: left to the sampler */
int sx_study_queue(sx_study *s, const double *x, long *number, sx_diags *d);
/* Its point in the space as it is now, in a; what it has no value of has that of `vars`. NULL: it is none. */
const double *sx_study_whole(const sx_study *s, sx_arena *a, const sx_trial_row *row);
bool sx_study_fits(const sx_study *s, const sx_trial_row *row);      /* it is one */
/* That point, in a, NaN where the trial has no value or the space no use for it. SX_E_USAGE: it waits for one;
 * SX_E_CONFIG: it does not fit. Whoever makes variables of a stored trial takes it from here: its own x may name
 * options that are gone. */
int sx_study_point(const sx_study *s, sx_arena *a, const sx_trial_row *row, const double **x, sx_diags *d);
/* Adds n ended trials that were run elsewhere, all or none; x of this study's space, values as the user sees them;
 * note: JSON of where each one comes from. import.c */
int sx_study_import(sx_study *s, long n, const sx_trial_row *const *row, const char *const *note, sx_diags *d);
/* Nothing is left to do: paused trials are pruned. A larger study may take them up again. */
int sx_study_end(sx_study *s, sx_diags *d);
/* The distribution of axis i in Optuna's words, as the rows of the study have it. */
const char *sx_study_written(sx_study *s, int i);
/* Sets an existing study and its runs aside under another name, so that the name is free. */
int sx_study_put_aside(sx_arena *a, sx_registry *r, const sx_exp *e, const char **aside, sx_diags *d);
/* Ask and tell without running, for scripts; tell by number, n values: one for each objective, or none of a
 * trial that failed or was pruned. Constraints that name objectives are worked out. */
int sx_study_ask(sx_study *s, sx_arena *a, const char *worker, double lease, sx_claim *out, sx_diags *d);
int sx_study_tell_number(sx_study *s, long number, sx_fate fate, long n, const double *value,
                         const char *reason, sx_diags *d);
/* All trials in order of number (values as the user sees them: sign undone). Returns how many, or SX_E_*. */
long sx_study_trials(sx_study *s, sx_arena *a, const sx_trial_row *const **rows, sx_diags *d);
/* The same without points and curves, several times as fast. */
long sx_study_brief(sx_study *s, sx_arena *a, const sx_trial_row *const **rows, sx_diags *d);
/* The same of the trials that workers have, and perhaps others. */
long sx_study_leased(sx_study *s, sx_arena *a, const sx_trial_row *const **rows, sx_diags *d);
/* The trial of one number; NULL: told. */
const sx_trial_row *sx_study_numbered(sx_study *s, sx_arena *a, long number, sx_diags *d);
/* The best complete trial, by the first objective, that kept the measured constraints; NULL: there is none. */
const sx_trial_row *sx_study_best(sx_study *s, sx_arena *a, sx_diags *d);
bool sx_study_feasible(const sx_study *s, const sx_trial_row *row);  /* what is not known counts as kept */
/* Complete, feasible trials that no other one beats in every objective, by number. How many, or SX_E_*. */
long sx_study_front(sx_study *s, sx_arena *a, const sx_trial_row *const **rows, sx_diags *d);
/* Asks again for a stored trial from the history it saw: does the sampler give the same point (in x)? 0 yes;
 * 1 no; 2: it was not suggested here (queued, or of another program). */
int sx_study_replay(sx_study *s, const sx_trial_row *row, double *x, sx_diags *d);

/* ask.c: one suggestion, pure: sampler, repair, constraints, repeats (SX_REFUSED, asked again at most 100
 * times). check: 0 fits; SX_E_REFUSED, with why, breaks a known constraint (code 0) or makes no net; any other error
 * ends the ask; NULL: no check. 0; 1 exhausted; SX_E_* */
typedef struct { const sx_exp *exp; const sx_history *history; uint64_t seed; long number; void *cache;
                 int (*check)(void *ctx, const double *x, sx_diag *why); void *ctx; } sx_ask_want;
int sx_ask_point(sx_arena *a, const sx_ask_want *w, double *x, int64_t *tag, sx_diags *d);
#endif
