/* ends.c: the ends of a model: inputs with their shapes and transforms, outputs with the losses they learn
 * by, and the names of what an epoch tells of them. */
#include "manifest.h"
#include "model.h"
#include <string.h>

static sx_where at(const sx_exp *e, const sx_conf *c) { return sx_conf_where(e->arena, c); }

static bool is_named(const sx_exp *e, const char *kind, const char *name, const sx_conf *c, sx_diags *d)
{
    if (sx_is_name(name)) return true;
    sx_error(d, SX_E_CONFIG, at(e, c), "%s '%.80s' needs a name of letters, digits, - and _", kind, name);
    return false;
}

static bool fits(const sx_exp *e, const char *what, long n, const sx_conf *c, sx_diags *d)
{
    if (n >= 1 && n <= SX_COLUMNS) return true;
    sx_error(d, SX_E_CONFIG, at(e, c), "%ld %s, and there must be 1 to %d", n, what, SX_COLUMNS);
    return false;
}

/* --- Inputs --- */

/* also: what else the group may hold; NULL: anything. */
static void read_shape(const sx_exp *e, const char *what, const sx_conf *group, const char *name,
                       const char *const *also, sx_input *in, sx_diags *d)
{
    struct rows { sx_ints shape; } rows = { { 0, NULL } };
    sx_param params[] = { SX_INTS(struct rows, shape, .text = "", .min = 1, .max = 1 << 30,
                                  .doc = "height, width, channels of a row"), SX_END };
    params->name = name;
    in->conf = sx_conf_member(group, name);
    if (also ? sx_param_fill(e->arena, params, what, group, e->scope, also, &rows, d)
             : sx_exp_fill(e->arena, params, what, group, e->scope, &rows, d)) return;
    if (rows.shape.n >= SX_RANK) {
        sx_error(d, SX_E_CONFIG, at(e, in->conf), "an input of %ld axes, more than %d", rows.shape.n,
                 SX_RANK - 1);
        return;
    }
    in->rank = (int)rows.shape.n;
    for (int i = 0; i < in->rank; i++) in->shape[i] = rows.shape.v[i];
}

void sx_ends_inputs(sx_exp *e, const sx_conf *model, sx_diags *d)
{
    static const char *const also[] = { "inputs", "outputs", "layers", "freeze", NULL };
    const sx_conf *all = sx_conf_member(model, "inputs"), *one = sx_conf_member(model, "input");
    const long n = all ? sx_conf_count(all) : 1;
    e->inputs = 1;
    e->input = sx_alloc_array(e->arena, SX_COLUMNS, sizeof *e->input);
    read_shape(e, "model", model, "input", also, e->input, d);
    if (!all) return;
    if (all->kind != SX_CONF_GROUP) {
        sx_error(d, SX_E_CONFIG, at(e, all), "'inputs' is not a group");
        sx_hint(d, "Write inputs = { image = [28, 28, 1]; meta = [4]; };");
        return;
    }
    if (one) sx_error(d, SX_E_CONFIG, at(e, one), "a model has 'input' or 'inputs', not both");
    if (!fits(e, "inputs", n, all, d)) return;
    e->inputs = 0;
    for (const sx_conf *c = all->first; c; c = c->next) {
        sx_input *in = &e->input[e->inputs++];
        *in = (sx_input){ .name = c->name };
        if (is_named(e, "input", c->name, c, d)) read_shape(e, "inputs", all, c->name, NULL, in, d);
    }
}

/* Is c named like one of n inputs or outputs? If not it is an error, with the nearest name. */
static void check_name(const sx_exp *e, const sx_conf *c, const char *says, long n, const char *const *names,
                       sx_diags *d)
{
    const char *near = sx_nearest(c->name, names, n), *all = names[0];
    for (long i = 0; i < n; i++) if (!strcmp(c->name, names[i])) return;
    for (long i = 1; i < n; i++) all = sx_format(e->arena, "%s, %s", all, names[i]);
    sx_error(d, SX_E_CONFIG, at(e, c), says, c->name);
    if (near) sx_hint(d, "Did you mean '%s'?", near);
    else sx_hint(d, "They are %s.", all);
}

