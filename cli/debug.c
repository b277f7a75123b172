/* debug.c: strix debug: gradients of one batch for comparison with another framework; the test suite of a
 * device. */
#include "cli.h"
#include "conform.h"
#include <string.h>

/* --- grads --- */
typedef struct {
    cli_context *c; bool training; sx_exp *e; sx_machine *m; sx_net *net;
    sx_data_shape shape; const void *x[SX_COLUMNS]; const int32_t *y[SX_COLUMNS];
} job;

/* "x", or "x/meta" of a named column */
static const char *key(job *j, const char *what, const char *name)
{
    return name ? sx_format(j->c->arena, "%s/%s", what, name) : what;
}

static int read_x(job *j, const char *file, const sx_blobs *b, long i)
{
    const char *name = key(j, "x", j->e->input[i].name);
    const sx_blob *x = sx_blobs_find(b, name);
    sx_column_shape *s = &j->shape.input[i];
    if (!x || x->rank < 2 || strcmp(x->dtype, "F32") || !x->bytes || (i && x->shape[0] != j->shape.rows))
        return sx_error(&j->c->diags, SX_E_DATA, (sx_where){ .file = file },
                        "a batch needs a tensor '%s' of f32 [rows, ..]", name);
    j->shape.rows = j->shape.test = x->shape[0];
    j->shape.inputs = (int)i + 1;
    *s = (sx_column_shape){ .rank = x->rank - 1, .dtype = SX_F32 };
    memcpy(s->shape, x->shape + 1, (size_t)s->rank * sizeof *x->shape);
    float *to = sx_alloc(j->c->arena, x->bytes);
    j->x[i] = to;
    return sx_blob_f32(x, (long)(x->bytes / sizeof(float)), to);
}

/* Labels by name; one called y is for all. */
static int read_y(job *j, const char *file, const sx_blobs *b, int i)
{
    sx_column_shape *s = &j->shape.label[i];
    const char *name = key(j, "y", s->name);
    const sx_blob *y = sx_blobs_find(b, name);
    if (!y) y = sx_blobs_find(b, name = "y");
    if (!y || y->rank != 1 || y->shape[0] != j->shape.rows || strcmp(y->dtype, "I64"))
        return sx_error(&j->c->diags, SX_E_DATA, (sx_where){ .file = file },
                        "a batch needs a tensor '%s' of i64 [rows]", name);
    int32_t *to = sx_alloc_array(j->c->arena, (size_t)j->shape.rows, sizeof *to);
    j->y[i] = to;
    for (long k = 0; k < j->shape.rows; k++) {
        int64_t label;
        memcpy(&label, (const char *)y->data + 8 * k, sizeof label);
        if (label < 0 || label > 1 << 20)
            return sx_error(&j->c->diags, SX_E_DATA, (sx_where){ .file = file },
                            "label %lld of row %ld is out of range", (long long)label, k);
        to[k] = (int32_t)label;
        if (label >= s->classes) s->classes = (long)label + 1;
    }
    return 0;
}

static int read_batch(job *j)
{
    const char *file = cli_text(j->c, "batch", "");
    sx_blobs b;
    int bad = sx_tensors_read(j->c->arena, file, &b, &j->c->diags);
    for (long i = 0; i < j->e->inputs && !bad; i++) bad = read_x(j, file, &b, i);
    sx_step_labels(j->e, &j->shape);
    for (int i = 0; i < j->shape.labels && !bad; i++) bad = read_y(j, file, &b, i);
    return bad;
}

static int open_net(job *j)
{
    cli_context *c = j->c;
    sx_data *data;
    int bad = cli_load_experiment(c, c->arg[1], &j->e);
    if (!bad) bad = cli_machine(c, &j->m);
    if (!bad) bad = read_batch(j);
    if (!bad) bad = sx_data_given(c->arena, j->m, &j->shape, j->x, j->y, &data, &c->diags);
    if (!bad) bad = sx_net_open(c->arena, j->e, j->m, data, j->e->tune.seed, 0, false, &j->net, &c->diags);
    bad = cli_own_net(bad);
    if (!bad) bad = sx_net_init(j->net, &c->diags);
    if (!bad && cli_text(c, "init", NULL))
        bad = sx_ckpt_import(c->arena, cli_text(c, "init", NULL), NULL, j->net, true, SX_NOWHERE, &c->diags);
    return bad;
}

typedef struct { sx_blob *v; long n, cap; } blobs;
static void add(sx_arena *a, blobs *b, const char *name, int rank, const long *shape, const float *data)
{
    sx_blob one = { .name = name, .dtype = "F32", .rank = rank, .bytes = sizeof *data, .data = data };
    for (int i = 0; i < rank; i++) one.bytes *= (size_t)(one.shape[i] = shape[i]);
    SX_PUSH(a, *b, one);
}

static int add_states(job *j, blobs *b)
{
    sx_arena *a = j->c->arena;
    const sx_tensor *t;
    const long n = sx_net_tensors(j->net, &t);
    int bad = 0;
    for (long i = 0; i < n && !bad; i++) {
        if (t[i].kind != SX_TENSOR_STATE) continue;
        float *v = sx_alloc_array(a, (size_t)t[i].count, sizeof *v);
        bad = sx_net_read(j->net, &t[i], v, &j->c->diags);
        add(a, b, sx_format(a, "state/%s", t[i].name), t[i].rank, t[i].shape, v);
    }
    return bad;
}

