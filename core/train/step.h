/* step.h: the step around a model: batch -> transforms -> model -> loss -> gradients -> updates, as one graph
 * per mode, with the weights, slots and states that training and evaluation share. */
#ifndef SX_STEP_H
#define SX_STEP_H
#include "data.h"

/* keep_grads: results instead of updates */
typedef struct { bool training; long batch, steps; bool keep_grads; sx_again again; } sx_step_want;
#define SX_ITEM_OF(T, use) ((const T *)(const void *)(use).entry->item)      /* T: sx_loss, sx_optimizer .. */
typedef struct {                                 /* an output of the model */
    sx_t y, logits, loss;  /* inside the model; logits: y itself where no softmax made it; loss per row */
    sx_t loss_rows, y_rows; /* bound logs: [steps * batch]; in evaluation y [steps * batch, width] */
    long width; int label;                       /* numbers in a row of y; the label it learns */
} sx_head;
typedef struct {                                 /* a graph with its handles; not yet on a device */
    sx_graph *graph; long batch, steps;
    sx_t perm, step, table, *data, *labels;      /* bound inputs; labels that no head learns are {0} */
    long heads; sx_head *head;
    long values; sx_t *value_rows;               /* bound logs of train.value; {0}: a loss, or of a set */
    long n_learned; sx_t *learned, *grads, *slots;                   /* slots: n_learned * update->slots */
    sx_layer_rows layers; long model_from;       /* rows before it are transforms */
} sx_step;
int sx_step_write(sx_arena *a, const sx_exp *e, const sx_data_shape *s, const sx_step_want *w, uint64_t seed,
                  int64_t trial, sx_step **out, sx_diags *d);
/* The shape of data that fit model.input without any data set: u8, `fit` rows to learn from and `val` for
 * validation, a label for each output, classes 0 (not checked). For budgets of points and for `bench`. */
int sx_step_shape(sx_arena *a, const sx_exp *e, long fit, long val, sx_data_shape *out, sx_diags *d);

/* A label for each output, under the name that it looks for; classes 0. */
void sx_step_labels(const sx_exp *e, sx_data_shape *s);

/* What is kept of a net by name: weights, states, then slots ("adam.0/blocks.0.conv/kernel"). */
typedef enum { SX_TENSOR_WEIGHT, SX_TENSOR_STATE, SX_TENSOR_SLOT, SX_TENSOR_KINDS } sx_tensor_kind;
typedef struct { const char *name; sx_tensor_kind kind; int rank; const long *shape; long count;
                 size_t offset; bool frozen; const sx_val *val; } sx_tensor;     /* val: how it starts */
typedef struct { /* both modes of one experiment, and the tensors that they share */
    sx_step *train, *eval; int inputs, labels;   /* train NULL: evaluation only; columns of the data */
    struct { sx_tensor *v; long n, cap; } tensors;
    size_t bytes[SX_TENSOR_KINDS]; /* one flat buffer a kind; each tensor starts at a multiple of 64 */
    size_t spared; double again;                 /* bytes that computing again saves, and its share of FLOP */
} sx_steps;
int sx_steps_write(sx_arena *a, const sx_exp *e, const sx_data_shape *s, bool training, uint64_t seed,
                   int64_t trial, sx_again again, sx_steps *out, sx_diags *d);

/* SX_E_UNSUPPORTED: m lacks train.precision */
int sx_step_precision(const sx_exp *e, const sx_machine *m, sx_diags *d);

/* What a trial will take on a device, in bytes, before anything runs. */
/* slab: values of a step; scratch: what the device takes beside it */
typedef struct { size_t weights, slots, states, slab, scratch, data, logs, total; long parameters, frozen;
                 double macs; size_t spared; double again; } sx_budget;
/* m: a device whose `lower` is asked (fused stages; NULL: none is); peak over the training and the evaluation
 * step. */
int sx_step_budget(sx_arena *a, const sx_exp *e, const sx_data_shape *s, const sx_machine *m, sx_budget *out,
                   sx_diags *d);
sx_budget sx_steps_budget(const sx_steps *s, sx_room room);          /* the same for steps already planned */
/* fit.c: both steps and their room on m, as train.recompute says: "auto" takes as they stand what keeps
 * sx_memory_limit, else computes again as little as does; where nothing does, whatever takes the least. fuse: as
 * sx_machine_room. */
