/* idx.c: data sets in the IDX format of MNIST (http://yann.lecun.com/exdb/mnist), gzipped or plain: images as
 * u8 [count, height, width], labels as u8. Nothing a file says is believed before it is checked. */
#include <strix/plugin.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

struct idx { const char *dir; sx_texts train, test; long classes; sx_texts names; };
static const sx_param params[] = {
    SX_TEXT(struct idx, dir, .text = "/usr/share/datasets/fashion-mnist", .doc = "directory of the files"),
    SX_TEXTS(struct idx, train, .text = "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz",
             .doc = "images and labels to learn from; .gz or not"),
    SX_TEXTS(struct idx, test, .text = "t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz",
             .doc = "images and labels of the test part; an empty list: there is none"),
    SX_INT(struct idx, classes, .def = 0, .min = 0, .max = 256,
           .doc = "labels are 0 .. classes-1; 0: up to the largest label"),
    SX_TEXTS(struct idx, names, .text = "", .doc = "names of the classes, in the order of their labels"),
    SX_END
};

enum { IMAGES = 0x803, LABELS = 0x801 };
#define MOST ((uint64_t)1 << 31)                 /* bytes of a file's data */
enum { SQUEEZE = 1100 };                         /* deflate shrinks no data by more than 1032 : 1 */
typedef struct {
    sx_set *set; gzFile gz;
    uint64_t held;                               /* the most bytes that the file can unpack to */
} source;
typedef struct { uint64_t count, height, width; } header;

static int fail(source *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int fail(source *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->set->error, sizeof s->set->error, fmt, ap);
    va_end(ap);
    return SX_E_DATA;
}

/* The file's name, or the same with or without .gz where only that one is there. */
static int find(source *s, const char *dir, const char *name)
{
    struct stat st;
    const size_t n = strlen(name);
    const bool packed = n > 3 && !strcmp(name + n - 3, ".gz");
    char other[512];
    const int most = (int)sizeof s->set->file;
    const int long_1 = snprintf(s->set->file, sizeof s->set->file, "%s/%s", dir, name);
    const int long_2 = snprintf(other, sizeof other, "%s/%.*s%s", dir, (int)(packed ? n - 3 : n), name,
                                packed ? "" : ".gz");
    if (long_1 >= most || long_2 >= most) return fail(s, "the path is longer than %d characters", most);
    if (stat(s->set->file, &st)) {
        const int why = errno;
        if (stat(other, &st)) {
            snprintf(s->set->hint, sizeof s->set->hint,
                     "Set dataset.dir or STRIX_DATA_DIR to where the files are; "
                     "on Debian `apt install dataset-fashion-mnist` brings Fashion-MNIST.");
            return fail(s, "cannot read this file: %s", strerror(why));
        }
        memcpy(s->set->file, other, sizeof other);
    }
    if (!S_ISREG(st.st_mode)) return fail(s, "this is not a regular file");
    s->held = (uint64_t)st.st_size * SQUEEZE;
    return 0;
}

static int take(source *s, void *to, uint64_t bytes)
{
    for (unsigned char *p = to; bytes;) {
        const int n = gzread(s->gz, p, bytes > 1 << 30 ? 1 << 30 : (unsigned)bytes);
        if (n < 0) {
            int code;
            const char *why = gzerror(s->gz, &code);
            return fail(s, code == Z_BUF_ERROR ? "the file is truncated" : "the file is damaged: %s", why);
        }
        if (n == 0)
            return fail(s, "the file is truncated: %llu bytes are missing", (unsigned long long)bytes);
        p += n;
        bytes -= (unsigned)n;
    }
    return 0;
}

static int take_u32(source *s, uint64_t *v)      /* big-endian */
{
    unsigned char b[4];
    const int bad = take(s, b, sizeof b);
    if (!bad) *v = (uint64_t)b[0] << 24 | (uint64_t)b[1] << 16 | (uint64_t)b[2] << 8 | b[3];
    return bad;
}

static int take_header(source *s, unsigned magic, header *h)
{
    uint64_t found = 0;
    *h = (header){ 0, 1, 1 };
    int bad = take_u32(s, &found);
    if (bad) return bad;
    if (found != magic)
        return fail(s, "this is no IDX file of %s: its first four bytes are 0x%08llx instead of 0x%08x",
                    magic == IMAGES ? "images" : "labels", (unsigned long long)found, magic);
    bad = take_u32(s, &h->count);
    if (!bad && magic == IMAGES) bad = take_u32(s, &h->height);
    if (!bad && magic == IMAGES) bad = take_u32(s, &h->width);
    if (bad) return bad;
    if (!h->count || !h->height || !h->width) return fail(s, "the file says that it is empty");
    if (h->height > MOST / h->width || h->count > MOST / (h->height * h->width))
        return fail(s, "%lu images of %lu x %lu are more than the 2 GiB that this format may hold",
                    (unsigned long)h->count, (unsigned long)h->height, (unsigned long)h->width);
    return 0;
}

