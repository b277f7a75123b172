/* tune.c: strix tune: creates or continues a study, runs its workers, shows the best trial and what it does
 * on the test part. */
#include "crew.h"
#include "report.h"
#include "study_verb.h"
#include <stdlib.h>
#include <string.h>

typedef struct { long complete, pruned, failed, running, all; } counts;

static counts count(const sx_trial_row *const *row, long n)
{
    counts k = { .all = n < 0 ? 0 : n };
    for (long i = 0; i < n; i++) {
        k.complete += row[i]->t.fate == SX_DONE;
        k.pruned += row[i]->t.fate == SX_PRUNED;
        k.failed += row[i]->t.fate == SX_FAILED;
    }
    k.running = k.all - k.complete - k.pruned - k.failed;
    return k;
}

/* --- The best net on the test part --- */

typedef struct { bool there; sx_net *net; long rows; sx_tally tally; sx_verdicts *verdicts; } tested;

static int open_set(cli_context *c, const sx_exp *e, const sx_machine *m, void *ctx, sx_data **data)
{
    (void)ctx;
    return sx_data_open(c->arena, e, m, true, data, &c->diags);
}

static int test_best(cli_context *c, const sx_trial_row *best, tested *t)
{
    const char *weights = best->dir ? cli_run_weights(c, best->dir) : NULL;
    *t = (tested){ 0 };
    if (!weights || !sx_file_exists(weights)) return 0;
    c->edits = (sx_edits){ 0 };                  /* the run's file has them already */
    int rc = cli_open_run(c, best->dir, open_set, NULL, &t->net);
    if (rc) return rc;
    const sx_data *data = sx_net_data(t->net);
    t->rows = data->shape.test;
    if (t->rows) rc = cli_verdicts(c, t->net, data->test, t->rows, &t->tally, &t->verdicts);
    t->there = !rc && t->rows;
    return rc;
}

/* Of several objectives: the trials that no other one beats in all of them. */
typedef struct { const sx_trial_row *const *row; long n; } front;

static void print_front(cli_context *c, const sx_exp *e, const front *f)
{
    if (e->tune.objectives < 2) return;
    printf("front of %s:\n", sx_plural(c->arena, f->n, "trial"));
    for (long i = 0; i < f->n; i++)
        printf("  trial %-5ld %s\n", f->row[i]->t.number, study_worth(c, e, f->row[i]));
}

static json_t *front_json(const sx_exp *e, const front *f)
{
    const sx_tune_conf *t = &e->tune;
    json_t *list = json_array();
    for (long i = 0; i < f->n; i++) {
        json_t *o = json_pack("{s:I}", "number", (json_int_t)f->row[i]->t.number), *of = json_object();
        for (long k = 0; k < t->objectives; k++) cli_json_real(of, t->objective[k], f->row[i]->t.value[k]);
        json_object_set_new(o, "objectives", of);
        json_array_append_new(list, o);
    }
    return list;
}

static void print_text(cli_context *c, sx_study *s, const sx_trial_row *best, const front *f, const counts *k,
                       const tested *t)
{
    const sx_exp *e = sx_study_exp(s);
    json_t *values = json_loads(best->values ? best->values : "{}", 0, NULL), *v;
    const char *name;
    printf("study %s: %s, %ld complete, %ld pruned, %ld failed%s\n", sx_study_name(s),
           sx_plural(c->arena, k->all, "trial"), k->complete, k->pruned, k->failed,
           k->running ? sx_format(c->arena, ", %ld unfinished", k->running) : "");
    print_front(c, e, f);
    printf("best trial %ld: %s\n", best->t.number, study_worth(c, e, best));
    json_object_foreach(values, name, v) {
        char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        printf("  %-16s %s\n", name, json_is_string(v) ? json_string_value(v) : text ? text : "");
        free(text);
    }
    json_decref(values);
    if (best->dir) printf("run: %s\n", best->dir);
    if (!t->there) return;
    printf("\ntest  %s  loss %.4f", sx_plural(c->arena, t->rows, "row"), t->tally.loss);
    for (long i = 0; i < e->train.values; i++)
        printf("  %s %.4f", e->train.value[i].name, t->tally.metric[i]);
    printf("\n");
    cli_verdicts_print(c, t->net, t->verdicts, false);
}

