/* winograd_isa.c: the kernels of Winograd's convolutions for each set of instructions: products of what the
 * transforms (winograd_tiles.h) give, with as many sums in registers as there are. */
#include <string.h>
#include "winograd.h"
#if defined __x86_64__ && defined __GNUC__
#include <immintrin.h>
#define HAVE_AVX 1
#endif
#define CAT_(a, b) a##_##b
#define CAT(a, b) CAT_(a, b)
#define NAME(name) CAT(name, ISA)
#define PIXEL(p, n) ((n) == W ? LOAD(p) : LOADN(p, n))
#define INLINE static inline __attribute__((always_inline)) TARGET

#define ISA plain
#define TARGET
#define ROWS 8
#define W 1
#define vec float
#define LOAD(p) (*(p))
#define LOADN(p, n) ((void)(n), *(p))
#define STORE(p, v) (*(p) = (v))
#define STOREN(p, v, n) ((void)(n), *(p) = (v))
#define SET(x) (x)
#define FMA __builtin_fmaf
#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
static void mul_plain(long rows, const point_factors *f)
{
    for (long i = 0; i < rows; i++) {
        float s[NR] = { 0 };
        for (long k = 0; k < f->c; k++)
            for (int j = 0; j < NR; j++) s[j] += f->v[i * f->ldv + k] * f->u[k * NR + j];
        memcpy(f->m + i * NR, s, sizeof s);
    }
}
static void sum_plain(const terms *t)
{
    for (long i = 0; i < t->c; i++) {
        float s[NR] = { 0 };
        if (!t->first) memcpy(s, t->s + i * NR, sizeof s);
        for (long k = 0; k < t->tiles; k++)
            for (int j = 0; j < NR; j++) s[j] += t->x[k * t->ldx + i] * t->y[k * t->ldy + j];
        memcpy(t->s + i * NR, s, sizeof s);
    }
}
#include "winograd_tiles.h"

#ifdef HAVE_AVX
#define ISA avx2
#define TARGET __attribute__((target("avx2,fma")))
#define ROWS 6
#define W 8
#define vec __m256
#define LOAD(p) _mm256_loadu_ps(p)
#define LOADN(p, n) _mm256_maskload_ps(p, mask_avx2(n))
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define STOREN(p, v, n) _mm256_maskstore_ps(p, mask_avx2(n), v)
#define SET(x) _mm256_set1_ps(x)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define ADD(a, b) _mm256_add_ps(a, b)
#define SUB(a, b) _mm256_sub_ps(a, b)
#define MUL(a, b) _mm256_mul_ps(a, b)
#define MAX(a, b) _mm256_max_ps(a, b)
INLINE __m256i mask_avx2(long n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* Up to 6 x 16 at a time: 12 sums, 2 vectors of filters, 1 of a pixel. */
INLINE void mul_part(const int rows, const point_factors f)
{
    vec a[6], b[6];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) a[i] = b[i] = SET(0);
    for (long k = 0; k < f.c; k++) {
        const vec x = LOAD(f.u + k * NR), y = LOAD(f.u + k * NR + W);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            const vec s = _mm256_broadcast_ss(f.v + i * f.ldv + k);
            a[i] = FMA(s, x, a[i]);
            b[i] = FMA(s, y, b[i]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        STORE(f.m + i * NR, a[i]);
        STORE(f.m + i * NR + W, b[i]);
    }
}

TARGET static void mul_avx2(long rows, const point_factors *f)
{
    for (int j = 0; j < (f->half ? NR / 2 : NR); j += 2 * W) {
        const point_factors part = { f->c, f->ldv, f->v, f->u + j, f->m + j, false };
        if (rows > 4) mul_part(6, part);
        else if (rows > 2) mul_part(4, part);
        else mul_part(2, part);
    }
}

/* Up to 6 x 16 of the sums. */
INLINE void sum_part(const int rows, const terms *t, long c, long k)
{
    vec a[6], b[6];
    float *s = t->s + c * NR + k;
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        a[i] = t->first ? SET(0) : LOAD(s + i * NR);
        b[i] = t->first ? SET(0) : LOAD(s + i * NR + W);
    }
    const float *x = t->x + c, *y = t->y + k;
    for (long n = 0; n < t->tiles; n++, x += t->ldx, y += t->ldy) {
        const vec p = LOAD(y), q = LOAD(y + W);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            const vec f = _mm256_broadcast_ss(x + i);
            a[i] = FMA(f, p, a[i]);
            b[i] = FMA(f, q, b[i]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++) {
        STORE(s + i * NR, a[i]);
        STORE(s + i * NR + W, b[i]);
    }
}

/* Channels by sixes, and fours at the end; never two, whose sums would wait for each other. */
TARGET static void sum_avx2(const terms *t)
{
    const long filters = t->half ? NR / 2 : NR;
    for (long c = 0; c < t->c && t->half && t->first; c++)
        memset(t->s + c * NR + filters, 0, (size_t)(NR - filters) * sizeof(float));
    for (long c = 0, rows; c < t->c; c += rows) {
        rows = t->c - c == 4 || t->c - c == 8 ? 4 : 6;
        for (long k = 0; k < filters; k += 2 * W)
            if (rows == 6) sum_part(6, t, c, k);
            else sum_part(4, t, c, k);
    }
}
#include "winograd_tiles.h"

#define ISA avx512
#define TARGET __attribute__((target("avx512f")))
#define ROWS 8
#define W 16
#define vec __m512
#define LOAD(p) _mm512_loadu_ps(p)
#define LOADN(p, n) _mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1), p)
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define STOREN(p, v, n) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (n)) - 1), v)
#define SET(x) _mm512_set1_ps(x)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define ADD(a, b) _mm512_add_ps(a, b)
#define SUB(a, b) _mm512_sub_ps(a, b)
#define MUL(a, b) _mm512_mul_ps(a, b)
#define MAX(a, b) _mm512_max_ps(a, b)
INLINE void mul_rows(const int rows, const bool half, const point_factors f)
{
    vec a[MR], b[MR];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) a[i] = b[i] = SET(0);
    for (long k = 0; k < f.c; k++) {
        const vec x = LOAD(f.u + k * NR), y = half ? x : LOAD(f.u + k * NR + W);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            const vec s = SET(f.v[i * f.ldv + k]);
            a[i] = FMA(s, x, a[i]);
            if (!half) b[i] = FMA(s, y, b[i]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
        STORE(f.m + i * NR, a[i]);
        if (!half) STORE(f.m + i * NR + W, b[i]);
    }
}

