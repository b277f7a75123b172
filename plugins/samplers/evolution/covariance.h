/* covariance.h: what CMA-ES knows of a numeric search space: mean, step size, covariance, and how they change
 * by a population. Coordinates are between 0 and 1. */
#ifndef COVARIANCE_H
#define COVARIANCE_H
#include <stdbool.h>

typedef struct {
    int d; long lambda;                          /* numeric axes; points in a generation */
    double mu_eff, c_sigma, d_sigma, c_c, c_1, c_mu, chi;            /* Hansen's constants */
    double *weight;                              /* [lambda], of ranks; negative ones last */
    double sigma, *mean, *scale;                 /* scale: of each axis, widened where a grid would trap it */
    double *c, *b, *root;                        /* [d][d], its eigenvectors (columns), roots of its values */
    double *path_c, *path_s;                     /* evolution paths */
    long generation;                             /* since the last start */
    double *work;                                /* [4 d + d d] */
} covariance;

/* NULL: no memory. */
covariance *covariance_open(int d, long most);
void covariance_close(covariance *c);
void covariance_start(covariance *c, long lambda, double sigma, const double *mean);
void covariance_point(const covariance *c, const double *z, double *v);         /* z: standard normal */
/* v: [lambda][d], the points as drawn, best first. */
void covariance_update(covariance *c, const double *v);
/* Of a grid with this many values: neither side may become less likely than alpha. */
void covariance_margin(covariance *c, int axis, long values, double alpha);
/* Nothing moves any more; values: of each axis, 0 where it is continuous. */
bool covariance_spent(const covariance *c, const long *values, double least);
#endif
