/* add: sum of its inputs, element by element: residual connections. */
#include <strix/plugin.h>

static sx_t forward(sx_graph *g, const void *params, sx_t x)
{
    (void)params;
    for (int i = 1; i < sx_inputs(g); i++) x = sx_add(g, x, sx_in(g, i));
    return x;
}

SX_LAYER(add, SX_NO_PARAMS, sx_no_params, .doc = "sum of its inputs", .inputs = -1, .forward = forward);
SX_PLUGIN("add", "1.0", "MIT", SX_ITEM(add));
