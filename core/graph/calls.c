/* calls.c: what layers call (plugin.h, section Graph): questions, weights and states, ops.
 * Arguments are brought into the form that ops take; shapes are judged by shape.c. */
#include "graph.h"
#include <string.h>

SX_MAP2(add, x0 + x1, 1, 1);
SX_MAP2(mul, x0 * x1, x1, x0);
static const sx_t refused;                       /* {0} */

/* --- Questions --- */
bool sx_training(const sx_graph *g) { return g->training && g->at.training && !g->at.frozen; }
int sx_inputs(const sx_graph *g) { return g->at.inputs; }

sx_t sx_in(sx_graph *g, int i)
{
    if (i >= 0 && i < g->at.inputs) return g->at.in[i];
    return sx_refuse(g, NULL, "asks for input %d of %d", i + 1, g->at.inputs);
}

void sx_out(sx_graph *g, int i, sx_t y)
{
    if (i < 1 || i > 64) { sx_refuse(g, NULL, "gives an output number %d, outside [1, 64]", i); return; }
    while (g->outs.n <= i) SX_PUSH(g->arena, g->outs, refused);
    g->outs.v[i] = y;
}

int sx_rank(const sx_graph *g, sx_t x)
{
    const sx_val *v = sx_graph_val(g, x);
    return v ? v->rank : 0;
}

long sx_dim(const sx_graph *g, sx_t x, int axis)
{
    const sx_val *v = sx_graph_val(g, x);
    if (!v) return 1;
    if (axis < 0) axis += v->rank;
    return axis >= 0 && axis < v->rank ? v->shape[axis] : 1;
}

/* --- Weights and states --- */
static const char *full_name(sx_graph *g, const char *name)
{
    return *g->at.path ? sx_format(g->arena, "%s/%s", g->at.path, name) : name;
}

/* The tensor of that name: one asked for before, or `v` made new. */
static sx_t tensor(sx_graph *g, const char *name, const long *shape, sx_val v)
{
    if (g->mute) return refused;
    v.name = full_name(g, name);
    if (!sx_val_set_shape(&v, shape, NULL) || !sx_shape_check(g, &v))
        return sx_refuse(g, NULL, "asks for '%s' with too many axes", name);
    const sx_t known = { sx_graph_find(g, v.name) };
    if (known.id) {
        const sx_val *old = sx_graph_val(g, known);
        if (old->role == v.role && old->rank == v.rank && !memcmp(old->shape, v.shape, sizeof v.shape))
            return known;
        return sx_refuse(g, NULL, "shares '%s' of shape %s, but needs %s", v.name,
                         sx_graph_shape(g->arena, old), sx_graph_shape(g->arena, &v));
    }
    const sx_t t = sx_graph_bound(g, v.role, v.name, SX_F32, shape, false);
    sx_val *to = sx_graph_val(g, t);
    if (!to) return refused;
    to->learned = v.learned; to->init = v.init; to->fill = v.fill;
    to->lr_scale = v.lr_scale; to->l1 = v.l1; to->l2 = v.l2;
    to->key = sx_key_of(g->seed, g->trial, to->name);
    return t;
}

sx_t sx_weight(sx_graph *g, const char *name, const long *shape, const char *init)
{
    if (!sx_init_known(init)) return sx_refuse(g, "init", "has no initial values '%s'", init ? init : "");
    return tensor(g, name, shape, (sx_val){ .role = SX_ROLE_WEIGHT, .learned = !g->at.frozen,
                                            .init = sx_strdup(g->arena, init),
                  .lr_scale = (float)g->at.lr_scale, .l1 = (float)g->at.l1, .l2 = (float)g->at.l2 });
}

sx_t sx_state(sx_graph *g, const char *name, const long *shape, float fill)
{
    return tensor(g, name, shape, (sx_val){ .role = SX_ROLE_STATE, .fill = fill, .lr_scale = 1 });
}

