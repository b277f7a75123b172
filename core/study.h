/* study.h: the search: history, ask, tell, prune, claim, on top of a sampler, a pruner and a store. */
#ifndef SX_STUDY_H
#define SX_STUDY_H
#include <strix/store.h>
#include "model.h"

typedef struct sx_study sx_study;
/* Opens (creates) the study of e in its store, or with e NULL the named study of url; its config is then read from the store. */
int sx_study_open(sx_arena *a, sx_registry *r, sx_exp *e, const char *url, const char *name, bool write, sx_study **out, sx_diags *d);
sx_exp *sx_study_exp(sx_study *s); const char *sx_study_name(const sx_study *s); const char *sx_study_url(const sx_study *s);
typedef struct {
    sx_trial_row row; double *x; sx_exp *exp;    /* the experiment at the point; in the arena given to sx_study_claim */
} sx_claim;
/* 0: a trial to run; 1: nothing left to do (budget used up, space exhausted); SX_E_*. lease in seconds. */
int sx_study_claim(sx_study *s, sx_arena *a, const char *worker, double lease, long budget, sx_claim *out, sx_diags *d);
/* Stores the metrics of an epoch and asks the pruner. 0 go on, 1 stop, 2 pause, SX_E_LOST ... */
int sx_study_report(sx_study *s, const sx_claim *c, long step, long n, const char *const *name, const double *value, sx_diags *d);
int sx_study_beat(sx_study *s, const sx_claim *c, const char *worker, double lease, sx_diags *d);
int sx_study_tell(sx_study *s, const sx_claim *c, sx_fate fate, double value, const char *reason, sx_diags *d); /* value as the user sees it */
int sx_study_drop(sx_study *s, const sx_claim *c, const char *worker, sx_diags *d);
int sx_study_add(sx_study *s, const sx_named *v, long n, long *number, sx_diags *d);
/* Ask and tell without running, for scripts; tell by number. */
int sx_study_ask(sx_study *s, sx_arena *a, const char *worker, double lease, sx_claim *out, sx_diags *d);
int sx_study_tell_number(sx_study *s, long number, sx_fate fate, double value, const char *reason, sx_diags *d);
/* All trials in order of number (values as the user sees them: sign undone). */
long sx_study_trials(sx_study *s, sx_arena *a, const sx_trial_row *const **rows, sx_diags *d);
const sx_trial_row *sx_study_best(sx_study *s, sx_arena *a, sx_diags *d);       /* NULL: none is complete */
/* Asks again for a stored trial from the history it saw: does the sampler give the same point? 0 yes; 1 no. */
int sx_study_replay(sx_study *s, long number, double *x, sx_diags *d);

/* ask.c: one suggestion, pure: sampler, repair, constraints, repeats (SX_REFUSED, asked again at most
 * 100 times). check: 0 fits; SX_E_REFUSED, with why, breaks a known constraint; any other error ends the ask. NULL: no check. */
typedef struct { const sx_exp *exp; const sx_history *history; uint64_t seed; long number; void *cache;
                 int (*check)(void *ctx, const double *x, const char **why); void *ctx; } sx_ask_want;
int sx_ask_point(sx_arena *a, const sx_ask_want *w, double *x, int64_t *tag, sx_diags *d);       /* 0; 1 exhausted; SX_E_* */
#endif
