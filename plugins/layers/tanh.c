/* tanh.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("tanh", "0", "MIT", NULL);
