/* conf.c: the tree of an experiment: finding, naming, copying, hashing and writing of settings.
 * What is written reads back equal, digit for digit, because a study stores its experiment as such a text. */
#include "config.h"
#include "expr.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

sx_conf *sx_conf_member(const sx_conf *group, const char *name)
{
    if (!group || group->kind != SX_CONF_GROUP) return NULL;
    for (sx_conf *m = group->first; m; m = m->next) if (!strcmp(m->name, name)) return m;
    return NULL;
}

static sx_conf *list_member(const sx_conf *list, const char *number)
{
    char *end;
    const long at = *number >= '0' && *number <= '9' ? strtol(number, &end, 10) : -1;
    if (at < 0 || *end) return NULL;
    sx_conf *m = list->first;
    for (long i = 0; m && i < at; i++) m = m->next;
    return m;
}

sx_conf *sx_conf_find(const sx_conf *group, const char *path)
{
    const sx_conf *at = group;
    char name[256];
    while (at && *path) {
        const size_t n = strcspn(path, ".");
        if (n >= sizeof name || (path[n] && !path[n + 1])) return NULL;
        memcpy(name, path, n);
        name[n] = 0;
        at = at->kind == SX_CONF_LIST ? list_member(at, name) : sx_conf_member(at, name);
        path += n + (path[n] == '.');
    }
    return (sx_conf *)at;
}

long sx_conf_count(const sx_conf *c)
{
    long n = 0;
    if (c && (c->kind == SX_CONF_GROUP || c->kind == SX_CONF_LIST))
        for (const sx_conf *m = c->first; m; m = m->next) n++;
    return n;
}

static long place(const sx_conf *c)
{
    long n = 0;
    for (const sx_conf *m = c->parent->first; m && m != c; m = m->next) n++;
    return n;
}

const char *sx_conf_path(sx_arena *a, const sx_conf *c)
{
    if (!c || !c->parent) return "";
    const char *up = sx_conf_path(a, c->parent), *dot = *up ? "." : "";
    return c->name ? sx_format(a, "%s%s%s", up, dot, c->name) : sx_format(a, "%s%s%ld", up, dot, place(c));
}

sx_where sx_conf_where(sx_arena *a, const sx_conf *c)
{
    return c ? (sx_where){ c->file, c->line, sx_conf_path(a, c) } : SX_NOWHERE;
}

static void append(sx_conf *parent, sx_conf *c)
{
    c->parent = parent;
    c->next = NULL;
    if (parent->last) parent->last->next = c;
    else parent->first = c;
    parent->last = c;
}

sx_conf *sx_conf_add(sx_arena *a, sx_conf *group, const char *name, sx_conf_kind kind)
{
    sx_conf *c = SX_NEW(a, sx_conf);
    *c = (sx_conf){ .kind = kind, .name = sx_strdup(a, name) };
    if (!group) return c;
    c->file = group->file;
    c->line = group->line;
    append(group, c);
    return c;
}

sx_conf *sx_conf_copy(sx_arena *a, const sx_conf *c)
{
    sx_conf *copy = SX_NEW(a, sx_conf);
    *copy = *c;
    copy->name = sx_strdup(a, c->name);
    copy->file = sx_strdup(a, c->file);
    copy->parent = copy->first = copy->last = copy->next = NULL;
    if (c->kind == SX_CONF_TEXT) copy->s = sx_strdup(a, c->s);
    for (const sx_conf *m = c->first; m; m = m->next) append(copy, sx_conf_copy(a, m));
    return copy;
}

/* --- Hash: FNV-1a over kinds, names and values, in file order --- */
static uint64_t fnv(uint64_t h, const void *bytes, size_t n)
{
    for (const unsigned char *p = bytes; n--; p++) h = (h ^ *p) * 0x100000001b3u;
    return h;
}

static uint64_t fnv_text(uint64_t h, const char *s) { return s ? fnv(h, s, strlen(s) + 1) : fnv(h, "", 1); }

