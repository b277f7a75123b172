/* config.c: experiment files -> one merged tree: libconfig, extends, remove, the edits of the command line.
 * The only file that includes libconfig.h; only what its version 1.5 has is used. */
#include "config.h"
#include <libconfig.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "file.h"
#include "source.h"

enum { FILES = 256 };                            /* that one experiment may extend, counted with repetition */
typedef struct { sx_arena *a; sx_diags *d; long files; } loader;
struct chain { const char *real, *shown; const struct chain *up; };  /* who extends whom */

static const char *const sections[] = { "vars", "model", "dataset", "train", "tune", "study", "templates",
                                        "plugins" };
/* Groups that `--set` makes where the file lacks them; below any other missing group it is an error. */
static const char *const groups[] = { "vars", "model", "model.layers", "dataset", "dataset.split",
    "dataset.transform", "train", "train.optimizer", "train.schedule", "train.early_stop", "tune",
    "tune.space", "tune.sampler", "tune.pruner", "study", "templates" };
#define COUNT(v) ((long)(sizeof (v) / sizeof *(v)))

/* --- libconfig -> tree --- */

static int convert(const sx_source *s, const config_setting_t *from, sx_conf *to);

static int convert_members(const sx_source *s, const config_setting_t *from, sx_conf *to)
{
    int rc = 0;
    for (int i = 0, n = config_setting_length(from); i < n && !rc; i++) {
        const config_setting_t *m = config_setting_get_elem(from, (unsigned)i);
        rc = convert(s, m, sx_conf_add(s->a, to, config_setting_name(m), SX_CONF_GROUP));
    }
    return rc;
}

static int convert_text(const sx_source *s, const char *text, sx_conf *to)
{
    to->kind = SX_CONF_TEXT;
    to->s = sx_strdup(s->a, text ? text : "");
    if (sx_utf8(to->s)) return 0;
    return sx_error(s->d, SX_E_CONFIG, sx_conf_where(s->a, to), "this text is not UTF-8");
}

static int convert(const sx_source *s, const config_setting_t *from, sx_conf *to)
{
    const sx_origin at = sx_source_origin(s, (long)config_setting_source_line(from));
    to->file = at.file;
    to->line = at.line;
    switch (config_setting_type(from)) {
    case CONFIG_TYPE_GROUP: return convert_members(s, from, to);
    case CONFIG_TYPE_ARRAY:
    case CONFIG_TYPE_LIST:
        to->kind = SX_CONF_LIST;
        return convert_members(s, from, to);
    case CONFIG_TYPE_STRING: return convert_text(s, config_setting_get_string(from), to);
    case CONFIG_TYPE_BOOL: to->kind = SX_CONF_BOOL; to->b = config_setting_get_bool(from); return 0;
    case CONFIG_TYPE_FLOAT:
        to->kind = SX_CONF_REAL;
        to->r = config_setting_get_float(from);
        if (isfinite(to->r)) return 0;
        return sx_error(s->d, SX_E_CONFIG, sx_conf_where(s->a, to), "this number is too large");
    default: to->kind = SX_CONF_INT; to->i = config_setting_get_int64(from); return 0;
    }
}

static int syntax_error(const sx_source *s, const config_t *c)
{
    const sx_origin at = sx_source_origin(s, config_error_line(c));
    const char *text = config_error_text(c);
    const int rc = sx_error(s->d, SX_E_CONFIG, (sx_where){ at.file, at.line, NULL }, "%s",
                            text ? text : "syntax error");
    if (text && strstr(text, "mismatched"))
        sx_hint(s->d, "Values of different kinds go into ( ) instead of [ ].");
    else if (text && !strcmp(text, "syntax error"))
        sx_hint(s->d, "The mistake is in this line or before it.");
    return rc;
}

