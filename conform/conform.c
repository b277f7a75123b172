/* conform.c: runs the suites over the items of a plugin; what must hold for an item of any kind. */
#include "conform.h"
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

void conform_clock(const conform *c, bool runs)
{
    if (c->patience > 0) alarm(runs ? (unsigned)ceil(c->patience) : 0);
}

/* Whoever reads the lines may take his time: that is not the plugin's. */
static void flush(const conform *c)
{
    conform_clock(c, false);
    fflush(c->out);
    conform_clock(c, true);
}

static void line(conform *c, const char *verdict, const char *text, const char *tail)
{
    fprintf(c->out, "%s %ld - ", verdict, c->passed + c->failed + c->skipped);
    if (c->entry) fprintf(c->out, "%s %s: ", sx_kind_name((int)c->entry->item->kind), c->entry->item->name);
    if (c->loading) fprintf(c->out, "%s: ", c->loading);
    fprintf(c->out, "%s%s\n", text, tail);
    flush(c);
}

bool conform_check(conform *c, bool ok, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (ok) c->passed++;
    else c->failed++;
    line(c, ok ? "ok" : "not ok", text, "");
    return ok;
}

void conform_skip(conform *c, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    c->skipped++;
    line(c, "ok", text, " # SKIP");
}

void conform_note(conform *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("#   ", c->out);
    vfprintf(c->out, fmt, ap);
    fputc('\n', c->out);
    va_end(ap);
    flush(c);
}

void conform_diags(conform *c, const sx_diags *d)
{
    for (long i = 0; i < d->n; i++) {
        const sx_diag *g = &d->v[i];
        conform_note(c, "%s%s%s: %s%s%s", g->where.file ? g->where.file : "", g->where.file ? ": " : "",
                     g->code ? "error" : "warning", g->text, g->hint ? " " : "", g->hint ? g->hint : "");
    }
}

/* --- Settings to test with --- */

static bool is_number(const sx_param *p)
{
    return p->type == SX_TYPE_INT || p->type == SX_TYPE_REAL || p->type == SX_TYPE_INTS ||
           p->type == SX_TYPE_REALS;
}
static bool has_range(const sx_param *p) { return p->min != 0 || p->max != 0; }
static bool is_whole(const sx_param *p) { return p->type == SX_TYPE_INT || p->type == SX_TYPE_INTS; }

int conform_ends(const sx_param *p, double ends[2])
{
    int n = 0;
    if (!is_number(p) || !has_range(p)) return 0;
    const double width = p->max - p->min, inside = is_whole(p) ? 1 : isfinite(width) ? width * 1e-3 : 1e-3;
    if (isfinite(p->min)) ends[n++] = p->min + (p->flags & SX_OPEN_MIN ? inside : 0);
    if (isfinite(p->max)) ends[n++] = p->max - (p->flags & SX_OPEN_MAX ? inside : 0);
    return n;
}

int conform_words(const sx_param *p)
{
    if (p->type == SX_TYPE_BOOL) return 2;
    int n = 0;
    while (p->type == SX_TYPE_CHOICE && p->choices[n]) n++;
    return n;
}

/* A small legal value for a required number. */
static double small(const sx_param *p)
{
    double ends[2];
    const int n = conform_ends(p, ends);
    const double v = is_whole(p) ? 2 : 0.5;
    if (n == 0 || sx_param_legal(p, v)) return v;
    return ends[0];
}

/* p = v: a number, a truth value, the index of a word; any text is "x". */
static void add(sx_arena *a, sx_conf *g, const sx_param *p, double v)
{
    if (is_whole(p)) sx_conf_add(a, g, p->name, SX_CONF_INT)->i = (int64_t)v;
    else if (is_number(p)) sx_conf_add(a, g, p->name, SX_CONF_REAL)->r = v;
    else if (p->type == SX_TYPE_BOOL) sx_conf_add(a, g, p->name, SX_CONF_BOOL)->b = v > 0;
    else sx_conf_add(a, g, p->name, SX_CONF_TEXT)->s = p->type == SX_TYPE_CHOICE ? p->choices[(int)v] : "x";
}

static void *fill(conform *c, sx_arena *a, const sx_entry *e, const sx_param *set, double v)
{
    sx_diags d;
    sx_diags_init(&d, a);
    sx_conf *g = SX_NEW(a, sx_conf);
    for (const sx_param *p = e->params; p->name; p++) {
        if (set && !strcmp(p->name, set->name)) add(a, g, p, v);
        else if (p->flags & SX_REQUIRED) add(a, g, p, is_number(p) ? small(p) : 0);
    }
    void *params = sx_alloc(a, e->item->params_size);
    if (!sx_param_fill(a, e->params, e->item->name, g, NULL, NULL, params, &d)) return params;
    conform_check(c, false, "its settings can be filled");
    conform_diags(c, &d);
    return NULL;
}

