/* chain.c: ops become tasks, tasks that share their rows become a chain. A chain walks over chunks of rows
 * and runs all its tasks on a chunk before it goes to the next, so that what only the chain reads never
 * leaves the cache. */
#include <stdlib.h>
#include <string.h>
#include "cpu.h"

enum { CACHE = 768 << 10, STRIP = 32 << 10, TINY = 32 << 10, GROUPS = 16, MIN_GROUPS = 4, SPREAD = 8 };
static const size_t max_partials = (size_t)32 << 20;

static tensor arg_of(const sx_plan *p, sx_value v)
{
    tensor a = { .id = sx_plan_root(p, v).id, .size = 1 };
    if (!v.id) return (tensor){ 0 };
    const long *shape;
    const size_t bytes = sx_plan_bytes(p, v, &a.dtype, &shape);
    for (; a.rank < SX_RANK && shape[a.rank]; a.rank++) a.size *= a.dim[a.rank] = shape[a.rank];
    if (a.rank == 0) a.dim[a.rank++] = 1;
    a.row = bytes;
    a.half = a.dtype == SX_BF16;
    if (a.half) a.dtype = SX_F32;
    return a;
}

/* Bytes of a row where the tensor goes by the rows of the task; its plain size counts, not what a plan rounds
 * up to. */
static size_t row_bytes(const tensor *a)
{
    return (size_t)row_size(a) * (a->dtype == SX_U8 ? 1 : 4);
}

bool task_make(sx_dev *dev, const sx_plan *p, const sx_node *op, task *t)
{
    const kernel *k = cpu_kernel(op);
    if (!k) return false;
    *t = (task){ .kernel = k, .op = op, .plan = p, .inputs = op->inputs };
    t->in = sx_plan_alloc(p, ((size_t)op->inputs + 1) * sizeof *t->in);
    for (int i = 0; i < op->inputs; i++) t->in[i] = arg_of(p, op->in[i]);
    t->out = arg_of(p, op->out);
    t->rows = !op->out.id || k->sums ? (op->inputs ? t->in[0].dim[0] : 1) : t->out.dim[0];
    for (int i = 0; i < op->inputs; i++) {
        tensor *a = &t->in[i];
        a->row = k->by_rows >> i & 1 && a->dim[0] == t->rows ? row_bytes(a) : 0;
    }
    t->out.row = k->sums || !op->out.id ? 0 : row_bytes(&t->out);
    t->grain = 1;
    return !k->make || k->make(dev, t);
}

static const char *label(const task *t)
{
    if (t->name) return t->name;
    return t->op->map && t->op->op->code == SX_OP_MAP ? t->op->map->name : t->op->op->name;
}

/* "conv2d+add+relu+moments" */
static const char *name_of(const sx_plan *p, int n, const task *t)
{
    size_t len = 1;
    for (int i = 0; i < n; i++) len += strlen(label(&t[i])) + 1;
    char *text = sx_plan_alloc(p, len), *at = text;
    for (int i = 0; i < n; i++) {
        const size_t l = strlen(label(&t[i]));
        if (i) *at++ = '+';
        memcpy(at, label(&t[i]), l);
        at += l;
    }
    return text;
}

chain *chain_make(const sx_plan *p, int n, const task *const *tasks)
{
    chain *c = sx_plan_alloc(p, sizeof *c);
    *c = (chain){ .n = n, .t = sx_plan_alloc(p, (size_t)n * sizeof(task)), .rows = tasks[0]->rows,
                  .end = sx_plan_alloc(p, (size_t)n * sizeof(int)) };
    for (int i = 0; i < n; i++) {
        const size_t bytes = ((size_t)tasks[i]->inputs + 1) * sizeof(tensor);
        c->t[i] = *tasks[i];                     /* an op may be done in several chains */
        c->t[i].in = memcpy(sx_plan_alloc(p, bytes), tasks[i]->in, (size_t)tasks[i]->inputs * sizeof(tensor));
    }
    c->whole = c->t[0].kernel->whole != NULL;
    c->name = name_of(p, n, c->t);
    return c;
}

