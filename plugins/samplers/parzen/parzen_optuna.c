/* parzen_optuna.c: Optuna's estimator: one product kernel per observation, truncated to the axes, and the
 * prior last. optuna/samplers/_tpe/parzen_estimator.py and probability_distributions.py, 5.0.0.
 * A mixture takes in and drops single observations: what follows from an observation and its neighbours alone
 * is kept, and kept numbers are those that a new mixture of the same observations would get. */
#include <string.h>
#include "parzen.h"

enum { MIDDLE, FIRST, LAST, SLOTS };             /* kernels of a level, by which observation there it is */

/* --- Kernels --- */
static void set_kernel(parzen_dim *dim, long k, double mu, double sigma)
{
    const parzen_axis *a = dim->axis;
    if (dim->sigma[k] == sigma && dim->mu[k] == mu) return;
    dim->mu[k] = mu;
    dim->sigma[k] = sigma;
    dim->inverse[k] = 1 / sigma;
    dim->norm[k] = parzen_log_mass((a->low - mu) / sigma, (a->high - mu) / sigma)
        + (a->step > 0 ? 0 : log(sigma) + PARZEN_LN_SQRT_2PI);
    dim->left[k] = NAN;
    for (long x = 0; x < dim->rows; x++) dim->mass[dim->made[x]][k] = NAN;
}

static double narrow_of(const parzen_axis *a, long n) { return a->sigma / fmin(100, (double)(2 + n)); }

/* The width is the distance to the farther neighbour; the ends of the axis are neighbours of a lone
 * observation only. */
static double width_of(const parzen_dim *dim, double left, double right)
{
    return fmin(fmax(fmax(left, right), dim->narrow), dim->axis->sigma);
}

/* Equal observations of a grid share kernels: the first and the last have neighbours at other levels. */
static void refresh_levels(parzen_dim *dim, long n)
{
    const parzen_axis *a = dim->axis;
    for (long k = 0, before = -1; k < a->levels; k++) {
        const double z = dim->z[k];
        long behind = k + 1;
        if (!dim->count[k]) continue;
        while (behind < a->levels && !dim->count[behind]) behind++;
        const double left = before >= 0 ? z - dim->z[before] : n == 1 ? z - a->low : 0;
        const double right = behind < a->levels ? dim->z[behind] - z : n == 1 ? a->high - z : 0;
        const bool lone = dim->count[k] == 1;
        set_kernel(dim, SLOTS * k + FIRST, z, width_of(dim, left, lone ? right : 0));
        if (!lone) set_kernel(dim, SLOTS * k + LAST, z, width_of(dim, 0, right));
        if (dim->count[k] > 2) set_kernel(dim, SLOTS * k + MIDDLE, z, width_of(dim, 0, 0));
        before = k;
    }
    set_kernel(dim, SLOTS * a->levels, a->mu, a->sigma);
}

/* The kernel at place p of the sorted observations. */
static void refresh_one(parzen_dim *dim, long n, long p)
{
    if (p < 0 || p >= n) return;
    const parzen_axis *a = dim->axis;
    const long i = dim->order[p];
    const double left = p ? dim->z[i] - dim->z[dim->order[p - 1]] : n == 1 ? dim->z[i] - a->low : 0;
    const double right = p < n - 1 ? dim->z[dim->order[p + 1]] - dim->z[i] : n == 1 ? a->high - dim->z[i] : 0;
    set_kernel(dim, i, dim->z[i], width_of(dim, left, right));
}

/* --- Observations of one axis --- */
static bool is_level(const parzen_dim *dim, long i, long level) { return dim->of[i] / SLOTS == level; }

/* Says again which observation of a level is the first one and which the last; -1: none of n is there. */
static void mark_ends(parzen_dim *dim, long n, long level, bool ends)
{
    long first = 0, last = n - 1;
    while (first < n && !is_level(dim, first, level)) first++;
    if (first == n) return;
    while (!is_level(dim, last, level)) last--;
    dim->of[last] = (int32_t)(SLOTS * level + (ends ? LAST : MIDDLE));
    dim->of[first] = (int32_t)(SLOTS * level + (ends ? FIRST : MIDDLE));
}

