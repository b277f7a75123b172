/* study_verb.c: strix study: what is in a store, and the samplers lent to shell scripts (ask, tell). */
#include "crew.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

/* --- Which study --- */

/* What has a folder or an ending is a file; studies are named by words. */
static bool is_file(const char *name)
{
    const size_t n = strlen(name);
    return strchr(name, '/') || (n > 4 && !strcmp(name + n - 4, ".cfg"));
}

/* An experiment file, or one that is a space alone. */
static int load(cli_context *c, const char *file, sx_exp **e)
{
    sx_conf *root = NULL;
    int rc = sx_config_load(c->arena, file, &c->edits, &root, &c->diags);
    if (rc) return rc;
    rc = sx_conf_member(root, "model") ? sx_exp_open(c->arena, cli_registry(c), root, file, e, &c->diags)
                                       : sx_search_open(c->arena, cli_registry(c), root, file, e, &c->diags);
    if (!rc && c->has_seed) (*e)->tune.seed = c->seed;
    return rc;
}

/* arg 1 is the name of a study or an experiment file; a file's study is made where `make` and it is not there
 * yet. */
static int open_study(cli_context *c, bool write, bool make, sx_study **s)
{
    const char *what = c->args > 1 ? c->arg[1] : cli_text(c, "study", NULL),
               *url = cli_text(c, "store", NULL);
    sx_exp *e = NULL;
    if (!what) return cli_usage(c, "study %s needs the name of a study, or its experiment file", c->arg[0]);
    int rc = is_file(what) ? load(c, what, &e) : 0;
    if (rc) return rc;
    if (!e && !url) url = sx_format(c->arena, "sqlite:studies/%s.db", what);
    if (make) return sx_study_open(c->arena, cli_registry(c), e, url, e ? NULL : what, write, s, &c->diags);
    return sx_study_open(c->arena, cli_registry(c), NULL, url ? url : e->study.store,
                         e ? e->study.name : what, write, s, &c->diags);
}

/* --- Rows --- */

static const char *state_of(const sx_trial_row *r)
{
    return r->waiting ? "waiting" : cli_fate_name(r->t.fate);
}
static double value_of(const sx_trial_row *r) { return r->t.value ? *r->t.value : NAN; }

static double seconds_of(const sx_trial_row *r)
{
    return r->started > 0 && r->ended > 0 ? r->ended - r->started : NAN;
}

static json_t *row_json(const sx_trial_row *r)
{
    json_t *values = r->values ? json_loads(r->values, 0, NULL) : NULL, *curve = json_array();
    json_t *o = json_pack("{s:I, s:s, s:s?, s:s?, s:s?, s:i, s:b}", "number", (json_int_t)r->t.number,
                          "state", state_of(r), "dir", r->dir, "reason", r->reason, "worker", r->worker,
                          "attempt", r->attempt, "queued", r->queued);
    cli_json_real(o, "value", value_of(r));
    cli_json_real(o, "started", r->started > 0 ? r->started : NAN);
    cli_json_real(o, "wall_s", seconds_of(r));
    json_object_set_new(o, "values", values ? values : json_object());
    for (long i = 0; i < r->t.steps; i++) {
        json_t *at = json_pack("{s:I}", "step", (json_int_t)r->t.step[i]);
        cli_json_real(at, "value", r->t.curve[i]);
        json_array_append_new(curve, at);
    }
    json_object_set_new(o, "reports", curve);
    return o;
}

static json_t *study_json(sx_study *s)
{
    const sx_exp *e = sx_study_exp(s);
    return json_pack("{s:s, s:s, s:s, s:s}", "study", sx_study_name(s), "store", sx_study_url(s), "objective",
                     e->tune.objective, "direction", e->tune.maximize ? "maximize" : "minimize");
}

/* --- list --- */

typedef struct { cli_context *c; const char *url; cli_table *table; json_t *list; } listing;

