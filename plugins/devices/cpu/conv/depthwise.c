/* depthwise.c: convolutions of each channel by itself, with one filter or several: vectors are channels.
 * Lines are cut into runs of pixels that see the same columns of the window, so that borders cost little. */
#include <string.h>
#include "conv.h"

enum { WINDOW = 7, TAPS = WINDOW * WINDOW, STRIDE = 4, RUNS = STRIDE * (2 * WINDOW + 1) };
enum { MANY = 4, GROUP = 9 };                    /* pixels; taps whose sums are in registers */

/* n pixels: in, out: floats from one to the next where they are read and written; tap t reads off[t] behind x
 * and has the weights at weight[t] */
typedef struct {
    long n, in, out, k, taps, off[TAPS], weight[TAPS];
    const float *x, *u, *bias;                   /* bias: NULL: none */
    float low;                                   /* results are not below */
    float *y;
    const float *dy;                             /* gradients of the results give sums */
    float *sums;
} span;

#define KERNELS "depthwise_kernels.h"
#include "levels.h"

typedef struct { void (*forward)(const span *s), (*gradient)(const span *s); } kernels;
#define KERNEL_SET(level) { forward_##level, gradient_##level }
static const kernels sets[] = { EACH_LEVEL(KERNEL_SET) };

static bool can(const geometry *g)
{
    bool yes = g->groups == g->c && g->k % g->c == 0 && g->r <= WINDOW && g->s <= WINDOW;
    for (int i = 0; i < 2; i++) yes = yes && g->dilation[i] == 1 && g->stride[i] <= STRIDE;
    return yes;
}

/* Several filters of a channel: lines of the image with each channel as often as it has filters. */
static size_t scratch(const geometry *g)
{
    return g->k == g->c ? 0 : (size_t)(g->r * g->w * g->k) * sizeof(float);
}

/* first: of its pixels, which are `step` apart; taps: columns of the window that they see, as bits */
typedef struct { long first, n; unsigned taps; } run;
typedef struct {
    const geometry *g; bool back;
    float *scratch;
    long held[WINDOW];                           /* lines in scratch, counted through all images */
    void (*kernel)(const span *s);
    long step; int n; run runs[RUNS];
} work;

/* What pixel `at` of one axis reads by a tap; -1: nothing that is there. */
static long source(const work *w, int axis, long at, long tap)
{
    const geometry *g = w->g;
    const long stride = g->stride[axis], pad = g->pad[axis],
               size = w->back ? (axis ? g->ow : g->oh) : axis ? g->w : g->h;
    const long q = w->back ? at + pad - tap : at * stride - pad + tap;
    if (q < 0 || (w->back && q % stride)) return -1;
    const long i = w->back ? q / stride : q;
    return i < size ? i : -1;
}

static unsigned columns_of(const work *w, long at)
{
    unsigned taps = 0;
    for (long s = 0; s < w->g->s; s++) taps |= source(w, 1, at, s) >= 0 ? 1u << s : 0;
    return taps;
}

static void find_runs(work *w)
{
    const long width = w->back ? w->g->w : w->g->ow;
    w->step = w->back ? w->g->stride[1] : 1;
    for (long phase = 0; phase < w->step; phase++)
        for (long at = phase; at < width;) {
            run r = { at, 0, columns_of(w, at) };
            for (; at < width && columns_of(w, at) == r.taps; at += w->step) r.n++;
            w->runs[w->n++] = r;
        }
}

/* Line i of an image: x is what it reads, whose lines are `line` floats; s: what is the same for all runs. */
static void each_run(const work *w, long i, long line, bool repeated, span *s)
{
    const geometry *g = w->g;
    float *const y = s->y;
    const float *const dy = s->dy;
    for (const run *o = w->runs; o < w->runs + w->n; o++) {
        s->n = o->n, s->taps = 0;
        for (long r = 0; r < g->r; r++) {
            const long row = source(w, 0, i, r);
            for (long c = 0; row >= 0 && c < g->s; c++) {
                if (!(o->taps >> c & 1)) continue;
                s->off[s->taps] = (repeated ? row % g->r : row) * line + source(w, 1, o->first, c) * g->k;
                s->weight[s->taps++] = (r * g->s + c) * direct_lanes(g);
            }
        }
        s->y = y ? y + o->first * g->k : NULL;
        s->dy = dy ? dy + o->first * g->k : NULL;
        w->kernel(s);
    }
    s->y = y, s->dy = dy;
}

