/* tune.c: to be written. */
#include "cli.h"

const cli_verb verb_tune = { .name = "tune", .args = "FILE", .doc = "create or continue a search", .least = 1, .most = 1 };
