/* predict.c: strix predict: the most likely classes of images in IDX, PGM or PPM files (gzipped or not). */
#include "cli.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MOST_PIXELS = 1 << 30 };
typedef struct { sx_data_shape shape; const char *const *names; } rows_of; /* what the net was trained on */
typedef struct { const char *file; long first, n; } batch;                       /* rows of one file */
typedef struct {
    cli_context *c; rows_of like;
    struct { unsigned char *v; long n, cap; } bytes;
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

static int read_rows(images *im, gzFile f, const char *file, long n, long each)
{
    const long bytes = n * each, old = im->bytes.n;
    unsigned char *grown = realloc(im->bytes.v, (size_t)(old + bytes));
    if (!grown) return cli_fail(im->c, SX_E_MEMORY, "no memory for %ld images", n);
    im->bytes.v = grown;
    im->bytes.n += bytes;
    if (gzread(f, grown + old, (unsigned)bytes) != (int)bytes)
        return bad_file(im, file, "the file is truncated or damaged");
    SX_PUSH(im->c->arena, im->files, ((batch){ file, old / each, n }));
    return 0;
}

static int read_images(images *im, gzFile f, const char *file)
{
    const sx_data_shape *s = &im->like.shape;
    long n, height = 0, width = 0, channels;
    read_header(f, &n, &height, &width, &channels);
    if (n < 1)
        return bad_file(im, file,
                        "this is neither an IDX file of images nor a PGM or PPM file with 8 bits a pixel");
    if (s->rank != 3 || height != s->shape[0] || width != s->shape[1] || channels != s->shape[2])
        return bad_file(im, file, "its images are %s, the net takes %s",
                        cli_shape(im->c->arena, 3, (long[]){ height, width, channels }),
                        cli_shape(im->c->arena, s->rank, s->shape));
    const long each = height * width * channels;
    if (n > MOST_PIXELS / each || im->bytes.n > MOST_PIXELS - n * each)
        return bad_file(im, file, "more than 1 GiB of images");
    return read_rows(im, f, file, n, each);
}

static int read_files(images *im)
{
    int bad = 0;
    for (int i = 1; i < im->c->args && !bad; i++) {
        gzFile f = gzopen(im->c->arg[i], "rb");
        if (!f) return bad_file(im, im->c->arg[i], "cannot read this file: %s", strerror(errno));
        bad = read_images(im, f, im->c->arg[i]);
        gzclose(f);
    }
    return bad;
}

/* --- What the checkpoint tells of the data set --- */
static int read_row(cli_context *c, const char *file, const sx_blobs *b, sx_data_shape *s)
{
    const char *text = sx_blobs_meta(b, "row");
    *s = (sx_data_shape){ 0 };
    if (!text || strncmp(text, "u8", 2))
        return cli_fail(c, SX_E_DATA, "%s was not trained on images of bytes", file);
    for (text += 2; *text && s->rank < SX_RANK - 1; s->rank++) {
        char *end;
        s->shape[s->rank] = strtol(text, &end, 10);
        if (end == text || s->shape[s->rank] < 1 || s->shape[s->rank] > MOST_PIXELS) break;
        text = end;
    }
    s->dtype = SX_U8;
    if (!*text && s->rank) return 0;
    return sx_error(&c->diags, SX_E_DATA, (sx_where){ .file = file }, "its description of images is damaged");
}

static void read_names(cli_context *c, const char *text, rows_of *r)
{
    struct { const char **v; long n, cap; } names = { 0 };
    while (text && *text) {
        const size_t n = strcspn(text, "\n");
        SX_PUSH(c->arena, names, sx_strndup(c->arena, text, n));
        text += n + (text[n] == '\n');
    }
    r->shape.classes = names.n;
    r->names = names.v;
}

static int given_names(cli_context *c, const sx_exp *e, rows_of *r)
{
    struct given { sx_texts names; } given = { 0 };
    static const sx_param params[] = {
        SX_TEXTS(struct given, names, .text = "", .doc = "names of the classes"), SX_END
    };
    const sx_conf *group = sx_conf_find(e->root, "dataset");
    const int bad = sx_exp_fill(c->arena, params, "dataset", group, e->scope, &given, &c->diags);
    r->shape.classes = given.names.n;
    r->names = given.names.v;
    return bad;
}

static int open_rows(cli_context *c, const sx_exp *e, const sx_machine *m, void *ctx, sx_data **data)
{
    images *im = ctx;
    const char *file = cli_run_weights(c, c->arg[0]);
    sx_blobs b;
    int bad = sx_tensors_read(c->arena, file, &b, &c->diags);
    if (!bad) bad = read_row(c, file, &b, &im->like.shape);
    const bool given = sx_conf_find(e->root, "dataset.names") != NULL;
    if (!bad && given) bad = given_names(c, e, &im->like);
    else if (!bad) read_names(c, sx_blobs_meta(&b, "classes"), &im->like);
    if (!bad) bad = read_files(im);
    if (bad) return bad;
    long rows = 0;
    for (long i = 0; i < im->files.n; i++) rows += im->files.v[i].n;
    im->like.shape.rows = im->like.shape.test = rows;
    return sx_data_given(c->arena, m, &im->like.shape, im->bytes.v, NULL, data, &c->diags);
}

/* --- Results --- */
static void softmax(float *y, long n)
{
    const float most = y[cli_argmax(y, n)];
    double sum = 0;
    for (long i = 0; i < n; i++) sum += (double)(y[i] = expf(y[i] - most));
    for (long i = 0; i < n; i++) y[i] = (float)((double)y[i] / sum);
}

static const char *class_name(const images *im, long i)
{
    return i < im->like.shape.classes ? im->like.names[i] : sx_format(im->c->arena, "%ld", i);
}

static void print_row(images *im, json_t *rows, const batch *f, long i, float *y, long outputs, long top)
{
    json_t *classes = rows ? json_array() : NULL;
    if (!rows) printf("%s\t%ld", f->file, i);
    for (long k = 0; k < top && k < outputs; k++) {
        const long best = cli_argmax(y, outputs);
        const char *name = class_name(im, best);
        json_t *one = rows ? json_pack("{s:s, s:I}", "class", name, "label", (json_int_t)best) : NULL;
        if (one) cli_json_real(one, "probability", (double)y[best]);
        if (one) json_array_append_new(classes, one);
        else printf("\t%s\t%.4f", name, (double)y[best]);
        y[best] = -1;
    }
    if (!rows) putchar('\n');
    else json_array_append_new(rows, json_pack("{s:s, s:I, s:o}", "file", f->file, "row", (json_int_t)i,
                                               "classes", classes));
}

static int predict(images *im, sx_net *net)
{
    cli_context *c = im->c;
    const sx_data *data = sx_net_data(net);
    const long outputs = sx_net_outputs(net), n = data->shape.test;
    float *y = sx_alloc_array(c->arena, (size_t)n * (size_t)outputs, sizeof *y);
    sx_tally t;
    const int bad = sx_net_eval(net, data->test, n, NULL, &t, y, &c->diags);
    if (bad) return bad;
    json_t *rows = c->json ? json_array() : NULL;
    for (long i = 0; i < n && !sx_net_softmax(net); i++) softmax(y + i * outputs, outputs);
    for (long f = 0; f < im->files.n; f++)
        for (long i = 0; i < im->files.v[f].n; i++)
            print_row(im, rows, &im->files.v[f], i, y + (im->files.v[f].first + i) * outputs, outputs,
                      cli_long(c, "top", 1));
    if (rows) cli_json_print(c, json_pack("{s:o}", "images", rows));
    return 0;
}

static int run(cli_context *c)
{
    images im = { .c = c };
    sx_net *net;
    int bad = cli_open_run(c, c->arg[0], open_rows, &im, &net);
    free(im.bytes.v);
    return bad ? bad : predict(&im, net);
}

static const cli_option options[] = {
    { "top", 0, CLI_LONG, "K", "the K most likely classes; default 1", 1, 1000 },
    CLI_END
};

const cli_verb verb_predict = {
    .name = "predict", .args = "RUN FILE..", .doc = "classes of images by a trained net",
    .least = 2, .most = -1, .options = options, .run = run,
    .more = "FILE: IDX images, PGM (P5) or PPM (P6), gzipped or not, of the size of the data set's rows.\n"
            "Lines are tab-separated: file, row in the file, then class and probability, K times." };
