/* rmsprop: gradients divided by the root of their mean square (Hinton, Coursera lecture 6e, 2012), with
 * Keras' defaults and its optional momentum of the steps. */
#include <strix/plugin.h>

struct rmsprop { double rho, momentum, epsilon; };

static const sx_param params[] = {
    SX_REAL(struct rmsprop, rho, .def = 0.9, .min = 0, .max = 1, .flags = SX_OPEN_MAX,
            .doc = "decay of the mean square"),
    SX_REAL(struct rmsprop, momentum, .def = 0, .min = 0, .max = 1, .flags = SX_OPEN_MAX,
            .doc = "share of the last step"),
    SX_REAL(struct rmsprop, epsilon, .def = 1e-7, .min = 1e-30, .max = 1, .doc = "added to the mean square"),
    SX_END
};

SX_UPDATE(rmsprop, 2,
    s[0] += k[1] * (d * d - s[0]);
    s[1] = k[2] * s[1] + k[0] * d / sqrtf(s[0] + k[3]);
    w -= s[1];);

static void coef(const void *params_, double lr, long t, double memo[4], float k[8])
{
    const struct rmsprop *p = params_;
    (void)t, (void)memo;
    k[0] = (float)lr;
    k[1] = (float)(1 - p->rho);
    k[2] = (float)p->momentum;
    k[3] = (float)p->epsilon;
}

SX_DEFINE(SX_KIND_OPTIMIZER, sx_optimizer, rmsprop, params, struct rmsprop,
          .doc = "gradients over their mean square",
          .update = &rmsprop, .coef = coef);
SX_PLUGIN("rmsprop", "1.0", "MIT", SX_ITEM(rmsprop));
