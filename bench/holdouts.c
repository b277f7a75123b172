/* holdouts.c: other functions to search: other shapes, other conditions, failing regions, optima at bounds, and
 * surfaces of conv_a's and vgg_a's kind with other constants. docs/results-search.md tells what saw them. */
#include "functions.h"

static const double PI = 3.14159265358979323846;
static double square(double v) { return v * v; }

/* --- Continuous --- */
static double ackley5(const double *x)
{
    double squares = 0, cosines = 0;
    for (int i = 0; i < 5; i++) squares += x[i] * x[i] / 5, cosines += cos(2 * PI * x[i]) / 5;
    return -20 * exp(-0.2 * sqrt(squares)) - exp(cosines) + 20 + exp(1);
}

static double levy8(const double *x)
{
    double w[8], sum;
    for (int i = 0; i < 8; i++) w[i] = 1 + (x[i] - 1) / 4;
    sum = square(sin(PI * w[0])) + square(w[7] - 1) * (1 + square(sin(2 * PI * w[7])));
    for (int i = 0; i < 7; i++) sum += square(w[i] - 1) * (1 + 10 * square(sin(PI * w[i] + 1)));
    return sum;
}

static double michalewicz5(const double *x)
{
    double sum = 0;
    for (int i = 0; i < 5; i++) sum -= sin(x[i]) * pow(sin((i + 1) * x[i] * x[i] / PI), 20);
    return sum;
}

static double styblinski4(const double *x)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) sum += 0.5 * (pow(x[i], 4) - 16 * x[i] * x[i] + 5 * x[i]);
    return sum;
}

/* Best in a corner. */
static double corner6(const double *x)
{
    double sum = 0;
    for (int i = 0; i < 6; i++) {
        const double far = i % 2 ? x[i] : 1 - x[i];
        sum += (i + 1) * (far + far * far) * (1 + 0.5 * x[(i + 1) % 6]);
    }
    return sum;
}

/* Fails in six points of ten, best beside the edge of where it does. */
static double crash4(const double *x)
{
    if (x[0] + x[1] > 0.85 || x[2] > 0.9) return NAN;
    return square(x[0] - 0.55) + 2 * square(x[1] - 0.3) + square(x[2] - 0.85) + 0.3 * square(x[3] - 0.2)
        + 0.05 * sin(9 * x[3]) * x[2] + 0.05;
}

/* --- Conditions within conditions: model; kernel of one; layers, widths and the optimizer of another --- */
enum { MODEL, COST, KERNEL, GAMMA, DEGREE, DEPTH, WIDTH_1, WIDTH_2, WIDTH_3, METHOD, STEP, MOMENTUM, BETA };

static double net(const double *x)
{
    const double depth = x[DEPTH], rate = log10(x[STEP]);
    double sum = 0.06 * square(depth - 2) + 0.02 * square(log2(x[WIDTH_1]) - 7);
    if (depth >= 2) sum += 0.02 * square(log2(x[WIDTH_2]) - 6);
    if (depth >= 3) sum += 0.02 * square(log2(x[WIDTH_3]) - 5);
    if (x[METHOD] == 0) return sum + 0.03 + 0.05 * square(rate + 1.5) + 0.3 * square(x[MOMENTUM] - 0.9);
    return sum + 0.05 * square(rate + 3) + 0.2 * square(x[BETA] - 0.95);
}

static double deep(const double *x)
{
    const double cost = 0.015 * square(log10(x[COST]) - (x[MODEL] == 1 ? 1 : -1));
    if (x[MODEL] == 0) return 0.3 + cost;
    if (x[MODEL] == 2) return cost + net(x);
    if (x[KERNEL] == 0) return 0.08 + cost + 0.03 * square(log10(x[GAMMA]) + 2);
    return 0.15 + cost + 0.02 * square(x[DEGREE] - 3);
}

/* --- Twelve axes of all kinds, whose best values hang on each other --- */
static double mixed12(const double *x)
{
    static const double shift[] = { 0, 0.5, -0.7 }, cost[] = { 0.02, 0, 0.05, 0.03 },
        other[] = { 0.04, 0.01, 0, 0.06, 0.03 };
    const int a = (int)x[0], b = (int)x[1], c = (int)x[2];
    const double rate = log10(x[8]), decay = log10(x[9]);
    return 0.08 * square(rate + 2.5 + shift[a] + 0.1 * (x[5] - 4)) + 0.02 * square(decay + 4 - 0.3 * b)
        + cost[b] + other[c] + (x[3] == (a == 1) ? 0 : 0.03) + (x[4] == 1 ? 0 : 0.01 + 0.02 * a)
        + 0.004 * square(x[5] - 3 - a) + 0.0008 * square(x[6] - 12) + 0.01 * square(log2(x[7]) - 7 - 0.3 * b)
        + 0.3 * square(x[10] - 0.3 - 0.1 * x[3]) + 0.2 * square(x[11] - 0.8)
        + 0.01 * (1 - cos(7 * (x[10] - 0.3 - 0.1 * x[3])));
}

