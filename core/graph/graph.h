/* graph.h: a model written down as ops over values, before any device sees it. Layers write through plugin.h;
 * the core adds the step around the model (batch, loss, gradients, updates). Values are numbered from 1. */
#ifndef SX_GRAPH_H
#define SX_GRAPH_H
#include <strix/device.h>
#include "config.h"
#include "rng.h"

/* Results of so few bytes are kept, whatever they cost. */
enum { SX_KEPT_BYTES = 1 << 16 };
typedef enum { SX_ROLE_TEMP, SX_ROLE_INPUT, SX_ROLE_WEIGHT, SX_ROLE_STATE, SX_ROLE_SLOT,
               SX_ROLE_RESULT } sx_role;
typedef struct {                                 /* one value */
    sx_role role; sx_dtype dtype;
    int rank; long shape[SX_RANK + 1];           /* 0-terminated; shape[0] = batch where batched */
    bool batched, learned;                       /* learned: a weight that is not frozen */
    int64_t maker;                               /* index of the op that writes it; -1 */
    const char *name;                            /* of bound ones: "blocks.0.conv/kernel" */
    const char *init; float fill; sx_key key;    /* how a weight or state starts */
    float lr_scale, l1, l2;                      /* of a weight */
    int64_t reader;                              /* index of the first op that reads it; -1 */
} sx_val;
typedef struct {                                 /* the layer that writes now; see sx_graph_enter */
    const char *path;                            /* "blocks.2.convs.0.conv": prefix of its weights' names */
    const sx_conf *conf;                         /* for file:line of refusals */
    const char *type;                            /* "conv2d", for messages */
    int inputs; const sx_t *in;
    bool training, frozen;
    double lr_scale, l1, l2;
} sx_layer_context;
/* What a layer wrote: ops [first, last); or what sx_grad wrote for it (x, y 0) */
typedef struct {
    int64_t first, last; sx_layer_context at; const sx_layer *layer; const void *params; sx_t x, y;
    bool custom;                                 /* the layer has a backward of its own */
} sx_span;
/* What the backward pass computes again rather than keeps. segment 0: the results of cheap ops alone. Else
 * the model is cut where little crosses, about every `segment` bytes of results; all that lies between is
 * computed again in `most` of these pieces (0: all but the last), those first that give the most bytes for an
 * operation. */
typedef struct { size_t segment; long most; } sx_again;
/* bytes: of all results that could be computed again; flop: of those that are, for a step; pieces: how many
 * do */
typedef struct { size_t bytes; double flop; long pieces; } sx_redone;
struct sx_graph {
    sx_arena *arena; sx_diags *diags;
    bool training; sx_dtype compute;             /* SX_F32 or SX_BF16 */
    long batch; uint64_t seed; int64_t trial;
    struct { sx_node *v; long n, cap; } ops;
    struct { sx_val *v; long n, cap; } vals;     /* vals.v[id - 1] */
    struct { sx_span *v; long n, cap; } spans;
    sx_layer_context at;
    int64_t at_first;                            /* its first op */
    struct { sx_t *v; long n, cap; } outs;       /* of that layer: v[i] is output i; leave sets v[0] */
    struct { struct sx_name *v; long n, cap; } names;                /* hash of names in use -> value */
    sx_t step;                                   /* i32[1]: counter that RANDOM, ROWS, PUT, UPDATE read */
    bool refused;
    bool mute;                                   /* this layer has refused, or was given a refused input */
    bool quiet; /* refusals are not reported (constraints, `check --space`) */
    sx_again again;                              /* for sx_grad */
    sx_redone redone;                            /* what sx_grad made of it */
};
typedef struct { bool training; sx_dtype compute; long batch; uint64_t seed; int64_t trial; sx_again again;
               } sx_graph_want;

sx_graph *sx_graph_open(sx_arena *a, const sx_graph_want *w, sx_diags *d);
/* Brackets a layer's forward: all it writes belongs to c->path; sx_graph_leave records the span. */
void sx_graph_enter(sx_graph *g, const sx_layer_context *c);
void sx_graph_leave(sx_graph *g, const sx_layer *l, const void *params, sx_t x, sx_t y);
sx_val *sx_graph_val(const sx_graph *g, sx_t t); /* NULL of a refused one */
/* Values bound from outside. shape is complete (batch included where batched). */
sx_t sx_graph_bound(sx_graph *g, sx_role role, const char *name, sx_dtype dtype, const long *shape,
                    bool batched);
