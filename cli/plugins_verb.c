/* plugins_verb.c: strix plugins list|show|doctor|path: which plugins there are and what each one offers.
 * The reference of parameters is what `show` prints: it comes from the plugins themselves. */
#include "cli.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* --- list --- */

static int kind_argument(cli_context *c, const char *word, int *kind)
{
    const char *names[SX_KINDS];
    if (!word || (*kind = sx_kind_of(word))) return 0;
    for (int k = 1; k < SX_KINDS; k++) names[k - 1] = sx_kind_name(k);
    cli_usage(c, "there is no kind '%s' of plugins", word);
    const char *near = sx_nearest(word, names, SX_KINDS - 1);
    if (near) sx_hint(&c->diags, "Did you mean '%s'?", near);
    else
        sx_hint(
            &c->diags,
            "Kinds are layer, loss, metric, optimizer, schedule, dataset, sampler, pruner, store, device.");
    return SX_E_USAGE;
}

/* A file of several items lies beside the folders of the kinds: its items are known once it is loaded. */
static void load_several(void *ctx, int kind, const char *name, const char *file)
{
    cli_context *c = ctx;
    sx_diags quiet;                              /* a bad one is doctor's business */
    (void)name;
    sx_diags_init(&quiet, c->arena);
    if (kind == 0) (void)!sx_load_file(cli_registry(c), file, NULL, &quiet);
}

static void list_one(cli_context *c, int kind, const char *name, cli_table *t, json_t *rows)
{
    sx_diags d;
    sx_diags_init(&d, c->arena);
    const sx_entry *e = sx_find(cli_registry(c), kind, name, SX_NOWHERE, &d);
    const char *doc = e ? e->item->doc : d.errors ? sx_format(c->arena, "(%s)", d.v[0].text) : NULL;
    CLI_ROW(t, sx_kind_name(kind), name, doc);
    json_array_append_new(rows, json_pack("{s:s,s:s,s:s?,s:s?,s:b}", "kind", sx_kind_name(kind), "name", name,
                                          "doc", e ? e->item->doc : NULL, "file", e ? e->file : NULL, "loads",
                                          e != NULL));
}

static int list(cli_context *c)
{
    int only = 0;
    if (kind_argument(c, c->arg[1], &only)) return SX_E_USAGE;
    sx_each_file(cli_registry(c), load_several, c);
    cli_table *t = cli_table_open(c, "kind|name|what it is");
    json_t *rows = json_array();
    for (int kind = 1; kind < SX_KINDS; kind++) {
        const char *const *names;
        const long n = only && kind != only ? 0 : sx_known(cli_registry(c), c->arena, kind, &names);
        for (long i = 0; i < n; i++) list_one(c, kind, names[i], t, rows);
    }
    if (c->json) cli_json_print(c, json_pack("{s:O}", "plugins", rows));
    else cli_table_print(t);
    json_decref(rows);
    return 0;
}

/* --- show --- */

static json_t *param_json(cli_context *c, const sx_param *p)
{
    json_t *o = json_pack("{s:s,s:s,s:s?,s:b}", "name", p->name, "type", sx_type_name(p->type), "doc", p->doc,
                          "required", (p->flags & SX_REQUIRED) != 0);
    json_object_set_new(o, "range", json_string(sx_param_range(c->arena, p)));
    json_object_set_new(o, "default",
                        p->flags & SX_REQUIRED ? json_null() : json_string(sx_param_default(c->arena, p)));
    return o;
}

static json_t *entry_json(cli_context *c, const sx_entry *e)
{
    const sx_plugin *p = e->plugin;
    json_t *params = json_array();
    for (const sx_param *row = e->params; row->name; row++) json_array_append_new(params, param_json(c, row));
    return json_pack("{s:s,s:s,s:s?,s:s,s:s,s:s?,s:s?,s:s,s:o}", "kind", sx_kind_name((int)e->item->kind),
                     "name", e->item->name, "doc", e->item->doc, "file", e->file, "plugin", p->name,
                     "version", p->version, "license", p->license, "abi",
                     sx_format(c->arena, "%u.%u", p->abi >> 16, p->abi & 0xffff), "parameters", params);
}

