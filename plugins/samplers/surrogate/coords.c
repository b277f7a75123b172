/* coords.c: the axes of a space as models see them: every one between 0 and 1, however wide or skewed.
 * Distances of such coordinates are what kernels and trees work on. */
#include "surrogate.h"

static double step_of(const sx_axis *a) { return a->step > 0 ? a->step : 1; }

static coord coord_of(const sx_axis *a)
{
    coord c = { .axis = a, .count = sx_axis_count(a), .category = a->kind == SX_AXIS_CHOICE && !a->level };
    if (a->kind == SX_AXIS_NORMAL) return c;
    const double low = sx_axis_snap(a, a->low), high = sx_axis_snap(a, a->high);
    c.low = a->log ? log(low) : low;
    c.width = (a->log ? log(high) : high) - c.low;
    return c;
}

coords coords_of(parzen_pool *p, const sx_space *s)
{
    coord *v = PARZEN_NEW(p, coord, s->n);
    for (int i = 0; i < s->n; i++) v[i] = coord_of(s->axis[i]);
    return (coords){ s, s->n, v };
}

double coords_of_value(const coord *c, double x)
{
    const sx_axis *a = c->axis;
    if (isnan(x)) return COORDS_OFF;
    if (c->category) return x;
    const double z = a->log ? log(fmax(x, 1e-300)) : x;
    if (a->kind == SX_AXIS_NORMAL) return 0.5 * erfc((a->mu - z) / a->sigma * 0.70710678118654752440);
    return c->width > 0 ? fmin(fmax((z - c->low) / c->width, 0), 1) : 0;
}

void coords_put(const coords *c, const double *x, double *u)
{
    for (int i = 0; i < c->d; i++) u[i] = coords_of_value(&c->axis[i], x[i]);
}

double coords_value(const coord *c, double u)
{
    const sx_axis *a = c->axis;
    u = fmin(fmax(u, 0), 1);
    if (a->kind == SX_AXIS_NORMAL) return sx_axis_at(a, u);
    const double z = c->low + u * c->width;
    return sx_axis_snap(a, a->log ? exp(z) : z);
}

double coords_level(const coord *c, long k)
{
    const sx_axis *a = c->axis;
    if (a->kind == SX_AXIS_CHOICE) return (double)k;
    return sx_axis_snap(a, sx_axis_snap(a, a->low) + (double)k * step_of(a));
}
