/* plan.c: graph -> ops in order -> stages -> one slab, and what a device may ask meanwhile.
 * Dead ops go, and writes into bound values wait for the readers of the old ones. */
#include "planned.h"
#include <stdlib.h>
#include <string.h>

static bool waits(const sx_node *op) { return op->op->code == SX_OP_ASSIGN || op->op->code == SX_OP_UPDATE; }

/* --- From graph to ops in order --- */
static void take_values(sx_plan *p)
{
    for (long i = 0; i < p->graph->vals.n; i++) {
        const sx_val *v = &p->graph->vals.v[i];
        const sx_node *op = v->maker < 0 ? NULL : &p->graph->ops.v[v->maker];
        const uint32_t on = op && sx_op_alias(op->op) ? value(p, op->in[0].id)->root : (uint32_t)i + 1;
        const struct value own = { .val = *v, .bytes = sx_val_bytes(v), .root = on, .maker = -1, .reader = -1,
                                   .writer = -1 };
        SX_PUSH(p->arena, p->values, own);
    }
}

/* Marks what results, assigns, updates and puts need; the rest is dead code. */
static bool *find_live(const sx_plan *p)
{
    const sx_graph *g = p->graph;
    bool *live = sx_alloc(p->arena, (size_t)g->ops.n), *needed = sx_alloc(p->arena, (size_t)g->vals.n + 1);
    for (long i = g->ops.n; i-- > 0;) {
        const sx_node *op = &g->ops.v[i];
        live[i] = writes(op) || needed[op->out.id] || value(p, op->out.id)->val.role == SX_ROLE_RESULT;
        for (int j = 0; live[i] && j < op->inputs; j++) needed[op->in[j].id] = true;
    }
    return live;
}

/* sort key: after op `at` of the graph; own -1 of op `at` itself */
struct place { int64_t at, own; };
static int by_place(const void *a_, const void *b_)
{
    const struct place *a = a_, *b = b_;
    if (a->at != b->at) return a->at < b->at ? -1 : 1;
    return (a->own > b->own) - (a->own < b->own);
}

/* An ASSIGN or UPDATE goes to the earliest place after what it reads and after all readers of the old value;
 * two of them that meet in a value stay in order. ADVANCE is last. */
static long order_ops(const sx_plan *p, const bool *live, struct place *order)
{
    const sx_graph *g = p->graph;
    const size_t roots = (size_t)g->vals.n + 1;
    /* Of each root: the last place that makes, reads or writes it; the last that writes it. */
    int64_t *met = sx_alloc_array(p->arena, roots, sizeof *met);
    int64_t *written = sx_alloc_array(p->arena, roots, sizeof *written);
    long n = 0;
    for (long i = 0; i < g->ops.n; i++) {
        const sx_node *op = &g->ops.v[i];
        if (!live[i] || sx_op_alias(op->op) || waits(op)) continue;
        for (int j = 0; j < op->inputs; j++) met[value(p, op->in[j].id)->root] = i;
        if (op->out.id) met[op->out.id] = written[op->out.id] = i;
        order[n++] = op->op->code == SX_OP_ADVANCE ? (struct place){ INT64_MAX, i } : (struct place){ i, -1 };
    }
    for (long i = 0; i < g->ops.n; i++) {
        const sx_node *op = &g->ops.v[i];
        if (!live[i] || !waits(op)) continue;
        struct place to = { 0, i };
        for (int j = 0; j < op->inputs; j++) {
            const int64_t after = (writes_input(op, j) ? met : written)[value(p, op->in[j].id)->root];
            if (after > to.at) to.at = after;
        }
        for (int j = 0; j < op->inputs; j++) {
            const uint32_t on = value(p, op->in[j].id)->root;
            if (met[on] < to.at) met[on] = to.at;
            if (writes_input(op, j)) written[on] = to.at;
        }
        order[n++] = to;
    }
    qsort(order, (size_t)n, sizeof *order, by_place);
    return n;
}

static void count_use(sx_plan *p, const sx_node *op)
{
    for (int i = 0; i < op->inputs; i++) {
        struct value *v = root(p, op->in[i].id);
        v->readers++;
        v->reader = op->index;
        v->used = value(p, op->in[i].id)->used = true;
    }
    if (op->out.id) { value(p, op->out.id)->maker = op->index; value(p, op->out.id)->used = true; }
}

