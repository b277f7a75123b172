/* cpu.c: the device `cpu`: buffers, queues, compiled plans. Its stages are chains of tasks (chain.c); which
 * ops share a stage is decided in lower.c, and what it leaves runs one op a stage. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "cpu.h"

struct sx_queue { pool *pool; };

static _Thread_local char error_text[256] = "";
static const char *last_error(void) { return error_text; }
__attribute__((format(printf, 2, 3))) static int fail(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error_text, sizeof error_text, fmt, ap);
    va_end(ap);
    return code;
}

/* --- Device --- */
static int count(void) { return 1; }

static const char *const conv_names[] = {
    [CONV_AUTO] = "auto", [CONV_ONEDNN] = "onednn", [CONV_IM2COL] = "im2col", [CONV_WINOGRAD] = "winograd",
    [CONV_THIN] = "thin", [CONV_DEPTHWISE] = "depthwise", [CONV_AMX] = "amx"
};

static int open_dev(const void *params, int index, sx_dev **dev)
{
    (void)params, (void)index;
    const char *path = getenv("STRIX_CPU_CONV");
    int conv = CONV_AUTO;
    while (path && *path && conv < CONV_PATHS && strcmp(path, conv_names[conv])) conv++;
    if (conv == CONV_PATHS)
        return fail(SX_E_DEVICE,
                    "STRIX_CPU_CONV is '%.40s', not auto, onednn, im2col, winograd, thin, depthwise or amx",
                    path);
    if (conv == CONV_ONEDNN && !dnnl_here())
        return fail(SX_E_DEVICE, "STRIX_CPU_CONV is onednn, but libdnnl.so.2 is not here");
    cpu_isa cap;
    if (!isa_asked(&cap))
        return fail(SX_E_DEVICE, "STRIX_CPU_ISA is '%.40s', not plain, avx2, avx512 or amx",
                    getenv("STRIX_CPU_ISA"));
    long groups;
    if (!groups_asked(&groups))
        return fail(SX_E_DEVICE, "STRIX_CPU_GROUPS is '%.40s', no number of groups",
                    getenv("STRIX_CPU_GROUPS"));
    if (!(*dev = calloc(1, sizeof **dev))) return fail(SX_E_MEMORY, "no memory");
    (*dev)->conv = (conv_path)conv;
    const int n = snprintf((*dev)->text, sizeof (*dev)->text, "%s, OpenBLAS%s", isa_name(isa_most()),
                           conv != CONV_IM2COL && dnnl_here() ? ", oneDNN" : "");
    if (groups) snprintf((*dev)->text + n, sizeof (*dev)->text - (size_t)n, ", sums in %ld groups", groups);
    gemm_once();
    return 0;
}
static void close_dev(sx_dev *dev) { free(dev); }

static int info(sx_dev *dev, sx_dev_info *i)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE),
               cores = sysconf(_SC_NPROCESSORS_ONLN);
    i->text = dev->text;
    i->memory = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : 0;
    i->units = cores > 0 ? (unsigned)cores : 1;
    i->dtypes = 1u << SX_F32 | 1u << SX_BF16 | 1u << SX_I32 | 1u << SX_U8;
    i->repeatable = true;
    return 0;
}

static int alloc(sx_dev *dev, size_t bytes, sx_buf **buf)
{
    (void)dev;
    sx_buf *b = malloc(sizeof *b);
    char *p = b ? cpu_map(bytes) : NULL;
    if (!p) {
        free(b);
        return fail(SX_E_MEMORY, "%zu bytes could not be had", bytes);
    }
    *b = (sx_buf){ p, bytes };
    *buf = b;
    return 0;
}

static void free_buf(sx_buf *buf)
{
    if (buf) cpu_unmap(buf->p, buf->bytes);
    free(buf);
}

/* --- Queue --- */
static int threads_of(int wanted)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN), n = wanted > 0 ? wanted : cores > 0 ? cores : 1;
    return n < MAX_THREADS ? (int)n : MAX_THREADS;
}

