/* test_idx.c: the data set idx: plain and gzipped files give the same rows; every kind of wrong file gets its
 * message. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include "file.h"
#include "param.h"

enum { N = 7, H = 3, W = 2 };
static sx_arena *a;
static sx_diags d;
static sx_registry *r;
static char dir[64];
static unsigned char images[16 + N * H * W], labels[8 + N];

static void put32(unsigned char *to,
                  unsigned v) { for (int i = 0; i < 4; i++) to[i] = (unsigned char)(v >> (24 - 8 * i)); }

static const char *in_dir(const char *name) { return sx_format(a, "%s/%s", dir, name); }
static void put(const char *name, const void *data, size_t bytes) { cr_assert_eq(sx_file_write(in_dir(name),
    data, bytes, &d), 0); }

static void put_gz(const char *name, const void *data, size_t bytes)
{
    gzFile f = gzopen(in_dir(name), "wb");
    cr_assert(f);
    gzwrite(f, data, (unsigned)bytes);
    gzclose(f);
}

static void begin(void)
{
    a = sx_arena_open(NULL);
    sx_diags_init(&d, a);
    r = sx_registry_open(a, NULL);
    strcpy(dir, "/tmp/strix-idx-XXXXXX");
    cr_assert(mkdtemp(dir));
    put32(images, 0x803), put32(images + 4, N), put32(images + 8, H), put32(images + 12, W);
    for (int i = 0; i < N * H * W; i++) images[16 + i] = (unsigned char)(i * 37);
    put32(labels, 0x801), put32(labels + 4, N);
    for (int i = 0; i < N; i++) labels[8 + i] = (unsigned char)(i % 4);
    put("x", images, sizeof images);
    put("y", labels, sizeof labels);
}

static void end(void)
{
    cr_assert_eq(system(sx_format(a, "rm -rf '%s'", dir)), 0);
    sx_arena_close(a);
}
TestSuite(idx, .init = begin, .fini = end);

static int open_with(const char *more, sx_part part, sx_set *set)
{
    sx_conf *root;
    const sx_entry *e = sx_find(r, SX_KIND_DATASET, "idx", SX_NOWHERE, &d);
    cr_assert(e);
    const char *text = sx_format(a, "dir = \"%s\"; %s", dir, more);
    if (sx_config_parse(a, text, "test", NULL, &root, &d)) cr_assert_fail("%s: %s", text, d.v[0].text);
    void *params = sx_alloc(a, e->item->params_size);
    cr_assert_eq(sx_param_fill(a, e->params, "idx", root, NULL, NULL, params, &d), 0);
    *set = (sx_set){ .size = sizeof *set };
    return ((const sx_dataset *)(const void *)e->item)->open(params, part, set);
}

static void close_set(sx_set *set)
{
    ((const sx_dataset *)(const void *)sx_peek(r, SX_KIND_DATASET, "idx")->item)->close(set);
}

static void expect_rows(const char *more)
{
    sx_set s;
    const int rc = open_with(more, SX_PART_TRAIN, &s);
    cr_assert_eq(rc, 0, "%s: %s", more, s.error);
    cr_assert(s.count == N && s.classes == 4 && s.rank == 3 && s.dtype == SX_U8);
    cr_assert(s.shape[0] == H && s.shape[1] == W && s.shape[2] == 1);
    cr_assert_eq(memcmp(s.x, images + 16, N * H * W), 0);
    for (int i = 0; i < N; i++) cr_assert_eq(s.y[i], i % 4);
    close_set(&s);
}

Test(idx, plain_and_gzipped)
{
    expect_rows("train = [ \"x\", \"y\" ];");
    put_gz("p.gz", images, sizeof images);
    put_gz("q.gz", labels, sizeof labels);
    expect_rows("train = [ \"p.gz\", \"q.gz\" ];");
    expect_rows("train = [ \"x.gz\", \"q\" ];");   /* the other form of a name is found, too */
}

