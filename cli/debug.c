/* debug.c: to be written. */
#include "cli.h"

const cli_verb verb_debug = { .name = "debug", .args = "grads FILE", .doc = "compare gradients with another framework", .least = 2, .most = 2 };
