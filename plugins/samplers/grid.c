/* grid.c: grid search: every combination once, the last axis fastest, children only where they are active.
 * The next one is the first that no trial of the history has, so any number of workers share one grid. */
#include <strix/plugin.h>

struct grid { long points; };

static const sx_param params[] = {
    SX_INT(struct grid, points, .def = 5, .min = 1, .max = 1000000,
           .doc = "values of a continuous axis, ends included"),
    SX_END
};

static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    const struct grid *set = p;
    (void)cache, (void)r;
    *tag = 0;
    long near = 0;
    sx_point_first(s, set->points, x);
    do {
        const long at = sx_point_find(s, h, x, near);
        if (at < 0) return 0;
        near = at + 1;
    } while (sx_point_next(s, set->points, x));
    return 1;
}

SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, grid, params, struct grid, .doc = "every combination once",
          .ask = ask);
SX_PLUGIN("grid", "1.0", "MIT", SX_ITEM(grid));
