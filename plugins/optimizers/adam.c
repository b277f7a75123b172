/* adam.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("adam", "0", "MIT", NULL);
