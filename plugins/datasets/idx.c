/* idx.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("idx", "0", "MIT", NULL);
