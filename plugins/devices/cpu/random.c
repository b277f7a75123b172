/* random.c: numbers by counter, exactly those of core/base/rng.h: a chunk draws its elements alone, whoever
 * runs it. */
#include "cpu.h"

static void random_rows(const task *t, const lane *l, long from, long n)
{
    const sx_draw *d = t->op->attr;
    const sx_key key = { { d->key[0], d->key[1] } };
    const uint32_t step = (uint32_t)*(const int32_t *)whole_at(&t->in[0], l->run);
    const long size = row_size(&t->out), total = n * size;
    const float a = (float)d->a, b = (float)d->b;
    float *y = out_at(t, l, from), spare[2];
    const uint64_t first = (uint64_t)(from * size);
    if (d->law != SX_NORMAL) sx_uniform_fill(key, step, first, total, y);
    else {                                       /* normal numbers come in pairs from even elements on */
        const long odd = first & 1;
        if (odd) sx_normal_fill(key, step, first - 1, 2, spare), y[0] = spare[1];
        if (total > odd) sx_normal_fill(key, step, first + (uint64_t)odd, total - odd, y + odd);
    }
    for (long i = 0; i < total; i++)
        y[i] = d->law == SX_BERNOULLI ? (float)(y[i] < a)
               : d->law == SX_UNIFORM ? a + y[i] * (b - a)
                                      : a + b * y[i];
}
const kernel k_random = { .rows = random_rows };
