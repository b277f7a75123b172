/* cross_entropy.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("cross_entropy", "0", "MIT", NULL);