static sx_t copy(sx_graph *g, sx_t x)
{
    const sx_val *v = sx_graph_val(g, x);
    sx_shape s = { .rank = v->rank };
    memcpy(s.dim, v->shape, sizeof s.dim);
    return sx_graph_node(g, &(sx_node){ .op = sx_op_row(SX_OP_EXPAND), .attr = &s }, 1, &x, sizeof s, v);
}

void sx_assign(sx_graph *g, sx_t state, sx_t value)
{
    const sx_val *to = sx_graph_val(g, state), *from = sx_graph_val(g, sx_graph_root(g, value));
    if (!to || !from) return;
    if (to->role == SX_ROLE_TEMP || to->role == SX_ROLE_INPUT) {
        sx_refuse(g, NULL, "assigns to a tensor that is no state");
        return;
    }
    /* Every ASSIGN reads computed values only, so no two of them wait for each other (a := b, b := a). */
    if (from->role != SX_ROLE_TEMP) value = copy(g, value);
    sx_graph_op(g, SX_OP_ASSIGN, 2, (sx_t[]){ state, value }, NULL, 0);
}

/* --- Ops --- */
/* Whole numbers (labels, pixels) become numbers where a layer computes with them. */
static sx_t as_number(sx_graph *g, sx_t x)
{
    const sx_val *v = sx_graph_val(g, x);
    return v && v->dtype >= SX_I32 ? sx_graph_op(g, SX_OP_CAST, 1, &x, NULL, 0) : x;
}

sx_t sx_graph_map(sx_graph *g, const sx_map *m, int n, const sx_t *in, const float *k)
{
    if (n != m->arity || n < 1 || n > 2)
        return sx_refuse(g, NULL, "gives %d inputs to map '%s', which takes %d", n, m->name, m->arity);
    sx_t x[2] = { refused, refused };
    for (int i = 0; i < n; i++) x[i] = as_number(g, in[i]);
    return sx_graph_node(g, &(sx_node){ .op = sx_op_row(SX_OP_MAP), .map = m, .k = k }, n, x, 0, NULL);
}

sx_t sx_map1(sx_graph *g, const sx_map *m, sx_t x, const float *k) { return sx_graph_map(g, m, 1, &x, k); }
sx_t sx_map2(sx_graph *g, const sx_map *m, sx_t a, sx_t b, const float *k)
{
    return sx_graph_map(g, m, 2, (sx_t[]){ a, b }, k);
}
sx_t sx_add(sx_graph *g, sx_t a, sx_t b) { return sx_map2(g, &add, a, b, NULL); }
sx_t sx_mul(sx_graph *g, sx_t a, sx_t b) { return sx_map2(g, &mul, a, b, NULL); }

sx_t sx_matmul(sx_graph *g, sx_t a, sx_t b, unsigned trans)
{
    return sx_graph_op(g, SX_OP_MATMUL, 2, (sx_t[]){ a, b }, &(sx_mm){ trans }, sizeof(sx_mm));
}

/* Steps, dilations and groups that the layer left at 0 are 1. */
static sx_window whole_window(const sx_window *c)
{
    sx_window w = *c;
    for (int i = 0; i < 2; i++) { if (!w.stride[i]) w.stride[i] = 1; if (!w.dilation[i]) w.dilation[i] = 1; }
    if (!w.groups) w.groups = 1;
    return w;
}

sx_t sx_conv2d(sx_graph *g, sx_t x, sx_t w, const sx_window *c)
{
    sx_window window = whole_window(c);
    const sx_val *v = sx_graph_val(g, w);
    if (v && v->rank == 4) for (int i = 0; i < 2; i++) if (!window.size[i]) window.size[i] = v->shape[1 + i];
    return sx_graph_op(g, SX_OP_CONV2D, 2, (sx_t[]){ x, w }, &window, sizeof window);
}

sx_t sx_pool2d(sx_graph *g, sx_t x, sx_pool kind, const sx_window *c)
{
    const sx_window w = whole_window(c);
    return sx_graph_op(g, kind == SX_POOL_MAX ? SX_OP_MAXPOOL : SX_OP_AVGPOOL, 1, &x, &w, sizeof w);
}

