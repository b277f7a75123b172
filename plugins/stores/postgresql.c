/* postgresql.c: the study on a server, for the workers of many machines: connect, bind and step for
 * optuna.c. A server that is away is waited for; its clock is the only one that counts. */
#include "optuna.h"
#include "postgresql_schema.h"
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PREPARED = 96, MOST_ARGS = 10, FIRST_NAP_MS = 100, LONGEST_NAP_MS = 15000,
       PATIENCE_S = 300, ANSWER_S = 60 };
struct sx_cursor { sx_conn *conn; PGresult *rows; int row; };
struct sx_conn {
    PGconn *pg;
    const char *prepared[PREPARED]; int n_prepared;                  /* since the connection stands */
    long changes;
    double offset;                               /* the server's clock less our monotonic one */
    bool passing;                                /* the last error: of a kind that passes */
    double failing, again, nap; /* since when; not before; then wait so long. Monotonic seconds */
    double patience, answer;                     /* seconds that a server may be away; that it may think */
    bool mute;                                   /* it gave no answer: the connection is no good any more */
    unsigned seed;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);           /* goes on while the machine sleeps */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- What went wrong --- */

/* Connection lost or refused, server starting, stopping or full, deadlock, lock or transaction timed out. */
static bool passes(sx_conn *c, const char *state)
{
    static const char *const passing[] = { "08", "57P", "40001", "40P01", "55P03", "25P", "53300" };
    if (PQstatus(c->pg) != CONNECTION_OK || c->mute) return true;
    for (size_t i = 0; state && i < sizeof passing / sizeof *passing; i++)
        if (!strncmp(state, passing[i], strlen(passing[i]))) return true;
    return false;
}

/* The server's words on one line, without its "ERROR:". */
static int fail(sx_conn *c, const char *message, const char *state)
{
    char words[400];
    c->passing = passes(c, state);
    const char *m = message && *message ? message : "no answer";
    if (!strncmp(m, "ERROR:", 6) || !strncmp(m, "FATAL:", 6)) m += 6 + strspn(m + 6, " ");
    snprintf(words, sizeof words, "%s", m);
    for (char *at = words; *at; at++) if (*at == '\n') *at = at[1] ? ' ' : 0;
    if (state && !strcmp(state, "53100"))
        return sx_store_error(SX_E_STORE, "the server's disk is full: %s", words);
    return sx_store_error(SX_E_STORE, "PostgreSQL: %s", words);
}

static int failed(sx_conn *c, PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE), *words = PQresultErrorMessage(r);
    if (c->mute) words = "no answer in time";
    const int rc = fail(c, words && *words ? words : PQerrorMessage(c->pg), state);
    PQclear(r);
    return rc;
}

/* --- Asking --- */

/* Is there an answer within the time? TCP's own time-outs do not see a server, or something between, that
 * hangs. */
static bool answered(sx_conn *c)
{
    double until = now() + c->answer;
    while (PQisBusy(c->pg)) {
        struct pollfd f = { .fd = PQsocket(c->pg), .events = POLLIN };
        const double left = until - now();
        if (left <= 0) return false;
        if (poll(&f, 1, (int)(1000 * left) + 1) <= 0) continue;
        if (!PQconsumeInput(c->pg)) return true; /* libpq knows why */
        until = now() + c->answer;               /* it speaks */
    }
    return true;
}

/* The last result of what was sent, NULL: none. */
static PGresult *answer(sx_conn *c, int sent)
{
    PGresult *last = NULL, *r;
    while (sent) {
        c->mute = !answered(c);
        if (c->mute || !(r = PQgetResult(c->pg))) break;
        const bool bad = PQresultStatus(r) == PGRES_FATAL_ERROR;
        PQclear(last);
        last = r;
        if (bad && PQstatus(c->pg) != CONNECTION_OK) break;
    }
    if (!c->mute) return last;
    PQclear(last);                               /* not the whole answer */
    return NULL;
}

static PGresult *ask(sx_conn *c, const char *sql) { return answer(c, PQsendQuery(c->pg, sql)); }

static bool fine(const PGresult *r)
{
    return PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;
}

