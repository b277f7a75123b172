/* cross_entropy.c: to be written. */
#include <strix/plugin.h>
