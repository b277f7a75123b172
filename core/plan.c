/* plan.c: graph -> stages -> one slab. Dead ops go, writes into bound values wait for readers of the old one,
 * the device covers ops by stages and is checked, and every value gets its place before anything runs. */
#include "plan.h"
#include <stdlib.h>
#include <string.h>

struct value {
    sx_val val;                                  /* as in the graph; of a side value made up */
    size_t bytes;
    uint32_t root;                               /* id of what it lies on; its own where it is no alias */
    int64_t maker, reader;                       /* ops of the plan; -1. reader: the last one */
    int readers;
    bool used, side;
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

static struct value *value(const sx_plan *p, uint32_t id) { return &p->values.v[id - 1]; }
static struct value *root(const sx_plan *p, uint32_t id) { return value(p, value(p, id)->root); }
static bool known(const sx_plan *p, sx_value v) { return v.id && v.id <= p->values.n; }
static bool in_slab(const struct value *v) { return v->val.role == SX_ROLE_TEMP; }
static size_t round_up(size_t n) { return (n + 63) & ~(size_t)63; }

/* --- Ops that write into bound values --- */
static bool writes(const sx_node *op) { return op->op->code && !op->out.id; }

/* How many of the op's inputs, from `at` on, it writes: w of ASSIGN, PUT, ADVANCE; w and slots of UPDATE. */
static bool writes_input(const sx_node *op, int i)
{
    return writes(op) && (i == 0 || (op->op->code == SX_OP_UPDATE && i >= 4));
}
static bool waits(const sx_node *op) { return op->op->code == SX_OP_ASSIGN || op->op->code == SX_OP_UPDATE; }
static bool alias(const sx_node *op) { return op->op->code == SX_OP_RESHAPE || op->op->code == SX_OP_STOP; }

/* --- From graph to ops in order --- */
static void take_values(sx_plan *p)
{
    for (long i = 0; i < p->graph->vals.n; i++) {
        const sx_val *v = &p->graph->vals.v[i];
        const sx_node *op = v->maker < 0 ? NULL : &p->graph->ops.v[v->maker];
        const uint32_t on = op && alias(op) ? value(p, op->in[0].id)->root : (uint32_t)i + 1;
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
        if (!live[i] || alias(op) || waits(op)) continue;
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
static int wrong(sx_plan *p, const char *what)
{
    if (!p->fault) p->fault = what;
    return SX_E_DEVICE;
}

sx_value sx_plan_side(sx_plan *p, size_t bytes)
{
    if (!p->lowering) return wrong(p, "it asks for a side value after lowering"), (sx_value){ 0 };
    const struct value v = { .val = { .role = SX_ROLE_TEMP, .dtype = SX_U8, .rank = 1,
                                      .shape = { (long)bytes }, .maker = -1, .reader = -1 },
                             .bytes = bytes, .root = (uint32_t)p->values.n + 1, .maker = -1, .reader = -1,
                             .writer = -1, .side = true,
                             .used = true };
    SX_PUSH(p->arena, p->values, v);
    return (sx_value){ (uint32_t)p->values.n };
}

int sx_plan_resize(sx_plan *p, sx_value v, size_t bytes)
{
    if (!p->lowering || !known(p, v) || !in_slab(root(p, v.id)))
        return wrong(p, "it resizes a value that is not in the slab");
    root(p, v.id)->bytes = bytes;
    return 0;
}

static int add_stage(sx_plan *p, const sx_stage *s, bool plain)
{
    struct stage to = { *s, plain, 0 };
    to.s.op = sx_dup(p->arena, s->op, (size_t)s->ops * sizeof *s->op);
    to.s.in = sx_dup(p->arena, s->in, (size_t)s->reads * sizeof *s->in);
    to.s.out = sx_dup(p->arena, s->out, (size_t)s->writes * sizeof *s->out);
    for (int i = 0; i < s->ops; i++) if (s->op[i] > to.key) to.key = s->op[i];
    SX_PUSH(p->arena, p->stages, to);
    return 0;
}

int sx_plan_stage(sx_plan *p, int ops, const uint32_t *op, int reads, const sx_value *in, int writes_,
                  const sx_value *out,
                  size_t scratch, const void *own)
{
    if (!p->lowering || ops < 0 || reads < 0 || writes_ < 0)
        return wrong(p, "it gives a stage that makes no sense");
    for (int i = 0; i < ops; i++) if (op[i] >= p->ops) return wrong(p, "it covers an op that does not exist");
    for (int i = 0; i < reads; i++)
        if (!known(p, in[i])) return wrong(p, "it reads a value that does not exist");
    for (int i = 0; i < writes_; i++)
        if (!known(p, out[i])) return wrong(p, "it writes a value that does not exist");
    return add_stage(p, &(sx_stage){ ops, op, reads, in, writes_, out, scratch, 0, own }, false);
}

/* --- Completion: one stage for every op that is needed and not covered --- */
static int plain_stage(sx_plan *p, const sx_node *op)
{
    sx_value *out = sx_alloc_array(p->arena, (size_t)op->inputs + 1, sizeof *out);
    int n = 0;
    if (op->out.id) out[n++] = op->out;
    for (int i = 0; i < op->inputs; i++) if (writes_input(op, i)) out[n++] = op->in[i];
    return add_stage(p, &(sx_stage){ 1, &op->index, op->inputs, op->in, n, out, 0, 0, NULL }, true);
}

static void complete(sx_plan *p)
{
    bool *covered = sx_alloc(p->arena, p->ops), *read = sx_alloc(p->arena, (size_t)p->values.n + 1);
    bool *written = sx_alloc(p->arena, (size_t)p->values.n + 1);
    for (long i = 0; i < p->stages.n; i++) {
        const sx_stage *s = &p->stages.v[i].s;
        for (int j = 0; j < s->ops; j++) covered[s->op[j]] = true;
        for (int j = 0; j < s->reads; j++) read[value(p, s->in[j].id)->root] = true;
        for (int j = 0; j < s->writes; j++) written[value(p, s->out[j].id)->root] = true;
    }
    for (uint32_t i = p->ops; i-- > 0;) {        /* readers before makers */
        const sx_node *op = &p->op[i];
        const uint32_t y = op->out.id;
        const bool wanted = read[y] || (y && value(p, y)->val.role == SX_ROLE_RESULT);
        const bool needed = y ? wanted && !written[y] : !covered[i];
        if (!needed) continue;
        plain_stage(p, op);
        for (int j = 0; j < op->inputs; j++) read[value(p, op->in[j].id)->root] = true;
    }
}

/* --- Checks of stages --- */
static const char *named(const sx_plan *p, uint32_t id)
{
    const struct value *v = root(p, id);
    if (v->side) return sx_format(p->arena, "side value %u", id);
    if (v->val.name) return sx_format(p->arena, "'%s'", v->val.name);
    const sx_span *s = v->val.maker >= 0 ? sx_graph_span(p->graph, v->val.maker) : NULL;
    return sx_format(p->arena, "value %u (%s%s%s)", id,
                     v->val.maker >= 0 ? p->graph->ops.v[v->val.maker].op->name : "bound",
                     s ? " of " : "", s ? s->at.path : "");
}

static void check_writes(sx_plan *p)
{
    long *writing = sx_alloc_array(p->arena, (size_t)p->values.n + 1, sizeof *writing);      /* by root: stage + 1 */
    for (long i = 0; i < p->stages.n && !p->fault; i++) {
        const sx_stage *s = &p->stages.v[i].s;
        for (int j = 0; j < s->ops; j++)
            for (int k = 0; k < p->op[s->op[j]].inputs; k++)
                if (writes_input(&p->op[s->op[j]], k)) writing[value(p, p->op[s->op[j]].in[k].id)->root] = i + 1;
        for (int j = 0; j < s->writes; j++) {
            struct value *v = root(p, s->out[j].id);
            if (in_slab(v) || v->val.maker >= 0) {
                if (v->writer >= 0)
                    wrong(p, sx_format(p->arena, "two stages write %s", named(p, s->out[j].id)));
                v->writer = i;
            } else if (writing[v->root] != i + 1)
                wrong(p, sx_format(p->arena, "a stage writes %s, which no op of it does",
                                   named(p, s->out[j].id)));
        }
    }
}

static void check_reads(sx_plan *p)
{
    for (long i = 0; i < p->stages.n && !p->fault; i++) {
        const sx_stage *s = &p->stages.v[i].s;
        for (int j = 0; j < s->reads; j++) {
            const struct value *v = root(p, s->in[j].id);
            if (!in_slab(v) && v->val.maker < 0) continue;
            if (v->writer < 0)
                wrong(p, sx_format(p->arena, "a stage reads %s, which no stage writes",
                                   named(p, s->in[j].id)));
            if (v->writer == i)
                wrong(p, sx_format(p->arena, "a stage reads %s, which it writes itself",
                                   named(p, s->in[j].id)));
        }
    }
}

static void check_once(sx_plan *p)               /* an update that runs twice learns twice */
{
    bool *done = sx_alloc(p->arena, p->ops);
    for (long i = 0; i < p->stages.n; i++)
        for (int j = 0; j < p->stages.v[i].s.ops; j++) {
            const uint32_t k = p->stages.v[i].s.op[j];
            if (done[k] && writes(&p->op[k]))
                wrong(p, sx_format(p->arena, "two stages do %s of %s", p->op[k].op->name,
                                                                 named(p, p->op[k].in[0].id)));
            done[k] = true;
        }
}

/* --- Order of stages --- */
struct edge { uint32_t from, to; };
struct edges { struct edge *v; long n, cap; };
static void edge(const sx_plan *p, struct edges *e, int64_t from, int64_t to)
{
    if (from < 0 || from == to) return;
    SX_PUSH(p->arena, *e, ((struct edge){ (uint32_t)from, (uint32_t)to }));
}

struct touch { uint32_t root, stage; int64_t op; bool writes; };     /* a stage meets a bound value */
static int by_root(const void *a_, const void *b_)
{
    const struct touch *a = a_, *b = b_;
    if (a->root != b->root) return a->root < b->root ? -1 : 1;
    return (a->writes < b->writes) - (a->writes > b->writes);        /* writers first */
}

/* Around writes into bound values stages keep the order of their ops: old values are read before they go. */
static void order_writes(const sx_plan *p, struct edges *e)
{
    struct { struct touch *v; long n, cap; } t = { 0 };
    long *met = sx_alloc_array(p->arena, (size_t)p->values.n + 1, sizeof *met);      /* by root: stage + 1 */
    for (long i = 0; i < p->stages.n; i++) {
        const sx_stage *s = &p->stages.v[i].s;
        for (int j = 0; j < s->ops; j++) {
            const sx_node *op = &p->op[s->op[j]];
            for (int k = 0; k < op->inputs; k++) {
                const struct value *v = root(p, op->in[k].id);
                const struct touch here = { v->root, (uint32_t)i, op->index, writes_input(op, k) };
                if (v->val.maker >= 0) continue;
                SX_PUSH(p->arena, t, here);
                met[v->root] = i + 1;
            }
        }
        for (int j = 0; j < s->reads; j++) {
            const struct value *v = root(p, s->in[j].id);
            const struct touch here = { v->root, (uint32_t)i, -1, false };
            if (v->val.maker < 0 && !v->side && met[v->root] != i + 1) SX_PUSH(p->arena, t, here);
        }
    }
    if (t.n) qsort(t.v, (size_t)t.n, sizeof *t.v, by_root);
    for (long i = 0, first = 0; i < t.n; i++) {
        if (t.v[i].root != t.v[first].root) first = i;
        for (long w = first; w < t.n && t.v[w].root == t.v[i].root && t.v[w].writes; w++) {
            if (t.v[w].op == t.v[i].op) continue;
            if (t.v[i].op < t.v[w].op) edge(p, e, t.v[i].stage, t.v[w].stage);
            else edge(p, e, t.v[w].stage, t.v[i].stage);
        }
    }
}

struct rank { int64_t key; uint32_t stage; };
static int by_key(const void *a_, const void *b_)
{
    const struct rank *a = a_, *b = b_;
    if (a->key != b->key) return a->key < b->key ? -1 : 1;
    return (a->stage > b->stage) - (a->stage < b->stage);
}

static int by_from(const void *a_, const void *b_)
{
    const struct edge *a = a_, *b = b_;
    return (a->from > b->from) - (a->from < b->from);
}

/* Kahn's algorithm; of what may run, the stage whose last op is the earliest. sorted: stages by that op. */
static uint32_t run_order(const sx_plan *p, const struct edges *e, const struct rank *sorted, uint32_t *out)
{
    const uint32_t n = (uint32_t)p->stages.n;
    uint32_t *waits_for = sx_alloc_array(p->arena, n, sizeof *waits_for);
    uint32_t *at = sx_alloc_array(p->arena, n, sizeof *at);
    long *first = sx_alloc_array(p->arena, (size_t)n + 1, sizeof *first);
    for (uint32_t i = 0; i < n; i++) at[sorted[i].stage] = i;
    for (long i = 0; i < e->n; i++) { waits_for[e->v[i].to]++; first[e->v[i].from + 1]++; }
    for (uint32_t i = 0; i < n; i++) first[i + 1] += first[i];
    bool *done = sx_alloc(p->arena, n);
    uint32_t made = 0;
    for (uint32_t cursor = 0; cursor < n;) {
        const uint32_t s = sorted[cursor].stage;
        if (done[s] || waits_for[s]) { cursor++; continue; }
        done[s] = true;
        out[made++] = s;
        cursor++;
        for (long i = first[s]; i < first[s + 1]; i++) {
            const uint32_t to = e->v[i].to;
            if (--waits_for[to] == 0 && at[to] < cursor) cursor = at[to];
        }
    }
    return made;
}

static void order_stages(sx_plan *p)
{
    struct edges e = { 0 };
    const uint32_t n = (uint32_t)p->stages.n;
    for (uint32_t i = 0; i < n; i++) {
        const sx_stage *s = &p->stages.v[i].s;
        for (int j = 0; j < s->reads; j++) edge(p, &e, root(p, s->in[j].id)->writer, i);
    }
    order_writes(p, &e);
    if (e.n) qsort(e.v, (size_t)e.n, sizeof *e.v, by_from);
    struct rank *sorted = sx_alloc_array(p->arena, n, sizeof *sorted);
    for (uint32_t i = 0; i < n; i++) sorted[i] = (struct rank){ p->stages.v[i].key, i };
    qsort(sorted, n, sizeof *sorted, by_key);
    uint32_t *order = sx_alloc_array(p->arena, n, sizeof *order);
    if (run_order(p, &e, sorted, order) < n) {
        wrong(p, "its stages wait for each other in a circle");
        return;
    }
    struct stage *in_order = sx_alloc_array(p->arena, n, sizeof *in_order);
    for (uint32_t i = 0; i < n; i++) in_order[i] = p->stages.v[order[i]];
    p->stages.v = in_order;
    p->stages.cap = n;
}

/* --- Places in the slab --- */
static uint32_t add_block(sx_plan *p, size_t bytes, uint32_t at)
{
    SX_PUSH(p->arena, p->blocks, ((struct block){ round_up(bytes), 0, at, at }));
    return (uint32_t)p->blocks.n;
}

/* May the result lie on the first input? That must die here, be no other input, and have the same bytes. */
static bool lies_in_place(const sx_plan *p, uint32_t at, const struct value *y)
{
    const struct stage *s = &p->stages.v[at];
    const sx_node *op = s->plain ? &p->op[s->s.op[0]] : NULL;
    if (!op || !op->inputs || !op->out.id || !op->op->code || !sx_op_inplace((sx_opcode)op->op->code))
        return false;
    const struct value *x = value(p, op->in[0].id), *on = root(p, op->in[0].id);
    if (!in_slab(on) || p->blocks.v[on->block - 1].last != at || on->bytes != y->bytes ||
        on->bytes != sx_val_bytes(&on->val)) return false;
    for (int i = 1; i < op->inputs; i++) if (root(p, op->in[i].id) == on) return false;
    return x->val.rank == y->val.rank && !memcmp(x->val.shape, y->val.shape, sizeof x->val.shape);
}

static void find_lives(sx_plan *p)
{
    uint32_t *last = sx_alloc_array(p->arena, (size_t)p->values.n + 1, sizeof *last);
    for (uint32_t i = 0; i < p->stages.n; i++)
        for (int j = 0; j < p->stages.v[i].s.reads; j++) last[value(p, p->stages.v[i].s.in[j].id)->root] = i;
    for (uint32_t i = 0; i < p->stages.n; i++) {
        const sx_stage *s = &p->stages.v[i].s;
        for (int j = 0; j < s->writes; j++) {
            struct value *y = root(p, s->out[j].id);
            if (!in_slab(y)) continue;
            y->block = lies_in_place(p, i, y) ? root(p, s->in[0].id)->block : add_block(p, y->bytes, i);
            struct block *b = &p->blocks.v[y->block - 1];
            if (last[y->root] > b->last) b->last = last[y->root];
        }
    }
}

static int by_size(const void *a_, const void *b_)
{
    const struct block *a = *(struct block *const *)a_, *b = *(struct block *const *)b_;
    if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
    return (a > b) - (a < b);
}

/* The tightest gap that the blocks of b's time leave. placed stands in order of offsets. */
static size_t best_gap(struct block *const *placed, long n, const struct block *b)
{
    size_t end = 0, best = SIZE_MAX, at = 0;
    for (long i = 0; i < n; i++) {
        const struct block *o = placed[i];
        if (o->last < b->first || o->first > b->last) continue;
        if (o->offset >= end && o->offset - end >= b->bytes && o->offset - end < best) {
            best = o->offset - end;
            at = end;
        }
        if (o->offset + o->bytes > end) end = o->offset + o->bytes;
    }
    return best == SIZE_MAX ? end : at;
}

static void place_blocks(sx_plan *p)
{
    const long n = p->blocks.n;
    struct block **sorted = sx_alloc_array(p->arena, (size_t)n, sizeof(void *));
    struct block **placed = sx_alloc_array(p->arena, (size_t)n, sizeof(void *));
    for (long i = 0; i < n; i++) sorted[i] = &p->blocks.v[i];
    if (n) qsort(sorted, (size_t)n, sizeof(void *), by_size);
    for (long i = 0; i < n; i++) {
        struct block *b = sorted[i];
        b->offset = best_gap(placed, i, b);
        if (b->offset + b->bytes > p->slab) p->slab = b->offset + b->bytes;
        long at = i;
        while (at && placed[at - 1]->offset > b->offset) at--;
        memmove(placed + at + 1, placed + at, (size_t)(i - at) * sizeof(void *));
        placed[at] = b;
    }
}

static void place(sx_plan *p)
{
    find_lives(p);
    uint32_t *scratch = sx_alloc_array(p->arena, (size_t)p->stages.n, sizeof *scratch);
    for (uint32_t i = 0; i < p->stages.n; i++)
        if (p->stages.v[i].s.scratch) scratch[i] = add_block(p, p->stages.v[i].s.scratch, i);
    place_blocks(p);
    p->orders = (uint32_t)p->stages.n;
    p->order = sx_alloc_array(p->arena, p->orders, sizeof *p->order);
    for (uint32_t i = 0; i < p->orders; i++) {
        p->order[i] = p->stages.v[i].s;
        if (scratch[i]) p->order[i].scratch_at = p->blocks.v[scratch[i] - 1].offset;
    }
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
    if (!p->fault) complete(p);
    if (!p->fault) check_writes(p);
    if (!p->fault) check_reads(p);
    if (!p->fault) check_once(p);
    if (!p->fault) order_stages(p);
    if (!p->fault) place(p);
    return blame(p);
}
