/* unit.h: where a value stands in its axis, from 0 to 1: the inverse of sx_axis_at, in the middle of what
 * gives that value. Samplers that move points do it there, alike for every kind of axis. */
#ifndef UNIT_H
#define UNIT_H
#include <strix/plugin.h>

static inline double unit_step(const sx_axis *a) { return a->step > 0 ? a->step : a->whole ? 1 : 0; }

/* Weights of a choice are left out: its options stand side by side, equally wide. */
static inline double unit_of(const sx_axis *a, double x)
{
    const double tiny = 1e-300, half = a->round ? 0 : unit_step(a) / 2;
    if (a->kind == SX_AXIS_CHOICE) return (x + 0.5) / (a->high + 1);
    const double z = a->log ? log(fmax(x, tiny)) : x;
    if (a->kind == SX_AXIS_NORMAL) return 0.5 * erfc((a->mu - z) / a->sigma * 0.70710678118654752440);
    double low = a->low - half > 0 || !a->log ? a->low - half : a->low;
    double high = sx_axis_snap(a, a->high) + half;
    if (a->log) low = log(fmax(low, tiny)), high = log(fmax(high, tiny));
    return high > low ? fmin(fmax((z - low) / (high - low), 0), 1) : 0.5;
}
#endif
