/* step.c: writes the step around a model into a graph: rows of the batch, transforms, model, loss, metrics,
 * gradients, updates; and adds up what that will take on a device. */
#include "step.h"
#include <string.h>

typedef struct { sx_arena *a; const sx_exp *e; sx_graph *g; sx_step *s; sx_diags *d;
                 const sx_step_want *want; } writer;

/* --- Maps of the step itself; never differentiated --- */
/* d + l1 sign(w) + 2 l2 w, as Keras' regularizers */
SX_MAP2(penalize, x0 + k[0] * ((x1 > 0) - (x1 < 0)) + k[1] * x1, 1, 0);
SX_MAP1(clip_factor, sqrtf(x) > k[0] ? k[0] / sqrtf(x) : 1, 0); /* x: the squared norm of all gradients */

/* --- Batch --- */
static void write_inputs(writer *w, const sx_data_shape *s)
{
    sx_graph *g = w->g;
    long shape[SX_RANK + 1] = { s->rows };
    memcpy(shape + 1, s->shape, (size_t)s->rank * sizeof *shape);
    w->s->data = sx_graph_bound(g, SX_ROLE_INPUT, "data", s->dtype, shape, false);
    w->s->labels = sx_graph_bound(g, SX_ROLE_INPUT, "labels", SX_I32, SX_SHAPE(s->rows), false);
    w->s->perm = sx_graph_bound(g, SX_ROLE_INPUT, "order", SX_I32, SX_SHAPE(w->want->steps * w->want->batch),
                                false);
    w->s->step = g->step;
}

static sx_t gather(writer *w, sx_t from, sx_t rows)
{
    return sx_graph_op(w->g, SX_OP_GATHER, 2, (sx_t[]){ from, rows }, NULL, 0);
}

/* x[batch, ..] goes to its place in a log of all steps that the host reads now and then. */
static sx_t put(writer *w, sx_t x, const char *name)
{
    const sx_val *v = sx_graph_val(w->g, x);
    if (!v) return (sx_t){ 0 };
    long shape[SX_RANK + 1] = { 0 };
    memcpy(shape, v->shape, (size_t)v->rank * sizeof *shape);
    shape[0] *= w->want->steps;
    const sx_t log = sx_graph_bound(w->g, SX_ROLE_RESULT, name, v->dtype, shape, false);
    const sx_batch at = { w->want->batch, w->want->steps };
    sx_graph_op(w->g, SX_OP_PUT, 3, (sx_t[]){ log, x, w->s->step }, &at, sizeof at);
    return log;
}

/* --- Model, loss, metrics --- */
/* Do the data, transformed, look like what the model says it takes? */
static int check_input(writer *w, sx_t x)
{
    const sx_exp *e = w->e;
    const sx_val *v = sx_graph_val(w->g, x);
    if (!v || !e->input_rank) return 0;
    const size_t bytes = (size_t)e->input_rank * sizeof *e->input;
    if (v->rank == e->input_rank + 1 && !memcmp(v->shape + 1, e->input, bytes)) return 0;
    sx_val want = { .rank = e->input_rank + 1, .shape = { w->want->batch }, .batched = true };
    memcpy(want.shape + 1, e->input, bytes);
    sx_error(w->d, SX_E_CONFIG, sx_conf_where(w->a, sx_conf_find(e->root, "model.input")),
             "model.input is %s, the data give %s", sx_graph_shape(w->a, &want), sx_graph_shape(w->a, v));
    sx_hint(w->d, "Transforms of the data set are included; add one (resize) or change model.input.");
    return SX_E_CONFIG;
}

static sx_t apply_loss(writer *w, const sx_use *u, const char *path, sx_t y, sx_t target)
{
    const sx_layer_context c = { .path = path, .conf = sx_conf_find(w->e->root, path),
                                 .type = u->entry->item->name,
                                 .inputs = 1, .in = &y, .training = w->want->training };
    sx_graph_enter(w->g, &c);
    const sx_t rows = SX_ITEM_OF(sx_loss, *u)->forward(w->g, u->params, y, target);
    sx_graph_leave(w->g, NULL, u->params, y, rows);
    return rows;
}

static void write_metrics(writer *w, sx_t target)
{
    const sx_train_conf *t = &w->e->train;
    w->s->metrics = t->metrics;
    w->s->metric_rows = sx_alloc_array(w->a, (size_t)t->metrics + 1, sizeof(sx_t));
    for (long i = 0; i < t->metrics; i++) {
        if (!SX_ITEM_OF(sx_loss, t->metric[i])->forward) continue;
        const sx_t rows = apply_loss(w, &t->metric[i], "train.metrics", w->s->y, target);
        w->s->metric_rows[i] = put(w, rows, sx_format(w->a, "log/%s", t->metric[i].entry->item->name));
    }
}

