/* expand.c: a group of layers -> a flat list: loops, templates, conditions and expressions worked out.
 * No graph is needed, so that a wrong setting is found when a file is read, before any shape is. */
#include "paths.h"
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROUNDS = 10000, MOST_LAYERS = 10000, MOST_DEPTH = 40 };

typedef struct {
    sx_arena *a; const sx_exp *e; sx_diags *d;
    sx_layer_list *out;
    sx_paths paths;
    const char *root;                            /* prefix of all paths: "" or "transform." */
    sx_texts freeze; bool *met;                  /* globs of model.freeze; met: by a layer */
    struct { const sx_conf **v; long n, cap; } wrong;                /* members whose mistake is told */
    long visits;
} expander;
typedef struct {                                 /* what a member has from the group around it */
    const char *path;                            /* prefix of its members' paths: "blocks.2." */
    const char *root;                            /* that of the nearest `use`: names are put right below it */
    const sx_scope *scope;
    bool frozen; double lr_scale, l1, l2; int depth;
} frame;

static int __attribute__((format(printf, 3, 4))) refuse(expander *x, const sx_conf *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int rc = sx_error(x->d, SX_E_CONFIG, sx_conf_where(x->a, c), "%s", sx_vformat(x->a, fmt, ap));
    va_end(ap);
    return rc;
}

/* --- Inputs and outputs --- */

/* The next member of that first name in a group around c, behind `last` (NULL: the first); NULL: none. */
static const sx_conf *namesake(const sx_conf *c, const char *name, const sx_conf *last)
{
    const size_t n = strcspn(name, ".");
    for (const sx_conf *g = last ? last->parent : c->parent; g; g = g->parent, last = NULL)
        for (const sx_conf *m = last ? last->next : g->first; m; m = m->next)
            if (m->kind == SX_CONF_GROUP && m->name && strlen(m->name) == n && !strncmp(m->name, name, n))
                return m;
    return NULL;
}

/* Is what c names not there because of a mistake that is told already? */
static bool told(const expander *x, const sx_conf *c, const char *name)
{
    for (const sx_conf *m = NULL; (m = namesake(c, name, m));)
        for (long i = 0; i < x->wrong.n; i++) if (x->wrong.v[i] == m) return true;
    return false;
}

/* The number of an output; -1: no number below 1000. */
static int port_of(const char *s)
{
    int port = *s ? 0 : -1;
    for (; *s && port >= 0; s++) port = *s >= '0' && *s <= '9' && port < 100 ? 10 * port + *s - '0' : -1;
    return port;
}

/* What "name" or "name:1" means below prefix: 0; 1: there is no such name (in *name); SX_E_*, told at m. */
static int find_output(expander *x, const char *prefix, const sx_conf *m, const char *text, const char **name,
                       sx_link *out)
{
    const char *colon = strrchr(text, ':');
    const int port = colon ? port_of(colon + 1) : 0;
    *name = colon ? sx_strndup(x->a, text, (size_t)(colon - text)) : text;
    const sx_path *p = **name && port >= 0 ? sx_paths_find(&x->paths, prefix, x->root, *name) : NULL;
    if (!**name || port < 0 || (p && port && p->out.node < 0))
        return refuse(x, m, "'%s' names no layer's output", text);
    if (!p) return 1;
    *out = p->out;
    if (port) *out = (sx_link){ p->node < 0 ? p->out.node : p->node, port };     /* before its activation */
    return 0;
}

/* The model's inputs by name; `input` is the first one, and the only one of a transform. */
static bool is_input(const expander *x, const char *text, sx_link *out)
{
    const long named = !*x->root && x->e->input->name ? x->e->inputs : 0;
    long i = 0;
    while (i < named && strcmp(x->e->input[i].name, text)) i++;
    *out = (sx_link){ -1, i < named ? (int)i : 0 };
    return i < named || !strcmp(text, "input");
}

static const char *input_names(const expander *x)
{
    const char *all = "";
    if (*x->root || !x->e->input->name) return "`input` is";
    for (long i = 0; i < x->e->inputs; i++)
        all = sx_format(x->a, "%s%s`%s`", all, i ? ", " : "", x->e->input[i].name);
    return sx_format(x->a, "%s %s", all, x->e->inputs > 1 ? "are" : "is");
}

