/* experiment.c: an experiment's tree -> resolved sections, for the values of `vars` or one point of its
 * space. Declared by tables as the settings of plugins are, so that ranges and messages are one. */
#include "model.h"
#include <stdlib.h>
#include <string.h>

static sx_where at(const sx_exp *e, const sx_conf *c)
{
    return c ? sx_conf_where(e->arena, c) : (sx_where){ .file = e->file };
}

int sx_exp_fill(sx_arena *a, const sx_param *params, const char *what, const sx_conf *group,
                const sx_scope *scope, void *out, sx_diags *d)
{
    const char **others = sx_alloc_array(a, (size_t)sx_conf_count(group) + 1, sizeof *others);
    long n = 0;
    for (const sx_conf *c = group ? group->first : NULL; c; c = c->next) if (c->name) others[n++] = c->name;
    return sx_param_fill(a, params, what, group, scope, others, out, d);
}

/* Member `name` of group, which must be a group itself; NULL where it is missing or wrong. */
static const sx_conf *section(const sx_exp *e, const sx_conf *group, const char *name, sx_diags *d)
{
    const sx_conf *c = sx_conf_member(group, name);
    if (!c || c->kind == SX_CONF_GROUP) return c;
    sx_error(d, SX_E_CONFIG, at(e, c), "'%s' is not a group", name);
    sx_hint(d, "Write %s = { ... };", name);
    return NULL;
}

static void item(const sx_exp *e, int kind, const sx_conf *c, const char *fallback, const char *const *also,
                 sx_use *out, sx_diags *d)
{
    const sx_entry *entry = NULL;
    void *params = NULL;
    if (!sx_param_item(e->arena, e->registry, kind, c, fallback, e->scope, also, &entry, &params, d))
        *out = (sx_use){ entry, params };
}

/* --- train --- */

const sx_param sx_train_params[] = {
    SX_INT(sx_train_conf, epochs, .def = 10, .min = 1, .max = 1000000,
           .doc = "passes over the training data, at most"),
    SX_INT(sx_train_conf, batch, .def = 32, .min = 1, .max = 1 << 20, .doc = "rows of a step"),
    SX_INT(sx_train_conf, eval_batch, .def = 0, .min = 0, .max = 1 << 20,
           .doc = "rows of a step of evaluation; 0: as batch"),
    SX_CHOICE(sx_train_conf, precision, .choices = (const char *const[]){ "f32", "tf32", "bf16", NULL },
              .doc = "type of activations and their gradients; tf32: f32 with shorter factors where there are units "
                     "for it"),
    SX_REAL(sx_train_conf, divergence, .def = 0, .min = 0, .max = 1e300,
            .doc = "a loss above this ends the training as diverged; 0: only one that is no number"),
    SX_CHOICE(sx_train_conf, recompute, .choices = (const char *const[]){ "auto", "none", "all", NULL },
              .doc = "values of the forward pass that the backward pass computes again rather than keeps: as few as "
                     "let a step fit the memory, none, or as many as take the least memory"),
    SX_REAL(sx_train_conf, memory, .def = 0, .min = 0, .max = 1e18,
            .doc = "bytes that a training may take, for recompute; 0: as many as the device has"),
    SX_END
};
const sx_param sx_optimizer_params[] = {
    SX_REAL(sx_train_conf, lr, .def = 1e-3, .min = 0, .max = 1e6, .flags = SX_LOG_SCALE,
            .doc = "learning rate"),
    SX_REAL(sx_train_conf, clip, .def = 0, .min = 0, .max = 1e30,
            .doc = "largest norm of all gradients together; 0: no limit"),
    SX_REAL(sx_train_conf, decay, .def = 0, .min = 0, .max = 1e6,
            .doc = "decoupled weight decay, as a share of lr"),
    SX_END
};
const sx_param sx_stop_params[] = {
    SX_TEXT(sx_train_conf, monitor, .text = "val_loss", .doc = "the value that should get better"),
    SX_INT(sx_train_conf, patience, .def = 5, .min = 1, .max = 1000000,
           .doc = "epochs without a better value before the end"),
    SX_REAL(sx_train_conf, min_delta, .def = 0, .min = 0, .max = 1e300, .doc = "what counts as better"),
    SX_BOOL(sx_train_conf, restore_best, .def = true, .doc = "end with the weights of the best epoch"),
    SX_END
};