static int queue(sx_dev *dev, int threads, sx_queue **q)
{
    (void)dev;
    threads = threads_of(threads);
    if (!(*q = malloc(sizeof **q))) return fail(SX_E_MEMORY, "no memory");
    if (((*q)->pool = pool_open(threads))) return 0;
    free(*q);
    return fail(SX_E_DEVICE, "%d threads could not be started", threads);
}

static void queue_free(sx_queue *q)
{
    if (q) pool_close(q->pool);
    free(q);
}

static int limits(sx_queue *q, double *flops, double *bytes_per_s)
{
    return cpu_limits(q->pool, flops, bytes_per_s);
}

static const void *look(const sx_buf *b) { return b->p; }

static int inside(const sx_buf *b, size_t at, size_t bytes)
{
    if (at <= b->bytes && bytes <= b->bytes - at) return 0;
    return fail(SX_E_DEVICE, "%zu bytes at %zu lie outside a buffer of %zu", bytes, at, b->bytes);
}

static int write_buf(sx_queue *q, sx_buf *to, size_t at, const void *from, size_t bytes)
{
    (void)q;
    const int code = inside(to, at, bytes);
    if (!code && bytes) memcpy(to->p + at, from, bytes);
    return code;
}

static int read_buf(sx_queue *q, const sx_buf *from, size_t at, void *to, size_t bytes)
{
    (void)q;
    const int code = inside(from, at, bytes);
    if (!code && bytes) memcpy(to, from->p + at, bytes);
    return code;
}

static int sync_queue(sx_queue *q)
{
    (void)q;
    return 0;
}

/* --- Ops --- */
const kernel k_reshape = { 0 }, k_stop = { 0 };  /* aliases, never run */
const kernel *cpu_kernel(const sx_node *op)
{
    static const kernel *const table[SX_OP_COUNT] = {
        [SX_OP_OWN] = &k_own,
#define SX_ROW(CODE, name, inputs, type, rowwise, cheap, inplace) [SX_OP_##CODE] = &k_##name,
#include <strix/ops.def>
#undef SX_ROW
    };
    return op->op->code < SX_OP_COUNT ? table[op->op->code] : NULL;
}

/* A value's kernels know f32, which may be stored as bf16 where no op writes into it; bytes are read by
 * gather and cast alone and made by the arguments of max-pooling. */
static bool typed(const sx_plan *p, const sx_node *op)
{
    const uint32_t code = op->op->code;
    const bool bytes = code == SX_OP_GATHER || code == SX_OP_CAST || code == SX_OP_MAXPOOL_ARG
                       || code == SX_OP_MAXPOOL_BWD || code == SX_OP_PUT || code == SX_OP_ASSIGN;
    for (int i = -1; i < op->inputs; i++) {
        const sx_value v = i < 0 ? op->out : op->in[i];
        sx_dtype type = SX_F32;
        const long *shape;
        if (v.id) sx_plan_bytes(p, v, &type, &shape);
        const bool into = !op->out.id && (i == 0 || (code == SX_OP_UPDATE && i >= 4));
        if (type != SX_F32 && type != SX_I32 && !(type == SX_U8 && bytes) && !(type == SX_BF16 && !into))
            return false;
    }
    return true;
}

static bool supports(sx_dev *dev, const sx_plan *p, const sx_node *op)
{
    task t;
    if (op->op->code == SX_OP_RESHAPE || op->op->code == SX_OP_STOP) return true;
    if (!typed(p, op)) {
        fail(SX_E_UNSUPPORTED, "op %s: its types are not computed here", op->op->name);
        return false;
    }
    if (task_make(dev, p, op, &t)) return true;
    fail(SX_E_UNSUPPORTED, "op %s is not there for these shapes", op->op->name);
    return false;
}

