/* adamax.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("adamax", "0", "MIT", NULL);
