/* winograd.c: 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3): a quarter of the products of the direct
 * way. Lavin & Gray 2016, "Fast algorithms for convolutional neural networks", sec. 4.3. */
#include <string.h>
#include "cpu.h"
#if defined __x86_64__ && defined __GNUC__
#include <immintrin.h>
#define HAVE_AVX 1
#endif

enum { SIDE = 4, EDGE = SIDE + 2, POINTS = EDGE * EDGE }; /* of a tile: result, input, their products */
/* Tiles and filters of one product, tiles of a block, channels transformed at once, and what parts lines that
 * would else share a cache set. */
enum { MR = 12, HALF = MR / 2, NR = 32, BLOCK = 2 * MR, PART = 64, SKEW = 16 };

/* --- transforms: the same six numbers of n channels --- */
#define INLINE static inline __attribute__((always_inline))
/* The points are 0, P, -P, Q, -Q and infinity: with these the error is less than half of that with the usual
 * 1 and 2 (a search over sixteenths), and all constants of the transforms of pixels are exact. */
#define P 0.625f
#define Q 1.5f
#define P2 (P * P)
#define Q2 (Q * Q)
/* Rounded once, whatever a compiler would make of it: the error stays, and so do the bits. */
#define FMA __builtin_fmaf

/* o = B' d */
INLINE void to_points(long n, const float *restrict a, const float *restrict b, const float *restrict c,
                      const float *restrict d, const float *restrict e, const float *restrict f,
                      float *restrict o, long step)
{
    for (long i = 0; i < n; i++) {
        const float p = FMA(-Q2, c[i], e[i]), q = FMA(-Q2, b[i], d[i]), r = FMA(-P2, c[i], e[i]),
                    s = FMA(-P2, b[i], d[i]);
        o[i] = FMA(P2 * Q2, a[i], FMA(-(P2 + Q2), c[i], e[i]));
        o[i + step] = FMA(P, q, p);
        o[i + 2 * step] = FMA(-P, q, p);
        o[i + 3 * step] = FMA(Q, s, r);
        o[i + 4 * step] = FMA(-Q, s, r);
        o[i + 5 * step] = FMA(P2 * Q2, b[i], FMA(-(P2 + Q2), d[i], f[i]));
    }
}

/* o = A' m, each of the four results to a place of its own */
INLINE void from_points(long n, const float *restrict m, long step, float *restrict o0, float *restrict o1,
                        float *restrict o2, float *restrict o3)
{
    for (long i = 0; i < n; i++) {
        const float b = m[i + step] + m[i + 2 * step], c = m[i + step] - m[i + 2 * step],
                    d = m[i + 3 * step] + m[i + 4 * step], e = m[i + 3 * step] - m[i + 4 * step];
        o0[i] = m[i] + b + d;
        o1[i] = FMA(P, c, Q * e);
        o2[i] = FMA(P2, b, Q2 * d);
        o3[i] = FMA(P * P2, c, FMA(Q * Q2, e, m[i + 5 * step]));
    }
}

/* px: the 36 pixels of a tile; v: the tile's line at point 0, points are `step` apart. */
INLINE void tile_in(long c, const float *const *px, float *v, long step)
{
    float t[POINTS * PART];
    for (long at = 0; at < c; at += PART) {
        const long n = c - at < PART ? c - at : PART;
        for (int j = 0; j < EDGE; j++)
            to_points(n, px[j] + at, px[6 + j] + at, px[12 + j] + at, px[18 + j] + at, px[24 + j] + at,
                      px[30 + j] + at, t + j * PART, EDGE * PART);
        for (int i = 0; i < EDGE; i++) {
            const float *r = t + i * EDGE * PART;
            to_points(n, r, r + PART, r + 2 * PART, r + 3 * PART, r + 4 * PART, r + 5 * PART,
                      v + i * EDGE * step + at, step);
        }
    }
}

/* py: where the 16 pixels of the result go. */
INLINE void tile_out(long k, const float *m, long step, float *const *py)
{
    float t[SIDE * EDGE * PART];
    for (long at = 0; at < k; at += PART) {
        const long n = k - at < PART ? k - at : PART;
        for (int j = 0; j < EDGE; j++) {
            float *o = t + j * PART;
            from_points(n, m + j * step + at, EDGE * step, o, o + EDGE * PART, o + 2 * EDGE * PART,
                        o + 3 * EDGE * PART);
        }
        for (int i = 0; i < SIDE; i++)
            from_points(n, t + i * EDGE * PART, PART, py[4 * i] + at, py[4 * i + 1] + at, py[4 * i + 2] + at,
                        py[4 * i + 3] + at);
    }
}

