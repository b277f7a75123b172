/* optuna_claim.c: who runs which trial: the events of a study, and the claim, one short transaction under its
 * lock. */
#include <stdlib.h>
#include <string.h>
#include "arena.h"
#include "ledger.h"

enum { ATTEMPTS = 3, ONCE_MORE = 3, BEHIND = 64 };

/* --- Events --- */

static int last_event(sx_db *db, int64_t study, int64_t *seq)
{
    *seq = 0;
    const int rc = sx_db_lookup(db, seq, "SELECT max(seq) FROM strix_event WHERE study_id = $1", "i", study);
    return rc < 0 ? rc : 0;
}

static int add_side(sx_db *db, const struct ledger *l, int64_t trial, const sx_trial_row *r,
                    const char *worker, double lease_until)
{
    return sx_db_run(
        db,
        "INSERT INTO strix_trial (trial_id, study_name, start, attempt, worker, lease_until, seen, tag,"
        " queued)"
        " VALUES ($1, $2, (SELECT CAST(datetime_start AS TEXT) FROM trials WHERE trial_id = $1), $3, $4, $5,"
        " $6, $7, $8)",
        "ititriii", trial, l->name, (int64_t)(r ? r->attempt : 0), worker, lease_until, r ? r->seen : 0,
        r ? r->t.tag : 0, (int64_t)(r && r->queued));
}

/* Has a running trial of another program all its values? Only then may a sampler see it: what it saw must
 * stay so. */
static int complete(sx_db *db, const struct ledger *l, int64_t trial)
{
    sx_arena *a = sx_arena_open(NULL);
    sx_body b = { .id = trial };
    const int rc = sx_bodies_read(db, l, a, SX_BODY_POINT, 1, &b);
    bool whole = l->axes != NULL;
    for (int i = 0; !rc && whole && i < l->axes->n; i++)
        whole = sx_active(l->axes, b.x, i) == !isnan(b.x[i]);
    sx_arena_close(a);
    return rc ? rc : whole;
}

struct seen { int64_t id; char state[12], last[12]; bool shelved; };

static int settle_one(sx_db *db, const struct ledger *l, const struct seen *s, bool *settled, bool *wrote)
{
    int rc = 0;
    *settled = s->shelved;
    if (s->shelved) return 0;
    const bool fin = strcmp(s->state, "RUNNING") && strcmp(s->state, "WAITING");
    if (!fin && (s->last[0] || !strcmp(s->state, "WAITING"))) return 0;
    if (fin && s->last[0] && sx_fate_ended(sx_fate_of(s->last))) { *settled = true; return 0; }
    if (!fin && (rc = complete(db, l, s->id)) != 1) return rc;
    if (!s->last[0] &&
        ((rc = add_side(db, l, s->id, NULL, NULL, NAN)) || (rc = sx_event_add(db, l, s->id, "RUNNING"))))
        return rc;
    *settled = fin;
    *wrote = true;
    return fin ? sx_event_add(db, l, s->id, s->state) : 0;
}

/* Gives what other programs did its events. ONCE_MORE: there were some. They are committed before anybody is
 * asked, so that nobody ever saw events that came to nothing. */
