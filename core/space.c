/* space.c: to be written. */
#include <strix/plugin.h>
