/* conform_verb.c: to be written. */
#include "cli.h"

const cli_verb verb_conform = { .name = "conform", .args = "FILE.so", .doc = "test a plugin", .least = 1, .most = -1 };
