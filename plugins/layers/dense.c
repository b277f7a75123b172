/* dense: fully connected layer, y = x kernel + bias; the kernel is [units, inputs]. */
#include <strix/plugin.h>

struct dense { long units; bool bias; const char *init; };

static const sx_param params[] = {
    SX_INT(struct dense, units, .flags = SX_REQUIRED, .min = 1, .max = 1 << 24, .doc = "outputs"),
    SX_BOOL(struct dense, bias, .def = true, .doc = "add a learned number to each output"),
    SX_TEXT(struct dense, init, .text = "glorot_uniform", .doc = "initial kernel"),
    SX_END
};

static sx_t forward(sx_graph *g, const void *params_, sx_t x)    /* [n, c] -> [n, units] */
{
    const struct dense *p = params_;
    if (x.id && sx_rank(g, x) != 2)
        return sx_refuse(g, NULL, "dense wants one axis besides the batch, its input has %d: "
                         "put a flatten before it", sx_rank(g, x) - 1);
    const sx_t kernel = sx_weight(g, "kernel", SX_SHAPE(p->units, sx_dim(g, x, -1)), p->init);
    const sx_t y = sx_matmul(g, x, kernel, SX_TRANS_B);
    return p->bias ? sx_add(g, y, sx_weight(g, "bias", SX_SHAPE(p->units), "zeros")) : y;
}

SX_LAYER(dense, params, struct dense, .doc = "fully connected layer", .forward = forward);
SX_PLUGIN("dense", "1.0", "MIT", SX_ITEM(dense));
