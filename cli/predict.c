/* predict.c: strix predict: the most likely classes of images in IDX, PGM or PPM files (gzipped or not),
 * or of any rows in safetensors files. */
#include "cli.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { MOST_PIXELS = 1 << 30 };
typedef struct { long n; const char *const *v; } names_of;           /* of the classes of an output */
typedef struct { const char *file; long first, n; } batch;           /* rows of one file */
typedef struct {
    cli_context *c; const sx_exp *e;
    sx_data_shape shape; names_of names[SX_COLUMNS];                 /* what the net was trained on */
    struct { unsigned char *v; long n; } bytes[SX_COLUMNS];          /* the rows so far, by input */
    struct { batch *v; long n, cap; } files;
} images;

/* --- Files --- */
static int bad_file(const images *, const char *, const char *, ...) __attribute__((format(printf, 3, 4)));
static int bad_file(const images *im, const char *file, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = sx_vformat(im->c->arena, fmt, ap);
    va_end(ap);
    return sx_error(&im->c->diags, SX_E_DATA, (sx_where){ .file = file }, "%s", text);
}

/* A number of a PGM header: spaces and # comments go before it; one space behind it is taken. */
static long number(gzFile f)
{
    int ch = gzgetc(f);
    while (isspace(ch) || ch == '#') {
        while (ch == '#' && ch != '\n' && ch >= 0)
            for (ch = gzgetc(f); ch >= 0 && ch != '\n';) ch = gzgetc(f);
        ch = gzgetc(f);
    }
    long n = -1;
    for (; isdigit(ch) && n < MOST_PIXELS; ch = gzgetc(f)) n = (n < 0 ? 0 : 10 * n) + (ch - '0');
    return isspace(ch) ? n : -1;
}

static long big_endian(gzFile f)
{
    unsigned char b[4];
    if (gzread(f, b, 4) != 4) return -1;
    return (long)b[0] << 24 | (long)b[1] << 16 | (long)b[2] << 8 | (long)b[3];
}

/* Finds out what the file is; -1 in n: nothing that is known here. */
static void read_header(gzFile f, long *n, long *height, long *width, long *channels)
{
    unsigned char magic[4] = { 0 };
    *n = -1, *channels = 1;
    if (gzread(f, magic, 2) != 2) return;
    if (magic[0] == 'P' && (magic[1] == '5' || magic[1] == '6')) {
        *width = number(f), *height = number(f);
        *channels = magic[1] == '6' ? 3 : 1;
        if (number(f) == 255) *n = 1;
    } else if (!magic[0] && !magic[1] && gzread(f, magic, 2) == 2 && magic[0] == 8 && magic[1] == 3) {
        *n = big_endian(f), *height = big_endian(f), *width = big_endian(f);
    }
}

static long row_bytes(const sx_column_shape *s)
{
    long n = (long)sx_dtype_size(s->dtype);
    for (int i = 0; i < s->rank; i++) n = n > MOST_PIXELS / s->shape[i] ? MOST_PIXELS : n * s->shape[i];
    return n;
}

/* Room for n more rows of an input; NULL: an error was told. */
static unsigned char *more_rows(images *im, const char *file, int input, long n)
{
    const long each = row_bytes(&im->shape.input[input]), old = im->bytes[input].n;
    if (n > MOST_PIXELS / each || old > MOST_PIXELS - n * each) {
        (void)!bad_file(im, file, "more than 1 GiB of rows");
        return NULL;
    }
    unsigned char *grown = realloc(im->bytes[input].v, (size_t)(old + n * each));
    if (!grown) { (void)!cli_fail(im->c, SX_E_MEMORY, "no memory for %ld rows", n); return NULL; }
    im->bytes[input].v = grown;
    im->bytes[input].n += n * each;
    return grown + old;
}

static void add_file(images *im, const char *file, long n)
{
    const batch b = { file, im->shape.rows, n };
    SX_PUSH(im->c->arena, im->files, b);
    im->shape.rows = im->shape.test += n;
}

