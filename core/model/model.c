/* model.c: the expanded layers -> ops of a graph, with a row of `check`'s table each; the files of their
 * first weights; the text of `check --expand`. */
#include "model.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_WEIGHTS ((int64_t)1 << 37)          /* numbers, together: half a terabyte */

static const sx_layer *layer_of(const sx_layer_node *n)
{
    return (const sx_layer *)(const void *)n->entry->item;
}

/* --- Layers -> ops --- */

typedef struct { sx_t *v; int n; } outputs;      /* of one node */
typedef struct { sx_graph *g; outputs *of; const sx_t *in; int64_t weights; } writer;

static sx_t at_link(const writer *w, sx_link l)
{
    if (l.node < 0) return w->in[l.port];
    const outputs *o = &w->of[l.node];
    return l.port < o->n ? o->v[l.port] : (sx_t){ 0 };
}

static void add_row(writer *w, const sx_layer_node *n, int64_t first, sx_t y, sx_layer_rows *rows)
{
    sx_graph *g = w->g;
    const sx_val *v = sx_graph_val(g, y);
    const sx_cost cost = sx_graph_cost(g, first, g->ops.n);
    w->weights += cost.parameters + cost.frozen;
    if (w->weights > MOST_WEIGHTS) sx_refuse(g, NULL, "brings the weights of the net above 2^37");
    if (!rows || !v) return;
    sx_layer_row r = { .path = n->path, .type = n->entry->item->name, .conf = n->conf, .entry = n->entry,
        .rank = v->rank - 1, .parameters = cost.parameters + cost.frozen, .macs = cost.macs,
        .frozen = n->frozen, .first = first, .last = g->ops.n };
    r.bytes = sx_dtype_size(v->dtype);
    for (int i = 0; i < r.rank; i++) { r.shape[i] = v->shape[i + 1]; r.bytes *= (size_t)r.shape[i]; }
    SX_PUSH(g->arena, *rows, r);
}

static bool write_layer(writer *w, const sx_layer_node *n, outputs *out, sx_layer_rows *rows)
{
    sx_graph *g = w->g;
    sx_t *in = sx_alloc_array(g->arena, (size_t)n->inputs, sizeof *in);
    for (long i = 0; i < n->inputs; i++) {
        in[i] = at_link(w, n->in[i]);
        if (in[i].id) continue;
        const sx_where where = sx_conf_where(g->arena, n->conf);
        if (!g->quiet)
            sx_error(g->diags, SX_E_REFUSED, where, "%s reads an output that is not there", n->path);
        return false;
    }
    const sx_layer_context c = { .path = n->weights, .conf = n->conf, .type = n->entry->item->name,
        .inputs = (int)n->inputs, .in = in, .training = g->training && !n->frozen, .frozen = n->frozen,
        .lr_scale = n->lr_scale, .l1 = n->l1, .l2 = n->l2 };
    const int64_t first = g->ops.n;
    sx_graph_enter(g, &c);
    const sx_t y = layer_of(n)->forward(g, n->params, *in);
    out->n = g->outs.n > 1 ? (int)g->outs.n : 1;
    out->v = sx_alloc_array(g->arena, (size_t)out->n, sizeof *out->v);
    for (int i = 0; i < out->n && i < g->outs.n; i++) out->v[i] = g->outs.v[i];
    out->v[0] = y;
    add_row(w, n, first, y, rows);
    sx_graph_leave(g, layer_of(n), n->params, *in, y);
    return y.id && !g->refused;
}

void sx_model_write(sx_graph *g, const sx_layer_list *l, const sx_t *in, sx_t *out, sx_layer_rows *rows)
{
    writer w = { .g = g, .of = sx_alloc_array(g->arena, (size_t)l->n, sizeof *w.of), .in = in };
    bool ok = true;
    for (long i = 0; i < l->n && ok; i++) ok = write_layer(&w, &l->v[i], &w.of[i], rows);
    g->refused |= !ok;
    for (long i = 0; i < l->outs; i++) out[i] = ok ? at_link(&w, l->out[i]) : (sx_t){ 0 };
}

