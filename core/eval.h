/* eval.h: what expr.c and scope.c share: one evaluation from outside, with all the variables that it has to read on the way. */
#ifndef SX_EVAL_H
#define SX_EVAL_H
#include "expr.h"

typedef struct { const char *name; sx_datum value; } sx_bound;
/* One frame: bound names hide those of vars, these hide the outer frames'. Never changed once made, so threads may share it. */
struct sx_scope {
    const sx_scope *outer;
    const sx_conf *vars;
    const sx_bound *bound; long n;
    sx_call *call; void *ctx;
};
/* A variable that is being computed right now; up: the one that needs it. */
typedef struct sx_busy { const sx_scope *frame; const char *name; const struct sx_busy *up; int depth; } sx_busy;
enum { SX_EVAL_CHAIN = 32, SX_EVAL_READS = 10000, SX_EVAL_TEXT = 65536 };
typedef struct {
    sx_arena *a; sx_diags *d;
    const sx_busy *busy;
    long reads;                                  /* of variables; bounds the time of a doubling chain */
    const char *why;                             /* why a text is read as an expression, or NULL */
} sx_work;

int sx_work_eval(sx_work *w, const char *text, const sx_scope *s, sx_where where, bool env, sx_datum *out);
/* Reads a name: 0, SX_E_CONFIG with its story told, or SX_E_UNSUPPORTED and no story: there is no such name. */
int sx_work_get(sx_work *w, const sx_scope *s, const char *name, sx_datum *out);
/* Calls a function of the scope: SX_E_UNSUPPORTED: there is none of that name. */
int sx_work_call(sx_work *w, const sx_scope *s, const char *name, long n, const sx_datum *args, sx_datum *out);
const char *sx_work_nearest(sx_work *w, const sx_scope *s, const char *name);    /* variable; NULL: none is near */
const char *sx_env_value(sx_arena *a, const char *name, bool *allowed);
#endif
