/* sql.c: statements, times and numbers as optuna*.c use them: bound arguments by a word of letters, columns
 * of doubles that hold finite numbers only, each text of a distribution read once. */
#include "ledger.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "arena.h"

enum { MOST_ARGS = 10 };

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
 * at once: sx_db_next() does. */
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

sx_cursor *sx_db_query(sx_db *db, const char *sql, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sx_cursor *q = vquery(db, sql, types, ap);
    va_end(ap);
    return q;
}

int sx_db_next(sx_db *db, sx_cursor *q) { return q ? db->driver->next(q) : db->error; }
void sx_db_stop(sx_db *db, sx_cursor *q) { if (q) db->driver->stop(q); }

int sx_db_run(sx_db *db, const char *sql, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sx_cursor *q = vquery(db, sql, types, ap);
    va_end(ap);
    int rc;
    while ((rc = sx_db_next(db, q)) == 1) continue;
    return rc;
}

/* The first number of the first row: 1 found, 0 none (or null), SX_E_*. */
int sx_db_lookup(sx_db *db, int64_t *out, const char *sql, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sx_cursor *q = vquery(db, sql, types, ap);
    va_end(ap);
    int rc = sx_db_next(db, q);
    if (rc != 1) return rc;
    if (db->driver->null(q, 0)) rc = 0;
    else *out = db->driver->integer(q, 0);
    /* To the end: a RETURNING statement has done its work only then. */
    int more;
    while ((more = sx_db_next(db, q)) == 1) continue;
    return more < 0 ? more : rc;
}

const char *sx_db_text(sx_db *db, sx_cursor *q, int column, sx_arena *a)
{
    return sx_strdup(a, db->driver->text(q, column));
}

/* --- Transactions --- */

static int take(sx_db *db, int64_t lock)
{
    if (!lock) return 0;
    int64_t taken;
    const int rc =
        lock == SX_LOCK_ALL
            ? sx_db_lookup(db, &taken, "SELECT 1 /*! , pg_advisory_xact_lock(1400132466) */", "")
            : sx_db_lookup(db, &taken, "SELECT 1 FROM studies WHERE study_id = $1 /*! FOR UPDATE */", "i",
                           lock);
    return rc < 0 ? rc : 0;
}

int sx_db_once(sx_db *db, int64_t lock, sx_db_work *work, void *ctx)
{
    int rc = db->driver->begin(db->conn);
    if (rc) return rc;
    db->inside = true;
    rc = take(db, lock);
    if (!rc) rc = work(db, ctx);
    db->inside = false;
    const int ended = db->driver->end(db->conn, rc >= 0);
    return rc < 0 ? rc : ended ? ended : rc;
}

bool sx_db_passing(sx_db *db, int rc)
{
    return rc == SX_E_STORE && db->driver->passing && db->driver->passing(db->conn);
}

static bool again(sx_db *db, int rc, bool first)
{
    return sx_db_passing(db, rc) && db->driver->again(db->conn, first);
}

int sx_db_inside(sx_db *db, int64_t lock, sx_db_work *work, void *ctx)
{
    int rc = sx_db_once(db, lock, work, ctx);
    for (bool first = true; again(db, rc, first); first = false) rc = sx_db_once(db, lock, work, ctx);
    return rc;
}

int sx_db_reading(sx_db *db, sx_db_work *work, void *ctx)
{
    int rc = work(db, ctx);
    for (bool first = true; !db->inside && again(db, rc, first); first = false) rc = work(db, ctx);
    return rc;
}

/* --- Times: naive UTC with microseconds, as Optuna 5 --- */

const char *sx_time_text(double at, char out[40])
{
    const time_t whole = (time_t)floor(at);
    struct tm tm;
    gmtime_r(&whole, &tm);
    const size_t n = strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(out + n, 40 - n, ".%06d", (int)((at - (double)whole) * 1e6));
    return out;
}

