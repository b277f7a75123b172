/* none.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("none", "0", "MIT", NULL);
