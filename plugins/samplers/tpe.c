/* tpe.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("tpe", "0", "MIT", NULL);