static bool stands(const sx_conn *c) { return PQstatus(c->pg) == CONNECTION_OK && !c->mute; }

/* --- Connecting --- */

/* A password in the URL would end up in files, logs and tables. Seen before libpq can repeat it in a
 * message. */
static bool holds_password(const char *url)
{
    const char *from = strstr(url, "://"), *end = from ? from + 3 + strcspn(from + 3, "/?#") : NULL;
    const char *at = end ? memchr(from, '@', (size_t)(end - from)) : NULL;
    if (at && memchr(from + 3, ':', (size_t)(at - from - 3))) return true;
    PQconninfoOption *all = PQconninfoParse(url, NULL);
    bool found = !all && strstr(url, "assword");
    for (const PQconninfoOption *o = all; o && o->keyword; o++)
        found |= o->val && strstr(o->keyword, "password");
    PQconninfoFree(all);
    return found;
}

static int check_url(const char *url)
{
    if (strncmp(url, "postgresql://", 13))
        return sx_store_error(SX_E_USAGE, "a store is written postgresql://HOST:PORT/DATABASE");
    if (holds_password(url))
        return sx_store_error(SX_E_USAGE,
                              "the store's URL holds a password, which files and logs would show; leave it"
                              " out and give it by ~/.pgpass (PGPASSFILE), a service (PGSERVICE) or"
                              " PGPASSWORD");
    char *words = NULL;
    PQconninfoOption *all = PQconninfoParse(url, &words);
    const int rc = all ? 0 : sx_store_error(SX_E_USAGE, "not the URL of a PostgreSQL database: %.300s",
                                            words ? words : "");
    PQconninfoFree(all);
    PQfreemem(words);
    return rc;
}

/* Not the time zone: Optuna compares heartbeats in the server's. A time-out that the user or the server has
 * set stays. */
static const char settings[] =
    "SET client_encoding = 'UTF8'; SET client_min_messages = warning; SET datestyle = 'ISO';"
    " SET extra_float_digits = 1;"
    " SELECT set_config('idle_in_transaction_session_timeout', '30s', false)"
    " WHERE current_setting('idle_in_transaction_session_timeout') = '0';"
    " SELECT set_config('lock_timeout', '20s', false) WHERE current_setting('lock_timeout') = '0';";

static int script(sx_conn *c, const char *sql)
{
    PGresult *r = ask(c, sql);
    if (!fine(r)) return failed(c, r);
    PQclear(r);
    return 0;
}

static int read_clock(sx_conn *c, const char *sql)
{
    const double asked = now();
    PGresult *r = ask(c, sql);
    if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1) return failed(c, r);
    c->offset = strtod(PQgetvalue(r, 0, 0), NULL) - 0.5 * (asked + now());
    PQclear(r);
    return 0;
}

static int greet(sx_conn *c)
{
    c->n_prepared = 0;
    c->mute = false;
    if (PQstatus(c->pg) != CONNECTION_OK) return fail(c, PQerrorMessage(c->pg), NULL);
    const int rc = script(c, settings);
    return rc ? rc : read_clock(c, "SELECT extract(epoch FROM clock_timestamp())");
}

/* How long before the next attempt: doubled each time, drawn between the half and the whole, so that a crowd
 * of workers does not come back as one. */
static void put_off(sx_conn *c)
{
    c->nap = c->nap > 0 ? c->nap * 2 : 1e-3 * FIRST_NAP_MS;
    if (c->nap > 1e-3 * LONGEST_NAP_MS) c->nap = 1e-3 * LONGEST_NAP_MS;
    c->again = now() + c->nap * (0.5 + 0.5 * (double)rand_r(&c->seed) / RAND_MAX);
}

/* Connected, if need be anew, but not before it is time. */
static int connected(sx_conn *c)
{
    c->passing = false;
    if (stands(c)) return 0;
    if (now() < c->again) {
        c->passing = true;
        return SX_E_STORE;                       /* last_error still tells why */
    }
    PQreset(c->pg);
    const int rc = greet(c);
    if (rc) put_off(c);
    return rc;
}

static void well(sx_conn *c) { c->again = c->nap = 0; }

static bool passing(sx_conn *c) { return c->passing; }

