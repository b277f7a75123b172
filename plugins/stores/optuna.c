/* optuna.c: studies in Optuna's own tables, with side tables strix_* for what Optuna has no place for. Its
 * tools read, plot and continue such a study while it runs. Here: opening and studies; every SQL statement of
 * strix is in the files optuna*.c, once, for any database with a driver (optuna.h). */
#include <stdlib.h>
#include <string.h>
#include "arena.h"
#include "ledger.h"

enum { SIDE_SCHEMA = 1 };
static const char revision[] = "v3.2.0.a";

/* Python deletes without our cascade in SQLite and reuses ids: the study's name and the trial's start are
 * kept beside them, see clean(). */
#define OF_TRIAL "trial_id INTEGER NOT NULL REFERENCES trials ON DELETE CASCADE"
#define OF_STUDY "study_id INTEGER NOT NULL REFERENCES studies ON DELETE CASCADE"
#define SIDE_TABLES(TEMP, STUDY, TRIAL) \
    "CREATE " TEMP "TABLE IF NOT EXISTS strix_study (" STUDY ", study_name VARCHAR(512) NOT NULL," \
    " schema_number INTEGER NOT NULL, config TEXT, space TEXT, seed TEXT, used TEXT," \
    " settled BIGINT NOT NULL DEFAULT 0, PRIMARY KEY (study_id));" \
    "CREATE " TEMP "TABLE IF NOT EXISTS strix_trial (" TRIAL ", study_name VARCHAR(512) NOT NULL," \
    " start TEXT, attempt INTEGER NOT NULL, worker TEXT, lease_until DOUBLE PRECISION, seen BIGINT NOT " \
    "NULL," \
    " tag BIGINT NOT NULL, queued INTEGER NOT NULL, dir TEXT, reason TEXT, shelved INTEGER NOT NULL DEFAULT 0," \
    " PRIMARY KEY (trial_id));" \
    "CREATE INDEX IF NOT EXISTS strix_trial_lease ON strix_trial (lease_until) WHERE lease_until IS NOT " \
    "NULL;" \
    "CREATE " TEMP "TABLE IF NOT EXISTS strix_event (" STUDY ", seq BIGINT NOT NULL, " TRIAL "," \
    " fate VARCHAR(8) NOT NULL, steps INTEGER NOT NULL, number INTEGER NOT NULL, tag BIGINT NOT NULL," \
    " body TEXT, PRIMARY KEY (study_id, seq));" \
    "CREATE INDEX IF NOT EXISTS strix_event_trial ON strix_event (trial_id);" \
    "CREATE " TEMP "TABLE IF NOT EXISTS strix_report (" TRIAL ", step BIGINT NOT NULL," \
    " metric VARCHAR(512) NOT NULL, value DOUBLE PRECISION, PRIMARY KEY (trial_id, step, metric));" \
    "CREATE " TEMP "TABLE IF NOT EXISTS strix_file (" TRIAL ", kind VARCHAR(64) NOT NULL," \
    " path TEXT NOT NULL, bytes BIGINT, sha256 VARCHAR(64), PRIMARY KEY (trial_id, kind, path));"

/* --- Opening --- */

static int check_revision(sx_db *db, const char *url, bool write)
{
    sx_cursor *q = sx_db_query(db, "SELECT version_num FROM alembic_version", "");
    int rc = sx_db_next(db, q);
    if (rc < 0)
        return strstr(sx_optuna_last_error(), "alembic_version")
                   ? sx_store_error(rc, "%s is a database of another program: it has tables, but none of "
                                        "Optuna's", url)
                   : rc;
    char found[64] = "none";
    if (rc == 1) {
        const char *text = db->driver->text(q, 0);
        snprintf(found, sizeof found, "%.60s", text ? text : "none");
        sx_db_stop(db, q);
    }
    int64_t schema = 0;
    if ((rc = sx_db_lookup(db, &schema, "SELECT schema_version FROM version_info", "")) < 0) return rc;
    sx_store_error(0, "%s", "");
    if (!strcmp(found, revision) && schema == 12) return 0;
    sx_store_error(SX_E_STORE,
                   "%s has schema revision %s (%lld), this strix knows %s (12): it can be read, not written",
                   url, found, (long long)schema, revision);
    return write ? SX_E_STORE : 0;
}

