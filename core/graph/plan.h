/* plan.h: graph -> stages -> one slab by liveness. The memory of a step is known before anything runs.
 * Offsets: greedy by size over the live ranges (Pisarchyk & Lee 2020, "Efficient memory management for deep
 * neural net inference"). */
#ifndef SX_PLAN_H
#define SX_PLAN_H
#include "graph.h"

/* Dead code is left out (nothing that results, assigns, updates or puts need), device->supports asked for
 * every op (an error at the layer's file:line), lower called when fuse, liveness and offsets planned. dev may
 * be NULL: no device is asked. */
int sx_plan_open(sx_arena *a, const sx_graph *g, const sx_device *device, sx_dev *dev, bool fuse,
                 sx_plan **out, sx_diags *d);
size_t sx_plan_slab(const sx_plan *p);           /* bytes */
/* What the device takes on top of that and of the bound values, for a queue of so many threads */
size_t sx_plan_beside(const sx_plan *p, int threads);
/* Bytes of the bound values of a role, each rounded up to 64 */
size_t sx_plan_bound(const sx_plan *p, sx_role role);
const sx_graph *sx_plan_graph(const sx_plan *p);
bool sx_plan_wants(const sx_plan *p, sx_value v);                    /* must v be bound before a run? */
/* The last op that reads v or its aliases; -1 */
int64_t sx_plan_reader(const sx_plan *p, sx_value v);
/* What a stage has to do: FLOP of its ops (what it makes again included), bytes of the values it reads and
 * writes. */
typedef struct { double flop, read, written; } sx_work;
sx_work sx_plan_work(const sx_plan *p, const sx_stage *s);
#endif
