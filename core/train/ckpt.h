/* ckpt.h: checkpoints and run directories. A run directory holds: config.cfg (resolved: trains the same net
 * again), last.safetensors (weights, states, slots, clock, history of the monitor), prev.safetensors (the one
 * before it), best.safetensors (weights and states of the best epoch), log.jsonl (one line per epoch), result.json. */
#ifndef SX_CKPT_H
#define SX_CKPT_H
#include "file.h"
#include "step.h"
#include "tensors.h"

typedef struct {                                 /* what a training needs to go on as if never stopped */
    sx_net_clock clock;                          /* of the net; filled by save, set by load */
    long n; const double *monitor;               /* monitor[0..n): of each epoch so far */
    long values; const double *best;             /* all metrics of the best epoch */
} sx_progress_state;
/* slots: with the optimizer's slots and s, to go on from; else weights and states alone. Atomic, see file.h;
 * SX_E_IO. */
int sx_ckpt_save(const char *file, const sx_net *n, const sx_progress_state *s, bool slots, sx_diags *d);
/* The key of a checkpoint's notes for `predict`: "row", or "row/meta" of a named input; "classes" of outputs. */
const char *sx_ckpt_key(sx_arena *a, const char *what, const char *name);
/* Everything is checked (sum of the data, names, shapes) before the net is touched. s NULL: weights and
 * states only; its lists live in a. SX_E_DATA: missing, damaged or of another net. */
int sx_ckpt_load(sx_arena *a, const char *file, sx_net *n, sx_progress_state *s, sx_diags *d);
/* Fills weights and states from any safetensors file by name; prefix (NULL: none) goes before the file's
 * names. Shapes must agree. all: each weight of the net below prefix must be there; missing names are an
 * error, listed. where: who asks. */
int sx_ckpt_import(sx_arena *a, const char *file, const char *prefix, sx_net *n, bool all, sx_where where,
                   sx_diags *d);
#endif
