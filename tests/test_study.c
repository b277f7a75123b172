/* test_study.c: the search on top of sampler, pruner and store: order, replay, queues, pauses, what others
 * did. Nothing is trained. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "study.h"

static char dir[] = "/tmp/strix-study-XXXXXX";
static sx_arena *arena;
static sx_diags diags;
static sx_registry *registry;
static const char *url;

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(dir));
    arena = sx_arena_open(NULL);
    sx_diags_init(&diags, arena);
    registry = sx_registry_open(arena, NULL);
    url = sx_format(arena, "sqlite:%s/s.db", dir);
}

static void tear_down(void)
{
    sx_arena_close(arena);
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(study, .init = set_up, .fini = tear_down, .timeout = 120);

static const char space[] =
    "vars = { lr = 0.01; act = \"relu\"; blocks = 0; size = 1; };\n"
    "tune = { trials = 40; direction = \"maximize\"; %s\n"
    "  space = { lr = { loguniform = [ 1e-4, 1.0 ]; }; act = { choice = [ \"relu\", \"selu\", \"tanh\" ]; "
    "};\n"
    "    conv = { choice = ( { blocks = 0; }, { blocks = 1; size = { int = [ 1, 3 ]; }; } ); }; }; };\n";
static const char few[] = "vars = { a = 1; b = \"x\"; };\n"
                          "tune = { trials = 100; %s space = { a = { int = [ 1, 3 ]; }; b = { choice = [ "
                          "\"x\", \"y\" ]; }; }; };\n";

static sx_exp *experiment(const char *text, const char *tune)
{
    sx_conf *root;
    sx_exp *e = NULL;
    char whole[2048];
    snprintf(whole, sizeof whole, text, tune);
    if (!sx_config_parse(arena, whole, "test.cfg", NULL, &root, &diags))
        (void)!sx_search_open(arena, registry, root, "test.cfg", &e, &diags);
    if (!e) sx_diags_print(&diags, stderr);
    cr_assert_not_null(e);
    return e;
}

static sx_study *opened(sx_exp *e, const char *name)
{
    sx_study *s = NULL;
    if (sx_study_open(arena, registry, e, url, name, true, &s, &diags)) sx_diags_print(&diags, stderr);
    cr_assert_not_null(s);
    return s;
}

/* What the user would see of a point; the best is at lr = 0.01 and relu. */
static double value_of(const sx_claim *c)
{
    return 1 - fabs(log10(c->x[0]) + 2) / 4 - 0.1 * c->x[1] - (isnan(c->x[3]) ? 0 : 0.01 * c->x[3]);
}

static int ask(sx_study *s, const char *worker, sx_claim *c)
{
    const int rc = sx_study_claim(s, arena, worker, 60, sx_study_exp(s)->tune.trials, c, &diags);
    if (rc < 0) sx_diags_print(&diags, stderr);
    return rc;
}

/* Every trial to its end; two at a time where `pairs`. */
static void play(sx_study *s, bool pairs)
{
    sx_claim a, b;
    while (!ask(s, "a", &a)) {
        const bool second = pairs && !ask(s, "b", &b);
        cr_assert_eq(sx_study_tell(s, &a, a.row.t.number % 7 == 6 ? SX_FAILED : SX_DONE,
                                   (double[]){ value_of(&a) }, NULL, NULL, &diags),
                     0);
        if (second)
            cr_assert_eq(sx_study_tell(s, &b, SX_DONE, (double[]){ value_of(&b) }, NULL, NULL, &diags), 0);
    }
}

static const sx_trial_row *const *rows(sx_study *s, long want)
{
    const sx_trial_row *const *r;
    cr_assert_eq(sx_study_trials(s, arena, &r, &diags), want);
    for (long i = 0; i < want; i++) cr_assert_eq(r[i]->t.number, i);
    return r;
}

static bool same(const double *x, const double *y)
{
    for (int i = 0; i < 4; i++) if (x[i] != y[i] && !(isnan(x[i]) && isnan(y[i]))) return false;
    return true;
}