static void print_json(cli_context *c, sx_study *s, const sx_trial_row *best, const front *f, const counts *k,
                       const tested *t)
{
    const sx_exp *e = sx_study_exp(s);
    json_t *doc =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "study", sx_study_name(s), "store", sx_study_url(s),
                  "trials", (json_int_t)k->all, "complete", (json_int_t)k->complete, "pruned",
                  (json_int_t)k->pruned, "failed", (json_int_t)k->failed);
    json_t *b =
        best ? json_pack("{s:I, s:s?}", "number", (json_int_t)best->t.number, "dir", best->dir) : json_null();
    if (best) {
        cli_json_real(b, "value", *best->t.value);
        json_object_set_new(b, "values", json_loads(best->values, 0, NULL));
    }
    json_object_set_new(doc, "objective", json_string(e->tune.objective[0]));
    json_object_set_new(doc, "best", b);
    if (e->tune.objectives > 1) json_object_set_new(doc, "front", front_json(e, f));
    if (t->there) {
        json_t *o = json_pack("{s:I}", "rows", (json_int_t)t->rows);
        cli_verdicts_json(c, o, t->net, t->verdicts, false);
        cli_json_real(o, "loss", t->tally.loss);
        for (long i = 0; i < e->train.values; i++)
            cli_json_real(o, e->train.value[i].name, t->tally.metric[i]);
        json_object_set_new(doc, "test", o);
    }
    cli_json_print(c, doc);
}

static const char *place(cli_context *c, const sx_diag *g)
{
    return g->where.file ? sx_format(c->arena, "%s:%d: %s", g->where.file, g->where.line, g->text) : g->text;
}

/* How many suggestions became no trials, and why: a part of the space may be missing from the search. */
static void tell_refusals(cli_context *c, const sx_refusals *r)
{
    const char *why = "";
    if (!r->broken && !r->unbuilt) return;
    if (r->unbuilt)
        why = sx_format(c->arena, "; %ld made no net (the first: %s)", r->unbuilt, place(c, &r->net));
    if (r->broken)
        why = sx_format(c->arena, "%s; %ld broke constraints (the first: %s)", why, r->broken, r->rule.text);
    cli_note(c, "%s refused%s", sx_plural(c->arena, r->broken + r->unbuilt, "suggestion"), why);
}

/* No suggestion became a trial: why the first one did not. */
static int tell_none(cli_context *c, const sx_refusals *r)
{
    if (r->net.text) {
        sx_diags_add(&c->diags, SX_E_CONFIG, &r->net);
        sx_detail(&c->diags,
                  "%s%sThat is why the first of %ld suggestions was refused, and no trial was begun.",
                  r->net.detail ? r->net.detail : "", r->net.detail ? " " : "", r->broken + r->unbuilt);
        return SX_E_CONFIG;
    }
    cli_fail(c, SX_E_REFUSED, "no trial was completed, of 0");
    if (r->rule.text) sx_detail(&c->diags, "The first suggestion: %s.", r->rule.text);
    return 1;
}

/* What the study has come to; 1: no trial was completed. */
static int finish(cli_context *c, sx_study *s, bool stopped)
{
    const sx_trial_row *const *row;
    tested t = { 0 };
    const long n = sx_study_brief(s, c->arena, &row, &c->diags);
    if (n < 0) return (int)n;
    const counts k = count(row, n);
    if (n) tell_refusals(c, sx_study_refusals(s));
    const sx_trial_row *best;
    front f = { 0 };
    int rc = study_find_best(c, s, &best);
    if (!rc && sx_study_exp(s)->tune.objectives > 1) f.n = sx_study_front(s, c->arena, &f.row, &c->diags);
    if (rc || f.n < 0) return rc ? rc : (int)f.n;
    rc = best ? test_best(c, best, &t) : 0;
    if (c->json) print_json(c, s, best, &f, &k, &t);
    else if (best) print_text(c, s, best, &f, &k, &t);
    if (best || c->stop || stopped) return rc;
    if (!n) return tell_none(c, sx_study_refusals(s));
    const char *why = NULL;
    for (long i = n - 1; i >= 0 && !why; i--) why = row[i]->reason;
    cli_fail(c, SX_E_REFUSED, "no trial was completed, of %ld", n);
    if (why) sx_detail(&c->diags, "The latest reason: %s", why);
    return 1;
}

/* --trials is tune.trials by another name, so that workers elsewhere know it too. */
static void edit_trials(cli_context *c)
{
    const long trials = cli_long(c, "trials", 0);
    if (!trials) return;
    const char **set = sx_alloc_array(c->arena, (size_t)c->edits.n_set + 1, sizeof *set);
    if (c->edits.n_set) memcpy(set, c->edits.set, (size_t)c->edits.n_set * sizeof *set);
    set[c->edits.n_set] = sx_format(c->arena, "tune.trials=%ld", trials);
    c->edits.set = set;
    c->edits.n_set++;
}

