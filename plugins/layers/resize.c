/* resize.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("resize", "0", "MIT", NULL);