Test(study, one_worker_or_two_draw_the_same_at_random)
{
    sx_study *one = opened(experiment(space, "sampler = { type = \"random\"; seed = 5; };"), "one");
    sx_study *two = opened(experiment(space, "sampler = { type = \"random\"; seed = 5; };"), "two");
    play(one, false);
    play(two, true);
    const sx_trial_row *const *x = rows(one, 40), *const *y = rows(two, 40);
    for (long i = 0; i < 40; i++) cr_assert(same(x[i]->t.x, y[i]->t.x), "trial %ld", i);
    cr_assert_str_eq(x[0]->values, "{\"lr\": 0.01, \"act\": \"relu\", \"conv\": \"0\"}");
}

Test(study, grid_is_the_same_for_two_and_ends)
{
    sx_study *one = opened(experiment(few, "sampler = { type = \"grid\"; };"), "one");
    sx_study *two = opened(experiment(few, "sampler = { type = \"grid\"; };"), "two");
    sx_claim a, b;
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(ask(one, "a", &a), 0);
        cr_assert_eq(ask(two, i % 2 ? "a" : "b", &b), 0);            /* all six run at once */
        cr_assert(a.x[0] == b.x[0] && a.x[1] == b.x[1]);
        cr_assert_eq(sx_study_tell(one, &a, SX_DONE, (double[]){ 1 }, NULL, NULL, &diags), 0);
    }
    cr_assert_eq(ask(one, "a", &a), 1, "exhausted");
    cr_assert_eq(ask(two, "a", &b), 2, "exhausted, but somebody runs");
}

Test(study, every_suggestion_of_tpe_can_be_asked_again)
{
    sx_study *s = opened(experiment(space, "sampler = { type = \"tpe\"; seed = 3; startup = 8; };"), "t");
    play(s, true);
    sx_study *again = opened(NULL, "t");
    const sx_trial_row *const *r = rows(again, 40);
    double x[4];
    for (long i = 0; i < 40; i++) cr_assert_eq(sx_study_replay(again, r[i], x, &diags), 0, "trial %ld", i);
    sx_trial_row other = *r[30];
    double moved[4];
    memcpy(moved, other.t.x, sizeof moved);
    moved[0] *= 1.0000001;
    other.t.x = moved;
    cr_assert_eq(sx_study_replay(again, &other, x, &diags), 1);
    const sx_trial_row *best = sx_study_best(s, arena, &diags);
    for (long i = 0; i < 40; i++) if (r[i]->t.fate == SX_DONE) cr_assert_leq(*r[i]->t.value, *best->t.value);
}

Test(study, another_process_goes_on_as_if_it_had_been_there)
{
    const char *tune = "sampler = { type = \"tpe\"; seed = 3; startup = 8; };";
    sx_study *whole = opened(experiment(space, tune), "whole");
    play(whole, false);
    for (int i = 0; i < 40; i++) {                                   /* a study opened anew for each trial */
        sx_arena *a = sx_arena_open(arena);
        sx_study *s = NULL;
        sx_claim c;
        cr_assert_eq(sx_study_open(a, registry, experiment(space, tune), url, "parts", true, &s, &diags), 0);
        cr_assert_eq(ask(s, "a", &c), 0);
        cr_assert_eq(sx_study_tell(s, &c, i % 7 == 6 ? SX_FAILED : SX_DONE, (double[]){ value_of(&c) }, NULL,
                                   NULL, &diags),
                     0);
        sx_arena_close(a);
    }
    const sx_trial_row *const *x = rows(whole, 40), *const *y = rows(opened(NULL, "parts"), 40);
    for (long i = 0; i < 40; i++) cr_assert(same(x[i]->t.x, y[i]->t.x), "trial %ld", i);
}

Test(study, queued_points_come_first_and_are_completed)
{
    sx_study *s = opened(experiment(space, "sampler = { type = \"random\"; };"), "q");
    const sx_named fixed[] = { { "size", { .kind = SX_DATUM_INT, .i = 2 } },
                               { "conv", { .kind = SX_DATUM_INT, .i = 1 } },
                               { "act", { .kind = SX_DATUM_TEXT, .s = "tanh" } } };
    const sx_named wrong[] = { { "act", { .kind = SX_DATUM_TEXT, .s = "gelu" } } };
    long number;
    sx_claim c;
    cr_assert_eq(sx_study_add(s, wrong, 1, &number, NULL), SX_E_REFUSED);
    cr_assert_eq(sx_study_add(s, fixed, 3, &number, &diags), 0);
    cr_assert_eq(ask(s, "a", &c), 0);
    cr_assert(c.row.queued && c.row.t.number == number && c.x[1] == 2 && c.x[2] == 1 && c.x[3] == 2 &&
              c.x[0] > 0);
    double x[4];
    cr_assert_eq(sx_study_replay(s, &c.row, x, &diags), 2);
}

