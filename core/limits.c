/* limits.c: to be written. */
#include "step.h"
