/* reference.c: the ops of ops.def computed naively in double, for the op suite: written from the table's
 * semantics, with no regard to speed, and with nothing in common with a device. */
#include "reference.h"
#include "rng.h"
#include <stdlib.h>

static long at4(const view *t, long n, long h, long w, long c)
{
    return ((n * t->dim[1] + h) * t->dim[2] + w) * t->dim[3] + c;
}

typedef enum { FORWARD, TO_X, TO_W } way;
/* Every product of a convolution once: y += x w, dx += dy w or dw += x dy. */
static void convolve(way to, const sx_window *p, view *x, view *w, view *y)
{
    const long group = w->dim[3], filters = y->dim[3] / p->groups;
    for (long n = 0; n < y->dim[0]; n++)
        for (long i = 0; i < y->dim[1]; i++)
            for (long j = 0; j < y->dim[2]; j++)
                for (long k = 0; k < y->dim[3]; k++)
                    for (long r = 0; r < p->size[0]; r++)
                        for (long s = 0; s < p->size[1]; s++)
                            for (long c = 0; c < group; c++) {
                                const long h = i * p->stride[0] - p->pad[0] + r * p->dilation[0],
                                           v = j * p->stride[1] - p->pad[1] + s * p->dilation[1];
                                if (h < 0 || v < 0 || h >= x->dim[1] || v >= x->dim[2]) continue;
                                double *px = &x->v[at4(x, n, h, v, k / filters * group + c)],
                                       *pw = &w->v[at4(w, k, r, s, c)], *py = &y->v[at4(y, n, i, j, k)];
                                if (to == FORWARD) *py += *px * *pw;
                                else if (to == TO_X) *px += *py * *pw;
                                else *pw += *px * *py;
                            }
}
void ref_conv2d(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    view x = in[0], w = in[1];
    convolve(FORWARD, attr, &x, &w, out);
}
void ref_conv2d_bwd_x(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    view y = in[0], w = in[1];
    convolve(TO_X, &((const sx_conv_bwd *)attr)->window, out, &w, &y);
}
void ref_conv2d_bwd_w(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    view x = in[0], y = in[1];
    convolve(TO_W, &((const sx_conv_bwd *)attr)->window, &x, out, &y);
}

typedef enum { MAX, ARG, MAX_BACK, MEAN, MEAN_BACK } pooling;
static void pool_one(pooling kind, const sx_window *p, view *x, view *y, const view *arg, long n, long i,
                     long j, long c)
{
    double best = -INFINITY, sum = 0;
    long which = 0, count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (long r = 0; r < p->size[0]; r++) for (long s = 0; s < p->size[1]; s++) {
                const long h = i * p->stride[0] - p->pad[0] + r * p->dilation[0],
                           v = j * p->stride[1] - p->pad[1] + s * p->dilation[1];
                if (h < 0 || v < 0 || h >= x->dim[1] || v >= x->dim[2]) continue;
                double *px = &x->v[at4(x, n, h, v, c)];
                const double dy = y->v[at4(y, n, i, j, c)];
                if (pass == 0) {
                    count++;
                    sum += *px;
                    if (*px > best) best = *px, which = r * p->size[1] + s;
                } else if (kind == MAX_BACK && arg->v[at4(y, n, i, j, c)] == (double)(r * p->size[1] + s))
                    *px += dy;
                else if (kind == MEAN_BACK) *px += dy / (double)count;
        }
    double *py = &y->v[at4(y, n, i, j, c)];
    if (kind == MAX) *py = best;
    else if (kind == ARG) *py = (double)which;
    else if (kind == MEAN) *py = sum / (double)count;
}
static void pool(pooling kind, const sx_window *p, view *x, view *y, const view *arg)
{
    for (long n = 0; n < y->dim[0]; n++)
        for (long i = 0; i < y->dim[1]; i++)
            for (long j = 0; j < y->dim[2]; j++)
                for (long c = 0; c < y->dim[3]; c++) pool_one(kind, p, x, y, arg, n, i, j, c);
}
void ref_maxpool(const view *in, int n, view *out, const void *a)
{
    (void)n;
    view x = in[0];
    pool(MAX, a, &x, out, NULL);
}
void ref_maxpool_arg(const view *in, int n, view *out, const void *a)
{
    (void)n;
    view x = in[0];
    pool(ARG, a, &x, out, NULL);
}
void ref_avgpool(const view *in, int n, view *out, const void *a)
{
    (void)n;
    view x = in[0];
    pool(MEAN, a, &x, out, NULL);
}
void ref_maxpool_bwd(const view *in, int n, view *out, const void *a)
{
    (void)n;
    view y = in[0];
    pool(MAX_BACK, &((const sx_pool_bwd *)a)->window, out, &y, &in[1]);
}
void ref_avgpool_bwd(const view *in, int n, view *out, const void *a)
{
    (void)n;
    view y = in[0];
    pool(MEAN_BACK, &((const sx_pool_bwd *)a)->window, out, &y, NULL);
}