Test(study, failures_and_pauses_and_the_end)
{
    sx_study *s = opened(experiment(space, "sampler = { type = \"random\"; };"), "f");
    sx_claim a, b, c;
    cr_assert_eq(ask(s, "a", &a), 0);
    cr_assert_eq(ask(s, "b", &b), 0);
    cr_assert_eq(ask(s, "c", &c), 0);
    const char *const name[] = { "loss", "value" };
    cr_assert_eq(sx_study_report(s, &b, 1, 2, name, (const double[]){ 3, 0.25 }, &diags), 0);
    cr_assert_eq(sx_study_report(s, &b, 2, 2, name, (const double[]){ 3, NAN }, &diags), 0);
    cr_assert_eq(sx_study_tell(s, &a, SX_DONE, NULL, NULL, NULL, &diags), 0);
    cr_assert_eq(sx_study_tell(s, &b, SX_PRUNED, NULL, NULL, "by hand", &diags), 0);
    cr_assert_eq(sx_study_tell(s, &c, SX_PAUSED, NULL, NULL, NULL, &diags), 0);
    const sx_trial_row *const *r = rows(s, 3);
    cr_assert(r[0]->t.fate == SX_FAILED && !r[0]->t.value && strstr(r[0]->reason, "not a number"));
    cr_assert(r[1]->t.fate == SX_PRUNED && *r[1]->t.value == 0.25 && !strcmp(r[1]->reason, "by hand"));
    cr_assert_eq(r[2]->t.fate, SX_PAUSED);
    cr_assert_eq(sx_study_end(s, &diags), 0);
    cr_assert_eq(rows(s, 3)[2]->t.fate, SX_PRUNED);
    cr_assert_null(sx_study_best(s, arena, &diags));
    cr_assert_eq(sx_study_tell_number(s, 1, SX_DONE, 1, (double[]){ 1 }, NULL, NULL), SX_E_USAGE);
    cr_assert_eq(sx_study_tell_number(s, 17, SX_DONE, 1, (double[]){ 1 }, NULL, NULL), SX_E_USAGE);
}

Test(study, the_median_pruner_sees_the_others)
{
    sx_study *s = opened(
        experiment(
            space,
            "sampler = { type = \"random\"; }; pruner = { type = \"median\"; startup = 2; warmup = 0; };"),
        "m");
    const char *const name = "value";
    sx_claim c;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(ask(s, "a", &c), 0);
        cr_assert_eq(sx_study_report(s, &c, 1, 1, &name, &(double){ 0.5 }, &diags), 0);
        cr_assert_eq(sx_study_tell(s, &c, SX_DONE, (double[]){ 0.5 }, NULL, NULL, &diags), 0);
    }
    cr_assert_eq(ask(s, "a", &c), 0);
    cr_assert_eq(sx_study_report(s, &c, 1, 1, &name, &(double){ 0.6 }, &diags), 0);
    cr_assert_eq(ask(s, "b", &c), 0);
    cr_assert_eq(sx_study_report(s, &c, 1, 1, &name, &(double){ 0.1 }, &diags), 1);
}

static sx_study *changed(const char *vars, const char *axes, int want)
{
    sx_study *s = NULL;
    char text[1000];
    snprintf(text, sizeof text,
             "vars = { %s };\ntune = { trials = 40; direction = \"maximize\"; %%s space = { %s }; };\n", vars,
             axes);
    cr_assert_eq(sx_study_open(arena, registry, experiment(text, ""), url, "c", true, &s, &diags), want);
    return s;
}

static const char *last_words(void) { return diags.v[diags.n - 1].text; }

