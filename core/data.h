/* data.h: a data set on a device: rows, labels, the split, the order of an epoch. */
#ifndef SX_DATA_H
#define SX_DATA_H
#include "model.h"

typedef struct {                                 /* what a step needs to know of the data */
    long rows, classes; int rank; long shape[SX_RANK]; sx_dtype dtype; /* rows: of the table, all parts */
    long fit, val, test;                         /* rows of each part */
} sx_data_shape;
typedef struct { /* one table, resident on the device: the training part, then the test part */
    sx_data_shape shape; const char *const *names;                           /* of the classes, or NULL */
    sx_memory *x, *y;                            /* rows as stored (u8 or f32); labels i32 */
    const int32_t *label;                        /* the labels on the host */
    /* rows used for training, validation (split by seed, at random), test; ascending */
    int32_t *fit, *val, *test;
} sx_data;
/* Opens the data set of e and copies it to the machine (m NULL: labels and shape only, for `check`). The data
 * set is closed again. */
int sx_data_open(sx_arena *a, const sx_exp *e, const sx_machine *m, bool want_test, sx_data **out,
                 sx_diags *d);
/* A table of s->rows rows (f32 or u8, row-major) with labels (NULL: zeros), for `predict`, `debug`: first the
 * s->fit rows for training, then s->val, then s->test. And one of random bytes and labels, for `bench`. */
int sx_data_random(sx_arena *a, const sx_machine *m, const sx_data_shape *s, sx_data **out, sx_diags *d);
int sx_data_given(sx_arena *a, const sx_machine *m, const sx_data_shape *s, const void *x, const int32_t *y,
                  sx_data **out, sx_diags *d);
/* How many of n training rows become validation. */
long sx_data_val_rows(const sx_exp *e, long n);
/* order[steps * batch]: a permutation of rows for that epoch (shuffled by key and epoch; shuffle false: as
 * they stand), padded at the end by the first row where pad; else only whole batches. Room for n + batch is
 * needed. Returns the number of steps. */
long sx_data_order(const int32_t *rows, long n, long batch, bool shuffle, sx_key key, uint32_t epoch,
                   bool pad, int32_t *order);
#endif
