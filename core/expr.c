/* expr.c: evaluates an expression while reading it: recursive descent without a tree, so that nothing is allocated for numbers.
 * Every operation is checked; what a choice does not take (c ? a : b, and, or) is read but not computed. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "eval.h"

enum { LENGTH = 1000, DEPTH = 32, ARGUMENTS = 16, NAME = 64 };
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
    sx_detail(p->w->d, "At character %ld of '%.100s%s'.", (long)(at - p->text) + 1, p->text, strlen(p->text) > 100 ? " .." : "");
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

static const char *kind_text(const sx_datum *v)
{
    static const char *const name[] = { "nothing", "an integer", "a number", "a truth value", "a text", "a list" };
    return name[v->kind];
}

/* --- Characters --- */

static bool in_name(char c) { return isalnum((unsigned char)c) || c == '_'; }
static void blanks(parser *p) { while (isspace((unsigned char)*p->at)) p->at++; }

static bool match(parser *p, const char *sign)
{
    blanks(p);
    const size_t n = strlen(sign);
    if (p->rc || strncmp(p->at, sign, n) || (isalpha((unsigned char)*sign) && in_name(p->at[n]))) return false;
    p->at += n;
    return true;
}

static void expect(parser *p, const char *sign)
{
    if (match(p, sign) || p->rc) return;
    fail(p, p->at, *p->at ? "'%s' is missing before '%.20s'" : "'%s' is missing at the end%.20s", sign, p->at);
}

/* --- Numbers --- */

static sx_datum of_int(int64_t i) { return (sx_datum){ .kind = SX_DATUM_INT, .i = i }; }
static sx_datum of_bool(bool b) { return (sx_datum){ .kind = SX_DATUM_BOOL, .b = b }; }
static bool is_number(const sx_datum *v) { return v->kind == SX_DATUM_INT || v->kind == SX_DATUM_REAL; }

static void set_real(parser *p, const char *at, double r, sx_datum *out)
{
    if (!isfinite(r)) fail(p, at, isnan(r) ? "this is not a number" : "this number is too large");
    *out = (sx_datum){ .kind = SX_DATUM_REAL, .r = r };
}

static void set_whole(parser *p, const char *at, double r, sx_datum *out)
{
    if (!(fabs(r) < 0x1p63)) { fail(p, at, "this number is too large for an integer"); return; }
    *out = of_int((int64_t)r);
}

static bool want_number(parser *p, const char *at, const sx_datum *v, const char *what)
{
    if (!is_number(v)) fail(p, at, "%s takes numbers, not %s", what, kind_text(v));
    return !p->rc;
}

static bool want_truth(parser *p, const char *at, const sx_datum *v, const char *what)
{
    if (v->kind != SX_DATUM_BOOL) fail(p, at, "%s takes truth values, not %s", what, kind_text(v));
    return !p->rc && v->b;
}

static bool power(int64_t base, int64_t exponent, int64_t *out)
{
    int64_t r = 1;
    for (;; exponent >>= 1) {
        if ((exponent & 1) && __builtin_mul_overflow(r, base, &r)) return false;
        if (exponent <= 1) break;
        if (__builtin_mul_overflow(base, base, &base)) return false;
    }
    *out = r;
    return true;
}

/* Integers stay integers, but for / and negative powers. true: done (or failed). */
static bool on_integers(parser *p, const char *at, const char *op, int64_t x, int64_t y, sx_datum *out)
{
    int64_t r = 0;
    bool over = false;
    switch (*op) {
    case '+': over = __builtin_add_overflow(x, y, &r); break;
    case '-': over = __builtin_sub_overflow(x, y, &r); break;
    case '*':
        if (op[1] && y < 0) return false;
        over = op[1] ? !power(x, y, &r) : __builtin_mul_overflow(x, y, &r);
        break;
    case '/':
        if (!op[1]) return false;
        over = y == -1 && x == INT64_MIN;
        if (!over) r = x / y - (x % y != 0 && (x < 0) != (y < 0));
        break;
    default:                                     /* %: the sign of the divisor */
        r = y == -1 ? 0 : x % y;
        if (r && (r < 0) != (y < 0)) r += y;
    }
    if (over) fail(p, at, "integer overflow");
    *out = of_int(r);
    return true;
}

