/* again.c: which results of the model the backward pass computes again rather than keeps: those of cheap ops,
 * and of whole segments, cut where little crosses (Chen et al. 2016, "Training Deep Nets with Sublinear
 * Memory Cost", section 4). */
#include "again.h"

typedef struct {
    const sx_graph *g; int64_t ops;
    const bool *active; bool *raw;               /* by value: raw: the backward pass reads it as it stands */
    int64_t *last; /* by value: the last op of the model that needs it kept till then */
    bool *able;                                  /* by value: it may be computed again */
    size_t *made;                                /* by op: bytes that count for its segment */
    size_t *crossing;                            /* by op: bytes that later ops need of what is there then */
} cutter;
/* What lies behind so long a chain of cheap ops is kept rather than computed again. */
enum { DEEP = 32 };

static const sx_val *val(const cutter *c, uint32_t id) { return &c->g->vals.v[id - 1]; }

/* What the gradients of own ops and layers are given is the value itself, never a copy. */
static void find_raw(cutter *c)
{
    for (long i = 0; i < c->g->spans.n; i++) {
        const sx_span *s = &c->g->spans.v[i];
        if (!s->custom) continue;
        c->raw[s->x.id] = true;
        for (int64_t k = s->first; k < s->last; k++) c->raw[c->g->ops.v[k].out.id] = true;
    }
    for (int64_t i = 0; i < c->ops; i++) {
        const sx_node *op = &c->g->ops.v[i];
        const uint32_t code = op->op->code;
        if (code && code != SX_OP_SOFTMAX && code != SX_OP_MOMENTS) continue;
        c->raw[op->out.id] = true;
        for (int j = 0; !code && j < op->inputs; j++) c->raw[op->in[j].id] = true;
    }
}

static bool is_able(const cutter *c, const sx_node *op)
{
    const uint32_t y = op->out.id;
    return y && c->active[y] && !c->raw[y] && !sx_op_cheap((sx_opcode)op->op->code) &&
           sx_val_bytes(val(c, y)) > SX_KEPT_BYTES;
}

/* An op that a device runs behind the one before it, in place, makes nothing more to be kept. */
static size_t bytes_made(const cutter *c, const sx_node *op)
{
    const size_t bytes = sx_val_bytes(val(c, op->out.id));
    int from = 0;
    for (int j = 0; j < op->inputs; j++) from += c->able[op->in[j].id];
    const bool behind = sx_op_inplace((sx_opcode)op->op->code) && from == 1;
    return behind ? 0 : bytes;
}

/* Cheap ops are computed again wherever they are read, so what they read is needed as long. */
static void find_needs(cutter *c)
{
    for (int64_t i = 0; i < c->ops; i++) {
        const sx_node *op = &c->g->ops.v[i];
        if (!is_able(c, op)) continue;
        c->able[op->out.id] = true;
        c->made[i] = bytes_made(c, op);
    }
    for (int64_t i = c->ops; i-- > 0;) {
        const sx_node *op = &c->g->ops.v[i];
        const bool cheap = op->out.id && op->op->code && sx_op_cheap((sx_opcode)op->op->code);
        const int64_t at = cheap && c->last[op->out.id] > i ? c->last[op->out.id] : i;
        for (int j = 0; j < op->inputs; j++) if (c->last[op->in[j].id] < at) c->last[op->in[j].id] = at;
    }
}

static void find_crossings(cutter *c)
{
    for (uint32_t v = 1; v <= (uint32_t)c->g->vals.n; v++) {
        const int64_t from = val(c, v)->maker;
        if (!c->able[v]) continue;
        c->crossing[from] += sx_val_bytes(val(c, v));
        c->crossing[c->last[v] > from ? c->last[v] : from] -= sx_val_bytes(val(c, v));
    }
    for (int64_t i = 1; i < c->ops; i++) c->crossing[i] += c->crossing[i - 1];
}

/* Where the next segment ends: behind about `most` bytes, where the least crosses. */
static int64_t cut(const cutter *c, int64_t from, size_t most)
{
    int64_t best = -1, i = from;
    for (size_t sum = 0; i < c->ops && (best < 0 || sum <= most); i++) {
        sum += c->made[i];
        if (sum && (best < 0 || c->crossing[i] <= c->crossing[best])) best = i;
    }
    return i == c->ops ? c->ops - 1 : best;
}

static sx_segment measure(const cutter *c, int64_t from, int64_t to)
{
    sx_segment s = { .from = from, .to = to };
    for (int64_t i = from; i <= to; i++) {
        const sx_node *op = &c->g->ops.v[i];
        if (!op->out.id || !c->able[op->out.id] || c->last[op->out.id] > to) continue;
        s.bytes += c->made[i];
        s.flop += sx_op_flop(c->g, op);
    }
    return s;
}