/* --- First weights --- */

/* As it stands beside the experiment file or here, then among the user's weights; NULL: nowhere. */
static const char *find_weights(sx_arena *a, const sx_exp *e, const char *name)
{
    const char *home = getenv("HOME"), *data = getenv("XDG_DATA_HOME");
    const char *slash = e->file ? strrchr(e->file, '/') : NULL;
    if (*name == '/') return access(name, R_OK) ? NULL : name;
    if (!data || !*data) data = home ? sx_format(a, "%s/.local/share", home) : ".";
    const char *beside = slash ? sx_format(a, "%.*s/%s", (int)(slash - e->file), e->file, name) : NULL;
    const char *try[3] = { beside, name, sx_format(a, "%s/strix/weights/%s", data, name) };
    for (int i = 0; i < 3; i++) if (try[i] && !access(try[i], R_OK)) return try[i];
    return NULL;
}

long sx_model_weights(sx_arena *a, const sx_exp *e, sx_weights_use **out, sx_diags *d)
{
    const sx_layer_list *l = e->layers;
    *out = sx_alloc_array(a, (size_t)l->files.n, sizeof **out);
    long bad = 0;
    for (long i = 0; i < l->files.n; i++) {
        const sx_weights_use *w = &l->files.v[i];
        (*out)[i] = *w;
        (*out)[i].file = find_weights(a, e, w->file);
        if ((*out)[i].file) continue;
        const sx_where where = sx_conf_where(a, sx_conf_member(w->conf, "weights"));
        bad = sx_error(d, SX_E_DATA, where, "there is no weights file '%s'", w->file);
        sx_detail(d, "Searched beside the experiment file, here, and in $XDG_DATA_HOME/strix/weights.");
        sx_hint(d, "weights = \"random\" starts from random weights.");
    }
    return bad ? bad : l->files.n;
}

/* --- The expanded experiment as text --- */

typedef struct { sx_arena *a; char *v; size_t n, cap; } text;

static void put(text *t, const char *s)
{
    const size_t n = strlen(s);
    if (t->n + n + 1 > t->cap) {
        const size_t cap = 2 * (t->n + n + 1);
        t->v = sx_grow(t->a, t->v, t->n, cap, 1);
        t->cap = cap;
    }
    memcpy(t->v + t->n, s, n + 1);
    t->n += n;
}

static void put_item(text *t, const sx_entry *entry, const void *params)
{
    put(t, sx_format(t->a, "type = \"%s\";", entry->item->name));
    for (const sx_param *p = entry->params; p->name; p++) {
        const void *field = (const char *)params + p->offset;
        if (p->type == SX_TYPE_TEXT && !*(const char *const *)field) continue;
        put(t, sx_format(t->a, " %s = %s;", p->name, sx_param_text(t->a, p, field)));
    }
}

const char *sx_link_name(sx_arena *a, const sx_exp *e, const sx_layer_list *l, sx_link k)
{
    const char *input = k.node < 0 && l == e->layers ? e->input[k.port].name : NULL;
    if (k.node < 0) return sx_format(a, "\"%s\"", input ? input : "input");
    const char *path = l->v[k.node].path;
    return k.port ? sx_format(a, "\"%s:%d\"", path, k.port) : sx_format(a, "\"%s\"", path);
}

static void put_layers(text *t, const sx_exp *e, const char *name, const sx_layer_list *l)
{
    put(t, sx_format(t->a, "%s = (\n", name));
    for (long i = 0; i < l->n; i++) {
        const sx_layer_node *n = &l->v[i];
        put(t, sx_format(t->a, "  { path = \"%s\"; ", n->path));
        put_item(t, n->entry, n->params);
        put(t, " inputs = [");
        for (long k = 0; k < n->inputs; k++)
            put(t, sx_format(t->a, "%s%s", k ? ", " : " ", sx_link_name(t->a, e, l, n->in[k])));
        put(t, " ];");
        if (strcmp(n->weights, n->path)) put(t, sx_format(t->a, " share = \"%s\";", n->weights));
        if (n->frozen) put(t, " freeze = true;");
        if (n->lr_scale != 1) put(t, sx_format(t->a, " lr_scale = %s;", sx_real_text(t->a, n->lr_scale)));
        if (n->l1 != 0) put(t, sx_format(t->a, " l1 = %s;", sx_real_text(t->a, n->l1)));
        if (n->l2 != 0) put(t, sx_format(t->a, " l2 = %s;", sx_real_text(t->a, n->l2)));
        put(t, i + 1 < l->n ? " },\n" : " }\n");
    }
    put(t, ");\n");
}