static int read_images(images *im, gzFile f, const char *file)
{
    const sx_column_shape *s = im->shape.input;
    long n, height = 0, width = 0, channels;
    read_header(f, &n, &height, &width, &channels);
    if (n < 1)
        return bad_file(im, file,
                        "this is neither an IDX file of images nor a PGM or PPM file with 8 bits a pixel");
    if (im->shape.inputs > 1 || s->dtype != SX_U8)
        return bad_file(im, file, "the net takes other things than images; give it a safetensors file");
    if (s->rank != 3 || height != s->shape[0] || width != s->shape[1] || channels != s->shape[2])
        return bad_file(im, file, "its images are %s, the net takes %s",
                        cli_shape(im->c->arena, 3, (long[]){ height, width, channels }),
                        cli_shape(im->c->arena, s->rank, s->shape));
    unsigned char *to = more_rows(im, file, 0, n);
    if (!to) return sx_diags_code(&im->c->diags);
    const long bytes = n * row_bytes(s);
    if (gzread(f, to, (unsigned)bytes) != (int)bytes)
        return bad_file(im, file, "the file is truncated or damaged");
    add_file(im, file, n);
    return 0;
}

/* The rows of one input, in the type that the net was trained on; n: how many there must be, -1: any. */
static int read_tensor(images *im, const char *file, const sx_blobs *b, int i, long *n)
{
    sx_arena *a = im->c->arena;
    const sx_column_shape *s = &im->shape.input[i];
    const char *name = im->e->input[i].name ? im->e->input[i].name : "x";
    const sx_blob *x = sx_blobs_find(b, name);
    const size_t shape = (size_t)s->rank * sizeof *s->shape;
    if (!x || x->rank != s->rank + 1 || memcmp(x->shape + 1, s->shape, shape))
        return bad_file(im, file, "the net takes a tensor '%s' of rows %s; %s", name,
                        cli_shape(a, s->rank, s->shape),
                        x ? sx_format(a, "it is %s there", cli_shape(a, x->rank, x->shape))
                          : "there is none");
    if (x->shape[0] < 1 || (*n >= 0 && x->shape[0] != *n))
        return bad_file(im, file, "tensor '%s' has %ld rows", name, x->shape[0]);
    *n = x->shape[0];
    unsigned char *to = more_rows(im, file, i, *n);
    if (!to) return sx_diags_code(&im->c->diags);
    int bad = s->dtype == SX_U8 && strcmp(x->dtype, "U8") ? SX_E_DATA : 0;
    if (s->dtype == SX_F32)
        bad = sx_blob_f32(x, *n * row_bytes(s) / (long)sizeof(float), (float *)(void *)to);
    else if (!bad) memcpy(to, x->data, x->bytes);
    return bad ? bad_file(im, file, "tensor '%s' is of type %s, the net takes %s", name, x->dtype,
                          sx_dtype_name(s->dtype)) : 0;
}

/* Tensors by the names of the inputs, "x" of an unnamed one. */
static int read_tensors(images *im, const char *file)
{
    sx_blobs b;
    long n = -1;
    int bad = sx_tensors_read(im->c->arena, file, &b, &im->c->diags);
    for (int i = 0; i < im->shape.inputs && !bad; i++) bad = read_tensor(im, file, &b, i, &n);
    if (!bad) add_file(im, file, n);
    return bad;
}

static bool ends_in(const char *s, const char *end)
{
    const size_t n = strlen(s), m = strlen(end);
    return n > m && !strcmp(s + n - m, end);
}

static int read_files(images *im)
{
    int bad = 0;
    for (int i = 1; i < im->c->args && !bad; i++) {
        const char *file = im->c->arg[i];
        if (ends_in(file, ".safetensors")) { bad = read_tensors(im, file); continue; }
        const char *why = "not enough memory";
        size_t bytes;
        const int fd = sx_file_open(file, &bytes, &why);
        gzFile f = fd >= 0 ? gzdopen(fd, "rb") : NULL;
        if (!f && fd >= 0) close(fd);
        if (!f) return bad_file(im, file, "cannot read this file: %s", why);
        bad = read_images(im, f, file);
        gzclose(f);
    }
    return bad;
}

