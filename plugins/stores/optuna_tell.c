/* optuna_tell.c: what a running trial tells: reports, signs of life, notes, its end. Each is a transaction
 * that finds out first whether the trial still is its worker's, then delivers the reports that had to wait
 * while the server was away. */
#include <stdlib.h>
#include <string.h>
#include "arena.h"
#include "ledger.h"

/* 0: the trial runs and is worker's (NULL: anybody's, or queued still). */
int sx_trial_mine(sx_db *db, int64_t trial, const char *worker)
{
    sx_cursor *q = sx_db_query(db,
                               "SELECT t.state, s.worker" SX_ROWS
                               "WHERE t.trial_id = $1 /*! FOR UPDATE OF t */", "i",
                               trial);
    const int rc = sx_db_next(db, q);
    if (rc < 0) return rc;
    const char *state = rc ? db->driver->text(q, 0) : NULL, *has = rc ? db->driver->text(q, 1) : NULL;
    const bool runs = state && !strcmp(state, "RUNNING"), waits = state && !strcmp(state, "WAITING"),
               mine = worker ? runs && has && !strcmp(has, worker) : runs || waits;
    if (!mine)
        sx_store_error(SX_E_LOST, "trial id %lld is %s", (long long)trial,
                       runs ? "somebody else's now" : "not running any more");
    if (rc) sx_db_stop(db, q);
    return mine ? 0 : SX_E_LOST;
}

int sx_trial_note(sx_db *db, int64_t trial, const char *key, const char *json)
{
    return sx_db_run(db,
                     "INSERT INTO trial_user_attributes (trial_id, \"key\", value_json) VALUES ($1, $2, $3)"
                     " ON CONFLICT (trial_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
                     "itt", trial, key, json);
}

/* The state and the reason; changes() tells whether it is a trial of ours. */
static int mark_end(sx_db *db, int64_t trial, sx_fate fate, const char *reason)
{
    char at[40];
    int rc = 0;
    if (reason) {
        json_t *text = json_string(reason);
        char *json = text ? json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
        rc = sx_trial_note(db, trial, "strix:reason", json ? json : "\"\"");
        if (!json) reason = NULL;                /* no UTF-8 */
        free(json);
        json_decref(text);
    }
    if (!rc)
        rc = sx_db_run(
            db,
            "UPDATE trials SET state = $1, datetime_complete = $2 WHERE trial_id = $3"
            " AND state IN ('RUNNING', 'WAITING')",
            "tti", sx_fate_word(fate), sx_time_text(sx_db_now(db), at), trial);
    if (!rc && db->driver->changes(db->conn) != 1)
        rc = sx_store_error(SX_E_LOST, "trial id %lld is not running any more", (long long)trial);
    if (!rc)
        rc = sx_db_run(db, "UPDATE strix_trial SET lease_until = NULL, reason = $1 WHERE trial_id = $2", "ti",
                 reason, trial);
    return rc;
}

int sx_trial_end(sx_db *db, const struct ledger *l, int64_t trial, sx_fate fate, const char *reason)
{
    const int rc = mark_end(db, trial, fate, reason);
    /* Another program's trial that has no event yet gets both of its events from settle(). */
    return rc || !db->driver->changes(db->conn) ? rc : sx_event_add(db, l, trial, sx_fate_word(fate));
}

int sx_trial_report(sx_db *db, int64_t trial, long step, int n, const sx_metric *m)
{
    int rc = 0;
    for (int i = 0; !rc && i < n; i++) {
        rc = sx_db_run(db,
                 "INSERT INTO strix_report (trial_id, step, metric, value) VALUES ($1, $2, $3, $4)"
                 " ON CONFLICT (trial_id, step, metric) DO UPDATE SET value = excluded.value",
                 "iitr", trial, (int64_t)step, m[i].name, m[i].value);
        if (!rc && m[i].objective == 0)
            rc = sx_db_run(db,
                     "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, "
                     "intermediate_value_type)"
                     " VALUES ($1, $2, $3, $4) ON CONFLICT (trial_id, step) DO UPDATE SET intermediate_value "
                     "= excluded.intermediate_value,"
                     " intermediate_value_type = excluded.intermediate_value_type",
                     "iirt", trial, (int64_t)step, m[i].value, sx_word_of(m[i].value));
    }
    return rc;
}

/* --- Reports on their way --- */

static void keep(sx_db *db, int64_t trial, long step, int n, const sx_metric *m)
{
    if (!db->late) {
        sx_arena_close(db->late_arena);
        db->late_arena = sx_arena_open(db->arena);
        db->late_end = &db->late;
    }
    sx_arena *a = db->late_arena;
    struct late *l = SX_NEW(a, struct late);
    sx_metric *copy = sx_dup(a, m, (size_t)n * sizeof *m);
    for (int i = 0; i < n; i++) copy[i].name = sx_strdup(a, m[i].name);
    *l = (struct late){ .trial = trial, .step = step, .n = n, .m = copy };
    *db->late_end = l;
    db->late_end = &l->next;
}

