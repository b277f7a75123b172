/* step.c: writes the step around a model into a graph: rows of the batch, transforms, model, loss, metrics,
 * gradients, updates. */
#include "step.h"
#include <string.h>

typedef struct { sx_arena *a; const sx_exp *e; sx_graph *g; sx_step *s; sx_diags *d;
                 const sx_step_want *want; } writer;

/* --- Maps of the step itself; never differentiated --- */
/* d + l1 sign(w) + 2 l2 w, as Keras' regularizers */
SX_MAP2(penalize, x0 + k[0] * ((x1 > 0) - (x1 < 0)) + k[1] * x1, 1, 0);
SX_MAP1(clip_factor, sqrtf(x) > k[0] ? k[0] / sqrtf(x) : 1, 0); /* x: the squared norm of all gradients */

/* --- Batch --- */
static sx_t bound_column(writer *w, const char *kind, int i, const sx_column_shape *c, long rows)
{
    long shape[SX_RANK + 1] = { rows };
    memcpy(shape + 1, c->shape, (size_t)c->rank * sizeof *shape);
    const char *name = i ? sx_format(w->a, "%s/%s", kind, c->name) : kind;
    return sx_graph_bound(w->g, SX_ROLE_INPUT, name, c->dtype, shape, false);
}

static int find_label(writer *w, const sx_data_shape *s, const sx_output *o, int *label)
{
    const char *there = "";
    *label = sx_data_label(s, o);
    if (*label >= 0) return 0;
    for (int i = 0; i < s->labels; i++)
        there = sx_format(w->a, "%s%s%s", there, i ? ", " : "", s->label[i].name);
    const sx_where where = sx_conf_where(w->a, o->target ? sx_conf_member(o->loss_conf, "target") : o->conf);
    if (o->target) sx_error(w->d, SX_E_CONFIG, where, "the data set has no label '%s'", o->target);
    else sx_error(w->d, SX_E_CONFIG, where, "output '%s' has the name of no label", o->name);
    sx_hint(w->d, "The labels are %s; the loss of an output may say target = \"LABEL\".", there);
    return SX_E_CONFIG;
}

static int write_inputs(writer *w, const sx_data_shape *s)
{
    sx_graph *g = w->g;
    sx_step *to = w->s;
    int bad = 0;
    to->heads = w->e->outputs;
    to->head = sx_alloc_array(w->a, (size_t)to->heads, sizeof *to->head);
    to->data = sx_alloc_array(w->a, (size_t)s->inputs + 1, sizeof *to->data);
    to->labels = sx_alloc_array(w->a, (size_t)s->labels + 1, sizeof *to->labels);
    for (int i = 0; i < s->inputs; i++) to->data[i] = bound_column(w, "data", i, &s->input[i], s->rows);
    for (long i = 0; i < to->heads && !bad; i++) bad = find_label(w, s, &w->e->output[i], &to->head[i].label);
    for (long i = 0; i < to->heads && !bad; i++) {
        const int k = to->head[i].label;
        if (!to->labels[k].id) to->labels[k] = bound_column(w, "labels", k, &s->label[k], s->rows);
    }
    to->perm = sx_graph_bound(g, SX_ROLE_INPUT, "order", SX_I32, SX_SHAPE(w->want->steps * w->want->batch),
                              false);
    to->step = g->step;
    return bad;
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
    const sx_dtype type = v->dtype < SX_I32 ? SX_F32 : v->dtype;
    const sx_t log = sx_graph_bound(w->g, SX_ROLE_RESULT, name, type, shape, false);
    const sx_batch at = { w->want->batch, w->want->steps };
    sx_graph_op(w->g, SX_OP_PUT, 3, (sx_t[]){ log, x, w->s->step }, &at, sizeof at);
    return log;
}

/* --- Model, loss, metrics --- */
/* Do the data, transformed, look like what the model says it takes? */
static int check_input(writer *w, const sx_input *in, sx_t x)
{
    const sx_val *v = sx_graph_val(w->g, x);
    const char *name = in->name ? sx_format(w->a, "model.inputs.%s", in->name) : "model.input";
    if (!v || !in->rank) return 0;
    const size_t bytes = (size_t)in->rank * sizeof *in->shape;
    if (v->rank == in->rank + 1 && !memcmp(v->shape + 1, in->shape, bytes)) return 0;
    sx_val want = { .rank = in->rank + 1, .shape = { w->want->batch }, .batched = true };
    memcpy(want.shape + 1, in->shape, bytes);
    sx_error(w->d, SX_E_CONFIG, sx_conf_where(w->a, in->conf), "%s is %s, the data give %s", name,
             sx_graph_shape(w->a, &want), sx_graph_shape(w->a, v));
    sx_hint(w->d, "Transforms of the data set are included; add one (resize) or change %s.", name);
    return SX_E_CONFIG;
}

