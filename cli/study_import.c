/* study_import.c: strix study import: trials of another study, of Optuna or of hyperopt become a study's own,
 * all or none of those that fit its space, so that a search goes on from them. */
#include "import.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "search.h"
#include "study_verb.h"

typedef struct {
    cli_context *c; const char *url, *name;      /* of the study that takes them */
    sx_exp *exp;                                 /* its experiment */
    bool there, same;                            /* it is there already; its space is the source's */
    import_source from;
    bool *named;                                 /* axes that the source names somewhere */
    const char **assumed; long assumptions;      /* variables that it never names: their values of vars */
    struct { const sx_trial_row **v; long n, cap; } fit;
    struct { const char **v; long n, cap; } note;
    struct { const char **v; long n, cap; } taken;       /* notes of trials that were imported before */
    long again, misfits; const char *first;      /* the first one that does not fit, and why */
} import;

/* --- The study that takes them --- */

static int find_target(import *m)
{
    cli_context *c = m->c;
    const char *file = cli_text(c, "space", NULL), *name = cli_text(c, "study", NULL),
               *url = cli_text(c, "store", NULL);
    int rc = file ? study_load(c, file, &m->exp) : 0;
    if (rc) return rc;
    if (!name && !m->exp) return cli_usage(c, "study import needs --study NAME, or --space FILE");
    m->name = name ? name : m->exp->study.name;
    m->url = url               ? url
             : m->exp && !name ? m->exp->study.store
                               : sx_format(c->arena, "sqlite:studies/%s.db", m->name);
    if (m->exp && name) m->exp->study.name = name;
    return 0;
}

static void one_note(void *ctx, long trial, const char *key, const char *json)
{
    import *m = ctx;
    (void)trial, (void)key;
    SX_PUSH(m->c->arena, m->taken, sx_strdup(m->c->arena, json));
}

/* Looks into the study, where it is there. */
static int look(import *m)
{
    sx_study *s;
    sx_diags own;
    sx_diags_init(&own, m->c->arena);
    int rc = sx_study_open(m->c->arena, cli_registry(m->c), NULL, m->url, m->name, false, &s, &own);
    if (rc == SX_E_DATA) return 0;
    if (rc) return sx_diags_pass(&own, rc, &m->c->diags);
    m->there = true;
    if (!m->exp) m->exp = sx_study_exp(s);
    return sx_study_notes(s, "strix:imported", one_note, m, &m->c->diags);
}

/* --- The source --- */

static const char *store_of(cli_context *c, const char *what)
{
    static const char magic[] = "SQLite format 3";
    char begin[sizeof magic] = "";
    const char *why;
    size_t bytes;
    const int fd = sx_file_open(what, &bytes, &why);
    if (fd < 0) return strchr(what, ':') ? what : NULL;
    const ssize_t n = read(fd, begin, sizeof begin);
    close(fd);
    return n == sizeof begin && !memcmp(begin, magic, sizeof magic) ? sx_format(c->arena, "sqlite:%s", what)
                                                                    : NULL;
}

static const char *real_path(const char *url, char out[PATH_MAX])
{
    const char *path = strncmp(url, "sqlite:", 7) ? NULL : strncmp(url + 7, "///", 3) ? url + 7 : url + 10;
    return path && realpath(path, out) ? out : url;
}

static bool is_itself(const import *m, const char *url)
{
    char a[PATH_MAX], b[PATH_MAX];
    return m->there && !strcmp(real_path(url, a), real_path(m->url, b)) &&
           !strcmp(m->from.exp->study.name, m->name);
}

static int directions(const import *m)
{
    const sx_tune_conf *is = &m->from.exp->tune, *to = &m->exp->tune;
    if (is->objectives != to->objectives)
        return cli_fail(m->c, SX_E_CONFIG, "%s has %s, the study %s", m->from.name,
                        sx_plural(m->c->arena, is->objectives, "objective"),
                        sx_plural(m->c->arena, to->objectives, "objective"));
    for (long i = 0; i < to->objectives && !cli_text(m->c, "value", NULL); i++) {
        if (is->maximize[i] == to->maximize[i]) continue;
        cli_fail(m->c, SX_E_CONFIG, "'%s' of %s is to be %s, and '%s' of the study is to be %s",
                 is->objective[i], m->from.name, is->maximize[i] ? "maximized" : "minimized",
                 to->objective[i], to->maximize[i] ? "maximized" : "minimized");
        sx_hint(&m->c->diags, "Say what it is with --value \"-value\" or the like.");
        return SX_E_CONFIG;
    }
    return 0;
}