/* false: nothing is left to do. */
static bool tell_start(cli_context *c, sx_study *s, long budget)
{
    const sx_trial_row *const *row;
    const long n = sx_study_brief(s, c->arena, &row, &c->diags);
    const counts k = count(row, n);
    const long done = k.all - k.running;
    if (done >= budget)
        cli_note(c, "study %s is complete, %ld of %s done; --trials N adds more, --fresh begins anew",
                 sx_study_name(s), done, sx_plural(c->arena, budget, "trial"));
    else if (k.all)
        cli_note(c, "study %s goes on, %ld of %s done", sx_study_name(s), done,
                 sx_plural(c->arena, budget, "trial"));
    return done < budget;
}

/* 0: auto; -1: neither that nor a number. */
static long jobs_wanted(cli_context *c)
{
    const char *text = cli_text(c, "jobs", "1");
    const long jobs = strtol(text, NULL, 10);
    if (!strcmp(text, "auto")) return 0;
    return text[strspn(text, "0123456789")] || jobs < 1 || jobs > 1024 ? -1 : jobs;
}

static int search(cli_context *c, const sx_exp *e, sx_study *s)
{
    const bool goes_on = tell_start(c, s, e->tune.trials);
    crew_share share = { .jobs = (int)jobs_wanted(c) };
    int rc = share.jobs || !goes_on ? 0 : crew_divide(c, s, &share);
    if (rc) return rc;
    if (!share.jobs) share.jobs = 1;
    crew_want w = { .study = s,
                    .jobs = (int)(share.jobs < e->tune.trials ? share.jobs : e->tune.trials),
                    .threads = share.threads,
                    .seconds = cli_real(c, "time", e->tune.time) };
    w.progress = crew_progress(c, s);
    rc = sx_study_stop(s, false, &c->diags);
    if (!rc) rc = sx_work_revive(s, 0, &c->diags);
    if (!rc) rc = crew_run(c, &w);
    cli_progress_close(w.progress);
    if (rc && rc != SX_E_STOPPED) return rc;
    bool stopped = false;
    const int unknown = rc ? 0 : sx_study_stopped(s, &stopped, &c->diags);
    if (unknown) return unknown;
    if (rc) cli_note(c, "stopped; the same command goes on");
    if (stopped) cli_note(c, "stopped by `strix study stop`; the same command goes on");
    const int bad = finish(c, s, stopped);
    return rc ? rc : bad;
}

static int tell_plan(cli_context *c, const sx_exp *e)
{
    const int axes = e->domain->space.n;
    if (c->json)
        cli_json_print(c, json_pack("{s:s, s:s, s:I, s:i, s:s}", "study", e->study.name, "store",
                                    e->study.store, "trials", (json_int_t)e->tune.trials, "axes", axes,
                                    "objective", e->tune.objective[0]));
    else
        printf("study %s in %s: %s, %s, best by %s\n", e->study.name, e->study.store,
               sx_plural(c->arena, e->tune.trials, "trial"), sx_plural(c->arena, axes, "axis"),
               e->tune.objective[0]);
    return 0;
}

static int run(cli_context *c)
{
    sx_exp *e;
    sx_study *s;
    const char *aside = NULL;
    if (jobs_wanted(c) < 0)
        return cli_usage(c, "--jobs is '%s', not a number from 1 to 1024 or auto", cli_text(c, "jobs", ""));
    edit_trials(c);
    int rc = cli_load_experiment(c, c->arg[0], &e);
    if (rc) return rc;
    cli_warn_vars(c, e);
    cli_warn_freeze(c, e);
    if ((rc = study_look_over(c, e))) return rc;
    if (c->dry_run) return tell_plan(c, e);
    if (cli_flag(c, "fresh")) rc = sx_study_put_aside(c->arena, cli_registry(c), e, &aside, &c->diags);
    if (aside) cli_note(c, "the study so far is now called %s", aside);
    if (!rc) rc = sx_study_open(c->arena, cli_registry(c), e, NULL, NULL, true, &s, &c->diags);
    if (rc) return rc;
    cli_flush(c);                                /* what is to be known before hours of search */
    return search(c, e, s);
}

static const cli_option options[] = {
    { "trials", 0, CLI_LONG, "N", "trials of the study in all (default: tune.trials)", 1, 1e9 },
    { "time", 0, CLI_TIME, "T", "start no trial after this time (default: tune.time)", 0, 0 },
    { "jobs", 'j', CLI_TEXT, "N",
      "worker processes (default: 1); auto: as many as measurement shows best, with"
      " the threads divided among them",
      0, 0 },
    { "fresh", 0, CLI_FLAG, NULL, "set an existing study of that name aside, and begin anew", 0, 0 },
    CLI_END
};

const cli_verb verb_tune = { .name = "tune",
                             .args = "FILE",
                             .doc = "create or continue a search",
                             .least = 1,
                             .most = 1,
                             .options = options,
                             .run = run };