static int settle(sx_db *db, struct ledger *l)
{
    sx_arena *a = sx_arena_open(NULL);
    struct { struct seen *v; long n, cap; } s = { 0 };
    sx_cursor *q = sx_db_query(
        db,
        "SELECT t.trial_id, t.state,"
        " (SELECT e.fate FROM strix_event e WHERE e.trial_id = t.trial_id ORDER BY e.seq DESC LIMIT 1),"
        " (SELECT s.shelved FROM strix_trial s WHERE s.trial_id = t.trial_id) FROM trials t"
        " WHERE t.study_id = $1 AND t.trial_id >= $2 ORDER BY t.trial_id",
        "ii", l->id, l->settled);
    int rc;
    while ((rc = sx_db_next(db, q)) == 1) {
        const char *state = db->driver->text(q, 1), *last = db->driver->text(q, 2);
        struct seen e = { .id = db->driver->integer(q, 0), .shelved = db->driver->integer(q, 3) };
        snprintf(e.state, sizeof e.state, "%s", state ? state : "");
        snprintf(e.last, sizeof e.last, "%s", last ? last : "");
        SX_PUSH(a, s, e);
    }
    bool all = true, wrote = false;
    for (long i = 0; !rc && i < s.n; i++) {
        bool settled;
        rc = settle_one(db, l, &s.v[i], &settled, &wrote);
        all &= settled;
        if (all) l->settled = s.v[i].id + 1;
    }
    sx_arena_close(a);
    if (!rc && l->settled >= l->stored + BEHIND) {
        l->stored = l->settled;
        rc = sx_db_run(db, "UPDATE strix_study SET settled = $1 WHERE study_id = $2", "ii", l->settled,
                       l->id);
    }
    return rc ? rc : wrote ? ONCE_MORE : 0;
}

/* --- Claim --- */

static int take(sx_db *db, int64_t trial, const char *worker, double lease, int attempt)
{
    return sx_db_run(db,
                     "UPDATE strix_trial SET worker = $1, lease_until = $2, attempt = $3 WHERE trial_id = $4",
                     "trii", worker, sx_db_until(db, lease), (int64_t)attempt, trial);
}

/* 1: an expired lease was taken over, *trial. ONCE_MORE: one was given up. */
static int take_expired(sx_db *db, struct ledger *l, const char *worker, double lease, int64_t *trial)
{
    sx_cursor *q =
        sx_db_query(db,
              "SELECT t.trial_id, s.attempt FROM strix_trial s CROSS JOIN trials t"
              " WHERE s.lease_until < $1 AND t.trial_id = s.trial_id AND t.study_id = $2"
              " AND t.state = 'RUNNING'"
              " ORDER BY t.trial_id "
              "LIMIT 1 /*! FOR UPDATE SKIP LOCKED */",
              "ri", sx_db_now(db), l->id);
    int rc = sx_db_next(db, q);
    if (rc != 1) return rc;
    const int64_t id = db->driver->integer(q, 0);
    const int attempt = (int)db->driver->integer(q, 1);
    sx_db_stop(db, q);
    if (attempt < ATTEMPTS) {
        *trial = id;
        return (rc = take(db, id, worker, lease, attempt + 1)) ? rc : 1;
    }
    rc = sx_trial_end(db, l, id, SX_FAILED, "given up: each of 3 attempts ended with its worker");
    return rc ? rc : ONCE_MORE;
}

/* The fixed values of a queued trial, as `study add` and Optuna's enqueue_trial leave them. */
static int read_fixed(sx_db *db, const struct ledger *l, sx_arena *a, sx_trial_row *r)
{
    double *x = sx_alloc_array(a, (size_t)(l->axes ? l->axes->n : 0) + 1, sizeof *x);
    sx_cursor *q = sx_db_query(
        db, "SELECT value_json FROM trial_system_attributes WHERE trial_id = $1 AND \"key\" = 'fixed_params'",
        "i", r->id);
    const int rc = sx_db_next(db, q);
    if (rc < 0) return rc;
    const char *text = rc ? db->driver->text(q, 0) : NULL;
    json_t *fixed = text ? json_loads(text, 0, NULL) : NULL;
    const bool torn = text && !json_is_object(fixed);
    for (int i = 0; l->axes && i < l->axes->n; i++) {
        const json_t *v = json_object_get(fixed, l->axes->axis[i]->name);
        const sx_dist *d = v ? sx_db_dist(db, l->distribution[i]) : NULL;
        x[i] = d ? sx_dist_internal(d, v) : NAN;
    }
    json_decref(fixed);
    if (rc) sx_db_stop(db, q);
    r->t.x = x;
    return !torn ? 0
                 : sx_store_error(SX_E_STORE, "the values that trial %ld was queued with cannot be read;"
                                  " `strix study skip` ends it", r->t.number);
}

