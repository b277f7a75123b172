/* eval.c: to be written. */
#include "cli.h"

const cli_verb verb_eval = { .name = "eval", .args = "RUN", .doc = "classification report of a trained net", .least = 1, .most = 1 };
