/* asha.c: asynchronous successive halving: every trial gets min_epochs, the best of each rung go on from
 * their checkpoints, the others wait there. */
#include "rungs.h"

struct asha { long min_epochs, factor; };

static const sx_param params[] = {
    SX_INT(struct asha, min_epochs, .def = 1, .min = 1, .max = 1000000, .doc = "epochs to the first rung"),
    SX_INT(struct asha, factor, .def = 3, .min = 2, .max = 1000,
           .doc = "one of so many goes on, for so many times the epochs"),
    SX_END
};

static sx_verdict judge(const void *p, const sx_history *h, const sx_trial *self)
{
    const struct asha *set = p;
    return rungs_judge(&(rungs){ .first = set->min_epochs, .factor = set->factor }, h, self);
}

static long resume(const void *p, const sx_history *h)
{
    const struct asha *set = p;
    return rungs_resume(&(rungs){ .first = set->min_epochs, .factor = set->factor }, h);
}

SX_DEFINE(SX_KIND_PRUNER, sx_pruner, asha, params, struct asha,
          .doc = "asynchronous successive halving: the best of each rung go on",
          .judge = judge, .resume = resume);
SX_PLUGIN("asha", "1.0", "MIT", SX_ITEM(asha));
