/* dense.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("dense", "0", "MIT", NULL);
