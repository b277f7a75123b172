/* functions.c: branin, hart6, rosen5, conv_a, vgg_a as tests/data/hpo-bench-points.json pins them, and others
 * of their kind.
 * The last two are closed forms with what makes such studies hard: cliffs, ripples, moving optima,
 * conditions. */
#include "functions.h"

static const double PI = 3.14159265358979323846;

static double branin(const double *x)
{
    const double t = x[1] - 5.1 / (4 * PI * PI) * x[0] * x[0] + 5 / PI * x[0] - 6;
    return t * t + 10 * (1 - 1 / (8 * PI)) * cos(x[0]) + 10;
}

static double hart6(const double *x)
{
    static const double c[4] = { 1, 1.2, 3, 3.2 };
    static const double a[4][6] = { { 10, 3, 17, 3.5, 1.7, 8 }, { .05, 10, 17, .1, 8, 14 },
                                    { 3, 3.5, 1.7, 10, 17, 8 },
                                    { 17, 8, .05, 10, .1, 14 } };
    static const double p[4][6] = { { 1312, 1696, 5569, 124, 8283, 5886 },
                                    { 2329, 4135, 8307, 3736, 1004, 9991 },
                                    { 2348, 1451, 3522, 2883, 3047, 6650 },
                                    { 4047, 8828, 8732, 5743, 1091, 381 } };
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        double far = 0;
        for (int j = 0; j < 6; j++) far += a[i][j] * (x[j] - p[i][j] / 10000) * (x[j] - p[i][j] / 10000);
        sum += c[i] * exp(-far);
    }
    return -sum;
}

static double rosen5(const double *x)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        const double t = x[i + 1] - x[i] * x[i];
        sum += 100 * t * t + (1 - x[i]) * (1 - x[i]);
    }
    return sum;
}

/* Per optimizer: adam, adamax, nadam, rmsprop; per activation: relu, selu, tanh. */
typedef struct {
    double best, floor, c_opt[4], k_batch, k_depth, depth0, c_act[3], low, high;
    double cliff_opt[4], cliff_act[3], cliff_k, nb_c, nb_w, bs_c[3], bs_w, deep0, deep[3], fc_c, fc_w, fc_nb;
    double p0, p_v, p_f, p_act[3], p_w, b_c, b_w, b_opt[4];
    double act[3], opt[4], w_w, w_c, selu_drop, branch[3], ripple, phase[9];
} surface;

static const surface conv = {
    0.936, 0.1, { -3.15, -2.75, -3.25, -3.45 }, 0.15, -0.035, 8, { 0, -0.15, 0.1 }, 0.014, 0.03,
    { 1.0, 1.3, 0.95, 0.7 }, { 0, -0.1, 0.2 }, 9, 5, 0.0045, { 2, 2.4, 1.4 }, 0.006, 8,
    { 0.0015, 0.0006, 0.004 },
    2, 0.003, -0.2, 0.12, 0.08, 0.05, { 0, -0.08, 0.03 }, 0.18, 5, 0.002, { 0, 0.0005, 0, 0.0015 },
    { 0, 0.004, 0.012 }, { 0, 0.0015, 0.001, 0.005 }, 0.003, 0.9, 0.06, { 0, 0, 0 }, 0.0025,
    { 7, 1.3, 2.1, 0.7, 11, 0.9, 1.7, 0.6, 1.9 } };
static const surface vgg = {
    0.928, 0.1, { -3.3, -2.9, -3.4, -3.6 }, 0.12, -0.05, 4, { 0, -0.1, 0.15 }, 0.01, 0.024,
    { 0.9, 1.2, 0.85, 0.65 }, { 0, -0.15, 0.2 }, 8, 1.3, 0.004, { 1.6, 2.1, 1.2 }, 0.005, 4,
    { 0.002, 0.001, 0.0045 },
    2.4, 0.0028, -0.6, 0.2, 0.06, 0.04, { 0, -0.1, 0.02 }, 0.15, 5, 0.0016, { 0, 0.0004, 0.0002, 0.0016 },
    { 0, 0.003, 0.01 }, { 0.0005, 0, 0.0008, 0.004 }, 0.0026, 1.1, 0.05, { 0.003, 0, 0.0015 }, 0.0022,
    { 6, 1.7, 1.1, 0.9, 13, 1.2, 0.8, 0.5, 2.3 } };

/* Others of their kind. */
static const surface conv_b = {
    0.936, 0.1, { -2.87, -2.64, -2.83, -3.91 }, 0.1917, -0.038, 8, { 0.01, -0.17, -0.08 }, 0.0148, 0.0437,
    { 1.08, 1.58, 1, 0.6 }, { 0, -0.1, 0.2 }, 6.5677, 5, 0.0065, { 2, 2, 2.4 }, 0.0053, 8,
    { 0.0013, 0.0008, 0.0035 }, 1.8, 0.0029, -0.2, 0.25, 0.08, 0.05, { 0, -0.08, 0.03 }, 0.2421, 5.3, 0.0019,
    { 0, 0.0004, 0, 0.0012 }, { 0, 0.0051, 0.0102 }, { 0, 0.0013, 0.0054, 0.0022 }, 0.0033, 1.2, 0.0375,
    { 0, 0, 0 }, 0.0015, { 5.4, 1.7, 1.6, 0.5, 15.1, 1.2, 2.4, 0.6, 1.6 } };
