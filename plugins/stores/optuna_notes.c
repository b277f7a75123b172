/* optuna_notes.c: attributes of studies and trials that commands leave for each other: a stop, a skip,
 * results of repeats. In Optuna they are user attributes, so that its tools show them. */
#include "ledger.h"

typedef struct { int64_t study; const char *key, *json; sx_on_note *each; void *ctx; } noting;

static int write_remark(sx_db *db, void *ctx)
{
    const noting *n = ctx;
    if (!n->json)
        return sx_db_run(db, "DELETE FROM study_user_attributes WHERE study_id = $1 AND \"key\" = $2", "it",
                         n->study, n->key);
    return sx_db_run(db,
                     "INSERT INTO study_user_attributes (study_id, \"key\", value_json) VALUES ($1, $2, $3)"
                     " ON CONFLICT (study_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
                     "itt", n->study, n->key, n->json);
}

int sx_optuna_remark(sx_db *db, int64_t study, const char *key, const char *json)
{
    return sx_db_inside(db, SX_LOCK_NONE, write_remark,
                        &(noting){ .study = study, .key = key, .json = json });
}

static int each_note(sx_db *db, sx_cursor *q, const noting *n)
{
    int rc;
    while ((rc = sx_db_next(db, q)) == 1) {
        const char *key = db->driver->text(q, 1), *json = db->driver->text(q, 2);
        if (key && json) n->each(n->ctx, (long)db->driver->integer(q, 0), key, json);
    }
    return rc;
}

static int read_remarks(sx_db *db, void *ctx)
{
    const noting *n = ctx;
    return each_note(db, sx_db_query(db,
                                     "SELECT -1, \"key\", value_json FROM study_user_attributes"
                                     " WHERE study_id = $1 AND \"key\" LIKE 'strix:%' ORDER BY \"key\"",
                                     "i", n->study), n);
}

static int read_notes(sx_db *db, void *ctx)
{
    const noting *n = ctx;
    return each_note(db, sx_db_query(db,
                                     "SELECT t.number, a.\"key\", a.value_json FROM trial_user_attributes a"
                                     " JOIN trials t ON t.trial_id = a.trial_id WHERE t.study_id = $1"
                                     " AND a.\"key\" = $2 ORDER BY t.number",
                                     "it", n->study, n->key), n);
}

int sx_optuna_remarks(sx_db *db, int64_t study, sx_on_note *each, void *ctx)
{
    return sx_db_reading(db, read_remarks, &(noting){ .study = study, .each = each, .ctx = ctx });
}

int sx_optuna_notes(sx_db *db, int64_t study, const char *key, sx_on_note *each, void *ctx)
{
    return sx_db_reading(db, read_notes, &(noting){ .study = study, .key = key, .each = each, .ctx = ctx });
}