/* --- What the checkpoint tells of the data set --- */
static int read_row(images *im, const char *file, const char *text, sx_column_shape *s)
{
    *s = (sx_column_shape){ .dtype = text && !strncmp(text, "f32", 3) ? SX_F32 : SX_U8 };
    if (!text || (s->dtype == SX_U8 && strncmp(text, "u8", 2)))
        return cli_fail(im->c, SX_E_DATA, "%s does not tell what it was trained on", file);
    for (text += s->dtype == SX_F32 ? 3 : 2; *text && s->rank < SX_RANK - 1; s->rank++) {
        char *end;
        s->shape[s->rank] = strtol(text, &end, 10);
        if (end == text || s->shape[s->rank] < 1 || s->shape[s->rank] > MOST_PIXELS) break;
        text = end;
    }
    if (!*text && s->rank) return 0;
    return sx_error(&im->c->diags, SX_E_DATA, (sx_where){ .file = file },
                    "its description of images is damaged");
}

static names_of read_names(cli_context *c, const char *text)
{
    struct { const char **v; long n, cap; } names = { 0 };
    while (text && *text) {
        const size_t n = strcspn(text, "\n");
        SX_PUSH(c->arena, names, sx_strndup(c->arena, text, n));
        text += n + (text[n] == '\n');
    }
    return (names_of){ names.n, names.v };
}

static int given_names(images *im, names_of *to)
{
    struct given { sx_texts names; } given = { 0 };
    static const sx_param params[] = {
        SX_TEXTS(struct given, names, .text = "", .doc = "names of the classes"), SX_END
    };
    const sx_conf *group = sx_conf_find(im->e->root, "dataset");
    const int bad = sx_exp_fill(im->c->arena, params, "dataset", group, im->e->scope, &given, &im->c->diags);
    *to = (names_of){ given.names.n, given.names.v };
    return bad;
}

static const char *stored_names(const images *im, const sx_blobs *b, long output)
{
    const char *text = sx_blobs_meta(b, sx_ckpt_key(im->c->arena, "classes", im->e->output[output].name));
    return text ? text : "";
}

/* Names that the experiment gives are those of the first output and of all that learn the same label. */
static int read_all_names(images *im, const sx_blobs *b)
{
    const bool given = sx_conf_find(im->e->root, "dataset.names") != NULL;
    const int bad = given ? given_names(im, im->names) : 0;
    for (long i = 0; i < im->e->outputs && !bad; i++) {
        const bool same = !strcmp(stored_names(im, b, i), stored_names(im, b, 0));
        im->names[i] = given && same ? im->names[0] : read_names(im->c, stored_names(im, b, i));
    }
    return bad;
}

static int open_rows(cli_context *c, const sx_exp *e, const sx_machine *m, void *ctx, sx_data **data)
{
    images *im = ctx;
    const char *file = cli_run_weights(c, c->arg[0]);
    const void *x[SX_COLUMNS];
    sx_blobs b;
    im->e = e;
    im->shape.inputs = (int)e->inputs;
    sx_step_labels(e, &im->shape);
    int bad = sx_tensors_read(c->arena, file, &b, &c->diags);
    for (long i = 0; i < e->inputs && !bad; i++) {
        const char *key = sx_ckpt_key(c->arena, "row", e->input[i].name);
        bad = read_row(im, file, sx_blobs_meta(&b, key), &im->shape.input[i]);
    }
    if (!bad) bad = read_all_names(im, &b);
    if (!bad) bad = read_files(im);
    if (bad) return bad;
    for (int i = 0; i < im->shape.inputs; i++) x[i] = im->bytes[i].v;
    return sx_data_given(c->arena, m, &im->shape, x, NULL, data, &c->diags);
}

/* --- Results --- */
static void softmax(float *y, long n)
{
    const float most = y[cli_argmax(y, n)];
    double sum = 0;
    for (long i = 0; i < n; i++) sum += (double)(y[i] = expf(y[i] - most));
    for (long i = 0; i < n; i++) y[i] = (float)((double)y[i] / sum);
}

