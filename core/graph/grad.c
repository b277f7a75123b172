/* grad.c: reverse mode over the op list (Griewank & Walther 2008, "Evaluating Derivatives", ch. 3): every op
 * between a learned weight and the loss gets the ops of its gradient, in reverse order behind the model. */
#include "again.h"
#include <string.h>

struct back {
    sx_graph *g;
    uint32_t vals; int64_t ops;                  /* of the model; above them lies the backward part */
    bool *active;                                /* by value: depends on a learned weight */
    sx_t *grad;                                  /* by value: its gradient so far */
    const sx_span **custom;                      /* by op: its span, where that has a backward of its own */
    const sx_span *inside;                       /* that of the op at work */
    sx_again_plan pieces;                        /* what is computed again */
};

SX_MAP1(times, x * k[0], k[0]);
SX_MAP2(product, x0 * x1 * k[0], x1 * k[0], x0 * k[0]);
SX_MAP2(deviation, k[0] * (x0 - x1), k[0], -k[0]);
SX_MAP2(add_times, x0 + k[0] * x1, 1, k[0]);

static const sx_t none;
static sx_t tensor(sx_value v) { return (sx_t){ v.id }; }
/* A copy: writing moves the values. */
static sx_val val(const struct back *b, sx_t t) { return *sx_graph_val(b->g, t); }
static sx_t input(const sx_node *op, int i) { return tensor(op->in[i]); }

static bool same_shape(const struct back *b, sx_t a, sx_t c)
{
    const sx_val x = val(b, a), y = val(b, c);
    return x.rank == y.rank && !memcmp(x.shape, y.shape, sizeof x.shape);
}

static bool wants(const struct back *b, sx_t v)
{
    return v.id <= b->vals && b->active[v.id] && !(b->inside && b->inside->x.id == v.id);
}

static void accumulate(struct back *b, sx_t v, sx_t d)
{
    if (!sx_graph_val(b->g, d)) return;
    if (!same_shape(b, d, v)) SX_BUG("gradient %u of value %u has another shape", d.id, v.id);
    if (d.id > b->vals) sx_graph_val(b->g, d)->batched = val(b, v).batched;
    if (val(b, v).role == SX_ROLE_WEIGHT && val(b, d).dtype != SX_F32)
        d = sx_graph_op(b->g, SX_OP_CAST, 1, &d, NULL, 0);     /* a batch of one row: nothing was summed */
    sx_t *sum = &b->grad[v.id];
    *sum = sum->id ? sx_add(b->g, *sum, d) : d;
}

static void give(struct back *b, sx_t v, sx_t d) { if (wants(b, v)) accumulate(b, v, d); }

/* A value of the model for use in the backward part. */
static sx_t keep(struct back *b, sx_t v) { return sx_again_value(&b->pieces, v); }

/* --- Helpers on shapes --- */
/* RESHAPE or EXPAND to the shape of `to` */
static sx_t with_shape(struct back *b, sx_opcode code, sx_t x, const sx_val *to)
{
    const sx_val v = val(b, x);
    if (v.rank == to->rank && !memcmp(v.shape, to->shape, sizeof v.shape)) return x;
    sx_shape s = { .rank = to->rank };
    memcpy(s.dim, to->shape, sizeof s.dim);
    return sx_graph_node(b->g, &(sx_node){ .op = sx_op_row(code), .attr = &s }, 1, &x, sizeof s, to);
}

/* The gradient of broadcasting: sums over the axes along which `to` was repeated. */
static sx_t sum_to(struct back *b, sx_t d, const sx_val *to)
{
    const sx_val *v = sx_graph_val(b->g, d);
    if (!v) return none;
    unsigned axes = 0;
    for (int i = 0; i < v->rank; i++) {
        const int k = i - (v->rank - to->rank);
        if (v->shape[i] > 1 && (k < 0 || to->shape[k] == 1)) axes |= 1u << i;
    }
    if (axes) d = sx_reduce(b->g, d, SX_SUM, axes);
    return d.id ? with_shape(b, SX_OP_RESHAPE, d, to) : none;
}

static sx_t row(struct back *b, sx_t pair, int i)                    /* [2, c] -> [c] */
{
    return sx_reshape(b->g, sx_slice(b->g, pair, 0, i, 1), SX_SHAPE(sx_dim(b->g, pair, 1)));
}

/* --- The rules: dy is the gradient of op's result --- */
static void grad_reshape(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_val x = val(b, input(op, 0));
    give(b, input(op, 0), with_shape(b, SX_OP_RESHAPE, dy, &x));
}

