/* importance.h: which axes of a space decide how good a trial is, from finished trials. */
#ifndef SX_IMPORTANCE_H
#define SX_IMPORTANCE_H
#include <strix/plugin.h>
#include "arena.h"

/* Finished trials: x[i] is a point (NaN: inactive), y[i] its value, minimised and finite. */
typedef struct { const sx_space *space; long n; const double *const *x, *y; } sx_told;
/* share: of all importance together, so that the sum is 1 (0 where no axis matters); NaN: this method cannot
 * tell. active: share of the trials that have this axis. */
typedef struct { int axis; double share, active; } sx_importance;
/* How important each axis is, in one way: raw[axis], >= 0; NaN: it cannot tell. */
typedef void sx_importance_method(sx_arena *a, const sx_told *t, double *raw);

/* PED-ANOVA (Watanabe, Bansal, Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in
 * Arbitrary Subspaces", IJCAI 2023): how far the values of the best tenth lie from those of all trials; an
 * axis that is not always active is judged where it is, weighted by how often. */
sx_importance_method sx_importance_ped;
/* fANOVA (Hutter, Hoos, Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML
 * 2014): the share of a random forest's variance that an axis explains alone. Knows axes that are active in
 * every trial. */
sx_importance_method sx_importance_fanova;
/* An axis as a grid of cells, evenly spaced in x or, of log axes, in ln x; of a choice, its options. */
typedef struct { const sx_axis *axis; int at; long cells; double low, width; } sx_grid;
sx_grid sx_importance_grid(const sx_told *t, int axis);
double sx_importance_place(const sx_grid *g, double x);              /* in cells: 0 .. cells - 1 */
/* The axes that some trial had, the most important one first. Returns how many. */
long sx_importance_rank(sx_arena *a, const sx_told *t, sx_importance_method *method, sx_importance **out);
#endif