static uint64_t hash(uint64_t h, const sx_conf *c)
{
    const unsigned char kind = (unsigned char)c->kind;
    h = fnv_text(fnv(h, &kind, 1), c->name);
    switch (c->kind) {
    case SX_CONF_INT: return fnv(h, &c->i, sizeof c->i);
    case SX_CONF_REAL: return fnv(h, &c->r, sizeof c->r);
    case SX_CONF_BOOL: return fnv(h, c->b ? "1" : "0", 1);
    case SX_CONF_TEXT: return fnv_text(h, c->s);
    case SX_CONF_GROUP: case SX_CONF_LIST: break;
    }
    for (const sx_conf *m = c->first; m; m = m->next) h = hash(h, m);
    return fnv(h, "\377", 1);                    /* the end, so that nesting counts */
}

uint64_t sx_conf_hash(const sx_conf *c) { return hash(0xcbf29ce484222325u, c); }

/* --- Writing --- */
typedef struct { sx_arena *a; char *v; long n, cap; } sink;

static void put(sink *s, const char *text) { for (; *text; text++) SX_PUSH(s->a, *s, *text); }

static void put_text(sink *s, const char *text)
{
    put(s, "\"");
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\') { SX_PUSH(s->a, *s, '\\'); SX_PUSH(s->a, *s, (char)*p); }
        else if (*p == '\n') put(s, "\\n");
        else if (*p == '\t') put(s, "\\t");
        else if (*p < 32 || *p == 127) put(s, sx_format(s->a, "\\x%02X", *p));
        else SX_PUSH(s->a, *s, (char)*p);
    }
    put(s, "\"");
}

static void put_real(sink *s, double v)
{
    const char *text = sx_real_text(s->a, v);
    put(s, text);
    /* a point or an exponent makes it a real; nan, inf stay as they are */
    if (!strpbrk(text, ".en")) put(s, ".0");
}

static void put_value(sink *s, const sx_conf *c, int depth);

static void put_indent(sink *s, int depth) { for (int i = 0; i < depth; i++) put(s, "  "); }

static void put_members(sink *s, const sx_conf *c, int depth)
{
    for (const sx_conf *m = c->first; m; m = m->next) {
        put_indent(s, depth);
        put(s, m->name);
        put(s, " = ");
        put_value(s, m, depth);
        put(s, ";\n");
    }
}

static void put_list(sink *s, const sx_conf *c, int depth)
{
    put(s, "(");
    for (const sx_conf *m = c->first; m; m = m->next) {
        put(s, m == c->first ? " " : ", ");
        put_value(s, m, depth);
    }
    put(s, c->first ? " )" : ")");
}

static void put_value(sink *s, const sx_conf *c, int depth)
{
    switch (c->kind) {
    case SX_CONF_INT:
        put(s, sx_format(s->a, "%" PRId64 "%s", c->i, c->i > INT32_MAX || c->i < INT32_MIN ? "L" : ""));
        return;
    case SX_CONF_REAL: put_real(s, c->r); return;
    case SX_CONF_BOOL: put(s, c->b ? "true" : "false"); return;
    case SX_CONF_TEXT: put_text(s, c->s); return;
    case SX_CONF_LIST: put_list(s, c, depth); return;
    case SX_CONF_GROUP: break;
    }
    if (!c->first) { put(s, "{ }"); return; }
    put(s, "{\n");
    put_members(s, c, depth + 1);
    put_indent(s, depth);
    put(s, "}");
}

char *sx_conf_write(sx_arena *a, const sx_conf *c)
{
    sink s = { .a = a };
    if (c->kind == SX_CONF_GROUP && !c->parent) put_members(&s, c, 0);
    else put_value(&s, c, 0);
    SX_PUSH(a, s, 0);
    return s.v;
}

const char *sx_conf_quoted(sx_arena *a, const char *s)
{
    const sx_conf c = { .kind = SX_CONF_TEXT, .s = s ? s : "" };
    return sx_conf_write(a, &c);
}