static int insert_params(sx_db *db, const struct ledger *l, int64_t trial, const double *x)
{
    int rc = 0;
    for (int i = 0; !rc && l->axes && i < l->axes->n; i++)
        if (!isnan(x[i]))
            rc = sx_db_run(db,
                     "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES "
                     "($1, $2, $3, $4)",
                     "itrt", trial, l->axes->axis[i]->name, sx_space_stored(db, l, i, x[i]),
                     l->written ? l->written[i] : l->distribution[i]);
    return rc;
}

static int insert_trial(sx_db *db, const struct ledger *l, long number, const char *state, const char *start,
                        int64_t *trial)
{
    const int rc =
        sx_db_lookup(db, trial,
               "INSERT INTO trials (number, study_id, state, datetime_start) VALUES ($1, $2, $3, $4)"
               " RETURNING trial_id",
               "iitt", (int64_t)number, l->id, state, start);
    return rc == 1 ? 0 : rc < 0 ? rc : sx_store_error(SX_E_STORE, "the new trial has no id");
}

/* Numbers are 0, 1, ... in the order of ids: the count, without counting. */
static int next_number(sx_db *db, const struct ledger *l, int64_t *number)
{
    *number = -1;
    const int rc = sx_db_lookup(
        db, number, "SELECT number FROM trials WHERE study_id = $1 ORDER BY trial_id DESC LIMIT 1", "i",
        l->id);
    ++*number;
    return rc < 0 ? rc : 0;
}

/* Trials that run under a lease: one of them may come back. Those held by hand are nobody's business. */
static int idle(sx_db *db, const struct ledger *l)
{
    int64_t n = 0;
    const int rc = sx_db_lookup(db, &n,
                          "SELECT count(*) FROM strix_trial s CROSS JOIN trials t"
                          " WHERE s.lease_until < $1 AND t.trial_id = s.trial_id AND t.study_id = $2"
                          " AND t.state = 'RUNNING'",
                          "ri", SX_FOR_EVER / 2, l->id);
    return rc < 0 ? rc : n ? 2 : 1;
}

static int begin_trial(sx_db *db, const struct ledger *l, bool queued, const char *worker, double lease,
                       sx_trial_row *made)
{
    char at[40];
    sx_time_text(sx_db_now(db), at);
    int rc;
    if (queued) {
        rc = sx_db_run(db,
                 "UPDATE trials SET state = 'RUNNING', datetime_start = $1 WHERE trial_id = $2 AND state = "
                 "'WAITING'",
                 "ti", at, made->id);
        if (!rc && db->driver->changes(db->conn) != 1) return ONCE_MORE;
    } else {
        rc = insert_trial(db, l, made->t.number, "RUNNING", at, &made->id);
    }
    made->attempt = 1;
    made->queued = queued;
    if (rc || (rc = last_event(db, l->id, &made->seen)) || (rc = insert_params(db, l, made->id, made->t.x)))
        return rc;
    if ((rc = add_side(db, l, made->id, made, worker, sx_db_until(db, lease)))) return rc;
    return sx_event_add(db, l, made->id, "RUNNING");
}

/* As it was when it paused. */
static int unshelve(sx_db *db, int64_t trial)
{
    int rc =
        sx_db_run(db, "UPDATE strix_trial SET shelved = 0, reason = NULL WHERE trial_id = $1 AND shelved = 1",
                  "i", trial);
    if (rc || !db->driver->changes(db->conn)) return rc;
    rc = sx_db_run(db, "UPDATE trials SET state = 'RUNNING', datetime_complete = NULL WHERE trial_id = $1",
                   "i", trial);
    if (!rc) rc = sx_db_run(db, "DELETE FROM trial_values WHERE trial_id = $1", "i", trial);
    return rc ? rc
              : sx_db_run(
                    db, "DELETE FROM trial_user_attributes WHERE trial_id = $1 AND \"key\" = 'strix:reason'",
                    "i", trial);
}

