/* map.c: elementwise ops: maps and their gradients with numpy's broadcasting, fills. Maps take
 * contiguous arrays, so what is broadcast is spread out into a block that stays in L1. */
#include <string.h>
#include "cpu.h"

typedef struct {                                 /* an input as the result's elements see it */
    bool same;                                   /* the result's own shape */
    long period;                                 /* > 0: element e is p[e % period] */
    long stride[SX_RANK];                        /* else, by the result's axes */
} feed;
enum { LATER = 4 };                              /* maps that follow at most */
typedef struct {
    feed in[4]; long tile; int n;
    const sx_node *then[LATER]; int later;       /* maps of what the first one makes */
} feeds;
typedef struct { const float *p; long base; float *room; bool full; } source;   /* p: element base */

static feed feed_of(const tensor *a, const tensor *out)
{
    feed f = { .same = a->size == out->size };
    bool trailing = true, ended = false;         /* trailing: before axes of the result's length only ones */
    long step = 1;
    for (int i = 1; i <= out->rank; i++) {
        const int at = out->rank - i;
        const long d = i <= a->rank ? a->dim[a->rank - i] : 1;
        f.stride[at] = d == 1 ? 0 : step;
        if (d != out->dim[at]) ended = true;
        else if (ended && d != 1) trailing = false;
        step *= d;
    }
    if (!f.same && trailing && !a->row) f.period = a->size;
    return f;
}

static bool by_rows(const tensor *a, const tensor *out)
{
    return a->rank == out->rank && a->dim[0] == out->dim[0] && a->dim[0] > 1;
}

static bool make(sx_dev *dev, task *t)
{
    (void)dev;
    if (t->inputs > 4 || !t->op->map) return false;
    feeds *f = t->own = sx_plan_alloc(t->plan, sizeof *f);
    f->n = t->inputs;
    f->tile = TILE;
    for (int i = 0; i < t->inputs; i++) {
        t->in[i].row = by_rows(&t->in[i], &t->out) ? (size_t)row_size(&t->in[i]) * sizeof(float) : 0;
        f->in[i] = feed_of(&t->in[i], &t->out);
        const long period = f->in[i].period;
        if (period && period <= TILE && f->tile == TILE) f->tile = TILE / period * period;
        if (f->in[i].same && t->in[i].row) t->in_place |= 1u << i;
    }
    t->line = t->out.dim[t->out.rank - 1];
    return true;
}

/* Elements e .. e + n of a broadcast input, run by run along the last axis. */
static void spread(const feed *f, const tensor *out, const float *p, long e, long n, float *to)
{
    const int last = out->rank - 1;
    while (n > 0) {
        long rest = e, at = 0;
        for (int i = last; i >= 0; i--) {
            at += rest % out->dim[i] * f->stride[i];
            rest /= out->dim[i];
        }
        long run = out->dim[last] - e % out->dim[last];
        if (run > n) run = n;
        if (f->stride[last]) memcpy(to, p + at, (size_t)run * sizeof *to);
        else for (long i = 0; i < run; i++) to[i] = p[at];
        to += run, e += run, n -= run;
    }
}

static void repeat(const float *p, long period, long e, long n, float *to)
{
    while (n > 0) {
        long run = period - e % period;
        if (run > n) run = n;
        if (period == 1) for (run = 0; run < n; run++) to[run] = *p;
        else memcpy(to, p + e % period, (size_t)run * sizeof *to);
        to += run, e += run, n -= run;
    }
}

static const float *take(const feeds *f, int i, source *s, const tensor *out, long e, long n)
{
    const feed *in = &f->in[i];
    if (in->same) return s->p + e - s->base;
    if (in->period && e % in->period + n <= in->period) return s->p + e % in->period;
    if (s->full && n <= f->tile && f->tile % in->period == 0) return s->room;
    if (in->period) repeat(s->p, in->period, e, n, s->room);
    else spread(in, out, s->p, e, n, s->room);
    s->full = in->period > 0 && n == f->tile;    /* every tile begins at the same place of the period */
    return s->room;
}

static const float zeros[8];

typedef void tile_work(const task *t, const float *const *in, long n, float *y);

static void tiles(const task *t, const lane *l, long from, long rows, tile_work *work)
{
    const feeds *f = t->own;
    const stretch part = strip_of(t, l, rows * row_size(&t->out));
    const long first = part.from * t->line, end = first + part.n * t->line;
    float room[4][TILE];
    source s[4];
    for (int i = 0; i < f->n; i++) {
        const long base = f->in[i].same ? first : 0;
        s[i] = (source){ strip_at(&t->in[i], l, from, base), base, room[i], false };
    }
    float *y = strip_at(&t->out, l, from, first);
    for (long e = first; e < end; e += f->tile, y += f->tile) {
        const long n = end - e < f->tile ? end - e : f->tile;
        const float *in[4] = { NULL };
        for (int i = 0; i < f->n; i++) in[i] = take(f, i, &s[i], &t->out, e, n);
        work(t, in, n, y);
    }
}

static bool is_relu(const sx_node *op) { return !strcmp(op->map->expr, "x < 0.0f ? 0.0f : x"); }

static void apply(const sx_node *op, const float *const *in, long n, float *y)
{
    op->map->host(n, in, op->k ? op->k : zeros, y);
}

static void map_tile(const task *t, const float *const *in, long n, float *y)
{
    const feeds *f = t->own;
    apply(t->op, in, n, y);
    for (int i = 0; i < f->later; i++) apply(f->then[i], (const float *const[]){ y }, n, y);
}

