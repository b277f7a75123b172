/* test_tiles.c: convolutions by matrix units, as their twin in plain C does them on every processor: forward
 * and back against sums in double of what bf16 makes of the factors; odd sizes, borders, channels and filters
 * that fill no tile, ranges of lines. tests/tiles_here compares the twin with the unit itself. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tiles.h"
#define LEVEL 0
#define dot_tiles tested_dot_tiles /* clang gives clones of static functions names that programs share */
#include "tiles_unit.h"

int dnnl_one_thread(void) { return 0; }          /* what pool.c asks of oneDNN */

static unsigned seed = 1;
static unsigned draw(void) { return (seed = seed * 1664525u + 1013904223u) >> 8; }
static float *numbers(long n)
{
    float *v = malloc((size_t)(n + 1) * sizeof *v);
    for (long i = 0; i < n; i++) v[i] = (float)draw() / 0x1p23f - 1;
    v[n] = 7;
    return v;
}

/* What is left of them in bf16. */
static float *halves(long n, const float *x)
{
    float *v = malloc((size_t)n * sizeof *v);
    uint16_t *half = malloc((size_t)n * sizeof *half);
    bf16_narrow(n, x, half);
    bf16_widen(n, half, v);
    free(half);
    return v;
}

/* --- the definition: each product of x[from], w[by] and y[at] --- */
typedef struct { const float *x, *w, *dy, *bias; double *y, *dx, *dw; } whole;
static void define(const whole *s, const geometry *g, long images)
{
    const long taps = g->r * g->s * g->c;
    for (long at = 0; at < images * g->oh * g->ow * g->k; at++) {
        const long k = at % g->k, j = at / g->k % g->ow, i = at / g->k / g->ow % g->oh,
                   n = at / g->k / g->ow / g->oh;
        for (long t = 0; t < taps; t++) {
            const long row = i - g->pad[0] + t / g->c / g->s, column = j - g->pad[1] + t / g->c % g->s;
            if (row < 0 || row >= g->h || column < 0 || column >= g->w) continue;
            const long by = k * taps + t, from = ((n * g->h + row) * g->w + column) * g->c + t % g->c;
            s->y[at] += (double)s->x[from] * (double)s->w[by];
            s->dw[by] += (double)s->x[from] * (double)s->dy[at];
            s->dx[from] += (double)s->w[by] * (double)s->dy[at];
        }
        s->y[at] = fmax(0, s->y[at] + (double)s->bias[k]);
    }
}

/* Relative L2 distance. */
static double distance(long n, const float *a, const double *b)
{
    double d = 0, r = 0;
    for (long i = 0; i < n; i++) {
        d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        r += b[i] * b[i];
    }
    cr_expect_eq(a[n], 7);
    return r > 0 ? sqrt(d / r) : sqrt(d);
}

static geometry of(long h, long w, long c, long k, long r, long s, long top, long left, long bottom,
                   long right)
{
    return (geometry){ h, w, c, h + top + bottom - r + 1, w + left + right - s + 1, k, r, s, { 1, 1 },
                       { top, left, bottom, right }, { 1, 1 }, 1 };
}
static geometry same(long h, long w, long c, long k, long r, long s)
{
    return of(h, w, c, k, r, s, (r - 1) / 2, (s - 1) / 2, r / 2, s / 2);
}

/* All lines at once, then n at a time, the last ones first. */
static void through(pool *p, const geometry *g, bool back, cpu_isa most, long images, long n, const float *x,
                    const float *w, const float *bias, float *y)
{
    void *u = aligned_alloc(LINE, round_up(conv_tiles.weights(g))),
         *scratch = aligned_alloc(LINE, round_up(conv_tiles.scratch(g)));
    const conv_post post = { bias, bias != NULL };
    const long lines = images * g->oh, size = lines * g->ow * g->k;
    float *again = numbers(size);
    conv_tiles.prepare(p, g, back, w, u);
    conv_tiles.run(g, most, &post, 0, lines, x, u, y, scratch);
    for (long i = (lines - 1) / n * n; i >= 0; i -= n)
        conv_tiles.run(g, most, &post, i, lines - i < n ? lines - i : n, x, u,
                       again + i * g->ow * g->k, scratch);
    cr_expect_arr_eq(y, again, (size_t)(size + 1) * sizeof *y);
    free(u), free(scratch), free(again);
}

/* Lines go to two groups, n at a time, those of the last image to the second; those of one image to one. */
static void add_up(pool *p, const geometry *g, cpu_isa most, long images, long n, const float *x,
                   const float *dy, float *dw)
{
    const size_t size = round_up(conv_tiles.sums(g));
    float *sums = aligned_alloc(LINE, 2 * size), *second = sums + size / sizeof *sums;
    void *scratch = aligned_alloc(LINE, round_up(conv_tiles.scratch_sums(g)));
    const long lines = images * g->oh, two = images > 1, last = two ? lines - g->oh : lines;
    for (long i = 0, m; i < lines; i += m) {
        m = i < last && i + n > last ? last - i : i + n > lines ? lines - i : n;
        conv_tiles.add(g, most, i, m, x, dy + i * g->ow * g->k, i == 0 || i == last, i < last ? sums : second,
                       scratch);
    }
    conv_tiles.join(p, g, most, 1 + two, size, sums, dw);
    free(sums), free(scratch);
}

