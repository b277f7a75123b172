/* model_help.h: an experiment from a text, and its model on the null shapes, for tests. */
#ifndef MODEL_HELP_H
#define MODEL_HELP_H
#include <criterion/criterion.h>
#include <string.h>
#include "step.h"

typedef struct { sx_arena *a; sx_diags d; sx_exp *e; int rc; } world;

/* Opens text with a data set put before it; errors stay in d. */
static inline world open_text(const char *text)
{
    world w = { .a = sx_arena_open(NULL) };
    sx_conf *root = NULL;
    sx_diags_init(&w.d, w.a);
    const char *all = sx_format(w.a, "dataset = { type = \"idx\"; };\n%s", text);
    w.rc = sx_config_parse(w.a, all, "test.cfg", NULL, &root, &w.d);
    if (!w.rc) w.rc = sx_exp_open(w.a, sx_registry_open(w.a, NULL), root, "test.cfg", &w.e, &w.d);
    return w;
}

/* The layers alone: "a = { type = ..; };", with an input of 8x8x2 and variables. */
static inline world open_layers(const char *vars, const char *layers)
{
    sx_arena *a = sx_arena_open(NULL);
    const world w = open_text(
        sx_format(a, "vars = { %s };\nmodel = { input = [ 8, 8, 2 ]; layers = {\n%s\n}; };", vars, layers));
    sx_arena_close(a);
    return w;
}

static inline void opens(const world *w)
{
    sx_diags_print(&w->d, stderr);
    cr_assert_eq(w->rc, 0);
}

/* The first error says so. */
static inline void fails(const world *w, int code, const char *text)
{
    cr_assert_eq(w->rc, code, "code %d", w->rc);
    for (long i = 0; i < w->d.n; i++)
        if (w->d.v[i].code) {
            cr_assert_not_null(strstr(w->d.v[i].text, text), "'%s' is not in '%s'", text, w->d.v[i].text);
            return;
        }
    cr_assert_fail("no error was told");
}

/* "a conv2d, a.relu relu < a, ..": path, type and inputs of each layer. */
static inline const char *sketch(const world *w)
{
    const sx_layer_list *l = w->e->layers;
    const char *s = "";
    for (long i = 0; i < l->n; i++) {
        s = sx_format(w->a, "%s%s%s %s", s, i ? ", " : "", l->v[i].path, l->v[i].entry->item->name);
        for (long k = 0; k < l->v[i].inputs; k++) {
            const sx_link in = l->v[i].in[k];
            s = sx_format(w->a, "%s%s%s", s, k ? "+" : "<", in.node < 0 ? "input" : l->v[in.node].path);
        }
    }
    return s;
}
#endif