static int deliver(sx_db *db, int64_t trial)
{
    int rc = 0;
    for (const struct late *l = db->late; l && !rc; l = l->next)
        if (l->trial == trial) rc = sx_trial_report(db, trial, l->step, l->n, l->m);
    return rc;
}

static void forget(sx_db *db, int64_t trial)
{
    struct late **at = &db->late;
    while (*at)
        if ((*at)->trial == trial) *at = (*at)->next;
        else at = &(*at)->next;
    db->late_end = at;
}

typedef struct telling telling;
struct telling {
    int64_t trial; const char *worker;
    int (*what)(sx_db *db, const telling *t);    /* or NULL: reports alone */
    double lease; bool died;
    const sx_trial_row *row; const struct ledger *ledger;
    int tries;
};

/* An end told again may have been heard the first time: the server was gone before it could say so. */
static bool ended_so(sx_db *db, const telling *t)
{
    int64_t found;
    return t->row && t->worker &&
           sx_db_lookup(db, &found,
                        "SELECT 1" SX_ROWS
                        "WHERE t.trial_id = $1 AND s.worker = $2 AND CAST(t.state AS TEXT) = $3",
                        "itt", t->trial, t->worker, sx_fate_word(t->row->t.fate)) == 1;
}

static int tell_inside(sx_db *db, void *ctx)
{
    telling *t = ctx;
    const bool once_more = t->tries++ > 0;
    int rc = sx_trial_mine(db, t->trial, t->worker);
    if (rc == SX_E_LOST && once_more && ended_so(db, t)) return 0;
    if (!rc) rc = deliver(db, t->trial);
    return rc || !t->what ? rc : t->what(db, t);
}

/* patient: waits for a server that is away. */
static int tell(sx_db *db, bool patient, int64_t lock, telling *t)
{
    const int rc = (patient ? sx_db_inside : sx_db_once)(db, lock, tell_inside, t);
    if (!rc || rc == SX_E_LOST) forget(db, t->trial);
    return rc;
}

int sx_optuna_report(sx_db *db, int64_t trial, const char *worker, long step, int n, const sx_metric *m)
{
    keep(db, trial, step, n, m);
    const int rc = tell(db, !worker, SX_LOCK_NONE, &(telling){ .trial = trial, .worker = worker });
    return sx_db_passing(db, rc) ? 1 : rc;
}

static int renew(sx_db *db, const telling *t)
{
    return sx_db_run(db, "UPDATE strix_trial SET lease_until = $1 WHERE trial_id = $2", "ri",
                     sx_db_until(db, t->lease), t->trial);
}

int sx_optuna_beat(sx_db *db, int64_t trial, const char *worker, double lease)
{
    return tell(db, false, SX_LOCK_NONE,
                &(telling){ .trial = trial, .worker = worker, .what = renew, .lease = lease });
}

static int give_back(sx_db *db, const telling *t)
{
    return sx_db_run(db,
                     "UPDATE strix_trial SET lease_until = 0, worker = NULL, attempt = attempt - $1 WHERE "
                     "trial_id = $2 AND lease_until IS NOT NULL",
                     "ii", (int64_t)!t->died, t->trial);
}

int sx_optuna_drop(sx_db *db, int64_t trial, const char *worker, bool died)
{
    return tell(db, true, SX_LOCK_NONE,
                &(telling){ .trial = trial, .worker = worker, .what = give_back, .died = died });
}

typedef struct { int64_t trial; const char *key, *json; } noted;

static int note_inside(sx_db *db, void *ctx)
{
    const noted *n = ctx;
    const int rc = sx_trial_note(db, n->trial, n->key, n->json);
    if (rc || strcmp(n->key, "strix:dir")) return rc;
    json_t *dir = json_loads(n->json, JSON_DECODE_ANY, NULL);
    const int kept = sx_db_run(db, "UPDATE strix_trial SET dir = $1 WHERE trial_id = $2", "ti",
                               json_string_value(dir), n->trial);
    json_decref(dir);
    return kept;
}

int sx_optuna_note(sx_db *db, int64_t trial, const char *key, const char *json)
{
    return sx_db_inside(db, SX_LOCK_NONE, note_inside, &(noted){ trial, key, json });
}

/* --- The end --- */

static int study_of(sx_db *db, void *ctx)
{
    telling *t = ctx;
    if (t->trial == db->claimed) { t->ledger = db->claimed_of; return 0; }
    int64_t study = 0;
    const int rc = sx_db_lookup(db, &study, "SELECT study_id FROM trials WHERE trial_id = $1", "i", t->trial);
    if (rc != 1) return rc < 0 ? rc : sx_store_error(SX_E_LOST, "trial id %lld is gone", (long long)t->trial);
    return (t->ledger = sx_ledger_of(db, study)) ? 0 : SX_E_USAGE;
}

