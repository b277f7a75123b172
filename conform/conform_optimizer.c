/* conform_optimizer.c: to be written. */
#include <strix/plugin.h>
