/* study_verb.c: strix study: finds the study that is meant and the action, a function of another file. */
#include "study_verb.h"
#include <string.h>

/* --- Which study --- */

/* What has a folder or an ending is a file; studies are named by words. */
static bool is_file(const char *name)
{
    const size_t n = strlen(name);
    return strchr(name, '/') || (n > 4 && !strcmp(name + n - 4, ".cfg"));
}

static bool has_edits(const cli_context *c)
{
    return c->has_seed || c->edits.n_set + c->edits.n_unset + c->edits.n_extends;
}

int study_load(cli_context *c, const char *file, sx_exp **e)
{
    sx_conf *root = NULL;
    int rc = sx_config_load(c->arena, file, &c->edits, &root, &c->diags);
    if (rc) return rc;
    rc = sx_conf_member(root, "model") ? sx_exp_open(c->arena, cli_registry(c), root, file, e, &c->diags)
                                       : sx_search_open(c->arena, cli_registry(c), root, file, e, &c->diags);
    if (!rc && c->has_seed) (*e)->tune.seed = c->seed;
    return rc;
}

/* Other errors than this may be those of the one point that is looked at, where there are others. */
int study_look_over(cli_context *c, const sx_exp *e)
{
    sx_diags own;
    sx_diags_init(&own, c->arena);
    sx_diag why;
    const bool alone = !e->search && !e->domain->space.n;
    const int rc = e->tune.known.n || alone ? sx_exp_constraints(c->arena, e, NULL, &why, &own) : 0;
    if (rc == SX_E_REFUSED && alone) {
        sx_diags_add(&c->diags, SX_E_CONFIG, &why);
        return SX_E_CONFIG;
    }
    return rc == SX_E_CONFIG ? sx_diags_pass(&own, rc, &c->diags) : 0;
}

/* arg 1 is the name of a study or an experiment file; a file's study is made where `make` and it is not there
 * yet. */
static int open_study(cli_context *c, bool write, bool make, sx_study **s)
{
    const char *what = c->args > 1 ? c->arg[1] : cli_text(c, "study", NULL),
               *url = cli_text(c, "store", NULL);
    sx_exp *e = NULL;
    if (!what) return cli_usage(c, "study %s needs the name of a study, or its experiment file", c->arg[0]);
    if (!is_file(what) && has_edits(c))
        return cli_usage(c,
                         "--set, --unset, --extends and --seed are about an experiment file; '%s' is a study",
                         what);
    int rc = is_file(what) ? study_load(c, what, &e) : 0;
    if (!rc && e && make) rc = study_look_over(c, e);
    if (rc) return rc;
    if (!e && !url) url = sx_format(c->arena, "sqlite:studies/%s.db", what);
    if (make && !c->dry_run)
        rc = sx_study_open(c->arena, cli_registry(c), e, url, e ? NULL : what, write, s, &c->diags);
    else
        rc = sx_study_open(c->arena, cli_registry(c), NULL, url ? url : e->study.store,
                           e ? e->study.name : what, write, s, &c->diags);
    return rc || e || !make ? rc : study_look_over(c, sx_study_exp(*s));
}

/* --- The verb --- */

/* write: changes the study; make: makes an experiment file's study that is not there yet; most: words */
static const struct { const char *name; bool write, make; int most; study_action *run; } actions[] = {
    { "show", false, false, 2, study_show },     { "best", false, false, 2, study_best },
    { "trials", false, false, 2, study_trials }, { "replay", false, false, 2, study_replay },
    { "ask", true, true, 2, study_ask },         { "tell", true, false, 67, study_tell },
    { "create", true, true, 2, study_create },   { "add", true, true, 1000, study_add },
    { "stop", true, false, 2, study_stop },
    { "resume", true, false, 2, study_resume },  { "skip", true, false, 1000, study_skip },
    { "importance", false, false, 2, study_importance },
    { "confirm", true, false, 2, study_confirm },
};

/* The word before the colon of an option's text is the action that takes it. */
static int check_options(cli_context *c)
{
    for (long i = 0; i < c->given.n; i++) {
        const cli_option *o = c->given.v[i].option;
        const size_t word = strcspn(o->doc, ": ");
        if (o->doc[word] == ':' && (strlen(c->arg[0]) != word || strncmp(o->doc, c->arg[0], word)))
            cli_usage(c, "--%s is an option of study %.*s", o->name, (int)word, o->doc);
    }
    const char *named = cli_text(c, "study", NULL);
    const bool import = !strcmp(c->arg[0], "import");
    if (named && c->args > 1 && !import && strcmp(named, c->arg[1]))
        cli_usage(c, "two studies are named: %s and --study %s", c->arg[1], named);
    if (import && !cli_text(c, "space", NULL) && has_edits(c))
        cli_usage(c, "--set, --unset, --extends and --seed are about an experiment file; "
                     "none is named with --space");
    if (c->json && cli_flag(c, "csv")) cli_usage(c, "--csv and --json exclude each other");
    if (c->json && cli_flag(c, "python")) cli_usage(c, "--python prints a program, no JSON");
    return c->diags.errors ? SX_E_USAGE : 0;
}

static int check_action(cli_context *c)
{
    const char *names[sizeof actions / sizeof *actions + 2] = { "list", "import" };
    long n = 2;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) names[n++] = actions[i].name;
    for (long i = 0; i < n; i++) if (!strcmp(c->arg[0], names[i])) return 0;
    const char *near = sx_nearest(c->arg[0], names, n);
    cli_usage(c, "study has no '%s'", c->arg[0]);
    if (near) sx_hint(&c->diags, "Did you mean '%s'?", near);
    return SX_E_USAGE;
}

