/* again.h: which results of the model the backward pass computes again rather than keeps, for grad.c, which writes that
 * down. */
#ifndef SX_AGAIN_H
#define SX_AGAIN_H
#include "graph.h"

/* Ops [from, to] of the model. bytes, flop: of the results that nothing behind it needs */
typedef struct { int64_t from, to; size_t bytes; double flop; bool again; } sx_segment;
typedef struct {
    sx_segment *v; long n, cap, chosen;
    bool *redo;                                  /* by value: it is computed again, with its segment */
    size_t bytes; double flop;                   /* of all results that could be; of those that are */
} sx_again_plan;
/* As g->again says, for the first `ops` ops of g, which are the model. active: by value, it depends on a learned
 * weight. */
void sx_again_open(const sx_graph *g, const bool *active, int64_t ops, sx_again_plan *out);
#endif
