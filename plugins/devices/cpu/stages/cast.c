/* cast.c: other types and f32. bf16 is a way to store and never to compute, kernels know f32 alone: where a
 * chain reads what is stored in bf16 a task in front makes an f32 copy, and where it stores, a task behind
 * rounds. */
#include <string.h>
#include "cpu.h"

SX_FAST static void widen_u8(long n, const uint8_t *x, float *y) { for (long i = 0; i < n; i++) y[i] = x[i]; }
SX_FAST static void widen_i32(long n, const int32_t *x, float *y)
{
    for (long i = 0; i < n; i++) y[i] = (float)x[i];
}

void cast_to_f32(sx_dtype from, long n, const void *x, float *y)
{
    if (from == SX_U8) widen_u8(n, x, y);
    else if (from == SX_I32) widen_i32(n, x, y);
    else memcpy(y, x, (size_t)n * sizeof *y);
}

static void cast_rows(const task *t, const lane *l, long from, long n)
{
    cast_to_f32(t->in[0].dtype, n * row_size(&t->out), in_at(t, 0, l, from), out_at(t, l, from));
}
const kernel k_cast = { .by_rows = 1, .rows = cast_rows };

/* --- the tasks between what is stored and its copy --- */
static stretch elements(const task *t, const lane *l, long n)
{
    const long size = row_size(&t->out);
    if (!t->line) return (stretch){ 0, n * size };
    const stretch s = strip_of(t, l, n * t->extent);
    const long lines = t->extent / t->line;
    return (stretch){ s.from * size / lines, s.n * size / lines };
}

static void widen_rows(const task *t, const lane *l, long from, long n)
{
    const stretch s = elements(t, l, n);
    bf16_widen(s.n, (uint16_t *)arg_at(&t->in[0], l, from) + s.from, strip_at(&t->out, l, from, s.from));
}

static void narrow_rows(const task *t, const lane *l, long from, long n)
{
    const stretch s = elements(t, l, n);
    bf16_narrow(s.n, strip_at(&t->in[0], l, from, s.from), (uint16_t *)arg_at(&t->out, l, from) + s.from);
}
static const kernel k_widen = { .by_rows = 1, .rows = widen_rows },
                    k_narrow = { .by_rows = 1, .rows = narrow_rows };

enum { COPIES = 1 << 30 };                       /* from this number on: no values of the plan */
typedef struct { task *t; int n; uint32_t id; } list;

static bool is_stored(const tensor *a) { return a->half && !a->local && a->row; }
/* Does it go strip by strip with the task? A task of some grain takes every image in proportion. */
static bool fits(const task *t, const tensor *a)
{
    const long extent = task_extent(t), size = row_size(a);
    return t->line && (size == extent || (t->grain > 1 && size * t->grain % (extent / t->line) == 0));
}
static bool input_fits(const task *t, int j) { return !(t->entire >> j & 1) && fits(t, &t->in[j]); }

static tensor as_bf16(tensor a)
{
    a.row = stored_row(&a);
    a.dtype = SX_BF16, a.half = false;
    return a;
}

static tensor copy_of(list *to, tensor a)
{
    a.id = COPIES + to->id++;
    a.half = false, a.local = true;
    return a;
}

/* A reader keeps the shape that it sees. */
static void read_copy(tensor *a, const tensor *copy) { a->id = copy->id, a->half = false, a->local = true; }

static void add_task(list *to, const kernel *k, const task *beside, tensor in, tensor out, bool strips)
{
    tensor *own = sx_plan_alloc(beside->plan, sizeof *own);
    *own = in;
    to->t[to->n++] = (task){ .kernel = k, .plan = beside->plan, .inputs = 1, .in = own, .out = out,
                             .rows = beside->rows, .line = strips ? beside->line : 0, .grain = beside->grain,
                             .extent = task_extent(beside) };
}

/* The input becomes its copy, which is made once among the tasks from `first` on. */
static void widen_input(list *to, int first, const task *t, tensor *a, bool strips)
{
    for (int i = first; i < to->n; i++)
        if (to->t[i].kernel == &k_widen && to->t[i].in[0].id == a->id) {
            read_copy(a, &to->t[i].out);
            return;
        }
    const tensor copy = copy_of(to, *a);
    add_task(to, &k_widen, t, as_bf16(*a), copy, strips);
    read_copy(a, &copy);
}

static void widen_inputs(list *to, int first, const task *t, bool strips)
{
    for (int j = 0; j < t->inputs; j++)
        if (is_stored(&t->in[j]) && input_fits(t, j) == strips)
            widen_input(to, first, t, &t->in[j], strips);
}

static void narrow_result(list *to, const task *t, const tensor *stored, bool strips)
{
    if (stored->id && fits(t, &t->out) == strips)
        add_task(to, &k_narrow, t, t->out, as_bf16(*stored), strips);
}

