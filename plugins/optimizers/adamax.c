/* adamax: Adam with the largest recent gradient in place of the mean square (Kingma & Ba 2015, section 7.1),
 * with Keras' defaults. */
#include <strix/plugin.h>

struct adamax { double beta_1, beta_2, epsilon; };

static const sx_param params[] = {
    SX_REAL(struct adamax, beta_1, .def = 0.9, .min = 0, .max = 1, .flags = SX_OPEN_MAX,
            .doc = "decay of the mean"),
    SX_REAL(struct adamax, beta_2, .def = 0.999, .min = 0, .max = 1, .flags = SX_OPEN_MAX,
            .doc = "decay of the largest gradient"),
    SX_REAL(struct adamax, epsilon, .def = 1e-7, .min = 1e-30, .max = 1,
            .doc = "added to the largest gradient"),
    SX_END
};

SX_UPDATE(adamax, 2,
    s[0] += k[1] * (d - s[0]);
    s[1] = fmaxf(k[2] * s[1], fabsf(d));
    w -= k[0] * s[0] / (s[1] + k[3]););

static void coef(const void *params_, double lr, long t, double memo[4], float k[8])
{
    const struct adamax *p = params_;
    (void)memo;
    k[0] = (float)(lr / (1 - pow(p->beta_1, (double)t)));
    k[1] = (float)(1 - p->beta_1);
    k[2] = (float)p->beta_2;
    k[3] = (float)p->epsilon;
}

SX_DEFINE(SX_KIND_OPTIMIZER, sx_optimizer, adamax, params, struct adamax,
          .doc = "Adam by the largest gradient",
          .update = &adamax, .coef = coef);
SX_PLUGIN("adamax", "1.0", "MIT", SX_ITEM(adamax));
