/* conform_search.c: to be written. */
#include <strix/plugin.h>
