/* expr.c: evaluates an expression while reading it: recursive descent, no tree, no allocation for numbers.
 * What a choice does not take (c ? a : b, and, or) is read but not computed. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "eval.h"

enum { LENGTH = 1000, DEPTH = 32, NAME = 64 };
typedef struct {
    sx_work *w; const sx_scope *s; sx_where where;
    const char *text, *at;                       /* at: the next character */
    int depth, skip, rc;                         /* skip > 0: read, do not compute */
    bool env;
} parser;

static void ternary(parser *p, sx_datum *out);

/* --- Errors: the first one ends the reading --- */

static void explain(parser *p, const char *at)
{
    sx_detail(p->w->d, "At character %ld of '%.100s%s'.", (long)(at - p->text) + 1, p->text,
              strlen(p->text) > 100 ? " .." : "");
}

static void fail(parser *p, const char *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void fail(parser *p, const char *at, const char *fmt, ...)
{
    if (p->rc) return;
    va_list ap;
    va_start(ap, fmt);
    p->rc = sx_error(p->w->d, SX_E_CONFIG, p->where, "%s", sx_vformat(p->w->a, fmt, ap));
    va_end(ap);
    explain(p, at);
}

static bool deeper(parser *p)
{
    if (p->depth++ >= DEPTH) fail(p, p->at, "this expression is nested more than %d deep", DEPTH);
    return !p->rc;
}

/* --- Characters --- */

static bool in_name(char c) { return isalnum((unsigned char)c) || c == '_'; }
static void blanks(parser *p) { while (isspace((unsigned char)*p->at)) p->at++; }

static bool match(parser *p, const char *sign)
{
    blanks(p);
    const size_t n = strlen(sign);
    if (p->rc || strncmp(p->at, sign, n) || (isalpha((unsigned char)*sign) && in_name(p->at[n])))
        return false;
    p->at += n;
    return true;
}

static void expect(parser *p, const char *sign)
{
    if (match(p, sign) || p->rc) return;
    fail(p, p->at, *p->at ? "'%s' is missing before '%.20s'" : "'%s' is missing at the end%.20s", sign,
         p->at);
}

/* --- Operations: done in number.c --- */

static sx_datum of_int(int64_t i) { return (sx_datum){ .kind = SX_DATUM_INT, .i = i }; }
static sx_datum of_bool(bool b) { return (sx_datum){ .kind = SX_DATUM_BOOL, .b = b }; }

static bool want_truth(parser *p, const char *at, const sx_datum *v, const char *what)
{
    if (v->kind != SX_DATUM_BOOL) fail(p, at, "%s takes truth values, not %s", what, sx_datum_kind_text(v));
    return !p->rc && v->b;
}

static void judge(parser *p, const char *at, const char *wrong) { if (wrong) fail(p, at, "%s", wrong); }

static void arithmetic(parser *p, const char *at, const char *op, const sx_datum *right, sx_datum *out)
{
    const sx_datum left = *out;
    if (!p->rc && !p->skip) judge(p, at, sx_datum_arithmetic(p->w->a, op, &left, right, out));
}

static void compare(parser *p, const char *at, const char *op, const sx_datum *right, sx_datum *out)
{
    const sx_datum left = *out;
    if (!p->rc && !p->skip) judge(p, at, sx_datum_compare(p->w->a, op, &left, right, out));
}

/* --- Functions --- */

/* Words of the language and the functions that the core adds in constraints. */
static const char *const words[] = { "and", "or", "not", "true", "false", "env", "memory", "device_memory",
                                     "parameters", "macs" };

bool sx_reserved_name(const char *name)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) if (!strcmp(name, words[i])) return true;
    return sx_datum_function(name);
}

static void unknown_function(parser *p, const char *at, const char *name)
{
    const char *near = sx_datum_nearest_function(name);
    fail(p, at, "unknown function '%s'", name);
    if (near) sx_hint(p->w->d, "Did you mean '%s'?", near);
}

static void call(parser *p, const char *at, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    if (sx_datum_function(name)) { judge(p, at, sx_datum_call(p->w->a, name, n, v, out)); return; }
    const long told = p->w->d ? p->w->d->n : 0;
    const int rc = sx_scope_call(p->s, name, n, v, out);
    if (rc == SX_E_UNSUPPORTED) { unknown_function(p, at, name); return; }
    if (rc && p->w->d && p->w->d->n == told) fail(p, at, "%s() failed: %s", name, sx_error_text(rc));
    if (rc) p->rc = rc;
}

static void arguments(parser *p, const char *at, const char *name, sx_datum *out)
{
    sx_datum v[SX_EVAL_ARGUMENTS];
    long n = 0;
    if (!deeper(p)) return;
    if (!match(p, ")")) {
        do {
            if (n == SX_EVAL_ARGUMENTS)
                fail(p, p->at, "%s() has more than %d arguments", name, SX_EVAL_ARGUMENTS);
            else ternary(p, &v[n++]);
        } while (match(p, ","));
        expect(p, ")");
    }
    p->depth--;
    if (!p->rc && !p->skip) call(p, at, name, n, v, out);
}

/* --- Values --- */