void sx_ends_transforms(sx_exp *e, sx_diags *d)
{
    const sx_conf *all = e->data.transform;
    const char *names[SX_COLUMNS];
    for (long i = 0; i < e->inputs; i++) {
        sx_input *in = &e->input[i];
        names[i] = in->name;
        const sx_conf *own = in->name ? sx_conf_member(all, in->name) : all;
        const char *root = in->name ? sx_format(e->arena, "transform.%s.", in->name) : "transform.";
        if (own && own->kind != SX_CONF_GROUP) {
            sx_error(d, SX_E_CONFIG, at(e, own), "'%s' is not a group of layers", own->name);
            own = NULL;
        }
        (void)!sx_expand(e->arena, e, own, root, &in->transform, d);
    }
    for (const sx_conf *c = all && e->input->name ? all->first : NULL; c; c = c->next)
        check_name(e, c, "the transforms of '%s' belong to no input of the model", e->inputs, names, d);
}

/* --- Outputs --- */

static void add_output(sx_exp *e, const char *name, const char *layer, const sx_conf *c, sx_diags *d)
{
    for (long i = 0; i < e->outputs; i++) {
        if (strcmp(e->output[i].name, name)) continue;
        sx_error(d, SX_E_CONFIG, at(e, c), "output '%s' is there twice", name);
        return;
    }
    e->output[e->outputs++] = (sx_output){ .name = name, .layer = layer, .conf = c };
}

static const char *text_of(const sx_exp *e, const sx_conf *c, sx_diags *d)
{
    sx_datum v = { 0 };
    return sx_conf_datum(e->arena, c, e->scope, SX_DATUM_TEXT, &v, d) ? NULL : v.s;
}

/* outputs = [ "a", "b" ] or, where a layer's path is no name, { a = "blocks.0.out"; b = "split:1"; } */
void sx_ends_outputs(sx_exp *e, sx_diags *d)
{
    const sx_conf *all = sx_conf_find(e->root, "model.outputs");
    const bool group = all && all->kind == SX_CONF_GROUP, list = all && all->kind == SX_CONF_LIST;
    e->output = sx_alloc_array(e->arena, SX_COLUMNS, sizeof *e->output);
    e->outputs = 0;
    if (all && fits(e, "outputs", group || list ? sx_conf_count(all) : 1, all, d))
        for (const sx_conf *c = group || list ? all->first : all; c; c = c == all ? NULL : c->next) {
            const char *layer = text_of(e, c, d), *name = group ? c->name : layer;
            if (!layer) continue;
            if (is_named(e, "output", name, c, d)) add_output(e, name, layer, c, d);
            else if (!group) sx_hint(d, "Write outputs = { NAME = \"%.80s\"; };", layer);
        }
    if (e->outputs) return;
    e->outputs = 1;                              /* the last layer */
    e->output[0] = (sx_output){ .conf = sx_conf_find(e->root, "model.layers") };
}

/* --- Losses --- */

static void read_loss(const sx_exp *e, sx_output *o, const sx_conf *c, sx_diags *d)
{
    struct own { double weight; const char *target; } own = { 1, NULL };
    static const sx_param params[] = {
        SX_REAL(struct own, weight, .def = 1, .min = 0, .max = 1e6, .doc = "of this loss in the sum of all"),
        SX_TEXT(struct own, target, .text = NULL, .doc = "label of the data set that the output learns"),
        SX_END
    };
    static const char *const common[] = { "weight", "target", NULL };
    const sx_conf *group = c && c->kind == SX_CONF_GROUP ? c : NULL;
    const sx_entry *entry = NULL;
    void *settings = NULL;
    o->loss_conf = c;
    if (!sx_param_item(e->arena, e->registry, SX_KIND_LOSS, c, "cross_entropy", e->scope, common, &entry,
                       &settings, d))
        o->loss = (sx_use){ entry, settings };
    if (sx_exp_fill(e->arena, params, "loss", group, e->scope, &own, d)) return;
    o->weight = own.weight;
    o->target = own.target;
}

