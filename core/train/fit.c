/* fit.c: what a trial takes on a device, before anything runs, and a step that keeps within the memory
 * that there is: as it stands where that fits, else with as little computed again in the backward pass as
 * does. */
#include "step.h"

static size_t round_up(size_t n) { return (n + 63) / 64 * 64; }

/* --- Budget --- */
static size_t bytes_of(const sx_step *s, sx_t t)
{
    const sx_val *v = sx_graph_val(s->graph, t);
    return v ? round_up(sx_val_bytes(v)) : 0;
}

static size_t bytes_of_logs(const sx_step *s)
{
    if (!s) return 0;
    size_t sum = round_up(sizeof(int32_t));      /* the step counter */
    sum += bytes_of(s, s->perm) + bytes_of(s, s->table);
    for (long i = 0; i < s->heads; i++)
        sum += bytes_of(s, s->head[i].loss_rows) + bytes_of(s, s->head[i].y_rows);
    for (long i = 0; i < s->values; i++) sum += bytes_of(s, s->value_rows[i]);
    return sum;
}

sx_budget sx_steps_budget(const sx_steps *s, sx_room room)
{
    sx_budget b = { .weights = s->bytes[SX_TENSOR_WEIGHT], .states = s->bytes[SX_TENSOR_STATE],
                    .slots = s->bytes[SX_TENSOR_SLOT], .slab = room.slab, .scratch = room.scratch };
    const sx_graph *g = s->eval->graph;
    for (long i = 0; i < s->inputs; i++) b.data += bytes_of(s->eval, s->eval->data[i]);
    for (long i = 0; i < s->labels; i++) b.data += bytes_of(s->eval, s->eval->labels[i]);
    b.logs = bytes_of_logs(s->train) + bytes_of_logs(s->eval);
    b.total = b.weights + b.states + b.slots + b.slab + b.scratch + b.data + b.logs;
    const sx_layer_rows *rows = &s->eval->layers;
    const int64_t from = s->eval->model_from < rows->n ? rows->v[s->eval->model_from].first : g->ops.n;
    const sx_cost cost = sx_graph_cost(g, from, g->ops.n);
    b.parameters = cost.parameters, b.frozen = cost.frozen, b.macs = cost.macs;
    b.spared = s->spared, b.again = s->again;
    return b;
}

int sx_step_precision(const sx_exp *e, const sx_machine *m, sx_diags *d)
{
    if (e->train.precision != 2 || (m->info.dtypes & 1u << SX_BF16)) return 0;
    return sx_error(d, SX_E_UNSUPPORTED, SX_NOWHERE, "device '%s' does not compute in bf16", m->name);
}

/* --- A step that fits --- */
typedef struct {
    const sx_exp *e; const sx_data_shape *s; const sx_machine *m; const sx_fit_want *w;
} job;
typedef struct { sx_again how; size_t total; sx_redone redone; } answer;

static int attempt(const job *j, sx_arena *a, answer *x, sx_steps *s, sx_room *room, sx_diags *d)
{
    *room = (sx_room){ 0 };
    int bad = sx_steps_write(a, j->e, j->s, j->w->training, j->w->seed, j->w->trial, x->how, s, d);
    if (!bad && s->train) bad = sx_machine_room(j->m, s->train->graph, j->w->fuse, room, d);
    if (!bad) bad = sx_machine_room(j->m, s->eval->graph, j->w->fuse, room, d);
    if (bad) return bad;
    x->total = sx_steps_budget(s, *room).total;
    x->redone = s->train ? s->train->graph->redone : (sx_redone){ 0 };
    return 0;
}

/* What `how` would come to; the step is thrown away. */
static int try_out(const job *j, sx_again how, answer *out)
{
    sx_arena *own = sx_arena_open(NULL);
    sx_diags quiet;
    sx_steps s;
    sx_room room;
    sx_diags_init(&quiet, own);
    *out = (answer){ .how = how };
    const int bad = attempt(j, own, out, &s, &room, &quiet);
    sx_arena_close(own);
    return bad;
}

/* The first cuts, from few to many, by which it fits, then as few pieces as will do; where nothing fits, what
 * takes the least. best: the step as it stands. */
static int search(const job *j, double limit, answer *best)
{
    static const unsigned parts[] = { 2, 3, 4, 6, 8, 12, 16, 24, 32, 48 };
    const size_t all = best->redone.bytes;
    answer x;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && (double)best->total > limit; i++) {
        const int bad = try_out(j, (sx_again){ all / parts[i] + 1, 0 }, &x);
        if (bad) return bad;
        if (x.total < best->total) *best = x;
    }
    long low = 0, high = (double)best->total <= limit ? best->redone.pieces : 0;
    while (low + 1 < high) {
        const long middle = (low + high) / 2;
        const int bad = try_out(j, (sx_again){ best->how.segment, middle }, &x);
        if (bad) return bad;
        if ((double)x.total <= limit) { *best = x; high = middle; } else low = middle;
    }
    return 0;
}

/* FLOP computed again, as a share of the others of the step. */
static double share(const sx_graph *g)
{
    double sum = 0;
    for (long i = 0; i < g->ops.n; i++) sum += sx_op_flop(g, &g->ops.v[i]);
    return sum > g->redone.flop ? g->redone.flop / (sum - g->redone.flop) : 0;
}

double sx_memory_limit(const sx_exp *e, const sx_machine *m)
{
    return e->train.memory > 0 ? e->train.memory : m && m->info.memory ? (double)m->info.memory : INFINITY;
}

int sx_steps_fit(sx_arena *a, const sx_exp *e, const sx_data_shape *s, const sx_machine *m,
                 const sx_fit_want *w, sx_steps *out, sx_room *room, sx_diags *d)
{
    const job j = { e, s, m, w };
    const double limit = e->train.recompute == SX_AGAIN_ALL ? 0 : sx_memory_limit(e, m);
    answer x = { { 0, 0 }, 0, { 0 } };
    int bad = attempt(&j, a, &x, out, room, d);
    const size_t plain = x.total;
    if (bad || !w->training || e->train.recompute == SX_AGAIN_NONE || (double)plain <= limit) return bad;
    bad = search(&j, limit, &x);
    if (bad || !x.how.segment) return bad;
    bad = attempt(&j, a, &x, out, room, d);
    if (bad) return bad;
    out->spared = plain - x.total;
    out->again = share(out->train->graph);
    return 0;
}

int sx_step_budget(sx_arena *a, const sx_exp *e, const sx_data_shape *s, const sx_machine *m, sx_budget *out,
                   sx_diags *d)
{
    sx_steps steps;
    sx_room room;
    int bad = m ? sx_step_precision(e, m, d) : 0;
    const sx_fit_want w = { .training = true, .fuse = true };
    if (!bad) bad = sx_steps_fit(a, e, s, m, &w, &steps, &room, d);
    if (!bad) *out = sx_steps_budget(&steps, room);
    return bad;
}
