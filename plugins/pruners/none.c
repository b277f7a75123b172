/* none.c: lets every trial run to its end.
 * The pruner where none is asked for, so that the core needs no case without one. */
#include <strix/plugin.h>

static sx_verdict judge(const void *params, const sx_history *h, const sx_trial *self)
{
    (void)params, (void)h, (void)self;
    return SX_GO;
}

SX_DEFINE(SX_KIND_PRUNER, sx_pruner, none, SX_NO_PARAMS, sx_no_params, .doc = "stops no trial",
          .judge = judge);
SX_PLUGIN("none", "1.0", "MIT", SX_ITEM(none));
