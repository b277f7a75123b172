/* scale.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("scale", "0", "MIT", NULL);
