/* null.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("null", "0", "MIT", NULL);
