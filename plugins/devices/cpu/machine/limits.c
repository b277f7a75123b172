/* limits.c: what the processor can do at most on the threads of a queue: multiply-adds out of registers,
 * bytes read from memory that no cache holds. */
#include <string.h>
#include <time.h>
#include "cpu.h"

/* 12 sums hide the latency of two multiply-adds a cycle; they stay below 2, so that none is slow. */
enum { SUMS = 12, ROUNDS = 200000, READ = 1 << 20, MEMORY = 1 << 28, TIMES = 3 };
#define LOOP(ISA, ATTRIBUTE, BYTES) \
    ATTRIBUTE static float sums_##ISA(void) \
    { \
        typedef float lanes __attribute__((vector_size(BYTES))); \
        lanes s[SUMS] = { { 0 } }, half = { 0 }, one = { 0 }; \
        half += 0.5f, one += 0.75f; \
        for (int j = 0; j < SUMS; j++) s[j] += (float)j; \
        for (int i = 0; i < ROUNDS; i++) \
            for (int j = 0; j < SUMS; j++) s[j] = s[j] * half + one; \
        for (int j = 1; j < SUMS; j++) s[0] += s[j]; \
        return s[0][0]; \
    } \
    enum { FLOP_##ISA = 2 * (BYTES) / 4 * SUMS }
LOOP(plain, , 16);
#if defined __x86_64__ && defined __GNUC__
LOOP(avx2, __attribute__((target("avx2,fma"))), 32);
LOOP(avx512, __attribute__((target("avx512f"))), 64);
#else
#define sums_avx2 sums_plain
#define sums_avx512 sums_plain
enum { FLOP_avx2 = FLOP_plain, FLOP_avx512 = FLOP_plain };
#endif

static volatile float sink;                      /* what is not used would not be computed */
static void compute(const void *ctx, long i, int thread)
{
    (void)ctx, (void)i, (void)thread;
    const cpu_isa isa = isa_most();
    sink = isa >= ISA_AVX512 ? sums_avx512() : isa >= ISA_AVX2 ? sums_avx2() : sums_plain();
}

SX_FAST static void add_lines(long n, const float *restrict x, float *restrict s)
{
    for (long i = 0; i < n; i += LINE)
        for (int j = 0; j < LINE; j++) s[j] += x[i + j];
}

static void read_part(const void *memory, long i, int thread)
{
    (void)thread;
    float s[LINE] = { 0 };
    add_lines(READ / (long)sizeof(float), (const float *)memory + i * (READ / (long)sizeof(float)), s);
    sink = s[0];
}

static void write_part(const void *memory, long i, int thread)
{
    (void)thread;
    memset(*(char *const *)memory + i * READ, 1, READ);
}

static double best_of(pool *p, long n, void (*fn)(const void *, long, int), const void *ctx)
{
    double best = 1e9;
    for (int i = 0; i < TIMES; i++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        pool_for(p, n, fn, ctx);
        clock_gettime(CLOCK_MONOTONIC, &b);
        const double t = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
        if (t < best) best = t;
    }
    return best;
}

int cpu_limits(pool *p, double *flops, double *bytes_per_s)
{
    const cpu_isa isa = isa_most();
    const double flop = isa >= ISA_AVX512 ? FLOP_avx512 : isa >= ISA_AVX2 ? FLOP_avx2 : FLOP_plain;
    const long n = 4L * pool_threads(p);
    void *memory = cpu_map(MEMORY);
    if (!memory) return SX_E_MEMORY;
    *flops = (double)n * ROUNDS * flop / best_of(p, n, compute, NULL);
    pool_for(p, MEMORY / READ, write_part, &memory); /* pages that nobody wrote are all the same zeros */
    *bytes_per_s = MEMORY / best_of(p, MEMORY / READ, read_part, memory);
    cpu_unmap(memory, MEMORY);
    return 0;
}