static void one_study(void *ctx, int64_t study, const char *name, long trials, double best, bool has_best)
{
    listing *l = ctx;
    (void)study;
    json_t *o = json_pack("{s:s, s:s, s:I}", "study", name, "store", l->url, "trials", (json_int_t)trials);
    cli_json_real(o, "best", has_best ? best : NAN);
    json_array_append_new(l->list, o);
    CLI_ROW(l->table, sx_strdup(l->c->arena, name), sx_format(l->c->arena, "%ld", trials),
            has_best ? sx_format(l->c->arena, "%.6g", best) : "", l->url);
}

static int list_store(listing *l, const char *url)
{
    cli_context *c = l->c;
    const char *colon = strchr(url, ':');
    if (!colon) return cli_usage(c, "store '%s' names no kind of store; write sqlite:%s", url, url);
    const sx_entry *e = sx_find(cli_registry(c), SX_KIND_STORE,
                                sx_strndup(c->arena, url, (size_t)(colon - url)), SX_NOWHERE, &c->diags);
    if (!e) return SX_E_PLUGIN;
    const sx_store *store = (const sx_store *)(const void *)e->item;
    sx_db *db = NULL;
    l->url = url;
    int rc = store->open(url, false, &db);
    if (!rc) rc = store->list(db, one_study, l);
    if (rc) cli_fail(c, rc, "%s", store->last_error());
    if (db) store->close(db);
    return rc;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* All of ./studies where no store is named; a damaged one is a warning there. */
static int list_folder(listing *l)
{
    cli_context *c = l->c;
    struct { const char **v; long n, cap; } names = { 0 };
    DIR *dir = opendir("studies");
    for (struct dirent *f; dir && (f = readdir(dir));) {
        const size_t n = strlen(f->d_name);
        if (n > 3 && !strcmp(f->d_name + n - 3, ".db"))
            SX_PUSH(c->arena, names, sx_format(c->arena, "sqlite:studies/%s", f->d_name));
    }
    if (dir) closedir(dir);
    if (names.n) qsort(names.v, (size_t)names.n, sizeof *names.v, by_name);
    int rc = 0;
    for (long i = 0; i < names.n; i++) {
        const int bad = list_store(l, names.v[i]);
        if (!rc) rc = bad;
    }
    return rc;
}

static int list(cli_context *c)
{
    listing l = { .c = c, .table = cli_table_open(c, "study|>trials|>best|store"), .list = json_array() };
    const char *url = cli_text(c, "store", NULL);
    const int rc = url ? list_store(&l, url) : list_folder(&l);
    if (c->json && !rc) cli_json_print(c, json_pack("{s:o}", "studies", l.list));
    else json_decref(l.list);
    if (!c->json && !(url && rc)) cli_table_print(l.table);
    return rc;
}

/* --- show, best, trials --- */

static int show(cli_context *c, sx_study *s)
{
    static const char *const states[] = { "complete", "pruned", "failed", "running", "paused", "waiting" };
    const sx_trial_row *const *row;
    const long n = sx_study_trials(s, c->arena, &row, &c->diags);
    if (n < 0) return (int)n;
    json_t *doc = study_json(s), *counts = json_object();
    for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
        long of = 0;
        for (long i = 0; i < n; i++) of += !strcmp(state_of(row[i]), states[k]);
        if (of) json_object_set_new(counts, states[k], json_integer(of));
    }
    const sx_trial_row *best = sx_study_best(s, c->arena, &c->diags);
    json_object_set_new(doc, "trials", json_integer(n));
    json_object_set_new(doc, "states", counts);
    json_object_set_new(doc, "axes", json_integer(sx_study_exp(s)->domain->space.n));
    json_object_set_new(doc, "best", best ? row_json(best) : json_null());
    if (c->json) { cli_json_print(c, doc); return 0; }
    printf("study      %s\nstore      %s\nobjective  %s, %s\ntrials     %ld", sx_study_name(s),
           sx_study_url(s), sx_study_exp(s)->tune.objective,
           sx_study_exp(s)->tune.maximize ? "maximize" : "minimize", n);
    const char *key;
    json_t *v;
    json_object_foreach(counts, key, v) printf(", %s %lld", key, (long long)json_integer_value(v));
    putchar('\n');
    if (best) printf("best       %.6g, trial %ld %s\n", *best->t.value, best->t.number, best->values);
    json_decref(doc);
    return 0;
}