/* Of several outputs logits and losses by name, and the weighted sum of the losses. */
static void add_outputs(job *j, blobs *b, const sx_probe *p)
{
    sx_arena *a = j->c->arena;
    const sx_exp *e = j->e;
    float *total = sx_alloc(a, sizeof *total);
    double all = 0;
    for (long i = 0; i < e->outputs; i++) {
        const char *name = e->outputs > 1 ? e->output[i].name : NULL;
        float *loss = sx_alloc(a, sizeof *loss);
        double sum = 0;
        for (long k = 0; k < p->rows; k++) sum += (double)p->loss[i][k];
        *loss = (float)(sum / (double)p->rows);
        all += e->output[i].weight * (sum / (double)p->rows);
        const long shape[] = { p->rows, sx_net_head(j->net, i)->width };
        add(a, b, key(j, "logits", name), 2, shape, p->logits[i]);
        if (j->training && name) add(a, b, key(j, "loss", name), 0, NULL, loss);
    }
    *total = (float)all;
    if (j->training) add(a, b, "loss", 0, NULL, total);
}

static int write_results(job *j, const sx_probe *p)
{
    sx_arena *a = j->c->arena;
    blobs b = { 0 };
    add_outputs(j, &b, p);
    for (long i = 0; i < p->n; i++)
        add(a, &b, sx_format(a, "grad/%s", p->weight[i]->name), p->weight[i]->rank, p->weight[i]->shape,
            p->grad[i]);
    const int bad = j->training ? add_states(j, &b) : 0;
    return bad ? bad : sx_tensors_write(cli_text(j->c, "out", ""), &(sx_blobs){ .n = b.n, .v = b.v },
                                        &j->c->diags);
}

static int grads(cli_context *c)
{
    const char *mode = cli_text(c, "mode", "train");
    if (c->args != 2) return cli_usage(c, "debug grads needs a FILE");
    if (!cli_text(c, "batch", NULL) || !cli_text(c, "out", NULL))
        return cli_usage(c, "debug grads needs --batch and --out");
    if (strcmp(mode, "train") && strcmp(mode, "infer"))
        return cli_usage(c, "--mode is '%s', not train or infer", mode);
    job j = { .c = c, .training = !strcmp(mode, "train") };
    sx_probe p;
    int bad = open_net(&j);
    if (!bad) bad = sx_net_probe(c->arena, j.net, j.training, &p, &c->diags);
    if (!bad) bad = write_results(&j, &p);
    if (!bad && c->json) cli_json_print(c, json_pack("{s:s}", "file", cli_text(c, "out", "")));
    return bad;
}

/* --- optest --- */
static int print_counts(cli_context *c, const conform *s)
{
    if (c->json) conform_document(s, stdout);
    c->printed = c->json;
    return 0;
}

static int optest(cli_context *c)
{
    const char *name = sx_strndup(c->arena, c->device, strcspn(c->device, ":"));
    conform suite = { .arena = c->arena, .registry = cli_registry(c), .device = c->device,
                      .threads = c->threads, .out = c->json ? stderr : stdout };
    suite.entry = sx_find(suite.registry, SX_KIND_DEVICE, name, SX_NOWHERE, &c->diags);
    if (!suite.entry) return sx_diags_code(&c->diags);
    const int units = ((const sx_device *)(const void *)suite.entry->item)->count();
    if (units < 1 && !cli_flag(c, "require")) {
        fprintf(suite.out, "1..0 # SKIP no device '%s' here\n", c->device);
        return print_counts(c, &suite);
    }
    if (units < 1) return cli_fail(c, SX_E_DEVICE, "there is no device '%s' here", c->device);
    const int bad = conform_device(&suite, suite.entry);
    const int failed = conform_end(&suite);
    if (!bad) print_counts(c, &suite);
    return bad ? bad : failed ? 1 : 0;
}

static int run(cli_context *c)
{
    if (!strcmp(c->arg[0], "grads")) return grads(c);
    if (!strcmp(c->arg[0], "optest")) return optest(c);
    return cli_usage(c, "there is no debug '%s'; there are: grads, optest", c->arg[0]);
}

static const cli_option options[] = {
    { "init", 0, CLI_TEXT, "FILE", "grads: weights and states by name", 0, 0 },
    { "batch", 0, CLI_TEXT, "FILE", "grads: x f32 [rows, ..] as of the data set, y i64 [rows]; of several "
      "x/NAME, y/NAME", 0, 0 },
    { "out", 0, CLI_TEXT, "FILE", "grads: logits, loss, grad/NAME, state/NAME", 0, 0 },
    { "mode", 0, CLI_TEXT, "MODE", "grads: train or infer (logits only); default: train", 0, 0 },
    { "require", 0, CLI_FLAG, NULL, "optest: a missing device is an error", 0, 0 },
    CLI_END
};

const cli_verb verb_debug = {
    .name = "debug", .args = "grads FILE | optest",
    .doc = "gradients of one batch as safetensors; every op of a device against plain loops",
    .least = 1, .most = 2, .options = options, .run = run };
