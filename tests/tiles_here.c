/* tiles_here.c: the kernels of the best processors against those of all: matrix units (AMX) against their
 * twin in plain C, AVX-512 against plain C. Little work, so that it can be run by an emulator. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conv.h"
#define LEVEL 0
#define dot_tiles tried_dot_tiles /* clang gives clones of static functions names that programs share */
#include "tiles_unit.h"
#if defined __x86_64__ && defined __GNUC__
#include <immintrin.h>
#undef LEVEL
#define LEVEL 2
#undef TILE_DOT
static void dot_twins(void) { dot_tiles(&twin[0], &twin[1], &twin[2]); }
#include "tiles_unit.h"
#define UNIT 1
#endif

int dnnl_one_thread(void) { return 0; }          /* what pool.c asks of oneDNN */

static long told, failures;
static void tell(bool good, const char *what, const char *of)
{
    printf("%s %ld - %s, %s\n", good ? "ok" : "not ok", ++told, what, of);
    fflush(stdout);
    failures += !good;
}
static void leave_out(const char *what)
{
    printf("ok %ld - %s # SKIP this processor has %s at best\n", ++told, what, isa_name(isa_here()));
}

/* Sums in another order differ by rounding. */
static bool near(long n, const float *a, const float *b)
{
    double d = 0, r = 0;
    for (long i = 0; i < n; i++) d += pow((double)a[i] - (double)b[i], 2), r += pow((double)b[i], 2);
    return d <= 1e-11 * r;                       /* no number is not */
}

/* The unit against its twin: bits are what the definition promises, and rounding is what nets need. */
static void compare(long n, const float *unit, const float *twin_, const char *what, const char *of)
{
    tell(near(n, unit, twin_), what, of);
    if (memcmp(unit, twin_, (size_t)n * sizeof *unit)) printf("# not the same bits\n");
}

static unsigned seed = 1;
static unsigned draw(void) { return (seed = seed * 1664525u + 1013904223u) >> 8; }
static void *room(size_t bytes) { return aligned_alloc(LINE, round_up(bytes)); }
static float *numbers(long n)
{
    float *v = room((size_t)n * sizeof *v);
    for (long i = 0; i < n; i++) v[i] = (float)draw() / 0x1p23f - 1;
    return v;
}

/* --- tiles --- */
static geometry of(long h, long w, long c, long k, long r, long s, long pad)
{
    return (geometry){ h, w, c, h + 2 * pad - r + 1, w + 2 * pad - s + 1, k, r, s, { 1, 1 }, 
                       { pad, pad, pad, pad }, { 1, 1 }, 1 };
}

typedef struct { long y, dx, dw; float *v; } results;    /* y, dx, dw twice */
static void all_of(pool *p, const geometry *g, cpu_isa most, const float *x, const float *w, const float *dy,
                   const float *bias, const results *r)
{
    enum { IMAGES = 2 };
    const conv_gathering *way = conv_tiles.gathering;
    const geometry back = conv_tiles.turned(g);
    const conv_post post = { bias, true }, none = { NULL, false };
    void *u = room(conv_tiles.weights(g)), *ub = room(conv_tiles.weights(&back)),
         *sums = room(conv_tiles.sums(g)),
         *all = room(way->points(g, IMAGES));
    void *scratch[] = { room(conv_tiles.scratch(g)), room(conv_tiles.scratch(&back)),
                        room(conv_tiles.scratch_sums(g)),
                        room(way->scratch(g)) };
    conv_tiles.prepare(p, g, false, w, u);
    conv_tiles.prepare(p, &back, true, w, ub);
    conv_tiles.run(g, most, &post, 0, IMAGES * g->oh, x, u, r->v, scratch[0]);
    conv_tiles.run(&back, most, &none, 0, IMAGES * g->h, dy, ub, r->v + r->y, scratch[1]);
    conv_tiles.add(g, most, 0, IMAGES * g->oh, x, dy, true, sums, scratch[2]);
    conv_tiles.join(p, g, most, 1, 0, sums, r->v + r->y + r->dx);
    way->begin(g, IMAGES, all);
    way->rows(g, most, IMAGES, 0, IMAGES, x, dy, all, scratch[3]);
    way->end(p, g, most, IMAGES, all, sums, r->v + r->y + r->dx + r->dw);
    free(u), free(ub), free(sums), free(all);
    for (int i = 0; i < 4; i++) free(scratch[i]);
}

