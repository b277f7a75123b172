/* wrong.c: items with one fault each, which the conformance suites must find. */
#include <strix/plugin.h>

static const sx_param params[] = { SX_END };

SX_MAP1(square, x * x, x);                       /* should be 2 x */
SX_MAP1(times, k[0] * x, k[0]);

static sx_t gradient_forward(sx_graph *g, const void *p, sx_t x)
{
    (void)p;
    return sx_map1(g, &square, x, NULL);
}
SX_LAYER(gradient, params, sx_no_params, .doc = "has a wrong gradient", .forward = gradient_forward);

static sx_t weights_forward(sx_graph *g, const void *p, sx_t x)
{
    (void)p;
    return sx_training(g) ? sx_mul(g, x, sx_weight(g, "scale", SX_SHAPE(sx_dim(g, x, -1)), "ones")) : x;
}
SX_LAYER(weights, params, sx_no_params, .doc = "has a weight in training only", .forward = weights_forward);

static sx_t finite_forward(sx_graph *g, const void *p, sx_t x)
{
    (void)p;
    return sx_map1(g, &times, x, SX_K((float)INFINITY));
}
SX_LAYER(finite, params, sx_no_params, .doc = "gives infinities", .forward = finite_forward);

static sx_t shapes_forward(sx_graph *g, const void *p, sx_t x)
{
    (void)p;
    return sx_reshape(g, x, SX_SHAPE(7, 11, 13));
}
SX_LAYER(shapes, params, sx_no_params, .doc = "builds on no common shape", .forward = shapes_forward);

SX_UPDATE(uphill, 0, w += k[0] * d;);
static void uphill_coef(const void *p, double lr, long t, double memo[4], float k[8])
{
    (void)p, (void)t, (void)memo;
    k[0] = (float)sqrt(lr);                      /* should be linear in lr */
}
SX_DEFINE(SX_KIND_OPTIMIZER, sx_optimizer, uphill, params, sx_no_params, .doc = "goes the wrong way",
          .update = &uphill, .coef = uphill_coef);

static double below(const void *p, const sx_progress *at) { (void)p; return -1.0 - (double)at->step; }
SX_DEFINE(SX_KIND_SCHEDULE, sx_schedule, below, params, sx_no_params, .doc = "falls below zero",
          .factor = below);

static int columns_open(const void *p, sx_part part, sx_set *s)
{
    static const float x[2] = { 0.5F, 1 };
    static const int32_t y[2] = { 0, 1 }, z[2] = { 2, 0 };           /* z: of two classes */
    static const sx_column label = { .size = sizeof label, .name = "z", .dtype = SX_I32, .data = z, .classes = 2 };
    static const sx_column *const further[] = { &label };
    (void)p, (void)part;
    s->count = 2, s->classes = 2, s->rank = 1, s->shape[0] = 1, s->dtype = SX_F32, s->x = x, s->y = y;
    s->columns = 1, s->column = further;
    return 0;
}
static void columns_close(sx_set *s) { (void)s; }
SX_DEFINE(SX_KIND_DATASET, sx_dataset, columns, params, sx_no_params, .doc = "has a label out of range",
          .open = columns_open, .close = columns_close);

SX_PLUGIN("wrong", "1.0", "MIT", SX_ITEM(gradient), SX_ITEM(weights), SX_ITEM(finite), SX_ITEM(shapes),
          SX_ITEM(uphill), SX_ITEM(below), SX_ITEM(columns));
