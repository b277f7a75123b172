/* cost.c: what ops cost before any device runs them: FLOP of the direct way, whatever a device makes of it,
 * and the bytes that a stage moves. `check` prices nets by it, `bench step` holds measured times against
 * it. */
#include "planned.h"
#include <ctype.h>
#include <string.h>

/* Operators and calls in the text of a map or an update; an index in [] is no operator's work. */
static double text_flop(const char *t)
{
    double n = 0;
    for (; t && *t; t++) {
        if (isalnum((unsigned char)*t) || *t == '_' || *t == '.') {
            const bool number = !isalpha((unsigned char)*t) && *t != '_';
            while (isalnum((unsigned char)t[1]) || t[1] == '_' || t[1] == '.'
                   || (number && (*t == 'e' || *t == 'E') && (t[1] == '-' || t[1] == '+')))
                t++;
            n += t[1] == '(';
        } else n += strchr("+-*/<>", *t) != NULL;
    }
    return n;
}

/* Of the others: for each element of input 0. */
static const unsigned char element_flop[SX_OP_COUNT] = {
    [SX_OP_RESIZE_BWD] = 7, [SX_OP_MAXPOOL_BWD] = 1, [SX_OP_REDUCE] = 1, [SX_OP_SOFTMAX] = 4,
    [SX_OP_SOFTMAX_BWD] = 4, [SX_OP_XENT] = 4, [SX_OP_XENT_BWD] = 5, [SX_OP_HIT] = 1, [SX_OP_MOMENTS] = 4,
    [SX_OP_SCALE_SHIFT] = 2, [SX_OP_NORM_SUMS] = 4, [SX_OP_NORM_BWD] = 6
};

static double area(const sx_window *w) { return (double)w->size[0] * (double)w->size[1]; }

double sx_op_flop(const sx_graph *g, const sx_node *op)
{
    const sx_val *a = op->inputs > 0 ? sx_graph_val(g, (sx_t){ op->in[0].id }) : NULL;
    const sx_val *b = op->inputs > 1 ? sx_graph_val(g, (sx_t){ op->in[1].id }) : NULL;
    const double in = a ? (double)sx_val_count(a) : 0;
    const double out = op->out.id ? (double)sx_val_count(sx_graph_val(g, (sx_t){ op->out.id })) : 0;
    switch (op->op->code) {
    case SX_OP_CONV2D: return 2 * out * (double)(b->shape[1] * b->shape[2] * b->shape[3]);
    case SX_OP_CONV2D_BWD_X: return 2 * in * (double)(b->shape[1] * b->shape[2] * b->shape[3]);
    case SX_OP_CONV2D_BWD_W: {
        const sx_window *w = &((const sx_conv_bwd *)op->attr)->window;
        return 2 * (double)sx_val_count(b) * area(w) * (double)(a->shape[3] / w->groups);
    }
    case SX_OP_MATMUL:
        return 2 * out * (double)a->shape[((const sx_mm *)op->attr)->trans & SX_TRANS_A ? 0 : 1];
    case SX_OP_MAP: return out * text_flop(op->map->expr);
    case SX_OP_MAP_BWD: return out * (1 + text_flop(op->map->grad[((const sx_map_use *)op->attr)->which]));
    case SX_OP_UPDATE: return in * text_flop(((const sx_learn *)op->attr)->update->body);
    case SX_OP_RESIZE: return 7 * out;
    case SX_OP_MAXPOOL: case SX_OP_MAXPOOL_ARG: case SX_OP_AVGPOOL: return out * area(op->attr);
    case SX_OP_AVGPOOL_BWD: return in * area(&((const sx_pool_bwd *)op->attr)->window);
    default: return op->op->code < SX_OP_COUNT ? in * element_flop[op->op->code] : 0;
    }
}

sx_cost sx_graph_cost(const sx_graph *g, int64_t from, int64_t to)
{
    sx_cost c = { 0 };
    for (int64_t i = from; i < to && i < g->ops.n; i++) {
        const sx_node *op = &g->ops.v[i];
        if (op->op->code == SX_OP_CONV2D || op->op->code == SX_OP_MATMUL) {
            const sx_val *y = sx_graph_val(g, (sx_t){ op->out.id });
            c.macs += sx_op_flop(g, op) / 2 / (double)(y->batched ? y->shape[0] : 1);
        }
        for (int j = 0; j < op->inputs; j++) {
            const sx_val *v = sx_graph_val(g, (sx_t){ op->in[j].id });
            bool again = false;
            for (int k = 0; k < j; k++) again |= op->in[k].id == op->in[j].id;
            if (v->role != SX_ROLE_WEIGHT || v->reader != i || again) continue;
            *(v->learned ? &c.parameters : &c.frozen) += sx_val_count(v);
        }
    }
    return c;
}

/* --- Stages --- */
/* Rows of input j that an op looks at in one step; 0: all. */
static long rows_of(const sx_plan *p, const sx_node *op, int j)
{
    switch (op->op->code) {
    case SX_OP_GATHER: case SX_OP_ROWS: return j ? 0 : value(p, op->out.id)->val.shape[0];
    case SX_OP_PUT: return j ? 0 : ((const sx_batch *)op->attr)->n;
    case SX_OP_UPDATE: return j == 2;            /* of the table */
    default: return 0;
    }
}

static double touched(const sx_plan *p, const sx_stage *s, uint32_t on)
{
    const struct value *v = value(p, on);
    for (int i = 0; i < s->ops; i++)
        for (int j = 0; j < p->op[s->op[i]].inputs; j++) {
            const sx_node *op = &p->op[s->op[i]];
            const long rows = value(p, op->in[j].id)->root == on ? rows_of(p, op, j) : 0;
            if (rows) return (double)v->bytes * (double)rows / (double)v->val.shape[0];
        }
    return (double)v->bytes;
}

static double moved(const sx_plan *p, const sx_stage *s, int n, const sx_value *v)
{
    double bytes = 0;
    for (int i = 0; i < n; i++) {
        const uint32_t on = value(p, v[i].id)->root;
        bool again = false;
        for (int j = 0; j < i; j++) again |= value(p, v[j].id)->root == on;
        if (!again) bytes += touched(p, s, on);
    }
    return bytes;
}

sx_work sx_plan_work(const sx_plan *p, const sx_stage *s)
{
    sx_work w = { .read = moved(p, s, s->reads, s->in), .written = moved(p, s, s->writes, s->out) };
    for (int i = 0; i < s->ops; i++) w.flop += sx_op_flop(p->graph, &p->op[s->op[i]]);
    return w;
}
