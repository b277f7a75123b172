/* worker_verb.c: to be written. */
#include "cli.h"

const cli_verb verb_worker = { .name = "worker", .args = "", .doc = "join a search from another shell or machine", .least = 0, .most = 0 };
