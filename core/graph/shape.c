/* shape.c: the shape rule of every op of ops.def: what cannot work is refused before anything runs.
 * A rule fills out->rank, shape and batched from the inputs, or refuses and returns false. */
#include "graph.h"
#include <string.h>

struct job { sx_graph *g; int n; const sx_t *in; const void *attr; sx_val *out; };
static const long LARGEST = 1L << 40;            /* elements of one tensor */

static const sx_val *in(const struct job *j, int i) { return sx_graph_val(j->g, j->in[i]); }
static const char *text(const struct job *j, int i) { return sx_graph_shape(j->g->arena, in(j, i)); }

#define REFUSE(...) (sx_refuse(j->g, NULL, __VA_ARGS__), false)

bool sx_shape_check(sx_graph *g, const sx_val *v)
{
    long n = 1;
    for (int i = 0; i < v->rank; i++) {
        if (v->shape[i] < 1)
            return sx_refuse(g, NULL, "makes a tensor with an axis of length %ld", v->shape[i]), false;
        if (__builtin_mul_overflow(n, v->shape[i], &n) || n > LARGEST)
            return sx_refuse(g, NULL, "makes a tensor of more than 2^40 elements"), false;
    }
    if (v->rank > 0 && v->rank <= SX_RANK) return true;
    return sx_refuse(g, NULL, "makes a tensor of %d axes", v->rank), false;
}

static bool shape(const struct job *j, bool batched, int rank, const long *dim)
{
    j->out->rank = rank;
    j->out->batched = batched;
    memset(j->out->shape, 0, sizeof j->out->shape);
    memcpy(j->out->shape, dim, (size_t)rank * sizeof *dim);
    return true;
}
#define SHAPE(BATCHED, ...) \
    shape(j, BATCHED, (int)(sizeof((long[]){ __VA_ARGS__ }) / sizeof(long)), (const long[]){ __VA_ARGS__ })

static bool same(const struct job *j, int i)
{
    return shape(j, in(j, i)->batched, in(j, i)->rank, in(j, i)->shape);
}

static bool equal(const struct job *j, int a, int b)
{
    const sx_val *x = in(j, a), *y = in(j, b);
    return x->rank == y->rank && !memcmp(x->shape, y->shape, sizeof x->shape);
}

static bool is_vector(const struct job *j, int i, long n)
{
    return in(j, i)->rank == 1 && in(j, i)->shape[0] == n;
}

static bool is_pair(const struct job *j, int i, long c)              /* [2, c] */
{
    return in(j, i)->rank == 2 && in(j, i)->shape[0] == 2 && in(j, i)->shape[1] == c;
}

static long channels(const struct job *j, int i) { return in(j, i)->shape[in(j, i)->rank - 1]; }

static bool is_step(const struct job *j, int i) { return is_vector(j, i, 1) && in(j, i)->dtype == SX_I32; }

/* --- bookkeeping --- */
static bool given(const struct job *j)
{
    return j->out->rank > 0 || REFUSE("makes a tensor without a shape");
}
static bool shape_fill(const struct job *j) { return given(j); }
static bool shape_random(const struct job *j)
{
    return given(j) && (is_step(j, 0) || REFUSE("draws without a step counter"));
}
static bool shape_stop(const struct job *j) { return same(j, 0); }
static bool shape_cast(const struct job *j) { return same(j, 0); }

static bool shape_reshape(const struct job *j)
{
    const sx_shape *s = j->attr;
    shape(j, j->out->batched, s->rank, s->dim);
    if (!sx_shape_check(j->g, j->out)) return false;
    return sx_val_count(j->out) == sx_val_count(in(j, 0)) ||
           REFUSE("cannot reshape %s to %s", text(j, 0), sx_graph_shape(j->g->arena, j->out));
}

static bool shape_expand(const struct job *j)
{
    const sx_shape *s = j->attr;
    const sx_val *x = in(j, 0);
    shape(j, j->out->batched || x->batched, s->rank, s->dim);
    const int lead = s->rank - x->rank;
    bool fits = lead >= 0;
    for (int i = 0; fits && i < x->rank; i++) fits = x->shape[i] == 1 || x->shape[i] == s->dim[lead + i];
    return fits || REFUSE("cannot broadcast %s to %s", text(j, 0), sx_graph_shape(j->g->arena, j->out));
}

