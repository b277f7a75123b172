/* add.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("add", "0", "MIT", NULL);