static void unknown_output(expander *x, const sx_output *o, const char *name)
{
    struct { const char **v; long n, cap; } names = { 0 };
    for (long i = 0; i < x->paths.cap; i++) if (x->paths.v[i].path) SX_PUSH(x->a, names, x->paths.v[i].path);
    const char *near = sx_nearest(name, names.v, names.n);
    refuse(x, o->conf, "'outputs' names '%s', and there is no such layer", name);
    if (near) sx_hint(x->d, "Did you mean '%s'?", near);
}

/* The outputs of e, in its order: the last layer where none is named. */
static int find_outputs(expander *x)
{
    sx_layer_list *l = x->out;
    const char *name;
    int rc = 0;
    for (long i = 0; !*x->root && i < l->outs && x->e->output[i].name; i++) {
        const sx_output *o = &x->e->output[i];
        const int one = find_output(x, "", o->conf, o->layer, &name, &l->out[i]);
        if (one == 1) unknown_output(x, o, name);
        for (long j = 0; j < i && !one && !rc; j++)
            if (l->out[i].node == l->out[j].node && l->out[i].port == l->out[j].port)
                rc = refuse(x, o->conf, "outputs '%s' and '%s' are the same", x->e->output[j].name, o->name);
        if (one) rc = SX_E_CONFIG;
    }
    return rc;
}

static int resolve(expander *x, const frame *f, const sx_conf *c, const char *text, sx_link *out)
{
    const sx_conf *m = sx_conf_member(c, "inputs");
    const char *name;
    const int rc = find_output(x, f->path, m, text, &name, out);
    if (rc <= 0 || is_input(x, text, out)) return rc < 0 ? rc : 0;
    if (told(x, c, name)) return SX_E_CONFIG;
    if (namesake(c, name, NULL)) {
        refuse(x, m, "cyclic inputs: '%s' reads '%s', which does not run before it", c->name, name);
        sx_hint(x->d, "Layers run in the order of the file; a layer reads those before it.");
    } else {
        refuse(x, m, "'%s' reads '%s', and there is no such layer", c->name, name);
        sx_hint(x->d,
                "Names are looked up in the groups around it, from the inside out; %s the model's.",
                input_names(x));
    }
    return SX_E_CONFIG;
}

/* --- Settings that all layers and blocks have --- */

struct loop { long repeat; const char *index; };
static const sx_param loop_params[] = {
    SX_INT(struct loop, repeat, .def = 1, .min = 0, .max = MOST_ROUNDS,
           .doc = "how often, each round after the other"),
    SX_TEXT(struct loop, index, .text = NULL, .doc = "name of the variable that counts the rounds from 0"),
    SX_END
};
struct gate { bool when; };
static const sx_param gate_params[] = {
    SX_BOOL(struct gate, when, .def = true, .doc = "false: passes its input on"),
    SX_END
};
struct common {
    sx_texts inputs;
    const char *name, *share, *weights, *use; int cache;
    bool freeze; double lr_scale, l1, l2;
};
static const sx_param common_params[] = {
    SX_TEXTS(struct common, inputs, .text = "", .doc = "what it reads; the layer before it where not given"),
    SX_TEXT(struct common, name, .text = NULL, .doc = "path below the nearest `use`"),
    SX_TEXT(struct common, share, .text = NULL, .doc = "layer whose weights it uses"),
    SX_TEXT(struct common, weights, .text = NULL, .doc = "file of initial weights, or \"random\""),
    SX_TEXT(struct common, use, .text = NULL, .doc = "template"),
    SX_CHOICE(struct common, cache, .choices = (const char *const[]){ "off", "f32", "bf16", "f16", NULL },
              .doc = "type that features of frozen layers may be kept in"),
    SX_BOOL(struct common, freeze, .def = false, .doc = "built as for evaluation, and not learned"),
    SX_REAL(struct common, lr_scale, .def = 1, .min = 0, .max = 1e6, .doc = "factor of the learning rate"),
    SX_REAL(struct common, l1, .def = 0, .min = 0, .max = 1e6, .doc = "penalty on the weights' sizes"),
    SX_REAL(struct common, l2, .def = 0, .min = 0, .max = 1e6, .doc = "penalty on the weights' squares"),
    SX_END
};
static const char *const of_block[] = { "repeat", "index", "when", "inputs", "weights", "cache", "freeze",
                                        "lr_scale", "l1", "l2", "use", NULL };