/* Reads a file (text NULL) or a text into a fresh tree. */
static int read_tree(sx_arena *a, sx_diags *d, const char *file, const char *text, sx_conf **root)
{
    sx_source s;
    sx_source_init(&s, a, d, text != NULL);
    int rc = sx_source_add(&s, file, text);
    if (!rc) rc = sx_source_end(&s);
    if (rc) return rc;
    *root = sx_conf_add(a, NULL, NULL, SX_CONF_GROUP);
    config_t c;
    config_init(&c);
    rc = config_read_string(&c, s.text.v) ? convert(&s, config_root_setting(&c), *root)
                                          : syntax_error(&s, &c);
    config_destroy(&c);
    (*root)->file = file;
    (*root)->line = 0;
    return rc;
}

/* --- Merging --- */

static void adopt(sx_conf *to)
{
    for (sx_conf *m = to->first; m; m = m->next) m->parent = to;
}

static void merge(sx_conf *base, const sx_conf *over);

/* A member of the later file: groups merge, everything else takes the place of what was there. */
static void merge_member(sx_conf *base, sx_conf *m)
{
    sx_conf *old = sx_conf_member(base, m->name);
    if (!old) {
        m->parent = base;
        m->next = NULL;
        if (base->last) base->last->next = m;
        else base->first = m;
        base->last = m;
    } else if (old->kind == SX_CONF_GROUP && m->kind == SX_CONF_GROUP) {
        old->file = m->file;
        old->line = m->line;
        merge(old, m);
    } else {
        sx_conf *next = old->next;
        *old = *m;
        old->next = next;
        old->parent = base;
        adopt(old);
    }
}

/* The members of over move into base; over is of no use afterwards. */
static void merge(sx_conf *base, const sx_conf *over)
{
    for (sx_conf *m = over->first, *next; m; m = next) {
        next = m->next;
        merge_member(base, m);
    }
}

static void unlink_member(sx_conf *c)
{
    sx_conf *group = c->parent, *before = NULL;
    for (sx_conf *m = group->first; m != c; m = m->next) before = m;
    if (before) before->next = c->next;
    else group->first = c->next;
    if (group->last == c) group->last = before;
}

static sx_conf *take(sx_conf *group, const char *name)
{
    sx_conf *c = sx_conf_member(group, name);
    if (c) unlink_member(c);
    return c;
}

/* With the nearest name among the members of the last group on the way that exists. */
static int no_such_path(const loader *l, const sx_conf *root, const char *path, sx_where where)
{
    const int rc = sx_error(l->d, SX_E_CONFIG, where, "there is no setting '%s'", path);
    const sx_conf *at = root;
    const char *rest = path;
    for (size_t n; (n = strcspn(rest, ".")), rest[n]; rest += n + 1) {
        const sx_conf *m = sx_conf_find(at, sx_strndup(l->a, rest, n));
        if (!m) break;
        at = m;
    }
    struct { const char **v; long n, cap; } names = { 0 };
    for (const sx_conf *m = at->kind == SX_CONF_GROUP ? at->first : NULL; m; m = m->next)
        SX_PUSH(l->a, names, m->name);
    const size_t n = strcspn(rest, ".");
    const char *near = sx_nearest(sx_strndup(l->a, rest, n), names.v, names.n);
    if (near) sx_hint(l->d, "Did you mean '%.*s%s%s'?", (int)(rest - path), path, near, rest + n);
    else if (at == root)
        sx_hint(l->d, "The sections of this experiment are not called '%.*s'.", (int)n, rest);
    else sx_hint(l->d, "'%.*s' has no member of that name.", (int)(rest - path - 1), path);
    return rc;
}

static int remove_path(const loader *l, sx_conf *root, const char *path, sx_where where)
{
    sx_conf *c = *path ? sx_conf_find(root, path) : NULL;
    if (!c) return no_such_path(l, root, path, where);
    unlink_member(c);
    return 0;
}

