/* test_store.c: the SQLite store: Optuna's schema, claims, leases, a study that Optuna made, damaged and
 * foreign files. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <strix/store.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "loader.h"

static char dir[] = "/tmp/strix-store-XXXXXX";
static char url[300], path[256];
static sx_arena *arena;
static const sx_store *store;

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/new/study.db", dir);
    snprintf(url, sizeof url, "sqlite:%s", path);
    arena = sx_arena_open(NULL);
    sx_diags d;
    sx_diags_init(&d, arena);
    const sx_entry *e = sx_find(sx_registry_open(arena, NULL), SX_KIND_STORE, "sqlite", SX_NOWHERE, &d);
    if (!e) sx_diags_print(&d, stderr);
    cr_assert_not_null(e);
    store = (const sx_store *)e->item;
}

static void tear_down(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
    sx_arena_close(arena);
}

TestSuite(store, .init = set_up, .fini = tear_down, .timeout = 120);

/* A space with a condition: units exist where act is 1. */
static const double one = 1;
static const sx_when when = { 1, 1, &one };
static const sx_axis lr = { .name = "lr", .kind = SX_AXIS_REAL, .log = true, .low = 1e-4, .high = 1 },
                     act = { .name = "act", .kind = SX_AXIS_CHOICE, .low = 0, .high = 2, .step = 1 },
                     units = { .name = "units",
                               .kind = SX_AXIS_REAL,
                               .low = 1,
                               .high = 4,
                               .step = 1,
                               .whole = true,
                               .whens = 1,
                               .when = &when };
static const sx_axis *const axes[] = { &lr, &act, &units };
static const sx_space space = { .n = 3, .objectives = 1, .axis = axes };
static const char log_float[] = "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, "
                                "\"low\": 0.0001, \"high\": 1.0, \"log\": true}}";
static const char *const distribution[] = {
    log_float,
    "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"relu\", 3, null]}}",
    "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": false, \"step\": 1, \"low\": 1, \"high\": 4}}"
};
static const bool up = true;
static const char *const metric = "val_accuracy";
static const sx_study_row want = { .size = sizeof want,
                                   .name = "s",
                                   .config = "a = 1;",
                                   .space = "{}",
                                   .seed = 7,
                                   .objectives = 1,
                                   .maximize = &up,
                                   .metric = &metric,
                                   .axes = &space,
                                   .distribution = distribution };

static sx_db *opened(int64_t *study)
{
    sx_db *db = NULL;
    cr_assert_eq(store->open(url, true, &db), 0, "%s", store->last_error());
    cr_assert_eq(store->study(db, &want, study), 0, "%s", store->last_error());
    return db;
}

/* Asks for a point that depends on the number alone. */
static double point[3];
static int ask(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
{
    (void)ctx;
    if (made->t.number < 0) return 1;
    point[0] = 0.001 * (double)(1 + made->t.number);
    point[1] = (double)(made->t.number % 3);
    point[2] = point[1] == 1 ? 2 : NAN;
    for (int i = 0; queued && i < 3; i++) if (!isnan(queued->t.x[i])) point[i] = queued->t.x[i];
    made->t.x = point;
    made->t.tag = 100 + made->t.number;
    return 0;
}

static int claim(sx_db *db, int64_t study, const char *worker, double lease, sx_trial_row *row)
{
    return store->claim(db, study, worker, lease, 1000, ask, NULL, row);
}

static int finish(sx_db *db, const sx_trial_row *row, sx_fate fate, double value, const char *reason)
{
    sx_trial_row r = *row;
    r.t.fate = fate;
    r.t.value = isnan(value) ? NULL : &value;
    r.reason = reason;
    return store->finish(db, &r);
}

/* What a statement answers, columns by | and rows by new lines. */
static const char *sql(const char *text)
{
    static char out[65536];
    sqlite3 *db;
    sqlite3_stmt *s;
    size_t n = 0;
    out[0] = 0;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, text, -1, &s, NULL), SQLITE_OK, "%s: %s", text, sqlite3_errmsg(db));
    while (sqlite3_step(s) == SQLITE_ROW) {
        if (n) out[n++] = '\n';
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            const char *v = (const char *)sqlite3_column_text(s, i);
            n += (size_t)snprintf(out + n, sizeof out - n, "%s%s", i ? "|" : "", v ? v : "NULL");
        }
    }
    out[n] = 0;
    sqlite3_finalize(s);
    sqlite3_close(db);
    return out;
}

static char *slurp(const char *file, size_t *bytes)
{
    FILE *f = fopen(file, "rb");
    cr_assert_not_null(f, "%s", file);
    char *text = calloc(1, 1 << 20);
    const size_t n = fread(text, 1, (1 << 20) - 1, f);
    if (bytes) *bytes = n;
    fclose(f);
    return text;
}

static const char *data(const char *name)
{
    static char file[512];
    const char *source = getenv("STRIX_SOURCE");
    snprintf(file, sizeof file, "%s/tests/data/optuna/%s", source ? source : ".", name);
    return file;
}

