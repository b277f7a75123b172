/* constant.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("constant", "0", "MIT", NULL);