static const char *class_name(const images *im, long output, long i)
{
    const names_of *names = &im->names[output];
    return i < names->n ? names->v[i] : sx_format(im->c->arena, "%ld", i);
}

/* The most likely classes by one output, on a line or into a list. */
static json_t *print_classes(images *im, long output, float *y, long width)
{
    json_t *classes = im->c->json ? json_array() : NULL;
    for (long k = 0, top = cli_long(im->c, "top", 1); k < top && k < width; k++) {
        const long best = cli_argmax(y, width);
        const char *name = class_name(im, output, best);
        json_t *one = classes ? json_pack("{s:s, s:I}", "class", name, "label", (json_int_t)best) : NULL;
        if (one) cli_json_real(one, "probability", (double)y[best]);
        if (one) json_array_append_new(classes, one);
        else printf("\t%s\t%.4f", name, (double)y[best]);
        y[best] = -1;
    }
    return classes;
}

static void print_row(images *im, const sx_net *net, json_t *rows, const batch *f, long i, float *const *y)
{
    json_t *row = rows ? json_pack("{s:s, s:I}", "file", f->file, "row", (json_int_t)i) : NULL;
    json_t *all = rows && im->e->outputs > 1 ? json_object() : NULL;
    for (long o = 0; o < im->e->outputs; o++) {
        const long width = sx_net_head(net, o)->width;
        if (!rows) printf("%s\t%ld", f->file, i);
        if (!rows && im->e->outputs > 1) printf("\t%s", im->e->output[o].name);
        json_t *classes = print_classes(im, o, y[o] + (f->first + i) * width, width);
        if (!rows) putchar('\n');
        else if (all) json_object_set_new(all, im->e->output[o].name, classes);
        else json_object_set_new(row, "classes", classes);
    }
    if (all) json_object_set_new(row, "outputs", all);
    if (rows) json_array_append_new(rows, row);
}

static int predict(images *im, sx_net *net)
{
    cli_context *c = im->c;
    const sx_data *data = sx_net_data(net);
    const long n = data->shape.test, outputs = sx_net_exp(net)->outputs;
    float **y = sx_alloc_array(c->arena, (size_t)outputs, sizeof *y);
    for (long o = 0; o < outputs; o++)
        y[o] = sx_alloc_array(c->arena, (size_t)n * (size_t)sx_net_head(net, o)->width, sizeof **y);
    sx_tally t;
    const int bad = sx_net_eval(net, data->test, n, NULL, &t, y, &c->diags);
    if (bad) return bad;
    json_t *rows = c->json ? json_array() : NULL;
    for (long o = 0; o < outputs; o++) {
        const long width = sx_net_head(net, o)->width;
        for (long i = 0; i < n && !sx_net_softmax(net, o); i++) softmax(y[o] + i * width, width);
    }
    for (long f = 0; f < im->files.n; f++)
        for (long i = 0; i < im->files.v[f].n; i++) print_row(im, net, rows, &im->files.v[f], i, y);
    if (rows) cli_json_print(c, json_pack("{s:o}", "images", rows));
    return 0;
}

static int run(cli_context *c)
{
    images im = { .c = c };
    sx_net *net;
    const int bad = cli_open_run(c, c->arg[0], open_rows, &im, &net);
    for (int i = 0; i < SX_COLUMNS; i++) free(im.bytes[i].v);
    return bad ? bad : predict(&im, net);
}

static const cli_option options[] = {
    { "top", 0, CLI_LONG, "K", "the K most likely classes; default 1", 1, 1000 },
    CLI_END
};

const cli_verb verb_predict = {
    .name = "predict", .args = "RUN FILE..", .doc = "classes of images by a trained net",
    .least = 2, .most = -1, .options = options, .run = run,
    .more = "FILE: IDX images, PGM (P5) or PPM (P6), gzipped or not, of the size of the data set's rows; or a\n"
            ".safetensors file with a tensor for each input, by its name (x where it has none).\n"
            "Lines are tab-separated: file, row in the file, the output where there are several, then class\n"
            "and probability, K times." };
