/* batchnorm.c: to be written. */
#include <strix/plugin.h>
SX_PLUGIN("batchnorm", "0", "MIT", NULL);
