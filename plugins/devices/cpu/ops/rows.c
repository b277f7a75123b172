/* rows.c: ops that move data: batches in, logs out, axes about. Elements of 4 bytes move as they are. */
#include <string.h>
#include "cpu.h"

static long turn(const task *t, const pass *r, int input)             /* this step's place in an epoch */
{
    const sx_batch *b = t->op->attr;
    const int32_t step = *(const int32_t *)whole_at(&t->in[input], r);
    return b->steps > 0 ? (long)step % b->steps : 0;
}

static bool within(const task *t, const sx_batch *b, const tensor *all)
{
    return b->n == t->rows && b->steps >= 1 && b->steps <= all->dim[0] / b->n;
}

static bool rows_make(sx_dev *dev, task *t)
{
    (void)dev;
    return within(t, t->op->attr, &t->in[0]);
}
static void rows_rows(const task *t, const lane *l, long from, long n)
{
    const sx_batch *b = t->op->attr;
    const int32_t *perm = whole_at(&t->in[0], l->run);
    memcpy(arg_at(&t->out, l, from), perm + turn(t, l->run, 1) * b->n + from, (size_t)n * sizeof *perm);
}
const kernel k_rows = { .make = rows_make, .rows = rows_rows };

static bool gather_make(sx_dev *dev, task *t)
{
    (void)dev;
    t->in[0].row = 0;
    return t->in[0].dtype == t->out.dtype || t->out.dtype == SX_F32;
}
static void gather_rows(const task *t, const lane *l, long from, long n)
{
    const tensor *data = &t->in[0];
    const long size = row_size(&t->out);
    const size_t width = data->dtype == SX_U8 ? 1 : 4;
    const int32_t *idx = arg_at(&t->in[1], l, from);
    const char *x = whole_at(data, l->run);
    char *y = arg_at(&t->out, l, from);
    for (long i = 0; i < n; i++, y += t->out.row) {
        const long at = idx[i] >= 0 && idx[i] < data->dim[0] ? idx[i] : 0;
        const char *row = x + (size_t)(at * size) * width;
        if (data->dtype == t->out.dtype) memcpy(y, row, t->out.row);
        else cast_to_f32(data->dtype, size, row, (float *)y);
    }
}
const kernel k_gather = { .by_rows = 2, .make = gather_make, .rows = gather_rows };

static bool put_make(sx_dev *dev, task *t)
{
    (void)dev;
    t->rows = t->in[1].dim[0];
    return row_size(&t->in[0]) == row_size(&t->in[1]) && within(t, t->op->attr, &t->in[0]);
}
static void put_whole(const task *t, int n, const pass *r)
{
    (void)n;
    const sx_batch *b = t->op->attr;
    const size_t row = (size_t)row_size(&t->in[0]) * (t->in[0].dtype == SX_U8 ? 1 : 4);
    char *log = whole_at(&t->in[0], r);
    memcpy(log + (size_t)(turn(t, r, 2) * b->n) * row, whole_at(&t->in[1], r), (size_t)b->n * row);
}
const kernel k_put = { .alone = true, .make = put_make, .whole = put_whole };

static bool assign_make(sx_dev *dev, task *t) { (void)dev; return t->in[0].size == t->in[1].size; }
static void assign_whole(const task *t, int n, const pass *r)
{
    (void)n;
    memmove(whole_at(&t->in[0], r), whole_at(&t->in[1], r),
            (size_t)t->in[0].size * (t->in[0].dtype == SX_U8 ? 1 : 4));
}
const kernel k_assign = { .alone = true, .make = assign_make, .whole = assign_whole };

static void advance_whole(const task *t, int n, const pass *r)
{
    (void)n;
    int32_t *step = whole_at(&t->in[0], r);
    *step = *step == INT32_MAX ? 0 : *step + 1;
}
const kernel k_advance = { .alone = true, .whole = advance_whole };

/* --- moving axes about: the result is filled by runs along its last axis --- */
typedef struct { long stride[SX_RANK], offset; } mover;              /* of the input, by the result's axes */

static void strides_of(const tensor *a, long stride[SX_RANK])
{
    long step = 1;
    for (int i = a->rank - 1; i >= 0; i--) stride[i] = step, step *= a->dim[i];
}

static bool permute_make(sx_dev *dev, task *t)
{
    (void)dev;
    const sx_axes *a = t->op->attr;
    mover *m = t->own = sx_plan_alloc(t->plan, sizeof *m);
    long stride[SX_RANK];
    strides_of(&t->in[0], stride);
    for (int i = 0; i < t->out.rank; i++) m->stride[i] = stride[a->axis[i]];
    if (a->axis[0] == 0) t->in[0].row = t->out.row;
    return true;
}

