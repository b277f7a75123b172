/* cli.h: what the verbs of `strix` share: options, the context of a run, results, progress.
 * A verb is one file: a table of options, a function, a cli_verb naming both. Only cli/ prints or exits. */
#ifndef CLI_H
#define CLI_H
#include <jansson.h>
#include <stdio.h>
#include "model.h"
#include "report.h"
#include "worker.h"

/* --- Verbs and options. Parsing, checks and --help come from these tables --- */
/* LIST: may be repeated; TIME: 90, 15m */
typedef enum { CLI_FLAG, CLI_TEXT, CLI_LONG, CLI_REAL, CLI_LIST, CLI_TIME } cli_kind;
typedef struct {
    const char *name; char letter;               /* "trials", 0 */
    cli_kind kind;
    const char *value, *doc;                     /* "N", "stop after N trials" */
    double min, max;                             /* of a number; both 0: no bounds */
} cli_option;
#define CLI_END { .name = NULL }
typedef struct cli_context cli_context;
typedef struct {
    const char *name, *args, *doc;               /* "check", "FILE", what it does in one line */
    int least, most;                             /* number of arguments; most < 0: any */
    const cli_option *options;                   /* CLI_END last; NULL: none */
    const char *more;                            /* further lines of --help, or NULL */
    /* 0, or SX_E_* with the story in c->diags, or a positive exit code. main prints the diags. */
    int (*run)(cli_context *c);
} cli_verb;
extern const cli_verb verb_check, verb_train, verb_tune, verb_worker, verb_eval, verb_predict, verb_study,
    verb_plugins, verb_conform, verb_bench, verb_debug, verb_version;
extern const cli_verb *const cli_verbs[];        /* NULL-terminated, in the order of --help */
extern const cli_option cli_globals[];

/* --- The run of one verb --- */
typedef struct { const cli_option *option; const char *text; double number; } cli_given;
typedef enum { CLI_PROGRESS_AUTO, CLI_PROGRESS_ALWAYS, CLI_PROGRESS_NEVER } cli_progress_mode;
struct cli_context {
    sx_arena *arena; sx_diags diags;
    sx_diags told;                               /* warnings that were shown while trials ran */
    const cli_verb *verb;                        /* NULL before it is known */
    int args; const char **arg;                  /* what follows the verb, NULL-terminated */
    struct { cli_given *v; long n, cap; } given;
    bool help, version;
    bool json, dry_run, color; int verbosity;    /* -q: -1; -v: 1, 2 */
    sx_edits edits;                              /* --extends, --set, --unset */
    const char *device;                          /* --device, STRIX_DEVICE, "cpu" */
    int threads;                                 /* --threads, STRIX_THREADS, 0: all cores */
    bool has_seed; uint64_t seed;
    /* colon list of absolute directories, or NULL: hand it to child processes */
    const char *plugin_path;
    const char *events; cli_progress_mode progress;
    /* 0; 1 after SIGINT or SIGTERM: finish the epoch, save, return SX_E_STOPPED */
    volatile int stop;
    volatile int signal;                         /* which one */
    bool printed;                                /* a JSON document went to stdout */
    sx_registry *registry;
};
/* Options of the verb (a name that its table lacks is a bug). Not given: false, or `none`. */
bool cli_flag(const cli_context *c, const char *name);
const char *cli_text(const cli_context *c, const char *name, const char *none);
long cli_long(const cli_context *c, const char *name, long none);
/* also of CLI_TIME, in seconds */
double cli_real(const cli_context *c, const char *name, double none);
long cli_list(cli_context *c, const char *name, const char *const **v);
/* options.c: fills c from the command line; SX_E_USAGE with all mistakes in c->diags. */
int cli_parse(cli_context *c, int argc, char **argv);
void cli_help(const cli_context *c, FILE *to);   /* of c->verb, or of the program */
int cli_exit_code(const cli_context *c, int rc);

