/* cpu.h: the inside of the device `cpu`. An op becomes a task; tasks that work row by row (row: index of axis
 * 0) run as a chain over chunks of rows, so that what only the chain reads stays in a cache. machine/:
 * instructions, threads, limits; stages/: from ops to chains; ops/ and conv/: one file per family of
 * kernels. */
#ifndef SX_CPU_H
#define SX_CPU_H
#include <strix/device.h>
#include "rng.h"

enum { LINE = 64, TILE = 2048, MAX_THREADS = 256 };  /* bytes of a cache line; floats of a block for L1 */
typedef enum { CONV_AUTO, CONV_ONEDNN, CONV_IM2COL, CONV_WINOGRAD, CONV_THIN,
               CONV_DEPTHWISE, CONV_AMX, CONV_PATHS } conv_path;     /* the last: how many */
struct sx_dev { conv_path conv; char text[48]; };
struct sx_buf { char *p; size_t bytes; };

/* --- isa.c: instructions that kernels are built for; each one has those before it, too --- */
typedef enum { ISA_PLAIN, ISA_AVX2, ISA_AVX512, ISA_AMX } cpu_isa;
cpu_isa isa_here(void);                          /* what the processor has; AVX2 with FMA */
bool isa_asked(cpu_isa *cap);                    /* STRIX_CPU_ISA; false: it is none of the names */
cpu_isa isa_most(void);                          /* the lesser of the two: ask this one */
int isa_level(cpu_isa most); /* the best set of kernels up to there: 0 plain, 1 AVX2, 2 AVX-512 */
const char *isa_name(cpu_isa isa);

/* --- pool.c: the threads of a queue --- */
typedef struct pool pool;
pool *pool_open(int threads);                    /* NULL: no memory or no threads to be had */
void pool_close(pool *p);
int pool_threads(const pool *p);
/* Calls fn(ctx, i, thread) for i in [0, n); the caller works too and returns when all is done. */
void pool_for(pool *p, long n, void (*fn)(const void *ctx, long i, int thread), const void *ctx);
/* Room of each thread and room that they share, kept until more is wanted; 0 or SX_E_MEMORY. */
int pool_reserve(pool *p, size_t each, size_t shared);
void *pool_room(const pool *p, int thread);
void *pool_shared(const pool *p);
unsigned pool_flush(void); /* denormals count as zero from here on; gives what to restore */
void pool_unflush(unsigned saved);
void *cpu_map(size_t bytes);                     /* zeroed pages, huge where that pays; NULL: no memory */
void cpu_unmap(void *p, size_t bytes);

/* limits.c: FLOP/s and bytes/s that its threads reach at most; 0 or SX_E_MEMORY */
int cpu_limits(pool *p, double *flops, double *bytes_per_s);

