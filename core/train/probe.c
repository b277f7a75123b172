/* probe.c: a net looked at from outside: the time of a step, and the gradients of one batch for comparison
 * with another framework. */
#include "mode.h"
#include "tensors.h"
#include <stdlib.h>

/* --- Timing --- */
static void forget_profile(sx_program *p)
{
    sx_arena *own = sx_arena_open(NULL);
    const sx_stage_time *none;
    sx_program_profile(own, p, &none);
    sx_arena_close(own);
}

/* Evaluations run many steps at once, for whose weights a device then makes ready once (run_slices). */
int sx_net_time_steps(sx_net *n, bool training, long warm, long steps, double *seconds, sx_diags *d)
{
    enum { AT_ONCE = 8 };
    sx_mode *o = training ? &n->train : &n->eval;
    sx_net_clock c = n->clock;
    const long rows = training ? n->data->shape.fit : n->data->shape.val;
    float loss;
    int bad = training ? sx_mode_epoch(n, 0, NULL, &c, d) : 0;
    if (!training) {
        sx_data_order(n->data->val, rows, o->s->batch, false, (sx_key){ { 0, 0 } }, 0, true, o->order);
        bad = sx_mode_order(n, o, o->s->steps * o->s->batch, d);
    }
    for (long i = -warm, times; i < steps && !bad; i += times) {
        times = training || i < 0 ? 1 : steps - i < AT_ONCE ? steps - i : AT_ONCE;
        if (i == 0) forget_profile(o->p);
        const double start = sx_net_now();
        bad = sx_program_run(o->p, (unsigned)times, d);
        /* waits until the steps are done */
        if (!bad) bad = sx_net_get(n, o->io, *o->loss_at, &loss, sizeof loss, d);
        for (long k = 0; i >= 0 && k < times; k++) seconds[i + k] = (sx_net_now() - start) / (double)times;
    }
    return bad;
}

long sx_net_profile(sx_arena *a, sx_net *n, bool training, const sx_stage_time **out)
{
    return sx_program_profile(a, training ? n->train.p : n->eval.p, out);
}

/* --- Gradients for comparison --- */
static float *take(sx_net *n, sx_mode *o, sx_arena *a, sx_t t, size_t at, int *bad, sx_diags *d)
{
    static const char *const type[] = { [SX_F32] = "F32", [SX_BF16] = "BF16", [SX_F16] = "F16" };
    const sx_val *v = sx_graph_val(o->s->graph, t);
    const long count = sx_val_count(v);
    void *raw = sx_alloc(a, sx_val_bytes(v));
    float *to = sx_alloc_array(a, (size_t)count, sizeof *to);
    if (!*bad) *bad = sx_net_get(n, o->io, at, raw, sx_val_bytes(v), d);
    const sx_blob read = { .dtype = type[v->dtype], .bytes = sx_val_bytes(v), .data = raw };
    if (!*bad) *bad = sx_blob_f32(&read,
                                  count, to);
    return to;
}

static int probe(sx_arena *a, sx_net *n, sx_mode *o, sx_probe *out, sx_diags *d)
{
    const sx_step *s = o->s;
    size_t at = 0, *grad_at = sx_alloc_array(a, (size_t)s->n_learned + 1, sizeof *grad_at);
    size_t logits_at[SX_COLUMNS];
    sx_memory *results;
    for (long i = 0; i < s->heads; i++) logits_at[i] = sx_mode_place(o, s->head[i].logits, &at);
    for (long i = 0; i < s->n_learned; i++) grad_at[i] = sx_mode_place(o, s->grads[i], &at);
    int bad = sx_memory_open(n->arena, n->m, at, &results, d);
    if (bad) return bad;
    for (long i = 0; i < s->heads; i++) sx_program_bind(o->p, s->head[i].logits, results, logits_at[i]);
    for (long i = 0; i < s->n_learned; i++) sx_program_bind(o->p, s->grads[i], results, grad_at[i]);
    for (long i = 0; i < s->batch; i++) o->order[i] = (int32_t)i;
    bad = sx_mode_order(n, o, s->batch, d);
    if (!bad) bad = sx_program_run(o->p, 1, d);
    out->loss = sx_alloc_array(a, (size_t)s->heads, sizeof *out->loss);
    out->logits = sx_alloc_array(a, (size_t)s->heads, sizeof *out->logits);
    for (long i = 0; i < s->heads; i++)
        out->loss[i] = take(n, o, a, s->head[i].loss_rows, o->loss_at[i], &bad, d);
    o->io = results;
    for (long i = 0; i < s->heads; i++)
        out->logits[i] = take(n, o, a, s->head[i].logits, logits_at[i], &bad, d);
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
                                .keep_grads = true, .again = n->steps.train ? n->steps.train->graph->again
                                                                            : (sx_again){ 0 } };
    sx_step *s;
    sx_mode o = { 0 };
    int bad = sx_step_write(n->arena, n->e, &n->data->shape, &want, n->seed, n->trial, &s, d);
    if (bad) return bad;
    o.s = s;
    bad = sx_mode_io(n, &o, d);
    if (!bad) bad = sx_program_open(n->arena, n->m, s->graph, !getenv("STRIX_NO_FUSE"), NULL, &o.p, d);
    if (bad) return bad;
    sx_mode_bind(n, &o);
    return probe(a, n, &o, out, d);
}
