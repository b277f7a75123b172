/* options.c: the command line: one table for parsing, checks and --help; exit codes.
 * Global options may stand before or after the verb, the verb's own after it. */
#include "cli.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const cli_option cli_globals[] = {
    { "set", 0, CLI_LIST, "PATH=VALUE", "change a setting of the experiment (repeatable)", 0, 0 },
    { "unset", 0, CLI_LIST, "PATH", "remove a setting (repeatable)", 0, 0 },
    { "extends", 0, CLI_LIST, "FILE", "merge FILE below the experiment (repeatable)", 0, 0 },
    { "directory", 'C', CLI_TEXT, "DIR", "go to DIR first", 0, 0 },
    { "seed", 0, CLI_LONG, "N", "seed of the run", 0, 0x1p53 },
    { "device", 0, CLI_TEXT, "D", "device to run on (default: $STRIX_DEVICE, else cpu)", 0, 0 },
    { "threads", 0, CLI_LONG, "N", "threads of the device (default: $STRIX_THREADS, else all cores)", 1,
      4096 },
    { "plugin-path", 0, CLI_LIST, "DIR", "search plugins in DIR first (repeatable)", 0, 0 },
    { "json", 0, CLI_FLAG, NULL, "print one JSON document instead of text", 0, 0 },
    { "events", 0, CLI_TEXT, "FILE", "append what happens to FILE, as JSON lines", 0, 0 },
    { "progress", 0, CLI_TEXT, "WHEN", "auto, always or never (default: auto)", 0, 0 },
    { "quiet", 'q', CLI_FLAG, NULL, "no progress, no chatter", 0, 0 },
    { "verbose", 'v', CLI_FLAG, NULL, "more chatter (twice: debug)", 0, 0 },
    { "no-color", 0, CLI_FLAG, NULL, "no colours (also: $NO_COLOR)", 0, 0 },
    { "dry-run", 'n', CLI_FLAG, NULL, "say what would be done", 0, 0 },
    { "help", 'h', CLI_FLAG, NULL, "this help", 0, 0 },
    { "version", 0, CLI_FLAG, NULL, "version of strix", 0, 0 },
    CLI_END
};

static const cli_option *own(const cli_context *c) { return c->verb ? c->verb->options : NULL; }

static const cli_option *by_name(const cli_option *o, const char *name, size_t n)
{
    for (; o && o->name; o++) if (strlen(o->name) == n && !strncmp(o->name, name, n)) return o;
    return NULL;
}

/* --- Values --- */

static const cli_given *last_given(const cli_context *c, const char *name)
{
    const size_t n = strlen(name);
    if (!by_name(own(c), name, n) && !by_name(cli_globals, name, n)) SX_BUG("no option --%s", name);
    const cli_given *g = NULL;
    for (long i = 0; i < c->given.n; i++) if (!strcmp(c->given.v[i].option->name, name)) g = &c->given.v[i];
    return g;
}

bool cli_flag(const cli_context *c, const char *name) { return last_given(c, name) != NULL; }

const char *cli_text(const cli_context *c, const char *name, const char *none)
{
    const cli_given *g = last_given(c, name);
    return g ? g->text : none;
}

long cli_long(const cli_context *c, const char *name, long none)
{
    const cli_given *g = last_given(c, name);
    return g ? (long)g->number : none;
}

double cli_real(const cli_context *c, const char *name, double none)
{
    const cli_given *g = last_given(c, name);
    return g ? g->number : none;
}

long cli_list(cli_context *c, const char *name, const char *const **v)
{
    struct { const char **v; long n, cap; } list = { 0 };
    for (long i = 0; i < c->given.n; i++)
        if (!strcmp(c->given.v[i].option->name, name)) SX_PUSH(c->arena, list, c->given.v[i].text);
    *v = list.v;
    return list.n;
}

/* --- Parsing --- */

static const cli_option *by_letter(const cli_option *o, char letter)
{
    for (; o && o->name; o++) if (o->letter == letter) return o;
    return NULL;
}

