/* version.c: strix version [--build]: what this program is, what it was built with and where it looks for
 * plugins. */
#include "cli.h"
#include "build-config.h"
#include <string.h>

typedef struct { const char *name, *value; } fact;

static const char *compiler(sx_arena *a)
{
#ifdef __clang__
    return sx_strdup(a, __VERSION__);            /* begins with the name */
#else
    return sx_format(a, "gcc %s", __VERSION__);
#endif
}

static const char *onednn(void)
{
#ifdef HAVE_DNNL_H
    return "headers found";
#else
    return "no: convolutions are im2col and OpenBLAS";
#endif
}

static const char *checks(void)
{
#ifdef STRIX_SANITIZED
    return "sanitizers";
#else
    return "none";
#endif
}

static int print_json(cli_context *c, const fact *v, bool build)
{
    json_t *o = json_object(), *b = json_object();
    json_object_set_new(o, "version", json_string(PACKAGE_VERSION));
    json_object_set_new(o, "abi", json_pack("{s:i,s:i}", "major", SX_ABI_MAJOR, "minor", SX_ABI_MINOR));
    for (; v->name; v++) json_object_set_new(b, v->name, json_string(v->value));
    if (build) json_object_set(o, "build", b);
    json_decref(b);
    cli_json_print(c, o);
    return 0;
}

static int run(cli_context *c)
{
    const bool build = cli_flag(c, "build");
    const fact facts[] = {
        { "compiler", compiler(c->arena) }, { "jansson", jansson_version_str() }, { "onednn", onednn() },
        { "checks", checks() }, { "plugins", sx_registry_path(cli_registry(c)) }, { NULL, NULL } };
    if (c->json) return print_json(c, facts, build);
    printf("strix %s, plugin ABI %d.%d\n", PACKAGE_VERSION, SX_ABI_MAJOR, SX_ABI_MINOR);
    for (const fact *f = facts; build && f->name; f++) printf("%-9s %s\n", f->name, f->value);
    return 0;
}

static const cli_option options[] = {
    { "build", 0, CLI_FLAG, NULL, "also the compiler, the libraries and the search path", 0, 0 },
    CLI_END
};

const cli_verb verb_version = { .name = "version",
                                .args = "",
                                .doc = "version of strix, of its plugin ABI and its build",
                                .options = options,
                                .run = run };
