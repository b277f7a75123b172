/* output.c: results to stdout: tables, JSON documents, numbers as people read them; opening what verbs work
 * on. */
#include "cli.h"
#include <stdarg.h>
#include <string.h>

/* --- Errors --- */

int cli_fail(cli_context *c, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = sx_vformat(c->arena, fmt, ap);
    va_end(ap);
    return sx_error(&c->diags, code, SX_NOWHERE, "%s", text);
}

int cli_usage(cli_context *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = sx_vformat(c->arena, fmt, ap);
    va_end(ap);
    const int rc = sx_error(&c->diags, SX_E_USAGE, SX_NOWHERE, "%s", text);
    sx_hint(&c->diags, "`strix %s%s--help` shows the usage.", c->verb ? c->verb->name : "",
            c->verb ? " " : "");
    return rc;
}

void cli_flush(cli_context *c)
{
    fflush(stdout);
    sx_diags_print(&c->diags, stderr);
    sx_diags_init(&c->diags, c->arena);
}

/* --- What verbs work on --- */

void cli_note(cli_context *c, const char *fmt, ...)
{
    if (c->verbosity < 0) return;
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

sx_registry *cli_registry(cli_context *c)
{
    if (!c->registry) c->registry = sx_registry_open(c->arena, c->plugin_path);
    return c->registry;
}

static const sx_conf *find_cache(const sx_conf *c)
{
    const sx_conf *found = c && c->kind == SX_CONF_GROUP ? sx_conf_member(c, "cache") : NULL;
    for (const sx_conf *m = c && c->kind == SX_CONF_GROUP ? c->first : NULL; m && !found; m = m->next)
        found = find_cache(m);
    return found;
}

static void warn_cache(cli_context *c, const sx_conf *root)
{
    const sx_conf *cache = find_cache(sx_conf_find(root, "model.layers"));
    if (cache)
        sx_warn(&c->diags, sx_conf_where(c->arena, cache),
                "'cache' has no effect: this version computes the features of frozen layers in every epoch");
}

/* Not where a run's file is read, which was looked at when it began. */
void cli_warn_freeze(cli_context *c, const sx_exp *e)
{
    const sx_conf *freeze = sx_conf_find(e->root, "model.freeze");
    for (long i = 0; e->layers && i < e->layers->idle.n; i++) {
        const sx_idle_glob *g = &e->layers->idle.v[i];
        sx_warn(&c->diags, sx_conf_where(c->arena, freeze), "the pattern '%s' of 'freeze' names no layer",
                g->glob);
        if (g->near && !strcmp(g->near, g->glob))
            sx_hint(&c->diags, "That is a block; its layers are \"%s.*\".", g->near);
        else if (g->near) sx_hint(&c->diags, "The nearest path is '%s'.", g->near);
    }
}

int cli_load_experiment(cli_context *c, const char *file, sx_exp **out)
{
    sx_conf *root = NULL;
    int rc = sx_config_load(c->arena, file, &c->edits, &root, &c->diags);
    if (!rc) rc = sx_exp_open(c->arena, cli_registry(c), root, file, out, &c->diags);
    if (!rc && c->has_seed) (*out)->tune.seed = c->seed;
    if (!rc) warn_cache(c, root);
    return rc;
}

int cli_own_net(int rc) { return rc == SX_E_REFUSED ? SX_E_CONFIG : rc; }

int cli_machine(cli_context *c, sx_machine **out)
{
    return sx_machine_open(c->arena, cli_registry(c), c->device, c->threads, out, &c->diags);
}

/* --- Tables --- */

enum { MOST_COLUMNS = 24 };
struct cli_table {
    cli_context *c;
    int columns; const char *head[MOST_COLUMNS]; bool right[MOST_COLUMNS]; int width[MOST_COLUMNS];
    struct { const char **v; long n, cap; } cells;
};

static int shown_width(const char *s)            /* characters of UTF-8, not bytes */
{
    int n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void widen(cli_table *t, int column, const char *s)
{
    const int n = shown_width(s);
    if (n > t->width[column]) t->width[column] = n;
}

cli_table *cli_table_open(cli_context *c, const char *heads)
{
    cli_table *t = SX_NEW(c->arena, cli_table);
    t->c = c;
    for (const char *p = heads; t->columns < MOST_COLUMNS; p++) {
        const size_t n = strcspn(p, "|");
        const int i = t->columns++;
        t->right[i] = *p == '>';
        t->head[i] = sx_strndup(c->arena, p + t->right[i], n - t->right[i]);
        widen(t, i, t->head[i]);
        p += n;
        if (!*p) break;
    }
    return t;
}

void cli_table_row(cli_table *t, const char *const *cells)
{
    for (int i = 0; i < t->columns; i++) {
        const char *cell = cells[i] ? sx_strdup(t->c->arena, cells[i]) : "";
        widen(t, i, cell);
        SX_PUSH(t->c->arena, t->cells, cell);
    }
}

static void print_line(const cli_table *t, const char *const *cell)
{
    int columns = t->columns;
    while (columns > 1 && !*cell[columns - 1]) columns--;            /* no spaces at the end of a line */
    for (int i = 0; i < columns; i++) {
        const int pad = t->width[i] - shown_width(cell[i]);
        const bool last = i == columns - 1;
        if (t->right[i]) printf("%*s%s", pad, "", cell[i]);
        else printf("%s%*s", cell[i], last ? 0 : pad, "");
        fputs(last ? "\n" : "  ", stdout);
    }
}

void cli_table_print(const cli_table *t)
{
    print_line(t, t->head);
    for (long i = 0; i < t->cells.n; i += t->columns) print_line(t, t->cells.v + i);
}

/* --- JSON --- */

typedef struct { sx_arena *scratch; FILE *to; bool compact; } writer;

static bool is_plain(const json_t *v)            /* lists of plain values stand on one line */
{
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *m = json_array_get(v, i);
        if (json_is_object(m) || json_is_array(m)) return false;
    }
    return true;
}

static void new_line(const writer *w, int depth)
{
    if (!w->compact) fprintf(w->to, "\n%*s", 2 * depth, "");
}

static void write_value(const writer *w, json_t *v, int depth);

static void write_array(const writer *w, json_t *v, int depth)
{
    const bool plain = is_plain(v);
    for (size_t i = 0; i < json_array_size(v); i++) {
        fputs(i == 0 ? "[" : plain && !w->compact ? ", " : ",", w->to);
        if (!plain) new_line(w, depth + 1);
        write_value(w, json_array_get(v, i), depth + 1);
    }
    if (json_array_size(v) == 0) fputc('[', w->to);
    if (!plain) new_line(w, depth);
    fputc(']', w->to);
}

static void write_text(const writer *w, const char *s)
{
    json_t *t = json_string(s);
    json_dumpf(t, w->to, JSON_ENCODE_ANY);
    json_decref(t);
}

static void write_real(const writer *w, double v)
{
    const char *text = sx_real_text(w->scratch, v);
    fprintf(w->to, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");   /* a real stays one for strict readers */
}

static void write_object(const writer *w, json_t *v, int depth)
{
    const char *key;
    json_t *member;
    bool first = true;
    fputc('{', w->to);
    json_object_foreach(v, key, member) {
        if (!first) fputc(',', w->to);
        first = false;
        new_line(w, depth + 1);
        write_text(w, key);
        fputs(w->compact ? ":" : ": ", w->to);
        write_value(w, member, depth + 1);
    }
    if (!first) new_line(w, depth);
    fputc('}', w->to);
}

static void write_value(const writer *w, json_t *v, int depth)
{
    if (json_is_object(v)) write_object(w, v, depth);
    else if (json_is_array(v)) write_array(w, v, depth);
    else if (json_is_real(v)) write_real(w, json_real_value(v));
    else json_dumpf(v, w->to, JSON_ENCODE_ANY);
}

/* jansson writes reals with a fixed number of digits (0.29999999999999999); people read these documents,
 * too. */
void cli_json_write(FILE *to, json_t *doc, bool compact)
{
    const writer w = { sx_arena_open(NULL), to, compact };
    write_value(&w, doc, 0);
    fputc('\n', to);
    sx_arena_close(w.scratch);
}

void cli_json_print(cli_context *c, json_t *doc)
{
    json_t *whole = json_object();
    json_t *schema = json_object_get(doc, "schema");
    json_object_set_new(whole, "schema", schema ? json_incref(schema) : json_integer(1));
    json_object_update(whole, doc);
    cli_json_write(stdout, whole, false);
    json_decref(whole);
    json_decref(doc);
    c->printed = true;
}

void cli_json_real(json_t *object, const char *key, double v)
{
    json_object_set_new(object, key, isfinite(v) ? json_real(v) : json_null());
    if (isfinite(v)) return;
    char state[128];
    snprintf(state, sizeof state, "%s_state", key);
    json_object_set_new(object, state, json_string(isnan(v) ? "nan" : v > 0 ? "inf" : "-inf"));
}

json_t *cli_json_datum(const sx_datum *v)
{
    switch (v->kind) {
    case SX_DATUM_INT: return json_integer(v->i);
    case SX_DATUM_REAL: return isfinite(v->r) ? json_real(v->r) : json_null();
    case SX_DATUM_BOOL: return json_boolean(v->b);
    case SX_DATUM_TEXT: return json_string(v->s);
    case SX_DATUM_LIST: {
        json_t *list = json_array();
        for (long i = 0; i < v->n; i++) json_array_append_new(list, cli_json_datum(&v->v[i]));
        return list;
    }
    case SX_DATUM_NONE: break;
    }
    return json_null();
}

static json_t *text_or_null(const char *s)
{
    json_t *t = s ? json_string(s) : NULL;
    return t ? t : json_null();                  /* not UTF-8: null rather than a broken document */
}

json_t *cli_json_diag(const sx_diag *d)
{
    json_t *o = json_object();
    json_object_set_new(o, "code", json_string(d->code ? sx_error_name(d->code) : "warning"));
    json_object_set_new(o, "file", text_or_null(d->where.file));
    json_object_set_new(o, "line", d->where.line > 0 ? json_integer(d->where.line) : json_null());
    json_object_set_new(o, "path", text_or_null(d->where.path));
    json_object_set_new(o, "message", text_or_null(d->text));
    json_object_set_new(o, "detail", text_or_null(d->detail));
    json_object_set_new(o, "hint", text_or_null(d->hint));
    return o;
}

/* --- Numbers as people read them --- */

const char *cli_count(sx_arena *a, double n)
{
    char digits[64], out[96];
    snprintf(digits, sizeof digits, "%.0f", fabs(n));
    const size_t len = strlen(digits);
    size_t to = 0;
    if (n < 0) out[to++] = '-';
    for (size_t i = 0; i < len && to < sizeof out - 2; i++) {
        if (i && (len - i) % 3 == 0) out[to++] = ',';
        out[to++] = digits[i];
    }
    return sx_strndup(a, out, to);
}

const char *cli_bytes(sx_arena *a, double n)
{
    static const char *const unit[] = { "B", "kB", "MB", "GB", "TB", "PB" };
    int i = 0;
    for (; n >= 999.5 && i < 5; i++) n /= 1000;
    return sx_format(a,
                     i == 0    ? "%.0f %s"
                     : n < 10  ? "%.2f %s"
                     : n < 100 ? "%.1f %s"
                               : "%.0f %s",
                     n, unit[i]);
}

const char *cli_seconds(sx_arena *a, double s)
{
    if (!(s >= 0)) return "?";
    if (s < 0.0995) return sx_format(a, "%.3g ms", 1000 * s);
    if (s < 59.95) return sx_format(a, "%.1f s", s);
    const long n = (long)(s + 0.5);
    if (n < 3600) return sx_format(a, "%ld min %02ld s", n / 60, n % 60);
    return sx_format(a, "%ld h %02ld min", n / 3600, n % 3600 / 60);
}

const char *cli_shape(sx_arena *a, int rank, const long *shape)
{
    const char *s = "[";
    for (int i = 0; i < rank; i++) s = sx_format(a, "%s%s%ld", s, i ? ", " : "", shape[i]);
    return sx_format(a, "%s]", s);
}
