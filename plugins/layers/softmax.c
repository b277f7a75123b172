/* softmax.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("softmax", "0", "MIT", NULL);
