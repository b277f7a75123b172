/* plugins_verb.c: to be written. */
#include "cli.h"

const cli_verb verb_plugins = { .name = "plugins", .args = "list|show|doctor|path [NAME]", .doc = "what plugins there are", .least = 1, .most = 2 };
