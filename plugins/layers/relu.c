/* relu: rectifier, y = x where x > 0, 0 elsewhere. Not-a-numbers pass, so that a diverged net shows. */
#include <strix/plugin.h>

SX_MAP1(relu, x < 0.0f ? 0.0f : x, y > 0.0f ? 1.0f : 0.0f);

static sx_t forward(sx_graph *g, const void *params, sx_t x)
{
    (void)params;
    return sx_map1(g, &relu, x, NULL);
}

SX_LAYER(relu, SX_NO_PARAMS, sx_no_params, .doc = "rectifier", .forward = forward);
SX_PLUGIN("relu", "1.0", "MIT", SX_ITEM(relu));