static void shift(void *v, size_t bytes, long n, long at, int by)
{
    char *from = (char *)v + (size_t)at * bytes;
    if (by > 0) memmove(from + bytes, from, (size_t)(n - at) * bytes);
    else memmove(from, from + bytes, (size_t)(n - at - 1) * bytes);
}

/* All arrays by component of a continuous axis make room at `at`, or close up. */
static void shift_kernels(parzen_dim *dim, long n, long at, int by)
{
    double *const arrays[] = { dim->z, dim->mu, dim->sigma, dim->inverse, dim->norm, dim->left, dim->right };
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) shift(arrays[k], sizeof(double), n, at, by);
    for (long p = 0; p < n; p++) if (dim->order[p] >= at + (by < 0)) dim->order[p] += by;
}

/* Where component `at` with this z belongs among n sorted ones: behind smaller and equal earlier ones. */
static long place_of(const parzen_dim *dim, long n, double z, long at)
{
    long low = 0, high = n;
    while (low < high) {
        const long p = low + (high - low) / 2, i = dim->order[p];
        if (dim->z[i] < z || (dim->z[i] == z && i < at)) low = p + 1;
        else high = p;
    }
    return low;
}

static void put_free(parzen_dim *dim, long n, long at, double z)
{
    shift_kernels(dim, n, at, 1);
    const long p = place_of(dim, n, z, at);
    shift(dim->order, sizeof *dim->order, n, p, 1);
    dim->order[p] = (int32_t)at;
    dim->z[at] = z;
    dim->sigma[at] = 0;
    dim->stale = dim->stale || narrow_of(dim->axis, n + 1) != dim->narrow;
    for (long k = p - 1; k <= p + 1 && !dim->stale; k++) refresh_one(dim, n + 1, k);
}

static void drop_free(parzen_dim *dim, long n, long at)
{
    const long p = place_of(dim, n, dim->z[at], at);
    shift(dim->order, sizeof *dim->order, n, p, -1);
    dim->order[n - 1] = -1;
    shift_kernels(dim, n, at, -1);
    dim->stale = dim->stale || narrow_of(dim->axis, n - 1) != dim->narrow;
    for (long k = p - 1; k <= p && !dim->stale; k++) refresh_one(dim, n - 1, k);
}

static void put_level(parzen_dim *dim, long n, long at, long level)
{
    mark_ends(dim, n, level, false);
    shift(dim->of, sizeof *dim->of, n, at, 1);
    dim->of[at] = (int32_t)(SLOTS * level);
    dim->count[level]++;
    mark_ends(dim, n + 1, level, true);
}

static void drop_level(parzen_dim *dim, long n, long at)
{
    const long level = dim->of[at] / SLOTS;
    mark_ends(dim, n, level, false);
    shift(dim->of, sizeof *dim->of, n, at, -1);
    dim->count[level]--;
    mark_ends(dim, n - 1, level, true);
}

/* --- Mixtures --- */
static void make_room(parzen_mix *mix, long room)
{
    parzen_pool *p = mix->pool;
    const size_t had = (size_t)mix->n;
    mix->room = room;
    mix->weight = PARZEN_NEW(p, double, room + 1);
    mix->row = parzen_more(p, mix->row, had, (size_t)room, sizeof *mix->row);
    mix->number = parzen_more(p, mix->number, had, (size_t)room, sizeof *mix->number);
    for (int j = 0; j < mix->d; j++) {
        parzen_dim *dim = &mix->dim[j];
        const bool numbered = dim->axis->options || dim->axis->levels;
        double **const arrays[] = { &dim->z, &dim->mu, &dim->sigma, &dim->inverse, &dim->norm, &dim->left,
                                    &dim->right };
        if (numbered) dim->of = parzen_more(p, dim->of, had, (size_t)room + 1, sizeof *dim->of);
        else dim->order = parzen_more(p, dim->order, had, (size_t)room, sizeof *dim->order);
        for (size_t k = 0; k < sizeof arrays / sizeof *arrays && !numbered; k++)
            *arrays[k] = parzen_more(p, *arrays[k], had, (size_t)room + 1, sizeof(double));
    }
}

