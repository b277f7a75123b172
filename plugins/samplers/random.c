/* random.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("random", "0", "MIT", NULL);