/* 1: some study's first event is of a trial that is no more, or another one by now. Whole studies are
 * deleted, never single trials, so one of each tells. */
static int has_orphans(sx_db *db)
{
    int64_t found;
    return sx_db_lookup(db, &found,
                        "WITH RECURSIVE ids (i) AS (SELECT min(study_id) FROM strix_event UNION ALL"
                        " SELECT (SELECT min(e.study_id) FROM strix_event e WHERE e.study_id > ids.i) FROM ids"
                        " WHERE ids.i IS NOT NULL)"
                        " SELECT 1 FROM ids JOIN strix_event e ON e.study_id = ids.i AND e.seq = 1"
                        " LEFT JOIN strix_trial r ON r.trial_id = e.trial_id"
                        " LEFT JOIN trials t ON t.trial_id = e.trial_id"
                        " LEFT JOIN studies s ON s.study_id = ids.i AND t.study_id = s.study_id"
                        " WHERE s.study_id IS NULL OR r.study_name IS NULL OR r.study_name <> s.study_name"
                        " OR coalesce(CAST(t.datetime_start AS TEXT), '') <> coalesce(r.start, '') LIMIT 1", "");
}

/* Rows of studies that Python deleted; a reused id has another study name or start. */
static int clean(sx_db *db)
{
    int rc = sx_db_run(db, "DELETE FROM strix_study WHERE NOT EXISTS (SELECT 1 FROM studies s"
                       " WHERE s.study_id = strix_study.study_id AND s.study_name = strix_study.study_name)",
                       "");
    if (rc || (rc = has_orphans(db)) != 1) return rc;
    return db->driver->script(db->conn,
        "DELETE FROM strix_trial WHERE NOT EXISTS (SELECT 1 FROM trials t JOIN studies s"
        " ON s.study_id = t.study_id WHERE t.trial_id = strix_trial.trial_id"
        " AND s.study_name = strix_trial.study_name"
        " AND coalesce(CAST(t.datetime_start AS TEXT), '') = coalesce(strix_trial.start, ''));"
        "DELETE FROM strix_event WHERE trial_id NOT IN (SELECT trial_id FROM strix_trial);"
        "DELETE FROM strix_report WHERE trial_id NOT IN (SELECT trial_id FROM strix_trial);"
        "DELETE FROM strix_file WHERE trial_id NOT IN (SELECT trial_id FROM strix_trial);");
}

static int make_tables(sx_db *db, void *unused)
{
    (void)unused;
    const int empty = db->driver->empty(db->conn);
    const int rc = empty < 0 ? empty : empty ? db->driver->script(db->conn, db->driver->schema) : 0;
    return rc ? rc : db->driver->script(db->conn, SIDE_TABLES("", OF_STUDY, OF_TRIAL));
}

static int clean_inside(sx_db *db, void *unused)
{
    (void)unused;
    return clean(db);
}

static bool has_side(sx_db *db)
{
    int64_t n;
    return sx_db_lookup(db, &n, "SELECT count(*) FROM strix_study", "") >= 0;
}

/* Tables are made by the first one to come; a server lets others use them, but not make them again. */
static int prepare_write(sx_db *db)
{
    int rc = db->driver->shared(db->conn);
    if (!rc && !has_side(db)) rc = sx_db_inside(db, SX_LOCK_ALL, make_tables, NULL);
    return rc ? rc : sx_db_inside(db, SX_LOCK_ALL, clean_inside, NULL);
}

/* A reader of a database without side tables gets empty ones of its own, so that the same statements work. */
static int prepare_read(sx_db *db)
{
    return has_side(db)
               ? 0
               : db->driver->script(db->conn, SIDE_TABLES("TEMP ", "study_id INTEGER NOT NULL",
                                                          "trial_id INTEGER NOT NULL"));
}

