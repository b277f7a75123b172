/* scale: y = factor x + offset, for pixels into a net's range. */
#include <strix/plugin.h>

struct scale { double factor, offset; };

static const sx_param params[] = {
    SX_REAL(struct scale, factor, .def = 1, .doc = "what each element is multiplied by"),
    SX_REAL(struct scale, offset, .def = 0, .doc = "what is added then"),
    SX_END
};

SX_MAP1(scale, k[0] * x + k[1], k[0]);

static sx_t forward(sx_graph *g, const void *params_, sx_t x)
{
    const struct scale *p = params_;
    return sx_map1(g, &scale, x, SX_K((float)p->factor, (float)p->offset));
}

SX_LAYER(scale, params, struct scale, .doc = "factor * x + offset", .forward = forward);
SX_PLUGIN("scale", "1.0", "MIT", SX_ITEM(scale));
