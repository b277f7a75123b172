/* tile_channels: repeats the channels, as a grey image for a net that wants colours. */
#include <strix/plugin.h>

enum { MOST = 64 };
struct tile_channels { long times; };

static const sx_param params[] = {
    SX_INT(struct tile_channels, times, .flags = SX_REQUIRED, .min = 1, .max = MOST,
           .doc = "copies of each channel"),
    SX_END
};

static sx_t forward(sx_graph *g, const void *params_, sx_t x)    /* [..., c] -> [..., times c] */
{
    const struct tile_channels *p = params_;
    sx_t copies[MOST];
    for (long i = 0; i < p->times; i++) copies[i] = x;
    return sx_concat(g, (int)p->times, copies, -1);
}

SX_LAYER(tile_channels, params, struct tile_channels, .doc = "repeats the channels", .forward = forward);
SX_PLUGIN("tile_channels", "1.0", "MIT", SX_ITEM(tile_channels));
