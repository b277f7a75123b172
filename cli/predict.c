/* predict.c: to be written. */
#include "cli.h"

const cli_verb verb_predict = { .name = "predict", .args = "RUN FILES", .doc = "classes of images", .least = 1, .most = -1 };