SX_FAST static void repeat(long n, long times, const float *restrict from, float *restrict to)
{
    for (long j = 0; j < n && times == 2; j++) to[2 * j] = to[2 * j + 1] = from[j];
    for (long j = 0; j < n && times != 2; j++)
        for (long m = 0; m < times; m++) to[j * times + m] = from[j];
}

/* The lines that line i of image `at` of the results sees, each channel as often as it has filters. A line of
 * the image stays until its place is wanted. */
static void repeat_channels(work *w, long at, long i, const float *x)
{
    const geometry *g = w->g;
    for (long r = 0; r < g->r; r++) {
        const long row = source(w, 0, i, r), place = row % g->r;
        if (row < 0 || w->held[place] == at * g->h + row) continue;
        w->held[place] = at * g->h + row;
        repeat(g->w * g->c, g->k / g->c, x + row * g->w * g->c, w->scratch + place * g->w * g->k);
    }
}

SX_FAST static void add_filters(long n, long times, const float *restrict from, float *restrict to)
{
    for (long j = 0; j < n && times == 2; j++) to[j] = from[2 * j] + from[2 * j + 1];
    for (long j = 0; j < n && times != 2; j++) {
        float sum = 0;
        for (long m = 0; m < times; m++) sum += from[j * times + m];
        to[j] = sum;
    }
}

static work work_of(const geometry *g, bool back, void *room)
{
    work w = { .g = g, .back = back, .scratch = room };
    for (int i = 0; i < WINDOW; i++) w.held[i] = -1;
    find_runs(&w);
    return w;
}

/* Results, or sums of weights, of lines of results. */
static void lines_of(work *w, long line, long lines, const float *x, span *s)
{
    const geometry *g = w->g;
    const bool repeated = g->k > g->c;
    for (long i = line; i < line + lines; i++) {
        const float *image = x + i / g->oh * g->h * g->w * g->c;
        if (repeated) repeat_channels(w, i / g->oh, i % g->oh, image);
        s->x = repeated ? w->scratch : image;
        each_run(w, i % g->oh, g->w * g->k, repeated, s);
        if (s->y) s->y += g->ow * g->k;
        if (s->dy) s->dy += g->ow * g->k;
    }
}

static void forward(const geometry *g, cpu_isa most, const conv_post *post, long line, long lines,
                    const float *x, const void *u, float *y, void *room)
{
    work w = work_of(g, false, room);
    w.kernel = sets[isa_level(most)].forward;
    lines_of(&w, line, lines, x,
             &(span){ .in = g->stride[1] * g->k, .out = g->k, .k = g->k, .u = u, .y = y, .bias = post->bias,
                      .low = post->relu ? 0 : -INFINITY });
}

static void add(const geometry *g, cpu_isa most, long line, long lines, const float *x, const float *dy,
                bool first, float *sums, void *room)
{
    work w = work_of(g, false, room);
    w.kernel = sets[isa_level(most)].gradient;
    if (first) memset(sums, 0, direct_weights(g));
    lines_of(&w, line, lines, x,
             &(span){ .in = g->stride[1] * g->k, .out = g->k, .k = g->k, .dy = dy, .sums = sums });
}

static void back(const geometry *g, cpu_isa most, long line, long lines, const float *dy, const void *u,
                 float *dx, void *room)
{
    work w = work_of(g, true, room);
    const bool several = g->k > g->c;
    span s = { .in = g->k, .out = w.step * g->k, .k = g->k, .u = u, .low = -INFINITY };
    w.kernel = sets[isa_level(most)].forward;
    for (long i = line; i < line + lines; i++, dx += g->w * g->c) {
        s.x = dy + i / g->h * g->oh * g->ow * g->k;
        s.y = several ? w.scratch : dx;
        each_run(&w, i % g->h, g->ow * g->k, false, &s);
        if (several) add_filters(g->w * g->c, g->k / g->c, w.scratch, dx);
    }
}

const conv_way conv_depthwise = { .can = can, .weights = direct_weights, .scratch = scratch,
                                  .prepare = direct_prepare, .run = forward, .back = back,
                                  .sums = direct_weights, .scratch_sums = scratch, .add = add,
                                  .join = direct_join };
