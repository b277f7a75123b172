/* optuna_rows.c: trials as they are now, read from Optuna's tables and ours. */
#include <stdlib.h>
#include <string.h>
#include "arena.h"
#include "ledger.h"

#define ROW \
    "t.trial_id, t.number, t.state, CAST(t.datetime_start AS TEXT), CAST(t.datetime_complete AS TEXT)," \
    " coalesce(s.attempt, 0), coalesce(s.seen, 0), coalesce(s.tag, 0), coalesce(s.queued, 0)," \
    " s.worker, s.dir, s.reason, s.lease_until"

/* The columns of ROW; the rest of a row is in its body. */
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

/* What a queued trial is to have, or was to have where it never began. */
static int read_fixed(sx_db *db, sx_arena *a, sx_trial_row *r)
{
    sx_cursor *q = sx_db_query(
        db, "SELECT value_json FROM trial_system_attributes WHERE trial_id = $1 AND \"key\" = 'fixed_params'",
        "i", r->id);
    const int rc = sx_db_next(db, q);
    if (rc != 1) return rc;
    r->values = sx_db_text(db, q, 0, a);
    r->queued = true;
    sx_db_stop(db, q);
    return 0;
}

/* --- Rows and their bodies --- */

static int ascending(const void *a, const void *b)
{
    const int64_t x = ((const sx_body *)a)->id, y = ((const sx_body *)b)->id;
    return (x > y) - (x < y);
}

/* One body for each trial of which more is to be read, by id. */
static sx_body *bodies_of(sx_arena *a, long heads, const sx_head *h, long *n)
{
    sx_body *b = sx_alloc_array(a, (size_t)heads + 1, sizeof *b);
    long all = 0;
    *n = 0;
    for (long i = 0; i < heads; i++) if (!h[i].whole) b[all++].id = h[i].r.id;
    qsort(b, (size_t)all, sizeof *b, ascending);
    for (long i = 0; i < all; i++) if (!*n || b[i].id != b[*n - 1].id) b[(*n)++] = b[i];
    return b;
}

static void put_on(const struct ledger *l, const sx_body *b, long most, sx_trial_row *r)
{
    const bool ended = r->t.fate != SX_RUNNING && r->t.fate != SX_PAUSED;
    r->t.x = b->x;
    r->t.value = ended ? b->value : NULL;
    r->t.steps = most >= 0 && most < b->step.n ? most : b->step.n;
    r->t.step = b->step.v;
    r->t.curve = b->curve.v;
    const bool whole = l->axes && b->constraint.n && b->constraint.n == l->axes->constraints;
    r->t.constraint = whole ? b->constraint.v : NULL;
}

int sx_heads_fill(sx_db *db, const struct ledger *l, sx_arena *a, unsigned want, long heads, sx_head *h)
{
    long n;
    const bool shown = want & SX_BODY_SHOWN;
    sx_body *body = bodies_of(a, heads, h, &n);
    int rc = n ? sx_bodies_read(db, l, a, want, n, body) : 0;
    for (long i = 0; i < heads && !rc; i++) {
        if (h[i].whole) continue;
        sx_trial_row *r = &h[i].r;
        const sx_body key = { .id = r->id }, *b = bsearch(&key, body, (size_t)n, sizeof *b, ascending);
        put_on(l, b, h[i].most, r);
        if (shown) r->values = sx_body_text(a, b);
        if (shown && (r->waiting || !b->shown.n)) rc = read_fixed(db, a, r);
    }
    return rc;
}

/* --- As it is now --- */

static const char every[] = "SELECT " ROW SX_ROWS "WHERE t.study_id = $1 ORDER BY t.number, t.trial_id",
    numbered[] = "SELECT " ROW SX_ROWS "WHERE t.study_id = $1 AND t.number = $2 ORDER BY t.trial_id",
    leased[] = "SELECT " ROW " FROM strix_trial s CROSS JOIN trials t WHERE s.lease_until IS NOT NULL"
               " AND t.trial_id = s.trial_id AND t.study_id = $1 ORDER BY t.number, t.trial_id";
enum { ALL = SX_BODY_POINT | SX_BODY_SHOWN | SX_BODY_VALUE | SX_BODY_CURVE };

typedef struct {
    const struct ledger *ledger; sx_arena *arena;
    const char *sql; unsigned want;              /* which trials, and what of them */
    int64_t study, number;                       /* -1: the statement asks for none */
    struct { sx_head *v; long n, cap; } heads;
} reading;

static int read_trials(sx_db *db, void *ctx)
{
    reading *n = ctx;
    n->heads.n = 0;
    sx_cursor *q = sx_db_query(db, n->sql, n->number < 0 ? "i" : "ii", n->study, n->number);
    int rc;
    while ((rc = sx_db_next(db, q)) == 1)
        SX_PUSH(n->arena, n->heads, ((sx_head){ .r = row_at(db, q, n->arena), .most = -1 }));
    return rc ? rc : sx_heads_fill(db, n->ledger, n->arena, n->want, n->heads.n, n->heads.v);
}

static int each_trial(sx_db *db, int64_t study, const char *which, long number, unsigned want,
                      sx_on_trial *each, void *ctx)
{
    reading n = { .ledger = sx_ledger_of(db, study), .sql = which, .want = want, .study = study,
                  .number = number };
    if (!n.ledger) return SX_E_USAGE;
    n.arena = sx_arena_open(NULL);
    const int rc = sx_db_reading(db, read_trials, &n);
    for (long i = 0; i < n.heads.n && !rc; i++) each(ctx, &n.heads.v[i].r);
    sx_arena_close(n.arena);
    return rc;
}

int sx_optuna_trials(sx_db *db, int64_t study, sx_on_trial *each, void *ctx)
{
    return each_trial(db, study, every, -1, ALL, each, ctx);
}

int sx_optuna_brief(sx_db *db, int64_t study, sx_on_trial *each, void *ctx)
{
    return each_trial(db, study, every, -1, SX_BODY_VALUE, each, ctx);
}

int sx_optuna_leased(sx_db *db, int64_t study, sx_on_trial *each, void *ctx)
{
    return each_trial(db, study, leased, -1, SX_BODY_VALUE, each, ctx);
}

int sx_optuna_one(sx_db *db, int64_t study, long number, sx_on_trial *each, void *ctx)
{
    return number < 0 ? 0 : each_trial(db, study, numbered, number, ALL, each, ctx);
}

int sx_row_read(sx_db *db, const struct ledger *l, int64_t id, sx_arena *a, sx_trial_row *r)
{
    sx_cursor *q = sx_db_query(db, "SELECT " ROW SX_ROWS "WHERE t.trial_id = $1", "i", id);
    int rc = sx_db_next(db, q);
    if (rc != 1) return rc ? rc : sx_store_error(SX_E_LOST, "trial id %lld is gone", (long long)id);
    sx_head h = { .r = row_at(db, q, a), .most = -1 };
    sx_db_stop(db, q);
    rc = sx_heads_fill(db, l, a, ALL, 1, &h);
    *r = h.r;
    return rc;
}