static void expect_error(const char *more, const char *file, const char *error)
{
    sx_set s;
    const int rc = open_with(more, SX_PART_TRAIN, &s);
    cr_expect_eq(rc, SX_E_DATA, "%s", error);
    cr_expect(strstr(s.error, error), "'%s' instead of '%s'", s.error, error);
    cr_expect_str_eq(s.file, file ? in_dir(file) : "");
    cr_expect(!s.x && !s.y && !s.own, "nothing may be left open");
}
#define BAD "train = [ \"bad\", \"y\" ];"

Test(idx, wrong_files)
{
    sx_set s;
    expect_error("train = [ \"none\", \"y\" ];", "none", "No such file");
    open_with("train = [ \"none\", \"y\" ];", SX_PART_TRAIN, &s);
    cr_expect(strstr(s.hint, "dataset-fashion-mnist") && strstr(s.hint, "STRIX_DATA_DIR"));
    expect_error("train = [ \"y\", \"x\" ];", "y",
                 "no IDX file of images: its first four bytes are 0x00000801");
    expect_error("train = [ \"x\", \"x\" ];", "x", "no IDX file of labels");
    expect_error("train = [ \".\", \"y\" ];", ".", "not a regular file");
    for (size_t n = 0; n < sizeof images; n++) {
        put("bad", images, n);
        expect_error(BAD, "bad", "truncated");
    }
    unsigned char more[sizeof images + 1] = { 0 };
    memcpy(more, images, sizeof images);
    put("bad", more, sizeof more);
    expect_error(BAD, "bad", "goes on behind its last image");
}

static void expect_header(unsigned count, unsigned height, unsigned width, const char *error)
{
    unsigned char copy[sizeof images];
    memcpy(copy, images, sizeof images);
    put32(copy + 4, count), put32(copy + 8, height), put32(copy + 12, width);
    put("bad", copy, sizeof copy);
    expect_error(BAD, "bad", error);
}

Test(idx, impossible_headers_are_refused_before_allocation)
{
    expect_header(0, H, W, "empty");
    expect_header(N, 0, W, "empty");
    expect_header(0xffffffffu, 0xffffffffu, 0xffffffffu, "more than the 2 GiB");
    expect_header(1, 0x10000, 0x10000, "more than the 2 GiB");
    expect_header(0x7fffffff, 1, 1, "cannot hold the 2147483647 bytes");
    expect_header(N - 1, H, W, "goes on behind");
}

Test(idx, damaged_gzip)
{
    char *text;
    size_t bytes;
    put_gz("bad", images, sizeof images);
    cr_assert_eq(sx_file_read(a, in_dir("bad"), 1 << 20, &text, &bytes, &d), 0);
    for (size_t n = 10; n < bytes; n++) {
        put("bad", text, n);
        expect_error(BAD, "bad", "the file is");
    }
    text[bytes - 6] ^= 1;                        /* its checksum */
    put("bad", text, bytes);
    expect_error(BAD, "bad", "damaged");
}

Test(idx, labels)
{
    expect_error("train = [ \"x\", \"y\" ]; classes = 3;", "y",
                 "label 3 of row 3 is out of range: there are 3 classes");
    put32(labels + 4, N - 1);
    put("z", labels, sizeof labels - 1);
    expect_error("train = [ \"x\", \"z\" ];", "z", "6 labels for 7 images");
    expect_error("train = [ \"x\", \"y\" ]; names = [ \"a\", \"b\" ];", "y", "2 names for 4 classes");
    expect_error("train = [ \"x\" ];", NULL, "must name two files");
    sx_set s;
    cr_assert_eq(open_with("train = [ \"x\", \"y\" ]; names = [ \"a\", \"b\", \"c\", \"d\", \"e\" ];",
                           SX_PART_TRAIN, &s), 0);
    cr_assert_eq(s.classes, 5, "a class may have no row");
    cr_assert_str_eq(s.names[4], "e");
    close_set(&s);
    cr_assert_eq(open_with("test = [ ];", SX_PART_TEST, &s), 0);
    cr_assert_eq(s.count, 0, "no test part");
}
