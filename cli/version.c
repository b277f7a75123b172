/* version.c: to be written. */
#include "cli.h"

const cli_verb verb_version = { .name = "version", .args = "", .doc = "version of strix", .least = 0, .most = 0 };