static int resume_trial(sx_db *db, const struct ledger *l, long number, const char *worker, double lease,
                        int64_t *trial)
{
    const int rc = sx_db_lookup(
        db, trial,
        "SELECT t.trial_id FROM trials t JOIN strix_trial s ON s.trial_id = t.trial_id WHERE t.study_id = $1"
        " AND t.number = $2 AND (t.state = 'RUNNING' OR s.shelved = 1) AND s.lease_until IS NULL"
        " AND s.attempt > 0"
        " /*! FOR UPDATE */",
        "ii", l->id, (int64_t)number);
    if (rc != 1) return rc < 0 ? rc : sx_store_error(SX_E_STORE, "trial %ld is not paused", number);
    int bad = unshelve(db, *trial);
    if (!bad) bad = take(db, *trial, worker, lease, 1);
    return bad ? bad : sx_event_add(db, l, *trial, "RUNNING");
}

typedef struct {
    struct ledger *ledger; const char *worker; double lease; long budget;
    sx_ask *ask; void *ctx;
    int64_t trial; sx_trial_row *mine;
} claiming;

static int ask_inside(sx_db *db, claiming *c)
{
    struct ledger *l = c->ledger;
    sx_trial_row queued = { .size = sizeof queued, .queued = true, .waiting = true },
                 made = { .size = sizeof made };
    const int waits =
        sx_db_lookup(db, &queued.id,
               "SELECT trial_id FROM trials WHERE study_id = $1 AND state = 'WAITING' AND trial_id >= $2"
               " ORDER BY trial_id LIMIT 1 /*! FOR UPDATE SKIP LOCKED */",
               "ii", l->id, l->settled);
    if (waits < 0) return waits;
    int64_t number;
    int rc = waits ? sx_db_lookup(db, &number, "SELECT number FROM trials WHERE trial_id = $1", "i",
                                  queued.id)
                   : next_number(db, l, &number);
    if (rc < 0) return rc;
    queued.t.number = (long)number;
    if (waits && (rc = read_fixed(db, l, db->mine, &queued))) return rc;
    if (!waits && number >= c->budget) number = -1;
    made.t.number = (long)number;
    made.id = queued.id;
    if ((rc = c->ask(c->ctx, waits ? &queued : NULL, &made))) return rc < 0 ? rc : idle(db, l);
    if (made.t.number != number) return resume_trial(db, l, made.t.number, c->worker, c->lease, &c->trial);
    if (number < 0 || !made.t.x) return sx_store_error(SX_E_USAGE, "the ask gave no point");
    rc = begin_trial(db, l, waits, c->worker, c->lease, &made);
    c->trial = made.id;
    return rc;
}

/* A claim begun anew may have been heard the first time: the server was gone before it could say so. */
static int claim_inside(sx_db *db, void *ctx)
{
    claiming *c = ctx;
    const bool have = c->trial && !sx_trial_mine(db, c->trial, c->worker);
    int rc = have ? 0 : sx_space_check(db, c->ledger);
    if (!have && !rc) rc = settle(db, c->ledger);
    if (!have && !rc) rc = take_expired(db, c->ledger, c->worker, c->lease, &c->trial);
    if (!have && !rc) rc = ask_inside(db, c);
    else if (rc == 1) rc = 0;
    return rc ? rc : sx_row_read(db, c->ledger, c->trial, db->mine, c->mine);
}

int sx_optuna_claim(sx_db *db, int64_t study, const char *worker, double lease, long budget, sx_ask *ask,
                    void *ctx, sx_trial_row *mine)
{
    claiming c = { sx_ledger_of(db, study), worker, lease, budget, ask, ctx, 0, mine };
    if (!c.ledger) return SX_E_USAGE;
    sx_arena_close(db->mine);
    db->mine = sx_arena_open(db->arena);
    int rc;
    do rc = sx_db_inside(db, study, claim_inside, &c);
    while (rc == ONCE_MORE);
    if (!rc) db->claimed = c.trial, db->claimed_of = c.ledger;
    return rc;
}

