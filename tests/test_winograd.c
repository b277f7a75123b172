/* test_winograd.c: Winograd's convolution, forward and backward, against sums in double: sizes that no tile
 * divides, borders, channels that fill no register; with every set of instructions that is here. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "conv.h"

int dnnl_one_thread(void) { return 0; }          /* what pool.c asks of oneDNN */

/* Relative L2 distance of y from what the definition gives. */
static double error_of(const geometry *g, const conv_post *post, bool back, long images, const float *x,
                       const float *w, const float *y)
{
    const long taps = 9 * (back ? g->k : g->c);
    double d = 0, r = 0;
    for (long e = 0; e < images * g->oh * g->ow * g->k; e++) {
        const long k = e % g->k, pixel = e / g->k, j = pixel % g->ow, i = pixel / g->ow % g->oh,
                   n = pixel / g->ow / g->oh;
        double sum = 0;
        for (long t = 0; t < 9 * g->c; t++) {
            const long c = t % g->c, row = i - g->pad[0] + t / g->c / 3,
                       column = j - g->pad[1] + t / g->c % 3;
            if (row < 0 || row >= g->h || column < 0 || column >= g->w) continue;
            const float weight = back ? w[c * taps + (8 - t / g->c) * g->k + k] : w[k * taps + t];
            sum += (double)x[((n * g->h + row) * g->w + column) * g->c + c] * (double)weight;
        }
        if (post->bias) sum += (double)post->bias[k];
        if (post->relu && sum < 0) sum = 0;
        d += (sum - (double)y[e]) * (sum - (double)y[e]);
        r += sum * sum;
    }
    return sqrt(d / r);
}

static float *numbers(long n, unsigned seed)
{
    float *v = malloc((size_t)n * sizeof *v);
    for (long i = 0; i < n; i++) v[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) / 0x1p23f - 1;
    return v;
}

static void check(geometry g, bool back, long images)
{
    const geometry way = back ? conv_winograd.turned(&g) : g;
    const long results = images * way.oh * way.ow * way.k;
    float *x = numbers(images * way.h * way.w * way.c, 1), *w = numbers(9 * g.c * g.k, 2);
    float *bias = numbers(way.k, 3), *u = malloc(conv_winograd.weights(&way)),
          *scratch = malloc(conv_winograd.scratch(&way));
    float *y = malloc((size_t)(results + 1) * sizeof *y);
    pool *p = pool_open(2);
    cr_assert(conv_winograd.can(&g) && conv_winograd.can(&way));
    conv_winograd.prepare(p, &way, back, w, u);
    for (int i = 0; i < 3 * (ISA_AVX512 + 1); i++) {
        const int isa = i / 3;
        const conv_post post = { i % 3 ? bias : NULL, i % 3 == 2 };
        /* in two ranges of whole tiles, the second one first */
        const long grain = way.oh % 4 ? way.oh : 4, lines = images * way.oh,
                   first = lines / grain / 2 * grain;
        for (long k = 0; k <= results; k++) y[k] = 7;
        conv_winograd.run(&way, (cpu_isa)isa, &post, first, lines - first, x, u,
                          y + first * way.ow * way.k, scratch);
        conv_winograd.run(&way, (cpu_isa)isa, &post, 0, first, x, u, y, scratch);
        const double e = error_of(&way, &post, back, images, x, w, y);
        cr_expect_lt(e, 1.3e-6, "%ldx%ldx%ld to %ld, back %d, isa %d: %g", g.h, g.w, g.c, g.k, back, isa, e);
        cr_expect_eq(y[results], 7);
    }
    pool_close(p);
    free(x), free(w), free(bias), free(u), free(scratch), free(y);
}

static geometry of(long h, long w, long c, long k, long top, long left, long bottom, long right)
{
    return (geometry){ h, w, c, h + top + bottom - 2, w + left + right - 2, k, 3, 3, { 1, 1 },
                       { top, left, bottom, right }, { 1, 1 }, 1 };
}

Test(winograd, shapes)
{
    const struct { geometry g; long images; } all[] = {
        { of(8, 8, 16, 32, 1, 1, 1, 1), 3 }, { of(7, 7, 33, 40, 1, 1, 1, 1), 5 },
        { of(14, 13, 1, 32, 1, 1, 1, 1), 2 }, { of(9, 11, 70, 3, 0, 0, 0, 0), 2 },
        { of(6, 17, 20, 100, 2, 0, 1, 2), 1 }, { of(3, 3, 64, 64, 1, 1, 1, 1), 7 },
        { of(1, 1, 5, 6, 1, 1, 1, 1), 9 }, { of(28, 28, 32, 64, 1, 1, 1, 1), 1 },
        { of(3, 5, 130, 33, 0, 2, 2, 0), 4 },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        check(all[i].g, false, all[i].images);
        check(all[i].g, true, all[i].images);
    }
}