static void environment(parser *p, const char *at, sx_datum *out)
{
    char name[NAME + 1];
    size_t n = 0;
    while (in_name(p->at[n])) n++;
    if (!n || n > NAME) { fail(p, at, "env. needs the name of a variable of the environment"); return; }
    memcpy(name, p->at, n);
    name[n] = 0;
    p->at += n;
    if (!p->env) {
        fail(p, at, "env.%s may stand in texts only, as ${env.%s}", name, name);
        return;
    }
    if (p->skip) return;
    if (p->w->stored) {
        fail(p, at, "env.%s may not be read for values that a study stores", name);
        sx_hint(p->w->d, "Let the space choose a word, and read the environment where that word is used.");
        return;
    }
    bool allowed;
    const char *value = sx_env_value(p->w->a, name, &allowed);
    if (!allowed) {
        fail(p, at, "env.%s may not be read", name);
        sx_hint(p->w->d, "Of the environment, experiments see STRIX_*, HOME and XDG_* only.");
    } else if (!value) {
        fail(p, at, "%s is not set in the environment", name);
        sx_hint(p->w->d, "Set it before you start strix: export %s=...", name);
    } else {
        *out = (sx_datum){ .kind = SX_DATUM_TEXT, .s = value };
    }
}

static void variable(parser *p, const char *at, const char *name, sx_datum *out)
{
    if (p->skip || p->rc) return;
    const int rc = sx_work_get(p->w, p->s, name, out);
    if (rc != SX_E_UNSUPPORTED) { p->rc = rc; return; }
    const char *near = sx_scope_nearest(p->w->a, p->s, name);
    fail(p, at, "undefined variable '%s'", name);
    if (near) sx_hint(p->w->d, "Did you mean '%s'?", near);
    else if (p->w->why) sx_hint(p->w->d, "%s", p->w->why);
}

static void named(parser *p, sx_datum *out)
{
    const char *at = p->at;
    char name[NAME + 1];
    size_t n = 0;
    while (in_name(at[n])) n++;
    if (n > NAME) { fail(p, at, "a name is longer than %d characters", NAME); return; }
    memcpy(name, at, n);
    name[n] = 0;
    p->at += n;
    if (!strcmp(name, "true") || !strcmp(name, "false")) *out = of_bool(*name == 't');
    else if (*p->at == '.' && !strcmp(name, "env")) { p->at++; environment(p, at, out); }
    else if (*p->at == '.') fail(p, p->at, "names have no dots here");
    else if (match(p, "(")) arguments(p, at, name, out);
    else if (!strcmp(name, "and") || !strcmp(name, "or") || !strcmp(name, "not"))
        fail(p, at, "a value is missing before '%s'", name);
    else variable(p, at, name, out);
}

static void literal(parser *p, sx_datum *out)
{
    const char *at = p->at, *end = at;
    while (isdigit((unsigned char)*end)) end++;
    errno = 0;
    if (*end == '.' || *end == 'e' || *end == 'E') {
        char *stop;
        const double r = strtod(at, &stop);
        p->at = stop;
        *out = (sx_datum){ .kind = SX_DATUM_REAL, .r = r };
        if (!isfinite(r)) fail(p, at, "this number is too large");
    } else {
        const long long i = strtoll(at, NULL, 10);
        if (errno)
            fail(p, at, "integer %.*s does not fit into 64 bits", (int)(end - at < 40 ? end - at : 40), at);
        p->at = end;
        *out = of_int(i);
    }
    if (in_name(*p->at)) fail(p, p->at, "'%c' directly after a number", *p->at);
}

static void word(parser *p, sx_datum *out)
{
    const char *end = strchr(p->at + 1, '\'');
    if (!end) { fail(p, p->at, "this text is never closed"); return; }
    if (!p->skip)
        *out = (sx_datum){ .kind = SX_DATUM_TEXT,
                           .s = sx_strndup(p->w->a, p->at + 1, (size_t)(end - p->at - 1)) };
    p->at = end + 1;
}

static void element(parser *p, const char *at, const sx_datum *index, sx_datum *out)
{
    if (p->rc || p->skip) return;
    if (out->kind != SX_DATUM_LIST) {
        fail(p, at, "only a list has elements, not %s", sx_datum_kind_text(out));
        return;
    }
    const double i = sx_datum_real(index);
    if (!sx_datum_is_number(index) || i != floor(i)) {
        fail(p, at, "the number of an element is an integer");
        return;
    }
    if (!(i >= 0 && i < (double)out->n)) {
        fail(p, at, "element %s of a list of %ld", sx_datum_text(p->w->a, index), out->n);
        return;
    }
    *out = out->v[(long)i];
}

static void primary(parser *p, sx_datum *out)
{
    blanks(p);
    *out = (sx_datum){ .kind = SX_DATUM_NONE };
    if (p->rc) return;
    const bool dot = *p->at == '.' && isdigit((unsigned char)p->at[1]);
    if (match(p, "(")) {
        if (!deeper(p)) return;
        ternary(p, out);
        expect(p, ")");
        p->depth--;
    } else if (isdigit((unsigned char)*p->at) || dot) literal(p, out);
    else if (*p->at == '\'') word(p, out);
    else if (in_name(*p->at)) named(p, out);
    else
        fail(p, p->at, *p->at ? "a value is missing before '%.20s'" : "a value is missing at the end%s",
             p->at);
    for (const char *at = p->at; match(p, "["); at = p->at) {
        sx_datum index = { 0 };
        if (!deeper(p)) return;
        ternary(p, &index);
        expect(p, "]");
        p->depth--;
        element(p, at, &index, out);
    }
}

