/* gemm.c: matrix products by OpenBLAS, one thread a call; big ones are cut into tiles of the result, never
 * along the sum, so that the bits do not depend on who computes which tile. */
#include <cblas.h>
#include <pthread.h>
#include "cpu.h"

static void set_one_thread(void) { openblas_set_num_threads(1); }

void gemm_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_one_thread);
}

void gemm(unsigned trans, long m, long n, long k, const float *a, long lda, const float *b, long ldb,
          float beta, float *c, long ldc)
{
    cblas_sgemm(CblasRowMajor, trans & SX_TRANS_A ? CblasTrans : CblasNoTrans,
                trans & SX_TRANS_B ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, 1, a,
                (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

typedef struct { long m, n, k, tile_m, tile_n; unsigned trans; } product;

/* Tiles by work alone; the longer side of the result is cut. */
static bool matmul_make(sx_dev *dev, task *t)
{
    (void)dev;
    const unsigned trans = ((const sx_mm *)t->op->attr)->trans;
    product *p = t->own = sx_plan_alloc(t->plan, sizeof *p);
    *p = (product){
        .m = t->out.dim[0], .n = t->out.dim[1], .k = t->in[0].dim[trans & SX_TRANS_A ? 0 : 1], .trans = trans
    };
    const double work = 2.0 * (double)p->m * (double)p->n * (double)p->k;
    const long tiles = work < 2e6 ? 1 : work < 1e8 ? 4 : work < 1e9 ? 8 : 16;
    p->tile_m = p->m, p->tile_n = p->n;
    if (p->m > p->n) p->tile_m = ceil_div(ceil_div(p->m, tiles), 16) * 16;
    else p->tile_n = ceil_div(ceil_div(p->n, tiles), 16) * 16;
    return p->m <= INT32_MAX && p->n <= INT32_MAX && p->k <= INT32_MAX;
}

typedef struct { const task *t; const pass *r; } call;

static void matmul_tile(const void *ctx, long i, int thread)
{
    (void)thread;
    const call *c = ctx;
    const product *p = c->t->own;
    const long across = ceil_div(p->n, p->tile_n), row = i / across * p->tile_m,
               column = i % across * p->tile_n;
    const long m = p->m - row < p->tile_m ? p->m - row : p->tile_m;
    const long n = p->n - column < p->tile_n ? p->n - column : p->tile_n;
    const bool ta = p->trans & SX_TRANS_A, tb = p->trans & SX_TRANS_B;
    const float *a = whole_at(&c->t->in[0], c->r), *b = whole_at(&c->t->in[1], c->r);
    float *y = whole_at(&c->t->out, c->r);
    gemm(p->trans, m, n, p->k, a + (ta ? row : row * p->k), ta ? p->m : p->k,
         b + (tb ? column * p->k : column), tb ? p->k : p->n, 0, y + row * p->n + column, p->n);
}

static void matmul_whole(const task *t, int n, const pass *r)
{
    (void)n;
    const product *p = t->own;
    pool_for(r->pool, ceil_div(p->m, p->tile_m) * ceil_div(p->n, p->tile_n), matmul_tile, &(call){ t, r });
}
const kernel k_matmul = { .alone = true, .make = matmul_make, .whole = matmul_whole };
