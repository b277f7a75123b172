/* maxpool2d.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("maxpool2d", "0", "MIT", NULL);