/* n digits at *at, and the sign behind them; -1: there are none. */
static int digits(const char **at, int n)
{
    int v = 0;
    for (; n-- > 0; ++*at) {
        if (**at < '0' || **at > '9') return -1;
        v = 10 * v + (**at - '0');
    }
    if (**at) ++*at;
    return v;
}

double sx_time_of(const char *text)
{
    struct tm tm = { 0 };
    if (!text || (tm.tm_year = digits(&text, 4)) < 0 || (tm.tm_mon = digits(&text, 2)) < 0 ||
        (tm.tm_mday = digits(&text, 2)) < 0 || (tm.tm_hour = digits(&text, 2)) < 0 ||
        (tm.tm_min = digits(&text, 2)) < 0) return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (double)timegm(&tm) + strtod(text, NULL);
}

double sx_db_now(sx_db *db) { return db->driver->clock(db->conn); }
double sx_db_until(sx_db *db, double lease) { return lease < 1e9 ? sx_db_now(db) + lease : SX_FOR_EVER; }

/* --- Words and numbers: a column of doubles holds finite ones only, the rest is a word --- */

const char *sx_word_of(double v)
{
    return isnan(v) ? "NAN" : isfinite(v) ? "FINITE" : v > 0 ? "INF_POS" : "INF_NEG";
}

double sx_number_of(const char *word, double v)
{
    if (!word || !strcmp(word, "NAN")) return NAN;
    return !strcmp(word, "INF_POS") ? INFINITY : !strcmp(word, "INF_NEG") ? -INFINITY : v;
}

static const struct { const char *word; sx_fate fate; } fates[] = {
    { "RUNNING", SX_RUNNING }, { "COMPLETE", SX_DONE }, { "PRUNED", SX_PRUNED },
    { "FAIL", SX_FAILED }, { "PAUSED", SX_PAUSED }, { "WAITING", SX_RUNNING },
};

sx_fate sx_fate_of(const char *word)
{
    for (size_t i = 0; i < sizeof fates / sizeof *fates; i++)
        if (word && !strcmp(fates[i].word, word)) return fates[i].fate;
    return SX_FAILED;
}

const char *sx_fate_word(sx_fate f)
{
    for (size_t i = 0; i < sizeof fates / sizeof *fates; i++) if (fates[i].fate == f) return fates[i].word;
    return "FAIL";
}

bool sx_fate_ended(sx_fate f) { return f == SX_DONE || f == SX_PRUNED || f == SX_FAILED; }
double sx_user_value(const struct ledger *l, int objective, double v)
{
    return objective < l->objectives && l->maximize[objective] ? -v : v;
}

/* --- Distributions, each text read once --- */

const sx_dist *sx_db_dist(sx_db *db, const char *text)
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

struct ledger *sx_ledger_of(sx_db *db, int64_t study)
{
    struct ledger *l = db->ledgers;
    while (l && l->id != study) l = l->next;
    if (!l) sx_store_error(SX_E_USAGE, "study %lld was not opened by study or find", (long long)study);
    return l;
}

static int read_directions(sx_db *db, struct ledger *l)
{
    struct { bool *v; long n, cap; } up = { 0 };
    sx_cursor *q = sx_db_query(
        db, "SELECT direction FROM study_directions WHERE study_id = $1 ORDER BY objective", "i", l->id);
    int rc;
    while ((rc = sx_db_next(db, q)) == 1) {
        const char *word = db->driver->text(q, 0);
        SX_PUSH(db->arena, up, word && !strcmp(word, "MAXIMIZE"));
    }
    l->objectives = (int)up.n;
    l->maximize = up.v;
    return rc;
}

int sx_ledger_open(sx_db *db, int64_t study, const char *name, struct ledger **out)
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
    const int rc = sx_db_lookup(db, &l->stored, "SELECT settled FROM strix_study WHERE study_id = $1", "i",
                                study);
    if (l->settled < l->stored) l->settled = l->stored;
    return rc < 0 ? rc : read_directions(db, l);
}

