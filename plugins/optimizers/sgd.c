/* sgd: steps down the gradient, with momentum of the steps (Polyak 1964) or Nesterov's look ahead, by Keras'
 * formulas: the velocity holds the learning rate of its time. */
#include <strix/plugin.h>

struct sgd { double momentum; bool nesterov; };

static const sx_param params[] = {
    SX_REAL(struct sgd, momentum, .def = 0, .min = 0, .max = 1, .flags = SX_OPEN_MAX,
            .doc = "share of the last step"),
    SX_BOOL(struct sgd, nesterov, .def = false, .doc = "the step looks ahead by the momentum"),
    SX_END
};

SX_UPDATE(sgd, 1,
    s[0] = k[1] * s[0] - k[0] * d;
    w += k[2] * s[0] - k[3] * k[0] * d;);

static void coef(const void *params_, double lr, long t, double memo[4], float k[8])
{
    const struct sgd *p = params_;
    (void)t, (void)memo;
    k[0] = (float)lr;
    k[1] = (float)p->momentum;
    k[2] = (float)(p->nesterov ? p->momentum : 1);
    k[3] = p->nesterov;
}

SX_DEFINE(SX_KIND_OPTIMIZER, sx_optimizer, sgd, params, struct sgd,
          .doc = "steps down the gradient, with momentum",
          .update = &sgd, .coef = coef);
SX_PLUGIN("sgd", "1.0", "MIT", SX_ITEM(sgd));
