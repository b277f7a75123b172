/* plugins_verb.c: to be written. */
#include <strix/plugin.h>