static void map_rows(const task *t, const lane *l, long from, long n) { tiles(t, l, from, n, map_tile); }
const kernel k_map = { .make = make, .rows = map_rows };

/* Does task b map what a makes, and nobody else read that? */
static bool follows(const chain *c, const task *a, const task *b)
{
    if (b->kernel != &k_map || b->inputs != 1 || b->in[0].id != a->out.id || !a->out.local) return false;
    return chain_readers(c, a->out.id) == 1 && a->out.size == b->out.size
        && ((const feeds *)b->own)->later == 0;
}

void map_join(chain *c)
{
    for (int i = 0; i + 1 < c->n; i++)
        while (i + 1 < c->n && c->t[i].kernel == &k_map && follows(c, &c->t[i], &c->t[i + 1])) {
            task *t = &c->t[i];
            if (((const feeds *)t->own)->later == LATER) break;
            feeds *f = sx_plan_alloc(t->plan, sizeof *f); /* a copy in another chain shares its own */
            *f = *(const feeds *)t->own;
            t->own = f;
            f->then[f->later++] = c->t[i + 1].op;
            t->out = c->t[i + 1].out;
            chain_drop(c, i + 1);
        }
}

bool map_is_bias(const task *t, bool *relu)
{
    if (t->kernel != &k_map || t->inputs != 2 || strcmp(t->op->map->expr, "x0 + x1")) return false;
    const feeds *f = t->own;
    const long filters = t->out.dim[t->out.rank - 1];
    if (!f->in[0].same || t->in[1].row || t->in[1].size != filters || f->in[1].period != filters)
        return false;
    *relu = f->later == 1 && is_relu(f->then[0]);
    return f->later == *relu;
}

static const float *named(const float *const *in, int at) { return at < 0 ? NULL : in[at]; }

SX_FAST static void rectify(long n, const float *restrict y, const float *restrict dy, float *restrict dx)
{
    for (long i = 0; i < n; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
}

static void map_bwd_tile(const task *t, const float *const *in, long n, float *dx)
{
    const sx_map_use *use = t->op->attr;
    const float *x[2] = { named(in, use->x0), named(in, use->x1) };
    if (is_relu(t->op) && use->y >= 0) {
        rectify(n, in[use->y], in[0], dx);
        return;
    }
    memset(dx, 0, (size_t)n * sizeof *dx);       /* it adds */
    t->op->map->host_grad(use->which, n, x, named(in, use->y), t->op->k ? t->op->k : zeros, in[0], dx);
}

static void map_bwd_rows(const task *t, const lane *l, long from, long n)
{
    tiles(t, l, from, n, map_bwd_tile);
}
static bool map_bwd_make(sx_dev *dev, task *t)
{
    const bool made = make(dev, t);
    t->in_place = 0;
    return made;
}
const kernel k_map_bwd = { .make = map_bwd_make, .rows = map_bwd_rows };

bool map_is_relu_bwd(const task *t, uint32_t dy, uint32_t y)
{
    if (t->kernel != &k_map_bwd || !is_relu(t->op) || t->in[0].id != dy) return false;
    const sx_map_use *use = t->op->attr;
    return use->x0 < 0 && use->y >= 0 && t->in[use->y].id == y;
}

static bool expand_make(sx_dev *dev, task *t)
{
    (void)dev;
    feeds *f = t->own = sx_plan_alloc(t->plan, sizeof *f);
    *f = (feeds){ .n = 1, .tile = TILE };
    t->line = t->out.dim[t->out.rank - 1];
    t->in[0].row = by_rows(&t->in[0], &t->out) ? (size_t)row_size(&t->in[0]) * sizeof(float) : 0;
    f->in[0] = feed_of(&t->in[0], &t->out);
    return true;
}
static void expand_tile(const task *t, const float *const *in, long n, float *y)
{
    (void)t;
    memcpy(y, in[0], (size_t)n * sizeof *y);
}
static void expand_rows(const task *t, const lane *l, long from, long n)
{
    tiles(t, l, from, n, expand_tile);
}
const kernel k_expand = { .make = expand_make, .rows = expand_rows };

static void fill_rows(const task *t, const lane *l, long from, long n)
{
    const sx_fill *f = t->op->attr;
    float *y = out_at(t, l, from);
    for (long i = 0, total = n * row_size(&t->out); i < total; i++) y[i] = f->value;
}
const kernel k_fill = { .rows = fill_rows };

enum { PARTS = 64 };                             /* rows of an own op are computed in so many at most */
typedef struct { const task *t; const pass *r; } call;

static void own_part(const void *ctx, long i, int thread)
{
    const call *c = ctx;
    const task *t = c->t;
    const long parts = t->rows < PARTS ? t->rows : PARTS;
    sx_view in[16], y = { whole_at(&t->out, c->r), t->out.dim, t->out.rank };
    (void)thread;
    for (int k = 0; k < t->inputs; k++)
        in[k] = (sx_view){ whole_at(&t->in[k], c->r), t->in[k].dim, t->in[k].rank };
    t->op->op->host(t->op->attr, t->inputs, in, &y, i * t->rows / parts, (i + 1) * t->rows / parts);
}

static void own_whole(const task *t, int n, const pass *r)
{
    (void)n;
    pool_for(r->pool, t->rows < PARTS ? t->rows : PARTS, own_part, &(call){ t, r });
}
static bool own_make(sx_dev *dev, task *t)
{
    (void)dev;
    return t->op->op->host && t->inputs <= 16;
}
const kernel k_own = { .alone = true, .make = own_make, .whole = own_whole };
