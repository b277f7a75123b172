/* lower.c: which ops share a stage. Neighbours whose tasks go by the same rows become one chain; updates become one
 * loop. Values that only the chain reads are not stored. */
#include "cpu.h"

typedef struct { const sx_plan *plan; sx_plan *p; const sx_node *op; uint32_t n; task **t; } lowering;

static bool made_by_rows(const task *t) { return t->out.id && t->out.row > 0; }

/* May task b run right after task a on the same chunk of rows? Only what a makes row by row is ready by then. */
static bool follows(const task *a, const task *b)
{
    for (int i = 0; i < b->inputs; i++)
        if (a->out.id && b->in[i].id == a->out.id && !(made_by_rows(a) && b->in[i].row)) return false;
    return true;
}

static bool joins(const lowering *w, uint32_t from, uint32_t at)
{
    const task *b = w->t[at];
    if (b->kernel->alone || w->t[from]->kernel->alone || b->kernel->whole || w->t[from]->kernel->whole)
        return b->kernel == &k_update && w->t[from]->kernel == &k_update;
    if (b->rows != w->t[from]->rows) return false;
    for (uint32_t i = from; i < at; i++)
        if (!follows(w->t[i], b)) return false;
    return true;
}

static bool made_in(const lowering *w, uint32_t from, uint32_t end, uint32_t id)
{
    for (uint32_t i = from; i < end; i++)
        if (w->t[i]->out.id == id) return true;
    return false;
}

static int reads_in(const lowering *w, uint32_t from, uint32_t end, uint32_t id)
{
    int n = 0;
    for (uint32_t i = from; i < end; i++)
        for (int j = 0; j < w->t[i]->inputs; j++) n += w->t[i]->in[j].id == id;
    return n;
}

/* An op without result writes into its first input; an update into its slots as well. */
static int written_inputs(const task *t, int i)
{
    return !t->out.id && (i == 0 || (t->kernel == &k_update && i >= 4));
}

static int stage(const lowering *w, uint32_t from, uint32_t end)
{
    size_t inputs = 0;
    for (uint32_t i = from; i < end; i++) inputs += (size_t)w->t[i]->inputs + 1;
    chain *c = chain_make(w->plan, (int)(end - from), (const task *const *)w->t + from);
    sx_value *in = sx_plan_alloc(w->plan, inputs * sizeof *in), *out = sx_plan_alloc(w->plan, inputs * sizeof *out);
    uint32_t *op = sx_plan_alloc(w->plan, (end - from) * sizeof *op);
    int reads = 0, writes = 0;
    for (uint32_t i = from; i < end; i++) {
        const task *t = w->t[i];
        op[i - from] = i;
        if (made_by_rows(t) && sx_plan_place(w->plan, t->op->out).slab && !c->whole
            && reads_in(w, from, end, t->out.id) == sx_plan_readers(w->plan, t->op->out)) chain_local(c, t->out.id);
        else if (t->out.id) out[writes++] = t->op->out;
        for (int j = 0; j < t->inputs; j++) {
            if (!made_in(w, from, end, t->in[j].id)) in[reads++] = t->op->in[j];
            if (written_inputs(t, j)) out[writes++] = t->op->in[j];
        }
    }
    chain_fit(c);
    chain **own = sx_plan_alloc(w->plan, sizeof *own);
    *own = c;
    return sx_plan_stage(w->p, (int)(end - from), op, reads, in, writes, out, c->scratch, own);
}

int cpu_lower(sx_dev *dev, sx_plan *p)
{
    lowering w = { .plan = p, .p = p };
    w.op = sx_plan_ops(p, &w.n);
    w.t = sx_plan_alloc(p, ((size_t)w.n + 1) * sizeof *w.t);
    for (uint32_t i = 0; i < w.n; i++) {
        w.t[i] = sx_plan_alloc(p, sizeof **w.t);
        if (!task_make(dev, p, &w.op[i], w.t[i])) return SX_E_UNSUPPORTED;
    }
    for (uint32_t from = 0, end; from < w.n; from = end) {
        for (end = from + 1; end < w.n && joins(&w, from, end);) end++;
        const int code = stage(&w, from, end);
        if (code) return code;
    }
    return 0;
}
