/* point.c: points of a space as samplers handle them: at random, counted through, found again in a history.
 * Parents come before children, so one pass over the axes decides which are active. */
#include "places.h"

static double step_of(const sx_axis *a) { return a->step > 0 ? a->step : 1; }

/* Value k of an axis, ascending; a continuous one has `parts`: ends and equal steps, or quantiles of a normal
 * law. */
static double value_at(const sx_axis *a, long parts, long k)
{
    const double part = parts > 1 ? (double)k / (double)(parts - 1) : 0.5;
    if (a->kind == SX_AXIS_CHOICE) return (double)k;
    if (sx_axis_count(a) > 0) return sx_axis_snap(a, sx_axis_snap(a, a->low) + (double)k * step_of(a));
    if (a->kind == SX_AXIS_NORMAL) return sx_axis_at(a, ((double)k + 0.5) / (double)parts);
    if (k == 0 && parts > 1) return a->low;
    if (k == parts - 1 && parts > 1) return a->high;
    if (a->log) return exp(log(a->low) + part * (log(a->high) - log(a->low)));
    return a->low + part * (a->high - a->low);
}

/* The smallest value above x; false where there is none. */
static bool value_after(const sx_axis *a, long parts, double *x)
{
    const long n = sx_axis_count(a);
    if (!n) {
        for (long k = 0; k < parts; k++) {
            const double v = value_at(a, parts, k);
            if (v > *x) return *x = v, true;
        }
        return false;
    }
    const double k = a->kind == SX_AXIS_CHOICE ? *x : nearbyint((*x - sx_axis_snap(a, a->low)) / step_of(a));
    if (k + 1 >= (double)n) return false;
    *x = value_at(a, parts, (long)k + 1);
    return true;
}

static void reset_from(const sx_space *s, long parts, double *x, int from)
{
    for (int i = from; i < s->n; i++) x[i] = sx_active(s, x, i) ? value_at(s->axis[i], parts, 0) : NAN;
}

void sx_point_first(const sx_space *s, long parts, double *x) { reset_from(s, parts, x, 0); }

bool sx_point_next(const sx_space *s, long parts, double *x)
{
    for (int i = s->n - 1; i >= 0; i--)
        if (!isnan(x[i]) && value_after(s->axis[i], parts, &x[i])) {
            reset_from(s, parts, x, i + 1);
            return true;
        }
    return false;
}

void sx_point_random(const sx_space *s, sx_rng *r, double *x)
{
    for (int i = 0; i < s->n; i++) x[i] = sx_active(s, x, i) ? sx_axis_at(s->axis[i], sx_uniform(r)) : NAN;
}

static bool same(const double *a, const double *b, int n)
{
    for (int i = 0; i < n; i++) if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

long sx_point_find(const sx_space *s, const sx_history *h, const double *x, long near)
{
    if (h->places) {
        const long at = sx_places_find(h->places, x);
        if (at >= 0 && at < h->done) return at;
        for (long i = h->done; i < h->n; i++) if (same(h->trial[i]->x, x, s->n)) return i;
        return -1;
    }
    for (long d = 0; d < h->n; d++) {
        if (near + d >= 0 && near + d < h->n && same(h->trial[near + d]->x, x, s->n)) return near + d;
        if (near - d - 1 >= 0 && near - d - 1 < h->n && same(h->trial[near - d - 1]->x, x, s->n))
            return near - d - 1;
    }
    return -1;
}