static int show_best(cli_context *c, sx_study *s)
{
    const sx_trial_row *best = sx_study_best(s, c->arena, &c->diags);
    if (!best) return cli_fail(c, SX_E_STORE, "study '%s' has no complete trial", sx_study_name(s)), 1;
    if (cli_flag(c, "config")) {
        const sx_exp *e = sx_study_exp(s);
        sx_exp *at;
        if (e->search)
            return cli_fail(c, SX_E_CONFIG, "study '%s' has no experiment, only a space", sx_study_name(s));
        const int rc = sx_exp_at(c->arena, e, best->t.x, &at, &c->diags);
        if (!rc) fputs(sx_train_config(c->arena, at), stdout);
        return rc;
    }
    if (c->json) {
        json_t *doc = study_json(s);
        json_object_update_new(doc, row_json(best));
        cli_json_print(c, doc);
        return 0;
    }
    printf("trial %ld: %s %.6g\n%s\n", best->t.number, sx_study_exp(s)->tune.objective, *best->t.value,
           best->values);
    if (best->dir) printf("%s\n", best->dir);
    return 0;
}

/* RFC 4180: quotes where a comma, a quote or a line's end would mislead. */
static void put_csv(const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) { fputs(text, stdout); return; }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"') putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static const char *shown(cli_context *c, const json_t *v)
{
    if (json_is_string(v)) return json_string_value(v);
    if (!v || json_is_null(v)) return "";
    if (json_is_real(v)) return sx_real_text(c->arena, json_real_value(v));
    char *text = json_dumps(v, JSON_ENCODE_ANY);
    const char *kept = sx_strdup(c->arena, text ? text : "");
    free(text);
    return kept;
}

static const char *number_or_empty(cli_context *c, double v)
{
    return isnan(v) ? "" : sx_real_text(c->arena, v);
}

static int print_csv(cli_context *c, sx_study *s, const sx_trial_row *const *row, long n)
{
    const sx_space *space = &sx_study_exp(s)->domain->space;
    printf("number,state,value,started,wall_s");
    for (int i = 0; i < space->n; i++) { putchar(','); put_csv(space->axis[i]->name); }
    puts(",dir,reason");
    for (long k = 0; k < n; k++) {
        const sx_trial_row *r = row[k];
        json_t *values = r->values ? json_loads(r->values, 0, NULL) : NULL;
        printf("%ld,%s,%s,%s,%s", r->t.number, state_of(r), number_or_empty(c, value_of(r)),
               number_or_empty(c, r->started > 0 ? r->started : NAN), number_or_empty(c, seconds_of(r)));
        for (int i = 0; i < space->n; i++) {
            putchar(',');
            put_csv(shown(c, json_object_get(values, space->axis[i]->name)));
        }
        putchar(',');
        put_csv(r->dir ? r->dir : "");
        putchar(',');
        put_csv(r->reason ? r->reason : "");
        putchar('\n');
        json_decref(values);
    }
    return 0;
}

static int replay(cli_context *c, sx_study *s, const sx_trial_row *const *row, long n)
{
    long same = 0, other = 0, not_ours = 0;
    double *x = sx_alloc_array(c->arena, (size_t)sx_study_exp(s)->domain->space.n + 1, sizeof *x);
    json_t *differ = json_array();
    for (long i = 0; i < n; i++) {
        const int rc = sx_study_replay(s, row[i], x, &c->diags);
        if (rc < 0) { json_decref(differ); return rc; }
        same += rc == 0;
        other += rc == 1;
        not_ours += rc == 2;
        if (rc == 1) json_array_append_new(differ, json_integer(row[i]->t.number));
    }
    json_t *doc = study_json(s);
    json_object_update_new(doc, json_pack("{s:I, s:I, s:I}", "same", (json_int_t)same, "different",
                                      (json_int_t)other, "not_asked_here", (json_int_t)not_ours));
    json_object_set_new(doc, "differ", differ);
    if (c->json) cli_json_print(c, doc);
    else {
        printf("%ld suggestions are the same, %ld differ, %ld were not made by this sampler\n", same, other,
               not_ours);
        for (size_t i = 0; i < json_array_size(differ); i++)
            printf("trial %s differs\n", shown(c, json_array_get(differ, i)));
        json_decref(doc);
    }
    return other ? 1 : 0;
}

