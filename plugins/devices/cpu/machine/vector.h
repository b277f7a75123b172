/* vector.h: vectors of floats under the same names for every set of instructions, so that a kernel is written
 * once. Included anew for each set: LEVEL 0 plain, 1 AVX2, 2 AVX-512. No guard. */
#undef TARGET
#undef W
#undef vec
#undef LOAD
#undef LOADN
#undef STORE
#undef STOREN
#undef SPLAT
#undef FMA
#undef MAX
#ifndef NAME
#define NAME_3(name, level) name##_##level
#define NAME_2(name, level) NAME_3(name, level)
#define NAME(name) NAME_2(name, LEVEL)
#define INLINE static inline __attribute__((always_inline)) TARGET
#endif

#if LEVEL == 2
#define TARGET __attribute__((target("avx512f")))
#define W 16                                     /* floats of a vector */
#define vec __m512
#define LOAD(p) _mm512_loadu_ps(p)
#define LOADN(p, n) _mm512_maskz_loadu_ps((__mmask16)((1u << (n)) - 1), p)            /* 0 < n < W of them */
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define STOREN(p, v, n) _mm512_mask_storeu_ps(p, (__mmask16)((1u << (n)) - 1), v)
#define SPLAT(x) _mm512_set1_ps(x)
#define FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#define MAX(a, b) _mm512_max_ps(a, b)            /* b, where either is not a number */
#elif LEVEL == 1
#define TARGET __attribute__((target("avx2,fma")))
#define W 8
#define vec __m256
#define LOAD(p) _mm256_loadu_ps(p)
#define LOADN(p, n) _mm256_maskload_ps(p, NAME(first)(n))
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define STOREN(p, v, n) _mm256_maskstore_ps(p, NAME(first)(n), v)
#define SPLAT(x) _mm256_set1_ps(x)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define MAX(a, b) _mm256_max_ps(a, b)
INLINE __m256i NAME(first)(long n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#else
#define TARGET
#define W 4
#define vec vec4
#define LOAD(p) NAME(load)(p, W)
#define LOADN(p, n) NAME(load)(p, n)
#define STORE(p, v) NAME(store)(p, v, W)
#define STOREN(p, v, n) NAME(store)(p, v, n)
#define SPLAT(x) ((vec4){ x, x, x, x })
#define FMA(a, b, c) ((c) + (a) * (b))
#define MAX(a, b) NAME(larger)(a, b)
typedef float vec4 __attribute__((vector_size(16)));
typedef int bits4 __attribute__((vector_size(16)));
INLINE vec4 NAME(load)(const float *p, long n)
{
    vec4 v = { 0 };
    memcpy(&v, p, (size_t)n * sizeof *p);
    return v;
}
INLINE vec4 NAME(larger)(vec4 a, vec4 b)
{
    const bits4 first = a > b;
    return (vec4)((first & (bits4)a) | (~first & (bits4)b));
}
INLINE void NAME(store)(float *p, vec4 v, long n) { memcpy(p, &v, (size_t)n * sizeof *p); }
#endif
