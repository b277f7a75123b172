/* test_matmul.c: matrix products of the device cpu against sums in double: sizes that fill no register and no
 * block, sums of several blocks, every set of instructions; the same bits from any number of threads; blocks
 * that go elsewhere. Random numbers drawn many at a time are those drawn one by one. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cpu.h"

int dnnl_one_thread(void) { return 0; }          /* what pool.c asks of oneDNN */

enum { BEYOND = 7 };
typedef struct { unsigned trans; long m, n, k; float *a, *b, *y; } product_of_two;

static float *numbers(long n, unsigned seed)
{
    float *v = malloc((size_t)(n + 1) * sizeof *v);
    for (long i = 0; i <= n; i++) v[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) / 0x1p23f - 1;
    return v;
}

static product_of_two make(unsigned trans, long m, long n, long k)
{
    product_of_two p = { trans, m, n, k, numbers(m * k, 1), numbers(k * n, 2), numbers(m * n, 3) };
    p.y[m * n] = BEYOND;
    return p;
}

static void drop(product_of_two *p) { free(p->a), free(p->b), free(p->y); }

static double error_of(const product_of_two *p)
{
    double d = 0, r = 0;
    for (long i = 0; i < p->m; i++)
        for (long j = 0; j < p->n; j++) {
            double sum = 0;
            for (long t = 0; t < p->k; t++)
                sum += (double)p->a[p->trans & SX_TRANS_A ? t * p->m + i : i * p->k + t]
                     * (double)p->b[p->trans & SX_TRANS_B ? j * p->k + t : t * p->n + j];
            const double e = sum - (double)p->y[i * p->n + j];
            d += e * e, r += sum * sum;
        }
    return r > 0 ? sqrt(d / r) : sqrt(d);
}

static void run(const product_of_two *p, cpu_isa isa, int threads, const matmul_sink *sink)
{
    const matmul plan = matmul_of(p->trans, p->m, p->n, p->k);
    pool *q = pool_open(threads);
    cr_assert(q && !pool_reserve(q, matmul_lane(&plan), matmul_shared(&plan)));
    matmul_run(&plan, isa, q, p->a, p->b, p->y, pool_shared(q), sink);
    pool_close(q);
}

static const struct { long m, n, k; } sizes[] = {
    { 1, 1, 1 }, { 64, 10, 512 }, { 64, 100, 300 }, { 13, 33, 7 }, { 5, 700, 64 }, { 700, 5, 64 },
    { 129, 65, 600 }, { 200, 300, 65 }, { 12, 32, 256 }, { 1, 513, 1025 }, { 90, 2000, 33 }, { 2100, 31, 40 },
    { 250, 257, 513 },
};

Test(matmul, sizes)
{
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned trans = 0; trans <= (SX_TRANS_A | SX_TRANS_B); trans++)
            for (int isa = ISA_PLAIN; isa <= ISA_AVX512; isa++) {
                product_of_two p = make(trans, sizes[i].m, sizes[i].n, sizes[i].k);
                run(&p, (cpu_isa)isa, 2, NULL);
                const double e = error_of(&p);
                cr_expect_lt(e, 1e-6, "%ldx%ldx%ld, trans %u, isa %d: %g", p.m, p.n, p.k, trans, isa, e);
                cr_expect_eq(p.y[p.m * p.n], BEYOND);
                drop(&p);
            }
}

Test(matmul, same_bits_from_any_number_of_threads)
{
    for (unsigned trans = 0; trans <= (SX_TRANS_A | SX_TRANS_B); trans++) {
        product_of_two p = make(trans, 200, 333, 700);
        const size_t bytes = (size_t)(p.m * p.n) * sizeof *p.y;
        float *first = malloc(bytes);
        for (int threads = 1; threads <= 4; threads++) {
            memset(p.y, 0, bytes);
            run(&p, ISA_AMX, threads, NULL);
            if (threads == 1) memcpy(first, p.y, bytes);
            cr_expect_arr_eq(first, p.y, bytes, "%d threads, trans %u", threads, trans);
        }
        free(first);
        drop(&p);
    }
}

typedef struct { float *y; long line; int *times; } collected;

static void collect(const void *ctx, long row, long rows, long column, long columns, const float *block,
                    long ld)
{
    const collected *c = ctx;
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++) {
            c->y[(row + i) * c->line + column + j] = block[i * ld + j];
            c->times[(row + i) * c->line + column + j]++;
        }
}

/* Every element of the result comes once, with the bits that it would be stored with. */
Test(matmul, blocks_go_elsewhere)
{
    const struct { long m, n, k; } all[] = { { 200, 333, 64 }, { 10, 512, 64 },
                                             { 300, 160, 700 }, { 97, 1300, 5 } };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        product_of_two p = make(SX_TRANS_A, all[i].m, all[i].n, all[i].k);
        const long size = p.m * p.n;
        cr_assert(!matmul_of(p.trans, p.m, p.n, p.k).turned);
        run(&p, ISA_AMX, 2, NULL);
        collected c = { calloc((size_t)size, sizeof(float)), p.n, calloc((size_t)size, sizeof(int)) };
        float *near[2] = { p.y, c.y };
        run(&p, ISA_AMX, 3, &(matmul_sink){ collect, &c, 2, near });
        cr_expect_arr_eq(c.y, p.y, (size_t)size * sizeof *p.y);
        for (long e = 0; e < size; e++) cr_assert_eq(c.times[e], 1);
        free(c.y), free(c.times);
        drop(&p);
    }
}

static void draws(const char *isa)
{
    setenv("STRIX_CPU_ISA", isa, 1);
    const sx_key key = { { 0xdecafbad, 17 } };
    const uint64_t from[] = { 0, 1, 2, 3, 5, 65536, (1ull << 34) - 41, (1ull << 34) - 300, (1ull << 40) + 2 };
    float y[401];
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        for (long n = 0; n <= 400; n += 1 + n / 9) {
            y[n] = BEYOND;
            uniform_numbers(key, 3, from[i], n, y);
            for (long e = 0; e < n; e++)
                cr_assert_eq(y[e], sx_uniform_at(key, 3, from[i] + (uint64_t)e), "%ld of %ld", e, n);
            cr_assert_eq(y[n], BEYOND);
        }
}

Test(random, one_by_one) { draws("plain"); }
Test(random, blocks_of_avx2) { draws("avx2"); }
Test(random, blocks_of_avx512) { draws("avx512"); }