void *conform_params(conform *c, sx_arena *a, const sx_entry *e) { return fill(c, a, e, NULL, 0); }

void *conform_params_with(conform *c, sx_arena *a, const sx_entry *e, const sx_param *p, double v)
{
    return p->type == SX_TYPE_TEXT ? NULL : fill(c, a, e, p, v);
}

/* --- What holds for every item --- */

static bool documented(const char *doc) { return doc && strlen(doc) >= 4; }

static bool default_legal(const sx_param *p)
{
    const bool list = p->type == SX_TYPE_INTS || p->type == SX_TYPE_REALS;
    return p->flags & SX_REQUIRED || !is_number(p) || (list && (p->text || p->def == 0)) ||
           sx_param_legal(p, p->def);
}

static void check_param(conform *c, const sx_param *p)
{
    conform_check(c, documented(p->doc), "'%s' has a documentation", p->name);
    conform_check(c, default_legal(p), "'%s': the default is within the range", p->name);
    double ends[2];
    const int n = conform_ends(p, ends);
    for (int i = 0; i < n; i++)
        conform_check(c, sx_param_legal(p, ends[i]), "'%s': %g is legal", p->name, ends[i]);
    if (p->flags & SX_LOG_SCALE)
        conform_check(c, has_range(p) && p->min >= 0, "'%s': a log scale has no negative end", p->name);
}

int conform_item(conform *c, const sx_entry *e)
{
    conform_check(c, documented(e->item->doc), "has a documentation");
    conform_check(c, e->plugin->version && *e->plugin->version, "its plugin has a version");
    conform_check(c, e->plugin->license && *e->plugin->license, "its plugin names a licence");
    for (const sx_param *p = e->params; p->name; p++) check_param(c, p);
    sx_arena *a = sx_arena_open(c->arena);
    if (conform_params(c, a, e)) conform_check(c, true, "its settings can be filled");
    sx_arena_close(a);
    return 0;
}

/* --- Running --- */

int conform_entry(conform *c, const sx_entry *e)
{
    static int (*const suite[SX_KINDS])(conform *, const sx_entry *) = {
        [SX_KIND_LAYER] = conform_layer,       [SX_KIND_LOSS] = conform_loss,
        [SX_KIND_METRIC] = conform_metric,     [SX_KIND_OPTIMIZER] = conform_optimizer,
        [SX_KIND_SCHEDULE] = conform_schedule, [SX_KIND_DATASET] = conform_dataset,
        [SX_KIND_SAMPLER] = conform_sampler,   [SX_KIND_PRUNER] = conform_pruner,
        [SX_KIND_STORE] = conform_store,       [SX_KIND_DEVICE] = conform_device
    };
    c->entry = e;
    int rc = conform_item(c, e);
    if (!rc) rc = suite[e->item->kind](c, e);
    if (rc) conform_check(c, false, "the suite of its kind runs (%s)", sx_error_text(rc));
    c->entry = NULL;
    return rc;
}

static bool named_after(const char *file, const char *name)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
    const size_t n = strlen(name);
    return !strncmp(base, name, n) && !strcmp(base + n, ".so");
}

int conform_file(conform *c, const char *file, sx_diags *d)
{
    const sx_plugin *p = NULL;
    c->loading = file;
    const int rc = sx_load_file(c->registry, file, &p, d);
    c->loading = NULL;
    if (!conform_check(c, !rc, "%s loads", file)) return rc;
    conform_check(c, named_after(file, p->name), "plugin '%s' has the name of its file", p->name);
    for (long i = 0; p->items[i]; i++) {
        const sx_entry *e = sx_peek(c->registry, (int)p->items[i]->kind, p->items[i]->name);
        if (conform_check(c, e != NULL, "item '%s' is registered", p->items[i]->name)) conform_entry(c, e);
    }
    return 0;
}

int conform_end(conform *c)
{
    fprintf(c->out, "1..%ld\n%ld passed, %ld failed, %ld skipped\n", c->passed + c->failed + c->skipped,
            c->passed, c->failed, c->skipped);
    conform_clock(c, false);
    fflush(c->out);
    return c->failed ? -1 : 0;
}

void conform_document(const conform *c, FILE *to)
{
    fprintf(to, "{\n  \"schema\": 1,\n  \"passed\": %ld,\n  \"failed\": %ld,\n  \"skipped\": %ld\n}\n",
            c->passed,
            c->failed, c->skipped);
    fflush(to);
}