static void show_text(cli_context *c, const sx_entry *e)
{
    const sx_plugin *p = e->plugin;
    printf("%s %s: %s\n", sx_kind_name((int)e->item->kind), e->item->name, e->item->doc ? e->item->doc : "");
    printf("  plugin %s %s (%s), ABI %u.%u\n  %s\n", p->name, p->version ? p->version : "?",
           p->license ? p->license : "?", p->abi >> 16, p->abi & 0xffff, e->file);
    if (!e->params->name) { puts("\nIt has no parameters."); return; }
    putchar('\n');
    cli_table *t = cli_table_open(c, "parameter|type|default|range|what it is");
    for (const sx_param *row = e->params; row->name; row++)
        CLI_ROW(t, row->name, sx_type_name(row->type), sx_param_default(c->arena, row),
                sx_param_range(c->arena, row), row->doc);
    cli_table_print(t);
}

static int not_found(cli_context *c, const char *name)
{
    struct { const char **v; long n, cap; } all = { 0 };
    for (int kind = 1; kind < SX_KINDS; kind++) {
        const char *const *names;
        const long n = sx_known(cli_registry(c), c->arena, kind, &names);
        for (long i = 0; i < n; i++) SX_PUSH(c->arena, all, names[i]);
    }
    const char *near = sx_nearest(name, all.v, all.n);
    cli_fail(c, SX_E_PLUGIN, "no plugin '%s'", name);
    sx_detail(&c->diags, "Searched %s.", sx_registry_path(cli_registry(c)));
    if (near) sx_hint(&c->diags, "Did you mean '%s'?", near);
    else sx_hint(&c->diags, "`strix plugins list` shows all.");
    return SX_E_PLUGIN;
}

static bool known(cli_context *c, int kind, const char *name)
{
    const char *const *names;
    const long n = sx_known(cli_registry(c), c->arena, kind, &names);
    for (long i = 0; i < n; i++) if (!strcmp(names[i], name)) return true;
    return false;
}

/* "conv2d", or "layer/conv2d" where two kinds share a name: all that match are shown. */
static int show(cli_context *c)
{
    int only = 0;
    if (!c->arg[1]) return cli_usage(c, "plugins show needs the name of a plugin");
    const char *slash = strchr(c->arg[1], '/'), *name = slash ? slash + 1 : c->arg[1];
    if (slash && kind_argument(c, sx_strndup(c->arena, c->arg[1], (size_t)(slash - c->arg[1])), &only))
        return SX_E_USAGE;
    sx_each_file(cli_registry(c), load_several, c);
    json_t *rows = json_array();
    long shown = 0;
    for (int kind = 1; kind < SX_KINDS; kind++) {
        if ((only && kind != only) || !known(c, kind, name)) continue;
        const sx_entry *e = sx_find(cli_registry(c), kind, name, SX_NOWHERE, &c->diags);
        if (!e) continue;
        if (c->json) json_array_append_new(rows, entry_json(c, e));
        else { if (shown) putchar('\n'); show_text(c, e); }
        shown++;
    }
    if (shown && c->json) cli_json_print(c, json_pack("{s:O}", "plugins", rows));
    json_decref(rows);
    return shown ? 0 : c->diags.errors ? SX_E_PLUGIN : not_found(c, name);
}

/* --- doctor: each file is loaded by a process of its own, so that a bad one cannot spoil the rest --- */

typedef struct { int kind; const char *name, *file; } found;
typedef struct { cli_context *c; found *v; long n, cap; } finds;

static void collect(void *ctx, int kind, const char *name, const char *file)
{
    finds *f = ctx;
    SX_PUSH(f->c->arena, *f, ((found){ kind, name, file }));
}

static bool hidden(const finds *f, long at)      /* an earlier directory has one of that name */
{
    for (long i = 0; i < at; i++)
        if (f->v[i].kind == f->v[at].kind && !strcmp(f->v[i].name, f->v[at].name)) return true;
    return false;
}

static int judge_file(cli_context *c)            /* strix plugins judge FILE: the child */
{
    return c->arg[1] ? sx_load_file(cli_registry(c), c->arg[1], NULL, &c->diags)
                     : cli_usage(c, "judge needs a file");
}

