/* space.h: tune.space -> axes with conditions; a point of the space -> values of variables. Kinds of a
 * domain: choice, int, uniform, loguniform, normal, lognormal, quniform, qloguniform, qnormal, qlognormal,
 * with `per = "count"` vectors and `weights` of a choice. A choice of groups nests: members of a branch exist
 * only in that branch. */
#ifndef SX_SPACE_H
#define SX_SPACE_H
#include "expr.h"

typedef struct {                                 /* one axis as the core knows it */
    /* name: the variable, `name@branch` where branches differ, name[b] of a vector */
    sx_axis axis;
    /* the variable that it sets; its place in a `per` vector, or -1 */
    const char *name; long element;
    /* of a choice: values (NONE for groups) and shown texts */
    const sx_datum *option; const char *const *label;
    const sx_conf *where;
} sx_var;
/* a branch that sets a variable to one value */
typedef struct {
    const char *name; sx_datum value; int axis, option;
    long element; const char *label;             /* of a vector, or -1; "kernel[1]", or the name */
} sx_fixed;
typedef struct sx_domain sx_domain;
struct sx_domain {
    sx_space space;                              /* what samplers see */
    sx_var **var;                                /* space.n of them */
    const sx_fixed *fixed; long n_fixed;
    const sx_conf *root;                         /* tune.space */
};
/* A named value of a point, as shown and stored: inactive axes are missing. */
typedef struct { const char *name; sx_datum value; } sx_named;

/* Reads tune.space. Where a count is searched, its `per` vectors stand at the top or in the very branch of
 * the count. vars: the `vars` group, in which every name must stand (or in a group of a choice). objectives
 * and constraints go into space. An empty or missing space gives 0 axes. */
int sx_domain_open(sx_arena *a, const sx_conf *space, const sx_conf *vars, const sx_scope *scope,
                   int objectives, int constraints, sx_domain **out, sx_diags *d);
/* scope with the variables that the point x sets. x must be legal (sx_domain_repair). */
sx_scope *sx_domain_bind(sx_arena *a, const sx_domain *s, const double *x, const sx_scope *scope);
/* Snaps every axis to a legal value and blanks inactive ones (NaN). */
void sx_domain_repair(const sx_domain *s, double *x);
/* active ones, typed */
long sx_domain_values(sx_arena *a, const sx_domain *s, const double *x, sx_named **out);
/* The inverse: from named values (a stored trial, `study add --set`); an axis that is not named reads its
 * variable in scope. SX_E_REFUSED: does not fit. */
int sx_domain_point(sx_arena *a, const sx_domain *s, const sx_named *named, long n, const sx_scope *scope,
                    double *x, sx_diags *d);
/* "4 to 16 by 4", "relu, tanh": the values of an axis, in words. */
const char *sx_axis_words(sx_arena *a, const sx_var *v);
/* The same for some of the values: what is not named may be anything that lets those stand. */
int sx_domain_some(sx_arena *a, const sx_domain *s, const sx_named *named, long n, const sx_scope *scope,
                   double *x, sx_diags *d);
uint64_t sx_domain_size(const sx_domain *s);     /* number of points; 0: infinite (or above 2^63) */
/* for the store: names, kinds, bounds, conditions */
const char *sx_domain_json(sx_arena *a, const sx_domain *s);
/* distribution_json exactly as Optuna writes it */
const char *sx_axis_optuna(sx_arena *a, const sx_var *v);
#endif
