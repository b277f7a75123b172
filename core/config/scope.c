/* scope.c: names -> values: variables computed when they are read, loop indexes, a trial's values,
 * environment; texts with ${}, settings as the kind that is wanted. Scopes never change: threads may share
 * them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "eval.h"
#include "file.h"
#include "source.h"

/* --- Scopes --- */

sx_scope *sx_scope_open(sx_arena *a, const sx_scope *outer, const sx_conf *vars)
{
    return sx_dup(a, &(sx_scope){ .outer = outer, .vars = vars }, sizeof(sx_scope));
}

sx_scope *sx_scope_bind(sx_arena *a, const sx_scope *outer, const char *name, sx_datum value)
{
    const sx_bound *b = sx_dup(a, &(sx_bound){ sx_strdup(a, name), value }, sizeof *b);
    return sx_dup(a, &(sx_scope){ .outer = outer, .bound = b, .n = 1 }, sizeof(sx_scope));
}

sx_scope *sx_scope_calls(sx_arena *a, const sx_scope *outer, sx_call *call, void *ctx)
{
    return sx_dup(a, &(sx_scope){ .outer = outer, .call = call, .ctx = ctx }, sizeof(sx_scope));
}

sx_scope *sx_scope_stored(sx_arena *a, const sx_scope *outer)
{
    return sx_dup(a, &(sx_scope){ .outer = outer, .stored = true }, sizeof(sx_scope));
}

sx_scope *sx_scope_set(sx_arena *a, const sx_scope *s, long n, const char *const *name, const sx_datum *value)
{
    sx_scope *copy = s ? sx_dup(a, s, sizeof *s) : sx_scope_open(a, NULL, NULL);
    if (!copy->vars && copy->outer) {
        copy->outer = sx_scope_set(a, copy->outer, n, name, value);
        return copy;
    }
    sx_bound *b = sx_grow(a, (void *)(uintptr_t)copy->bound, (size_t)copy->n, (size_t)(copy->n + n),
                          sizeof *b);
    memmove(b + n, b, (size_t)copy->n * sizeof *b);
    for (long i = 0; i < n; i++) b[i] = (sx_bound){ sx_strdup(a, name[i]), value[i] };
    copy->bound = b;
    copy->n += n;
    return copy;
}

static const sx_datum *bound(const sx_scope *s, const char *name)
{
    for (long i = 0; i < s->n; i++) if (!strcmp(s->bound[i].name, name)) return &s->bound[i].value;
    return NULL;
}

bool sx_scope_has(const sx_scope *s, const char *name)
{
    for (; s; s = s->outer) if (bound(s, name) || sx_conf_member(s->vars, name)) return true;
    return false;
}

const char *sx_scope_nearest(sx_arena *a, const sx_scope *s, const char *name)
{
    struct { const char **v; long n, cap; } names = { 0 };
    for (; s; s = s->outer) {
        for (long i = 0; i < s->n; i++) SX_PUSH(a, names, s->bound[i].name);
        for (const sx_conf *m = s->vars ? s->vars->first : NULL; m; m = m->next) SX_PUSH(a, names, m->name);
    }
    return sx_nearest(name, names.v, names.n);
}

int sx_scope_call(const sx_scope *s, const char *name, long n, const sx_datum *args, sx_datum *out)
{
    for (; s; s = s->outer) {
        const int rc = s->call ? s->call(s->ctx, name, n, args, out) : SX_E_UNSUPPORTED;
        if (rc != SX_E_UNSUPPORTED) return rc;
    }
    return SX_E_UNSUPPORTED;
}

/* --- Variables --- */

static const char *show_chain(sx_arena *a, const sx_busy *b, const sx_scope *frame, const char *name,
                              const char *end)
{
    const char *text = sx_format(a, "%s -> %s", b->name, end);
    return b->frame == frame && !strcmp(b->name, name) ? text : show_chain(a, b->up, frame, name, text);
}

static int interpolate(sx_work *w, const char *text, const sx_scope *s, sx_where where, bool env,
                       sx_datum *out, bool *whole);