static bool shape_permute(const struct job *j)
{
    const sx_axes *a = j->attr;
    const sx_val *x = in(j, 0);
    unsigned seen = 0;
    for (int i = 0; i < x->rank; i++) {
        if (a->axis[i] < 0 || a->axis[i] >= x->rank || seen & 1u << a->axis[i])
            return REFUSE("permutes axes that are no permutation of 0 .. %d", x->rank - 1);
        seen |= 1u << a->axis[i];
    }
    same(j, 0);
    j->out->batched = x->batched && a->axis[0] == 0;
    for (int i = 0; i < x->rank; i++) j->out->shape[i] = x->shape[a->axis[i]];
    return true;
}

static bool shape_slice(const struct job *j)
{
    const sx_range *r = j->attr;
    const sx_val *x = in(j, 0);
    if (r->axis < 0 || r->axis >= x->rank) return REFUSE("slices axis %d of %d", r->axis, x->rank);
    if (r->from < 0 || r->n < 1 || r->from > x->shape[r->axis] || r->n > x->shape[r->axis] - r->from)
        return REFUSE("slices %ld from %ld on of an axis of length %ld", r->n, r->from, x->shape[r->axis]);
    same(j, 0);
    j->out->shape[r->axis] = r->n;
    return true;
}

static bool shape_pad(const struct job *j)
{
    const sx_border *b = j->attr;
    same(j, 0);
    for (int i = 0; i < j->out->rank; i++) {
        long *n = &j->out->shape[i];
        if (b->before[i] < 0 || b->after[i] < 0) return REFUSE("pads by a negative number");
        if (__builtin_add_overflow(*n, b->before[i], n) || __builtin_add_overflow(*n, b->after[i], n))
            return REFUSE("pads to more than 2^40 elements");
    }
    return true;
}

static bool shape_concat(const struct job *j)
{
    const int axis = ((const sx_axes *)j->attr)->axis[0];
    const sx_val *x = in(j, 0);
    if (axis < 0 || axis >= x->rank) return REFUSE("joins along axis %d of %d", axis, x->rank);
    same(j, 0);
    for (int i = 1; i < j->n; i++) {
        const sx_val *y = in(j, i);
        bool fits = y->rank == x->rank && (y->dtype == x->dtype || (x->dtype < SX_I32 && y->dtype < SX_I32));
        for (int k = 0; fits && k < x->rank; k++) fits = k == axis || x->shape[k] == y->shape[k];
        if (!fits) return REFUSE("cannot join %s and %s", text(j, 0), text(j, i));
        if (__builtin_add_overflow(j->out->shape[axis], y->shape[axis], &j->out->shape[axis]))
            return REFUSE("joins more than 2^40 elements");
        j->out->batched |= y->batched;
    }
    return true;
}

static bool shape_rows(const struct job *j)
{
    const sx_batch *b = j->attr;
    if (in(j, 0)->rank != 1 || in(j, 0)->dtype != SX_I32 || !is_step(j, 1))
        return REFUSE("takes rows without an order and a step");
    if (b->n < 1 || b->steps < 1 || b->n > in(j, 0)->shape[0] / b->steps)
        return REFUSE("takes more rows than there are");
    return SHAPE(true, b->n);
}

static bool shape_gather(const struct job *j)
{
    if (in(j, 1)->rank != 1 || in(j, 1)->dtype != SX_I32)
        return REFUSE("gathers by something that is no list of rows");
    same(j, 0);
    j->out->batched = in(j, 1)->batched;
    j->out->shape[0] = in(j, 1)->shape[0];
    return true;
}

static bool shape_put(const struct job *j)
{
    const sx_batch *b = j->attr;
    const sx_val *log = in(j, 0), *x = in(j, 1);
    const bool number = log->dtype == SX_F32 && x->dtype < SX_I32;
    bool fits = is_step(j, 2) && b->n == x->shape[0] && b->steps > 0 && log->rank == x->rank &&
        (log->dtype == x->dtype || number) &&
                log->shape[0] / b->steps == b->n && log->shape[0] % b->steps == 0;
    for (int i = 1; fits && i < x->rank; i++) fits = log->shape[i] == x->shape[i];
    return fits || REFUSE("puts %s into a log of %s", text(j, 1), text(j, 0));
}

