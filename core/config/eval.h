/* eval.h: what expr.c, scope.c and number.c share: one evaluation from outside, with all the variables that
 * it has to read on the way, and the operations on values. */
#ifndef SX_EVAL_H
#define SX_EVAL_H
#include "expr.h"

enum { SX_EVAL_CHAIN = 32, SX_EVAL_READS = 10000, SX_EVAL_TEXT = 65536, SX_EVAL_ARGUMENTS = 16 };

typedef struct { const char *name; sx_datum value; } sx_bound;
/* One frame: bound names hide those of vars, these hide the outer frames'. Never changed once made, so that
 * threads may share it. */
struct sx_scope {
    const sx_scope *outer;
    const sx_conf *vars;
    const sx_bound *bound; long n;
    sx_call *call; void *ctx;
    bool stored;                                 /* what is read through it goes into a study: no environment */
};
/* A variable that is being computed right now; up: the one that needs it. */
typedef struct sx_busy {
    const sx_scope *frame; const char *name;
    const struct sx_busy *up; int depth;
} sx_busy;
typedef struct {
    sx_arena *a; sx_diags *d;
    const sx_busy *busy;
    long reads;                                  /* of variables; bounds the time of a doubling chain */
    const char *why;                             /* why a text is read as an expression, or NULL */
    bool stored;                                 /* of the scope that it began with */
} sx_work;

int sx_work_eval(sx_work *w, const char *text, const sx_scope *s, sx_where where, bool env, sx_datum *out);
/* Reads a name: 0, SX_E_CONFIG with its story told, or SX_E_UNSUPPORTED without: there is no such name. */
int sx_work_get(sx_work *w, const sx_scope *s, const char *name, sx_datum *out);
/* Calls a function of the scope: SX_E_UNSUPPORTED: there is none of that name. */
int sx_scope_call(const sx_scope *s, const char *name, long n, const sx_datum *args, sx_datum *out);
/* variable; NULL: none is near */
const char *sx_scope_nearest(sx_arena *a, const sx_scope *s, const char *name);
const char *sx_env_value(sx_arena *a, const char *name, bool *allowed);

/* Operations: NULL, or the text of an error. */
const char *sx_datum_arithmetic(sx_arena *a, const char *op, const sx_datum *x, const sx_datum *y,
                                sx_datum *out);
const char *sx_datum_compare(sx_arena *a, const char *op, const sx_datum *x, const sx_datum *y,
                             sx_datum *out);
const char *sx_datum_call(sx_arena *a, const char *name, long n, const sx_datum *v, sx_datum *out);
bool sx_datum_function(const char *name);        /* is there a built-in function of that name? */
const char *sx_datum_nearest_function(const char *name);
const char *sx_datum_kind_text(const sx_datum *v);                   /* "a truth value" */
#endif
