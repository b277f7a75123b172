/* patience.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("patience", "0", "MIT", NULL);