static void use_copy(const char *name)
{
    size_t n;
    char *bytes = slurp(data(name), &n);
    snprintf(path, sizeof path, "%s/copy.db", dir);
    snprintf(url, sizeof url, "sqlite:///%s", path);
    FILE *f = fopen(path, "wb");
    cr_assert_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
    free(bytes);
}

Test(store, schema_is_optunas_line_for_line)
{
    int64_t study;
    store->close(opened(&study));
    char *ours = strdup(sql("SELECT sql || ';' FROM sqlite_master WHERE sql NOT NULL AND name NOT LIKE "
                            "'strix_%' ORDER BY rowid"));
    char *theirs = slurp(data("schema-sqlite.sql"), NULL);
    char *inserts = strstr(theirs, "INSERT INTO");
    inserts[-1] = 0;
    cr_assert_str_eq(ours, theirs);
    free(ours);
    free(theirs);
    cr_assert_str_eq(sql("SELECT * FROM alembic_version"), "v3.2.0.a");
    cr_assert_str_eq(sql("SELECT version_info_id, schema_version FROM version_info"), "1|12");
    cr_assert_str_eq(sql("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name LIKE 'strix_%'"),
                     "5");
    cr_assert_str_eq(sql("PRAGMA journal_mode"), "wal");
}

Test(store, a_trial_from_claim_to_end)
{
    int64_t study;
    sx_db *db = opened(&study);
    sx_trial_row r;
    cr_assert_eq(claim(db, study, "w1", 60, &r), 0, "%s", store->last_error());
    cr_assert_eq(r.t.number, 0);
    cr_assert_eq(r.t.tag, 100);
    cr_assert_eq(r.attempt, 1);
    cr_assert_str_eq(r.worker, "w1");
    cr_assert_str_eq(r.values, "{\"lr\": 0.001, \"act\": \"relu\"}");
    cr_assert(isnan(r.t.x[2]));
    const sx_metric first[] = { { "val_accuracy", 0.5, 0 }, { "loss", 1.5, -1 } },
                    second[] = { { "val_accuracy", NAN, 0 } };
    cr_assert_eq(store->report(db, r.id, "w1", 1, 2, first), 0, "%s", store->last_error());
    cr_assert_eq(store->report(db, r.id, "w1", 2, 1, second), 0);
    cr_assert_eq(store->report(db, r.id, "w2", 2, 1, second), SX_E_LOST);
    cr_assert_eq(store->note(db, r.id, "strix:dir", "\"runs/0\""), 0);
    cr_assert_eq(finish(db, &r, SX_DONE, -0.75, NULL), 0, "%s", store->last_error());
    cr_assert_eq(finish(db, &r, SX_DONE, -0.8, NULL), SX_E_LOST);
    cr_assert_eq(store->beat(db, r.id, "w1", 60), SX_E_LOST);
    cr_assert_str_eq(
        sql("SELECT state, datetime_complete >= datetime_start, length(datetime_start) FROM trials"),
        "COMPLETE|1|26");
    cr_assert_str_eq(sql("SELECT objective, value, value_type FROM trial_values"), "0|0.75|FINITE");
    cr_assert_str_eq(sql("SELECT step, intermediate_value, intermediate_value_type FROM "
                         "trial_intermediate_values ORDER BY step"),
                     "1|0.5|FINITE\n2|NULL|NAN");
    cr_assert_str_eq(sql("SELECT step, metric, value FROM strix_report ORDER BY 1, 2"),
                     "1|loss|1.5\n1|val_accuracy|0.5\n2|val_accuracy|NULL");
    cr_assert_str_eq(sql("SELECT param_name, param_value FROM trial_params ORDER BY param_id"),
                     "lr|0.001\nact|0.0");
    cr_assert_str_eq(sql("SELECT direction FROM study_directions"), "MAXIMIZE");
    cr_assert_str_eq(sql("SELECT value_json FROM study_system_attributes"), "[\"val_accuracy\"]");
    cr_assert_str_eq(sql("SELECT seq, fate, steps FROM strix_event ORDER BY seq"),
                     "1|RUNNING|0\n2|COMPLETE|2");
    store->close(db);
}

