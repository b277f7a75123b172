/* train_verb.c: to be written. */
#include "cli.h"

const cli_verb verb_train = { .name = "train", .args = "FILE", .doc = "train one net", .least = 1, .most = 1 };
