/* onednn.c: convolutions of oneDNN 2.x, opened at run time so that the plugin loads without it. Primitives
 * run on one thread each (our pool cuts the work), keep activations in plain nhwc and the weights as they
 * like them. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "build-config.h"
#include "conv.h"

#ifdef HAVE_DNNL_H
#include <dnnl.h>

#define CALLS(X) \
    X(dnnl_engine_create) X(dnnl_stream_create) X(dnnl_memory_create) X(dnnl_memory_destroy) \
    X(dnnl_memory_desc_init_by_tag) X(dnnl_memory_desc_get_size) \
    X(dnnl_dilated_convolution_forward_desc_init) X(dnnl_dilated_convolution_backward_data_desc_init) \
    X(dnnl_dilated_convolution_backward_weights_desc_init) X(dnnl_primitive_desc_create) \
    X(dnnl_primitive_desc_query) X(dnnl_primitive_desc_query_md) X(dnnl_primitive_desc_destroy) \
    X(dnnl_primitive_create) X(dnnl_primitive_execute) X(dnnl_primitive_destroy) \
    X(dnnl_reorder_primitive_desc_create) X(dnnl_primitive_attr_create) \
    X(dnnl_primitive_attr_set_scratchpad_mode) X(dnnl_primitive_attr_destroy) X(dnnl_version)

#define MEMBER(f) __typeof__(&f) f;
static struct {
    CALLS(MEMBER)
    void (*set_threads)(int);                    /* of the OpenMP that oneDNN uses; NULL: none */
    int (*get_threads)(void);
    dnnl_engine_t engine; dnnl_stream_t stream;
    bool here;
} lib;

static bool find(void *so, const char *name, void *to)
{
    void *f = dlsym(so, name);
    if (f) memcpy(to, &f, sizeof f);             /* ISO C knows no cast from data to functions */
    return f != NULL;
}

static void open_once(void)
{
    void *so = dlopen("libdnnl.so.2", RTLD_NOW | RTLD_LOCAL);
    if (!so) return;
    bool good = true;
#define FIND(f) good = good && find(so, #f, &lib.f);
    CALLS(FIND)
    find(so, "omp_set_num_threads", &lib.set_threads);
    find(so, "omp_get_max_threads", &lib.get_threads);
    good = good && lib.dnnl_version()->major == DNNL_VERSION_MAJOR;
    good = good && lib.dnnl_engine_create(&lib.engine, dnnl_cpu, 0) == dnnl_success;
    lib.here = good
               && lib.dnnl_stream_create(&lib.stream, lib.engine, dnnl_stream_default_flags) == dnnl_success;
}

bool dnnl_here(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_once);
    return lib.here;
}

int dnnl_one_thread(void)
{
    const int before = lib.get_threads ? lib.get_threads() : 0;
    if (lib.set_threads) lib.set_threads(1);
    return before;
}

void dnnl_threads(int n) { if (lib.set_threads && n > 0) lib.set_threads(n); }

typedef dnnl_memory_desc_t desc;
struct dnnl_conv {
    conv_kind kind;
    dnnl_primitive_t run, to_own, to_plain;
    desc plain, own, a, b, scratch;              /* weights in both layouts; a: x or dy, b: y, dx or dy */
};

static bool image(desc *d, long n, long h, long w, long c)
{
    return lib.dnnl_memory_desc_init_by_tag(d, 4, (dnnl_dims_t){ n, c, h, w }, dnnl_f32, dnnl_nhwc)
           == dnnl_success;
}

static bool filters(desc *d, const geometry *g, bool any)
{
    const dnnl_dims_t one = { g->k, g->c, g->r, g->s };
    const dnnl_dims_t many = { g->groups, g->k / g->groups, g->c / g->groups, g->r, g->s };
    const dnnl_format_tag_t tag = any ? dnnl_format_tag_any : g->groups > 1 ? dnnl_gohwi : dnnl_ohwi;
    return lib.dnnl_memory_desc_init_by_tag(d, g->groups > 1 ? 5 : 4, g->groups > 1 ? many : one, dnnl_f32,
                                            tag)
           == dnnl_success;
}

typedef struct { desc x, w, y; dnnl_dims_t stride, dilate, before, after; dnnl_primitive_attr_t attr; } wish;

static bool wish_of(wish *v, const geometry *g, long images)
{
    for (int i = 0; i < 2; i++) {
        const long length = i ? g->w : g->h, out = i ? g->ow : g->oh, size = i ? g->s : g->r;
        v->stride[i] = g->stride[i];
        v->dilate[i] = g->dilation[i] - 1;
        v->before[i] = g->pad[i];
        v->after[i] = (out - 1) * g->stride[i] + (size - 1) * g->dilation[i] + 1 - length - g->pad[i];
    }
    return image(&v->x, images, g->h, g->w, g->c) && image(&v->y, images, g->oh, g->ow, g->k)
           && filters(&v->w, g, true);
}

