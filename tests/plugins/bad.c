/* bad.c: manifests with one mistake each; BAD says which. Each must be refused before any of its code is
 * called. */
#include <strix/plugin.h>

enum { CALL = 1, CHOICE, KIND, MAGIC, NEWER, OFFSET, RANGE, SIZE, TWICE, TYPE };
struct settings { long units; double rate; };

static const char *const words[] = { "a", "b", NULL };
static const sx_param params[] = { SX_INT(struct settings, units, .doc = "how many", .def = 2, .min = 1,
                                          .max = BAD == RANGE ? -9 : 9),
                                   { .name = BAD == TWICE ? "units" : "rate",
                                     .doc = "how often",
                                     .offset = BAD == OFFSET ? 4096 : offsetof(struct settings, rate),
                                     .type = BAD == TYPE     ? (sx_type)99
                                             : BAD == CHOICE ? SX_TYPE_CHOICE
                                                             : SX_TYPE_REAL,
                                     .def = BAD == CHOICE ? 2 : 0.5,
                                     .choices = words },
                                   SX_END };

static sx_t forward(sx_graph *g, const void *p, sx_t x)
{
    (void)g, (void)p;
    return x;
}

static const sx_layer bad_item = { .kind = BAD == KIND ? 99 : SX_KIND_LAYER,
                                   .size = BAD == SIZE ? 7 : sizeof(sx_layer),
                                   .name = "bad",
                                   .doc = "wrong",
                                   .params = params,
                                   .params_size = sizeof(struct settings),
                                   .param_size = sizeof(sx_param),
                                   .forward = BAD == CALL ? NULL : forward };
__attribute__((visibility("default"))) const sx_plugin *sx_plugin_entry(void);
const sx_plugin *sx_plugin_entry(void)
{
    static const sx_item *const items[] = { SX_ITEM(bad), NULL };
    static const sx_plugin self = { BAD == MAGIC ? 0xdeadbeef : SX_MAGIC,
                                    SX_ABI_MAJOR << 16 | (SX_ABI_MINOR + (BAD == NEWER)),
                                    sizeof self,
                                    "bad",
                                    "1.0",
                                    "MIT",
                                    items };
    return &self;
}
