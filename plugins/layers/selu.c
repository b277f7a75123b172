/* selu.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("selu", "0", "MIT", NULL);
