/* train_verb.c: strix train: one training in a run directory, then the result on the test part. */
#include "cli.h"
#include <string.h>

typedef struct {
    cli_context *c; cli_progress *progress; sx_exp *e; int64_t trial; const char *dir;
    long trained;                                /* epochs of this command */
} job;

static int report(void *ctx, const sx_epoch *e)
{
    if (e->again) return 0;
    ((job *)ctx)->trained++;
    cli_progress_epoch(((job *)ctx)->progress, -1, e);
    return 0;
}

static int pulse(void *ctx, long epoch, double share)
{
    cli_progress_pulse(((job *)ctx)->progress, -1, epoch, share);
    return 0;
}

/* --trial N: the experiment at the point of a stored trial. */
static int at_trial(job *j, const char *study, long number)
{
    cli_context *c = j->c;
    sx_study *s;
    int bad = sx_study_open(c->arena, cli_registry(c), NULL, j->e->study.store,
                            study ? study : j->e->study.name, false, &s, &c->diags);
    if (bad) return bad;
    const sx_trial_row *row = sx_study_numbered(s, c->arena, number, &c->diags);
    if (!row) return sx_diags_code(&c->diags);
    const double *was;
    if ((bad = sx_study_point(s, c->arena, row, &was, &c->diags))) return bad;
    sx_named *named;
    const long values = sx_domain_values(c->arena, sx_study_exp(s)->domain, was, &named);
    double *x = sx_alloc_array(c->arena, (size_t)j->e->domain->space.n + 1, sizeof *x);
    bad = sx_domain_point(c->arena, j->e->domain, named, values, j->e->scope, x, &c->diags);
    j->trial = number;
    return bad ? bad : sx_exp_at(c->arena, j->e, x, &j->e, &c->diags);
}

/* runs/convstrix28-1a2b3c4d: the same file with the same edits comes back to its own directory. */
static const char *default_dir(const job *j)
{
    const char *file = j->e->file, *slash = strrchr(file, '/');
    if (slash) file = slash + 1;
    const size_t stem = strcspn(file, ".");
    const unsigned hash = (unsigned)(sx_conf_hash(j->e->root) & 0xffffffffu);
    const char *trial = j->trial ? sx_format(j->c->arena, "-%ld", (long)j->trial) : "";
    return sx_format(j->c->arena, "runs/%.*s-%08x%s", (int)stem, file, hash, trial);
}

static json_t *metrics_json(long n, const char *const *name, const double *value)
{
    json_t *o = json_object();
    for (long i = 0; i < n; i++) cli_json_real(o, name[i], value[i]);
    return o;
}

static void print_text(const job *j, const sx_outcome *o, const sx_tally *test)
{
    printf("best epoch %ld of %ld:", o->best_epoch, o->epochs);
    for (long i = 0; i < o->n; i++) printf("  %s %.4f", o->name[i], o->value[i]);
    putchar('\n');
    if (test) {
        printf("test:  loss %.4f", test->loss);
        for (long i = 0; i < j->e->train.values; i++)
            printf("  %s %.4f", j->e->train.value[i].name, test->metric[i]);
        putchar('\n');
    }
    printf("%s in %s\n", cli_seconds(j->c->arena, o->seconds), j->dir);
}

static void print_json(const job *j, const sx_outcome *o, const sx_tally *test)
{
    json_t *metrics = metrics_json(o->n, o->name, o->value);
    json_t *doc = json_pack("{s:s, s:I, s:I, s:b, s:o}", "dir", j->dir, "epochs", (json_int_t)o->epochs,
                            "best_epoch", (json_int_t)o->best_epoch, "early", o->early, "metrics", metrics);
    cli_json_real(doc, "wall_s", o->seconds);
    if (test) {
        json_t *t = json_object();
        cli_json_real(t, "loss", test->loss);
        for (long i = 0; i < j->e->train.values; i++)
            cli_json_real(t, j->e->train.value[i].name, test->metric[i]);
        json_object_set_new(doc, "test", t);
    }
    cli_json_print(j->c, doc);
}

/* --dry-run: everything was opened, nothing is written. */
static int print_plan(const job *j)
{
    const long epochs = j->e->train.epochs;
    if (j->c->json)
        cli_json_print(j->c, json_pack("{s:s, s:I, s:b}", "dir", j->dir, "epochs", (json_int_t)epochs,
                                       "dry_run", 1));
    else printf("%s would be trained in %s\n", sx_plural(j->c->arena, epochs, "epoch"), j->dir);
    return 0;
}

