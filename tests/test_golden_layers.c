/* test_golden_layers.c: every layer against PyTorch in double (golden/layers.py): outputs, gradients of input
 * and weights, states after a step; relative L2 error below 1e-5, on both convolution paths. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model.h"
#include "tensors.h"

struct bench { sx_arena *arena; sx_diags diags; sx_registry *registry; sx_blobs blobs; };

static void show(struct bench *t, const char *what)
{
    if (t->diags.n) sx_diags_print(&t->diags, stderr);
    cr_assert_eq(t->diags.errors, 0, "%s", what);
}

static const sx_blob *blob(struct bench *t, sx_arena *a, const char *name, const char *part)
{
    return sx_blobs_find(&t->blobs, sx_format(a, "%s/%s", name, part));
}

/* The config of one case: the layers, and as much around them as an experiment must have. */
static sx_exp *experiment(struct bench *t, sx_arena *a, const char *layers, const sx_blob *x)
{
    char *input = sx_strdup(a, "");
    for (int i = 1; i < x->rank; i++) input = sx_format(a, "%s%s%ld", input, i > 1 ? ", " : "", x->shape[i]);
    const char *text = sx_format(a, "model = { input = [ %s ]; layers = { %s }; };\n"
        "dataset = { type = \"idx\"; dir = \".\"; train = [ \"x\", \"y\" ]; };\n"
        "train = { loss = \"cross_entropy\"; epochs = 1; batch = %ld; optimizer = { type = \"adam\"; }; };\n",
        input, layers, x->shape[0]);
    sx_conf *root = NULL;
    sx_exp *e = NULL;
    cr_assert_eq(sx_config_parse(a, text, "case", NULL, &root, &t->diags), 0, "%s", text);
    if (sx_exp_open(a, t->registry, root, "case", &e, &t->diags)) show(t, text);
    return e;
}

/* A bound value with its buffer, filled from a blob (or zero). */
struct bound { sx_t t; sx_memory *m; };
static struct bound bound(struct bench *t, sx_arena *a, const sx_machine *m, const sx_graph *g,
                          sx_t v, const sx_blob *from)
{
    const sx_val *val = sx_graph_val(g, v);
    long n = 1;
    for (int i = 0; i < val->rank; i++) n *= val->shape[i];
    struct bound b = { v, NULL };
    cr_assert_eq(sx_memory_open(a, m, (size_t)n * 4, &b.m, &t->diags), 0);
    if (from) {
        float *data = sx_alloc_array(a, (size_t)n, sizeof *data);
        cr_assert_eq(sx_blob_f32(from, n, data), 0, "%s has another size than %s", from->name,
                     val->name ? val->name : "?");
        cr_assert_eq(m->device->write(m->queue, b.m->buf, 0, data, (size_t)n * 4), 0);
    }
    return b;
}

static void agree(struct bench *t, sx_arena *a, const sx_machine *m, struct bound b,
                  const sx_blob *want, double tolerance)
{
    const long n = (long)(want->bytes / 8);
    float *got = sx_alloc_array(a, (size_t)n, sizeof *got);
    cr_assert_eq(b.m->bytes, (size_t)n * 4, "%s has another size", want->name);
    cr_assert_eq(m->device->read(m->queue, b.m->buf, 0, got, (size_t)n * 4), 0);
    cr_assert_eq(m->device->sync(m->queue), 0);
    double d = 0, r = 0;
    for (long i = 0; i < n; i++) {
        const double w = ((const double *)want->data)[i];
        d += (got[i] - w) * (got[i] - w);
        r += w * w;
    }
    const double e = r > 0 ? sqrt(d / r) : sqrt(d);
    cr_expect(e < tolerance, "%s: relative error %g", want->name, e);
    (void)t;
}

