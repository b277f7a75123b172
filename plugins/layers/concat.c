/* concat: its inputs one after another along an axis. */
#include <strix/plugin.h>

enum { MOST = 256 };
struct concat { long axis; };

static const sx_param params[] = {
    SX_INT(struct concat, axis, .def = -1, .min = 1 - SX_RANK, .max = SX_RANK - 1,
           .doc = "0 is the batch (not allowed), 1 the height; negative: from the end, -1 is the channels"),
    SX_END
};

static sx_t forward(sx_graph *g, const void *params_, sx_t x)
{
    const struct concat *p = params_;
    const int n = sx_inputs(g), rank = sx_rank(g, x);
    if (n > MOST) return sx_refuse(g, NULL, "concat takes at most %d inputs", MOST);
    if (x.id && (p->axis == 0 || p->axis >= rank || rank + p->axis <= 0))
        return sx_refuse(g, "axis", "concat along axis %ld of an input with %d axes and the batch", p->axis,
                         rank - 1);
    sx_t in[MOST];
    for (int i = 0; i < n; i++) in[i] = sx_in(g, i);
    return n == 1 ? x : sx_concat(g, n, in, (int)p->axis);
}

SX_LAYER(concat, params, struct concat, .doc = "inputs one after another", .inputs = -1, .forward = forward);
SX_PLUGIN("concat", "1.0", "MIT", SX_ITEM(concat));
