/* direct.c: convolutions summed straight from their images (thin.c, depthwise.c) as tasks, which go strip by
 * strip with what follows, or with what makes their gradients. */
#include <string.h>
#include "conv.h"

long direct_taps(const geometry *g) { return g->r * g->s * (g->c / g->groups); }
long direct_lanes(const geometry *g)
{
    enum { LANES = 16 };                         /* floats of the longest vector */
    return ceil_div(g->k, LANES) * LANES;
}
size_t direct_weights(const geometry *g)
{
    return (size_t)(direct_taps(g) * direct_lanes(g)) * sizeof(float);
}

void direct_prepare(const geometry *g, const float *w, float *u)
{
    const long taps = direct_taps(g), lanes = direct_lanes(g);
    memset(u, 0, direct_weights(g));
    for (long k = 0; k < g->k; k++)
        for (long t = 0; t < taps; t++) u[t * lanes + k] = w[k * taps + t];
}

void direct_collect(const geometry *g, const float *sums, float *dw)
{
    const long taps = direct_taps(g), lanes = direct_lanes(g);
    for (long k = 0; k < g->k; k++)
        for (long t = 0; t < taps; t++) dw[k * taps + t] = sums[t * lanes + k];
}

typedef struct { geometry g; const conv_direct *way; bool back, bias, relu; } direct;     /* bias: input 2 */

/* Lines of the results, or back of the image, are divided; all of the other is needed. */
static void divide(task *t, const geometry *g, bool back)
{
    const long w = back ? g->w : g->ow, h = back ? g->h : g->oh;
    t->line = back ? g->c : g->k;
    t->grain = w;
    t->extent = h * w * t->line;
    t->entire = 1;
}

static long lines_of(const direct *d, long strip) { return strip / (d->back ? d->g.w : d->g.ow); }

static void begin(const task *t, const pass *r)
{
    const direct *d = t->own;
    direct_prepare(&d->g, whole_at(&t->in[1], r), shared_at(t, r));
}

static void rows(const task *t, const lane *l, long from, long n)
{
    const direct *d = t->own;
    const stretch part = strip_of(t, l, n * t->extent);
    const long line = lines_of(d, part.from), lines = lines_of(d, part.n);
    const float *x = in_at(t, 0, l, from), *u = shared_at(t, l->run);
    const conv_post post = { d->bias ? whole_at(&t->in[2], l->run) : NULL, d->relu };
    float *y = strip_at(&t->out, l, from, part.from * t->line);
    if (d->back) d->way->back(&d->g, isa_most(), line, lines, x, u, y, l->scratch);
    else d->way->run(&d->g, isa_most(), &post, line, lines, x, u, y, l->scratch);
}

static void weights_rows(const task *t, const lane *l, long from, long n)
{
    const direct *d = t->own;
    const stretch part = strip_of(t, l, n * t->extent);
    float *sums = partial_at(t, l->run, l->group);
    if (l->first) memset(sums, 0, t->partial);
    d->way->weights_grad(&d->g, isa_most(), lines_of(d, part.from), lines_of(d, part.n), in_at(t, 0, l, from),
                         strip_at(&t->in[1], l, from, part.from * t->line), sums, l->scratch);
}

static void weights_end(const task *t, const pass *r)
{
    const direct *d = t->own;
    float *all = partial_at(t, r, 0);
    const long n = (long)(direct_weights(&d->g) / sizeof *all);
    for (long i = 1; i < r->groups; i++) {
        const float *sums = partial_at(t, r, i);
        for (long j = 0; j < n; j++) all[j] += sums[j];
    }
    direct_collect(&d->g, all, whole_at(&t->out, r));
}

static const kernel through = { .by_rows = 1, .begin = begin, .rows = rows };
static const kernel to_weights = { .by_rows = 3, .sums = true, .rows = weights_rows, .end = weights_end };

/* Input 2 becomes the bias. A copy in another chain shares what this one had. */
bool direct_post(task *t, bool relu)
{
    const direct *before = t->own;
    if (t->kernel != &through || before->back || before->bias) return false;
    direct *d = t->own = sx_plan_alloc(t->plan, sizeof *d);
    *d = *before;
    d->bias = true, d->relu = relu;
    return true;
}

bool direct_make(task *t, conv_kind kind, const conv_direct *way, const geometry *g)
{
    if (!way->can(g) || (kind == CONV_BWD_X && !way->back)) return false;
    direct *d = t->own = sx_plan_alloc(t->plan, sizeof *d);
    *d = (direct){ .g = *g, .way = way, .back = kind == CONV_BWD_X };
    t->kernel = kind == CONV_BWD_W ? &to_weights : &through;
    t->lane = way->scratch(g);
    t->partial = kind == CONV_BWD_W ? direct_weights(g) : 0;
    t->shared = kind == CONV_BWD_W ? 0 : direct_weights(g);
    divide(t, g, d->back);
    return true;
}
