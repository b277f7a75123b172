/* resize: images of another size, the way OpenCV's resize does it (half-pixel centres, edges repeated). */
#include <strix/plugin.h>

struct resize { long height, width; int method; bool whole; };

static const sx_param params[] = {
    SX_INT(struct resize, height, .flags = SX_REQUIRED, .min = 1, .max = 1 << 15,
           .doc = "rows of the result"),
    SX_INT(struct resize, width, .flags = SX_REQUIRED, .min = 1, .max = 1 << 15,
           .doc = "columns of the result"),
    SX_CHOICE(struct resize, method, .choices = (const char *const[]){ "bilinear", NULL },
              .doc = "interpolation"),
    SX_BOOL(struct resize, whole, .def = true, .doc = "round to whole numbers, as images of bytes do"),
    SX_END
};

static sx_t forward(sx_graph *g, const void *params_, sx_t x)    /* [n, h, w, c] -> [n, height, width, c] */
{
    const struct resize *p = params_;
    if (x.id && sx_rank(g, x) != 4)
        return sx_refuse(g, NULL, "resize wants an image (height, width, channels), its input has %d axes",
                         sx_rank(g, x) - 1);
    return sx_resize(g, x, p->height, p->width, p->whole);
}

SX_LAYER(resize, params, struct resize, .doc = "images of another size", .forward = forward);
SX_PLUGIN("resize", "1.0", "MIT", SX_ITEM(resize));
