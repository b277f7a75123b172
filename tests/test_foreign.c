/* test_foreign.c: a worker of another program in our study, by the rows that Optuna 5 writes: it begins,
 * reports, ends and queues trials while two of ours run theirs, pause and go on with each other's, and every
 * suggestion of ours can be asked for again, bit for bit. */
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "study.h"

static char dir[] = "/tmp/strix-foreign-XXXXXX";
static sx_arena *arena;
static sx_diags diags;
static sx_registry *registry;
static const char *url, *path;

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(dir));
    arena = sx_arena_open(NULL);
    sx_diags_init(&diags, arena);
    registry = sx_registry_open(arena, NULL);
    path = sx_format(arena, "%s/s.db", dir);
    url = sx_format(arena, "sqlite:%s", path);
}

static void tear_down(void)
{
    sx_arena_close(arena);
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(foreign, .init = set_up, .fini = tear_down, .timeout = 120);

static const char space[] =
    "vars = { lr = 0.01; act = \"relu\"; blocks = 0; size = 1; };\n"
    "tune = { trials = 60; sampler = { type = \"%s\"; seed = 5; }; pruner = { type = \"asha\"; factor = "
    "2; };\n"
    "  space = { lr = { loguniform = [ 1e-4, 1.0 ]; }; act = { choice = [ \"relu\", \"selu\", \"tanh\" ]; "
    "};\n"
    "    conv = { choice = ( { blocks = 0; }, { blocks = 1; size = { int = [ 1, 3 ]; }; } ); }; }; };\n";

static sx_study *opened(const char *sampler)
{
    sx_conf *root;
    sx_exp *e = NULL;
    sx_study *s = NULL;
    char text[1024];
    snprintf(text, sizeof text, space, sampler);
    if (!sx_config_parse(arena, text, "test.cfg", NULL, &root, &diags) &&
        !sx_search_open(arena, registry, root, "test.cfg", &e, &diags))
        (void)!sx_study_open(arena, registry, e, url, sampler, true, &s, &diags);
    if (!s) sx_diags_print(&diags, stderr);
    cr_assert_not_null(s);
    return s;
}

/* --- The other program: a session of SQLAlchemy commits after each call --- */

__attribute__((format(printf, 1, 2))) static int64_t theirs(const char *fmt, ...)
{
    sqlite3 *db;
    sqlite3_stmt *s = NULL;
    int64_t first = 0;
    va_list ap;
    va_start(ap, fmt);
    const char *text = sx_vformat(arena, fmt, ap);
    va_end(ap);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    cr_assert_eq(sqlite3_prepare_v2(db, text, -1, &s, NULL), SQLITE_OK, "%s: %s", text, sqlite3_errmsg(db));
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) first = sqlite3_column_int64(s, 0), rc = sqlite3_step(s);
    cr_assert_eq(rc, SQLITE_DONE, "%s: %s", text, sqlite3_errmsg(db));
    sqlite3_finalize(s);
    sqlite3_close(db);
    return first;
}

/* create_new_trial: the row, then its number. */
static int64_t begins(const char *state)
{
    const bool runs = !strcmp(state, "RUNNING");
    const int64_t id = theirs("INSERT INTO trials (study_id, state, datetime_start) VALUES (1, '%s', %s)"
                              " RETURNING trial_id", state, runs ? "'2026-11-24 05:00:00.123456'" : "NULL");
    theirs("UPDATE trials SET number = (SELECT count(*) FROM trials WHERE study_id = 1 AND trial_id < %lld)"
           " WHERE trial_id = %lld", (long long)id, (long long)id);
    return id;
}

static void suggests(int64_t id, const char *name, double v, const char *distribution)
{
    theirs("INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)"
           " VALUES (%lld, '%s', %.17g, '%s')", (long long)id, name, v, distribution);
}

static void suggests_lr(int64_t id, double lr)
{
    suggests(id, "lr", lr,
             "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.0001,"
             " \"high\": 1.0, \"log\": true}}");
}

/* In the order of its own objective, as define-by-run has it. */
static void suggests_rest(int64_t id, int act, int size)
{
    suggests(id, "conv", size > 0, "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\":"
                                   " [\"0\", \"1\"]}}");
    if (size)
        suggests(id, "size", size,
                 "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": false, \"step\": 1,"
                 " \"low\": 1, \"high\": 3}}");
    suggests(id, "act", act, "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\":"
                             " [\"relu\", \"selu\", \"tanh\"]}}");
}

static void reports(int64_t id, long step, double v)
{
    theirs(
        "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)"
        " VALUES (%lld, %ld, %.17g, 'FINITE')",
        (long long)id, step, v);
}

static void ends(int64_t id, const char *state, double value)
{
    if (!isnan(value))
        theirs("INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (%lld, 0, %.17g, "
               "'FINITE')",
               (long long)id, value);
    theirs(
        "UPDATE trials SET state = '%s', datetime_complete = '2026-11-24 05:00:01.5' WHERE trial_id = %lld",
        state, (long long)id);
}

