/* poolfirst.c: max-pooling goes before the affine map of batch normalisation in front of it. The map keeps
 * the order of a channel's pixels or, where gamma is negative, turns it round; so pooling can be done on raw
 * pixels while they are hot, and the gradient's sums over all pixels are sums over the pooled ones. */
#include <string.h>
#include "cpu.h"

enum { FARTHEST = 2048 };                        /* ops between a map and its pooling */

static bool reads(const task *t, uint32_t id)
{
    for (int i = 0; i < t->inputs; i++)
        if (t->in[i].id == id) return true;
    return false;
}

typedef struct { uint32_t pool, arg; } pair;     /* the ops behind a map; 0: none */
typedef struct {
    sx_plan *p;
    uint32_t n;
    task **t;
    tensor *raw; /* by op of arguments: what the pooling beside it leaves; id 0: nothing */
} exchanges;

/* Are the readers of map `at` max-pooling and its arguments over the same windows, and nothing else? */
static bool pooled_only(const exchanges *e, uint32_t at, pair *found)
{
    int left = sx_plan_readers(e->p, e->t[at]->op->out);
    *found = (pair){ 0, 0 };
    for (uint32_t i = at + 1; left > 0 && i < e->n && i - at < FARTHEST; i++) {
        const task *t = e->t[i];
        if (!reads(t, e->t[at]->out.id)) continue;
        const bool arg = t->kernel == &k_maxpool_arg;
        uint32_t *const to = arg ? &found->arg : &found->pool;
        if (*to || (!arg && t->kernel != &k_maxpool)) return false;
        *to = i;
        left--;
    }
    if (left || !found->pool) return false;
    return !found->arg || !memcmp(e->t[found->pool]->op->attr, e->t[found->arg]->op->attr, sizeof(sx_window));
}

/* `t` pools x with the signs of gamma. */
static void pool_raw(task *t, const tensor *x, const tensor *gamma)
{
    tensor *in = sx_plan_alloc(t->plan, 2 * sizeof *in);
    in[0] = *x, in[1] = *gamma;
    t->in = in, t->inputs = 2;
}

/* Both tasks change places: op `at` now pools, and the pooling op maps what it left. */
static void exchange(const exchanges *e, uint32_t at, const pair *behind, const tensor *gamma)
{
    task *first = e->t[at], *second = e->t[behind->pool];
    const task map = *first, pooling = *second;
    const tensor x = map.in[0];
    tensor raw = pooling.out;
    raw.id = map.out.id;
    *first = pooling, first->op = map.op, first->out = raw, first->name = pooling.op->op->name;
    *second = map, second->op = pooling.op, second->name = map.op->op->name,
    second->out = pooling.out, second->in[0] = raw;
    second->pooled = true;
    pool_raw(first, &x, gamma);
    if (behind->arg) pool_raw(e->t[behind->arg], &x, gamma), e->raw[behind->arg] = raw;
    sx_plan_resize(e->p, map.op->out, round_up(stored_row(&raw) * (size_t)raw.dim[0]));
}

static int64_t maker(const exchanges *e, uint32_t id) { return sx_plan_maker(e->p, (sx_value){ id }); }

/* Sums over x and the gradient that pooling gives it are those over what was pooled and its gradient. */
static void sum_pooled(const exchanges *e, task *sums)
{
    const int64_t spread = maker(e, sums->in[1].id);
    if (spread < 0 || e->t[spread]->kernel != &k_maxpool_bwd) return;
    const int64_t arg = maker(e, e->t[spread]->in[1].id);
    if (arg < 0 || !e->raw[arg].id || e->t[arg]->in[0].id != sums->in[0].id) return;
    sums->in[0] = e->raw[arg];
    sums->in[1] = e->t[spread]->in[0];
}

void pool_first(sx_plan *p, uint32_t n, task **t)
{
    const exchanges e = { p, n, t, sx_plan_alloc(p, ((size_t)n + 1) * sizeof *e.raw) };
    for (uint32_t i = 0; i < n; i++) {
        pair behind;
        const int64_t at = t[i]->kernel == &k_scale_shift ? maker(&e, t[i]->in[1].id) : -1;
        const task *scale = at < 0 ? NULL : t[at];
        if (!scale || scale->kernel != &k_norm_scale || !sx_plan_place(p, t[i]->op->out).slab) continue;
        if (t[i]->in[0].rank == 4 && pooled_only(&e, i, &behind)) exchange(&e, i, &behind, &scale->in[1]);
    }
    for (uint32_t i = 0; i < n; i++)
        if (t[i]->kernel == &k_norm_sums) sum_pooled(&e, t[i]);
}