static const char *const of_layer[] = { "repeat", "index", "when", "inputs", "weights", "freeze", "lr_scale",
                                        "l1", "l2", "name", "share", "activation", NULL };

static bool among(const char *name, const char *const *v)
{
    for (; *v; v++) if (!strcmp(name, *v)) return true;
    return false;
}

static int unknown(expander *x, const sx_conf *c, const char *const *also, long n_also)
{
    const char *names[64];
    long n = 0;
    for (long i = 0; of_block[i]; i++) names[n++] = of_block[i];
    for (long i = 0; i < n_also && n < 63; i++) names[n++] = also[i];
    names[n++] = "type";
    const char *near = sx_nearest(c->name, names, n);
    refuse(x, c, "%s has no %s '%s'", n_also ? "this template" : "a block", n_also ? "parameter" : "setting",
           c->name);
    if (near) sx_hint(x->d, "Did you mean '%s'?", near);
    else sx_hint(x->d, "A group without 'type' or 'use' is a block of layers, each a group of its own.");
    return SX_E_CONFIG;
}

/* --- Layers --- */

static long push(expander *x, sx_layer_node node)
{
    SX_PUSH(x->a, *x->out, node);
    return x->out->n - 1;
}

static bool frozen_by_name(const expander *x, const char *path)
{
    bool any = false;
    for (long i = 0; i < x->freeze.n; i++)
        if (!fnmatch(x->freeze.v[i], path, 0)) any = x->met[i] = true;
    return any;
}

/* What lies at or below a path that is left out here may be there at other points of the space. */
static void meet_left_out(const expander *x, const char *path)
{
    const char *below = sx_format(x->a, "%s.", path);
    for (long i = 0; i < x->freeze.n; i++) {
        const char *glob = x->freeze.v[i];
        x->met[i] |= !fnmatch(glob, path, 0) || !fnmatch(glob, below, 0) ||
                     !strncmp(glob, below, strlen(below));
    }
}

/* So may rounds that a variable decides on. */
static void meet_further_rounds(const expander *x, const sx_conf *c, const char *path, long rounds)
{
    const size_t n = strlen(path);
    if (sx_conf_member(c, "repeat")->kind != SX_CONF_TEXT) return;
    if (!rounds) meet_left_out(x, path);
    for (long i = 0; i < x->freeze.n; i++) {
        const char *glob = x->freeze.v[i];
        if (!strncmp(glob, path, n) && glob[n] == '.' && strtol(glob + n + 1, NULL, 10) >= rounds)
            x->met[i] = true;
    }
}

/* The path most like a pattern: "blocks" for "blocs.*". */
static const char *near_path(const expander *x, const char *glob)
{
    struct { const char **v; long n, cap; } names = { 0 };
    const size_t n = strlen(glob), stem = n > 2 && !strcmp(glob + n - 2, ".*") ? n - 2 : n;
    for (long i = 0; i < x->paths.cap; i++) if (x->paths.v[i].path) SX_PUSH(x->a, names, x->paths.v[i].path);
    return sx_nearest(sx_strndup(x->a, glob, stem), names.v, names.n);
}

static void note_idle(expander *x)
{
    for (long i = 0; i < x->freeze.n; i++)
        if (!x->met[i])
            SX_PUSH(x->a, x->out->idle,
                    ((sx_idle_glob){ x->freeze.v[i], near_path(x, x->freeze.v[i]) }));
}

/* activation = "relu" (or a group with a type) appends that layer; "linear" none. */
static int activate(expander *x, const frame *f, const sx_conf *c, sx_link *out)
{
    const sx_conf *m = sx_conf_member(c, "activation");
    sx_layer_node node = { .conf = m, .inputs = 1, .in = sx_dup(x->a, out, sizeof *out), .frozen = f->frozen,
                           .lr_scale = f->lr_scale };
    sx_datum v = { 0 };
    if (!m) return 0;
    if (m->kind == SX_CONF_TEXT) {
        const int rc = sx_conf_datum(x->a, m, f->scope, SX_DATUM_TEXT, &v, x->d);
        if (rc) return rc;
        if (v.kind == SX_DATUM_TEXT && !strcmp(v.s, "linear")) return 0;
    }
    const int rc = sx_param_item(x->a, x->e->registry, SX_KIND_LAYER, m, NULL, f->scope, NULL, &node.entry,
                                 &node.params, x->d);
    if (rc) return rc;
    node.path = node.weights = sx_format(x->a, "%s.%s", x->out->v[out->node].path, node.entry->item->name);
    *out = (sx_link){ push(x, node), 0 };
    return 0;
}

