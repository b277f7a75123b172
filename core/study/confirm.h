/* confirm.h: the best points of a study trained again from new random numbers: a study of its own,
 * NAME.confirm, beside it, whose trials any worker may run. */
#ifndef SX_CONFIRM_H
#define SX_CONFIRM_H
#include "replica.h"
#include "study.h"

typedef struct {                                 /* one point */
    const sx_trial_row *row;                     /* of the study; NULL: it has no such trial any more */
    long trial, runs, failed; /* its number; how many were planned; how many did not end well */
    long metrics; const char *const *name; sx_spread *spread;        /* over those that did */
} sx_confirmed;
/* Makes or enlarges NAME.confirm so that each of the `top` best trials has `seeds` runs. */
int sx_confirm_open(sx_arena *a, sx_registry *r, sx_study *of, long top, long seeds, sx_study **out,
                    sx_diags *d);
/* What has come of it so far, best first. How many points, or SX_E_*. */
long sx_confirm_read(sx_arena *a, sx_study *of, sx_study *confirm, sx_confirmed **out, sx_diags *d);
#endif