typedef struct { bool training, fuse; uint64_t seed; int64_t trial; } sx_fit_want;
int sx_steps_fit(sx_arena *a, const sx_exp *e, const sx_data_shape *s, const sx_machine *m,
                 const sx_fit_want *w, sx_steps *out, sx_room *room, sx_diags *d);
/* Bytes: train.memory, else what m has; INFINITY: not known. */
double sx_memory_limit(const sx_exp *e, const sx_machine *m);
/* limits.c: the shape of e's data set, opened once for all points of an experiment. Thread-safe. */
int sx_exp_shape(const sx_exp *e, sx_data_shape *out, sx_diags *d);
/* sx_exp_constraints that also tells what e costs; cost may be NULL. */
int sx_exp_price(sx_arena *a, const sx_exp *e, const sx_machine *m, sx_budget *cost, sx_diag *why,
                 sx_diags *d);

/* A net on a machine: weights, slots and states by name in device memory, and the two programs. */
typedef struct sx_net sx_net;
int sx_net_open(sx_arena *a, const sx_exp *e, const sx_machine *m, const sx_data *data, uint64_t seed,
                int64_t trial, bool training, sx_net **out, sx_diags *d);
int sx_net_init(sx_net *n, sx_diags *d);         /* initial weights by seed, then files of the config */
long sx_net_tensors(const sx_net *n, const sx_tensor **t);
const sx_tensor *sx_net_tensor(const sx_net *n, const char *name);   /* NULL: none */
const sx_head *sx_net_head(const sx_net *n, long output);            /* of the evaluation */
bool sx_net_softmax(const sx_net *n, long output);                   /* y are probabilities, not logits */
const sx_exp *sx_net_exp(const sx_net *n); const sx_data *sx_net_data(const sx_net *n);
int sx_net_read(const sx_net *n, const sx_tensor *t, float *out, sx_diags *d);
/* Where it lies, until the net runs on; NULL: only a copy can be had */
const float *sx_net_look(const sx_net *n, const sx_tensor *t);
int sx_net_write(sx_net *n, const sx_tensor *t, const float *in, sx_diags *d);
/* loss: the weighted sum over all outputs; metric[i]: train.value[i] */
typedef struct { double loss, metric[SX_VALUES]; long rows; double seconds; } sx_tally;
/* Looked at between slices of about half a second; slices change no bit. */
typedef struct {
    volatile int *stop;                          /* 2: return SX_E_STOPPED at once; or NULL */
    /* or NULL; nonzero (SX_E_*) ends the run with that code */
    int (*pulse)(void *ctx, double share); void *ctx;
} sx_watch;
/* One epoch of training: order and learning-rate table are made here. loss: mean over rows; not finite where
 * diverged (the rest of the epoch is then left out). monitor[0..epoch): for schedules. */
int sx_net_train(sx_net *n, long epoch, const double *monitor, const sx_watch *w, sx_tally *out, sx_diags *d);
/* Evaluation over rows of the table. y[output] gets count * width numbers; y may be NULL. */
int sx_net_eval(sx_net *n, const int32_t *rows, long count, const sx_watch *w, sx_tally *out, float *const *y,
                sx_diags *d);
/* The optimizer's place: t steps done and its memo; saved in checkpoints. */
typedef struct { long t, epoch; double memo[4]; } sx_net_clock;
sx_net_clock sx_net_time(const sx_net *n); void sx_net_set_time(sx_net *n, sx_net_clock c);
sx_budget sx_net_used(const sx_net *n);          /* what was really taken from the device */
double sx_net_now(void);                         /* seconds of a steady clock */
/* For `bench step`: seconds of each of `steps` steps, after `warm` others, of a training one at a time; then the stages
 * of all of them, as sx_program_profile gives them. */
int sx_net_time_steps(sx_net *n, bool training, long warm, long steps, double *seconds, sx_diags *d);
long sx_net_profile(sx_arena *a, sx_net *n, bool training, const sx_stage_time **out);
/* For `debug grads`: one step over all rows of the data, without updates of weights; states are updated where
 * training. */
/* n: learned weights; logits and loss (per row) by output */
typedef struct { long rows, n; float **logits, **loss; const sx_tensor *const *weight;
                 float **grad; } sx_probe;
int sx_net_probe(sx_arena *a, sx_net *n, bool training, sx_probe *out, sx_diags *d);
#endif