typedef struct { long a, b; double v; } tap;
static tap tap_of(long i, long in, long out)
{
    const double at = fmin(fmax(((double)i + 0.5) * (double)in / (double)out - 0.5, 0), (double)(in - 1));
    const long a = (long)at;
    return (tap){ a, a + 1 < in ? a + 1 : a, at - (double)a };
}
static void resize(bool back, view *x, view *y)
{
    for (long n = 0; n < y->dim[0]; n++)
        for (long i = 0; i < y->dim[1]; i++)
            for (long j = 0; j < y->dim[2]; j++)
                for (long c = 0; c < y->dim[3]; c++) {
                    const tap u = tap_of(i, x->dim[1], y->dim[1]), v = tap_of(j, x->dim[2], y->dim[2]);
                    double *p[4] = { &x->v[at4(x, n, u.a, v.a, c)], &x->v[at4(x, n, u.a, v.b, c)],
                                     &x->v[at4(x, n, u.b, v.a, c)], &x->v[at4(x, n, u.b, v.b, c)] };
                    const double k[4] = { (1 - u.v) * (1 - v.v), (1 - u.v) * v.v, u.v * (1 - v.v),
                                          u.v * v.v };
                    double *q = &y->v[at4(y, n, i, j, c)], z = 0;
                    for (int m = 0; m < 4; m++) {
                        if (back) *p[m] += k[m] * *q;
                        z += k[m] * *p[m];
                    }
                    if (!back) *q = z;
                }
}
/* Bytes as OpenCV's INTER_LINEAR has them: weights in 1 / 2048; a column beyond the edge is the edge, a row a
 * mix. */
typedef struct { long a, b, ka, kb; } byte_tap;
static byte_tap byte_tap_of(long i, long in, long out, bool column)
{
    const float at = (float)(((double)i + 0.5) / ((double)out / (double)in) - 0.5);
    const double a = floor((double)at);
    const float v = column && (a < 0 || a >= (double)(in - 1)) ? 0 : at - (float)a;
    return (byte_tap){ (long)fmax(a, 0), (long)fmin(a + 1, (double)(in - 1)), lrintf((1 - v) * 2048),
                       lrintf(v * 2048) };
}
static void resize_bytes(const view *x, view *y)
{
    for (long n = 0; n < y->dim[0]; n++)
        for (long i = 0; i < y->dim[1]; i++)
            for (long j = 0; j < y->dim[2]; j++)
                for (long c = 0; c < y->dim[3]; c++) {
                    const byte_tap v = byte_tap_of(i, x->dim[1], y->dim[1], false),
                                   u = byte_tap_of(j, x->dim[2], y->dim[2], true);
                    const long top = (long)x->v[at4(x, n, v.a, u.a, c)] * u.ka
                                     + (long)x->v[at4(x, n, v.a, u.b, c)] * u.kb;
                    const long bottom = (long)x->v[at4(x, n, v.b, u.a, c)] * u.ka
                                        + (long)x->v[at4(x, n, v.b, u.b, c)] * u.kb;
                    y->v[at4(y, n, i, j, c)] =
                        (double)((v.ka * (top >> 4) / 65536 + v.kb * (bottom >> 4) / 65536 + 2) / 4);
                }
}
void ref_resize(const view *in, int n, view *out, const void *a)
{
    (void)n;
    view x = in[0];
    if (((const sx_size2 *)a)->whole) resize_bytes(&x, out);
    else resize(false, &x, out);
}
void ref_resize_bwd(const view *in, int n, view *out, const void *a)
{
    (void)n, (void)a;
    view y = in[0];
    resize(true, out, &y);
}

