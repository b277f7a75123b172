/* ways.c: convolutions by kernels of our own as tasks. They go strip by strip with what follows them, weight
 * gradients with what makes the results' gradients. */
#include "conv.h"

/* g: as the way sees it; bias: input 2 */
typedef struct { const conv_way *way; geometry g; bool back, bias, relu; } route;

/* Lines of the results are divided, or those of the image, where `back` makes it. */
static bool makes_image(const route *o) { return o->back && o->way->back; }
static long wide(const route *o) { return makes_image(o) ? o->g.w : o->g.ow; }

/* All of the other side is needed. */
static void divide(task *t)
{
    const route *o = t->own;
    const bool image = makes_image(o);
    t->line = image ? o->g.c : o->g.k;
    t->grain = wide(o) * (o->way->grain ? o->way->grain(&o->g) : 1);
    t->extent = (image ? o->g.h : o->g.oh) * wide(o) * t->line;
    t->entire = 1;
}

/* Lines at hand; of a task that is not divided all of the chunk */
static stretch lines_of(const task *t, const lane *l, long n)
{
    const route *o = t->own;
    if (!t->line) return (stretch){ 0, n * o->g.oh };
    const stretch part = strip_of(t, l, n * t->extent);
    return (stretch){ part.from / wide(o), part.n / wide(o) };
}
static float *line_at(const task *t, const tensor *a, const lane *l, long from, long line)
{
    return strip_at(a, l, from, line * wide(t->own) * t->line);
}

static void begin(const task *t, const pass *r)
{
    const route *o = t->own;
    o->way->prepare(r->pool, &o->g, o->back, whole_at(&t->in[1], r), shared_at(t, r));
}

static void rows(const task *t, const lane *l, long from, long n)
{
    const route *o = t->own;
    const stretch at = lines_of(t, l, n);
    const conv_post post = { o->bias ? whole_at(&t->in[2], l->run) : NULL, o->relu };
    const float *x = in_at(t, 0, l, from);
    const void *u = shared_at(t, l->run);
    float *y = line_at(t, &t->out, l, from, at.from);
    if (makes_image(o)) o->way->back(&o->g, isa_most(), at.from, at.n, x, u, y, l->scratch);
    else o->way->run(&o->g, isa_most(), &post, at.from, at.n, x, u, y, l->scratch);
}

/* --- weight gradients: sums of groups --- */
static void add_rows(const task *t, const lane *l, long from, long n)
{
    const route *o = t->own;
    const stretch at = lines_of(t, l, n);
    o->way->add(&o->g, isa_most(), at.from, at.n, in_at(t, 0, l, from),
                line_at(t, &t->in[1], l, from, at.from), l->first, partial_at(t, l->run, l->group),
                l->scratch);
}

static void add_end(const task *t, const pass *r)
{
    const route *o = t->own;
    o->way->join(r->pool, &o->g, isa_most(), r->groups, t->partial, partial_at(t, r, 0),
                 whole_at(&t->out, r));
}

/* --- or both sides of the whole batch --- */
static void gather_begin(const task *t, const pass *r)
{
    const route *o = t->own;
    if (o->way->gathering->begin) o->way->gathering->begin(&o->g, t->rows, shared_at(t, r));
}

static void gather_rows(const task *t, const lane *l, long from, long n)
{
    const route *o = t->own;
    o->way->gathering->rows(&o->g, isa_most(), t->rows, from, n, in_at(t, 0, l, from), in_at(t, 1, l, from),
                            shared_at(t, l->run), l->scratch);
}

static void gather_end(const task *t, const pass *r)
{
    const route *o = t->own;
    const conv_gathering *way = o->way->gathering;
    char *all = shared_at(t, r);
    way->end(r->pool, &o->g, isa_most(), t->rows, all, (float *)(all + round_up(way->points(&o->g, t->rows))),
             whole_at(&t->out, r));
}

static const kernel through = { .by_rows = 1, .begin = begin, .rows = rows };
static const kernel adding = { .by_rows = 3, .sums = true, .rows = add_rows, .end = add_end };
static const kernel gathering = { .by_rows = 3, .sums = true, .begin = gather_begin, .rows = gather_rows,
                                  .end = gather_end };

/* By shapes alone: sums of groups would be larger. */
static bool gathers(const conv_way *way, const geometry *g, long images)
{
    enum { GROUPS = 8 };
    const conv_gathering *o = way->gathering;
    return o && (!o->pays || o->pays(g)) && o->points(g, images) <= GROUPS * way->sums(g);
}

static void make_through(task *t, const conv_way *way, const geometry *g)
{
    t->kernel = &through;
    t->lane = way->scratch(g);
    t->partial = 0, t->shared = way->weights(g);
    divide(t);
}

static void make_sums(task *t, const conv_way *way, const geometry *g)
{
    t->kernel = &adding;
    t->lane = way->scratch_sums(g);
    t->partial = way->sums(g), t->shared = 0;
    if (!way->whole) divide(t);
}

static void make_gathering(task *t, const conv_way *way, const geometry *g)
{
    t->kernel = &gathering;
    t->lane = way->gathering->scratch(g);
    t->partial = 0, t->shared = round_up(way->gathering->points(g, t->rows)) + way->sums(g);
}

static geometry seen_by(const conv_way *way, conv_kind kind, const geometry *g)
{
    return kind == CONV_BWD_X && way->turned ? way->turned(g) : *g;
}

bool way_suits(conv_kind kind, const conv_way *way, bool forced, const geometry *g, long images)
{
    if (!way->can(g) || (kind == CONV_BWD_X && !way->turned && !way->back)) return false;
    const geometry seen = seen_by(way, kind, g);
    return way->can(&seen) && (forced || !way->pays || way->pays(kind, &seen, images));
}

void way_least(task *t, conv_kind kind, const conv_way *way, const geometry *g)
{
    enum { HEAVY = 1 << 20 };                    /* bytes of weights that a cache of one core does not hold */
    const geometry seen = seen_by(way, kind, g);
    t->heavy = kind != CONV_BWD_W && way->weights(&seen) > HEAVY;
    if (kind != CONV_BWD_W) t->least = way->least ? way->least(&seen, t->heavy) : 1;
    else t->least = way->least_sums && !gathers(way, g, t->rows) ? way->least_sums(g) : 1;
}

void way_take(task *t, conv_kind kind, const conv_way *way, const geometry *g)
{
    route *o = t->own = sx_plan_alloc(t->plan, sizeof *o);
    *o = (route){ .way = way, .g = seen_by(way, kind, g), .back = kind == CONV_BWD_X };
    way_least(t, kind, way, g);
    if (kind != CONV_BWD_W) make_through(t, way, &o->g);
    else if (gathers(way, g, t->rows)) make_gathering(t, way, g);
    else make_sums(t, way, g);
}

/* A copy in another chain shares what this one had. */
bool way_post(task *t, bool relu)
{
    const route *before = t->own;
    if (t->kernel != &through || before->back || before->bias) return false;
    route *o = t->own = sx_plan_alloc(t->plan, sizeof *o);
    *o = *before;
    o->bias = true, o->relu = relu;
    return true;
}
