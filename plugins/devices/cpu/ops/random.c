/* random.c: numbers by counter, exactly those of core/base/rng.h: a chunk draws its elements alone, whoever
 * runs it. Uniform ones are drawn many blocks of four at a time, a block in each 64-bit lane. */
#include <string.h>
#include "cpu.h"
#if defined __x86_64__ && defined __GNUC__
#include <immintrin.h>

/* Philox of the blocks from `first` on, none of which overflows the low word of its counter. A multiplication
 * reads the lower half of a lane, so the upper one may hold anything. Lanes hold blocks in the order in which
 * unpacking restores. */
#define DEFINE_BLOCKS(ISA, TARGET, LANES, WIDE, MM, ...) \
    typedef uint64_t lanes_##ISA __attribute__((vector_size(8 * LANES))); \
    typedef int32_t words_##ISA __attribute__((vector_size(8 * LANES))); \
    typedef float floats_##ISA __attribute__((vector_size(8 * LANES))); \
    __attribute__((target(TARGET))) static inline lanes_##ISA times_##ISA(lanes_##ISA x, uint32_t m) \
    { \
        return (lanes_##ISA)MM##_mul_epu32((WIDE)x, (WIDE)((lanes_##ISA){ 0 } + m)); \
    } \
    __attribute__((target(TARGET))) static inline void store_##ISA(WIDE words, float *out) \
    { \
        const words_##ISA upper = (words_##ISA)MM##_srli_epi32(words, 8); \
        const floats_##ISA y = __builtin_convertvector(upper, floats_##ISA) * 0x1p-24f; \
        memcpy(out, &y, sizeof y); \
    } \
    __attribute__((target(TARGET))) static void blocks_##ISA(sx_key key, uint32_t step, uint64_t first, \
                                                             long n, float *out) \
    { \
        for (long at = 0; at < n; at += LANES, out += 4 * LANES) { \
            lanes_##ISA c0 = (lanes_##ISA){ __VA_ARGS__ } + (first & UINT32_MAX) + (uint64_t)at, \
                        c1 = (lanes_##ISA){ 0 } + (first >> 32), c2 = (lanes_##ISA){ 0 } + step, c3 = { 0 }; \
            uint32_t k0 = key.v[0], k1 = key.v[1]; \
            for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) { \
                const lanes_##ISA p0 = times_##ISA(c0, 0xD2511F53u), p1 = times_##ISA(c2, 0xCD9E8D57u); \
                c0 = p1 >> 32 ^ c1 ^ k0, c1 = p1; \
                c2 = p0 >> 32 ^ c3 ^ k1, c3 = p0; \
            } \
            const WIDE front = (WIDE)((c0 & UINT32_MAX) | c1 << 32), \
                        back = (WIDE)((c2 & UINT32_MAX) | c3 << 32); \
            store_##ISA(MM##_unpacklo_epi64(front, back), out); \
            store_##ISA(MM##_unpackhi_epi64(front, back), out + 2 * LANES); \
        } \
    }
DEFINE_BLOCKS(avx512, "avx512f", 8, __m512i, _mm512, 0, 4, 1, 5, 2, 6, 3, 7)
DEFINE_BLOCKS(avx2, "avx2", 4, __m256i, _mm256, 0, 2, 1, 3)
enum { MOST_LANES = 8 };

static void blocks(sx_key key, uint32_t step, uint64_t first, long n, float *out)
{
    if (isa_most() >= ISA_AVX512) blocks_avx512(key, step, first, n, out);
    else if (isa_most() == ISA_AVX2) blocks_avx2(key, step, first, n, out);
    else sx_uniform_fill(key, step, 4 * first, 4 * n, out);
}
#else
enum { MOST_LANES = 1 };
static void blocks(sx_key key, uint32_t step, uint64_t first, long n, float *out)
{
    sx_uniform_fill(key, step, 4 * first, 4 * n, out);
}
#endif

/* What makes no whole vector is drawn one by one. */
void uniform_numbers(sx_key key, uint32_t step, uint64_t from, long n, float *out)
{
    const long head = n < (long)(-from % 4) ? n : (long)(-from % 4);
    const uint64_t first = (from + 3) / 4;
    const long whole = (n - head) / 4 / MOST_LANES * MOST_LANES;
    const bool overflows = (first & UINT32_MAX) + (uint64_t)whole > UINT32_MAX;
    const long body = overflows ? 0 : whole;
    sx_uniform_fill(key, step, from, head, out);
    if (body) blocks(key, step, first, body, out + head);
    sx_uniform_fill(key, step, from + (uint64_t)(head + 4 * body), n - head - 4 * body,
                    out + head + 4 * body);
}

SX_FAST static void bernoulli(long n, float a, float *y)
{
    for (long i = 0; i < n; i++) y[i] = y[i] < a ? 1.0f : 0.0f;
}
SX_FAST static void uniform(long n, float a, float b, float *y)
{
    for (long i = 0; i < n; i++) y[i] = a + y[i] * (b - a);
}
SX_FAST static void normal(long n, float a, float b, float *y)
{
    for (long i = 0; i < n; i++) y[i] = a + b * y[i];
}

static void random_rows(const task *t, const lane *l, long from, long n)
{
    const sx_draw *d = t->op->attr;
    const sx_key key = { { d->key[0], d->key[1] } };
    const uint32_t step = (uint32_t)*(const int32_t *)whole_at(&t->in[0], l->run);
    const long size = row_size(&t->out), total = n * size;
    const float a = (float)d->a, b = (float)d->b;
    float *y = out_at(t, l, from), spare[2];
    const uint64_t first = (uint64_t)(from * size);
    if (d->law != SX_NORMAL) uniform_numbers(key, step, first, total, y);
    else {                                       /* normal numbers come in pairs from even elements on */
        const long odd = first & 1;
        if (odd) sx_normal_fill(key, step, first - 1, 2, spare), y[0] = spare[1];
        if (total > odd) sx_normal_fill(key, step, first + (uint64_t)odd, total - odd, y + odd);
    }
    if (d->law == SX_BERNOULLI) bernoulli(total, a, y);
    else if (d->law == SX_UNIFORM) uniform(total, a, b, y);
    else normal(total, a, b, y);
}
const kernel k_random = { .rows = random_rows };