/* Relative L2 distance of dw from what the definition gives. */
static double error_of_dw(const geometry *g, long images, const float *x, const float *dy, const float *dw)
{
    double d = 0, r = 0;
    for (long e = 0; e < g->k * 9 * g->c; e++) {
        const long c = e % g->c, tap = e / g->c % 9, k = e / g->c / 9;
        double sum = 0;
        for (long p = 0; p < images * g->oh * g->ow; p++) {
            const long n = p / g->ow / g->oh, row = p / g->ow % g->oh - g->pad[0] + tap / 3,
                       column = p % g->ow - g->pad[1] + tap % 3;
            if (row < 0 || row >= g->h || column < 0 || column >= g->w) continue;
            sum += (double)x[((n * g->h + row) * g->w + column) * g->c + c] * (double)dy[p * g->k + k];
        }
        d += (sum - (double)dw[e]) * (sum - (double)dw[e]);
        r += sum * sum;
    }
    return sqrt(d / r);
}

/* Images go to two groups, the first image of one alone; `gathered` to one. */
static void add_up(pool *p, const geometry *g, cpu_isa isa, long images, const float *x, const float *dy,
                   float *dw)
{
    const size_t size = round_up(conv_winograd.sums(g));
    const long one = images > 1, each_x = g->h * g->w * g->c, each_dy = g->oh * g->ow * g->k;
    float *sums = aligned_alloc(LINE, 2 * size),
          *scratch = aligned_alloc(LINE, conv_winograd.scratch_sums(g));
    float *second = sums + size / sizeof *sums;
    conv_winograd.add(g, isa, 0, (images - one) * g->oh, x, dy, true, sums, scratch);
    if (one) {
        const float *last_x = x + (images - 1) * each_x, *last_dy = dy + (images - 1) * each_dy;
        conv_winograd.add(g, isa, 0, g->oh, last_x, last_dy, true, second, scratch);
        /* twice, and once from the other */
        conv_winograd.add(g, isa, 0, g->oh, last_x, last_dy, false, second, scratch);
        conv_winograd.add(g, isa, 0, g->oh, last_x, last_dy, true, second, scratch);
    }
    conv_winograd.join(p, g, isa, 1 + one, size, sums, dw);
    free(sums), free(scratch);
}

static void gather(pool *p, const geometry *g, cpu_isa isa, long images, const float *x, const float *dy,
                   float *dw)
{
    const conv_gathering *way = conv_winograd.gathering;
    const size_t points = round_up(way->points(g, images));
    char *all = aligned_alloc(LINE, points + round_up(conv_winograd.sums(g)));
    void *scratch = aligned_alloc(LINE, round_up(way->scratch(g)));
    for (long i = images - 1; i >= 0; i--)
        way->rows(g, isa, images, i, 1, x + i * g->h * g->w * g->c,
                  dy + i * g->oh * g->ow * g->k, all, scratch);
    way->end(p, g, isa, images, all, (float *)(all + points), dw);
    free(all), free(scratch);
}

static void check_dw(geometry g, long images)
{
    float *x = numbers(images * g.h * g.w * g.c, 3), *dy = numbers(images * g.oh * g.ow * g.k, 4);
    float *dw = malloc((size_t)(g.k * 9 * g.c + 1) * sizeof *dw);
    pool *p = pool_open(2);
    for (int isa = ISA_PLAIN; isa <= ISA_AVX512; isa++)
        for (int gathered = 0; gathered < 2; gathered++) {
            dw[g.k * 9 * g.c] = 7;
            (gathered ? gather : add_up)(p, &g, (cpu_isa)isa, images, x, dy, dw);
            const double e = error_of_dw(&g, images, x, dy, dw);
            cr_expect_lt(e, 1.3e-6, "%ldx%ldx%ld to %ld, gathered %d, isa %d: %g", g.h, g.w, g.c, g.k,
                         gathered, isa, e);
            cr_expect_eq(dw[g.k * 9 * g.c], 7);
        }
    pool_close(p);
    free(x), free(dy), free(dw);
}

Test(winograd, weights)
{
    const struct { geometry g; long images; } all[] = {
        { of(8, 8, 16, 32, 1, 1, 1, 1), 3 }, { of(7, 7, 33, 40, 1, 1, 1, 1), 5 },
        { of(14, 13, 1, 32, 1, 1, 1, 1), 2 }, { of(9, 11, 70, 3, 0, 0, 0, 0), 2 },
        { of(6, 17, 20, 100, 2, 0, 1, 2), 1 }, { of(3, 3, 64, 64, 1, 1, 1, 1), 7 },
        { of(5, 9, 24, 17, 1, 1, 1, 1), 3 }, { of(28, 28, 32, 64, 1, 1, 1, 1), 2 },
        { of(3, 5, 130, 33, 0, 2, 2, 0), 4 },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_dw(all[i].g, all[i].images);
}

Test(winograd, what_it_cannot)
{
    geometry g = of(8, 8, 16, 32, 1, 1, 1, 1);
    g.stride[1] = 2;
    cr_expect_not(conv_winograd.can(&g));
    g = of(8, 8, 16, 32, 1, 1, 1, 1), g.dilation[0] = 2;
    cr_expect_not(conv_winograd.can(&g));
    g = of(8, 8, 16, 32, 1, 1, 1, 1), g.groups = 2;
    cr_expect_not(conv_winograd.can(&g));
    g = of(8, 8, 16, 32, 3, 1, 1, 1);
    cr_expect_not(conv_winograd.can(&g));
    g = of(8, 8, 16, 32, 1, 1, 1, 1), g.r = 5;
    cr_expect_not(conv_winograd.can(&g));
}
