/* concat.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("concat", "0", "MIT", NULL);