int sx_optuna_open(const sx_driver *driver, const char *url, bool write, sx_db **out)
{
    sx_store_error(0, "%s", "");
    sx_conn *conn = NULL;
    int rc = driver->open(url, write, &conn);
    if (rc) return rc;
    sx_arena *a = sx_arena_open(NULL);
    sx_db *db = SX_NEW(a, sx_db);
    *db = (sx_db){ .driver = driver, .conn = conn, .arena = a, .mine = sx_arena_open(a), .write = write };
    const int empty = driver->empty(conn);
    rc = empty < 0 ? empty : 0;
    if (!rc && empty && !write) rc = sx_store_error(SX_E_DATA, "%s holds no study", url);
    if (!rc && !empty) rc = check_revision(db, url, write);
    const char *warning = sx_strdup(a, sx_optuna_last_error());
    if (!rc) rc = write ? prepare_write(db) : prepare_read(db);
    if (rc) { sx_optuna_close(db); return rc; }
    sx_store_error(0, "%s", warning);
    *out = db;
    return 0;
}

void sx_optuna_close(sx_db *db)
{
    if (!db) return;
    for (struct dist *e = db->dists; e; e = e->next) sx_dist_free(&e->d);
    db->driver->close(db->conn);
    sx_arena_close(db->arena);
}

/* --- Studies --- */

static int find_study(sx_db *db, const char *name, int64_t *id)
{
    return sx_db_lookup(db, id, "SELECT study_id FROM studies WHERE study_name = $1", "t", name);
}

static char *json_texts(sx_arena *a, int n, const char *const *v)
{
    json_t *list = json_array();
    for (int i = 0; i < n; i++) json_array_append_new(list, json_string(v[i]));
    char *text = json_dumps(list, JSON_ENSURE_ASCII), *kept = sx_strdup(a, text);
    free(text);
    json_decref(list);
    return kept;
}

static int create_study(sx_db *db, const sx_study_row *w, int64_t *id)
{
    int rc =
        sx_db_lookup(db, id, "INSERT INTO studies (study_name) VALUES ($1) RETURNING study_id", "t", w->name);
    if (rc != 1) return rc < 0 ? rc : sx_store_error(SX_E_STORE, "the new study has no id");
    rc = 0;
    for (int i = 0; !rc && i < w->objectives; i++)
        rc =
            sx_db_run(db, "INSERT INTO study_directions (direction, study_id, objective) VALUES ($1, $2, $3)",
                      "tii", w->maximize[i] ? "MAXIMIZE" : "MINIMIZE", *id, (int64_t)i);
    if (!rc && w->metric)
        rc = sx_db_run(db,
                 "INSERT INTO study_system_attributes (study_id, \"key\", value_json) VALUES ($1, "
                 "'study:metric_names', $2)",
                 "it", *id, json_texts(db->arena, w->objectives, w->metric));
    return rc;
}

static int check_directions(sx_db *db, int64_t id, const sx_study_row *w)
{
    struct ledger *l;
    const int rc = sx_ledger_open(db, id, w->name, &l);
    if (rc) return rc;
    bool same = l->objectives == w->objectives;
    for (int i = 0; same && i < w->objectives; i++) same = l->maximize[i] == w->maximize[i];
    if (same) return 0;
    return sx_store_error(SX_E_CONFIG,
                          "study '%s' has %d objective(s), the first to %s; this configuration %d, to %s",
                          w->name, l->objectives, l->objectives && l->maximize[0] ? "maximize" : "minimize",
                          w->objectives, w->maximize[0] ? "maximize" : "minimize");
}

static const char used_distributions[] =
    "SELECT p.param_name, p.distribution_json, min(p.param_id) FROM trial_params p JOIN trials t ON "
    "t.trial_id = p.trial_id"
    " WHERE t.study_id = $1 GROUP BY p.param_name, p.distribution_json ORDER BY min(p.param_id)";

/* other: the study has another space so far. */
static int check_side(sx_db *db, int64_t id, const sx_study_row *w, bool *other)
{
    sx_cursor *q =
        sx_db_query(db, "SELECT schema_number, space, seed FROM strix_study WHERE study_id = $1", "i", id);
    int rc = sx_db_next(db, q);
    if (rc != 1) return rc;
    const char *space = db->driver->text(q, 1), *seed = db->driver->text(q, 2);
    if (db->driver->integer(q, 0) > SIDE_SCHEMA)
        rc = sx_store_error(SX_E_STORE, "study '%s' was written by a newer strix", w->name);
    else if (w->space && seed && strtoull(seed, NULL, 10) != w->seed)
        rc = sx_store_error(SX_E_CONFIG, "study '%s' was begun with seed %s, not %llu", w->name, seed,
                            (unsigned long long)w->seed);
    *other = w->space && space && strcmp(space, w->space);
    sx_db_stop(db, q);
    return rc < 0 ? rc : 0;
}

