/* rmsprop.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("rmsprop", "0", "MIT", NULL);
