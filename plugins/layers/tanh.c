/* tanh: hyperbolic tangent. */
#include <strix/plugin.h>
#include "vector.h"

SX_MAP1(tanh_map, tanhf(x), 1.0f - y * y);

static sx_t forward(sx_graph *g, const void *params, sx_t x)
{
    (void)params;
    return sx_map1(g, &tanh_map, x, NULL);
}

SX_LAYER(tanh, SX_NO_PARAMS, sx_no_params, .doc = "hyperbolic tangent", .forward = forward);
SX_PLUGIN("tanh", "1.0", "MIT", SX_ITEM(tanh));
