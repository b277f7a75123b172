/* abi2.c: a plugin of another ABI that also needs a function of that ABI: the ABI is to be blamed, not the
 * symbol. */
#include <strix/plugin.h>

sx_t sx_of_another_age(sx_graph *g, sx_t x);
static sx_t forward(sx_graph *g, const void *p, sx_t x)
{
    (void)p;
    return sx_of_another_age(g, x);
}

SX_LAYER(abi2, SX_NO_PARAMS, sx_no_params, .doc = "of another ABI", .forward = forward);
__attribute__((visibility("default"))) const sx_plugin *sx_plugin_entry(void);
const sx_plugin *sx_plugin_entry(void)
{
    static const sx_item *const items[] = { SX_ITEM(abi2), NULL };
    static const sx_plugin self = { SX_MAGIC, 2 << 16, sizeof self, "abi2", "1.0", "MIT", items };
    return &self;
}
