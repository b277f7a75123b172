/* median.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("median", "0", "MIT", NULL);
