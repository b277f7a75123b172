/* several.c: one file with two layers and a sampler, named by `plugins = [ "several" ]`; its layer takes
 * every type of parameter. */
#include <strix/plugin.h>

struct all {
    long whole;
    double real;
    bool flag;
    const char *text;
    int word;
    sx_ints ints;
    sx_reals reals;
    sx_texts texts;
};
static const char *const words[] = { "same", "valid", "explicit", NULL };
static const sx_param params[] = {
    SX_INT(struct all, whole, .doc = "an integer", .def = 3, .min = 1, .max = 100),
    SX_REAL(struct all, real, .doc = "a number", .def = 0.5, .min = 0, .max = 1, .flags = SX_OPEN_MAX),
    SX_BOOL(struct all, flag, .doc = "a truth value", .def = 1),
    SX_TEXT(struct all, text, .doc = "a text", .text = "some words"),
    SX_CHOICE(struct all, word, .doc = "a choice", .def = 1, .choices = words),
    SX_INTS(struct all, ints, .doc = "integers", .text = "1, 2", .min = 0, .max = 9),
    SX_REALS(struct all, reals, .doc = "numbers", .def = 0.25),
    SX_TEXTS(struct all, texts, .doc = "texts", .text = "a.gz, b.gz"),
    SX_END
};

static sx_t pass(sx_graph *g, const void *p, sx_t x)
{
    (void)g, (void)p;
    return x;
}

static int ask(const void *params_, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    (void)params_, (void)cache, (void)h, (void)tag;
    for (int i = 0; i < s->n; i++) x[i] = sx_axis_at(s->axis[i], sx_uniform(r));
    return 0;
}

SX_LAYER(first, params, struct all, .doc = "one of two", .forward = pass);
SX_LAYER(second, SX_NO_PARAMS, sx_no_params, .doc = "two of two", .forward = pass);
SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, third, SX_NO_PARAMS, sx_no_params, .doc = "a sampler", .ask = ask);
SX_PLUGIN("several", "1.2", "MIT", SX_ITEM(first), SX_ITEM(second), SX_ITEM(third));
