/* again.h: which results of the model the backward pass computes again rather than keeps, for grad.c. */
#ifndef SX_AGAIN_H
#define SX_AGAIN_H
#include "graph.h"

/* Ops [from, to] of the model. bytes, flop: of the results that nothing behind it needs */
typedef struct { int64_t from, to; size_t bytes; double flop; bool again; } sx_segment;
typedef struct {
    sx_graph *g; uint32_t vals;                  /* vals: of the model */
    sx_segment *v; long n, cap, chosen;
    bool *redo;                                  /* by value: it is computed again with its segment */
    sx_t *copy; int depth; /* by value: its copy behind the model; depth of sx_again_value */
    size_t bytes; double flop;                   /* of all results that could be; of those that are */
} sx_again_plan;
/* As g->again says, for the ops of g so far, which are the model. active: by value, it depends on a learned
 * weight. */
void sx_again_open(sx_graph *g, const bool *active, sx_again_plan *out);
/* A value of the model for use in the backward part: itself, or its copy, whose ops are written here. */
sx_t sx_again_value(sx_again_plan *p, sx_t v);
#endif