/* A pruned trial without a value gets its last finite report, as Optuna's tell does. */
static int insert_values(sx_db *db, const struct ledger *l, const sx_trial_row *r)
{
    int rc = 0;
    for (int i = 0; !rc && r->t.value && i < l->objectives; i++) {
        const double v = sx_user_value(l, i, r->t.value[i]);
        if (!isnan(v))
            rc = sx_db_run(
                db,
                "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES ($1, $2, $3, $4)",
                "iirt", r->id, (int64_t)i, v, sx_word_of(v));
    }
    if (!rc && r->t.fate == SX_PRUNED && !r->t.value && l->objectives == 1)
        rc = sx_db_run(db,
                 "INSERT INTO trial_values (trial_id, objective, value, value_type) SELECT trial_id, 0, "
                 "intermediate_value, 'FINITE'"
                 " FROM trial_intermediate_values WHERE trial_id = $1 AND intermediate_value_type = 'FINITE' "
                 "ORDER BY step DESC LIMIT 1",
                 "i", r->id);
    return rc;
}

/* For samplers and as Optuna has them, under constraints:NUMBER. */
static int insert_constraints(sx_db *db, const struct ledger *l, const sx_trial_row *r)
{
    int rc = 0;
    for (int i = 0; !rc && r->t.constraint && l->axes && i < l->axes->constraints; i++) {
        char name[32], key[32], json[40];
        snprintf(name, sizeof name, "constraint:%04d", i);
        snprintf(key, sizeof key, "constraints:%d", i);
        snprintf(json, sizeof json, "%.17g", r->t.constraint[i]);
        rc = sx_db_run(db,
                 "INSERT INTO strix_report (trial_id, step, metric, value) VALUES ($1, -1, $2, $3) ON "
                 "CONFLICT (trial_id, step, metric)"
                 " DO UPDATE SET value = excluded.value",
                 "itr", r->id, name, r->t.constraint[i]);
        if (!rc && isfinite(r->t.constraint[i]))
            rc = sx_db_run(db,
                     "INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) VALUES ($1, $2, $3)"
                     " ON CONFLICT (trial_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
                     "itt", r->id, key, json);
    }
    return rc;
}

int sx_trial_tell(sx_db *db, const struct ledger *l, const sx_trial_row *r)
{
    int rc = insert_constraints(db, l, r);
    if (rc) return rc;
    if (r->t.fate == SX_PAUSED) {
        rc = sx_db_run(db,
                 "UPDATE strix_trial SET lease_until = NULL, worker = NULL, reason = $1 WHERE trial_id = $2",
                 "ti", r->reason, r->id);
        return rc ? rc : sx_event_add(db, l, r->id, "PAUSED");
    }
    bool nan = r->t.fate == SX_DONE && !r->t.value;
    for (int i = 0; !nan && r->t.fate == SX_DONE && i < l->objectives; i++) nan = isnan(r->t.value[i]);
    const sx_fate fate = nan ? SX_FAILED : r->t.fate;
    if (fate != SX_FAILED && (rc = insert_values(db, l, r))) return rc;
    return sx_trial_end(db, l, r->id, fate, nan && !r->reason ? "the objective is not a number" : r->reason);
}

static int end(sx_db *db, const telling *t) { return sx_trial_tell(db, t->ledger, t->row); }

int sx_optuna_finish(sx_db *db, const sx_trial_row *r)
{
    telling t = { .trial = r->id, .worker = r->worker, .what = end, .row = r };
    const int rc = sx_db_reading(db, study_of, &t);
    return rc ? rc : tell(db, true, t.ledger->id, &t);
}

typedef struct { const struct ledger *ledger; const char *reason; } shelving;

static int shelve_inside(sx_db *db, void *ctx)
{
    const shelving *v = ctx;
    sx_arena *a = sx_arena_open(NULL);
    struct { int64_t *v; long n, cap; } paused = { 0 };
    sx_cursor *q = sx_db_query(db,
                               "SELECT t.trial_id" SX_ROWS "WHERE t.study_id = $1 AND t.state = 'RUNNING'"
                               " AND s.lease_until IS NULL AND s.attempt > 0 ORDER BY t.trial_id",
                               "i", v->ledger->id);
    int rc;
    while ((rc = sx_db_next(db, q)) == 1) SX_PUSH(a, paused, db->driver->integer(q, 0));
    for (long i = 0; i < paused.n && !rc; i++) {
        const sx_trial_row r = { .id = paused.v[i], .t.fate = SX_PRUNED };
        rc = insert_values(db, v->ledger, &r);
        if (!rc) rc = mark_end(db, r.id, SX_PRUNED, v->reason);
        if (!rc) rc = sx_db_run(db, "UPDATE strix_trial SET shelved = 1 WHERE trial_id = $1", "i", r.id);
    }
    sx_arena_close(a);
    return rc;
}

int sx_optuna_shelve(sx_db *db, int64_t study, const char *reason)
{
    shelving v = { sx_ledger_of(db, study), reason };
    return v.ledger ? sx_db_inside(db, study, shelve_inside, &v) : SX_E_USAGE;
}
