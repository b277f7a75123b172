/* mode.h: a net's two programs from inside, for net.c, which opens them, epoch.c and probe.c, which run
 * them. */
#ifndef SX_MODE_H
#define SX_MODE_H
#include "step.h"

typedef struct {                                 /* one of the two programs and its small buffers */
    const sx_step *s; sx_program *p;
    sx_memory *io;                               /* step counter, order, table, logs */
    size_t order_at, table_at, loss_at[SX_COLUMNS], y_at[SX_COLUMNS], value_at[SX_VALUES];
    int32_t *order; float *read;                 /* on the host: the order of rows; a slice of a log */
} sx_mode;
struct sx_net {
    sx_arena *arena; const sx_exp *e; const sx_machine *m; const sx_data *data; uint64_t seed; int64_t trial;
    sx_steps steps; sx_mode train, eval;
    sx_memory *kept[SX_TENSOR_KINDS], *slab;
    sx_room room;
    sx_net_clock clock;
};
int sx_net_put(const sx_net *n, const sx_memory *m, size_t at, const void *from, size_t bytes, sx_diags *d);
int sx_net_get(const sx_net *n, const sx_memory *m, size_t at, void *to, size_t bytes, sx_diags *d);
size_t sx_mode_place(const sx_mode *o, sx_t t, size_t *at);          /* room for t in a buffer */
int sx_mode_io(sx_net *n, sx_mode *o, sx_diags *d);                  /* makes o's small buffer */
void sx_mode_bind(sx_net *n, sx_mode *o);        /* all that o's step reads and writes to its place */
int sx_mode_order(const sx_net *n, const sx_mode *o, long rows, sx_diags *d);   /* o->order to the device */
/* Order and coefficients of an epoch of training to the device; c moves on to its end. */
int sx_mode_epoch(sx_net *n, long epoch, const double *monitor, sx_net_clock *c, sx_diags *d);
#endif
