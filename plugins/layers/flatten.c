/* flatten: all axes but the batch become one. */
#include <strix/plugin.h>

static sx_t forward(sx_graph *g, const void *params, sx_t x)     /* [n, ...] -> [n, all] */
{
    (void)params;
    return sx_reshape(g, x, SX_SHAPE(-1));
}

SX_LAYER(flatten, SX_NO_PARAMS, sx_no_params, .doc = "one axis besides the batch", .forward = forward);
SX_PLUGIN("flatten", "1.0", "MIT", SX_ITEM(flatten));
