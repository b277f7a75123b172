/* item.c: the settings of a plugin's item in a group of the experiment: which item, its own members, those of
 * member groups that are kept for it or for others. */
#include "param.h"
#include <string.h>

static int type_of(sx_arena *a, int kind, const sx_conf *c, const char *fallback, const sx_scope *scope,
                   const char **type, sx_diags *d)
{
    const sx_conf *t = c && c->kind == SX_CONF_GROUP ? sx_conf_member(c, "type") : c;
    const char *noun = sx_kind_name(kind);
    *type = fallback;
    if (!t && fallback) return 0;
    if (!t) {
        const int rc = sx_error(d, SX_E_CONFIG, c ? sx_conf_where(a, c) : SX_NOWHERE, "the %s has no 'type'",
                                noun);
        sx_hint(d, "Write type = \"NAME\"; `strix plugins list %s` shows the names.", noun);
        return rc;
    }
    sx_datum v = { 0 };
    if (t->kind != SX_CONF_TEXT)
        return sx_error(d, SX_E_CONFIG, sx_conf_where(a, t),
                        "a %s is named by a text or a group with a 'type'", noun);
    const int rc = sx_conf_datum(a, t, scope, SX_DATUM_TEXT, &v, d);
    if (rc) return rc;
    if (v.kind != SX_DATUM_TEXT)
        return sx_error(d, SX_E_CONFIG, sx_conf_where(a, t), "a %s is named by a text", noun);
    *type = v.s;
    return 0;
}

/* A shallow copy of m as last member of g; it still knows file, line and path. Replaces one of that name. */
static void take(sx_arena *a, sx_conf *g, const sx_conf *m)
{
    sx_conf *copy = sx_conf_member(g, m->name), *next = NULL;
    if (copy) next = copy->next;
    else {
        copy = SX_NEW(a, sx_conf);
        if (g->last) g->last->next = copy;
        else g->first = copy;
        g->last = copy;
    }
    *copy = *m;
    copy->next = next;
}

static bool is_among(const char *name, const char *const *v, long n)
{
    for (long i = 0; i < n; i++) if (!strcmp(v[i], name)) return true;
    return false;
}

typedef struct { int kind; const char *type; const sx_param *params; const char *const *also; } owner;

/* Could it be settings of an item that is not there? Not what the item or the caller reads itself. */
static bool is_stray(const sx_conf *m, const owner *o)
{
    bool read = m->kind != SX_CONF_GROUP;
    for (const sx_param *p = o->params; p->name && !read; p++) read = !strcmp(p->name, m->name);
    for (const char *const *w = o->also; *w && !read; w++) read = !strcmp(*w, m->name);
    return !read;
}

static int refuse_stray(sx_arena *a, const sx_conf *m, const owner *o, const char *const *names, long n,
                        sx_diags *d)
{
    const char *noun = sx_kind_name(o->kind), *near = sx_nearest(m->name, names, n);
    const int rc =
        sx_error(d, SX_E_CONFIG, sx_conf_where(a, m), "%s has no parameter '%s', and there is no %s '%s'",
                 o->type, m->name, noun, m->name);
    sx_detail(d, "A group holds the settings of the %s it is named after: %s.", noun, sx_join(a, names, n));
    if (near) sx_hint(d, "Did you mean '%s'?", near);
    return rc;
}

/* The settings that hold for o->type: the group's own, over them those of its member group of that name. */
static int settings_for(sx_arena *a, sx_registry *r, const sx_conf *c, const owner *o, const sx_conf **out,
                        sx_diags *d)
{
    const char *const *names = NULL;
    bool groups = false;                         /* looking into directories costs time */
    for (const sx_conf *m = c->first; m; m = m->next) groups |= m->kind == SX_CONF_GROUP;
    const long n = groups ? sx_known(r, a, o->kind, &names) : 0;
    sx_conf *g = sx_dup(a, c, sizeof *c);
    g->first = g->last = NULL;
    const sx_conf *own = NULL;
    int rc = 0;
    for (const sx_conf *m = c->first; m; m = m->next) {
        if (m->kind == SX_CONF_GROUP && is_among(m->name, names, n)) own = strcmp(m->name, o->type) ? own : m;
        else if (is_stray(m, o)) rc = refuse_stray(a, m, o, names, n, d);
        else take(a, g, m);
    }
    for (const sx_conf *m = own ? own->first : NULL; m; m = m->next) take(a, g, m);
    *out = g;
    return rc;
}

static const char *const *with_type(sx_arena *a, const char *const *also)
{
    size_t n = 0;
    while (also && also[n]) n++;
    const char **v = sx_alloc_array(a, n + 2, sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = also[i];
    v[n] = "type";
    return v;
}

int sx_param_item(sx_arena *a, sx_registry *r, int kind, const sx_conf *c, const char *fallback,
                  const sx_scope *scope, const char *const *also, const sx_entry **entry, void **params,
                  sx_diags *d)
{
    const char *type = NULL;
    int rc = type_of(a, kind, c, fallback, scope, &type, d);
    if (rc) return rc;
    const sx_conf *named = c && c->kind == SX_CONF_GROUP && sx_conf_member(c, "type")
                               ? sx_conf_member(c, "type")
                               : c;
    const sx_entry *e = sx_find(r, kind, type, named ? sx_conf_where(a, named) : SX_NOWHERE, d);
    if (!e) return SX_E_PLUGIN;
    const sx_conf *group = NULL;
    const owner o = { kind, type, e->params, with_type(a, also) };
    if (c && c->kind == SX_CONF_GROUP) rc = settings_for(a, r, c, &o, &group, d);
    *entry = e;
    *params = sx_alloc(a, e->item->params_size);
    const int bad = sx_param_fill(a, e->params, type, group, scope, o.also, *params, d);
    return rc ? rc : bad;
}