/* Trials: 0 at vars (a 2, b x), then a 1 b y; a 3 b x. */
static void three_trials(void)
{
    static const double at[3][2] = { { 0, 0 }, { 1, 1 }, { 3, 0 } };
    sx_study *s = changed("a = 2; b = \"x\"; c = 5;",
                          "a = { int = [ 1, 3 ]; }; b = { choice = [ \"x\", \"y\" ]; };", 0);
    for (int i = 0; i < 3; i++) {
        sx_claim c;
        long number;
        if (i) cr_assert_eq(sx_study_queue(s, at[i], &number, &diags), 0);
        cr_assert_eq(ask(s, "w", &c), 0);
        cr_assert_eq(sx_study_tell(s, &c, SX_DONE, (double[]){ i }, NULL, NULL, &diags), 0);
    }
}

Test(study, a_changed_space_keeps_the_trials_that_fit)
{
    three_trials();
    sx_study *s = changed("a = 2; b = \"x\"; c = 5;",
                          "a = { int = [ 2, 9 ]; }; b = { choice = [ \"z\", \"y\", \"x\" ]; };", 0);
    cr_assert(strstr(last_words(), "'a' was 1 to 3 by 1, and is 2 to 9 by 1"), "%s", last_words());
    cr_assert(strstr(last_words(), "2 of 3 ended trials fit"), "%s", last_words());
    const sx_trial_row *const *r = rows(s, 3);
    cr_assert(sx_study_fits(s, r[0]) && !sx_study_fits(s, r[1]) && sx_study_fits(s, r[2]));
    cr_assert_eq(r[2]->t.x[1], 2, "the same word at its new place");
    const long said = diags.n;
    s = changed("a = 2; b = \"x\"; c = 5;",
                "a = { int = [ 2, 9 ]; }; b = { choice = [ \"z\", \"y\", \"x\" ]; };", 0);
    cr_assert_eq(diags.n, said, "it is said once");
    double x[2];
    sx_claim c;
    cr_assert_eq(ask(s, "w", &c), 0);
    r = rows(s, 4);
    cr_assert_eq(sx_study_replay(s, r[1], x, &diags), 2, "asked for in the other space");
    cr_assert_eq(sx_study_replay(s, r[3], x, &diags), 0);

    s = changed("a = 2; b = \"x\"; c = 5;", "b = { choice = [ \"x\" ]; }; c = { int = [ 4, 6 ]; };", 0);
    cr_assert(strstr(last_words(), "'a' is no longer searched") && strstr(last_words(), "'c' is new"), "%s",
              last_words());
    cr_assert(strstr(last_words(), "2 of 3 ended trials fit"), "%s", last_words());
    cr_assert_eq(sx_study_tell(s, &c, SX_DONE, (double[]){ 1 }, NULL, NULL, NULL), 0);
}

/* Of options that are gone nothing is left to make variables of. */
Test(study, the_point_of_a_trial_that_does_not_fit_is_refused)
{
    static const char text[] = "vars = { a = 1; b = \"x\"; };\n"
                               "tune = { objective = [ \"f\" ]; constraints = [ \"f < 3\" ]; space = {\n"
                               "  b = { choice = [ \"x\", %s ]; }; a = { int = [ 1, 3 ]; }; }; };\n";
    const double y[2] = { 1, NAN }, *x;
    long number;
    sx_claim c;
    sx_study *s = opened(experiment(text, "\"y\""), "gone");
    cr_assert_eq(sx_study_queue(s, y, &number, &diags), 0);
    cr_assert_eq(sx_study_point(s, arena, rows(s, 1)[0], &x, NULL), SX_E_USAGE, "it waits");
    cr_assert_eq(ask(s, "w", &c), 0);
    cr_assert_eq(sx_study_point(s, arena, rows(s, 1)[0], &x, NULL), 0);
    cr_assert_eq(x[0], 1);
    s = opened(experiment(text, "\"z\""), "gone");
    cr_assert_eq(sx_study_point(s, arena, rows(s, 1)[0], &x, NULL), SX_E_CONFIG);
    cr_assert_eq(sx_study_tell_number(s, 0, SX_DONE, 1, (double[]){ 1 }, NULL, &diags), SX_E_CONFIG);
    cr_assert(strstr(last_words(), "trial 0 does not fit the space that study 'gone' has now"), "%s", last_words());
    cr_assert_eq(sx_study_tell_number(s, 0, SX_FAILED, 0, NULL, "gone", &diags), 0, "but it can fail");
}