/* --- Spaces --- */
#define AXIS static const sx_axis
#define REAL(NAME, LOW, HIGH) .name = NAME, .kind = SX_AXIS_REAL, .low = LOW, .high = HIGH
#define CHOICE(NAME, N) .name = NAME, .kind = SX_AXIS_CHOICE, .high = (N) - 1
#define WHOLE .step = 1, .whole = true
#define IF(WHEN) .whens = 1, .when = &WHEN
#define SPACE(...) { (int)(sizeof (const sx_axis *[]){ __VA_ARGS__ } / sizeof(sx_axis *)), 1, 0, \
                     (const sx_axis *const[]){ __VA_ARGS__ } }
AXIS ten = { REAL("x", -5, 10) }, twenty = { REAL("x", -10, 10) },
    pi = { REAL("x", 0, 3.14159265358979323846) },
    five = { REAL("x", -5, 5) }, unit = { REAL("x", 0, 1) };

static const double zero = 0, one = 1, two = 2, three = 3, deeper[] = { 2, 3 };
static const sx_when svm = { MODEL, 1, &one }, nets = { MODEL, 1, &two }, rbf = { KERNEL, 1, &zero },
    poly = { KERNEL, 1, &one }, second = { DEPTH, 2, deeper }, third = { DEPTH, 1, &three },
    sgd = { METHOD, 1, &zero }, adam = { METHOD, 1, &one };
AXIS model = { CHOICE("model", 3) }, cost = { REAL("cost", 1e-3, 1e3), .log = true };
AXIS kernel = { CHOICE("kernel", 2), IF(svm) }, gamma_ = { REAL("gamma", 1e-4, 10), .log = true, IF(rbf) },
    degree = { REAL("degree", 2, 5), WHOLE, IF(poly) };
AXIS depth = { REAL("depth", 1, 3), WHOLE, IF(nets) },
    width_1 = { REAL("width_1", 8, 512), WHOLE, .log = true, IF(nets) },
    width_2 = { REAL("width_2", 8, 512), WHOLE, .log = true, IF(second) },
    width_3 = { REAL("width_3", 8, 512), WHOLE, .log = true, IF(third) };
AXIS method = { CHOICE("method", 2), IF(nets) }, step = { REAL("step", 1e-5, 1), .log = true, IF(nets) },
    momentum = { REAL("momentum", 0, 0.99), IF(sgd) }, beta = { REAL("beta", 0.8, 0.999), IF(adam) };
AXIS a3 = { CHOICE("a", 3) }, b4 = { CHOICE("b", 4) }, c5 = { CHOICE("c", 5) }, d2 = { CHOICE("d", 2) },
    e2 = { CHOICE("e", 2) };
AXIS i8 = { REAL("i", 1, 8), WHOLE }, j20 = { REAL("j", 1, 20), WHOLE },
    k_log = { REAL("k", 16, 1024), WHOLE, .log = true };
AXIS rate = { REAL("rate", 1e-5, 1), .log = true }, decay = { REAL("decay", 1e-7, 1e-1), .log = true },
    drop = { REAL("drop", 0, 0.9) };

#define FIVE(A) &A, &A, &A, &A, &A
static const function all[] = {
    { "ackley5", SPACE(FIVE(ten)), 0, ackley5 },
    { "levy8", SPACE(FIVE(twenty), &twenty, &twenty, &twenty), 0, levy8 },
    { "michal5", SPACE(FIVE(pi)), -4.687658179088148, michalewicz5 },
    { "stybli4", SPACE(&five, &five, &five, &five), -156.66466281508575, styblinski4 },
    { "corner6", SPACE(FIVE(unit), &unit), 0, corner6 },
    { "crash4", SPACE(&unit, &unit, &unit, &unit), 0.03367531968004614, crash4 },
    { "deep", SPACE(&model, &cost, &kernel, &gamma_, &degree, &depth, &width_1, &width_2, &width_3, &method,
                    &step, &momentum, &beta), 0, deep },
    { "mixed12", SPACE(&a3, &b4, &c5, &d2, &e2, &i8, &j20, &k_log, &rate, &decay, &drop, &unit),
      1.4294056778669752e-07, mixed12 },
};
const function *const holdouts[] = { &all[0], &all[1], &all[2], &all[3], &all[4], &all[5], &all[6], &all[7],
                                     &function_conv_b, &function_conv_c, &function_vgg_b, NULL };
