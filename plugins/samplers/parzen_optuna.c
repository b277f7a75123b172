/* parzen_optuna.c: to be written. */
#include <strix/plugin.h>
