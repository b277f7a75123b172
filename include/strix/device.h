/* strix/device.h: for authors of devices. A device covers a list of ops by stages of its own, compiles them once and
 * runs them often. The core plans memory between the stages; how bytes lie inside a value is the device's business. */
#ifndef STRIX_DEVICE_H
#define STRIX_DEVICE_H
#include <strix/plugin.h>

/* --- The ops of the core (ops.def) and their attributes. Own ops of plugins have code 0. --- */
typedef enum {
    SX_OP_OWN = 0,
#define SX_ROW(CODE, name, inputs, type, rowwise, cheap, inplace) SX_OP_##CODE,
#include <strix/ops.def>
#undef SX_ROW
    SX_OP_COUNT
} sx_opcode;
typedef struct { float value; } sx_fill;
typedef struct { int rank; long dim[SX_RANK]; } sx_shape;
typedef struct { int axis[SX_RANK]; } sx_axes;
typedef struct { int axis; long from, n; } sx_range;
typedef struct { long before[SX_RANK], after[SX_RANK]; float value; } sx_border;
typedef struct { sx_law law; double a, b; uint32_t key[2]; } sx_draw;            /* counter: (step, element) */
typedef struct { long n, steps; } sx_batch;
typedef struct { long height, width; bool whole; } sx_size2;
typedef struct { sx_window window; long height, width; } sx_conv_bwd;            /* of x (or of w for BWD_W: taken from window.size) */
typedef struct { sx_window window; long height, width; } sx_pool_bwd;            /* of x */
typedef struct { unsigned trans; } sx_mm;
typedef struct { int which; int x0, x1, y; } sx_map_use;                         /* positions among MAP_BWD's inputs; -1: not named.
                                                                                    Input 0 is dy; k as of the map's op */
typedef struct { sx_fold fold; unsigned axes; } sx_fold_over;
typedef struct { double eps; } sx_eps;
typedef struct { const sx_update *update; float lr_scale, decay; long rows; } sx_learn; /* w -= lr decay w, then the update */
enum { SX_TABLE_WIDTH = 16, SX_TABLE_LR = 8 };

/* --- A plan: ops in an order that works, values, stages, offsets. The core's; devices read it and add stages. --- */
typedef struct sx_dev sx_dev; typedef struct sx_buf sx_buf; typedef struct sx_queue sx_queue; typedef struct sx_exe sx_exe;
typedef struct sx_plan sx_plan;
typedef struct { uint32_t id; } sx_value;        /* a logical tensor of a plan, from 1; 0: none (in a bind: the slab) */
typedef struct {
    uint32_t size; const char *text; size_t memory; unsigned units, dtypes;      /* dtypes: bit SX_F32 .. */
    bool repeatable;
    bool idle;                                   /* computes nothing: what is read from it is zero */
} sx_dev_info;
typedef struct {
    uint32_t size, index; const sx_op *op; const void *attr; const sx_map *map; const float *k;
    int inputs; const sx_value *in; sx_value out;                    /* out 0: writes into in[0] (UPDATE: also the slots) */
} sx_node;
typedef struct { sx_value value; sx_buf *buf; size_t offset; } sx_bind;
typedef struct {                                 /* one stage as compile finds it */
    int ops; const uint32_t *op;                 /* indexes into sx_plan_ops */
    int reads; const sx_value *in; int writes; const sx_value *out;
    size_t scratch, scratch_at;                  /* bytes, and where in the slab */
    const void *own;                             /* the device's, given to sx_plan_stage */
} sx_stage;
typedef struct { bool slab; size_t offset, bytes; sx_dtype dtype; int rank; const long *shape; bool batched; } sx_place; /* slab: at offset in
                                                    the slab; else in the buffer bound to the value */
