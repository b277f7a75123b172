/* import_source.c: trials read from a study in a store, or from tables that Optuna and hyperopt export. */
#include "import.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "study_verb.h"

/* --- --value --- */

static bool is_word(const char *s)
{
    for (const char *p = s; *p; p++)
        if (!isalpha((unsigned char)*p) && *p != '_' && (p == s || !isdigit((unsigned char)*p))) return false;
    return *s && !sx_reserved_name(s);
}

int import_value(cli_context *c, import_trial *t, const char *expr, const sx_named *named, long n)
{
    sx_scope *scope = sx_scope_open(c->arena, NULL, NULL);
    const sx_where where = { .file = "--value" };
    sx_datum v;
    for (long i = 0; i < n; i++)
        if (is_word(named[i].name)) scope = sx_scope_bind(c->arena, scope, named[i].name, named[i].value);
    const int rc = sx_eval(c->arena, expr, scope, where, &v, &c->diags);
    if (rc) { sx_detail(&c->diags, "That is %s.", t->place); return rc; }
    if (!sx_datum_is_number(&v))
        return sx_error(&c->diags, SX_E_USAGE, where, "gives %s, which is no number",
                        sx_datum_text(c->arena, &v));
    t->row.t.value = sx_dup(c->arena, &(double){ sx_datum_real(&v) }, sizeof(double));
    t->row.t.steps = 0;                          /* its curve is not in these terms */
    return 0;
}

/* --- A store --- */

typedef struct { cli_context *c; const char *only; long n; const char *names; } listed;

static void one_study(void *ctx, int64_t study, const char *name, long trials, double best, bool has_best)
{
    listed *l = ctx;
    (void)study, (void)trials, (void)best, (void)has_best;
    l->only = sx_strdup(l->c->arena, name);
    l->names = l->n++ ? sx_format(l->c->arena, "%s, %s", l->names, name) : l->only;
}

/* The name of the one study in a store. */
static int only_study(cli_context *c, const char *url, const char **name)
{
    listed l = { .c = c };
    const sx_store *store = sx_store_of(cli_registry(c), url, &c->diags);
    if (!store) return sx_diags_code(&c->diags);
    sx_db *db = NULL;
    int rc = store->open(url, false, &db);
    if (!rc) rc = store->list(db, one_study, &l);
    sx_store_told(store, rc, &c->diags);
    if (db) store->close(db);
    *name = l.only;
    if (rc || l.n == 1) return rc;
    if (!l.n) return cli_fail(c, SX_E_DATA, "%s holds no study", url);
    cli_usage(c, "%s holds %s; name one with --from", url, sx_plural(c->arena, l.n, "study"));
    sx_detail(&c->diags, "They are %s.", l.names);
    return SX_E_USAGE;
}

static void name_values(cli_context *c, import_trial *t)
{
    json_t *values = t->row.values ? json_loads(t->row.values, 0, NULL) : NULL, *v;
    const char *key;
    t->named = sx_alloc_array(c->arena, json_object_size(values) + 2, sizeof *t->named);
    json_object_foreach(values, key, v)
        t->named[t->n++] = (sx_named){ sx_strdup(c->arena, key), study_datum_of_json(c, v) };
    json_decref(values);
}

static int take_row(cli_context *c, import_source *out, const sx_trial_row *row, const char *study)
{
    const char *expr = cli_text(c, "value", NULL);
    import_trial t = { .row = *row,
                       .place =
                           sx_format(c->arena, "%s, study %s, trial %ld", out->name, study, row->t.number) };
    int rc = 0;
    if (row->waiting || row->t.fate == SX_RUNNING || row->t.fate == SX_PAUSED) {
        out->unfinished++;
        return 0;
    }
    name_values(c, &t);
    if (expr && row->t.value) {
        sx_named *all = sx_dup(c->arena, t.named, (size_t)(t.n + 1) * sizeof *all);
        all[t.n] = (sx_named){ "value", { .kind = SX_DATUM_REAL, .r = *row->t.value } };
        rc = import_value(c, &t, expr, all, t.n + 1);
    }
    if (!rc) SX_PUSH(c->arena, *out, t);
    return rc;
}

int import_store(cli_context *c, const char *url, const char *from, import_source *out)
{
    sx_study *s;
    const sx_trial_row *const *row;
    *out = (import_source){ .name = url };
    int rc = from ? 0 : only_study(c, url, &from);
    if (!rc) rc = sx_study_open(c->arena, cli_registry(c), NULL, url, from, false, &s, &c->diags);
    if (rc) return rc;
    out->exp = sx_study_exp(s);
    const long n = sx_study_trials(s, c->arena, &row, &c->diags);
    for (long i = 0; i < n && !rc; i++) rc = take_row(c, out, row[i], from);
    return n < 0 ? (int)n : rc;
}

/* --- A table --- */

typedef struct {
    cli_context *c; const csv *t; const sx_exp *e; const char *expr;
    long state, number, reason, start, end, started, wall, *value;          /* columns; -1: none */
    bool *role;                                  /* columns that are no variables */
} table;

