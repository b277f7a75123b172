/* optuna.c: studies in Optuna's own tables, with side tables strix_* for what Optuna has no place for: every
 * SQL statement, once, for any database with a driver (optuna.h). Optuna's tools read, plot and continue such
 * a study while it runs. */
#include "optuna.h"
#include "arena.h"
#include "distribution.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIDE_SCHEMA = 1, ATTEMPTS = 3, MOST_ARGS = 8, TAKEN = 3 };
#define FOR_EVER 1e18                            /* a lease held by hand (study ask) */
static const char revision[] = "v3.2.0.a";

/* Python deletes without our cascade in SQLite and reuses ids: the study's name and the trial's start are
 * kept beside them, see clean(). */
#define OF_TRIAL "trial_id INTEGER NOT NULL REFERENCES trials ON DELETE CASCADE"
#define OF_STUDY "study_id INTEGER NOT NULL REFERENCES studies ON DELETE CASCADE"
#define SIDE_TABLES(TEMP) \
    "CREATE " TEMP "TABLE IF NOT EXISTS strix_study (" OF_STUDY ", study_name VARCHAR(512) NOT NULL," \
    " schema_number INTEGER NOT NULL, config TEXT, space TEXT, seed TEXT, PRIMARY KEY (study_id));" \
    "CREATE " TEMP "TABLE IF NOT EXISTS strix_trial (" OF_TRIAL ", study_name VARCHAR(512) NOT NULL," \
    " start TEXT, attempt INTEGER NOT NULL, worker TEXT, lease_until DOUBLE PRECISION, seen BIGINT NOT " \
    "NULL," \
    " tag BIGINT NOT NULL, queued INTEGER NOT NULL, dir TEXT, reason TEXT, PRIMARY KEY (trial_id));" \
    "CREATE INDEX IF NOT EXISTS strix_trial_lease ON strix_trial (lease_until) WHERE lease_until IS NOT " \
    "NULL;" \
    "CREATE " TEMP "TABLE IF NOT EXISTS strix_event (" OF_STUDY ", seq BIGINT NOT NULL, " OF_TRIAL "," \
    " fate VARCHAR(8) NOT NULL, steps INTEGER NOT NULL, PRIMARY KEY (study_id, seq));" \
    "CREATE INDEX IF NOT EXISTS strix_event_trial ON strix_event (trial_id);" \
    "CREATE " TEMP "TABLE IF NOT EXISTS strix_report (" OF_TRIAL ", step BIGINT NOT NULL," \
    " metric VARCHAR(512) NOT NULL, value DOUBLE PRECISION, PRIMARY KEY (trial_id, step, metric));" \
    "CREATE " TEMP "TABLE IF NOT EXISTS strix_file (" OF_TRIAL ", kind VARCHAR(64) NOT NULL," \
    " path TEXT NOT NULL, bytes BIGINT, sha256 VARCHAR(64), PRIMARY KEY (trial_id, kind, path));"

struct dist { struct dist *next; const char *text; sx_dist d; bool fine; };
struct ledger {                                  /* what is known of a study */
    struct ledger *next;
    int64_t id, settled;                         /* every trial with a smaller id has had its last event */
    const char *name;
    int objectives; bool *maximize;
    const sx_space *axes; const char *const *distribution;
};
struct sx_db {
    const sx_driver *driver; sx_conn *conn;
    sx_arena *arena, *mine;                      /* mine: rows of the last claim */
    struct ledger *ledgers; struct dist *dists;
    bool write;
    int error;                                   /* of a statement that could not start */
};

static _Thread_local char last_error[640];

int sx_store_error(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(last_error, sizeof last_error, fmt, ap);
    va_end(ap);
    return code;
}

const char *sx_optuna_last_error(void) { return last_error; }

/* --- Statements --- */

/* types: a letter for each argument: i int64_t, r double (not finite: null), t text (NULL: null). Never fails
 * at once: next() does. */
static sx_cursor *vquery(sx_db *db, const char *sql, const char *types, va_list ap)
{
    sx_sql v[MOST_ARGS] = { 0 };
    int n = 0;
    for (; types[n] && n < MOST_ARGS; n++)
        switch (types[n]) {
        case 'i': v[n] = (sx_sql){ .kind = SX_SQL_INT, .i = va_arg(ap, int64_t) }; break;
        case 'r': v[n] = (sx_sql){ .kind = SX_SQL_REAL, .r = va_arg(ap, double) }; break;
        default: v[n] = (sx_sql){ .kind = SX_SQL_TEXT, .s = va_arg(ap, const char *) };
        }
    for (int i = 0; i < n; i++)
        if (v[i].kind == SX_SQL_REAL ? !isfinite(v[i].r) : v[i].kind == SX_SQL_TEXT && !v[i].s)
            v[i].kind = SX_SQL_NULL;
    sx_cursor *q = NULL;
    db->error = db->driver->start(db->conn, sql, n, v, &q);
    return db->error ? NULL : q;
}

static sx_cursor *query(sx_db *db, const char *sql, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sx_cursor *q = vquery(db, sql, types, ap);
    va_end(ap);
    return q;
}

static int next(sx_db *db, sx_cursor *q) { return q ? db->driver->next(q) : db->error; }
static void stop(sx_db *db, sx_cursor *q) { if (q) db->driver->stop(q); }

static int run(sx_db *db, const char *sql, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sx_cursor *q = vquery(db, sql, types, ap);
    va_end(ap);
    int rc;
    while ((rc = next(db, q)) == 1) continue;
    return rc;
}

/* The first number of the first row: 1 found, 0 none (or null), SX_E_*. */
static int lookup(sx_db *db, int64_t *out, const char *sql, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sx_cursor *q = vquery(db, sql, types, ap);
    va_end(ap);
    int rc = next(db, q);
    if (rc != 1) return rc;
    if (db->driver->null(q, 0)) rc = 0;
    else *out = db->driver->integer(q, 0);
    /* To the end: a RETURNING statement has done its work only then. */
    int more;
    while ((more = next(db, q)) == 1) continue;
    return more < 0 ? more : rc;
}

static const char *text_at(sx_db *db, sx_cursor *q, int column, sx_arena *a)
{
    return sx_strdup(a, db->driver->text(q, column));
}

static int begin(sx_db *db, int64_t study) { return db->driver->begin(db->conn, study); }

static int end(sx_db *db, int rc)
{
    const int ended = db->driver->end(db->conn, rc >= 0);
    return rc < 0 ? rc : ended ? ended : rc;
}

/* --- Times: naive UTC with microseconds, as Optuna 5 --- */

static const char *time_text(double at, char out[40])
{
    const time_t whole = (time_t)floor(at);
    struct tm tm;
    gmtime_r(&whole, &tm);
    const size_t n = strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(out + n, 40 - n, ".%06d", (int)((at - (double)whole) * 1e6));
    return out;
}