static void grad_cast(struct back *b, const sx_node *op, sx_t dy) { give(b, input(op, 0), dy); }

static void grad_expand(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_val x = val(b, input(op, 0));
    give(b, input(op, 0), sum_to(b, dy, &x));
}

static void grad_permute(struct back *b, const sx_node *op, sx_t dy)
{
    int back[SX_RANK] = { 0 };
    for (int i = 0; i < sx_rank(b->g, dy); i++) back[((const sx_axes *)op->attr)->axis[i]] = i;
    give(b, input(op, 0), sx_permute(b->g, dy, back));
}

static void grad_slice(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_range *r = op->attr;
    long before[SX_RANK] = { 0 }, after[SX_RANK] = { 0 };
    before[r->axis] = r->from;
    after[r->axis] = sx_dim(b->g, input(op, 0), r->axis) - r->from - r->n;
    give(b, input(op, 0), sx_pad(b->g, dy, before, after, 0));
}

static void grad_pad(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_border *p = op->attr;
    const sx_val x = val(b, input(op, 0));
    for (int i = 0; i < x.rank; i++)
        if (p->before[i] || p->after[i]) dy = sx_slice(b->g, dy, i, p->before[i], x.shape[i]);
    give(b, input(op, 0), dy);
}

static void grad_concat(struct back *b, const sx_node *op, sx_t dy)
{
    const int axis = ((const sx_axes *)op->attr)->axis[0];
    for (long i = 0, at = 0; i < op->inputs; i++) {
        const long n = sx_dim(b->g, input(op, (int)i), axis);
        if (wants(b, input(op, (int)i))) give(b, input(op, (int)i), sx_slice(b->g, dy, axis, at, n));
        at += n;
    }
}

static void grad_resize(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_val x = val(b, input(op, 0));
    const sx_size2 s = { x.shape[1], x.shape[2], false };
    give(b, input(op, 0), sx_graph_op(b->g, SX_OP_RESIZE_BWD, 1, &dy, &s, sizeof s));
}

static void grad_conv2d(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_t x = input(op, 0), w = input(op, 1);
    const sx_conv_bwd c = { *(const sx_window *)op->attr, sx_dim(b->g, x, 1), sx_dim(b->g, x, 2) };
    if (wants(b, w))
        give(b, w, sx_graph_op(b->g, SX_OP_CONV2D_BWD_W, 2, (sx_t[]){ keep(b, x), dy }, &c, sizeof c));
    if (wants(b, x))
        give(b, x, sx_graph_op(b->g, SX_OP_CONV2D_BWD_X, 2, (sx_t[]){ dy, keep(b, w) }, &c, sizeof c));
}

static sx_pool_bwd pool_back(const struct back *b, const sx_node *op)
{
    return (sx_pool_bwd){ *(const sx_window *)op->attr, sx_dim(b->g, input(op, 0), 1),
                          sx_dim(b->g, input(op, 0), 2) };
}

static void grad_maxpool(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_t x = keep(b, input(op, 0));
    const sx_pool_bwd p = pool_back(b, op);
    const sx_t arg = sx_graph_op(b->g, SX_OP_MAXPOOL_ARG, 1, &x, op->attr, sizeof(sx_window));
    give(b, input(op, 0), sx_graph_op(b->g, SX_OP_MAXPOOL_BWD, 2, (sx_t[]){ dy, arg }, &p, sizeof p));
}

static void grad_avgpool(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_pool_bwd p = pool_back(b, op);
    give(b, input(op, 0), sx_graph_op(b->g, SX_OP_AVGPOOL_BWD, 1, &dy, &p, sizeof p));
}

/* y = A B: dA = dy B', dB = A' dy; where an operand is stored transposed, so is its gradient. */
static void grad_matmul(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_t x = input(op, 0), w = input(op, 1);
    const unsigned trans = ((const sx_mm *)op->attr)->trans;
    const bool ta = trans & SX_TRANS_A, tb = trans & SX_TRANS_B;
    if (wants(b, w)) {
        const sx_t a = keep(b, x);
        give(b, w, tb ? sx_matmul(b->g, dy, a, SX_TRANS_A | (ta ? SX_TRANS_B : 0))
                      : sx_matmul(b->g, a, dy, ta ? 0 : SX_TRANS_A));
    }
    if (wants(b, x)) {
        const sx_t c = keep(b, w);
        give(b, x, ta ? sx_matmul(b->g, c, dy, (tb ? SX_TRANS_A : 0) | SX_TRANS_B)
                      : sx_matmul(b->g, dy, c, tb ? 0 : SX_TRANS_B));
    }
}