Test(study, a_trial_left_over_from_another_space_ends)
{
    sx_study *s = changed("a = 2;", "a = { int = [ 1, 3 ]; };", 0);
    sx_claim c;
    cr_assert_eq(ask(s, "w", &c), 0);
    cr_assert_eq(sx_study_drop(s, c.row.id, "w", false, &diags), 0);
    s = changed("a = 8;", "a = { int = [ 7, 9 ]; };", 0);
    cr_assert_eq(ask(s, "w", &c), 0);
    cr_assert_eq(c.row.t.number, 1);
    const sx_trial_row *const *r = rows(s, 2);
    cr_assert_eq(r[0]->t.fate, SX_FAILED);
    cr_assert_str_eq(r[0]->reason, "its point does not fit the changed space");
}

Test(study, a_stop_lasts_until_it_is_undone_and_a_skip_ends_one_trial)
{
    sx_study *s = opened(experiment(few, ""), "stop"), *other = opened(experiment(few, ""), "stop");
    sx_claim a, b;
    const char *const name = "val_accuracy";
    const double value = 0.5;
    bool stopped;
    cr_assert_eq(ask(s, "a", &a), 0);
    cr_assert_eq(ask(s, "b", &b), 0);
    cr_assert_eq(sx_study_skip(other, 0, &diags), 0);
    cr_assert_eq(sx_study_report(s, &a, 1, 1, &name, &value, &diags), SX_E_LOST);
    cr_assert_eq(sx_study_report(s, &b, 1, 1, &name, &value, &diags), 0);
    cr_assert_eq(sx_study_stop(other, true, &diags), 0);
    cr_assert_eq(sx_study_report(s, &b, 2, 1, &name, &value, &diags), SX_E_STOPPED);
    cr_assert_eq(ask(s, "a", &a), 3);
    cr_assert(!sx_study_stopped(s, &stopped, &diags) && stopped);
    cr_assert_eq(sx_study_stop(other, false, &diags), 0);
    cr_assert_eq(sx_study_report(s, &b, 3, 1, &name, &value, &diags), 0);
    cr_assert_eq(ask(s, "a", &a), 0);
    cr_assert_eq(rows(s, 3)[0]->t.fate, SX_PRUNED);
    cr_assert_eq(sx_study_skip(other, 0, &diags), SX_E_USAGE);
    cr_assert_eq(sx_study_skip(other, 17, &diags), SX_E_USAGE);
}

Test(study, what_optuna_could_not_load_is_refused_with_the_difference)
{
    opened(experiment(space, ""), "c");
    sx_study *s;
    play(opened(experiment(space, ""), "c"), false);
    changed("lr = 0.1;", "lr = { uniform = [ 0.0, 1.0 ]; };", SX_E_CONFIG);
    cr_assert(strstr(diags.v[diags.n - 1].detail, "'lr' was 0.0001 to 1, logarithmic, and is 0 to 1"), "%s",
              diags.v[diags.n - 1].detail);
    cr_assert(strstr(diags.v[diags.n - 1].hint, "study import"));
    cr_assert_eq(sx_study_open(arena, registry, NULL, url, "none", true, &s, NULL), SX_E_DATA);
    cr_assert_eq(sx_study_open(arena, registry, NULL, "mongo:x", "c", true, &s, NULL), SX_E_PLUGIN);
    cr_assert_eq(sx_study_open(arena, registry, NULL, "studies/x.db", "c", true, &s, NULL), SX_E_USAGE);
}

Test(study, no_secret_of_the_environment_gets_in)
{
    cr_assert_eq(setenv("STRIX_TOKEN", "s3cr3t-value", 1), 0);
    sx_study *s = opened(experiment("vars = { where = \"${env.STRIX_TOKEN}/x\"; lr = 1.0; };\n"
                                    "tune = { %s space = { lr = { uniform = [ 0.0, 2.0 ]; }; }; };",
                                    ""),
                         "e");
    sx_claim c;
    cr_assert_eq(ask(s, "a", &c), 0);
    sx_arena *a = sx_arena_open(NULL);
    char *command = sx_format(a, "cat %s/s.db* | grep -q s3cr3t", dir),
         *name = sx_format(a, "cat %s/s.db* | grep -q STRIX_TOKEN", dir);
    cr_assert_neq(system(command), 0);
    cr_assert_eq(system(name), 0);
    sx_arena_close(a);
}