static void gather(pool *p, const geometry *g, cpu_isa most, long images, const float *x, const float *dy,
                   float *dw)
{
    const conv_gathering *way = conv_tiles.gathering;
    const size_t points = round_up(way->points(g, images)), size = points + round_up(conv_tiles.sums(g)),
                 each = round_up(way->scratch(g));
    char *all = aligned_alloc(LINE, size);
    void *scratch = aligned_alloc(LINE, each);
    memset(all, 0xff, size);                     /* no number */
    memset(scratch, 0xff, each);
    way->begin(g, images, all);
    for (long i = images - 1; i >= 0; i--)
        way->rows(g, most, images, i, 1, x + i * g->h * g->w * g->c,
                  dy + i * g->oh * g->ow * g->k, all, scratch);
    way->end(p, g, most, images, all, (float *)(all + points), dw);
    free(all), free(scratch);
}

static void check(geometry g, long images)
{
    const long results = images * g.oh * g.ow * g.k, weights = g.k * g.r * g.s * g.c,
               pixels = images * g.h * g.w * g.c;
    const geometry way = conv_tiles.turned(&g);
    float *x = numbers(pixels), *w = numbers(weights), *dy = numbers(results), *bias = numbers(g.k);
    float *hx = halves(pixels, x), *hw = halves(weights, w), *hdy = halves(results, dy);
    float *y = numbers(results), *dx = numbers(pixels), *dw[2] = { numbers(weights), numbers(weights) };
    double *ry = calloc((size_t)results, sizeof *ry), *rdw = calloc((size_t)weights, sizeof *rdw),
           *rdx = calloc((size_t)pixels, sizeof *rdx);
    pool *p = pool_open(2);
    cr_assert(conv_tiles.can(&g) && conv_tiles.can(&way));
    define(&(whole){ hx, hw, hdy, bias, ry, rdx, rdw }, &g, images);
    through(p, &g, false, ISA_PLAIN, images, 3, x, w, bias, y);
    through(p, &way, true, ISA_PLAIN, images, 1, dy, w, NULL, dx);
    add_up(p, &g, ISA_PLAIN, images, 5, x, dy, dw[0]);
    gather(p, &g, ISA_AMX, images, x, dy, dw[1]);
    const double ey = distance(results, y, ry), ex = distance(pixels, dx, rdx), 
                 ew = distance(weights, dw[0], rdw), eg = distance(weights, dw[1], rdw);
    cr_expect(ey < 3e-7 && ex < 3e-7 && ew < 6e-7 && eg < 6e-7,
              "%ldx%ldx%ld to %ld, window %ldx%ld: %g, %g, %g, %g", g.h, g.w, g.c,
              g.k, g.r, g.s, ey, ex, ew, eg);
    pool_close(p);
    free(x), free(w), free(dy), free(bias), free(hx), free(hw), free(hdy), free(y), free(dx), free(dw[0]);
    free(dw[1]);
    free(ry), free(rdw), free(rdx);
}

Test(tiles, images)
{
    check(same(28, 28, 32, 64, 3, 3), 1);
    check(same(14, 13, 16, 16, 3, 3), 3);
    check(same(13, 14, 48, 40, 3, 3), 2);
    check(same(40, 70, 20, 33, 3, 3), 1);
    check(same(9, 600, 17, 16, 3, 3), 1);
}

Test(tiles, small_images)
{
    check(same(7, 7, 33, 65, 3, 3), 5);
    check(same(3, 3, 64, 64, 3, 3), 7);
    check(same(1, 1, 5, 6, 3, 3), 9);
    check(same(1, 1, 32, 32, 1, 1), 40);
    check(same(4, 4, 130, 96, 3, 3), 6);
}

Test(tiles, windows_and_borders)
{
    check(same(12, 11, 16, 24, 5, 3), 2);
    check(same(9, 10, 18, 16, 7, 7), 2);
    check(same(9, 9, 40, 48, 1, 1), 3);
    check(same(8, 9, 16, 32, 2, 4), 2);
    check(of(9, 11, 70, 3, 3, 3, 0, 0, 0, 0), 2);
    check(of(6, 17, 20, 100, 3, 3, 2, 0, 1, 2), 2);
    check(of(3, 5, 30, 33, 3, 3, 0, 2, 2, 0), 4);
    check(of(2, 2, 16, 16, 3, 3, 2, 2, 2, 2), 4);
    check(of(7, 7, 16, 16, 7, 7, 0, 0, 0, 0), 3);
}

