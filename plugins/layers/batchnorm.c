/* batchnorm: normalisation over the batch (Ioffe & Szegedy 2015, arXiv:1502.03167), with Keras' defaults:
 * the running variance is the biased one, momentum is the share that the old average keeps. */
#include <strix/plugin.h>

struct batchnorm { double momentum, epsilon; };

static const sx_param params[] = {
    SX_REAL(struct batchnorm, momentum, .def = 0.99, .min = 0, .max = 1,
            .doc = "share of the old running average"),
    SX_REAL(struct batchnorm, epsilon, .def = 1e-3, .min = 1e-12, .max = 1, .doc = "added to the variance"),
    SX_END
};

SX_MAP2(running, k[0] * x0 + k[1] * x1, k[0], k[1]);

/* state := momentum state + (1 - momentum) row i of the batch's moments */
static void update(sx_graph *g, const struct batchnorm *p, sx_t state, sx_t moments, int i)
{
    const sx_t now = sx_reshape(g, sx_slice(g, moments, 0, i, 1), SX_SHAPE(sx_dim(g, state, 0)));
    sx_assign(g, state, sx_map2(g, &running, state, now, SX_K((float)p->momentum, (float)(1 - p->momentum))));
}

static sx_t forward(sx_graph *g, const void *params_, sx_t x)    /* [n, ..., c] -> the same shape */
{
    const struct batchnorm *p = params_;
    const long c = sx_dim(g, x, -1);
    const sx_t gamma = sx_weight(g, "gamma", SX_SHAPE(c), "ones");
    const sx_t beta = sx_weight(g, "beta", SX_SHAPE(c), "zeros");
    const sx_t mean = sx_state(g, "mean", SX_SHAPE(c), 0), variance = sx_state(g, "variance", SX_SHAPE(c), 1);
    const int rank = sx_rank(g, x);
    if (!sx_training(g)) {
        const sx_t rows[2] = { sx_reshape(g, mean, SX_SHAPE(1, c)), sx_reshape(g, variance, SX_SHAPE(1, c)) };
        return sx_normalize(g, x, sx_concat(g, 2, rows, 0), gamma, beta, p->epsilon);
    }
    const sx_t moments = sx_moments(g, x, (1u << (rank ? rank - 1 : 0)) - 1);    /* [2, c] */
    update(g, p, mean, moments, 0);
    update(g, p, variance, moments, 1);
    return sx_normalize(g, x, moments, gamma, beta, p->epsilon);
}

SX_LAYER(batchnorm, params, struct batchnorm, .doc = "batch normalisation", .forward = forward);
SX_PLUGIN("batchnorm", "1.0", "MIT", SX_ITEM(batchnorm));