Test(study, set_aside_and_begun_anew)
{
    sx_exp *e = experiment(space, "");
    e->study.store = url;
    e->study.runs = sx_format(arena, "%s/runs", dir);
    const char *aside;
    cr_assert_eq(sx_study_put_aside(arena, registry, e, &aside, &diags), 0);
    cr_assert_null(aside);
    sx_study *s = opened(e, NULL);
    sx_claim c;
    cr_assert_eq(ask(s, "a", &c), 0);
    cr_assert_eq(
        sx_study_note(s, &c, "strix:dir", sx_format(arena, "\"%s/trial-0000\"", e->study.runs), &diags), 0);
    cr_assert_eq(system(sx_format(arena, "mkdir -p %s/trial-0000", e->study.runs)), 0);
    cr_assert_eq(sx_study_put_aside(arena, registry, e, &aside, &diags), 0);
    cr_assert_str_eq(aside, "test.1");
    cr_assert_str_eq(rows(opened(NULL, "test.1"), 1)[0]->dir,
                     sx_format(arena, "%s.1/trial-0000", e->study.runs));
    cr_assert_eq(access(sx_format(arena, "%s.1/trial-0000", e->study.runs), F_OK), 0);
    rows(opened(e, NULL), 0);
}

/* Asks and tells until nothing is left, as a worker process would. */
static void worker(int who)
{
    char name[16];
    snprintf(name, sizeof name, "w%d", who);
    sx_arena *a = sx_arena_open(NULL);
    sx_study *s;
    sx_claim c;
    if (sx_study_open(a, registry, NULL, url, "p", true, &s, &diags)) {
        sx_diags_print(&diags, stderr);
        _exit(1);
    }
    int rc;
    while (!(rc = sx_study_claim(s, a, name, 60, 60, &c, NULL)))
        if (sx_study_tell(s, &c, SX_DONE, (double[]){ value_of(&c) }, NULL, NULL, NULL)) _exit(2);
    _exit(rc == 1 || rc == 2 ? 0 : 3);
}

Test(study, eight_workers_with_tpe_and_every_suggestion_replays)
{
    opened(experiment(space, "sampler = { type = \"tpe\"; seed = 9; startup = 10; };"), "p");
    pid_t child[8];
    for (int i = 0; i < 8; i++) if (!(child[i] = fork())) worker(i);
    for (int i = 0; i < 8; i++) {
        int status = -1;
        waitpid(child[i], &status, 0);
        cr_assert_eq(status, 0, "worker %d ended with %d", i, WEXITSTATUS(status));
    }
    sx_study *s = opened(NULL, "p");
    const sx_trial_row *const *r = rows(s, 60);
    double x[4];
    for (long i = 0; i < 60; i++) {
        cr_assert_eq(sx_study_replay(s, r[i], x, &diags), 0, "trial %ld", i);
        for (long k = 0; k < i; k++)
            cr_assert(!same(r[i]->t.x, r[k]->t.x), "trials %ld and %ld are one point", i, k);
    }
}

static const char two_goals[] = "vars = { a = 1; b = \"x\"; };\n"
                                "tune = { objective = [ \"f\", \"g\" ]; direction = [ \"minimize\", \"maximize\" ];\n"
                                "  constraints = [ \"a < 3\", \"f + g <= 10\" ]; %s\n"
                                "  space = { a = { int = [ 1, 4 ]; }; b = { choice = [ \"x\", \"y\" ]; }; }; };\n";

Test(study, a_front_of_what_keeps_the_constraints)
{
    sx_study *s = opened(experiment(two_goals, "sampler = { type = \"grid\"; };"), "front");
    const double told[][2] = { { 5, 1 }, { 6, 2 }, { 2, 9 }, { 5, 2 } };
    sx_claim c;
    for (long i = 0; i < 4; i++) {
        cr_assert_eq(ask(s, "a", &c), 0);
        cr_assert(c.x[0] < 3, "the grid was asked again");
        cr_assert_eq(sx_study_tell_number(s, i, SX_DONE, 1, told[i], NULL, NULL), SX_E_USAGE, "two are wanted");
        cr_assert_eq(sx_study_tell_number(s, i, SX_DONE, 2, told[i], NULL, &diags), 0);
    }
    cr_assert_eq(ask(s, "a", &c), 1, "the rest breaks a < 3");
    const sx_trial_row *const *front;
    cr_assert_eq(sx_study_front(s, arena, &front, &diags), 1, "5 and 2 beat all but 2 and 9, which are 11");
    cr_assert_eq(front[0]->t.number, 3);
    cr_assert(front[0]->t.value[0] == 5 && front[0]->t.value[1] == 2 && front[0]->t.constraint[0] == -3);
    cr_assert_eq(sx_study_best(s, arena, &diags)->t.number, 3, "equal in the first, better in the second");
    const sx_trial_row *const *all = rows(s, 4);
    cr_assert(!sx_study_feasible(s, all[2]) && all[2]->t.constraint[0] == 1);
}

