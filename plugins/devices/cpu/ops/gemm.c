/* gemm.c: the op of matrix products. One that makes the gradient of weights may share a stage with their
 * update: each block of the gradient is used where it was made, and never stored. OpenBLAS, one thread a
 * call, for the rest. */
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

static bool matmul_make(sx_dev *dev, task *t)
{
    (void)dev;
    const unsigned trans = ((const sx_mm *)t->op->attr)->trans;
    matmul *p = t->own = sx_plan_alloc(t->plan, sizeof *p);
    *p = matmul_of(trans, t->out.dim[0], t->out.dim[1], t->in[0].dim[trans & SX_TRANS_A ? 0 : 1]);
    t->shared = matmul_shared(p);
    t->lane = matmul_lane(p);
    return true;
}

bool matmul_feeds(const task *t, const task *update)
{
    const matmul *p = t->own;
    return !p->turned && t->out.size == update->in[0].size;
}

typedef struct { const task *update; const pass *r; long line; } learning;

static void learn(const void *ctx, long row, long rows, long column, long columns, const float *block,
                  long ld)
{
    const learning *l = ctx;
    for (long i = 0; i < rows; i++)
        update_range(l->update, l->r, block + i * ld, (row + i) * l->line + column, columns);
}

static void matmul_whole(const task *t, int n, const pass *r)
{
    const matmul *p = t->own;
    const float *a = whole_at(&t->in[0], r), *b = whole_at(&t->in[1], r);
    if (n == 1) {
        matmul_run(p, isa_most(), r->pool, a, b, whole_at(&t->out, r), shared_at(t, r), NULL);
        return;
    }
    const task *u = &t[1];
    float *near[5] = { whole_at(&u->in[0], r) };
    for (int i = 4; i < u->inputs; i++) near[i - 3] = whole_at(&u->in[i], r);
    matmul_run(p, isa_most(), r->pool, a, b, NULL, shared_at(t, r),
               &(matmul_sink){ learn, &(learning){ u, r, p->columns }, u->inputs - 3, near });
}
const kernel k_matmul = { .alone = true, .make = matmul_make, .whole = matmul_whole };
