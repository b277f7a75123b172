/* axis.c: what the values of one axis of a search space are, and how likely by its prior.
 * Samplers draw and round through these calls only, so that all of them mean the same by a kind. */
#include <float.h>
#include <strix/plugin.h>

/* The grid of a stepped axis: value k is low + k step. Where 1 / step is a whole number (0.05 -> 20) values
 * are quotients, so that the third is 0.15 and not 0.15000000000000002. */
typedef struct {
    double first, step, inverse, last;
} grid; /* k = 0 .. last; first in steps where inverse > 0 */

static double step_of(const sx_axis *a) { return a->step > 0 ? a->step : a->whole ? 1 : 0; }

static double whole_inverse(double step)
{
    const double n = 1 / step, r = nearbyint(n);
    return r >= 1 && r < 0x1p31 && fabs(n - r) <= 1e-9 * r ? r : 0;
}

/* Multiple k of step. nearbyint rounds half to even: the C default mode, and hyperopt's rounding. */
static double multiple(double k, double step)
{
    const double n = whole_inverse(step), v = n > 0 ? k / n : k * step;
    return v + 0.0;                              /* no -0 */
}

static double rounded(double v, double step) { return multiple(nearbyint(v / step), step); }

static grid grid_of(const sx_axis *a)
{
    const double step = step_of(a), n = whole_inverse(step), steps = nearbyint(a->low * n);
    const bool exact = n > 0 && fabs(a->low * n - steps) <= 1e-9 * fmax(1, fabs(steps));
    return (grid){ exact ? steps : a->low, step, exact ? n : 0,
                   floor((a->high - a->low) / step * (1 + 1e-12) + 1e-9) };
}

static double grid_value(const grid *g, double k)
{
    return g->inverse > 0 ? (g->first + k) / g->inverse + 0.0 : g->first + k * g->step;
}

static double clamp(double v, double low, double high) { return v < low ? low : v > high ? high : v; }

static double grid_nearest(const sx_axis *a, double v)
{
    const grid g = grid_of(a);
    return grid_value(&g, clamp(nearbyint((v - a->low) / g.step), 0, g.last));
}

/* Inverse of the normal distribution function: Acklam's rational approximation, then two steps of Halley's
 * method, which bring it to the last digits. */
static double normal_quantile(double u)
{
    static const double a[] = { -3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02,
                                1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00 };
    static const double b[] = { -5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                                6.680131188771972e+01, -1.328068155288572e+01 };
    static const double c[] = { -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                                -2.549732539343734e+00, 4.374664141464968e+00, 2.938163982698783e+00 };
    static const double d[] = { 7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                                3.754408661907416e+00 };
    u = clamp(u, 0x1p-54, 1 - 0x1p-53);
    const bool upper = u > 0.5;
    const double p = upper ? 1 - u : u;          /* works in the lower half, where no digits cancel */
    double x;
    if (p < 0.02425) {
        const double q = sqrt(-2 * log(p));
        x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
            ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
    } else {
        const double q = p - 0.5, r = q * q;
        x = (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
            (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
    }
    for (int i = 0; i < 2; i++) {
        const double e = 0.5 * erfc(-x / 1.4142135623730951) - p;
        const double t = e * 2.5066282746310002 * exp(x * x / 2);
        x -= t / (1 + x * t / 2);
    }
    return upper ? -x : x;
}

static double choice_at(const sx_axis *a, double u)
{
    const long n = (long)a->high + 1;
    if (!a->weight) return clamp(floor(u * (double)n), 0, a->high);
    double total = 0, sum = 0;
    for (long i = 0; i < n; i++) total += a->weight[i];
    long last = 0;
    for (long i = 0; i < n; i++) {
        if (!(a->weight[i] > 0)) continue;
        sum += a->weight[i] / total;
        last = i;
        if (u < sum) return (double)i;
    }
    return (double)last;
}

static double between(const sx_axis *a, double low, double high, double u)
{
    return a->log ? exp(log(low) + u * (log(high) - log(low))) : low + u * (high - low);
}

static double real_at(const sx_axis *a, double u)
{
    const double step = step_of(a);
    if (a->round || !(step > 0)) return sx_axis_snap(a, between(a, a->low, a->high, u));
    if (a->log) { /* cells around the values, cut in the logarithm (as Optuna's log integers) */
        const double low = a->low - step / 2 > 0 ? a->low - step / 2 : a->low;
        return grid_nearest(a, between(a, low, a->high + step / 2, u));
    }
    const grid g = grid_of(a);
    return grid_value(&g, clamp(floor(u * (g.last + 1)), 0, g.last));
}

double sx_axis_at(const sx_axis *a, double u)
{
    u = clamp(u, 0, 1 - 0x1p-53);
    switch (a->kind) {
    case SX_AXIS_CHOICE: return choice_at(a, u);
    case SX_AXIS_REAL: return real_at(a, u);
    case SX_AXIS_NORMAL: {
        const double z = a->mu + a->sigma * normal_quantile(u);
        return sx_axis_snap(a, a->log ? exp(z) : z);
    }
    }
    return NAN;
}

double sx_axis_snap(const sx_axis *a, double v)
{
    const double step = step_of(a);
    if (isnan(v)) return sx_axis_at(a, 0.5);
    if (a->kind == SX_AXIS_CHOICE) return clamp(nearbyint(v), 0, a->high);
    if (a->kind == SX_AXIS_NORMAL) {
        if (a->low < a->high) v = clamp(v, a->low, a->high);         /* normal kinds need no bounds */
        if (a->log && !(step > 0) && !(v > 0)) v = exp(a->mu);       /* none is nearest to 0: the median */
        if (a->log) v = clamp(v, step > 0 ? 0 : DBL_MIN, 1e300);
        return step > 0 ? rounded(v, step) : v;
    }
    if (step > 0 && !a->round) return grid_nearest(a, v);
    v = clamp(v, a->low, a->high);
    return step > 0 ? rounded(v, step) : v;
}

long sx_axis_count(const sx_axis *a)
{
    const double step = step_of(a);
    if (a->kind == SX_AXIS_CHOICE) return (long)a->high + 1;
    if (a->kind == SX_AXIS_NORMAL) return 0;
    if (!(step > 0)) return a->low < a->high ? 0 : 1;
    const double n = a->round ? nearbyint(a->high / step) - nearbyint(a->low / step) : grid_of(a).last;
    return n < 0x1p53 ? (long)n + 1 : 0;
}

static bool holds(const sx_space *s, const double *x, const sx_when *w, int i)
{
    if (w->parent < 0 || w->parent >= i || !sx_active(s, x, w->parent)) return false;
    for (int k = 0; k < w->n; k++) if (x[w->parent] == w->value[k]) return true;
    return false;
}

bool sx_active(const sx_space *s, const double *x, int i)
{
    const sx_axis *a = s->axis[i];
    for (int k = 0; k < a->whens; k++) if (holds(s, x, &a->when[k], i)) return true;
    return a->whens == 0;
}