static void run_case(struct bench *t, const char *name, const char *text)
{
    sx_arena *a = sx_arena_open(t->arena);
    const bool infer = !strncmp(text, "!infer ", 7);
    const sx_blob *x = blob(t, a, name, "x"), *dy = blob(t, a, name, "dy");
    sx_exp *e = experiment(t, a, text + (infer ? 7 : 0), x);
    sx_machine *m = NULL;
    cr_assert_eq(sx_machine_open(a, t->registry, "cpu", 2, &m, &t->diags), 0);
    sx_graph *g = sx_graph_open(a, &(sx_graph_want){ .training = !infer, .compute = SX_F32,
                                        .batch = x->shape[0] }, &t->diags);
    long shape[SX_RANK + 1] = { 0 };
    memcpy(shape, x->shape, sizeof(long) * (size_t)x->rank);
    const sx_t in = sx_graph_bound(g, SX_ROLE_WEIGHT, "x", SX_F32, shape, true);
    sx_graph_val(g, in)->learned = true;         /* so that its gradient is made */
    sx_t end;
    sx_model_write(g, e->layers, &in, &end, NULL);
    /* a copy: flatten's result is its input's memory */
    const sx_t y = sx_graph_op(g, SX_OP_CAST, 1, &end, NULL, 0);
    show(t, name);
    struct { struct bound *v; long n, cap; } binds = { 0 };
    const sx_val *yv = sx_graph_val(g, y);
    long wy[SX_RANK + 1] = { 0 };
    memcpy(wy, yv->shape, sizeof wy);
    sx_t up = { 0 };
    if (dy) up = sx_graph_bound(g, SX_ROLE_INPUT, "dy", SX_F32, wy, true);
    const long weights = g->vals.n;
    sx_t *learned = NULL, *grads = NULL;
    long n = 0;
    if (dy) {
        const sx_t rows = sx_reduce(g, sx_mul(g, y, up), SX_SUM, ~1u & ((1u << yv->rank) - 1));
        cr_assert_eq(sx_grad(g, rows, 1, &n, &learned, &grads), 0);
        for (long i = 0; i < n; i++)
            sx_graph_result(g, grads[i], sx_format(a, "d%s", sx_graph_val(g, learned[i])->name));
    }
    sx_graph_result(g, y, "y");
    show(t, name);
    sx_program *p = NULL;
    for (int fuse = 0; fuse < 2; fuse++) {
        if (sx_program_open(a, m, g, fuse, NULL, &p, &t->diags)) show(t, name);
        binds.n = 0;
        for (long i = 1; i <= weights; i++) {
            const sx_t v = { (uint32_t)i };
            const sx_val *val = sx_graph_val(g, v);
            if (val->role == SX_ROLE_TEMP || val->role == SX_ROLE_RESULT) continue;
            const sx_blob *from = v.id == in.id ? x : v.id == up.id && dy ? dy
                                 : blob(t, a, name, sx_format(a, "w/%s", val->name));
            SX_PUSH(a, binds, bound(t, a, m, g, v, from));
        }
        SX_PUSH(a, binds, bound(t, a, m, g, y, NULL));
        const long first = binds.n;
        for (long i = 0; i < n; i++) SX_PUSH(a, binds, bound(t, a, m, g, grads[i], NULL));
        for (long i = 0; i < binds.n; i++) sx_program_bind(p, binds.v[i].t, binds.v[i].m, 0);
        if (sx_program_run(p, 1, &t->diags)) show(t, name);
        agree(t, a, m, binds.v[first - 1], blob(t, a, name, "y"), 1e-5);
        for (long i = 0; i < n; i++) {
            const char *w = sx_graph_val(g, learned[i])->name;
            const sx_blob *want = learned[i].id == in.id ? blob(t, a, name, "dx")
                                 : blob(t, a, name, sx_format(a, "dw/%s", w));
            cr_assert(want, "%s: no reference for the gradient of %s", name, w);
            agree(t, a, m, binds.v[first + i], want, 1e-5);
        }
        for (long i = 0; i < first - 1; i++) {
            const sx_val *val = sx_graph_val(g, binds.v[i].t);
            const sx_blob *want = val->role == SX_ROLE_STATE
                                     ? blob(t, a, name, sx_format(a, "s/%s", val->name)) : NULL;
            if (want) agree(t, a, m, binds.v[i], want, 1e-5);
        }
    }
    sx_arena_close(a);
}

static void all(const char *conv)
{
    struct bench t = { .arena = sx_arena_open(NULL) };
    sx_diags_init(&t.diags, t.arena);
    setenv("STRIX_CPU_CONV", conv, 1);
    t.registry = sx_registry_open(t.arena, NULL);
    const char *source = getenv("STRIX_SOURCE");
    const char *file = sx_format(t.arena, "%s/tests/golden/layers.safetensors", source ? source : ".");
    cr_assert_eq(sx_tensors_read(t.arena, file, &t.blobs, &t.diags), 0);
    cr_assert_gt(t.blobs.n_meta, 30);
    for (long i = 0; i < t.blobs.n_meta; i++) run_case(&t, t.blobs.key[i], t.blobs.text[i]);
    sx_arena_close(t.arena);
}

Test(golden_layers, onednn) { all("onednn"); }
Test(golden_layers, im2col) { all("im2col"); }
Test(golden_layers, automatic) { all("auto"); }
