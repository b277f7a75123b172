/* graph.c: a model written down: values, ops, brackets of layers, names, refusals.
 * A refused tensor makes every op on it refused in silence; only the first reason of a layer is told. */
#include "graph.h"
#include <string.h>

struct sx_name { const char *text; uint32_t value; };                /* open addressing; text NULL: free */
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
bool sx_op_alias(const sx_op *op) { return op->code == SX_OP_RESHAPE || op->code == SX_OP_STOP; }
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
    g->seed = w->seed; g->trial = w->trial; g->again = w->again;
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

uint32_t sx_graph_find(sx_graph *g, const char *text)
{
    return g->names.cap ? name_slot(g, text)->value : 0;
}

void sx_graph_name(sx_graph *g, const char *text, uint32_t value)
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
bool sx_val_set_shape(sx_val *v, const long *shape, const long *batch)
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
    if (!sx_val_set_shape(&v, shape, NULL))
        return sx_refuse(g, NULL, "tensor '%s' has more than %d axes", name, SX_RANK);
    if (!sx_shape_check(g, &v)) return refused;
    const sx_t t = add_value(g, &v);
    sx_graph_name(g, v.name, t.id);
    return t;
}

sx_t sx_graph_root(const sx_graph *g, sx_t t)
{
    for (const sx_val *v; (v = sx_graph_val(g, t)) && v->maker >= 0 && sx_op_alias(g->ops.v[v->maker].op);)
        t.id = g->ops.v[v->maker].in[0].id;
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
    sx_graph_name(g, v->name, (uint32_t)(v - g->vals.v) + 1);
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

/* The precision rule. What goes by the rows of the batch is of the compute type from where it is read
 * (GATHER) or made of whole numbers (CAST) on, as far as it comes from there. Weights, states, statistics,
 * losses and gradients of weights stay f32. */
static sx_dtype result_type(const sx_graph *g, uint32_t code, int n, const sx_t *in, const sx_val *y)
{
    const sx_dtype first = n ? sx_graph_val(g, in[0])->dtype : SX_F32;
    const sx_dtype wide = y->batched ? g->compute : SX_F32;
    bool computed = code == SX_OP_CAST, mixed = false;
    if (code == SX_OP_GATHER) return first == SX_I32 ? SX_I32 : wide;
    for (int i = 0; i < n; i++) {
        computed |= sx_graph_val(g, in[i])->dtype == g->compute;
        mixed |= sx_graph_val(g, in[i])->dtype != first;
    }
    switch (code ? sx_op_type((sx_opcode)code) : 'C') {
    case 'C': return computed ? wide : SX_F32;
    case 'I': return SX_I32;
    case 'U': return SX_U8;
    case 'S': return code == SX_OP_CONCAT && mixed ? wide : first;
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
    if (op->code && !sx_shape_infer(g, (sx_opcode)op->code, n, in, node->attr, &v)) return refused;
    v.dtype = result_type(g, op->code, n, in, &v);
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
