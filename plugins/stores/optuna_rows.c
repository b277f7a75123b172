/* optuna_rows.c: trials read: as they are now, or event by event as a study's history has them. */
#include <stdlib.h>
#include <string.h>
#include "arena.h"
#include "ledger.h"

/* --- Trials, read --- */

static int axis_named(const struct ledger *l, const char *name, int hint)
{
    for (int k = 0; l->axes && name && k < l->axes->n; k++) {
        const int i = (hint + k) % l->axes->n;
        if (!strcmp(l->axes->axis[i]->name, name)) return i;
    }
    return -1;
}

/* An option that the axis has no more: a value, but none of its own. */
static double known(double option) { return isnan(option) ? -1 : option; }

/* A stored value in the terms of our axis: the same number, but the same word of a choice. */
static double into_axis(sx_db *db, const struct ledger *l, int i, const char *text, double v)
{
    if (!strcmp(text, l->distribution[i])) return v;
    const sx_dist *was = sx_db_dist(db, text), *is = sx_db_dist(db, l->distribution[i]);
    if (!was || !is) return NAN;
    if (!was->choices || !is->choices) return !was->choices && !is->choices ? v : NAN;
    return v >= 0 && v < (double)json_array_size(was->choices)
               ? known(sx_dist_internal(is, json_array_get(was->choices, (size_t)v)))
               : NAN;
}

