/* test_axis.c: values of the kinds of axes, their frequencies by the prior, conditions. */
#include <criterion/criterion.h>
#include <math.h>
#include "rng.h"

enum { DRAWS = 40000 };
static double frequency(const sx_axis *a, double value)
{
    long n = 0;
    for (long i = 0; i < DRAWS; i++) n += sx_axis_at(a, (i + 0.5) / DRAWS) == value;
    return (double)n / DRAWS;
}
#define NEAR(x, y, eps)                                                                                      \
    cr_assert(fabs((x) - (y)) <= (eps), #x " is %.17g, not %.17g", (double)(x), (double)(y))

Test(axis, steps_are_decimal_and_equally_likely)
{
    const sx_axis a = { .kind = SX_AXIS_REAL, .low = 0.05, .high = 0.5, .step = 0.05 };
    cr_assert_eq(sx_axis_count(&a), 10);
    for (int k = 1; k <= 10; k++) {
        const double v = k / 20.0;
        NEAR(frequency(&a, v), 0.1, 1e-3);
        cr_assert_eq(sx_axis_snap(&a, v + 0.02), v);
        cr_assert_eq(sx_axis_snap(&a, v), v);
    }
    cr_assert_eq(sx_axis_snap(&a, 0.149999), 0.15);
    cr_assert_eq(sx_axis_snap(&a, -7), 0.05);
    cr_assert_eq(sx_axis_snap(&a, INFINITY), 0.5);
    cr_assert_eq(sx_axis_at(&a, 0), 0.05);
    cr_assert_eq(sx_axis_at(&a, 1), 0.5);
}

Test(axis, integers)
{
    const sx_axis a = { .kind = SX_AXIS_REAL, .low = 2, .high = 6, .step = 1, .whole = true };
    cr_assert_eq(sx_axis_count(&a), 5);
    for (int v = 2; v <= 6; v++) NEAR(frequency(&a, v), 0.2, 1e-3);
    const sx_axis whole = { .kind = SX_AXIS_REAL, .low = -2, .high = 1, .whole = true };
    cr_assert_eq(sx_axis_count(&whole), 4, "a whole axis without a step counts by ones");
    cr_assert_eq(sx_axis_snap(&whole, -1.4), -1);
    const sx_axis odd = { .kind = SX_AXIS_REAL, .low = 1, .high = 8, .step = 3 };
    cr_assert_eq(sx_axis_count(&odd), 3);
    cr_assert_eq(sx_axis_snap(&odd, 8), 7);
}

/* hyperopt: round(U(low, high) / q) * q: the ends have half the mass; halves go to the even neighbour. */
Test(axis, rounded_ends_have_half_the_mass)
{
    const sx_axis a = { .kind = SX_AXIS_REAL, .low = 2, .high = 6, .step = 1, .round = true };
    cr_assert_eq(sx_axis_count(&a), 5);
    NEAR(frequency(&a, 2), 0.125, 1e-3);
    NEAR(frequency(&a, 3), 0.25, 1e-3);
    NEAR(frequency(&a, 6), 0.125, 1e-3);
    cr_assert_eq(sx_axis_snap(&a, 2.5), 2);
    cr_assert_eq(sx_axis_snap(&a, 3.5), 4);
    cr_assert_eq(sx_axis_snap(&a, 9), 6);
    const sx_axis q = { .kind = SX_AXIS_REAL, .low = 1, .high = 6, .step = 4, .round = true };
    cr_assert_eq(sx_axis_at(&q, 0), 0, "multiples of q, whatever low is");
    cr_assert_eq(sx_axis_count(&q), 3);
}

Test(axis, logarithms)
{
    const sx_axis a = { .kind = SX_AXIS_REAL, .log = true, .low = 1e-4, .high = 1 };
    NEAR(sx_axis_at(&a, 0.5), 1e-2, 1e-15);
    NEAR(sx_axis_at(&a, 0), 1e-4, 1e-18);
    cr_assert_leq(sx_axis_at(&a, 1), 1);
    cr_assert_eq(sx_axis_count(&a), 0);
    const sx_axis n = { .kind = SX_AXIS_REAL, .log = true, .low = 1, .high = 8, .step = 1, .whole = true };
    for (int v = 1; v <= 8; v++) NEAR(frequency(&n, v), log((v + 0.5) / (v - 0.5)) / log(8.5 / 0.5), 1e-3);
}

Test(axis, normal_quantiles)
{
    const sx_axis a = { .kind = SX_AXIS_NORMAL, .mu = 3, .sigma = 2 };
    NEAR(sx_axis_at(&a, 0.5), 3, 1e-15);
    NEAR(sx_axis_at(&a, 0.975), 3 + 2 * 1.959963984540054, 1e-12);
    NEAR(sx_axis_at(&a, 0.001), 3 - 2 * 3.090232306167813, 1e-12);
    NEAR(sx_axis_at(&a, 1e-10), 3 - 2 * 6.361340902404056, 1e-10);
    cr_assert(isfinite(sx_axis_at(&a, 0)) && isfinite(sx_axis_at(&a, 1)));
    const sx_axis l = {
        .kind = SX_AXIS_NORMAL, .log = true, .mu = 1, .sigma = 0.5, .step = 0.25, .round = true
    };
    cr_assert_eq(sx_axis_at(&l, 0.5), 2.75);
    cr_assert_eq(sx_axis_count(&l), 0);
    cr_assert_eq(sx_axis_snap(&l, -1), 0, "a rounded one may be 0");
}

Test(axis, lognormals_are_above_0_and_finite)
{
    for (double mu = -800; mu <= 800; mu += 400) {
        const sx_axis l = { .kind = SX_AXIS_NORMAL, .log = true, .mu = mu, .sigma = 3 };
        for (double u = 0; u <= 1; u += 0.125) {
            const double v = sx_axis_at(&l, u);
            cr_assert(v > 0 && isfinite(v), "mu %g, u %g: %g", mu, u, v);
        }
        cr_assert_eq(sx_axis_snap(&l, -1), sx_axis_at(&l, 0.5), "the median");
        cr_assert(sx_axis_snap(&l, 0) > 0);
        cr_assert(isfinite(sx_axis_snap(&l, HUGE_VAL)));
        cr_assert_eq(sx_axis_snap(&l, 0.25), 0.25);
    }
}

Test(axis, choices)
{
    static const double weight[] = { 1, 0, 3 };
    const sx_axis a = { .kind = SX_AXIS_CHOICE, .high = 2 },
                  w = { .kind = SX_AXIS_CHOICE, .high = 2, .weight = weight };
    cr_assert_eq(sx_axis_count(&a), 3);
    for (int k = 0; k < 3; k++) NEAR(frequency(&a, k), 1 / 3.0, 1e-3);
    for (int k = 0; k < 3; k++) NEAR(frequency(&w, k), weight[k] / 4, 1e-3);
    cr_assert_eq(sx_axis_at(&w, 1), 2);
    cr_assert_eq(sx_axis_snap(&a, 7), 2);
}

Test(axis, snapping_is_idempotent_and_mends_nan)
{
    static const double step[] = { 0, 0.1, 0.05, 1, 3, 1e-3, 0.7 };
    sx_rng r;
    sx_rng_init(&r, 1, 0, "axis");
    for (int i = 0; i < 2000; i++) {
        sx_axis a = { .kind = i % 9 ? SX_AXIS_REAL : SX_AXIS_NORMAL,
                      .step = step[i % 7],
                      .round = i % 2,
                      .sigma = 1,
                      .low = -3 + 6 * sx_uniform(&r) };
        a.high = a.low + 10 * sx_uniform(&r);
        const double v = sx_axis_at(&a, sx_uniform(&r));
        cr_assert_eq(sx_axis_snap(&a, v), v, "%.17g of [%g, %g] by %g", v, a.low, a.high, a.step);
        cr_assert(!isnan(sx_axis_snap(&a, NAN)));
    }
}

Test(axis, conditions)
{
    static const double zero[] = { 0 }, two_three[] = { 2, 3 }, one[] = { 1 };
    static const sx_when when1[] = { { 0, 2, two_three } }, when2[] = { { 1, 1, one }, { 0, 1, zero } },
                         self[] = { { 3, 1, one } };
    static const sx_axis root = { .name = "r" }, a = { .whens = 1, .when = when1 },
                         b = { .whens = 2, .when = when2 }, c = { .whens = 1, .when = self };
    static const sx_axis *const axes[] = { &root, &a, &b, &c };
    const sx_space s = { .n = 4, .axis = axes };
    cr_assert(sx_active(&s, (double[]){ 2, 1, 0, 0 }, 1));
    cr_assert(sx_active(&s, (double[]){ 2, 1, 0, 0 }, 2));
    cr_assert_not(sx_active(&s, (double[]){ 2, 0, 0, 0 }, 2));
    cr_assert(sx_active(&s, (double[]){ 0, NAN, 0, 0 }, 2));
    cr_assert_not(sx_active(&s, (double[]){ 1, 1, 0, 0 }, 2), "a value of an inactive parent does not count");
    cr_assert_not(sx_active(&s, (double[]){ 1, 1, 0, 1 }, 3), "no axis is its own parent");
}
