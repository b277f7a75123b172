/* lower.c: which ops share a stage. An op joins the chain of an op before it where both go by the same rows
 * and nothing that it reads is still to come; updates side by side become one loop. Values that no other
 * chain reads are not stored. */
#include <string.h>
#include "cpu.h"

typedef struct {
    uint32_t *op;
    int n, copies;                               /* copies: ops at the front that another chain has as well */
} list;
typedef struct {
    sx_plan *p;
    const sx_node *op; uint32_t n;
    task **t;
    uint32_t *chain_of;                          /* of an op: its list + 1; 0: none yet */
    bool *wanted;                                /* of a value: a chain that does not make it reads it */
    list *lists; uint32_t lists_n;
} lowering;
/* Bytes that are not worth a thought; ops of a chain; how far it looks for them, since nets may be long. */
enum { SMALL = 64 << 10, LONGEST = 48, FARTHEST = 2048 };

static bool makes_rows(const task *t) { return t->out.id && t->out.row > 0; }
static size_t bytes_of(const tensor *a) { return (size_t)a->size * (a->dtype == SX_U8 ? 1 : 4); }

/* An op without result writes into its first input; an update into its slots as well. */
static bool writes_input(const task *t, int i)
{
    return !t->out.id && (i == 0 || (t->kernel == &k_update && i >= 4));
}

/* Does an op that is still to come, and stands before op `at`, write a bound value that it reads? */
static bool reads_late(const lowering *w, uint32_t from, uint32_t at)
{
    const task *t = w->t[at];
    for (uint32_t i = from; i < at; i++)
        for (int j = 0; !w->chain_of[i] && j < w->t[i]->inputs; j++)
            for (int k = 0; writes_input(w->t[i], j) && k < t->inputs; k++)
                if (w->t[i]->in[j].id == t->in[k].id) return true;
    return false;
}

/* What lies between a chain and an op does not part them if it is small or writes only what the step leaves
 * behind. */
static bool parts(const lowering *w, uint32_t at)
{
    const task *t = w->t[at];
    size_t bytes = t->out.id ? bytes_of(&t->out) : 0;
    for (int i = 0; i < t->inputs; i++) bytes += bytes_of(&t->in[i]);
    return t->out.id && bytes > SMALL;
}

typedef struct { uint32_t chain, from; bool gap, parted; } place;   /* of a chain that looks for ops */

static bool joins(const lowering *w, const place *at, uint32_t op)
{
    const task *t = w->t[op], *first = w->t[at->from];
    if (t->kernel->alone || first->kernel->alone || t->kernel->whole || first->kernel->whole)
        return t->kernel == &k_update && first->kernel == &k_update && !at->gap;
    if (t->rows != first->rows) return false;
    size_t met = 0;                              /* bytes that op reads of what the chain makes */
    for (int i = 0; i < t->inputs; i++) {
        const int64_t maker = sx_plan_maker(w->p, t->op->in[i]);
        if (maker < 0) continue;
        if (!w->chain_of[maker]) return false;
        if (w->chain_of[maker] != at->chain) continue;
        if (!makes_rows(w->t[maker]) || !t->in[i].row) return false;
        met += bytes_of(&t->in[i]);
    }
    /* From afar only what is much smaller than its source comes, since it must be kept until its time. */
    if (at->gap && (!met || (at->parted && 2 * bytes_of(&t->out) > met))) return false;
    return !reads_late(w, at->from, op);
}

/* From afar an op goes right behind the last one that it reads: what they share dies there. */
static void add_op(lowering *w, list *l, uint32_t op, bool afar)
{
    int at = l->n;
    for (; at > 1 && afar; at--) {
        const task *t = w->t[op];
        bool reads = false;
        for (int i = 0; i < t->inputs; i++) reads |= t->in[i].id == w->t[l->op[at - 1]]->out.id;
        if (reads) break;
    }
    memmove(l->op + at + 1, l->op + at, (size_t)(l->n - at) * sizeof *l->op);
    l->op[at] = op;
    l->n++;
    w->chain_of[op] = (uint32_t)(l - w->lists) + 1;
}

static void gather_chains(lowering *w)
{
    for (uint32_t from = 0; from < w->n; from++) {
        if (w->chain_of[from]) continue;
        list *l = &w->lists[w->lists_n++];
        place at = { w->lists_n, from, false, false };
        l->op = sx_plan_alloc(w->p, 2 * LONGEST * sizeof *l->op);
        add_op(w, l, from, false);
        for (uint32_t i = from + 1; i < w->n && i - from < FARTHEST && l->n < LONGEST; i++) {
            if (w->chain_of[i]) continue;
            if (joins(w, &at, i)) add_op(w, l, i, at.parted);
            else at.gap = true, at.parted |= parts(w, i);
        }
    }
}

/* Large results of small inputs are made again where they are read rather than stored: gradients of
 * max-pooling. */
