/* import.h: trials of other programs, read from where they are. */
#ifndef IMPORT_H
#define IMPORT_H
#include "csv.h"

typedef struct {
    sx_trial_row row;                            /* ended; values as users see them, x of its own space */
    int line;                                    /* of a CSV */
    sx_named *named; long n;                     /* its variables; of a CSV every cell that is not empty */
    const char *place;                           /* "old.db, study a, trial 7": where it comes from */
} import_trial;
typedef struct {
    bool csv; const char *name;                  /* the file or store, as it was named */
    sx_exp *exp;                                 /* of a store: its own experiment */
    import_trial *v; long n, cap;
    long unfinished;                             /* trials that were left out, as they had not ended */
} import_source;
/* A study of a store; from: its name, or NULL where there is one alone. */
int import_store(cli_context *c, const char *url, const char *from, import_source *out);
/* Optuna's trials_dataframe or hyperopt's trials.csv, for the objectives of e. */
int import_csv(cli_context *c, const csv *t, const sx_exp *e, import_source *out);
/* The objective by --value, from what a trial names. */
int import_value(cli_context *c, import_trial *t, const char *expr, const sx_named *named, long n);
/* A cell as a person wrote it, Python's words included. */
sx_datum import_datum(const char *text);
#endif
