/* strix/plugin.h: everything a plugin author needs, and nothing else. C11.
 *
 * Sections in reading order: manifest, parameters, maps, graph, own ops, layers and losses, optimizers and
 * schedules, data sets, search. Authors of devices and stores include device.h or store.h as well.
 * A plugin is one shared object that exports one symbol, sx_plugin_entry, made by SX_PLUGIN. It owns nothing:
 * manifests are constant data, and every pointer that a call receives lives at least as long as that call.
 * docs/plugin-abi.md tells what may change between versions; plugins/README.md explains a layer line by line. */
#ifndef STRIX_PLUGIN_H
#define STRIX_PLUGIN_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- Errors: 0 is success; fallible calls return one of these. Numbers are pinned, see sx_error_text --- */
enum {
    SX_OK = 0,
    SX_E_USAGE = -1,       /* wrong command line */
    SX_E_CONFIG = -2,      /* the experiment file is wrong */
    SX_E_PLUGIN = -3,      /* plugin missing, unreadable or of another ABI */
    SX_E_DATA = -4,        /* data or weights missing, damaged or of the wrong shape */
    SX_E_DEVICE = -5,      /* device missing or failed */
    SX_E_MEMORY = -6,      /* not enough memory */
    SX_E_STORE = -7,       /* study locked, damaged or of an unknown schema */
    SX_E_LOST = -8,        /* somebody else has this trial now */
    SX_E_DIVERGED = -9,    /* the loss is not finite */
    SX_E_REFUSED = -10,    /* a layer, constraint or device refuses this point */
    SX_E_STOPPED = -11,    /* stopped by a signal */
    SX_E_IO = -12,         /* a file could not be read or written */
    SX_E_UNSUPPORTED = -13,/* not available in this build or on this device */
    SX_E_EXHAUSTED = -14,  /* a finite space has no further point */
};

/* --- Manifest: pure data, judged before the core calls any code of the plugin --- */
#define SX_MAGIC 0x58525453u
#define SX_ABI_MAJOR 1              /* differs: refused */
#define SX_ABI_MINOR 0              /* plugin newer than core: refused */
enum { SX_KIND_LAYER = 1, SX_KIND_LOSS, SX_KIND_METRIC, SX_KIND_OPTIMIZER, SX_KIND_SCHEDULE, SX_KIND_DATASET,
       SX_KIND_SAMPLER, SX_KIND_PRUNER, SX_KIND_STORE, SX_KIND_DEVICE, SX_KINDS };
typedef struct sx_param sx_param;
/* kind: SX_KIND_*; size: of the item's struct as the plugin knew it (structs only grow at the end);
 * params_size: of the struct that params describe; param_size: of one row of params. */
#define SX_HEAD uint32_t kind, size; const char *name, *doc; const sx_param *params; uint32_t params_size, param_size
typedef struct { SX_HEAD; } sx_item;             /* what every item starts with */
typedef struct {
    uint32_t magic, abi, size;                   /* these three never move */
    const char *name, *version, *license;
    const sx_item *const *items;                 /* NULL-terminated */
} sx_plugin;
/* Defines the item ID of KIND; S is the struct of its settings, PARAMS the table that describes S. */
#define SX_DEFINE(KIND, TYPE, ID, PARAMS, S, ...) \
    static const TYPE ID##_item = { .kind = KIND, .size = sizeof(TYPE), .name = #ID, .params = PARAMS, \
        .params_size = sizeof(S), .param_size = sizeof(sx_param), __VA_ARGS__ }
#define SX_ITEM(ID) ((const sx_item *)&ID##_item)
/* The one exported symbol. NAME is the file's name without .so; then the SX_ITEMs. */
#define SX_PLUGIN(NAME, VERSION, LICENSE, ...) \
    __attribute__((visibility("default"))) const sx_plugin *sx_plugin_entry(void); \
    const sx_plugin *sx_plugin_entry(void) { \
        static const sx_item *const items[] = { __VA_ARGS__, NULL }; \
        static const sx_plugin self = { SX_MAGIC, SX_ABI_MAJOR << 16 | SX_ABI_MINOR, \
                                        sizeof self, NAME, VERSION, LICENSE, items }; \
        return &self; } \
    typedef int sx_plugin_defined

