/* test_tensors.c: safetensors: round trip, layout, every kind of damage refused, atomic writing on a full
 * disk. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "file.h"
#include "tensors.h"

static sx_arena *a;
static sx_diags d;
static char dir[64];
static const char *file;

static void begin(void)
{
    a = sx_arena_open(NULL);
    sx_diags_init(&d, a);
    strcpy(dir, "/tmp/strix-tensors-XXXXXX");
    cr_assert(mkdtemp(dir));
    file = sx_format(a, "%s/t.safetensors", dir);
}

static void end(void)
{
    unlink(file);
    cr_expect_eq(rmdir(dir), 0, "something was left in %s", dir);
    sx_arena_close(a);
}
TestSuite(tensors, .init = begin, .fini = end);

static const float w[6] = { 1, -2.5f, 3e-20f, 4, 5, 6 };
static const int64_t y[2] = { 1, -1 };
static const unsigned char u[3] = { 7, 8, 9 };
static const sx_blob blobs[] = {
    { "u", "U8", 1, { 3 }, 3, u }, { "b/kernel", "F32", 2, { 2, 3 }, 24, w }, { "y", "I64", 1, { 2 }, 16, y },
    { "a/scalar", "F32", 0, { 0 }, 4, w }, { "none", "F32", 2, { 4, 0 }, 0, w },
};
static const char *const keys[] = { "format", "note" }, *const texts[] = { "strix",
    "line\n\"quote\" \xc3\xa9" };
static const sx_blobs all = { 5, blobs, 2, keys, texts };

Test(tensors, round_trip)
{
    sx_blobs b;
    cr_assert_eq(sx_tensors_write(file, &all, &d), 0);
    cr_assert_eq(sx_tensors_read(a, file, &b, &d), 0);
    cr_assert_eq(b.n, 5);
    cr_assert_eq(b.n_meta, 2);
    for (long i = 0; i < all.n; i++) {
        const sx_blob *r = sx_blobs_find(&b, blobs[i].name);
        cr_assert(r);
        cr_assert_str_eq(r->dtype, blobs[i].dtype);
        cr_assert_eq(r->rank, blobs[i].rank);
        cr_assert_eq(r->bytes, blobs[i].bytes);
        cr_assert_eq(memcmp(r->shape, blobs[i].shape, (size_t)r->rank * sizeof *r->shape), 0);
        cr_assert_eq(memcmp(r->data, blobs[i].data, r->bytes), 0);
    }
    cr_assert_str_eq(sx_blobs_meta(&b, "note"), texts[1]);
    cr_assert_null(sx_blobs_meta(&b, "other"));
    cr_assert_null(sx_blobs_find(&b, "other"));
}

Test(tensors, header_is_padded_and_data_sorted)
{
    char *text;
    size_t bytes;
    cr_assert_eq(sx_tensors_write(file, &all, &d), 0);
    cr_assert_eq(sx_file_read(a, file, 1 << 20, &text, &bytes, &d), 0);
    const unsigned char *n = (unsigned char *)text;
    const size_t header = n[0] | (size_t)n[1] << 8;
    cr_assert_eq(header % 8, 0);
    cr_assert_eq(text[8], '{');
    cr_assert_eq(bytes, 8 + header + 16 + 24 + 4 + 3);
    cr_assert_eq(memcmp(text + 8 + header, y, 16), 0, "8-byte numbers come first");
    cr_assert_eq(memcmp(text + 8 + header + 16, w, 4), 0, "a/scalar comes before b/kernel");
}

static int read_raw(const char *header, size_t data)
{
    const size_t n = strlen(header);
    unsigned char length[8];
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)n >> 8 * i);
    sx_blobs b;
    cr_assert_eq(sx_file_put(file, 3, (sx_piece[]){ { length, 8 }, { header, n },
                                                    { sx_alloc(a, data), data } }, &d), 0);
    return sx_tensors_read(a, file, &b, &d);
}

#define T(NAME, SHAPE, FROM, TO) \
    "\"" NAME "\":{\"dtype\":\"F32\",\"shape\":" SHAPE ",\"data_offsets\":[" FROM "," TO "]}"
static const struct { const char *header; size_t data; const char *why; } bad[] = {
    { "[1]", 0, "does not start" },
    { "{", 0, "in its header" },
    { "{} x", 0, "in its header" },
    { "{" T("a", "[2]", "0", "8") "," T("a", "[2]", "0", "8") "}", 8, "duplicate" },
    { "{" T("a", "[2]", "0", "8") "}", 9, "1 bytes behind the last tensor" },
    { "{" T("a", "[2]", "0", "8") "}", 4, "larger than the file" },
    { "{" T("a", "[1]", "0", "8") "}", 8, "has 8 bytes of data, its shape needs 4" },
    { "{" T("a", "[2]", "4", "12") "}", 12, "behind a hole" },
    { "{" T("a", "[2]", "0", "8") "," T("b", "[2]", "4", "12") "}", 12, "overlap" },
    { "{" T("a", "[2]", "8", "0") "}", 8, "outside" },
    { "{" T("a", "[2]", "-8", "0") "}", 8, "outside" },
    { "{" T("a", "[2]", "0", "9223372036854775807") "}", 8, "outside" },
    { "{" T("a", "[-2]", "0", "8") "}", 8, "other things than lengths" },
    { "{" T("a", "[2.0]", "0", "8") "}", 8, "other things than lengths" },
    { "{" T("a", "[4294967296,4294967296,4]", "0", "8") "}", 8, "larger than the file" },
    { "{" T("a", "[9223372036854775807,2]", "0", "8") "}", 8, "larger than the file" },
    { "{" T("a", "[1,1,1,1,1,1,1,1,1]", "0", "4") "}", 4, "at most 8 axes" },
    { "{\"a\":{\"dtype\":\"F3\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, "unknown type 'F3'" },
    { "{\"a\":{\"shape\":[],\"data_offsets\":[0,4]}}", 4, "lacks dtype" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0]}}", 4, "lacks dtype or data_offsets" },
    { "{\"a\":7}", 0, "lacks dtype" },
    { "{\"__metadata__\":{\"n\":7}}", 0, "__metadata__ 'n' is not a text" },
    { "{\"__metadata__\":[]}", 0, "not a group of texts" },
    { "{\"a\\u001b[31m\":7}", 0, "tensor 'a?[31m'" },
};

Test(tensors, damage_is_refused)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sx_diags_init(&d, a);
        cr_expect_eq(read_raw(bad[i].header, bad[i].data), SX_E_DATA, "%s", bad[i].header);
        cr_assert_eq(d.n, 1, "%s", bad[i].header);
        cr_expect(strstr(d.v[0].text, bad[i].why), "%s: %s", bad[i].header, d.v[0].text);
    }
    cr_expect_eq(read_raw("{}", 0), 0);
    cr_expect_eq(read_raw("{" T("a", "[9223372036854775807,0]", "0", "0") "}    ", 0), 0,
                 "an empty tensor of odd shape");
}

Test(tensors, any_truncation_is_refused)
{
    char *text;
    size_t bytes;
    sx_blobs b;
    cr_assert_eq(sx_tensors_write(file, &all, &d), 0);
    cr_assert_eq(sx_file_read(a, file, 1 << 20, &text, &bytes, &d), 0);
    for (size_t n = 0; n < bytes; n++) {
        cr_assert_eq(sx_file_write(file, text, n, &d), 0);
        cr_assert_eq(sx_tensors_read(a, file, &b, NULL), SX_E_DATA, "%zu of %zu bytes", n, bytes);
    }
}

Test(tensors, flipped_header_bytes_never_crash)
{
    char *text;
    size_t bytes;
    sx_blobs b;
    cr_assert_eq(sx_tensors_write(file, &all, &d), 0);
    cr_assert_eq(sx_file_read(a, file, 1 << 20, &text, &bytes, &d), 0);
    for (size_t at = 0; at < bytes - 47; at++) {
        text[at] ^= 0x15;
        cr_assert_eq(sx_file_write(file, text, bytes, &d), 0);
        if (!sx_tensors_read(a, file, &b, NULL))
            for (long i = 0; i < b.n; i++)
                cr_assert_leq((size_t)((const char *)b.v[i].data - (const char *)b.v[0].data), bytes);
        text[at] ^= 0x15;
    }
}

Test(tensors, numbers_of_other_types)
{
    static const uint16_t half[] = { 0x3c00, 0xc100, 0x0001, 0x7c00 }, brain[] = { 0x3f80, 0xc020, 0x0001,
        0x7f80 };
    static const double wide[] = { 1, -2.5, 1e-300, INFINITY };
    static const float from_half[] = { 1, -2.5f, 0x1p-24f, INFINITY }, from_brain[] = { 1, -2.5f, 0x1p-133f,
        INFINITY };
    float out[4];
    cr_assert_eq(sx_blob_f32(&(sx_blob){ "h", "F16", 1, { 4 }, 8, half }, 4, out), 0);
    cr_assert_eq(memcmp(out, from_half, sizeof out), 0);
    cr_assert_eq(sx_blob_f32(&(sx_blob){ "b", "BF16", 1, { 4 }, 8, brain }, 4, out), 0);
    cr_assert_eq(memcmp(out, from_brain, sizeof out), 0);
    cr_assert_eq(sx_blob_f32(&(sx_blob){ "d", "F64", 1, { 4 }, 32, wide }, 4, out), 0);
    cr_assert(out[0] == 1 && out[1] == -2.5f && out[2] == 0 && isinf(out[3]));
    cr_assert_eq(sx_blob_f32(&(sx_blob){ "h", "F16", 1, { 4 }, 8, half }, 3, out), SX_E_DATA);
    cr_assert_eq(sx_blob_f32(&blobs[2], 2, out), SX_E_DATA, "integers are no weights");
}

Test(tensors, missing_file_and_directory)
{
    sx_blobs b;
    cr_assert_eq(sx_tensors_read(a, sx_format(a, "%s/none", dir), &b, &d), SX_E_DATA);
    cr_assert_eq(sx_tensors_read(a, dir, &b, &d), SX_E_DATA);
    cr_assert_eq(sx_tensors_write(sx_format(a, "%s/none/t", dir), &all, &d), SX_E_IO);
    cr_assert(strstr(d.v[d.n - 1].text, "cannot write"));
}

/* A limit on the size of files behaves as a full disk does: write() fails in the middle. */
Test(tensors, full_disk_leaves_the_old_file)
{
    sx_blobs b;
    struct rlimit old, small;
    cr_assert_eq(sx_tensors_write(file, &all, &d), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 100;
    setrlimit(RLIMIT_FSIZE, &small);
    const int rc = sx_tensors_write(file, &(sx_blobs){ .n = 2, .v = blobs }, &d);
    setrlimit(RLIMIT_FSIZE, &old);
    cr_assert_eq(rc, SX_E_IO);
    cr_assert_str_eq(d.v[0].where.file, file);
    cr_assert_eq(sx_tensors_read(a, file, &b, &d), 0);
    cr_assert_eq(b.n, 5, "the old file is whole");
}

Test(tensors, directories_with_parents)
{
    const char *deep = sx_format(a, "%s/x/y/z", dir);
    cr_assert_eq(sx_dir_make(deep, &d), 0);
    cr_assert_eq(sx_dir_make(deep, &d), 0, "it may be there");
    cr_assert_eq(sx_file_write(sx_format(a, "%s/f", deep), "1\n", 2, &d), 0);
    cr_assert_eq(sx_dir_make(sx_format(a, "%s/f/g", deep), &d), SX_E_IO, "a file is in the way");
    cr_assert_eq(sx_file_append(sx_format(a, "%s/f", deep), "2\n", &d), 0);
    char *text;
    size_t bytes;
    cr_assert_eq(sx_file_read(a, sx_format(a, "%s/f", deep), 100, &text, &bytes, &d), 0);
    cr_assert_str_eq(text, "1\n2\n");
    cr_assert_eq(sx_file_read(a, sx_format(a, "%s/f", deep), 3, &text, &bytes, &d), SX_E_DATA,
                 "larger than allowed");
    unlink(sx_format(a, "%s/f", deep));
    for (int i = 0; i < 3; i++) rmdir(sx_format(a, "%s/x%s", dir, i == 0 ? "/y/z" : i == 1 ? "/y" : ""));
}