Test(store, infinities_are_words_and_nan_fails)
{
    int64_t study;
    sx_db *db = opened(&study);
    sx_trial_row r;
    cr_assert_eq(claim(db, study, "w", 60, &r), 0);
    cr_assert_eq(finish(db, &r, SX_DONE, INFINITY, NULL), 0); /* minimised: minus infinity for the user */
    cr_assert_eq(claim(db, study, "w", 60, &r), 0);
    cr_assert_eq(finish(db, &r, SX_DONE, NAN, NULL), 0);
    cr_assert_eq(claim(db, study, "w", 60, &r), 0);
    const sx_metric m[] = { { "val_accuracy", 0.25, 0 } }, bad[] = { { "val_accuracy", -INFINITY, 0 } };
    cr_assert_eq(store->report(db, r.id, "w", 1, 1, m), 0);
    cr_assert_eq(store->report(db, r.id, "w", 2, 1, bad), 0);
    cr_assert_eq(finish(db, &r, SX_PRUNED, NAN, "by the pruner"), 0);
    cr_assert_str_eq(
        sql("SELECT t.number, t.state, v.value, v.value_type FROM trials t LEFT JOIN trial_values v"
            " ON v.trial_id = t.trial_id ORDER BY 1"),
        "0|COMPLETE|NULL|INF_NEG\n1|FAIL|NULL|NULL\n2|PRUNED|0.25|FINITE");
    cr_assert_str_eq(sql("SELECT \"key\", value_json FROM trial_user_attributes ORDER BY trial_id"),
                     "strix:reason|\"the objective is not a number\"\nstrix:reason|\"by the pruner\"");
    store->close(db);
}

struct heard {
    long n;
    int64_t seq[100];
    long number[100];
    sx_fate fate[100];
    double value[100], last[100];
    long steps[100];
    double x0[100], x2[100];
};
static void hear(void *ctx, int64_t seq, const sx_trial_row *r)
{
    struct heard *h = ctx;
    const long i = h->n++;
    h->seq[i] = seq;
    h->number[i] = r->t.number;
    h->fate[i] = r->t.fate;
    h->value[i] = r->t.value ? r->t.value[0] : NAN;
    h->steps[i] = r->t.steps;
    h->last[i] = r->t.steps ? r->t.curve[r->t.steps - 1] : NAN;
    h->x0[i] = r->t.x ? r->t.x[0] : NAN;
    h->x2[i] = r->t.x ? r->t.x[2] : NAN;
}

/* Order of events, a pause and its curve, and going on. */
static int resume0(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
{
    (void)ctx, (void)queued;
    made->t.number = 0;
    return 0;
}

Test(store, news_in_order_with_pause)
{
    int64_t study, since = 0;
    sx_db *db = opened(&study);
    sx_trial_row a, b;
    const sx_metric m[] = { { "val_accuracy", 0.5, 0 } }, m2[] = { { "val_accuracy", 0.6, 0 } };
    cr_assert_eq(claim(db, study, "w", 60, &a), 0);
    const int64_t first = a.id;
    cr_assert_eq(store->report(db, first, "w", 1, 1, m), 0);
    cr_assert_eq(finish(db, &a, SX_PAUSED, NAN, NULL), 0);
    cr_assert_eq(claim(db, study, "w", 60, &b), 0);
    cr_assert_eq(b.t.number, 1);
    cr_assert_eq(b.seen, 2);
    cr_assert_eq(finish(db, &b, SX_FAILED, NAN, "x"), 0);
    cr_assert_eq(store->claim(db, study, "w", 60, 2, resume0, NULL, &a), 0, "%s", store->last_error());
    cr_assert_eq(a.id, first);
    cr_assert_eq(a.t.steps, 1);
    cr_assert_eq(a.t.curve[0], -0.5);
    cr_assert_eq(store->report(db, first, "w", 2, 1, m2), 0);
    cr_assert_eq(finish(db, &a, SX_DONE, -0.6, NULL), 0);
    struct heard h = { 0 };
    cr_assert_eq(store->news(db, study, &since, hear, &h), 0);
    cr_assert_eq(h.n, 6);
    cr_assert_eq(since, 6);
    static const sx_fate fate[] = { SX_RUNNING, SX_PAUSED, SX_RUNNING, SX_FAILED, SX_RUNNING, SX_DONE };
    static const long number[] = { 0, 0, 1, 1, 0, 0 };
    for (int i = 0; i < 6; i++)
        cr_assert(h.fate[i] == fate[i] && h.number[i] == number[i] && h.seq[i] == i + 1, "event %d", i);
    cr_assert_eq(h.steps[1], 1);
    cr_assert_eq(h.last[1], -0.5);
    cr_assert_eq(h.steps[5], 2);
    cr_assert_eq(h.value[5], -0.6);
    cr_assert_eq(h.x0[5], 0.001);
    h.n = 0;
    cr_assert_eq(store->news(db, study, &since, hear, &h), 0);
    cr_assert_eq(h.n, 0);
    store->close(db);
}

/* What stands in one word beside Optuna's rows is as good as they are, and of no consequence where it is
 * not. */
Test(store, points_are_the_same_with_and_without_their_short_form)
{
    static const char *const change[] = { NULL, "UPDATE strix_event SET body = NULL WHERE trial_id = 2",
                                          "UPDATE strix_event SET body = 'zz' || substr(body, 3)",
                                          "UPDATE strix_event SET body = substr(body, 2)",
                                          "UPDATE strix_event SET body = '0' || substr(body, 2)",
                                          "UPDATE strix_event SET body = substr(body, 17)",
                                          "UPDATE strix_event SET body = 'fffffffffffffff0'" };
    int64_t study;
    sx_db *db = opened(&study);
    sx_trial_row r;
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(claim(db, study, "w", 60, &r), 0);
        cr_assert_eq(finish(db, &r, SX_DONE, -0.5, NULL), 0);
    }
    cr_assert_str_eq(sql("SELECT count(*) FROM strix_event WHERE length(body) = 64"), "4");
    for (size_t k = 0; k < sizeof change / sizeof *change; k++) {
        if (change[k]) sql(change[k]);
        struct heard h = { 0 };
        int64_t since = 0;
        cr_assert_eq(store->news(db, study, &since, hear, &h), 0);
        cr_assert_eq(h.n, 8);
        for (int i = 0; i < 8; i++)
            cr_assert(h.x0[i] == 0.001 * (double)(1 + h.number[i]) && isnan(h.x2[i]) == (h.number[i] != 1),
                      "%zu", k);
    }
    store->close(db);
}