static int keep_side(sx_db *db, int64_t id, const sx_study_row *w)
{
    char seed[32];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)w->seed);
    return sx_db_run(db,
               "INSERT INTO strix_study (study_id, study_name, schema_number, config, space, seed) VALUES "
               "($1, $2, $3, $4, $5, $6)"
               " ON CONFLICT (study_id) DO UPDATE SET config = excluded.config, space = excluded.space, seed "
               "= excluded.seed",
               "itittt", id, w->name, (int64_t)SIDE_SCHEMA, w->config, w->space, seed);
}

typedef struct { const char *name; const sx_study_row *want; int64_t *id; } named;

static int study_inside(sx_db *db, void *ctx)
{
    const sx_study_row *w = ((named *)ctx)->want;
    int64_t *id = ((named *)ctx)->id;
    int rc = find_study(db, w->name, id);
    if (rc < 0) return rc;
    if (!rc && !db->write) return sx_store_error(SX_E_DATA, "there is no study '%s'", w->name);
    bool other = false;
    struct ledger *l = NULL;
    if (!rc) rc = create_study(db, w, id);
    else if (!(rc = check_directions(db, *id, w))) rc = check_side(db, *id, w, &other);
    if (!rc && w->config && db->write) rc = keep_side(db, *id, w);
    if (!rc) rc = sx_ledger_open(db, *id, w->name, &l);
    return rc ? rc : sx_space_join(db, l, w, other);
}

int sx_optuna_study(sx_db *db, const sx_study_row *want, int64_t *study)
{
    named n = { want->name, want, study };
    int rc = db->write ? sx_db_inside(db, SX_LOCK_ALL, study_inside, &n)
                       : sx_db_reading(db, study_inside, &n);
    if (rc) return rc;
    struct ledger *l;
    if ((rc = sx_ledger_open(db, *study, want->name, &l))) return rc;
    l->axes = want->axes;
    l->distribution = want->distribution;
    l->space = want->space;
    l->space_hash = sx_space_hash(want->space);
    return 0;
}

/* The space of a study that others made: what its trials used, in the order of first use. */
static int find_axes(sx_db *db, struct ledger *l)
{
    struct { sx_axis *v; long n, cap; } axis = { 0 };
    struct { sx_dist *v; long n, cap; } dist = { 0 };
    sx_cursor *q = sx_db_query(db, used_distributions, "i", l->id);
    int rc;
    while ((rc = sx_db_next(db, q)) == 1) {
        const char *name = db->driver->text(q, 0);
        const sx_dist *d = sx_db_dist(db, db->driver->text(q, 1));
        long i = 0;
        while (name && i < axis.n && strcmp(axis.v[i].name, name)) i++;
        if (!name || !d) continue;
        if (i < axis.n) { sx_dist_join(&dist.v[i], d); continue; }
        SX_PUSH(db->arena, axis, ((sx_axis){ .name = sx_strdup(db->arena, name) }));
        SX_PUSH(db->arena, dist, *d);
    }
    const sx_axis **list = sx_alloc_array(db->arena, (size_t)axis.n + 1, sizeof *list);
    const char **text = sx_alloc_array(db->arena, (size_t)axis.n + 1, sizeof *text);
    for (long i = 0; i < axis.n; i++) {
        axis.v[i] = sx_dist_axis(&dist.v[i], axis.v[i].name);
        list[i] = &axis.v[i];
        char *t = sx_dist_write(&dist.v[i]);
        text[i] = sx_strdup(db->arena, t);
        free(t);
    }
    sx_space *space = SX_NEW(db->arena, sx_space);
    *space = (sx_space){ .n = (int)axis.n, .objectives = l->objectives, .axis = list };
    l->axes = space;
    l->distribution = text;
    return rc;
}

