/* data.h: a data set on a device: rows, labels, the split, the order of an epoch. */
#ifndef SX_DATA_H
#define SX_DATA_H
#include "model.h"

typedef struct {                                 /* one part, resident on the device */
    sx_set set; const sx_entry *entry;
    sx_memory *x, *y;                            /* rows as stored (u8 or f32); labels i32 */
} sx_table;
typedef struct {
    sx_table train, test; bool has_test;
    int32_t *fit; long n_fit;                    /* rows of train used for training, ascending */
    int32_t *val; long n_val;                    /* and for validation (split by seed, at random) */
} sx_data;
/* Opens the data set of e and copies it to the machine (m NULL: stays on the host, for `check`). Labels are checked against classes. */
int sx_data_open(sx_arena *a, const sx_exp *e, const sx_machine *m, bool want_test, sx_data **out, sx_diags *d);
/* order[steps * batch]: a permutation of rows for that epoch (shuffled by key and epoch; shuffle false: as they stand), padded
 * at the end by the first row where pad; else only whole batches. Returns the number of steps. */
long sx_data_order(const int32_t *rows, long n, long batch, bool shuffle, sx_key key, uint32_t epoch, bool pad, int32_t *order);
#endif
