/* softmax: exp(x) / sum(exp(x)) over the last axis. */
#include <strix/plugin.h>

static sx_t forward(sx_graph *g, const void *params, sx_t x)
{
    (void)params;
    return sx_softmax(g, x);
}

SX_LAYER(softmax, SX_NO_PARAMS, sx_no_params, .doc = "probabilities over the last axis", .forward = forward);
SX_PLUGIN("softmax", "1.0", "MIT", SX_ITEM(softmax));