static int trials(cli_context *c, sx_study *s)
{
    const sx_trial_row *const *row;
    const long n = sx_study_trials(s, c->arena, &row, &c->diags);
    if (n < 0) return (int)n;
    if (cli_flag(c, "replay") || !strcmp(c->arg[0], "replay")) return replay(c, s, row, n);
    if (cli_flag(c, "csv")) return print_csv(c, s, row, n);
    json_t *list = json_array();
    cli_table *t = cli_table_open(c, ">trial|state|>value|>epochs|>time|values|reason");
    for (long i = 0; i < n; i++) {
        const sx_trial_row *r = row[i];
        if (c->json) { json_array_append_new(list, row_json(r)); continue; }
        CLI_ROW(t, sx_format(c->arena, "%ld", r->t.number), state_of(r),
                r->t.value ? sx_format(c->arena, "%.6g", *r->t.value) : "",
                sx_format(c->arena, "%ld", r->t.steps),
                isnan(seconds_of(r)) ? "" : cli_seconds(c->arena, seconds_of(r)), r->values,
                r->reason ? r->reason : "");
    }
    if (!c->json) { json_decref(list); cli_table_print(t); return 0; }
    json_t *doc = study_json(s);
    json_object_set_new(doc, "trials", list);
    cli_json_print(c, doc);
    return 0;
}

/* --- ask, tell, add --- */

static int ask(cli_context *c, sx_study *s)
{
    sx_claim claim;
    const int rc = sx_study_ask(s, c->arena, "ask", INFINITY, &claim, &c->diags);
    if (rc == 1 || rc == 2)
        return cli_fail(c, SX_E_EXHAUSTED, "study '%s' has no further point", sx_study_name(s)), 1;
    if (rc) return rc;
    printf("{\"number\": %ld, \"values\": %s}\n", claim.row.t.number, claim.row.values);
    return 0;
}

static bool read_real(const char *text, double *v)
{
    char *end;
    *v = strtod(text, &end);
    return end != text && !*end;
}

static int tell(cli_context *c, sx_study *s)
{
    const char *state = cli_text(c, "state", "complete");
    const bool fail = !strcmp(state, "fail") || !strcmp(state, "failed"), pruned = !strcmp(state, "pruned");
    double number, value = NAN;
    if (c->args < 3 || !read_real(c->arg[2], &number) || number < 0 || number != floor(number) ||
        number > 1e15)
        return cli_usage(c, "study tell needs the number of a trial");
    if (!fail && !pruned && strcmp(state, "complete"))
        return cli_usage(c, "--state is '%s', not complete, pruned or fail", state);
    if (c->args > 3 ? !read_real(c->arg[3], &value) : !fail && !pruned)
        return cli_usage(c, "study tell needs the value of trial %.0f", number);
    const bool nan = !fail && !pruned && isnan(value);
    return sx_study_tell_number(s, (long)number,
                                fail || nan ? SX_FAILED
                                : pruned    ? SX_PRUNED
                                            : SX_DONE,
                                value, cli_text(c, "reason", nan ? "the objective is not a number" : NULL),
                                &c->diags);
}

static sx_datum datum_of(const char *text)
{
    char *end;
    const long long i = strtoll(text, &end, 10);
    double r;
    if (*text && !*end) return (sx_datum){ .kind = SX_DATUM_INT, .i = i };
    if (read_real(text, &r)) return (sx_datum){ .kind = SX_DATUM_REAL, .r = r };
    if (!strcmp(text, "true") || !strcmp(text, "false"))
        return (sx_datum){ .kind = SX_DATUM_BOOL, .b = *text == 't' };
    return (sx_datum){ .kind = SX_DATUM_TEXT, .s = text };
}

