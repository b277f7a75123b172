/* late.c: ops that run at the place of a later one and share its stage: the small updates of a step at the
 * last of them, so that the threads are woken once; a gradient's product at its update, so that the gradient
 * is never stored. */
#include "cpu.h"

enum { SMALL = 1 << 18 };                        /* elements; a larger update has work enough of its own */
static const uint32_t never = UINT32_MAX;
/* Of a value: the next op that writes it, or reads or writes it; the update that takes it for a gradient. */
typedef struct { uint32_t write, touch, update; } future;

static bool is_small(const task *t) { return t->kernel == &k_update && t->in[0].size <= SMALL; }

/* Nothing up to op `end` changes what the update reads or meets what it writes. */
static bool may_wait(const task *t, const future *f, uint32_t end)
{
    for (int i = 0; i < t->inputs; i++)
        if (task_writes(t, i) ? f[t->in[i].id].touch <= end : f[t->in[i].id].write <= end) return false;
    return true;
}

static bool feeds_update(const task *t, const future *f, uint32_t self, task *const *all)
{
    const uint32_t update = t->out.id ? f[t->out.id].update : never;
    if (t->kernel != &k_matmul || update == never || !matmul_feeds(t, all[update])) return false;
    const sx_value result = { t->out.id };
    return sx_plan_readers(t->plan, result) == 1 && sx_plan_place(t->plan, result).slab && self < update
        && may_wait(t, f, update);
}

static void pass_by(const task *t, future *f, uint32_t self)
{
    for (int i = 0; i < t->inputs; i++) {
        future *v = &f[t->in[i].id];
        v->touch = self;
        if (task_writes(t, i)) v->write = self;
        if (t->kernel == &k_update && i == 1) v->update = self;
    }
}

typedef struct { uint32_t n, values; task *const *t; uint32_t *at; bool *fed; future *f; } search;

static void forget(const search *s)
{
    for (uint32_t v = 0; v <= s->values; v++) s->f[v] = (future){ never, never, never };
}

static void find_products(const search *s)
{
    forget(s);
    for (uint32_t i = s->n; i-- > 0; pass_by(s->t[i], s->f, i)) {
        if (!feeds_update(s->t[i], s->f, i, s->t)) continue;
        s->at[i] = s->f[s->t[i]->out.id].update;
        s->fed[s->at[i]] = true;
    }
}

static void find_updates(const search *s)
{
    uint32_t last = never;
    forget(s);
    for (uint32_t i = s->n; i-- > 0; pass_by(s->t[i], s->f, i)) {
        if (!is_small(s->t[i]) || s->fed[i]) continue;
        if (last == never) last = i;
        else if (may_wait(s->t[i], s->f, last)) s->at[i] = last;
    }
}

uint32_t *late_ops(const sx_plan *p, uint32_t n, task *const *t, uint32_t values)
{
    const search s = { n, values, t, sx_plan_alloc(p, ((size_t)n + 1) * sizeof(uint32_t)),
                       sx_plan_alloc(p, (size_t)n + 1),
                       sx_plan_alloc(p, ((size_t)values + 1) * sizeof(future)) };
    for (uint32_t i = 0; i < n; i++) s.at[i] = i;
    find_products(&s);
    find_updates(&s);
    return s.at;
}
