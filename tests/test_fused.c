/* test_fused.c: what a device makes of several ops at once agrees with one stage an op: loss and gradients of 200 random
 * nets of the ConvStrix space and beyond: odd sizes, selu, tanh, negative gamma, ties in windows, few rows. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "mode.h"

enum { NETS = 200, PARTS = 4, MOST_ROWS = 16, MOST_SIDE = 28 };
typedef struct { sx_arena *arena; sx_diags diags; uint64_t state; const char *text; long side, rows; bool half; size_t cut; } drawing;
typedef struct { double *v; long n, cap; } numbers;

static long draw(drawing *w, long n)             /* of [0, n) */
{
    w->state = w->state * 6364136223846793005u + 1442695040888963407u;
    return (long)((w->state >> 33) % (uint64_t)n);
}
static const char *pick(drawing *w, int n, const char *const *of) { return of[draw(w, n)]; }

static void ok(drawing *w, int code, const char *what)
{
    if (code) sx_diags_print(&w->diags, stderr);
    cr_assert_eq(code, 0, "%s of\n%s", what, w->text);
}

static const char *block(drawing *w, long i, long blocks, const char *act, long width)
{
    static const char *const pools[] = { "size = 2;", "size = 2;", "size = 2;", "size = 2; padding = \"same\";",
                                         "size = 3; stride = 2;", "size = [2, 1];" };
    const char *convs = "";
    for (long k = draw(w, 4) ? 1 : 2; k > 0; k--)
        convs = sx_format(w->arena, "%sc%ld = { type = \"conv2d\"; filters = %ld; kernel = %d; padding = \"same\"; "
                          "activation = \"%s\"; }; ", convs, k, width * (i + 1), draw(w, 6) ? 3 : 5, act);
    if (i + 1 == blocks) return convs;
    return sx_format(w->arena, "%s%s pool = { type = \"maxpool2d\"; %s };", convs,
                     draw(w, 5) ? "norm = { type = \"batchnorm\"; };" : "", pick(w, 6, pools));
}

static void draw_net(drawing *w)
{
    static const char *const acts[] = { "relu", "relu", "selu", "tanh" };
    static const long sides[] = { 12, 13, 14, 28 }, widths[] = { 3, 5, 16, 33 }, rows[] = { 3, 8, 16 };
    const char *layers = "", *act = pick(w, 4, acts);
    w->side = sides[draw(w, 4)];
    w->rows = rows[draw(w, w->side == 28 ? 2 : 3)];
    const long blocks = 2 + draw(w, 2), width = widths[draw(w, 4)];
    for (long i = 0; i < blocks; i++)
        layers = sx_format(w->arena, "%s b%ld = { %s };", layers, i, block(w, i, blocks, act, width));
    w->text = sx_format(w->arena,
        "model = { input = [ %ld, %ld, 1 ]; layers = { %s f = { type = \"flatten\"; }; "
        "d = { type = \"dense\"; units = %ld; activation = \"%s\"; }; drop = { type = \"dropout\"; rate = 0.3; }; "
        "o = { type = \"dense\"; units = 10; activation = \"softmax\"; }; }; };\n"
        "dataset = { type = \"idx\"; dir = \".\"; train = [ \"none\", \"none\" ]; };\n"
        "train = { loss = \"cross_entropy\"; batch = %ld; optimizer = { type = \"adam\"; lr = 0.001; }; };\n",
        w->side, w->side, layers, 7 + draw(w, 30), act, w->rows);
}

/* Pixels of few values, half of them black: windows with ties. */
static void draw_images(drawing *w, float *x, int32_t *y)
{
    for (long i = 0; i < w->rows * w->side * w->side; i++) x[i] = draw(w, 2) ? 0 : (float)draw(w, 8) / 8;
    for (long i = 0; i < w->rows; i++) y[i] = (int32_t)draw(w, 10);
}

