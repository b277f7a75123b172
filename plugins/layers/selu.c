/* selu: scaled exponential linear unit (Klambauer et al. 2017, arXiv:1706.02515). k: scale, scale * alpha.
 * Both branches are computed for every element, without a jump, as vectors want it. */
#include <strix/plugin.h>
#include "vector.h"

static const double alpha = 1.6732632423543772, scale = 1.0507009873554805;

SX_MAP1(selu, (x > 0.0f ? k[0] * x : 0.0f) + k[1] * expm1f(x > 0.0f ? 0.0f : x), y > 0.0f ? k[0] : y + k[1]);

static sx_t forward(sx_graph *g, const void *params, sx_t x)
{
    (void)params;
    return sx_map1(g, &selu, x, SX_K((float)scale, (float)(scale * alpha)));
}

SX_LAYER(selu, SX_NO_PARAMS, sx_no_params, .doc = "scaled exponential linear unit", .forward = forward);
SX_PLUGIN("selu", "1.0", "MIT", SX_ITEM(selu));
