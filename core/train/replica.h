/* replica.h: one point trained several times from other random numbers: what a search sees is the mean. */
#ifndef SX_REPLICA_H
#define SX_REPLICA_H
#include "train.h"

typedef struct {
    const sx_exp *exp; const sx_machine *machine; const sx_data *data;   /* exp->tune: replicas, test */
    uint64_t seed; int64_t trial;
    /* of the first replica, whose verdicts count; the others have directories replica-1 .. in its own and
     * report the mean so far */
    const sx_train_want *train;
} sx_replica_want;
/* Trains one after the other and goes on in the middle as sx_train does. *out: means over all of them (a
 * pruned or paused one is the first alone), with test_loss .. of the best weights where tune.test. *each:
 * JSON, a list of values for each metric; NULL: one replica, no test. */
int sx_replicas_train(sx_arena *a, const sx_replica_want *w, sx_outcome *out, const char **each, sx_diags *d);
/* Removes the weights of a run and its replicas, so that none of them can be gone on with. */
void sx_replicas_forget(const char *dir);

/* What several measurements say: mean, standard deviation (of n - 1) and the ends of the 95 % interval of the
 * mean by Student's t. With one of them the last three are NaN. */
typedef struct { long n; double mean, sd, low, high; } sx_spread;
sx_spread sx_spread_of(const double *v, long n);
#endif