/* One item or a list of them. Returns how many. */
static long items(const sx_exp *e, int kind, const sx_conf *c, const char *fallback, const char *what,
                  sx_use **out, sx_diags *d)
{
    enum { MOST = 8 };
    const bool list = c && c->kind == SX_CONF_LIST;
    const long n = list ? sx_conf_count(c) : 1;
    if (n > MOST) return sx_error(d, SX_E_CONFIG, at(e, c), "%ld %s, more than %d", n, what, MOST), 0;
    *out = sx_alloc_array(e->arena, (size_t)n + 1, sizeof **out);
    const sx_conf *one = list ? c->first : c;
    for (long i = 0; i < n; i++, one = one ? one->next : NULL)
        item(e, kind, one, fallback, NULL, &(*out)[i], d);
    return n;
}

static void train(sx_exp *e, sx_diags *d)
{
    static const char *const parts[] = { "loss", "optimizer", "metrics", "early_stop", NULL };
    static const char *const common[] = { "lr", "clip", "decay", "schedule", NULL };
    sx_train_conf *t = &e->train;
    const sx_conf *c = section(e, e->root, "train", d), *o = sx_conf_member(c, "optimizer");
    sx_param_fill(e->arena, sx_train_params, "train", c, e->scope, parts, t, d);
    if (!t->eval_batch) t->eval_batch = t->batch;
    sx_ends_outputs(e, d);
    sx_ends_losses(e, sx_conf_member(c, "loss"), d);
    item(e, SX_KIND_OPTIMIZER, o, "adam", common, &t->optimizer, d);
    const sx_conf *own = o && o->kind == SX_CONF_GROUP ? o : NULL;
    sx_exp_fill(e->arena, sx_optimizer_params, "optimizer", own, e->scope, t, d);
    item(e, SX_KIND_SCHEDULE, sx_conf_member(own, "schedule"), "constant", NULL, &t->schedule, d);
    t->metrics = items(e, SX_KIND_METRIC, sx_conf_member(c, "metrics"), "accuracy", "metrics", &t->metric, d);
    sx_ends_values(e, d);
    const sx_conf *stop = section(e, c, "early_stop", d);
    sx_param_fill(e->arena, sx_stop_params, "early_stop", stop, e->scope, NULL, t, d);
    t->early_stop = stop != NULL;
    t->restore_best = stop && t->restore_best;
}

/* --- dataset --- */

const sx_param sx_data_params[] = {
    SX_INT(sx_data_conf, limit, .def = 0, .min = 0, .max = 1e15, .doc = "rows used of each part; 0: all"),
    SX_END
};
struct split { double val; long seed; };
static const sx_param split_params[] = {
    SX_REAL(struct split, val, .def = 0.2, .min = 0, .max = 1, .flags = SX_OPEN_MAX,
            .doc = "share of the training rows for validation"),
    SX_INT(struct split, seed, .def = 1, .min = 0, .max = 0x1p62, .doc = "which rows these are"),
    SX_END
};

static void dataset(sx_exp *e, sx_diags *d)
{
    static const char *const common[] = { "split", "transform", "limit", NULL };
    const sx_conf *c = section(e, e->root, "dataset", d);
    if (!c) {
        if (!sx_conf_member(e->root, "dataset"))
            sx_error(d, SX_E_CONFIG, at(e, NULL), "the experiment has no 'dataset'");
        return;
    }
    struct split s = { 0 };
    item(e, SX_KIND_DATASET, c, NULL, common, &e->data.set, d);
    sx_exp_fill(e->arena, sx_data_params, "dataset", c, e->scope, &e->data, d);
    sx_param_fill(e->arena, split_params, "split", section(e, c, "split", d), e->scope, NULL, &s, d);
    e->data.val = s.val;
    e->data.split_seed = (uint64_t)s.seed;
    e->data.transform = section(e, c, "transform", d);
}

/* --- tune --- */

