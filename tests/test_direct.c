/* test_direct.c: convolutions of few channels and of each channel by itself against sums in double, forward
 * and back, with every set of instructions that is here: odd sizes, strides, borders, filters that fill no
 * register; lines one by one. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "conv.h"

int dnnl_one_thread(void) { return 0; }          /* what pool.c asks of oneDNN */

static float *numbers(long n, unsigned seed)
{
    float *v = malloc((size_t)(n + 1) * sizeof *v);
    for (long i = 0; i < n; i++) v[i] = (float)((seed = seed * 1664525u + 1013904223u) >> 8) / 0x1p23f - 1;
    v[n] = 7;
    return v;
}

/* --- the definition: each product of x[from], w[by] and y[at] --- */
typedef struct { const float *x, *w, *dy; const conv_post *post; double *y, *dx, *dw; } sums;
static void define(const sums *s, const geometry *g, long images)
{
    const long each = g->c / g->groups, filters = g->k / g->groups, taps = g->r * g->s * each;
    for (long at = 0; at < images * g->oh * g->ow * g->k; at++) {
        const long k = at % g->k, j = at / g->k % g->ow, i = at / g->k / g->ow % g->oh,
                   n = at / g->k / g->ow / g->oh;
        for (long t = 0; t < taps; t++) {
            const long c = t % each + k / filters * each,
                       row = i * g->stride[0] - g->pad[0] + t / each / g->s,
                       column = j * g->stride[1] - g->pad[1] + t / each % g->s;
            if (row < 0 || row >= g->h || column < 0 || column >= g->w) continue;
            const long by = k * taps + t, from = ((n * g->h + row) * g->w + column) * g->c + c;
            s->y[at] += (double)s->x[from] * (double)s->w[by];
            s->dw[by] += (double)s->x[from] * (double)s->dy[at];
            s->dx[from] += (double)s->w[by] * (double)s->dy[at];
        }
        if (s->post->bias) s->y[at] += (double)s->post->bias[k];
        if (s->post->relu && s->y[at] < 0) s->y[at] = 0;
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

typedef struct { float *x, *w, *dy, *u, *y, *dx, *sum, *dw; void *scratch; conv_post post; } room;

/* All three for n lines at a time, the last ones fewer. */
static void go(const conv_way *way, const geometry *g, cpu_isa isa, long images, long n, const room *a)
{
    for (long i = 0; i < images * g->oh; i += n) {
        const long m = images * g->oh - i < n ? images * g->oh - i : n, at = i * g->ow * g->k;
        way->run(g, isa, &a->post, i, m, a->x, a->u, a->y + at, a->scratch);
        way->add(g, isa, i, m, a->x, a->dy + at, i == 0, a->sum, a->scratch);
    }
    way->join(NULL, g, isa, 1, 0, a->sum, a->dw);
    for (long i = 0; way->back && i < images * g->h; i += n) {
        const long m = images * g->h - i < n ? images * g->h - i : n;
        way->back(g, isa, i, m, a->dy, a->u, a->dx + i * g->w * g->c, a->scratch);
    }
}

static void check(const conv_way *way, geometry g, long images, bool post)
{
    const long results = images * g.oh * g.ow * g.k, weights = g.k * direct_taps(&g),
               pixels = images * g.h * g.w * g.c;
    float *bias = numbers(g.k, 10);
    cr_assert(way->can(&g));
    const room a = { numbers(pixels, 1), numbers(weights, 2), numbers(results, 3), malloc(direct_weights(&g)),
                     numbers(results, 4), numbers(pixels, 5), malloc(direct_weights(&g)), numbers(weights, 6),
                     malloc(way->scratch(&g)), { post ? bias : NULL, post } };
    room b = a;                                  /* lines by themselves */
    b.y = numbers(results, 7), b.dx = numbers(pixels, 8), b.dw = numbers(weights, 9);
    double *y = calloc((size_t)results, sizeof *y), *dw = calloc((size_t)weights, sizeof *dw),
           *dx = calloc((size_t)pixels, sizeof *dx);
    define(&(sums){ a.x, a.w, a.dy, &a.post, y, dx, dw }, &g, images);
    way->prepare(NULL, &g, false, a.w, a.u);
    for (int isa = ISA_PLAIN; isa <= ISA_AVX512; isa++) {
        go(way, &g, (cpu_isa)isa, images, images * (g.h + g.oh), &a);
        const double e = distance(results, a.y, y), f = distance(weights, a.dw, dw),
                     h = way->back ? distance(pixels, a.dx, dx) : 0;
        cr_expect(e < 3e-7 && f < 6e-7 && h < 3e-7, "%ldx%ldx%ld to %ld, window %ldx%ld, isa %d: %g, %g, %g",
                  g.h, g.w, g.c, g.k, g.r, g.s, isa, e, f, h);
        go(way, &g, (cpu_isa)isa, images, 1 + isa, &b);
        cr_expect_eq(memcmp(a.y, b.y, (size_t)(results + 1) * sizeof *y / 2), 0);
        cr_expect_eq(memcmp(a.dw, b.dw, (size_t)(weights + 1) * sizeof *dw / 2), 0);
        if (way->back) cr_expect_eq(memcmp(a.dx, b.dx, (size_t)(pixels + 1) * sizeof *dx / 2), 0);
    }
    free(a.x), free(a.w), free(a.dy), free(a.u), free(a.y), free(a.dx), free(a.sum), free(a.dw);
    free(a.scratch);
    free(b.y), free(b.dx), free(b.dw), free(y), free(dw), free(dx), free(bias);
}

static void thin(geometry g, long images)
{
    check(&conv_thin, g, images, false);
    check(&conv_thin, g, images, true);
}
static void depthwise(geometry g, long images)
{
    g.groups = g.c;
    check(&conv_depthwise, g, images, false);
    check(&conv_depthwise, g, images, true);
}

Test(direct, few_channels)
{
    thin(of(28, 28, 1, 32, 3, 3, 1, true), 3);
    thin(of(13, 17, 3, 64, 3, 3, 1, true), 2);
    thin(of(15, 9, 2, 48, 5, 3, 1, false), 3);
    thin(of(23, 21, 3, 10, 7, 7, 2, true), 2);
    thin(of(12, 12, 4, 1, 1, 1, 1, false), 4);
    thin(of(9, 30, 4, 20, 2, 5, 3, false), 2);
    thin(of(128, 128, 1, 32, 3, 3, 1, true), 4);
}

Test(direct, each_channel_by_itself)
{
    depthwise(of(14, 14, 32, 32, 3, 3, 1, true), 3);
    depthwise(of(13, 17, 45, 45, 3, 3, 2, true), 2);
    depthwise(of(15, 9, 16, 32, 5, 3, 1, false), 3);
    depthwise(of(23, 21, 7, 21, 7, 7, 2, true), 2);
    depthwise(of(12, 11, 3, 3, 1, 1, 2, false), 4);
    depthwise(of(9, 30, 40, 80, 2, 5, 3, false), 2);
    depthwise(of(7, 7, 130, 130, 5, 5, 4, true), 2);
    depthwise(of(28, 28, 64, 64, 3, 3, 1, true), 1);
}

Test(direct, windows_larger_than_the_image)
{
    thin(of(1, 1, 3, 33, 3, 3, 1, true), 9);
    depthwise(of(1, 1, 3, 33, 3, 3, 1, true), 9);
    depthwise(of(2, 3, 18, 18, 7, 7, 1, true), 5);
    geometry g = of(4, 2, 2, 6, 1, 1, 1, false);
    g.r = 3, g.s = 2, g.pad[1] = g.pad[3] = 6, g.ow = 13, g.pad[0] = 5, g.pad[2] = 1, g.oh = 8;
    thin(g, 2);
    depthwise(g, 2);
}

Test(direct, what_they_cannot)
{
    geometry g = of(8, 8, 5, 32, 3, 3, 1, true);
    cr_expect_not(conv_thin.can(&g));
    cr_expect_not(conv_depthwise.can(&g));
    g.groups = 5;                                /* 32 filters of 5 channels */
    cr_expect_not(conv_depthwise.can(&g));
    g = of(8, 8, 4, 32, 3, 8, 1, true);
    cr_expect_not(conv_thin.can(&g));
    g.groups = 4;
    cr_expect_not(conv_depthwise.can(&g));
    g.s = 3, g.stride[1] = 5;
    cr_expect_not(conv_depthwise.can(&g));
    g.groups = 2, g.stride[1] = 1;
    cr_expect_not(conv_thin.can(&g));
    g = of(8, 8, 2, 32, 3, 3, 1, true), g.dilation[1] = 2;
    cr_expect_not(conv_thin.can(&g));
}
