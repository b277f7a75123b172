/* leaky: leaky rectifier, y = x where x > 0, slope * x elsewhere. */
#include <strix/plugin.h>

struct leaky { double slope; };

static const sx_param params[] = {
    SX_REAL(struct leaky, slope, .def = 0.3, .min = 0, .max = 1, .flags = SX_OPEN_MAX,
            .doc = "factor applied to negative inputs"),
    SX_END
};

SX_MAP1(leaky, x > 0 ? x : k[0] * x, x > 0 ? 1 : k[0]);

static sx_t forward(sx_graph *g, const void *params_, sx_t x)
{
    const struct leaky *p = params_;
    return sx_map1(g, &leaky, x, SX_K((float)p->slope));
}

SX_LAYER(leaky, params, struct leaky, .doc = "leaky rectifier", .forward = forward);
SX_PLUGIN("leaky", "1.0", "MIT", SX_ITEM(leaky));