static void unknown_option(cli_context *c, const char *arg)
{
    struct { const char **v; long n, cap; } names = { 0 };
    const int n = (int)strcspn(arg, "=");
    for (const cli_option *o = own(c); o && o->name; o++)
        SX_PUSH(c->arena, names, sx_format(c->arena, "--%s", o->name));
    for (const cli_option *o = cli_globals; o->name; o++)
        SX_PUSH(c->arena, names, sx_format(c->arena, "--%s", o->name));
    cli_usage(c, "unknown option '%.*s'", n, arg);
    const char *near = sx_nearest(sx_strndup(c->arena, arg, (size_t)n), names.v, names.n);
    if (near) sx_hint(&c->diags, "Did you mean '%s'?", near);
}

static bool read_number(const cli_option *o, const char *s, double *out)
{
    char *end;
    if (isspace((unsigned char)*s) || strpbrk(s, "xX")) return false;      /* C's readers take " 2" and 0x2 */
    if (o->kind == CLI_TIME) return sx_time_read(s, out);
    errno = 0;
    if (o->kind == CLI_LONG) *out = (double)strtoll(s, &end, 10);
    else *out = strtod(s, &end);
    if (end == s || *end || errno || isnan(*out)) return false;
    return true;
}

static bool in_range(const cli_option *o, double v)
{
    if (o->kind == CLI_TIME) return v > 0;       /* within the program 0 is no limit */
    return (o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max);
}

static void give(cli_context *c, const cli_option *o, const char *text)
{
    cli_given g = { o, text, 0 };
    const bool number = o->kind == CLI_LONG || o->kind == CLI_REAL || o->kind == CLI_TIME;
    if (number && read_number(o, text, &g.number)) {
        if (!in_range(o, g.number)) {
            if (o->kind == CLI_TIME) cli_usage(c, "--%s is %s, which is no time at all", o->name, text);
            else cli_usage(c, "--%s is %s, outside [%.17g, %.17g]", o->name, text, o->min, o->max);
            return;
        }
    } else if (number) {
        cli_usage(c, "--%s is '%s', not %s", o->name, text,
                  o->kind == CLI_LONG   ? "a whole number"
                  : o->kind == CLI_TIME ? "a time"
                                        : "a number");
        if (o->kind == CLI_TIME)
            sx_hint(&c->diags, "Times are seconds or have a unit: 90, 90s, 15m, 2h, 1d.");
        else if (o->min != 0 || o->max != 0) sx_hint(&c->diags, "It may be %.17g to %.17g.", o->min, o->max);
        return;
    }
    SX_PUSH(c->arena, c->given, g);
}

/* --name, --name=value, --name value; returns how many further arguments it took. */
static int long_option(cli_context *c, const char *arg, const char *next)
{
    const char *name = arg + 2, *equals = strchr(name, '=');
    const size_t n = strcspn(name, "=");
    const cli_option *o = by_name(own(c), name, n);
    if (!o) o = by_name(cli_globals, name, n);
    if (!o) { unknown_option(c, arg); return 0; }
    if (o->kind == CLI_FLAG) {
        if (equals) cli_usage(c, "--%s takes no value", o->name);
        else give(c, o, "");
        return 0;
    }
    if (equals) { give(c, o, equals + 1); return 0; }
    if (!next) { cli_usage(c, "--%s needs a value: --%s %s", o->name, o->name, o->value); return 0; }
    give(c, o, next);
    return 1;
}

/* -q, -qv, -C DIR, -CDIR */
static int short_options(cli_context *c, const char *arg, const char *next)
{
    for (const char *p = arg + 1; *p; p++) {
        const cli_option *o = by_letter(own(c), *p);
        if (!o) o = by_letter(cli_globals, *p);
        if (!o) { unknown_option(c, sx_format(c->arena, "-%c", *p)); return 0; }
        if (o->kind == CLI_FLAG) { give(c, o, ""); continue; }
        if (p[1]) { give(c, o, p + 1); return 0; }
        if (!next) { cli_usage(c, "-%c needs a value: -%c %s", *p, *p, o->value); return 0; }
        give(c, o, next);
        return 1;
    }
    return 0;
}

