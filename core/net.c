/* net.c: a net on a machine: flat device buffers for weights, states and slots, a program for training and
 * one for evaluation that share a slab, and the loops that run them in slices. */
#include "step.h"
#include "ckpt.h"
#include "tensors.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {                                 /* one of the two programs and its small buffers */
    const sx_step *s; sx_program *p;
    sx_memory *io;                               /* step counter, order, table, logs */
    size_t order_at, table_at, loss_at[SX_COLUMNS], y_at[SX_COLUMNS], value_at[SX_VALUES];
    int32_t *order; float *read;                 /* on the host: the order of rows; a slice of a log */
} mode;
struct sx_net {
    sx_arena *arena; const sx_exp *e; const sx_machine *m; const sx_data *data; uint64_t seed; int64_t trial;
    sx_steps steps; mode train, eval;
    sx_memory *kept[SX_TENSOR_KINDS], *slab;
    sx_room room;
    sx_net_clock clock;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int put(const sx_net *n, const sx_memory *m, size_t at, const void *from, size_t bytes, sx_diags *d)
{
    const int bad = n->m->device->write(n->m->queue, m->buf, at, from, bytes);
    return bad ? sx_machine_error(n->m, bad, d) : 0;
}

static int get(const sx_net *n, const sx_memory *m, size_t at, void *to, size_t bytes, sx_diags *d)
{
    const int bad = n->m->device->read(n->m->queue, m->buf, at, to, bytes);
    return bad ? sx_machine_error(n->m, bad, d) : 0;
}

/* --- Opening: memory, programs, binding --- */
static size_t place(const mode *o, sx_t t, size_t *at)
{
    const sx_val *v = sx_graph_val(o->s->graph, t);
    const size_t here = *at;
    if (v) *at += (sx_val_bytes(v) + 63) / 64 * 64;
    return here;
}

/* The small buffer of a mode: the step counter first. */
static int open_io(sx_net *n, mode *o, sx_diags *d)
{
    size_t at = 64;
    o->order_at = place(o, o->s->perm, &at);
    o->table_at = place(o, o->s->table, &at);
    for (long i = 0; i < o->s->heads; i++) {
        o->loss_at[i] = place(o, o->s->head[i].loss_rows, &at);
        o->y_at[i] = place(o, o->s->head[i].y_rows, &at);
    }
    for (long i = 0; i < o->s->values; i++) o->value_at[i] = place(o, o->s->value_rows[i], &at);
    const size_t rows = (size_t)(o->s->batch * o->s->steps), all = (size_t)n->data->shape.rows;
    o->order = sx_alloc_array(n->arena, (rows > all ? rows : all) + (size_t)o->s->batch, sizeof *o->order);
    o->read = sx_alloc_array(n->arena, rows, sizeof *o->read);
    return sx_memory_open(n->arena, n->m, at, &o->io, d);
}

static void bind_tensors(sx_net *n, mode *o)
{
    const sx_graph *g = o->s->graph;
    for (uint32_t id = 1; id <= g->vals.n; id++) {
        const sx_role role = g->vals.v[id - 1].role;
        if (role != SX_ROLE_WEIGHT && role != SX_ROLE_STATE && role != SX_ROLE_SLOT) continue;
        const sx_tensor *t = sx_net_tensor(n, g->vals.v[id - 1].name);
        sx_program_bind(o->p, (sx_t){ id }, n->kept[t->kind], t->offset);
    }
}

static void bind_one(const mode *o, sx_t t, const sx_memory *m, size_t at)
{
    if (t.id) sx_program_bind(o->p, t, m, at);
}

static void bind(sx_net *n, mode *o)
{
    const sx_step *s = o->s;
    for (int i = 0; i < n->data->shape.inputs; i++) bind_one(o, s->data[i], n->data->x[i], 0);
    for (int i = 0; i < n->data->shape.labels; i++) bind_one(o, s->labels[i], n->data->y[i], 0);
    bind_one(o, s->step, o->io, 0);
    bind_one(o, s->perm, o->io, o->order_at);
    bind_one(o, s->table, o->io, o->table_at);
    for (long i = 0; i < s->heads; i++) {
        bind_one(o, s->head[i].loss_rows, o->io, o->loss_at[i]);
        bind_one(o, s->head[i].y_rows, o->io, o->y_at[i]);
    }
    for (long i = 0; i < s->values; i++) bind_one(o, s->value_rows[i], o->io, o->value_at[i]);
    bind_tensors(n, o);
}

static int open_mode(sx_net *n, mode *o, const sx_step *s, bool fuse, sx_diags *d)
{
    if (!s) return 0;
    o->s = s;
    int bad = open_io(n, o, d);
    if (!bad) bad = sx_program_open(n->arena, n->m, s->graph, fuse, n->slab, &o->p, d);
    if (!bad) bind(n, o);
    return bad;
}

static int open_memory(sx_net *n, bool fuse, sx_diags *d)
{
    n->room.slab = 64;
    int bad = n->steps.train ? sx_machine_room(n->m, n->steps.train->graph, fuse, &n->room, d) : 0;
    if (!bad) bad = sx_machine_room(n->m, n->steps.eval->graph, fuse, &n->room, d);
    if (!bad) bad = sx_memory_open(n->arena, n->m, n->room.slab, &n->slab, d);
    for (int kind = 0; kind < SX_TENSOR_KINDS && !bad; kind++)
        bad = sx_memory_open(n->arena, n->m, n->steps.bytes[kind], &n->kept[kind], d);
    return bad;
}

int sx_net_open(sx_arena *a, const sx_exp *e, const sx_machine *m, const sx_data *data, uint64_t seed,
                int64_t trial, bool training, sx_net **out, sx_diags *d)
{
    sx_net *n = *out = SX_NEW(a, sx_net);
    *n = (sx_net){ .arena = a, .e = e, .m = m, .data = data, .seed = seed, .trial = trial };
    const bool fuse = !getenv("STRIX_NO_FUSE");  /* one stage per op: the oracle of the fused ones */
    int bad = sx_step_precision(e, m, d);
    if (!bad) bad = sx_steps_write(a, e, &data->shape, training, seed, trial, &n->steps, d);
    if (!bad) bad = open_memory(n, fuse, d);
    if (!bad) bad = open_mode(n, &n->train, n->steps.train, fuse, d);
    if (!bad) bad = open_mode(n, &n->eval, n->steps.eval, fuse, d);
    return bad;
}

/* --- Tensors --- */
long sx_net_tensors(const sx_net *n, const sx_tensor **t)
{
    *t = n->steps.tensors.v;
    return n->steps.tensors.n;
}

const sx_tensor *sx_net_tensor(const sx_net *n, const char *name)
{
    for (long i = 0; i < n->steps.tensors.n; i++)
        if (!strcmp(n->steps.tensors.v[i].name, name)) return &n->steps.tensors.v[i];
    return NULL;
}

int sx_net_read(const sx_net *n, const sx_tensor *t, float *out, sx_diags *d)
{
    return get(n, n->kept[t->kind], t->offset, out, (size_t)t->count * sizeof *out, d);
}

int sx_net_write(sx_net *n, const sx_tensor *t, const float *in, sx_diags *d)
{
    return put(n, n->kept[t->kind], t->offset, in, (size_t)t->count * sizeof *in, d);
}

const sx_head *sx_net_head(const sx_net *n, long output) { return &n->eval.s->head[output]; }
bool sx_net_softmax(const sx_net *n, long output)
{
    return sx_net_head(n, output)->logits.id != sx_net_head(n, output)->y.id;
}
const sx_exp *sx_net_exp(const sx_net *n) { return n->e; }
const sx_data *sx_net_data(const sx_net *n) { return n->data; }
sx_net_clock sx_net_time(const sx_net *n) { return n->clock; }
void sx_net_set_time(sx_net *n, sx_net_clock c) { n->clock = c; }

static int import_files(sx_net *n, sx_diags *d)
{
    sx_weights_use *use;
    sx_arena *own = sx_arena_open(NULL);
    const long files = sx_model_weights(own, n->e, &use, d);
    int bad = files < 0 ? (int)files : 0;
    for (long i = 0; i < files && !bad; i++)
        bad = sx_ckpt_import(own, use[i].file, use[i].prefix, n, true, sx_conf_where(own, use[i].conf), d);
    sx_arena_close(own);
    return bad;
}

/* Piece by piece: nothing of the size of a tensor is taken that the budget does not count. */
static int start_tensor(sx_net *n, const sx_tensor *t, sx_diags *d)
{
    float piece[4096] = { 0 };
    const long most = sizeof piece / sizeof *piece;
    int bad = 0;
    for (long at = 0; at < t->count && !bad; at += most) {
        const long count = t->count - at < most ? t->count - at : most;
        if (t->kind != SX_TENSOR_SLOT) sx_init_fill(t->val, at, count, piece);
        bad = put(n, n->kept[t->kind], t->offset + (size_t)at * sizeof *piece, piece,
                  (size_t)count * sizeof *piece, d);
    }
    return bad;
}

int sx_net_init(sx_net *n, sx_diags *d)
{
    int bad = 0;
    for (long i = 0; i < n->steps.tensors.n && !bad; i++) bad = start_tensor(n, &n->steps.tensors.v[i], d);
    n->clock = (sx_net_clock){ 0 };
    return bad ? bad : import_files(n, d);
}

sx_budget sx_net_used(const sx_net *n)
{
    sx_budget b = sx_steps_budget(&n->steps, n->room);
    b.weights = n->kept[SX_TENSOR_WEIGHT]->bytes;
    b.states = n->kept[SX_TENSOR_STATE]->bytes;
    b.slots = n->kept[SX_TENSOR_SLOT]->bytes;
    b.data = 0;
    for (int i = 0; i < n->data->shape.inputs; i++) b.data += n->data->x[i]->bytes;
    for (int i = 0; i < n->data->shape.labels; i++) b.data += n->data->y[i]->bytes;
    b.logs = n->eval.io->bytes + (n->train.io ? n->train.io->bytes : 0);
    b.total = b.weights + b.states + b.slots + b.slab + b.scratch + b.data + b.logs;
    return b;
}

/* --- Running in slices --- */
typedef struct { double loss[SX_COLUMNS], value[SX_VALUES]; long rows; } sums;
typedef struct {
    sx_net *n; mode *o; const sx_watch *w; sx_diags *d;
    long first, rows;                            /* this run: rows of the order, of all that are asked for */
    long before, all;                            /* rows of earlier runs, of all runs: for the share */
    bool watch_loss;                             /* stop at a loss that is not finite */
    sums *sums; float *const *y; long y_from;    /* y: where the outputs of this run go, from a row on; or NULL */
} run;

/* Adds rows [from, to) of a log, in order, so that slices change no bit. */
static int add_log(const run *r, size_t log_at, long from, long to, double *sum)
{
    const int bad = get(r->n, r->o->io, log_at + (size_t)from * sizeof(float), r->o->read,
                        (size_t)(to - from) * sizeof(float), r->d);
    for (long i = 0; !bad && i < to - from; i++) *sum += (double)r->o->read[i];
    return bad;
}

static int collect(const run *r, long from, long to)
{
    const mode *o = r->o;
    if (to > r->rows) to = r->rows;              /* what is behind is padding */
    int bad = 0;
    for (long i = 0; i < o->s->heads && !bad; i++) {
        const long width = o->s->head[i].width;
        const size_t each = (size_t)width * sizeof(float);
        bad = add_log(r, o->loss_at[i], from, to, &r->sums->loss[i]);
        if (!bad && r->y && r->y[i])
            bad = get(r->n, o->io, o->y_at[i] + (size_t)from * each, r->y[i] + (r->y_from + from) * width,
                      (size_t)(to - from) * each, r->d);
    }
    for (long i = 0; i < o->s->values && !bad; i++)
        if (o->s->value_rows[i].id) bad = add_log(r, o->value_at[i], from, to, &r->sums->value[i]);
    r->sums->rows += to - from;
    return bad;
}

static int look(const run *r, long rows)
{
    if (!r->w) return 0;
    if (r->w->stop && *r->w->stop >= 2) return sx_error(r->d, SX_E_STOPPED, SX_NOWHERE, "stopped at once");
    return r->w->pulse ? r->w->pulse(r->w->ctx, (double)(r->before + rows) / (double)r->all) : 0;
}

static bool diverged(const run *r)
{
    bool bad = false;
    for (long i = 0; r->watch_loss && i < r->o->s->heads; i++) bad |= !isfinite(r->sums->loss[i]);
    return bad;
}

/* Runs `steps` steps; half a second at a time where somebody watches. */
static int run_slices(const run *r, long steps)
{
    const long batch = r->o->s->batch;
    for (long done = 0, times = 1; done < steps;) {
        if (times > steps - done) times = steps - done;
        const double start = now();
        int bad = sx_program_run(r->o->p, (unsigned)times, r->d);
        if (!bad) bad = collect(r, done * batch, (done + times) * batch);
        done += times;
        if (!bad && done < steps) bad = look(r, done * batch);
        if (bad) return bad;
        if (diverged(r)) return 0;
        const double speed = (double)times / (now() - start + 1e-9);
        times = 0.5 * speed < 1 ? 1 : 0.5 * speed > 1e6 ? 1000000 : (long)(0.5 * speed);
    }
    return 0;
}

static void tally(const sx_exp *e, const sums *s, double start, sx_tally *out)
{
    *out = (sx_tally){ .rows = s->rows, .seconds = now() - start };
    for (long i = 0; i < e->outputs; i++) out->loss += e->output[i].weight * (s->loss[i] / (double)s->rows);
    for (long i = 0; i < e->train.values; i++) {
        const sx_score *v = &e->train.value[i];
        out->metric[i] = (v->metric ? s->value[i] : s->loss[v->output]) / (double)s->rows;
    }
}

/* --- Training --- */
/* Coefficients of the epoch's steps; c moves on to the end of the epoch. */
static void fill_table(const sx_net *n, long epoch, const double *monitor, sx_net_clock *c, float *table)
{
    const sx_train_conf *t = &n->e->train;
    sx_progress p = { .steps = n->train.s->steps, .epoch = epoch, .epochs = t->epochs, .monitor = monitor };
    for (p.step = 0; p.step < p.steps; p.step++, table += SX_TABLE_WIDTH) {
        const double lr = t->lr * SX_ITEM_OF(sx_schedule, t->schedule)->factor(t->schedule.params, &p);
        SX_ITEM_OF(sx_optimizer, t->optimizer)->coef(t->optimizer.params, lr, ++c->t, c->memo, table);
        table[SX_TABLE_LR] = (float)lr;
    }
    c->epoch = epoch + 1;
}

static int write_order(const sx_net *n, const mode *o, long rows, sx_diags *d)
{
    return put(n, o->io, o->order_at, o->order, (size_t)rows * sizeof *o->order, d);
}

static int prepare_epoch(sx_net *n, long epoch, const double *monitor, sx_net_clock *c, sx_diags *d)
{
    const mode *o = &n->train;
    const int32_t step = (int32_t)(n->clock.t % INT32_MAX);
    const size_t bytes = (size_t)o->s->steps * SX_TABLE_WIDTH * sizeof(float);
    float *table = calloc(1, bytes);
    if (!table) return sx_error(d, SX_E_MEMORY, SX_NOWHERE, "no memory for %zu bytes of coefficients", bytes);
    fill_table(n, epoch, monitor, c, table);
    int bad = put(n, o->io, o->table_at, table, bytes, d);
    free(table);
    const sx_key key = sx_key_of(n->seed, n->trial, "shuffle");
    sx_data_order(n->data->fit, n->data->shape.fit, o->s->batch, true, key, (uint32_t)epoch, false, o->order);
    if (!bad) bad = write_order(n, o, o->s->steps * o->s->batch, d);
    return bad ? bad : put(n, o->io, 0, &step, sizeof step, d);
}

int sx_net_train(sx_net *n, long epoch, const double *monitor, const sx_watch *w, sx_tally *out, sx_diags *d)
{
    const double start = now();
    const long rows = n->train.s->steps * n->train.s->batch;
    sx_net_clock c = n->clock;
    sums s = { 0 };
    const run r = { .n = n, .o = &n->train, .w = w, .d = d, .rows = rows, .all = rows, .watch_loss = true,
                    .sums = &s };
    int bad = prepare_epoch(n, epoch, monitor, &c, d);
    if (!bad) bad = run_slices(&r, n->train.s->steps);
    if (bad) return bad;
    n->clock = c;
    tally(n->e, &s, start, out);
    return 0;
}

/* --- Evaluation --- */
static int eval_run(run *r, const int32_t *rows)
{
    const mode *o = r->o;
    const int32_t zero = 0;
    const long steps = sx_data_order(rows, r->rows, o->s->batch, false, (sx_key){ { 0, 0 } }, 0, true,
                                     o->order);
    int bad = write_order(r->n, o, steps * o->s->batch, r->d);
    if (!bad) bad = put(r->n, o->io, 0, &zero, sizeof zero, r->d);
    return bad ? bad : run_slices(r, steps);
}

static bool has_over(const sx_train_conf *t)
{
    for (long i = 0; i < t->metrics; i++)
        if (SX_ITEM_OF(sx_loss, t->metric[i])->over) return true;
    return false;
}

/* Room for the outputs of all rows; those that the caller wants have theirs. NULL: there is none. */
static float **own_outputs(sx_arena *a, const sx_step *s, long count, float *const *y)
{
    float **all = sx_alloc_array(a, (size_t)s->heads, sizeof *all);
    for (long i = 0; i < s->heads; i++) {
        all[i] = y && y[i] ? y[i] : calloc((size_t)(count * s->head[i].width), sizeof **all);
        if (!all[i]) return NULL;
        if (!y || y[i] != all[i]) sx_arena_defer(a, free, all[i]);
    }
    return all;
}

/* Metrics of the whole set, from all outputs. */
static int measure(const sx_net *n, const int32_t *rows, long count, float *const *y, sx_tally *out,
                   sx_diags *d)
{
    const sx_train_conf *t = &n->e->train;
    float *target = calloc((size_t)count, sizeof *target);
    if (!target) return sx_error(d, SX_E_MEMORY, SX_NOWHERE, "no memory for %ld labels", count);
    for (long i = 0; i < t->values; i++) {
        const sx_score *v = &t->value[i];
        const sx_head *h = &n->eval.s->head[v->output];
        const sx_loss *item = v->metric ? SX_ITEM_OF(sx_loss, *v->metric) : NULL;
        if (!item || !item->over) continue;
        for (long k = 0; k < count; k++) target[k] = (float)n->data->label[h->label][rows[k]];
        out->metric[i] = item->over(v->metric->params, count, h->width, y[v->output], target);
    }
    free(target);
    return 0;
}

int sx_net_eval(sx_net *n, const int32_t *rows, long count, const sx_watch *w, sx_tally *out, float *const *y,
                sx_diags *d)
{
    const double start = now();
    const mode *o = &n->eval;
    const long most = o->s->steps * o->s->batch;
    const bool over = has_over(&n->e->train) && count > 0;
    sx_arena *own = sx_arena_open(NULL);
    if (over) y = own_outputs(own, o->s, count, y);
    sums s = { 0 };
    int bad = count < 1 ? sx_error(d, SX_E_DATA, SX_NOWHERE, "there are no rows to evaluate") : 0;
    if (over && !y) bad = sx_error(d, SX_E_MEMORY, SX_NOWHERE, "no memory for the outputs of %ld rows", count);
    for (long at = 0; at < count && !bad; at += most) {
        run r = { .n = n, .o = &n->eval, .w = w, .d = d, .rows = count - at < most ? count - at : most,
                  .before = at, .all = count,
                  .sums = &s, .y = y, .y_from = at };
        bad = eval_run(&r, rows + at);
    }
    if (!bad) tally(n->e, &s, start, out);
    if (!bad && over) bad = measure(n, rows, count, y, out, d);
    sx_arena_close(own);
    return bad;
}

/* --- Timing --- */
int sx_net_time_steps(sx_net *n, bool training, long steps, double *seconds, sx_diags *d)
{
    enum { WARM = 3 };
    mode *o = training ? &n->train : &n->eval;
    sx_net_clock c = n->clock;
    const long rows = training ? n->data->shape.fit : n->data->shape.val;
    float loss;
    int bad = training ? prepare_epoch(n, 0, NULL, &c, d) : 0;
    if (!training) {
        sx_data_order(n->data->val, rows, o->s->batch, false, (sx_key){ { 0, 0 } }, 0, true, o->order);
        bad = write_order(n, o, o->s->steps * o->s->batch, d);
    }
    for (long i = -WARM; i < steps && !bad; i++) {
        const double start = now();
        bad = sx_program_run(o->p, 1, d);
        if (!bad) bad = get(n, o->io, *o->loss_at, &loss, sizeof loss, d); /* waits until the step is done */
        if (i >= 0) seconds[i] = now() - start;
        if (i == -1) sx_program_profile(o->p, 0, NULL, NULL);
    }
    return bad;
}

int sx_net_profile(sx_net *n, bool training, int max, double *seconds, const char **name)
{
    return sx_program_profile(training ? n->train.p : n->eval.p, max, seconds, name);
}

/* --- Gradients for comparison --- */
static float *take(sx_net *n, mode *o, sx_arena *a, sx_t t, size_t at, int *bad, sx_diags *d)
{
    static const char *const type[] = { [SX_F32] = "F32", [SX_BF16] = "BF16", [SX_F16] = "F16" };
    const sx_val *v = sx_graph_val(o->s->graph, t);
    const long count = sx_val_count(v);
    void *raw = sx_alloc(a, sx_val_bytes(v));
    float *to = sx_alloc_array(a, (size_t)count, sizeof *to);
    if (!*bad) *bad = get(n, o->io, at, raw, sx_val_bytes(v), d);
    if (!*bad) *bad = sx_blob_f32(&(sx_blob){ .dtype = type[v->dtype], .bytes = sx_val_bytes(v), .data = raw },
                                  count, to);
    return to;
}

static int probe(sx_arena *a, sx_net *n, mode *o, sx_probe *out, sx_diags *d)
{
    const sx_step *s = o->s;
    size_t at = 0, *grad_at = sx_alloc_array(a, (size_t)s->n_learned + 1, sizeof *grad_at);
    size_t logits_at[SX_COLUMNS];
    sx_memory *results;
    for (long i = 0; i < s->heads; i++) logits_at[i] = place(o, s->head[i].logits, &at);
    for (long i = 0; i < s->n_learned; i++) grad_at[i] = place(o, s->grads[i], &at);
    int bad = sx_memory_open(n->arena, n->m, at, &results, d);
    if (bad) return bad;
    for (long i = 0; i < s->heads; i++) sx_program_bind(o->p, s->head[i].logits, results, logits_at[i]);
    for (long i = 0; i < s->n_learned; i++) sx_program_bind(o->p, s->grads[i], results, grad_at[i]);
    for (long i = 0; i < s->batch; i++) o->order[i] = (int32_t)i;
    bad = write_order(n, o, s->batch, d);
    if (!bad) bad = sx_program_run(o->p, 1, d);
    out->loss = sx_alloc_array(a, (size_t)s->heads, sizeof *out->loss);
    out->logits = sx_alloc_array(a, (size_t)s->heads, sizeof *out->logits);
    for (long i = 0; i < s->heads; i++) out->loss[i] = take(n, o, a, s->head[i].loss_rows, o->loss_at[i], &bad, d);
    o->io = results;
    for (long i = 0; i < s->heads; i++) out->logits[i] = take(n, o, a, s->head[i].logits, logits_at[i], &bad, d);
    out->grad = sx_alloc_array(a, (size_t)s->n_learned + 1, sizeof *out->grad);
    const sx_tensor **weight = sx_alloc_array(a, (size_t)s->n_learned + 1, sizeof *weight);
    for (long i = 0; i < s->n_learned; i++) {
        out->grad[i] = take(n, o, a, s->grads[i], grad_at[i], &bad, d);
        weight[i] = sx_net_tensor(n, sx_graph_val(s->graph, s->learned[i])->name);
    }
    out->weight = weight;
    out->rows = s->batch, out->n = s->n_learned;
    return bad;
}

int sx_net_probe(sx_arena *a, sx_net *n, bool training, sx_probe *out, sx_diags *d)
{
    const sx_step_want want = { .training = training, .batch = n->data->shape.rows, .steps = 1,
                                .keep_grads = true };
    sx_step *s;
    mode o = { 0 };
    int bad = sx_step_write(n->arena, n->e, &n->data->shape, &want, n->seed, n->trial, &s, d);
    if (bad) return bad;
    o.s = s;
    bad = open_io(n, &o, d);
    if (!bad) bad = sx_program_open(n->arena, n->m, s->graph, !getenv("STRIX_NO_FUSE"), NULL, &o.p, d);
    if (bad) return bad;
    bind(n, &o);
    return probe(a, n, &o, out, d);
}
