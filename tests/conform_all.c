/* conform_all.c: the conformance suites over every plugin of the build tree; `tests/conform_all layer dense`
 * runs a part of them. */
#include <stdlib.h>
#include <string.h>
#include "conform.h"

typedef struct { conform c; const char *only_kind, *only_name, *build; sx_diags diags; } sweep;

static void each(void *ctx, int kind, const char *name, const char *file)
{
    sweep *s = ctx;
    if (strncmp(file, s->build, strlen(s->build))) return;           /* installed ones are somebody else's */
    if (s->only_kind && strcmp(s->only_kind, sx_kind_name(kind))) return;
    if (s->only_name && strcmp(s->only_name, name)) return;
    sx_diags_init(&s->diags, s->c.arena);
    if (conform_file(&s->c, file, &s->diags)) conform_diags(&s->c, &s->diags);
}

int main(int argc, char **argv)
{
    const bool part = argc > 1 && argv[1][0] != '-'; /* make check gives Criterion's options to all tests */
    sweep s = { .only_kind = part ? argv[1] : NULL, .only_name = part && argc > 2 ? argv[2] : NULL };
    s.c = (conform){ .arena = sx_arena_open(NULL), .device = "cpu", .threads = 2, .out = stdout };
    s.build = sx_format(s.c.arena, "%s/plugins/", getenv("STRIX_BUILD") ? getenv("STRIX_BUILD") : ".");
    s.c.registry = sx_registry_open(s.c.arena, NULL);
    sx_each_file(s.c.registry, each, &s);
    const bool none = s.c.passed == 0;
    const int failed = conform_end(&s.c);
    sx_arena_close(s.c.arena);
    return failed || none;
}