/* Runs the child with its words in out; its wait status, or -1. */
static int run_judge(const char *file, char *out, size_t size)
{
    char *argv[] = { "strix", "plugins", "judge", (char *)file, NULL };
    int fds[2];
    if (pipe2(fds, O_CLOEXEC)) return -1;
    posix_spawn_file_actions_t acts;
    posix_spawn_file_actions_init(&acts);
    posix_spawn_file_actions_adddup2(&acts, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&acts, fds[1], STDERR_FILENO);
    pid_t pid;
    const int failed = posix_spawn(&pid, "/proc/self/exe", &acts, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&acts);
    close(fds[1]);
    size_t at = 0;
    char rest[512];
    for (ssize_t n; !failed; at += (size_t)n) {
        const size_t room = size - 1 - at;
        n = read(fds[0], room ? out + at : rest,
                 room ? room : sizeof rest); /* drained to the end: the child must not block */
        if (n < 0 && errno == EINTR) { n = 0; continue; }
        if (n <= 0) break;
        if (!room) n = 0;
    }
    close(fds[0]);
    out[at] = 0;
    int status = -1;
    if (failed) return -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return status;
}

static const char *verdict(cli_context *c, int status, const char *words)
{
    if (status == -1) return "could not be tried";
    if (WIFSIGNALED(status))
        return sx_format(c->arena, "it crashes when it is loaded (signal %d)\n", WTERMSIG(status));
    return WEXITSTATUS(status) ? sx_strdup(c->arena, words) : NULL;
}

static int doctor(cli_context *c)
{
    finds f = { .c = c };
    sx_each_file(cli_registry(c), collect, &f);
    json_t *rows = json_array();
    long bad = 0;
    for (long i = 0; i < f.n; i++) {
        char words[4096];
        const char *why = verdict(c, run_judge(f.v[i].file, words, sizeof words), words);
        bad += why != NULL;
        json_array_append_new(
            rows, json_pack("{s:s,s:b,s:s?}", "file", f.v[i].file, "ok", why == NULL, "message", why));
        if (!c->json)
            printf("%s  %s%s\n", why ? "bad" : "ok ", f.v[i].file,
                   hidden(&f, i) ? "  (hidden by an earlier one)" : "");
        if (!c->json && why) fputs(why, stdout);
    }
    if (c->json)
        cli_json_print(c, json_pack("{s:s,s:o,s:I}", "path", sx_registry_path(cli_registry(c)), "files", rows,
                                    "bad", (json_int_t)bad));
    else { json_decref(rows); printf("%s, %ld bad\n", sx_plural(c->arena, f.n, "file"), bad); }
    return bad ? 4 : 0;
}

/* --- path --- */

static int path(cli_context *c)
{
    const char *p = sx_registry_path(cli_registry(c));
    json_t *dirs = json_array();
    while (*p) {
        const size_t n = strcspn(p, ":");
        if (c->json) json_array_append_new(dirs, json_stringn(p, n));
        else printf("%.*s\n", (int)n, p);
        p += n + (p[n] == ':');
    }
    if (c->json) cli_json_print(c, json_pack("{s:O}", "path", dirs));
    json_decref(dirs);
    return 0;
}

static int run(cli_context *c)
{
    static const struct { const char *name; int (*run)(cli_context *); } subs[] = {
        { "list", list }, { "show", show }, { "doctor", doctor }, { "path", path }, { "judge", judge_file } };
    const char *names[4];
    for (size_t i = 0; i < sizeof subs / sizeof *subs; i++) {
        if (!strcmp(c->arg[0], subs[i].name)) return subs[i].run(c);
        if (i < 4) names[i] = subs[i].name;
    }
    cli_usage(c, "plugins can list, show, doctor and path, not '%s'", c->arg[0]);
    const char *near = sx_nearest(c->arg[0], names, 4);
    if (near) sx_hint(&c->diags, "Did you mean '%s'?", near);
    return SX_E_USAGE;
}

const cli_verb verb_plugins = {
    .name = "plugins",
    .args = "list [KIND] | show NAME | doctor | path",
    .doc = "which plugins there are, their parameters, their health",
    .least = 1,
    .most = 2,
    .run = run,
    .more = "list    kind, name and purpose of all that the search path has\n"
            "show    parameters with types, ranges and defaults; KIND/NAME where two kinds share a name\n"
            "doctor  loads every file in a process of its own; exit code 4 if one is bad\n"
            "path    the directories that are searched, in order"
};