static void take_ops(sx_plan *p)
{
    const sx_graph *g = p->graph;
    struct place *order = sx_alloc_array(p->arena, (size_t)g->ops.n, sizeof *order);
    p->ops = (uint32_t)order_ops(p, find_live(p), order);
    p->op = sx_alloc_array(p->arena, p->ops, sizeof *p->op);
    int64_t *from = sx_alloc_array(p->arena, p->ops, sizeof *from);
    for (uint32_t i = 0; i < p->ops; i++) {
        from[i] = order[i].own < 0 ? order[i].at : order[i].own;
        p->op[i] = g->ops.v[from[i]];
        p->op[i].index = i;
        count_use(p, &p->op[i]);
    }
    p->from = from;
    for (long i = 0; i < p->values.n; i++)
        p->values.v[i].readers += p->values.v[i].val.role == SX_ROLE_RESULT;
}

/* --- What devices may ask --- */
const sx_node *sx_plan_ops(const sx_plan *p, uint32_t *n) { *n = p->ops; return p->op; }
sx_value sx_plan_root(const sx_plan *p, sx_value v)
{
    return known(p, v) ? (sx_value){ value(p, v.id)->root } : (sx_value){ 0 };
}
int sx_plan_readers(const sx_plan *p, sx_value v) { return known(p, v) ? root(p, v.id)->readers : 0; }
int64_t sx_plan_reader(const sx_plan *p, sx_value v) { return known(p, v) ? root(p, v.id)->reader : -1; }
int64_t sx_plan_maker(const sx_plan *p, sx_value v)
{
    return known(p, v) && root(p, v.id)->val.maker >= 0 ? root(p, v.id)->maker : -1;
}
void *sx_plan_alloc(const sx_plan *p, size_t bytes) { return sx_alloc(p->arena, bytes); }
const sx_graph *sx_plan_graph(const sx_plan *p) { return p->graph; }
size_t sx_plan_slab(const sx_plan *p) { return p->slab; }
size_t sx_plan_beside(const sx_plan *p, int threads)
{
    return p->dev && p->device->beside ? p->device->beside(p->dev, p, threads) : 0;
}
const sx_stage *sx_plan_stages(const sx_plan *p, uint32_t *n) { *n = p->orders; return p->order; }

size_t sx_plan_bytes(const sx_plan *p, sx_value v, sx_dtype *dtype, const long **shape)
{
    if (!known(p, v)) return 0;
    const struct value *a = value(p, v.id);
    if (dtype) *dtype = a->val.dtype;
    if (shape) *shape = a->val.shape;
    return a->bytes;
}

sx_place sx_plan_place(const sx_plan *p, sx_value v)
{
    if (!known(p, v)) return (sx_place){ 0 };
    const struct value *a = value(p, v.id), *on = root(p, v.id);
    return (sx_place){ .slab = in_slab(on), .offset = on->block ? p->blocks.v[on->block - 1].offset : 0,
                       .bytes = on->bytes, .dtype = a->val.dtype, .rank = a->val.rank,
                       .shape = a->val.shape, .batched = a->val.batched };
}

size_t sx_plan_bound(const sx_plan *p, sx_role role)
{
    size_t n = 0;
    for (long i = 0; i < p->values.n; i++)
        if (p->values.v[i].used && p->values.v[i].val.role == role && p->values.v[i].root == i + 1)
            n += round_up(p->values.v[i].bytes);
    return n;
}


bool sx_plan_wants(const sx_plan *p, sx_value v)
{
    return known(p, v) && value(p, v.id)->used && value(p, v.id)->root == v.id && !in_slab(value(p, v.id));
}

/* --- What lower may do --- */
int sx_plan_wrong(sx_plan *p, const char *what)
{
    if (!p->fault) p->fault = what;
    return SX_E_DEVICE;
}