static bool shape_assign(const struct job *j)
{
    const bool fits = equal(j, 0, 1) && in(j, 0)->dtype == in(j, 1)->dtype;
    return fits || REFUSE("assigns %s to a state of %s", text(j, 1), text(j, 0));
}

static bool shape_advance(const struct job *j)
{
    return is_step(j, 0) || REFUSE("advances what is no step counter");
}

/* --- images --- */
static bool image(const struct job *j, int i)
{
    return in(j, i)->rank == 4 || REFUSE("wants an image (height, width, channels), not %s", text(j, i));
}

static bool resized(const struct job *j, const sx_size2 *s)
{
    if (!image(j, 0)) return false;
    if (s->height < 1 || s->width < 1) return REFUSE("makes an image of %ldx%ld", s->height, s->width);
    return SHAPE(in(j, 0)->batched, in(j, 0)->shape[0], s->height, s->width, in(j, 0)->shape[3]);
}
static bool shape_resize(const struct job *j) { return resized(j, j->attr); }
static bool shape_resize_bwd(const struct job *j) { return resized(j, j->attr); }

/* How often a window fits along axis i of an image (0 height, 1 width); -1: it makes no sense. */
static long windows(const sx_window *w, int i, long length)
{
    const long most = 1L << 40;
    if (w->size[i] < 1 || w->stride[i] < 1 || w->dilation[i] < 1 || w->pad[i] < 0 || w->pad[i + 2] < 0)
        return -1;
    if (w->size[i] > most / w->dilation[i] || w->pad[i] > most || w->pad[i + 2] > most) return -1;
    const long reach = (w->size[i] - 1) * w->dilation[i] + 1, room = length + w->pad[i] + w->pad[i + 2];
    return reach > room ? 0 : (room - reach) / w->stride[i] + 1;
}

static bool windowed(const struct job *j, const sx_window *w, const long *size, long out_channels)
{
    const sx_val *x = in(j, 0);
    const long h = windows(w, 0, size[0]), v = windows(w, 1, size[1]);
    if (h < 0 || v < 0) return REFUSE("has a window with an impossible size, stride, dilation or padding");
    if (!h || !v)
        return REFUSE("window %ldx%ld does not fit the %ldx%ld input", w->size[0], w->size[1], size[0],
                      size[1]);
    return SHAPE(x->batched, x->shape[0], h, v, out_channels);
}

static bool kernel_fits(const struct job *j, const sx_window *w, const sx_val *kernel, long c, long filters)
{
    if (kernel->rank != 4 || kernel->shape[1] != w->size[0] || kernel->shape[2] != w->size[1])
        return REFUSE("kernel does not have the window's size %ldx%ld", w->size[0], w->size[1]);
    if (w->groups < 1 || c % w->groups || filters % w->groups)
        return REFUSE("cannot divide %ld channels and %ld filters into %ld groups", c, filters, w->groups);
    return (kernel->shape[3] == c / w->groups && kernel->shape[0] == filters) ||
           REFUSE("kernel is for %ld channels a group, the input has %ld", kernel->shape[3], c / w->groups);
}

static bool shape_conv2d(const struct job *j)
{
    const sx_window *w = j->attr;
    if (!image(j, 0) || !image(j, 1) || !kernel_fits(j, w, in(j, 1), channels(j, 0), in(j, 1)->shape[0]))
        return false;
    return windowed(j, w, in(j, 0)->shape + 1, in(j, 1)->shape[0]);
}

/* Does dy (input i) have the shape that the window gives an image of height x width? */
static bool fits_back(const struct job *j, int i, const sx_window *w, long height, long width)
{
    return (windows(w, 0, height) == in(j, i)->shape[1] && windows(w, 1, width) == in(j, i)->shape[2]) ||
           REFUSE("has a gradient of another shape than its output");
}

