/* hang: a layer whose computation never comes back, where it is told so. */
#include <strix/plugin.h>
#include <unistd.h>

struct hang { bool now; };
static const sx_param params[] = { SX_BOOL(struct hang, now, .def = false, .doc = "hang"), SX_END };

static float come_back(float x, float never)
{
    while (never > 0) pause();
    return x;
}

SX_MAP1(hang, come_back(x, k[0]), 1);

static sx_t forward(sx_graph *g, const void *p, sx_t x)
{
    return sx_map1(g, &hang, x, SX_K((float)((const struct hang *)p)->now));
}

SX_LAYER(hang, params, struct hang, .doc = "never comes back", .forward = forward);
SX_PLUGIN("hang", "1.0", "MIT", SX_ITEM(hang));