/* --- products: m[rows, NR] = v[rows, c] u[c, NR]; rows: MR, or HALF where no more are left --- */
typedef struct { long c, ldv, ldm; const float *v, *u; float *m; } factors;      /* ld: from line to line */
typedef void product(int rows, const factors *f);

static void product_plain(int rows, const factors *f)
{
    for (int i = 0; i < rows; i++) {
        float s[NR] = { 0 };
        for (long k = 0; k < f->c; k++)
            for (int j = 0; j < NR; j++) s[j] += f->v[i * f->ldv + k] * f->u[k * NR + j];
        memcpy(f->m + i * f->ldm, s, sizeof s);
    }
}

#ifdef HAVE_AVX
#define AVX512 __attribute__((target("avx512f")))
#define AVX2 __attribute__((target("avx2,fma")))

INLINE AVX512 void rows_avx512(const int rows, const factors f)
{
    __m512 a[MR], b[MR];
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) a[i] = b[i] = _mm512_setzero_ps();
    for (long k = 0; k < f.c; k++) {
        const __m512 x = _mm512_loadu_ps(f.u + k * NR), y = _mm512_loadu_ps(f.u + k * NR + 16);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            const __m512 s = _mm512_set1_ps(f.v[i * f.ldv + k]);
            a[i] = _mm512_fmadd_ps(s, x, a[i]);
            b[i] = _mm512_fmadd_ps(s, y, b[i]);
        }
    }
#pragma GCC unroll 12
    for (int i = 0; i < rows; i++) {
        _mm512_storeu_ps(f.m + i * f.ldm, a[i]);
        _mm512_storeu_ps(f.m + i * f.ldm + 16, b[i]);
    }
}

AVX512 static void product_avx512(int rows, const factors *f)
{
    if (rows == MR) rows_avx512(MR, *f);
    else rows_avx512(HALF, *f);
}

