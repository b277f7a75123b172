/* parzen_hyperopt.c: to be written. */
#include <strix/plugin.h>