int sx_row_params(sx_db *db, const struct ledger *l, sx_arena *a, bool shown, sx_trial_row *r)
{
    char *text = NULL;
    size_t bytes;
    FILE *json = shown ? open_memstream(&text, &bytes) : NULL;
    double *x = sx_alloc_array(a, (size_t)(l->axes ? l->axes->n : 0) + 1, sizeof *x);
    for (int i = 0; l->axes && i < l->axes->n; i++) x[i] = NAN;
    sx_cursor *q = sx_db_query(db,
                         "SELECT param_name, param_value, distribution_json FROM trial_params WHERE trial_id "
                         "= $1 ORDER BY param_id",
                         "i", r->id);
    int rc, at = -1, n = 0;
    while ((rc = sx_db_next(db, q)) == 1) {
        const char *name = db->driver->text(q, 0), *dist = db->driver->text(q, 2);
        if (!name || !dist || db->driver->null(q, 1)) continue;
        const double v = db->driver->real(q, 1);
        if ((at = axis_named(l, name, at + 1)) >= 0) x[at] = into_axis(db, l, at, dist, v);
        const sx_dist *d = json ? sx_db_dist(db, dist) : NULL;
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
    sx_cursor *q = sx_db_query(
        db, "SELECT objective, value, value_type FROM trial_values WHERE trial_id = $1", "i", r->id);
    int rc;
    for (int i = 0; i < l->objectives; i++) value[i] = NAN;
    while ((rc = sx_db_next(db, q)) == 1) {
        const int64_t i = db->driver->integer(q, 0);
        if (i < 0 || i >= l->objectives) continue;
        value[i] = sx_user_value(l, (int)i, sx_number_of(db->driver->text(q, 2), db->driver->real(q, 1)));
        any = true;
    }
    r->t.value = any ? value : NULL;
    return rc;
}

static int read_curve(sx_db *db, const struct ledger *l, sx_arena *a, long most, sx_trial_row *r)
{
    struct { long *v; long n, cap; } step = { 0 };
    struct { double *v; long n, cap; } curve = { 0 };
    sx_cursor *q = sx_db_query(db,
                         "SELECT step, intermediate_value, intermediate_value_type FROM "
                         "trial_intermediate_values WHERE trial_id = $1"
                         " ORDER BY step",
                         "i", r->id);
    int rc;
    while ((rc = sx_db_next(db, q)) == 1) {
        if (step.n == most) { sx_db_stop(db, q); rc = 0; break; }
        SX_PUSH(a, step, (long)db->driver->integer(q, 0));
        SX_PUSH(a, curve, sx_user_value(l, 0, sx_number_of(db->driver->text(q, 2), db->driver->real(q, 1))));
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
    sx_cursor *q = sx_db_query(
        db, "SELECT value FROM strix_report WHERE trial_id = $1 AND step = -1 ORDER BY metric", "i", r->id);
    int rc;
    while ((rc = sx_db_next(db, q)) == 1)
        SX_PUSH(a, c, db->driver->null(q, 0) ? NAN : db->driver->real(q, 0));
    r->t.constraint = c.n == l->axes->constraints ? c.v : NULL;
    return rc;
}

#define ROW \
    "t.trial_id, t.number, t.state, CAST(t.datetime_start AS TEXT), CAST(t.datetime_complete AS TEXT)," \
    " coalesce(s.attempt, 0), coalesce(s.seen, 0), coalesce(s.tag, 0), coalesce(s.queued, 0)," \
    " s.worker, s.dir, s.reason, s.lease_until"
enum { ROW_COLUMNS = 13 };

/* The columns of ROW; the rest of a row by the reads above. */
static sx_trial_row row_at(sx_db *db, sx_cursor *q, sx_arena *a)
{
    const sx_driver *d = db->driver;
    const char *state = d->text(q, 2);
    sx_trial_row r = { .size = sizeof r,
                       .id = d->integer(q, 0),
                       .waiting = state && !strcmp(state, "WAITING"),
                       .t = { .number = (long)d->integer(q, 1), .fate = sx_fate_of(state) },
                       .started = sx_time_of(d->text(q, 3)),
                       .ended = sx_time_of(d->text(q, 4)),
                       .attempt = (int)d->integer(q, 5),
                       .seen = d->integer(q, 6),
                       .queued = d->integer(q, 8) };
    r.t.tag = d->integer(q, 7);
    r.queued |= r.waiting;
    r.worker = sx_db_text(db, q, 9, a);
    r.dir = sx_db_text(db, q, 10, a);
    r.reason = sx_db_text(db, q, 11, a);
    const bool leased = !d->null(q, 12);
    if (leased) r.lease = d->real(q, 12) - sx_db_now(db);
    if (!leased && r.attempt && r.t.fate == SX_RUNNING) r.t.fate = SX_PAUSED;
    return r;
}

/* What a queued trial is to have. */
static int read_fixed(sx_db *db, sx_arena *a, sx_trial_row *r)
{
    sx_cursor *q = sx_db_query(
        db, "SELECT value_json FROM trial_system_attributes WHERE trial_id = $1 AND \"key\" = 'fixed_params'", "i",
        r->id);
    const int rc = sx_db_next(db, q);
    if (rc != 1) return rc;
    r->values = sx_db_text(db, q, 0, a);
    sx_db_stop(db, q);
    return 0;
}

static int fill(sx_db *db, const struct ledger *l, sx_arena *a, bool shown, long most, sx_trial_row *r)
{
    int rc = sx_row_params(db, l, a, shown, r);
    if (!rc && shown && r->waiting) rc = read_fixed(db, a, r);
    if (!rc && r->t.fate != SX_RUNNING && r->t.fate != SX_PAUSED) rc = read_values(db, l, a, r);
    if (!rc && most) rc = read_curve(db, l, a, most, r);
    return rc ? rc : read_constraints(db, l, a, r);
}

int sx_optuna_news(sx_db *db, int64_t study, int64_t *since, sx_on_event *each, void *ctx)
{
    const struct ledger *l = sx_ledger_of(db, study);
    if (!l) return SX_E_USAGE;
    sx_arena *a = sx_arena_open(NULL);
    sx_cursor *q =
        sx_db_query(db,
              "SELECT " ROW ", e.seq, e.fate, e.steps" SX_ROWS "JOIN strix_event e ON e.trial_id = t.trial_id"
              " WHERE e.study_id = $1 AND e.seq > $2 ORDER BY e.seq",
              "ii", study, *since);
    int rc, bad = 0;
    while (!bad && (rc = sx_db_next(db, q)) == 1) {
        sx_trial_row r = row_at(db, q, a);
        const int64_t seq = db->driver->integer(q, ROW_COLUMNS);
        r.t.fate = sx_fate_of(db->driver->text(q, ROW_COLUMNS + 1));
        bad = fill(db, l, a, false,
                   r.t.fate == SX_RUNNING ? 0 : (long)db->driver->integer(q, ROW_COLUMNS + 2), &r);
        if (bad) break;
        each(ctx, seq, &r);
        *since = seq;
    }
    if (bad) sx_db_stop(db, q);
    sx_arena_close(a);
    return bad ? bad : rc;
}

int sx_optuna_trials(sx_db *db, int64_t study, sx_on_trial *each, void *ctx)
{
    const struct ledger *l = sx_ledger_of(db, study);
    if (!l) return SX_E_USAGE;
    sx_arena *a = sx_arena_open(NULL);
    sx_cursor *q = sx_db_query(
        db, "SELECT " ROW SX_ROWS "WHERE t.study_id = $1 ORDER BY t.number, t.trial_id", "i", study);
    int rc, bad = 0;
    while (!bad && (rc = sx_db_next(db, q)) == 1) {
        sx_trial_row r = row_at(db, q, a);
        bad = fill(db, l, a, true, -1, &r);
        if (!bad) each(ctx, &r);
    }
    if (bad) sx_db_stop(db, q);
    sx_arena_close(a);
    return bad ? bad : rc;
}

int sx_row_read(sx_db *db, const struct ledger *l, int64_t id, sx_arena *a, sx_trial_row *r)
{
    sx_cursor *q = sx_db_query(db, "SELECT " ROW SX_ROWS "WHERE t.trial_id = $1", "i", id);
    const int rc = sx_db_next(db, q);
    if (rc != 1) return rc ? rc : sx_store_error(SX_E_LOST, "trial id %lld is gone", (long long)id);
    *r = row_at(db, q, a);
    sx_db_stop(db, q);
    return fill(db, l, a, true, -1, r);
}

