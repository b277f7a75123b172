/* test_ckpt.c: checkpoints: round trip, of another net, damaged, on a full disk; weights of other files by
 * name. */
#include "train_help.h"
#include <signal.h>
#include <sys/resource.h>

static void begin(void)
{
    bench_begin();
    no_errors(bench_exp(SMALL, "epochs = 1;" ADAM), "exp");
    no_errors(bench_net(1, true), "net");
    no_errors(sx_net_init(t.net, &t.diags), "init");
}
TestSuite(ckpt, .init = begin, .fini = bench_end);

static const double monitor[] = { 0.5, 1.0 / 3, NAN }, best[] = { 1e-300, -2 };
static const sx_progress_state state = { .n = 3, .monitor = monitor, .values = 2, .best = best };

static const char *saved(void)
{
    const char *file = in_dir("c.safetensors");
    sx_net_set_time(t.net, (sx_net_clock){ 30, 3, { 0.1, 1e-17, 3, -0.0 } });
    no_errors(sx_ckpt_save(file, t.net, &state, true, &t.diags), "save");
    return file;
}

Test(ckpt, round_trip)
{
    long n, m;
    sx_progress_state s;
    const char *file = saved();
    const float *before = all_tensors(&n);
    no_errors(sx_net_open(t.arena, t.exp, t.machine, t.data, 99, 0, true, &t.net, &t.diags), "another net");
    no_errors(sx_net_init(t.net, &t.diags), "init");
    no_errors(sx_ckpt_load(t.arena, file, t.net, &s, &t.diags), "load");
    same_bits(before, all_tensors(&m), n, "tensors");
    const sx_net_clock c = sx_net_time(t.net);
    cr_assert(c.t == 30 && c.epoch == 3 && c.memo[0] == 0.1 && c.memo[1] == 1e-17 && signbit(c.memo[3]));
    cr_assert(s.n == 3 && s.monitor[0] == 0.5 && s.monitor[1] == 1.0 / 3 && isnan(s.monitor[2]));
    cr_assert(s.values == 2 && s.best[0] == 1e-300 && s.best[1] == -2);
}

Test(ckpt, without_slots_for_evaluation)
{
    sx_blobs b;
    const char *file = in_dir("best.safetensors");
    no_errors(sx_ckpt_save(file, t.net, NULL, false, &t.diags), "save");
    no_errors(sx_tensors_read(t.arena, file, &b, &t.diags), "read");
    for (long i = 0; i < b.n; i++) cr_expect_not(strstr(b.v[i].name, "adam"), "%s", b.v[i].name);
    cr_expect_str_eq(sx_blobs_meta(&b, "row"), "u8 8 8 1");
    no_errors(sx_net_open(t.arena, t.exp, t.machine, t.data, 0, 0, false, &t.net, &t.diags),
              "evaluation only");
    no_errors(sx_ckpt_load(t.arena, file, t.net, NULL, &t.diags), "load");
    sx_progress_state s;
    cr_expect_eq(sx_ckpt_load(t.arena, file, t.net, &s, NULL), SX_E_DATA, "no place to go on from");
}

Test(ckpt, of_another_net)
{
    sx_progress_state s;
    const char *file = saved();
    static const struct { const char *layers, *why; } other[] = {
        { "f = { type = \"flatten\"; };", "it has 20 tensors, the net 6" },
        { "p = { type = \"maxpool2d\"; size = 2; }; f = { type = \"flatten\"; };",
          "'o/kernel' is [5, 64] there, the net has [5, 16]" },
        { "f = { type = \"flatten\"; }; h = { type = \"dense\"; units = 3; };", "it lacks 'h/kernel'" } };
    for (int i = 0; i < 3; i++) {
        no_errors(bench_exp(other[i].layers, "epochs = 1;" ADAM), "exp");
        no_errors(bench_net(1, true), "net");
        cr_expect_eq(sx_ckpt_load(t.arena, file, t.net, &s, &t.diags), SX_E_DATA);
        cr_expect(strstr(t.diags.v[0].text, other[i].why), "%s", t.diags.v[0].text);
        sx_diags_init(&t.diags, t.arena);
    }
}

