/* history.h: the events of a study -> what a sampler sees after any of them. */
#ifndef SX_HISTORY_H
#define SX_HISTORY_H
#include <strix/store.h>
#include "space.h"

typedef struct sx_past sx_past;
/* usual: the point that an axis missing in an old trial is read from. */
sx_past *sx_past_open(sx_arena *a, const sx_domain *domain, const double *usual);
void sx_past_add(sx_past *p, int64_t event,
                 const sx_trial_row *row); /* copies; trials that do not fit the space are left out */
/* Makes x, of a stored trial, a point of the space: a missing axis reads the usual point. false: does not
 * fit. */
bool sx_past_fit(const sx_past *p, double *x);
/* How many trials have ended, and how many of those fit the space. */
void sx_past_count(const sx_past *p, long *ended, long *fit);
int64_t sx_past_last(const sx_past *p);          /* the latest event; 0: none */
/* What is known after event `seen`: ended and paused trials in their order, then running ones by number. The
 * latest moment that was asked for is kept and goes on by the news alone; an earlier one is made in a. Valid
 * until the next event is added or asked for. */
sx_history sx_past_at(sx_past *p, sx_arena *a, int64_t seen);
#endif
