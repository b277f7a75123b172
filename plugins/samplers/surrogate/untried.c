/* untried.c: points that no trial had: what a suggestion falls back to, and when a finite space is
 * exhausted. */
#include "surrogate.h"

bool untried(const sx_space *s, const sx_history *h, const double *x)
{
    return sx_point_find(s, h, x, 0) < 0;
}

static int count_through(const sx_space *s, const sx_history *h, double *x)
{
    long near = 0;
    sx_point_first(s, 1, x);
    do {
        const long at = sx_point_find(s, h, x, near);
        if (at < 0) return 0;
        near = at + 1;
    } while (sx_point_next(s, 1, x));
    return 1;
}

int untried_random(const sx_space *s, const sx_history *h, sx_rng *r, double *x)
{
    for (int tries = 0; tries < 100; tries++) {
        sx_point_random(s, r, x);
        if (untried(s, h, x)) return 0;
    }
    for (int i = 0; i < s->n; i++) if (sx_axis_count(s->axis[i]) == 0) return 0;
    return count_through(s, h, x);
}