/* `extends` and `remove`: a list of texts or one text. */
static int texts(const loader *l, const sx_conf *list, long *n, const sx_conf ***out)
{
    struct { const sx_conf **v; long n, cap; } v = { 0 };
    if (list && list->kind == SX_CONF_LIST)
        for (const sx_conf *m = list->first; m; m = m->next) SX_PUSH(l->a, v, m);
    else if (list) SX_PUSH(l->a, v, list);
    *out = v.v;
    *n = v.n;
    for (long i = 0; i < v.n; i++)
        if (v.v[i]->kind != SX_CONF_TEXT || !*v.v[i]->s)
            return sx_error(l->d, SX_E_CONFIG, sx_conf_where(l->a, v.v[i]), "'%s' is a list of texts",
                            list->name);
    return 0;
}

/* --- Files that extend files --- */

static const char *beside(sx_arena *a, const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');
    return slash ? sx_format(a, "%.*s/%s", (int)(slash - file), file, name) : name;
}

/* Relative to the file, in STRIX_CONFIG_PATH (an empty item: the installed templates), then in these. */
static const char *search(sx_arena *a, const char *from, const char *name, const char **tried)
{
    const char *list = getenv("STRIX_CONFIG_PATH");
    const char *path = *name == '/' ? name : beside(a, from, name);
    *tried = path;
    if (sx_file_exists(path)) return path;
    if (*name == '/') return NULL;
    list = sx_format(a, "%s%s", list ? list : "", list ? ":" : "");
    for (size_t n; ; list += n + 1) {
        n = strcspn(list, ":");
        path = sx_format(a, "%.*s/%s", n ? (int)n : INT_MAX, n ? list : STRIX_TEMPLATEDIR, name);
        *tried = sx_format(a, "%s, %s", *tried, path);
        if (sx_file_exists(path)) return path;
        if (!list[n]) return NULL;
    }
}

static const char *show_chain(sx_arena *a, const struct chain *c, const char *end)
{
    return c ? show_chain(a, c->up, sx_format(a, "%s -> %s", c->shown, end)) : end;
}

static int load(loader *l, sx_conf *base, const char *file, const struct chain *up, sx_where from);

static int extend(loader *l, sx_conf *base, const sx_conf *own, const char *file, const struct chain *up)
{
    const sx_conf **v;
    long n;
    int rc = texts(l, sx_conf_member(own, "extends"), &n, &v);
    for (long i = 0; !rc && i < n; i++) {
        const sx_where where = sx_conf_where(l->a, v[i]);
        const char *tried, *path = search(l->a, file, v[i]->s, &tried);
        if (!path) {
            rc = sx_error(l->d, SX_E_CONFIG, where, "cannot find '%s', which this file extends", v[i]->s);
            sx_detail(l->d, "Looked for %s.", tried);
            return rc;
        }
        sx_conf *inherited = sx_conf_add(l->a, NULL, NULL, SX_CONF_GROUP);
        rc = load(l, inherited, path, up, where);
        if (!rc) merge(base, inherited);
    }
    return rc;
}

/* Deletes from base what a file removes, then merges the file into it. */
static int merge_file(loader *l, sx_conf *base, sx_conf *own)
{
    const sx_conf **v;
    long n;
    int rc = texts(l, sx_conf_member(own, "remove"), &n, &v);
    if (rc) return rc;
    for (long i = 0; i < n; i++) {
        const int bad = remove_path(l, base, v[i]->s, sx_conf_where(l->a, v[i]));
        if (bad) rc = bad;
    }
    take(own, "extends");
    take(own, "remove");
    merge(base, own);
    base->file = own->file;
    return rc;
}

static int load(loader *l, sx_conf *base, const char *file, const struct chain *up, sx_where from)
{
    char *real = realpath(file, NULL);
    const struct chain self = { real ? sx_strdup(l->a, real) : file, file, up };
    free(real);
    for (const struct chain *c = up; c; c = c->up) if (!strcmp(c->real, self.real)) {
        const int rc = sx_error(l->d, SX_E_CONFIG, from, "experiment files extend each other in a circle");
        sx_detail(l->d, "%s", show_chain(l->a, up, file));
        return rc;
    }
    if (++l->files > FILES)
        return sx_error(l->d, SX_E_CONFIG, from, "more than %d files extend each other", FILES);
    sx_conf *own = NULL;
    int rc = read_tree(l->a, l->d, file, NULL, &own);
    if (!rc) rc = extend(l, base, own, file, &self);
    return rc ? rc : merge_file(l, base, own);
}