static void take_loss(sx_output *to, const sx_output *from)
{
    to->loss = from->loss, to->loss_conf = from->loss_conf;
    to->weight = from->weight, to->target = from->target;
}

/* One loss holds for every output; a group by output says each one's. */
void sx_ends_losses(sx_exp *e, const sx_conf *loss, sx_diags *d)
{
    const bool group = loss && loss->kind == SX_CONF_GROUP;
    const bool by_output = group && e->output->name && !sx_conf_member(loss, "type");
    const char *names[SX_COLUMNS];
    for (long i = 0; i < e->outputs; i++) {
        sx_output *o = &e->output[i];
        names[i] = o->name;
        const sx_conf *own = by_output ? sx_conf_member(loss, o->name) : loss;
        if (i && !by_output) take_loss(o, e->output);
        else if (own || !by_output) read_loss(e, o, own, d);
        if (own || !by_output) continue;
        sx_error(d, SX_E_CONFIG, at(e, loss), "output '%s' has no loss", o->name);
        sx_hint(d, "Write %s = \"cross_entropy\"; into train.loss, or take it out of model.outputs.",
                o->name);
    }
    for (const sx_conf *c = by_output ? loss->first : NULL; c; c = c->next)
        check_name(e, c, "'loss' names '%s', and the model has no such output", e->outputs, names, d);
}

/* --- What an epoch tells --- */

static void add_value(sx_exp *e, sx_score v)
{
    if (e->train.values < SX_VALUES) e->train.value[e->train.values] = v;
    e->train.values++;
}

/* Two values of one name: an output called "val" would make the loss of validation. */
static void check_names(const sx_exp *e, sx_diags *d)
{
    const sx_train_conf *t = &e->train;
    for (long i = 0; i < t->values; i++)
        for (long j = -1; j < t->values; j++) {
            const char *other = j < 0 ? "loss" : t->value[j].name, *mine = t->value[i].name;
            const bool part = !strncmp(mine, "val_", 4) && !strcmp(mine + 4, other);
            if (!part && (i == j || strcmp(mine, other))) continue;
            const sx_output *o = &e->output[t->value[i].output];
            sx_error(d, SX_E_CONFIG, at(e, o->conf), "output '%s' would give a second value named '%s'",
                     o->name, mine);
            return;
        }
}

void sx_ends_values(sx_exp *e, sx_diags *d)
{
    sx_train_conf *t = &e->train;
    const bool several = e->outputs > 1;
    t->values = 0;
    t->value = sx_alloc_array(e->arena, SX_VALUES, sizeof *t->value);
    for (long o = 0; o < e->outputs; o++) {
        const char *prefix = several ? sx_format(e->arena, "%s_", e->output[o].name) : "";
        if (several) add_value(e, (sx_score){ sx_format(e->arena, "%sloss", prefix), o, NULL, false });
        for (long i = 0; i < t->metrics; i++) {
            const sx_entry *m = t->metric[i].entry;
            if (!m) continue;
            add_value(e, (sx_score){ sx_format(e->arena, "%s%s", prefix, m->item->name), o, &t->metric[i],
                                     ((const sx_loss *)(const void *)m->item)->maximize });
        }
    }
    if (t->values > SX_VALUES) {
        sx_error(d, SX_E_CONFIG, at(e, sx_conf_find(e->root, "train.metrics")),
                 "%ld outputs with %ld metrics give more than %d values", e->outputs, t->metrics, SX_VALUES);
        t->values = SX_VALUES;
    } else if (several) check_names(e, d);
}
