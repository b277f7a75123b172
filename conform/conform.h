/* conform.h: the tests that any plugin of a kind must pass, for `make check` and `strix conform FILE.so`.
 * A suite calls conform_check for each fact; lines are TAP; the last one: 'N passed, N failed, N skipped'. */
#ifndef CONFORM_H
#define CONFORM_H
#include <stdio.h>
#include "model.h"

typedef struct {
    sx_arena *arena;                             /* of the whole run */
    sx_registry *registry;
    const char *device;                          /* "cpu": what the suites compute on */
    int threads;
    FILE *out;
    long passed, failed, skipped;
    const char *loading;                         /* the file whose code runs before it has items, or NULL */
    const sx_entry *entry;                       /* the item under test */
    const char *store;                           /* URL for stores that are no files, or NULL */
    double patience;                             /* of a guarded run: seconds between two lines; 0: any */
    FILE *document;                              /* of a guarded run that does not come to its end; or NULL */
} conform;

/* One line: "ok 3 - layer dense: gradient of kernel". The text says what should hold. Returns ok. */
bool conform_check(conform *c, bool ok, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "ok 4 - ... # SKIP" */
void conform_skip(conform *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "# ..." below a line: numbers, reasons */
void conform_note(conform *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void conform_diags(conform *c, const sx_diags *d);                   /* as notes */

/* Settings to try e with: defaults, small values where one is required. NULL: cannot be filled (checked). */
void *conform_params(conform *c, sx_arena *a, const sx_entry *e);
/* The same with one parameter set to v; list members all v; a truth value 0 or 1, a choice its index. NULL where p
 * is a text. */
void *conform_params_with(conform *c, sx_arena *a, const sx_entry *e, const sx_param *p, double v);
/* The legal ends of p's range (an open end: a little inside; an endless one is left out); how many. */
int conform_ends(const sx_param *p, double ends[2]);
/* How many words or truth values p has; 0: it is neither. */
int conform_words(const sx_param *p);

/* What holds for every item: name, documentation, parameters with documentation, defaults in range. */
int conform_item(conform *c, const sx_entry *e);
/* By kind; 0 or SX_E_* where the suite could not run. */
/* conform_layer.c; also losses and metrics */
int conform_layer(conform *c, const sx_entry *e);
int conform_loss(conform *c, const sx_entry *e);
int conform_metric(conform *c, const sx_entry *e);
int conform_optimizer(conform *c, const sx_entry *e);                /* conform_optimizer.c; also schedules */
int conform_schedule(conform *c, const sx_entry *e);
int conform_dataset(conform *c, const sx_entry *e);
int conform_sampler(conform *c, const sx_entry *e);                  /* conform_search.c */
int conform_pruner(conform *c, const sx_entry *e);
int conform_store(conform *c, const sx_entry *e);
int conform_device(conform *c, const sx_entry *e);

/* conform_item and the suite of its kind */
int conform_entry(conform *c, const sx_entry *e);
int conform_file(conform *c, const char *file, sx_diags *d);         /* every item of a file */
/* From now on a crash, and a wait of more than c->patience, is a failure with a line; it ends the process, as
 * SIGINT and SIGTERM do at once. guard.c */
void conform_guard(conform *c);
void conform_clock(const conform *c, bool runs); /* begins a wait of c->patience anew, or stops it */
/* plan and last line; 0: nothing failed */
int conform_end(conform *c);
void conform_document(const conform *c, FILE *to);                   /* the counts as JSON; takes no memory */
#endif