/* Some channels are turned round. */
static void turn(drawing *w, sx_net *net)
{
    const sx_tensor *t;
    const long n = sx_net_tensors(net, &t);
    for (long i = 0; i < n; i++) {
        const char *end = strrchr(t[i].name, '/');
        if (t[i].kind != SX_TENSOR_WEIGHT || !end || strcmp(end, "/gamma")) continue;
        float *v = sx_alloc_array(w->arena, (size_t)t[i].count, sizeof *v);
        for (long k = 0; k < t[i].count; k++) v[k] = k % 3 == 1 ? -0.75f : 1 + 0.1f * (float)(k % 5);
        ok(w, sx_net_write(net, &t[i], v, &w->diags), "gamma");
    }
}

/* Losses of all rows, then gradient after gradient; ends: where each stops. */
static void probe(drawing *w, int threads, bool fused, numbers *out, numbers *ends)
{
    static float x[MOST_ROWS * MOST_SIDE * MOST_SIDE];
    static int32_t y[MOST_ROWS];
    drawing images = { .state = 77, .side = w->side, .rows = w->rows };
    sx_conf *root;
    sx_exp *e;
    sx_machine *m;
    sx_data *data;
    sx_net *net;
    sx_probe p;
    draw_images(&images, x, y);
    sx_data_shape shape = { .rows = w->rows, .fit = w->rows, .inputs = 1 };
    shape.input[0] = (sx_column_shape){ .rank = 3, .dtype = SX_F32, .shape = { w->side, w->side, 1 } };
    if (fused) unsetenv("STRIX_NO_FUSE");
    else setenv("STRIX_NO_FUSE", "1", 1);
    sx_registry *r = sx_registry_open(w->arena, NULL);
    ok(w, sx_config_parse(w->arena, w->text, "test", NULL, &root, &w->diags), "text");
    ok(w, sx_exp_open(w->arena, r, root, "test", &e, &w->diags), "experiment");
    if (w->half) e->train.precision = 2;         /* bf16 */
    sx_step_labels(e, &shape);
    shape.label[0].classes = 10;
    ok(w, sx_machine_open(w->arena, r, "cpu", threads, &m, &w->diags), "machine");
    ok(w, sx_data_given(w->arena, m, &shape, (const void *[]){ x }, (const int32_t *[]){ y }, &data, &w->diags), "data");
    ok(w, sx_net_open(w->arena, e, m, data, 5, 0, w->cut, &net, &w->diags), "net");
    ok(w, sx_net_init(net, &w->diags), "weights");
    turn(w, net);
    if (w->cut) net->train.s->graph->again.segment = w->cut;         /* results are computed again, cut so often */
    ok(w, sx_net_probe(w->arena, net, true, &p, &w->diags), "step");
    for (long i = 0; i < p.rows; i++) SX_PUSH(w->arena, *out, (double)p.loss[0][i]);
    SX_PUSH(w->arena, *ends, (double)out->n);
    for (long i = 0; i < p.n; i++) {
        for (long k = 0; k < p.weight[i]->count; k++) SX_PUSH(w->arena, *out, (double)p.grad[i][k]);
        SX_PUSH(w->arena, *ends, (double)out->n);
    }
}

static double distance(const double *a, const double *b, long n)
{
    double d = 0, r = 0;
    for (long i = 0; i < n; i++) d += (a[i] - b[i]) * (a[i] - b[i]), r += b[i] * b[i];
    return sqrt(d / (r > 1e-12 ? r : 1e-12));
}

/* Where two pixels of a window differ by rounding the gradient may go to either; then few tensors differ by more than
 * rounding, and not by much. */
static void compare(int i)
{
    drawing w = { .arena = sx_arena_open(NULL), .state = (uint64_t)i * 2654435761u + 1 };
    numbers all = { 0 }, plain = { 0 }, ends = { 0 }, other = { 0 }, twice = { 0 };
    sx_diags_init(&w.diags, w.arena);
    draw_net(&w);
    probe(&w, 2, true, &all, &ends);
    probe(&w, 1, false, &plain, &other);
    if (i % 8 == 0) {
        probe(&w, 1, true, &twice, &other);
        cr_assert_arr_eq(all.v, twice.v, (size_t)all.n * sizeof *all.v, "two threads, other bits: %s", w.text);
    }
    cr_assert_eq(all.n, plain.n);
    long from = 0, far = 0;
    for (long k = 0; k < ends.n; from = (long)ends.v[k++]) {
        const double d = distance(all.v + from, plain.v + from, (long)ends.v[k] - from);
        cr_assert_lt(d, k ? 0.05 : 2e-5, "net %d, tensor %ld differs by %g of its length:\n%s", i, k, d, w.text);
        far += d > 1e-4;
    }
    cr_assert_leq(far, ends.n / 2, "net %d: %ld of %ld tensors differ:\n%s", i, far, ends.n, w.text);
    sx_arena_close(w.arena);
}