static bool has(const job *j, const char *name)
{
    return sx_file_exists(sx_format(j->c->arena, "%s/%s", j->dir, name));
}

/* What becomes of a training that lies there already. */
static void tell_start(const job *j)
{
    cli_context *c = j->c;
    const bool there = has(j, "last.safetensors") || has(j, "prev.safetensors"), done = has(j, "result.json");
    if (cli_flag(c, "resume") && !there)
        sx_warn(&c->diags, SX_NOWHERE, "there is nothing to resume in %s; the training begins anew", j->dir);
    if (!cli_flag(c, "resume") && there)
        cli_note(c, "%s holds %s; it is replaced (%s)", j->dir,
                 done ? "a finished training" : "a training that was stopped",
                 done ? "--dir DIR keeps both" : "--resume goes on with it, --dir DIR keeps both");
    cli_flush(c);
}

static int train(job *j, sx_net *net, const sx_data *data)
{
    cli_context *c = j->c;
    sx_outcome o;
    sx_tally test;
    const sx_train_want want = { .dir = j->dir, .init = cli_text(c, "init", NULL),
                                 .resume = cli_flag(c, "resume"), .strict = true, .stop = &c->stop,
                                 .report = report, .ctx = j, .pulse = pulse, .pulse_ctx = j };
    tell_start(j);
    j->progress = cli_progress_open(c, &(cli_progress_want){ .title = j->dir });
    cli_progress_start(j->progress, -1, NULL, j->e->train.epochs);
    int bad = sx_train(c->arena, j->e, net, data, &want, &o, &c->diags);
    cli_progress_close(j->progress);
    if (bad == SX_E_STOPPED) sx_hint(&c->diags, "The same command with --resume goes on from there.");
    /* Tested are the weights that `eval` takes: of the best epoch, whether or not the training ends with
     * them. */
    if (!bad && o.best_epoch != o.epochs)
        bad = sx_ckpt_load(c->arena, cli_run_weights(c, j->dir), net, NULL, &c->diags);
    if (!bad && data->shape.test)
        bad = sx_net_eval(net, data->test, data->shape.test, NULL, &test, NULL, &c->diags);
    if (bad) return bad;
    if (!j->trained && want.resume)
        cli_note(c, "%s was finished already; without --resume it begins anew", j->dir);
    if (c->json) print_json(j, &o, data->shape.test ? &test : NULL);
    else print_text(j, &o, data->shape.test ? &test : NULL);
    return 0;
}

static int run(cli_context *c)
{
    job j = { .c = c };
    sx_machine *m;
    sx_data *data;
    sx_net *net;
    int bad = cli_load_experiment(c, c->arg[0], &j.e);
    if (!bad && cli_long(c, "trial", -1) >= 0)
        bad = at_trial(&j, cli_text(c, "study", NULL), cli_long(c, "trial", -1));
    if (bad) return cli_own_net(bad);
    cli_warn_freeze(c, j.e);
    j.dir = cli_text(c, "dir", default_dir(&j));
    if (cli_flag(c, "resume")) bad = sx_train_same(c->arena, j.dir, j.e, &c->diags);
    if (!bad) bad = cli_machine(c, &m);
    if (!bad) bad = sx_data_open(c->arena, j.e, m, true, &data, &c->diags);
    if (!bad) bad = sx_net_open(c->arena, j.e, m, data, j.e->tune.seed, j.trial, true, &net, &c->diags);
    if (bad) return cli_own_net(bad);
    return c->dry_run ? print_plan(&j) : train(&j, net, data);
}

static const cli_option options[] = {
    { "dir", 0, CLI_TEXT, "DIR", "run directory; default: runs/NAME-HASH", 0, 0 },
    { "resume", 0, CLI_FLAG, NULL, "go on from the checkpoint in the run directory", 0, 0 },
    { "init", 0, CLI_TEXT, "FILE", "first weights from a safetensors file", 0, 0 },
    { "study", 0, CLI_TEXT, "NAME", "study of --trial; default: that of FILE", 0, 0 },
    { "trial", 0, CLI_LONG, "N", "take the values of this trial of the study", 0, 1e9 },
    CLI_END
};

const cli_verb verb_train = {
    .name = "train", .args = "FILE", .doc = "one training; writes a run directory",
    .least = 1, .most = 1, .options = options, .run = run,
    .more = "The directory holds config.cfg, last, prev and best.safetensors, log.jsonl and result.json.\n"
            "The first Ctrl-C finishes the epoch and saves; --resume then ends with the same weights as a\n"
            "training that was not stopped." };
