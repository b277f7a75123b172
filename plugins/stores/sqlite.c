/* sqlite.c: the study in one file: connect, bind and step for optuna.c. WAL, so that readers never wait;
 * writers take turns by BEGIN IMMEDIATE and wait with jitter. */
#include "optuna.h"
#include "sqlite_schema.h"
#include <ctype.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PREPARED = 64, PATIENCE_MS = 60000, NAP_MS = 20 };
struct sx_cursor { sx_conn *conn; const char *sql; sqlite3_stmt *stmt; bool busy; };
struct sx_conn {
    sqlite3 *db;
    char *path;
    unsigned seed;
    double waiting;
    struct sx_cursor prepared[PREPARED];
};

static double clock_now(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(sx_conn *c)
{
    (void)c;
    return clock_now(CLOCK_REALTIME);
}

static void nap(sx_conn *c)
{
    const long ms = 1 + rand_r(&c->seed) % NAP_MS;
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* SQLite asks: try again? */
static int busy(void *ctx, int tries)
{
    sx_conn *c = ctx;
    if (!tries) c->waiting = clock_now(CLOCK_MONOTONIC);
    if (1000 * (clock_now(CLOCK_MONOTONIC) - c->waiting) > PATIENCE_MS) return 0;
    nap(c);
    return 1;
}

static int fail(sx_conn *c, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOTADB: case SQLITE_CORRUPT:
        return sx_store_error(SX_E_STORE, "%s is damaged or no SQLite database: %s", c->path,
                              sqlite3_errmsg(c->db));
    case SQLITE_BUSY: case SQLITE_LOCKED:
        return sx_store_error(SX_E_STORE, "%s has been locked by another process for %d s", c->path,
                              PATIENCE_MS / 1000);
    case SQLITE_FULL: return sx_store_error(SX_E_STORE, "%s cannot grow: the disk is full", c->path);
    case SQLITE_READONLY: return sx_store_error(SX_E_STORE, "%s is read-only", c->path);
    case SQLITE_IOERR:
        return sx_store_error(SX_E_STORE, "%s cannot be read or written: %s", c->path, sqlite3_errmsg(c->db));
    case SQLITE_NOMEM: return sx_store_error(SX_E_MEMORY, "not enough memory");
    default: return sx_store_error(SX_E_STORE, "%s: %s", c->path, sqlite3_errmsg(c->db));
    }
}

/* Two processes that open, or one that closes, at the same moment may be turned away without the busy handler
 * being asked. */
static int script(sx_conn *c, const char *sql)
{
    const double from = clock_now(CLOCK_MONOTONIC);
    int rc;
    while ((rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL) & 0xff) == SQLITE_BUSY &&
           1000 * (clock_now(CLOCK_MONOTONIC) - from) < PATIENCE_MS) nap(c);
    return rc ? fail(c, rc) : 0;
}

/* "sqlite:PATH", or SQLAlchemy's "sqlite:///PATH". */
static const char *path_of(const char *url)
{
    if (!strncmp(url, "sqlite:///", 10)) return url + 10;
    return !strncmp(url, "sqlite:", 7) && strncmp(url + 7, "//", 2) ? url + 7 : "";
}

/* The last one only: where more is missing, the path is mistyped. */
static int make_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return 0;
    char *folder = strndup(path, (size_t)(slash - path));
    if (!folder) return sx_store_error(SX_E_MEMORY, "not enough memory");
    int rc = 0;
    if (mkdir(folder, 0777) && errno != EEXIST)
        rc = sx_store_error(SX_E_STORE, "cannot make the folder %s: %s", folder, strerror(errno));
    free(folder);
    return rc;
}

static void close_conn(sx_conn *c)
{
    if (!c) return;
    for (int i = 0; i < PREPARED; i++) sqlite3_finalize(c->prepared[i].stmt);
    sqlite3_close(c->db);
    free(c->path);
    free(c);
}

static int open_file(sx_conn *c, const char *name, int flags)
{
    sqlite3_close(c->db);
    c->db = NULL;
    /* A connection has one user at a time. */
    const int rc = sqlite3_open_v2(name, &c->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc)
        return c->db ? sx_store_error(SX_E_STORE, "cannot open %s: %s", c->path, sqlite3_errmsg(c->db))
                     : fail(c, SQLITE_NOMEM);
    sqlite3_busy_handler(c->db, busy, c);
    return 0;
}

/* The index of a WAL database needs a folder that may be written. Where it may not, and no log is left over,
 * the file is taken as it stands. */
