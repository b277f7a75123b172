/* tile_channels.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("tile_channels", "0", "MIT", NULL);
