/* ckpt.c: a net's tensors to and from safetensors files: checkpoints with their place in training, and
 * weights of others. */
#include "ckpt.h"
#include <build-config.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- A sum over the data: safetensors itself would not notice a flipped bit. FNV-1a over 32-bit words --- */
static uint64_t sum_of(uint64_t h, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    for (size_t i = 0; i + 4 <= bytes; i += 4) {
        uint32_t w;
        memcpy(&w, p + i, sizeof w);
        h = (h ^ w) * 0x100000001b3u;
    }
    return h;
}

static const char *sum_text(sx_arena *a, const sx_blobs *b)
{
    uint64_t h = 0xcbf29ce484222325u, all = 0;
    for (long i = 0; i < b->n; i++)
        all += sum_of(h, b->v[i].data, b->v[i].bytes) * (sum_of(h, b->v[i].name, strlen(b->v[i].name)) | 1);
    return sx_format(a, "%016" PRIx64, all);
}

/* --- Saving --- */
static const char *numbers(sx_arena *a, const double *v, long n)
{
    char *text = sx_alloc(a, (size_t)n * 26 + 1), *p = text;
    for (long i = 0; i < n; i++) p += snprintf(p, 26, i ? " %.17g" : "%.17g", v[i]);
    return text;
}

typedef struct { struct { const char **v; long n, cap; } key, text; } pairs;
static void pair(sx_arena *a, pairs *p, const char *key, const char *text)
{
    SX_PUSH(a, p->key, key);
    SX_PUSH(a, p->text, text);
}

static void place(sx_arena *a, pairs *p, const sx_progress_state *s)
{
    pair(a, p, "t", sx_format(a, "%ld", s->clock.t));
    pair(a, p, "epoch", sx_format(a, "%ld", s->clock.epoch));
    pair(a, p, "memo", numbers(a, s->clock.memo, 4));
    pair(a, p, "monitor", numbers(a, s->monitor, s->n));
    pair(a, p, "best", numbers(a, s->best, s->values));
}

/* "row", of named inputs "row/NAME" */
const char *sx_ckpt_key(sx_arena *a, const char *what, const char *name)
{
    return name ? sx_format(a, "%s/%s", what, name) : what;
}

/* What `predict` must know of the data set without opening it: type and shape of each input, class names of
 * each output. Names that the experiment gives stay there: texts may hold what the environment keeps
 * secret. */
static void describe_rows(sx_arena *a, pairs *p, const sx_net *n)
{
    const sx_data *data = sx_net_data(n);
    const sx_exp *e = sx_net_exp(n);
    for (long k = 0; k < e->inputs; k++) {
        const sx_column_shape *s = &data->shape.input[k];
        const char *shape = sx_dtype_name(s->dtype);
        for (int i = 0; i < s->rank; i++) shape = sx_format(a, "%s %ld", shape, s->shape[i]);
        pair(a, p, sx_ckpt_key(a, "row", e->input[k].name), shape);
    }
    for (long k = 0; k < e->outputs && !sx_conf_find(e->root, "dataset.names"); k++) {
        const int label = sx_net_head(n, k)->label;
        const char *names = "";
        for (long i = 0; data->names[label] && i < data->shape.label[label].classes; i++)
            names = sx_format(a, "%s%s%s", names, i ? "\n" : "", data->names[label][i]);
        if (*names) pair(a, p, sx_ckpt_key(a, "classes", e->output[k].name), names);
    }
}

static void free_data(void *data) { free(data); }

static int read_blob(sx_arena *a, const sx_net *n, const sx_tensor *t, sx_blob *b, sx_diags *d)
{
    *b = (sx_blob){ .name = t->name, .dtype = "F32", .rank = t->rank, .data = sx_net_look(n, t),
                    .bytes = (size_t)t->count * sizeof(float) };
    memcpy(b->shape, t->shape, (size_t)t->rank * sizeof *t->shape);
    if (b->data) return 0;
    float *v = malloc(b->bytes);
    if (!v) return sx_error(d, SX_E_MEMORY, SX_NOWHERE, "no memory for %ld numbers of %s", t->count, t->name);
    sx_arena_defer(a, free_data, v);
    b->data = v;
    return sx_net_read(n, t, v, d);
}