Test(store, leases_expire_and_after_three_attempts_it_is_over)
{
    int64_t study;
    sx_db *db = opened(&study);
    sx_trial_row r;
    cr_assert_eq(claim(db, study, "w1", -1, &r), 0);                 /* run out at once */
    const int64_t id = r.id;
    cr_assert_eq(claim(db, study, "w2", -1, &r), 0);
    cr_assert(r.id == id && r.attempt == 2 && r.t.number == 0);
    cr_assert_eq(store->beat(db, id, "w1", 60), SX_E_LOST);
    cr_assert_eq(store->beat(db, id, "w2", 60), 0);
    cr_assert_eq(store->claim(db, study, "w3", 60, 1, ask, NULL, &r), 2, "somebody still runs");
    cr_assert_eq(store->drop(db, id, "w2", true), 0);
    cr_assert_eq(claim(db, study, "w3", -1, &r), 0);
    cr_assert(r.id == id && r.attempt == 3);
    cr_assert_eq(store->claim(db, study, "w4", 60, 1, ask, NULL, &r), 1);
    cr_assert_str_eq(sql("SELECT state FROM trials"), "FAIL");
    /* A worker that stops by itself costs no attempt. */
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(claim(db, study, "w", 60, &r), 0);
        cr_assert(r.t.number == 1 && r.attempt == 1);
        cr_assert_eq(store->drop(db, r.id, "w", false), 0);
    }
    store->close(db);
}

Test(store, queued_points_and_the_budget)
{
    int64_t study;
    sx_db *db = opened(&study);
    const double fixed[] = { NAN, 1, 4 };
    sx_trial_row q = { .size = sizeof q, .t = { .x = fixed } }, r;
    long number = -1;
    cr_assert_eq(store->add(db, study, &q, &number), 0, "%s", store->last_error());
    cr_assert_eq(number, 0);
    cr_assert_str_eq(
        sql("SELECT state, \"key\", value_json FROM trials JOIN trial_system_attributes USING (trial_id)"),
        "WAITING|fixed_params|{\"act\": 3, \"units\": 4}");
    cr_assert_eq(store->claim(db, study, "w", INFINITY, 1, ask, NULL, &r), 0);
    cr_assert(r.queued && r.t.number == 0 && r.t.x[1] == 1 && r.t.x[2] == 4 && r.t.x[0] == 0.001);
    cr_assert_str_eq(r.values, "{\"lr\": 0.001, \"act\": 3, \"units\": 4}");
    cr_assert_eq(store->claim(db, study, "w", 60, 1, ask, NULL, &r), 1,
                 "a lease held by hand is not waited for");
    store->close(db);
}

/* The names of branches are any text. */
Test(store, names_with_quotes_are_queued)
{
    static const sx_axis odd = { .name = "units of \"wide\" \\", .kind = SX_AXIS_REAL, .low = 1, .high = 4, .step = 1,
                                 .whole = true };
    const sx_axis *const all[] = { &lr, &act, &odd };
    const sx_space named = { .n = 3, .objectives = 1, .axis = all };
    sx_study_row w = want;
    w.axes = &named;
    sx_db *db = NULL;
    int64_t study;
    cr_assert_eq(store->open(url, true, &db), 0);
    cr_assert_eq(store->study(db, &w, &study), 0, "%s", store->last_error());
    const double fixed[] = { NAN, 2, 4 };
    sx_trial_row q = { .size = sizeof q, .t = { .x = fixed } }, r;
    long number;
    cr_assert_eq(store->add(db, study, &q, &number), 0);
    cr_assert_eq(claim(db, study, "w", 60, &r), 0);
    cr_assert(r.t.number == 0 && r.t.x[1] == 2 && r.t.x[2] == 4, "%s", r.values);
    store->close(db);
}