struct tune {
    long trials, seed, keep, replicas; double time, trial_time;
    int on_repeat; bool first, test;
    sx_texts objective, direction, constraints;
};
static const sx_param tune_params[] = {
    SX_INT(struct tune, trials, .def = 50, .min = 1, .max = 1e9,
           .doc = "trials of the study, failed ones included"),
    SX_REAL(struct tune, time, .def = 0, .min = 0, .max = 1e12, .flags = SX_TIME,
            .doc = "seconds, or \"15h\", after which no trial starts; 0: no limit"),
    SX_REAL(struct tune, trial_time, .def = 0, .min = 0, .max = 1e12, .flags = SX_TIME,
            .doc = "seconds, or \"2h\", that a trial may take; one that takes longer fails; 0: no limit"),
    SX_INT(struct tune, seed, .def = 1, .min = 0, .max = 0x1p62,
           .doc = "of the search and of each trial's random numbers"),
    SX_CHOICE(struct tune, on_repeat, .choices = (const char *const[]){ "resample", "replay", "rerun", NULL },
              .doc = "a point that was tried before: ask again, take its result, or train it again"),
    SX_INT(struct tune, keep, .def = 3, .min = 0, .max = 1e9,
           .doc = "trials, the best ones, of which weights are kept"),
    SX_INT(struct tune, replicas, .def = 1, .min = 1, .max = 1000,
           .doc = "trainings of each point, from different random numbers; the mean is what counts"),
    SX_BOOL(struct tune, test, .def = false,
            .doc = "each trial ends with a look at the test part (study confirm)"),
    SX_BOOL(struct tune, first, .def = true, .doc = "the first trial has the values of 'vars'"),
    SX_TEXTS(struct tune, objective, .text = "",
             .doc = "the value that is searched for, or several; val_ and the first metric where not given"),
    SX_TEXTS(struct tune, direction, .text = "",
             .doc = "of each objective: auto (up for metrics of which more is better, else down), minimize or "
                    "maximize"),
    SX_TEXTS(struct tune, constraints, .text = "",
             .doc = "expressions that must hold: checked before a trial starts, or measured at its end where "
                    "they name a metric or seconds"),
    SX_END
};

static void tune(sx_exp *e, sx_diags *d)
{
    static const char *const parts[] = { "sampler", "pruner", "space", NULL };
    static const char *const common[] = { "seed", NULL };
    static const sx_param sampler_params[] = {
        SX_INT(struct tune, seed, .def = -1, .min = 0, .max = 0x1p62, .doc = "instead of tune.seed"),
        SX_END
    };
    const sx_conf *c = section(e, e->root, "tune", d), *sampler = sx_conf_member(c, "sampler");
    const sx_conf *own = sampler && sampler->kind == SX_CONF_GROUP ? sampler : NULL;
    struct tune s = { 0 }, by_sampler = { 0 };
    sx_param_fill(e->arena, tune_params, "tune", c, e->scope, parts, &s, d);
    sx_exp_fill(e->arena, sampler_params, "sampler", own, e->scope, &by_sampler, d);
    item(e, SX_KIND_SAMPLER, sampler, "auto", common, &e->tune.sampler, d);
    e->tune.pruners =
        items(e, SX_KIND_PRUNER, sx_conf_member(c, "pruner"), "none", "pruners", &e->tune.pruner, d);
    e->tune.trials = s.trials;
    e->tune.time = s.time;
    e->tune.trial_time = s.trial_time;
    e->tune.seed = (uint64_t)(by_sampler.seed >= 0 ? by_sampler.seed : s.seed);
    e->tune.on_repeat = s.on_repeat;
    e->tune.keep = s.keep;
    e->tune.first = s.first;
    e->tune.replicas = s.replicas;
    e->tune.test = s.test;
    sx_goals_read(e, c, &(sx_goal_texts){ s.objective, s.direction, s.constraints }, d);
    const sx_conf *stop = sx_conf_find(e->root, "train.early_stop.monitor");
    bool more;
    if (e->train.monitor) sx_goal_check(e, "monitor", e->train.monitor, false, stop, &more, d);
}

/* --- study --- */

static const sx_param study_params[] = {
    SX_TEXT(sx_study_conf, store, .text = NULL,
            .doc = "where trials are kept; sqlite:studies/NAME.db where not given"),
    SX_TEXT(sx_study_conf, name, .text = NULL, .doc = "of the study; the file's where not given"),
    SX_REAL(sx_study_conf, heartbeat, .def = 30, .min = 1, .max = 1e6,
            .doc = "seconds between signs of life of a worker"),
    SX_TEXT(sx_study_conf, runs, .text = NULL,
            .doc = "directory of the trials' weights and logs; studies/NAME.runs where not given"),
    SX_END
};

