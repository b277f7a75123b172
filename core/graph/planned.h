/* planned.h: the inside of a plan, for the files that make it: plan.c (ops in order, what devices ask),
 * stages.c (covering, checks, order of stages) and slab.c (places in memory). */
#ifndef SX_PLANNED_H
#define SX_PLANNED_H
#include "plan.h"

struct value {
    sx_val val;                                  /* as in the graph; of a side value made up */
    size_t bytes;
    uint32_t root;                               /* id of what it lies on; its own where it is no alias */
    int64_t maker, reader;                       /* ops of the plan; -1. reader: the last one */
    int readers;
    bool used, side, kept;                       /* kept: from one time of a run to the next */
    int64_t writer;                              /* stage that writes it; -1 */
    uint32_t block;                              /* place in the slab, shared by values in place; 0: none */
};
struct stage { sx_stage s; bool plain; int64_t key; };               /* plain: one op, made by the core */
struct block { size_t bytes, offset; uint32_t first, last; };        /* stages [first, last] need it */

struct sx_plan {
    sx_arena *arena; const sx_graph *graph; const sx_device *device; sx_dev *dev; sx_diags *diags;
    sx_node *op; uint32_t ops; const int64_t *from; /* from: op of the graph, for messages */
    struct { struct value *v; long n, cap; } values;
    struct { struct stage *v; long n, cap; } stages;
    struct { struct block *v; long n, cap; } blocks;
    sx_stage *order; uint32_t orders;
    bool lowering; const char *fault;            /* fault: the first thing that the device did wrong */
    size_t slab;
};

static inline struct value *value(const sx_plan *p, uint32_t id) { return &p->values.v[id - 1]; }
static inline struct value *root(const sx_plan *p, uint32_t id) { return value(p, value(p, id)->root); }
static inline bool known(const sx_plan *p, sx_value v) { return v.id && v.id <= p->values.n; }
static inline bool in_slab(const struct value *v) { return v->val.role == SX_ROLE_TEMP; }
static inline size_t round_up(size_t n) { return (n + 63) & ~(size_t)63; }

static inline bool writes(const sx_node *op) { return op->op->code && !op->out.id; } /* into a bound value */

/* Does the op write its input i? w of ASSIGN, PUT, ADVANCE; w and slots of UPDATE. */
static inline bool writes_input(const sx_node *op, int i)
{
    return writes(op) && (i == 0 || (op->op->code == SX_OP_UPDATE && i >= 4));
}

/* Notes the first thing that the device did wrong; returns SX_E_DEVICE. */
int sx_plan_wrong(sx_plan *p, const char *what);
void sx_stages_add(sx_plan *p, const sx_stage *s, bool plain);       /* copies the arrays */
/* One stage for every needed op that is not covered; then all stages are checked and put in an order that
 * works. */
void sx_stages_settle(sx_plan *p);
/* Lives of values over the stages -> offsets in the slab. */
void sx_slab_place(sx_plan *p);
#endif
