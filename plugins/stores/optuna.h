/* optuna.h: what a database has to offer to hold studies in Optuna's tables; optuna*.c say all that is SQL.
 * Statements number their parameters $1, $2 ...; every value is bound, none is ever pasted into a text. What
 * only a server with row locks needs stands in comments of the form slash-star-! ..., which its driver
 * opens. */
#ifndef SX_OPTUNA_H
#define SX_OPTUNA_H
#include <strix/store.h>

typedef struct sx_conn sx_conn;                  /* a connection, the driver's */
typedef struct sx_cursor sx_cursor;              /* a running statement, the driver's */
typedef enum { SX_SQL_NULL, SX_SQL_INT, SX_SQL_REAL, SX_SQL_TEXT } sx_sql_kind;
typedef struct { sx_sql_kind kind; int64_t i; double r; const char *s; } sx_sql;

typedef struct {
    const char *schema;                          /* Optuna's tables in this database's dialect */
    int (*open)(const char *url, bool write, sx_conn **c);           /* 0 or SX_E_*, told to sx_store_error */
    void (*close)(sx_conn *c);
    int (*empty)(sx_conn *c);                    /* 1: no table yet; 0; SX_E_* */
    int (*shared)(sx_conn *c);                   /* once before the first write: many processes will use it */
    int (*begin)(sx_conn *c);                    /* may wait for other writers */
    int (*end)(sx_conn *c, bool commit);
    bool (*passing)(sx_conn *c);                 /* did the last statement fail for a reason that passes? */
    /* Waits for that; false: long enough since `first`. NULL like passing: it never does. */
    bool (*again)(sx_conn *c, bool first);
    int (*script)(sx_conn *c, const char *sql);  /* several statements without parameters */
    /* sql: a constant, known again by its address. The cursor ends at 0, an error, or stop. */
    int (*start)(sx_conn *c, const char *sql, int n, const sx_sql *v, sx_cursor **q);
    int (*next)(sx_cursor *q);                   /* 1: a row; 0: no more; SX_E_* */
    void (*stop)(sx_cursor *q);
    long (*changes)(sx_conn *c);                 /* rows touched by the last statement */
    double (*clock)(sx_conn *c);                 /* seconds since 1970, the same for all workers */
    bool (*null)(sx_cursor *q, int column);
    int64_t (*integer)(sx_cursor *q, int column);
    double (*real)(sx_cursor *q, int column);
    const char *(*text)(sx_cursor *q, int column);                   /* until the next row; NULL: null */
} sx_driver;

/* The words of last_error; returns code. */
int sx_store_error(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The calls of a store, for any driver; see store.h. */
int sx_optuna_open(const sx_driver *driver, const char *url, bool write, sx_db **db);
void sx_optuna_close(sx_db *db);
int sx_optuna_study(sx_db *db, const sx_study_row *want, int64_t *study);
int sx_optuna_find(sx_db *db, const char *name, int64_t *study, sx_study_row *row);
int sx_optuna_list(sx_db *db, sx_on_study *each, void *ctx);
int sx_optuna_rename(sx_db *db, int64_t study, const char *name);
int sx_optuna_news(sx_db *db, int64_t study, int64_t *since, sx_on_event *each, void *ctx);
int sx_optuna_trials(sx_db *db, int64_t study, sx_on_trial *each, void *ctx);
int sx_optuna_brief(sx_db *db, int64_t study, sx_on_trial *each, void *ctx);
int sx_optuna_shelve(sx_db *db, int64_t study, const char *reason);
const char *sx_optuna_written(sx_db *db, int64_t study, int axis);
int sx_optuna_leased(sx_db *db, int64_t study, sx_on_trial *each, void *ctx);
int sx_optuna_one(sx_db *db, int64_t study, long number, sx_on_trial *each, void *ctx);
int sx_optuna_claim(sx_db *db, int64_t study, const char *worker, double lease, long budget, sx_ask *ask,
                    void *ctx, sx_trial_row *mine);
int sx_optuna_add(sx_db *db, int64_t study, const sx_trial_row *fixed, long *number);
int sx_optuna_report(sx_db *db, int64_t trial, const char *worker, long step, int n, const sx_metric *m);
int sx_optuna_beat(sx_db *db, int64_t trial, const char *worker, double lease);
int sx_optuna_finish(sx_db *db, const sx_trial_row *r);
int sx_optuna_note(sx_db *db, int64_t trial, const char *key, const char *json);
int sx_optuna_drop(sx_db *db, int64_t trial, const char *worker, bool died);
int sx_optuna_import(sx_db *db, int64_t study, long n, const sx_trial_row *r, const char *const *note);
const char *sx_optuna_last_error(void);
int sx_optuna_remark(sx_db *db, int64_t study, const char *key, const char *json);
int sx_optuna_remarks(sx_db *db, int64_t study, sx_on_note *each, void *ctx);
int sx_optuna_notes(sx_db *db, int64_t study, const char *key, sx_on_note *each, void *ctx);
#define SX_OPTUNA_STORE \
    .close = sx_optuna_close, .study = sx_optuna_study, .find = sx_optuna_find, .list = sx_optuna_list, \
    .rename = sx_optuna_rename, .news = sx_optuna_news, .trials = sx_optuna_trials, \
    .claim = sx_optuna_claim, .add = sx_optuna_add, .report = sx_optuna_report, .beat = sx_optuna_beat, \
    .finish = sx_optuna_finish, .note = sx_optuna_note, .drop = sx_optuna_drop, \
    .last_error = sx_optuna_last_error, .remark = sx_optuna_remark, .remarks = sx_optuna_remarks, \
    .notes = sx_optuna_notes, \
    .import = sx_optuna_import, .brief = sx_optuna_brief, .leased = sx_optuna_leased, \
    .shelve = sx_optuna_shelve, .written = sx_optuna_written, .one = sx_optuna_one
#endif
