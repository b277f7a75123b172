/* product.c: the inner loop of all matrix products, for each set of instructions: a few lines of the result,
 * as many as registers hold, stay in them while the sum goes on. */
#include <string.h>
#include "cpu.h"
#if defined __x86_64__ && defined __GNUC__
#include <immintrin.h>
#define HAVE_AVX 1
#endif
#define INLINE static inline __attribute__((always_inline))

static void product_plain(int rows, const factors *f)
{
    for (int i = 0; i < rows; i++) {
        float s[PRODUCT_WIDTH] = { 0 };
        if (f->add) memcpy(s, f->c + i * f->ldc, sizeof s);
        for (long k = 0; k < f->k; k++)
            for (int j = 0; j < PRODUCT_WIDTH; j++)
                s[j] += f->a[i * f->lda + k] * f->b[k * PRODUCT_WIDTH + j];
        memcpy(f->c + i * f->ldc, s, sizeof s);
    }
}

/* y[j, i] = x[i, j]; what they are is not asked */
static void turn_plain(long m, long n, const void *from, long ldx, void *to, long ldy)
{
    enum { BYTES = 4 };
    const char *x = from;
    char *y = to;
    for (long i = 0; i < m; i++)
        for (long j = 0; j < n; j++) memcpy(y + (j * ldy + i) * BYTES, x + (i * ldx + j) * BYTES, BYTES);
}

#ifdef HAVE_AVX
#define AVX512 __attribute__((target("avx512f")))
#define AVX2 __attribute__((target("avx2,fma")))

INLINE AVX512 void step_avx512(const int rows, const factors *f, long k, __m512 *p, __m512 *q)
{
    const __m512 x = _mm512_loadu_ps(f->b + k * PRODUCT_WIDTH),
                 y = _mm512_loadu_ps(f->b + k * PRODUCT_WIDTH + 16);
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        const __m512 s = _mm512_set1_ps(f->a[i * f->lda + k]);
        p[i] = _mm512_fmadd_ps(s, x, p[i]);
        q[i] = _mm512_fmadd_ps(s, y, q[i]);
    }
}

INLINE AVX512 void rows_avx512(const int rows, const factors f)
{
    __m512 p[PRODUCT_ROWS], q[PRODUCT_ROWS];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        p[i] = f.add ? _mm512_loadu_ps(f.c + i * f.ldc) : _mm512_setzero_ps();
        q[i] = f.add ? _mm512_loadu_ps(f.c + i * f.ldc + 16) : _mm512_setzero_ps();
    }
    long k = 0;
    for (; k < f.soons; k++) {
        __builtin_prefetch(f.soon[k], 0, 2);
        step_avx512(rows, &f, k, p, q);
    }
    for (; k < f.k; k++) step_avx512(rows, &f, k, p, q);
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        _mm512_storeu_ps(f.c + i * f.ldc, p[i]);
        _mm512_storeu_ps(f.c + i * f.ldc + 16, q[i]);
    }
}

#define CASES(ISA) \
    case 1: rows_##ISA(1, *f); break; \
    case 2: rows_##ISA(2, *f); break; \
    case 3: rows_##ISA(3, *f); break; \
    case 4: rows_##ISA(4, *f); break; \
    case 5: rows_##ISA(5, *f); break; \
    case 6: rows_##ISA(6, *f); break;

AVX512 static void product_avx512(int rows, const factors *f)
{
    switch (rows) {
    CASES(avx512)
    case 7: rows_avx512(7, *f); break;
    case 8: rows_avx512(8, *f); break;
    case 9: rows_avx512(9, *f); break;
    case 10: rows_avx512(10, *f); break;
    case 11: rows_avx512(11, *f); break;
    case 12: rows_avx512(12, *f); break;
    }
}

INLINE AVX2 void step_avx2(const int rows, const factors *f, long k, __m256 *p, __m256 *q)
{
    const __m256 x = _mm256_loadu_ps(f->b + k * PRODUCT_WIDTH),
                 y = _mm256_loadu_ps(f->b + k * PRODUCT_WIDTH + 8);
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        const __m256 s = _mm256_broadcast_ss(f->a + i * f->lda + k);
        p[i] = _mm256_fmadd_ps(s, x, p[i]);
        q[i] = _mm256_fmadd_ps(s, y, q[i]);
    }
}