static sx_t apply_loss(writer *w, const sx_use *u, const char *path, const sx_conf *conf, sx_t y, sx_t target)
{
    const sx_layer_context c = { .path = path, .conf = conf, .type = u->entry->item->name,
                                 .inputs = 1, .in = &y, .training = w->want->training };
    sx_graph_enter(w->g, &c);
    const sx_t rows = SX_ITEM_OF(sx_loss, *u)->forward(w->g, u->params, y, target);
    sx_graph_leave(w->g, NULL, u->params, y, rows);
    return rows;
}

/* "logits", of several outputs "logits/aux" */
static const char *of_output(const writer *w, const char *what, long i)
{
    return w->s->heads > 1 ? sx_format(w->a, "%s/%s", what, w->e->output[i].name) : what;
}

static void write_metrics(writer *w, long output, sx_t target)
{
    const sx_train_conf *t = &w->e->train;
    const sx_conf *conf = sx_conf_find(w->e->root, "train.metrics");
    for (long i = 0; i < t->values; i++) {
        const sx_score *v = &t->value[i];
        if (v->output != output || !v->metric || !SX_ITEM_OF(sx_loss, *v->metric)->forward) continue;
        const sx_t rows = apply_loss(w, v->metric, "train.metrics", conf, w->s->head[output].y, target);
        w->s->value_rows[i] = put(w, rows, sx_format(w->a, "log/%s", v->name));
    }
}

static int check_output(writer *w, const sx_data_shape *s, long i)
{
    sx_head *h = &w->s->head[i];
    const sx_output *o = &w->e->output[i];
    const sx_val *y = sx_graph_val(w->g, h->y);
    const long classes = s->label[h->label].classes;
    const sx_where where = sx_conf_where(w->a, o->conf);
    if (!y && w->g->refused) return 0;
    if (!y)
        return sx_error(w->d, SX_E_CONFIG, where, "there is no '%s': the layer has fewer outputs", o->layer);
    if (y->rank != 2)
        return sx_error(w->d, SX_E_CONFIG, where, "%s is %s, not one list of numbers",
                        o->name ? sx_format(w->a, "output '%s'", o->name) : "the model's output",
                        sx_graph_shape(w->a, y));
    h->width = y->shape[1];
    if (classes <= h->width) return 0;
    if (o->name)
        return sx_error(w->d, SX_E_CONFIG, where, "output '%s' gives %s, label '%s' has %s", o->name,
                        sx_plural(w->a, h->width, "number"), s->label[h->label].name,
                        sx_plural(w->a, classes, "class"));
    return sx_error(w->d, SX_E_CONFIG, where, "the model has %s, the data set has %s",
                    sx_plural(w->a, h->width, "output"), sx_plural(w->a, classes, "class"));
}

static void write_head(writer *w, long i, sx_t target)
{
    sx_head *h = &w->s->head[i];
    const sx_output *o = &w->e->output[i];
    h->logits = sx_logits(w->g, h->y);
    if (!h->logits.id) h->logits = h->y;
    if (w->want->keep_grads) sx_graph_result(w->g, h->logits, of_output(w, "logits", i));
    h->loss = apply_loss(w, &o->loss, "train.loss", o->loss_conf, h->y, target);
    h->loss_rows = put(w, h->loss, of_output(w, "log/loss", i));
    write_metrics(w, i, target);
    if (!w->want->training && !w->want->keep_grads) h->y_rows = put(w, h->y, of_output(w, "log/y", i));
}