static double time_of(const char *text)
{
    struct tm tm = { 0 };
    double seconds = 0;
    if (!text || sscanf(text, "%d-%d-%d%*c%d:%d:%lf", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                        &tm.tm_min, &seconds) < 6)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (double)timegm(&tm) + seconds;
}

static double now(sx_db *db) { return db->driver->clock(db->conn); }
static double until(sx_db *db, double lease) { return lease < 1e9 ? now(db) + lease : FOR_EVER; }

/* --- Words and numbers: a column of doubles holds finite ones only, the rest is a word --- */

static const char *word_of(double v)
{
    return isnan(v) ? "NAN" : isfinite(v) ? "FINITE" : v > 0 ? "INF_POS" : "INF_NEG";
}

static double number_of(const char *word, double v)
{
    if (!word || !strcmp(word, "NAN")) return NAN;
    return !strcmp(word, "INF_POS") ? INFINITY : !strcmp(word, "INF_NEG") ? -INFINITY : v;
}

static const struct { const char *word; sx_fate fate; } fates[] = {
    { "RUNNING", SX_RUNNING }, { "COMPLETE", SX_DONE }, { "PRUNED", SX_PRUNED },
    { "FAIL", SX_FAILED }, { "PAUSED", SX_PAUSED }, { "WAITING", SX_RUNNING },
};

static sx_fate fate_of(const char *word)
{
    for (size_t i = 0; i < sizeof fates / sizeof *fates; i++)
        if (word && !strcmp(fates[i].word, word)) return fates[i].fate;
    return SX_FAILED;
}

static const char *fate_word(sx_fate f)
{
    for (size_t i = 0; i < sizeof fates / sizeof *fates; i++) if (fates[i].fate == f) return fates[i].word;
    return "FAIL";
}

static bool ended(sx_fate f) { return f == SX_DONE || f == SX_PRUNED || f == SX_FAILED; }
static double user_value(const struct ledger *l, int objective, double v)
{
    return objective < l->objectives && l->maximize[objective] ? -v : v;
}

/* --- Distributions, each text read once --- */

static const sx_dist *dist_of(sx_db *db, const char *text)
{
    struct dist *e;
    if (!text) return NULL;
    for (e = db->dists; e && strcmp(e->text, text);) e = e->next;
    if (!e) {
        e = SX_NEW(db->arena, struct dist);
        *e = (struct dist){ .next = db->dists, .text = sx_strdup(db->arena, text) };
        e->fine = sx_dist_read(text, &e->d);
        db->dists = e;
    }
    return e->fine ? &e->d : NULL;
}

static struct ledger *ledger_of(sx_db *db, int64_t study)
{
    struct ledger *l = db->ledgers;
    while (l && l->id != study) l = l->next;
    if (!l) sx_store_error(SX_E_USAGE, "study %lld was not opened by study or find", (long long)study);
    return l;
}

static int read_directions(sx_db *db, struct ledger *l)
{
    struct { bool *v; long n, cap; } up = { 0 };
    sx_cursor *q = query(db, "SELECT direction FROM study_directions WHERE study_id = $1 ORDER BY objective",
                         "i", l->id);
    int rc;
    while ((rc = next(db, q)) == 1) {
        const char *word = db->driver->text(q, 0);
        SX_PUSH(db->arena, up, word && !strcmp(word, "MAXIMIZE"));
    }
    l->objectives = (int)up.n;
    l->maximize = up.v;
    return rc;
}

static int ledger_open(sx_db *db, int64_t study, const char *name, struct ledger **out)
{
    struct ledger *l = db->ledgers;
    while (l && l->id != study) l = l->next;
    if (!l) {
        l = SX_NEW(db->arena, struct ledger);
        l->next = db->ledgers;
        db->ledgers = l;
    }
    l->id = study;
    l->name = sx_strdup(db->arena, name);
    *out = l;
    return read_directions(db, l);
}

/* --- Opening --- */

static int check_revision(sx_db *db, const char *url, bool write)
{
    sx_cursor *q = query(db, "SELECT version_num FROM alembic_version", "");
    int rc = next(db, q);
    if (rc < 0) return rc;
    char found[64] = "none";
    if (rc == 1) {
        const char *text = db->driver->text(q, 0);
        snprintf(found, sizeof found, "%.60s", text ? text : "none");
        stop(db, q);
    }
    int64_t schema = 0;
    if ((rc = lookup(db, &schema, "SELECT schema_version FROM version_info", "")) < 0) return rc;
    last_error[0] = 0;
    if (!strcmp(found, revision) && schema == 12) return 0;
    sx_store_error(SX_E_STORE,
                   "%s has schema revision %s (%lld), this strix knows %s (12): it can be read, not written",
                   url, found, (long long)schema, revision);
    return write ? SX_E_STORE : 0;
}

/* Rows of studies that Python deleted; a reused id has another study name or start. */
static int clean(sx_db *db)
{
    static const char *const sql[] = {
        "DELETE FROM strix_study WHERE NOT EXISTS (SELECT 1 FROM studies s WHERE s.study_id = "
        "strix_study.study_id"
        " AND s.study_name = strix_study.study_name)",
        "DELETE FROM strix_trial WHERE NOT EXISTS (SELECT 1 FROM trials t JOIN studies s ON s.study_id = "
        "t.study_id"
        " WHERE t.trial_id = strix_trial.trial_id AND s.study_name = strix_trial.study_name"
        " AND coalesce(CAST(t.datetime_start AS TEXT), '') = coalesce(strix_trial.start, ''))",
        "DELETE FROM strix_event WHERE trial_id NOT IN (SELECT trial_id FROM strix_trial)"
        " OR study_id NOT IN (SELECT study_id FROM studies)",
        "DELETE FROM strix_report WHERE trial_id NOT IN (SELECT trial_id FROM strix_trial)",
        "DELETE FROM strix_file WHERE trial_id NOT IN (SELECT trial_id FROM strix_trial)",
    };
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof sql / sizeof *sql; i++) rc = run(db, sql[i], "");
    return rc;
}

static int prepare_write(sx_db *db)
{
    int rc = db->driver->shared(db->conn);
    if (rc || (rc = begin(db, 0))) return rc;
    const int empty = db->driver->empty(db->conn);
    rc = empty < 0 ? empty : empty ? db->driver->script(db->conn, db->driver->schema) : 0;
    if (!rc) rc = db->driver->script(db->conn, SIDE_TABLES(""));
    if (!rc) rc = clean(db);
    return end(db, rc);
}

/* A reader of a database without side tables gets empty ones of its own, so that the same statements work. */
static int prepare_read(sx_db *db)
{
    int64_t n;
    return lookup(db, &n, "SELECT count(*) FROM strix_study", "") >= 0
               ? 0
               : db->driver->script(db->conn, SIDE_TABLES("TEMP "));
}