/* --- Edits of the command line --- */

static bool is_name(const char *s, size_t n)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*0123456789_-";
    if (!n || !memchr(first, *s, sizeof first - 1)) return false;
    for (size_t i = 1; i < n; i++) if (!memchr(rest, s[i], sizeof rest - 1)) return false;
    return true;
}

/* To libconfig "." is 0.0: a value needs a digit or a bracket. And 7 // 2 is 7 there; here it divides. */
static bool may_be_value(const char *text)
{
    text += strspn(text, " \t\n");
    if (!strcmp(text, "true") || !strcmp(text, "false") || strchr("\"([{", *text)) return *text;
    return strpbrk(text, "0123456789") && !strchr(text, '#') && !strstr(text, "//") && !strstr(text, "/*");
}

/* A value as libconfig reads it, else a text. */
static sx_conf *value_of(const loader *l, const char *text)
{
    sx_conf *root = NULL;
    const bool may = may_be_value(text);
    const char *line = sx_format(l->a, "v = %s\n;", text);
    if (may && !read_tree(l->a, NULL, "--set", line, &root) && root->first == root->last) return root->first;
    root = sx_conf_add(l->a, NULL, NULL, SX_CONF_TEXT);
    root->s = sx_strdup(l->a, text);
    return root;
}

static void from_command_line(sx_conf *c)
{
    c->file = "--set";
    c->line = 0;
    for (sx_conf *m = c->first; m; m = m->next) from_command_line(m);
}

/* The group that path names, made where the experiment lacks one of `groups`. */
static sx_conf *group_for(const loader *l, sx_conf *root, const char *path)
{
    sx_conf *c = *path ? sx_conf_find(root, path) : root;
    bool known = false;
    for (long i = 0; i < COUNT(groups); i++) known = known || !strcmp(path, groups[i]);
    if (c || !known) return c;
    const char *dot = strrchr(path, '.');
    sx_conf *up = dot ? group_for(l, root, sx_strndup(l->a, path, (size_t)(dot - path))) : root;
    if (!up || up->kind != SX_CONF_GROUP) return NULL;
    return sx_conf_add(l->a, up, dot ? dot + 1 : path, SX_CONF_GROUP);
}

static bool mentions(const sx_conf *c, const char *name)
{
    const size_t n = strlen(name);
    for (const char *p = c->kind == SX_CONF_TEXT ? strstr(c->s, name) : NULL; p; p = strstr(p + 1, name))
        if ((p == c->s || !is_name((char[]){ 'a', p[-1] }, 2)) && !is_name((char[]){ 'a', p[n] }, 2))
            return true;
    for (const sx_conf *m = c->first; m; m = m->next) if (mentions(m, name)) return true;
    return false;
}

static bool names(const sx_conf *c, const char *name)
{
    for (const sx_conf *m = c ? c->first : NULL; m; m = m->next)
        if ((m->name && !strcmp(m->name, name)) || names(m, name)) return true;
    return false;
}

/* A new member of a plugin's group is checked with that plugin's settings later. A new variable is a slip of
 * the pen unless an expression reads it or the space searches it. */