Test(store, queued_values_that_cannot_be_read_are_an_error)
{
    static const char *const torn[] = { "{\"act\": 3, \"un", "[3]", "" };
    int64_t study;
    sx_db *db = opened(&study);
    const double fixed[] = { NAN, 1, 4 };
    sx_trial_row q = { .size = sizeof q, .t = { .x = fixed } }, r;
    long number;
    cr_assert_eq(store->add(db, study, &q, &number), 0);
    for (size_t i = 0; i < sizeof torn / sizeof *torn; i++) {
        sql(sx_format(arena, "UPDATE trial_system_attributes SET value_json = '%s'", torn[i]));
        cr_assert_eq(claim(db, study, "w", 60, &r), SX_E_STORE);
        cr_assert(strstr(store->last_error(), "trial 0 was queued with"), "%s", store->last_error());
    }
    cr_assert_eq(store->finish(db, &(sx_trial_row){ .size = sizeof q, .id = 1, .t.fate = SX_PRUNED }), 0);
    cr_assert_eq(claim(db, study, "w", 60, &r), 0, "and the study goes on without it");
    cr_assert_eq(r.t.number, 1);
    store->close(db);
}

static void count(void *ctx, int64_t seq, const sx_trial_row *r)
{
    (void)seq;
    ((long *)ctx)[r->t.fate]++;
}

struct mine { long n, running, waiting; double best; json_t *trials; };
static void check_row(void *ctx, const sx_trial_row *r)
{
    struct mine *m = ctx;
    json_t *t = json_array_get(m->trials, (size_t)m->n), *v = json_object_get(t, "value");
    cr_assert_eq(r->t.number, m->n++);
    cr_assert_eq(json_integer_value(json_object_get(t, "number")), r->t.number);
    const char *state = json_string_value(json_object_get(t, "state"));
    cr_assert_eq(r->waiting, !strcmp(state, "WAITING"));
    cr_assert_eq(r->t.fate == SX_DONE, !strcmp(state, "COMPLETE"));
    cr_assert_eq(r->t.fate == SX_FAILED, !strcmp(state, "FAIL"));
    if (json_is_number(v)) cr_assert_float_eq(-r->t.value[0], json_number_value(v), 1e-15);
    json_t *ours = json_loads(r->values, 0, NULL);
    cr_assert(json_equal(ours, json_object_get(t, "params")) ||
                  (r->waiting && !strcmp(r->values, "{\"learning_rate\": 0.001, \"activation\": \"selu\"}")),
              "%ld: %s", r->t.number, r->values);
    json_decref(ours);
    cr_assert_eq((size_t)r->t.steps, json_object_size(json_object_get(t, "intermediate")));
}