static void convolve(pool *p, geometry g)
{
    const long y = 2 * g.oh * g.ow * g.k, dx = 2 * g.h * g.w * g.c, dw = g.k * g.r * g.s * g.c,
               n = y + dx + 2 * dw;
    float *x = numbers(dx), *w = numbers(dw), *dy = numbers(y), *bias = numbers(g.k);
    const results unit = { y, dx, dw, numbers(n) }, plain = { y, dx, dw, numbers(n) };
    char what[100];
    all_of(p, &g, ISA_AMX, x, w, dy, bias, &unit);
    all_of(p, &g, ISA_PLAIN, x, w, dy, bias, &plain);
    snprintf(what, sizeof what, "convolution of %ldx%ldx%ld to %ld, window %ldx%ld", g.h, g.w, g.c, g.k, g.r,
             g.s);
    compare(y, unit.v, plain.v, what, "forward");
    compare(dx, unit.v + y, plain.v + y, what, "to x");
    compare(dw, unit.v + y + dx, plain.v + y + dx, what, "to weights");
    compare(dw, unit.v + y + dx + dw, plain.v + y + dx + dw, what, "to weights, gathered");
    free(x), free(w), free(dy), free(bias), free(unit.v), free(plain.v);
}

#ifdef UNIT
/* Numbers of about one, of all sizes, denormal ones, and such that only products of them are. */
static uint16_t any_half(int kind)
{
    static const unsigned from[] = { 0x3f80, 0, 0, 0x1f80 }, range[] = { 0x7f, 0x7eff, 0xff, 0xff };
    return (uint16_t)((draw() & 0x8000) | (from[kind] + (draw() & range[kind])));
}

TILED static void dot_unit(const void *a, const void *b, void *c)
{
    TILES_OPEN();
    TILE_LOAD(0, c, 64);
    TILE_LOAD(1, a, 64);
    TILE_LOAD(2, b, 64);
    TILE_DOT(0, 1, 2);
    TILE_STORE(0, c, 64);
    TILES_CLOSE();
}

static void products(void)
{
    enum { ROUNDS = 64 };
    static uint16_t a[16][32], b[16][32];
    static uint32_t c[16][16], got[16][16], want[16][16];
    long different = 0, far = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 512; i++) a[i / 32][i % 32] = any_half(round % 4);
        for (int i = 0; i < 512; i++) b[i / 32][i % 32] = any_half(round / 4 % 4);
        for (int i = 0; i < 256; i++)
            c[i / 16][i % 16] = (uint32_t)any_half(round / 16) << 16 | (draw() & 0xffff);
        memcpy(got, c, sizeof c);
        dot_unit(a, b, got);
        load_tile(&twin[0], c, 64), load_tile(&twin[1], a, 64), load_tile(&twin[2], b, 64);
        dot_twins();
        store_tile(&twin[0], want, 64);
        for (int i = 0; i < 256; i++) {
            const uint32_t p = got[i / 16][i % 16], q = want[i / 16][i % 16];
            const bool both_nan = (p & 0x7fffffff) > 0x7f800000 && (q & 0x7fffffff) > 0x7f800000;
            float x, y;
            if (p == q || both_nan) continue;
            memcpy(&x, &p, sizeof x), memcpy(&y, &q, sizeof y);
            far += !(fabsf(x - y) <= 1e-5f * fmaxf(fabsf(x), fabsf(y)) + 1e-30f);
            if (different++ < 8)
                printf("# round %d: %08x, not %08x (sum %08x)\n", round, p, q, c[i / 16][i % 16]);
        }
    }
    tell(!far, "products of tiles", "and sums");
}
#endif

static void tiles(pool *p)
{
#ifdef UNIT
    products();
#endif
    convolve(p, of(6, 7, 40, 48, 3, 3, 1));
    convolve(p, of(3, 3, 64, 16, 3, 3, 1));
    convolve(p, of(9, 5, 16, 33, 1, 2, 0));
    convolve(p, of(4, 40, 32, 32, 3, 3, 2));
}

/* --- AVX-512 --- */

