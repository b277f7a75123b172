/* conform_device.c: to be written. */
#include <strix/plugin.h>
