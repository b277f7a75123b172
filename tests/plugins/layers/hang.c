/* hang: a layer whose computation never comes back, or takes its time for each number, where it is told so. */
#include <strix/plugin.h>
#include <unistd.h>

struct hang { bool now; long ms; };
static const sx_param params[] = { SX_BOOL(struct hang, now, .def = false, .doc = "hang"),
    SX_INT(struct hang, ms, .def = 0, .min = 0, .max = 1000, .doc = "milliseconds for each number"), SX_END };

static float come_back(float x, float never, float ms)
{
    while (never > 0) pause();
    if (ms > 0) usleep((useconds_t)(1000 * ms));
    return x;
}

SX_MAP1(hang, come_back(x, k[0], k[1]), 1);

static sx_t forward(sx_graph *g, const void *p, sx_t x)
{
    const struct hang *set = p;
    return sx_map1(g, &hang, x, SX_K((float)set->now, (float)set->ms));
}

SX_LAYER(hang, params, struct hang, .doc = "never comes back", .forward = forward);
SX_PLUGIN("hang", "1.0", "MIT", SX_ITEM(hang));