static void open_dim(parzen_pool *p, parzen_dim *dim, const parzen_axis *a)
{
    *dim = (parzen_dim){ .axis = a, .stale = true };
    if (a->options || !a->levels) return;
    const long k = dim->kernels = SLOTS * a->levels + 1;
    double **const arrays[] = { &dim->mu, &dim->sigma, &dim->inverse, &dim->norm, &dim->left, &dim->right };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        *arrays[i] = memset(PARZEN_NEW(p, double, k), 0, (size_t)k * sizeof(double));
    dim->count = memset(PARZEN_NEW(p, long, a->levels), 0, (size_t)a->levels * sizeof *dim->count);
    dim->mass = memset(PARZEN_NEW(p, double *, a->levels), 0, (size_t)a->levels * sizeof *dim->mass);
    dim->made = PARZEN_NEW(p, long, a->levels);
    dim->z = PARZEN_NEW(p, double, a->levels);
    dim->value = PARZEN_NEW(p, double, a->levels);
    for (long i = 0; i < a->levels; i++) {
        dim->value[i] = sx_axis_snap(a->axis, a->first + (double)i * a->step);
        dim->z[i] = parzen_z(a, dim->value[i]);
    }
}

parzen_mix *parzen_optuna_open(parzen_pool *p, const parzen_axis *const *axis, int d, double prior_weight,
                               bool flat)
{
    parzen_mix *mix = PARZEN_NEW(p, parzen_mix, 1);
    *mix = (parzen_mix){ .d = d, .accept = 1, .pool = p, .prior_weight = prior_weight, .flat = flat };
    mix->dim = PARZEN_NEW(p, parzen_dim, d);
    for (int j = 0; j < d; j++) open_dim(p, &mix->dim[j], axis[j]);
    make_room(mix, 30);
    return mix;
}

void parzen_optuna_put(parzen_mix *mix, long number, const double *x)
{
    if (mix->n == mix->room) make_room(mix, 2 * mix->n);
    const long n = mix->n++;
    long at = n;
    while (at > 0 && mix->number[at - 1] > number) at--;
    shift(mix->number, sizeof *mix->number, n, at, 1);
    shift(mix->row, sizeof *mix->row, n, at, 1);
    mix->number[at] = number;
    mix->row[at] = x;
    for (int j = 0; j < mix->d; j++) {
        parzen_dim *dim = &mix->dim[j];
        const double here = x[dim->axis->at];
        if (dim->axis->levels) { put_level(dim, n, at, parzen_level(dim->axis, here)); continue; }
        if (!dim->axis->options) { put_free(dim, n, at, parzen_z(dim->axis, here)); continue; }
        shift(dim->of, sizeof *dim->of, n, at, 1);
        dim->of[at] = (int32_t)here;
    }
}

void parzen_optuna_drop(parzen_mix *mix, long number, const double *x)
{
    const long n = mix->n;
    long at = n - 1;
    while (at >= 0 && (mix->number[at] > number || (mix->number[at] == number && mix->row[at] != x))) at--;
    if (at < 0 || mix->number[at] != number) return;
    for (int j = 0; j < mix->d; j++) {
        parzen_dim *dim = &mix->dim[j];
        if (dim->axis->levels) drop_level(dim, n, at);
        else if (dim->axis->options) shift(dim->of, sizeof *dim->of, n, at, -1);
        else drop_free(dim, n, at);
    }
    shift(mix->number, sizeof *mix->number, n, at, -1);
    shift(mix->row, sizeof *mix->row, n, at, -1);
    mix->n--;
}

static void load_levels(parzen_dim *dim, const double *const *x, long n)
{
    for (long i = 0; i < n; i++) {
        const long level = parzen_level(dim->axis, x[i][dim->axis->at]);
        dim->of[i] = (int32_t)(SLOTS * level + (dim->count[level]++ ? MIDDLE : FIRST));
    }
    for (long k = 0; k < dim->axis->levels; k++) if (dim->count[k] > 1) mark_ends(dim, n, k, true);
}

static void load_free(parzen_pool *p, parzen_dim *dim, const double *const *x, long n)
{
    for (long i = 0; i < n; i++) dim->z[i] = parzen_z(dim->axis, x[i][dim->axis->at]), dim->sigma[i] = 0;
    parzen_sort(p, dim->z, n, dim->order);
}