/* 6 x 16: as much as 16 registers hold */
INLINE AVX2 void part_avx2(const factors f)
{
    __m256 a[HALF], b[HALF];
#pragma GCC unroll 6
    for (int i = 0; i < HALF; i++) a[i] = b[i] = _mm256_setzero_ps();
    for (long k = 0; k < f.c; k++) {
        const __m256 x = _mm256_loadu_ps(f.u + k * NR), y = _mm256_loadu_ps(f.u + k * NR + 8);
#pragma GCC unroll 6
        for (int i = 0; i < HALF; i++) {
            const __m256 s = _mm256_broadcast_ss(f.v + i * f.ldv + k);
            a[i] = _mm256_fmadd_ps(s, x, a[i]);
            b[i] = _mm256_fmadd_ps(s, y, b[i]);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < HALF; i++) {
        _mm256_storeu_ps(f.m + i * f.ldm, a[i]);
        _mm256_storeu_ps(f.m + i * f.ldm + 8, b[i]);
    }
}

AVX2 static void product_avx2(int rows, const factors *f)
{
    for (int i = 0; i < rows; i += HALF)
        for (int j = 0; j < NR; j += 16)
            part_avx2((factors){ f->c, f->ldv, f->ldm, f->v + i * f->ldv, f->u + j, f->m + i * f->ldm + j });
}
#endif

/* --- one set of kernels for each instruction set --- */
typedef struct {
    void (*in)(long c, const float *const *px, float *v, long step);
    product *mul;
    void (*out)(long k, const float *m, long step, float *const *py);
} kernels;
#define TILES(ISA, ATTRIBUTE) \
    ATTRIBUTE static void in_##ISA(long c, const float *const *px, float *v, long step) \
    { tile_in(c, px, v, step); } \
    ATTRIBUTE static void out_##ISA(long k, const float *m, long step, float *const *py) \
    { tile_out(k, m, step, py); } \
    static const kernels set_##ISA = { in_##ISA, product_##ISA, out_##ISA }
TILES(plain, );
#ifdef HAVE_AVX
TILES(avx2, AVX2);
TILES(avx512, AVX512);
#endif

static const kernels *kernels_of(wino_isa most)
{
#ifdef HAVE_AVX
    const bool fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (most >= WINO_AVX512 && __builtin_cpu_supports("avx512f")) return &set_avx512;
    if (most >= WINO_AVX2 && fma) return &set_avx2;
#endif
    (void)most;
    return &set_plain;
}

/* --- weights: u = G w G', as panels of NR filters, [POINTS][panel][c][NR] --- */
static long panels_of(const geometry *g) { return ceil_div(g->k, NR); }

/* o = G x, of three lines of x that are NR * step apart; in doubles, rounded once at the end */
INLINE void three_points(const double *restrict x, long step, double *restrict o)
{
    const double p2 = P2, q2 = Q2, zero = 1 / (p2 * q2), first = 0.5 / (p2 * (p2 - q2)),
                 second = 0.5 / (q2 * (q2 - p2));
    for (long i = 0; i < NR; i++) {
        const double a = x[i], b = x[i + NR * step], c = x[i + 2 * NR * step];
        o[i] = zero * a;
        o[i + NR] = first * (a + P * b + p2 * c);
        o[i + 2 * NR] = first * (a - P * b + p2 * c);
        o[i + 3 * NR] = second * (a + Q * b + q2 * c);
        o[i + 4 * NR] = second * (a - Q * b + q2 * c);
        o[i + 5 * NR] = c;
    }
}

/* w: [3, 3, NR] */
SX_FAST static void weight_points(const float *w, float *u, long step)
{
    double x[9 * NR], t[3 * EDGE * NR], o[EDGE * NR];
    for (long i = 0; i < 9 * NR; i++) x[i] = w[i];
    /* columns become lines */
    for (int j = 0; j < 3; j++) three_points(x + j * NR, 3, t + j * EDGE * NR);
    for (int i = 0; i < EDGE; i++) {
        three_points(t + i * NR, EDGE, o);
        for (int j = 0; j < EDGE; j++)
            for (int k = 0; k < NR; k++) u[(i * EDGE + j) * step + k] = (float)o[j * NR + k];
    }
}

typedef struct { const geometry *g; bool back; const float *w; float *u; } preparing;

/* Weights of n channels from c on, [c][3, 3][NR]; those of filters that are not there are zero. */
static void turn_weights(const preparing *p, long panel, long c, long n, float *w)
{
    const geometry *g = p->g;
    const long first = panel * NR, filters = g->k - first < NR ? g->k - first : NR;
    memset(w, 0, (size_t)(n * 9 * NR) * sizeof *w);
    for (long i = 0; i < 9 && p->back; i++)
        for (long l = 0; l < n; l++) {
            const float *from = p->w + ((c + l) * 9 + 8 - i) * g->k + first;
            memcpy(w + (l * 9 + i) * NR, from, (size_t)filters * sizeof *w);
        }
    for (long k = 0; k < filters && !p->back; k++)
        for (long i = 0; i < 9; i++) {
            const float *from = p->w + ((first + k) * 9 + i) * g->c + c;
            for (long l = 0; l < n; l++) w[(l * 9 + i) * NR + k] = from[l];
        }
}

static void prepare_panel(const void *ctx, long panel, int thread)
{
    (void)thread;
    enum { AT_ONCE = 16 };
    const preparing *p = ctx;
    const geometry *g = p->g;
    const long size = g->c * NR;
    float w[AT_ONCE * 9 * NR];
    for (long c = 0; c < g->c; c++) {
        const long left = g->c - c;
        if (c % AT_ONCE == 0) turn_weights(p, panel, c, left < AT_ONCE ? left : AT_ONCE, w);
        weight_points(w + c % AT_ONCE * 9 * NR, p->u + panel * size + c * NR, panels_of(g) * size);
    }
}

void wino_prepare(pool *p, const geometry *g, bool back, const float *w, float *u)
{
    pool_for(p, panels_of(g), prepare_panel, &(preparing){ g, back, w, u });
}

/* --- the whole --- */
wino_isa wino_most = WINO_AVX512;

geometry wino_back(const geometry *g)
{
    return (geometry){ .h = g->oh, .w = g->ow, .c = g->k, .oh = g->h, .ow = g->w, .k = g->c, .r = 3, .s = 3,
                       .pad = { 2 - g->pad[0], 2 - g->pad[1], 2 - g->pad[2], 2 - g->pad[3] },
                       .stride = { 1, 1 }, .dilation = { 1, 1 }, .groups = 1 };
}

bool wino_can(const geometry *g)
{
    bool can = g->r == 3 && g->s == 3 && g->groups == 1;
    for (int i = 0; i < 2; i++) can = can && g->stride[i] == 1 && g->dilation[i] == 1;
    for (int i = 0; i < 4; i++) can = can && g->pad[i] <= 2;
    return can;
}

/* Products against the direct way's: below `share` the transforms of pixels are worth their time, from PIXELS
 * on that of the weights, too. */
bool wino_pays(const geometry *g, long images, long chunk)
{
    enum { CHANNELS = 16, PIXELS = 1024 };
    const double share = 0.45;
    const long tiles = chunk * ceil_div(g->oh, SIDE) * ceil_div(g->ow, SIDE);
    const double direct = 9.0 * (double)(chunk * g->oh * g->ow) * (double)g->k;
    const double ours = (double)POINTS * (double)(ceil_div(tiles, HALF) * HALF) * (double)(panels_of(g) * NR);
    return kernels_of(wino_most) != &set_plain && g->c >= CHANNELS && images * g->oh * g->ow >= PIXELS
        && ours <= share * direct;
}

long wino_least(const geometry *g) { return ceil_div(BLOCK, ceil_div(g->oh, SIDE) * ceil_div(g->ow, SIDE)); }

static long line_v(const geometry *g) { return g->c + SKEW; }
static long line_m(const geometry *g) { return panels_of(g) * NR + SKEW; }
size_t wino_weights(const geometry *g)
{
    return (size_t)(POINTS * panels_of(g) * NR * g->c) * sizeof(float);
}
/* Lines of both sides of the products, one of zeros, one for pixels beyond the result. */
size_t wino_scratch(const geometry *g)
{
    return (size_t)(POINTS * BLOCK * (line_v(g) + line_m(g)) + g->c + g->k) * sizeof(float);
}

/* Lines of tiles, counted through all images, that lie before this line of the results. */
static long tile_lines(const geometry *g, long line)
{
    return line / g->oh * ceil_div(g->oh, SIDE) + line % g->oh / SIDE;
}

/* i, j: of its first result; line: that of its image's first, counted through all images */
typedef struct { const float *image; long i, j, line; } tile;

static tile tile_of(const geometry *g, long t, const float *x)
{
    const long across = ceil_div(g->ow, SIDE), each = ceil_div(g->oh, SIDE) * across, at = t % each;
    return (tile){ x + t / each * g->h * g->w * g->c, at / across * SIDE, at % across * SIDE,
                   t / each * g->oh };
}

static void load_tile(const kernels *k, const geometry *g, const tile *t, const float *zero, float *v)
{
    const float *px[POINTS];
    for (int i = 0; i < POINTS; i++) {
        const long r = t->i - g->pad[0] + i / EDGE, s = t->j - g->pad[1] + i % EDGE;
        px[i] = r < 0 || r >= g->h || s < 0 || s >= g->w ? zero : t->image + (r * g->w + s) * g->c;
    }
    k->in(g->c, px, v, BLOCK * line_v(g));
}

static void store_tile(const kernels *k, const geometry *g, const tile *t, const float *m, float *y, float *beyond)
{
    float *py[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) {
        const long r = t->i + i / SIDE, s = t->j + i % SIDE;
        py[i] = r >= g->oh || s >= g->ow ? beyond : y + ((t->line + r) * g->ow + s) * g->k;
    }
    k->out(g->k, m, BLOCK * line_m(g), py);
}

long wino_grain(const geometry *g) { return g->oh % SIDE ? g->oh : SIDE; }

void wino_run(const geometry *g, wino_isa most, long line, long lines, const float *x, const float *u,
              float *y, void *scratch)
{
    const kernels *const use = kernels_of(most);
    const long panels = panels_of(g), ldv = line_v(g), ldm = line_m(g), across = ceil_div(g->ow, SIDE),
               end = tile_lines(g, line + lines) * across;
    float *v = scratch, *m = v + POINTS * BLOCK * ldv, *zero = m + POINTS * BLOCK * ldm,
          *beyond = zero + g->c;
    memset(zero, 0, (size_t)g->c * sizeof *zero);
    for (long at = tile_lines(g, line) * across; at < end; at += BLOCK) {
        const long n = end - at < BLOCK ? end - at : BLOCK;
        for (long i = 0; i < n; i++) {
            const tile t = tile_of(g, at + i, x);
            load_tile(use, g, &t, zero, v + i * ldv);
        }
        for (long p = 0; p < POINTS * panels; p++)
            for (long i = 0; i < n; i += MR)
                use->mul(n - i > HALF ? MR : HALF,
                    &(factors){ g->c, ldv, ldm, v + (p / panels * BLOCK + i) * ldv, u + p * g->c * NR,
                                m + (p / panels * BLOCK + i) * ldm + p % panels * NR });
        for (long i = 0; i < n; i++) {
            tile t = tile_of(g, at + i, x);
            t.line -= line;
            store_tile(use, g, &t, m + i * ldm, y, beyond);
        }
    }
}
