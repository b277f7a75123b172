/* stages.c: what covers the ops: the device's stages, one for each op that these leave, checks, and an order.
 * The core believes a device's stages, but not that they write what others read. */
#include "planned.h"
#include <stdlib.h>
#include <string.h>

void sx_stages_add(sx_plan *p, const sx_stage *s, bool plain)
{
    struct stage to = { *s, plain, 0 };
    to.s.op = sx_dup(p->arena, s->op, (size_t)s->ops * sizeof *s->op);
    to.s.in = sx_dup(p->arena, s->in, (size_t)s->reads * sizeof *s->in);
    to.s.out = sx_dup(p->arena, s->out, (size_t)s->writes * sizeof *s->out);
    for (int i = 0; i < s->ops; i++) if (s->op[i] > to.key) to.key = s->op[i];
    SX_PUSH(p->arena, p->stages, to);
}

/* --- Completion: one stage for every op that is needed and not covered --- */
static void plain_stage(sx_plan *p, const sx_node *op)
{
    sx_value *out = sx_alloc_array(p->arena, (size_t)op->inputs + 1, sizeof *out);
    int n = 0;
    if (op->out.id) out[n++] = op->out;
    for (int i = 0; i < op->inputs; i++) if (writes_input(op, i)) out[n++] = op->in[i];
    sx_stages_add(p, &(sx_stage){ 1, &op->index, op->inputs, op->in, n, out, 0, 0, NULL }, true);
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
    /* By root: the stage that writes it, + 1. */
    long *writing = sx_alloc_array(p->arena, (size_t)p->values.n + 1, sizeof *writing);
    for (long i = 0; i < p->stages.n && !p->fault; i++) {
        const sx_stage *s = &p->stages.v[i].s;
        for (int j = 0; j < s->ops; j++) {
            const sx_node *op = &p->op[s->op[j]];
            for (int k = 0; k < op->inputs; k++)
                if (writes_input(op, k)) writing[value(p, op->in[k].id)->root] = i + 1;
        }
        for (int j = 0; j < s->writes; j++) {
            struct value *v = root(p, s->out[j].id);
            if (in_slab(v) || v->val.maker >= 0) {
                if (v->writer >= 0)
                    sx_plan_wrong(p, sx_format(p->arena, "two stages write %s", named(p, s->out[j].id)));
                v->writer = i;
            } else if (writing[v->root] != i + 1)
                sx_plan_wrong(p, sx_format(p->arena, "a stage writes %s, which no op of it does",
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
                sx_plan_wrong(p, sx_format(p->arena, "a stage reads %s, which no stage writes",
                                   named(p, s->in[j].id)));
            if (v->writer == i)
                sx_plan_wrong(p, sx_format(p->arena, "a stage reads %s, which it writes itself",
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
                sx_plan_wrong(p, sx_format(p->arena, "two stages do %s of %s", p->op[k].op->name,
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
        sx_plan_wrong(p, "its stages wait for each other in a circle");
        return;
    }
    struct stage *in_order = sx_alloc_array(p->arena, n, sizeof *in_order);
    for (uint32_t i = 0; i < n; i++) in_order[i] = p->stages.v[order[i]];
    p->stages.v = in_order;
    p->stages.cap = n;
}

void sx_stages_settle(sx_plan *p)
{
    complete(p);
    check_writes(p);
    if (!p->fault) check_reads(p);
    if (!p->fault) check_once(p);
    if (!p->fault) order_stages(p);
}