static int run(cli_context *c)
{
    if (check_action(c) || check_options(c)) return SX_E_USAGE;
    if (!strcmp(c->arg[0], "list"))
        return c->args > 1 || cli_text(c, "study", NULL) ? cli_usage(c, "study list takes --store, no names")
                                                         : study_list(c);
    if (!strcmp(c->arg[0], "import"))
        return c->args != 2 ? cli_usage(c, "study import takes one file or store") : study_import(c);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(c->arg[0], actions[i].name)) continue;
        if (c->args > actions[i].most)
            return cli_usage(c, "study %s takes at most %s", c->arg[0],
                             sx_plural(c->arena, actions[i].most - 1, "argument"));
        const bool add = !strcmp(c->arg[0], "add");
        if (add) study_words_of_sets(c);
        if (c->dry_run && actions[i].write && !add)
            return cli_usage(c, "study %s knows no --dry-run", c->arg[0]);
        sx_study *s;
        const int rc = open_study(c, actions[i].write, actions[i].make, &s);
        return rc ? rc : actions[i].run(c, s);
    }
    return SX_E_USAGE;
}

static const cli_option options[] = {
    { "store", 0, CLI_TEXT, "URL", "where the study is (default: sqlite:studies/NAME.db)", 0, 0 },
    { "study", 0, CLI_TEXT, "NAME", "its name, where no argument says it", 0, 0 },
    { "config", 0, CLI_FLAG, NULL, "best: print the experiment at that point", 0, 0 },
    { "trial", 0, CLI_LONG, "N", "best: of this trial instead", 0, 1e15 },
    { "python", 0, CLI_FLAG, NULL, "show: print a worker for Optuna in Python", 0, 0 },
    { "csv", 0, CLI_FLAG, NULL, "trials: as comma-separated values", 0, 0 },
    { "replay", 0, CLI_FLAG, NULL, "trials: ask again for every suggestion, and compare", 0, 0 },
    { "state", 0, CLI_TEXT, "STATE", "tell: complete, pruned or fail", 0, 0 },
    { "reason", 0, CLI_TEXT, "TEXT", "tell: why it failed or was pruned", 0, 0 },
    { "top", 0, CLI_LONG, "N", "confirm: how many of the best trials (default: 3)", 1, 10000 },
    { "seeds", 0, CLI_LONG, "N", "confirm: runs of each, from new random numbers (default: 5)", 1, 10000 },
    { "jobs", 'j', CLI_LONG, "N", "confirm: worker processes (default: 1)", 1, 1024 },
    { "time", 0, CLI_TIME, "T", "confirm: start no run after this time", 0, 0 },
    { "method", 0, CLI_TEXT, "NAME", "importance: ped-anova (default) or fanova", 0, 0 },
    { "space", 0, CLI_TEXT, "FILE", "import: experiment whose study takes the trials", 0, 0 },
    { "from", 0, CLI_TEXT, "NAME", "import: the study of the store, where it holds several", 0, 0 },
    { "value", 0, CLI_TEXT, "EXPR", "import: the objective from columns, as in \"sqrt(-loss)\"", 0, 0 },
    { "rename", 0, CLI_LIST, "OLD=NEW",
      "import: a variable's name, or VARIABLE:OLD=NEW a value (repeatable)", 0, 0 },
    { "defaults", 0, CLI_FLAG, NULL, "import: variables that the source lacks were as in vars", 0, 0 },
    { "indices", 0, CLI_FLAG, NULL, "import: choices are given by their place, 0, 1, ..", 0, 0 },
    { "objective", 0, CLI_TEXT, "NAME", "importance: for this one of several objectives", 0, 0 },
    CLI_END
};
static const char more[] =
    "Actions:\n"
    "  list                          studies of a store, or of all databases in ./studies\n"
    "  show, best, trials NAME       what a study holds; NAME may be its experiment file\n"
    "  replay NAME                   does the sampler suggest the same points again?\n"
    "  importance NAME               which variables decide how good a trial is\n"
    "  import FILE|URL --study NAME  trials of Optuna (a store, a CSV) or hyperopt (trials.csv) as a study's own\n"
    "  ask NAME                      a new trial as JSON {number, values}, to be run by the caller\n"
    "  tell NAME NUMBER VALUE        its result (VALUE may be left out with --state fail or pruned)\n"
    "  create FILE                   makes the study, for workers to join; nothing runs here\n"
    "  add NAME VARIABLE=VALUE ...   queue a point (or --set ...); the sampler chooses what is not named\n"
    "  add NAME FILE                 queue the points of a file: vars, points = ( { .. } ), or JSON\n"
    "  stop NAME                     no new trials; running ones are given back after their epoch\n"
    "  resume NAME                   undoes a stop, as the next strix tune does\n"
    "  skip NAME NUMBER ...          ends a trial as pruned; its worker leaves it after its epoch\n"
    "  confirm NAME                  trains the best trials again from new seeds: mean, spread, interval\n";

const cli_verb verb_study = { .name = "study",
                              .args = "ACTION [NAME] [...]",
                              .doc = "everything about a study",
                              .least = 1,
                              .most = -1,
                              .options = options,
                              .more = more,
                              .run = run };
