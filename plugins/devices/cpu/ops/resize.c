/* resize.c: bilinear resizing of images, by a line of taps for each axis. Channels are the inner loop. */
#include <string.h>
#include "cpu.h"

typedef struct {                                 /* (1 - v) x[a] + v x[b] */
    long a, b;
    float v;
    int ka, kb;                                  /* 1 - v and v of bytes, in 1 / 2048 */
} tap;
typedef struct { long h, w, c, oh, ow; bool whole; tap *y, *x; } resizing;

static long between(long i, long last) { return i < 0 ? 0 : i > last ? last : i; }

static tap *taps(const sx_plan *p, long in, long out)
{
    tap *t = sx_plan_alloc(p, (size_t)out * sizeof *t);
    for (long i = 0; i < out; i++) {
        const double at = ((double)i + 0.5) / ((double)out / (double)in) - 0.5;
        const double inside_at = at < 0 ? 0 : at > (double)(in - 1) ? (double)(in - 1) : at;
        const long a = (long)inside_at;
        t[i] = (tap){ .a = a, .b = between(a + 1, in - 1), .v = (float)(inside_at - (double)a) };
    }
    return t;
}

/* OpenCV's taps for bytes: outside the image a column counts as the edge alone, but a row as a mix of the
 * edge with itself, which rounds otherwise. */
static tap *byte_taps(const sx_plan *p, long in, long out, bool columns)
{
    tap *t = sx_plan_alloc(p, (size_t)out * sizeof *t);
    for (long i = 0; i < out; i++) {
        const float at = (float)(((double)i + 0.5) / ((double)out / (double)in) - 0.5);
        const long a = (long)floorf(at);
        const float v = columns && (a < 0 || a >= in - 1) ? 0 : at - (float)a;
        t[i] = (tap){ between(a, in - 1), between(a + 1, in - 1), v, (int)rintf((1 - v) * 2048),
                      (int)rintf(v * 2048) };
    }
    return t;
}

static bool resizing_make(task *t, const tensor *x, const tensor *y)
{
    if (x->rank != 4 || y->rank != 4) return false;
    resizing *g = t->own = sx_plan_alloc(t->plan, sizeof *g);
    *g = (resizing){ .h = x->dim[1], .w = x->dim[2], .c = x->dim[3], .oh = y->dim[1], .ow = y->dim[2],
                     .whole = ((const sx_size2 *)t->op->attr)->whole };
    g->y = g->whole ? byte_taps(t->plan, g->h, g->oh, false) : taps(t->plan, g->h, g->oh);
    g->x = g->whole ? byte_taps(t->plan, g->w, g->ow, true) : taps(t->plan, g->w, g->ow);
    return true;
}
static bool resize_make(sx_dev *dev, task *t) { (void)dev; return resizing_make(t, &t->in[0], &t->out); }
static bool resize_bwd_make(sx_dev *dev, task *t) { (void)dev; return resizing_make(t, &t->out, &t->in[0]); }

static void resize_image(const resizing *g, const float *x, float *y)
{
    for (long i = 0; i < g->oh; i++) {
        const tap v = g->y[i];
        const float *top = x + v.a * g->w * g->c, *bottom = x + v.b * g->w * g->c;
        for (long j = 0; j < g->ow; j++) {
            const tap u = g->x[j];
            for (long k = 0; k < g->c; k++) {
                const float a = top[u.a * g->c + k] * (1 - u.v) + top[u.b * g->c + k] * u.v;
                const float b = bottom[u.a * g->c + k] * (1 - u.v) + bottom[u.b * g->c + k] * u.v;
                *y++ = a * (1 - v.v) + b * v.v;
            }
        }
    }
}

static int byte_of(float x) { return x >= 255 ? 255 : x > 0 ? (int)(x + 0.5f) : 0; }

/* Fixed point as in OpenCV's INTER_LINEAR (resize.cpp), to the last bit: a line of the image is first made as
 * wide as the result's, which several lines of that read. */
enum { PIECE = 512 };
typedef struct { long row; int v[PIECE]; } wide_line;                /* numbers [from, from + n) of a line */

static const int *widen(const resizing *g, const float *x, long row, long from, long n, wide_line held[2])
{
    for (int i = 0; i < 2; i++) if (held[i].row == row) return held[i].v;
    wide_line *to = &held[held[1].row < held[0].row]; /* rows go downwards: the upper one is done */
    x += row * g->w * g->c;
    to->row = row;
    for (long e = 0, j = from / g->c, k = from % g->c; e < n; e++) {
        const tap u = g->x[j];
        to->v[e] = (byte_of(x[u.a * g->c + k]) * u.ka + byte_of(x[u.b * g->c + k]) * u.kb) >> 4;
        if (++k == g->c) k = 0, j++;
    }
    return to->v;
}

SX_FAST static void mix_lines(long n, const int *a, const int *b, int ka, int kb, float *restrict y)
{
    for (long e = 0; e < n; e++) y[e] = (float)((((ka * a[e]) >> 16) + ((kb * b[e]) >> 16) + 2) >> 2);
}

static void resize_bytes(const resizing *g, const float *x, float *y)
{
    const long width = g->ow * g->c;
    for (long from = 0; from < width; from += PIECE) {
        const long n = width - from < PIECE ? width - from : PIECE;
        wide_line held[2] = { { .row = -2 }, { .row = -1 } };
        for (long i = 0; i < g->oh; i++) {
            const tap v = g->y[i];
            const int *top = widen(g, x, v.a, from, n, held), *bottom = widen(g, x, v.b, from, n, held);
            mix_lines(n, top, bottom, v.ka, v.kb, y + i * width + from);
        }
    }
}

static void resize_rows(const task *t, const lane *l, long from, long n)
{
    const resizing *g = t->own;
    const float *x = in_at(t, 0, l, from);
    float *y = out_at(t, l, from);
    for (long b = 0; b < n; b++)
        (g->whole ? resize_bytes : resize_image)(g, x + b * g->h * g->w * g->c, y + b * g->oh * g->ow * g->c);
}
const kernel k_resize = { .by_rows = 1, .make = resize_make, .rows = resize_rows };

SX_FAST static void add_part(long c, const float *restrict x, float k, float *restrict y)
{
    for (long j = 0; j < c; j++) y[j] += k * x[j];
}

static void resize_bwd_image(const resizing *g, const float *dy, float *dx)
{
    for (long i = 0; i < g->oh; i++)
        for (long j = 0; j < g->ow; j++, dy += g->c) {
            const tap v = g->y[i], u = g->x[j];
            add_part(g->c, dy, (1 - v.v) * (1 - u.v), dx + (v.a * g->w + u.a) * g->c);
            add_part(g->c, dy, (1 - v.v) * u.v, dx + (v.a * g->w + u.b) * g->c);
            add_part(g->c, dy, v.v * (1 - u.v), dx + (v.b * g->w + u.a) * g->c);
            add_part(g->c, dy, v.v * u.v, dx + (v.b * g->w + u.b) * g->c);
        }
}

static void resize_bwd_rows(const task *t, const lane *l, long from, long n)
{
    const resizing *g = t->own;
    const float *dy = in_at(t, 0, l, from);
    float *dx = out_at(t, l, from);
    memset(dx, 0, (size_t)(n * row_size(&t->out)) * sizeof *dx);
    for (long b = 0; b < n; b++)
        resize_bwd_image(g, dy + b * g->oh * g->ow * g->c, dx + b * g->h * g->w * g->c);
}
const kernel k_resize_bwd = { .by_rows = 1, .make = resize_bwd_make, .rows = resize_bwd_rows };
