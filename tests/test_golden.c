/* test_golden.c: a small ConvStrix against PyTorch in double (golden/convstrix.py): loss to 1e-6, gradients
 * within 5 times the larger error of PyTorch's and Keras' own float32, logits of both modes, running
 * statistics; both convolution paths, 1 and 2 threads. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>
#include "tensors.h"

struct golden { sx_arena *arena; sx_diags diags; sx_blobs expect, got; char out[600]; };

static const char *env(const char *name, const char *otherwise)
{
    return getenv(name) ? getenv(name) : otherwise;
}

static double *doubles(sx_arena *a, const sx_blob *b, long *n)
{
    const bool f64 = !strcmp(b->dtype, "F64");
    *n = (long)(b->bytes / (f64 ? 8 : 4));
    double *v = sx_alloc_array(a, (size_t)*n, sizeof *v);
    for (long i = 0; i < *n; i++)
        v[i] = f64 ? ((const double *)b->data)[i] : (double)((const float *)b->data)[i];
    return v;
}

/* Relative L2 distance of what strix wrote under `name` from the reference under `as`. */
static double distance(struct golden *t, const char *name, const char *as)
{
    const sx_blob *want = sx_blobs_find(&t->expect, as), *have = sx_blobs_find(&t->got, name);
    cr_assert(have, "strix wrote no %s", name);
    long n = 0, m = 0;
    const double *w = doubles(t->arena, want, &n), *h = doubles(t->arena, have, &m);
    cr_assert_eq(n, m, "%s has %ld elements, not %ld", name, m, n);
    double d = 0, r = 0;
    for (long i = 0; i < n; i++) { d += (h[i] - w[i]) * (h[i] - w[i]); r += w[i] * w[i]; }
    return r > 0 ? sqrt(d / r) : sqrt(d);
}

static void run_of(struct golden *t, const char *cfg, const char *name, const char *sets,
                   const char *mode, const char *conv, int threads)
{
    const char *source = env("STRIX_SOURCE", "."), *build = env("STRIX_BUILD", ".");
    char command[4096], file[1024];
    t->arena = sx_arena_open(NULL);
    sx_diags_init(&t->diags, t->arena);
    snprintf(t->out, sizeof t->out, "%s/tests/golden-%s-%s-%s-%d-%ld.safetensors", build, name,
             mode, conv, threads, (long)getpid());                    /* several runs may be at it */
    snprintf(command, sizeof command,
             "STRIX_CPU_CONV=%s '%s/strix' debug grads '%s/tests/golden/%s.cfg' --threads %d --mode %s %s "
             "--init '%s/tests/golden/%s.weights.safetensors' --batch '%s/tests/golden/%s.batch.safetensors' "
             "--out '%s' >&2",
             conv, build, source, cfg, threads, mode, sets, source, name, source, name, t->out);
    cr_assert_eq(system(command), 0, "%s", command);
    cr_assert_eq(sx_tensors_read(t->arena, t->out, &t->got, &t->diags), 0);
    snprintf(file, sizeof file, "%s/tests/golden/%s.expect.safetensors", source, name);
    cr_assert_eq(sx_tensors_read(t->arena, file, &t->expect, &t->diags), 0);
}

static void run(struct golden *t, const char *name, const char *sets, const char *mode,
                const char *conv, int threads)
{
    run_of(t, "convstrix", name, sets, mode, conv, threads);
}

/* ends.cfg: two inputs, two outputs, weighted losses (golden/ends.py). */
Test(golden, two_inputs_and_outputs)
{
    struct golden t = { 0 };
    run_of(&t, "ends", "ends", "", "train", "auto", 2);
    long grads = 0;
    for (long i = 0; i < t.expect.n; i++) {
        const char *k = t.expect.v[i].name;
        char bound[256];
        if (!strncmp(k, "error/", 6)) continue;
        snprintf(bound, sizeof bound, "error/%s", strchr(k, '/') ? strchr(k, '/') + 1 : k);
        const sx_blob *error = strncmp(k, "grad/", 5) ? NULL : sx_blobs_find(&t.expect, bound);
        const double d = distance(&t, k, k), e = error ? 5 * *(const double *)error->data : 0;
        cr_expect_lt(d, fmax(e, 1e-6), "%s: relative error %g", k, d);
        grads += error != NULL;
    }
    cr_expect_eq(grads, 10);
    remove(t.out);
    sx_arena_close(t.arena);
}

