/* study_verb.c: to be written. */
#include "cli.h"

const cli_verb verb_study = { .name = "study", .args = "list|show|best|trials|ask|tell [NAME]", .doc = "everything about a study", .least = 1, .most = -1 };