static const surface conv_c = {
    0.936, 0.1, { -2.8, -2.61, -3.34, -3.43 }, 0.1659, -0.0257, 8, { 0.04, -0.01, 0.08 }, 0.0117, 0.0261,
    { 1.24, 1.39, 1.14, 0.7 }, { 0, -0.1, 0.2 }, 11.9952, 4.6, 0.0031, { 1.7, 2, 1.5 }, 0.0068, 8,
    { 0.0015, 0.0007, 0.0039 }, 1.7, 0.0038, -0.2, 0.18, 0.08, 0.05, { 0, -0.08, 0.03 }, 0.1384, 5.3, 0.0013,
    { 0, 0.0007, 0, 0.0014 }, { 0, 0.0127, 0.0036 }, { 0.0051, 0.0013, 0.0014, 0 }, 0.0025, 0.2, 0.0715,
    { 0, 0, 0 }, 0.0019, { 9.9, 1.8, 2, 1, 12.5, 1.2, 1.6, 0.5, 1.4 } };
static const surface vgg_b = {
    0.928, 0.1, { -3.59, -2.77, -3.6, -3.36 }, 0.1143, -0.0533, 4, { 0.09, -0.21, 0.28 }, 0.0068, 0.0195,
    { 0.99, 1.33, 1.01, 0.62 }, { 0, -0.15, 0.2 }, 10.5692, 1.9, 0.0045, { 2.6, 1.3, 2.5 }, 0.0034, 4,
    { 0.002, 0.0011, 0.0057 }, 2.3, 0.0028, -0.6, 0.23, 0.06, 0.04, { 0, -0.1, 0.02 }, 0.1547, 4.4, 0.0012,
    { 0, 0.0003, 0.0002, 0.002 }, { 0, 0.0148, 0.0018 }, { 0, 0.0009, 0.0004, 0.0041 }, 0.0033, 0.8, 0.0351,
    { 0, 0.001, 0.0037 }, 0.0028, { 5.2, 2.4, 0.9, 1, 12.5, 1.4, 0.6, 0.4, 2.9 } };

static double accuracy(const surface *s, int branch, const double *v)
{
    const int a = (int)v[ACTIVATION], o = (int)v[OPTIMIZER];
    const double u = log10(v[RATE]), b = log2(v[BATCH]), w = log2(v[WIDTH] / 512), nb = v[BLOCKS],
        bs = v[SIZE];
    const double f = v[LAYERS], p = v[DROPOUT], depth = nb * bs + f;
    const double d =
        u - (s->c_opt[o] + s->k_batch * (b - 5) + s->k_depth * (depth - s->depth0) + s->c_act[a]);
    double pen = (d < 0 ? s->low : s->high) * d * d;
    if (nb > 0) pen += s->bs_w * (bs - s->bs_c[a]) * (bs - s->bs_c[a]);
    pen += s->nb_w * (nb - s->nb_c) * (nb - s->nb_c);
    if (depth > s->deep0) pen += s->deep[a] * (depth - s->deep0);
    pen += s->branch[branch];
    const double fo = s->fc_c + s->fc_nb * (nb - s->nb_c);
    pen += s->fc_w * (f - fo) * (f - fo);
    pen += s->w_w * (w - s->w_c) * (w - s->w_c);
    const double dp = p - (s->p0 + s->p_v * w + s->p_f * (f - 1) + s->p_act[a]);
    pen += s->p_w * dp * dp;
    if (a == 1 && p > 0.25) pen += s->selu_drop * (p - 0.25);
    pen += s->b_w * (b - s->b_c) * (b - s->b_c) + s->b_opt[o] * (b - 4);
    pen += s->act[a] + s->opt[o];
    pen += s->ripple * sin(s->phase[0] * u + s->phase[1] * nb + s->phase[2] * bs + s->phase[3] * f
                           + s->phase[4] * p
                           + s->phase[5] * a + s->phase[6] * o + s->phase[7] * b + s->phase[8] * w);
    const double z = s->cliff_k * (d - (s->cliff_opt[o] + s->cliff_act[a])), ok = 1 / (1 + exp(z));
    return s->floor + (s->best - pen - s->floor) * ok;
}

double function_accuracy(bool is_vgg, int branch, const double v[SIZE + 1])
{
    return accuracy(is_vgg ? &vgg : &conv, branch, v);
}

