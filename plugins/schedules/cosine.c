/* cosine: the learning rate falls along half a cosine over the whole training (Loshchilov & Hutter 2017,
 * arXiv:1608.03983, without restarts), after an optional linear warm-up. */
#include <strix/plugin.h>

struct cosine { double floor, warmup; };

static const sx_param params[] = {
    SX_REAL(struct cosine, floor, .def = 0, .min = 0, .max = 1,
            .doc = "share of the rate that is left at the end"),
    SX_REAL(struct cosine, warmup, .def = 0, .min = 0, .max = 1e6,
            .doc = "epochs in which the rate grows from 0"),
    SX_END
};

static double factor(const void *params_, const sx_progress *p)
{
    const struct cosine *c = params_;
    const double pi = 3.14159265358979323846;
    const double at = (double)p->epoch * (double)p->steps + (double)p->step;
    const double warm = c->warmup * (double)p->steps;
    if (at < warm) return (at + 1) / (warm + 1);
    const double all = (double)p->epochs * (double)p->steps - warm, share = all > 0 ? (at - warm) / all : 1;
    return c->floor + (1 - c->floor) * 0.5 * (1 + cos(pi * (share < 1 ? share : 1)));
}

SX_DEFINE(SX_KIND_SCHEDULE, sx_schedule, cosine, params, struct cosine, .doc = "half a cosine down",
          .factor = factor);
SX_PLUGIN("cosine", "1.0", "MIT", SX_ITEM(cosine));