static const char bound[] = "vars = { a = 3; b = \"x\"; };\n"
                            "tune = { trials = 100; sampler = { type = \"grid\"; }; %s\n"
                            "  space = { a = { int = [ 1, 3 ]; }; b = { choice = [ \"x\", \"y\" ]; }; }; };\n";
static const char below_three[] = "constraints = [ \"a < 3\" ];";

static long queued(sx_study *s, double a, double b)
{
    long number = -1;
    cr_assert_eq(sx_study_queue(s, (double[]){ a, b }, &number, &diags), 0);
    return number;
}

Test(study, where_the_sampler_is_exhausted_a_queued_trial_keeps_the_constraints)
{
    sx_study *s = opened(experiment(bound, below_three), "bound");
    sx_claim c;
    while (!ask(s, "w", &c))
        cr_assert_eq(sx_study_tell(s, &c, SX_DONE, (double[]){ 1 }, NULL, NULL, &diags), 0);
    const long free = queued(s, NAN, 1), broken = queued(s, 3, NAN);
    cr_assert_eq(ask(s, "w", &c), 0);
    cr_assert(c.row.t.number == free && c.x[0] < 3 && c.x[1] == 1, "not the 3 of vars: %g", c.x[0]);
    cr_assert_eq(sx_study_tell(s, &c, SX_DONE, (double[]){ 1 }, NULL, NULL, &diags), 0);
    cr_assert_eq(ask(s, "w", &c), 1);
    const sx_trial_row *r = rows(s, 6)[broken];
    cr_assert_eq(r->t.fate, SX_FAILED);
    cr_assert_str_eq(r->reason, "no point with these values keeps the constraints; the last: "
                                "constraint 'a < 3' does not hold");
    cr_assert_eq(diags.errors, 0);
}

/* Its worker died before it could say that no point of it keeps the constraints; once it has begun it goes on. */
Test(study, a_queued_trial_left_behind_is_judged_by_who_takes_it_over)
{
    const char *const name = "value";
    sx_study *s = opened(experiment(bound, ""), "left");
    sx_claim broken, begun;
    queued(s, 3, 0);
    queued(s, 3, 1);
    cr_assert_eq(ask(s, "v", &broken), 0);
    cr_assert_eq(ask(s, "w", &begun), 0);
    cr_assert_eq(sx_study_report(s, &begun, 1, 1, &name, &(double){ 0.5 }, &diags), 0);
    cr_assert_eq(sx_study_drop(s, broken.row.id, "v", true, &diags), 0);
    cr_assert_eq(sx_study_drop(s, begun.row.id, "w", true, &diags), 0);
    s = opened(experiment(bound, below_three), "left");
    cr_assert_eq(ask(s, "w", &begun), 0);
    cr_assert(begun.row.t.number == 1 && begun.row.attempt == 2);
    cr_assert_eq(rows(s, 2)[0]->t.fate, SX_FAILED);
}

Test(study, a_mistake_that_stops_an_ask_is_told_once_and_whole)
{
    sx_study *s = opened(experiment(bound, "constraints = [ \"a < bb\" ];"), "odd");
    sx_claim c;
    for (long i = 0; i < 3; i++) {               /* the first by vars, then two queued ones */
        const long said = diags.n;
        cr_assert_eq(ask(s, "w", &c), SX_E_CONFIG);
        cr_assert_eq(diags.n, said + 1);
        const sx_diag *g = &diags.v[said];
        cr_assert(strstr(g->text, "'bb'") && g->where.line == 2 && strstr(g->hint, "'b'"), "%s", g->text);
        queued(s, i ? 1 : NAN, 0);
    }
    rows(s, 3);
}
