/* conform_store.c: to be written. */
#include <strix/plugin.h>