static void find_verb(cli_context *c, const char *name)
{
    const char *names[64];
    long n = 0;
    for (; cli_verbs[n]; n++) {
        names[n] = cli_verbs[n]->name;
        if (!strcmp(name, names[n])) { c->verb = cli_verbs[n]; return; }
    }
    const char *near = sx_nearest(name, names, n);
    cli_usage(c, "unknown verb '%s'", name);
    if (near) sx_hint(&c->diags, "Did you mean '%s'?", near);
}

/* --- What the options mean --- */

static void make_absolute(cli_context *c)
{
    const char *const *dirs, *path = NULL;
    const long n = cli_list(c, "plugin-path", &dirs);
    for (long i = 0; i < n; i++) {
        char *whole = realpath(dirs[i], NULL);
        if (!whole) {
            cli_usage(c, "--plugin-path %s: %s", dirs[i], strerror(errno));
            continue;
        }
        path = path ? sx_format(c->arena, "%s:%s", path, whole) : sx_strdup(c->arena, whole);
        free(whole);
    }
    c->plugin_path = path;
}

static void read_environment(cli_context *c)
{
    const char *device = getenv("STRIX_DEVICE"), *threads = getenv("STRIX_THREADS"),
               *plain = getenv("NO_COLOR");
    double n = 0;
    c->device = device && *device ? device : "cpu";
    c->color = !(plain && *plain);
    const cli_option *o = by_name(cli_globals, "threads", 7);
    if (!threads || !*threads) return;
    if (read_number(o, threads, &n) && in_range(o, n)) c->threads = (int)n;
    else cli_usage(c, "STRIX_THREADS is '%s', not a whole number from 1 to 4096", threads);
}

/* The file, or where there is none yet its folder, can be written. */
static void check_events(cli_context *c)
{
    const char *slash = strrchr(c->events, '/');
    const char *dir = slash ? sx_strndup(c->arena, c->events, (size_t)(slash - c->events) + 1) : ".";
    struct stat s;
    if (!*c->events || (!stat(c->events, &s) && S_ISDIR(s.st_mode)))
        cli_usage(c, "--events '%s' is no file", c->events);
    else if (access(access(c->events, F_OK) ? dir : c->events, W_OK))
        cli_usage(c, "--events %s: %s", c->events, strerror(errno));
}

static void read_globals(cli_context *c)
{
    static const char *const when[] = { "auto", "always", "never" };
    read_environment(c);
    const char *dir = cli_text(c, "directory", NULL), *progress = cli_text(c, "progress", "auto");
    if (dir && chdir(dir)) cli_usage(c, "-C %s: %s", dir, strerror(errno));
    c->edits.n_set = cli_list(c, "set", &c->edits.set);
    c->edits.n_unset = cli_list(c, "unset", &c->edits.unset);
    c->edits.n_extends = cli_list(c, "extends", &c->edits.extends);
    c->device = cli_text(c, "device", c->device);
    c->threads = (int)cli_long(c, "threads", c->threads);
    c->has_seed = cli_flag(c, "seed");
    c->seed = (uint64_t)cli_long(c, "seed", 0);
    c->events = cli_text(c, "events", NULL);
    if (c->events) check_events(c);
    c->json = cli_flag(c, "json");
    c->dry_run = cli_flag(c, "dry-run");
    c->help = c->help || cli_flag(c, "help");
    c->version = cli_flag(c, "version");
    if (cli_flag(c, "no-color")) c->color = false;
    for (long i = 0; i < c->given.n; i++) {
        const char letter = c->given.v[i].option->letter;
        if (c->given.v[i].option == by_letter(cli_globals, 'v') && letter) c->verbosity++;
    }
    if (cli_flag(c, "quiet")) c->verbosity = -1;
    int mode = 0;
    while (mode < 3 && strcmp(when[mode], progress)) mode++;
    if (mode == 3) cli_usage(c, "--progress is '%s', not auto, always or never", progress);
    c->progress = mode == 3 ? CLI_PROGRESS_AUTO : (cli_progress_mode)mode;
    make_absolute(c);
}