void ref_matmul(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    const unsigned t = ((const sx_mm *)attr)->trans;
    const long k = in[0].dim[t & SX_TRANS_A ? 0 : 1];
    for (long i = 0; i < out->dim[0]; i++) for (long j = 0; j < out->dim[1]; j++) for (long l = 0; l < k; l++)
        out->v[i * out->dim[1] + j] += in[0].v[t & SX_TRANS_A ? l * in[0].dim[1] + i : i * in[0].dim[1] + l]
                                     * in[1].v[t & SX_TRANS_B ? j * in[1].dim[1] + l : l * in[1].dim[1] + j];
}

/* Element of t that numpy's broadcasting sets against element e of out. */
static double spread(const view *t, const view *out, long e)
{
    long at = 0, step = 1;
    for (int i = 1; i <= t->rank; i++) {
        const long d = t->dim[t->rank - i];
        at += d == 1 ? 0 : e % out->dim[out->rank - i] * step;
        e /= out->dim[out->rank - i];
        step *= d;
    }
    return t->v[at];
}
void ref_leaky(const view *in, int n, view *out, const void *a)
{
    (void)n, (void)a;
    for (long e = 0; e < out->size; e++) out->v[e] = in[0].v[e] > 0 ? in[0].v[e] : 0.25 * in[0].v[e];
}
void ref_tanh(const view *in, int n, view *out, const void *a)
{
    (void)n, (void)a;
    for (long e = 0; e < out->size; e++) out->v[e] = tanh(in[0].v[e]);
}
void ref_mix(const view *in, int n, view *out, const void *a)
{
    (void)n, (void)a;
    for (long e = 0; e < out->size; e++) {
        const double x = spread(&in[0], out, e), y = spread(&in[1], out, e);
        out->v[e] = x * y + 0.25 * x;
    }
}
void ref_mix_bwd(const view *in, int n, view *out,
                 const void *attr) /* of input 0: dy (x1 + k); of 1: dy x0 */
{
    (void)n;
    const sx_map_use *u = attr;
    for (long e = 0; e < out->size; e++)
        out->v[e] = in[0].v[e] * (u->which ? spread(&in[u->x0], out, e) : spread(&in[u->x1], out, e) + 0.25);
}
void ref_tanh_bwd(const view *in, int n, view *out, const void *attr)
{
    (void)n, (void)attr;
    for (long e = 0; e < out->size; e++) out->v[e] = in[0].v[e] * (1 - in[1].v[e] * in[1].v[e]);
}

void ref_reduce(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    const sx_fold_over *f = attr;
    for (long e = 0; e < out->size; e++) out->v[e] = f->fold == SX_MAX ? -INFINITY : 0;
    for (long e = 0; e < in[0].size; e++) {
        long at = 0, rest = e, step = 1;
        for (int i = in[0].rank - 1; i >= 0; rest /= in[0].dim[i--])
            if (!(f->axes >> i & 1)) at += rest % in[0].dim[i] * step, step *= in[0].dim[i];
        const double x = in[0].v[e];
        if (f->fold == SX_MAX) out->v[at] = fmax(out->v[at], x);
        else
            out->v[at] += f->fold == SX_SUM_SQUARES ? x * x
                          : f->fold == SX_MEAN      ? x * (double)out->size / (double)in[0].size
                                                    : x;
    }
}