static int check_outputs(writer *w, const sx_data_shape *s)
{
    const sx_val *y = sx_graph_val(w->g, w->s->y);
    if (!y) return 0;
    const sx_where where = sx_conf_where(w->a, sx_conf_find(w->e->root, "model.layers"));
    if (y->rank != 2)
        return sx_error(w->d, SX_E_CONFIG, where, "the model's output is %s, not one list of numbers",
                        sx_graph_shape(w->a, y));
    w->s->outputs = y->shape[1];
    if (s->classes <= w->s->outputs) return 0;
    return sx_error(w->d, SX_E_CONFIG, where, "the model has %s, the data set has %s",
                    sx_plural(w->a, w->s->outputs, "output"), sx_plural(w->a, s->classes, "class"));
}

static int write_model(writer *w, const sx_data_shape *s)
{
    const sx_batch at = { w->want->batch, w->want->steps };
    const sx_t rows = sx_graph_op(w->g, SX_OP_ROWS, 2, (sx_t[]){ w->s->perm, w->s->step }, &at, sizeof at);
    const sx_t target = gather(w, w->s->labels, rows);
    sx_t x = gather(w, w->s->data, rows);
    if (w->e->data.transform) x = sx_model_write(w->g, w->e, w->e->data.transform, x, &w->s->layers);
    w->s->model_from = w->s->layers.n;
    int bad = check_input(w, x);
    if (bad) return bad;
    w->s->y = sx_model_write(w->g, w->e, sx_conf_find(w->e->root, "model.layers"), x, &w->s->layers);
    bad = check_outputs(w, s);
    if (bad || w->g->refused) return bad;
    w->s->logits = sx_logits(w->g, w->s->y);
    if (!w->s->logits.id) w->s->logits = w->s->y;
    if (w->want->keep_grads) sx_graph_result(w->g, w->s->logits, "logits");
    w->s->loss = apply_loss(w, &w->e->train.loss, "train.loss", w->s->y, target);
    w->s->loss_rows = put(w, w->s->loss, "log/loss");
    write_metrics(w, target);
    if (!w->want->training && !w->want->keep_grads) w->s->y_rows = put(w, w->s->y, "log/y");
    return 0;
}

/* --- Gradients and updates --- */
static sx_t squared_norm(writer *w, sx_t d)
{
    const sx_val *v = sx_graph_val(w->g, d);
    if (!v) return (sx_t){ 0 };
    const sx_fold_over all = { SX_SUM_SQUARES, (1u << v->rank) - 1 };
    const sx_t sum = sx_graph_op(w->g, SX_OP_REDUCE, 1, &d, &all, sizeof all);
    const sx_shape one = { 1, { 1 } };
    return sx_graph_op(w->g, SX_OP_RESHAPE, 1, &sum, &one, sizeof one);
}

/* All gradients are made shorter by one factor where their common norm is above `clip`. */
static void clip(writer *w)
{
    if (!(w->e->train.clip > 0) || !w->s->n_learned) return;
    sx_t norm = squared_norm(w, w->s->grads[0]);
    for (long i = 1; i < w->s->n_learned; i++) norm = sx_add(w->g, norm, squared_norm(w, w->s->grads[i]));
    const sx_t factor = sx_map1(w->g, &clip_factor, norm, SX_K((float)w->e->train.clip));
    for (long i = 0; i < w->s->n_learned; i++) w->s->grads[i] = sx_mul(w->g, w->s->grads[i], factor);
}

static void penalties(writer *w)
{
    for (long i = 0; i < w->s->n_learned; i++) {
        const sx_val *v = sx_graph_val(w->g, w->s->learned[i]);
        if (!v || (v->l1 == 0 && v->l2 == 0)) continue;
        w->s->grads[i] = sx_map2(w->g, &penalize, w->s->grads[i], w->s->learned[i], SX_K(v->l1, 2 * v->l2));
    }
}

static void update(writer *w, long i)
{
    const sx_optimizer *o = SX_ITEM_OF(sx_optimizer, w->e->train.optimizer);
    const sx_val v = *sx_graph_val(w->g, w->s->learned[i]);
    const int slots = o->update->slots;
    sx_t in[8] = { w->s->learned[i], w->s->grads[i], w->s->table, w->s->step };
    for (int j = 0; j < slots; j++)
        in[4 + j] = w->s->slots[i * slots + j] =
            sx_graph_bound(w->g, SX_ROLE_SLOT, sx_format(w->a, "%s.%d/%s", o->name, j, v.name), SX_F32,
                           v.shape, false);
    const sx_learn attr = { o->update, v.lr_scale, (float)w->e->train.decay, w->want->steps };
    sx_graph_op(w->g, SX_OP_UPDATE, 4 + slots, in, &attr, sizeof attr);
}