static int set_new(const loader *l, sx_conf *root, const char *path, sx_conf *value)
{
    const char *dot = strrchr(path, '.'), *name = dot ? dot + 1 : path;
    const sx_where where = { "--set", 0, path };
    bool known = dot != NULL;
    for (long i = 0; i < COUNT(sections); i++) known = known || !strcmp(path, sections[i]);
    sx_conf *group = known ? group_for(l, root, sx_strndup(l->a, path, dot ? (size_t)(dot - path) : 0))
                           : NULL;
    if (!group || group->kind != SX_CONF_GROUP || !is_name(name, strlen(name)))
        return no_such_path(l, root, path, where);
    if (!strncmp(path, "vars.", 5) && !mentions(root, name) && !names(sx_conf_find(root, "tune.space"), name))
        return no_such_path(l, root, path, where);
    value->name = sx_strdup(l->a, name);
    merge_member(group, value);
    return 0;
}

static int set(const loader *l, sx_conf *root, const char *edit)
{
    const char *equals = strchr(edit, '=');
    if (!equals || equals == edit) {
        const int rc = sx_error(l->d, SX_E_USAGE, SX_NOWHERE, "--set wants PATH=VALUE, not '%s'", edit);
        sx_hint(l->d, "For example --set vars.lr=3e-4.");
        return rc;
    }
    const char *path = sx_strndup(l->a, edit, (size_t)(equals - edit));
    if (!sx_utf8(edit)) return sx_error(l->d, SX_E_USAGE, SX_NOWHERE, "--set wants UTF-8 text");
    sx_conf *value = value_of(l, equals + 1), *old = sx_conf_find(root, path);
    from_command_line(value);
    if (!old) return set_new(l, root, path, value);
    value->name = old->name;
    value->parent = old->parent;
    value->next = old->next;
    *old = *value;
    adopt(old);
    return 0;
}

static int apply_edits(loader *l, sx_conf *root, const sx_edits *e)
{
    int rc = 0;
    for (long i = 0; e && i < e->n_extends; i++) {
        const int bad = load(l, root, e->extends[i], NULL, SX_NOWHERE);
        if (bad) return bad;
    }
    for (long i = 0; e && i < e->n_unset; i++) {
        const int bad = remove_path(l, root, e->unset[i], (sx_where){ "--unset", 0, e->unset[i] });
        if (bad) rc = bad;
    }
    for (long i = 0; e && i < e->n_set; i++) {
        const int bad = set(l, root, e->set[i]);
        if (bad) rc = bad;
    }
    return rc;
}

static int check_sections(const loader *l, const sx_conf *root)
{
    int rc = 0;
    for (const sx_conf *m = root->first; m; m = m->next) {
        bool known = false;
        for (long i = 0; i < COUNT(sections); i++) known = known || !strcmp(m->name, sections[i]);
        if (known) continue;
        rc = sx_error(l->d, SX_E_CONFIG, sx_conf_where(l->a, m), "an experiment has no section '%s'",
                      m->name);
        const char *near = sx_nearest(m->name, sections, COUNT(sections));
        if (near) sx_hint(l->d, "Did you mean '%s'?", near);
        else sx_hint(l->d, "The sections are vars, model, dataset, train, tune, study, templates, plugins.");
    }
    return rc;
}

int sx_config_load(sx_arena *a, const char *file, const sx_edits *edits, sx_conf **root, sx_diags *d)
{
    loader l = { a, d, 0 };
    *root = sx_conf_add(a, NULL, NULL, SX_CONF_GROUP);
    int rc = load(&l, *root, file, NULL, SX_NOWHERE);
    if (!rc) rc = apply_edits(&l, *root, edits);
    const int bad = rc == 0 ? check_sections(&l, *root) : 0;
    (*root)->file = sx_strdup(a, file);
    return rc ? rc : bad;
}

int sx_config_parse(sx_arena *a, const char *text, const char *name, const sx_edits *edits, sx_conf **root,
                    sx_diags *d)
{
    loader l = { a, d, 0 };
    const char *file = sx_strdup(a, name);
    int rc = read_tree(a, d, file, text, root);
    const sx_conf *extends = rc ? NULL : sx_conf_member(*root, "extends");
    if (extends) rc = sx_error(d, SX_E_CONFIG, sx_conf_where(a, extends), "'extends' is for files only");
    return rc ? rc : apply_edits(&l, *root, edits);
}