/* dy times the map's gradient text; only what the text names is read. */
static sx_t map_back(struct back *b, const sx_node *op, int which, sx_t dy)
{
    const char *text = op->map->grad[which], *const name[2] = { op->map->arity == 1 ? "x" : "x0", "x1" };
    sx_map_use use = { which, -1, -1, -1 };
    sx_t in[4] = { dy };
    int n = 1;
    for (int i = 0; i < op->map->arity; i++) {
        if (!sx_map_names(text, name[i])) continue;
        *(i ? &use.x1 : &use.x0) = n;
        in[n++] = keep(b, input(op, i));
    }
    if (sx_map_names(text, "y")) { use.y = n; in[n++] = keep(b, tensor(op->out)); }
    const sx_node back = { .op = sx_op_row(SX_OP_MAP_BWD), .map = op->map, .k = op->k, .attr = &use };
    return sx_graph_node(b->g, &back, n, in, sizeof use, NULL);
}

static void grad_map(struct back *b, const sx_node *op, sx_t dy)
{
    for (int i = 0; i < op->inputs; i++) {
        const char *text = op->map->grad[i];
        if (!wants(b, input(op, i))) continue;
        if (!text) { sx_refuse(b->g, NULL, "uses map '%s', which has no gradient", op->map->name); return; }
        if (strcmp(text, "0") == 0) continue;
        const sx_val x = val(b, input(op, i));
        give(b, input(op, i), sum_to(b, strcmp(text, "1") == 0 ? dy : map_back(b, op, i, dy), &x));
    }
}

static void grad_reduce(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_val x = val(b, input(op, 0));
    const sx_fold fold = ((const sx_fold_over *)op->attr)->fold;
    if (fold == SX_MAX) { sx_refuse(b->g, NULL, "takes a maximum over axes, which has no gradient"); return; }
    if (fold == SX_SUM_SQUARES) {
        give(b, input(op, 0), sx_map2(b->g, &product, keep(b, input(op, 0)), dy, SX_K(2)));
        return;
    }
    if (fold == SX_MEAN) {
        const sx_val y = val(b, dy);
        dy = sx_map1(b->g, &times, dy, SX_K((float)((double)sx_val_count(&y) / (double)sx_val_count(&x))));
    }
    give(b, input(op, 0), with_shape(b, SX_OP_EXPAND, dy, &x));
}

static void grad_softmax(struct back *b, const sx_node *op, sx_t dy)
{
    give(b, input(op, 0), sx_graph_op(b->g, SX_OP_SOFTMAX_BWD, 2, (sx_t[]){ tensor(op->out), dy }, NULL, 0));
}

static void grad_xent(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_t in[3] = { keep(b, input(op, 0)), keep(b, input(op, 1)), dy };
    give(b, input(op, 0), sx_graph_op(b->g, SX_OP_XENT_BWD, 3, in, NULL, 0));
}

/* Mean and variance used by themselves: d mean / dx = 1 / n, d variance / dx = 2 (x - mean) / n. */
static void grad_moments(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_val x = val(b, input(op, 0));
    const float per = (float)((double)x.shape[x.rank - 1] / (double)sx_val_count(&x));
    const sx_t mean = row(b, tensor(op->out), 0);
    const sx_t off = sx_map2(b->g, &deviation, keep(b, input(op, 0)), mean, SX_K(2 * per));
    const sx_t of_variance = sx_mul(b->g, off, row(b, dy, 1));
    give(b, input(op, 0), sx_map2(b->g, &add_times, of_variance, row(b, dy, 0), SX_K(per)));
}

static const sx_node *maker(const struct back *b, sx_t v, sx_opcode code)
{
    const sx_val *a = sx_graph_val(b->g, sx_graph_root(b->g, v));
    return a && a->maker >= 0 && b->g->ops.v[a->maker].op->code == code ? &b->g->ops.v[a->maker] : NULL;
}

/* y = x scale + shift with NORM_SCALE's (gamma, beta, moments) taken along: where the moments are those of x,
 * the gradient goes through them as well (Ioffe & Szegedy 2015, section 3); where they are given, scale is a
 * constant. */