void ref_softmax(const view *in, int n, view *out, const void *attr)
{
    (void)n, (void)attr;
    const long c = out->dim[out->rank - 1];
    for (long i = 0; i < out->size; i += c) {
        double sum = 0, most = -INFINITY;
        for (long j = 0; j < c; j++) most = fmax(most, in[0].v[i + j]);
        for (long j = 0; j < c; j++) sum += exp(in[0].v[i + j] - most);
        for (long j = 0; j < c; j++) out->v[i + j] = exp(in[0].v[i + j] - most) / sum;
    }
}
void ref_softmax_bwd(const view *in, int n, view *out, const void *attr)
{
    (void)n, (void)attr;
    const long c = out->dim[out->rank - 1];
    for (long i = 0; i < out->size; i += c) {
        double dot = 0;
        for (long j = 0; j < c; j++) dot += in[0].v[i + j] * in[1].v[i + j];
        for (long j = 0; j < c; j++) out->v[i + j] = in[0].v[i + j] * (in[1].v[i + j] - dot);
    }
}
void ref_xent(const view *in, int n, view *out, const void *attr)
{
    view soft = in[0];
    soft.v = malloc((size_t)soft.size * sizeof *soft.v);
    ref_softmax(in, n, &soft, attr);
    for (long i = 0; i < out->size; i++) out->v[i] = -log(soft.v[i * soft.dim[1] + (long)in[1].v[i]]);
    free(soft.v);
}
void ref_xent_bwd(const view *in, int n, view *out, const void *attr)
{
    ref_softmax(in, n, out, attr);
    for (long i = 0; i < out->dim[0]; i++) {
        out->v[i * out->dim[1] + (long)in[1].v[i]] -= 1;
        for (long j = 0; j < out->dim[1]; j++) out->v[i * out->dim[1] + j] *= in[2].v[i];
    }
}
void ref_hit(const view *in, int n, view *out, const void *attr)
{
    (void)n, (void)attr;
    for (long i = 0; i < out->size; i++) {
        const double *x = in[0].v + i * in[0].dim[1];
        long best = 0;
        for (long j = 1; j < in[0].dim[1]; j++) if (x[j] > x[best]) best = j;
        out->v[i] = best == (long)in[1].v[i];
    }
}

void ref_moments(const view *in, int n, view *out, const void *attr)
{
    (void)n, (void)attr;
    const long c = out->dim[1], count = in[0].size / c;
    for (long e = 0; e < in[0].size; e++) out->v[e % c] += in[0].v[e] / (double)count;
    for (long e = 0; e < in[0].size; e++)
        out->v[c + e % c] += pow(in[0].v[e] - out->v[e % c], 2) / (double)count;
}
static double inverse(const view *m, long j, const void *attr)
{
    return 1 / sqrt(m->v[m->dim[1] + j] + ((const sx_eps *)attr)->eps);
}
void ref_norm_scale(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    for (long j = 0, c = out->dim[1]; j < c; j++) {
        out->v[j] = in[1].v[j] * inverse(&in[0], j, attr);
        out->v[c + j] = in[2].v[j] - in[0].v[j] * out->v[j];
    }
}
void ref_scale_shift(const view *in, int n, view *out, const void *attr)
{
    (void)n, (void)attr;
    for (long e = 0, c = in[1].dim[1]; e < out->size; e++)
        out->v[e] = in[0].v[e] * in[1].v[e % c] + in[1].v[c + e % c];
}
void ref_norm_sums(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    for (long e = 0, c = out->dim[1]; e < in[0].size; e++) {
        out->v[e % c] += in[1].v[e] * (in[0].v[e] - in[2].v[e % c]) * inverse(&in[2], e % c, attr);
        out->v[c + e % c] += in[1].v[e];
    }
}
void ref_norm_bwd(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    const long c = out->dim[out->rank - 1];
    for (long e = 0; e < out->size; e++) {
        const double inv = inverse(&in[2], e % c, attr), hat = (in[0].v[e] - in[2].v[e % c]) * inv,
                     m = (double)(out->size / c);
        out->v[e] = in[3].v[e % c] * inv * (in[1].v[e] - in[4].v[c + e % c] / m - hat * in[4].v[e % c] / m);
    }
}

