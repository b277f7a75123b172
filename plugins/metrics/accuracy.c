/* accuracy: share of rows whose largest output is the right class. */
#include <strix/plugin.h>

/* y [n, classes], target i32 [n] -> [n] */
static sx_t forward(sx_graph *g, const void *params, sx_t y, sx_t target)
{
    (void)params;
    return sx_hit(g, y, target);
}

static double chance(const void *params, long classes)
{
    (void)params;
    return 1 / (double)classes;
}

SX_DEFINE(SX_KIND_METRIC, sx_loss, accuracy, SX_NO_PARAMS, sx_no_params, .doc = "share of right classes",
          .forward = forward, .maximize = true, .chance = chance);
SX_PLUGIN("accuracy", "1.0", "MIT", SX_ITEM(accuracy));