static bool again(sx_conn *c, bool first)
{
    if (first) c->failing = now();
    if (!c->passing || now() - c->failing > c->patience) return false;
    if (c->again <= now()) put_off(c);
    const double wait = c->again - now();
    if (wait > 0)
        nanosleep(&(struct timespec){ (time_t)wait, (long)(1e9 * (wait - floor(wait))) }, NULL);
    return true;
}

static void close_conn(sx_conn *c)
{
    if (!c) return;
    PQfinish(c->pg);
    free(c);
}

static double seconds(const char *name, double missing)
{
    const char *text = getenv(name);
    const double v = text ? strtod(text, NULL) : missing;
    return v > 0 && v < 1e6 ? v : missing;
}

/* libpq keeps no code of a refused connection. */
static bool is_full(const sx_conn *c)
{
    static const char *const words[] = { "too many c", "connection slots", "starting up", "shutting down" };
    for (size_t i = 0; c->pg && i < sizeof words / sizeof *words; i++)
        if (strstr(PQerrorMessage(c->pg), words[i])) return true;
    return false;
}

static void ignore(void *unused, const char *notice) { (void)unused, (void)notice; }

static int open_conn(const char *url, bool write, sx_conn **out)
{
    /* The URL's own settings come after these and win. */
    static const char *const key[] = { "connect_timeout", "keepalives_idle", "keepalives_interval",
                                       "keepalives_count", "tcp_user_timeout", "fallback_application_name",
                                       "dbname", NULL };
    const char *const value[] = { "5", "10", "5", "3", "15000", "strix", url, NULL };
    (void)write;
    int rc = check_url(url);
    if (rc) return rc;
    sx_conn *c = calloc(1, sizeof *c);
    if (!c) return sx_store_error(SX_E_MEMORY, "not enough memory");
    c->patience = seconds("STRIX_STORE_PATIENCE", PATIENCE_S);
    c->answer = seconds("STRIX_STORE_TIMEOUT", ANSWER_S);
    c->seed = (unsigned)getpid() * 2654435761u ^ (unsigned)time(NULL);
    c->pg = PQconnectdbParams(key, value, 1);
    if (c->pg) PQsetNoticeProcessor(c->pg, ignore, NULL);
    rc = greet(c);
    /* A server that is full or starting is waited for; one that is not there is a mistake in the URL. */
    for (bool first = true; rc && is_full(c) && again(c, first); first = false) {
        PQreset(c->pg);
        rc = greet(c);
    }
    if (rc) { close_conn(c); return rc; }
    well(c);
    *out = c;
    return 0;
}

/* --- Statements --- */

/* What stands in comments for this kind of server only is opened. */
static char *translated(const char *sql)
{
    char *copy = strdup(sql), *to = copy;
    for (const char *from = sql; copy && *from;)
        if (!strncmp(from, "/*!", 3)) from += 3;
        else if (!strncmp(from, "*/", 2)) from += 2;
        else *to++ = *from++;
    if (copy) *to = 0;
    return copy;
}

/* The name of the prepared statement of sql, made where there is none yet. */
static int prepared(sx_conn *c, const char *sql, char name[16])
{
    int i = 0;
    while (i < c->n_prepared && c->prepared[i] != sql) i++;
    snprintf(name, 16, "s%d", i);
    if (i < c->n_prepared) return 0;
    if (i == PREPARED) return sx_store_error(SX_E_STORE, "more statements than were thought of");
    char *text = translated(sql);
    if (!text) return sx_store_error(SX_E_MEMORY, "not enough memory");
    PGresult *r = answer(c, PQsendPrepare(c->pg, name, text, 0, NULL));
    free(text);
    if (PQresultStatus(r) != PGRES_COMMAND_OK) return failed(c, r);
    PQclear(r);
    c->prepared[c->n_prepared++] = sql;
    return 0;
}

