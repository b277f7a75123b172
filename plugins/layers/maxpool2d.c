/* maxpool2d: the largest element of each window; the first one where several are equal. */
#include "window.h"

struct maxpool2d { sx_ints size, stride; int padding; };

static const sx_param params[] = {
    SX_INTS(struct maxpool2d, size, .text = "2", .min = 1, .max = 1 << 15,
            .doc = "height and width of the window"),
    SX_INTS(struct maxpool2d, stride, .text = "", .min = 1, .max = 1 << 15,
            .doc = "steps of the window; its size where not given"),
    SX_CHOICE(struct maxpool2d, padding, .def = PADDING_VALID,
              .choices = (const char *const[]){ "same", "valid", NULL },
              .doc = "valid: only whole windows; same: as many outputs as inputs / stride"),
    SX_END
};

static sx_t forward(sx_graph *g, const void *params_, sx_t x)    /* [n, h, w, c] -> [n, h', w', c] */
{
    const struct maxpool2d *p = params_;
    if (x.id && sx_rank(g, x) != 4)
        return sx_refuse(g, NULL, "maxpool2d wants an image (height, width, channels), its input has %d axes",
                         sx_rank(g, x) - 1);
    sx_window w = { .dilation = { 1, 1 }, .groups = 1 };
    if (!window_pair(p->size, NULL, w.size))
        return sx_refuse(g, "size", "maxpool2d 'size' takes one or two numbers");
    if (!window_pair(p->stride, w.size, w.stride))
        return sx_refuse(g, "stride", "maxpool2d 'stride' takes one or two numbers");
    if (p->padding == PADDING_SAME) window_same(g, x, &w);
    if (x.id && !window_fits(g, x, &w))
        return sx_refuse(g, "size", "maxpool2d window %ldx%ld does not fit the %ldx%ld input", w.size[0],
                         w.size[1], sx_dim(g, x, 1), sx_dim(g, x, 2));
    return sx_pool2d(g, x, SX_POOL_MAX, &w);
}

SX_LAYER(maxpool2d, params, struct maxpool2d, .doc = "largest element of each window", .forward = forward);
SX_PLUGIN("maxpool2d", "1.0", "MIT", SX_ITEM(maxpool2d));