void chain_local(chain *c, uint32_t id)
{
    for (int i = 0; i < c->n; i++) {
        if (c->t[i].out.id == id) c->t[i].out.local = true;
        for (int j = 0; j < c->t[i].inputs; j++)
            if (c->t[i].in[j].id == id) c->t[i].in[j].local = true;
    }
}

int chain_readers(const chain *c, uint32_t id)
{
    int n = 0;
    for (int i = 0; i < c->n; i++)
        for (int j = 0; j < c->t[i].inputs; j++) n += c->t[i].in[j].id == id;
    return n;
}

void chain_drop(chain *c, int i)
{
    c->n--;
    for (; i < c->n; i++) c->t[i] = c->t[i + 1];
}

/* What all tasks together touch of one row, each tensor counted once. */
static size_t row_traffic(const chain *c)
{
    size_t sum = 0;
    for (int i = 0; i < c->n; i++) {
        sum += c->t[i].out.row;
        for (int j = 0; j < c->t[i].inputs; j++)
            if (!c->t[i].in[j].local) sum += c->t[i].in[j].row;
    }
    return sum ? sum : 1;
}

/* Chunks of equal size where a kernel is made for one size (fit). */
static long chunk_of(const chain *c)
{
    const size_t row = row_traffic(c);
    if (row * (size_t)c->rows <= TINY) return c->rows;
    long chunk = (long)(CACHE / row), most = ceil_div(c->rows, SPREAD);
    for (int i = 0; i < c->n; i++) chunk = chunk > c->t[i].least ? chunk : c->t[i].least;
    chunk = chunk > most ? most : chunk < 1 ? 1 : chunk;
    bool even = false, more = false;
    for (int i = 0; i < c->n; i++) {
        const task *t = &c->t[i];
        even |= t->kernel->fit != NULL;
        if (t->heavy && t->least > chunk) chunk = t->least, more = true;
    }
    chunk = chunk > c->rows ? c->rows : chunk;
    while (even && c->rows % chunk) chunk += more ? 1 : -1;
    return chunk;
}

static int last_use(const chain *c, uint32_t id, int from)
{
    int last = from;
    for (int i = from; i < c->n; i++)
        for (int j = 0; j < c->t[i].inputs; j++)
            if (c->t[i].in[j].id == id) last = i;
    return last;
}

static int first_made(const chain *c, uint32_t id)
{
    for (int i = 0; i < c->n; i++)
        if (c->t[i].out.id == id) return i;
    return c->n;
}

static void rename(chain *c, uint32_t from, const tensor *to)
{
    for (int i = 0; i < c->n; i++) {
        task *t = &c->t[i];
        if (t->out.id == from) t->out.id = to->id, t->out.local = to->local;
        for (int j = 0; j < t->inputs; j++)
            if (t->in[j].id == from) t->in[j].id = to->id, t->in[j].local = to->local;
    }
}

/* A local value that dies in a task becomes one with its result, even where that is stored: less memory is
 * touched. Only one value of a task can, and only where the result has not yet been given to another. */
static void join_values(chain *c)
{
    for (int i = 0; i < c->n; i++)
        for (int j = 0; j < c->t[i].inputs; j++) {
            const task *t = &c->t[i];
            const tensor in = t->in[j], out = t->out;
            if (!(t->in_place >> j & 1) || !in.local || in.id == out.id || in.row != out.row || !out.id)
                continue;
            if (last_use(c, in.id, i) == i && first_made(c, out.id) == i) rename(c, in.id, &out);
        }
}

/* Elements of a row as a divisible task counts them: those of its large image. */
long task_extent(const task *t)
{
    if (t->extent) return t->extent;
    const long in = t->inputs ? row_size(&t->in[0]) : 0, out = t->out.row ? row_size(&t->out) : 0;
    return in > out ? in : out;
}

/* May task k go strip by strip with tasks [i, k), whose grain is `grain`? */
static bool fits_strips(const chain *c, int i, int k, long grain)
{
    const task *first = &c->t[i], *t = &c->t[k];
    if (!first->line || t->line != first->line || task_extent(t) != task_extent(first)) return false;
    if (grain % t->grain && t->grain % grain) return false;
    for (int j = 0; j < t->inputs; j++)
        for (int m = i; m < k && t->entire >> j & 1; m++)
            if (c->t[m].out.id == t->in[j].id) return false;
    return true;
}

