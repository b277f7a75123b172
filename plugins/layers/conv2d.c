/* conv2d.c: to be written. */
#include <strix/plugin.h>