/* bf16 against f32: losses, and the gradients together; single ones may be mostly rounding. Fused or not is a matter of how
 * much is rounded; the bits are the same for any number of threads. */
static void compare_half(int i, const char *way, double limit)
{
    setenv("STRIX_CPU_CONV", way, 1);
    drawing w = { .arena = sx_arena_open(NULL), .state = (uint64_t)i * 2654435761u + 1 };
    numbers wide = { 0 }, half[3] = { { 0 } }, ends = { 0 }, other = { 0 };
    sx_diags_init(&w.diags, w.arena);
    draw_net(&w);
    probe(&w, 2, true, &wide, &ends);
    w.half = true;
    for (int k = 0; k < 3; k++) probe(&w, k == 1 ? 1 : 2, k < 2, &half[k], &other);
    cr_assert_arr_eq(half[0].v, half[1].v, (size_t)wide.n * sizeof *wide.v, "two threads, other bits: %s", w.text);
    const long losses = (long)ends.v[0];
    for (int k = 0; k < 3; k++) {
        const double loss = distance(half[k].v, wide.v, losses);
        const double grads = distance(half[k].v + losses, wide.v + losses, wide.n - losses);
        cr_assert_lt(loss, 0.03, "net %d, losses differ by %g:\n%s", i, loss, w.text);
        cr_assert_lt(grads, limit, "net %d, gradients differ by %g:\n%s", i, grads, w.text);
        cr_assert(loss > 0 && grads > 0, "net %d was not in bf16", i);
    }
    sx_arena_close(w.arena);
}

static void part(int k) { for (int i = k; i < NETS; i += PARTS) compare(i); }
Test(fused, nets_of_part_0) { part(0); }
Test(fused, nets_of_part_1) { part(1); }
Test(fused, nets_of_part_2) { part(2); }
Test(fused, nets_of_part_3) { part(3); }
Test(fused, nets_in_bf16) { for (int i = 0; i < NETS; i += 5) compare_half(i, "auto", 0.3); }

/* Where there is no matrix unit its twin in plain C computes, which takes minutes under sanitizers: a quarter of the nets
 * there, all of them elsewhere. */
#ifdef __SANITIZE_ADDRESS__
enum { BY_TILES = 20 };
#else
enum { BY_TILES = 5 };
#endif
Test(fused, nets_in_bf16_by_tiles) { for (int i = 0; i < NETS; i += BY_TILES) compare_half(i, "amx", 0.5); }

/* These nets are small, an image is a chunk of its own, so the groups of the moments are the same and the losses in every
 * bit (decision 007: larger ones may have others). What is computed again in the backward pass may be summed by other groups,
 * and in bf16 it is rounded at other places: where it is stored (decision 008), and other chains store others. */
static void compare_again(int i)
{
    drawing w = { .arena = sx_arena_open(NULL), .state = (uint64_t)i * 2654435761u + 1, .half = i % 2 };
    numbers kept = { 0 }, again = { 0 }, ends = { 0 }, other = { 0 };
    sx_diags_init(&w.diags, w.arena);
    draw_net(&w);
    probe(&w, 2, true, &kept, &ends);
    w.cut = (size_t)1 << (10 + i / 2 % 10);
    probe(&w, 2, true, &again, &other);
    const long losses = (long)ends.v[0];
    cr_assert_arr_eq(kept.v, again.v, (size_t)losses * sizeof *kept.v, "net %d: other losses:\n%s", i, w.text);
    const double d = distance(again.v + losses, kept.v + losses, kept.n - losses);
    cr_assert_lt(d, w.half ? 0.1 : 1e-5, "net %d, gradients differ by %g:\n%s", i, d, w.text);
    sx_arena_close(w.arena);
}
Test(fused, what_is_computed_again) { for (int i = 0; i < NETS; i++) compare_again(i); }
