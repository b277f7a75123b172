/* bnpool.c: max-pooling of 2x2 windows and what stands beside it in a net with batch normalisation, in one
 * pass over lines of pixels: largest element with its place, and the gradient of both. */
#include "pool2d.h"

/* --- forward: y and, if wanted, the place of each, as by maxpool and maxpool_arg over signed pixels --- */
SX_FAST static void max_line(long windows, long c, const float *restrict s, const float *restrict x,
                             const float *restrict down, float *restrict y)
{
    for (long w = 0; w < windows; w++, x += 2 * c, down += 2 * c, y += c)
        for (long j = 0; j < c; j++) {
            const float a = s[j] * x[j], b = s[j] * x[j + c], d = s[j] * down[j], e = s[j] * down[j + c];
            float m = BEATS(b, a) ? b : a;
            m = BEATS(d, m) ? d : m;
            y[j] = s[j] * (BEATS(e, m) ? e : m);
        }
}

SX_FAST static void pool_line(long windows, long c, const float *restrict s, const float *restrict x,
                              const float *restrict down, float *restrict y, uint8_t *restrict arg)
{
    for (long w = 0; w < windows; w++, x += 2 * c, down += 2 * c, y += c, arg += c)
        for (long j = 0; j < c; j++) {
            const float a = s[j] * x[j], b = s[j] * x[j + c], d = s[j] * down[j], e = s[j] * down[j + c];
            const int second = BEATS(b, a);
            float m = second ? b : a;
            const int third = BEATS(d, m);
            m = third ? d : m;
            const int k = third ? 2 : second, last = BEATS(e, m);
            y[j] = s[j] * (last ? e : m);
            arg[j] = (uint8_t)(last ? 3 : k);
        }
}

/* Window lines of the strip at hand, and elements from one to the next. */
typedef struct { long from, n, step; } window_lines;

static window_lines lines_of(const task *t, const lane *l, long n)
{
    const pooling *g = t->own;
    const long step = 2 * g->w * g->c;
    if (!t->line) return (window_lines){ 0, n * g->oh, step };
    const stretch p = strip_of(t, l, n * g->h * g->w * g->c);
    return (window_lines){ p.from / (2 * g->w), p.n / (2 * g->w), step };
}

/* Where window line k of the chunk begins in its images; a strip begins with its first. */
static long line_at(const task *t, const window_lines *w, const tensor *a, long k)
{
    const pooling *g = t->own;
    if (!t->line) return k / g->oh * g->h * g->w * g->c + k % g->oh * w->step;
    return (a->strip ? k - w->from : k) * w->step;
}

static void pool_rows(const task *t, const lane *l, long from, long n)
{
    const pooling *g = t->own;
    const window_lines w = lines_of(t, l, n);
    const long line = g->ow * g->c;
    const float *x = arg_at(&t->in[0], l, from), *sign = pool_signs(t, l, (float *)l->scratch);
    float *y = out_at(t, l, from);
    uint8_t *arg = t->also.id ? arg_at(&t->also, l, from) : NULL;
    for (long k = w.from; k < w.from + w.n; k++) {
        const float *at = x + line_at(t, &w, &t->in[0], k), *down = at + g->w * g->c;
        float *to = y + (t->out.strip ? k - w.from : k) * line;
        if (arg) pool_line(g->ow, g->c, sign, at, down, to, arg + k * line);
        else max_line(g->ow, g->c, sign, at, down, to);
    }
}
static const kernel halve = { .rows = pool_rows };

/* --- backward: dx = a G + b (x - mean) + d, G the gradient of the largest element of a window, else 0.
 * rectified: x comes from a rectifier, and dx goes on to what that was given --- */
typedef struct { const float *mean, *a, *b, *d; bool rectified; } channel_factors;
#define INLINE static inline __attribute__((always_inline))

INLINE void spread_windows(bool rectified, long windows, long c, const float *restrict x,
                           const float *restrict dy, const uint8_t *restrict arg, int k,
                           const channel_factors *f, float *restrict dx)
{
    const float *mean = f->mean, *a = f->a, *b = f->b, *d = f->d;
    for (long w = 0; w < windows; w++, x += 2 * c, dx += 2 * c, dy += c, arg += c)
        for (long j = 0; j < c; j++) {
            const float g = a[j] * dy[j], left = x[j], right = x[j + c];
            const float l = (arg[j] == k ? g : 0) + (b[j] * (left - mean[j]) + d[j]);
            const float r = (arg[j] == k + 1 ? g : 0) + (b[j] * (right - mean[j]) + d[j]);
            dx[j] = !rectified || left > 0 ? l : 0;
            dx[j + c] = !rectified || right > 0 ? r : 0;
        }
}

/* Pixels that no window has. */
INLINE void spread_pixels(bool rectified, long pixels, long c, const float *restrict x,
                          const channel_factors *f, float *restrict dx)
{
    const float *mean = f->mean, *b = f->b, *d = f->d;
    for (long p = 0; p < pixels; p++, x += c, dx += c)
        for (long j = 0; j < c; j++) {
            const float v = b[j] * (x[j] - mean[j]) + d[j];
            dx[j] = !rectified || x[j] > 0 ? v : 0;
        }
}

