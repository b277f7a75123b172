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
int64_t sx_past_last(const sx_past *p);          /* the latest event; 0: none */
/* What is known after event `seen`: ended and paused trials in their order, then running ones by number.
 * Lives in a. */
sx_history sx_past_at(const sx_past *p, sx_arena *a, int64_t seen);
#endif