static const char *base_name(sx_arena *a, const char *file)
{
    const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file, *dot = strrchr(base, '.');
    return dot > base ? sx_strndup(a, base, (size_t)(dot - base)) : sx_strdup(a, base);
}

/* //USER:PASSWORD@ or ?password=: it would stand in weights, studies and logs. */
static bool holds_password(const char *url)
{
    const char *from = strstr(url, "://"), *end = from ? from + 3 + strcspn(from + 3, "/?#") : NULL;
    const char *at = end ? memchr(from, '@', (size_t)(end - from)) : NULL;
    return (at && memchr(from + 3, ':', (size_t)(at - from - 3))) || strstr(url, "password=");
}

/* "sqlite:FILE": a kind of store before a colon, one of ours or that of a plugin. */
static bool is_store(const sx_exp *e, const char *url)
{
    const char *colon = strchr(url, ':');
    const char *kind = colon ? sx_strndup(e->arena, url, (size_t)(colon - url)) : "";
    if (!*kind || !colon[1]) return false;
    return !strcmp(kind, "sqlite") || !strcmp(kind, "postgresql") ||
           sx_find(e->registry, SX_KIND_STORE, kind, SX_NOWHERE, NULL);
}

static void study(sx_exp *e, sx_diags *d)
{
    sx_study_conf *s = &e->study;
    sx_param_fill(e->arena, study_params, "study", section(e, e->root, "study", d), e->scope, NULL, s, d);
    if (s->name && (!*s->name || strchr(s->name, '/'))) {
        sx_error(d, SX_E_CONFIG, at(e, sx_conf_member(sx_conf_member(e->root, "study"), "name")),
                 "study 'name' is \"%s\"; it names files, so it has letters and no '/'", s->name);
        s->name = NULL;
    }
    if (s->store && !is_store(e, s->store)) {
        sx_error(d, SX_E_CONFIG, at(e, sx_conf_find(e->root, "study.store")),
                 "study 'store' is \"%s\", which names no kind of store", s->store);
        sx_hint(d, "Write \"sqlite:%s\", or \"postgresql://USER@HOST/DATABASE\".",
                *s->store && !strchr(s->store, ':') ? s->store : "FILE");
        s->store = NULL;
    }
    if (s->store && holds_password(s->store)) {
        sx_error(d, SX_E_CONFIG, (sx_where){ .file = e->file }, "study 'store' holds a password");
        sx_hint(d, "Leave it out; give it by ~/.pgpass (PGPASSFILE), a service (PGSERVICE) or PGPASSWORD.");
        s->store = NULL;
    }
    if (!s->name) s->name = base_name(e->arena, e->file ? e->file : "study");
    if (!s->store) s->store = sx_format(e->arena, "sqlite:studies/%s.db", s->name);
    if (!s->runs) s->runs = sx_format(e->arena, "studies/%s.runs", s->name);
}

/* --- model --- */

static const char run_by_others[] =
    "Its trials are run by others: see `strix study ask` and `strix study tell`.";

int sx_search_refuse(const sx_exp *e, sx_diags *d)
{
    sx_error(d, SX_E_CONFIG, SX_NOWHERE, "study '%s' has no model to train", e->study.name);
    sx_hint(d, "%s", run_by_others);
    return SX_E_CONFIG;
}

static void no_model(const sx_exp *e, sx_diags *d)
{
    sx_error(d, SX_E_CONFIG, at(e, NULL), "the experiment has no 'model'");
    if (sx_conf_find(e->root, "tune.space")) sx_hint(d, "A space alone is a study, too. %s", run_by_others);
}

static void model(sx_exp *e, sx_diags *d)
{
    const sx_conf *c = section(e, e->root, "model", d), *layers = section(e, c, "layers", d);
    if (!sx_conf_member(e->root, "model"))
        no_model(e, d);
    else if (c && !sx_conf_member(c, "layers"))
        sx_error(d, SX_E_CONFIG, at(e, c), "the model has no 'layers'");
    const long errors = d->errors;
    sx_ends_inputs(e, c, d);
    if (d->errors > errors || sx_expand(e->arena, e, layers, "", &e->layers, d)) return;
    sx_ends_transforms(e, d);
}

