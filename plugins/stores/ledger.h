/* ledger.h: what the files optuna*.c share: an opened database, the studies known of it, statements. */
#ifndef SX_LEDGER_H
#define SX_LEDGER_H
#include "arena.h"
#include "distribution.h"
#include "optuna.h"

struct dist { struct dist *next; const char *text; sx_dist d; bool fine; };
struct ledger {                                  /* what is known of a study */
    struct ledger *next;
    /* Every trial with an id below settled has had its last event; stored: what the database says of that. */
    int64_t id, settled, stored;
    const char *name;
    int objectives; bool *maximize;
    const sx_space *axes; const char *const *distribution;
    const char *const *written, *space; /* distributions as rows have them, NULL: the same; space: as JSON */
    uint64_t space_hash;
};
struct late { struct late *next; int64_t trial; const char *worker; long step; int n; const sx_metric *m; };
struct sx_db {
    const sx_driver *driver; sx_conn *conn;
    sx_arena *arena, *mine;                      /* mine: rows of the last claim */
    struct ledger *ledgers; struct dist *dists;
    int64_t claimed; const struct ledger *claimed_of;                 /* the last claim */
    struct late *late, **late_end; sx_arena *late_arena;              /* reports that wait for the server */
    bool write, inside;                          /* inside: a transaction is open */
    int error;                                   /* of a statement that could not start */
};
#define SX_FOR_EVER 1e18                         /* a lease held by hand (study ask) */
enum { SX_LOCK_NONE = 0, SX_LOCK_ALL = -1 };     /* else the id of the study that is locked */
#define SX_ROWS " FROM trials t LEFT JOIN strix_trial s ON s.trial_id = t.trial_id "

/* --- Statements (sql.c). types: a letter for each argument: i int64_t, r double (not finite: null), t --- */
sx_cursor *sx_db_query(sx_db *db, const char *sql, const char *types, ...);  /* never fails; next does */
int sx_db_next(sx_db *db, sx_cursor *q);         /* 1: a row; 0: no more; SX_E_* */
void sx_db_stop(sx_db *db, sx_cursor *q);
const char *sx_db_text(sx_db *db, sx_cursor *q, int column, sx_arena *a);        /* kept in a */
int sx_db_run(sx_db *db, const char *sql, const char *types, ...); /* to its end, whatever it gives */
/* The first number of the first row: 1 found, 0 none (or null), SX_E_*. */
int sx_db_lookup(sx_db *db, int64_t *out, const char *sql, const char *types, ...);
/* One transaction, committed where work returns >= 0; returns that, or what went wrong. _once: as it comes;
 * _inside: begun anew where it failed for a reason that passes (the server was away, a deadlock), so work may
 * run more than once; _reading: without a transaction, the same. */
typedef int sx_db_work(sx_db *db, void *ctx);
int sx_db_once(sx_db *db, int64_t lock, sx_db_work *work, void *ctx);
int sx_db_inside(sx_db *db, int64_t lock, sx_db_work *work, void *ctx);
int sx_db_reading(sx_db *db, sx_db_work *work, void *ctx);
bool sx_db_passing(sx_db *db, int rc);           /* would it do so? */
double sx_db_now(sx_db *db);
double sx_db_until(sx_db *db, double lease);
const sx_dist *sx_db_dist(sx_db *db, const char *text);              /* NULL: not readable */

/* --- Words of the tables --- */
const char *sx_time_text(double at, char out[40]);
double sx_time_of(const char *text);             /* 0: none */
const char *sx_word_of(double v);                /* FINITE, INF_POS, INF_NEG, NAN */
double sx_number_of(const char *word, double v);
sx_fate sx_fate_of(const char *word);
const char *sx_fate_word(sx_fate f);
bool sx_fate_ended(sx_fate f);
double sx_user_value(const struct ledger *l, int objective, double v); /* minimised <-> as users see it */

/* --- The space (optuna_space.c) --- */
/* Makes w's distributions those of the study, where Optuna allows it; other: the study had another space. */
int sx_space_join(sx_db *db, struct ledger *l, const sx_study_row *w, bool other);
double sx_space_stored(sx_db *db, const struct ledger *l, int axis, double v); /* a value, as rows have it */
int sx_space_check(sx_db *db, const struct ledger *l); /* SX_E_CONFIG: the study got another space */

/* --- Studies and trials --- */
struct ledger *sx_ledger_of(sx_db *db, int64_t study);               /* NULL: told */
int sx_ledger_open(sx_db *db, int64_t study, const char *name, struct ledger **out);
/* What the tables say of a trial beside its row (optuna_body.c). */
struct shown { int64_t id; const char *name; const sx_dist *dist; double v; };
typedef struct {
    int64_t id; double *x, *value;               /* value NULL: none */
    struct { struct shown *v; long n, cap; } shown;
    struct { long *v; long n, cap; } step;
    struct { double *v; long n, cap; } curve, constraint;
} sx_body;
enum { SX_BODY_POINT = 1, SX_BODY_SHOWN = 2, SX_BODY_VALUE = 4, SX_BODY_CURVE = 8 }; /* shown: for people */
int sx_bodies_read(sx_db *db, const struct ledger *l, sx_arena *a, unsigned want, long n,
                   sx_body *body);               /* their ids ascending, all else zero */
const char *sx_body_text(sx_arena *a, const sx_body *b);             /* the point as JSON */
void sx_body_key(const char *name, FILE *to);    /* a name before its value in such an object; any text */
int sx_row_read(sx_db *db, const struct ledger *l, int64_t id, sx_arena *a, sx_trial_row *r);
/* A row, and what the other tables have to say of it; most: of its reports, or -1; whole: nothing more. */
typedef struct { sx_trial_row r; int64_t event; long most; bool whole; } sx_head;
int sx_heads_fill(sx_db *db, const struct ledger *l, sx_arena *a, unsigned want, long heads, sx_head *h);
int sx_event_add(sx_db *db, const struct ledger *l, int64_t trial, const char *fate);
uint64_t sx_space_hash(const char *space);
int sx_trial_mine(sx_db *db, int64_t trial, const char *worker); /* 0; SX_E_LOST. worker NULL: anybody's */
int sx_trial_note(sx_db *db, int64_t trial, const char *key, const char *json);
int sx_trial_report(sx_db *db, int64_t trial, long step, int n, const sx_metric *m);
/* a running one: what became of it */
int sx_trial_tell(sx_db *db, const struct ledger *l, const sx_trial_row *r);
int sx_trial_end(sx_db *db, const struct ledger *l, int64_t trial, sx_fate fate, const char *reason);
#endif