/* --- Results (output.c). Everything a person or a script reads goes to stdout through these --- */
/* error without place */
int cli_fail(cli_context *c, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* SX_E_USAGE with a hint to --help */
int cli_usage(cli_context *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_flush(cli_context *c);                  /* prints and forgets the diags so far (to stderr) */
/* a line of chatter on stderr; silent with -q */
void cli_note(cli_context *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
sx_registry *cli_registry(cli_context *c);       /* opened on first use */
/* Reads file with the edits of the command line and opens it; --seed replaces tune.seed. */
int cli_load_experiment(cli_context *c, const char *file, sx_exp **out);
/* rc of what a file's own variables make: where a layer refuses them, the file is wrong (SX_E_CONFIG). */
int cli_own_net(int rc);
/* Patterns of model.freeze that name no layer. */
void cli_warn_freeze(cli_context *c, const sx_exp *e);
/* Are the values of `vars` in the space? (check.c) */
void cli_warn_vars(cli_context *c, const sx_exp *e);
int cli_machine(cli_context *c, sx_machine **out);                   /* --device with --threads */
/* A table: heads "layer|shape|>parameters" ('>': right-aligned); cells are as many texts, NULL is empty. */
typedef struct cli_table cli_table;
cli_table *cli_table_open(cli_context *c, const char *heads);
void cli_table_row(cli_table *t, const char *const *cells);
#define CLI_ROW(t, ...) cli_table_row(t, (const char *const[]){ __VA_ARGS__ })
void cli_table_print(const cli_table *t);
/* One document a command. Adds "schema" (1 where missing) in front, prints to stdout, takes the reference. */
void cli_json_print(cli_context *c, json_t *doc);
void cli_json_write(FILE *to, json_t *doc, bool compact);            /* any document, with a line's end */
/* A number of a document: non-finite ones are null, and KEY_state says which ("nan", "inf", "-inf"). */
void cli_json_real(json_t *object, const char *key, double v);
json_t *cli_json_datum(const sx_datum *v);
json_t *cli_json_diag(const sx_diag *d);         /* {code, file, line, path, message, detail, hint} */
const char *cli_count(sx_arena *a, double n);    /* 20,024,384 */
const char *cli_bytes(sx_arena *a, double n);    /* 1.56 GB (powers of 1000) */
const char *cli_seconds(sx_arena *a, double s);  /* 4.1 s, 3 min 12 s, 2 h 05 min */
const char *cli_shape(sx_arena *a, int rank, const long *shape);     /* [28, 28, 32] */

/* --- Trained nets (eval.c) --- */
/* The net of a run directory with the weights of its best epoch; open_data gives the rows that it will look at. */
typedef int cli_open_data(cli_context *c, const sx_exp *e, const sx_machine *m, void *ctx, sx_data **data);
int cli_open_run(cli_context *c, const char *dir, cli_open_data *open_data, void *ctx, sx_net **net);
/* its safetensors file: best, else last */
const char *cli_run_weights(cli_context *c, const char *dir);
/* What the net says of rows of its data, against the labels: an element of out for each output. As text or into a
 * JSON object; whole: with the confusion matrix. */
int cli_verdicts(cli_context *c, sx_net *net, const int32_t *rows, long n, sx_tally *tally, sx_verdicts **out);
void cli_verdicts_print(cli_context *c, const sx_net *net, const sx_verdicts *v, bool whole);
void cli_verdicts_json(cli_context *c, json_t *o, const sx_net *net, const sx_verdicts *v, bool whole);
long cli_argmax(const float *y, long n);

/* --- Progress (progress.c): stderr, and --events FILE. Any thread may call, many trials may run --- */
typedef struct cli_progress cli_progress;
typedef struct {
    const char *title;                           /* name of the study or file */
    /* budget of the study and how many are done already; 0: a single training */
    long trials, done;
    const char *objective; bool maximize;        /* "val_accuracy" */
    bool several;                                /* objectives, of which this is the first: no trial is the best */
    bool has_best; double best; long best_trial; /* so far */
} cli_progress_want;
cli_progress *cli_progress_open(cli_context *c, const cli_progress_want *w);
/* values: JSON object of a sx_trial_row, or NULL */
void cli_progress_start(cli_progress *p, long trial, const char *values, long epochs);
/* share of this epoch, 0 .. 1 */
void cli_progress_pulse(cli_progress *p, long trial, long epoch, double share);
void cli_progress_epoch(cli_progress *p, long trial, const sx_epoch *e);
void cli_progress_end(cli_progress *p, long trial, sx_fate fate, double value, const char *reason);
/* d, above the status; p NULL: there is none */
void cli_progress_diags(cli_progress *p, const sx_diags *d);
/* a line above the status */
void cli_progress_note(cli_progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_progress_event(void *progress, const sx_event *e);          /* sx_worker_want.event */
void cli_progress_close(cli_progress *p);        /* removes the status; NULL is fine */
#endif