/* --- Parameters: the core parses, checks, documents and tunes them --- */
typedef enum { SX_TYPE_INT, SX_TYPE_REAL, SX_TYPE_BOOL, SX_TYPE_TEXT, SX_TYPE_CHOICE, SX_TYPE_INTS, SX_TYPE_REALS,
               SX_TYPE_TEXTS } sx_type;
enum { SX_REQUIRED = 1, SX_OPEN_MIN = 2, SX_OPEN_MAX = 4, SX_LOG_SCALE = 8,
       SX_TIME = 16 /* of a real: seconds, or a text as "90s", "15m", "2h", "1d" */ };
typedef struct { long n; const long *v; } sx_ints;                   /* a single number in a file is a list of one */
typedef struct { long n; const double *v; } sx_reals;
typedef struct { long n; const char *const *v; } sx_texts;
struct sx_param {
    const char *name, *doc;
    sx_type type;
    uint32_t offset, flags;
    double def, min, max;                        /* min == max == 0: no range; of a list: of each member */
    const char *text;                            /* default of an SX_TEXT; of a list: as in a file, "1, 1" */
    const char *const *choices;                  /* SX_CHOICE: the field holds the index; NULL-terminated */
};
#define SX_FIELD(S, f, T, TYPE, ...) \
    { .name = #f, .type = TYPE, .offset = (uint32_t)_Generic(((S *)0)->f, T: offsetof(S, f)), __VA_ARGS__ }
#define SX_INT(S, f, ...)    SX_FIELD(S, f, long,         SX_TYPE_INT,    __VA_ARGS__)
#define SX_REAL(S, f, ...)   SX_FIELD(S, f, double,       SX_TYPE_REAL,   __VA_ARGS__)
#define SX_BOOL(S, f, ...)   SX_FIELD(S, f, bool,         SX_TYPE_BOOL,   __VA_ARGS__)
#define SX_TEXT(S, f, ...)   SX_FIELD(S, f, const char *, SX_TYPE_TEXT,   __VA_ARGS__)
#define SX_CHOICE(S, f, ...) SX_FIELD(S, f, int,          SX_TYPE_CHOICE, __VA_ARGS__)
#define SX_INTS(S, f, ...)   SX_FIELD(S, f, sx_ints,      SX_TYPE_INTS,   __VA_ARGS__)
#define SX_REALS(S, f, ...)  SX_FIELD(S, f, sx_reals,     SX_TYPE_REALS,  __VA_ARGS__)
#define SX_TEXTS(S, f, ...)  SX_FIELD(S, f, sx_texts,     SX_TYPE_TEXTS,  __VA_ARGS__)
#define SX_END { .name = NULL }
typedef struct { char none; } sx_no_params;      /* the S of an item without settings */
#define SX_NO_PARAMS ((const sx_param *)NULL)

/* --- Maps: elementwise, at most 8 run-time constants k[]. Text: C that CUDA reads too; x, y, k[i], literals with f,
 *     expf ...; no macros. A chain of maps is fused by the device from these texts. --- */
typedef struct {
    uint32_t size; int arity;
    const char *name, *expr, *grad[2];           /* the text, for NVRTC and for recognising known maps */
    /* y[i] = EXPR(in[0][i], in[1][i]); all arrays are contiguous, n long. */
    void (*host)(long n, const float *const *in, const float *k, float *restrict y);
    /* dx[i] += dy[i] * GRAD of input `which`; in and y may be NULL where that text does not name them. */
    void (*host_grad)(int which, long n, const float *const *in, const float *y, const float *k,
                      const float *dy, float *restrict dx);
} sx_map;
/* Loops of maps and updates are built for several instruction sets and chosen at load time (not under sanitizers,
 * which cannot run before the choice). */
#if defined __x86_64__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__ && !defined SX_NO_CLONES
#if defined __clang__
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer) && __clang_major__ >= 14
#define SX_FAST __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#elif defined __GNUC__
#define SX_FAST __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#endif
#ifndef SX_FAST
#define SX_FAST
#endif
#define SX_K(...) ((const float[8]){ __VA_ARGS__ })
#define SX_LOCAL_K const float k[8] = { k_[0], k_[1], k_[2], k_[3], k_[4], k_[5], k_[6], k_[7] }; (void)k
/* y = EXPR(x, k), dy/dx = GRAD(x, y, k). Where GRAD does not name x, x need not be kept and the op may run in place. */
#define SX_MAP1(NAME, EXPR, GRAD) \
    SX_FAST static void NAME##_host(long n, const float *const *in, const float *k_, float *restrict y_) { \
        const float *x_ = in[0]; SX_LOCAL_K; \
        for (long i = 0; i < n; i++) { const float x = x_[i]; y_[i] = (EXPR); } } \
    SX_FAST static void NAME##_grad(int which, long n, const float *const *in, const float *y_, const float *k_, \
                            const float *dy, float *restrict dx) { \
        const float *x_ = in[0] ? in[0] : dy; SX_LOCAL_K; (void)which; if (!y_) y_ = dy; \
        for (long i = 0; i < n; i++) { const float x = x_[i], y = y_[i]; (void)x, (void)y; \
            dx[i] += dy[i] * (GRAD); } } \
    static const sx_map NAME = { sizeof(sx_map), 1, #NAME, #EXPR, { #GRAD, NULL }, NAME##_host, NAME##_grad }
/* y = EXPR(x0, x1, k), dy/dx0 = GRAD0(x0, x1, y, k), dy/dx1 = GRAD1. */
#define SX_MAP2(NAME, EXPR, GRAD0, GRAD1) \
    SX_FAST static void NAME##_host(long n, const float *const *in, const float *k_, float *restrict y_) { \
        const float *a_ = in[0], *b_ = in[1]; SX_LOCAL_K; \
        for (long i = 0; i < n; i++) { const float x0 = a_[i], x1 = b_[i]; (void)x0, (void)x1; y_[i] = (EXPR); } } \
    SX_FAST static void NAME##_grad(int which, long n, const float *const *in, const float *y_, const float *k_, \
                            const float *dy, float *restrict dx) { \
        const float *a_ = in[0] ? in[0] : dy, *b_ = in[1] ? in[1] : dy; SX_LOCAL_K; if (!y_) y_ = dy; \
        if (which == 0) for (long i = 0; i < n; i++) { const float x0 = a_[i], x1 = b_[i], y = y_[i]; \
            (void)x0, (void)x1, (void)y; dx[i] += dy[i] * (GRAD0); } \
        else for (long i = 0; i < n; i++) { const float x0 = a_[i], x1 = b_[i], y = y_[i]; \
            (void)x0, (void)x1, (void)y; dx[i] += dy[i] * (GRAD1); } } \
    static const sx_map NAME = { sizeof(sx_map), 2, #NAME, #EXPR, { #GRAD0, #GRAD1 }, NAME##_host, NAME##_grad }

/* --- Graph: what layers, losses and transforms write. Layers never name a dtype or a layout.
 *     Shapes are batch, height, width, channels. A refused tensor ({0}) makes every op on it refused, and the first
 *     reason is kept, so that a layer needs no error branches. --- */
typedef struct sx_graph sx_graph;
typedef struct { uint32_t id; } sx_t;            /* a tensor of a graph; 0: refused, and stays so */
typedef struct { long size[2], stride[2], pad[4], dilation[2], groups; } sx_window;      /* pad: top, left, bottom, right */
typedef enum { SX_UNIFORM, SX_NORMAL, SX_BERNOULLI } sx_law;         /* [a, b); mean a, deviation b; 1 with probability a */
typedef enum { SX_SUM, SX_MEAN, SX_MAX, SX_SUM_SQUARES } sx_fold;
typedef enum { SX_POOL_MAX, SX_POOL_MEAN } sx_pool;                  /* mean: of the elements inside the image */
enum { SX_TRANS_A = 1, SX_TRANS_B = 2 };
enum { SX_RANK = 8 };                                                /* no tensor has more axes */
#define SX_SHAPE(...) (const long[]){ __VA_ARGS__, 0 }   /* batch axis left out; weights and states have none */

bool sx_training(const sx_graph *g);                                 /* false below `freeze`, too */
sx_t sx_in(sx_graph *g, int i);                                      /* the layer's input i; 0 is forward's x */
int  sx_inputs(const sx_graph *g);                                   /* how many inputs the layer was given */
void sx_out(sx_graph *g, int i, sx_t y);                             /* further outputs (i >= 1), read as "name:i" */
int  sx_rank(const sx_graph *g, sx_t x);                             /* axes, batch included; 0 of a refused tensor */
long sx_dim(const sx_graph *g, sx_t x, int axis);                    /* axis 0 = batch; axis < 0: from the end; 1 if refused */
/* Refuses the layer; the message is shown at the file:line of its setting `param` (NULL: of the layer). */
sx_t sx_refuse(sx_graph *g, const char *param, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A learned tensor; first axis = out (conv [out, height, width, in / groups], dense [out, in]). init: "zeros", "ones",
 * "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal" (Keras' formulas; the
 * normal ones truncated at 2 deviations). Asked for twice by one path it is one weight, and its gradients add up. */
sx_t sx_weight(sx_graph *g, const char *name, const long *shape, const char *init);
sx_t sx_state(sx_graph *g, const char *name, const long *shape, float fill);        /* saved, not learned */
void sx_assign(sx_graph *g, sx_t state, sx_t value);                 /* takes effect after the step */
sx_t sx_map1(sx_graph *g, const sx_map *m, sx_t x, const float *k);  /* k: SX_K(...) or NULL */
sx_t sx_map2(sx_graph *g, const sx_map *m, sx_t a, sx_t b, const float *k);         /* broadcasts as numpy does */
sx_t sx_add(sx_graph *g, sx_t a, sx_t b);                            /* bias, residual */
sx_t sx_mul(sx_graph *g, sx_t a, sx_t b);
sx_t sx_matmul(sx_graph *g, sx_t a, sx_t b, unsigned trans);         /* [n, k] x [k, m]; SX_TRANS_*: that operand is stored transposed */
sx_t sx_conv2d(sx_graph *g, sx_t x, sx_t w, const sx_window *c);     /* w: out, height, width, in / groups; correlation */
sx_t sx_pool2d(sx_graph *g, sx_t x, sx_pool kind, const sx_window *c);              /* max: the first maximum gets the gradient */
sx_t sx_moments(sx_graph *g, sx_t x, unsigned axes);                 /* [2, channels]: mean, biased variance; all axes but the last */
sx_t sx_normalize(sx_graph *g, sx_t x, sx_t moments, sx_t gamma, sx_t beta, double eps); /* gamma (x - mean) / sqrt(var + eps) + beta */
sx_t sx_reduce(sx_graph *g, sx_t x, sx_fold fold, unsigned axes);    /* bit i = axis i (0 = batch); reduced axes stay, with length 1 */
sx_t sx_softmax(sx_graph *g, sx_t x);                                /* over the last axis */
sx_t sx_logits(sx_graph *g, sx_t y);                                 /* what went into the softmax that made y; {0} where none did */
sx_t sx_xent(sx_graph *g, sx_t logits, sx_t labels);                 /* [batch]: -log softmax(logits)[label] */
sx_t sx_hit(sx_graph *g, sx_t y, sx_t labels);                       /* [batch]: 1 where the largest (the first one) is the label */
sx_t sx_random(sx_graph *g, sx_t like, sx_law law, double a, double b); /* new numbers each step; same on every device */
sx_t sx_reshape(sx_graph *g, sx_t x, const long *shape);             /* free; the batch stays; -1 once: what is left */
sx_t sx_permute(sx_graph *g, sx_t x, const int *axes);               /* axis i of the result is axis axes[i] of x */
sx_t sx_slice(sx_graph *g, sx_t x, int axis, long from, long n);
sx_t sx_concat(sx_graph *g, int n, const sx_t *x, int axis);
sx_t sx_pad(sx_graph *g, sx_t x, const long *before, const long *after, float value);   /* one number per axis, batch included */
sx_t sx_resize(sx_graph *g, sx_t x, long height, long width, bool whole); /* bilinear, half-pixel centres; whole: round as u8 images do */
sx_t sx_constant(sx_graph *g, float value, const long *shape);
sx_t sx_stop(sx_graph *g, sx_t x);                                   /* x, but no gradient passes */

/* --- Own ops: what the list cannot express. --- */
typedef struct { void *data; const long *shape; int rank; } sx_view;             /* f32 whatever train.precision is, row-major, batch first */
typedef struct {
    uint32_t size, attr_size;                    /* attr_size: bytes of attr, which are copied */
    const char *name;
    int inputs; bool rowwise;                    /* a row of y needs that row of x only (frozen prefix, threads) */
    bool (*infer)(const void *attr, int n, const sx_view *in, long shape[SX_RANK]);  /* 0-terminated; data is NULL; false: refused */
    void (*host)(const void *attr, int n, const sx_view *in, sx_view *y, long from, long to);       /* rows of y */
    sx_t (*grad)(sx_graph *g, const void *attr, const sx_t *in, sx_t y, sx_t dy, int which);        /* NULL: no gradient */
    const char *cuda;                            /* NVRTC text, one thread per element of y; NULL: no CUDA */
    uint32_t code;                               /* 0; the core's own ops have a number of device.h */
} sx_op;
sx_t sx_custom(sx_graph *g, const sx_op *op, int n, const sx_t *in, const void *attr);

/* --- Layers (transforms are layers), losses and metrics --- */
typedef struct {
    SX_HEAD;
    int inputs;                                  /* 0: exactly one; -1: any number */
    /* Called once for training and once for evaluation; appends ops to g and returns the layer's output. */
    sx_t (*forward)(sx_graph *g, const void *params, sx_t x);
    sx_t (*backward)(sx_graph *g, const void *params, sx_t x, sx_t y, sx_t dy); /* dx; NULL: derived from the ops */
} sx_layer;
typedef struct {                                 /* one value per row; the core averages */
    SX_HEAD;
    sx_t (*forward)(sx_graph *g, const void *params, sx_t y, sx_t target);
    double (*over)(const void *params, long n, long c, const float *y, const float *target); /* metric of a whole set, else NULL */
    bool maximize;                               /* more is better */
    double (*chance)(const void *params, long classes);  /* of a net that holds all classes for equally likely; NULL: not known */
} sx_loss;
#define SX_LAYER(ID, PARAMS, S, ...) SX_DEFINE(SX_KIND_LAYER, sx_layer, ID, PARAMS, S, __VA_ARGS__)

/* --- Optimizers: the host computes coefficients, one expression updates the f32 weights --- */
typedef struct {
    uint32_t size; int slots;                    /* moments per weight, at most 4, zero at first */
    const char *name, *body;                     /* the text: w, d (its gradient), s[j], k[i] */
    void (*host)(long n, float *w, const float *d, float *const *s, const float *k);
} sx_update;
#define SX_UPDATE(NAME, SLOTS, ...) \
    SX_FAST static void NAME##_host(long n, float *w_, const float *d_, float *const *s_, const float *k_) { \
        SX_LOCAL_K; \
        for (long i = 0; i < n; i++) { \
            float w = w_[i], s[SLOTS + 1]; const float d = d_[i]; \
            for (int j = 0; j < SLOTS; j++) s[j] = s_[j][i]; \
            __VA_ARGS__ \
            for (int j = 0; j < SLOTS; j++) s_[j][i] = s[j]; \
            w_[i] = w; } } \
    static const sx_update NAME = { sizeof(sx_update), SLOTS, #NAME, #__VA_ARGS__, NAME##_host }
typedef struct {
    SX_HEAD;
    const sx_update *update;
    /* Coefficients of step t = 1, 2, ... with learning rate lr. k[0] must be the step's size, linear in lr: the core
     * multiplies it by a weight's lr_scale. memo is zero before step 1, saved in checkpoints, and called in order of t. */
    void (*coef)(const void *params, double lr, long t, double memo[4], float k[8]);
    void (*write)(sx_graph *g, const void *params, sx_t w, sx_t d);  /* instead, per tensor, with states (lamb) */
} sx_optimizer;
typedef struct { long step, steps, epoch, epochs; const double *monitor; } sx_progress; /* of this epoch; monitor[0..epoch) */
typedef struct { SX_HEAD; double (*factor)(const void *params, const sx_progress *p); } sx_schedule; /* of lr; pure */

/* --- Data sets: rows of images (or vectors) and a label each, or several of both by name, in memory or mapped --- */
typedef enum { SX_F32, SX_BF16, SX_F16, SX_I32, SX_U8 } sx_dtype;
typedef enum { SX_PART_TRAIN, SX_PART_TEST } sx_part;
typedef struct {                                 /* a further input, or a further label, of every row */
    uint32_t size;                               /* sizeof(sx_column) */
    const char *name;
    int rank; long shape[SX_RANK];               /* of a row; a label has rank 0 */
    sx_dtype dtype;                              /* SX_U8 or SX_F32; a label is SX_I32 */
    const void *data;                            /* as many rows as the set has; valid until close */
    long classes; const char *const *names;      /* of a label, as in sx_set; of an input 0, NULL */
} sx_column;
typedef struct {
    uint32_t size;
    long count, classes;                         /* rows; labels are 0 .. classes-1 */
    int rank; long shape[SX_RANK];               /* of a row, batch left out: height, width, channels */
    sx_dtype dtype;                              /* of x: SX_U8 or SX_F32 */
    const void *x; const int32_t *y;             /* count rows; valid until close */
    const char *const *names;                    /* of the classes; NULL: their numbers */
    void *own;                                   /* the plugin's, for close */
    char error[512], file[512];                  /* on failure: what, and the file it happened in ("" if none) */
    char hint[256];                              /* what the user may try, a sentence; "" if none */
    const char *x_name, *y_name;                 /* in model.inputs and train.loss; NULL: "x", "y" */
    int columns; const sx_column *const *column; /* what there is beside x and y */
} sx_set;
typedef struct {
    SX_HEAD;
    /* 0 or SX_E_DATA with set->error; a test part of count 0: there is none. */
    int (*open)(const void *params, sx_part part, sx_set *set);
    void (*close)(sx_set *set);
    /* Optional: the core has copied these bytes of a column and reads them no more before close, so that their memory may go:
     * else a data set would lie in memory twice while it is loaded. */
    void (*copied)(sx_set *set, const void *from, size_t bytes);
} sx_dataset;
/* For `copied`, where the column came from malloc or is mapped: gives the whole pages in there back. */
void sx_set_copied(sx_set *set, const void *from, size_t bytes);
/* Safetensors files (https://github.com/huggingface/safetensors), for data sets: mapped, every size in them checked. */
typedef struct {                                 /* dtype: "F32", "I64" ..; data may be unaligned */
    const char *name, *dtype; int rank; long shape[SX_RANK]; size_t bytes; const void *data;
} sx_blob;
typedef struct sx_pack sx_pack;
int sx_pack_open(const char *file, sx_set *set, sx_pack **out);      /* 0 or SX_E_* with set->error; set->file is the file */
const sx_blob *sx_pack_at(const sx_pack *p, long i);                 /* in the file's order; NULL behind the last */
void sx_pack_close(sx_pack *p);                                      /* and with it all its tensors; NULL is fine */
int sx_blob_f32(const sx_blob *b, long count, float *out);           /* from F32, F64, F16, BF16; SX_E_DATA otherwise */

/* --- Search: a point is a row of doubles; a category is its index; inactive is NaN; every objective is minimised --- */
typedef struct { int parent, n; const double *value; } sx_when;      /* the parent is active and has one of these values */
typedef enum { SX_AXIS_REAL, SX_AXIS_NORMAL, SX_AXIS_CHOICE } sx_axis_kind;
typedef struct {
    const char *name;
    sx_axis_kind kind;
    bool log, round;                             /* round: multiples of step, ends with half mass, as hyperopt's q kinds */
    double low, high, step, mu, sigma;           /* step 0: continuous; low, high of a choice: 0, options - 1. Of log axes low
                                                    and high are values, mu and sigma belong to their logarithm */
    const double *level, *weight;                /* of a choice: its numbers if ordered, its prior; or NULL */
    int whens; const sx_when *when;              /* active if any holds; 0: always */
    bool whole;                                  /* values are integers (and shown as such) */
} sx_axis;
typedef struct { int n, objectives, constraints; const sx_axis *const *axis; } sx_space;             /* parents come first */
typedef enum { SX_RUNNING, SX_DONE, SX_PRUNED, SX_FAILED, SX_PAUSED, SX_REFUSED } sx_fate;
typedef struct {
    long number; sx_fate fate; int64_t tag;      /* tag: the sampler's own note on this trial */
    const double *x, *value, *constraint;        /* feasible: all constraints <= 0; NULL: not known */
    long steps; const long *step; const double *curve;               /* reports of the objective, minimised as well */
} sx_trial;
typedef struct sx_places sx_places;
typedef struct {
    long n, done; const sx_trial *const *trial;  /* 0..done-1: ended or paused, in that order; then refused and running
                                                    ones, without curve */
    const sx_places *places;                     /* the core's, for a fast sx_point_find; NULL: none */
    long epochs;                                 /* of a whole training; 0: not known */
    double chance;                               /* the objective of a net that knows nothing, minimised; 0: not known */
} sx_history;
typedef struct sx_rng sx_rng;                                        /* keyed by (study seed, trial number) */
double sx_uniform(sx_rng *r);                                        /* in [0, 1), 53 bits */
/* For designs over all trials: the number of this trial; a key that all trials of the study have in common; draw i of
 * a key. Keys of several purposes: sx_rng_study(r) + 1, + 2, ... */
long sx_rng_trial(const sx_rng *r);
uint64_t sx_rng_study(const sx_rng *r);
double sx_uniform_of(uint64_t key, uint64_t i);
double sx_axis_at(const sx_axis *a, double u);                       /* u in [0,1) -> a legal value, by the axis' prior */
double sx_axis_snap(const sx_axis *a, double v);                     /* the nearest legal value */
long sx_axis_count(const sx_axis *a);                                /* how many values; 0: infinitely many */
bool sx_active(const sx_space *s, const double *x, int i);           /* looks at x's parents of axis i only */
void sx_point_random(const sx_space *s, sx_rng *r, double *x);       /* by the axes' priors, parents first */
/* Counting through a space, the last axis fastest; a continuous axis counts as `parts` values. next: false behind the last. */
void sx_point_first(const sx_space *s, long parts, double *x);
bool sx_point_next(const sx_space *s, long parts, double *x);
/* A place in h of a trial at exactly x (inactive axes blank), looked for around `near` first; -1: none. */
long sx_point_find(const sx_space *s, const sx_history *h, const double *x, long near);
typedef struct {
    SX_HEAD;
    void *(*open)(const void *params, const sx_space *s);            /* optional cache: dropping it changes no bit */
    void (*close)(void *cache);
    /* Pure: same history and rng, same answer. The core snaps to step and blanks inactive axes. 1: exhausted. */
    int (*ask)(const void *params, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x, int64_t *tag);
} sx_sampler;
typedef enum { SX_GO, SX_PAUSE, SX_STOP } sx_verdict;
typedef struct {
    SX_HEAD;
    sx_verdict (*judge)(const void *params, const sx_history *h, const sx_trial *self);              /* pure, after each report */
    long (*resume)(const void *params, const sx_history *h);         /* number of a paused trial to go on with; -1: a new one; NULL: never */
} sx_pruner;

#endif
