/* number.c: arithmetic and functions of the expression language, every operation checked. A call returns NULL
 * or the text of an error: expr.c knows where. */
#include <stdlib.h>
#include <string.h>
#include "eval.h"

static sx_datum of_int(int64_t i) { return (sx_datum){ .kind = SX_DATUM_INT, .i = i }; }
static const char overflow[] = "integer overflow", by_zero[] = "division by zero";

const char *sx_datum_kind_text(const sx_datum *v)
{
    static const char *const name[] = { "nothing", "an integer", "a number", "a truth value", "a text",
                                        "a list" };
    return name[v->kind];
}

static const char *no_number(sx_arena *a, const char *what, const sx_datum *v)
{
    if (sx_datum_is_number(v)) return NULL;
    return sx_format(a, "%s takes numbers, not %s", what, sx_datum_kind_text(v));
}

static const char *real(double r, sx_datum *out)
{
    *out = (sx_datum){ .kind = SX_DATUM_REAL, .r = r };
    return isfinite(r) ? NULL : isnan(r) ? "this is not a number" : "this number is too large";
}

static const char *whole(double r, sx_datum *out)
{
    if (!(fabs(r) < 0x1p63)) return "this number is too large for an integer";
    *out = of_int((int64_t)r);
    return NULL;
}

/* --- Arithmetic --- */

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

/* Integers stay integers, except in / and under a negative exponent. */
static bool stays_integer(const char *op, int64_t y)
{
    return strcmp(op, "/") != 0 && (strcmp(op, "**") != 0 || y >= 0);
}

static const char *on_integers(const char *op, int64_t x, int64_t y, sx_datum *out)
{
    int64_t r = 0;
    bool fits = true;
    switch (*op) {
    case '+': fits = !__builtin_add_overflow(x, y, &r); break;
    case '-': fits = !__builtin_sub_overflow(x, y, &r); break;
    case '*': fits = op[1] ? power(x, y, &r) : !__builtin_mul_overflow(x, y, &r); break;
    case '/':
        fits = y != -1 || x != INT64_MIN;
        if (fits) r = x / y - (x % y != 0 && (x < 0) != (y < 0));
        break;
    default:                                     /* %: the sign of the divisor */
        r = y == -1 ? 0 : x % y;
        if (r && (r < 0) != (y < 0)) r += y;
    }
    *out = of_int(r);
    return fits ? NULL : overflow;
}

static const char *on_reals(const char *op, double x, double y, sx_datum *out)
{
    double r = 0;
    switch (*op) {
    case '+': return real(x + y, out);
    case '-': return real(x - y, out);
    case '*': return op[1] && x == 0 && y < 0 ? by_zero : real(op[1] ? pow(x, y) : x * y, out);
    case '/': return op[1] ? whole(floor(x / y), out) : real(x / y, out);
    default: break;
    }
    r = fmod(x, y);
    if (r != 0 && (r < 0) != (y < 0)) r += y;
    return real(r, out);
}

const char *sx_datum_arithmetic(sx_arena *a, const char *op, const sx_datum *x, const sx_datum *y,
                                sx_datum *out)
{
    const char *wrong = no_number(a, op, x);
    if (!wrong) wrong = no_number(a, op, y);
    if (wrong) return wrong;
    if ((*op == '/' || *op == '%') && sx_datum_real(y) == 0) return by_zero;
    if (x->kind == SX_DATUM_INT && y->kind == SX_DATUM_INT && stays_integer(op, y->i))
        return on_integers(op, x->i, y->i, out);
    return on_reals(op, sx_datum_real(x), sx_datum_real(y), out);
}

static int order(const sx_datum *x, const sx_datum *y)
{
    if (x->kind == SX_DATUM_INT && y->kind == SX_DATUM_INT) return (x->i > y->i) - (x->i < y->i);
    const double p = sx_datum_real(x), q = sx_datum_real(y);
    return (p > q) - (p < q);
}

