/* avgpool2d: the mean of each window's elements inside the image; a window of the whole image is global
 * pooling. */
#include "pool2d.h"

static sx_t forward(sx_graph *g, const void *p, sx_t x) { return pool2d(g, p, x, SX_POOL_MEAN, "avgpool2d"); }

SX_LAYER(avgpool2d, params, struct pool2d, .doc = "mean of each window", .forward = forward);
SX_PLUGIN("avgpool2d", "1.0", "MIT", SX_ITEM(avgpool2d));
