/* data.h: a data set on a device: rows, labels, the split, the order of an epoch. */
#ifndef SX_DATA_H
#define SX_DATA_H
#include "model.h"

typedef struct {                                 /* a column of the table */
    char name[72]; sx_dtype dtype;               /* u8 or f32 as stored; labels i32 */
    int rank; long shape[SX_RANK];               /* of a row; labels: rank 0 */
    long classes;                                /* of labels: 0 .. classes-1 */
} sx_column_shape;
typedef struct {                                 /* what a step needs to know of the data */
    long rows;                                   /* of the table, all parts */
    int inputs, labels;                          /* input i is the model's input i */
    sx_column_shape input[SX_COLUMNS], label[SX_COLUMNS];
    long fit, val, test;                         /* rows of each part */
} sx_data_shape;
typedef struct { /* one table, resident on the device: the training part, then the test part */
    sx_data_shape shape;
    sx_memory *x[SX_COLUMNS], *y[SX_COLUMNS];    /* inputs and labels */
    const int32_t *label[SX_COLUMNS];            /* the labels on the host */
    const char *const *names[SX_COLUMNS];        /* of their classes, or NULL */
    /* rows used for training, validation (split by seed, at random), test; ascending */
    int32_t *fit, *val, *test;
} sx_data;
/* The label that an output learns: its target, else the one of its name, else the only one; -1: none. */
int sx_data_label(const sx_data_shape *s, const sx_output *o);
/* Opens the data set of e and copies the model's inputs and all labels to the machine (m NULL: labels and
 * shape only, for `check`). The data set is closed again. */
int sx_data_open(sx_arena *a, const sx_exp *e, const sx_machine *m, bool want_test, sx_data **out,
                 sx_diags *d);
/* A table of s->rows rows: x[i] and y[i] are column i, row-major (y or y[i] NULL: zeros), for `predict` and
 * `debug`; first the s->fit rows for training, then s->val, then s->test. And one of random bytes and labels,
 * for `bench`. */
int sx_data_random(sx_arena *a, const sx_machine *m, const sx_data_shape *s, sx_data **out, sx_diags *d);
int sx_data_given(sx_arena *a, const sx_machine *m, const sx_data_shape *s, const void *const *x,
                  const int32_t *const *y, sx_data **out, sx_diags *d);
/* How many of n training rows become validation. */
long sx_data_val_rows(const sx_exp *e, long n);
/* order[steps * batch]: a permutation of rows for that epoch (shuffled by key and epoch; shuffle false: as
 * they stand), padded at the end by the first row where pad; else only whole batches. Room for n + batch is
 * needed. Returns the number of steps. */
long sx_data_order(const int32_t *rows, long n, long batch, bool shuffle, sx_key key, uint32_t epoch,
                   bool pad, int32_t *order);
#endif