/* Tasks [from, end) go strip by strip together, and with them what fits; the rest before and after. */
static void convert_run(chain *c, list *to, const tensor *stored, int from, int end)
{
    const int first = to->n;
    for (int i = from; i < end; i++) widen_inputs(to, first, &c->t[i], false);
    for (int i = from; i < end; i++) {
        widen_inputs(to, first, &c->t[i], true);
        to->t[to->n++] = c->t[i];
        narrow_result(to, &c->t[i], &stored[i], true);
    }
    for (int i = from; i < end; i++) narrow_result(to, &c->t[i], &stored[i], false);
}

/* A result that is stored is read in f32 within its chain. Gives what it was. */
static tensor own_result(chain *c, list *to, int i)
{
    const tensor stored = c->t[i].out;
    if (!is_stored(&stored)) return (tensor){ 0 };
    c->t[i].out = copy_of(to, stored);
    for (int k = i + 1; k < c->n; k++)
        for (int j = 0; j < c->t[k].inputs; j++)
            if (c->t[k].in[j].id == stored.id) read_copy(&c->t[k].in[j], &c->t[i].out);
    return stored;
}

static void convert_rows(chain *c)
{
    int most = c->n;
    for (int i = 0; i < c->n; i++) most += c->t[i].inputs + 1;
    list to = { .t = sx_plan_alloc(c->t[0].plan, (size_t)most * sizeof(task)) };
    tensor *stored = sx_plan_alloc(c->t[0].plan, (size_t)c->n * sizeof *stored);
    for (int i = 0; i < c->n; i++) stored[i] = own_result(c, &to, i);
    for (int i = 0, end; i < c->n; i = end) {
        end = strips_end(c, i);
        convert_run(c, &to, stored, i, end);
    }
    c->t = to.t, c->n = to.n;
    c->end = sx_plan_alloc(c->t[0].plan, (size_t)c->n * sizeof *c->end);
}

/* --- what a kernel wants as a whole lies in scratch as a whole --- */
enum { BLOCK = 1 << 16 };

static void copy_whole(chain *c, tensor *a, bool written)
{
    int i = 0;
    while (i < c->wholes && c->whole_copy[i].id != a->id) i++;
    if (i == c->wholes) {
        c->whole_copy[c->wholes++] = (whole_copy){ .id = a->id, .size = a->size, .at = c->scratch };
        c->scratch += round_up((size_t)a->size * sizeof(float));
    }
    *(written ? &c->whole_copy[i].written : &c->whole_copy[i].read) = true;
    a->at = c->whole_copy[i].at;
    a->copied = true;
}

static void convert_wholes(chain *c)
{
    int most = 0;
    for (int i = 0; i < c->n; i++) most += c->t[i].inputs + 1;
    c->whole_copy = sx_plan_alloc(c->t[0].plan, (size_t)most * sizeof *c->whole_copy);
    for (int i = 0; i < c->n; i++) {
        task *t = &c->t[i];
        for (int j = 0; j < t->inputs; j++)
            if (t->in[j].half && !t->in[j].local && (c->whole || !t->in[j].row))
                copy_whole(c, &t->in[j], false);
        if (t->out.half && c->whole) copy_whole(c, &t->out, true);
    }
}

void chain_convert(chain *c)
{
    bool any = false;
    for (int i = 0; i < c->n; i++) {
        any |= c->t[i].out.half;
        for (int j = 0; j < c->t[i].inputs; j++) any |= c->t[i].in[j].half;
    }
    if (!any) return;
    convert_wholes(c);
    if (!c->whole) convert_rows(c);
}

typedef struct { const whole_copy *w; const pass *r; } copying;

static void block(const void *ctx, long i, bool back)
{
    const copying *c = ctx;
    const long from = i * BLOCK, n = c->w->size - from < BLOCK ? c->w->size - from : BLOCK;
    float *copy = (float *)(c->r->scratch + c->w->at) + from;
    uint16_t *stored = (uint16_t *)c->r->at[c->w->id] + from;
    if (back) bf16_narrow(n, copy, stored);
    else bf16_widen(n, stored, copy);
}
static void read_block(const void *ctx, long i, int thread) { (void)thread, block(ctx, i, false); }
static void write_block(const void *ctx, long i, int thread) { (void)thread, block(ctx, i, true); }

void chain_copy(const chain *c, const pass *r, bool back)
{
    for (int i = 0; i < c->wholes; i++) {
        const whole_copy *w = &c->whole_copy[i];
        if (back ? w->written : w->read)
            pool_for(r->pool, ceil_div(w->size, BLOCK), back ? write_block : read_block, &(copying){ w, r });
    }
}
