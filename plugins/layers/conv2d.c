/* conv2d: convolution of images, y = x * kernel + bias, with Keras' names and defaults.
 * Written as a correlation, as every framework does. */
#include "window.h"

struct conv2d {
    long filters, groups; sx_ints kernel, stride, dilation, pad;
    int padding; bool bias; const char *init;
};

static const sx_param params[] = {
    SX_INT(struct conv2d, filters, .flags = SX_REQUIRED, .min = 1, .max = 1 << 24, .doc = "output channels"),
    SX_INTS(struct conv2d, kernel, .flags = SX_REQUIRED, .min = 1, .max = 1 << 16,
            .doc = "height and width of the window"),
    SX_INTS(struct conv2d, stride, .text = "1", .min = 1, .max = 1 << 16, .doc = "steps of the window"),
    SX_INTS(struct conv2d, dilation, .text = "1", .min = 1, .max = 1 << 16,
            .doc = "distance of the window's elements"),
    SX_INT(struct conv2d, groups, .def = 1, .min = 1, .max = 1 << 24,
           .doc = "parts that channels and filters are divided into"),
    SX_CHOICE(struct conv2d, padding, .def = PADDING_VALID,
              .choices = (const char *const[]){ "same", "valid", "explicit", NULL },
              .doc = "zeros around the image: same (as many outputs as inputs / stride), valid (none), "
                     "explicit (those of 'pad')"),
    SX_INTS(struct conv2d, pad, .text = "", .max = 1 << 16,
            .doc = "top, left, bottom, right, for padding = \"explicit\""),
    SX_BOOL(struct conv2d, bias, .def = true, .doc = "add a learned number to each channel"),
    SX_TEXT(struct conv2d, init, .text = "glorot_uniform", .doc = "initial kernel"),
    SX_END
};

/* Why the settings make no window, or NULL; what is the setting to blame. */
static const char *window(sx_graph *g, const struct conv2d *p, sx_t x, sx_window *w, const char **what)
{
    if (!window_pair(p->kernel, NULL, w->size)) return *what = "kernel", "takes one or two numbers";
    if (!window_pair(p->stride, NULL, w->stride)) return *what = "stride", "takes one or two numbers";
    if (!window_pair(p->dilation, NULL, w->dilation)) return *what = "dilation", "takes one or two numbers";
    if (p->padding == PADDING_EXPLICIT && p->pad.n != 4)
        return *what = "pad", "takes four numbers: top, left, bottom, right";
    if (p->padding != PADDING_EXPLICIT && p->pad.n) return *what = "pad", "needs padding = \"explicit\"";
    for (int i = 0; i < p->pad.n; i++) w->pad[i] = p->pad.v[i];
    if (p->padding == PADDING_SAME) window_same(g, x, w);
    return NULL;
}

static sx_t forward(sx_graph *g, const void *params_, sx_t x)    /* [n, h, w, c] -> [n, h', w', filters] */
{
    const struct conv2d *p = params_;
    if (x.id && sx_rank(g, x) != 4)
        return sx_refuse(g, NULL, "conv2d wants an image (height, width, channels), its input has %d axes",
                         sx_rank(g, x) - 1);
    const long c = sx_dim(g, x, -1);
    if (x.id && c % p->groups)
        return sx_refuse(g, "groups", "conv2d cannot divide %ld channels into %ld groups", c, p->groups);
    if (p->filters % p->groups)
        return sx_refuse(g, "groups", "conv2d cannot divide %ld filters into %ld groups", p->filters,
                         p->groups);
    sx_window w = { .groups = p->groups };
    const char *what, *why = window(g, p, x, &w, &what);
    if (why) return sx_refuse(g, what, "conv2d '%s' %s", what, why);
    if (x.id && !window_fits(g, x, &w))
        return sx_refuse(g, "kernel", "conv2d window %ldx%ld does not fit the %ldx%ld input", w.size[0],
                         w.size[1], sx_dim(g, x, 1), sx_dim(g, x, 2));
    const sx_t kernel = sx_weight(g, "kernel", SX_SHAPE(p->filters, w.size[0], w.size[1], c / p->groups),
                                  p->init);
    const sx_t y = sx_conv2d(g, x, kernel, &w);
    return p->bias ? sx_add(g, y, sx_weight(g, "bias", SX_SHAPE(p->filters), "zeros")) : y;
}

SX_LAYER(conv2d, params, struct conv2d, .doc = "convolution of images", .forward = forward);
SX_PLUGIN("conv2d", "1.0", "MIT", SX_ITEM(conv2d));