sx_value sx_plan_side(sx_plan *p, size_t bytes)
{
    if (!p->lowering) return sx_plan_wrong(p, "it asks for a side value after lowering"), (sx_value){ 0 };
    const struct value v = { .val = { .role = SX_ROLE_TEMP, .dtype = SX_U8, .rank = 1,
                                      .shape = { (long)bytes }, .maker = -1, .reader = -1 },
                             .bytes = bytes, .root = (uint32_t)p->values.n + 1, .maker = -1, .reader = -1,
                             .writer = -1, .side = true, .used = true };
    SX_PUSH(p->arena, p->values, v);
    return (sx_value){ (uint32_t)p->values.n };
}

sx_value sx_plan_kept(sx_plan *p, size_t bytes)
{
    const sx_value v = sx_plan_side(p, bytes);
    if (v.id) value(p, v.id)->kept = true;
    return v;
}

int sx_plan_resize(sx_plan *p, sx_value v, size_t bytes)
{
    if (!p->lowering || !known(p, v) || !in_slab(root(p, v.id)))
        return sx_plan_wrong(p, "it resizes a value that is not in the slab");
    root(p, v.id)->bytes = bytes;
    return 0;
}

int sx_plan_stage(sx_plan *p, int ops, const uint32_t *op, int reads, const sx_value *in, int writes_,
                  const sx_value *out, size_t scratch, const void *own)
{
    if (!p->lowering || ops < 0 || reads < 0 || writes_ < 0)
        return sx_plan_wrong(p, "it gives a stage that makes no sense");
    for (int i = 0; i < ops; i++)
        if (op[i] >= p->ops) return sx_plan_wrong(p, "it covers an op that does not exist");
    for (int i = 0; i < reads; i++)
        if (!known(p, in[i])) return sx_plan_wrong(p, "it reads a value that does not exist");
    for (int i = 0; i < writes_; i++)
        if (!known(p, out[i])) return sx_plan_wrong(p, "it writes a value that does not exist");
    sx_stages_add(p, &(sx_stage){ ops, op, reads, in, writes_, out, scratch, 0, own }, false);
    return 0;
}

/* --- The whole --- */
static int ask_support(sx_plan *p)
{
    int code = 0;
    for (uint32_t i = 0; p->dev && p->device->supports && i < p->ops; i++) {
        if (p->device->supports(p->dev, p, &p->op[i])) continue;
        const sx_span *s = sx_graph_span(p->graph, p->from[i]);
        code = sx_error(p->diags, SX_E_UNSUPPORTED, sx_graph_where(p->graph, p->from[i]),
                        "%s needs op '%s', which device '%s' does not have",
                        s && s->at.type ? s->at.type : "the step", p->op[i].op->name, p->device->name);
        if (s) sx_detail(p->diags, "The layer is %s.", s->at.path);
    }
    return code;
}

static int lower(sx_plan *p)
{
    p->lowering = true;
    const int code = p->device->lower(p->dev, p);
    p->lowering = false;
    if (!code || p->fault) return 0;
    return sx_error(p->diags, SX_E_DEVICE, SX_NOWHERE, "device '%s' cannot plan this step: %s",
                    p->device->name, p->device->last_error());
}

static int blame(const sx_plan *p)
{
    const char *name = p->device ? p->device->name : "none";
    if (!p->fault) return 0;
    sx_error(p->diags, SX_E_DEVICE, SX_NOWHERE, "device '%s' made a wrong plan: %s", name, p->fault);
    sx_hint(p->diags,
            "This is a mistake in the device plugin. Without fusion (--no-fuse) it is not asked to plan.");
    return SX_E_DEVICE;
}

int sx_plan_open(sx_arena *a, const sx_graph *g, const sx_device *device, sx_dev *dev, bool fuse,
                 sx_plan **out, sx_diags *d)
{
    sx_plan *p = SX_NEW(a, sx_plan);
    *p = (sx_plan){ .arena = a, .graph = g, .device = device, .dev = dev, .diags = d };
    *out = p;
    take_values(p);
    take_ops(p);
    int code = ask_support(p);
    if (!code && dev && fuse && device->lower) code = lower(p);
    if (code) return code;
    if (!p->fault) sx_stages_settle(p);
    if (!p->fault) sx_slab_place(p);
    return blame(p);
}