static int share(expander *x, const frame *f, const sx_conf *c, const char *name, sx_layer_node *node)
{
    const sx_conf *m = sx_conf_member(c, "share");
    const sx_path *p = sx_paths_find(&x->paths, f->path, x->root, name);
    if (!p && told(x, c, name)) return SX_E_CONFIG;
    if (!p || p->node < 0) {
        refuse(x, m, "'share' names '%s', and no layer before this one has that path", name);
        return SX_E_CONFIG;
    }
    const sx_layer_node *with = &x->out->v[p->node];
    if (with->entry != node->entry)
        return refuse(x, m, "'share' names '%s', a %s, and this is a %s", name, with->entry->item->name,
                                      node->entry->item->name);
    node->weights = with->weights;
    return 0;
}

static int check_inputs(expander *x, const sx_conf *c, const sx_layer_node *node)
{
    const sx_layer *l = (const sx_layer *)(const void *)node->entry->item;
    const long wants = l->inputs ? l->inputs : 1;
    if (wants < 0 || node->inputs == wants) return 0;
    const sx_conf *m = sx_conf_member(c, "inputs");
    return refuse(x, m ? m : c, "%s takes %ld input%s, not %ld", node->entry->item->name, wants,
                  wants > 1 ? "s" : "", node->inputs);
}

static int layer(expander *x, const frame *f, const sx_conf *c, const char *path, const struct common *s,
                 long inputs, const sx_link *in, sx_link *out)
{
    sx_layer_node node = { .conf = c, .inputs = inputs, .in = in, .lr_scale = f->lr_scale, .l1 = f->l1,
                           .l2 = f->l2 };
    const int rc = sx_param_item(x->a, x->e->registry, SX_KIND_LAYER, c, NULL, f->scope, of_layer,
                                 &node.entry, &node.params, x->d);
    if (rc) return rc;
    node.path = node.weights = s->name ? sx_format(x->a, "%s%s", f->root, s->name) : path;
    node.frozen = frozen_by_name(x, node.path) || f->frozen;
    if (check_inputs(x, c, &node) || (s->share && share(x, f, c, s->share, &node))) return SX_E_CONFIG;
    *out = (sx_link){ push(x, node), 0 };
    const long self = out->node;
    frame mine = *f;
    mine.frozen = node.frozen;
    if (activate(x, &mine, c, out)) return SX_E_CONFIG;
    if (s->name && !sx_paths_add(&x->paths, node.path, *out, 0, self)) {
        const sx_conf *m = sx_conf_member(c, "name");
        return refuse(x, m, "a layer of the name '%s' is there already", node.path);
    }
    if (!s->name || strcmp(path, node.path)) (void)sx_paths_add(&x->paths, path, *out, 0, self);
    return 0;
}

/* --- Blocks, templates, loops --- */

static int member(expander *x, const frame *f, const sx_conf *c, sx_link in, sx_link *out);

static int members(expander *x, const frame *f, const sx_conf *body, sx_link in, sx_link *out)
{
    int first = 0;
    *out = in;
    for (const sx_conf *m = body->first; m; m = m->next) {
        if (m->kind != SX_CONF_GROUP || !strcmp(m->name, "params")) continue;
        const int rc = member(x, f, m, *out, out);
        if (rc) SX_PUSH(x->a, x->wrong, m);
        if (rc && !first) first = rc;
    }
    return first;
}

static sx_datum_kind kind_of(const sx_conf *c)
{
    switch (c->kind) {
    case SX_CONF_INT: return SX_DATUM_INT;
    case SX_CONF_REAL: return SX_DATUM_REAL;
    case SX_CONF_BOOL: return SX_DATUM_BOOL;
    case SX_CONF_LIST: return SX_DATUM_LIST;
    default: return SX_DATUM_TEXT;
    }
}

