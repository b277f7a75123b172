/* maxpool2d: the largest element of each window; the first one where several are equal. */
#include "pool2d.h"

static sx_t forward(sx_graph *g, const void *p, sx_t x) { return pool2d(g, p, x, SX_POOL_MAX, "maxpool2d"); }

SX_LAYER(maxpool2d, params, struct pool2d, .doc = "largest element of each window", .forward = forward);
SX_PLUGIN("maxpool2d", "1.0", "MIT", SX_ITEM(maxpool2d));
