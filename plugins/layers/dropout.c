/* dropout.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("dropout", "0", "MIT", NULL);