static int write_updates(writer *w)
{
    const sx_optimizer *o = SX_ITEM_OF(sx_optimizer, w->e->train.optimizer);
    const sx_where where = sx_conf_where(w->a, sx_conf_find(w->e->root, "train.optimizer"));
    if (!o->update || o->update->slots < 0 || o->update->slots > 4)
        return sx_error(w->d, SX_E_UNSUPPORTED, where,
                        "optimizer '%s' gives no update expression of at most 4 slots", o->name);
    w->s->table = sx_graph_bound(w->g, SX_ROLE_INPUT, "table", SX_F32,
                                 SX_SHAPE(w->want->steps, SX_TABLE_WIDTH), false);
    w->s->slots = sx_alloc_array(w->a, (size_t)w->s->n_learned * 4 + 1, sizeof(sx_t));
    for (long i = 0; i < w->s->n_learned; i++) update(w, i);
    return 0;
}

static void keep_grads(writer *w)
{
    for (long i = 0; i < w->s->n_learned; i++)
        sx_graph_result(w->g, w->s->grads[i],
                        sx_format(w->a, "grad/%s", sx_graph_val(w->g, w->s->learned[i])->name));
}

static int write_learning(writer *w)
{
    const int bad = sx_grad(w->g, w->s->loss, 1.0 / (double)w->want->batch, &w->s->n_learned, &w->s->learned,
                            &w->s->grads);
    if (bad) return bad;
    if (w->want->keep_grads) { keep_grads(w); return 0; }
    penalties(w);
    clip(w);
    return w->g->refused ? 0 : write_updates(w);
}

int sx_step_write(sx_arena *a, const sx_exp *e, const sx_data_shape *s, const sx_step_want *want,
                  uint64_t seed, int64_t trial, sx_step **out, sx_diags *d)
{
    const sx_dtype compute = e->train.precision == 2 ? SX_BF16 : SX_F32;
    const sx_graph_want how = { .training = want->training, .compute = compute,
                                .batch = want->batch, .seed = seed, .trial = trial };
    writer w = { .a = a, .e = e, .g = sx_graph_open(a, &how, d), .s = SX_NEW(a, sx_step), .d = d,
                 .want = want };
    w.s->graph = w.g;
    w.s->batch = want->batch, w.s->steps = want->steps;
    *out = w.s;
    write_inputs(&w, s);
    int bad = write_model(&w, s);
    if (!bad && !w.g->refused && want->training) bad = write_learning(&w);
    if (!bad && !w.g->refused) sx_graph_op(w.g, SX_OP_ADVANCE, 1, &w.s->step, NULL, 0);
    if (!bad && w.g->refused) bad = d && sx_diags_code(d) ? sx_diags_code(d) : SX_E_REFUSED;
    return bad;
}

int sx_step_shape(sx_arena *a, const sx_exp *e, long fit, long val, sx_data_shape *out, sx_diags *d)
{
    *out = (sx_data_shape){ .rows = fit + val, .fit = fit, .val = val, .dtype = SX_U8,
                            .rank = e->input_rank };
    memcpy(out->shape, e->input, sizeof out->shape);
    if (out->rank) return 0;
    return sx_error(d, SX_E_CONFIG, sx_conf_where(a, sx_conf_member(e->root, "model")),
                    "model has no 'input' shape");
}

/* --- Both modes and their tensors --- */
static size_t round_up(size_t n) { return (n + 63) / 64 * 64; }

static bool kind_of(sx_role role, sx_tensor_kind *kind)
{
    if (role == SX_ROLE_WEIGHT) *kind = SX_TENSOR_WEIGHT;
    else if (role == SX_ROLE_STATE) *kind = SX_TENSOR_STATE;
    else if (role == SX_ROLE_SLOT) *kind = SX_TENSOR_SLOT;
    else return false;
    return true;
}

