/* dropout: zeroes a share of the elements in training and scales the others up.
 * Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15. */
#include <strix/plugin.h>

struct dropout { double rate; };

static const sx_param params[] = {
    SX_REAL(struct dropout, rate, .def = 0.5, .min = 0, .max = 1, .flags = SX_OPEN_MAX,
            .doc = "share of elements that become zero"),
    SX_END
};

SX_MAP2(drop, x0 * x1 * k[0], x1 * k[0], x0 * k[0]);

static sx_t forward(sx_graph *g, const void *params_, sx_t x)
{
    const struct dropout *p = params_;
    if (!sx_training(g) || p->rate == 0) return x;
    const double keep = 1 - p->rate;
    return sx_map2(g, &drop, x, sx_random(g, x, SX_BERNOULLI, keep, 0), SX_K((float)(1 / keep)));
}

SX_LAYER(dropout, params, struct dropout, .doc = "zeroes a share of the elements in training",
         .forward = forward);
SX_PLUGIN("dropout", "1.0", "MIT", SX_ITEM(dropout));
