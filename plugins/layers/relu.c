/* relu.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("relu", "0", "MIT", NULL);
