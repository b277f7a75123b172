/* test_importance.c: PED-ANOVA against Optuna's numbers on the same studies, fANOVA near its; what is known
 * of made-up studies. */
#include <criterion/criterion.h>
#include <string.h>
#include "importance.h"
#include "golden/importance.h"

typedef struct {
    const char *name;
    const sx_axis *axis;
    int axes;
    const double *trial;
    long n;
    const double *ped, *fanova;
} study;
#define AXES(s) (int)(sizeof s##_axis / sizeof *s##_axis)
#define STUDY(s) \
    { #s, s##_axis, AXES(s), s##_trial[0], sizeof s##_trial / sizeof *s##_trial, s##_ped, s##_fanova }
static const study studies[] = { STUDY(numeric), STUDY(mixed), STUDY(conditional) };

static sx_arena *a;
static void open_arena(void) { a = sx_arena_open(NULL); }
static void close_arena(void) { sx_arena_close(a); }
TestSuite(importance, .init = open_arena, .fini = close_arena);

static sx_told told_of(const study *s)
{
    const sx_axis **axis = sx_alloc_array(a, (size_t)s->axes, sizeof *axis);
    const double **x = sx_alloc_array(a, (size_t)s->n, sizeof *x);
    double *y = sx_alloc_array(a, (size_t)s->n, sizeof *y);
    for (int i = 0; i < s->axes; i++) axis[i] = &s->axis[i];
    for (long i = 0; i < s->n; i++) {
        x[i] = s->trial + i * (s->axes + 1);
        y[i] = x[i][s->axes];
    }
    const sx_space space = { .n = s->axes, .objectives = 1, .axis = axis };
    return (sx_told){ sx_dup(a, &space, sizeof space), s->n, x, y };
}

static const double *shares(const sx_told *t, sx_importance_method *method)
{
    sx_importance *v;
    double *share = sx_alloc_array(a, (size_t)t->space->n, sizeof *share);
    const long n = sx_importance_rank(a, t, method, &v);
    for (long i = 0; i < n; i++) share[v[i].axis] = v[i].share;
    for (long i = 1; i < n; i++) cr_expect(!(v[i - 1].share < v[i].share), "the order is by importance");
    return share;
}

Test(importance, ped_anova_is_optunas)
{
    for (size_t k = 0; k < sizeof studies / sizeof *studies; k++) {
        const sx_told t = told_of(&studies[k]);
        const double *share = shares(&t, sx_importance_ped);
        for (int i = 0; i < t.space->n; i++)
            cr_expect_float_eq(share[i], studies[k].ped[i], 1e-9, "%s %s: %.12g, Optuna %.12g",
                               studies[k].name, t.space->axis[i]->name, share[i], studies[k].ped[i]);
    }
}

/* Another forest: the same picture, not the same numbers. */
Test(importance, fanova_is_near_optunas)
{
    for (size_t k = 0; k < sizeof studies / sizeof *studies; k++) {
        const sx_told t = told_of(&studies[k]);
        const double *share = shares(&t, sx_importance_fanova);
        for (int i = 0; i < t.space->n; i++) {
            if (isnan(studies[k].fanova[i])) cr_expect(isnan(share[i]), "%s", t.space->axis[i]->name);
            else
                cr_expect_float_eq(share[i], studies[k].fanova[i], 0.06, "%s %s: %.4f, Optuna %.4f",
                                   studies[k].name, t.space->axis[i]->name, share[i], studies[k].fanova[i]);
        }
    }
}

Test(importance, where_an_axis_is_active_is_counted)
{
    const sx_told t = told_of(&studies[2]);
    sx_importance *v;
    const long n = sx_importance_rank(a, &t, sx_importance_ped, &v);
    double of_a = 0, of_b = 0;
    cr_assert_eq(n, t.space->n);
    for (long i = 0; i < n; i++) {
        const char *name = t.space->axis[v[i].axis]->name;
        if (!strcmp(name, "of_a")) of_a = v[i].active;
        else if (!strcmp(name, "of_b")) of_b = v[i].active;
        else cr_expect_eq(v[i].active, 1, "%s", name);
    }
    cr_expect(of_a > 0.2 && of_b > 0.2);
    cr_expect_float_eq(of_a + of_b, 1, 1e-12);
}

/* With y = 2 u + v both methods know the order; fANOVA also the shares, 4 to 1. */
Test(importance, of_a_plane)
{
    enum { N = 400 };
    static const sx_axis axes[] = { { .name = "v", .low = 0, .high = 1 },
                                    { .name = "u", .low = 0, .high = 1 },
                                    { .name = "w", .kind = SX_AXIS_CHOICE, .high = 2 } };
    static double trial[N][4];
    for (long i = 0; i < N; i++) {
        for (int k = 0; k < 2; k++) trial[i][k] = sx_uniform_of((uint64_t)k, (uint64_t)i);
        trial[i][2] = (double)(i % 3);
        trial[i][3] = trial[i][0] + 2 * trial[i][1];
    }
    const study s = { "plane", axes, 3, trial[0], N, NULL, NULL };
    const sx_told t = told_of(&s);
    const double *ped = shares(&t, sx_importance_ped), *fanova = shares(&t, sx_importance_fanova);
    cr_expect(ped[1] > ped[0] && ped[0] > ped[2], "%g %g %g", ped[0], ped[1], ped[2]);
    cr_expect_float_eq(fanova[1], 0.8, 0.03, "%g", fanova[1]);
    cr_expect_float_eq(fanova[0], 0.2, 0.03, "%g", fanova[0]);
    cr_expect_lt(fanova[2], 0.01);
}

/* Nothing to tell: no trial, equal values, axes of one value, normal axes without ends. */
Test(importance, of_nothing)
{
    static const sx_axis axes[] = { { .name = "one", .low = 3, .high = 3 },
                                    { .name = "x", .low = 0, .high = 1 },
                                    { .name = "bell", .kind = SX_AXIS_NORMAL, .sigma = 1 },
                                    { .name = "many", .kind = SX_AXIS_CHOICE, .high = 99 } };
    static const double trial[][5] = { { 3, 0.5, 0, 7, 1 }, { 3, 0.2, 1, 99, 1 }, { 3, 0.9, -1, 0, 1 } };
    study s = { "flat", axes, 4, trial[0], 3, NULL, NULL };
    sx_importance_method *const method[] = { sx_importance_ped, sx_importance_fanova };
    for (int k = 0; k < 2; k++) {
        s.n = 3;
        const sx_told t = told_of(&s);
        const double *share = shares(&t, method[k]);
        for (int i = 0; i < 3; i++) cr_expect_eq(share[i], 0, "%s: %g", axes[i].name, share[i]);
        cr_expect(share[3] == 0 || isnan(share[3]));
        s.n = 0;
        const sx_told none = told_of(&s);
        sx_importance *v;
        cr_expect_eq(sx_importance_rank(a, &none, method[k], &v), 0);
    }
}
