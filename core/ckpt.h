/* ckpt.h: checkpoints and run directories. A run directory holds: config.cfg (resolved: trains the same net again),
 * last.safetensors (weights, states, slots, clock, history of the monitor), best.safetensors (weights and states of the
 * best epoch), log.jsonl (one line per epoch), result.json. */
#ifndef SX_CKPT_H
#define SX_CKPT_H
#include "file.h"
#include "step.h"
#include "tensors.h"

typedef struct {                                 /* what a training needs to go on as if never stopped */
    sx_net_clock clock; long best_epoch; double best; long n; const double *monitor;     /* monitor[0..n): by epoch */
} sx_progress_state;
int sx_ckpt_save(const char *file, const sx_net *n, const sx_progress_state *s, bool slots, sx_diags *d);
int sx_ckpt_load(sx_arena *a, const char *file, sx_net *n, sx_progress_state *s, bool slots, sx_diags *d); /* s NULL: weights and states only */
/* Fills weights from any safetensors file by name; prefix is put before the file's names. Shapes must agree; missing names are an
 * error, listed. */
int sx_ckpt_import(sx_arena *a, const char *file, const char *prefix, sx_net *n, bool all, sx_where where, sx_diags *d);
#endif