int sx_optuna_open(const sx_driver *driver, const char *url, bool write, sx_db **out)
{
    last_error[0] = 0;
    sx_conn *conn = NULL;
    int rc = driver->open(url, write, &conn);
    if (rc) return rc;
    sx_arena *a = sx_arena_open(NULL);
    sx_db *db = SX_NEW(a, sx_db);
    *db = (sx_db){ .driver = driver, .conn = conn, .arena = a, .mine = sx_arena_open(a), .write = write };
    const int empty = driver->empty(conn);
    rc = empty < 0 ? empty : 0;
    if (!rc && empty && !write) rc = sx_store_error(SX_E_STORE, "%s holds no study", url);
    if (!rc && !empty) rc = check_revision(db, url, write);
    char warning[sizeof last_error];
    memcpy(warning, last_error, sizeof warning);
    if (!rc) rc = write ? prepare_write(db) : prepare_read(db);
    if (rc) { sx_optuna_close(db); return rc; }
    memcpy(last_error, warning, sizeof warning);
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
    return lookup(db, id, "SELECT study_id FROM studies WHERE study_name = $1", "t", name);
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
    int rc = lookup(db, id, "INSERT INTO studies (study_name) VALUES ($1) RETURNING study_id", "t", w->name);
    if (rc != 1) return rc < 0 ? rc : sx_store_error(SX_E_STORE, "the new study has no id");
    rc = 0;
    for (int i = 0; !rc && i < w->objectives; i++)
        rc = run(db, "INSERT INTO study_directions (direction, study_id, objective) VALUES ($1, $2, $3)",
                 "tii", w->maximize[i] ? "MAXIMIZE" : "MINIMIZE", *id, (int64_t)i);
    if (!rc && w->metric)
        rc = run(db,
                 "INSERT INTO study_system_attributes (study_id, \"key\", value_json) VALUES ($1, "
                 "'study:metric_names', $2)",
                 "it", *id, json_texts(db->arena, w->objectives, w->metric));
    return rc;
}

static int check_directions(sx_db *db, int64_t id, const sx_study_row *w)
{
    struct ledger *l;
    const int rc = ledger_open(db, id, w->name, &l);
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

/* Optuna's rule for a parameter that the study has used before; it would refuse our trials otherwise. */
static int check_distributions(sx_db *db, int64_t id, const sx_study_row *w)
{
    int rc = 0, bad = 0;
    sx_cursor *q = w->axes ? query(db, used_distributions, "i", id) : NULL;
    while (w->axes && !bad && (rc = next(db, q)) == 1) {
        const char *name = db->driver->text(q, 0), *text = db->driver->text(q, 1);
        const sx_dist *was = dist_of(db, text);
        for (int i = 0; name && was && i < w->axes->n; i++) {
            const sx_dist *is = strcmp(w->axes->axis[i]->name, name) ? NULL : dist_of(db, w->distribution[i]);
            if (is && !sx_dist_like(is, was))
                bad = sx_store_error(SX_E_CONFIG, "study '%s' has used '%s' as %s, which is not %s", w->name,
                                     name, text, w->distribution[i]);
        }
    }
    if (bad) stop(db, q);
    return bad ? bad : rc;
}

static int check_side(sx_db *db, int64_t id, const sx_study_row *w)
{
    sx_cursor *q =
        query(db, "SELECT schema_number, space, seed FROM strix_study WHERE study_id = $1", "i", id);
    int rc = next(db, q);
    if (rc != 1) return rc;
    const char *space = db->driver->text(q, 1), *seed = db->driver->text(q, 2);
    if (db->driver->integer(q, 0) > SIDE_SCHEMA)
        rc = sx_store_error(SX_E_STORE, "study '%s' was written by a newer strix", w->name);
    else if (w->space && space && strcmp(space, w->space))
        rc = sx_store_error(SX_E_CONFIG, "study '%s' has another search space", w->name);
    else if (w->space && seed && strtoull(seed, NULL, 10) != w->seed)
        rc = sx_store_error(SX_E_CONFIG, "study '%s' was begun with seed %s, not %llu", w->name, seed,
                            (unsigned long long)w->seed);
    stop(db, q);
    return rc;
}

static int keep_side(sx_db *db, int64_t id, const sx_study_row *w)
{
    char seed[32];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)w->seed);
    return run(db,
               "INSERT INTO strix_study (study_id, study_name, schema_number, config, space, seed) VALUES "
               "($1, $2, $3, $4, $5, $6)"
               " ON CONFLICT (study_id) DO UPDATE SET config = excluded.config, space = excluded.space, seed "
               "= excluded.seed",
               "itittt", id, w->name, (int64_t)SIDE_SCHEMA, w->config, w->space, seed);
}

static int study_inside(sx_db *db, const sx_study_row *w, int64_t *id)
{
    int rc = find_study(db, w->name, id);
    if (rc < 0) return rc;
    if (!rc && !db->write) return sx_store_error(SX_E_DATA, "there is no study '%s'", w->name);
    if (rc) {
        if ((rc = check_directions(db, *id, w)) || (rc = check_side(db, *id, w)) < 0) return rc;
        if ((rc = check_distributions(db, *id, w))) return rc;
    } else if ((rc = create_study(db, w, id))) {
        return rc;
    }
    return w->config && db->write ? keep_side(db, *id, w) : 0;
}

int sx_optuna_study(sx_db *db, const sx_study_row *want, int64_t *study)
{
    int rc = db->write ? begin(db, 0) : 0;
    if (rc) return rc;
    rc = study_inside(db, want, study);
    if (db->write) rc = end(db, rc);
    if (rc) return rc;
    struct ledger *l;
    if ((rc = ledger_open(db, *study, want->name, &l))) return rc;
    l->axes = want->axes;
    l->distribution = want->distribution;
    return 0;
}