static void winograd(pool *p, geometry g)
{
    const long y = g.oh * g.ow * g.k, x = g.h * g.w * g.c, w = 9 * g.c * g.k;
    float *px = numbers(x), *pw = numbers(w), *pdy = numbers(y), *bias = numbers(g.k), *out[2], *dw[2];
    const conv_post post = { bias, true };
    void *u = room(conv_winograd.weights(&g)), *scratch = room(conv_winograd.scratch(&g)),
         *sums = room(conv_winograd.sums(&g)),
         *scratch_w = room(conv_winograd.scratch_sums(&g));
    conv_winograd.prepare(p, &g, false, pw, u);
    for (int i = 0; i < 2; i++) {
        const cpu_isa most = i ? ISA_AVX512 : ISA_PLAIN;
        out[i] = numbers(y), dw[i] = numbers(w);
        conv_winograd.run(&g, most, &post, 0, g.oh, px, u, out[i], scratch);
        conv_winograd.add(&g, most, 0, g.oh, px, pdy, true, sums, scratch_w);
        conv_winograd.join(p, &g, most, 1, 0, sums, dw[i]);
    }
    tell(near(y, out[1], out[0]), "winograd", "forward");
    tell(near(w, dw[1], dw[0]), "winograd", "to weights");
    for (int i = 0; i < 2; i++) free(out[i]), free(dw[i]);
    free(px), free(pw), free(pdy), free(bias), free(u), free(scratch), free(sums), free(scratch_w);
}

static void direct(const conv_way *way, const char *name, geometry g)
{
    const long y = g.oh * g.ow * g.k, x = g.h * g.w * g.c, w = g.k * direct_taps(&g);
    float *px = numbers(x), *pw = numbers(w), *pdy = numbers(y), *bias = numbers(g.k), *out[2], *dw[2];
    const conv_post post = { bias, true };
    float *u = room(direct_weights(&g)), *sums = room(direct_weights(&g));
    void *scratch = room(way->scratch(&g));
    way->prepare(NULL, &g, false, pw, u);
    for (int i = 0; i < 2; i++) {
        const cpu_isa most = i ? ISA_AVX512 : ISA_PLAIN;
        out[i] = numbers(y), dw[i] = numbers(w);
        way->run(&g, most, &post, 0, g.oh, px, u, out[i], scratch);
        way->add(&g, most, 0, g.oh, px, pdy, true, sums, scratch);
        way->join(NULL, &g, most, 1, 0, sums, dw[i]);
    }
    tell(near(y, out[1], out[0]), name, "forward");
    tell(near(w, dw[1], dw[0]), name, "to weights");
    for (int i = 0; i < 2; i++) free(out[i]), free(dw[i]);
    free(px), free(pw), free(pdy), free(bias), free(u), free(sums), free(scratch);
}

static void product_here(void)
{
    enum { DEPTH = 40, SIZE = PRODUCT_ROWS * PRODUCT_WIDTH };
    float *a = numbers(PRODUCT_ROWS * DEPTH), *b = numbers(DEPTH * PRODUCT_WIDTH),
          *c[2] = { numbers(SIZE), numbers(SIZE) };
    bool good = true;
    for (int rows = 1; rows <= PRODUCT_ROWS; rows++) {
        for (int i = 0; i < 2; i++)
            product_of(i ? ISA_AVX512 : ISA_PLAIN)(
                rows, &(factors){ .k = DEPTH, .lda = DEPTH, .ldc = PRODUCT_WIDTH, .a = a, .b = b,
                                .c = c[i] });
        good &= near(rows * PRODUCT_WIDTH, c[1], c[0]);
    }
    tell(good, "product", "all rows");
    free(a), free(b), free(c[0]), free(c[1]);
}

int main(void)
{
    pool *p = pool_open(1);
    if (!p) return 1;
    if (isa_here() >= ISA_AVX512) {
        winograd(p, of(9, 7, 20, 40, 3, 3, 1));
        direct(&conv_thin, "few channels", of(9, 14, 3, 40, 3, 3, 1));
        geometry g = of(9, 14, 40, 40, 3, 3, 1);
        g.groups = g.c;
        direct(&conv_depthwise, "channels by themselves", g);
        product_here();
    } else leave_out("kernels of AVX-512");
    if (isa_here() == ISA_AMX) tiles(p);
    else leave_out("matrix units");
    pool_close(p);
    printf("1..%ld\n", told);
    return failures != 0;
}
