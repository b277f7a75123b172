/* test_goals.c: what trials are judged by: objectives with their directions, costs, constraints measured at
 * the end. */
#include <float.h>
#include "model_help.h"
#include "step.h"

#define NET "model = { input = [ 28, 28, 1 ]; layers = { f = { type = \"flatten\"; }; " \
            "out = { type = \"dense\"; units = 10; activation = \"softmax\"; }; }; };\n"

static const char *const names[] = { "loss", "accuracy", "val_loss", "val_accuracy", "seconds" };
static const double values[] = { 0.5, 0.8, 0.6, 0.7, 12 };

static int measure(world *w, double *objective, double *constraint)
{
    return sx_exp_measure(w->a, w->e, NULL, 5, names, values, objective, constraint, &w->d);
}

Test(goals, several_objectives)
{
    world w = open_text(NET "tune = { objective = [ \"val_accuracy\", \"seconds\", \"parameters\", \"macs\" ]; };");
    opens(&w);
    const sx_tune_conf *t = &w.e->tune;
    cr_assert_eq(t->objectives, 4);
    cr_assert_eq(w.e->domain->space.objectives, 4);
    cr_assert(t->maximize[0] && !t->maximize[1] && !t->maximize[2]);
    double y[4];
    cr_assert_eq(measure(&w, y, NULL), 0, "%s", w.d.n ? w.d.v[0].text : "");
    cr_assert(y[0] == 0.7 && y[1] == 12 && y[2] == 7850 && y[3] == 7840, "%g %g %g %g", y[0], y[1], y[2], y[3]);
    sx_arena_close(w.a);
}

Test(goals, a_word_or_a_list_of_directions)
{
    world w = open_text(NET "tune = { objective = \"val_loss\"; direction = \"maximize\"; };");
    opens(&w);
    cr_assert(w.e->tune.objectives == 1 && w.e->tune.maximize[0]);
    sx_arena_close(w.a);
    w = open_text(NET "tune = { objective = ( \"loss\", \"memory\" ); direction = ( \"auto\", \"maximize\" ); };");
    opens(&w);
    cr_assert(!w.e->tune.maximize[0] && w.e->tune.maximize[1]);
    double y[2];
    cr_assert_eq(measure(&w, y, NULL), 0);
    cr_assert(y[0] == 0.5 && y[1] > 7850 * 4);
    sx_arena_close(w.a);
}

Test(goals, measured_constraints_tell_by_how_much)
{
    world w = open_text(NET "vars = { most = 10; };\n"
                        "tune = { constraints = [ \"parameters() < 10000\", \"seconds <= most\", \"val_loss - 0.5\","
                        " \"val_accuracy > 0.7\", \"seconds < 20 and val_loss < 0.1\", \"macs() / 7840 < seconds\" ]; };");
    opens(&w);
    cr_assert_eq(w.e->tune.known.n, 1);
    cr_assert_eq(w.e->domain->space.constraints, 5);
    double y, c[5];
    cr_assert_eq(measure(&w, &y, c), 0, "%s", w.d.n ? w.d.v[0].text : "");
    cr_assert_float_eq(c[0], 2, 1e-12);
    cr_assert_float_eq(c[1], 0.1, 1e-12);
    cr_assert(c[2] > 0 && c[2] <= DBL_MIN, "0.7 is not above 0.7");
    cr_assert_eq(c[3], 1, "false");
    cr_assert_float_eq(c[4], -11, 1e-12);
    sx_arena_close(w.a);
}

Test(goals, what_has_no_value_is_not_kept)
{
    world w = open_text(NET "tune = { constraints = [ \"1 / (seconds - 12) < 3\", \"val_loss < 1\" ]; };");
    opens(&w);
    double y, c[2];
    const double lost[] = { 0.5, 0.8, NAN, 0.7, 12 };
    cr_assert_eq(sx_exp_measure(w.a, w.e, NULL, 5, names, lost, &y, c, &w.d), 0);
    cr_assert(c[0] == DBL_MAX && c[1] == DBL_MAX);
    sx_arena_close(w.a);
}

/* A variable named like a value is the variable. */
Test(goals, variables_come_first)
{
    world w = open_text(NET "vars = { seconds = 3; };\ntune = { constraints = [ \"seconds < 4\" ]; };");
    opens(&w);
    cr_assert_eq(w.e->tune.known.n, 1);
    sx_diag why;
    cr_assert_eq(sx_exp_constraints(w.a, w.e, NULL, &why, &w.d), 0);
    sx_arena_close(w.a);
}

Test(goals, chance)
{
    world w = open_text(NET "tune = { objective = \"val_accuracy\"; };");
    opens(&w);
    const double v = sx_goal_chance(w.e);        /* unknown, or by the data's classes, where they are there */
    cr_assert(v == 0 || (v < 0 && v >= -0.5));
    sx_arena_close(w.a);
}

static void wrong(const char *tune, const char *message)
{
    char text[1000];
    snprintf(text, sizeof text, NET "tune = { %s };", tune);
    world w = open_text(text);
    cr_assert_eq(w.rc, SX_E_CONFIG, "%s", tune);
    bool told = false;
    for (long i = 0; i < w.d.n; i++) told |= strstr(w.d.v[i].text, message) != NULL;
    cr_assert(told, "%s: %s", tune, w.d.n ? w.d.v[0].text : "nothing");
    sx_arena_close(w.a);
}

Test(goals, mistakes)
{
    wrong("objective = \"val_acuracy\";", "which no training gives");
    wrong("objective = [ \"loss\", \"loss\" ];", "an objective twice");
    wrong("objective = [ \"loss\", \"seconds\" ]; direction = \"minimize\";", "1 direction for 2 objectives");
    wrong("direction = \"upward\";", "it is one of auto, minimize, maximize");
    wrong("objective = [ \"loss\", \"seconds\" ]; pruner = \"median\";", "several objectives");
    wrong("objective = \"seconds\"; pruner = ( \"none\", \"median\" );", "is by 'seconds'");
    wrong("constraints = [ \"seconds <\" ];", "missing");
    wrong("constraints = [ \"seconds < sum(3)\" ];", "unknown function");
    wrong("constraints = [ \"seconds < \\\"long\\\"\" ];", "");
    wrong("pruner = ( { type = \"asha\"; factor = 1; } );", "outside");
    wrong("trial_time = \"2 weeks\";", "");
}