static int add(cli_context *c, sx_study *s)
{
    struct { sx_named *v; long n, cap; } named = { 0 };
    long number;
    for (int i = 2; i < c->args; i++) {
        const char *equals = strchr(c->arg[i], '=');
        if (!equals) return cli_usage(c, "'%s' is not NAME=VALUE", c->arg[i]);
        SX_PUSH(c->arena, named,
                ((sx_named){ sx_strndup(c->arena, c->arg[i], (size_t)(equals - c->arg[i])),
                             datum_of(equals + 1) }));
    }
    const int rc = sx_study_add(s, named.v, named.n, &number, &c->diags);
    if (!rc) printf(c->json ? "{\"schema\": 1, \"number\": %ld}\n" : "trial %ld waits\n", number);
    return rc == SX_E_REFUSED ? SX_E_USAGE : rc;
}

/* --- The verb --- */

static const struct {
    const char *name;
    bool write, make;
    int most;
    int (*run)(cli_context *c, sx_study *s);
} actions[] = {
    { "show", false, false, 2, show },     { "best", false, false, 2, show_best },
    { "trials", false, false, 2, trials }, { "replay", false, false, 2, trials },
    { "ask", true, true, 2, ask },         { "tell", true, false, 4, tell },
    { "add", true, true, 1000, add },
};

static int run(cli_context *c)
{
    const char *names[16];
    long n = 0;
    if (!strcmp(c->arg[0], "list"))
        return c->args > 1 ? cli_usage(c, "study list takes --store, no names") : list(c);
    names[n++] = "list";
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        names[n++] = actions[i].name;
        if (strcmp(c->arg[0], actions[i].name)) continue;
        if (c->args > actions[i].most)
            return cli_usage(c, "study %s takes at most %d arguments", c->arg[0], actions[i].most - 1);
        sx_study *s;
        const int rc = open_study(c, actions[i].write, actions[i].make, &s);
        return rc ? rc : actions[i].run(c, s);
    }
    const char *near = sx_nearest(c->arg[0], names, n);
    cli_usage(c, "study has no '%s'", c->arg[0]);
    if (near) sx_hint(&c->diags, "Did you mean '%s'?", near);
    return SX_E_USAGE;
}

static const cli_option options[] = {
    { "store", 0, CLI_TEXT, "URL", "where the study is (default: sqlite:studies/NAME.db)", 0, 0 },
    { "study", 0, CLI_TEXT, "NAME", "its name, where no argument says it", 0, 0 },
    { "config", 0, CLI_FLAG, NULL, "best: print the experiment at that point", 0, 0 },
    { "csv", 0, CLI_FLAG, NULL, "trials: as comma-separated values", 0, 0 },
    { "replay", 0, CLI_FLAG, NULL, "trials: ask again for every suggestion, and compare", 0, 0 },
    { "state", 0, CLI_TEXT, "STATE", "tell: complete, pruned or fail", 0, 0 },
    { "reason", 0, CLI_TEXT, "TEXT", "tell: why it failed or was pruned", 0, 0 },
    CLI_END
};
static const char more[] =
    "Actions:\n"
    "  list                          studies of a store, or of all databases in ./studies\n"
    "  show, best, trials NAME       what a study holds; NAME may be its experiment file\n"
    "  replay NAME                   does the sampler suggest the same points again?\n"
    "  ask NAME                      a new trial as JSON {number, values}, to be run by the caller\n"
    "  tell NAME NUMBER VALUE        its result (VALUE may be left out with --state fail or pruned)\n"
    "  add NAME VARIABLE=VALUE ...   queue a point; the sampler chooses what is not named\n";

const cli_verb verb_study = { .name = "study",
                              .args = "ACTION [NAME] [...]",
                              .doc = "everything about a study",
                              .least = 1,
                              .most = -1,
                              .options = options,
                              .more = more,
                              .run = run };