static bool slice_make(sx_dev *dev, task *t)
{
    (void)dev;
    const sx_range *a = t->op->attr;
    mover *m = t->own = sx_plan_alloc(t->plan, sizeof *m);
    strides_of(&t->in[0], m->stride);
    m->offset = a->from * m->stride[a->axis];
    if (a->axis > 0) t->in[0].row = (size_t)row_size(&t->in[0]) * sizeof(float);
    return true;
}

static long source_of(const mover *m, const tensor *out, long e) /* of element e, from the first row on */
{
    long at = m->offset;
    for (int i = out->rank - 1; i >= 0; i--) {
        at += (i ? e % out->dim[i] : e) * m->stride[i];
        e /= out->dim[i];
    }
    return at;
}

static void move_rows(const task *t, const lane *l, long from, long n)
{
    const mover *m = t->own;
    const tensor *out = &t->out;
    const bool by_rows = t->in[0].row > 0;
    const float *x = in_at(t, 0, l, by_rows ? from : 0);
    float *y = out_at(t, l, from);
    const int last = out->rank - 1;
    const long run = last ? out->dim[last] : n, first = by_rows ? 0 : from * row_size(out),
               step = m->stride[last];
    for (long e = 0; e < n * row_size(out); e += run, y += run) {
        const float *p = x + source_of(m, out, first + e);
        if (step == 1) memcpy(y, p, (size_t)run * sizeof *y);
        else for (long i = 0; i < run; i++) y[i] = p[i * step];
    }
}
const kernel k_permute = { .make = permute_make, .rows = move_rows };
const kernel k_slice = { .make = slice_make, .rows = move_rows };

static bool pad_make(sx_dev *dev, task *t)
{
    (void)dev;
    const sx_border *b = t->op->attr;
    if (b->before[0] == 0 && b->after[0] == 0) t->in[0].row = (size_t)row_size(&t->in[0]) * sizeof(float);
    return true;
}

/* Each run of the input's last axis that lies in the result's rows goes to its place; the rest is
 * the border. */
static void pad_rows(const task *t, const lane *l, long from, long n)
{
    const sx_border *b = t->op->attr;
    const tensor *in = &t->in[0], *out = &t->out;
    const bool by_rows = in->row > 0;
    const float *x = in_at(t, 0, l, by_rows ? from : 0);
    float *y = out_at(t, l, from);
    const long size = row_size(out), row = row_size(in), run = in->rank > 1 ? in->dim[in->rank - 1] : 1;
    long stride[SX_RANK];
    strides_of(out, stride);
    for (long i = 0; i < n * size; i++) y[i] = b->value;
    for (long i = 0; i < n; i++) {
        const long k = by_rows ? i : from + i - b->before[0];
        if (!by_rows && (k < 0 || k >= in->dim[0])) continue;
        for (long e = 0; e < row; e += run) {
            long at = i * size, rest = e;
            for (int a = in->rank - 1; a > 0; a--) {
                at += (rest % in->dim[a] + b->before[a]) * stride[a];
                rest /= in->dim[a];
            }
            memcpy(y + at, x + k * row + e, (size_t)run * sizeof *y);
        }
    }
}
const kernel k_pad = { .make = pad_make, .rows = pad_rows };

static bool concat_make(sx_dev *dev, task *t)
{
    (void)dev;
    const int axis = ((const sx_axes *)t->op->attr)->axis[0];
    for (int i = 0; i < t->inputs; i++)
        t->in[i].row = axis > 0 ? (size_t)row_size(&t->in[i]) * sizeof(float) : 0;
    return t->inputs > 0;
}

static void concat_first(const task *t, const lane *l, long from, long n)      /* along axis 0 */
{
    const long size = row_size(&t->out);
    float *y = out_at(t, l, from);
    long start = 0;
    for (int i = 0; i < t->inputs; start += t->in[i++].dim[0]) {
        const long a = from > start ? from : start, end = start + t->in[i].dim[0],
                   z = from + n < end ? from + n : end;
        if (a < z) memcpy(y + (a - from) * size, in_at(t, i, l, 0) + (a - start) * size,
                          (size_t)((z - a) * size) * sizeof *y);
    }
}

static void concat_rows(const task *t, const lane *l, long from, long n)
{
    const int axis = ((const sx_axes *)t->op->attr)->axis[0];
    if (axis == 0) {
        concat_first(t, l, from, n);
        return;
    }
    long inner = 1, at = 0;                      /* elements behind the axis */
    for (int i = axis + 1; i < t->out.rank; i++) inner *= t->out.dim[i];
    const long line = inner * t->out.dim[axis], lines = n * row_size(&t->out) / line;
    float *y = out_at(t, l, from);
    for (int i = 0; i < t->inputs; i++) {
        const float *x = in_at(t, i, l, from);
        const long part = inner * t->in[i].dim[axis];
        for (long k = 0; k < lines; k++) memcpy(y + k * line + at, x + k * part, (size_t)part * sizeof *y);
        at += part;
    }
}
const kernel k_concat = { .make = concat_make, .rows = concat_rows };
