/* nadam: Adam with Nesterov's look ahead (Dozat 2016, "Incorporating Nesterov momentum into Adam"), with
 * Keras' defaults. memo[0] is the product of the momentum schedule so far. */
#include <strix/plugin.h>

struct nadam { double beta_1, beta_2, epsilon; };

static const sx_param params[] = {
    SX_REAL(struct nadam, beta_1, .def = 0.9, .min = 0, .max = 1, .flags = SX_OPEN_MAX,
            .doc = "decay of the mean"),
    SX_REAL(struct nadam, beta_2, .def = 0.999, .min = 0, .max = 1, .flags = SX_OPEN_MAX,
            .doc = "decay of the mean square"),
    SX_REAL(struct nadam, epsilon, .def = 1e-7, .min = 1e-30, .max = 1, .doc = "added to the root"),
    SX_END
};

SX_UPDATE(nadam, 2,
    s[0] += k[1] * (d - s[0]);
    s[1] += k[2] * (d * d - s[1]);
    w -= k[0] * (k[4] * s[0] + k[5] * d) / (sqrtf(k[6] * s[1]) + k[3]););

/* The momentum of step t: warms up from half of beta_1 (Dozat's schedule). */
static double momentum(const struct nadam *p, long t) { return p->beta_1 * (1 - 0.5 * pow(0.96, (double)t)); }

static void coef(const void *params_, double lr, long t, double memo[4], float k[8])
{
    const struct nadam *p = params_;
    const double now = momentum(p, t), next = momentum(p, t + 1);
    memo[0] = (t == 1 ? 1 : memo[0]) * now;
    k[0] = (float)lr;
    k[1] = (float)(1 - p->beta_1);
    k[2] = (float)(1 - p->beta_2);
    k[3] = (float)p->epsilon;
    k[4] = (float)(next / (1 - memo[0] * next));
    k[5] = (float)((1 - now) / (1 - memo[0]));
    k[6] = (float)(1 / (1 - pow(p->beta_2, (double)t)));
}

SX_DEFINE(SX_KIND_OPTIMIZER, sx_optimizer, nadam, params, struct nadam, .doc = "Adam that looks ahead",
          .update = &nadam, .coef = coef);
SX_PLUGIN("nadam", "1.0", "MIT", SX_ITEM(nadam));