/* --- Compiled plans --- */
typedef struct {
    const chain *c;
    size_t scratch_at; bool shared;              /* in the slab, or in what the queue's threads share */
    size_t kept_at;                              /* in the slab */
    double seconds;
} step;
typedef struct { void *what; void (*drop)(void *); } engine;
typedef struct { size_t lane, shared; } needs;   /* of a queue: for each thread, for all of them */
struct sx_exe {
    step *steps; uint32_t n;
    uint32_t values; size_t *offset;             /* of value id in the slab; SIZE_MAX: bound */
    void **at;
    engine *engines; long engines_n;
    needs need;
};

static uint32_t highest(uint32_t most, int n, const sx_value *v)
{
    for (int i = 0; i < n; i++) most = v[i].id > most ? v[i].id : most;
    return most;
}

static void place_values(sx_exe *x, const sx_plan *p, const sx_stage *s, uint32_t n)
{
    uint32_t ops;
    const sx_node *op = sx_plan_ops(p, &ops);
    for (uint32_t i = 0; i < ops; i++) {
        x->values = highest(x->values, op[i].inputs, op[i].in);
        x->values = highest(x->values, 1, &op[i].out);
    }
    for (uint32_t i = 0; i < n; i++) x->values = highest(x->values, s[i].writes, s[i].out);
    x->at = sx_plan_alloc(p, ((size_t)x->values + 1) * sizeof *x->at);
    x->offset = sx_plan_alloc(p, ((size_t)x->values + 1) * sizeof *x->offset);
    for (uint32_t id = 1; id <= x->values; id++) {
        const sx_place place = sx_plan_place(p, (sx_value){ id });
        x->offset[id] = place.slab ? place.offset : SIZE_MAX;
    }
}

static void ready_engines(sx_exe *x, chain *c)
{
    for (int i = 0; i < c->n; i++) {
        task *t = &c->t[i];
        void *e = t->kernel->ready ? t->kernel->ready(t, c->chunk) : NULL;
        if (e) x->engines[x->engines_n++] = (engine){ e, t->kernel->drop };
    }
}

static chain *single(sx_dev *dev, const sx_plan *p, const sx_node *op)
{
    task t;
    if (!task_make(dev, p, op, &t)) return NULL;
    chain *c = chain_make(p, 1, (const task *const[]){ &t });
    chain_fit(c);
    return c;
}

static chain *chain_of(sx_dev *dev, const sx_plan *p, const sx_stage *s)
{
    uint32_t n;
    return s->own ? *(chain *const *)s->own : single(dev, p, &sx_plan_ops(p, &n)[s->op[0]]);
}

/* A stage of the core brings no scratch, since only our lowering asks for it. */
static bool in_shared(const chain *c, const sx_stage *s) { return s->scratch < c->scratch; }

static void add_needs(needs *n, const chain *c, const sx_stage *s)
{
    n->lane = larger_size(n->lane, c->temp + round_up(c->lane));
    if (in_shared(c, s)) n->shared = larger_size(n->shared, c->scratch);
}

static size_t beside(sx_dev *dev, const sx_plan *p, int threads)
{
    uint32_t n;
    needs need = { 0 };
    const sx_stage *s = sx_plan_stages(p, &n);
    for (uint32_t i = 0; i < n; i++) {
        const chain *c = chain_of(dev, p, &s[i]);
        if (c) add_needs(&need, c, &s[i]);
    }
    return (size_t)threads_of(threads) * need.lane + need.shared;
}

static int compile_stage(sx_dev *dev, const sx_plan *p, const sx_stage *s, sx_exe *x, step *to)
{
    uint32_t n;
    const sx_node *op = sx_plan_ops(p, &n);
    chain *c = chain_of(dev, p, s);
    if (!c) return fail(SX_E_UNSUPPORTED, "op %s is not there for these shapes", op[s->op[0]].op->name);
    ready_engines(x, c);
    *to = (step){ .c = c, .scratch_at = s->scratch_at, .shared = in_shared(c, s),
                  .kept_at = c->keep.id ? sx_plan_place(p, c->keep).offset : 0 };
    add_needs(&x->need, c, s);
    return 0;
}