static bool shape_conv2d_bwd_x(const struct job *j)                  /* (dy, w) */
{
    const sx_conv_bwd *b = j->attr;
    if (!image(j, 0) || !image(j, 1) || !fits_back(j, 0, &b->window, b->height, b->width)) return false;
    return SHAPE(in(j, 0)->batched, in(j, 0)->shape[0], b->height, b->width,
                 in(j, 1)->shape[3] * b->window.groups);
}

static bool shape_conv2d_bwd_w(const struct job *j)                  /* (x, dy) */
{
    const sx_conv_bwd *b = j->attr;
    if (!image(j, 0) || !image(j, 1) || !fits_back(j, 1, &b->window, in(j, 0)->shape[1], in(j, 0)->shape[2]))
        return false;
    return SHAPE(false, channels(j, 1), b->window.size[0], b->window.size[1],
                 channels(j, 0) / b->window.groups);
}

static bool pooled(const struct job *j)
{
    const sx_window *w = j->attr;
    if (!image(j, 0)) return false;
    for (int i = 0; i < 2; i++)                  /* else a window might see nothing but padding */
        if (w->pad[i] >= w->size[i] || w->pad[i + 2] >= w->size[i])
            return REFUSE("pads by a whole window or more");
    return windowed(j, w, in(j, 0)->shape + 1, channels(j, 0));
}
static bool shape_maxpool(const struct job *j) { return pooled(j); }
static bool shape_avgpool(const struct job *j) { return pooled(j); }

static bool shape_maxpool_arg(const struct job *j)
{
    const sx_window *w = j->attr;
    if (w->size[0] > 256 / w->size[1])
        return REFUSE("window %ldx%ld has more than 256 elements", w->size[0], w->size[1]);
    return pooled(j);
}

static bool unpooled(const struct job *j)
{
    const sx_pool_bwd *b = j->attr;
    if (!image(j, 0) || !fits_back(j, 0, &b->window, b->height, b->width)) return false;
    return SHAPE(in(j, 0)->batched, in(j, 0)->shape[0], b->height, b->width, channels(j, 0));
}
static bool shape_maxpool_bwd(const struct job *j)
{
    return equal(j, 0, 1) ? unpooled(j) : REFUSE("has a gradient of another shape");
}
static bool shape_avgpool_bwd(const struct job *j) { return unpooled(j); }

/* --- algebra --- */
static bool shape_matmul(const struct job *j)
{
    const unsigned trans = ((const sx_mm *)j->attr)->trans;
    const sx_val *a = in(j, 0), *b = in(j, 1);
    const int ta = !!(trans & SX_TRANS_A), tb = !!(trans & SX_TRANS_B);
    if (a->rank != 2 || b->rank != 2)
        return REFUSE("multiplies %s and %s, which are no matrices", text(j, 0), text(j, 1));
    if (a->shape[!ta] != b->shape[tb])
        return REFUSE("multiplies rows of %ld and columns of %ld", a->shape[!ta], b->shape[tb]);
    return SHAPE(a->batched && !ta, a->shape[ta], b->shape[!tb]);
}

/* Rows must meet rows: numpy's rule would else set the batch of a vector against the channels of a matrix. */
static bool shape_map(const struct job *j)
{
    same(j, 0);
    for (int i = 1; i < j->n; i++) {
        const sx_val *y = in(j, i);
        sx_val x = *j->out;
        if (x.batched && y->batched && x.rank != y->rank)
            return REFUSE("combines rows of %s and %s", text(j, 0), text(j, i));
        const int rank = x.rank > y->rank ? x.rank : y->rank;
        for (int k = 1; k <= rank; k++) {
            const long a = k > x.rank ? 1 : x.shape[x.rank - k], b = k > y->rank ? 1 : y->shape[y->rank - k];
            if (a != b && a != 1 && b != 1) return REFUSE("cannot combine %s and %s", text(j, 0), text(j, i));
            j->out->shape[rank - k] = a == 1 ? b : a;
        }
        j->out->rank = rank;
        j->out->batched = (x.batched && x.rank == rank) || (y->batched && y->rank == rank);
    }
    return true;
}

static bool shape_map_bwd(const struct job *j) { return same(j, 0); }