static long first_of(table *w, const char *const *names)
{
    long at = -1;
    for (; *names && at < 0; names++) at = csv_column(w->t, *names);
    if (at >= 0) w->role[at] = true;
    return at;
}

/* The column of objective k: its own name, Optuna's value, value_NAME and values_K, hyperopt's loss. */
static int find_value(table *w, long k)
{
    const sx_tune_conf *tune = &w->e->tune;
    sx_arena *a = w->c->arena;
    const bool alone = tune->objectives == 1;
    const char *const names[] = { tune->objective[k], sx_format(a, "value_%s", tune->objective[k]),
                                  sx_format(a, "values_%ld", k), alone ? "value" : NULL, "objective", NULL };
    const sx_where where = { .file = w->t->file, .line = 1 };
    w->value[k] = first_of(w, names);
    if (w->value[k] >= 0 || w->expr) return 0;
    const long loss = alone ? first_of(w, (const char *const[]){ "loss", NULL }) : -1;
    if (loss >= 0 && !tune->maximize[k]) { w->value[k] = loss; return 0; }
    if (loss < 0) {
        sx_error(&w->c->diags, SX_E_DATA, where, "no column is the objective '%s'", tune->objective[k]);
        sx_hint(&w->c->diags, "Name the column so, or give an expression of columns with --value.");
    } else {
        sx_error(&w->c->diags, SX_E_DATA, where, "'loss' goes down, and the objective '%s' goes up",
                 tune->objective[k]);
        sx_hint(&w->c->diags, "Say what it is with --value \"-loss\", \"sqrt(-loss)\" or the like.");
    }
    return SX_E_DATA;
}

static int find_columns(table *w)
{
    static const char *const states[] = { "state", "status", NULL };
    static const char *const numbers[] = { "number", "tid", NULL };
    static const char *const others[] = { "duration", "feasible", "dir", "loss", "value", "" };
    int rc = 0;
    w->role = sx_alloc_array(w->c->arena, (size_t)w->t->columns, sizeof *w->role);
    w->value = sx_alloc_array(w->c->arena, (size_t)w->e->tune.objectives, sizeof *w->value);
    w->state = first_of(w, states);
    w->number = first_of(w, numbers);
    w->reason = first_of(w, (const char *const[]){ "reason", NULL });
    w->start = first_of(w, (const char *const[]){ "datetime_start", NULL });
    w->end = first_of(w, (const char *const[]){ "datetime_complete", NULL });
    w->started = first_of(w, (const char *const[]){ "started", NULL });
    w->wall = first_of(w, (const char *const[]){ "wall_s", NULL });
    for (long k = 0; k < w->e->tune.objectives && !rc; k++) rc = find_value(w, k);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        (void)first_of(w, (const char *const[]){ others[i], NULL });
    for (long i = 0; i < w->t->columns; i++)
        w->role[i] = w->role[i] || !strncmp(w->t->head[i], "user_attrs_", 11) ||
                     !strncmp(w->t->head[i], "system_attrs_", 13);
    return rc;
}

sx_datum import_datum(const char *text)
{
    char *end;
    if (!strcmp(text, "True") || !strcmp(text, "true")) return (sx_datum){ .kind = SX_DATUM_BOOL, .b = true };
    if (!strcmp(text, "False") || !strcmp(text, "false"))
        return (sx_datum){ .kind = SX_DATUM_BOOL, .b = false };
    const long long i = strtoll(text, &end, 10);
    if (!*end && i > INT64_MIN && i < INT64_MAX) return (sx_datum){ .kind = SX_DATUM_INT, .i = i };
    const double r = strtod(text, &end);
    if (!*end && isfinite(r)) return (sx_datum){ .kind = SX_DATUM_REAL, .r = r };
    return (sx_datum){ .kind = SX_DATUM_TEXT, .s = text };
}

static void name_cells(const table *w, const csv_row *row, import_trial *t)
{
    t->named = sx_alloc_array(w->c->arena, (size_t)w->t->columns + 1, sizeof *t->named);
    for (long i = 0; i < w->t->columns; i++) {
        const char *name = w->t->head[i];
        if (!strncmp(name, "params_", 7)) name += 7;
        if (!w->role[i] && *row->cell[i]) t->named[t->n++] = (sx_named){ name, import_datum(row->cell[i]) };
    }
}

/* With --value every cell may be asked for, loss and state, too. */
static int by_expression(const table *w, const csv_row *row, import_trial *t)
{
    sx_named *all = sx_alloc_array(w->c->arena, (size_t)w->t->columns + 1, sizeof *all);
    long n = 0;
    for (long i = 0; i < w->t->columns; i++) {
        const char *name = w->t->head[i];
        if (*row->cell[i])
            all[n++] =
                (sx_named){ !strncmp(name, "params_", 7) ? name + 7 : name, import_datum(row->cell[i]) };
    }
    return import_value(w->c, t, w->expr, all, n);
}