static void exe_free(sx_exe *x)
{
    if (!x) return;
    for (long i = 0; i < x->engines_n; i++) x->engines[i].drop(x->engines[i].what);
    free(x);
}

static int compile(sx_dev *dev, const sx_plan *p, sx_exe **out)
{
    sx_exe *x = calloc(1, sizeof *x);
    if (!x) return fail(SX_E_MEMORY, "no memory");
    const sx_stage *s = sx_plan_stages(p, &x->n);
    long ops = 0;
    for (uint32_t i = 0; i < x->n; i++) ops += s[i].ops;
    x->engines = sx_plan_alloc(p, (size_t)(ops + 1) * sizeof *x->engines);
    x->steps = sx_plan_alloc(p, ((size_t)x->n + 1) * sizeof *x->steps);
    place_values(x, p, s, x->n);
    int code = 0;
    for (uint32_t i = 0; i < x->n && !code; i++) code = compile_stage(dev, p, &s[i], x, &x->steps[i]);
    if (code) exe_free(x);
    else *out = x;
    return code;
}

static int bind_values(sx_exe *x, int n, const sx_bind *bind, char **slab)
{
    for (int i = 0; i < n; i++) {
        if (bind[i].value.id == 0) *slab = bind[i].buf->p + bind[i].offset;
        else if (bind[i].value.id <= x->values) x->at[bind[i].value.id] = bind[i].buf->p + bind[i].offset;
    }
    for (uint32_t id = 1; id <= x->values; id++)
        if (x->offset[id] != SIZE_MAX) {
            if (!*slab) return fail(SX_E_DEVICE, "no slab is bound");
            x->at[id] = *slab + x->offset[id];
        }
    return 0;
}

static double clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int run_exe(sx_exe *x, sx_queue *q, int n, const sx_bind *bind, unsigned times)
{
    char *slab = NULL;
    int code = bind_values(x, n, bind, &slab);
    if (!code && pool_reserve(q->pool, x->need.lane, x->need.shared))
        code = fail(SX_E_MEMORY, "%zu bytes a thread and %zu for all of them could not be had", x->need.lane,
                    x->need.shared);
    if (code) return code;
    const unsigned saved = pool_flush();
    const int threads = dnnl_one_thread();
    double then = clock_now();
    for (unsigned k = 0; k < times; k++)
        for (uint32_t i = 0; i < x->n; i++) {
            step *s = &x->steps[i];
            char *scratch = s->shared ? pool_shared(q->pool) : slab ? slab + s->scratch_at : NULL;
            chain_run(s->c, q->pool, x->at, scratch, slab ? slab + s->kept_at : NULL, k > 0);
            const double now = clock_now();
            s->seconds += now - then;
            then = now;
        }
    dnnl_threads(threads);
    pool_unflush(saved);
    return 0;
}

static int profile(sx_exe *x, int max, double *seconds, const char **name)
{
    int i = 0;
    for (; i < max && (uint32_t)i < x->n; i++) {
        seconds[i] = x->steps[i].seconds;
        name[i] = x->steps[i].c->name;
        x->steps[i].seconds = 0;
    }
    return i;
}

SX_DEFINE(SX_KIND_DEVICE, sx_device, cpu, SX_NO_PARAMS, sx_no_params,
          .doc = "this computer's processor, through OpenBLAS and, where it is installed, oneDNN",
          .count = count, .open = open_dev, .close = close_dev, .info = info, .alloc = alloc,
          .free = free_buf, .queue = queue, .queue_free = queue_free, .write = write_buf, .read = read_buf,
          .sync = sync_queue, .supports = supports, .lower = cpu_lower, .compile = compile,
          .exe_free = exe_free, .run = run_exe, .last_error = last_error, .profile = profile,
          .beside = beside, .look = look, .limits = limits);
SX_PLUGIN("cpu", "1.0", "MIT", SX_ITEM(cpu));
