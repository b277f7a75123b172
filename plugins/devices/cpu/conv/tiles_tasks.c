/* tiles_tasks.c: convolutions by matrix units (tiles_conv.c) as tasks of ops in bf16. They go strip by strip
 * with what follows them, weight gradients with what makes the results' gradients. */
#include <string.h>
#include "conv.h"

typedef struct { geometry g; bool back, bias, relu; } tiled; /* g: as the kernels see it; bias: input 2 */

/* Lines of the results are divided; all of the image is needed. Strips are whole lines, enough of them that
 * few are loaded twice, and fours where pooling may follow. */
static void divide(task *t, const geometry *g)
{
    enum { POSITIONS = 512, LEAST = 8 };
    const long lines = g->oh % 4 ? g->oh : 4;
    long bands = ceil_div(POSITIONS, lines * g->ow);
    if (lines * bands < LEAST) bands = ceil_div(LEAST, lines);
    t->line = g->k;
    t->grain = bands * lines * g->ow;
    t->extent = g->oh * g->ow * g->k;
    t->entire = 1;
}

static void begin(const task *t, const pass *r)
{
    const tiled *d = t->own;
    tiles_prepare(r->pool, &d->g, d->back, whole_at(&t->in[1], r), shared_at(t, r));
}

static void rows(const task *t, const lane *l, long from, long n)
{
    const tiled *d = t->own;
    const stretch part = strip_of(t, l, n * t->extent);
    const conv_post post = { d->bias ? whole_at(&t->in[2], l->run) : NULL, d->relu };
    tiles_run(&d->g, isa_most(), &post, part.from / d->g.ow, part.n / d->g.ow, in_at(t, 0, l, from),
              shared_at(t, l->run), strip_at(&t->out, l, from, part.from * t->line), l->scratch);
}

/* --- weight gradients --- */
static void add_rows(const task *t, const lane *l, long from, long n)
{
    const geometry *g = &((const tiled *)t->own)->g;
    const stretch part = strip_of(t, l, n * t->extent);
    float *sums = partial_at(t, l->run, l->group);
    if (l->first) memset(sums, 0, t->partial);
    tiles_add(g, isa_most(), part.from / g->ow, part.n / g->ow, in_at(t, 0, l, from),
              strip_at(&t->in[1], l, from, part.from * t->line), sums, l->scratch);
}

static void add_end(const task *t, const pass *r)
{
    const geometry *g = &((const tiled *)t->own)->g;
    tiles_join(r->pool, g, isa_most(), r->groups, t->partial, partial_at(t, r, 0), whole_at(&t->out, r));
}

static void gather_begin(const task *t, const pass *r)
{
    tiles_gather_begin(&((const tiled *)t->own)->g, t->rows, shared_at(t, r));
}

static void gather_rows(const task *t, const lane *l, long from, long n)
{
    tiles_gather(&((const tiled *)t->own)->g, isa_most(), t->rows, from, n, in_at(t, 0, l, from),
                 in_at(t, 1, l, from), shared_at(t, l->run), l->scratch);
}

static void gather_end(const task *t, const pass *r)
{
    tiles_gather_end(r->pool, &((const tiled *)t->own)->g, isa_most(), t->rows, shared_at(t, r),
                     whole_at(&t->out, r));
}

static const kernel through = { .by_rows = 1, .begin = begin, .rows = rows };
static const kernel to_weights = { .by_rows = 3, .sums = true, .rows = add_rows, .end = add_end };
static const kernel gathering = { .by_rows = 3, .sums = true, .begin = gather_begin, .rows = gather_rows,
                                  .end = gather_end };

/* A copy in another chain shares what this one had. */
bool tiles_post(task *t, bool relu)
{
    const tiled *before = t->own;
    if (t->kernel != &through || before->back || before->bias) return false;
    tiled *d = t->own = sx_plan_alloc(t->plan, sizeof *d);
    *d = *before;
    d->bias = true, d->relu = relu;
    return true;
}

static void make_through(task *t, const geometry *g)
{
    enum { HEAVY = 1 << 20 };                    /* bytes of weights that a cache of one core does not hold */
    t->kernel = &through;
    t->lane = tiles_scratch(g);
    t->partial = 0, t->shared = tiles_weights(g);
    t->least = tiles_least(g), t->heavy = t->shared > HEAVY;
    divide(t, g);
}

static void make_weights(task *t, const geometry *g)
{
    const bool gathers = tiles_gather_pays(g, t->rows);
    t->kernel = gathers ? &gathering : &to_weights;
    t->lane = gathers ? tiles_scratch_gather(g) : tiles_scratch_w(g);
    t->partial = gathers ? 0 : tiles_sums(g);
    t->shared = gathers ? tiles_points(g, t->rows) : 0;
    t->least = gathers ? 1 : tiles_least(g), t->heavy = false;
    if (!gathers) divide(t, g);
}

bool tiles_make(task *t, conv_kind kind, bool forced, const geometry *g)
{
    const tensor *results = kind == CONV_BWD_W ? &t->in[1] : &t->out;
    const geometry way = kind == CONV_BWD_X ? tiles_back(g) : *g;
    if (!results->half || !tiles_can(g) || !tiles_can(&way) || !(forced || tiles_pay(g))) return false;
    tiled *d = t->own = sx_plan_alloc(t->plan, sizeof *d);
    *d = (tiled){ .g = way, .back = kind == CONV_BWD_X };
    if (kind == CONV_BWD_W) make_weights(t, g);
    else make_through(t, &way);
    return true;
}
