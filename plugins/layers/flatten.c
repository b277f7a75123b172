/* flatten.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("flatten", "0", "MIT", NULL);