SX_FAST static void spread_line(long windows, long c, const float *restrict x, const float *restrict dy,
                                const uint8_t *restrict arg, int k, const channel_factors *f,
                                float *restrict dx)
{
    if (f->rectified) spread_windows(true, windows, c, x, dy, arg, k, f, dx);
    else spread_windows(false, windows, c, x, dy, arg, k, f, dx);
}

SX_FAST static void spread_rest(long pixels, long c, const float *restrict x, const channel_factors *f,
                                float *restrict dx)
{
    if (f->rectified) spread_pixels(true, pixels, c, x, f, dx);
    else spread_pixels(false, pixels, c, x, f, dx);
}

static void spread_pair(const pooling *g, const float *x, const float *dy, const uint8_t *arg,
                        const channel_factors *f, float *dx)
{
    const long line = g->w * g->c, odd = g->w % 2, last = line - g->c;
    for (int i = 0; i < 2; i++, x += line, dx += line) {
        spread_line(g->ow, g->c, x, dy, arg, 2 * i, f, dx);
        spread_rest(odd, g->c, x + last, f, dx + last);
    }
}

static void spread_rows(const task *t, const lane *l, long from, long n)
{
    const pooling *g = t->own;
    const window_lines w = lines_of(t, l, n);
    const long line = g->ow * g->c;
    const float *x = arg_at(&t->in[0], l, from), *dy = arg_at(&t->in[1], l, from);
    const uint8_t *arg = arg_at(&t->in[5], l, from);
    float *k = (float *)l->scratch, *dx = arg_at(&t->out, l, from);
    const channel_factors f = { in_at(t, 2, l, 0), k, k + g->c, k + 2 * g->c, t->rectified };
    norm_bwd_factors(t, l, k);
    for (long i = w.from; i < w.from + w.n; i++) {
        const long in = line_at(t, &w, &t->in[0], i), out = line_at(t, &w, &t->out, i);
        spread_pair(g, x + in, dy + (t->in[1].strip ? i - w.from : i) * line,
                    arg + (t->in[5].strip ? i - w.from : i) * line, &f, dx + out);
        if (g->h % 2 && i % g->oh == g->oh - 1)
            spread_rest(g->w, g->c, x + in + w.step, &f, dx + out + w.step);
    }
}
static const kernel spread = { .rows = spread_rows };

/* --- which tasks of a chain these are --- */
/* Max-pooling over the same pixels, and signs. */
static bool is_twin(const task *arg, const task *t)
{
    return arg->kernel == &k_maxpool_arg && !arg->out.local && arg->inputs == t->inputs
        && arg->in[0].id == t->in[0].id && (t->inputs == 1 || arg->in[1].id == t->in[1].id)
        && is_halving(arg->own);
}

/* Both run where the first of them did. */
static void join_pooling(chain *c, int i)
{
    task *t = &c->t[i];
    if (t->kernel != &k_maxpool || !is_halving(t->own)) return;
    t->kernel = &halve, t->name = "maxpool";
    for (int k = 0; k < c->n; k++) {
        if (!is_twin(&c->t[k], t)) continue;
        t->also = c->t[k].out;
        if (k < i) c->t[k] = *t;
        chain_drop(c, k < i ? i : k);
        return;
    }
}

static void join_spreading(chain *c, int i)
{
    const task from = c->t[i];
    int at = i;
    if (from.kernel != &k_maxpool_bwd || !from.out.local || !is_halving(from.own)) return;
    while (at < c->n && (c->t[at].kernel != &k_norm_bwd || c->t[at].in[1].id != from.out.id)) at++;
    if (at == c->n || chain_readers(c, from.out.id) != 1) return;
    task *t = &c->t[at];
    tensor *in = sx_plan_alloc(t->plan, 6 * sizeof *in);
    for (int j = 0; j < 5; j++) in[j] = t->in[j];
    in[1] = from.in[0], in[5] = from.in[1];
    t->in = in, t->inputs = 6, t->in_place = 0;
    t->own = from.own, t->line = from.line, t->grain = from.grain;
    t->kernel = &spread, t->name = "maxpool_bwd+norm_bwd";
    chain_drop(c, i);
}

/* The rectifier in front of the normalisation has its gradient from the same pass: its result is the x at
 * hand. */
static void join_rectifier(chain *c, int i)
{
    task *t = &c->t[i];
    if (t->kernel != &spread || !t->out.local || i + 1 == c->n) return;
    if (!map_is_relu_bwd(t + 1, t->out.id, t->in[0].id) || chain_readers(c, t->out.id) != 1) return;
    t->out = t[1].out;
    t->rectified = true;
    chain_drop(c, i + 1);
}

void pool_join(chain *c)
{
    for (int i = c->n; i-- > 0;) join_pooling(c, i);
    for (int i = 0; i < c->n; i++) join_spreading(c, i);
    for (int i = 0; i < c->n; i++) join_rectifier(c, i);
}
