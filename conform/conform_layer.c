/* conform_layer.c: to be written. */
#include <strix/plugin.h>
