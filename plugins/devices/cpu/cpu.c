/* cpu.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("cpu", "0", "MIT", NULL);