static int list_datum(sx_work *w, const sx_conf *c, const sx_scope *s, sx_datum_kind wanted, sx_datum *out);

/* A setting as wanted; see sx_conf_value. */
static int value(sx_work *w, const sx_conf *c, const sx_scope *s, sx_datum_kind wanted, sx_datum *out)
{
    const sx_where where = sx_conf_where(w->a, c);
    const bool calculated = wanted == SX_DATUM_INT || wanted == SX_DATUM_REAL || wanted == SX_DATUM_BOOL;
    *out = (sx_datum){ .kind = SX_DATUM_NONE };
    switch (c->kind) {
    case SX_CONF_INT: *out = (sx_datum){ .kind = SX_DATUM_INT, .i = c->i }; return 0;
    case SX_CONF_REAL: *out = (sx_datum){ .kind = SX_DATUM_REAL, .r = c->r }; return 0;
    case SX_CONF_BOOL: *out = (sx_datum){ .kind = SX_DATUM_BOOL, .b = c->b }; return 0;
    case SX_CONF_LIST: return list_datum(w, c, s, wanted, out);
    case SX_CONF_GROUP: return sx_error(w->d, SX_E_CONFIG, where, "a group stands where a value is wanted");
    case SX_CONF_TEXT: break;
    }
    bool whole = false;
    if (calculated)
        w->why = wanted == SX_DATUM_BOOL ? "A truth value is wanted here, so the text is an expression."
                                         : "A number is wanted here, so the text is an expression.";
    if (calculated && !strstr(c->s, "${")) return sx_work_eval(w, c->s, s, where, false, out);
    const int rc = interpolate(w, c->s, s, where, !calculated, out, &whole);
    if (!rc && calculated && !whole) return sx_work_eval(w, out->s, s, where, false, out);
    if (!rc && wanted == SX_DATUM_TEXT && out->kind != SX_DATUM_TEXT)
        *out = (sx_datum){ .kind = SX_DATUM_TEXT, .s = sx_datum_text(w->a, out) };
    return rc;
}

static int list_datum(sx_work *w, const sx_conf *c, const sx_scope *s, sx_datum_kind wanted, sx_datum *out)
{
    struct { sx_datum *v; long n, cap; } list = { 0 };
    int rc = 0;
    for (const sx_conf *m = c->first; m && !rc; m = m->next) {
        sx_datum one;
        rc = value(w, m, s, wanted == SX_DATUM_LIST ? SX_DATUM_NONE : wanted, &one);
        SX_PUSH(w->a, list, one);
    }
    *out = (sx_datum){ .kind = SX_DATUM_LIST, .n = list.n, .v = list.v };
    return rc;
}

/* Computes the variable c of frame s, unless it is needed for itself. */
static int compute(sx_work *w, const sx_scope *s, const sx_conf *c, sx_datum *out)
{
    const sx_where where = sx_conf_where(w->a, c);
    for (const sx_busy *b = w->busy; b; b = b->up) {
        if (b->frame != s || strcmp(b->name, c->name)) continue;
        const int rc = sx_error(w->d, SX_E_CONFIG, where, "variable '%s' needs itself", c->name);
        sx_detail(w->d, "%s", show_chain(w->a, w->busy, s, c->name, c->name));
        return rc;
    }
    const sx_busy self = { s, c->name, w->busy, w->busy ? w->busy->depth + 1 : 1 };
    if (self.depth > SX_EVAL_CHAIN || ++w->reads > SX_EVAL_READS)
        return sx_error(w->d, SX_E_CONFIG, where, "variables need each other more than %d %s",
                        self.depth > SX_EVAL_CHAIN ? SX_EVAL_CHAIN : SX_EVAL_READS,
                        self.depth > SX_EVAL_CHAIN ? "deep" : "times");
    const char *why = w->why;
    w->busy = &self;
    w->why = NULL;
    const int rc = value(w, c, s, SX_DATUM_NONE, out);
    w->busy = self.up;
    w->why = why;
    return rc;
}

