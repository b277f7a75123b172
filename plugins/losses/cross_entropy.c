/* cross_entropy: -log of the probability that the net gives the right class. Computed from what went into the
 * softmax, which is exact where the probability itself would round to 0 or 1. */
#include <strix/plugin.h>

struct cross_entropy { bool from_logits; };

static const sx_param params[] = {
    SX_BOOL(struct cross_entropy, from_logits, .def = false, .doc = "the net ends without a softmax"),
    SX_END
};

/* y [n, classes], target i32 [n] -> [n] */
static sx_t forward(sx_graph *g, const void *params_, sx_t y, sx_t target)
{
    const struct cross_entropy *p = params_;
    if (y.id && sx_rank(g, y) != 2)
        return sx_refuse(g, NULL, "cross_entropy wants one number per class, the net's output has %d axes",
                         sx_rank(g, y) - 1);
    const sx_t logits = p->from_logits ? y : sx_logits(g, y);
    if (y.id && !logits.id)
        return sx_refuse(g, NULL, "cross_entropy wants a net that ends in a softmax; "
                         "set from_logits = true where it gives logits");
    return sx_xent(g, logits, target);
}

static double chance(const void *params_, long classes)
{
    (void)params_;
    return log((double)classes);
}

SX_DEFINE(SX_KIND_LOSS, sx_loss, cross_entropy, params, struct cross_entropy,
          .doc = "-log of the right class' probability", .forward = forward, .chance = chance);
SX_PLUGIN("cross_entropy", "1.0", "MIT", SX_ITEM(cross_entropy));