static void grad_scale_shift(struct back *b, const sx_node *op, sx_t dy)
{
    const sx_t x = input(op, 0);
    const sx_node *made = maker(b, input(op, 1), SX_OP_NORM_SCALE);
    if (!made) { sx_refuse(b->g, NULL, "scales by numbers that have no gradient"); return; }
    const sx_node norm = *made;
    const sx_t moments = input(&norm, 0), gamma = input(&norm, 1), beta = input(&norm, 2);
    const sx_node *stats = maker(b, moments, SX_OP_MOMENTS);
    const bool through = wants(b, moments);
    if (through && !(stats && sx_graph_root(b->g, input(stats, 0)).id == sx_graph_root(b->g, x).id)) {
        sx_refuse(b->g, NULL, "normalises by moments of another tensor, which has no gradient");
        return;
    }
    sx_t sums = none;
    if (through || wants(b, gamma) || wants(b, beta))
        sums = sx_graph_op(b->g, SX_OP_NORM_SUMS, 3, (sx_t[]){ keep(b, x), dy, keep(b, moments) }, norm.attr,
                           sizeof(sx_eps));
    if (wants(b, gamma)) give(b, gamma, row(b, sums, 0));
    if (wants(b, beta)) give(b, beta, row(b, sums, 1));
    if (!wants(b, x)) return;
    if (through) {
        const sx_t in[5] = { keep(b, x), dy, keep(b, moments), keep(b, gamma), sums };
        give(b, x, sx_graph_op(b->g, SX_OP_NORM_BWD, 5, in, norm.attr, sizeof(sx_eps)));
    } else give(b, x, sx_mul(b->g, dy, row(b, keep(b, input(op, 1)), 0)));
}

static void grad_own(struct back *b, const sx_node *op, sx_t dy)
{
    sx_t *in = sx_alloc_array(b->g->arena, (size_t)op->inputs, sizeof *in);
    for (int i = 0; i < op->inputs; i++) in[i] = input(op, i);
    for (int i = 0; i < op->inputs; i++) {
        if (!wants(b, in[i])) continue;
        if (!op->op->grad) {
            sx_refuse(b->g, NULL, "uses op '%s', which has no gradient", op->op->name);
            return;
        }
        const sx_t d = op->op->grad(b->g, op->attr, in, tensor(op->out), dy, i);
        if (!sx_graph_val(b->g, d)) continue;
        if (same_shape(b, d, in[i])) give(b, in[i], d);
        else sx_refuse(b->g, NULL, "op '%s' gives a gradient of another shape than its input", op->op->name);
    }
}

/* What no gradient passes: whole numbers, random numbers, constants, and sx_stop. */
static bool ends(const sx_graph *g, const sx_node *op)
{
    switch (op->op->code) {
    case SX_OP_STOP: case SX_OP_FILL: case SX_OP_RANDOM: case SX_OP_ROWS: case SX_OP_HIT: return true;
    default: return !op->out.id || sx_graph_val(g, tensor(op->out))->dtype >= SX_I32;
    }
}

static void find_active(struct back *b)
{
    const sx_graph *g = b->g;
    for (uint32_t v = 1; v <= b->vals; v++) b->active[v] = g->vals.v[v - 1].learned;
    for (long i = 0; i < g->spans.n; i++)
        for (int64_t k = g->spans.v[i].first; g->spans.v[i].custom && k < g->spans.v[i].last; k++)
            b->custom[k] = &g->spans.v[i];
    for (int64_t i = 0; i < b->ops; i++) {
        const sx_node *op = &g->ops.v[i];
        b->inside = b->custom[i];                /* within such a span only the layer's own weights count */
        for (int j = 0; j < op->inputs && !ends(g, op); j++) b->active[op->out.id] |= wants(b, input(op, j));
        if (b->inside && i == b->inside->last - 1) b->active[b->inside->y.id] |= b->active[b->inside->x.id];
    }
}

/* A layer's own backward gives dx; the gradients of its weights still come from its ops. */
static void go_custom(struct back *b, const sx_span *s)
{
    const sx_t dy = b->grad[s->y.id];
    if (!dy.id || !b->active[s->x.id]) return;
    const sx_t dx = s->layer->backward(b->g, s->params, s->x, s->y, dy);
    if (sx_graph_val(b->g, dx) && same_shape(b, dx, s->x)) accumulate(b, s->x, dx);
    else sx_refuse(b->g, NULL, "gives a gradient of another shape than its input");
}

