/* conform_dataset.c: to be written. */
#include <strix/plugin.h>
