/* parzen.h: the Parzen estimators of TPE in two flavours, and how a history is split into good and bad
 * trials. Pure functions of observations; tests/tpe_vectors runs the very same ones against the peers' own
 * numbers. */
#ifndef PARZEN_H
#define PARZEN_H
#include <strix/plugin.h>

/* --- Memory of one ask: taken piece by piece, given back at once. A piece is never NULL. --- */
typedef struct parzen_chunk parzen_chunk;
typedef struct { parzen_chunk *first, *now; } parzen_pool;           /* zeroed: empty */
void *parzen_take(parzen_pool *p, size_t count, size_t bytes);       /* aligned, not zeroed */
void parzen_reset(parzen_pool *p);                                   /* keeps the chunks for the next ask */
void parzen_free(parzen_pool *p);
#define PARZEN_NEW(p, T, n) ((T *)parzen_take(p, (size_t)(n), sizeof(T)))

/* --- One axis in the estimators' terms: z = x, or ln x of log axes --- */
typedef struct {
    const sx_axis *axis; int at;                 /* at: its place in a point */
    bool log, bounded;
    double low, high;                            /* z inside; a grid's reach half a step beyond its ends */
    double step;                                 /* 0: continuous */
    double mu, sigma;                            /* the prior: middle and width, or the normal axis's own */
    long options; const double *weight;          /* of a choice (0: numeric); prior masses or NULL */
} parzen_axis;
parzen_axis parzen_axis_of(const sx_axis *a, int at);
double parzen_z(const parzen_axis *a, double x);
double parzen_x(const parzen_axis *a, double z);                     /* the legal value nearest to z */
/* What rounds to x, in z, cut to the axis. */
void parzen_cell(const parzen_axis *a, double x, double *from, double *to);
double parzen_prior_mass(const parzen_axis *a, double x); /* of a grid value, under the axis's own law */
double parzen_option(const parzen_axis *a, long option);             /* prior probability of an option */

/* --- A mixture of product kernels --- */
typedef struct {
    const parzen_axis *axis;
    long kernels;                                /* distinct ones: few on a grid */
    int32_t *of;                                 /* [m]: the kernel of a component */
    double *mu, *sigma;                          /* numeric: [kernels], in z */
    double *norm;                                /* [kernels]: log of what divides density or mass */
    double *prob;                                /* choice: [kernels][options]; hyperopt: one kernel */
} parzen_dim;
typedef struct {
    long m; double *weight;                      /* components; the weights' sum is 1 */
    int d; parzen_dim *dim;
    double accept;                               /* hyperopt: mass of the whole mixture inside the axis */
} parzen_mix;
typedef struct {
    const char *name;
    long startup; double gamma;                  /* defaults */
    /* Observations: n points in order of trial, all of them active in the d axes. flat: no forgetting. */
    parzen_mix *(*fit)(parzen_pool *p, const parzen_axis *const *axis, int d, const double *const *x, long n,
                       double prior_weight, bool flat);
    void (*draw)(const parzen_mix *mix, sx_rng *r, double *x);       /* d legal values */
    /* Log densities of n points x, [n][d]. */
    void (*score)(parzen_pool *p, const parzen_mix *mix, const double *x, long n, double *log_density);
} parzen_flavour;
extern const parzen_flavour parzen_hyperopt, parzen_optuna;
void parzen_weights(long n, double *w); /* of n observations, oldest first: the newest 25 count in full */

/* --- Splitting a history (split.c) --- */
typedef struct { const sx_trial **v; long n; } parzen_trials;        /* in order of number */
typedef struct {
    long n;                                      /* trials that count for the size of the good set */
    parzen_trials told, below, above;            /* told: those that decide which axes go together */
} parzen_split;
long parzen_good(const parzen_flavour *f, double gamma, long n, bool several);  /* size of the good set */
parzen_split parzen_divide(parzen_pool *p, const parzen_flavour *f, const sx_space *s, const sx_history *h,
                           double gamma, bool liar);
/* Labels axes that are active in the very same trials alike: 0, 1, .. by first axis; -1: never active.
 * Returns how many. */
int parzen_groups(int axes, const double *const *x, long n, int *label);
/* Axes active in all of them; none where n is 0. */
void parzen_common(int axes, const double *const *x, long n, bool *common);

/* Which axes are drawn together: those of one label; -1: alone. Optuna's joint block, or its groups. */
void parzen_label(parzen_pool *p, const parzen_flavour *f, const sx_space *s, const parzen_split *split,
                  bool joint, bool group, int *label);

/* --- Several objectives, all minimised (pareto.c); y: [n][m] --- */
void parzen_ranks(parzen_pool *p, const double *y, long n, int m, long *rank);  /* 0: not dominated */
double parzen_hypervolume(parzen_pool *p, const double *y, long n, int m, const double *reference);
/* Greedily the k points that add most hypervolume; picked: their places in order of the picking. */
void parzen_subset(parzen_pool *p, const double *y, long n, int m, const double *reference, long k,
                   long *picked);
/* The k best of n: whole ranks, then a subset of the next. */
void parzen_pareto(parzen_pool *p, const double *y, long n, int m, long k, bool *good);

/* --- The normal law, good in the far tails --- */
#define PARZEN_LN_SQRT_2PI 0.91893853320467274178
double parzen_log_phi(double x);                 /* ln Phi(x) */
double parzen_log_mass(double a, double b);      /* ln (Phi(b) - Phi(a)), a <= b */
double parzen_quantile(double q, double a, double b); /* Phi^-1(Phi(a) + q (Phi(b) - Phi(a))) */
double parzen_log_sum(const double *v, long n);  /* ln sum exp v */

/* --- Small parts --- */
void parzen_sort(parzen_pool *p, const double *key, long n, int32_t *order);    /* stable, ascending */
/* By inverse CDF; u in [0, 1) of the weights' sum. */
long parzen_pick(const double *weight, long n, double u);
#endif