/* Any implementation but the reference one, which is far slower than columns and OpenBLAS. */
static dnnl_primitive_desc_t choose(const void *op, dnnl_primitive_attr_t attr, dnnl_primitive_desc_t hint)
{
    dnnl_primitive_desc_t pd = NULL;
    const char *name = NULL;
    if (lib.dnnl_primitive_desc_create(&pd, op, attr, lib.engine, hint) != dnnl_success) return NULL;
    if (lib.dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) == dnnl_success
        && !strstr(name, "ref"))
        return pd;
    lib.dnnl_primitive_desc_destroy(pd);
    return NULL;
}

static dnnl_primitive_desc_t forward(const wish *v)
{
    dnnl_convolution_desc_t d;
    if (lib.dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct,
                                                       &v->x, &v->w, NULL, &v->y, v->stride, v->dilate,
                                                       v->before, v->after)
        != dnnl_success)
        return NULL;
    dnnl_primitive_desc_t pd = NULL;
    const bool good = lib.dnnl_primitive_desc_create(&pd, &d, v->attr, lib.engine, NULL) == dnnl_success;
    return good ? pd : NULL;
}

static dnnl_primitive_desc_t describe(conv_kind kind, const wish *v)
{
    dnnl_convolution_desc_t d;
    dnnl_primitive_desc_t hint = forward(v), pd = NULL;
    if (!hint) return NULL;
    dnnl_status_t s = dnnl_success;
    if (kind == CONV_FWD)
        s = lib.dnnl_dilated_convolution_forward_desc_init(&d, dnnl_forward_training, dnnl_convolution_direct,
                                                           &v->x, &v->w, NULL, &v->y, v->stride, v->dilate,
                                                           v->before, v->after);
    else if (kind == CONV_BWD_X)
        s = lib.dnnl_dilated_convolution_backward_data_desc_init(
            &d, dnnl_convolution_direct, &v->x, &v->w, &v->y, v->stride, v->dilate, v->before, v->after);
    else
        s = lib.dnnl_dilated_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &v->x, &v->w,
                                                                    NULL, &v->y, v->stride, v->dilate,
                                                                    v->before, v->after);
    if (s == dnnl_success) pd = choose(&d, v->attr, kind == CONV_FWD ? NULL : hint);
    lib.dnnl_primitive_desc_destroy(hint);
    return pd;
}

static bool reorder(dnnl_primitive_t *p, const desc *from, const desc *to)
{
    dnnl_primitive_desc_t pd = NULL;
    if (lib.dnnl_reorder_primitive_desc_create(&pd, from, lib.engine, to, lib.engine, NULL) != dnnl_success)
        return false;
    const bool good = lib.dnnl_primitive_create(p, pd) == dnnl_success;
    lib.dnnl_primitive_desc_destroy(pd);
    return good;
}

static const desc *queried(dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    return lib.dnnl_primitive_desc_query_md(pd, what, 0);
}

static bool fill(dnnl_conv *c, const wish *v, const geometry *g, dnnl_primitive_desc_t pd)
{
    const desc *own = queried(pd, c->kind == CONV_BWD_W ? dnnl_query_diff_weights_md : dnnl_query_weights_md);
    const desc *scratch = queried(pd, dnnl_query_scratchpad_md);
    if (!own || !scratch || !filters(&c->plain, g, false)) return false;
    c->own = *own, c->scratch = *scratch;
    c->a = c->kind == CONV_BWD_X ? v->y : v->x;
    c->b = c->kind == CONV_BWD_X ? v->x : v->y;
    return reorder(&c->to_own, &c->plain, &c->own) && reorder(&c->to_plain, &c->own, &c->plain)
        && lib.dnnl_primitive_create(&c->run, pd) == dnnl_success;
}

/* The description of a primitive of one thread with a scratchpad of ours, and the wish that it fulfils; or
 * NULL. */
static dnnl_primitive_desc_t find_primitive(conv_kind kind, const geometry *g, long images, wish *v)
{
    const int before = dnnl_one_thread();        /* it keeps the count of threads that it was made with */
    dnnl_primitive_desc_t pd = NULL;
    *v = (wish){ 0 };
    if (lib.dnnl_primitive_attr_create(&v->attr) == dnnl_success
        && lib.dnnl_primitive_attr_set_scratchpad_mode(v->attr, dnnl_scratchpad_mode_user) == dnnl_success
        && wish_of(v, g, images))
        pd = describe(kind, v);
    if (v->attr) lib.dnnl_primitive_attr_destroy(v->attr);
    dnnl_threads(before);
    return pd;
}

