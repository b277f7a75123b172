/* layer: what it computes, in a line, and why it exists. Copy to plugins/layers/NAME.c (inside strix: add
 * one word to plugins/local.mk) or beside the Makefile of examples/plugin-layer (outside), and replace
 * "layer" by NAME. */
#include <strix/plugin.h>

struct layer { double factor; };

static const sx_param params[] = {
    SX_REAL(struct layer, factor, .def = 1, .min = 0, .max = 10, .doc = "what each element is multiplied by"),
    SX_END
};

SX_MAP1(times, k[0] * x, k[0]);

static sx_t forward(sx_graph *g, const void *params_, sx_t x)    /* [n, ...] -> the same shape */
{
    const struct layer *p = params_;
    return sx_map1(g, &times, x, SX_K((float)p->factor));
}

SX_LAYER(layer, params, struct layer, .doc = "multiplies by a number", .forward = forward);
SX_PLUGIN("layer", "1.0", "MIT", SX_ITEM(layer));