static int no_more(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
{
    (void)ctx, (void)made;
    cr_assert_not_null(queued);
    cr_assert_eq(queued->t.number, 29);
    long set = 0;
    for (int i = 0; i < 10; i++) set += !isnan(queued->t.x[i]);
    cr_assert_eq(set, 2);
    return 1;
}

Test(store, reads_and_continues_a_study_that_optuna_made)
{
    use_copy("sample.db");
    sx_db *db = NULL;
    int64_t study, since = 0;
    sx_study_row row;
    cr_assert_eq(store->open(url, false, &db), 0, "%s", store->last_error());
    cr_assert_eq(store->find(db, "vggstrix-sample", &study, &row), 0, "%s", store->last_error());
    cr_assert_null(row.config);
    cr_assert(row.maximize[0]);
    cr_assert_str_eq(row.metric[0], "val_accuracy");
    cr_assert_eq(row.axes->n, 10);
    cr_assert_str_eq(row.axes->axis[0]->name, "batch_size");
    cr_assert_str_eq(row.distribution[0],
                     "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [16, 32, 64]}}");
    char *text = slurp(data("sample-trials.json"), NULL);
    struct mine m = { .trials = json_loads(text, 0, NULL) };
    cr_assert_not_null(m.trials);
    cr_assert_eq(store->trials(db, study, check_row, &m), 0, "%s", store->last_error());
    cr_assert_eq(m.n, 30);
    json_decref(m.trials);
    free(text);
    cr_assert_eq(store->find(db, "no such", &study, &row), SX_E_DATA);
    store->close(db);
    cr_assert_str_eq(sql("SELECT count(*) FROM sqlite_master WHERE name LIKE 'strix%'"), "0");

    cr_assert_eq(store->open(url, true, &db), 0, "%s", store->last_error());
    cr_assert_eq(store->find(db, "vggstrix-sample", &study, &row), 0);
    sx_trial_row r;
    cr_assert_eq(store->claim(db, study, "w", 60, 100, no_more, NULL, &r), 1, "%s", store->last_error());
    long seen[6] = { 0 };
    cr_assert_eq(store->news(db, study, &since, count, seen), 0);
    cr_assert(seen[SX_RUNNING] == 28 && seen[SX_DONE] == 18 && seen[SX_PRUNED] == 6 && seen[SX_FAILED] == 4);
    store->close(db);
}

Test(store, orphans_of_a_deleted_study_are_cleaned)
{
    int64_t study, other;
    sx_db *db = opened(&study);
    sx_trial_row r;
    cr_assert_eq(claim(db, study, "w", 60, &r), 0);
    store->close(db);
    sql("DELETE FROM trial_params");
    sql("DELETE FROM trials");                    /* as Python does: no cascade */
    sql("DELETE FROM study_directions");
    sql("DELETE FROM study_system_attributes");
    sql("DELETE FROM studies");
    sql("INSERT INTO studies VALUES (1, 'another')");
    sql("INSERT INTO study_directions VALUES (1, 'MINIMIZE', 1, 0)");
    db = opened(&other);
    cr_assert_neq(other, study);
    cr_assert_str_eq(sql("SELECT (SELECT count(*) FROM strix_trial), (SELECT count(*) FROM strix_event)"),
                     "0|0");
    cr_assert_str_eq(sql("SELECT study_name FROM strix_study"), "s");
    store->close(db);
}

static void acts_of(void *ctx, int64_t seq, const sx_trial_row *r)
{
    (void)seq;
    ((double *)ctx)[r->t.number] = r->t.x[0];
}

static int first(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
{
    (void)ctx, (void)queued;
    made->t.x = point;
    return 0;
}

Test(store, what_does_not_agree_is_refused)
{
    int64_t study;
    sx_db *db = opened(&study);
    sx_study_row w = want;
    w.seed = 8;
    cr_assert_eq(store->study(db, &w, &study), SX_E_CONFIG);
    cr_assert(strstr(store->last_error(), "seed 7"), "%s", store->last_error());
    const bool down = false;
    w = want;
    w.maximize = &down;
    cr_assert_eq(store->study(db, &w, &study), SX_E_CONFIG);
    sx_trial_row r;
    cr_assert_eq(store->study(db, &want, &study), 0);
    cr_assert_eq(claim(db, study, "w", 60, &r), 0);
    const char *const changed[] = {
        distribution[0], distribution[2], distribution[2]
    };
    w = want;
    w.distribution = changed;
    cr_assert_eq(store->study(db, &w, &study), SX_E_CONFIG);
    cr_assert(strstr(store->last_error(), "'act'"), "%s", store->last_error());
    store->close(db);
}

/* Optuna loads a study where a name has one list of choices only: the lists are joined, the values stay. */
Test(store, a_changed_space_keeps_what_optuna_can_load)
{
    static const sx_axis words = { .name = "act", .kind = SX_AXIS_CHOICE, .high = 2 };
    static const sx_axis *const others[] = { &words };
    static const sx_space other = { .n = 1, .objectives = 1, .axis = others };
    static const char *const list[] = {
        "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"selu\", \"relu\", 3]}}"
    };
    int64_t study, since = 0;
    sx_db *old = opened(&study), *db = NULL;
    sx_trial_row r;
    for (int i = 0; i < 3; i++) cr_assert_eq(claim(old, study, "w", 60, &r), 0);     /* relu, 3, null */
    sx_study_row w = want;
    w.space = "{\"act\": 2}";
    w.axes = &other;
    w.distribution = list;
    cr_assert_eq(store->open(url, true, &db), 0);
    cr_assert_eq(store->study(db, &w, &study), 0, "%s", store->last_error());
    cr_assert_str_eq(
        sql("SELECT DISTINCT distribution_json FROM trial_params WHERE param_name = 'act'"),
        "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"relu\", 3, null, "
        "\"selu\"]}}");
    cr_assert_str_eq(sql("SELECT value_json FROM study_user_attributes WHERE \"key\" = 'strix:space_from'"),
                     "3");
    cr_assert_eq(store->claim(old, study, "w", 60, 1000, ask, NULL, &r), SX_E_CONFIG,
                 "its space is an old one");
    double acts[3] = { NAN, NAN, NAN };
    cr_assert_eq(store->news(db, study, &since, acts_of, acts), 0);
    cr_assert(acts[0] == 1 && acts[1] == 2 && acts[2] == -1, "%g %g %g", acts[0], acts[1], acts[2]);
    point[0] = 0; /* selu: the first of its own list, the last of the joined one */
    cr_assert_eq(store->claim(db, study, "v", 60, 1000, first, NULL, &r), 0, "%s", store->last_error());
    cr_assert_eq(r.t.x[0], 0);
    cr_assert_str_eq(r.values, "{\"act\": \"selu\"}");
    cr_assert_str_eq(sql("SELECT param_value FROM trial_params WHERE trial_id = 4"), "3.0");
    store->close(old);
    store->close(db);
}

static void gather(void *ctx, long trial, const char *key, const char *json)
{
    char *out = ctx;
    snprintf(out + strlen(out), 200 - strlen(out), "%ld %s %s;", trial, key, json);
}

Test(store, remarks_and_notes_are_read_again)
{
    int64_t study;
    sx_db *db = opened(&study);
    sx_trial_row r;
    char out[200] = "";
    cr_assert_eq(store->remark(db, study, "strix:b", "true"), 0, "%s", store->last_error());
    cr_assert_eq(store->remark(db, study, "strix:a", "1"), 0);
    cr_assert_eq(store->remark(db, study, "strix:a", "[2]"), 0);
    cr_assert_eq(store->remark(db, study, "note", "0"), 0);
    cr_assert_eq(store->remark(db, study, "strix:b", NULL), 0);
    cr_assert_eq(store->remarks(db, study, gather, out), 0);
    cr_assert_str_eq(out, "-1 strix:a [2];");
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(claim(db, study, "w", 60, &r), 0);
        if (i != 1) cr_assert_eq(store->note(db, r.id, "strix:each", i ? "{}" : "{\"x\": 1}"), 0);
    }
    out[0] = 0;
    cr_assert_eq(store->notes(db, study, "strix:each", gather, out), 0);
    cr_assert_str_eq(out, "0 strix:each {\"x\": 1};2 strix:each {};");
    store->close(db);
}

Test(store, a_queued_trial_can_be_ended)
{
    int64_t study;
    sx_db *db = opened(&study);
    long number;
    const double x[] = { NAN, 1, NAN };
    const sx_trial_row q = { .size = sizeof q, .t = { .x = x } };
    sx_trial_row r;
    cr_assert_eq(store->add(db, study, &q, &number), 0);
    const sx_trial_row end = { .size = sizeof end, .id = 1, .t = { .fate = SX_PRUNED } };
    cr_assert_eq(store->finish(db, &end), 0, "%s", store->last_error());
    cr_assert_str_eq(sql("SELECT state FROM trials"), "PRUNED");
    cr_assert_eq(claim(db, study, "w", 60, &r), 0);
    cr_assert_eq(r.t.number, 1);
    cr_assert_eq(store->finish(db, &end), SX_E_LOST);
    store->close(db);
}

static unsigned long sum_of(const char *file)
{
    size_t n;
    char *bytes = slurp(file, &n);
    unsigned long sum = n;
    for (size_t i = 0; i < n; i++) sum = sum * 31 + (unsigned char)bytes[i];
    free(bytes);
    return sum;
}

static void overwrite(long at, const char *bytes, size_t n)
{
    const int f = open(path, O_RDWR);
    cr_assert_eq(pwrite(f, bytes, n, at), (ssize_t)n);
    close(f);
}

Test(store, damaged_files_are_refused_and_left_alone)
{
    static char junk[8192];
    memset(junk, 'x', sizeof junk);
    for (int kind = 0; kind < 5; kind++) {
        use_copy("sample.db");
        if (kind == 3) cr_assert_eq(truncate(path, 70000), 0);       /* half of it is gone */
        if (kind == 4) cr_assert_eq(truncate(path, 100), 0);
        if (kind == 0) overwrite(0, junk, 100);                      /* the header */
        if (kind == 1) overwrite(0, junk, sizeof junk);
        if (kind == 2) overwrite(100, junk, 3000);                   /* the schema page */
        const unsigned long before = sum_of(path);
        sx_db *db = NULL;
        cr_assert_eq(store->open(url, true, &db), SX_E_STORE, "kind %d", kind);
        cr_assert(strstr(store->last_error(), "copy.db"), "%s", store->last_error());
        cr_assert_eq(store->open(url, false, &db), SX_E_STORE, "kind %d", kind);
        cr_assert_eq(sum_of(path), before);
    }
}

Test(store, an_unknown_revision_can_be_read_only)
{
    use_copy("sample.db");
    sql("UPDATE alembic_version SET version_num = 'v9.0.0.a'");
    const unsigned long before = sum_of(path);
    sx_db *db = NULL;
    int64_t study;
    sx_study_row row;
    cr_assert_eq(store->open(url, true, &db), SX_E_STORE);
    cr_assert(strstr(store->last_error(), "v9.0.0.a") && strstr(store->last_error(), "v3.2.0.a"), "%s",
              store->last_error());
    cr_assert_eq(store->open(url, false, &db), 0);
    cr_assert(strstr(store->last_error(), "v9.0.0.a"), "a warning");
    cr_assert_eq(store->find(db, "vggstrix-sample", &study, &row), 0);
    store->close(db);
    cr_assert_eq(sum_of(path), before);
}

Test(store, a_file_of_another_kind_or_read_only_is_refused)
{
    use_copy("sample.db");
    sql("DROP TABLE alembic_version");
    sx_db *db = NULL;
    cr_assert_eq(store->open(url, true, &db), SX_E_STORE);
    use_copy("sample.db");
    cr_assert_eq(chmod(path, 0444), 0);
    cr_assert_eq(chmod(dir, 0555), 0);
    const pid_t child = fork();
    if (!child) {
        if (geteuid() == 0 && setuid(65534)) _exit(2);
        const int rc = store->open(url, true, &db);
        _exit(rc == SX_E_STORE && strstr(store->last_error(), "read-only") ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    cr_assert_eq(status, 0);
    cr_assert_eq(chmod(dir, 0755), 0);
    cr_assert_eq(store->open("sqlite:", true, &db), SX_E_USAGE);
    cr_assert_eq(store->open("sqlite:/no/such.db", false, &db), SX_E_DATA);
}

Test(store, a_full_disk_is_said)
{
    int64_t study;
    sx_db *db = opened(&study);
    sx_trial_row r;
    cr_assert_eq(claim(db, study, "w", 60, &r), 0);
    static char big[300000];
    big[0] = '"';
    memset(big + 1, 'x', sizeof big - 3);
    big[sizeof big - 2] = '"';
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is the disk that a test can fill */
    struct rlimit was, small = { 100000, 100000 };
    getrlimit(RLIMIT_FSIZE, &was);
    small.rlim_max = was.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    cr_assert_eq(store->note(db, r.id, "big", big), SX_E_STORE);
    cr_assert(strstr(store->last_error(), "study.db"), "%s", store->last_error());
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &was), 0);
    cr_assert_eq(store->note(db, r.id, "small", "1"), 0, "%s", store->last_error());
    cr_assert_str_eq(sql("SELECT \"key\" FROM trial_user_attributes"), "small");
    store->close(db);
}

/* 16 processes, 50 trials each. */
static void many(int who)
{
    char name[16];
    snprintf(name, sizeof name, "w%d", who);
    int64_t study;
    sx_db *db = NULL;
    if (store->open(url, true, &db) || store->study(db, &want, &study)) _exit(1);
    for (int i = 0; i < 50; i++) {
        sx_trial_row r;
        if (claim(db, study, name, 60, &r)) _exit(2);
        const sx_metric m[] = { { "val_accuracy", 0.5, 0 } };
        if (store->report(db, r.id, name, 1, 1, m) || finish(db, &r, SX_DONE, -0.5, NULL)) _exit(3);
    }
    store->close(db);
    _exit(0);
}

Test(store, sixteen_workers_lose_nothing)
{
    pid_t child[16];
    for (int i = 0; i < 16; i++) if (!(child[i] = fork())) many(i);
    for (int i = 0; i < 16; i++) {
        int status = -1;
        waitpid(child[i], &status, 0);
        cr_assert_eq(status, 0, "worker %d: %d", i, WEXITSTATUS(status));
    }
    cr_assert_str_eq(sql("SELECT count(*), count(DISTINCT number), min(number), max(number) FROM trials "
                         "WHERE state = 'COMPLETE'"),
                     "800|800|0|799");
    cr_assert_str_eq(sql("SELECT count(*), count(DISTINCT trial_id) FROM trial_values"), "800|800");
    cr_assert_str_eq(
        sql("SELECT count(*) FROM trials a JOIN trials b ON a.trial_id < b.trial_id AND a.number > b.number"),
        "0");
    cr_assert_str_eq(sql("SELECT count(*), max(seq) FROM strix_event"), "1600|1600");
}

/* A sampler that thinks while it holds the lock: the others wait, none fails. */
static int slow(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
{
    usleep(150000);
    return ask(ctx, queued, made);
}

Test(store, eight_workers_wait_for_a_slow_sampler)
{
    pid_t child[8];
    for (int i = 0; i < 8; i++) {
        if ((child[i] = fork())) continue;
        int64_t study;
        sx_db *db = NULL;
        sx_trial_row r;
        if (store->open(url, true, &db) || store->study(db, &want, &study)) _exit(1);
        for (int k = 0; k < 2; k++)
            if (store->claim(db, study, "w", 60, 1000, slow, NULL, &r)) _exit(2);
        _exit(0);
    }
    for (int i = 0; i < 8; i++) {
        int status = -1;
        waitpid(child[i], &status, 0);
        cr_assert_eq(status, 0);
    }
    cr_assert_str_eq(sql("SELECT count(*), count(DISTINCT number), max(number) FROM trials"), "16|16|15");
}

/* A process dies by SIGKILL inside its transaction: the next one waits for nobody and finds nothing half
 * done. */
static int die(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
{
    (void)ctx, (void)queued, (void)made;
    raise(SIGKILL);
    return 0;
}

Test(store, killed_while_holding_the_lock)
{
    int64_t study;
    sx_db *db = opened(&study);
    sx_trial_row r;
    const pid_t child = fork();
    if (!child) {
        sx_db *own = NULL;
        if (store->open(url, true, &own) || store->study(own, &want, &study)) _exit(1);
        store->claim(own, study, "dying", 60, 1000, die, NULL, &r);
        _exit(1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    cr_assert(WIFSIGNALED(status));
    cr_assert_eq(claim(db, study, "w", 60, &r), 0);
    cr_assert_eq(r.t.number, 0);
    store->close(db);
}

Test(store, two_workers_and_one_queued_trial)
{
    int64_t study;
    sx_db *a = opened(&study), *b = opened(&study);
    const double fixed[] = { 0.5, 0, NAN };
    sx_trial_row q = { .size = sizeof q, .t = { .x = fixed } }, r, s;
    long number;
    cr_assert_eq(store->add(a, study, &q, &number), 0);
    cr_assert_eq(claim(a, study, "a", 60, &r), 0);
    cr_assert_eq(claim(b, study, "b", 60, &s), 0);
    cr_assert(r.t.number == 0 && r.queued && s.t.number == 1 && !s.queued);
    store->close(a);
    store->close(b);
}
