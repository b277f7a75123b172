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
typedef struct { parzen_chunk *now; size_t used; } parzen_place;
parzen_place parzen_here(const parzen_pool *p);
void parzen_back(parzen_pool *p, parzen_place here);                 /* gives back what was taken since */
void parzen_free(parzen_pool *p);
#define PARZEN_NEW(p, T, n) ((T *)parzen_take(p, (size_t)(n), sizeof(T)))
/* A copy of `had` pieces with room for more. */
void *parzen_more(parzen_pool *p, const void *old, size_t had, size_t count, size_t bytes);

/* --- One axis in the estimators' terms: z = x, or ln x of log axes --- */
typedef struct {
    const sx_axis *axis; int at;                 /* at: its place in a point */
    bool log, bounded;
    double low, high;                            /* z inside; a grid's reach half a step beyond its ends */
    double step;                                 /* 0: continuous */
    long levels; double first;                   /* of a small grid: how many values, the first; else 0 */
    double mu, sigma;                            /* the prior: middle and width, or the normal axis's own */
    long options; const double *weight;          /* of a choice (0: numeric); prior masses or NULL */
} parzen_axis;
enum { PARZEN_LEVELS = 512 };
parzen_axis parzen_axis_of(const sx_axis *a, int at);
long parzen_level(const parzen_axis *a, double x);                   /* of a grid: 0 .. levels - 1 */
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
    int32_t *of;                                 /* grid, choice: [m], the kernel of a component; else NULL */
    double *mu, *sigma, *inverse;                /* numeric: [kernels], in z; 1 / sigma */
    double *norm;                                /* [kernels]: log of what divides density or mass */
    double *left, *right;                        /* [kernels]: what the axis cuts off; NaN: not computed */
    double *z;                                   /* of the levels of a grid; else of the components */
    double *value;                               /* of the levels */
    long *count;                                 /* grid: observations at each level */
    double **mass; long *made, rows;             /* grid: [levels], log masses under the kernels (NaN: not
                                                    computed), or NULL; the levels that have them */
    int32_t *order;                              /* neither grid nor choice: components by z */
    double same, other;                          /* choice: probability of the own option, of another one */
    double *prob;                                /* hyperopt's choice: [options], one kernel */
    double narrow; bool stale;                   /* least width; all widths have to be looked at */
} parzen_dim;
typedef struct {
    long m; double *weight;                      /* components; the weights' sum is 1 */
    int d; parzen_dim *dim;
    double accept;                               /* hyperopt: mass of the whole mixture inside the axis */
    long n, room; long *number; const double **row;      /* Optuna: observations by number of trial */
    double prior_weight; bool flat;
    parzen_pool *pool;
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
/* Optuna's mixture in steps: empty; all observations at once (number NULL: 0, 1, ..); one more, one less (the
 * row that was put); settled after any of them. What comes out depends on the observations alone. Rows must
 * stay. */
parzen_mix *parzen_optuna_open(parzen_pool *p, const parzen_axis *const *axis, int d, double prior_weight,
                               bool flat);
void parzen_optuna_load(parzen_mix *mix, const long *number, const double *const *x, long n);
void parzen_optuna_put(parzen_mix *mix, long number, const double *x);
void parzen_optuna_drop(parzen_mix *mix, long number, const double *x);
void parzen_optuna_settle(parzen_mix *mix);
double parzen_kernel_option(const parzen_dim *dim, long kernel, long option);   /* Optuna's choice */
/* parzen_score.c: the score of Optuna's mixtures */
void parzen_score(parzen_pool *p, const parzen_mix *mix, const double *x, long n, double *log_density);

/* --- What is known of a history, in order of number, and which trials are good (split.c, book.c) --- */
typedef struct { int rank; double a, b; } parzen_merit;              /* less is better, rank first */
enum { PARZEN_COMPLETE, PARZEN_PRUNED, PARZEN_INFEASIBLE, PARZEN_BAD };
typedef enum { PARZEN_NEITHER, PARZEN_BELOW, PARZEN_ABOVE } parzen_side;
typedef struct {
    long number; double *x;                      /* the point; behind it the objectives of a complete trial */
    parzen_merit merit;
    parzen_side side;
    bool counts, passing, found;                 /* counts for the size of the good set; of this ask alone */
} parzen_entry;
typedef struct { long number; const double *x; parzen_side from, to; } parzen_change;
typedef struct {
    const parzen_flavour *f; const sx_space *s;
    double gamma; bool liar;
    parzen_pool pool; double **spare; long spares, spare_room;       /* memory of points */
    long done; const sx_trial *last;             /* of the history that was taken in */
    parzen_entry *v; long n, room;
    long told;                                   /* entries that count */
    const double **pattern; long patterns, pattern_room;     /* a point of every set of active axes */
    parzen_change *log; long logged, log_room;   /* who changed sides, in order */
    long epoch;                                  /* the log began anew, and with it whoever follows it */
} parzen_book;
parzen_book *parzen_book_open(const parzen_flavour *f, const sx_space *s, double gamma, bool liar);
void parzen_book_close(parzen_book *b);
void parzen_book_read(parzen_book *b, const sx_history *h);
void parzen_book_split(parzen_book *b, parzen_pool *p);              /* says who is good */
/* The points of one side, in order of number; returns how many. number may be NULL. */
long parzen_book_side(const parzen_book *b, parzen_pool *p, parzen_side side, const double ***x,
                      long **number);

long parzen_good(const parzen_flavour *f, double gamma, long n, bool several);  /* size of the good set */
bool parzen_seen(const parzen_flavour *f, sx_fate fate, bool liar);  /* does it look at such a trial? */
bool parzen_counts(const parzen_flavour *f, sx_fate fate);
parzen_merit parzen_merit_of(const parzen_flavour *f, const sx_space *s, const sx_trial *t);
/* Marks the `want` best of n. */
void parzen_mark(parzen_pool *p, const sx_space *s, const parzen_entry *v, long n, long want, bool *good);
/* Labels axes that are active in the very same points alike: 0, 1, .. by first axis; -1: never active.
 * Returns how many. */
int parzen_groups(int axes, const double *const *x, long n, int *label);
/* Axes active in all of them; none where n is 0. */
void parzen_common(int axes, const double *const *x, long n, bool *common);
/* Which axes are drawn together: those of one label; -1: alone. Optuna's joint block, or its groups. */
void parzen_label(parzen_pool *p, const parzen_book *b, bool joint, bool group, int *label);

/* --- Several objectives, all minimised (pareto.c); y: [n][m] --- */
void parzen_ranks(parzen_pool *p, const double *y, long n, int m, long *rank);  /* 0: not dominated */
double parzen_hypervolume(parzen_pool *p, const double *y, long n, int m, const double *reference);
double parzen_exclusive(parzen_pool *p, const double *y, long n, int m, const double *reference,
                        const double *point);    /* what a point adds to the volume of y */
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
void parzen_tails(double a, double b, double *left, double *right);  /* Phi(a), 1 - Phi(b) */
double parzen_between(double q, double a, double b, double left, double right);  /* of known tails */
double parzen_log_sum(const double *v, long n);  /* ln sum exp v */

/* --- Small parts --- */
void parzen_sort(parzen_pool *p, const double *key, long n, int32_t *order);    /* stable, ascending */
/* By inverse CDF; u in [0, 1) of the weights' sum. */
long parzen_pick(const double *weight, long n, double u);
#endif