/* The template's parameters as a scope. What the user gives is read in the user's scope, the others in it. */
static int template_scope(expander *x, const frame *f, const sx_conf *c, const sx_conf *body,
                          const sx_scope **out)
{
    const sx_conf *params = sx_conf_member(body, "params");
    const sx_scope *scope = f->scope;
    sx_conf *rest = params ? sx_conf_copy(x->a, params) : NULL;
    const char *names[32];
    long n = 0;
    for (const sx_conf *p = params ? params->first : NULL; p && n < 32; p = p->next) names[n++] = p->name;
    int first = 0;
    for (const sx_conf *m = c->first; m; m = m->next) {
        const sx_conf *p = sx_conf_member(params, m->name);
        if (!p && !among(m->name, of_block)) first = unknown(x, m, names, n);
        if (!p) continue;
        sx_datum v = { 0 };
        const int rc = sx_conf_datum(x->a, m, f->scope, kind_of(p), &v, x->d);
        if (rc && !first) first = rc;
        scope = sx_scope_bind(x->a, scope, m->name, v);
        sx_conf **at = &rest->first, *before = NULL;
        while (*at && strcmp((*at)->name, m->name)) { before = *at; at = &(*at)->next; }
        if (*at) { if (rest->last == *at) rest->last = before; *at = (*at)->next; }
    }
    *out = rest ? sx_scope_open(x->a, scope, rest) : scope;
    return first;
}

static int use(expander *x, const frame *f, const sx_conf *c, const char *name, sx_link in, sx_link *out)
{
    const sx_conf *all = sx_conf_member(x->e->root, "templates"), *body = sx_conf_member(all, name);
    const sx_conf *m = sx_conf_member(c, "use");
    if (!body || body->kind != SX_CONF_GROUP) {
        refuse(x, m, "there is no template '%s'", name);
        const char *names[32], *near;
        long n = 0;
        for (const sx_conf *t = all ? all->first : NULL; t && n < 32; t = t->next) names[n++] = t->name;
        if ((near = sx_nearest(name, names, n))) sx_hint(x->d, "Did you mean '%s'?", near);
        else sx_hint(x->d, "Templates stand in the group 'templates', or in a file that 'extends' names.");
        return SX_E_CONFIG;
    }
    frame inner = *f;
    inner.root = f->path;
    const int rc = template_scope(x, f, c, body, &inner.scope);
    return rc ? rc : members(x, &inner, body, in, out);
}

static int block(expander *x, const frame *f, const sx_conf *c, sx_link in, sx_link *out)
{
    int first = 0;
    for (const sx_conf *m = c->first; m; m = m->next)
        if (m->kind != SX_CONF_GROUP && !among(m->name, of_block)) first = unknown(x, m, NULL, 0);
    return first ? first : members(x, f, c, in, out);
}

/* freeze, lr_scale, l1 and l2 hold for all that is inside; an inner number wins. */
static frame inherit(const frame *f, const sx_conf *c, const struct common *s, const sx_scope *scope)
{
    frame in = *f;
    in.scope = scope;
    in.frozen = f->frozen || s->freeze;
    if (sx_conf_member(c, "lr_scale")) in.lr_scale = s->lr_scale;
    if (sx_conf_member(c, "l1")) in.l1 = s->l1;
    if (sx_conf_member(c, "l2")) in.l2 = s->l2;
    return in;
}