/* Neighbours that are divisible at the same lines go strip by strip. */
int strips_end(const chain *c, int i)
{
    long grain = c->t[i].grain;
    int end = i + 1;
    for (; end < c->n && fits_strips(c, i, end, grain); end++)
        grain = c->t[end].grain > grain ? c->t[end].grain : grain;
    return end;
}

/* What only they read lives for a strip. */
static void cut_strips(chain *c)
{
    for (int i = 0, end; i < c->n; i = end) {
        end = strips_end(c, i);
        for (int k = i; k < end; k++) c->end[k] = end;
        for (int k = i; k < end && end - i > 1; k++) {
            const uint32_t id = c->t[k].out.id;
            if (!c->t[k].out.local || first_made(c, id) < i || last_use(c, id, i) >= end) continue;
            for (int m = i; m < end; m++) {
                c->t[m].out.strip |= c->t[m].out.id == id;
                for (int j = 0; j < c->t[m].inputs; j++) c->t[m].in[j].strip |= c->t[m].in[j].id == id;
            }
        }
    }
}

typedef struct { long grain, parts; } cut;

/* How tasks [i, end) go over n rows: in strips of whole grains, of a size that leaves room for their
 * values in L2. */
static cut cut_of(const chain *c, int i, long n)
{
    cut to = { 1, 1 };
    for (int j = i; j < c->end[i]; j++) to.grain = c->t[j].grain > to.grain ? c->t[j].grain : to.grain;
    if (c->end[i] - i == 1) return to;
    const long elements = n * task_extent(&c->t[i]), grains = elements / c->t[i].line / to.grain;
    const long most = ceil_div(elements * (long)sizeof(float), STRIP);
    to.parts = grains < 1 ? 1 : most > grains ? grains : most;
    return to;
}

/* Elements of the longest strip that tasks from i on meet. */
static long longest_strip(const chain *c, int i)
{
    long longest = 0;
    for (long n = 1; n <= c->chunk; n++) {
        const cut to = cut_of(c, i, n);
        const long lines = n * task_extent(&c->t[i]) / c->t[i].line, grains = lines / to.grain;
        const long strip = ceil_div(grains, to.parts) * to.grain + lines % to.grain;
        longest = strip > longest ? strip : longest;
    }
    return longest * c->t[i].line;
}

static size_t local_bytes(const chain *c, int k)
{
    const tensor *out = &c->t[k].out;
    int i = 0;
    if (!out->strip) return round_up((size_t)c->chunk * out->row);
    while (c->end[i] <= k) i = c->end[i];
    const size_t row = (size_t)task_extent(&c->t[i]);
    return round_up(((size_t)longest_strip(c, i) * out->row + row - 1) / row);
}

/* The last task during which value k's result must stay: what the tasks of a run read by strips they read
 * again with the next strip. */
static int alive_until(const chain *c, int k)
{
    const int last = last_use(c, c->t[k].out.id, k);
    return c->t[k].out.strip ? last : c->end[last] - 1;
}

/* Is value k's place still in use when task i makes its result? A result that outlives the strip keeps
 * clear of all that lives for a strip of the same run, which comes back with the next one. */
static bool meets(const chain *c, int k, int i)
{
    return alive_until(c, k) >= i || (c->t[k].out.strip && !c->t[i].out.strip && c->end[k] == c->end[i]);
}

/* First fit: the lowest place that no local value alive at task i overlaps. */
static void place_locals(chain *c)
{
    for (int i = 0; i < c->n; i++) {
        tensor *out = &c->t[i].out;
        if (!out->local) continue;
        const size_t bytes = local_bytes(c, i);
        if (first_made(c, out->id) < i) out->at = c->t[first_made(c, out->id)].out.at;
        for (bool moved = first_made(c, out->id) == i; moved;) {
            moved = false;
            for (int j = 0; j < i; j++) {
                const tensor *o = &c->t[j].out;
                const size_t end = o->at + local_bytes(c, j);
                if (!o->local || !meets(c, j, i) || end <= out->at || out->at + bytes <= o->at)
                    continue;
                out->at = end;
                moved = true;
            }
        }
        if (out->at + bytes > c->temp) c->temp = out->at + bytes;
        for (int k = i + 1; k < c->n; k++)
            for (int j = 0; j < c->t[k].inputs; j++)
                if (c->t[k].in[j].id == out->id) c->t[k].in[j].at = out->at;
    }
}