/* --- Queue --- */

typedef struct { const struct ledger *ledger; const char *fixed; int64_t number; } adding;

static int add_inside(sx_db *db, void *ctx)
{
    adding *q = ctx;
    int64_t trial;
    int rc = next_number(db, q->ledger, &q->number);
    if (!rc) rc = insert_trial(db, q->ledger, (long)q->number, "WAITING", NULL, &trial);
    return rc ? rc
              : sx_db_run(db,
                          "INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) VALUES ($1, "
                          "'fixed_params', $2)",
                          "it", trial, q->fixed);
}

int sx_optuna_add(sx_db *db, int64_t study, const sx_trial_row *fixed, long *number)
{
    const struct ledger *l = sx_ledger_of(db, study);
    if (!l || !l->axes) return SX_E_USAGE;
    char *text = NULL;
    size_t bytes;
    FILE *json = open_memstream(&text, &bytes);
    if (!json) return sx_store_error(SX_E_MEMORY, "not enough memory");
    int n = 0;
    for (int i = 0; i < l->axes->n; i++) {
        const sx_dist *d = isnan(fixed->t.x[i]) ? NULL : sx_db_dist(db, l->distribution[i]);
        if (!d) continue;
        fputs(n++ ? ", " : "{", json);
        sx_body_key(l->axes->axis[i]->name, json);
        sx_dist_show(d, fixed->t.x[i], json);
    }
    fputs(n ? "}" : "{}", json);
    fclose(json);
    adding q = { l, text, 0 };
    const int rc = sx_db_inside(db, study, add_inside, &q);
    free(text);
    *number = (long)q.number;
    return rc;
}

/* --- Trials that were run elsewhere --- */

typedef struct {
    const struct ledger *ledger; long n;
    const sx_trial_row *row; const char *const *note;
} importing;

static int import_one(sx_db *db, const struct ledger *l, const sx_trial_row *from, const char *note)
{
    char at[40];
    int64_t number;
    sx_trial_row r = *from;
    const double now = sx_db_now(db);
    int rc = next_number(db, l, &number);
    sx_time_text(r.started > 0 ? r.started : now, at);
    if (rc || (rc = insert_trial(db, l, (long)number, "RUNNING", at, &r.id))) return rc;
    if ((rc = insert_params(db, l, r.id, r.t.x)) || (rc = add_side(db, l, r.id, NULL, NULL, NAN))) return rc;
    if ((rc = sx_event_add(db, l, r.id, "RUNNING"))) return rc;
    for (long i = 0; !rc && i < r.t.steps; i++) {
        const sx_metric m = { "value", sx_user_value(l, 0, r.t.curve[i]), 0 };
        rc = sx_trial_report(db, r.id, r.t.step[i], 1, &m);
    }
    if (!rc && note) rc = sx_trial_note(db, r.id, "strix:imported", note);
    if (!rc) rc = sx_trial_tell(db, l, &r);
    if (rc || !(r.ended > 0)) return rc;
    return sx_db_run(db, "UPDATE trials SET datetime_complete = $1 WHERE trial_id = $2", "ti",
                     sx_time_text(r.ended, at), r.id);
}

static int import_inside(sx_db *db, void *ctx)
{
    const importing *m = ctx;
    int rc = sx_space_check(db, m->ledger);
    for (long i = 0; !rc && i < m->n; i++)
        rc = import_one(db, m->ledger, &m->row[i], m->note ? m->note[i] : NULL);
    return rc;
}

int sx_optuna_import(sx_db *db, int64_t study, long n, const sx_trial_row *r, const char *const *note)
{
    importing m = { sx_ledger_of(db, study), n, r, note };
    return !m.ledger || !m.ledger->axes ? SX_E_USAGE : sx_db_inside(db, study, import_inside, &m);
}