static void compare(const char *name, const char *sets, const char *conv, int threads)
{
    struct golden t = { 0 };
    run(&t, name, sets, "train", conv, threads);
    cr_expect_lt(distance(&t, "loss", "loss"), 1e-6, "loss");
    cr_expect_lt(distance(&t, "logits", "logits"), 5e-6, "logits");
    long grads = 0, states = 0;
    for (long i = 0; i < t.expect.n; i++) {
        const char *k = t.expect.v[i].name;
        if (!strncmp(k, "state/", 6)) { states++; cr_expect_lt(distance(&t, k, k), 1e-6, "%s", k); }
        if (strncmp(k, "grad/", 5)) continue;
        grads++;
        char bound[256];
        snprintf(bound, sizeof bound, "error/%s", k + 5);
        const double e = *(const double *)sx_blobs_find(&t.expect, bound)->data, d = distance(&t, k, k);
        cr_expect_lt(d, 5 * e, "%s: relative error %g, others' float32 %g", k, d, e);
    }
    cr_expect_gt(grads, 8);
    cr_expect_gt(states, 1);
    remove(t.out);
    sx_arena_close(t.arena);
    t = (struct golden){ 0 };
    run(&t, name, sets, "infer", conv, threads);
    cr_expect_lt(distance(&t, "logits", "infer"), 5e-6, "logits of inference");
    remove(t.out);
    sx_arena_close(t.arena);
}

#define RELU "--set vars.activation=relu"
#define TANH2 "--set vars.activation=tanh --set vars.block_size=2"
#define SELU "--set vars.activation=selu --set vars.num_blocks=2"
/* In bf16 against doubles: per tensor no worse than what PyTorch's autocast shows against its own f32, 0.2 to
 * 25 %; statistics, which are f32, to what the input's rounding does to them. The same bits for any number of
 * threads. */
static void compare_half(const char *cfg, const char *name, const char *sets, const char *conv)
{
    struct golden t = { 0 }, one = { 0 };
    char half[256];
    snprintf(half, sizeof half, "%s --set train.precision=bf16", sets);
    long grads = 0;
    run_of(&one, cfg, name, half, "train", conv, 1);
    run_of(&t, cfg, name, half, "train", conv, 2);
    for (long i = 0; i < t.got.n; i++) {
        const sx_blob *a = &t.got.v[i], *b = sx_blobs_find(&one.got, a->name);
        cr_expect(b && a->bytes == b->bytes && !memcmp(a->data, b->data, a->bytes),
                  "%s on 1 and 2 threads", a->name);
    }
    cr_expect_lt(distance(&t, "loss", "loss"), 1e-3, "loss");
    for (long i = 0; i < t.expect.n; i++) {
        const char *k = t.expect.v[i].name;
        const bool grad = !strncmp(k, "grad/", 5), state = !strncmp(k, "state/", 6);
        const double d = grad || state || !strncmp(k, "logits", 6) ? distance(&t, k, k) : 0;
        cr_expect_lt(d, grad ? 0.25 : state ? 1e-4 : 0.02, "%s: relative error %g", k, d);
        cr_expect(!grad || d > 1e-5, "%s: relative error %g: was it bf16?", k, d);
        grads += grad;
    }
    cr_expect_gt(grads, 8);
    remove(t.out);
    remove(one.out);
    sx_arena_close(t.arena);
    sx_arena_close(one.arena);
}

Test(golden, relu_onednn) { compare("relu", RELU, "onednn", 2); }
Test(golden, relu_im2col) { compare("relu", RELU, "im2col", 1); }
Test(golden, relu_winograd) { compare("relu", RELU, "winograd", 2); }
Test(golden, relu_auto) { compare("relu", RELU, "auto", 2); }
Test(golden, tanh_two_convs_onednn) { compare("tanh2", TANH2, "onednn", 1); }
Test(golden, tanh_two_convs_im2col) { compare("tanh2", TANH2, "im2col", 2); }
Test(golden, tanh_two_convs_winograd) { compare("tanh2", TANH2, "winograd", 1); }
Test(golden, selu_auto) { compare("selu", SELU, "auto", 1); }
Test(golden, relu_bf16) { compare_half("convstrix", "relu", RELU, "im2col"); }
Test(golden, tanh_two_convs_bf16) { compare_half("convstrix", "tanh2", TANH2, "winograd"); }
Test(golden, selu_bf16) { compare_half("convstrix", "selu", SELU, "auto"); }
Test(golden, two_inputs_and_outputs_bf16) { compare_half("ends", "ends", "", "auto"); }
