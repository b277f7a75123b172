/* old_small.c: a layer as an older strix had it: shorter struct, shorter rows of parameters. It must still
 * load. */
#include <strix/plugin.h>

struct settings { long units; double rate; };
struct old_param { const char *name, *doc; sx_type type; uint32_t offset, flags; double def, min, max; };
struct old_layer { SX_HEAD; int inputs; sx_t (*forward)(sx_graph *g, const void *params, sx_t x); };

static const struct old_param params[] = {
    { "units", "how many", SX_TYPE_INT, offsetof(struct settings, units), SX_REQUIRED, 0, 1, 100 },
    { "rate", "how often", SX_TYPE_REAL, offsetof(struct settings, rate), SX_OPEN_MAX, 0.5, 0, 1 },
    { NULL, NULL, SX_TYPE_INT, 0, 0, 0, 0, 0 }
};

static sx_t forward(sx_graph *g, const void *p, sx_t x)
{
    (void)g, (void)p;
    return x;
}

static const struct old_layer old_small_item = { .kind = SX_KIND_LAYER,
                                                 .size = sizeof(struct old_layer),
                                                 .name = "old_small",
                                                 .doc = "a layer of long ago",
                                                 .params = (const sx_param *)(const void *)params,
                                                 .params_size = sizeof(struct settings),
                                                 .param_size = sizeof(struct old_param),
                                                 .forward = forward };
SX_PLUGIN("old_small", "0.9", "MIT", SX_ITEM(old_small));
