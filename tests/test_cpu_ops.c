/* test_cpu_ops.c: the device cpu: the op suite by each way of computing convolutions, queues of two threads
 * at once, threads that share work, and what it refuses. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "conform.h"
#include "exec.h"
#include "cpu.h"

int dnnl_one_thread(void) { return 0; }          /* pool.c is linked alone */

static const sx_entry *find(conform *c, sx_diags *d)
{
    c->arena = sx_arena_open(NULL);
    c->out = tmpfile();
    c->device = "cpu";
    c->threads = 1;
    sx_diags_init(d, c->arena);
    c->registry = sx_registry_open(c->arena, NULL);
    return sx_find(c->registry, SX_KIND_DEVICE, "cpu", SX_NOWHERE, d);
}

static void show(FILE *f)                        /* the lines that failed, and their notes */
{
    char line[1024];
    bool failed = false;
    rewind(f);
    while (fgets(line, sizeof line, f)) {
        if (line[0] != '#') failed = !strncmp(line, "not ok", 6);
        if (failed) cr_log_warn("%s", line);
    }
}

static void suite(const char *path)
{
    conform c = { 0 };
    sx_diags d;
    setenv("STRIX_CPU_CONV", path, 1);
    const sx_entry *e = find(&c, &d);
    cr_assert(e);
    cr_expect_eq(conform_device(&c, e), 0);
    if (c.failed) show(c.out);
    cr_expect_eq(c.failed, 0, "%ld of %ld failed with %s", c.failed, c.passed + c.failed, path);
    cr_expect_gt(c.passed, 200);
    fclose(c.out);
    sx_arena_close(c.arena);
}

Test(cpu_ops, suite_by_columns) { suite("im2col"); }
Test(cpu_ops, suite_by_choice) { suite("auto"); }
Test(cpu_ops, suite_by_tiles) { suite("amx"); }  /* those in bf16 */

Test(cpu_ops, unknown_way_of_convolution_is_refused)
{
    conform c = { 0 };
    sx_diags d;
    sx_machine *m;
    setenv("STRIX_CPU_CONV", "magic", 1);
    cr_assert(find(&c, &d));
    cr_assert_eq(sx_machine_open(c.arena, c.registry, "cpu", 1, &m, &d), SX_E_DEVICE);
    cr_assert(strstr(d.v[0].text, "magic"));
    cr_assert_neq(sx_machine_open(c.arena, c.registry, "cpu:1", 1, &m, &d), 0);
}

Test(cpu_ops, unknown_number_of_groups_is_refused)
{
    static const char *const bad[] = { "abc", "-1", "0", "2x", "1025", "99999999999999999999" };
    conform c = { 0 };
    sx_machine *m;
    sx_diags d;
    cr_assert(find(&c, &d));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("STRIX_CPU_GROUPS", bad[i], 1);
        cr_assert_eq(sx_machine_open(c.arena, c.registry, "cpu", 1, &m, &d), SX_E_DEVICE, "%s", bad[i]);
    }
    setenv("STRIX_CPU_GROUPS", "2", 1);
    cr_assert_eq(sx_machine_open(c.arena, c.registry, "cpu", 1, &m, &d), 0);
    cr_assert(strstr(m->info.text, "2 groups"), "%s", m->info.text);
    sx_arena_close(c.arena);
}

Test(cpu_ops, f16_is_refused)
{
    conform c = { 0 };
    sx_diags d;
    sx_machine *m;
    sx_program *p;
    cr_assert(find(&c, &d));
    cr_assert_eq(sx_machine_open(c.arena, c.registry, "cpu", 1, &m, &d), 0);
    sx_graph *g = sx_graph_open(c.arena, &(sx_graph_want){ .compute = SX_F32, .batch = 4 }, &d);
    const sx_t x = sx_graph_bound(g, SX_ROLE_INPUT, "x", SX_F16, (const long[]){ 4, 5, 0 }, true);
    sx_graph_result(g, sx_add(g, x, x), "y");
    cr_assert_eq(sx_program_open(c.arena, m, g, true, NULL, &p, &d), SX_E_UNSUPPORTED);
    cr_assert_gt(d.errors, 0);
    sx_arena_close(c.arena);
}