void parzen_optuna_load(parzen_mix *mix, const long *number, const double *const *x, long n)
{
    if (n > mix->room) make_room(mix, n + n / 2);
    mix->n = n;
    for (long i = 0; i < n; i++) mix->number[i] = number ? number[i] : i, mix->row[i] = x[i];
    for (int j = 0; j < mix->d; j++) {
        parzen_dim *dim = &mix->dim[j];
        if (dim->axis->levels) load_levels(dim, x, n);
        else if (!dim->axis->options) load_free(mix->pool, dim, x, n);
        else for (long i = 0; i < n; i++) dim->of[i] = (int32_t)x[i][dim->axis->at];
    }
}

/* The more kernels of a choice, the sharper they are. */
static void settle_dim(parzen_dim *dim, long n)
{
    const parzen_axis *a = dim->axis;
    const double m = (double)(n + 1), k = (double)a->options, narrow = narrow_of(a, n);
    if (a->options) {
        dim->other = 1 / m / (1 + k / m);
        dim->same = (1 / m + 1) / (1 + k / m);
        dim->of[n] = (int32_t)a->options;
        return;
    }
    const bool all = dim->stale || narrow != dim->narrow || n < 3;
    dim->narrow = narrow;
    dim->stale = false;
    if (a->levels) {
        dim->of[n] = (int32_t)(SLOTS * a->levels);
        refresh_levels(dim, n);
        return;
    }
    for (long p = 0; p < n && all; p++) refresh_one(dim, n, p);
    dim->kernels = n + 1;
    dim->sigma[n] = 0;
    set_kernel(dim, n, a->mu, a->sigma);
}

void parzen_optuna_settle(parzen_mix *mix)
{
    const long n = mix->n;
    double sum = 0;
    mix->m = n + 1;
    parzen_weights(n, mix->weight);
    if (mix->flat) for (long i = 0; i < n; i++) mix->weight[i] = 1;
    mix->weight[n] = mix->prior_weight;
    for (long i = 0; i <= n; i++) sum += mix->weight[i];
    for (long i = 0; i <= n; i++) mix->weight[i] /= sum;
    for (int j = 0; j < mix->d; j++) settle_dim(&mix->dim[j], n);
}

static parzen_mix *fit(parzen_pool *p, const parzen_axis *const *axis, int d, const double *const *x, long n,
                       double prior_weight, bool flat)
{
    parzen_mix *mix = parzen_optuna_open(p, axis, d, prior_weight, flat);
    parzen_optuna_load(mix, NULL, x, n);
    parzen_optuna_settle(mix);
    return mix;
}

double parzen_kernel_option(const parzen_dim *dim, long kernel, long option)
{
    return kernel == dim->axis->options ? parzen_option(dim->axis, option)
        : kernel == option ? dim->same : dim->other;
}

/* The kernel's own option stands between those that are all alike. */
static long pick_option(const parzen_dim *dim, long kernel, double u)
{
    const long options = dim->axis->options;
    const double from = (double)kernel * dim->other, to = from + dim->same;
    if (kernel == options) return (long)sx_axis_at(dim->axis->axis, u);
    if (u >= from && u < to) return kernel;
    const long k = u < from ? (long)(u / dim->other) : kernel + 1 + (long)((u - to) / dim->other);
    return k < options ? k : options - 1;
}

static double draw_numeric(parzen_dim *dim, long k, double u)
{
    const parzen_axis *a = dim->axis;
    const double mu = dim->mu[k], sigma = dim->sigma[k];
    const double low = (a->low - mu) / sigma, high = (a->high - mu) / sigma;
    if (isnan(dim->left[k])) parzen_tails(low, high, &dim->left[k], &dim->right[k]);
    const double z = mu + sigma * parzen_between(u, low, high, dim->left[k], dim->right[k]);
    return a->levels ? dim->value[parzen_level(a, a->log ? exp(z) : z)] : parzen_x(a, z);
}

static void draw(const parzen_mix *mix, sx_rng *r, double *x)
{
    const long i = parzen_pick(mix->weight, mix->m, sx_uniform(r));
    for (int j = 0; j < mix->d; j++) {
        parzen_dim *dim = &mix->dim[j];
        const long k = dim->of ? dim->of[i] : i;
        const double u = sx_uniform(r);
        x[j] = dim->axis->options ? (double)pick_option(dim, k, u) : draw_numeric(dim, k, u);
    }
}

const parzen_flavour parzen_optuna = { "optuna", 10, 0.1, fit, draw, parzen_score };