const char *sx_datum_compare(sx_arena *a, const char *op, const sx_datum *x, const sx_datum *y, sx_datum *out)
{
    const bool equality = *op == '=' || *op == '!';
    const char *wrong = equality ? NULL : no_number(a, op, x);
    if (!wrong && !equality) wrong = no_number(a, op, y);
    if (wrong) return wrong;
    const int o = equality ? 0 : order(x, y);
    const bool is = equality ? sx_datum_equal(x, y) == (*op == '=')
                             : (op[1] == '=' && !o) || (*op == '<' ? o < 0 : o > 0);
    *out = (sx_datum){ .kind = SX_DATUM_BOOL, .b = is };
    return NULL;
}

/* --- Functions --- */

typedef const char *function(sx_arena *a, const char *name, long n, const sx_datum *v, sx_datum *out);

static const char *f_pick(sx_arena *a, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    if (n == 1 && v->kind == SX_DATUM_LIST) { n = v->n; v = v->v; }
    if (n < 1) return sx_format(a, "%s of nothing", name);
    long best = 0;
    for (long i = 0; i < n; i++) {
        const char *wrong = no_number(a, name, &v[i]);
        if (wrong) return wrong;
        const int o = order(&v[i], &v[best]);
        if (!strcmp(name, "min") ? o < 0 : o > 0) best = i;
    }
    *out = v[best];
    return NULL;
}

static const char *f_abs(sx_arena *a, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    (void)n;
    const char *wrong = no_number(a, name, v);
    if (wrong) return wrong;
    if (v->kind == SX_DATUM_REAL) return real(fabs(v->r), out);
    *out = of_int(v->i < 0 && v->i != INT64_MIN ? -v->i : v->i);
    return v->i == INT64_MIN ? overflow : NULL;
}

static const char *f_whole(sx_arena *a, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    (void)n;
    const char *wrong = no_number(a, name, v);
    *out = *v;
    if (wrong || v->kind == SX_DATUM_INT) return wrong;
    const double r = !strcmp(name, "floor") ? floor(v->r) : !strcmp(name, "ceil") ? ceil(v->r) : round(v->r);
    return whole(r, out);
}

static const char *f_real(sx_arena *a, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    (void)n;
    const char *wrong = no_number(a, name, v);
    if (wrong) return wrong;
    const double x = sx_datum_real(v);
    if (!strcmp(name, "exp")) return real(exp(x), out);
    const bool root = !strcmp(name, "sqrt");
    if (root ? x < 0 : x <= 0) return sx_format(a, "%s of %s", name, sx_real_text(a, x));
    return real(root ? sqrt(x) : !strcmp(name, "log2") ? log2(x) : log(x), out);
}

static const char *f_len(sx_arena *a, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    (void)n;
    *out = of_int(v->kind == SX_DATUM_LIST ? v->n : v->kind == SX_DATUM_TEXT ? (int64_t)strlen(v->s) : 0);
    if (v->kind == SX_DATUM_LIST || v->kind == SX_DATUM_TEXT) return NULL;
    return sx_format(a, "%s takes a list or a text, not %s", name, sx_datum_kind_text(v));
}

static const struct { const char *name; long most; function *call; } functions[] = {
    { "min", SX_EVAL_ARGUMENTS, f_pick }, { "max", SX_EVAL_ARGUMENTS, f_pick }, { "abs", 1, f_abs },
    { "floor", 1, f_whole }, { "ceil", 1, f_whole }, { "round", 1, f_whole }, { "log2", 1, f_real },
    { "sqrt", 1, f_real }, { "exp", 1, f_real }, { "log", 1, f_real }, { "len", 1, f_len },
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

bool sx_datum_function(const char *name)
{
    for (int i = 0; i < FUNCTIONS; i++) if (!strcmp(name, functions[i].name)) return true;
    return false;
}

const char *sx_datum_nearest_function(const char *name)
{
    const char *known[FUNCTIONS];
    for (int i = 0; i < FUNCTIONS; i++) known[i] = functions[i].name;
    return sx_nearest(name, known, FUNCTIONS);
}

const char *sx_datum_call(sx_arena *a, const char *name, long n, const sx_datum *v, sx_datum *out)
{
    for (int i = 0; i < FUNCTIONS; i++) {
        if (strcmp(name, functions[i].name)) continue;
        return n < 1 || n > functions[i].most ? sx_format(a, "%s takes 1 argument, not %ld", name, n)
                                              : functions[i].call(a, name, n, v, out);
    }
    SX_BUG("no function %s", name);
}