static bool made_again(const lowering *w, const task *t, uint32_t self, int64_t maker)
{
    if (maker < 0 || w->chain_of[maker] == self) return false;
    const task *m = w->t[maker];
    if (m->kernel != &k_maxpool_bwd || m->rows != t->rows || !sx_plan_place(w->p, m->op->out).slab)
        return false;
    return bytes_of(&m->in[0]) + bytes_of(&m->in[1]) < bytes_of(&m->out) / 2;
}

static bool has(const list *l, uint32_t op)
{
    for (int i = 0; i < l->n; i++)
        if (l->op[i] == op) return true;
    return false;
}

static void repeat_ops(const lowering *w, list *l, uint32_t self)
{
    const int n = l->n;
    for (int i = 0; i < n && l->copies < n; i++) {
        const task *t = w->t[l->op[l->copies + i]];
        for (int j = 0; j < t->inputs; j++) {
            const int64_t maker = sx_plan_maker(w->p, t->op->in[j]);
            if (l->copies == n || !made_again(w, t, self, maker) || has(l, (uint32_t)maker)) continue;
            memmove(l->op + 1, l->op, (size_t)l->n * sizeof *l->op);
            l->op[0] = (uint32_t)maker;
            l->n++, l->copies++;
        }
    }
}

static bool made_in(const lowering *w, const list *l, uint32_t id)
{
    for (int i = 0; i < l->n; i++)
        if (w->t[l->op[i]]->out.id == id) return true;
    return false;
}

static void find_wanted(const lowering *w)
{
    for (uint32_t k = 0; k < w->lists_n; k++) {
        const list *l = &w->lists[k];
        for (int i = 0; i < l->n; i++)
            for (int j = 0; j < w->t[l->op[i]]->inputs; j++) {
                const uint32_t id = w->t[l->op[i]]->in[j].id;
                if (!made_in(w, l, id)) w->wanted[id] = true;
            }
    }
}

/* Only the chain reads it: then it lives as long as a chunk. */
static bool stays_inside(const lowering *w, const list *l, int i)
{
    const task *t = w->t[l->op[i]];
    return i < l->copies || (makes_rows(t) && !w->wanted[t->out.id] && sx_plan_place(w->p, t->op->out).slab);
}

static int add_stage(const lowering *w, const list *l)
{
    size_t values = 0;
    const task **tasks = sx_plan_alloc(w->p, (size_t)l->n * sizeof *tasks);
    for (int i = 0; i < l->n; i++) tasks[i] = w->t[l->op[i]], values += (size_t)tasks[i]->inputs + 1;
    sx_value *in = sx_plan_alloc(w->p, values * sizeof *in), *out = sx_plan_alloc(w->p, values * sizeof *out);
    chain *c = chain_make(w->p, l->n, tasks);
    int reads = 0, writes = 0;
    for (int i = 0; i < l->n; i++) {
        const task *t = tasks[i];
        if (!c->whole && stays_inside(w, l, i)) chain_local(c, t->out.id);
        else if (t->out.id) out[writes++] = t->op->out;
        for (int j = 0; j < t->inputs; j++) {
            if (!made_in(w, l, t->in[j].id)) in[reads++] = t->op->in[j];
            if (writes_input(t, j)) out[writes++] = t->op->in[j];
        }
    }
    chain_fit(c);
    chain **own = sx_plan_alloc(w->p, sizeof *own);
    *own = c;
    return sx_plan_stage(w->p, l->n, l->op, reads, in, writes, out, c->scratch, own);
}

int cpu_lower(sx_dev *dev, sx_plan *p)
{
    lowering w = { .p = p };
    uint32_t most = 0;
    w.op = sx_plan_ops(p, &w.n);
    w.t = sx_plan_alloc(p, ((size_t)w.n + 1) * sizeof *w.t);
    w.lists = sx_plan_alloc(p, ((size_t)w.n + 1) * sizeof *w.lists);
    w.chain_of = sx_plan_alloc(p, ((size_t)w.n + 1) * sizeof *w.chain_of);
    for (uint32_t i = 0; i < w.n; i++) {
        w.t[i] = sx_plan_alloc(p, sizeof **w.t);
        if (!task_make(dev, p, &w.op[i], w.t[i])) return SX_E_UNSUPPORTED;
        for (int j = 0; j < w.t[i]->inputs; j++) most = w.t[i]->in[j].id > most ? w.t[i]->in[j].id : most;
        most = w.t[i]->out.id > most ? w.t[i]->out.id : most;
    }
    w.wanted = sx_plan_alloc(p, (size_t)most + 1);
    gather_chains(&w);
    for (uint32_t k = 0; k < w.lists_n; k++) repeat_ops(&w, &w.lists[k], k + 1);
    find_wanted(&w);
    int code = 0;
    for (uint32_t k = 0; k < w.lists_n && !code; k++) code = add_stage(&w, &w.lists[k]);
    return code;
}