Test(ckpt, a_flipped_bit_anywhere_is_noticed)
{
    char *text;
    size_t bytes;
    sx_progress_state s;
    const char *file = saved();
    no_errors(sx_file_read(t.arena, file, 1 << 24, &text, &bytes, &t.diags), "read");
    const size_t data = 8 + ((unsigned char)text[0] | (size_t)(unsigned char)text[1] << 8);
    for (size_t at = data; at < bytes; at += bytes / 40) {
        text[at] ^= 4;
        no_errors(sx_file_write(file, text, bytes, &t.diags), "write");
        cr_expect_eq(sx_ckpt_load(t.arena, file, t.net, &s, NULL), SX_E_DATA, "byte %zu of %zu", at, bytes);
        text[at] ^= 4;
    }
    no_errors(sx_file_write(file, text, bytes, &t.diags), "write");
    no_errors(sx_ckpt_load(t.arena, file, t.net, &s, &t.diags), "whole again");
}

Test(ckpt, full_disk_keeps_the_old_one)
{
    struct rlimit old, small;
    sx_progress_state s;
    const char *file = saved();
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 2000;
    setrlimit(RLIMIT_FSIZE, &small);
    const int rc = sx_ckpt_save(file, t.net, &state, true, &t.diags);
    setrlimit(RLIMIT_FSIZE, &old);
    cr_assert_eq(rc, SX_E_IO);
    cr_assert(strstr(t.diags.v[0].text, "cannot write this file"));
    no_errors((t.diags.errors = 0, sx_ckpt_load(t.arena, file, t.net, &s, &t.diags)), "the old one is whole");
    cr_assert_neq(access(sx_format(t.arena, "%s.tmp", file), F_OK), 0);
}

/* --- Weights of others --- */
static int import(long n, const sx_blob *v, const char *prefix, bool all)
{
    const char *file = in_dir("w.safetensors");
    no_errors(sx_tensors_write(file, &(sx_blobs){ .n = n, .v = v }, &t.diags), "write");
    return sx_ckpt_import(t.arena, file, prefix, t.net, all, SX_NOWHERE, &t.diags);
}

Test(ckpt, import_by_name_below_a_prefix)
{
    const double bias[4] = { 1, 2, 3, 4 };
    const float kernel[36] = { 7 };
    const sx_blob v[] = { { "bias", "F64", 1, { 4 }, 32, bias }, { "kernel", "F32", 4, { 4, 3, 3, 1 }, 144,
        kernel } };
    float got[36];
    no_errors(import(2, v, "c/", true), "import");
    no_errors(sx_net_read(t.net, sx_net_tensor(t.net, "c/bias"), got, &t.diags), "bias");
    cr_assert(got[0] == 1 && got[3] == 4);
    no_errors(sx_net_read(t.net, sx_net_tensor(t.net, "c/kernel"), got, &t.diags), "kernel");
    cr_assert(got[0] == 7 && got[1] == 0);
    no_errors(import(1, v, "c/", false), "a part will do");
    cr_assert_eq(import(1, v, "c/", true), SX_E_DATA);
    cr_expect(strstr(t.diags.v[0].text, "1 weight is missing") && strstr(t.diags.v[0].detail, "kernel"));
}

Test(ckpt, import_checks_shapes_and_types)
{
    const float bias[5] = { 0 };
    const int32_t ints[4] = { 0 };
    cr_expect_eq(import(1, &(sx_blob){ "c/bias", "F32", 1, { 5 }, 20, bias }, NULL, false), SX_E_DATA);
    cr_expect(strstr(t.diags.v[0].text, "'c/bias' is [5] there, the net has [4]"), "%s", t.diags.v[0].text);
    cr_expect_eq(import(1, &(sx_blob){ "c/bias", "I32", 1, { 4 }, 16, ints }, NULL, false), SX_E_DATA);
    cr_expect(strstr(t.diags.v[1].text, "of type I32"));
}