static void count_args(cli_context *c)
{
    const cli_verb *v = c->verb;
    if (!v || c->help || c->version) return;
    if (c->args < v->least) cli_usage(c, "%s needs %s", v->name, v->args);
    else if (v->most >= 0 && c->args > v->most)
        cli_usage(c, "%s has no use for '%s'", v->name, c->arg[v->most]);
}

/* -3.5, -inf: a value and no option. */
static bool is_number(const char *text)
{
    char *end;
    (void)strtod(text, &end);
    return end != text && !*end;
}

int cli_parse(cli_context *c, int argc, char **argv)
{
    c->arg = sx_alloc_array(c->arena, (size_t)argc + 1, sizeof *c->arg);
    bool options = true;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (c->diags.errors && !c->verb && strcmp(arg, "--json"))
            continue; /* without a verb the rest says little */
        if (options && !strcmp(arg, "--")) options = false;
        else if (options && !strncmp(arg, "--", 2)) i += long_option(c, arg, next);
        else if (options && arg[0] == '-' && arg[1] && !is_number(arg)) i += short_options(c, arg, next);
        else if (c->verb) c->arg[c->args++] = arg;
        else if (!strcmp(arg, "help")) c->help = true;               /* strix help tune = strix tune --help */
        else find_verb(c, arg);
    }
    read_globals(c);
    count_args(c);
    return sx_diags_code(&c->diags);
}

/* --- Help and exit codes --- */

static void help_options(const cli_option *o, FILE *to)
{
    for (; o && o->name; o++) {
        char left[80];
        snprintf(left, sizeof left, "%s%c%s--%s%s%s", o->letter ? "-" : " ", o->letter ? o->letter : ' ',
                 o->letter ? ", " : "  ", o->name, o->value ? " " : "", o->value ? o->value : "");
        fprintf(to, "  %-28s %s\n", left, o->doc);
    }
}

void cli_help(const cli_context *c, FILE *to)
{
    if (c->verb) {
        fprintf(to, "usage: strix %s%s%s%s\n%s.\n", c->verb->name, c->verb->args && *c->verb->args ? " " : "",
                c->verb->args ? c->verb->args : "", c->verb->options ? " [options]" : "", c->verb->doc);
        if (c->verb->options) fputs("\noptions:\n", to);
        help_options(c->verb->options, to);
        if (c->verb->more) fprintf(to, "\n%s\n", c->verb->more);
        fputs("\n`strix --help` lists the options that all verbs have.\n", to);
        return;
    }
    fputs("usage: strix [options] VERB [arguments]\nNeural nets and hyper-parameter search from "
          "plugins.\n\nverbs:\n",
          to);
    for (const cli_verb *const *v = cli_verbs; *v; v++) fprintf(to, "  %-10s %s\n", (*v)->name, (*v)->doc);
    fputs("\noptions of all verbs:\n", to);
    help_options(cli_globals, to);
    fputs("\n`strix VERB --help` tells more about one of them.\n", to);
}

int cli_exit_code(const cli_context *c, int rc)
{
    if (rc >= 0) return rc;
    switch (rc) {
    case SX_E_USAGE: return 2;
    case SX_E_CONFIG: return 3;
    case SX_E_PLUGIN: return 4;
    case SX_E_DATA: return 5;
    case SX_E_DEVICE: case SX_E_MEMORY: case SX_E_UNSUPPORTED: return 6;
    case SX_E_STORE: return 7;
    case SX_E_STOPPED: return 128 + (c->signal ? c->signal : 2);
    }
    return 1;
}
