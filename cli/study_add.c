/* study_add.c: strix study add: queues points known before, from words such as lr=0.001 or from a file. */
#include "study_verb.h"
#include <stdlib.h>
#include <string.h>

typedef struct { sx_named *v; long n, cap; sx_where where; } point;   /* where: in a file of points */
typedef struct { point *v; long n, cap; } points;

/* --- Words --- */

/* As libconfig reads it, else a word. */
static sx_datum datum_of(cli_context *c, const char *text)
{
    sx_diags quiet;
    sx_conf *root = NULL;
    sx_datum value;
    sx_diags_init(&quiet, c->arena);
    const char *line = sx_format(c->arena, "v = %s;", text);
    const bool read =
        !strpbrk(text, ";\n") && !sx_config_parse(c->arena, line, "--set", NULL, &root, &quiet) &&
        !sx_conf_datum(c->arena, sx_conf_member(root, "v"), NULL, SX_DATUM_NONE, &value, &quiet);
    return read ? value : (sx_datum){ .kind = SX_DATUM_TEXT, .s = text };
}

static int put(cli_context *c, point *p, const char *name, sx_datum value)
{
    for (long i = 0; i < p->n; i++)
        if (!strcmp(p->v[i].name, name)) return cli_usage(c, "'%s' is given twice", name);
    SX_PUSH(c->arena, *p, ((sx_named){ sx_strdup(c->arena, name), value }));
    return 0;
}

static int put_word(cli_context *c, point *p, const char *word)
{
    const char *equals = strchr(word, '=');
    return put(c, p, sx_strndup(c->arena, word, (size_t)(equals - word)), datum_of(c, equals + 1));
}

void study_words_of_sets(cli_context *c)
{
    const int most = c->args + (int)c->edits.n_set + 1;
    const char **words = sx_alloc_array(c->arena, (size_t)most, sizeof *words);
    const char **kept = sx_alloc_array(c->arena, (size_t)c->edits.n_set + 1, sizeof *kept);
    long n = 0;
    memcpy(words, c->arg, (size_t)c->args * sizeof *words);
    for (long i = 0; i < c->edits.n_set; i++) {
        const char *set = c->edits.set[i];
        const char *name = strncmp(set, "vars.", 5) ? set : set + 5;
        if (memchr(name, '.', strcspn(name, "="))) kept[n++] = set;
        else words[c->args++] = name;
    }
    c->arg = words;
    c->edits.set = kept;
    c->edits.n_set = n;
}

/* --- Files --- */

static int none_of_these(cli_context *c, const sx_domain *d, const sx_conf *first)
{
    const char **names = sx_alloc_array(c->arena, (size_t)d->space.n + 1, sizeof *names);
    for (int i = 0; i < d->space.n; i++) names[i] = d->var[i]->axis.name;
    sx_error(&c->diags, SX_E_USAGE, sx_conf_where(c->arena, first), "the space has no '%s'", first->name);
    sx_hint(&c->diags, "Its variables are %s.", sx_join(c->arena, names, d->space.n));
    return SX_E_USAGE;
}

static int put_members(cli_context *c, const sx_study *s, const sx_conf *group, bool all, points *to)
{
    const sx_domain *domain = sx_study_exp((sx_study *)(uintptr_t)s)->domain;
    const sx_scope *scope = sx_scope_open(c->arena, NULL, group);
    point p = { .where = sx_conf_where(c->arena, group->first ? group->first : group) };
    for (const sx_conf *m = group->first; m; m = m->next) {
        sx_datum value;
        bool wanted = all;
        for (int i = 0; i < domain->space.n && !wanted; i++) wanted = !strcmp(domain->var[i]->name, m->name);
        for (long i = 0; i < domain->n_fixed && !wanted; i++)
            wanted = !strcmp(domain->fixed[i].name, m->name);
        int rc = wanted ? sx_conf_datum(c->arena, m, scope, SX_DATUM_NONE, &value, &c->diags) : 0;
        if (wanted && !rc) rc = put(c, &p, m->name, value);
        if (rc) return rc;
    }
    if (p.n) SX_PUSH(c->arena, *to, p);
    return p.n || !group->first ? 0 : none_of_these(c, domain, group->first);
}

/* points = ( { lr = 0.001; }, ... ), the `vars` of an experiment, or just the settings of one point. */
static int read_config(cli_context *c, const sx_study *s, const char *file, const char *text, points *to)
{
    sx_conf *root = NULL;
    int rc = sx_config_parse(c->arena, text, file, NULL, &root, &c->diags);
    if (rc) return rc;
    const sx_conf *list = sx_conf_member(root, "points"), *vars = sx_conf_member(root, "vars");
    if (!list) return put_members(c, s, vars && vars->kind == SX_CONF_GROUP ? vars : root, !vars, to);
    for (const sx_conf *m = list->kind == SX_CONF_LIST ? list->first : list; m && !rc;
         m = m == list ? NULL : m->next)
        rc = m->kind == SX_CONF_GROUP ? put_members(c, s, m, true, to)
                                      : sx_error(&c->diags, SX_E_CONFIG, sx_conf_where(c->arena, m),
                                                 "'points' is a list of groups");
    return rc;
}