static int read_source(import *m)
{
    cli_context *c = m->c;
    const char *url = store_of(c, c->arg[1]);
    csv t;
    if (m->exp && m->exp->tune.objectives > 1 && cli_text(c, "value", NULL))
        return cli_usage(c, "--value makes one objective, and the study has %ld", m->exp->tune.objectives);
    if (!url) {
        if (access(c->arg[1], R_OK))
            return sx_error(&c->diags, SX_E_DATA, (sx_where){ .file = c->arg[1] },
                            "cannot read this file: %s",
                            strerror(errno));
        if (!m->exp) return cli_usage(c, "a table names no space: give an experiment with --space");
        const int rc = csv_read(c, c->arg[1], &t);
        return rc ? rc : import_csv(c, &t, m->exp, &m->from);
    }
    const int rc = import_store(c, url, cli_text(c, "from", NULL), &m->from);
    if (rc) return rc;
    if (is_itself(m, url)) return cli_usage(c, "study '%s' is itself what it should import", m->name);
    if (m->from.exp->tune.objectives > 1 && cli_text(c, "value", NULL))
        return cli_usage(c, "--value makes one objective, and %s has %ld", m->from.name,
                         m->from.exp->tune.objectives);
    m->same = !m->exp;
    if (m->same) m->exp = m->from.exp;
    return directions(m);
}

/* --rename OLD=NEW: a variable under another name; VARIABLE:OLD=NEW: one of its values; NEW empty: gone. */
static int rename_one(import *m, const char *rule)
{
    sx_arena *a = m->c->arena;
    const char *equals = strchr(rule, '='),
               *colon = equals ? memchr(rule, ':', (size_t)(equals - rule)) : NULL;
    if (!equals) return cli_usage(m->c, "--rename is '%s', not OLD=NEW or VARIABLE:OLD=NEW", rule);
    const char *name = sx_strndup(a, rule, (size_t)((colon ? colon : equals) - rule));
    const char *value = colon ? sx_strndup(a, colon + 1, (size_t)(equals - colon - 1)) : NULL;
    long met = 0;
    for (long i = 0; i < m->from.n; i++) {
        import_trial *t = &m->from.v[i];
        long n = 0;
        for (long k = 0; k < t->n; k++) {
            sx_named is = t->named[k];
            const bool ours =
                !strcmp(is.name, name) && (!value || !strcmp(sx_datum_text(a, &is.value), value));
            met += ours;
            if (ours && value) is.value = import_datum(equals + 1);
            else if (ours) is.name = equals + 1;
            if (!ours || equals[1]) t->named[n++] = is;
        }
        t->n = n;
    }
    return met || !m->from.n ? 0 : cli_usage(m->c, "--rename %s: nothing in %s is so", rule, m->from.name);
}

static int rename_all(import *m)
{
    const char *const *rule;
    const long n = cli_list(m->c, "rename", &rule);
    int rc = n && m->same ? cli_usage(m->c, "--rename needs --space: else the study is copied as it is") : 0;
    for (long i = 0; i < n && !rc; i++) rc = rename_one(m, rule[i]);
    return rc;
}

/* --- Fitting --- */

static const sx_var *variable(const sx_domain *s, const char *name)
{
    for (int i = 0; i < s->space.n; i++) if (!strcmp(s->var[i]->axis.name, name)) return s->var[i];
    for (int i = 0; i < s->space.n; i++) if (!strcmp(s->var[i]->name, name)) return s->var[i];
    return NULL;
}

static bool known(const sx_domain *s, const char *name)
{
    bool fixed = false;
    for (long i = 0; i < s->n_fixed && !fixed; i++) fixed = !strcmp(s->fixed[i].name, name);
    return fixed || variable(s, name);
}

static bool names(const import_trial *t, const sx_var *v)
{
    for (long k = 0; k < t->n; k++)
        if (!strcmp(t->named[k].name, v->axis.name) || !strcmp(t->named[k].name, v->name)) return true;
    return false;
}

static void find_named(import *m)
{
    const sx_domain *s = m->exp->domain;
    m->named = sx_alloc_array(m->c->arena, (size_t)s->space.n + 1, sizeof *m->named);
    m->assumed = sx_alloc_array(m->c->arena, (size_t)s->space.n + 1, sizeof *m->assumed);
    for (int i = 0; i < s->space.n; i++)
        for (long k = 0; k < m->from.n && !m->named[i]; k++) m->named[i] = names(&m->from.v[k], s->var[i]);
}