/* --- The whole --- */

/* The code of the first error after the first n records; all of them where there were too many to keep. */
static int code_since(const sx_diags *d, long n, long errors)
{
    for (long i = n; i < d->n; i++) if (d->v[i].code) return d->v[i].code;
    return d->errors > errors ? SX_E_CONFIG : 0;
}

static int resolve(sx_exp *e, sx_diags *d)
{
    const long n = d->n, errors = d->errors;
    if (!e->search) {
        dataset(e, d);
        train(e, d);
    }
    tune(e, d);
    study(e, d);
    if (!e->search) model(e, d);
    return code_since(d, n, errors);
}

static void check_sections(const sx_exp *e, sx_diags *d)
{
    static const char *const known[] = { "dataset", "train", "tune", "study", "model", "vars", "templates",
                                         "plugins" };
    const long n = sizeof known / sizeof *known;
    for (const sx_conf *c = e->root->first; c; c = c->next) {
        bool ok = false;
        for (long i = 0; i < n; i++) ok = ok || !strcmp(c->name, known[i]);
        if (ok) continue;
        sx_error(d, SX_E_CONFIG, at(e, c), "an experiment has no section '%s'", c->name);
        const char *near = sx_nearest(c->name, known, n);
        if (near) sx_hint(d, "Did you mean '%s'?", near);
        else sx_hint(d, "The sections are dataset, train, model, tune, study, vars, templates, plugins.");
    }
}

/* Plugins of several items: plugins = [ "mine" ] */
static void load_plugins(const sx_exp *e, sx_diags *d)
{
    const sx_conf *c = sx_conf_member(e->root, "plugins");
    for (const sx_conf *one = c && c->kind == SX_CONF_LIST ? c->first : c; one;
         one = one == c ? NULL : one->next) {
        if (one->kind != SX_CONF_TEXT) sx_error(d, SX_E_CONFIG, at(e, one), "a plugin is named by a text");
        else (void)!sx_load(e->registry, one->s, at(e, one), d);
    }
}

static int open_exp(sx_arena *a, sx_registry *r, sx_conf *root, const char *file, bool search, sx_exp **out,
                    sx_diags *d)
{
    sx_exp *e = SX_NEW(a, sx_exp);
    *out = NULL;
    *e = (sx_exp){ .arena = a, .registry = r, .root = root, .file = sx_strdup(a, file), .search = search };
    e->facts = sx_facts_open(a);
    const long n = d->n, errors = d->errors;
    check_sections(e, d);
    load_plugins(e, d);
    const sx_conf *vars = section(e, root, "vars", d), *space = sx_conf_find(root, "tune.space");
    e->scope = sx_scope_open(a, NULL, vars);
    (void)!sx_scope_check(a, e->scope, vars, d);
    if (d->errors > errors) return code_since(d, n, errors);
    (void)!resolve(e, d);
    (void)!sx_domain_open(a, space, vars, e->scope, (int)e->tune.objectives, (int)e->tune.measured.n,
                          &e->domain, d);
    if (d->errors > errors) return code_since(d, n, errors);
    *out = e;
    return 0;
}

int sx_exp_open(sx_arena *a, sx_registry *r, sx_conf *root, const char *file, sx_exp **out, sx_diags *d)
{
    return open_exp(a, r, root, file, false, out, d);
}

int sx_search_open(sx_arena *a, sx_registry *r, sx_conf *root, const char *file, sx_exp **out, sx_diags *d)
{
    return open_exp(a, r, root, file, true, out, d);
}

int sx_exp_at(sx_arena *a, const sx_exp *e, const double *x, sx_exp **out, sx_diags *d)
{
    sx_exp *p = sx_dup(a, e, sizeof *e);
    *out = NULL;
    p->arena = a;
    if (x) p->scope = sx_domain_bind(a, e->domain, x, e->scope);
    const int rc = resolve(p, d);
    if (rc) return rc == SX_E_CONFIG ? SX_E_REFUSED : rc;     /* the file is right, this point is not */
    *out = p;
    return 0;
}
