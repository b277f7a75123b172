/* lower.c: which ops share a stage. An op joins the chain of an op before it where both go by the same rows
 * and nothing that it reads is still to come; updates become one loop (late.c). Values that no other chain
 * reads are not stored. */
#include <string.h>
#include "cpu.h"

typedef struct {
    uint32_t *op;
    int n, copies;                               /* copies: ops at the front that another chain has as well */
} list;
typedef struct late_write { uint32_t op; const struct late_write *next; } late_write;
typedef struct {
    sx_plan *p;
    const sx_node *op; uint32_t n;
    task **t;
    uint32_t *chain_of;                          /* of an op: its list + 1; 0: none yet */
    const uint32_t *at;                          /* of an op: where it runs, see late.c */
    const late_write **writes;                   /* of a bound value: the ops that write it */
    bool trains;                                 /* an op learns */
    bool *wanted;                                /* of a value: a chain that does not make it reads it */
    list *lists; uint32_t lists_n;
} lowering;
/* Bytes that are not worth a thought; ops of a chain; how far it looks for them, since nets may be long. */
enum { SMALL = 64 << 10, LONGEST = 48, FARTHEST = 2048, AT_ONCE = 4 << 20 };

static sx_value value_of(const tensor *a) { return (sx_value){ a->id }; }
static int64_t maker_of(const lowering *w, uint32_t id) { return sx_plan_maker(w->p, (sx_value){ id }); }
static bool makes_rows(const task *t) { return t->out.id && t->out.row > 0; }
static size_t bytes_of(const tensor *a) { return (size_t)a->size * (a->dtype == SX_U8 ? 1 : 4); }

/* An op without result writes into its first input; an update into its slots as well. */
bool task_writes(const task *t, int i)
{
    return !t->out.id && (i == 0 || (t->kernel == &k_update && i >= 4));
}

/* Does an op that is still to come, and stands before op `at`, write a bound value that it reads? */
static bool reads_late(const lowering *w, uint32_t from, uint32_t at)
{
    const task *t = w->t[at];
    for (int k = 0; k < t->inputs; k++)
        for (const late_write *i = w->writes[t->in[k].id]; i; i = i->next)
            if (i->op >= from && i->op < at && !w->chain_of[i->op]) return true;
    return false;
}