/* Those of step that the graph `before` does not have; names are unique within a graph. */
static void add_tensors(sx_arena *a, sx_steps *s, const sx_step *step, const sx_step *before, sx_tensor_kind only)
{
    for (long i = 0; step && i < step->graph->vals.n; i++) {
        const sx_val *v = &step->graph->vals.v[i];
        sx_tensor_kind kind;
        if (!kind_of(v->role, &kind) || kind != only || (before && sx_graph_find(before->graph, v->name))) continue;
        const sx_tensor t = { v->name, kind, v->rank, v->shape, sx_val_count(v), s->bytes[kind],
                              kind == SX_TENSOR_WEIGHT && !v->learned, v };
        s->bytes[kind] += round_up((size_t)t.count * sizeof(float));
        SX_PUSH(a, s->tensors, t);
    }
}

/* The log of y stays below some 16 MB; a longer part is evaluated in several runs. */
static long eval_steps(const sx_data_shape *s, long batch)
{
    const long rows = s->val > s->test ? s->val : s->test;
    const long most = (1 << 22) / (batch * (s->classes ? s->classes : 10));
    const long steps = (rows + batch - 1) / batch;
    return steps < 1 ? 1 : most > 0 && steps > most ? most : steps;
}

int sx_steps_write(sx_arena *a, const sx_exp *e, const sx_data_shape *s, bool training, uint64_t seed,
                   int64_t trial, sx_steps *out, sx_diags *d)
{
    *out = (sx_steps){ 0 };
    const long batch = e->train.batch;
    if (training && s->fit < batch)
        return sx_error(d, SX_E_CONFIG, sx_conf_where(a, sx_conf_find(e->root, "train.batch")),
                        "a batch of %s is larger than the %s to learn from", sx_plural(a, batch, "row"),
                        sx_plural(a, s->fit, "row"));
    const sx_step_want learn = { .training = true, .batch = batch, .steps = training ? s->fit / batch : 1 };
    const sx_step_want look = { .batch = e->train.eval_batch, .steps = eval_steps(s, e->train.eval_batch) };
    int bad = training ? sx_step_write(a, e, s, &learn, seed, trial, &out->train, d) : 0;
    if (!bad) bad = sx_step_write(a, e, s, &look, seed, trial, &out->eval, d);
    if (bad) return bad;
    for (int kind = 0; kind < SX_TENSOR_KINDS; kind++) {
        add_tensors(a, out, out->train, NULL, (sx_tensor_kind)kind);
        add_tensors(a, out, out->eval, out->train, (sx_tensor_kind)kind);
    }
    return 0;
}

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
    const sx_t one[] = { s->perm, s->table, s->loss_rows, s->y_rows };
    for (size_t i = 0; i < sizeof one / sizeof *one; i++) sum += bytes_of(s, one[i]);
    for (long i = 0; i < s->metrics; i++) sum += bytes_of(s, s->metric_rows[i]);
    return sum;
}

sx_budget sx_steps_budget(const sx_steps *s, sx_room room)
{
    sx_budget b = { .weights = s->bytes[SX_TENSOR_WEIGHT], .states = s->bytes[SX_TENSOR_STATE],
                    .slots = s->bytes[SX_TENSOR_SLOT], .slab = room.slab, .scratch = room.scratch };
    const sx_graph *g = s->eval->graph;
    b.data = bytes_of(s->eval, s->eval->data) + bytes_of(s->eval, s->eval->labels);
    b.logs = bytes_of_logs(s->train) + bytes_of_logs(s->eval);
    b.total = b.weights + b.states + b.slots + b.slab + b.scratch + b.data + b.logs;
    const sx_layer_rows *rows = &s->eval->layers;
    const int64_t from = s->eval->model_from < rows->n ? rows->v[s->eval->model_from].first : g->ops.n;
    const sx_cost cost = sx_graph_cost(g, from, g->ops.n);
    b.parameters = cost.parameters, b.frozen = cost.frozen, b.macs = cost.macs;
    return b;
}

int sx_step_precision(const sx_exp *e, const sx_machine *m, sx_diags *d)
{
    if (e->train.precision != 2 || (m->info.dtypes & 1u << SX_BF16)) return 0;
    return sx_error(d, SX_E_UNSUPPORTED, SX_NOWHERE, "device '%s' does not compute in bf16", m->name);
}

int sx_step_budget(sx_arena *a, const sx_exp *e, const sx_data_shape *s, const sx_machine *m, sx_budget *out,
                   sx_diags *d)
{
    sx_steps steps;
    sx_room room = { 0 };
    int bad = m ? sx_step_precision(e, m, d) : 0;
    if (!bad) bad = sx_steps_write(a, e, s, true, 0, 0, &steps, d);
    if (!bad) bad = sx_machine_room(m, steps.train->graph, true, &room, d);
    if (!bad) bad = sx_machine_room(m, steps.eval->graph, true, &room, d);
    if (!bad) *out = sx_steps_budget(&steps, room);
    return bad;
}