/* One round of a layer, template or block. */
static int round_of(expander *x, const frame *f, const sx_conf *c, const char *path, const sx_scope *scope,
                    sx_link in, sx_link *out)
{
    struct gate gate = { 0 };
    struct common s = { 0 };
    *out = in;
    if (++x->visits > MOST_LAYERS)
        return x->visits > MOST_LAYERS + 1 ? SX_E_CONFIG : refuse(x, c, "more than %d layers", MOST_LAYERS);
    int rc = sx_exp_fill(x->a, gate_params, c->name, c, scope, &gate, x->d);
    if (rc) return rc;
    if (!gate.when) { meet_left_out(x, path); (void)sx_paths_add(&x->paths, path, in, 0, -1); return 0; }
    if ((rc = sx_exp_fill(x->a, common_params, c->name, c, scope, &s, x->d))) return rc;
    frame inner = inherit(f, c, &s, scope);
    const long n = s.inputs.n ? s.inputs.n : 1;
    sx_link *from = sx_alloc_array(x->a, (size_t)n, sizeof *from);
    *from = in;
    for (long i = 0; i < s.inputs.n; i++) if ((rc = resolve(x, f, c, s.inputs.v[i], &from[i]))) return rc;
    if (s.weights && strcmp(s.weights, "random")) {
        const sx_weights_use w = { s.weights, sx_format(x->a, "%s.", path), c };
        SX_PUSH(x->a, x->out->files, w);
    }
    if (sx_conf_member(c, "type")) return layer(x, &inner, c, path, &s, n, from, out);
    if (n > 1) return refuse(x, sx_conf_member(c, "inputs"), "a block takes one input, not %ld", n);
    inner.path = sx_format(x->a, "%s.", path);
    inner.depth++;
    rc = s.use ? use(x, &inner, c, s.use, *from, out) : block(x, &inner, c, *from, out);
    if (!rc) (void)sx_paths_add(&x->paths, path, *out, 0, -1);
    return rc;
}

static int member(expander *x, const frame *f, const sx_conf *c, sx_link in, sx_link *out)
{
    struct loop loop = { 0 };
    const char *path = sx_format(x->a, "%s%s", f->path, c->name);
    *out = in;
    if (f->depth > MOST_DEPTH)
        return refuse(x, c, "groups and templates are nested more than %d deep", MOST_DEPTH);
    if (strchr(c->name, '*')) return refuse(x, c, "a layer cannot be named '%s': * is for patterns", c->name);
    int rc = sx_exp_fill(x->a, loop_params, c->name, c, f->scope, &loop, x->d);
    if (rc) return rc;
    if (!sx_conf_member(c, "repeat")) return round_of(x, f, c, path, f->scope, in, out);
    if (loop.index && (sx_reserved_name(loop.index) || !sx_variable_name(loop.index)))
        return refuse(x, sx_conf_member(c, "index"), "an index cannot be named '%s'", loop.index);
    for (long i = 0; i < loop.repeat && !rc; i++) {
        const sx_datum index = { .kind = SX_DATUM_INT, .i = i };
        const sx_scope *scope = loop.index ? sx_scope_bind(x->a, f->scope, loop.index, index) : f->scope;
        rc = round_of(x, f, c, sx_format(x->a, "%s.%ld", path, i), scope, *out, out);
    }
    meet_further_rounds(x, c, path, loop.repeat);
    if (!rc) (void)sx_paths_add(&x->paths, path, *out, loop.repeat, -1);
    return rc;
}

int sx_expand(sx_arena *a, const sx_exp *e, const sx_conf *group, const char *root, const sx_layer_list **out,
              sx_diags *d)
{
    struct globs { sx_texts freeze; } globs = { 0 };
    static const sx_param params[] = {
        SX_TEXTS(struct globs, freeze, .text = "",
                 .doc = "patterns of paths of layers that are not learned: \"stem.*\""),
        SX_END
    };
    expander x = { .a = a, .e = e, .d = d, .out = SX_NEW(a, sx_layer_list), .root = root,
                   .paths.arena = a };
    frame top = { .path = root, .root = root, .scope = e->scope, .lr_scale = 1 };
    *out = x.out;
    x.out->outs = *root ? 1 : e->outputs;
    x.out->out = sx_alloc_array(a, (size_t)x.out->outs, sizeof *x.out->out);
    for (long i = 0; i < x.out->outs; i++) x.out->out[i] = (sx_link){ -1, 0 };
    if (!group) return 0;
    int rc = *root ? 0 : sx_exp_fill(a, params, "model", group->parent, e->scope, &globs, d);
    if (rc) return rc;
    x.freeze = globs.freeze;
    x.met = sx_alloc_array(a, (size_t)x.freeze.n + 1, sizeof *x.met);
    for (const sx_conf *m = group->first; m; m = m->next)
        if (m->kind != SX_CONF_GROUP) rc = unknown(&x, m, NULL, 0);
    if (!rc) rc = members(&x, &top, group, (sx_link){ -1, 0 }, x.out->out);
    if (!rc) note_idle(&x);
    return rc ? rc : find_outputs(&x);
}
