/* study.c: one search: opens its store, finds or makes the study there, sets one aside. What a sampler saw is
 * an event's number, so every suggestion can be asked for again (sx_study_replay). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "file.h"
#include "log.h"
#include "own.h"
#include "search.h"

sx_exp *sx_study_exp(sx_study *s) { return s->exp; }
const char *sx_study_name(const sx_study *s) { return s->name; }
const char *sx_study_url(const sx_study *s) { return s->url; }
void sx_study_use(sx_study *s, const sx_machine *m) { s->machine = m; }

const sx_store *sx_store_of(sx_registry *r, const char *url, sx_diags *d)
{
    char scheme[32];
    const char *colon = strchr(url, ':');
    if (!colon) {
        sx_error(d, SX_E_USAGE, SX_NOWHERE, "store '%s' names no kind of store", url);
        sx_hint(d, "Write sqlite:%s.", *url ? url : "FILE");
        return NULL;
    }
    snprintf(scheme, sizeof scheme, "%.*s", (int)(colon - url), url);
    const sx_entry *e = sx_find(r, SX_KIND_STORE, scheme, SX_NOWHERE, d);
    return e ? (const sx_store *)(const void *)e->item : NULL;
}

int sx_study_told(const sx_study *s, int rc, sx_diags *d) { return sx_store_told(s->store, rc, d); }

int sx_store_told(const sx_store *store, int rc, sx_diags *d)
{
    if (rc >= 0) return rc;
    sx_error(d, rc, SX_NOWHERE, "%s", store->last_error());
    if (rc == SX_E_DATA)
        sx_hint(d, "`strix study list` shows the studies in ./studies; --store URL names another place.");
    return rc;
}

static void close_store(void *study)
{
    sx_study *s = study;
    if (s->cache && sx_study_sampler(s)->close) sx_study_sampler(s)->close(s->cache);
    if (s->db) s->store->close(s->db);
}

/* make: what is not there is made. Who joins a study makes no database: a mistyped path leaves none. */
static int open_store(sx_study *s, bool write, bool make, sx_diags *d)
{
    s->store = sx_store_of(s->registry, s->url, d);
    if (!s->store) return strchr(s->url, ':') ? SX_E_PLUGIN : SX_E_USAGE;
    int rc = write && !make ? s->store->open(s->url, false, &s->db) : 0;
    if (!rc && s->db) s->store->close(s->db), s->db = NULL;
    if (!rc) rc = s->store->open(s->url, write, &s->db);
    if (rc) return sx_study_told(s, rc, d);
    if (*s->store->last_error()) sx_warn(d, SX_NOWHERE, "%s", s->store->last_error());
    sx_arena_defer(s->arena, close_store, s);
    return 0;
}

static int stored_exp(sx_study *s, const sx_study_row *row, sx_diags *d)
{
    sx_conf *root = NULL;
    const char *file = sx_format(s->arena, "%s.cfg", s->name),
               *place = sx_format(s->arena, "study %s", s->name);
    int rc = sx_config_parse(s->arena, row->config, place, NULL, &root, d);
    if (rc) return rc;
    rc = !sx_conf_member(root, "model") ? sx_search_open(s->arena, s->registry, root, file, &s->exp, d)
                                        : sx_exp_open(s->arena, s->registry, root, file, &s->exp, d);
    if (!rc) s->exp->tune.seed = row->seed;      /* --seed is in no file */
    return rc;
}

static void told_difference(const sx_study *s, const sx_study_row *row, const char *space, sx_diags *d)
{
    const char *difference = row->space ? sx_domain_difference(s->arena, row->space, space) : NULL;
    if (difference) sx_detail(d, "%s.", difference);
    sx_hint(d, "Give the study another name (--set study.name=...), or set the old one aside with --fresh; `strix study"
               " import` takes its trials along.");
}

/* given: the experiment comes from a file, and its text is kept; else it came from the store and stays as it
 * is there. */