int sx_work_get(sx_work *w, const sx_scope *s, const char *name, sx_datum *out)
{
    for (; s; s = s->outer) {
        const sx_datum *b = bound(s, name);
        if (b) { *out = *b; return 0; }
        const sx_conf *c = sx_conf_member(s->vars, name);
        if (c) return compute(w, s, c, out);
    }
    return SX_E_UNSUPPORTED;
}

int sx_scope_get(sx_arena *a, const sx_scope *s, const char *name, sx_where where, sx_datum *out, sx_diags *d)
{
    sx_work w = { .a = a, .d = d, .stored = s && s->stored };
    const int rc = sx_work_get(&w, s, name, out);
    if (rc != SX_E_UNSUPPORTED) return rc;
    sx_error(d, SX_E_CONFIG, where, "undefined variable '%s'", name);
    const char *near = sx_scope_nearest(a, s, name);
    if (near) sx_hint(d, "Did you mean '%s'?", near);
    return SX_E_CONFIG;
}

bool sx_variable_name(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_') return false;
    for (; *name; name++) if (!isalnum((unsigned char)*name) && *name != '_') return false;
    return true;
}

int sx_scope_check(sx_arena *a, const sx_scope *s, const sx_conf *vars, sx_diags *d)
{
    int rc = 0;
    for (const sx_conf *m = vars ? vars->first : NULL; m; m = m->next) {
        const sx_where where = sx_conf_where(a, m);
        sx_datum out;
        int bad = 0;
        if (sx_reserved_name(m->name)) {
            bad = sx_error(d, SX_E_CONFIG, where,
                           "a variable cannot be named '%s', which is a word of expressions", m->name);
        } else if (!sx_variable_name(m->name)) {
            bad = sx_error(d, SX_E_CONFIG, where, "a variable cannot be named '%s'", m->name);
            sx_hint(d, "The names of variables are made of letters, digits and _.");
        } else if (m->kind == SX_CONF_GROUP) {
            bad = sx_error(d, SX_E_CONFIG, where, "variable '%s' is a group", m->name);
        } else {
            bad = sx_scope_get(a, s, m->name, where, &out, d);
        }
        if (bad) rc = bad;
    }
    return rc;
}

/* --- The environment --- */

static const char *data_dir(sx_arena *a)
{
    static const char system[] = "/usr/share/datasets";
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (sx_file_exists(system)) return system;
    if (data && *data) return sx_format(a, "%s/strix/data", data);
    return home ? sx_format(a, "%s/.local/share/strix/data", home) : NULL;
}

const char *sx_env_value(sx_arena *a, const char *name, bool *allowed)
{
    *allowed = !strncmp(name, "STRIX_", 6) || !strncmp(name, "XDG_", 4) || !strcmp(name, "HOME");
    const char *value_is = *allowed ? getenv(name) : NULL;
    if (*allowed && !value_is && !strcmp(name, "STRIX_DATA_DIR")) value_is = data_dir(a);
    return value_is && sx_utf8(value_is) ? sx_strdup(a, value_is) : NULL;
}

/* --- Texts --- */

/* The end of the expression that starts at p: the next } outside quotes. */
static const char *closing(const char *p)
{
    for (bool in_text = false; *p; p++) {
        if (*p == '\'') in_text = !in_text;
        else if (*p == '}' && !in_text) return p;
    }
    return NULL;
}

typedef struct { char *v; long n, cap; } sink;

static int put(sx_work *w, sink *to, const char *text, size_t n, sx_where where)
{
    if ((size_t)to->n + n > SX_EVAL_TEXT)
        return sx_error(w->d, SX_E_CONFIG, where, "this text becomes longer than %d characters",
                        SX_EVAL_TEXT);
    for (size_t i = 0; i < n; i++) SX_PUSH(w->a, *to, text[i]);
    return 0;
}