static void unary(parser *p, sx_datum *out);

static void exponent(parser *p, sx_datum *out)
{
    primary(p, out);
    const char *at = p->at;
    if (!match(p, "**") || !deeper(p)) return;
    sx_datum right = { 0 };
    unary(p, &right);
    p->depth--;
    arithmetic(p, at, "**", &right, out);
}

static void unary(parser *p, sx_datum *out)
{
    blanks(p);
    const char *at = p->at;
    const bool minus = match(p, "-");
    if (!minus && !match(p, "+")) { exponent(p, out); return; }
    sx_datum v = { 0 };
    if (!deeper(p)) return;
    unary(p, &v);
    p->depth--;
    *out = of_int(0);
    if (minus && v.kind == SX_DATUM_REAL) *out = (sx_datum){ .kind = SX_DATUM_REAL, .r = -v.r };
    else arithmetic(p, at, minus ? "-" : "+", &v, out);
}

/* --- Binary operators by level, the weakest first --- */

enum { OR, AND, NOT, COMPARE, ADD, MULTIPLY, UNARY };

static const char *operator_at(parser *p, int level)
{
    static const char *const signs[][7] = {
        [OR] = { "or" },      [AND] = { "and" },
        [NOT] = { NULL },     [COMPARE] = { "==", "!=", "<=", ">=", "<", ">" },
        [ADD] = { "+", "-" }, [MULTIPLY] = { "//", "*", "/", "%" }
    };
    blanks(p);
    if (!strncmp(p->at, "**", 2)) return NULL;
    for (const char *const *s = signs[level]; *s; s++) if (match(p, *s)) return *s;
    return NULL;
}

static void binary(parser *p, int level, sx_datum *out);

/* and, or: the right side is computed only where it decides. */
static void logic(parser *p, const char *at, const char *op, sx_datum *out)
{
    sx_datum right = { 0 };
    const bool idle = p->skip > 0, left = !idle && want_truth(p, at, out, op), decided = left == (*op == 'o');
    p->skip += decided;
    binary(p, *op == 'o' ? AND : NOT, &right);
    p->skip -= decided;
    if (!idle && !p->rc) *out = of_bool(decided ? left : want_truth(p, at, &right, op));
}

static void negation(parser *p, sx_datum *out)
{
    blanks(p);
    const char *at = p->at;
    if (!match(p, "not")) { binary(p, COMPARE, out); return; }
    if (!deeper(p)) return;
    negation(p, out);
    p->depth--;
    if (!p->skip && !p->rc) *out = of_bool(!want_truth(p, at, out, "not"));
}

static void binary(parser *p, int level, sx_datum *out)
{
    if (level == UNARY) { unary(p, out); return; }
    if (level == NOT) { negation(p, out); return; }
    binary(p, level + 1, out);
    blanks(p);
    const char *at = p->at;
    for (const char *op; !p->rc && (op = operator_at(p, level)); blanks(p), at = p->at) {
        if (level <= AND) { logic(p, at, op, out); continue; }
        sx_datum right = { 0 };
        binary(p, level + 1, &right);
        if (level == COMPARE) compare(p, at, op, &right, out);
        else arithmetic(p, at, op, &right, out);
    }
}

static void ternary(parser *p, sx_datum *out)
{
    binary(p, OR, out);
    const char *at = p->at;
    if (!match(p, "?") || !deeper(p)) return;
    sx_datum yes = { 0 }, no = { 0 };
    const bool idle = p->skip > 0, first = !idle && want_truth(p, at, out, "?");
    p->skip += !first;
    ternary(p, &yes);
    p->skip -= !first;
    expect(p, ":");
    p->skip += first;
    ternary(p, &no);
    p->skip -= first;
    p->depth--;
    *out = first ? yes : no;
}

int sx_work_eval(sx_work *w, const char *text, const sx_scope *s, sx_where where, bool env, sx_datum *out)
{
    parser p = { .w = w, .s = s, .where = where, .text = text, .at = text, .env = env };
    *out = (sx_datum){ .kind = SX_DATUM_NONE };
    if (strlen(text) > LENGTH)
        return sx_error(w->d, SX_E_CONFIG, where, "this expression has more than %d characters", LENGTH);
    ternary(&p, out);
    blanks(&p);
    if (!p.rc && *p.at) fail(&p, p.at, "'%.20s' does not belong to the expression", p.at);
    return p.rc;
}

int sx_eval(sx_arena *a, const char *text, const sx_scope *s, sx_where where, sx_datum *out, sx_diags *d)
{
    sx_work w = { .a = a, .d = d, .stored = s && s->stored };
    return sx_work_eval(&w, text, s, where, false, out);
}