/* A first pixel far from all others, as of a black corner: sums about it would lose the digits of the variance. */
Test(cpu_ops, moments_of_a_far_first_pixel)
{
    enum { ROWS = 4, SIDE = 128, PIXELS = ROWS * SIDE * SIDE };
    conform c = { 0 };
    sx_diags d;
    sx_machine *m;
    sx_program *p;
    sx_memory *in, *out, *step;
    cr_assert(find(&c, &d));
    cr_assert_eq(sx_machine_open(c.arena, c.registry, "cpu", 1, &m, &d), 0);
    sx_graph *g = sx_graph_open(c.arena, &(sx_graph_want){ .compute = SX_F32, .batch = ROWS }, &d);
    const sx_t x = sx_graph_bound(g, SX_ROLE_INPUT, "x", SX_F32, (const long[]){ ROWS, SIDE, SIDE, 1, 0 }, true);
    const sx_t y = sx_moments(g, x, 7);
    sx_graph_result(g, y, "y");
    float *v = sx_alloc(c.arena, PIXELS * sizeof *v), got[2];
    double mean = 0, var = 0;
    for (long i = 0; i < PIXELS; i++) v[i] = i ? 100 + 0.01f * (float)(i % 2) : 0;
    for (long i = 0; i < PIXELS; i++) mean += (double)v[i] / PIXELS;
    for (long i = 0; i < PIXELS; i++) var += ((double)v[i] - mean) * ((double)v[i] - mean) / PIXELS;
    cr_assert_eq(sx_program_open(c.arena, m, g, true, NULL, &p, &d), 0);
    cr_assert_eq(sx_memory_open(c.arena, m, PIXELS * sizeof *v, &in, &d), 0);
    cr_assert_eq(sx_memory_open(c.arena, m, sizeof got, &out, &d), 0);
    cr_assert_eq(sx_memory_open(c.arena, m, sizeof(int32_t), &step, &d), 0);
    cr_assert_eq(m->device->write(m->queue, in->buf, 0, v, in->bytes), 0);
    sx_program_bind(p, x, in, 0);
    sx_program_bind(p, y, out, 0);
    sx_program_bind(p, g->step, step, 0);
    cr_assert_eq(sx_program_run(p, 1, &d), 0);
    cr_assert_eq(m->device->read(m->queue, out->buf, 0, got, sizeof got), 0);
    cr_assert_float_eq((double)got[0], mean, 1e-5 * mean);
    cr_assert_float_eq((double)got[1], var, 1e-4 * var);
    sx_arena_close(c.arena);
}

/* --- Two queues at once --- */
enum { N = 16, SIZE = 14, STEPS = 20 };
typedef struct { conform c; float out[16]; bool good; } user;

static bool compute(user *u)
{
    sx_diags d;
    sx_machine *m;
    sx_program *p;
    sx_memory *x, *y, *w, *s;
    sx_arena *a = sx_arena_open(NULL);
    sx_diags_init(&d, a);
    sx_graph *g = sx_graph_open(a, &(sx_graph_want){ .batch = N }, &d);
    const sx_window same = { { 3, 3 }, { 1, 1 }, { 1, 1, 1, 1 }, { 1, 1 }, 1 };
    const sx_t in = sx_graph_bound(g, SX_ROLE_INPUT, "x", SX_F32, (const long[]){ N, SIZE, SIZE, 16, 0 },
                                   true);
    const sx_t weights = sx_graph_bound(g, SX_ROLE_WEIGHT, "w", SX_F32, (const long[]){ 16, 3, 3, 16, 0 },
                                        false);
    const sx_t sum = sx_reduce(g, sx_conv2d(g, in, weights, &same), SX_SUM, 7);
    sx_graph_result(g, sum, "y");
    float *data = sx_alloc(a, N * SIZE * SIZE * 16 * sizeof *data);
    for (long i = 0; i < N * SIZE * SIZE * 16; i++) data[i] = (float)(i % 97) / 97;
    bool good = !sx_machine_open(a, u->c.registry, "cpu", 2, &m, &d)
                && !sx_program_open(a, m, g, true, NULL, &p, &d)
                && !sx_memory_open(a, m, N * SIZE * SIZE * 16 * 4, &x, &d)
                && !sx_memory_open(a, m, 16 * 4, &y, &d) && !sx_memory_open(a, m, 16 * 9 * 16 * 4, &w, &d)
                && !sx_memory_open(a, m, 4, &s, &d) && !m->device->write(m->queue, x->buf, 0, data, x->bytes)
                && !m->device->write(m->queue, w->buf, 0, data, w->bytes);
    if (good) {
        sx_program_bind(p, in, x, 0);
        sx_program_bind(p, weights, w, 0);
        sx_program_bind(p, sum, y, 0);
        sx_program_bind(p, g->step, s, 0);
        good = !sx_program_run(p, STEPS, &d) && !m->device->read(m->queue, y->buf, 0, u->out, sizeof u->out);
    }
    sx_arena_close(a);
    return good;
}
static void *use(void *u_)
{
    user *u = u_;
    u->good = compute(u);
    return NULL;
}