int sx_ckpt_save(const char *file, const sx_net *n, const sx_progress_state *s, bool slots, sx_diags *d)
{
    sx_arena *a = sx_arena_open(NULL);
    const sx_tensor *t;
    const long tensors = sx_net_tensors(n, &t);
    sx_blob *v = sx_alloc_array(a, (size_t)tensors + 1, sizeof *v);
    sx_blobs b = { .v = v };
    int bad = 0;
    for (long i = 0; i < tensors && !bad; i++)
        if (slots || t[i].kind != SX_TENSOR_SLOT) bad = read_blob(a, n, &t[i], &v[b.n++], d);
    pairs p = { 0 };
    pair(a, &p, "format", "strix");
    pair(a, &p, "version", PACKAGE_VERSION);
    describe_rows(a, &p, n);
    pair(a, &p, "config", sx_format(a, "%016" PRIx64, sx_conf_hash(sx_net_exp(n)->root)));
    if (!bad) pair(a, &p, "sum", sum_text(a, &b));
    if (s) {
        sx_progress_state now = *s;
        now.clock = sx_net_time(n);
        place(a, &p, &now);
    }
    b.n_meta = p.key.n, b.key = p.key.v, b.text = p.text.v;
    if (!bad) bad = sx_tensors_write(file, &b, d);
    sx_arena_close(a);
    return bad;
}

/* --- Loading --- */
static int damaged(const char *file, sx_diags *d, const char *what)
{
    return sx_error(d, SX_E_DATA, (sx_where){ .file = file }, "damaged checkpoint: %s", what);
}

static bool parse_long(const char *text, long *v)
{
    char *end;
    errno = 0;
    *v = text ? strtol(text, &end, 10) : -1;
    return text && end != text && !*end && !errno && *v >= 0;
}

static long parse_numbers(sx_arena *a, const char *text, const double **out)
{
    const size_t most = text ? strlen(text) / 2 + 1 : 0;
    double *v = sx_alloc_array(a, most + 1, sizeof *v);
    long n = 0;
    *out = v;
    while (text && *text) {
        char *end;
        v[n++] = strtod(text, &end);
        if (end == text || (*end && *end != ' ')) return -1;
        text = *end ? end + 1 : end;
    }
    return n;
}

static int parse_place(sx_arena *a, const char *file, const sx_blobs *b, sx_progress_state *s, sx_diags *d)
{
    const double *memo;
    *s = (sx_progress_state){ 0 };
    s->n = parse_numbers(a, sx_blobs_meta(b, "monitor"), &s->monitor);
    s->values = parse_numbers(a, sx_blobs_meta(b, "best"), &s->best);
    const bool whole = parse_long(sx_blobs_meta(b, "t"), &s->clock.t)
                    && parse_long(sx_blobs_meta(b, "epoch"), &s->clock.epoch)
                    && parse_numbers(a, sx_blobs_meta(b, "memo"), &memo) == 4
                    && s->n == s->clock.epoch && s->values >= 0;
    if (!whole) return damaged(file, d, "its place in the training cannot be read");
    memcpy(s->clock.memo, memo, sizeof s->clock.memo);
    return 0;
}

static bool same_shape(const sx_blob *b, const sx_tensor *t)
{
    return b->rank == t->rank && !memcmp(b->shape, t->shape, (size_t)t->rank * sizeof *t->shape);
}

static const char *shape_text(sx_arena *a, int rank, const long *shape)
{
    const char *text = "[";
    for (int i = 0; i < rank; i++) text = sx_format(a, "%s%s%ld", text, i ? ", " : "", shape[i]);
    return sx_format(a, "%s]", text);
}

static int other_shape(sx_arena *a, const char *file, const sx_blob *b, const sx_tensor *t, sx_diags *d)
{
    return sx_error(d, SX_E_DATA, (sx_where){ .file = file }, "'%.120s' is %s there, the net has %s", b->name,
                    shape_text(a, b->rank, b->shape), shape_text(a, t->rank, t->shape));
}