/* Of all segments but the last, which the backward pass comes to at once, those that cost the least a
 * byte. */
static void choose(sx_again_plan *p, long most)
{
    for (long n = 0; n < most || !most; n++) {
        sx_segment *best = NULL;
        for (long i = 0; i + 1 < p->n; i++) {
            sx_segment *s = &p->v[i];
            if (s->again || !s->bytes) continue;
            if (!best || s->flop * (double)best->bytes < best->flop * (double)s->bytes) best = s;
        }
        if (!best) return;
        best->again = true;
        p->chosen++;
        p->flop += best->flop;
    }
}

void sx_again_open(sx_graph *g, const bool *active, sx_again_plan *out)
{
    const size_t vals = (size_t)g->vals.n + 1, n = (size_t)g->ops.n + 1;
    cutter c = { .g = g, .ops = g->ops.n, .active = active };
    *out = (sx_again_plan){ .g = g, .vals = (uint32_t)g->vals.n, .redo = sx_alloc(g->arena, vals) };
    out->copy = sx_alloc_array(g->arena, vals, sizeof *out->copy);
    c.raw = sx_alloc(g->arena, vals);
    c.able = sx_alloc(g->arena, vals);
    c.last = sx_alloc_array(g->arena, vals, sizeof *c.last);
    c.made = sx_alloc_array(g->arena, n, sizeof *c.made);
    c.crossing = sx_alloc_array(g->arena, n, sizeof *c.crossing);
    find_raw(&c);
    find_needs(&c);
    find_crossings(&c);
    for (int64_t i = 0; i < c.ops; i++) out->bytes += c.made[i];
    for (int64_t from = 0; g->again.segment && from < c.ops; from = out->v[out->n - 1].to + 1)
        SX_PUSH(g->arena, *out, measure(&c, from, cut(&c, from, g->again.segment)));
    choose(out, g->again.most);
    for (long k = 0; k < out->n; k++)
        for (int64_t i = out->v[k].from; out->v[k].again && i <= out->v[k].to; i++) {
            const uint32_t y = g->ops.v[i].out.id;
            out->redo[y] = c.able[y] && c.last[y] <= out->v[k].to;
        }
}

/* --- Writing it down --- */
/* The op once more, on copies of its inputs where these have one; an alias of none is itself. */
static sx_t write_copy(sx_again_plan *p, const sx_node *op, const sx_val *like, bool alias)
{
    sx_t *in = sx_alloc_array(p->g->arena, (size_t)op->inputs, sizeof *in);
    bool own = false;
    for (int i = 0; i < op->inputs; i++) {
        in[i] = sx_again_value(p, (sx_t){ op->in[i].id });
        own |= in[i].id != op->in[i].id;
    }
    if (alias && !own) return (sx_t){ op->out.id };
    return sx_graph_node(p->g, op, op->inputs, in, 0, like);
}

/* All of the segment that op `at` lies in; what nobody reads of it is dead code. */
static void redo_segment(sx_again_plan *p, int64_t at)
{
    const sx_segment *s = p->v;
    const int depth = p->depth;
    while (s->to < at) s++;
    p->depth = 0;
    for (int64_t i = s->from; i <= s->to; i++) {
        const sx_node op = p->g->ops.v[i];       /* a copy: writing moves the ops and values */
        if (!op.out.id || !p->redo[op.out.id]) continue;
        const sx_val like = p->g->vals.v[op.out.id - 1];
        p->copy[op.out.id] = write_copy(p, &op, &like, false);
    }
    p->depth = depth;
}

sx_t sx_again_value(sx_again_plan *p, sx_t v)
{
    if (!v.id || v.id > p->vals || p->g->vals.v[v.id - 1].maker < 0) return v;
    const sx_val like = p->g->vals.v[v.id - 1];
    if (!p->copy[v.id].id && p->redo[v.id]) redo_segment(p, like.maker);
    if (p->copy[v.id].id) return p->copy[v.id];
    const sx_node op = p->g->ops.v[like.maker];
    const bool alias = sx_op_alias(op.op), small = !alias && sx_val_bytes(&like) <= SX_KEPT_BYTES;
    if (!op.op->code || !sx_op_cheap((sx_opcode)op.op->code) || small || p->depth >= DEEP) return v;
    p->depth++;
    const sx_t copy = write_copy(p, &op, &like, alias);
    p->depth--;
    return p->copy[v.id] = copy;
}