/* --- chain.c: tasks and chains --- */
typedef struct {                                 /* one tensor as a task sees it */
    uint32_t id; sx_dtype dtype; int rank;
    long dim[SX_RANK], size;                     /* size: elements */
    size_t row; /* bytes of a row; 0: the tensor does not go by the rows of the chain */
    bool local;
    size_t at; /* local: lives in the lane at this offset, for the chunk only */
    bool strip;                                  /* local, and for a strip of the chunk only */
    bool half, copied; /* stored as bf16, which kernels see as f32; as a whole copied to scratch */
} tensor;
typedef struct kernel kernel;
typedef struct task {
    const kernel *kernel; const sx_node *op; const sx_plan *plan;
    int inputs; tensor *in, out, also;           /* also: a second result, stored; id 0: none */
    long rows;
    long least;                                  /* rows that a chunk should have, if there are so many */
    bool heavy;                                  /* it must have them, even if few chunks are left then */
    long line, grain; /* line > 0: divisible at lines of so many elements, grain at a time */
    long extent; /* elements of a row that is divided; 0: of the larger image */
    uint32_t entire;                             /* inputs that each part needs all of, as bits */
    uint32_t in_place;                           /* inputs that the result may lie on, as bits */
    size_t partial, partial_at; /* bytes of one group's sums, and where those of group 0 stand */
    size_t shared, shared_at;                    /* bytes for all lanes (reordered weights) */
    bool steady; /* made of weights that no step writes: kept for the run's next ones */
    size_t lane;                                 /* bytes of scratch for a lane */
    const char *name;                            /* NULL: the op's */
    bool thin, pooled; /* a convolution of few channels; the map of a pooled image */
    bool rectified;                              /* bnpool.c: the gradient goes on through a rectifier */
    bool again;                                  /* cheap enough to be made where it is read, too */
    void *own;
} task;
typedef struct { pool *pool; void *const *at; char *scratch, *kept; long groups; } pass;
typedef struct {
    const pass *run; char *temp, *scratch;
    long group; bool first;                      /* first: chunk of its group, and first strip of that */
    long part, parts, grain;                     /* this strip of the chunk */
} lane;
struct kernel {
    uint32_t by_rows;                            /* inputs that go by rows, as bits */
    bool sums; /* the result is summed over rows: partial sums per group, joined by end */
    bool alone;                                  /* never shares a stage */
    bool (*make)(sx_dev *dev, task *t);          /* when planned: own, sizes; false: not supported */
    void (*fit)(task *t, long chunk); /* when chunks are known, all equal then: lane, shared, line */
    void *(*ready)(task *t, long chunk);         /* when compiled: engines; what drop frees */
    void (*drop)(void *what);
    void (*begin)(const task *t, const pass *r);
    void (*rows)(const task *t, const lane *l, long from, long n);
    void (*end)(const task *t, const pass *r);
    void (*whole)(const task *t, int n, const pass *r); /* instead of rows: the ops of a stage at once */
};
typedef struct { uint32_t id; long size; size_t at; bool read, written; } whole_copy;
typedef struct {
    int n; task *t; const char *name;
    long rows, chunk, chunks, groups; /* chunk: rows worked on at a time; fixed by shapes, never by threads */
    size_t temp, lane, scratch, kept; /* kept: of steady tasks, from one time of a run to the next */
    sx_value keep;
    bool whole;
    int *end; /* of a task: behind the last one that goes strip by strip with it */
    whole_copy *whole_copy; int wholes;          /* values in bf16 that are copied as a whole around a run */
} chain;
const kernel *cpu_kernel(const sx_node *op);     /* NULL: unknown */
int cpu_lower(sx_dev *dev, sx_plan *p);          /* lower.c */
void pool_first(sx_plan *p, uint32_t n, task **t);                  /* poolfirst.c; t: of all ops of p */
/* Tasks that one pass can do become one: bnpool.c, map.c. Locals must be known, and chunks not yet. */
void pool_join(chain *c);
void map_join(chain *c);
/* map.c: does t add a bias[K] to input 0 of [.., K], and then at most make what is negative zero? */
bool map_is_bias(const task *t, bool *relu);
/* Is t the gradient dy of a rectifier that made y? */
bool map_is_relu_bwd(const task *t, uint32_t dy, uint32_t y);
bool task_make(sx_dev *dev, const sx_plan *p, const sx_node *op, task *t);      /* false: not supported */
chain *chain_make(const sx_plan *p, int n, const task *const *tasks);           /* tasks are copied */
int chain_readers(const chain *c, uint32_t id);  /* inputs of its tasks that value is */
void chain_drop(chain *c, int i);                /* task i leaves */
void chain_local(chain *c, uint32_t id);         /* this value need not be stored */
void chain_fit(chain *c);                        /* chunks, groups, memory; once the locals are known */
int strips_end(const chain *c, int i); /* behind the last task that may go strip by strip with task i */
long task_extent(const task *t);                 /* elements of a row as strips count them */
/* STRIX_CPU_GROUPS, only to measure what fixed groups of sums cost (bench/overheads): so many groups instead,
 * such as the number of threads; 0: not set. False: it is no such number. */
bool groups_asked(long *n);
/* later: another time of the same run, with the same weights */
void chain_run(const chain *c, pool *p, void *const *at, char *scratch, char *kept, bool later);
static inline void *whole_at(const tensor *a, const pass *r)
{
    return a->copied ? r->scratch + a->at : r->at[a->id];
}
static inline void *arg_at(const tensor *a, const lane *l, long from)
{
    return a->local ? l->temp + a->at : (char *)whole_at(a, l->run) + (size_t)from * a->row;
}
static inline const float *in_at(const task *t, int i, const lane *l, long from)
{
    return arg_at(&t->in[i], l, from);
}
static inline float *out_at(const task *t, const lane *l, long from) { return arg_at(&t->out, l, from); }
typedef struct { long from, n; } stretch;          /* of the chunk */
static inline stretch strip_of(const task *t, const lane *l, long elements)
{
    const long grains = elements / t->line / l->grain, from = grains * l->part / l->parts;
    const long end = l->part + 1 == l->parts ? elements / t->line
                                             : grains * (l->part + 1) / l->parts * l->grain;
    return (stretch){ from * l->grain, end - from * l->grain };
}
/* Element e of the chunk's rows, where the strip at hand begins with it. */
static inline float *strip_at(const tensor *a, const lane *l, long from, long e)
{
    return (float *)arg_at(a, l, from) + (a->strip ? 0 : e);
}
static inline void *partial_at(const task *t, const pass *r, long group)
{
    return r->scratch + t->partial_at + (size_t)group * t->partial;
}
static inline void *shared_at(const task *t, const pass *r)
{
    return (t->steady ? r->kept : r->scratch) + t->shared_at;
}
bool task_writes(const task *t, int i);          /* lower.c: into input i */
static inline long row_size(const tensor *a) { return a->dim[0] > 0 ? a->size / a->dim[0] : 0; }
static inline size_t stored_row(const tensor *a) { return a->half ? a->row / 2 : a->row; }
static inline long ceil_div(long a, long b) { return (a + b - 1) / b; }
static inline size_t round_up(size_t n) { return (n + LINE - 1) & ~(size_t)(LINE - 1); }
static inline long lesser(long a, long b) { return a < b ? a : b; }
static inline long larger(long a, long b) { return a > b ? a : b; }
static inline size_t larger_size(size_t a, size_t b) { return a > b ? a : b; }

