/* net.c: a net on a machine: flat device buffers for weights, states and slots, a program for training and
 * one for evaluation that share a slab. */
#include "mode.h"
#include "ckpt.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

double sx_net_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int sx_net_put(const sx_net *n, const sx_memory *m, size_t at, const void *from, size_t bytes, sx_diags *d)
{
    const int bad = n->m->device->write(n->m->queue, m->buf, at, from, bytes);
    return bad ? sx_machine_error(n->m, bad, d) : 0;
}

int sx_net_get(const sx_net *n, const sx_memory *m, size_t at, void *to, size_t bytes, sx_diags *d)
{
    const int bad = n->m->device->read(n->m->queue, m->buf, at, to, bytes);
    return bad ? sx_machine_error(n->m, bad, d) : 0;
}

/* --- Opening: memory, programs, binding --- */
size_t sx_mode_place(const sx_mode *o, sx_t t, size_t *at)
{
    const sx_val *v = sx_graph_val(o->s->graph, t);
    const size_t here = *at;
    if (v) *at += (sx_val_bytes(v) + 63) / 64 * 64;
    return here;
}

/* The small buffer of a mode: the step counter first. */
int sx_mode_io(sx_net *n, sx_mode *o, sx_diags *d)
{
    size_t at = 64;
    o->order_at = sx_mode_place(o, o->s->perm, &at);
    o->table_at = sx_mode_place(o, o->s->table, &at);
    for (long i = 0; i < o->s->heads; i++) {
        o->loss_at[i] = sx_mode_place(o, o->s->head[i].loss_rows, &at);
        o->y_at[i] = sx_mode_place(o, o->s->head[i].y_rows, &at);
    }
    for (long i = 0; i < o->s->values; i++) o->value_at[i] = sx_mode_place(o, o->s->value_rows[i], &at);
    const size_t rows = (size_t)(o->s->batch * o->s->steps), all = (size_t)n->data->shape.rows;
    o->order = sx_alloc_array(n->arena, (rows > all ? rows : all) + (size_t)o->s->batch, sizeof *o->order);
    o->read = sx_alloc_array(n->arena, rows, sizeof *o->read);
    return sx_memory_open(n->arena, n->m, at, &o->io, d);
}

static void bind_tensors(sx_net *n, sx_mode *o)
{
    const sx_graph *g = o->s->graph;
    for (uint32_t id = 1; id <= g->vals.n; id++) {
        const sx_role role = g->vals.v[id - 1].role;
        if (role != SX_ROLE_WEIGHT && role != SX_ROLE_STATE && role != SX_ROLE_SLOT) continue;
        const sx_tensor *t = sx_net_tensor(n, g->vals.v[id - 1].name);
        sx_program_bind(o->p, (sx_t){ id }, n->kept[t->kind], t->offset);
    }
}

static void bind_one(const sx_mode *o, sx_t t, const sx_memory *m, size_t at)
{
    if (t.id) sx_program_bind(o->p, t, m, at);
}

void sx_mode_bind(sx_net *n, sx_mode *o)
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

static int open_mode(sx_net *n, sx_mode *o, const sx_step *s, bool fuse, sx_diags *d)
{
    if (!s) return 0;
    o->s = s;
    int bad = sx_mode_io(n, o, d);
    if (!bad) bad = sx_program_open(n->arena, n->m, s->graph, fuse, n->slab, &o->p, d);
    if (!bad) sx_mode_bind(n, o);
    return bad;
}

static int open_memory(sx_net *n, sx_diags *d)
{
    int bad = sx_memory_open(n->arena, n->m, n->room.slab, &n->slab, d);
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
    const sx_fit_want fit = { training, fuse, seed, trial };
    if (!bad) bad = sx_steps_fit(a, e, &data->shape, m, &fit, &n->steps,
                                 &n->room, d);
    if (!bad) bad = open_memory(n, d);
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
    return sx_net_get(n, n->kept[t->kind], t->offset, out, (size_t)t->count * sizeof *out, d);
}

const float *sx_net_look(const sx_net *n, const sx_tensor *t)
{
    const sx_device *v = n->m->device;
    const char *p = v->look && !v->sync(n->m->queue) ? v->look(n->kept[t->kind]->buf) : NULL;
    return p ? (const float *)(const void *)(p + t->offset) : NULL;
}

int sx_net_write(sx_net *n, const sx_tensor *t, const float *in, sx_diags *d)
{
    return sx_net_put(n, n->kept[t->kind], t->offset, in, (size_t)t->count * sizeof *in, d);
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
        bad = sx_net_put(n, n->kept[t->kind], t->offset + (size_t)at * sizeof *piece, piece,
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
