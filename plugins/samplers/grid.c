/* grid.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("grid", "0", "MIT", NULL);