bool groups_asked(long *n)
{
    enum { MOST = 1024 };
    const char *text = getenv("STRIX_CPU_GROUPS");
    char *end = NULL;
    *n = text && *text ? strtol(text, &end, 10) : 0;
    return !end || (!*end && *n > 0 && *n <= MOST);
}

/* Sums have a number of groups that follows from shapes alone, so that any number of threads gives the same
 * bits. */
static long groups_of(const chain *c)
{
    long asked;
    size_t partial = 0;
    for (int i = 0; i < c->n; i++) partial += c->t[i].partial;
    if (!partial) return c->chunks;
    if (groups_asked(&asked) && asked > 0) return c->chunks < asked ? c->chunks : asked;
    long most = max_partials / partial > GROUPS ? GROUPS : (long)(max_partials / partial);
    if (most < MIN_GROUPS) most = MIN_GROUPS;
    return c->chunks < most ? c->chunks : most;
}

void chain_fit(chain *c)
{
    if (c->whole) {
        chain_convert(c);
        c->t[0].steady = false;
        c->t[0].shared_at = c->scratch;
        c->scratch += c->t[0].shared;
        c->lane = c->t[0].lane;
        return;
    }
    c->chunk = chunk_of(c);
    c->chunks = ceil_div(c->rows, c->chunk);
    c->groups = groups_of(c);
    for (int i = 0; i < c->n; i++)
        if (c->t[i].kernel->fit) c->t[i].kernel->fit(&c->t[i], c->chunk);
    conv_join(c);
    chain_convert(c);
    join_values(c);
    cut_strips(c);
    place_locals(c);
    for (int i = 0; i < c->n; i++) {
        task *t = &c->t[i];
        t->partial_at = c->scratch;
        c->scratch += t->partial = round_up(t->partial), c->scratch += t->partial * (size_t)(c->groups - 1);
        size_t *at = t->steady ? &c->kept : &c->scratch;
        t->shared_at = *at;
        *at += round_up(t->shared);
        if (t->lane > c->lane) c->lane = t->lane;
    }
}

typedef struct { const chain *c; const pass *r; } walk;

static void walk_strips(const chain *c, int i, lane l, long from, long n)
{
    const cut to = cut_of(c, i, n);
    l.grain = to.grain, l.parts = to.parts;
    for (l.part = 0; l.part < l.parts; l.part++, l.first = false)
        for (int j = i; j < c->end[i]; j++) c->t[j].kernel->rows(&c->t[j], &l, from, n);
}

static void walk_group(const void *ctx, long g, int thread)
{
    const walk *w = ctx;
    const chain *c = w->c;
    char *room = pool_room(w->r->pool, thread);
    lane l = { .run = w->r, .temp = room, .scratch = room + c->temp, .group = g, .first = true };
    const long last = (g + 1) * c->chunks / c->groups;
    for (long i = g * c->chunks / c->groups; i < last; i++, l.first = false) {
        const long from = i * c->chunk, n = c->rows - from < c->chunk ? c->rows - from : c->chunk;
        for (int j = 0; j < c->n; j = c->end[j]) walk_strips(c, j, l, from, n);
    }
}

void chain_run(const chain *c, pool *p, void *const *at, char *scratch, char *kept, bool later)
{
    const pass r = { p, at, scratch, kept, c->groups };
    chain_copy(c, &r, false);
    if (c->whole) {
        c->t[0].kernel->whole(c->t, c->n, &r);
        chain_copy(c, &r, true);
        return;
    }
    for (int i = 0; i < c->n; i++)
        if (c->t[i].kernel->begin && !(later && c->t[i].steady)) c->t[i].kernel->begin(&c->t[i], &r);
    pool_for(p, c->groups, walk_group, &(walk){ c, &r });
    for (int i = 0; i < c->n; i++)
        if (c->t[i].kernel->end) c->t[i].kernel->end(&c->t[i], &r);
}