void ref_fill(const view *in, int n, view *out, const void *attr)
{
    (void)in, (void)n;
    for (long e = 0; e < out->size; e++) out->v[e] = (double)((const sx_fill *)attr)->value;
}
void ref_copy(const view *in, int n, view *out, const void *attr)       /* cast, expand */
{
    (void)n, (void)attr;
    for (long e = 0; e < out->size; e++) out->v[e] = spread(&in[0], out, e);
}
/* Coordinates of element e. */
static void unravel(const view *t, long e, long at[SX_RANK])
{
    for (int i = t->rank - 1; i >= 0; i--) at[i] = e % t->dim[i], e /= t->dim[i];
}
static long ravel(const view *t, const long at[SX_RANK])
{
    long e = 0;
    for (int i = 0; i < t->rank; i++) e = e * t->dim[i] + at[i];
    return e;
}
void ref_permute(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    for (long e = 0; e < out->size; e++) {
        long y[SX_RANK], x[SX_RANK];
        unravel(out, e, y);
        for (int i = 0; i < out->rank; i++) x[((const sx_axes *)attr)->axis[i]] = y[i];
        out->v[e] = in[0].v[ravel(&in[0], x)];
    }
}
void ref_slice(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    const sx_range *r = attr;
    for (long e = 0; e < out->size; e++) {
        long at[SX_RANK];
        unravel(out, e, at);
        at[r->axis] += r->from;
        out->v[e] = in[0].v[ravel(&in[0], at)];
    }
}
void ref_pad(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    const sx_border *b = attr;
    for (long e = 0; e < out->size; e++) out->v[e] = (double)b->value;
    for (long e = 0; e < in[0].size; e++) {
        long at[SX_RANK];
        unravel(&in[0], e, at);
        for (int i = 0; i < out->rank; i++) at[i] += b->before[i];
        out->v[ravel(out, at)] = in[0].v[e];
    }
}
void ref_concat(const view *in, int n, view *out, const void *attr)
{
    const int axis = ((const sx_axes *)attr)->axis[0];
    long start = 0;
    for (int i = 0; i < n; start += in[i++].dim[axis])
        for (long e = 0; e < in[i].size; e++) {
            long at[SX_RANK];
            unravel(&in[i], e, at);
            at[axis] += start;
            out->v[ravel(out, at)] = in[i].v[e];
        }
}
void ref_random(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    const sx_draw *d = attr;
    float *y = malloc((size_t)(out->size + 1) * sizeof *y);
    const sx_key key = { { d->key[0], d->key[1] } };
    (d->law == SX_NORMAL ? sx_normal_fill : sx_uniform_fill)(key, (uint32_t)in[0].v[0], 0, out->size, y);
    for (long e = 0; e < out->size; e++) {
        const double u = (double)y[e];
        out->v[e] = d->law == SX_BERNOULLI ? u < d->a
                    : d->law == SX_NORMAL  ? d->a + d->b * u
                                           : d->a + u * (d->b - d->a);
    }
    free(y);
}
void ref_rows(const view *in, int n, view *out, const void *attr)
{
    (void)n;
    const sx_batch *b = attr;
    for (long i = 0; i < b->n; i++) out->v[i] = in[0].v[(long)in[1].v[0] % b->steps * b->n + i];
}
void ref_gather(const view *in, int n, view *out, const void *attr)
{
    (void)n, (void)attr;
    const long row = out->size / out->dim[0];
    for (long e = 0; e < out->size; e++) out->v[e] = in[0].v[(long)in[1].v[e / row] * row + e % row];
}
