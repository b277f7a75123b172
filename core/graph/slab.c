/* slab.c: places of values and scratch in one slab, by when they live. Greedy by size (Pisarchyk & Lee 2020,
 * "Efficient memory management for deep neural net inference", section 5), and results on dying inputs. */
#include "planned.h"
#include <stdlib.h>
#include <string.h>

static uint32_t add_block(sx_plan *p, size_t bytes, uint32_t at)
{
    SX_PUSH(p->arena, p->blocks, ((struct block){ round_up(bytes), 0, at, at }));
    return (uint32_t)p->blocks.n;
}

/* May the result lie on the first input? That must die here, be no other input, and have the same bytes. */
static bool lies_in_place(const sx_plan *p, uint32_t at, const struct value *y)
{
    const struct stage *s = &p->stages.v[at];
    const sx_node *op = s->plain ? &p->op[s->s.op[0]] : NULL;
    if (!op || !op->inputs || !op->out.id || !op->op->code || !sx_op_inplace((sx_opcode)op->op->code))
        return false;
    const struct value *x = value(p, op->in[0].id), *on = root(p, op->in[0].id);
    if (!in_slab(on) || p->blocks.v[on->block - 1].last != at || on->bytes != y->bytes ||
        on->bytes != sx_val_bytes(&on->val)) return false;
    for (int i = 1; i < op->inputs; i++) if (root(p, op->in[i].id) == on) return false;
    return x->val.rank == y->val.rank && !memcmp(x->val.shape, y->val.shape, sizeof x->val.shape);
}

static void find_lives(sx_plan *p)
{
    uint32_t *last = sx_alloc_array(p->arena, (size_t)p->values.n + 1, sizeof *last);
    for (uint32_t i = 0; i < p->stages.n; i++)
        for (int j = 0; j < p->stages.v[i].s.reads; j++) last[value(p, p->stages.v[i].s.in[j].id)->root] = i;
    for (uint32_t i = 0; i < p->stages.n; i++) {
        const sx_stage *s = &p->stages.v[i].s;
        for (int j = 0; j < s->writes; j++) {
            struct value *y = root(p, s->out[j].id);
            if (!in_slab(y)) continue;
            y->block = lies_in_place(p, i, y) ? root(p, s->in[0].id)->block : add_block(p, y->bytes, i);
            struct block *b = &p->blocks.v[y->block - 1];
            if (last[y->root] > b->last) b->last = last[y->root];
        }
    }
}

/* What is kept lives through all stages. */
static void find_kept(sx_plan *p)
{
    for (long i = 0; i < p->values.n && p->stages.n; i++) {
        struct value *v = &p->values.v[i];
        if (!v->kept) continue;
        v->block = add_block(p, v->bytes, 0);
        p->blocks.v[v->block - 1].last = (uint32_t)p->stages.n - 1;
    }
}

static int by_size(const void *a_, const void *b_)
{
    const struct block *a = *(struct block *const *)a_, *b = *(struct block *const *)b_;
    if (a->bytes != b->bytes) return a->bytes > b->bytes ? -1 : 1;
    return (a > b) - (a < b);
}

/* The tightest gap that the blocks of b's time leave. placed stands in order of offsets. */
static size_t best_gap(struct block *const *placed, long n, const struct block *b)
{
    size_t end = 0, best = SIZE_MAX, at = 0;
    for (long i = 0; i < n; i++) {
        const struct block *o = placed[i];
        if (o->last < b->first || o->first > b->last) continue;
        if (o->offset >= end && o->offset - end >= b->bytes && o->offset - end < best) {
            best = o->offset - end;
            at = end;
        }
        if (o->offset + o->bytes > end) end = o->offset + o->bytes;
    }
    return best == SIZE_MAX ? end : at;
}

static void place_blocks(sx_plan *p)
{
    const long n = p->blocks.n;
    struct block **sorted = sx_alloc_array(p->arena, (size_t)n, sizeof(void *));
    struct block **placed = sx_alloc_array(p->arena, (size_t)n, sizeof(void *));
    for (long i = 0; i < n; i++) sorted[i] = &p->blocks.v[i];
    if (n) qsort(sorted, (size_t)n, sizeof(void *), by_size);
    for (long i = 0; i < n; i++) {
        struct block *b = sorted[i];
        b->offset = best_gap(placed, i, b);
        if (b->offset + b->bytes > p->slab) p->slab = b->offset + b->bytes;
        long at = i;
        while (at && placed[at - 1]->offset > b->offset) at--;
        memmove(placed + at + 1, placed + at, (size_t)(i - at) * sizeof(void *));
        placed[at] = b;
    }
}

void sx_slab_place(sx_plan *p)
{
    find_lives(p);
    find_kept(p);
    uint32_t *scratch = sx_alloc_array(p->arena, (size_t)p->stages.n, sizeof *scratch);
    for (uint32_t i = 0; i < p->stages.n; i++)
        if (p->stages.v[i].s.scratch) scratch[i] = add_block(p, p->stages.v[i].s.scratch, i);
    place_blocks(p);
    p->orders = (uint32_t)p->stages.n;
    p->order = sx_alloc_array(p->arena, p->orders, sizeof *p->order);
    for (uint32_t i = 0; i < p->orders; i++) {
        p->order[i] = p->stages.v[i].s;
        if (scratch[i]) p->order[i].scratch_at = p->blocks.v[scratch[i] - 1].offset;
    }
}
