/* nadam.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("nadam", "0", "MIT", NULL);
