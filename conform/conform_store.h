/* conform_store.h: a store under test, and a study to try it with. */
#ifndef CONFORM_STORE_H
#define CONFORM_STORE_H
#include <strix/store.h>
#include "conform.h"

typedef struct {
    conform *c; const sx_store *s;
    const char *url, *run;                       /* run: makes the names of studies this run's own */
    sx_db *db; int64_t study;
} tried;
enum { HEARD = 64 };
typedef struct {                                 /* rows, what must live longer copied */
    long n;
    sx_trial_row row[HEARD];
    double x[HEARD][3], value[HEARD], second[HEARD], constraint[HEARD], last[HEARD];
} heard;

sx_study_row conform_study(tried *t, const char *name);
/* a point that the number alone decides */
int conform_ask(void *ctx, const sx_trial_row *queued, sx_trial_row *made);
int conform_claim(tried *t, const char *worker, double lease, long budget, sx_trial_row *row);
int conform_finish(tried *t, const sx_trial_row *row, sx_fate fate, double value, const char *reason);
void conform_hear(void *ctx, const sx_trial_row *r);                 /* ctx: a heard */
void conform_store_many(tried *t);               /* conform_store_many.c: several workers, kills, the speed */
#endif