static void put_use(text *t, const char *name, const sx_use *u)
{
    put(t, sx_format(t->a, "  %s = { ", name));
    put_item(t, u->entry, u->params);
    put(t, " };\n");
}

/* Names of outputs and what they learn, where there are several or they are named. */
static void put_losses(text *t, const sx_exp *e)
{
    if (!e->output->name) { put_use(t, "loss", &e->output->loss); return; }
    put(t, "  loss = {\n");
    for (long i = 0; i < e->outputs; i++) {
        const sx_output *o = &e->output[i];
        put(t, sx_format(t->a, "    %s = { ", o->name));
        put_item(t, o->loss.entry, o->loss.params);
        put(t, sx_format(t->a, " weight = %s;", sx_real_text(t->a, o->weight)));
        if (o->target) put(t, sx_format(t->a, " target = %s;", sx_conf_quoted(t->a, o->target)));
        put(t, " };\n");
    }
    put(t, "  };\n");
}

static void put_transforms(text *t, const sx_exp *e)
{
    if (!e->input->name) { put_layers(t, e, "transform", e->input->transform); return; }
    put(t, "transform = {\n");
    for (long i = 0; i < e->inputs; i++) put_layers(t, e, e->input[i].name, e->input[i].transform);
    put(t, "};\n");
}

static void put_outputs(text *t, const sx_exp *e)
{
    for (long i = 0; i < e->outputs && e->output->name; i++) {
        const char *layer = sx_link_name(t->a, e, e->layers, e->layers->out[i]);
        put(t, sx_format(t->a, "%s%s = %s;%s", i ? " " : "outputs = { ", e->output[i].name, layer,
                         i + 1 < e->outputs ? "" : " };\n"));
    }
}

static void put_vars(text *t, const sx_exp *e, sx_diags *d)
{
    const sx_conf *vars = sx_conf_member(e->root, "vars");
    put(t, "vars = {\n");
    for (const sx_conf *c = vars ? vars->first : NULL; c; c = c->next) {
        sx_datum v = { 0 };
        if (sx_scope_get(t->a, e->scope, c->name, sx_conf_where(t->a, c), &v, d)) continue;
        const char *value = v.kind == SX_DATUM_TEXT ? sx_conf_quoted(t->a, v.s) : sx_datum_text(t->a, &v);
        put(t, sx_format(t->a, "  %s = %s;\n", c->name, value));
    }
    put(t, "};\n");
}

char *sx_model_expand(sx_arena *a, const sx_exp *e, sx_diags *d)
{
    text t = { .a = a };
    const sx_train_conf *c = &e->train;
    put_vars(&t, e, d);
    put(&t, sx_format(a, "train = {\n  epochs = %ld; batch = %ld; eval_batch = %ld;", c->epochs, c->batch,
                      c->eval_batch));
    put(&t, sx_format(a, " lr = %s; clip = %s; decay = %s;\n", sx_real_text(a, c->lr),
                      sx_real_text(a, c->clip), sx_real_text(a, c->decay)));
    put_losses(&t, e);
    put_use(&t, "optimizer", &c->optimizer);
    put_use(&t, "schedule", &c->schedule);
    put(&t, "};\n");
    put(&t, "dataset = {\n");
    put_use(&t, "set", &e->data.set);
    put(&t, "};\n");
    put_transforms(&t, e);
    put_layers(&t, e, "layers", e->layers);
    put_outputs(&t, e);
    return t.v;
}