/* T is read by the host after a run; bound, not in the slab */
void sx_graph_result(sx_graph *g, sx_t t, const char *name);
/* Appends an op after inferring its shape; {0} and a refusal where shapes do not fit. attr of attr_size is
 * copied. Ops without result give in[0]. */
sx_t sx_graph_op(sx_graph *g, sx_opcode code, int n, const sx_t *in, const void *attr, size_t attr_size);
/* The same for any node (op, map, k and attr are taken from it; attr_size 0: attr is not copied). like: where
 * shape or batched do not follow from the inputs (fill, random, expand): a value that has them; else NULL. */
sx_t sx_graph_node(sx_graph *g, const sx_node *node, int n, const sx_t *in, size_t attr_size,
                   const sx_val *like);
/* The layer that wrote an op; NULL: the step around the model */
const sx_span *sx_graph_span(const sx_graph *g, int64_t op);
sx_where sx_graph_where(const sx_graph *g, int64_t op);              /* its file:line */
sx_t sx_graph_root(const sx_graph *g, sx_t t);   /* what a chain of reshape and stop lies on */
/* "[28, 28, 1]"; the batch is left out */
const char *sx_graph_shape(sx_arena *a, const sx_val *v);
size_t sx_dtype_size(sx_dtype t); const char *sx_dtype_name(sx_dtype t);
/* Names of bound values (or of any counter) -> a number; 0: not known. */
uint32_t sx_graph_find(sx_graph *g, const char *name);
void sx_graph_name(sx_graph *g, const char *name, uint32_t value);
/* Shape from a 0-terminated list behind an optional batch axis; false where that has too many axes. */
bool sx_val_set_shape(sx_val *v, const long *shape, const long *batch);
long sx_val_count(const sx_val *v);              /* elements */
size_t sx_val_bytes(const sx_val *v);
sx_t sx_graph_map(sx_graph *g, const sx_map *m, int n, const sx_t *in, const float *k);
const sx_op *sx_op_row(sx_opcode code);          /* the built-in ops as rows of the struct own ops use */
bool sx_op_cheap(sx_opcode code); bool sx_op_inplace(sx_opcode code); bool sx_op_rowwise(sx_opcode code);
bool sx_op_alias(const sx_op *op);               /* reshape and stop: planned to the same place, never run */
char sx_op_type(sx_opcode code);                 /* the type column of ops.def */
/* shape.c: the rules. out->rank, shape, dtype, batched are filled; false after sx_refuse. */
bool sx_shape_infer(sx_graph *g, sx_opcode code, int n, const sx_t *in, const void *attr, sx_val *out);
/* Rank <= 8, axes >= 1, at most 2^40 elements; or refuses */
bool sx_shape_check(sx_graph *g, const sx_val *v);
/* init.c: the numbers that a weight or state starts with: elements [from, from + n), from even. */
void sx_init_fill(const sx_val *v, long from, long n, float *out);
bool sx_init_known(const char *init);
/* Does an expression's text name x, x0, y ..? */
bool sx_map_names(const char *text, const char *name);

/* grad.c: appends the gradient ops of sum(rows of loss) * scale, of several losses their sum, for every
 * learned weight. grads[i] belongs to the i-th learned weight in order of vals; {0}: no path leads there (an
 * error is reported). Source: reverse mode, Griewank & Walther 2008, ch. 3. */
int sx_grad(sx_graph *g, sx_t loss, double scale, long *n, sx_t **weights, sx_t **grads);
int sx_grad_sum(sx_graph *g, long losses, const sx_t *loss, const double *scale, long *n, sx_t **weights,
                sx_t **grads);

/* cost.c: what a model costs; MACs of conv and matmul for one row, forward only. */
typedef struct { long parameters, frozen; double macs; } sx_cost;
/* Ops [from, to); parameters of weights these ops read first */
sx_cost sx_graph_cost(const sx_graph *g, int64_t from, int64_t to);
double sx_op_flop(const sx_graph *g, const sx_node *op); /* of a step, counted the direct way; own ops: 0 */
#endif