/* The space of a study that others made: what its trials used, in the order of first use. */
static int find_axes(sx_db *db, struct ledger *l)
{
    struct { sx_axis *v; long n, cap; } axis = { 0 };
    struct { sx_dist *v; long n, cap; } dist = { 0 };
    sx_cursor *q = query(db, used_distributions, "i", l->id);
    int rc;
    while ((rc = next(db, q)) == 1) {
        const char *name = db->driver->text(q, 0);
        const sx_dist *d = dist_of(db, db->driver->text(q, 1));
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
    sx_cursor *q = query(db,
                         "SELECT value_json FROM study_system_attributes WHERE study_id = $1 AND \"key\" = "
                         "'study:metric_names'",
                         "i", l->id);
    const int rc = next(db, q);
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
    stop(db, q);
    return 0;
}

int sx_optuna_find(sx_db *db, const char *name, int64_t *study, sx_study_row *row)
{
    struct ledger *l = NULL;
    int rc = find_study(db, name, study);
    if (!rc) return sx_store_error(SX_E_DATA, "there is no study '%s'", name);
    if (rc < 0 || (rc = ledger_open(db, *study, name, &l))) return rc;
    *row = (sx_study_row){
        .size = sizeof *row, .name = l->name, .objectives = l->objectives, .maximize = l->maximize
    };
    sx_cursor *q = query(db, "SELECT config, space, seed FROM strix_study WHERE study_id = $1", "i", *study);
    if ((rc = next(db, q)) == 1) {
        row->config = text_at(db, q, 0, db->arena);
        row->space = text_at(db, q, 1, db->arena);
        const char *seed = db->driver->text(q, 2);
        row->seed = seed ? strtoull(seed, NULL, 10) : 0;
        stop(db, q);
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
    sx_cursor *q = query(
        db,
        "SELECT s.study_id, s.study_name,"
        " (SELECT direction FROM study_directions d WHERE d.study_id = s.study_id AND d.objective = 0),"
        " (SELECT count(*) FROM trials t WHERE t.study_id = s.study_id), min(v.value), max(v.value) FROM "
        "studies s"
        " LEFT JOIN trials t ON t.study_id = s.study_id AND t.state = 'COMPLETE'"
        " LEFT JOIN trial_values v ON v.trial_id = t.trial_id AND v.objective = 0 AND v.value_type = 'FINITE'"
        " GROUP BY s.study_id, s.study_name ORDER BY s.study_id",
        "");
    int rc;
    while ((rc = next(db, q)) == 1) {
        const char *up = d->text(q, 2);
        const int best = up && !strcmp(up, "MAXIMIZE") ? 5 : 4;
        each(ctx, d->integer(q, 0), d->text(q, 1), (long)d->integer(q, 3), d->real(q, best),
             !d->null(q, best));
    }
    return rc;
}

static int rename_inside(sx_db *db, int64_t study, const char *name)
{
    int64_t other;
    int rc = find_study(db, name, &other);
    if (rc) return rc < 0 ? rc : sx_store_error(SX_E_USAGE, "there is already a study '%s'", name);
    if ((rc = run(db, "UPDATE studies SET study_name = $1 WHERE study_id = $2", "ti", name, study)))
        return rc;
    if ((rc = run(db, "UPDATE strix_study SET study_name = $1 WHERE study_id = $2", "ti", name, study)))
        return rc;
    return run(db,
               "UPDATE strix_trial SET study_name = $1 WHERE trial_id IN (SELECT trial_id FROM trials WHERE "
               "study_id = $2)",
               "ti", name, study);
}

int sx_optuna_rename(sx_db *db, int64_t study, const char *name)
{
    const int rc = begin(db, 0);
    return rc ? rc : end(db, rename_inside(db, study, name));
}

/* --- Trials, read --- */

static int axis_named(const struct ledger *l, const char *name, int hint)
{
    for (int k = 0; l->axes && name && k < l->axes->n; k++) {
        const int i = (hint + k) % l->axes->n;
        if (!strcmp(l->axes->axis[i]->name, name)) return i;
    }
    return -1;
}

/* A stored value in the terms of our axis: the same number, but the same word of a choice. */
static double into_axis(sx_db *db, const struct ledger *l, int i, const char *text, double v)
{
    if (!strcmp(text, l->distribution[i])) return v;
    const sx_dist *was = dist_of(db, text), *is = dist_of(db, l->distribution[i]);
    if (!was || !is) return NAN;
    if (!was->choices || !is->choices) return !was->choices && !is->choices ? v : NAN;
    return v >= 0 && v < (double)json_array_size(was->choices)
               ? sx_dist_internal(is, json_array_get(was->choices, (size_t)v))
               : NAN;
}

static int read_params(sx_db *db, const struct ledger *l, sx_arena *a, bool shown, sx_trial_row *r)
{
    char *text = NULL;
    size_t bytes;
    FILE *json = shown ? open_memstream(&text, &bytes) : NULL;
    double *x = sx_alloc_array(a, (size_t)(l->axes ? l->axes->n : 0) + 1, sizeof *x);
    for (int i = 0; l->axes && i < l->axes->n; i++) x[i] = NAN;
    sx_cursor *q = query(db,
                         "SELECT param_name, param_value, distribution_json FROM trial_params WHERE trial_id "
                         "= $1 ORDER BY param_id",
                         "i", r->id);
    int rc, at = -1, n = 0;
    while ((rc = next(db, q)) == 1) {
        const char *name = db->driver->text(q, 0), *dist = db->driver->text(q, 2);
        if (!name || !dist || db->driver->null(q, 1)) continue;
        const double v = db->driver->real(q, 1);
        if ((at = axis_named(l, name, at + 1)) >= 0) x[at] = into_axis(db, l, at, dist, v);
        const sx_dist *d = json ? dist_of(db, dist) : NULL;
        if (!d) continue;
        json_t *key = json_string(name);
        char *quoted = json_dumps(key, JSON_ENCODE_ANY);
        fprintf(json, "%s%s: ", n++ ? ", " : "{", quoted ? quoted : "\"?\"");
        free(quoted);
        json_decref(key);
        sx_dist_show(d, v, json);
    }
    if (json) {
        fputs(n ? "}" : "{}", json);
        fclose(json);
        r->values = sx_strdup(a, text);
        free(text);
    }
    r->t.x = l->axes ? x : NULL;
    return rc;
}

static int read_values(sx_db *db, const struct ledger *l, sx_arena *a, sx_trial_row *r)
{
    double *value = sx_alloc_array(a, (size_t)l->objectives + 1, sizeof *value);
    bool any = false;
    sx_cursor *q =
        query(db, "SELECT objective, value, value_type FROM trial_values WHERE trial_id = $1", "i", r->id);
    int rc;
    for (int i = 0; i < l->objectives; i++) value[i] = NAN;
    while ((rc = next(db, q)) == 1) {
        const int64_t i = db->driver->integer(q, 0);
        if (i < 0 || i >= l->objectives) continue;
        value[i] = user_value(l, (int)i, number_of(db->driver->text(q, 2), db->driver->real(q, 1)));
        any = true;
    }
    r->t.value = any ? value : NULL;
    return rc;
}

static int read_curve(sx_db *db, const struct ledger *l, sx_arena *a, long most, sx_trial_row *r)
{
    struct { long *v; long n, cap; } step = { 0 };
    struct { double *v; long n, cap; } curve = { 0 };
    sx_cursor *q = query(db,
                         "SELECT step, intermediate_value, intermediate_value_type FROM "
                         "trial_intermediate_values WHERE trial_id = $1"
                         " ORDER BY step",
                         "i", r->id);
    int rc;
    while ((rc = next(db, q)) == 1) {
        if (step.n == most) { stop(db, q); rc = 0; break; }
        SX_PUSH(a, step, (long)db->driver->integer(q, 0));
        SX_PUSH(a, curve, user_value(l, 0, number_of(db->driver->text(q, 2), db->driver->real(q, 1))));
    }
    r->t.steps = step.n;
    r->t.step = step.v;
    r->t.curve = curve.v;
    return rc;
}

static int read_constraints(sx_db *db, const struct ledger *l, sx_arena *a, sx_trial_row *r)
{
    if (!l->axes || !l->axes->constraints) return 0;
    struct { double *v; long n, cap; } c = { 0 };
    sx_cursor *q = query(
        db, "SELECT value FROM strix_report WHERE trial_id = $1 AND step = -1 ORDER BY metric", "i", r->id);
    int rc;
    while ((rc = next(db, q)) == 1) SX_PUSH(a, c, db->driver->null(q, 0) ? NAN : db->driver->real(q, 0));
    r->t.constraint = c.n == l->axes->constraints ? c.v : NULL;
    return rc;
}

#define ROW \
    "t.trial_id, t.number, t.state, CAST(t.datetime_start AS TEXT), CAST(t.datetime_complete AS TEXT)," \
    " coalesce(s.attempt, 0), coalesce(s.seen, 0), coalesce(s.tag, 0), coalesce(s.queued, 0)," \
    " s.worker, s.dir, s.reason, s.lease_until"
enum { ROW_COLUMNS = 13 };
#define ROWS " FROM trials t LEFT JOIN strix_trial s ON s.trial_id = t.trial_id "

/* The columns of ROW; the rest of a row by the reads above. */
static sx_trial_row row_at(sx_db *db, sx_cursor *q, sx_arena *a)
{
    const sx_driver *d = db->driver;
    const char *state = d->text(q, 2);
    sx_trial_row r = { .size = sizeof r,
                       .id = d->integer(q, 0),
                       .waiting = state && !strcmp(state, "WAITING"),
                       .t = { .number = (long)d->integer(q, 1), .fate = fate_of(state) },
                       .started = time_of(d->text(q, 3)),
                       .ended = time_of(d->text(q, 4)),
                       .attempt = (int)d->integer(q, 5),
                       .seen = d->integer(q, 6),
                       .queued = d->integer(q, 8) };
    r.t.tag = d->integer(q, 7);
    r.queued |= r.waiting;
    r.worker = text_at(db, q, 9, a);
    r.dir = text_at(db, q, 10, a);
    r.reason = text_at(db, q, 11, a);
    const bool leased = !d->null(q, 12);
    if (leased) r.lease = d->real(q, 12) - now(db);
    if (!leased && r.attempt && r.t.fate == SX_RUNNING) r.t.fate = SX_PAUSED;
    return r;
}

static int fill(sx_db *db, const struct ledger *l, sx_arena *a, bool shown, long most, sx_trial_row *r)
{
    int rc = read_params(db, l, a, shown, r);
    if (!rc && r->t.fate != SX_RUNNING && r->t.fate != SX_PAUSED) rc = read_values(db, l, a, r);
    if (!rc && most) rc = read_curve(db, l, a, most, r);
    return rc ? rc : read_constraints(db, l, a, r);
}

int sx_optuna_news(sx_db *db, int64_t study, int64_t *since, sx_on_event *each, void *ctx)
{
    const struct ledger *l = ledger_of(db, study);
    if (!l) return SX_E_USAGE;
    sx_arena *a = sx_arena_open(NULL);
    sx_cursor *q =
        query(db,
              "SELECT " ROW ", e.seq, e.fate, e.steps" ROWS "JOIN strix_event e ON e.trial_id = t.trial_id"
              " WHERE e.study_id = $1 AND e.seq > $2 ORDER BY e.seq",
              "ii", study, *since);
    int rc, bad = 0;
    while (!bad && (rc = next(db, q)) == 1) {
        sx_trial_row r = row_at(db, q, a);
        const int64_t seq = db->driver->integer(q, ROW_COLUMNS);
        r.t.fate = fate_of(db->driver->text(q, ROW_COLUMNS + 1));
        bad = fill(db, l, a, false,
                   r.t.fate == SX_RUNNING ? 0 : (long)db->driver->integer(q, ROW_COLUMNS + 2), &r);
        if (bad) break;
        each(ctx, seq, &r);
        *since = seq;
    }
    if (bad) stop(db, q);
    sx_arena_close(a);
    return bad ? bad : rc;
}

int sx_optuna_trials(sx_db *db, int64_t study, sx_on_trial *each, void *ctx)
{
    const struct ledger *l = ledger_of(db, study);
    if (!l) return SX_E_USAGE;
    sx_arena *a = sx_arena_open(NULL);
    sx_cursor *q =
        query(db, "SELECT " ROW ROWS "WHERE t.study_id = $1 ORDER BY t.number, t.trial_id", "i", study);
    int rc, bad = 0;
    while (!bad && (rc = next(db, q)) == 1) {
        sx_trial_row r = row_at(db, q, a);
        bad = fill(db, l, a, true, -1, &r);
        if (!bad) each(ctx, &r);
    }
    if (bad) stop(db, q);
    sx_arena_close(a);
    return bad ? bad : rc;
}

static int read_trial(sx_db *db, const struct ledger *l, int64_t id, sx_arena *a, sx_trial_row *r)
{
    sx_cursor *q = query(db, "SELECT " ROW ROWS "WHERE t.trial_id = $1", "i", id);
    const int rc = next(db, q);
    if (rc != 1) return rc ? rc : sx_store_error(SX_E_LOST, "trial id %lld is gone", (long long)id);
    *r = row_at(db, q, a);
    stop(db, q);
    return fill(db, l, a, true, -1, r);
}

/* --- Events --- */

static int last_event(sx_db *db, int64_t study, int64_t *seq)
{
    *seq = 0;
    const int rc = lookup(db, seq, "SELECT max(seq) FROM strix_event WHERE study_id = $1", "i", study);
    return rc < 0 ? rc : 0;
}

static int add_event(sx_db *db, int64_t study, int64_t trial, const char *fate)
{
    int64_t seq;
    const int rc = last_event(db, study, &seq);
    if (rc) return rc;
    return run(db,
               "INSERT INTO strix_event (study_id, seq, trial_id, fate, steps) VALUES ($1, $2, $3, $4,"
               " (SELECT count(*) FROM trial_intermediate_values v WHERE v.trial_id = $3))",
               "iiit", study, seq + 1, trial, fate);
}

static int add_side(sx_db *db, const struct ledger *l, int64_t trial, const sx_trial_row *r,
                    const char *worker, double lease_until)
{
    return run(db,
               "INSERT INTO strix_trial (trial_id, study_name, start, attempt, worker, lease_until, seen, "
               "tag, queued)"
               " VALUES ($1, $2, (SELECT CAST(datetime_start AS TEXT) FROM trials WHERE trial_id = $1), $3, "
               "$4, $5, $6, $7, $8)",
               "ititriii", trial, l->name, (int64_t)(r ? r->attempt : 0), worker, lease_until,
               r ? r->seen : 0, r ? r->t.tag : 0, (int64_t)(r && r->queued));
}

/* Has a running trial of another program all its values? Only then may a sampler see it: what it saw must
 * stay so. */
static int complete(sx_db *db, const struct ledger *l, int64_t trial)
{
    sx_arena *a = sx_arena_open(NULL);
    sx_trial_row r = { .id = trial };
    int rc = read_params(db, l, a, false, &r);
    bool whole = l->axes != NULL;
    for (int i = 0; !rc && whole && i < l->axes->n; i++)
        whole = sx_active(l->axes, r.t.x, i) == !isnan(r.t.x[i]);
    sx_arena_close(a);
    return rc ? rc : whole;
}

struct seen { int64_t id; char state[12], last[12]; };

static int settle_one(sx_db *db, const struct ledger *l, const struct seen *s, bool *settled)
{
    int rc = 0;
    *settled = false;
    const bool fin = strcmp(s->state, "RUNNING") && strcmp(s->state, "WAITING");
    if (!fin && (s->last[0] || !strcmp(s->state, "WAITING"))) return 0;
    if (fin && s->last[0] && ended(fate_of(s->last))) { *settled = true; return 0; }
    if (!fin && (rc = complete(db, l, s->id)) != 1) return rc;
    if (!s->last[0] &&
        ((rc = add_side(db, l, s->id, NULL, NULL, NAN)) || (rc = add_event(db, l->id, s->id, "RUNNING"))))
        return rc;
    *settled = fin;
    return fin ? add_event(db, l->id, s->id, s->state) : 0;
}

/* Gives what other programs did its events. */
static int settle(sx_db *db, struct ledger *l)
{
    sx_arena *a = sx_arena_open(NULL);
    struct { struct seen *v; long n, cap; } s = { 0 };
    sx_cursor *q =
        query(db,
              "SELECT t.trial_id, t.state,"
              " (SELECT e.fate FROM strix_event e WHERE e.trial_id = t.trial_id ORDER BY e.seq DESC LIMIT 1)"
              " FROM trials t WHERE t.study_id = $1 AND t.trial_id >= $2 ORDER BY t.trial_id",
              "ii", l->id, l->settled);
    int rc;
    while ((rc = next(db, q)) == 1) {
        const char *state = db->driver->text(q, 1), *last = db->driver->text(q, 2);
        struct seen e = { .id = db->driver->integer(q, 0) };
        snprintf(e.state, sizeof e.state, "%s", state ? state : "");
        snprintf(e.last, sizeof e.last, "%s", last ? last : "");
        SX_PUSH(a, s, e);
    }
    bool all = true;
    for (long i = 0; !rc && i < s.n; i++) {
        bool settled;
        rc = settle_one(db, l, &s.v[i], &settled);
        all &= settled;
        if (all) l->settled = s.v[i].id + 1;
    }
    sx_arena_close(a);
    return rc;
}

/* --- Claim --- */

/* 0: the trial runs and is worker's (NULL: anybody's). */
static int check_mine(sx_db *db, int64_t trial, const char *worker)
{
    sx_cursor *q = query(db, "SELECT t.state, s.worker" ROWS "WHERE t.trial_id = $1", "i", trial);
    const int rc = next(db, q);
    if (rc < 0) return rc;
    const char *state = rc ? db->driver->text(q, 0) : NULL, *has = rc ? db->driver->text(q, 1) : NULL;
    const bool mine = state && !strcmp(state, "RUNNING") && (!worker || (has && !strcmp(has, worker)));
    if (!mine)
        sx_store_error(SX_E_LOST, "trial id %lld is %s", (long long)trial,
                       state && !strcmp(state, "RUNNING") ? "somebody else's now" : "not running any more");
    if (rc) stop(db, q);
    return mine ? 0 : SX_E_LOST;
}

static int end_trial(sx_db *db, const struct ledger *l, int64_t trial, sx_fate fate, const char *reason)
{
    char at[40];
    int rc = 0;
    if (reason) {
        json_t *text = json_string(reason);
        char *json = text ? json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
        rc = sx_optuna_note(db, trial, "strix:reason", json ? json : "\"\"");
        free(json);
        json_decref(text);
    }
    if (!rc)
        rc = run(
            db,
            "UPDATE trials SET state = $1, datetime_complete = $2 WHERE trial_id = $3 AND state = 'RUNNING'",
            "tti", fate_word(fate), time_text(now(db), at), trial);
    if (!rc && db->driver->changes(db->conn) != 1)
        rc = sx_store_error(SX_E_LOST, "trial id %lld is not running any more", (long long)trial);
    if (!rc)
        rc = run(db, "UPDATE strix_trial SET lease_until = NULL, reason = $1 WHERE trial_id = $2", "ti",
                 reason, trial);
    /* Another program's trial that has no event yet gets both of its events from settle(). */
    return rc || !db->driver->changes(db->conn) ? rc : add_event(db, l->id, trial, fate_word(fate));
}

static int take(sx_db *db, int64_t trial, const char *worker, double lease, int attempt)
{
    return run(db, "UPDATE strix_trial SET worker = $1, lease_until = $2, attempt = $3 WHERE trial_id = $4",
               "trii", worker, until(db, lease), (int64_t)attempt, trial);
}

/* 1: an expired lease was taken over, *trial. */
static int take_expired(sx_db *db, struct ledger *l, const char *worker, double lease, int64_t *trial)
{
    for (;;) {
        sx_cursor *q =
            query(db,
                  "SELECT t.trial_id, s.attempt FROM strix_trial s JOIN trials t ON t.trial_id = s.trial_id"
                  " WHERE s.lease_until < $1 AND t.study_id = $2 AND t.state = 'RUNNING' ORDER BY t.trial_id "
                  "LIMIT 1",
                  "ri", now(db), l->id);
        int rc = next(db, q);
        if (rc != 1) return rc;
        *trial = db->driver->integer(q, 0);
        const int attempt = (int)db->driver->integer(q, 1);
        stop(db, q);
        if (attempt < ATTEMPTS) return (rc = take(db, *trial, worker, lease, attempt + 1)) ? rc : 1;
        if ((rc = end_trial(db, l, *trial, SX_FAILED, "given up: each of 3 attempts ended with its worker")))
            return rc;
    }
}

/* The fixed values of a queued trial, as `study add` and Optuna's enqueue_trial leave them. */
static int read_fixed(sx_db *db, const struct ledger *l, sx_arena *a, sx_trial_row *r)
{
    double *x = sx_alloc_array(a, (size_t)(l->axes ? l->axes->n : 0) + 1, sizeof *x);
    sx_cursor *q = query(
        db, "SELECT value_json FROM trial_system_attributes WHERE trial_id = $1 AND \"key\" = 'fixed_params'",
        "i", r->id);
    const int rc = next(db, q);
    if (rc < 0) return rc;
    const char *text = rc ? db->driver->text(q, 0) : NULL;
    json_t *fixed = text ? json_loads(text, 0, NULL) : NULL;
    for (int i = 0; l->axes && i < l->axes->n; i++) {
        const json_t *v = json_object_get(fixed, l->axes->axis[i]->name);
        const sx_dist *d = v ? dist_of(db, l->distribution[i]) : NULL;
        x[i] = d ? sx_dist_internal(d, v) : NAN;
    }
    json_decref(fixed);
    if (rc) stop(db, q);
    r->t.x = x;
    return 0;
}

static int insert_params(sx_db *db, const struct ledger *l, int64_t trial, const double *x)
{
    int rc = 0;
    for (int i = 0; !rc && l->axes && i < l->axes->n; i++)
        if (!isnan(x[i]))
            rc = run(db,
                     "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES "
                     "($1, $2, $3, $4)",
                     "itrt", trial, l->axes->axis[i]->name, x[i], l->distribution[i]);
    return rc;
}

static int insert_trial(sx_db *db, const struct ledger *l, long number, const char *state, const char *start,
                        int64_t *trial)
{
    const int rc =
        lookup(db, trial,
               "INSERT INTO trials (number, study_id, state, datetime_start) VALUES ($1, $2, $3, $4)"
               " RETURNING trial_id",
               "iitt", (int64_t)number, l->id, state, start);
    return rc == 1 ? 0 : rc < 0 ? rc : sx_store_error(SX_E_STORE, "the new trial has no id");
}

/* Numbers are 0, 1, ... in the order of ids: the count, without counting. */
static int next_number(sx_db *db, const struct ledger *l, int64_t *number)
{
    *number = -1;
    const int rc =
        lookup(db, number, "SELECT number FROM trials WHERE study_id = $1 ORDER BY trial_id DESC LIMIT 1",
               "i", l->id);
    ++*number;
    return rc < 0 ? rc : 0;
}

/* Trials that run under a lease: one of them may come back. Those held by hand are nobody's business. */
static int idle(sx_db *db, const struct ledger *l)
{
    int64_t n = 0;
    const int rc = lookup(db, &n,
                          "SELECT count(*) FROM strix_trial s JOIN trials t ON t.trial_id = s.trial_id"
                          " WHERE s.lease_until < $1 AND t.study_id = $2 AND t.state = 'RUNNING'",
                          "ri", FOR_EVER / 2, l->id);
    return rc < 0 ? rc : n ? 2 : 1;
}

static int begin_trial(sx_db *db, const struct ledger *l, bool queued, const char *worker, double lease,
                       sx_trial_row *made)
{
    char at[40];
    time_text(now(db), at);
    int rc;
    if (queued) {
        rc = run(db,
                 "UPDATE trials SET state = 'RUNNING', datetime_start = $1 WHERE trial_id = $2 AND state = "
                 "'WAITING'",
                 "ti", at, made->id);
        if (!rc && db->driver->changes(db->conn) != 1) return TAKEN;
    } else {
        rc = insert_trial(db, l, made->t.number, "RUNNING", at, &made->id);
    }
    made->attempt = 1;
    made->queued = queued;
    if (rc || (rc = last_event(db, l->id, &made->seen)) || (rc = insert_params(db, l, made->id, made->t.x)))
        return rc;
    if ((rc = add_side(db, l, made->id, made, worker, until(db, lease)))) return rc;
    return add_event(db, l->id, made->id, "RUNNING");
}

static int resume_trial(sx_db *db, const struct ledger *l, long number, const char *worker, double lease,
                        int64_t *trial)
{
    const int rc = lookup(
        db, trial,
        "SELECT t.trial_id FROM trials t JOIN strix_trial s ON s.trial_id = t.trial_id WHERE t.study_id = $1"
        " AND t.number = $2 AND t.state = 'RUNNING' AND s.lease_until IS NULL AND s.attempt > 0",
        "ii", l->id, (int64_t)number);
    if (rc != 1) return rc < 0 ? rc : sx_store_error(SX_E_STORE, "trial %ld is not paused", number);
    const int bad = take(db, *trial, worker, lease, 1);
    return bad ? bad : add_event(db, l->id, *trial, "RUNNING");
}

static int claim_inside(sx_db *db, struct ledger *l, const char *worker, double lease, long budget,
                        sx_ask *ask, void *ctx, int64_t *trial)
{
    int rc = settle(db, l);
    if (rc || (rc = take_expired(db, l, worker, lease, trial))) return rc < 0 ? rc : 0;
    sx_trial_row queued = { .size = sizeof queued, .queued = true, .waiting = true },
                 made = { .size = sizeof made };
    const int waits =
        lookup(db, &queued.id,
               "SELECT trial_id FROM trials WHERE study_id = $1 AND state = 'WAITING' AND trial_id >= $2"
               " ORDER BY trial_id LIMIT 1",
               "ii", l->id, l->settled);
    if (waits < 0) return waits;
    int64_t number;
    rc = waits ? lookup(db, &number, "SELECT number FROM trials WHERE trial_id = $1", "i", queued.id)
               : next_number(db, l, &number);
    if (rc < 0 || (waits && (rc = read_fixed(db, l, db->mine, &queued)))) return rc;
    if (!waits && number >= budget) number = -1;
    queued.t.number = made.t.number = (long)number;
    made.id = queued.id;
    if ((rc = ask(ctx, waits ? &queued : NULL, &made))) return rc < 0 ? rc : idle(db, l);
    if (made.t.number != number) return resume_trial(db, l, made.t.number, worker, lease, trial);
    if (number < 0 || !made.t.x) return sx_store_error(SX_E_USAGE, "the ask gave no point");
    rc = begin_trial(db, l, waits, worker, lease, &made);
    *trial = made.id;
    return rc;
}

int sx_optuna_claim(sx_db *db, int64_t study, const char *worker, double lease, long budget, sx_ask *ask,
                    void *ctx, sx_trial_row *mine)
{
    struct ledger *l = ledger_of(db, study);
    if (!l) return SX_E_USAGE;
    sx_arena_close(db->mine);
    db->mine = sx_arena_open(db->arena);
    int64_t trial = 0;
    int rc;
    do {
        if ((rc = begin(db, study))) return rc;
        rc = claim_inside(db, l, worker, lease, budget, ask, ctx, &trial);
        if (rc == TAKEN) { db->driver->end(db->conn, false); continue; }
        if (!rc) rc = read_trial(db, l, trial, db->mine, mine);
        rc = end(db, rc);
    } while (rc == TAKEN);
    return rc;
}

int sx_optuna_add(sx_db *db, int64_t study, const sx_trial_row *fixed, long *number)
{
    const struct ledger *l = ledger_of(db, study);
    if (!l || !l->axes) return SX_E_USAGE;
    char *text = NULL;
    size_t bytes;
    FILE *json = open_memstream(&text, &bytes);
    if (!json) return sx_store_error(SX_E_MEMORY, "not enough memory");
    int n = 0;
    for (int i = 0; i < l->axes->n; i++) {
        const sx_dist *d = isnan(fixed->t.x[i]) ? NULL : dist_of(db, l->distribution[i]);
        if (!d) continue;
        fprintf(json, "%s\"%s\": ", n++ ? ", " : "{", l->axes->axis[i]->name);
        sx_dist_show(d, fixed->t.x[i], json);
    }
    fputs(n ? "}" : "{}", json);
    fclose(json);
    int64_t trial = 0, at = 0;
    int rc = begin(db, study);
    if (!rc) {
        if (!(rc = next_number(db, l, &at)) && !(rc = insert_trial(db, l, (long)at, "WAITING", NULL, &trial)))
            rc = run(db,
                     "INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) VALUES ($1, "
                     "'fixed_params', $2)",
                     "it", trial, text);
        rc = end(db, rc);
    }
    free(text);
    *number = (long)at;
    return rc;
}

/* --- What a running trial tells --- */

static int report_inside(sx_db *db, int64_t trial, long step, int n, const sx_metric *m)
{
    int rc = 0;
    for (int i = 0; !rc && i < n; i++) {
        rc = run(db,
                 "INSERT INTO strix_report (trial_id, step, metric, value) VALUES ($1, $2, $3, $4)"
                 " ON CONFLICT (trial_id, step, metric) DO UPDATE SET value = excluded.value",
                 "iitr", trial, (int64_t)step, m[i].name, m[i].value);
        if (!rc && m[i].objective == 0)
            rc = run(db,
                     "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, "
                     "intermediate_value_type)"
                     " VALUES ($1, $2, $3, $4) ON CONFLICT (trial_id, step) DO UPDATE SET intermediate_value "
                     "= excluded.intermediate_value,"
                     " intermediate_value_type = excluded.intermediate_value_type",
                     "iirt", trial, (int64_t)step, m[i].value, word_of(m[i].value));
    }
    return rc;
}

int sx_optuna_report(sx_db *db, int64_t trial, const char *worker, long step, int n, const sx_metric *m)
{
    int rc = begin(db, 0);
    if (rc) return rc;
    if (!(rc = check_mine(db, trial, worker))) rc = report_inside(db, trial, step, n, m);
    return end(db, rc);
}

int sx_optuna_beat(sx_db *db, int64_t trial, const char *worker, double lease)
{
    int rc = begin(db, 0);
    if (rc) return rc;
    if (!(rc = check_mine(db, trial, worker)))
        rc = run(db, "UPDATE strix_trial SET lease_until = $1 WHERE trial_id = $2", "ri", until(db, lease),
                 trial);
    return end(db, rc);
}

int sx_optuna_drop(sx_db *db, int64_t trial, const char *worker, bool died)
{
    int rc = begin(db, 0);
    if (rc) return rc;
    if (!(rc = check_mine(db, trial, worker)))
        rc = run(db,
                 "UPDATE strix_trial SET lease_until = 0, worker = NULL, attempt = attempt - $1 WHERE "
                 "trial_id = $2"
                 " AND lease_until IS NOT NULL",
                 "ii", (int64_t)!died, trial);
    return end(db, rc);
}

int sx_optuna_note(sx_db *db, int64_t trial, const char *key, const char *json)
{
    const int rc = run(db,
                       "INSERT INTO trial_user_attributes (trial_id, \"key\", value_json) VALUES ($1, $2, $3)"
                       " ON CONFLICT (trial_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
                       "itt", trial, key, json);
    if (rc || strcmp(key, "strix:dir")) return rc;
    json_t *dir = json_loads(json, JSON_DECODE_ANY, NULL);
    const int kept =
        run(db, "UPDATE strix_trial SET dir = $1 WHERE trial_id = $2", "ti", json_string_value(dir), trial);
    json_decref(dir);
    return kept;
}

static int study_of(sx_db *db, int64_t trial, struct ledger **l)
{
    int64_t study = 0;
    const int rc = lookup(db, &study, "SELECT study_id FROM trials WHERE trial_id = $1", "i", trial);
    if (rc != 1) return rc < 0 ? rc : sx_store_error(SX_E_LOST, "trial id %lld is gone", (long long)trial);
    return (*l = ledger_of(db, study)) ? 0 : SX_E_USAGE;
}

/* A pruned trial without a value gets its last finite report, as Optuna's tell does. */
static int insert_values(sx_db *db, const struct ledger *l, const sx_trial_row *r)
{
    int rc = 0;
    for (int i = 0; !rc && r->t.value && i < l->objectives; i++) {
        const double v = user_value(l, i, r->t.value[i]);
        if (!isnan(v))
            rc = run(
                db,
                "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES ($1, $2, $3, $4)",
                "iirt", r->id, (int64_t)i, v, word_of(v));
    }
    if (!rc && r->t.fate == SX_PRUNED && !r->t.value && l->objectives == 1)
        rc = run(db,
                 "INSERT INTO trial_values (trial_id, objective, value, value_type) SELECT trial_id, 0, "
                 "intermediate_value, 'FINITE'"
                 " FROM trial_intermediate_values WHERE trial_id = $1 AND intermediate_value_type = 'FINITE' "
                 "ORDER BY step DESC LIMIT 1",
                 "i", r->id);
    return rc;
}

static int insert_constraints(sx_db *db, const struct ledger *l, const sx_trial_row *r)
{
    int rc = 0;
    for (int i = 0; !rc && r->t.constraint && l->axes && i < l->axes->constraints; i++) {
        char name[32];
        snprintf(name, sizeof name, "constraint:%04d", i);
        rc = run(db,
                 "INSERT INTO strix_report (trial_id, step, metric, value) VALUES ($1, -1, $2, $3) ON "
                 "CONFLICT (trial_id, step, metric)"
                 " DO UPDATE SET value = excluded.value",
                 "itr", r->id, name, r->t.constraint[i]);
    }
    return rc;
}

static int finish_inside(sx_db *db, const sx_trial_row *r)
{
    struct ledger *l = NULL;
    int rc = study_of(db, r->id, &l);
    if (rc || (rc = check_mine(db, r->id, r->worker)) || (rc = insert_constraints(db, l, r))) return rc;
    if (r->t.fate == SX_PAUSED) {
        rc = run(db,
                 "UPDATE strix_trial SET lease_until = NULL, worker = NULL, reason = $1 WHERE trial_id = $2",
                 "ti", r->reason, r->id);
        return rc ? rc : add_event(db, l->id, r->id, "PAUSED");
    }
    bool nan = r->t.fate == SX_DONE && !r->t.value;
    for (int i = 0; !nan && r->t.fate == SX_DONE && i < l->objectives; i++) nan = isnan(r->t.value[i]);
    const sx_fate fate = nan ? SX_FAILED : r->t.fate;
    if (fate != SX_FAILED && (rc = insert_values(db, l, r))) return rc;
    return end_trial(db, l, r->id, fate, nan && !r->reason ? "the objective is not a number" : r->reason);
}

int sx_optuna_finish(sx_db *db, const sx_trial_row *r)
{
    const int rc = begin(db, 0);
    return rc ? rc : end(db, finish_inside(db, r));
}