sx_t sx_moments(sx_graph *g, sx_t x, unsigned axes)
{
    const sx_val *v = sx_graph_val(g, x);
    if (v && axes != (1u << (v->rank - 1)) - 1)
        return sx_refuse(g, NULL, "asks for moments over other axes than all but the last");
    return sx_graph_op(g, SX_OP_MOMENTS, 1, &x, NULL, 0);
}

sx_t sx_normalize(sx_graph *g, sx_t x, sx_t moments, sx_t gamma, sx_t beta, double eps)
{
    const sx_t scale = sx_graph_op(g, SX_OP_NORM_SCALE, 3, (sx_t[]){ moments, gamma, beta }, &(sx_eps){ eps },
                                   sizeof(sx_eps));
    return sx_graph_op(g, SX_OP_SCALE_SHIFT, 2, (sx_t[]){ x, scale }, NULL, 0);
}

sx_t sx_reduce(sx_graph *g, sx_t x, sx_fold fold, unsigned axes)
{
    x = as_number(g, x);
    return sx_graph_op(g, SX_OP_REDUCE, 1, &x, &(sx_fold_over){ fold, axes }, sizeof(sx_fold_over));
}

sx_t sx_softmax(sx_graph *g, sx_t x) { return sx_graph_op(g, SX_OP_SOFTMAX, 1, &x, NULL, 0); }

sx_t sx_logits(sx_graph *g, sx_t y)
{
    const sx_val *v = sx_graph_val(g, y);
    if (!v || v->maker < 0 || g->ops.v[v->maker].op->code != SX_OP_SOFTMAX) return refused;
    return (sx_t){ g->ops.v[v->maker].in[0].id };
}

sx_t sx_xent(sx_graph *g, sx_t logits, sx_t labels)
{
    return sx_graph_op(g, SX_OP_XENT, 2, (sx_t[]){ logits, labels }, NULL, 0);
}
sx_t sx_hit(sx_graph *g, sx_t y, sx_t labels)
{
    return sx_graph_op(g, SX_OP_HIT, 2, (sx_t[]){ y, labels }, NULL, 0);
}

sx_t sx_random(sx_graph *g, sx_t like, sx_law law, double a, double b)
{
    const sx_val *v = sx_graph_val(g, like);
    if (!v) return refused;
    /* Counted by path, so that a new layer leaves the numbers of others alone. */
    const char *counter = sx_format(g->arena, "%s/random.", g->at.path);
    const uint32_t nth = sx_graph_find(g, counter);
    sx_graph_name(g, counter, nth + 1);
    const sx_key key = sx_key_of(g->seed, g->trial, sx_format(g->arena, "%s%u", counter, nth));
    const sx_draw draw = { law, a, b, { key.v[0], key.v[1] } };
    const sx_val shape = *v;
    return sx_graph_node(g, &(sx_node){ .op = sx_op_row(SX_OP_RANDOM), .attr = &draw }, 1, &g->step,
                         sizeof draw, &shape);
}

/* The member of a shape that is -1 becomes what is left of `count`; false where that does not go. */
static bool fill_in(sx_shape *s, int from, long count)
{
    long known = 1;
    int open = -1;
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] == -1 && open < 0 && i >= from) open = i;
        else if (s->dim[i] < 1 || __builtin_mul_overflow(known, s->dim[i], &known)) return false;
    }
    if (open >= 0) s->dim[open] = count / known;
    return open >= 0 ? s->dim[open] && count % known == 0 : count == known;
}

sx_t sx_reshape(sx_graph *g, sx_t x, const long *shape)
{
    const sx_val *v = sx_graph_val(g, x);
    if (!v) return refused;
    sx_val want = { .batched = v->batched };
    if (!sx_val_set_shape(&want, shape, v->batched ? v->shape : NULL))
        return sx_refuse(g, NULL, "asks for more than %d axes", SX_RANK);
    sx_shape s = { .rank = want.rank };
    memcpy(s.dim, want.shape, sizeof s.dim);
    if (!fill_in(&s, v->batched, sx_val_count(v))) {
        memcpy(want.shape, s.dim, sizeof s.dim);
        return sx_refuse(g, NULL, "cannot reshape %s to %s", sx_graph_shape(g->arena, v),
                         sx_graph_shape(g->arena, &want));
    }
    return sx_graph_node(g, &(sx_node){ .op = sx_op_row(SX_OP_RESHAPE), .attr = &s }, 1, &x, sizeof s, &want);
}