static int interpolate(sx_work *w, const char *text, const sx_scope *s, sx_where where, bool env,
                       sx_datum *out, bool *whole)
{
    sink to = { 0 };
    int rc = 0;
    for (const char *p = text; *p && !rc;) {
        const size_t plain = strcspn(p, "$");
        if (plain || (strncmp(p, "${", 2) && strncmp(p, "$${", 3))) {
            rc = put(w, &to, p, plain ? plain : 1, where);
            p += plain ? plain : 1;
        } else if (p[1] == '$') {
            rc = put(w, &to, "${", 2, where);
            p += 3;
        } else {
            const char *end = closing(p + 2);
            if (!end) return sx_error(w->d, SX_E_CONFIG, where, "'${' without '}' in \"%.80s\"", text);
            rc = sx_work_eval(w, sx_strndup(w->a, p + 2, (size_t)(end - p - 2)), s, where, env, out);
            *whole = p == text && !end[1];
            if (rc || *whole) return rc;
            const char *shown = sx_datum_text(w->a, out);
            rc = put(w, &to, shown, strlen(shown), where);
            p = end + 1;
        }
    }
    SX_PUSH(w->a, to, 0);
    *out = (sx_datum){ .kind = SX_DATUM_TEXT, .s = to.v };
    return rc;
}

int sx_interpolate(sx_arena *a, const char *text, const sx_scope *s, sx_where where, sx_datum *out,
                   sx_diags *d)
{
    sx_work w = { .a = a, .d = d, .stored = s && s->stored };
    bool whole = false;
    return interpolate(&w, text, s, where, true, out, &whole);
}

/* --- Settings --- */

int sx_conf_value(sx_arena *a, const sx_conf *c, const sx_scope *s, sx_datum_kind wanted, sx_datum *out,
                  sx_diags *d)
{
    sx_work w = { .a = a, .d = d, .stored = s && s->stored };
    return value(&w, c, s, wanted, out);
}

static bool fits(sx_datum *v, sx_datum_kind wanted)
{
    if (v->kind == wanted || wanted == SX_DATUM_NONE) return true;
    if (wanted == SX_DATUM_REAL && v->kind == SX_DATUM_INT) {
        *v = (sx_datum){ .kind = wanted, .r = (double)v->i };
        return true;
    }
    if (wanted != SX_DATUM_INT || v->kind != SX_DATUM_REAL || v->r != floor(v->r) || !(fabs(v->r) < 0x1p63))
        return false;
    *v = (sx_datum){ .kind = wanted, .i = (int64_t)v->r };
    return true;
}

static int refuse(sx_arena *a, const sx_conf *c, const sx_datum *v, sx_datum_kind wanted, sx_diags *d)
{
    static const char *const name[] = { "", "an integer", "a number", "a truth value", "a text", "a list" };
    const char *called = c->name ? c->name : c->parent && c->parent->name ? c->parent->name : "value";
    const char *q = v->kind == SX_DATUM_TEXT ? "\"" : "";
    return sx_error(d, SX_E_CONFIG, sx_conf_where(a, c), "'%s' is %s%.160s%s, not %s", called, q,
                    sx_datum_text(a, v), q, name[wanted]);
}

int sx_conf_datum(sx_arena *a, const sx_conf *c, const sx_scope *s, sx_datum_kind wanted, sx_datum *out,
                  sx_diags *d)
{
    const int rc = sx_conf_value(a, c, s, wanted, out, d);
    if (rc) return rc;
    if (wanted == SX_DATUM_LIST && out->kind != SX_DATUM_LIST) {
        const sx_datum *one = sx_dup(a, out, sizeof *out);
        *out = (sx_datum){ .kind = SX_DATUM_LIST, .n = 1, .v = one };
    }
    if (out->kind != SX_DATUM_LIST || c->kind != SX_CONF_LIST || wanted == SX_DATUM_LIST)
        return fits(out, wanted) ? 0 : refuse(a, c, out, wanted, d);
    sx_datum *v = (sx_datum *)(uintptr_t)out->v; /* made by value() just now */
    const sx_conf *m = c->first;
    for (long i = 0; i < out->n; i++, m = m->next)
        if (!fits(&v[i], wanted)) return refuse(a, m, &v[i], wanted, d);
    return 0;
}
