/* update.c: optimizers: a stage of several updates is one loop over fixed blocks of all their weights. */
#include "cpu.h"

enum { STEP = 32768 };                           /* floats of a block: w, d and two slots stay in L2 */

static bool update_make(sx_dev *dev, task *t)
{
    (void)dev;
    const sx_learn *u = t->op->attr;
    if (!u->update || !u->update->host || u->update->slots > 4 || t->inputs != 4 + u->update->slots)
        return false;
    for (int i = 4; i < t->inputs; i++)
        if (t->in[i].size != t->in[0].size) return false;
    return t->in[1].size == t->in[0].size && u->rows >= 1 && t->in[2].size == u->rows * SX_TABLE_WIDTH;
}

typedef struct { const task *t; int n; const pass *r; } updating;

SX_FAST static void shrink(long n, float keep, float *w) { for (long i = 0; i < n; i++) w[i] *= keep; }

void update_range(const task *t, const pass *r, const float *d, long from, long n)
{
    const sx_learn *u = t->op->attr;
    const int32_t step = *(const int32_t *)whole_at(&t->in[3], r);
    const float *row = (const float *)whole_at(&t->in[2], r) + (long)step % u->rows * SX_TABLE_WIDTH;
    float k[8], *s[4] = { NULL }, *w = (float *)whole_at(&t->in[0], r) + from;
    for (int i = 0; i < 8; i++) k[i] = row[i];
    k[0] *= u->lr_scale;
    for (int i = 4; i < t->inputs; i++) s[i - 4] = (float *)whole_at(&t->in[i], r) + from;
    if (u->decay != 0) shrink(n, 1 - row[SX_TABLE_LR] * u->lr_scale * u->decay, w);
    u->update->host(n, w, d, s, k);
}

static void update_block(const void *ctx, long i, int thread)
{
    (void)thread;
    const updating *all = ctx;
    const task *t = all->t;
    while (i >= ceil_div(t->in[0].size, STEP)) i -= ceil_div(t++->in[0].size, STEP);
    const long from = i * STEP, left = t->in[0].size - from;
    update_range(t, all->r, (const float *)whole_at(&t->in[1], all->r) + from, from,
                 left < STEP ? left : STEP);
}

static void update_whole(const task *t, int n, const pass *r)
{
    long blocks = 0;
    for (int i = 0; i < n; i++) blocks += ceil_div(t[i].in[0].size, STEP);
    pool_for(r->pool, blocks, update_block, &(updating){ t, n, r });
}
const kernel k_update = { .make = update_make, .whole = update_whole };
