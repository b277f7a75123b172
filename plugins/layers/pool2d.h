/* pool2d.h: the two pooling layers, which differ in what they make of a window. */
#ifndef POOL2D_H
#define POOL2D_H
#include "window.h"

struct pool2d { sx_ints size, stride; int padding; };

static const sx_param params[] = {
    SX_INTS(struct pool2d, size, .text = "2", .min = 1, .max = 1 << 15, .doc = "height and width of the window"),
    SX_INTS(struct pool2d, stride, .text = "", .min = 1, .max = 1 << 15,
            .doc = "steps of the window; its size where not given"),
    SX_CHOICE(struct pool2d, padding, .def = PADDING_VALID,
              .choices = (const char *const[]){ "same", "valid", NULL },
              .doc = "valid: only whole windows; same: as many outputs as inputs / stride"),
    SX_END
};

/* [n, h, w, c] -> [n, h', w', c] */
static sx_t pool2d(sx_graph *g, const struct pool2d *p, sx_t x, sx_pool kind, const char *name)
{
    if (x.id && sx_rank(g, x) != 4)
        return sx_refuse(g, NULL, "%s wants an image (height, width, channels), its input has %d axes", name,
                         sx_rank(g, x) - 1);
    sx_window w = { .dilation = { 1, 1 }, .groups = 1 };
    if (!window_pair(p->size, NULL, w.size)) return sx_refuse(g, "size", "%s 'size' takes one or two numbers", name);
    if (!window_pair(p->stride, w.size, w.stride))
        return sx_refuse(g, "stride", "%s 'stride' takes one or two numbers", name);
    if (p->padding == PADDING_SAME) window_same(g, x, &w);
    if (x.id && !window_fits(g, x, &w))
        return sx_refuse(g, "size", "%s window %ldx%ld does not fit the %ldx%ld input", name, w.size[0], w.size[1],
                         sx_dim(g, x, 1), sx_dim(g, x, 2));
    return sx_pool2d(g, x, kind, &w);
}
#endif