static int fill(sx_arena *a, const char *file, const sx_blob *b, sx_net *n, const sx_tensor *t, sx_diags *d)
{
    float *v = malloc((size_t)t->count * sizeof *v);
    if (!v) return sx_error(d, SX_E_MEMORY, SX_NOWHERE, "no memory for %ld numbers of %s", t->count, t->name);
    int bad = same_shape(b, t) ? 0 : other_shape(a, file, b, t, d);
    if (!bad && sx_blob_f32(b, t->count, v))
        bad = sx_error(d, SX_E_DATA, (sx_where){ .file = file },
                       "'%.120s' is of type %s, not of floating-point numbers", b->name, b->dtype);
    if (!bad) bad = sx_net_write(n, t, v, d);
    free(v);
    return bad;
}

static int check_tensors(sx_arena *a, const char *file, const sx_blobs *b, const sx_net *n, bool slots,
                         sx_diags *d)
{
    const sx_tensor *t;
    const long tensors = sx_net_tensors(n, &t);
    for (long i = 0; i < tensors; i++) {
        if (t[i].kind == SX_TENSOR_SLOT && !slots) continue;
        const sx_blob *from = sx_blobs_find(b, t[i].name);
        if (!from)
            return sx_error(d, SX_E_DATA, (sx_where){ .file = file },
                            "this checkpoint is of another net: it lacks '%s'", t[i].name);
        if (!same_shape(from, &t[i])) return other_shape(a, file, from, &t[i], d);
    }
    if (!slots || b->n == tensors) return 0;
    return sx_error(d, SX_E_DATA, (sx_where){ .file = file },
                    "this checkpoint is of another net: it has %ld tensors, the net %ld", b->n, tensors);
}

int sx_ckpt_load(sx_arena *a, const char *file, sx_net *n, sx_progress_state *s, sx_diags *d)
{
    sx_arena *own = sx_arena_open(NULL);
    const sx_tensor *t;
    const long tensors = sx_net_tensors(n, &t);
    sx_blobs b;
    int bad = sx_tensors_read(own, file, &b, d);
    const char *sum = bad ? NULL : sx_blobs_meta(&b, "sum");
    if (!bad && (!sum || strcmp(sum, sum_text(own, &b))))
        bad = damaged(file, d, "its data do not have the sum that was saved with them");
    if (!bad) bad = check_tensors(own, file, &b, n, s != NULL, d);
    if (!bad && s) bad = parse_place(a, file, &b, s, d);
    for (long i = 0; i < tensors && !bad; i++)
        if (s || t[i].kind != SX_TENSOR_SLOT)
            bad = fill(own, file, sx_blobs_find(&b, t[i].name), n, &t[i], d);
    if (!bad && s) sx_net_set_time(n, s->clock);
    sx_arena_close(own);
    return bad;
}

/* --- Weights of others --- */
static int missing(const char *file, const char *names, long count, const sx_blobs *b, sx_where where,
                   sx_diags *d)
{
    sx_error(d, SX_E_DATA, where.file ? where : (sx_where){ .file = file }, "%ld weight%s missing in %s",
             count, count == 1 ? " is" : "s are", file);
    sx_detail(d, "Missing: %s.%s%s", names, b->n ? " The file starts with " : "", b->n ? b->v[0].name : "");
    return SX_E_DATA;
}

int sx_ckpt_import(sx_arena *a, const char *file, const char *prefix, sx_net *n, bool all, sx_where where,
                   sx_diags *d)
{
    const size_t skip = prefix ? strlen(prefix) : 0;
    const sx_tensor *t;
    const long tensors = sx_net_tensors(n, &t);
    sx_blobs b;
    const char *names = "";
    long lacking = 0;
    int bad = sx_tensors_read(a, file, &b, d);
    for (long i = 0; i < tensors && !bad; i++) {
        if (t[i].kind == SX_TENSOR_SLOT || strncmp(t[i].name, prefix ? prefix : "", skip)) continue;
        const sx_blob *from = sx_blobs_find(&b, t[i].name + skip);
        if (from) bad = fill(a, file, from, n, &t[i], d);
        else if (t[i].kind == SX_TENSOR_WEIGHT && lacking++ < 10)
            names = sx_format(a, "%s%s%s", names, *names ? ", " : "", t[i].name + skip);
    }
    if (lacking > 10) names = sx_format(a, "%s and %ld more", names, lacking - 10);
    return bad || !lacking || !all ? bad : missing(file, names, lacking, &b, where, d);
}