Test(cpu_ops, queues_of_two_threads_at_once)
{
    user alone = { 0 }, both[2];
    sx_diags d;
    cr_assert(find(&alone.c, &d));
    cr_assert(compute(&alone));
    pthread_t t[2];
    for (int i = 0; i < 2; i++) both[i] = alone, memset(both[i].out, 0, sizeof both[i].out);
    for (int i = 0; i < 2; i++) cr_assert_eq(pthread_create(&t[i], NULL, use, &both[i]), 0);
    for (int i = 0; i < 2; i++) pthread_join(t[i], NULL);
    for (int i = 0; i < 2; i++) {
        cr_assert(both[i].good);
        cr_assert_eq(memcmp(both[i].out, alone.out, sizeof alone.out), 0);
    }
}

/* --- The pool --- */
typedef struct { atomic_int seen[100]; int threads; atomic_bool strange; } seen;

static void note(const void *ctx, long i, int thread)
{
    seen *s = (seen *)(uintptr_t)ctx;
    if (thread < 0 || thread >= s->threads) s->strange = true;
    atomic_fetch_add(&s->seen[i], 1);
}

Test(cpu_pool, every_chunk_once)
{
    for (int threads = 1; threads <= 4; threads++) {
        pool *p = pool_open(threads);
        cr_assert(p);
        seen s = { .threads = threads };
        int want[100] = { 0 };
        for (long n = 0; n < 3000; n++) {        /* also counts below the number of threads */
            pool_for(p, n % 100, note, &s);
            for (long i = 0; i < n % 100; i++) want[i]++;
        }
        for (int i = 0; i < 100; i++) cr_assert_eq(s.seen[i], want[i]);
        cr_assert_not(s.strange);
        pool_close(p);
    }
}

Test(cpu_pool, sleepers_wake)
{
    pool *p = pool_open(3);
    seen s = { .threads = 3 };
    for (int i = 0; i < 5; i++) {
        nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
        pool_for(p, 100, note, &s);
    }
    for (int i = 0; i < 100; i++) cr_assert_eq(s.seen[i], 5);
    pool_close(p);
}

Test(cpu_pool, memory)
{
    cr_assert_null(cpu_map(SIZE_MAX));
    cr_assert_null(cpu_map((size_t)1 << 62));
    for (size_t n = 1; n < (size_t)9 << 20; n = n * 3 + 1) {
        char *m = cpu_map(n);
        cr_assert(m);
        cr_assert_eq((uintptr_t)m % (n >= 2 << 20 ? 2 << 20 : 64), 0);
        cr_assert_eq(m[0] + m[n - 1], 0);
        m[0] = m[n - 1] = 1;
        cpu_unmap(m, n);
    }
    pool *p = pool_open(2);
    cr_assert_eq(pool_reserve(p, 1000, 64), 0);
    cr_assert_eq(pool_reserve(p, (size_t)1 << 62, 0), SX_E_MEMORY);
    pool_close(p);
}

/* --- bf16 --- */
static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static float of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The nearer of two neighbours, the even one of two as near; beyond the largest one the next is infinity. */
static uint16_t nearest(float x)
{
    const uint32_t bits = bits_of(x), low = bits >> 16;
    const double down = (double)of_bits(low << 16),
                 step = (double)of_bits(0x7f7f0000) - (double)of_bits(0x7f7e0000);
    const bool largest = (low & 0x7fff) == 0x7f7f;
    const double up = largest ? down + copysign(step, down) : (double)of_bits((low + 1) << 16);
    const double a = fabs((double)x - down), b = fabs(up - (double)x);
    return (uint16_t)(a < b || (a == b && !(low & 1)) ? low : low + 1);
}

Test(cpu_bf16, every_pattern_becomes_f32_and_itself_again)
{
    enum { ALL = 1 << 16 };
    static uint16_t half[ALL], again[ALL];
    static float wide[ALL];
    for (long i = 0; i < ALL; i++) half[i] = (uint16_t)i;
    bf16_widen(ALL, half, wide);
    bf16_narrow(ALL, wide, again);
    for (uint32_t i = 0; i < ALL; i++) {
        const bool nan = (i & 0x7fff) > 0x7f80;
        cr_assert_eq(bits_of(wide[i]), i << 16);
        cr_assert_eq(again[i], nan ? i | 0x40 : i, "%04x becomes %04x", i, again[i]);
    }
}