/* A choice's place to its value. */
static sx_datum at_index(const sx_var *v, sx_datum is)
{
    const double k = sx_datum_real(&is);
    if (!v || v->axis.kind != SX_AXIS_CHOICE || !sx_datum_is_number(&is) || !(k >= 0 && k <= v->axis.high) ||
        k != floor(k)) return is;
    return v->option[(long)k].kind == SX_DATUM_NONE
               ? (sx_datum){ .kind = SX_DATUM_TEXT, .s = v->label[(long)k] }
               : v->option[(long)k];
}

static int misfit(sx_diags *d, const char *fmt, const char *name)
{
    sx_error(d, SX_E_REFUSED, SX_NOWHERE, fmt[0] ? "'%s' %s" : "%s%s", name, fmt);
    return SX_E_REFUSED;
}

/* What the space does not search must be as in vars; a column that is no variable is nobody's business. */
static int check_unsearched(const import *m, const sx_named *is, sx_diags *d)
{
    sx_datum v;
    if (!sx_scope_has(m->exp->scope, is->name) ||
        sx_scope_get(m->c->arena, m->exp->scope, is->name, SX_NOWHERE, &v, NULL))
        return m->from.csv ? 0 : misfit(d, "is no variable of the space", is->name);
    const double a = sx_datum_real(&v), b = sx_datum_real(&is->value);
    if (sx_datum_is_number(&v) && sx_datum_is_number(&is->value)
            ? fabs(a - b) <= 1e-9 * fabs(a)
            : !strcmp(sx_datum_text(m->c->arena, &v), sx_datum_text(m->c->arena, &is->value))) return 0;
    return sx_error(d, SX_E_REFUSED, SX_NOWHERE, "'%s' is %.60s, and %.60s in the experiment", is->name,
                    sx_datum_text(m->c->arena, &is->value), sx_datum_text(m->c->arena, &v));
}

/* Variables that the trial does not name: wrong where others have them, those of vars where none has. */
static int check_unnamed(import *m, const import_trial *t, const double *x, sx_diags *d)
{
    const sx_domain *s = m->exp->domain;
    for (int i = 0; i < s->space.n; i++) {
        const sx_var *v = s->var[i];
        const bool branches = v->axis.kind == SX_AXIS_CHOICE && v->option[0].kind == SX_DATUM_NONE;
        if (isnan(x[i]) || branches || names(t, v)) continue;
        if (m->named[i]) return misfit(d, "is missing", v->name);
        bool said = false;
        for (long k = 0; k < m->assumptions && !said; k++) said = !strcmp(m->assumed[k], v->name);
        if (!said) m->assumed[m->assumptions++] = v->name;
    }
    return 0;
}

/* A study of another program knows no conditions: what a trial does not name is inactive there. The point is
 * read with any value in its place. */
static long fill_up(const import *m, const import_trial *t, sx_named *named, long n)
{
    const sx_domain *s = m->exp->domain;
    for (int i = 0; i < s->space.n && !m->exp->root; i++) {
        const sx_var *v = s->var[i];
        if (names(t, v)) continue;
        const sx_datum any = { .kind = SX_DATUM_REAL, .r = sx_axis_at(&v->axis, 0.5) };
        named[n++] = (sx_named){ v->axis.name, v->axis.kind == SX_AXIS_CHOICE ? v->option[0] : any };
    }
    return n;
}

static void blank(const import *m, const import_trial *t, double *x)
{
    const sx_domain *s = m->exp->domain;
    for (int i = 0; i < s->space.n && !m->exp->root; i++) if (!names(t, s->var[i])) x[i] = NAN;
}

static int fit_point(import *m, const import_trial *t, double *x, sx_diags *d)
{
    const bool indices = cli_flag(m->c, "indices");
    const sx_domain *s = m->exp->domain;
    sx_named *named = sx_alloc_array(m->c->arena, (size_t)(t->n + s->space.n) + 1, sizeof *named);
    long n = 0;
    for (long k = 0; k < t->n; k++) {
        const sx_named *is = &t->named[k];
        const int rc = known(s, is->name) ? 0 : check_unsearched(m, is, d);
        if (rc) return rc;
        if (!known(s, is->name)) continue;
        named[n++] = (sx_named){ is->name, indices ? at_index(variable(s, is->name), is->value) : is->value };
    }
    n = fill_up(m, t, named, n);
    const int rc = sx_domain_point(m->c->arena, s, named, n, m->exp->scope, x, d);
    if (!rc) blank(m, t, x);
    return rc ? rc : check_unnamed(m, t, x, d);
}

/* A copy as it is: an option that the source's own space has no more would become another one. */
static int check_options(const import *m, const double *x, sx_diags *d)
{
    const sx_space *s = &m->exp->domain->space;
    for (int i = 0; i < s->n; i++)
        if (s->axis[i]->kind == SX_AXIS_CHOICE && x[i] < 0)
            return misfit(d, "was an option that its study has no more", s->axis[i]->name);
    return 0;
}

