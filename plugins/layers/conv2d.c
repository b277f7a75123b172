/* conv2d.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("conv2d", "0", "MIT", NULL);