static int start(sx_conn *c, const char *sql, int n, const sx_sql *v, sx_cursor **out)
{
    char name[16], number[MOST_ARGS][32];
    const char *value[MOST_ARGS];
    int rc = connected(c);
    if (!rc) rc = prepared(c, sql, name);
    if (rc) return rc;
    for (int i = 0; i < n; i++) {
        if (v[i].kind == SX_SQL_INT) snprintf(number[i], sizeof number[i], "%lld", (long long)v[i].i);
        if (v[i].kind == SX_SQL_REAL) snprintf(number[i], sizeof number[i], "%.17g", v[i].r);
        value[i] = v[i].kind == SX_SQL_NULL ? NULL : v[i].kind == SX_SQL_TEXT ? v[i].s : number[i];
    }
    PGresult *r = answer(c, PQsendQueryPrepared(c->pg, name, n, value, NULL, NULL, 0));
    if (!fine(r)) return failed(c, r);
    sx_cursor *q = malloc(sizeof *q);
    if (!q) { PQclear(r); return sx_store_error(SX_E_MEMORY, "not enough memory"); }
    c->changes = strtol(PQcmdTuples(r), NULL, 10);
    *q = (sx_cursor){ .conn = c, .rows = r, .row = -1 };
    *out = q;
    return 0;
}

static void stop(sx_cursor *q)
{
    PQclear(q->rows);
    free(q);
}

static int next(sx_cursor *q)
{
    if (++q->row < PQntuples(q->rows)) return 1;
    stop(q);
    return 0;
}

static int begin(sx_conn *c)
{
    const int rc = connected(c);
    return rc ? rc : read_clock(c, "BEGIN; SELECT extract(epoch FROM clock_timestamp())");
}

static int end(sx_conn *c, bool commit)
{
    if (!stands(c)) return commit ? fail(c, PQerrorMessage(c->pg), NULL) : 0;
    if (!commit) {
        PQclear(ask(c, "ROLLBACK"));
        return 0;
    }
    PGresult *r = ask(c, "COMMIT");
    const char *said = PQcmdStatus(r);
    if (PQresultStatus(r) != PGRES_COMMAND_OK) return failed(c, r);
    const bool done = said && !strcmp(said, "COMMIT");
    PQclear(r);
    if (!done) return fail(c, "the transaction was rolled back", NULL);
    well(c);
    return 0;
}

static int empty(sx_conn *c)
{
    static const char sql[] = "SELECT count(*) FROM pg_tables WHERE schemaname = ANY (current_schemas(false))"
                              " AND tablename IN ('studies', 'trials', 'version_info', 'alembic_version')";
    PGresult *r = ask(c, sql);
    if (PQresultStatus(r) != PGRES_TUPLES_OK) return failed(c, r);
    const int none = !strcmp(PQgetvalue(r, 0, 0), "0");
    PQclear(r);
    return none;
}

static int shared(sx_conn *c)
{
    (void)c;
    return 0;
}

static double clock_now(sx_conn *c) { return c->offset + now(); }
static long changes(sx_conn *c) { return c->changes; }
static bool null(sx_cursor *q, int i) { return PQgetisnull(q->rows, q->row, i); }
static int64_t integer(sx_cursor *q, int i) { return strtoll(PQgetvalue(q->rows, q->row, i), NULL, 10); }
static double real(sx_cursor *q, int i) { return strtod(PQgetvalue(q->rows, q->row, i), NULL); }
static const char *text(sx_cursor *q, int i) { return null(q, i) ? NULL : PQgetvalue(q->rows, q->row, i); }

static const sx_driver driver = {
    .schema = schema,
    .open = open_conn,
    .close = close_conn,
    .empty = empty,
    .shared = shared,
    .begin = begin,
    .end = end,
    .passing = passing,
    .again = again,
    .script = script,
    .start = start,
    .next = next,
    .stop = stop,
    .changes = changes,
    .clock = clock_now,
    .null = null,
    .integer = integer,
    .real = real,
    .text = text,
};

static int open(const char *url, bool write, sx_db **db) { return sx_optuna_open(&driver, url, write, db); }

SX_DEFINE(SX_KIND_STORE, sx_store, postgresql, SX_NO_PARAMS, sx_no_params,
          .doc = "a PostgreSQL server, for the workers of many machines", .open = open, SX_OPTUNA_STORE);
SX_PLUGIN("postgresql", "1.0", "MIT", SX_ITEM(postgresql));