static void on_reals(parser *p, const char *at, const char *op, double x, double y, sx_datum *out)
{
    switch (*op) {
    case '+': set_real(p, at, x + y, out); return;
    case '-': set_real(p, at, x - y, out); return;
    case '*':
        if (op[1] && x == 0 && y < 0) fail(p, at, "division by zero");
        else set_real(p, at, op[1] ? pow(x, y) : x * y, out);
        return;
    case '/':
        if (op[1]) set_whole(p, at, floor(x / y), out);
        else set_real(p, at, x / y, out);
        return;
    default: break;
    }
    double r = fmod(x, y);
    if (r != 0 && (r < 0) != (y < 0)) r += y;
    set_real(p, at, r, out);
}

static void arithmetic(parser *p, const char *at, const char *op, const sx_datum *b, sx_datum *out)
{
    const sx_datum a = *out;
    if (p->rc || p->skip || !want_number(p, at, &a, op) || !want_number(p, at, b, op)) return;
    if ((*op == '/' || *op == '%') && sx_datum_real(b) == 0) { fail(p, at, "division by zero"); return; }
    if (a.kind == SX_DATUM_INT && b->kind == SX_DATUM_INT && on_integers(p, at, op, a.i, b->i, out)) return;
    on_reals(p, at, op, sx_datum_real(&a), sx_datum_real(b), out);
}

static int order(const sx_datum *a, const sx_datum *b)
{
    if (a->kind == SX_DATUM_INT && b->kind == SX_DATUM_INT) return (a->i > b->i) - (a->i < b->i);
    const double x = sx_datum_real(a), y = sx_datum_real(b);
    return (x > y) - (x < y);
}

static void compare(parser *p, const char *at, const char *op, const sx_datum *b, sx_datum *out)
{
    const sx_datum a = *out;
    if (p->rc || p->skip) return;
    if (*op == '=' || *op == '!') { *out = of_bool(sx_datum_equal(&a, b) == (*op == '=')); return; }
    if (!want_number(p, at, &a, op) || !want_number(p, at, b, op)) return;
    const int o = order(&a, b);
    *out = of_bool(*op == '<' ? (op[1] ? o <= 0 : o < 0) : (op[1] ? o >= 0 : o > 0));
}

/* --- Functions --- */

static void f_pick(parser *p, const char *at, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    if (n == 1 && v->kind == SX_DATUM_LIST) { n = v->n; v = v->v; }
    if (n < 1) { fail(p, at, "%s of nothing", name); return; }
    long best = 0;
    for (long i = 0; i < n; i++) {
        if (!want_number(p, at, &v[i], name)) return;
        const int o = order(&v[i], &v[best]);
        if (name[1] == 'i' ? o < 0 : o > 0) best = i;
    }
    *out = v[best];
}

static void f_abs(parser *p, const char *at, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    (void)n;
    if (!want_number(p, at, v, name)) return;
    if (v->kind == SX_DATUM_REAL) set_real(p, at, fabs(v->r), out);
    else if (v->i == INT64_MIN) fail(p, at, "integer overflow");
    else *out = of_int(v->i < 0 ? -v->i : v->i);
}

static void f_whole(parser *p, const char *at, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    (void)n;
    if (!want_number(p, at, v, name)) return;
    if (v->kind == SX_DATUM_INT) *out = *v;
    else set_whole(p, at, *name == 'f' ? floor(v->r) : *name == 'c' ? ceil(v->r) : round(v->r), out);
}

static void f_real(parser *p, const char *at, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    (void)n;
    if (!want_number(p, at, v, name)) return;
    const double x = sx_datum_real(v);
    if (*name == 'e') set_real(p, at, exp(x), out);
    else if (*name == 's' ? x < 0 : x <= 0) fail(p, at, "%s of %s", name, sx_real_text(p->w->a, x));
    else set_real(p, at, *name == 's' ? sqrt(x) : name[3] ? log2(x) : log(x), out);
}

static void f_len(parser *p, const char *at, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    (void)n;
    if (v->kind == SX_DATUM_LIST) *out = of_int(v->n);
    else if (v->kind == SX_DATUM_TEXT) *out = of_int((int64_t)strlen(v->s));
    else fail(p, at, "%s takes a list or a text, not %s", name, kind_text(v));
}

