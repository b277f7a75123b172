/* cosine.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("cosine", "0", "MIT", NULL);
