/* settings.c: everything that decides a training, worked out, as a list of paths and values: what two
 * experiments that are written differently are compared by. */
#include "model.h"
#include <string.h>

static void add(sx_settings *s, const char *path, const char *name, const char *text)
{
    const char *full = name ? sx_format(s->a, "%s.%s", path, name) : path;
    SX_PUSH(s->a, *s, ((sx_setting){ full, text, false }));
}

static void add_params(sx_settings *s, const char *path, const sx_param *p, const void *params)
{
    for (; p && p->name; p++)
        add(s, path, p->name, sx_param_text(s->a, p, (const char *)params + p->offset));
}

static void add_item(sx_settings *s, const char *path, const sx_entry *entry, const void *params)
{
    add(s, path, NULL, sx_conf_quoted(s->a, entry->item->name));
    s->v[s->n - 1].item = true;
    add_params(s, path, entry->params, params);
}

static void add_use(sx_settings *s, const char *path, const sx_use *u)
{
    add_item(s, path, u->entry, u->params);
}

static void add_real(sx_settings *s, const char *path, const char *name, double v)
{
    add(s, path, name, sx_real_text(s->a, v));
}

static void add_layer(sx_settings *s, const sx_exp *e, const char *group, const sx_layer_list *l, long i)
{
    const sx_layer_node *n = &l->v[i];
    const char *path = sx_format(s->a, "%s.%s", group, n->path), *inputs = "";
    for (long k = 0; k < n->inputs; k++)
        inputs = sx_format(s->a, "%s%s%s", inputs, k ? ", " : "", sx_link_name(s->a, e, l, n->in[k]));
    add_item(s, path, n->entry, n->params);
    add(s, path, "inputs", sx_format(s->a, "[ %s ]", inputs));
    add(s, path, "share", sx_conf_quoted(s->a, n->weights));
    add(s, path, "freeze", n->frozen ? "true" : "false");
    add_real(s, path, "lr_scale", n->lr_scale);
    add_real(s, path, "l1", n->l1);
    add_real(s, path, "l2", n->l2);
}

static void add_layers(sx_settings *s, const sx_exp *e, const char *group, const sx_layer_list *l)
{
    for (long i = 0; l && i < l->n; i++) add_layer(s, e, group, l, i);
    for (long i = 0; l && i < l->files.n; i++)
        add(s, group, sx_format(s->a, "%sweights", l->files.v[i].prefix),
            sx_conf_quoted(s->a, l->files.v[i].file));
}

static const char *named(sx_arena *a, const char *path, const char *name)
{
    return name ? sx_format(a, "%s.%s", path, name) : path;
}

static void add_inputs(sx_settings *s, const sx_exp *e)
{
    for (long k = 0; k < e->inputs; k++) {
        const sx_input *in = &e->input[k];
        const sx_ints shape = { in->rank, in->shape };
        const sx_param p = { .type = SX_TYPE_INTS };
        add(s, named(s->a, in->name ? "model.inputs" : "model.input", in->name), NULL,
            sx_param_text(s->a, &p, &shape));
        add_layers(s, e, "dataset", in->transform);           /* their paths begin with "transform." */
    }
}

static void add_outputs(sx_settings *s, const sx_exp *e)
{
    for (long k = 0; k < e->outputs; k++) {
        const sx_output *o = &e->output[k];
        const char *path = named(s->a, "train.loss", o->name);
        add_use(s, path, &o->loss);
        add_real(s, path, "weight", o->weight);
        if (o->target) add(s, path, "target", sx_conf_quoted(s->a, o->target));
        if (o->name) add(s, "model.outputs", o->name, sx_link_name(s->a, e, e->layers, e->layers->out[k]));
    }
}

static void add_train(sx_settings *s, const sx_train_conf *t)
{
    add_params(s, "train", sx_train_params, t);
    add_use(s, "train.optimizer", &t->optimizer);
    add_params(s, "train.optimizer", sx_optimizer_params, t);
    add_use(s, "train.optimizer.schedule", &t->schedule);
    for (long i = 0; i < t->metrics; i++)
        add_use(s, sx_format(s->a, "train.metrics.%ld", i), &t->metric[i]);
    if (t->early_stop) add(s, "train.early_stop", NULL, "there");
    add_params(s, "train.early_stop", sx_stop_params, t);
}

void sx_exp_settings(sx_arena *a, const sx_exp *e, sx_settings *s)
{
    *s = (sx_settings){ .a = a };
    add_layers(s, e, "model.layers", e->layers);
    add_inputs(s, e);
    add_outputs(s, e);
    add_use(s, "dataset", &e->data.set);
    add_params(s, "dataset", sx_data_params, &e->data);
    add_real(s, "dataset.split", "val", e->data.val);
    add(s, "dataset.split", "seed", sx_format(a, "%llu", (unsigned long long)e->data.split_seed));
    add_train(s, &e->train);
    add(s, "tune.seed", NULL, sx_format(a, "%llu", (unsigned long long)e->tune.seed));
}
