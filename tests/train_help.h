/* train_help.h: a small easy data set and small nets for the tests of training; every test has a directory of
 * its own. */
#ifndef TRAIN_HELP_H
#define TRAIN_HELP_H
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "train.h"

enum { SIDE = 8, TRAIN_ROWS = 200, TEST_ROWS = 30 };
typedef struct { sx_arena *arena; sx_diags diags; sx_registry *registry; char dir[64]; sx_exp *exp;
                 sx_machine *machine; sx_data *data; sx_net *net; } bench;
static bench t;

static void put32(FILE *f, unsigned v) { for (int s = 24; s >= 0; s -= 8) fputc((int)(v >> s & 255), f); }

/* Class c has a bright row c: easy, and the same in every run. */
static void write_part(const char *name, int n)
{
    FILE *f = fopen(sx_format(t.arena, "%s/%s-x", t.dir, name), "wb");
    cr_assert(f);
    put32(f, 0x803), put32(f, (unsigned)n), put32(f, SIDE), put32(f, SIDE);
    for (int i = 0; i < n; i++)
        for (int p = 0; p < SIDE * SIDE; p++) fputc(p / SIDE == i % 5 ? 200 : (i * 31 + p * 17) % 60, f);
    fclose(f);
    f = fopen(sx_format(t.arena, "%s/%s-y", t.dir, name), "wb");
    cr_assert(f);
    put32(f, 0x801), put32(f, (unsigned)n);
    for (int i = 0; i < n; i++) fputc(i % 5, f);
    fclose(f);
}

static void bench_begin(void)
{
    t = (bench){ .arena = sx_arena_open(NULL), .dir = "/tmp/strix-train-XXXXXX" };
    sx_diags_init(&t.diags, t.arena);
    cr_assert(mkdtemp(t.dir));
    write_part("train", TRAIN_ROWS);
    write_part("test", TEST_ROWS);
    t.registry = sx_registry_open(t.arena, NULL);
}

static inline void bench_end(void)
{
    cr_assert_eq(system(sx_format(t.arena, "rm -rf '%s'", t.dir)), 0);
    sx_arena_close(t.arena);
}

static void no_errors(int rc, const char *what)
{
    if (rc || t.diags.errors) sx_diags_print(&t.diags, stderr);
    cr_assert_eq(rc, 0, "%s", what);
}

/* more: further settings of train, such as "epochs = 3; clip = 1.0;". */
static inline int bench_exp(const char *layers, const char *train)
{
    const char *text = sx_format(t.arena,
        "model = { input = [ 8, 8, 1 ]; layers = { %s "
        "o = { type = \"dense\"; units = 5; activation = \"softmax\"; }; }; };\n"
        "dataset = { type = \"idx\"; dir = \"%s\"; train = [ \"train-x\", \"train-y\" ]; "
        "test = [ \"test-x\", \"test-y\" ]; split = { val = 0.2; seed = 1; }; "
        "transform = { unit = { type = \"scale\"; factor = \"1 / 255\"; }; }; };\n"
        "train = { loss = \"cross_entropy\"; batch = 16; %s };\n", layers, t.dir, train);
    sx_conf *root;
    no_errors(sx_config_parse(t.arena, text, "test", NULL, &root, &t.diags), "config");
    return sx_exp_open(t.arena, t.registry, root, "test", &t.exp, &t.diags);
}

#define SMALL \
    "c = { type = \"conv2d\"; filters = 4; kernel = 3; padding = \"same\"; activation = \"relu\"; }; " \
    "n = { type = \"batchnorm\"; }; p = { type = \"maxpool2d\"; size = 2; }; f = { type = \"flatten\"; }; " \
    "d = { type = \"dropout\"; rate = 0.2; };"
#define ADAM "optimizer = { type = \"adam\"; lr = 0.01; };"

static inline int bench_net(int threads, bool training)
{
    int bad = sx_machine_open(t.arena, t.registry, "cpu", threads, &t.machine, &t.diags);
    if (!bad) bad = sx_data_open(t.arena, t.exp, t.machine, true, &t.data, &t.diags);
    return bad ? bad : sx_net_open(t.arena, t.exp, t.machine, t.data, 7, 3, training, &t.net, &t.diags);
}

static inline const char *in_dir(const char *name) { return sx_format(t.arena, "%s/%s", t.dir, name); }

/* All weights and states (and slots) as one vector. */
static inline float *all_tensors(long *n)
{
    const sx_tensor *v;
    const long tensors = sx_net_tensors(t.net, &v);
    *n = 0;
    for (long i = 0; i < tensors; i++) *n += v[i].count;
    float *all = sx_alloc_array(t.arena, (size_t)*n, sizeof *all), *at = all;
    for (long i = 0; i < tensors; at += v[i++].count)
        no_errors(sx_net_read(t.net, &v[i], at, &t.diags), v[i].name);
    return all;
}

static inline void same_bits(const float *a, const float *b, long n, const char *what)
{
    long differ = 0;
    for (long i = 0; i < n; i++) differ += memcmp(&a[i], &b[i], sizeof *a) != 0;
    cr_assert_eq(differ, 0, "%s: %ld of %ld numbers differ", what, differ, n);
}
#endif