static int read_as_it_stands(sx_conn *c)
{
    static const char plain[] = "/._-+,=@~";
    struct stat log;
    const size_t n = strlen(c->path), room = 3 * n + 32;
    char *uri = malloc(room);
    if (!uri) return fail(c, SQLITE_NOMEM);
    snprintf(uri, room, "%s-wal", c->path);
    if (!stat(uri, &log) && log.st_size > 0) {
        free(uri);
        return sx_store_error(SX_E_STORE,
                              "%s cannot be read: its log %s-wal is not merged yet, and the folder is"
                              " read-only", c->path, c->path);
    }
    size_t at = (size_t)snprintf(uri, room, "file:");
    for (const char *p = c->path; *p; p++)
        at += (size_t)snprintf(uri + at, room - at,
                               isalnum((unsigned char)*p) || strchr(plain, *p) ? "%c" : "%%%02X",
                               (unsigned char)*p);
    snprintf(uri + at, room - at, "?immutable=1");
    const int rc = open_file(c, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
    free(uri);
    return rc;
}

static bool lacks_index(sx_conn *c)
{
    const int rc = sqlite3_exec(c->db, "SELECT count(*) FROM sqlite_master", NULL, NULL, NULL) & 0xff;
    return rc == SQLITE_CANTOPEN || rc == SQLITE_READONLY;
}

static int connect(sx_conn *c, bool write)
{
    struct stat st;
    if (!c->path[0]) return sx_store_error(SX_E_USAGE, "a store is written sqlite:PATH or sqlite:///PATH");
    const bool there = !stat(c->path, &st);
    if (!write && !there) return sx_store_error(SX_E_DATA, "there is no study database %s", c->path);
    if (there && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) /* SQLite would wait for a pipe's writer */
        return sx_store_error(SX_E_STORE, "cannot open %s: it is no regular file", c->path);
    int rc = write ? make_folder(c->path) : 0;
    if (rc) return rc;
    rc = open_file(c, c->path, write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
    if (rc) return rc;
    if (!write && lacks_index(c)) return read_as_it_stands(c);
    return write && sqlite3_db_readonly(c->db, "main") ? fail(c, SQLITE_READONLY) : 0;
}

static int open_conn(const char *url, bool write, sx_conn **out)
{
    sx_conn *c = calloc(1, sizeof *c);
    if (!c || !(c->path = strdup(path_of(url)))) {
        free(c);
        return sx_store_error(SX_E_MEMORY, "not enough memory");
    }
    c->seed = (unsigned)getpid() * 2654435761u;
    const int rc = connect(c, write);
    if (rc) close_conn(c);
    else *out = c;
    return rc;
}

static int empty(sx_conn *c)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->db, "SELECT count(*) FROM sqlite_master", -1, &s, NULL);
    if (!rc) rc = sqlite3_step(s);
    const int none = rc == SQLITE_ROW && !sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? none : fail(c, rc);
}

/* WAL where the file system can do it. NORMAL: a power cut may cost the last transactions, never the file; a
 * kill costs nothing. */
static int shared(sx_conn *c)
{
    return script(c, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON");
}

static int begin(sx_conn *c) { return script(c, "BEGIN IMMEDIATE"); }

static int end(sx_conn *c, bool commit)
{
    const int rc = commit ? script(c, "COMMIT") : 0;
    if (rc || !commit) sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* The prepared statement of sql, or a free place for it. A statement may run in itself, so a busy one is
 * passed by. */
static sx_cursor *cursor_of(sx_conn *c, const char *sql)
{
    sx_cursor *unused = NULL;
    for (int i = 0; i < PREPARED; i++) {
        sx_cursor *q = &c->prepared[i];
        if (q->sql == sql && !q->busy) return q;
        if (!q->busy && (!unused || (unused->sql && !q->sql))) unused = q;
    }
    return unused;
}

static int bind(sqlite3_stmt *s, int i, const sx_sql *v)
{
    char name[16];
    snprintf(name, sizeof name, "$%d", i + 1);
    const int at = sqlite3_bind_parameter_index(s, name);
    if (!at) return SQLITE_OK;                   /* for another kind of server */
    switch (v->kind) {
    case SX_SQL_INT: return sqlite3_bind_int64(s, at, v->i);
    case SX_SQL_REAL: return sqlite3_bind_double(s, at, v->r);
    case SX_SQL_TEXT: return sqlite3_bind_text(s, at, v->s, -1, SQLITE_TRANSIENT);
    default: return sqlite3_bind_null(s, at);
    }
}

static int start(sx_conn *c, const char *sql, int n, const sx_sql *v, sx_cursor **out)
{
    sx_cursor *q = cursor_of(c, sql);
    if (!q) return sx_store_error(SX_E_STORE, "too many statements run at once");
    int rc = 0;
    if (q->sql != sql) {
        sqlite3_finalize(q->stmt);
        *q = (sx_cursor){ .conn = c };
        rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt, NULL);
        if (!rc) q->sql = sql;
    }
    for (int i = 0; !rc && i < n; i++) rc = bind(q->stmt, i, &v[i]);
    if (rc) return fail(c, rc);
    q->busy = true;
    *out = q;
    return 0;
}

static void stop(sx_cursor *q)
{
    sqlite3_reset(q->stmt);
    q->busy = false;
}

static int next(sx_cursor *q)
{
    const int rc = sqlite3_step(q->stmt);
    if (rc == SQLITE_ROW) return 1;
    const int code = rc == SQLITE_DONE ? 0 : fail(q->conn, rc);
    stop(q);
    return code;
}

static long changes(sx_conn *c) { return sqlite3_changes(c->db); }
static bool null(sx_cursor *q, int i) { return sqlite3_column_type(q->stmt, i) == SQLITE_NULL; }
static int64_t integer(sx_cursor *q, int i) { return sqlite3_column_int64(q->stmt, i); }
static double real(sx_cursor *q, int i) { return sqlite3_column_double(q->stmt, i); }
static const char *text(sx_cursor *q, int i) { return (const char *)sqlite3_column_text(q->stmt, i); }

static const sx_driver driver = {
    .schema = schema,
    .open = open_conn,
    .close = close_conn,
    .empty = empty,
    .shared = shared,
    .begin = begin,
    .end = end,
    .script = script,
    .start = start,
    .next = next,
    .stop = stop,
    .changes = changes,
    .clock = now,
    .null = null,
    .integer = integer,
    .real = real,
    .text = text,
};

static int open(const char *url, bool write, sx_db **db) { return sx_optuna_open(&driver, url, write, db); }

SX_DEFINE(SX_KIND_STORE, sx_store, sqlite, SX_NO_PARAMS, sx_no_params,
          .doc = "one file, for the workers of one machine", .open = open, SX_OPTUNA_STORE);
SX_PLUGIN("sqlite", "1.0", "MIT", SX_ITEM(sqlite));