static int find_metrics(sx_db *db, struct ledger *l, sx_study_row *row)
{
    sx_cursor *q = sx_db_query(db,
                         "SELECT value_json FROM study_system_attributes WHERE study_id = $1 AND \"key\" = "
                         "'study:metric_names'",
                         "i", l->id);
    const int rc = sx_db_next(db, q);
    if (rc != 1) return rc;
    const char *text = db->driver->text(q, 0);
    json_t *list = text ? json_loads(text, 0, NULL) : NULL;
    if ((int)json_array_size(list) == l->objectives) {
        const char **name = sx_alloc_array(db->arena, (size_t)l->objectives + 1, sizeof *name);
        for (int i = 0; i < l->objectives; i++)
            name[i] = sx_strdup(db->arena, json_string_value(json_array_get(list, (size_t)i)));
        row->metric = name;
    }
    json_decref(list);
    sx_db_stop(db, q);
    return 0;
}

int sx_optuna_find(sx_db *db, const char *name, int64_t *study, sx_study_row *row)
{
    struct ledger *l = NULL;
    int rc = find_study(db, name, study);
    if (!rc) return sx_store_error(SX_E_DATA, "there is no study '%s'", name);
    if (rc < 0 || (rc = sx_ledger_open(db, *study, name, &l))) return rc;
    *row = (sx_study_row){
        .size = sizeof *row, .name = l->name, .objectives = l->objectives, .maximize = l->maximize
    };
    sx_cursor *q =
        sx_db_query(db, "SELECT config, space, seed FROM strix_study WHERE study_id = $1", "i", *study);
    if ((rc = sx_db_next(db, q)) == 1) {
        row->config = sx_db_text(db, q, 0, db->arena);
        row->space = sx_db_text(db, q, 1, db->arena);
        const char *seed = db->driver->text(q, 2);
        row->seed = seed ? strtoull(seed, NULL, 10) : 0;
        sx_db_stop(db, q);
    }
    if (rc < 0 || (rc = find_metrics(db, l, row))) return rc;
    if (!row->config && (rc = find_axes(db, l))) return rc;
    row->axes = l->axes;
    row->distribution = l->distribution;
    return 0;
}

int sx_optuna_list(sx_db *db, sx_on_study *each, void *ctx)
{
    const sx_driver *d = db->driver;
    sx_cursor *q = sx_db_query(
        db,
        "SELECT s.study_id, s.study_name,"
        " (SELECT direction FROM study_directions d WHERE d.study_id = s.study_id AND d.objective = 0),"
        " (SELECT count(*) FROM trials t WHERE t.study_id = s.study_id), min(v.value), max(v.value),"
        " (SELECT count(*) FROM study_directions d WHERE d.study_id = s.study_id) FROM studies s"
        " LEFT JOIN trials t ON t.study_id = s.study_id AND t.state = 'COMPLETE'"
        " LEFT JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0 AND v.value_type = 'FINITE'"
        " GROUP BY s.study_id, s.study_name ORDER BY s.study_id",
        "");
    int rc;
    while ((rc = sx_db_next(db, q)) == 1) {
        const char *up = d->text(q, 2);
        const int best = up && !strcmp(up, "MAXIMIZE") ? 5 : 4;
        each(ctx, d->integer(q, 0), d->text(q, 1), (long)d->integer(q, 3), d->real(q, best),
             !d->null(q, best) && d->integer(q, 6) == 1);
    }
    return rc;
}

static int rename_inside(sx_db *db, void *ctx)
{
    const char *name = ((named *)ctx)->name;
    const int64_t study = *((named *)ctx)->id;
    int64_t other;
    int rc = find_study(db, name, &other);
    if (rc) return rc < 0 ? rc : sx_store_error(SX_E_USAGE, "there is already a study '%s'", name);
    if ((rc = sx_db_run(db, "UPDATE studies SET study_name = $1 WHERE study_id = $2", "ti", name, study)))
        return rc;
    if ((rc = sx_db_run(db, "UPDATE strix_study SET study_name = $1 WHERE study_id = $2", "ti", name, study)))
        return rc;
    return sx_db_run(db,
               "UPDATE strix_trial SET study_name = $1 WHERE trial_id IN (SELECT trial_id FROM trials WHERE "
               "study_id = $2)",
               "ti", name, study);
}

int sx_optuna_rename(sx_db *db, int64_t study, const char *name)
{
    return sx_db_inside(db, SX_LOCK_ALL, rename_inside, &(named){ name, NULL, &study });
}