/* Every value a number: 0; none or NaN in one: 1; SX_E_DATA. */
static int read_values(const table *w, const csv_row *row, import_trial *t)
{
    const long n = w->e->tune.objectives;
    double *value = sx_alloc_array(w->c->arena, (size_t)n, sizeof *value);
    bool gone = false;
    for (long k = 0; k < n; k++) {
        const char *text = row->cell[w->value[k]];
        if (*text && !study_real(text, &value[k]))
            return sx_error(&w->c->diags, SX_E_DATA, (sx_where){ .file = w->t->file, .line = row->line },
                            "'%s' is '%.40s', which is no number", w->t->head[w->value[k]], text);
        gone |= !*text || isnan(value[k]);
    }
    if (!gone) t->row.t.value = value;
    return gone;
}

typedef struct { const char *word; sx_fate fate; } state;
static const state words[] = {
    { "COMPLETE", SX_DONE },   { "complete", SX_DONE }, { "ok", SX_DONE },         { "PRUNED", SX_PRUNED },
    { "pruned", SX_PRUNED },   { "FAIL", SX_FAILED },   { "fail", SX_FAILED },     { "failed", SX_FAILED },
    { "RUNNING", SX_RUNNING }, { "running", SX_RUNNING }, { "WAITING", SX_RUNNING },
    { "waiting", SX_RUNNING }, { "new", SX_RUNNING },     { "paused", SX_RUNNING },
    { "suspended", SX_RUNNING }
};

static int read_state(const table *w, const csv_row *row, sx_fate *fate)
{
    const char *text = w->state < 0 ? "ok" : row->cell[w->state];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(text, words[i].word)) { *fate = words[i].fate; return 0; }
    return sx_error(&w->c->diags, SX_E_DATA, (sx_where){ .file = w->t->file, .line = row->line },
                    "'%s' is '%.40s', not ok, fail, COMPLETE, PRUNED, FAIL or the like", w->t->head[w->state],
                    text);
}

/* "2026-11-23 18:36:41.177032", local time; 0: none. */
static double time_of(const csv_row *row, long column)
{
    struct tm t = { .tm_isdst = -1 };
    const char *rest = column < 0 ? NULL : strptime(row->cell[column], "%Y-%m-%d %H:%M:%S", &t);
    return rest ? (double)mktime(&t) + (*rest == '.' ? strtod(rest, NULL) : 0) : 0;
}

/* Optuna's two dates, or the seconds of `study trials --csv`. */
static void read_times(const table *w, const csv_row *row, sx_trial_row *r)
{
    double started, wall;
    r->started = time_of(row, w->start);
    r->ended = time_of(row, w->end);
    if (w->started < 0 || !study_real(row->cell[w->started], &started)) return;
    if (!(started > 0 && started < 1e11)) return;
    r->started = started;
    const bool lasted = w->wall >= 0 && study_real(row->cell[w->wall], &wall);
    if (lasted && wall >= 0 && wall < 1e11) r->ended = started + wall;
}

static int read_row(const table *w, const csv_row *row, import_source *out)
{
    import_trial t = { .line = row->line,
                       .place = sx_format(w->c->arena, "%s, line %d", w->t->file, row->line) };
    const char *reason = w->reason >= 0 ? row->cell[w->reason] : "";
    sx_trial *to = &t.row.t;
    t.row.reason = *reason ? reason : NULL;
    read_times(w, row, &t.row);
    to->number = row->line;
    if (w->number >= 0 && !study_number(row->cell[w->number], &to->number))
        return sx_error(&w->c->diags, SX_E_DATA, (sx_where){ .file = w->t->file, .line = row->line },
                        "'%s' is '%.40s', no number of a trial", w->t->head[w->number], row->cell[w->number]);
    int rc = read_state(w, row, &to->fate);
    if (rc) return rc;
    if (to->fate == SX_RUNNING) { out->unfinished++; return 0; }
    name_cells(w, row, &t);
    if (w->expr) rc = to->fate == SX_DONE ? by_expression(w, row, &t) : 0;
    else rc = read_values(w, row, &t);
    if (rc < 0) return rc;
    if (to->fate == SX_DONE && (rc == 1 || !to->value || isnan(*to->value))) {
        to->fate = SX_FAILED;
        if (!t.row.reason) t.row.reason = "it has no value";
    }
    SX_PUSH(w->c->arena, *out, t);
    return 0;
}

int import_csv(cli_context *c, const csv *t, const sx_exp *e, import_source *out)
{
    table w = { .c = c, .t = t, .e = e, .expr = cli_text(c, "value", NULL) };
    *out = (import_source){ .csv = true, .name = t->file };
    int first = find_columns(&w);
    if (first) return first;
    for (long i = 0; i < t->rows; i++) {
        const int rc = read_row(&w, &t->row[i], out);
        if (rc && !first) first = rc;
        if (rc && w.expr) break;                 /* it is wrong for every row */
    }
    return first;
}