static int fit_row(import *m, const import_trial *t, sx_trial_row *row, sx_diags *d)
{
    if (m->same) return check_options(m, row->t.x, d);
    double *x = sx_alloc_array(m->c->arena, (size_t)m->exp->domain->space.n + 1, sizeof *x);
    row->t.x = x;
    row->t.constraint = NULL;
    return fit_point(m, t, x, d);
}

static void fit(import *m, const import_trial *t)
{
    cli_context *c = m->c;
    const char *note = sx_json_text(c->arena, t->place);
    for (long i = 0; i < m->taken.n; i++) if (!strcmp(m->taken.v[i], note)) { m->again++; return; }
    sx_trial_row *row = sx_dup(c->arena, &t->row, sizeof *row);
    sx_diags own;
    sx_diags_init(&own, c->arena);
    if (fit_row(m, t, row, &own)) {
        if (!m->misfits++)
            m->first = sx_format(c->arena, "%s: %s%s%s", t->place, own.v[0].text,
                                 own.v[0].detail ? ". " : "", own.v[0].detail ? own.v[0].detail : "");
        return;
    }
    SX_PUSH(c->arena, m->fit, row);
    SX_PUSH(c->arena, m->note, note);
}

/* --- Report --- */

static void report(const import *m)
{
    cli_context *c = m->c;
    const char *verb = c->dry_run ? "would be imported" : "imported";
    if (c->json) {
        cli_json_print(c, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s?}", "study", m->name, "store", m->url,
                                    "imported", (json_int_t)m->fit.n, "misfits", (json_int_t)m->misfits,
                                    "unfinished", (json_int_t)m->from.unfinished, "there_before",
                                    (json_int_t)m->again, "first_misfit", m->first));
        return;
    }
    printf("study %s: %s %s", m->name, sx_plural(c->arena, m->fit.n, "trial"), verb);
    if (m->misfits) printf(", %ld do%s not fit", m->misfits, m->misfits == 1 ? "es" : "");
    if (m->from.unfinished) printf(", %ld had not ended", m->from.unfinished);
    if (m->again) printf(", %ld %s imported before", m->again, m->again == 1 ? "was" : "were");
    putchar('\n');
    if (m->first) printf("the first that does not fit: %s\n", m->first);
}

/* Words of the source that are no variables of the space: one of them may be meant. */
static const char *strangers(const import *m)
{
    struct { const char **v; long n, cap; } words = { 0 };
    for (long i = 0; i < m->from.n; i++)
        for (long k = 0; k < m->from.v[i].n; k++) {
            const char *name = m->from.v[i].named[k].name;
            bool said = known(m->exp->domain, name);
            for (long w = 0; w < words.n && !said; w++) said = !strcmp(words.v[w], name);
            if (!said) SX_PUSH(m->c->arena, words, name);
        }
    return words.n ? sx_join(m->c->arena, words.v, words.n) : NULL;
}

static int check_assumed(const import *m)
{
    cli_context *c = m->c;
    if (!m->assumptions || cli_flag(c, "defaults")) return 0;
    const char *others = strangers(m);
    cli_fail(c, SX_E_USAGE, "%s does not say what %s was", m->from.name,
             sx_join(c->arena, m->assumed, m->assumptions));
    if (others) sx_detail(&c->diags, "It names %s, which the space does not know.", others);
    sx_hint(&c->diags,
            "Say which is which with --rename OLD=NEW, or with --defaults that it was as in vars.");
    return SX_E_USAGE;
}

int study_import(cli_context *c)
{
    import m = { .c = c };
    sx_study *s;
    int rc = find_target(&m);
    if (!rc) rc = look(&m);
    if (!rc) rc = read_source(&m);
    if (!rc) rc = rename_all(&m);
    if (rc) return rc;
    if (!m.same) find_named(&m);
    for (long i = 0; i < m.from.n; i++) fit(&m, &m.from.v[i]);
    rc = check_assumed(&m);
    if (!rc && m.fit.n && !c->dry_run) {
        rc = sx_study_open(c->arena, cli_registry(c), cli_text(c, "space", NULL) || !m.there ? m.exp : NULL,
                           m.url, m.name, true, &s, &c->diags);
        if (!rc) rc = sx_study_import(s, m.fit.n, m.fit.v, m.note.v, &c->diags);
    }
    if (rc) return rc;
    report(&m);
    return m.fit.n || m.again ? 0 : 1;
}
