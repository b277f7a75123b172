/* parzen.c: what both flavours of TPE share: axes, weights, sorting, memory.
 * The formulas are those of hyperopt 0.3 and Optuna 5; docs/search.md tells where they differ. */
#include <float.h>
#include <stdlib.h>
#include <string.h>
#include "parzen.h"

struct parzen_chunk { parzen_chunk *next; size_t size, used; max_align_t data[]; };
enum { CHUNK = 1 << 16, FORGET = 25 };

static parzen_chunk *chunk(size_t size)
{
    parzen_chunk *c = size < SIZE_MAX / 2 ? malloc(sizeof *c + size) : NULL;
    if (!c) abort();                             /* as sx_alloc: memory so small costs one trial */
    *c = (parzen_chunk){ NULL, size, 0 };
    return c;
}

void *parzen_take(parzen_pool *p, size_t count, size_t bytes)
{
    const size_t unit = sizeof(max_align_t);
    if (count > SIZE_MAX / 4 / bytes) abort();
    const size_t size = (count * bytes + unit - 1) / unit * unit;
    while (!p->now || p->now->size - p->now->used < size) {
        parzen_chunk *next = p->now ? p->now->next : p->first;
        if (!next) {
            const size_t least = p->now ? 2 * p->now->size : CHUNK;  /* so that growing needs end soon */
            next = chunk(size > least ? size : least);
            *(p->now ? &p->now->next : &p->first) = next;
        }
        next->used = 0;
        p->now = next;
    }
    void *piece = (char *)p->now->data + p->now->used;
    p->now->used += size;
    return piece;
}

void *parzen_more(parzen_pool *p, const void *old, size_t had, size_t count, size_t bytes)
{
    void *more = parzen_take(p, count, bytes);
    if (had) memcpy(more, old, had * bytes);
    return more;
}

void parzen_reset(parzen_pool *p)
{
    if (p->first) p->first->used = 0;
    p->now = p->first;
}

parzen_place parzen_here(const parzen_pool *p) { return (parzen_place){ p->now, p->now ? p->now->used : 0 }; }

void parzen_back(parzen_pool *p, parzen_place here)
{
    if (!here.now) parzen_reset(p);
    else {
        p->now = here.now;
        here.now->used = here.used;
    }
}

void parzen_free(parzen_pool *p)
{
    for (parzen_chunk *c = p->first, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    *p = (parzen_pool){ 0 };
}

parzen_axis parzen_axis_of(const sx_axis *a, int at)
{
    parzen_axis p = { .axis = a, .at = at };
    if (a->kind == SX_AXIS_CHOICE) {
        p.options = (long)a->high + 1;
        p.weight = a->weight;
        return p;
    }
    p.log = a->log;
    p.step = a->step > 0 ? a->step : a->whole ? 1 : 0;
    p.bounded = a->kind == SX_AXIS_REAL;
    if (!p.bounded) {
        p.low = -INFINITY, p.high = INFINITY;
        p.mu = a->mu, p.sigma = a->sigma;
        return p;
    }
    const double half = a->round ? 0 : p.step / 2;
    p.low = a->low - half > 0 || !a->log ? a->low - half : a->low;
    p.high = (half > 0 ? sx_axis_snap(a, a->high) : a->high) + half;
    if (a->log) p.low = log(p.low), p.high = log(p.high);
    p.mu = 0.5 * (p.low + p.high);
    p.sigma = p.high - p.low;
    const long count = p.step > 0 ? sx_axis_count(a) : 0;
    p.levels = count > PARZEN_LEVELS ? 0 : count;
    p.first = sx_axis_snap(a, a->low);
    return p;
}

long parzen_level(const parzen_axis *a, double x)
{
    return (long)fmin(fmax(nearbyint((x - a->first) / a->step), 0), (double)(a->levels - 1));
}

static double log_of(const parzen_axis *a, double x) { return log(fmax(x, a->step > 0 ? 1e-12 : DBL_MIN)); }

double parzen_z(const parzen_axis *a, double x)
{
    return a->log ? fmax(log_of(a, x), a->low) : x;
}

double parzen_x(const parzen_axis *a, double z)
{
    return sx_axis_snap(a->axis, a->log ? exp(z) : z);
}

void parzen_cell(const parzen_axis *a, double x, double *from, double *to)
{
    const double half = a->step / 2;
    *from = fmax(a->log ? log_of(a, x - half) : x - half, a->low);
    *to = fmin(a->log ? log_of(a, x + half) : x + half, a->high);
}

double parzen_prior_mass(const parzen_axis *a, double x)
{
    double from, to;
    parzen_cell(a, x, &from, &to);
    if (a->bounded) return fmax(to - from, 0) / (a->high - a->low);
    if (a->log && x - a->step / 2 <= 0) from = -INFINITY;
    return exp(parzen_log_mass((from - a->mu) / a->sigma, (to - a->mu) / a->sigma));
}

double parzen_option(const parzen_axis *a, long option)
{
    if (!a->weight) return 1.0 / (double)a->options;
    double sum = 0;
    for (long i = 0; i < a->options; i++) sum += a->weight[i];
    return a->weight[option] / sum;
}

void parzen_weights(long n, double *w)
{
    const long ramp = n > FORGET ? n - FORGET : 0;
    const double from = 1.0 / (double)n, by = ramp > 1 ? (1 - from) / (double)(ramp - 1) : 0;
    for (long i = 0; i < n; i++) w[i] = i < ramp ? from + by * (double)i : 1;
}

/* Merges runs bottom-up; runs that are in order already, as most of a history is, are not moved. */
void parzen_sort(parzen_pool *p, const double *key, long n, int32_t *order)
{
    int32_t *spare = PARZEN_NEW(p, int32_t, n);
    for (long i = 0; i < n; i++) order[i] = (int32_t)i;
    for (long width = 1; width < n; width *= 2)
        for (long from = 0; from + width < n; from += 2 * width) {
            const long mid = from + width, to = mid + width < n ? mid + width : n;
            if (key[order[mid - 1]] <= key[order[mid]]) continue;
            memcpy(spare + from, order + from, (size_t)width * sizeof *order);
            for (long i = from, j = mid, k = from; i < mid; )
                order[k++] = j < to && key[order[j]] < key[spare[i]] ? order[j++] : spare[i++];
        }
}

long parzen_pick(const double *weight, long n, double u)
{
    double sum = 0;
    for (long i = 0; i < n; i++) sum += weight[i];
    u *= sum;
    for (long i = 0; i < n - 1; i++) {
        u -= weight[i];
        if (u < 0) return i;
    }
    return n - 1;
}
