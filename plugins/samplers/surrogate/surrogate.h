/* surrogate.h: the parts of the samplers that model a history before they suggest (gp, forest, auto):
 * coordinates, targets, models, and the search for the point that a model likes best. Pure functions, but
 * for nothing. */
#ifndef SURROGATE_H
#define SURROGATE_H
#include "../parzen/parzen.h"

/* --- Coordinates (coords.c): an axis in [0, 1] (log axes in the logarithm, normal ones by their law),
 * categories as they are, inactive ones far from both. Two axes differ by min(1, difference squared). --- */
#define COORDS_OFF (-8.0)
typedef struct {
    const sx_axis *axis;
    bool category;                               /* a choice without order */
    long count;                                  /* of values; 0: continuous */
    double low, width;                           /* of z */
} coord;
typedef struct { const sx_space *space; int d; const coord *axis; } coords;
coords coords_of(parzen_pool *p, const sx_space *s);
void coords_put(const coords *c, const double *x, double *u);        /* a legal point -> its coordinates */
double coords_of_value(const coord *c, double x);
double coords_value(const coord *c, double u);                       /* the legal value nearest to u */
double coords_level(const coord *c, long k);                         /* value k of a finite axis */

/* --- Tried points (untried.c) --- */
bool untried(const sx_space *s, const sx_history *h, const double *x);
/* A new point by the prior; in a finite space whose last points chance does not find, by counting. 1:
 * exhausted. */
int untried_random(const sx_space *s, const sx_history *h, sx_rng *r, double *x);

/* --- Targets (targets.c): what a model learns from a history --- */
typedef struct {
    long n;
    const sx_trial **trial;                      /* [n]: the latest state of each */
    double *y;                                   /* [n]: less is better; mean 0, deviation 1 */
    double worst;                                /* what a failed one gets */
} targets;
enum { TARGETS_MOST = 300 };                     /* beyond: the best, the latest and some */
/* Of the first `done` trials. weight: of several objectives (NULL: the first one alone). */
targets targets_of(parzen_pool *p, const sx_space *s, const sx_history *h, long done, const double *weight);
/* Of constraint c: 0 where it is at its limit, near 1 where it is usual. */
targets targets_constraint(parzen_pool *p, const sx_history *h, long done, int c);

/* --- Matrices: lower halves of [n][n], by rows (cholesky.c) --- */
bool cholesky_factor(long n, double *a, double *spare);  /* in place; spare [4][n]; false: not positive */
void cholesky_solve(long n, long width, const double *l, double *y); /* A^-1 y; width: of a row of l */
void cholesky_inverse(long n, const double *l, double *spare, double *inverse);      /* of A; spare [n][n] */

/* --- The kernel (kernel.c); u: [n][d]; gap: of row i, d runs of i numbers --- */
enum { KERNEL_LANES = 32 };
void kernel_gaps(int d, long n, const double *u, double *gap);
/* Below the diagonal: k and its slope by the weighted sum of gaps. length: inverse squares. */
void kernel_rows(int d, long n, const double *gap, const double *length, double scale, double *k,
                 double *slope);
/* The sum of w times the gaps of each axis; spare [d][n]. */
void kernel_pull(int d, long n, const double *gap, const double *w, double *spare, double *pull);
/* One point u against KERNEL_LANES others, at: [d][KERNEL_LANES]. */
void kernel_lanes(int d, const double *u, const double *at, const double *length, double scale, double *k);

/* --- Gaussian processes (process.c); theta: logs of d inverse squared lengths, scale, noise --- */
typedef struct {                                 /* room for finding theta */
    int d; long n; const double *y;
    double *gap, *k, *slope, *factor, *spare, *inverse, *alpha, *length;
} process_fit;
process_fit *process_prepare(parzen_pool *p, int d, long n, const double *u, const double *y);
/* The logarithm, without its constant. */
double process_likelihood(process_fit *f, const double *theta, double *gradient);
/* How unlikely axes that do not matter, axes that matter in the small, and noise are. */
typedef struct { double smooth, rough, noise; } process_belief;
/* The logarithm; adds to gradient. */
double process_prior(const process_belief *b, int d, const double *theta, double *gradient);
/* Goes up from theta; step: the first one. */
void process_climb(parzen_pool *p, process_fit *f, const process_belief *b, int iterations, double step,
                   double *theta);
typedef struct {
    int d; long n;                               /* points; those beyond `told` have no value yet */
    const double *u;                             /* [n][d] */
    double *length, scale, noise, *factor, *alpha, *lanes;
} process;
/* NULL: theta does not suit. */
process *process_open(parzen_pool *p, int d, long n, long told, const double *u, const double *y,
                      const double *theta);
void process_predict(const process *g, long n, const double *u, double *mean, double *var);

/* --- Improvement (improve.c) --- */
double improve_log(double mean, double var, double best);            /* ln E max(0, best - f) */
double improve_standard(double z);                                   /* ln (phi(z) + z Phi(z)) */

/* --- Where a score is highest (acquire.c) --- */
typedef struct {
    const coords *space; const sx_history *history; sx_rng *rng; parzen_pool *pool;
    const sx_trial **good; long goods;           /* best trials first */
    void (*score)(void *model, long n, const double *u, double *out);
    void *model;
} acquisition;
enum { ACQUIRE_MOST = 1024 };                    /* points scored at once */
bool acquire(const acquisition *q, double *x);   /* false: found no untried point */

/* --- Suggestions by any model (suggestion.c) --- */
typedef struct {                                 /* what is asked for */
    const sx_space *s; const sx_history *h; sx_rng *r;
    parzen_pool *pool;
    coords c;
} suggestion;
typedef struct {                                 /* a kind of model */
    void *(*open)(const sx_space *s); void (*close)(void *own);      /* what is kept between asks; or NULL */
    void (*prepare)(void *own, const suggestion *q);                 /* or NULL */
    /* Of the objective (0) or constraint which - 1: n rows u, values y of the first `told`; NULL: none. */
    void *(*model)(void *own, const suggestion *q, int which, long n, long told, const double *u,
                   const double *y);
    void (*predict)(const void *model, long n, const double *u, double *mean, double *var);
} surrogate;
extern const surrogate gaussian, forest;
double *suggestion_rows(parzen_pool *p, const suggestion *q, const targets *t, long room);
/* Of the objective (0) or of constraint which - 1; key: of the weights of several objectives. */
targets suggestion_targets(parzen_pool *p, const suggestion *q, int which, long done, uint64_t key);
typedef struct suggester suggester;
suggester *suggester_open(const surrogate *kind, const sx_space *s);
void suggester_close(suggester *m);
int suggester_ask(suggester *m, long startup, const sx_space *s, const sx_history *h, sx_rng *r, double *x);
#endif
