/* test_point.c: points of a space: counted through, drawn, found again in a history. */
#include <criterion/criterion.h>
#include <math.h>
#include "rng.h"

static const double one = 1;
static const sx_when in_one = { 0, 1, &one };
static const sx_axis branch = { .name = "branch", .kind = SX_AXIS_CHOICE, .high = 2 };
static const sx_axis child = { .name = "child", .kind = SX_AXIS_CHOICE, .high = 1, .whens = 1, .when = &in_one };
static const sx_axis tenth = { .name = "tenth", .kind = SX_AXIS_REAL, .low = 0.1, .high = 0.5, .step = 0.1 };
static const sx_axis even = { .name = "even", .kind = SX_AXIS_REAL, .low = 1, .high = 16, .step = 2,
                              .round = true };
static const sx_axis real = { .name = "real", .kind = SX_AXIS_REAL, .low = -1, .high = 1 };
static const sx_axis rate = { .name = "rate", .kind = SX_AXIS_REAL, .low = 1e-4, .high = 1, .log = true };
static const sx_axis bell = { .name = "bell", .kind = SX_AXIS_NORMAL, .mu = 3, .sigma = 2 };
static const sx_axis coarse = { .name = "coarse", .kind = SX_AXIS_NORMAL, .sigma = 0.4, .step = 1, .round = true };

/* Values that an axis goes through; returns how many. */
static int values(const sx_axis *a, long parts, double *v)
{
    const sx_axis *const list[] = { a };
    const sx_space s = { 1, 1, 0, list };
    double x;
    int n = 0;
    sx_point_first(&s, parts, &x);
    do v[n++] = x;
    while (n < 100 && sx_point_next(&s, parts, &x));
    return n;
}

Test(point, values_of_an_axis_ascend)
{
    static const sx_axis *const axes[] = { &tenth, &even, &real, &rate, &bell, &coarse, &branch };
    for (int i = 0; i < 7; i++) {
        double v[100];
        const int n = values(axes[i], 7, v);
        cr_assert(n > 1 && n < 20, "%s: %d", axes[i]->name, n);
        for (int k = 1; k < n; k++) cr_expect_gt(v[k], v[k - 1], "%s", axes[i]->name);
        for (int k = 0; k < n; k++) cr_expect_eq(sx_axis_snap(axes[i], v[k]), v[k], "%s", axes[i]->name);
        if (sx_axis_count(axes[i])) cr_expect_eq(n, sx_axis_count(axes[i]), "%s", axes[i]->name);
    }
}

Test(point, ends_and_middles)
{
    double v[100];
    cr_assert_eq(values(&tenth, 1, v), 5);
    cr_assert(v[0] == 0.1 && v[2] == 0.3 && v[4] == 0.5);
    cr_assert_eq(values(&real, 3, v), 3);
    cr_assert(v[0] == -1 && v[1] == 0 && v[2] == 1);
    cr_assert_eq(values(&rate, 3, v), 3);
    cr_assert(v[0] == 1e-4 && fabs(v[1] - 1e-2) < 1e-15 && v[2] == 1);
    cr_assert_eq(values(&real, 1, v), 1);
    cr_assert_eq(v[0], 0);
    cr_assert_eq(values(&bell, 3, v), 3);
    cr_assert_float_eq(v[1], 3, 1e-12);
    cr_assert_float_eq(v[2] - v[1], v[1] - v[0], 1e-12);
}

static const sx_axis *const few_axes[] = { &branch, &child, &tenth };
static const sx_space few = { 3, 1, 0, few_axes };

Test(point, conditions_hold_while_counting)
{
    double x[3];
    int n = 0, with = 0;
    sx_point_first(&few, 1, x);
    do {
        n++;
        with += !isnan(x[1]);
        cr_assert_eq(isnan(x[1]), x[0] != 1);
    } while (sx_point_next(&few, 1, x));
    cr_assert_eq(n, 20);
    cr_assert_eq(with, 10);
}

Test(point, random_points_are_legal)
{
    double x[3];
    int seen[3] = { 0 };
    sx_rng r;
    sx_rng_init(&r, 1, 2, "test");
    for (int i = 0; i < 300; i++) {
        sx_point_random(&few, &r, x);
        seen[(int)x[0]]++;
        cr_assert_eq(isnan(x[1]), x[0] != 1);
        cr_assert_eq(sx_axis_snap(&tenth, x[2]), x[2]);
    }
    for (int i = 0; i < 3; i++) cr_assert_gt(seen[i], 60);
}

Test(point, found_wherever_the_search_begins)
{
    static const double points[4][3] = { { 0, NAN, 0.1 }, { 1, 0, 0.1 }, { 1, 1, 0.1 }, { 2, NAN, 0.5 } };
    static const double other[3] = { 1, NAN, 0.1 };
    sx_trial t[4];
    const sx_trial *list[4];
    for (int i = 0; i < 4; i++) t[i] = (sx_trial){ .number = i, .x = points[i] }, list[i] = &t[i];
    const sx_history h = { .n = 4, .done = 4, .trial = list }, none = { .trial = list };
    for (long near = 0; near <= 4; near++) {
        for (int i = 0; i < 4; i++) cr_assert_eq(sx_point_find(&few, &h, points[i], near), i);
        cr_assert_eq(sx_point_find(&few, &h, other, near), -1);
    }
    cr_assert_eq(sx_point_find(&few, &none, points[0], 0), -1);
}