typedef struct {
    SX_HEAD;
    int (*count)(void);                                        /* 0: none; < 0: error, text by last_error */
    int (*open)(const void *params, int index, sx_dev **dev);  void (*close)(sx_dev *dev);
    int (*info)(sx_dev *dev, sx_dev_info *info);
    int (*alloc)(sx_dev *dev, size_t bytes, sx_buf **buf);     void (*free)(sx_buf *buf);    /* zeroed, 64-byte aligned or better */
    int (*queue)(sx_dev *dev, int threads, sx_queue **q);      void (*queue_free)(sx_queue *q);
    int (*write)(sx_queue *q, sx_buf *to, size_t at, const void *from, size_t bytes);
    int (*read)(sx_queue *q, const sx_buf *from, size_t at, void *to, size_t bytes);
    int (*sync)(sx_queue *q);
    bool (*supports)(sx_dev *dev, const sx_plan *p, const sx_node *op);
    int (*lower)(sx_dev *dev, sx_plan *p);                     /* cover ops by sx_plan_stage; what it leaves gets one stage per op;
                                                                  NULL: one stage per op */
    int (*compile)(sx_dev *dev, const sx_plan *p, sx_exe **x); void (*exe_free)(sx_exe *x);
    /* Runs all stages in order, `times` over. bind names the slab (value 0) and every value that is not in it. */
    int (*run)(sx_exe *x, sx_queue *q, int n, const sx_bind *bind, unsigned times);
    const char *(*last_error)(void);                           /* of this thread; never NULL */
    /* Optional, may be NULL: seconds and a name of each stage in the runs since the last call; for `bench step`. */
    int (*profile)(sx_exe *x, int max, double *seconds, const char **name);
    /* Optional, NULL: none. Bytes that running p takes on top of the slab and what is bound (scratch of threads, libraries), for a
     * queue of so many threads. Programs of one queue never run at once, so the core counts the largest of them. */
    size_t (*beside)(sx_dev *dev, const sx_plan *p, int threads);
    /* Optional, as is an answer: where a buffer's bytes lie, if this process may read them there behind a sync. */
    const void *(*look)(const sx_buf *buf);
    /* Optional: FLOP/s (f32) and bytes/s (read from memory) that this queue reaches at most, measured within some 0.3 s; 0 or SX_E_*.
     * `bench step` holds stages against them. */
    int (*limits)(sx_queue *q, double *flops, double *bytes_per_s);
} sx_device;

/* --- What lower and compile may ask of a plan --- */
const sx_node *sx_plan_ops(const sx_plan *p, uint32_t *n);     /* forward, backward, update; in an order that works */
size_t sx_plan_bytes(const sx_plan *p, sx_value v, sx_dtype *dtype, const long **shape);     /* shape: 0-terminated, batch included */
sx_place sx_plan_place(const sx_plan *p, sx_value v);          /* offsets are known in compile and run only */
sx_value sx_plan_root(const sx_plan *p, sx_value v);           /* the value that an alias (reshape, stop) lies on */
int sx_plan_readers(const sx_plan *p, sx_value v);             /* how many ops read v (or its aliases); results count once more */
int64_t sx_plan_maker(const sx_plan *p, sx_value v);           /* index of the op that writes v; -1: bound from outside */
sx_value sx_plan_side(sx_plan *p, size_t bytes);               /* what one stage leaves for another: indices, raw pools */
/* What stages keep from one of a run's `times` to the next, weights in a layout of their own, say: nothing else of the plan lies
 * there. Undefined when a run begins. No stage names it among what it reads or writes. */
sx_value sx_plan_kept(sx_plan *p, size_t bytes);
int sx_plan_resize(sx_plan *p, sx_value v, size_t bytes);      /* own layout with padding */
int sx_plan_stage(sx_plan *p, int ops, const uint32_t *op, int reads, const sx_value *in, int writes, const sx_value *out,
                  size_t scratch, const void *own);            /* arrays are copied, own is not; 0 or SX_E_* */
const sx_stage *sx_plan_stages(const sx_plan *p, uint32_t *n); /* after lower: in an order that works */
/* Helper: matches a chain of ops that starts at op `at`: pattern "conv2d map:add map" (kinds, a map's name after a colon; '?' behind
 * a word: may be missing), each value read by the next op alone. Fills op[] (0xffffffff where missing), returns how many matched or 0. */
int sx_plan_match(const sx_plan *p, uint32_t at, const char *pattern, uint32_t op[16]);
void *sx_plan_alloc(const sx_plan *p, size_t bytes);           /* zeroed memory that lives as long as the plan (for `own`) */
#endif