static const double batches[] = { 16, 32, 64 }, widths[] = { 512, 768, 1024, 1536 };

/* conv_a: the axes in the order of the enum; a choice is its option's number. */
static double loss_conv(const surface *s, const double *x)
{
    double v[SIZE + 1];
    for (int i = 0; i <= SIZE; i++) v[i] = x[i];
    v[BATCH] = batches[(int)x[BATCH]];
    v[WIDTH] = widths[(int)x[WIDTH]];
    const double acc = accuracy(s, 0, v);
    return -(acc * acc);
}

/* vgg_a: the same up to the optimizer, then the branch, then block_size of branch 1 and num_blocks of branch
 * 2. */
static double loss_vgg(const surface *s, const double *x)
{
    double v[SIZE + 1];
    const int branch = (int)x[7];
    for (int i = 0; i < BLOCKS; i++) v[i] = x[i];
    v[BATCH] = batches[(int)x[BATCH]];
    v[WIDTH] = widths[(int)x[WIDTH]];
    v[BLOCKS] = branch == 0 ? 0 : branch == 1 ? 1 : x[9];
    v[SIZE] = branch == 0 ? 0 : branch == 1 ? x[8] : 1;
    const double acc = accuracy(s, branch, v);
    return -(acc * acc);
}

static double conv_a(const double *x) { return loss_conv(&conv, x); }
static double vgg_a(const double *x) { return loss_vgg(&vgg, x); }
static double conv_b_at(const double *x) { return loss_conv(&conv_b, x); }
static double conv_c_at(const double *x) { return loss_conv(&conv_c, x); }
static double vgg_b_at(const double *x) { return loss_vgg(&vgg_b, x); }

#define AXIS static const sx_axis
#define REAL(NAME, LOW, HIGH) { .name = NAME, .kind = SX_AXIS_REAL, .low = LOW, .high = HIGH }
#define GRID(NAME, LOW, HIGH, STEP) .name = NAME, .kind = SX_AXIS_REAL, .low = LOW, .high = HIGH, .step = STEP
#define CHOICE(NAME, N, LEVEL) { .name = NAME, .kind = SX_AXIS_CHOICE, .high = (N) - 1, .level = LEVEL }
AXIS x0 = REAL("x0", -5, 10), x1 = REAL("x1", 0, 15), unit = REAL("x", 0, 1), wide = REAL("x", -2.048, 2.048);
AXIS rate = { .name = "learning_rate", .kind = SX_AXIS_REAL, .log = true, .low = 1e-4, .high = 1 };
AXIS batch = CHOICE("batch_size", 3, batches), width = CHOICE("fcl_layer_size", 4, widths);
AXIS activation = CHOICE("activation", 3, NULL), optimizer = CHOICE("optimizer", 4, NULL),
    branch = CHOICE("conv", 3, NULL);
AXIS layers = { GRID("fcl_num_layers", 1, 4, 1), .whole = true };
AXIS dropout = { GRID("fcl_dropout_rate", 0.05, 0.5, 0.05) };
AXIS blocks = { GRID("num_blocks", 2, 6, 1), .whole = true };
AXIS size = { GRID("block_size", 1, 3, 1), .whole = true };
static const double one = 1, two = 2;
static const sx_when in_one = { 7, 1, &one }, in_two = { 7, 1, &two };
AXIS size_1 = { GRID("block_size@1", 1, 3, 1), .whole = true, .whens = 1, .when = &in_one };
AXIS blocks_2 = { GRID("num_blocks@2", 2, 3, 1), .whole = true, .whens = 1, .when = &in_two };

#define SPACE(...) { (int)(sizeof (const sx_axis *[]){ __VA_ARGS__ } / sizeof(sx_axis *)), 1, 0, \
                     (const sx_axis *const[]){ __VA_ARGS__ } }
#define COMMON &batch, &rate, &layers, &width, &dropout, &activation, &optimizer
#define CONV SPACE(COMMON, &blocks, &size)
#define VGG SPACE(COMMON, &branch, &size_1, &blocks_2)
static const function all[] = {
    { "branin", SPACE(&x0, &x1), 0.39788735772973816, branin },
    { "hart6", SPACE(&unit, &unit, &unit, &unit, &unit, &unit), -3.32236801141551, hart6 },
    { "rosen5", SPACE(&wide, &wide, &wide, &wide, &wide), 0, rosen5 },
    { "conv_a", CONV, -0.867374509754173, conv_a },
    { "vgg_a", VGG, -0.860100273568505, vgg_a },
};
const function *const functions[] = { &all[0], &all[1], &all[2], &all[3], &all[4], NULL };
const function function_conv_b = { "conv_b", CONV, -0.8666499073724839, conv_b_at };
const function function_conv_c = { "conv_c", CONV, -0.8674805274357582, conv_c_at };
const function function_vgg_b = { "vgg_b", VGG, -0.8503264128747337, vgg_b_at };