Test(tiles, what_they_cannot)
{
    geometry g = same(8, 8, 32, 32, 3, 3);
    cr_expect(conv_tiles.can(&g));
    g.stride[1] = 2;
    cr_expect_not(conv_tiles.can(&g));
    g = same(8, 8, 32, 32, 3, 3), g.dilation[0] = 2;
    cr_expect_not(conv_tiles.can(&g));
    g = same(8, 8, 32, 32, 3, 3), g.groups = 2;
    cr_expect_not(conv_tiles.can(&g));
    g = same(8, 8, 32, 32, 3, 8);
    cr_expect_not(conv_tiles.can(&g));
    g = of(8, 8, 32, 32, 3, 3, 1, 3, 1, 1);
    cr_expect_not(conv_tiles.can(&g));
}

/* --- the twin's product by its definition: fused multiply-adds, denormals are zero --- */
static float flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }
static float of_half(uint16_t half)
{
    float x;
    bf16_widen(1, &half, &x);
    return flushed(x);
}

static float defined(float c, const uint16_t *a, const uint16_t *b)
{
    float s[2] = { 0, 0 };
    for (int k = 0; k < 32; k++)
        s[k % 2] = flushed(fmaf(of_half(a[k]), of_half(b[k / 2 * 32 + k % 2]), s[k % 2]));
    return flushed(flushed(c) + flushed(s[0] + s[1]));
}

/* Numbers of all sizes, few bits apart, denormal, and so small that only products of them are. */
static uint16_t any_half(int kind)
{
    const unsigned bits = draw() & 0x80ff;
    static const unsigned from[] = { 0x3f80, 0x3f00, 0x0000, 0x2000, 0x1f80 },
                          range[] = { 0, 0x7f, 0xff, 0x7f, 0x1ff };
    return (uint16_t)((bits & 0x8000) | (from[kind] + (bits & 0x7f)) | (range[kind] & draw()));
}

Test(tiles, product_of_tiles)
{
    static uint16_t a[16][32], b[16][32];
    static float c[16][16], got[16][16];
    for (int round = 0; round < 400; round++) {
        for (int i = 0; i < 512; i++) a[i / 32][i % 32] = any_half(round % 5);
        for (int i = 0; i < 512; i++) b[i / 32][i % 32] = any_half(round / 5 % 5);
        for (int i = 0; i < 256; i++) c[i / 16][i % 16] = of_half(any_half(round % 3)) * 1.7f;
        load_tile(&twin[0], c, 64), load_tile(&twin[1], a, 64), load_tile(&twin[2], b, 64);
        TILE_DOT(0, 1, 2);
        store_tile(&twin[0], got, 64);
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 16; j++) {
                const float want = defined(c[i][j], a[i], &b[0][2 * j]);
                cr_assert_eq(memcmp(&want, &got[i][j], 4), 0, "round %d: %a, not %a", round, got[i][j], want);
            }
    }
}

/* --- what a process tries before it trusts the unit finds each of these in the kernels --- */
static enum { SOUND, TAP, PART, STRIDE, REST, MORE, FAULTS } fault;
static void faulty_forward(const tile_strip *sound)
{
    const long off[] = { sound->off[0], sound->off[fault != TAP] };
    tile_strip s = *sound;
    s.off = off;
    if (fault == PART) s.k -= SIDE_T;            /* half a panel is taken for none */
    if (fault == STRIDE) s.pixel = DEPTH_T;
    if (fault == REST) s.n = PAIR_T;
    if (fault == MORE) s.low = 0;
    tile_kernels_of(ISA_PLAIN)->forward(&s);
}

static void faulty_gradient(const tile_sums *sound)
{
    const long off[] = { sound->off[0], sound->off[fault != TAP] };
    tile_sums s = *sound;
    s.off = off;
    if (fault == PART) s.c = PAIR_T + SIDE_T + 1; /* the last block of channels is taken for whole */
    if (fault == STRIDE) s.ldx = DEPTH_T;
    if (fault == REST) s.steps = 1;
    if (fault == MORE) memset(s.sums, 0, (size_t)(s.end[2] * s.channels * s.filters) * sizeof *s.sums);
    tile_kernels_of(ISA_PLAIN)->gradient(&s);
}

Test(tiles, a_faulty_unit_is_found_out)
{
    const tile_kernels *twin_kernels = tile_kernels_of(ISA_PLAIN);
    const tile_kernels forward = { faulty_forward, twin_kernels->gradient },
                       gradient = { twin_kernels->forward, faulty_gradient };
    cr_expect(tiles_agree(&forward, twin_kernels) && tiles_agree(&gradient, twin_kernels));
    for (fault = TAP; fault < FAULTS; fault++) {
        cr_expect_not(tiles_agree(&forward, twin_kernels), "forward, fault %d", (int)fault);
        cr_expect_not(tiles_agree(&gradient, twin_kernels), "gradient, fault %d", (int)fault);
    }
}
