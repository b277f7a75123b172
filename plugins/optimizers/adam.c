/* adam: first and second moment of each gradient (Kingma & Ba 2015, arXiv:1412.6980), with Keras' defaults.
 * In the form at the end of its section 2: epsilon is added to the uncorrected root. */
#include <strix/plugin.h>

struct adam { double beta_1, beta_2, epsilon; };

static const sx_param params[] = {
    SX_REAL(struct adam, beta_1, .def = 0.9, .min = 0, .max = 1, .flags = SX_OPEN_MAX,
            .doc = "decay of the mean"),
    SX_REAL(struct adam, beta_2, .def = 0.999, .min = 0, .max = 1, .flags = SX_OPEN_MAX,
            .doc = "decay of the mean square"),
    SX_REAL(struct adam, epsilon, .def = 1e-7, .min = 1e-30, .max = 1, .doc = "added to the root"),
    SX_END
};

SX_UPDATE(adam, 2,
    s[0] += k[1] * (d - s[0]);
    s[1] += k[2] * (d * d - s[1]);
    w -= k[0] * s[0] / (sqrtf(s[1]) + k[3]););

static void coef(const void *params_, double lr, long t, double memo[4], float k[8])
{
    const struct adam *p = params_;
    (void)memo;
    k[0] = (float)(lr * sqrt(1 - pow(p->beta_2, (double)t)) / (1 - pow(p->beta_1, (double)t)));
    k[1] = (float)(1 - p->beta_1);
    k[2] = (float)(1 - p->beta_2);
    k[3] = (float)p->epsilon;
}

SX_DEFINE(SX_KIND_OPTIMIZER, sx_optimizer, adam, params, struct adam, .doc = "adaptive moments",
          .update = &adam, .coef = coef);
SX_PLUGIN("adam", "1.0", "MIT", SX_ITEM(adam));