static int write_model(writer *w, const sx_data_shape *s)
{
    const sx_exp *e = w->e;
    const sx_batch at = { w->want->batch, w->want->steps };
    const sx_t rows = sx_graph_op(w->g, SX_OP_ROWS, 2, (sx_t[]){ w->s->perm, w->s->step }, &at, sizeof at);
    sx_t target[SX_COLUMNS] = { { 0 } }, x[SX_COLUMNS], y[SX_COLUMNS];
    int bad = 0;
    for (int i = 0; i < s->labels; i++) if (w->s->labels[i].id) target[i] = gather(w, w->s->labels[i], rows);
    for (int i = 0; i < s->inputs; i++) {
        const sx_t row = gather(w, w->s->data[i], rows);
        sx_model_write(w->g, e->input[i].transform, &row, &x[i], &w->s->layers);
    }
    w->s->model_from = w->s->layers.n;
    for (int i = 0; i < s->inputs && !bad; i++) bad = check_input(w, &e->input[i], x[i]);
    if (bad) return bad;
    sx_model_write(w->g, e->layers, x, y, &w->s->layers);
    for (long i = 0; i < w->s->heads && !bad; i++) {
        w->s->head[i].y = y[i];
        bad = check_output(w, s, i);
    }
    w->s->values = e->train.values;
    w->s->value_rows = sx_alloc_array(w->a, (size_t)w->s->values + 1, sizeof(sx_t));
    for (long i = 0; i < w->s->heads && !bad && !w->g->refused; i++)
        write_head(w, i, target[w->s->head[i].label]);
    return bad;
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
    sx_t loss[SX_COLUMNS];
    double scale[SX_COLUMNS];
    for (long i = 0; i < w->s->heads; i++) {
        loss[i] = w->s->head[i].loss;
        scale[i] = w->e->output[i].weight / (double)w->want->batch;
    }
    const int bad = sx_grad_sum(w->g, w->s->heads, loss, scale, &w->s->n_learned, &w->s->learned,
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
                                .batch = want->batch, .seed = seed, .trial = trial, .again = want->again };
    writer w = { .a = a, .e = e, .g = sx_graph_open(a, &how, d), .s = SX_NEW(a, sx_step), .d = d,
                 .want = want };
    w.s->graph = w.g;
    w.s->batch = want->batch, w.s->steps = want->steps;
    *out = w.s;
    int bad = write_inputs(&w, s);
    if (!bad) bad = write_model(&w, s);
    if (!bad && !w.g->refused && want->training) bad = write_learning(&w);
    if (!bad && !w.g->refused) sx_graph_op(w.g, SX_OP_ADVANCE, 1, &w.s->step, NULL, 0);
    if (!bad && w.g->refused) bad = d && sx_diags_code(d) ? sx_diags_code(d) : SX_E_REFUSED;
    return bad;
}

static void name_column(sx_column_shape *c, const char *name)
{
    const size_t n = strlen(name), most = sizeof c->name - 1;
    memcpy(c->name, name, n < most ? n : most);
}

void sx_step_labels(const sx_exp *e, sx_data_shape *s)
{
    s->labels = 0;
    for (long i = 0; i < e->outputs; i++) {
        const sx_output *o = &e->output[i];
        const char *name = o->target ? o->target : o->name ? o->name : "y";
        int k = 0;
        while (k < s->labels && strcmp(s->label[k].name, name)) k++;
        if (k < s->labels) continue;
        s->label[s->labels] = (sx_column_shape){ .dtype = SX_I32 };
        name_column(&s->label[s->labels++], name);
    }
}

int sx_step_shape(sx_arena *a, const sx_exp *e, long fit, long val, sx_data_shape *out, sx_diags *d)
{
    *out = (sx_data_shape){ .rows = fit + val, .fit = fit, .val = val };
    sx_step_labels(e, out);
    for (long i = 0; i < e->inputs; i++) {
        const sx_input *in = &e->input[i];
        sx_column_shape *to = &out->input[out->inputs++];
        *to = (sx_column_shape){ .dtype = SX_U8, .rank = in->rank };
        name_column(to, in->name ? in->name : "x");
        memcpy(to->shape, in->shape, sizeof to->shape);
        if (!in->rank)
            return sx_error(d, SX_E_CONFIG, sx_conf_where(a, sx_conf_member(e->root, "model")),
                            "model has no '%s' shape", in->name ? in->name : "input");
    }
    return 0;
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
static void add_tensors(sx_arena *a, sx_steps *s, const sx_step *step, const sx_step *before,
                        sx_tensor_kind only)
{
    for (long i = 0; step && i < step->graph->vals.n; i++) {
        const sx_val *v = &step->graph->vals.v[i];
        sx_tensor_kind kind;
        if (!kind_of(v->role, &kind) || kind != only) continue;
        if (before && sx_graph_find(before->graph, v->name)) continue;
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
    long width = 0;
    for (int i = 0; i < s->labels; i++) width += s->label[i].classes;
    const long most = (1 << 22) / (batch * (width ? width : 10));
    const long steps = (rows + batch - 1) / batch;
    return steps < 1 ? 1 : most > 0 && steps > most ? most : steps;
}

int sx_steps_write(sx_arena *a, const sx_exp *e, const sx_data_shape *s, bool training, uint64_t seed,
                   int64_t trial, sx_again again, sx_steps *out, sx_diags *d)
{
    *out = (sx_steps){ .inputs = s->inputs, .labels = s->labels };
    const long batch = e->train.batch;
    if (training && s->fit < batch)
        return sx_error(d, SX_E_CONFIG, sx_conf_where(a, sx_conf_find(e->root, "train.batch")),
                        "a batch of %s is larger than the %s to learn from", sx_plural(a, batch, "row"),
                        sx_plural(a, s->fit, "row"));
    const sx_step_want learn = { .training = true, .batch = batch, .steps = training ? s->fit / batch : 1,
                                 .again = again };
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
