/* constant: the learning rate stays as it is. */
#include <strix/plugin.h>

static double factor(const void *params, const sx_progress *p) { (void)params, (void)p; return 1; }

SX_DEFINE(SX_KIND_SCHEDULE, sx_schedule, constant, SX_NO_PARAMS, sx_no_params,
          .doc = "the same rate throughout",
          .factor = factor);
SX_PLUGIN("constant", "1.0", "MIT", SX_ITEM(constant));