bool dnnl_conv_needs(conv_kind kind, const geometry *g, long images, size_t *weights, size_t *scratch)
{
    wish v;
    dnnl_primitive_desc_t pd = find_primitive(kind, g, images, &v);
    if (!pd) return false;
    const desc *own = queried(pd, kind == CONV_BWD_W ? dnnl_query_diff_weights_md : dnnl_query_weights_md);
    const desc *room = queried(pd, dnnl_query_scratchpad_md);
    if (own && room) {
        *weights = lib.dnnl_memory_desc_get_size(own);
        *scratch = lib.dnnl_memory_desc_get_size(room);
    }
    lib.dnnl_primitive_desc_destroy(pd);
    return own && room;
}

dnnl_conv *dnnl_conv_open(conv_kind kind, const geometry *g, long images)
{
    const int before = dnnl_one_thread(); /* reorders keep the count of threads they were made with, too */
    wish v;
    dnnl_conv *c = calloc(1, sizeof *c);
    dnnl_primitive_desc_t pd = c ? find_primitive(kind, g, images, &v) : NULL;
    const bool good = pd && (c->kind = kind, fill(c, &v, g, pd));
    if (pd) lib.dnnl_primitive_desc_destroy(pd);
    dnnl_threads(before);
    if (good) return c;
    dnnl_conv_close(c);
    return NULL;
}

void dnnl_conv_close(void *p)
{
    dnnl_conv *c = p;
    if (!c) return;
    if (c->run) lib.dnnl_primitive_destroy(c->run);
    if (c->to_own) lib.dnnl_primitive_destroy(c->to_own);
    if (c->to_plain) lib.dnnl_primitive_destroy(c->to_plain);
    free(c);
}

typedef struct { int name; const desc *d; const void *p; } operand;

static bool execute(dnnl_primitive_t p, int n, const operand *o)
{
    dnnl_exec_arg_t args[4];
    bool good = true;
    int made = 0;
    for (; made < n && good; made++) {
        args[made].arg = o[made].name;
        good = lib.dnnl_memory_create(&args[made].memory, o[made].d, lib.engine, (void *)(uintptr_t)o[made].p)
            == dnnl_success;
    }
    const int whole = made - !good;
    good = good && lib.dnnl_primitive_execute(p, lib.stream, n, args) == dnnl_success;
    for (int i = 0; i < whole; i++) lib.dnnl_memory_destroy(args[i].memory);
    return good;
}

bool dnnl_conv_reorder(const dnnl_conv *c, float *plain, void *own, bool back)
{
    const operand o[] = { { DNNL_ARG_FROM, back ? &c->own : &c->plain, back ? own : plain },
                          { DNNL_ARG_TO, back ? &c->plain : &c->own, back ? plain : own } };
    return execute(back ? c->to_plain : c->to_own, 2, o);
}

bool dnnl_conv_run(const dnnl_conv *c, const float *a, void *weights, const float *b, void *scratch)
{
    static const int names[][3] = { [CONV_FWD] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST },
                                    [CONV_BWD_X] = { DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC },
                                    [CONV_BWD_W] = { DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS,
                                                     DNNL_ARG_DIFF_DST } };
    const int *name = names[c->kind];
    const operand o[] = { { name[0], &c->a, a }, { name[1], &c->own, weights }, { name[2], &c->b, b },
                          { DNNL_ARG_SCRATCHPAD, &c->scratch, scratch } };
    return execute(c->run, 4, o);
}
#else
bool dnnl_here(void) { return false; }
int dnnl_one_thread(void) { return 0; }
void dnnl_threads(int n) { (void)n; }
dnnl_conv *dnnl_conv_open(conv_kind kind, const geometry *g, long images)
{
    (void)kind, (void)g, (void)images;
    return NULL;
}
void dnnl_conv_close(void *p) { (void)p; }
bool dnnl_conv_needs(conv_kind kind, const geometry *g, long images, size_t *weights, size_t *scratch)
{
    (void)kind, (void)g, (void)images, (void)weights, (void)scratch;
    return false;
}
bool dnnl_conv_reorder(const dnnl_conv *c, float *plain, void *own, bool back)
{
    (void)c, (void)plain, (void)own, (void)back;
    return false;
}
bool dnnl_conv_run(const dnnl_conv *c, const float *a, void *weights, const float *b, void *scratch)
{
    (void)c, (void)a, (void)weights, (void)b, (void)scratch;
    return false;
}
#endif