Test(cpu_bf16, the_nearest_is_taken)
{
    enum { ALL = 1 << 16 };
    static const uint32_t rest[] = { 0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0x1234, 0xabcd };
    static uint16_t half[ALL];
    static float wide[ALL];
    for (int k = 0; k < 8; k++) {
        for (uint32_t i = 0; i < ALL; i++) wide[i] = of_bits(i << 16 | rest[k]);
        bf16_narrow(ALL, wide, half);
        for (uint32_t i = 0; i < ALL; i++) {
            if (isnan(wide[i])) cr_assert_gt(half[i] & 0x7fff, 0x7f80, "%08x is no NaN", i << 16 | rest[k]);
            else if (isinf(wide[i])) cr_assert_eq(half[i], i);
            else cr_assert_eq(half[i], nearest(wide[i]), "%08x becomes %04x", i << 16 | rest[k], half[i]);
        }
    }
}

/* --- an op of a plugin, which knows f32 alone --- */
static bool same_shape(const void *attr, int n, const sx_view *in, long shape[SX_RANK])
{
    (void)attr, (void)n;
    for (int i = 0; i < in->rank; i++) shape[i] = in->shape[i];
    return true;
}

static void running_sum(const void *attr, int n, const sx_view *in, sx_view *y, long from, long to)
{
    (void)attr, (void)n;
    const long c = in->shape[1];
    for (long i = from; i < to; i++)
        for (long j = 0; j < c; j++)
            ((float *)y->data)[i * c + j] = ((const float *)in->data)[i * c + j]
                                            + (j ? ((float *)y->data)[i * c + j - 1] : 0);
}

enum { ROWS = 150, COLUMNS = 7 };
static void check_own(sx_dtype type, int threads)
{
    static const sx_op op = { .size = sizeof op, .name = "running", .inputs = 1, .rowwise = true,
                              .infer = same_shape,
                              .host = running_sum };
    conform c = { 0 };
    sx_diags d;
    sx_machine *m;
    sx_program *p;
    sx_memory *x, *y, *step;
    cr_assert(find(&c, &d));
    cr_assert_eq(sx_machine_open(c.arena, c.registry, "cpu", threads, &m, &d), 0);
    sx_graph *g = sx_graph_open(c.arena, &(sx_graph_want){ .compute = type, .batch = ROWS }, &d);
    const sx_t in = sx_graph_bound(g, SX_ROLE_INPUT, "x", type, (const long[]){ ROWS, COLUMNS, 0 }, true);
    const sx_t out = sx_custom(g, &op, 1, &in, NULL);
    sx_graph_result(g, out, "y");
    const size_t bytes = sx_val_bytes(sx_graph_val(g, in));
    float wide[ROWS * COLUMNS], got[ROWS * COLUMNS];
    uint16_t half[ROWS * COLUMNS];
    for (long i = 0; i < ROWS * COLUMNS; i++) wide[i] = (float)(i % 11);     /* sums have at most 6 bits */
    bf16_narrow(ROWS * COLUMNS, wide, half);
    cr_assert_eq(sx_program_open(c.arena, m, g, true, NULL, &p, &d), 0);
    cr_assert(!sx_memory_open(c.arena, m, bytes, &x, &d) && !sx_memory_open(c.arena, m, bytes, &y, &d)
              && !sx_memory_open(c.arena, m, 4, &step, &d));
    cr_assert_eq(m->device->write(m->queue, x->buf, 0, type == SX_BF16 ? (void *)half : wide, bytes), 0);
    sx_program_bind(p, in, x, 0);
    sx_program_bind(p, out, y, 0);
    sx_program_bind(p, g->step, step, 0);
    cr_assert_eq(sx_program_run(p, 1, &d), 0);
    cr_assert_eq(m->device->read(m->queue, y->buf, 0, type == SX_BF16 ? (void *)half : got, bytes), 0);
    if (type == SX_BF16) bf16_widen(ROWS * COLUMNS, half, got);
    for (long i = 0; i < ROWS; i++) {
        float sum = 0;
        for (long j = 0; j < COLUMNS; j++)
            cr_assert_eq(got[i * COLUMNS + j], sum += wide[i * COLUMNS + j], "row %ld, column %ld", i, j);
    }
    sx_arena_close(c.arena);
}

Test(cpu_own, op_of_a_plugin_in_either_type)
{
    for (int threads = 1; threads < 4; threads++) check_own(SX_F32, threads), check_own(SX_BF16, threads);
}
