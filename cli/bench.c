/* bench.c: to be written. */
#include "cli.h"

const cli_verb verb_bench = { .name = "bench", .args = "step FILE", .doc = "time the steps of a training", .least = 2, .most = 2 };
