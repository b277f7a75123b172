/* test_thin.c: convolutions of few channels against sums in double, forward and to the weights, with every set
 * of instructions that is here: odd sizes, strides, borders, filters that fill no register; lines one by one. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "../plugins/devices/cpu/cpu.h"

static float *numbers(long n, unsigned seed)
{
    float *v = malloc((size_t)n * sizeof *v);
    for (long i = 0; i < n; i++) v[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) / 0x1p23f - 1;
    return v;
}

/* Calls for each product of the definition: y[at] is made of x[from] w[by], or dw[by] of x[from] dy[at]. */
typedef struct { const geometry *g; const float *x, *w; double *y; const float *dy; double *dw; } sums;
static void define(const sums *s, long images)
{
    const geometry *g = s->g;
    for (long at = 0; at < images * g->oh * g->ow * g->k; at++) {
        const long k = at % g->k, j = at / g->k % g->ow, i = at / g->k / g->ow % g->oh,
                   n = at / g->k / g->ow / g->oh;
        for (long t = 0; t < g->r * g->s * g->c; t++) {
            const long c = t % g->c, row = i * g->stride[0] - g->pad[0] + t / g->c / g->s,
                       column = j * g->stride[1] - g->pad[1] + t / g->c % g->s;
            if (row < 0 || row >= g->h || column < 0 || column >= g->w) continue;
            const long by = k * g->r * g->s * g->c + t;
            const double x = (double)s->x[((n * g->h + row) * g->w + column) * g->c + c];
            s->y[at] += x * (double)s->w[by];
            s->dw[by] += x * (double)s->dy[at];
        }
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
    return sqrt(d / r);
}

static geometry of(long h, long w, long c, long k, long r, long s, long stride, bool same)
{
    geometry g = { h, w, c, (h - r) / stride + 1, (w - s) / stride + 1, k, r, s, { stride, stride },
                   { 0 }, { 1, 1 }, 1 };
    if (!same) return g;
    g.oh = ceil_div(h, stride), g.ow = ceil_div(w, stride);
    const long down = (g.oh - 1) * stride + r - h, right = (g.ow - 1) * stride + s - w;
    g.pad[0] = down > 0 ? down / 2 : 0, g.pad[1] = right > 0 ? right / 2 : 0;
    g.pad[2] = down > 0 ? down - g.pad[0] : 0, g.pad[3] = right > 0 ? right - g.pad[1] : 0;
    return g;
}

typedef struct { float *x, *w, *dy, *u, *y, *part, *sum, *dw; void *scratch; long results, line; } room;

/* All lines at once give the same bits as each by itself. */
static void split(const geometry *g, cpu_isa isa, long images, const room *a)
{
    memset(a->sum, 0, conv_thin.weights(g));
    for (long i = 0; i < images * g->oh; i++) {
        a->part[a->line] = 7;
        conv_thin.run(g, isa, i, 1, a->x, a->u, a->part, a->scratch);
        cr_assert_eq(memcmp(a->part, a->y + i * a->line, (size_t)a->line * sizeof *a->y), 0);
        cr_assert_eq(a->part[a->line], 7);
        conv_thin.weights_grad(g, isa, i, 1, a->x, a->dy + i * a->line, a->sum, a->scratch);
    }
    float *dw = numbers(g->k * g->r * g->s * g->c, 4);
    conv_thin.collect(g, a->sum, dw);
    cr_expect_eq(memcmp(dw, a->dw, (size_t)(g->k * g->r * g->s * g->c) * sizeof *dw), 0);
    free(dw);
}

static void check(geometry g, long images)
{
    const long results = images * g.oh * g.ow * g.k, weights = g.k * g.r * g.s * g.c, line = g.ow * g.k;
    cr_assert(conv_thin.can(&g));
    room a = { numbers(images * g.h * g.w * g.c, 1), numbers(weights, 2), numbers(results, 3),
               malloc(conv_thin.weights(&g)), malloc((size_t)(results + 1) * sizeof(float)),
               malloc((size_t)(line + 1) * sizeof(float)), malloc(conv_thin.weights(&g)), numbers(weights, 5),
               malloc(conv_thin.scratch(&g)), results, line };
    double *y = calloc((size_t)results, sizeof *y), *dw = calloc((size_t)weights, sizeof *dw);
    define(&(sums){ &g, a.x, a.w, y, a.dy, dw }, images);
    conv_thin.prepare(&g, a.w, a.u);
    for (int isa = ISA_PLAIN; isa <= ISA_AVX512; isa++) {
        memset(a.sum, 0, conv_thin.weights(&g));
        a.y[results] = 7;
        conv_thin.run(&g, (cpu_isa)isa, 0, images * g.oh, a.x, a.u, a.y, a.scratch);
        conv_thin.weights_grad(&g, (cpu_isa)isa, 0, images * g.oh, a.x, a.dy, a.sum, a.scratch);
        conv_thin.collect(&g, a.sum, a.dw);
        const double e = distance(results, a.y, y), f = distance(weights, a.dw, dw);
        cr_expect(e < 3e-7 && f < 6e-7, "%ldx%ldx%ld to %ld, window %ldx%ld, isa %d: %g, %g", g.h, g.w, g.c,
                  g.k, g.r, g.s, isa, e, f);
        cr_expect_eq(a.y[results], 7);
        split(&g, (cpu_isa)isa, images, &a);
    }
    free(a.x), free(a.w), free(a.dy), free(a.u), free(a.y), free(a.part), free(a.sum), free(a.dw);
    free(a.scratch), free(y), free(dw);
}

Test(thin, windows)
{
    check(of(28, 28, 1, 32, 3, 3, 1, true), 3);
    check(of(13, 17, 3, 64, 3, 3, 1, true), 2);
    check(of(15, 9, 2, 48, 5, 3, 1, false), 3);
    check(of(23, 21, 3, 10, 7, 7, 2, true), 2);
    check(of(12, 12, 4, 1, 1, 1, 1, false), 4);
    check(of(9, 30, 4, 20, 2, 5, 3, false), 2);
    check(of(128, 128, 1, 32, 3, 3, 1, true), 4);
}

Test(thin, windows_larger_than_the_image)
{
    check(of(1, 1, 3, 33, 3, 3, 1, true), 9);
    check(of(2, 3, 1, 8, 7, 7, 1, true), 5);
    geometry g = of(4, 2, 2, 5, 1, 1, 1, false);
    g.r = 3, g.s = 2, g.pad[1] = g.pad[3] = 6, g.ow = 13, g.pad[0] = 5, g.pad[2] = 1, g.oh = 8;
    check(g, 2);
}

Test(thin, what_it_cannot)
{
    geometry g = of(8, 8, 5, 32, 3, 3, 1, true);
    cr_expect_not(conv_thin.can(&g));
    g = of(8, 8, 2, 32, 3, 8, 1, true);
    cr_expect_not(conv_thin.can(&g));
    g = of(8, 8, 2, 32, 3, 3, 1, true), g.groups = 2;
    cr_expect_not(conv_thin.can(&g));
    g = of(8, 8, 2, 32, 3, 3, 1, true), g.dilation[1] = 2;
    cr_expect_not(conv_thin.can(&g));
}
