/* tensors.c: the safetensors format. A file is a stranger's: no size in it is believed before it is checked
 * against the file's own length. Format: interop facts at https://huggingface.co/docs/safetensors (8 bytes N,
 * N bytes of JSON, data). */
#include "tensors.h"
#include "file.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HEADER_MOST = 100000000 };
static const struct { const char *name; size_t bytes; } dtypes[] = {
    { "F64", 8 }, { "I64", 8 }, { "U64", 8 }, { "F32", 4 }, { "I32", 4 }, { "U32", 4 }, { "F16", 2 },
    { "BF16", 2 }, { "I16", 2 }, { "U16", 2 }, { "BOOL", 1 }, { "U8", 1 }, { "I8", 1 }, { "F8_E5M2", 1 },
    { "F8_E4M3", 1 },
};

static size_t dtype_row(const char *name)
{
    size_t i = 0;
    while (i < sizeof dtypes / sizeof *dtypes && strcmp(dtypes[i].name, name)) i++;
    return i;
}

static size_t dtype_bytes(const char *name)
{
    const size_t i = dtype_row(name);
    return i < sizeof dtypes / sizeof *dtypes ? dtypes[i].bytes : 0;
}

/* --- Reading --- */
typedef struct {
    sx_arena *a; const char *file; sx_diags *d;
    const unsigned char *data; size_t bytes;     /* behind the header */
} source;
typedef struct { size_t begin, end; const char *name; } extent;