typedef void function(parser *, const char *, const char *, long, const sx_datum *, sx_datum *);
static const struct { const char *name; long least, most; function *call; } functions[] = {
    { "min", 1, ARGUMENTS, f_pick }, { "max", 1, ARGUMENTS, f_pick }, { "abs", 1, 1, f_abs }, { "floor", 1, 1, f_whole },
    { "ceil", 1, 1, f_whole }, { "round", 1, 1, f_whole }, { "log2", 1, 1, f_real }, { "sqrt", 1, 1, f_real },
    { "exp", 1, 1, f_real }, { "log", 1, 1, f_real }, { "len", 1, 1, f_len },
};
/* Words of the language and the functions that the core adds in constraints. */
static const char *const words[] = { "and", "or", "not", "true", "false", "env", "memory", "device_memory", "parameters", "macs" };
enum { FUNCTIONS = sizeof functions / sizeof *functions, WORDS = sizeof words / sizeof *words };

bool sx_reserved_name(const char *name)
{
    for (int i = 0; i < FUNCTIONS; i++) if (!strcmp(name, functions[i].name)) return true;
    for (int i = 0; i < WORDS; i++) if (!strcmp(name, words[i])) return true;
    return false;
}

static void unknown_function(parser *p, const char *at, const char *name)
{
    const char *known[FUNCTIONS];
    for (int i = 0; i < FUNCTIONS; i++) known[i] = functions[i].name;
    const char *near = sx_nearest(name, known, FUNCTIONS);
    fail(p, at, "unknown function '%s'", name);
    if (near) sx_hint(p->w->d, "Did you mean '%s'?", near);
}

static void call(parser *p, const char *at, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    for (int i = 0; i < FUNCTIONS; i++) {
        if (strcmp(name, functions[i].name)) continue;
        if (n < functions[i].least || n > functions[i].most)
            fail(p, at, "%s takes %ld argument%s, not %ld", name, functions[i].least, functions[i].least > 1 ? "s" : "", n);
        else functions[i].call(p, at, name, n, v, out);
        return;
    }
    const long told = p->w->d ? p->w->d->n : 0;
    const int rc = sx_work_call(p->w, p->s, name, n, v, out);
    if (rc == SX_E_UNSUPPORTED) { unknown_function(p, at, name); return; }
    if (rc && p->w->d && p->w->d->n == told) fail(p, at, "%s() failed: %s", name, sx_error_text(rc));
    if (rc) p->rc = rc;
}

static void arguments(parser *p, const char *at, const char *name, sx_datum *out)
{
    sx_datum v[ARGUMENTS];
    long n = 0;
    if (!deeper(p)) return;
    if (!match(p, ")")) {
        do {
            if (n == ARGUMENTS) fail(p, p->at, "%s() has more than %d arguments", name, ARGUMENTS);
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
    const char *near = sx_work_nearest(p->w, p->s, name);
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
    else if (!strcmp(name, "and") || !strcmp(name, "or") || !strcmp(name, "not")) fail(p, at, "a value is missing before '%s'", name);
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
        set_real(p, at, r, out);
    } else {
        const long long i = strtoll(at, NULL, 10);
        if (errno) fail(p, at, "integer %.*s does not fit into 64 bits", (int)(end - at < 40 ? end - at : 40), at);
        p->at = end;
        *out = of_int(i);
    }
    if (in_name(*p->at)) fail(p, p->at, "'%c' directly after a number", *p->at);
}

static void word(parser *p, sx_datum *out)
{
    const char *end = strchr(p->at + 1, '\'');
    if (!end) { fail(p, p->at, "this text is never closed"); return; }
    if (!p->skip) *out = (sx_datum){ .kind = SX_DATUM_TEXT, .s = sx_strndup(p->w->a, p->at + 1, (size_t)(end - p->at - 1)) };
    p->at = end + 1;
}

static void element(parser *p, const char *at, const sx_datum *index, sx_datum *out)
{
    if (p->rc || p->skip) return;
    if (out->kind != SX_DATUM_LIST) { fail(p, at, "only a list has elements, not %s", kind_text(out)); return; }
    const double i = sx_datum_real(index);
    if (!is_number(index) || i != floor(i)) { fail(p, at, "the number of an element is an integer"); return; }
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
    else fail(p, p->at, *p->at ? "a value is missing before '%.20s'" : "a value is missing at the end%s", p->at);
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
        [OR] = { "or" }, [AND] = { "and" }, [NOT] = { NULL }, [COMPARE] = { "==", "!=", "<=", ">=", "<", ">" },
        [ADD] = { "+", "-" }, [MULTIPLY] = { "//", "*", "/", "%" } };
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
    sx_work w = { .a = a, .d = d };
    return sx_work_eval(&w, text, s, where, false, out);
}