static int join(sx_study *s, bool given, const sx_study_row *row, bool write, sx_diags *d)
{
    const sx_domain *domain = s->exp->domain;
    const char **dist = sx_alloc_array(s->arena, (size_t)domain->space.n + 1, sizeof *dist);
    for (int i = 0; i < domain->space.n; i++) dist[i] = sx_axis_optuna(s->arena, domain->var[i]);
    sx_study_row *w = SX_NEW(s->arena, sx_study_row);
    *w = (sx_study_row){ .size = sizeof *w,
                         .name = s->name,
                         .seed = s->exp->tune.seed,
                         .objectives = (int)s->exp->tune.objectives,
                         .metric = s->exp->tune.objective,
                         .maximize = s->exp->tune.maximize,
                         .axes = &domain->space,
                         .distribution = dist,
                         .space = sx_domain_json(s->arena, domain),
                         .config = given && s->exp->root ? sx_conf_write(s->arena, s->exp->root) : NULL };
    if (write && row->config && w->config && strcmp(row->config, w->config))
        sx_log(SX_LOG_INFO, "study", "the configuration of '%s' has changed; new trials follow the new one",
               s->name);
    const int rc = s->store->study(s->db, w, &s->id);
    if (!rc) return 0;
    sx_study_told(s, rc, d);
    if (rc == SX_E_CONFIG) told_difference(s, row, w->space, d);
    return rc;
}

/* A study goes on with another space: one line says what became of its trials. */
static int tell_change(sx_study *s, const sx_study_row *row, sx_diags *d)
{
    const char *is = sx_domain_json(s->arena, s->exp->domain),
               *difference = row->space ? sx_domain_difference(s->arena, row->space, is) : NULL;
    long ended, fit;
    const int rc = difference ? sx_study_news(s, d) : 0;
    if (rc || !difference) return rc;
    sx_past_count(s->past, &ended, &fit);
    sx_warn(d, SX_NOWHERE, "study '%s' has another space now: %s; %ld of %ld ended trials fit it",
            s->name, difference,
            fit, ended);
    return 0;
}

/* The value of axis i nearest to its variable; 0 where it has none. */
double sx_study_nearest(const sx_study *s, int i)
{
    const sx_var *v = s->exp->domain->var[i];
    sx_datum is = { 0 };
    if (sx_scope_has(s->exp->scope, v->name))
        (void)!sx_scope_get(s->arena, s->exp->scope, v->name, SX_NOWHERE, &is, NULL);
    if (v->element >= 0) is = sx_datum_element(&is, v->element);
    const double r = sx_datum_real(&is);
    if (v->axis.kind != SX_AXIS_CHOICE)
        return isnan(r) ? sx_axis_at(&v->axis, 0.5) : sx_axis_snap(&v->axis, r);
    long best = 0;
    double least = INFINITY;
    for (long k = 0; k <= (long)v->axis.high; k++) {
        const bool same = v->option[k].kind == SX_DATUM_NONE
                              ? is.kind == SX_DATUM_TEXT && !strcmp(is.s, v->label[k])
                              : sx_datum_equal(&v->option[k], &is);
        const double off = same ? -1 : fabs(sx_datum_real(&v->option[k]) - r);
        if (off < least) { least = off; best = k; }
    }
    return (double)best;
}

/* The point of `vars`, or the nearest one of the space. */
static const double *usual_point(sx_study *s)
{
    const sx_domain *domain = s->exp->domain;
    double *x = sx_alloc_array(s->arena, (size_t)domain->space.n + 1, sizeof *x);
    if (!sx_domain_point(s->arena, domain, NULL, 0, s->exp->scope, x, NULL)) return x;
    for (int i = 0; i < domain->space.n; i++)
        x[i] = sx_active(&domain->space, x, i) ? sx_study_nearest(s, i) : NAN;
    return x;
}

/* What every axis is read as in a trial that has no value for it. */
static const double *values_of_vars(sx_study *s)
{
    const int n = s->exp->domain->space.n;
    double *x = sx_alloc_array(s->arena, (size_t)n + 1, sizeof *x);
    for (int i = 0; i < n; i++) x[i] = isnan(s->usual[i]) ? sx_study_nearest(s, i) : s->usual[i];
    return x;
}