static int take_data(source *s, unsigned magic, header *h, unsigned char **data)
{
    int bad = take_header(s, magic, h);
    if (bad) return bad;
    const uint64_t bytes = h->count * h->height * h->width;
    if (bytes > s->held)
        return fail(s, "the file is truncated: it cannot hold the %llu bytes that it announces",
                    (unsigned long long)bytes);
    *data = malloc(bytes);
    if (!*data) return fail(s, "no memory for %llu bytes", (unsigned long long)bytes), SX_E_MEMORY;
    bad = take(s, *data, bytes);
    if (bad) return bad;
    unsigned char more;
    const int n = gzread(s->gz, &more, 1);       /* also where the checksum at the end of a .gz is judged */
    if (n < 0) return fail(s, "the file is damaged: %s", gzerror(s->gz, &(int){ 0 }));
    return n ? fail(s, "the file goes on behind its last %s", magic == IMAGES ? "image" : "label") : 0;
}

static int read_file(sx_set *set, const char *dir, const char *name, unsigned magic, header *h,
                     unsigned char **data)
{
    source s = { .set = set };
    int bad = find(&s, dir, name);
    if (bad) return bad;
    s.gz = gzopen(set->file, "rb");
    if (!s.gz) return fail(&s, "cannot read this file: %s", strerror(errno));
    gzbuffer(s.gz, 1 << 17);
    bad = take_data(&s, magic, h, data);
    const int closed = gzclose(s.gz);            /* tells where a .gz ends before its checksum */
    return bad || closed == Z_OK ? bad : fail(&s, "the file is truncated");
}

static int set_labels(const struct idx *p, sx_set *set, const unsigned char *label, long count)
{
    source s = { .set = set };
    int32_t *y = malloc((size_t)count * sizeof *y);
    if (!y) return fail(&s, "no memory for %ld labels", count), SX_E_MEMORY;
    set->y = y;
    long most = 0;
    for (long i = 0; i < count; i++) {
        y[i] = label[i];
        if (p->classes && y[i] >= p->classes) {
            snprintf(set->hint, sizeof set->hint, "Labels are counted from 0; dataset.classes is %ld.",
                     p->classes);
            return fail(&s, "label %d of row %ld is out of range: there are %ld classes", (int)y[i], i,
                        p->classes);
        }
        if (y[i] > most) most = y[i];
    }
    set->classes = p->classes ? p->classes : p->names.n > most + 1 ? p->names.n : most + 1;
    if (p->names.n && p->names.n != set->classes)
        return fail(&s, "dataset.names has %ld names for %ld classes", p->names.n, set->classes);
    set->names = p->names.n ? p->names.v : NULL;
    return 0;
}

static void close_set(sx_set *set)
{
    free(set->own);
    free((void *)(uintptr_t)set->y);
    set->own = NULL, set->x = NULL, set->y = NULL;
}

static int read_both(const struct idx *p, const sx_texts *files, sx_set *set)
{
    header images, labels;
    unsigned char *x = NULL, *y = NULL;
    int bad = read_file(set, p->dir, files->v[0], IMAGES, &images, &x);
    set->own = x;
    if (!bad) bad = read_file(set, p->dir, files->v[1], LABELS, &labels, &y);
    if (!bad && images.count != labels.count)
        bad = fail(&(source){ .set = set }, "%llu labels for %llu images in %s",
                   (unsigned long long)labels.count, (unsigned long long)images.count, files->v[0]);
    if (!bad) bad = set_labels(p, set, y, (long)labels.count);
    free(y);
    if (bad) return bad;
    set->x = x, set->count = (long)images.count, set->dtype = SX_U8, set->rank = 3;
    set->shape[0] = (long)images.height, set->shape[1] = (long)images.width, set->shape[2] = 1;
    set->x_name = "image", set->y_name = "label";
    set->file[0] = 0;
    return 0;
}

static int open_set(const void *params_, sx_part part, sx_set *set)
{
    const struct idx *p = params_;
    const sx_texts *files = part == SX_PART_TRAIN ? &p->train : &p->test;
    if (part == SX_PART_TEST && !files->n) return 0; /* count 0: no such part */
    if (files->n != 2)
        return fail(&(source){ .set = set }, "dataset.%s must name two files, images and labels",
                    part == SX_PART_TRAIN ? "train" : "test");
    const int bad = read_both(p, files, set);
    if (bad) close_set(set);
    return bad;
}

SX_DEFINE(SX_KIND_DATASET, sx_dataset, idx, params, struct idx,
          .doc = "images and labels in the IDX format of MNIST", .open = open_set, .close = close_set,
          .copied = sx_set_copied);
SX_PLUGIN("idx", "1.0", "MIT", SX_ITEM(idx));