/* --- Ours --- */
static long resumed;                             /* claims of trials that had paused */

static void ask(sx_study *s, const char *worker, sx_claim *c)
{
    const int rc = sx_study_claim(s, arena, worker, 60, 60, c, &diags);
    if (rc) sx_diags_print(&diags, stderr);
    cr_assert_eq(rc, 0);
}

static void tell(sx_study *s, const sx_claim *c, bool good)
{
    static const char *const name[] = { "value" };
    const double v = fabs(log10(c->x[0]) + 2) + 0.1 * c->x[1] + (isnan(c->x[3]) ? 0 : 0.01 * c->x[3]);
    int verdict = 0;
    resumed += c->row.t.steps > 0;
    for (long step = c->row.t.steps + 1; step < 4 && !verdict; step++)
        verdict = sx_study_report(s, c, step, 1, name, (double[]){ v + 1.0 / (double)step }, &diags);
    cr_assert(verdict == 0 || verdict == 2);
    const sx_fate fate = verdict ? SX_PAUSED : good ? SX_DONE : SX_FAILED;
    cr_assert_eq(sx_study_tell(s, c, fate, fate == SX_DONE ? &v : NULL, NULL, NULL, &diags), 0);
}

static void ours(sx_study *s, int n)
{
    for (sx_claim c; n--;) {
        ask(s, "w", &c);
        tell(s, &c, c.row.t.number % 7 != 6);
    }
}

/* Both at work, one inside the other's trials. */
static void together(sx_study *s, sx_study *other)
{
    sx_claim a, b;
    ours(s, 3);
    const int64_t slow = begins("RUNNING");      /* it has no value yet */
    ours(other, 2);
    suggests_lr(slow, 0.037);                    /* some, and then all of them */
    ours(s, 2);
    suggests_rest(slow, 2, 3);
    ask(s, "a", &a);
    const int64_t quick = begins("RUNNING");
    suggests_lr(quick, 0.00123);
    suggests_rest(quick, 0, 0);
    ends(quick, "COMPLETE", 0.71);               /* begun and ended between two looks of ours */
    ask(other, "b", &b);
    reports(slow, 1, 2.5);
    tell(s, &a, true);
    ours(other, 2);
    reports(slow, 2, 2.25);
    ends(slow, "PRUNED", 2.25);
    ours(s, 2);
    tell(other, &b, true);
    ends(begins("RUNNING"), "FAIL", NAN);        /* an objective that fails before its first value */
    const int64_t queued = begins("WAITING");    /* enqueue_trial, taken by us */
    theirs("INSERT INTO trial_system_attributes (trial_id, \"key\", value_json)"
           " VALUES (%lld, 'fixed_params', '{\"lr\": 0.0125, \"act\": \"selu\"}')", (long long)queued);
    ours(s, 4);
    const int64_t left = begins("RUNNING");      /* it runs to the end, and never ends */
    suggests_lr(left, 0.5);
    suggests_rest(left, 1, 1);
    for (int i = 0; i < 24; i++) ours(i % 2 ? other : s, 1);
}

static void replays(const char *sampler)
{
    together(opened(sampler), opened(sampler));
    const sx_trial_row *const *r;
    double x[4];
    long same = 0, others = 0;
    sx_study *again = opened(sampler);
    const long n = sx_study_trials(again, arena, &r, &diags);
    for (long i = 0; i < n; i++) {
        cr_assert_eq(r[i]->t.number, i);
        const int rc = sx_study_replay(again, r[i], x, &diags);
        cr_assert(rc == 0 || rc == 2, "%s: trial %ld: %d", sampler, i, rc);
        same += rc == 0, others += rc == 2;
    }
    cr_assert_eq(others, 5, "four of theirs, and the one they queued");
    cr_assert_eq(same, n - 5);
    cr_assert(n > 20 && resumed > 2, "%ld trials, %ld resumed", n, resumed);
}

Test(foreign, trials_between_ours_are_seen_as_they_were_with_tpe) { replays("tpe"); }
Test(foreign, trials_between_ours_are_seen_as_they_were_with_gp) { replays("gp"); }
Test(foreign, trials_between_ours_are_seen_as_they_were_with_forest) { replays("forest"); }
Test(foreign, trials_between_ours_are_seen_as_they_were_with_anneal) { replays("anneal"); }
Test(foreign, trials_between_ours_are_seen_as_they_were_with_cmaes) { replays("cmaes"); }

/* What the sampler is given differs by theirs: a replay that left them out would find other points. */
Test(foreign, they_are_learnt_from)
{
    sx_study *s = opened("tpe");
    together(s, opened("tpe"));
    double x[4];
    const sx_trial_row *const *r;
    const long n = sx_study_trials(s, arena, &r, &diags);
    theirs("DELETE FROM strix_event WHERE trial_id IN (SELECT trial_id FROM strix_trial WHERE attempt = 0)");
    sx_study *without = opened("tpe");
    long differ = 0;
    for (long i = 0; i < n; i++) differ += sx_study_replay(without, r[i], x, &diags) == 1;
    cr_assert_gt(differ, 0);
}