int sx_study_open(sx_arena *a, sx_registry *r, sx_exp *e, const char *url, const char *name, bool write,
                  sx_study **out, sx_diags *d)
{
    sx_study *s = SX_NEW(a, sx_study);
    *out = NULL;
    *s = (sx_study){ .arena = a,
                     .registry = r,
                     .exp = e,
                     .url = sx_strdup(a, url ? url : e->study.store),
                     .name = sx_strdup(a, name ? name : e->study.name) };
    int rc = open_store(s, write, e != NULL, d);
    if (rc) return rc;
    sx_study_row row = { 0 };
    rc = s->store->find(s->db, s->name, &s->id, &row);
    if (rc && (rc != SX_E_DATA || !e || !write)) return sx_study_told(s, rc, d);
    rc = e ? 0 : row.config ? stored_exp(s, &row, d) : sx_search_of_axes(a, r, &row, &s->exp, d);
    if (rc) return rc;
    if (!e) s->exp->study.store = s->url, s->exp->study.name = s->name;
    if ((rc = join(s, e != NULL, &row, write, d))) return rc;
    s->usual = usual_point(s);
    s->past = sx_past_open(a, s->exp->domain, values_of_vars(s));
    const sx_sampler *sampler = sx_study_sampler(s);
    if (sampler->open) s->cache = sampler->open(s->exp->tune.sampler.params, &s->exp->domain->space);
    if (e && write && (rc = tell_change(s, &row, d))) return rc;
    *out = s;
    return 0;
}

/* --- Setting aside --- */

struct ids { int64_t *v; long n, cap; };
struct texts { const char **v; long n, cap; };
typedef struct { sx_arena *a; struct ids id; struct texts dir; } moved;

static void find_dir(void *ctx, const sx_trial_row *row)
{
    moved *m = ctx;
    if (!row->dir) return;
    SX_PUSH(m->a, m->id, row->id);
    SX_PUSH(m->a, m->dir, sx_strdup(m->a, row->dir));
}

/* The directory of runs gets the study's new ending, and the trials learn where theirs are. */
static int move_runs(sx_study *s, const char *runs, const char *to, sx_diags *d)
{
    moved m = { .a = s->arena };
    const size_t n = strlen(runs);
    if (!sx_file_exists(runs)) return 0;
    if (rename(runs, to))
        return sx_error(d, SX_E_IO, (sx_where){ .file = runs }, "cannot be renamed to %s: %s", to,
                        strerror(errno));
    int rc = s->store->trials(s->db, s->id, find_dir, &m);
    for (long i = 0; i < m.id.n && !rc; i++)
        if (!strncmp(m.dir.v[i], runs, n))
            rc = s->store->note(s->db, m.id.v[i], "strix:dir",
                                sx_json_text(s->arena, sx_format(s->arena, "%s%s", to, m.dir.v[i] + n)));
    return sx_study_told(s, rc, d);
}

/* The runs that confirm a study go with it. */
static int move_confirm(sx_study *s, const sx_exp *e, const char *aside, sx_diags *d)
{
    sx_arena *a = s->arena;
    sx_study_row row;
    const char *ending = aside + strlen(s->name);
    const int none = s->store->find(s->db, sx_format(a, "%s.confirm", s->name), &s->id, &row);
    if (none) return none == SX_E_DATA ? 0 : sx_study_told(s, none, d);
    const int rc = sx_study_told(s, s->store->rename(s->db, s->id, sx_format(a, "%s.confirm", aside)), d);
    return rc ? rc : move_runs(s, sx_format(a, "%s.confirm", e->study.runs),
                               sx_format(a, "%s%s.confirm", e->study.runs, ending), d);
}

int sx_study_put_aside(sx_arena *a, sx_registry *r, const sx_exp *e, const char **aside, sx_diags *d)
{
    sx_study s = { .arena = sx_arena_open(a), .registry = r, .url = e->study.store, .name = e->study.name };
    sx_study_row row;
    int64_t other;
    *aside = NULL;
    int rc = open_store(&s, true, true, d), none = rc;
    if (!rc && (none = s.store->find(s.db, s.name, &s.id, &row)) != SX_E_DATA)
        rc = sx_study_told(&s, none, d);
    if (!none) {
        int i = 1;
        do *aside = sx_format(a, "%s.%d", s.name, i);
        while (!(none = s.store->find(s.db, *aside, &other, &row)) && ++i < 100000);
        if (none == SX_E_DATA) none = s.store->rename(s.db, s.id, *aside);
        rc = sx_study_told(&s, none, d);
        const char *runs = sx_format(s.arena, "%s%s", e->study.runs, *aside + strlen(s.name));
        if (!rc) rc = move_runs(&s, e->study.runs, runs, d);
        if (!rc) rc = move_confirm(&s, e, *aside, d);
    }
    sx_arena_close(s.arena);
    return rc;
}
