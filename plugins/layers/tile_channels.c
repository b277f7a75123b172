/* tile_channels.c: to be written. */
#include <strix/plugin.h>
