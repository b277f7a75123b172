/* accuracy.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("accuracy", "0", "MIT", NULL);