/* --- the families --- */
/* bf16.c: narrow takes the nearest, of two equally near ones the even one; NaN stays NaN, and quiet. */
void bf16_widen(long n, const uint16_t *x, float *y);
void bf16_narrow(long n, const float *x, uint16_t *y);
/* cast.c: kernels know f32 alone; tasks between them and what is stored in bf16 convert it. */
void cast_to_f32(sx_dtype from, long n, const void *x, float *y);
void chain_convert(chain *c);                    /* adds these tasks, once the locals are known */
void chain_copy(const chain *c, const pass *r, bool back); /* around a run: what is wanted as a whole */
#define SX_ROW(CODE, name, inputs, type, rowwise, cheap, inplace) extern const kernel k_##name;
#include <strix/ops.def>
#undef SX_ROW
extern const kernel k_own;
void norm_bwd_factors(const task *t, const lane *l, float *k);      /* norm.c: a, b, d of each channel */

/* product.c: c[rows, WIDTH] = a[rows, k] b[k, WIDTH], or added to it; rows <= ROWS. transposing: y[j, i] =
 * x[i, j], x of m lines of n numbers of four bytes each. With the best instructions that are here, none
 * better than `most`. */
enum { PRODUCT_ROWS = 12, PRODUCT_WIDTH = 32 };
typedef struct {
    long k, lda, ldc; const float *a, *b; float *c;                  /* ld: from line to line */
    bool add;
    const void *const *soon; long soons; /* places that are wanted soon, to be fetched meanwhile; <= k */
} factors;
typedef void product(int rows, const factors *f);
typedef void transposing(long m, long n, const void *x, long ldx, void *y, long ldy);
product *product_of(cpu_isa most);
transposing *turn_of(cpu_isa most);

/* matmul.c: row-major y[m, n] = op(a)[m, k] op(b)[k, n] by all threads of a pool. matmul_of plans it: a and b
 * are what gives lines and columns, changed over where the result is turned. */
typedef struct { bool turned; long ld; } matmul_side;
typedef struct {
    long rows, columns, depth;
    bool turned, by_rows;                        /* the result is; which side is cut into pieces */
    long piece, block, block_rows, block_columns;
    matmul_side a, b;
} matmul;
matmul matmul_of(unsigned trans, long m, long n, long k);
size_t matmul_shared(const matmul *p); /* bytes for all threads, and for each: its room in the pool */
size_t matmul_lane(const matmul *p);
/* Where blocks of a result that is not turned go instead of being stored, called by the thread that made
 * them. near: n arrays shaped like the result that are wanted then. */
typedef struct {
    void (*done)(const void *ctx, long row, long rows, long column, long columns,
                 const float *block, long ld);
    const void *ctx;
    int n; float *const *near;
} matmul_sink;
/* sink: NULL where y is stored. */
void matmul_run(const matmul *p, cpu_isa most, pool *threads, const float *a, const float *b, float *y,
                void *shared, const matmul_sink *sink);

/* gemm.c: row-major c[m, n] = op(a)[m, k] op(b)[k, n] + beta c; one thread */
void gemm(unsigned trans, long m, long n, long k, const float *a, long lda, const float *b, long ldb,
          float beta, float *c, long ldc);
void gemm_once(void);

/* gemm.c: can blocks of this product's result go straight to that update? update.c: n weights from `from` on,
 * d: their gradient */
bool matmul_feeds(const task *t, const task *update);
void update_range(const task *t, const pass *r, const float *d, long from, long n);

/* conv.c: what follows a convolution is done as it stores; ways must be chosen. onednn.c: is it here? Its
 * OpenMP uses one thread from this one; gives what it was. */
void conv_join(chain *c);
bool dnnl_here(void);
int dnnl_one_thread(void);
void dnnl_threads(int n);

/* random.c: as sx_uniform_fill */
void uniform_numbers(sx_key key, uint32_t step, uint64_t from, long n, float *out);

/* late.c: of each op, the one at whose place it runs, in its stage: itself, or a later one. values: the
 * highest number of one */
uint32_t *late_ops(const sx_plan *p, uint32_t n, task *const *t, uint32_t values);

#endif