static bool shape_reduce(const struct job *j)
{
    const unsigned axes = ((const sx_fold_over *)j->attr)->axes;
    if (!axes || axes >> in(j, 0)->rank) return REFUSE("reduces axes that %s does not have", text(j, 0));
    same(j, 0);
    for (int i = 0; i < j->out->rank; i++) if (axes & 1u << i) j->out->shape[i] = 1;
    if (axes & 1) j->out->batched = false;
    return true;
}

static bool shape_softmax(const struct job *j) { return same(j, 0); }
static bool shape_softmax_bwd(const struct job *j)
{
    return equal(j, 0, 1) ? same(j, 0) : REFUSE("has a gradient of another shape");
}

static bool classified(const struct job *j)
{
    if (in(j, 0)->rank != 2) return REFUSE("wants one row of classes for each label, not %s", text(j, 0));
    if (in(j, 1)->dtype != SX_I32 || !is_vector(j, 1, in(j, 0)->shape[0]))
        return REFUSE("wants one label a row");
    return SHAPE(in(j, 0)->batched, in(j, 0)->shape[0]);
}
static bool shape_xent(const struct job *j) { return classified(j); }
static bool shape_hit(const struct job *j) { return classified(j); }
static bool shape_xent_bwd(const struct job *j)
{
    return classified(j) && (is_vector(j, 2, in(j, 0)->shape[0]) || REFUSE("wants one gradient a row")) &&
           same(j, 0);
}

/* --- normalisation --- */
static bool shape_moments(const struct job *j) { return SHAPE(false, 2, channels(j, 0)); }

static bool shape_norm_scale(const struct job *j)
{
    const long c = channels(j, 0);
    if (!is_pair(j, 0, c)) return REFUSE("normalises by %s, which is no mean and variance", text(j, 0));
    if (!is_vector(j, 1, c) || !is_vector(j, 2, c))
        return REFUSE("scales %ld channels by %s and %s", c, text(j, 1), text(j, 2));
    return SHAPE(false, 2, c);
}

static bool by_channel(const struct job *j, int i)
{
    const long c = channels(j, 0);
    return is_pair(j, i, c) || REFUSE("normalises %ld channels by %s", c, text(j, i));
}
static bool shape_scale_shift(const struct job *j) { return by_channel(j, 1) && same(j, 0); }

static bool shape_norm_sums(const struct job *j)
{
    return by_channel(j, 2) && (equal(j, 0, 1) || REFUSE("has a gradient of another shape")) &&
           SHAPE(false, 2, channels(j, 0));
}

static bool shape_norm_bwd(const struct job *j)
{
    return by_channel(j, 2) && by_channel(j, 4) &&
           (equal(j, 0, 1) || REFUSE("has a gradient of another shape")) &&
           (is_vector(j, 3, channels(j, 0)) || REFUSE("scales by %s", text(j, 3))) && same(j, 0);
}

/* --- learning --- */
static bool shape_update(const struct job *j)
{
    const sx_learn *l = j->attr;
    if (j->n != 4 + l->update->slots || !is_step(j, 3))
        return REFUSE("is updated with a wrong number of slots");
    for (int i = 1; i < j->n; i++)
        if (i != 2 && i != 3 && !equal(j, 0, i))
            return REFUSE("is updated with %s in place of %s", text(j, i), text(j, 0));
    return (l->rows > 0 && in(j, 2)->rank == 2 && in(j, 2)->shape[0] == l->rows &&
            in(j, 2)->shape[1] == SX_TABLE_WIDTH) ||
           REFUSE("is updated without a table of coefficients");
}

bool sx_shape_infer(sx_graph *g, sx_opcode code, int n, const sx_t *inputs, const void *attr, sx_val *out)
{
    static bool (*const rule[SX_OP_COUNT])(const struct job *) = {
#define SX_ROW(CODE, name, inputs_, type, rowwise, cheap, inplace) [SX_OP_##CODE] = shape_##name,
#include <strix/ops.def>
#undef SX_ROW
    };
    const int least = code == SX_OP_UPDATE ? 4 : 1;
    if (sx_op_row(code)->inputs < 0 && n < least)
        return sx_refuse(g, NULL, "gives too few inputs to %s", sx_op_row(code)->name), false;
    return rule[code](&(struct job){ g, n, inputs, attr, out });
}