static int damaged(const source *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int damaged(const source *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *why = sx_vformat(s->a, fmt, ap);
    va_end(ap);
    sx_error(s->d, SX_E_DATA, (sx_where){ .file = s->file }, "not a valid safetensors file: %s", why);
    return SX_E_DATA;
}

/* A name of a file as it may be shown: short, without control characters. */
static const char *shown(const source *s, const char *name)
{
    char *text = sx_strndup(s->a, name, 80);
    for (char *p = text; *p; p++) if ((unsigned char)*p < 32 || *p == 127) *p = '?';
    return text;
}

static int read_shape(const source *s, const json_t *shape, sx_blob *b)
{
    size_t bytes = dtype_bytes(b->dtype);
    if (!bytes)
        return damaged(s, "tensor '%s' has the unknown type '%s'", shown(s, b->name), shown(s, b->dtype));
    if (!json_is_array(shape) || json_array_size(shape) > SX_RANK)
        return damaged(s, "tensor '%s' has no shape of at most %d axes", shown(s, b->name), SX_RANK);
    b->rank = (int)json_array_size(shape);
    bool empty = false;
    for (int i = 0; i < b->rank; i++) {
        const json_t *n = json_array_get(shape, (size_t)i);
        if (!json_is_integer(n) || json_integer_value(n) < 0 || json_integer_value(n) > PTRDIFF_MAX)
            return damaged(s, "tensor '%s' has a shape of other things than lengths", shown(s, b->name));
        b->shape[i] = (long)json_integer_value(n);
        empty = empty || !b->shape[i];
    }
    for (int i = 0; i < b->rank && !empty; i++) {
        if (bytes > s->bytes / (size_t)b->shape[i])
            return damaged(s, "tensor '%s' is larger than the file", shown(s, b->name));
        bytes *= (size_t)b->shape[i];
    }
    b->bytes = empty ? 0 : bytes;
    return 0;
}

static int read_tensor(const source *s, const char *name, const json_t *row, sx_blob *b, extent *e)
{
    const char *dtype = json_string_value(json_object_get(row, "dtype"));
    const json_t *ends = json_object_get(row, "data_offsets");
    const json_t *begin = json_array_get(ends, 0), *end = json_array_get(ends, 1);
    if (!dtype || json_array_size(ends) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return damaged(s, "tensor '%s' lacks dtype or data_offsets", shown(s, name));
    b->name = sx_strdup(s->a, name);
    b->dtype = sx_strdup(s->a, dtype);
    const int bad = read_shape(s, json_object_get(row, "shape"), b);
    if (bad) return bad;
    const json_int_t from = json_integer_value(begin), to = json_integer_value(end);
    if (from < 0 || to < from || (uintmax_t)to > s->bytes)
        return damaged(s, "the data of tensor '%s' lie outside the file", shown(s, name));
    *e = (extent){ (size_t)from, (size_t)to, b->name };
    if (e->end - e->begin != b->bytes)
        return damaged(s, "tensor '%s' has %zu bytes of data, its shape needs %zu", shown(s, name),
                       e->end - e->begin, b->bytes);
    b->data = s->data + e->begin;
    return 0;
}

static int by_begin(const void *x, const void *y)
{
    const extent *a = x, *b = y;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return (a->end > b->end) - (a->end < b->end);
}

/* Tensors must tile the data: no hole, no overlap, nothing behind the last one. */
static int check_tiling(const source *s, extent *e, long n)
{
    size_t at = 0;
    if (n) qsort(e, (size_t)n, sizeof *e, by_begin);
    for (long i = 0; i < n; at = e[i++].end)
        if (e[i].begin != at)
            return damaged(s, "the data of tensor '%s' %s", shown(s, e[i].name),
                           e[i].begin < at ? "overlap another's" : "lie behind a hole");
    return at == s->bytes ? 0 : damaged(s, "%zu bytes behind the last tensor", s->bytes - at);
}

static int read_meta(const source *s, json_t *meta, sx_blobs *out)
{
    if (meta && !json_is_object(meta)) return damaged(s, "__metadata__ is not a group of texts");
    const char **key = sx_alloc_array(s->a, json_object_size(meta) + 1, sizeof *key);
    const char **text = sx_alloc_array(s->a, json_object_size(meta) + 1, sizeof *text);
    const char *k;
    json_t *v;
    out->key = key, out->text = text;
    json_object_foreach(meta, k, v) {
        if (!json_is_string(v)) return damaged(s, "__metadata__ '%s' is not a text", shown(s, k));
        key[out->n_meta] = sx_strdup(s->a, k);
        text[out->n_meta++] = sx_strdup(s->a, json_string_value(v));
    }
    return 0;
}

static int read_header(const source *s, json_t *root, sx_blobs *out)
{
    if (!json_is_object(root)) return damaged(s, "its header is not a JSON object");
    const size_t room = json_object_size(root) + 1;
    sx_blob *v = sx_alloc_array(s->a, room, sizeof *v);
    extent *e = sx_alloc_array(s->a, room, sizeof *e);
    const char *name;
    json_t *row;
    int bad = read_meta(s, json_object_get(root, "__metadata__"), out);
    json_object_foreach(root, name, row) {
        if (bad) return bad;
        if (!strcmp(name, "__metadata__")) continue;
        bad = read_tensor(s, name, row, &v[out->n], &e[out->n]);
        out->n++;
    }
    out->v = v;
    return bad ? bad : check_tiling(s, e, out->n);
}

typedef struct { void *at; size_t bytes; } mapping;
static void unmap(void *m) { munmap(((mapping *)m)->at, ((mapping *)m)->bytes); }

static int map_file(source *s)
{
    mapping *m = SX_NEW(s->a, mapping);
    const char *why;
    const int fd = sx_file_open(s->file, &m->bytes, &why);
    if (fd < 0)
        return sx_error(s->d, SX_E_DATA, (sx_where){ .file = s->file }, "cannot read this file: %s", why);
    if (m->bytes < 8) {
        close(fd);
        return damaged(s, "it is no file of at least 8 bytes");
    }
    m->at = mmap(NULL, m->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (m->at == MAP_FAILED)
        return sx_error(s->d, SX_E_IO, (sx_where){ .file = s->file }, "cannot map this file: %s",
                        strerror(errno));
    sx_arena_defer(s->a, unmap, m);
    s->data = m->at, s->bytes = m->bytes;
    return 0;
}

int sx_tensors_read(sx_arena *a, const char *file, sx_blobs *out, sx_diags *d)
{
    source s = { .a = a, .file = file, .d = d };
    *out = (sx_blobs){ 0 };
    int bad = map_file(&s);
    if (bad) return bad;
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--) n = n << 8 | s.data[i];
    if (n > HEADER_MOST || n > s.bytes - 8)
        return damaged(&s, "its header would be %llu bytes long", (unsigned long long)n);
    const char *header = (const char *)s.data + 8;
    if (!n || *header != '{') return damaged(&s, "its header does not start with '{'");
    json_error_t why;
    json_t *root = json_loadb(header, (size_t)n, JSON_REJECT_DUPLICATES, &why);
    if (!root) return damaged(&s, "%s in its header", shown(&s, why.text));
    s.data += 8 + n, s.bytes -= 8 + (size_t)n;
    bad = read_header(&s, root, out);
    json_decref(root);
    return bad;
}

const sx_blob *sx_blobs_find(const sx_blobs *b, const char *name)
{
    for (long i = 0; i < b->n; i++) if (!strcmp(b->v[i].name, name)) return &b->v[i];
    return NULL;
}

const char *sx_blobs_meta(const sx_blobs *b, const char *key)
{
    for (long i = 0; i < b->n_meta; i++) if (!strcmp(b->key[i], key)) return b->text[i];
    return NULL;
}

/* --- Numbers --- */
static float of_f16(uint16_t h)                  /* IEEE 754 binary16 */
{
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    float size = ldexpf((float)fraction, -24);
    if (exponent) size = ldexpf((float)(1024 + fraction), exponent - 25);
    if (exponent == 31) size = fraction ? NAN : INFINITY;
    return h >> 15 ? -size : size;
}

static float of_bf16(uint16_t h)
{
    const uint32_t w = (uint32_t)h << 16;
    float f;
    memcpy(&f, &w, sizeof f);
    return f;
}

int sx_blob_f32(const sx_blob *b, long count, float *out)
{
    const size_t each = dtype_bytes(b->dtype), n = (size_t)count;
    if (count < 0 || b->bytes / each != n || b->bytes % each) return SX_E_DATA;
    const bool half = !strcmp(b->dtype, "F16"), brain = !strcmp(b->dtype, "BF16");
    if (!n) return 0;
    if (!strcmp(b->dtype, "F32")) { memcpy(out, b->data, 4 * n); return 0; }
    for (size_t i = 0; i < n; i++) {
        const char *from = (const char *)b->data + i * each;         /* may be unaligned */
        double wide;
        uint16_t narrow;
        if (!strcmp(b->dtype, "F64")) { memcpy(&wide, from, 8); out[i] = (float)wide; }
        else if (half || brain) {
            memcpy(&narrow, from, 2);
            out[i] = half ? of_f16(narrow) : of_bf16(narrow);
        } else return SX_E_DATA;
    }
    return 0;
}

/* --- Writing --- */
static int by_size_then_name(const void *x, const void *y)
{
    const sx_blob *a = *(const sx_blob *const *)x, *b = *(const sx_blob *const *)y;
    const size_t m = dtype_bytes(a->dtype), n = dtype_bytes(b->dtype);
    if (m != n) return m > n ? -1 : 1;
    return strcmp(a->name, b->name);
}

static json_t *tensor_row(const sx_blob *b, size_t at)
{
    json_t *shape = json_array();
    size_t bytes = dtype_bytes(b->dtype);
    for (int i = 0; i < b->rank; i++) {
        json_array_append_new(shape, json_integer(b->shape[i]));
        bytes *= (size_t)b->shape[i];
    }
    if (!bytes ? b->bytes : bytes != b->bytes)
        SX_BUG("tensor %s: %zu bytes for its shape of %zu", b->name, b->bytes, bytes);
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", b->dtype, "shape", shape, "data_offsets",
                     (json_int_t)at, (json_int_t)(at + b->bytes));
}

static char *header_text(sx_arena *a, const sx_blobs *b, const sx_blob **order, size_t *bytes)
{
    json_t *root = json_object(), *meta = b->n_meta ? json_object() : NULL;
    for (long i = 0; i < b->n_meta; i++) json_object_set_new(meta, b->key[i], json_string(b->text[i]));
    if (meta) json_object_set_new(root, "__metadata__", meta);
    size_t at = 0;
    for (long i = 0; i < b->n; at += order[i++]->bytes)
        if (json_object_set_new(root, order[i]->name, tensor_row(order[i], at)))
            SX_BUG("tensor name %s is not UTF-8", order[i]->name);
    char *dump = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!dump) SX_BUG("JSON of a header failed");
    const size_t n = strlen(dump);
    *bytes = (n + 7) / 8 * 8;
    char *text = memset(sx_alloc(a, *bytes + 1), ' ', *bytes);
    memcpy(text, dump, n);
    free(dump);
    return text;
}

int sx_tensors_write(const char *file, const sx_blobs *b, sx_diags *d)
{
    sx_arena *a = sx_arena_open(NULL);
    const sx_blob **order = sx_alloc_array(a, (size_t)b->n + 1, sizeof *order);
    for (long i = 0; i < b->n; i++) order[i] = &b->v[i];
    qsort(order, (size_t)b->n, sizeof *order, by_size_then_name);
    size_t bytes;
    char *text = header_text(a, b, order, &bytes);
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)bytes >> 8 * i);
    sx_piece *v = sx_alloc_array(a, (size_t)b->n + 2, sizeof *v);
    v[0] = (sx_piece){ length, sizeof length };
    v[1] = (sx_piece){ text, bytes };
    for (long i = 0; i < b->n; i++) v[i + 2] = (sx_piece){ order[i]->data, order[i]->bytes };
    const int bad = sx_file_put(file, b->n + 2, v, d);
    sx_arena_close(a);
    return bad;
}