TARGET static void mul_avx512(long rows, const point_factors *f)
{
    if (f->half && rows > 4) mul_rows(8, true, *f);
    else if (f->half) mul_rows(4, true, *f);
    else if (rows > 6) mul_rows(8, false, *f);
    else if (rows > 4) mul_rows(6, false, *f);
    else if (rows > 2) mul_rows(4, false, *f);
    else mul_rows(2, false, *f);
}

INLINE void sum_rows(const bool half, const terms *t, long c)
{
    vec a[MR], b[MR];
    float *s = t->s + c * NR;
#pragma GCC unroll 8
    for (int i = 0; i < MR; i++) {
        a[i] = t->first ? SET(0) : LOAD(s + i * NR);
        b[i] = half || t->first ? SET(0) : LOAD(s + i * NR + W);
    }
    const float *x = t->x + c, *y = t->y;
    for (long n = 0; n < t->tiles; n++, x += t->ldx, y += t->ldy) {
        const vec p = LOAD(y), q = half ? p : LOAD(y + W);
#pragma GCC unroll 8
        for (int i = 0; i < MR; i++) {
            const vec f = SET(x[i]);
            a[i] = FMA(f, p, a[i]);
            if (!half) b[i] = FMA(f, q, b[i]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < MR; i++) {
        STORE(s + i * NR, a[i]);
        STORE(s + i * NR + W, b[i]);
    }
}

TARGET static void sum_avx512(const terms *t)
{
    for (long c = 0; c < t->c; c += MR)
        if (t->half) sum_rows(true, t, c);
        else sum_rows(false, t, c);
}
#include "winograd_tiles.h"
#endif

const wino_kernels *wino_kernels_of(cpu_isa most)
{
    const cpu_isa isa = most < isa_here() ? most : isa_here();
#ifdef HAVE_AVX
    if (isa >= ISA_AVX512) return &wino_avx512;
    if (isa >= ISA_AVX2) return &wino_avx2;
#endif
    (void)isa;
    return &wino_plain;
}
