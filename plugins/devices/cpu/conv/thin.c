/* thin.c: convolutions of images with few channels, as in first layers: taps of a window times filters in
 * registers, straight from lines of the image, since columns would be many times as large as the image. */
#include <string.h>
#include "conv.h"

enum { CHANNELS = 4, WINDOW = 7, TAPS = CHANNELS * WINDOW * WINDOW };

/* A line of results: n pixels whose first taps lie `step` floats apart; tap t lies off[t] behind the first */
typedef struct {
    long n, step, taps, k, lanes;                /* lanes: filters of u and sums, filled up to vectors */
    const long *off;
    const float *x, *u, *bias;                   /* bias: NULL: none */
    float low;                                   /* results are not below */
    float *y;
    const float *dy;                             /* gradients of the results give sums */
    float *sums;
} span;

#define KERNELS "thin_kernels.h"
#include "levels.h"

typedef struct { void (*forward)(const span *s), (*gradient)(const span *s); } kernels;
#define KERNEL_SET(level) { forward_##level, gradient_##level }
static const kernels sets[] = { EACH_LEVEL(KERNEL_SET) };

static bool can(const geometry *g)
{
    return g->c <= CHANNELS && g->r <= WINDOW && g->s <= WINDOW && g->groups == 1 && g->dilation[0] == 1
        && g->dilation[1] == 1;
}

/* Floats of a line of the image as the results see it. */
static long width_of(const geometry *g) { return ((g->ow - 1) * g->stride[1] + g->s) * g->c; }
static size_t scratch_of(const geometry *g) { return (size_t)(g->r * width_of(g)) * sizeof(float); }

static span span_of(const geometry *g, const float *lines, long *off)
{
    const long width = width_of(g), run = g->s * g->c;
    for (long t = 0; t < direct_taps(g); t++) off[t] = t / run * width + t % run;
    return (span){ .n = g->ow, .step = g->stride[1] * g->c, .taps = direct_taps(g), .k = g->k,
                   .lanes = direct_lanes(g), .off = off, .x = lines };
}

/* The lines of the image that line `at` of the results sees, with zeros around. */
static void load_lines(const geometry *g, long at, const float *x, float *to)
{
    const long width = width_of(g), left = g->pad[1] * g->c < width ? g->pad[1] * g->c : width,
               line = g->w * g->c, n = line < width - left ? line : width - left;
    const float *image = x + at / g->oh * g->h * line;
    const long top = at % g->oh * g->stride[0] - g->pad[0];
    for (long i = top; i < top + g->r; i++, to += width) {
        const bool in = i >= 0 && i < g->h;
        const long from = in ? left : 0, end = in ? left + n : 0;
        memset(to, 0, (size_t)from * sizeof *to);
        memset(to + end, 0, (size_t)(width - end) * sizeof *to);
        if (in) memcpy(to + left, image + i * line, (size_t)n * sizeof *to);
    }
}

static void run(const geometry *g, cpu_isa most, const conv_post *post, long line, long lines, const float *x,
                const void *u, float *y, void *scratch)
{
    long off[TAPS];
    const kernels *const use = &sets[isa_level(most)];
    span s = span_of(g, scratch, off);
    s.u = u, s.y = y;
    s.bias = post->bias, s.low = post->relu ? 0 : -INFINITY;
    for (long i = line; i < line + lines; i++, s.y += g->ow * g->k) {
        load_lines(g, i, x, scratch);
        use->forward(&s);
    }
}

static void add(const geometry *g, cpu_isa most, long line, long lines, const float *x, const float *dy,
                bool first, float *sums, void *scratch)
{
    long off[TAPS];
    const kernels *const use = &sets[isa_level(most)];
    span s = span_of(g, scratch, off);
    if (first) memset(sums, 0, direct_weights(g));
    s.dy = dy, s.sums = sums;
    for (long i = line; i < line + lines; i++, s.dy += g->ow * g->k) {
        load_lines(g, i, x, scratch);
        use->gradient(&s);
    }
}

const conv_way conv_thin = { .can = can, .weights = direct_weights, .scratch = scratch_of,
                             .prepare = direct_prepare, .run = run, .sums = direct_weights,
                             .scratch_sums = scratch_of, .add = add, .join = direct_join };