static void find_writes(lowering *w, uint32_t values)
{
    w->writes = sx_plan_alloc(w->p, ((size_t)values + 1) * sizeof *w->writes);
    for (uint32_t i = 0; i < w->n; i++)
        for (int j = 0; j < w->t[i]->inputs; j++) {
            if (!task_writes(w->t[i], j)) continue;
            late_write *to = sx_plan_alloc(w->p, sizeof *to);
            const late_write **first = &w->writes[w->t[i]->in[j].id];
            *to = (late_write){ i, *first };
            *first = to;
        }
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

typedef struct {                                 /* of a chain that looks for ops */
    uint32_t chain, from;
    bool gap, parted;
    long least; size_t row;                      /* the most rows that an op wants, the longest row */
} place;

static size_t longest_row(const task *t)
{
    size_t row = t->out.row;
    for (int i = 0; i < t->inputs; i++) row = t->in[i].row > row ? t->in[i].row : row;
    return row;
}

/* Small images go by many rows at a time, so that weights are worth loading; large ones would then leave the
 * cache. */
static bool suits(const place *at, const task *t)
{
    const long least = t->heavy && t->least > at->least ? t->least : at->least;
    const size_t own = longest_row(t), row = own > at->row ? own : at->row;
    return least == 1 || row * (size_t)least <= AT_ONCE || (least == at->least && row == at->row);
}

static void widen_place(place *at, const task *t)
{
    const size_t row = longest_row(t);
    at->row = row > at->row ? row : at->row;
    at->least = t->heavy && t->least > at->least ? t->least : at->least;
}

static bool joins(const lowering *w, const place *at, uint32_t op)
{
    const task *t = w->t[op], *first = w->t[at->from];
    if (t->kernel->alone || first->kernel->alone || t->kernel->whole || first->kernel->whole)
        return t->kernel == &k_update && first->kernel == &k_update && !at->gap;
    if (t->rows != first->rows || !suits(at, t)) return false;
    size_t met = 0;                              /* bytes that op reads of what the chain makes */
    for (int i = 0; i < t->inputs; i++) {
        const int64_t maker = maker_of(w, t->in[i].id);
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

/* Ops that wait for op `at`, and it; false: none do. */
static bool gather_late(lowering *w, uint32_t at)
{
    size_t n = 1;
    for (uint32_t i = 0; i < at && w->t[at]->kernel == &k_update; i++) n += w->at[i] == at;
    if (n == 1) return false;
    list *l = &w->lists[w->lists_n++];
    l->op = sx_plan_alloc(w->p, n * sizeof *l->op);
    for (uint32_t i = 0; i <= at; i++)
        if (w->at[i] == at) add_op(w, l, i, false);
    return true;
}

/* Does an op make of bound values alone what no batch has a part in? Such ops, of statistics that are known,
 * say, go first, so that no chain of a batch waits for them. */
static bool is_fixed(const lowering *w, const bool *fixed, uint32_t op)
{
    const task *t = w->t[op];
    if (!t->out.id || w->at[op] != op || sx_plan_place(w->p, t->op->out).batched || reads_late(w, 0, op))
        return false;
    for (int i = 0; i < t->inputs; i++) {
        const int64_t maker = maker_of(w, t->in[i].id);
        if (maker < 0 ? sx_plan_place(w->p, value_of(&t->in[i])).batched : !fixed[maker]) return false;
    }
    return true;
}

static void gather_fixed(lowering *w)
{
    bool *fixed = sx_plan_alloc(w->p, (size_t)w->n + 1);
    for (uint32_t i = 0; i < w->n; i++) {
        if (!(fixed[i] = is_fixed(w, fixed, i))) continue;
        list *l = &w->lists[w->lists_n++];
        l->op = sx_plan_alloc(w->p, sizeof *l->op);
        add_op(w, l, i, false);
    }
}

static void gather_chains(lowering *w)
{
    gather_fixed(w);
    for (uint32_t from = 0; from < w->n; from++) {
        if (w->chain_of[from] || w->at[from] != from || gather_late(w, from)) continue;
        list *l = &w->lists[w->lists_n++];
        place at = { .chain = w->lists_n, .from = from, .least = 1 };
        widen_place(&at, w->t[from]);
        l->op = sx_plan_alloc(w->p, 2 * LONGEST * sizeof *l->op);
        add_op(w, l, from, false);
        for (uint32_t i = from + 1; i < w->n && i - from < FARTHEST && l->n < LONGEST; i++) {
            if (w->chain_of[i]) continue;
            if (w->at[i] == i && joins(w, &at, i)) add_op(w, l, i, at.parted), widen_place(&at, w->t[i]);
            else at.gap = true, at.parted |= parts(w, i);
        }
    }
}

/* Results that are cheap to make of what is stored anyway are made again where they are read rather than
 * stored, too: gradients of max-pooling, normalised pooled images, convolutions of few channels and the
 * maps behind them. */
static bool is_cheap(const lowering *w, const task *t)
{
    if (!makes_rows(t) || !sx_plan_place(w->p, value_of(&t->out)).slab) return false;
    if (t->kernel == &k_maxpool_bwd) return bytes_of(&t->in[0]) + bytes_of(&t->in[1]) < bytes_of(&t->out) / 2;
    if (t->kernel != &k_map) return t->thin || t->pooled;
    int large = 0;
    for (int i = 0; i < t->inputs; i++) {
        const int64_t maker = maker_of(w, t->in[i].id);
        if (!t->in[i].row) continue;
        if (maker < 0 || !w->t[maker]->again || w->t[maker]->kernel == &k_maxpool_bwd) return false;
        large++;
    }
    return large == 1;
}

static bool has(const list *l, uint32_t op)
{
    for (int i = 0; i < l->n; i++)
        if (l->op[i] == op) return true;
    return false;
}

/* Copies stand before all others, in the order of the plan. */
static void add_copy(list *l, uint32_t op)
{
    int at = 0;
    while (at < l->copies && l->op[at] < op) at++;
    memmove(l->op + at + 1, l->op + at, (size_t)(l->n - at) * sizeof *l->op);
    l->op[at] = op;
    l->n++, l->copies++;
}

static bool copy_maker(const lowering *w, list *l, uint32_t self, const task *t)
{
    if (t->kernel->alone || t->kernel->whole) return false;
    for (int j = 0; j < t->inputs; j++) {
        const int64_t maker = maker_of(w, t->in[j].id);
        if (maker < 0 || w->chain_of[maker] == self || !w->t[maker]->again || w->t[maker]->rows != t->rows
            || has(l, (uint32_t)maker) || l->n == 2 * LONGEST) continue;
        add_copy(l, (uint32_t)maker);
        return true;
    }
    return false;
}

static void repeat_ops(const lowering *w, list *l, uint32_t self)
{
    for (int i = 0; i < l->n;)
        i = copy_maker(w, l, self, w->t[l->op[i]]) ? 0 : i + 1;      /* copies read, too */
}

/* What only copies read is not made where it stood. */
static void drop_unread(const lowering *w, list *l)
{
    for (int i = l->n; i-- > l->copies;) {
        const task *t = w->t[l->op[i]];
        if (!t->again || w->wanted[t->out.id]) continue;
        bool read = false;
        for (int k = i + 1; k < l->n && !read; k++)
            for (int j = 0; j < w->t[l->op[k]]->inputs; j++) read |= w->t[l->op[k]]->in[j].id == t->out.id;
        if (read) continue;
        l->n--;
        memmove(l->op + i, l->op + i + 1, (size_t)(l->n - i) * sizeof *l->op);
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

/* Does a task make something of weights that no step changes? In a training memory counts more. */
static bool is_steady(const lowering *w, const task *t)
{
    if (!t->kernel->begin || t->kernel->sums || w->trains) return false;
    bool any = false;
    for (int i = 0; i < t->inputs; i++) {
        const uint32_t id = t->in[i].id;
        if (t->in[i].row) continue;
        if (maker_of(w, id) >= 0 || w->writes[id] || sx_plan_place(w->p, value_of(&t->in[i])).batched)
            return false;
        any = true;
    }
    return any;
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
        if ((!c->whole || i + 1 < l->n) && stays_inside(w, l, i)) chain_local(c, t->out.id);
        else if (t->out.id) out[writes++] = t->op->out;
        for (int j = 0; j < t->inputs; j++) {
            if (!made_in(w, l, t->in[j].id)) in[reads++] = value_of(&t->in[j]);
            if (task_writes(t, j)) out[writes++] = value_of(&t->in[j]);
        }
    }
    for (int i = 0; i < c->n; i++) c->t[i].steady = is_steady(w, &c->t[i]);
    pool_join(c);
    map_join(c);
    chain_fit(c);
    if (c->kept) c->keep = sx_plan_kept(w->p, c->kept);
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
        w.trains |= w.t[i]->kernel == &k_update;
    }
    pool_first(p, w.n, w.t);
    w.wanted = sx_plan_alloc(p, (size_t)most + 1);
    w.at = late_ops(p, w.n, w.t, most);
    find_writes(&w, most);
    gather_chains(&w);
    for (uint32_t i = 0; i < w.n; i++) w.t[i]->again = is_cheap(&w, w.t[i]);
    for (uint32_t k = 0; k < w.lists_n; k++) repeat_ops(&w, &w.lists[k], k + 1);
    find_wanted(&w);
    for (uint32_t k = 0; k < w.lists_n; k++) drop_unread(&w, &w.lists[k]);
    int code = 0;
    for (uint32_t k = 0; k < w.lists_n && !code; k++)
        if (w.lists[k].n) code = add_stage(&w, &w.lists[k]);
    return code;
}
