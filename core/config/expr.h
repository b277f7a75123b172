/* expr.h: the small expression language of experiment files: int64, double, bool, text, lists;
 * + - * / // % **, comparisons, and or not, c ? a : b, x[i], min max abs floor ceil round log2 sqrt exp log
 * len. At most 1,000 characters and 32 deep. Overflow, division by zero and an inexact real where an integer
 * is wanted are errors. */
#ifndef SX_EXPR_H
#define SX_EXPR_H
#include "config.h"

typedef enum {
    SX_DATUM_NONE, SX_DATUM_INT, SX_DATUM_REAL, SX_DATUM_BOOL, SX_DATUM_TEXT, SX_DATUM_LIST
} sx_datum_kind;
typedef struct sx_datum sx_datum;
struct sx_datum {
    sx_datum_kind kind;
    long n;                                      /* of a list */
    union { int64_t i; double r; bool b; const char *s; const sx_datum *v; };
};
typedef struct sx_scope sx_scope;                /* names -> values; inner ones hide outer ones */
/* A function that expressions may call besides the built-in ones: `memory()`, `parameters()`. 0 or SX_E_*. */
typedef int sx_call(void *ctx, const char *name, long n, const sx_datum *args, sx_datum *out);

/* Scope of a group's scalar members (config `vars`, template params). They are computed whenever they are
 * read, so that a scope never changes and threads may share it; a cycle is an error. */
sx_scope *sx_scope_open(sx_arena *a, const sx_scope *outer, const sx_conf *vars);
/* The same with one more name: a loop index. Variables of the outer scopes do not see it. */
sx_scope *sx_scope_bind(sx_arena *a, const sx_scope *outer, const char *name, sx_datum value);
/* A copy of s whose innermost group of variables has other values for n of them: a trial's. What is computed
 * from them follows. */
sx_scope *sx_scope_set(sx_arena *a, const sx_scope *s, long n, const char *const *name,
                       const sx_datum *value);
/* Checks the names and values of all members of vars, the group of a scope s; every error at once. */
int sx_scope_check(sx_arena *a, const sx_scope *s, const sx_conf *vars, sx_diags *d);
/* call: SX_E_UNSUPPORTED if it does not know the name. */
sx_scope *sx_scope_calls(sx_arena *a, const sx_scope *outer, sx_call *call, void *ctx);
/* The same names for values that a study stores, so that no secret of the environment may be in them. */
sx_scope *sx_scope_stored(sx_arena *a, const sx_scope *outer);
bool sx_scope_has(const sx_scope *s, const char *name);
int sx_scope_get(sx_arena *a, const sx_scope *s, const char *name, sx_where where, sx_datum *out,
                 sx_diags *d);
bool sx_variable_name(const char *name);         /* a letter or '_', then such and digits */
bool sx_reserved_name(const char *name);         /* a function's or keyword's name: no variable may have it */

/* Evaluates an expression's text. Errors carry where. */
int sx_eval(sx_arena *a, const char *text, const sx_scope *s, sx_where where, sx_datum *out, sx_diags *d);
/* Replaces ${expr} in text ($${ is a plain ${); a text that is just "${expr}" keeps the expression's type. */
int sx_interpolate(sx_arena *a, const char *text, const sx_scope *s, sx_where where, sx_datum *out,
                   sx_diags *d);
/* A setting as the wanted type: where a number or truth value is wanted, a text is an expression; in any text
 * ${} is replaced; a list member by member; a single value is a list of one where a list is wanted. NONE: as
 * it stands (a text is a word). */
int sx_conf_datum(sx_arena *a, const sx_conf *c, const sx_scope *s, sx_datum_kind wanted, sx_datum *out,
                  sx_diags *d);
/* The same without the check: the value as it is read when that kind is wanted, for callers with better words
 * of their own. */
int sx_conf_value(sx_arena *a, const sx_conf *c, const sx_scope *s, sx_datum_kind wanted, sx_datum *out,
                  sx_diags *d);
bool sx_datum_is_number(const sx_datum *v);
/* of a list, its last one at most; else itself */
sx_datum sx_datum_element(const sx_datum *of, long element);
bool sx_datum_equal(const sx_datum *a, const sx_datum *b);
double sx_datum_real(const sx_datum *v);         /* of int, real, bool; NaN otherwise */
/* as a person reads it: 3, 0.001, relu, [1, 2] */
const char *sx_datum_text(sx_arena *a, const sx_datum *v);
const char *sx_real_text(sx_arena *a, double v); /* the shortest decimal that reads back equal */
#endif
