/* check.c: to be written. */
#include "cli.h"

const cli_verb verb_check = { .name = "check", .args = "FILE", .doc = "parse, check and show an experiment", .least = 1, .most = 1 };