static void rule_of(struct back *b, const sx_node *op, sx_t dy)
{
    static void (*const rule[SX_OP_COUNT])(struct back *, const sx_node *, sx_t) = {
        [SX_OP_OWN] = grad_own, [SX_OP_RESHAPE] = grad_reshape, [SX_OP_CAST] = grad_cast,
        [SX_OP_EXPAND] = grad_expand, [SX_OP_PERMUTE] = grad_permute, [SX_OP_SLICE] = grad_slice,
        [SX_OP_PAD] = grad_pad, [SX_OP_CONCAT] = grad_concat, [SX_OP_RESIZE] = grad_resize,
        [SX_OP_CONV2D] = grad_conv2d, [SX_OP_MAXPOOL] = grad_maxpool, [SX_OP_AVGPOOL] = grad_avgpool,
        [SX_OP_MATMUL] = grad_matmul, [SX_OP_MAP] = grad_map, [SX_OP_REDUCE] = grad_reduce,
        [SX_OP_SOFTMAX] = grad_softmax, [SX_OP_XENT] = grad_xent, [SX_OP_MOMENTS] = grad_moments,
        [SX_OP_SCALE_SHIFT] = grad_scale_shift,
    };
    bool wanted = false;
    for (int i = 0; i < op->inputs; i++) wanted |= wants(b, input(op, i));
    if (!wanted) return;
    if (rule[op->op->code]) rule[op->op->code](b, op, dy);
    else sx_refuse(b->g, NULL, "uses op '%s', which has no gradient", op->op->name);
}

/* What the rules write belongs to the layer whose op they derive: messages about it name that layer. */
static void note_span(sx_graph *g, const sx_span *of, int64_t first)
{
    if (!of || first == g->ops.n) return;
    const sx_span s = { .first = first, .last = g->ops.n, .at = of->at, .layer = of->layer,
                        .params = of->params };
    SX_PUSH(g->arena, g->spans, s);
}

static void go_back(struct back *b)
{
    sx_graph *g = b->g;
    for (int64_t i = b->ops; i-- > 0;) {
        const sx_node op = g->ops.v[i];          /* a copy: writing moves the ops */
        const sx_span *s = sx_graph_span(g, i);
        const int64_t first = g->ops.n;
        g->at = s ? s->at : (sx_layer_context){ .path = "", .training = g->training, .lr_scale = 1 };
        g->mute = false;
        b->inside = b->custom[i];
        if (b->inside && i == b->inside->last - 1) go_custom(b, b->inside);
        const sx_t dy = op.out.id ? b->grad[op.out.id] : none;
        if (dy.id && b->active[op.out.id]) rule_of(b, &op, dy);
        note_span(g, s, first);
    }
}

static int hand_over(struct back *b, long *n, sx_t **weights, sx_t **grads)
{
    sx_graph *g = b->g;
    int code = 0;
    *n = 0;
    *weights = sx_alloc_array(g->arena, b->vals, sizeof **weights);
    *grads = sx_alloc_array(g->arena, b->vals, sizeof **grads);
    for (uint32_t v = 1; v <= b->vals; v++) {
        if (!g->vals.v[v - 1].learned) continue;
        (*weights)[*n] = (sx_t){ v };
        (*grads)[(*n)++] = b->grad[v];
        if (b->grad[v].id || g->refused) continue;
        code = sx_error(g->diags, SX_E_REFUSED, sx_graph_where(g, g->vals.v[v - 1].reader),
                        "weight '%s' cannot learn: the loss does not depend on it", g->vals.v[v - 1].name);
        sx_hint(g->diags, "Freeze its layer, or let its output be used.");
    }
    return g->refused ? SX_E_REFUSED : code;
}

int sx_grad(sx_graph *g, sx_t loss, double scale, long *n, sx_t **weights, sx_t **grads)
{
    return sx_grad_sum(g, 1, &loss, &scale, n, weights, grads);
}

int sx_grad_sum(sx_graph *g, long losses, const sx_t *loss, const double *scale, long *n, sx_t **weights,
                sx_t **grads)
{
    struct back b = { .g = g, .vals = (uint32_t)g->vals.n, .ops = g->ops.n };
    const sx_layer_context at = g->at;
    *n = 0;
    for (long i = 0; i < losses; i++) if (!sx_graph_val(g, loss[i])) return SX_E_REFUSED;
    b.active = sx_alloc_array(g->arena, (size_t)b.vals + 1, sizeof *b.active);
    b.grad = sx_alloc_array(g->arena, (size_t)b.vals + 1, sizeof *b.grad);
    b.custom = sx_alloc_array(g->arena, (size_t)b.ops + 1, sizeof *b.custom);
    find_active(&b);
    sx_again_open(g, b.active, &b.pieces);
    g->redone = (sx_redone){ b.pieces.bytes, b.pieces.flop, b.pieces.chosen };
    for (long i = 0; i < losses; i++) {
        const sx_val like = val(&b, loss[i]);
        const sx_node one = { .op = sx_op_row(SX_OP_FILL), .attr = &(sx_fill){ (float)scale[i] } };
        b.grad[loss[i].id] = sx_graph_node(g, &one, 0, NULL, sizeof(sx_fill), &like);
    }
    go_back(&b);
    g->at = at;
    return hand_over(&b, n, weights, grads);
}