sx_datum study_datum_of_json(cli_context *c, const json_t *v)
{
    if (json_is_integer(v)) return (sx_datum){ .kind = SX_DATUM_INT, .i = json_integer_value(v) };
    if (json_is_real(v)) return (sx_datum){ .kind = SX_DATUM_REAL, .r = json_real_value(v) };
    if (json_is_boolean(v)) return (sx_datum){ .kind = SX_DATUM_BOOL, .b = json_is_true(v) };
    if (!json_is_array(v))
        return (sx_datum){ .kind = SX_DATUM_TEXT,
                           .s = json_is_string(v) ? sx_strdup(c->arena, json_string_value(v)) : "null" };
    const size_t n = json_array_size(v);
    sx_datum *list = sx_alloc_array(c->arena, n + 1, sizeof *list);
    for (size_t i = 0; i < n; i++) list[i] = study_datum_of_json(c, json_array_get(v, i));
    return (sx_datum){ .kind = SX_DATUM_LIST, .n = (long)n, .v = list };
}

/* { "lr": 0.001 }, or a list of such, or what study ask and trials print: { .., "values": { .. } }. */
static int put_json(cli_context *c, sx_where where, const json_t *v, points *to)
{
    int rc = 0;
    size_t i;
    json_t *one;
    json_array_foreach(v, i, one) { /* jansson tells no lines of values */
        const sx_where at = { .file = sx_format(c->arena, "%s, point %zu", where.file, i + 1) };
        if (!rc) rc = put_json(c, at, one, to);
    }
    if (json_is_array(v)) return rc;
    if (json_is_array(json_object_get(v, "trials")))
        return put_json(c, where, json_object_get(v, "trials"), to);
    const json_t *values = json_is_object(json_object_get(v, "values")) ? json_object_get(v, "values") : v;
    if (!json_is_object(values))
        return sx_error(&c->diags, SX_E_CONFIG, where, "a point is an object of names and values");
    point p = { .where = where };
    for (void *at = json_object_iter((json_t *)(uintptr_t)values); at && !rc;
         at = json_object_iter_next((json_t *)(uintptr_t)values, at))
        rc = put(c, &p, json_object_iter_key(at), study_datum_of_json(c, json_object_iter_value(at)));
    if (!rc && p.n) SX_PUSH(c->arena, *to, p);
    return rc;
}

static int lines_of(const char *text, size_t bytes)
{
    int n = 0;
    for (size_t i = 0; i < bytes; i++) n += text[i] == '\n';
    return n;
}

/* One document or several, one behind the other; jansson counts the lines of each. */
static int read_json(cli_context *c, const char *file, const char *text, size_t bytes, points *to)
{
    static const char blank[] = " \t\r\n";
    size_t at = strspn(text, blank), next = at;
    int rc = 0, line = 1 + lines_of(text, at);
    for (; at < bytes && !rc; line += lines_of(text + at, next - at), at = next) {
        json_error_t e = { 0 };
        json_t *v = json_loadb(text + at, bytes - at, JSON_DISABLE_EOF_CHECK, &e);
        const sx_where where = { .file = file, .line = v ? line : line + e.line - 1 };
        rc = v ? put_json(c, where, v, to) : sx_error(&c->diags, SX_E_CONFIG, where, "%s", e.text);
        json_decref(v);
        next = at + (size_t)e.position;
        next += strspn(text + next, blank);
    }
    return rc;
}

static int read_file(cli_context *c, const sx_study *s, const char *file, points *to)
{
    char *text;
    size_t bytes;
    const int rc = sx_file_read(c->arena, file, 1 << 26, &text, &bytes, &c->diags);
    if (rc && !sx_file_exists(file)) sx_hint(&c->diags, "Name a file of points, or write %s=VALUE.", file);
    if (rc) return rc;
    const char first = text[strspn(text, " \t\r\n")];
    const long before = to->n;
    const int bad = first == '{' || first == '[' ? read_json(c, file, text, bytes, to)
                                                 : read_config(c, s, file, text, to);
    return bad || to->n > before ? bad : cli_usage(c, "%s holds no point", file);
}

/* --- add --- */

static int read_points(cli_context *c, const sx_study *s, points *to)
{
    point p = { 0 };
    int rc = 0;
    if (c->args == 2) return cli_usage(c, "study add needs VARIABLE=VALUE or a file of points");
    for (int i = 2; i < c->args && !rc; i++)
        rc = strchr(c->arg[i], '=') ? put_word(c, &p, c->arg[i]) : read_file(c, s, c->arg[i], to);
    if (!rc && p.n) SX_PUSH(c->arena, *to, p);
    return rc;
}

/* A point that is refused is one of the user's file, not of the experiment that the study keeps. */
static int add_point(cli_context *c, sx_study *s, const point *p, long *number)
{
    sx_diags own;
    sx_diags_init(&own, c->arena);
    const int rc = sx_study_add(s, p->v, p->n, number, &own);
    for (long i = 0; i < own.n; i++)
        if (own.v[i].code == SX_E_REFUSED || own.v[i].code == SX_E_USAGE) own.v[i].where = p->where;
    return sx_diags_pass(&own, rc, &c->diags);
}

int study_add(cli_context *c, sx_study *s)
{
    points all = { 0 };
    long number = 0;
    int rc = read_points(c, s, &all);
    for (long i = 0; i < all.n && !rc; i++) rc = add_point(c, s, &all.v[i], NULL);
    json_t *added = json_array();
    for (long i = 0; i < all.n && !rc && !c->dry_run; i++) {
        rc = add_point(c, s, &all.v[i], &number);
        if (!rc) json_array_append_new(added, json_integer(number));
        if (!rc && !c->json) printf("trial %ld waits\n", number);
    }
    if (c->dry_run && !rc && !c->json) printf("%s would wait\n", sx_plural(c->arena, all.n, "trial"));
    json_t *doc = study_head_json(s);
    json_object_set_new(doc, "added", added);
    if (c->json && !rc) cli_json_print(c, doc);
    else json_decref(doc);
    return rc == SX_E_REFUSED ? SX_E_USAGE : rc;
}
