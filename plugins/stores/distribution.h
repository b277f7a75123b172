/* distribution.h: Optuna's words for the domain of one parameter, and values in and out of them. */
#ifndef SX_DISTRIBUTION_H
#define SX_DISTRIBUTION_H
#include <jansson.h>
#include <strix/plugin.h>
#include <stdio.h>

typedef struct { json_t *choices; bool whole, log; double low, high, step; } sx_dist;    /* step 0: none */
bool sx_dist_read(const char *json, sx_dist *d); /* every form that Optuna has written; false: none of them */
void sx_dist_free(sx_dist *d);
char *sx_dist_write(const sx_dist *d);           /* as Optuna 5 writes it, for free() */
double sx_dist_internal(const sx_dist *d, const json_t *v);   /* as shown -> as stored; NaN: no such value */
void sx_dist_show(const sx_dist *d, double x, FILE *to);             /* and back, as JSON */
bool sx_dist_like(const sx_dist *a, const sx_dist *b);        /* Optuna's rule for one name in a study */
void sx_dist_join(sx_dist *a, const sx_dist *b); /* a: wide enough for both */
sx_axis sx_dist_axis(const sx_dist *d, const char *name);
#endif
