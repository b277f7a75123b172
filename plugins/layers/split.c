/* split: its input in equal parts along an axis; the first is "name", the others "name:1", "name:2" .. */
#include <strix/plugin.h>

struct split { long parts, axis; };

static const sx_param params[] = {
    SX_INT(struct split, parts, .def = 2, .min = 2, .max = 64, .doc = "how many"),
    SX_INT(struct split, axis, .def = -1, .min = 1 - SX_RANK, .max = SX_RANK - 1,
           .doc = "0 is the batch (not allowed), 1 the height; negative: from the end, -1 is the channels"),
    SX_END
};

static sx_t forward(sx_graph *g, const void *params_, sx_t x)
{
    const struct split *p = params_;
    const int rank = sx_rank(g, x);
    if (x.id && (p->axis == 0 || p->axis >= rank || rank + p->axis <= 0))
        return sx_refuse(g, "axis", "split along axis %ld of an input with %d axes and the batch", p->axis,
                         rank - 1);
    const long all = sx_dim(g, x, (int)p->axis), each = all / p->parts;
    if (x.id && (!each || all % p->parts))
        return sx_refuse(g, "parts", "split of %ld into %ld equal parts", all, p->parts);
    for (int i = 1; i < p->parts; i++) sx_out(g, i, sx_slice(g, x, (int)p->axis, i * each, each));
    return sx_slice(g, x, (int)p->axis, 0, each);
}

SX_LAYER(split, params, struct split, .doc = "its input in equal parts", .forward = forward);
SX_PLUGIN("split", "1.0", "MIT", SX_ITEM(split));