/* 16 columns, and half of the rows: as much as 16 registers hold */
INLINE AVX2 void rows_avx2(const int rows, const factors f)
{
    __m256 p[PRODUCT_ROWS / 2], q[PRODUCT_ROWS / 2];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        p[i] = f.add ? _mm256_loadu_ps(f.c + i * f.ldc) : _mm256_setzero_ps();
        q[i] = f.add ? _mm256_loadu_ps(f.c + i * f.ldc + 8) : _mm256_setzero_ps();
    }
    long k = 0;
    for (; k < f.soons; k++) {
        __builtin_prefetch(f.soon[k], 0, 2);
        step_avx2(rows, &f, k, p, q);
    }
    for (; k < f.k; k++) step_avx2(rows, &f, k, p, q);
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        _mm256_storeu_ps(f.c + i * f.ldc, p[i]);
        _mm256_storeu_ps(f.c + i * f.ldc + 8, q[i]);
    }
}

AVX2 static void half_avx2(int rows, const factors *f)
{
    switch (rows) { CASES(avx2) }
}

static void product_avx2(int rows, const factors *f)
{
    const int half = rows > PRODUCT_ROWS / 2 ? (rows + 1) / 2 : rows;
    for (int i = 0; i < rows; i += half)
        for (int j = 0; j < PRODUCT_WIDTH; j += 16) {
            factors part = *f;
            part.a += i * f->lda, part.b += j, part.c += i * f->ldc + j;
            if (i + j) part.soons = 0;
            half_avx2(rows - i < half ? rows - i : half, &part);
        }
}

INLINE AVX2 void turn_8x8(const float *x, long ldx, float *y, long ldy)
{
    __m256 r[8], s[8];
#pragma GCC unroll 8
    for (int i = 0; i < 4; i++) {                /* lines i and i + 4 share a register from here on */
        const __m256 u = _mm256_loadu_ps(x + i * ldx), v = _mm256_loadu_ps(x + (i + 4) * ldx);
        r[i] = _mm256_permute2f128_ps(u, v, 0x20);
        r[i + 4] = _mm256_permute2f128_ps(u, v, 0x31);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
        s[i + 2] = _mm256_unpacklo_ps(r[i + 2], r[i + 3]);
        s[i + 3] = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
        _mm256_storeu_ps(y + i * ldy, _mm256_shuffle_ps(s[i], s[i + 2], 0x44));
        _mm256_storeu_ps(y + (i + 1) * ldy, _mm256_shuffle_ps(s[i], s[i + 2], 0xee));
        _mm256_storeu_ps(y + (i + 2) * ldy, _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44));
        _mm256_storeu_ps(y + (i + 3) * ldy, _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee));
    }
}

AVX2 static void turn_avx2(long m, long n, const void *from, long ldx, void *to, long ldy)
{
    const float *x = from;
    float *y = to;
    const long whole_m = m & ~7L, whole_n = n & ~7L;
    for (long j = 0; j < whole_n; j += 8)
        for (long i = 0; i < whole_m; i += 8) turn_8x8(x + i * ldx + j, ldx, y + j * ldy + i, ldy);
    turn_plain(whole_m, n - whole_n, x + whole_n, ldx, y + whole_n * ldy, ldy);
    turn_plain(m - whole_m, n, x + whole_m * ldx, ldx, y + whole_m, ldy);
}
#else
#define product_avx512 product_plain
#define product_avx2 product_plain
#define turn_avx2 turn_plain
#endif

product *product_of(cpu_isa most)
{
    const cpu_isa here = isa_here(), use = here < most ? here : most;
    return use >= ISA_AVX512 ? product_avx512 : use == ISA_AVX2 ? product_avx2 : product_plain;
}

transposing *turn_of(cpu_isa most)
{
    return (isa_here() < most ? isa_here() : most) >= ISA_AVX2 ? turn_avx2 : turn_plain;
}