sx_t sx_permute(sx_graph *g, sx_t x, const int *axes)
{
    sx_axes a = { { 0 } };
    memcpy(a.axis, axes, (size_t)sx_rank(g, x) * sizeof *axes);
    return sx_graph_op(g, SX_OP_PERMUTE, 1, &x, &a, sizeof a);
}

sx_t sx_slice(sx_graph *g, sx_t x, int axis, long from, long n)
{
    if (axis < 0) axis += sx_rank(g, x);
    return sx_graph_op(g, SX_OP_SLICE, 1, &x, &(sx_range){ axis, from, n }, sizeof(sx_range));
}

sx_t sx_concat(sx_graph *g, int n, const sx_t *x, int axis)
{
    if (n < 1) return sx_refuse(g, NULL, "concatenates nothing");
    if (axis < 0) axis += sx_rank(g, x[0]);
    return sx_graph_op(g, SX_OP_CONCAT, n, x, &(sx_axes){ { axis } }, sizeof(sx_axes));
}

sx_t sx_pad(sx_graph *g, sx_t x, const long *before, const long *after, float value)
{
    sx_border b = { .value = value };
    const size_t bytes = (size_t)sx_rank(g, x) * sizeof *before;
    memcpy(b.before, before, bytes);
    memcpy(b.after, after, bytes);
    return sx_graph_op(g, SX_OP_PAD, 1, &x, &b, sizeof b);
}

sx_t sx_resize(sx_graph *g, sx_t x, long height, long width, bool whole)
{
    x = as_number(g, x);
    return sx_graph_op(g, SX_OP_RESIZE, 1, &x, &(sx_size2){ height, width, whole }, sizeof(sx_size2));
}

sx_t sx_constant(sx_graph *g, float value, const long *shape)
{
    sx_val like = { 0 };
    if (!sx_val_set_shape(&like, shape, NULL))
        return sx_refuse(g, NULL, "asks for more than %d axes", SX_RANK);
    return sx_graph_node(g, &(sx_node){ .op = sx_op_row(SX_OP_FILL), .attr = &(sx_fill){ value } }, 0, NULL,
                         sizeof(sx_fill), &like);
}

sx_t sx_stop(sx_graph *g, sx_t x) { return sx_graph_op(g, SX_OP_STOP, 1, &x, NULL, 0); }

sx_t sx_custom(sx_graph *g, const sx_op *op, int n, const sx_t *in, const void *attr)
{
    enum { MOST = 16 };
    sx_t x[MOST];
    sx_view view[MOST];
    if (n < 1 || n > MOST)
        return sx_refuse(g, NULL, "gives %d inputs to %s, at most %d go", n, op->name, MOST);
    if (!op->infer || op->code) return sx_refuse(g, NULL, "uses op %s, which says no shape", op->name);
    bool batched = false;
    for (int i = 0; i < n; i++) {
        x[i] = as_number(g, in[i]);
        if (!sx_graph_val(g, x[i])) return refused;
    }
    for (int i = 0; i < n; i++) {
        const sx_val *v = sx_graph_val(g, x[i]);
        view[i] = (sx_view){ NULL, v->shape, v->rank };
        batched |= v->batched;
    }
    long shape[SX_RANK + 1] = { 0 };
    sx_val like = { 0 };
    if (!op->infer(attr, n, view, shape))
        return sx_refuse(g, NULL, "gives %s inputs that do not fit", op->name);
    sx_val_set_shape(&like, shape, NULL);
    like.batched = batched && like.rank && like.shape[0] == g->batch;
    return sx_graph_node(g, &(sx_node){ .op = op, .attr = attr }, n, x, op->attr_size, &like);
}
