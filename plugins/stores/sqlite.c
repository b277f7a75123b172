/* sqlite.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("sqlite", "0", "MIT", NULL);
