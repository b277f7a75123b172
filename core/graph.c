/* graph.c: writing a model down: values, ops, brackets of layers, refusals, and what layers call (plugin.h).
 * A refused tensor makes every op on it refused in silence; only the first reason of a layer is told. */
#include "graph.h"
#include <stdlib.h>
#include <string.h>

struct sx_name { const char *text; uint32_t value; };                /* open addressing; text NULL: free */
SX_MAP2(add, x0 + x1, 1, 1);
SX_MAP2(mul, x0 * x1, x1, x0);
static const sx_t refused;                       /* {0} */

/* --- The table of ops --- */
static const sx_op rows[SX_OP_COUNT] = {
#define SX_ROW(CODE, name_, inputs_, type, rowwise_, cheap, inplace) \
    [SX_OP_##CODE] = { .size = sizeof(sx_op), .name = #name_, .inputs = inputs_, .rowwise = rowwise_, \
                       .code = SX_OP_##CODE },
#include <strix/ops.def>
#undef SX_ROW
};
static const struct { char type; bool cheap, inplace; } traits[SX_OP_COUNT] = {
#define SX_ROW(CODE, name, inputs, type_, rowwise, cheap_, inplace_) \
    [SX_OP_##CODE] = { #type_[0], cheap_, inplace_ },
#include <strix/ops.def>
#undef SX_ROW
};
const sx_op *sx_op_row(sx_opcode code) { return &rows[code]; }
bool sx_op_cheap(sx_opcode code) { return traits[code].cheap; }
bool sx_op_inplace(sx_opcode code) { return traits[code].inplace; }
bool sx_op_rowwise(sx_opcode code) { return rows[code].rowwise; }
char sx_op_type(sx_opcode code) { return traits[code].type; }

size_t sx_dtype_size(sx_dtype t) { return t == SX_U8 ? 1 : t == SX_BF16 || t == SX_F16 ? 2 : 4; }
const char *sx_dtype_name(sx_dtype t)
{
    static const char *const name[] = { "f32", "bf16", "f16", "i32", "u8" };
    return (unsigned)t < sizeof name / sizeof *name ? name[t] : "?";
}

long sx_val_count(const sx_val *v)
{
    long n = 1;
    for (int i = 0; i < v->rank; i++) n *= v->shape[i];
    return n;
}
size_t sx_val_bytes(const sx_val *v) { return (size_t)sx_val_count(v) * sx_dtype_size(v->dtype); }

/* --- A graph, its layers, its refusals --- */
sx_graph *sx_graph_open(sx_arena *a, const sx_graph_want *w, sx_diags *d)
{
    sx_graph *g = SX_NEW(a, sx_graph);
    g->arena = a; g->diags = d;
    g->training = w->training; g->compute = w->compute; g->batch = w->batch;
    g->seed = w->seed; g->trial = w->trial;
    g->at = (sx_layer_context){ .path = "", .training = w->training, .lr_scale = 1 };
    g->step = sx_graph_bound(g, SX_ROLE_INPUT, "step", SX_I32, (const long[]){ 1, 0 }, false);
    return g;
}

void sx_graph_enter(sx_graph *g, const sx_layer_context *c)
{
    g->at = *c;
    if (!g->at.path) g->at.path = "";
    g->at_first = g->ops.n;
    g->outs.n = 0;
    g->mute = false;
    for (int i = 0; i < c->inputs; i++) g->mute |= !sx_graph_val(g, c->in[i]);
}

void sx_graph_leave(sx_graph *g, const sx_layer *l, const void *params, sx_t x, sx_t y)
{
    const bool custom = l && l->backward;
    if (!sx_graph_val(g, y)) sx_refuse(g, NULL, "gives no output");
    else if (custom && y.id == x.id)
        sx_refuse(g, NULL, "has a gradient of its own but gives its input unchanged");
    if (!g->outs.n) SX_PUSH(g->arena, g->outs, y);
    g->outs.v[0] = y;
    const sx_span s = { g->at_first, g->ops.n, g->at, l, params, x, y, custom };
    SX_PUSH(g->arena, g->spans, s);
    g->at = (sx_layer_context){ .path = "", .training = g->training, .lr_scale = 1 };
    g->at_first = g->ops.n;
    g->mute = false;
}

sx_val *sx_graph_val(const sx_graph *g, sx_t t)
{
    return t.id && t.id <= g->vals.n ? &g->vals.v[t.id - 1] : NULL;
}

const sx_span *sx_graph_span(const sx_graph *g, int64_t op)
{
    long low = 0, high = g->spans.n;             /* spans stand in order of their ends */
    while (low < high) {
        const long mid = (low + high) / 2;
        if (g->spans.v[mid].last > op) high = mid; else low = mid + 1;
    }
    for (; low < g->spans.n; low++) if (g->spans.v[low].first <= op) return &g->spans.v[low];
    return NULL;
}

static sx_where where_of(const sx_graph *g, const sx_layer_context *at, const char *param)
{
    if (!at->conf) return (sx_where){ NULL, 0, *at->path ? at->path : NULL };
    const sx_conf *c = param ? sx_conf_member(at->conf, param) : NULL;
    return sx_conf_where(g->arena, c ? c : at->conf);
}

sx_where sx_graph_where(const sx_graph *g, int64_t op)
{
    const sx_span *s = sx_graph_span(g, op);
    return where_of(g, s ? &s->at : &g->at, NULL);
}

const char *sx_graph_shape(sx_arena *a, const sx_val *v)
{
    const char *text = "";
    for (int i = v->batched; i < v->rank; i++)
        text = sx_format(a, "%s%s%ld", text, *text ? ", " : "", v->shape[i]);
    return sx_format(a, "[%s]", text);
}

static void tell_inputs(sx_graph *g)
{
    const char *list = "", *who = *g->at.path ? g->at.path : "the layer";
    for (int i = 0; i < g->at.inputs && i < 4; i++) {
        const sx_val *v = sx_graph_val(g, g->at.in[i]);
        const char *shape = v ? sx_graph_shape(g->arena, v) : "refused";
        list = sx_format(g->arena, "%s%s%s", list, i ? ", " : "", shape);
    }
    if (g->at.inputs == 1) sx_detail(g->diags, "The input of %s is %s.", who, list);
    else if (g->at.inputs > 1)
        sx_detail(g->diags, "The inputs of %s are %s%s.", who, list, g->at.inputs > 4 ? ", .." : "");
}

sx_t sx_refuse(sx_graph *g, const char *param, const char *fmt, ...)
{
    g->refused = true;
    if (g->mute) return refused;
    g->mute = true;
    if (g->quiet) return refused;
    va_list ap;
    va_start(ap, fmt);
    const char *text = sx_vformat(g->arena, fmt, ap), *type = g->at.type ? g->at.type : "";
    va_end(ap);
    const bool named = !*type || strncmp(text, type, strlen(type)) == 0;
    sx_error(g->diags, SX_E_REFUSED, where_of(g, &g->at, param), "%s%s%s", named ? "" : type,
             named ? "" : " ", text);
    tell_inputs(g);
    return refused;
}

/* --- Names of bound values --- */
static struct sx_name *name_slot(sx_graph *g, const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;            /* FNV-1a */
    for (const char *p = text; *p; p++) h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    for (long i = (long)(h % (uint64_t)g->names.cap);; i = i + 1 == g->names.cap ? 0 : i + 1)
        if (!g->names.v[i].text || strcmp(g->names.v[i].text, text) == 0) return &g->names.v[i];
}

static uint32_t name_find(sx_graph *g, const char *text)
{
    return g->names.cap ? name_slot(g, text)->value : 0;
}

static void name_add(sx_graph *g, const char *text, uint32_t value)
{
    if (2 * g->names.n >= g->names.cap) {
        const struct sx_name *old = g->names.v;
        const long n = g->names.cap;
        g->names.cap = n ? 2 * n : 64;
        g->names.v = sx_alloc_array(g->arena, (size_t)g->names.cap, sizeof *g->names.v);
        for (long i = 0; i < n; i++) if (old[i].text) *name_slot(g, old[i].text) = old[i];
    }
    struct sx_name *s = name_slot(g, text);
    g->names.n += !s->text;
    *s = (struct sx_name){ text, value };
}

/* --- Values and ops --- */
static sx_t add_value(sx_graph *g, const sx_val *v)
{
    SX_PUSH(g->arena, g->vals, *v);
    return (sx_t){ (uint32_t)g->vals.n };
}

static int shape_rank(const long *shape)
{
    int n = 0;
    while (n <= SX_RANK && shape[n]) n++;
    return n;
}

/* Shape from a 0-terminated list after an optional batch axis; false where it has too many axes. */
static bool set_shape(sx_val *v, const long *shape, const long *batch)
{
    const int n = shape_rank(shape), lead = batch != NULL;
    if (n + lead > SX_RANK) return false;
    v->rank = n + lead;
    if (batch) v->shape[0] = *batch;
    memcpy(v->shape + lead, shape, (size_t)n * sizeof *shape);
    return true;
}

sx_t sx_graph_bound(sx_graph *g, sx_role role, const char *name, sx_dtype dtype, const long *shape,
                    bool batched)
{
    sx_val v = { .role = role, .dtype = dtype, .batched = batched, .maker = -1, .reader = -1, .lr_scale = 1,
                 .name = sx_strdup(g->arena, name) };
    if (!set_shape(&v, shape, NULL))
        return sx_refuse(g, NULL, "tensor '%s' has more than %d axes", name, SX_RANK);
    if (!sx_shape_check(g, &v)) return refused;
    const sx_t t = add_value(g, &v);
    name_add(g, v.name, t.id);
    return t;
}

static bool alias(const sx_graph *g, const sx_val *v)
{
    if (v->maker < 0) return false;
    const uint32_t code = g->ops.v[v->maker].op->code;
    return code == SX_OP_RESHAPE || code == SX_OP_STOP;
}

sx_t sx_graph_root(const sx_graph *g, sx_t t)
{
    for (const sx_val *v; (v = sx_graph_val(g, t)) && alias(g, v);) t.id = g->ops.v[v->maker].in[0].id;
    return t;
}

void sx_graph_result(sx_graph *g, sx_t t, const char *name)
{
    sx_val *v = sx_graph_val(g, sx_graph_root(g, t));
    if (!v) return;
    if (v->role != SX_ROLE_TEMP) {
        sx_refuse(g, NULL, "result '%s' is not computed but bound", name);
        return;
    }
    v->role = SX_ROLE_RESULT;
    v->name = sx_strdup(g->arena, name);
    name_add(g, v->name, (uint32_t)(v - g->vals.v) + 1);
}

/* Labels and pixels where numbers are wanted: which inputs may be integers. */
static bool integers_fit(uint32_t code, int i)
{
    switch (code) {
    case SX_OP_RESHAPE: case SX_OP_STOP: case SX_OP_CAST: case SX_OP_EXPAND: case SX_OP_PERMUTE:
    case SX_OP_SLICE: case SX_OP_PAD: case SX_OP_CONCAT: case SX_OP_RANDOM: case SX_OP_ROWS:
    case SX_OP_GATHER: case SX_OP_PUT: case SX_OP_ASSIGN: case SX_OP_ADVANCE:
        return true;
    case SX_OP_XENT: case SX_OP_XENT_BWD: case SX_OP_HIT: case SX_OP_MAXPOOL_BWD: return i == 1;
    case SX_OP_UPDATE: return i == 3;
    default: return false;
    }
}

static sx_dtype result_type(const sx_graph *g, uint32_t code, const sx_t *in)
{
    const sx_dtype first = code && code != SX_OP_FILL ? sx_graph_val(g, in[0])->dtype : g->compute;
    if (!code) return SX_F32;
    if (code == SX_OP_GATHER) return first == SX_I32 ? SX_I32 : g->compute;
    switch (sx_op_type((sx_opcode)code)) {
    case 'C': return g->compute;
    case 'I': return SX_I32;
    case 'U': return SX_U8;
    case 'S': return first;
    default: return SX_F32;
    }
}

sx_t sx_graph_node(sx_graph *g, const sx_node *node, int n, const sx_t *in, size_t attr_size,
                   const sx_val *like)
{
    const sx_op *op = node->op;
    for (int i = 0; i < n; i++) if (!sx_graph_val(g, in[i])) return g->refused = true, refused;
    if (op->inputs >= 0 && n != op->inputs)
        return sx_refuse(g, NULL, "gives %d inputs to %s, which takes %d", n, op->name, op->inputs);
    for (int i = 0; op->code && i < n; i++)
        if (sx_graph_val(g, in[i])->dtype >= SX_I32 && !integers_fit(op->code, i))
            return sx_refuse(g, NULL, "gives whole numbers to %s", op->name);
    sx_val v = like ? *like : (sx_val){ 0 };
    v.role = SX_ROLE_TEMP; v.name = v.init = NULL; v.learned = false; v.reader = -1;
    v.maker = g->ops.n;
    v.dtype = result_type(g, op->code, in);
    if (op->code && !sx_shape_infer(g, (sx_opcode)op->code, n, in, node->attr, &v)) return refused;
    const bool writes = op->code && sx_op_type((sx_opcode)op->code) == '0';
    if (!writes && !sx_shape_check(g, &v)) return refused;
    sx_value *to = sx_alloc_array(g->arena, (size_t)n, sizeof *to);
    for (int i = 0; i < n; i++) {
        to[i].id = in[i].id;
        if (g->vals.v[in[i].id - 1].reader < 0) g->vals.v[in[i].id - 1].reader = g->ops.n;
    }
    sx_node own = *node;
    own.size = sizeof own; own.index = (uint32_t)g->ops.n;
    if (attr_size) own.attr = sx_dup(g->arena, node->attr, attr_size);
    own.k = node->map ? sx_alloc(g->arena, 8 * sizeof(float)) : NULL;
    if (own.k && node->k) own.k = sx_dup(g->arena, node->k, 8 * sizeof(float));
    own.inputs = n; own.in = to;
    const sx_t y = writes ? in[0] : add_value(g, &v);
    own.out.id = writes ? 0 : y.id;
    SX_PUSH(g->arena, g->ops, own);
    return y;
}

sx_t sx_graph_op(sx_graph *g, sx_opcode code, int n, const sx_t *in, const void *attr, size_t attr_size)
{
    return sx_graph_node(g, &(sx_node){ .op = sx_op_row(code), .attr = attr }, n, in, attr_size, NULL);
}

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

/* --- What layers call: questions --- */
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
    if (!set_shape(&v, shape, NULL) || !sx_shape_check(g, &v))
        return sx_refuse(g, NULL, "asks for '%s' with too many axes", name);
    const sx_t known = { name_find(g, v.name) };
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
    const uint32_t nth = name_find(g, counter);
    name_add(g, counter, nth + 1);
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
    if (!set_shape(&want, shape, v->batched ? v->shape : NULL))
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
    if (!set_shape(&like, shape, NULL)) return sx_refuse(g, NULL, "asks for more than %d axes", SX_RANK);
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
    set_shape(&like, shape, NULL);
    like.batched = batched && like.rank && like.shape[0] == g->batch;
    return sx_graph_node(g, &(sx_node){ .op = op, .attr = attr }, n, x, op->attr_size, &like);
}

/* --- What a model costs --- */
static double macs(const sx_graph *g, const sx_node *op)
{
    const sx_val *y = sx_graph_val(g, (sx_t){ op->out.id }), *a = sx_graph_val(g, (sx_t){ op->in[0].id });
    const sx_val *b = sx_graph_val(g, (sx_t){ op->in[1].id });
    const double outputs = (double)sx_val_count(y) / (double)(y->batched ? y->shape[0] : 1);
    if (op->op->code == SX_OP_CONV2D) return outputs * (double)(b->shape[1] * b->shape[2] * b->shape[3]);
    return outputs * (double)a->shape[((const sx_mm *)op->attr)->trans & SX_TRANS_A ? 0 : 1];
}

sx_cost sx_graph_cost(const sx_graph *g, int64_t from, int64_t to)
{
    sx_cost c = { 0 };
    for (int64_t i = from; i < to && i < g->ops.n; i++) {
        const sx_node *op = &g->ops.v[i];
        if (op->op->code == SX_OP_CONV2D || op->op->code == SX_OP_MATMUL) c.macs += macs(g, op);
        for (int j = 0; j < op->inputs; j++) {
            const sx_val *v = sx_graph_val(g, (sx_t){ op->in[j].id });
            bool again = false;
            for (int k = 0; k < j; k++) again |= op->in[k].id == op->in[j].id;
            if (v->role != SX_ROLE_WEIGHT || v->reader != i || again) continue;
            *(v->learned ? &c.parameters : &c.frozen) += sx_val_count(v);
        }
    }
    return c;
}
