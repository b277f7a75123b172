/* batchnorm: normalisation over the batch (Ioffe & Szegedy 2015, arXiv:1502.03167), with Keras' defaults:
 * the running variance is the biased one, momentum is the share that the old average keeps.
 *
 * Running averages start at mean 0 and variance 1, of which momentum^t is left after t steps: with 0.99 a
 * third after a hundred steps, so that a net is judged by statistics that were never its own. With
 * `debias` their start has no weight, as in the moments of Adam (Kingma & Ba 2015, arXiv:1412.6980,
 * section 3): step t takes the share (1 - momentum) / (1 - momentum^t) of the new. */
#include <strix/plugin.h>

struct batchnorm { double momentum, epsilon; bool debias; };

static const sx_param params[] = {
    SX_REAL(struct batchnorm, momentum, .def = 0.99, .min = 0, .max = 1,
            .doc = "share of the old running average"),
    SX_BOOL(struct batchnorm, debias, .def = false,
            .doc = "running averages of what was seen alone, without the 0 and 1 that they start from"),
    SX_REAL(struct batchnorm, epsilon, .def = 1e-3, .min = 1e-12, .max = 1, .doc = "added to the variance"),
    SX_END
};

SX_MAP2(running, k[0] * x0 + k[1] * x1, k[0], k[1]);
SX_MAP1(weighed, k[0] * x + k[1], k[0]);
SX_MAP1(part, x > 0 ? k[0] / x : 0.0f, 0.0f);
SX_MAP2(difference, x0 - x1, 1.0f, -1.0f);
SX_MAP2(product, x0 * x1, x1, x0);
SX_MAP2(sum, x0 + x1, 1.0f, 1.0f);

/* Takes one step into `seen`, what the data of the averages weigh: 1 - momentum^t. The share of this
 * step's. */
static sx_t share_of_new(sx_graph *g, const struct batchnorm *p, sx_t seen)
{
    const float fresh = (float)(1 - p->momentum);
    const sx_t now = sx_map1(g, &weighed, seen, SX_K((float)p->momentum, fresh));
    sx_assign(g, seen, now);
    return sx_map1(g, &part, now, SX_K(fresh));
}

/* state := momentum state + (1 - momentum) row i of the batch's moments, or state + share (row i - state) */
static void update(sx_graph *g, const struct batchnorm *p, sx_t state, sx_t moments, int i, sx_t share)
{
    const sx_t now = sx_reshape(g, sx_slice(g, moments, 0, i, 1), SX_SHAPE(sx_dim(g, state, 0)));
    if (!p->debias) {
        const float *k = SX_K((float)p->momentum, (float)(1 - p->momentum));
        sx_assign(g, state, sx_map2(g, &running, state, now, k));
        return;
    }
    const sx_t way = sx_map2(g, &product, sx_map2(g, &difference, now, state, NULL), share, NULL);
    sx_assign(g, state, sx_map2(g, &sum, state, way, NULL));
}

static sx_t forward(sx_graph *g, const void *params_, sx_t x)    /* [n, ..., c] -> the same shape */
{
    const struct batchnorm *p = params_;
    const long c = sx_dim(g, x, -1);
    const sx_t gamma = sx_weight(g, "gamma", SX_SHAPE(c), "ones");
    const sx_t beta = sx_weight(g, "beta", SX_SHAPE(c), "zeros");
    const sx_t mean = sx_state(g, "mean", SX_SHAPE(c), 0), variance = sx_state(g, "variance", SX_SHAPE(c), 1);
    const sx_t seen = p->debias ? sx_state(g, "seen", SX_SHAPE(1), 0) : (sx_t){ 0 };
    const int rank = sx_rank(g, x);
    if (!sx_training(g)) {
        const sx_t rows[2] = { sx_reshape(g, mean, SX_SHAPE(1, c)), sx_reshape(g, variance, SX_SHAPE(1, c)) };
        return sx_normalize(g, x, sx_concat(g, 2, rows, 0), gamma, beta, p->epsilon);
    }
    const sx_t moments = sx_moments(g, x, (1u << (rank ? rank - 1 : 0)) - 1);    /* [2, c] */
    const sx_t share = p->debias ? share_of_new(g, p, seen) : seen;
    update(g, p, mean, moments, 0, share);
    update(g, p, variance, moments, 1, share);
    return sx_normalize(g, x, moments, gamma, beta, p->epsilon);
}

SX_LAYER(batchnorm, params, struct batchnorm, .doc = "batch normalisation", .forward = forward);
SX_PLUGIN("batchnorm", "1.0", "MIT", SX_ITEM(batchnorm));
