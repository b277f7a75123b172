/* graph_help.h: what the tests of graphs and plans need again and again. */
#ifndef GRAPH_HELP_H
#define GRAPH_HELP_H
#include <criterion/criterion.h>
#include <string.h>
#include "graph.h"

static sx_arena *arena;
static sx_diags diags;

static inline sx_graph *new_graph(bool training, long batch)
{
    if (!arena) arena = sx_arena_open(NULL);
    sx_diags_init(&diags, arena);
    return sx_graph_open(arena, &(sx_graph_want){ .training = training, .compute = SX_F32, .batch = batch,
                                                  .seed = 1 }, &diags);
}

static inline void close_graphs(void) { sx_arena_close(arena); arena = NULL; }

/* A batch of inputs, bound from outside. */
static inline sx_t batch_of(sx_graph *g, const char *name, const long *row)
{
    long shape[SX_RANK + 1] = { g->batch };
    for (int i = 0; row[i]; i++) shape[i + 1] = row[i];
    return sx_graph_bound(g, SX_ROLE_INPUT, name, SX_F32, shape, true);
}

static inline sx_t labels_of(sx_graph *g)
{
    return sx_graph_bound(g, SX_ROLE_INPUT, "labels", SX_I32, (const long[]){ g->batch, 0 }, true);
}

/* The whole shape as text: "4x28x28x1", with a star where the first axis is the batch. */
static inline const char *shape_of(const sx_graph *g, sx_t t)
{
    const sx_val *v = sx_graph_val(g, t);
    if (!v) return "refused";
    const char *text = v->batched ? "*" : "";
    for (int i = 0; i < v->rank; i++) text = sx_format(g->arena, "%s%s%ld", text, i ? "x" : "", v->shape[i]);
    return text;
}

#define SHAPE_IS(T, TEXT) cr_expect_str_eq(shape_of(g, T), TEXT)
/* The call is refused, and the last message is this one. */
#define REFUSED(T, TEXT) do { \
    const long before_ = diags.errors; \
    cr_expect_eq((T).id, 0); \
    cr_assert_eq(diags.errors, before_ + 1, "no message: %s", TEXT); \
    cr_expect_str_eq(diags.v[diags.n - 1].text, TEXT); \
    diags.errors = before_; diags.n--; g->mute = g->refused = false; } while (0)

static inline long count_ops(const sx_graph *g, sx_opcode code)
{
    long n = 0;
    for (long i = 0; i < g->ops.n; i++) n += g->ops.v[i].op->code == (uint32_t)code;
    return n;
}
#endif
