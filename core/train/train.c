/* train.c: one training: epochs, validation, early stop, divergence, checkpoints. Which epoch was best and
 * whether to stop follow from the history of the monitor alone, so a resumed training decides like one that
 * was never stopped. */
#include "train.h"
#include "log.h"
#include <errno.h>
#include <limits.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    sx_arena *a; const sx_exp *e; sx_net *n; const sx_data *data; const sx_train_want *w; sx_diags *d;
    long names; const char **name;               /* of the metrics of an epoch */
    long watched; bool maximize;                 /* the monitor's place among them */
    long epoch; double *monitor;                 /* epochs done; monitor[0..epoch) */
    double *value, *best;                        /* of the last epoch, of the best one */
    float **kept; /* without a run directory: the best weights and states, by tensor */
    double before; bool recalled;                /* seconds of earlier epochs; value is of the last of them */
    double from, span;                           /* of the epoch's share that runs now */
} run;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const char *in_dir(const run *r, const char *name)
{
    return sx_format(r->a, "%s/%s", r->w->dir, name);
}

/* --- Names and the monitor --- */
static void name_metrics(run *r)
{
    const sx_train_conf *t = &r->e->train;
    const int parts = r->data->shape.val ? 2 : 1;
    r->name = sx_alloc_array(r->a, 2 * (size_t)(t->values + 1), sizeof *r->name);
    for (int part = 0; part < parts; part++) {
        r->name[r->names++] = part ? "val_loss" : "loss";
        for (long i = 0; i < t->values; i++)
            r->name[r->names++] = sx_format(r->a, "%s%s", part ? "val_" : "", t->value[i].name);
    }
    r->value = sx_alloc_array(r->a, (size_t)r->names, sizeof *r->value);
    r->best = sx_alloc_array(r->a, (size_t)r->names, sizeof *r->best);
    r->monitor = sx_alloc_array(r->a, (size_t)t->epochs + 1, sizeof *r->monitor);
}

static int find_monitor(run *r)
{
    const sx_train_conf *t = &r->e->train;
    const char *want = t->monitor ? t->monitor : "val_loss";
    /* without validation: by the training rows */
    if (!r->data->shape.val && !strncmp(want, "val_", 4)) want += 4;
    while (r->watched < r->names && strcmp(r->name[r->watched], want)) r->watched++;
    if (r->watched < r->names) {
        const long value = r->watched % (t->values + 1) - 1;
        r->maximize = value >= 0 && t->value[value].maximize;
        return 0;
    }
    const char *near = sx_nearest(want, r->name, r->names);
    sx_error(r->d, SX_E_CONFIG, sx_conf_where(r->a, sx_conf_find(r->e->root, "train.early_stop")),
             "there is no metric '%s' to monitor", want);
    if (near) sx_hint(r->d, "Did you mean '%s'?", near);
    return SX_E_CONFIG;
}

static bool better(const run *r, double v, double than)
{
    const double d = r->e->train.min_delta;
    return r->maximize ? v - d > than : v + d < than;
}

/* The best of the first n epochs; -1: none is finite. As Keras' EarlyStopping, an epoch must beat the best by
 * min_delta. */
static long best_of(const run *r, long n)
{
    long best = -1;
    for (long i = 0; i < n; i++)
        if (isfinite(r->monitor[i]) && (best < 0 || better(r, r->monitor[i], r->monitor[best]))) best = i;
    return best;
}

static bool patience_lost(const run *r)
{
    const long waited = r->epoch - 1 - best_of(r, r->epoch);
    return r->e->train.early_stop && r->epoch > 0 && waited > 0 && waited >= r->e->train.patience;
}

/* --- What is kept --- */
static int keep_in_memory(run *r)
{
    const sx_tensor *t;
    const long n = sx_net_tensors(r->n, &t);
    int bad = 0;
    if (!r->kept) r->kept = sx_alloc_array(r->a, (size_t)n + 1, sizeof *r->kept);
    for (long i = 0; i < n && !bad && t[i].kind != SX_TENSOR_SLOT; i++) {
        if (!r->kept[i]) r->kept[i] = sx_alloc_array(r->a, (size_t)t[i].count, sizeof **r->kept);
        bad = sx_net_read(r->n, &t[i], r->kept[i], r->d);
    }
    return bad;
}

static int restore_from_memory(run *r)
{
    const sx_tensor *t;
    const long n = sx_net_tensors(r->n, &t);
    int bad = 0;
    for (long i = 0; i < n && !bad && r->kept && r->kept[i]; i++)
        bad = sx_net_write(r->n, &t[i], r->kept[i], r->d);
    return bad;
}

static int save_best(run *r)
{
    memcpy(r->best, r->value, (size_t)r->names * sizeof *r->best);
    if (r->w->dir) return sx_ckpt_save(in_dir(r, "best.safetensors"), r->n, NULL, false, r->d);
    return r->e->train.restore_best ? keep_in_memory(r) : 0;
}

static int restore_best(run *r)
{
    if (r->w->dir) return sx_ckpt_load(r->a, in_dir(r, "best.safetensors"), r->n, NULL, r->d);
    return restore_from_memory(r);
}

/* The checkpoint before stays as prev.safetensors: a damaged file costs an epoch, not the training. */
static int save_last(run *r)
{
    if (!r->w->dir) return 0;
    const char *last = in_dir(r, "last.safetensors"), *prev = in_dir(r, "prev.safetensors");
    const sx_progress_state s = { .n = r->epoch, .monitor = r->monitor, .values = r->names, .best = r->best };
    if (sx_file_exists(last)) {
        unlink(prev);
        if (link(last, prev)) sx_log(SX_LOG_DEBUG, "train", "no second checkpoint: %s", strerror(errno));
    }
    return sx_ckpt_save(last, r->n, &s, true, r->d);
}

static const char *number(sx_arena *a, double v) { return isfinite(v) ? sx_real_text(a, v) : "null"; }

static int write_log(run *r, double seconds)
{
    if (!r->w->dir) return 0;
    const char *line = sx_format(r->a, "{\"epoch\": %ld, \"wall_s\": %.3f", r->epoch, seconds);
    for (long i = 0; i < r->names; i++)
        line = sx_format(r->a, "%s, \"%s\": %s", line, r->name[i], number(r->a, r->value[i]));
    return sx_file_append(in_dir(r, "log.jsonl"), sx_format(r->a, "%s}\n", line), r->d);
}

static int write_result(run *r, const sx_outcome *o)
{
    if (!r->w->dir) return 0;
    json_t *metrics = json_object();
    for (long i = 0; i < o->n; i++)
        json_object_set_new(metrics, o->name[i],
                            isfinite(o->value[i]) ? json_real(o->value[i]) : json_null());
    json_t *doc = json_pack("{s:i, s:I, s:I, s:f, s:b, s:b, s:b, s:o}", "schema", 1,
                            "epochs", (json_int_t)o->epochs, "best_epoch", (json_int_t)o->best_epoch,
                            "wall_s", o->seconds, "early", o->early, "pruned", o->pruned, "paused", o->paused,
                            "metrics", metrics);
    char *text = doc ? json_dumps(doc, JSON_INDENT(1)) : NULL;
    if (!text) SX_BUG("JSON of a result failed");
    const int bad = sx_file_write(in_dir(r, "result.json"), text, strlen(text), r->d);
    json_decref(doc);
    free(text);
    return bad;
}

/* Is the result that lies there that of the epochs done? */
static bool has_result(const run *r)
{
    json_t *doc = r->w->dir ? json_load_file(in_dir(r, "result.json"), 0, NULL) : NULL;
    const bool same = doc && json_integer_value(json_object_get(doc, "epochs")) == r->epoch;
    json_decref(doc);
    return same;
}

/* --- The experiment at its point as a file --- */
static void set_datum(sx_arena *a, sx_conf *c, const sx_datum *v)
{
    c->first = c->last = NULL;
    switch (v->kind) {
    case SX_DATUM_INT: c->kind = SX_CONF_INT; c->i = v->i; break;
    case SX_DATUM_REAL: c->kind = SX_CONF_REAL; c->r = v->r; break;
    case SX_DATUM_BOOL: c->kind = SX_CONF_BOOL; c->b = v->b; break;
    case SX_DATUM_TEXT: c->kind = SX_CONF_TEXT; c->s = sx_strdup(a, v->s); break;
    case SX_DATUM_LIST:
        c->kind = SX_CONF_LIST;
        for (long i = 0; i < v->n; i++) set_datum(a, sx_conf_add(a, c, NULL, SX_CONF_INT), &v->v[i]);
        break;
    case SX_DATUM_NONE: break;
    }
}

static void set_variable(sx_arena *a, const sx_exp *e, const sx_conf *vars, const char *name)
{
    sx_conf *c = sx_conf_member(vars, name);
    sx_datum v;
    if (c && !sx_scope_get(a, e->scope, name, SX_NOWHERE, &v, NULL) && v.kind != SX_DATUM_NONE)
        set_datum(a, c, &v);
}

char *sx_train_config(sx_arena *a, const sx_exp *e)
{
    sx_conf *root = sx_conf_copy(a, e->root);
    const sx_conf *vars = sx_conf_member(root, "vars");
    for (int i = 0; e->domain && i < e->domain->space.n; i++)
        set_variable(a, e, vars, e->domain->var[i]->name);
    for (long i = 0; e->domain && i < e->domain->n_fixed; i++)
        set_variable(a, e, vars, e->domain->fixed[i].name);
    return sx_conf_write(a, root);
}

static int write_config(run *r)
{
    if (!r->w->dir) return 0;
    const char *text = sx_train_config(r->a, r->e);
    return sx_file_write(in_dir(r, "config.cfg"), text, strlen(text), r->d);
}

/* --- Where to start --- */
/* *whole: the checkpoint itself is one of this net */
static bool resume_from(run *r, const char *file, bool *whole)
{
    *whole = false;
    if (!sx_file_exists(file)) return false;
    sx_diags quiet;
    sx_progress_state s;
    sx_diags_init(&quiet, r->a);
    *whole = !sx_ckpt_load(r->a, file, r->n, &s, &quiet);
    const long steps = r->data->shape.fit / r->e->train.batch;
    const bool ends = *whole && s.n > r->e->train.epochs && !r->w->strict;
    if (*whole && s.values == r->names && !ends && s.clock.t == s.n * steps) {
        r->epoch = s.n;
        r->monitor = sx_alloc_array(r->a, (size_t)(s.n + r->e->train.epochs) + 1, sizeof *r->monitor);
        memcpy(r->monitor, s.monitor, (size_t)s.n * sizeof *s.monitor);
        memcpy(r->best, s.best, (size_t)s.values * sizeof *s.best);
        return true;
    }
    sx_warn(r->d, (sx_where){ .file = file }, "cannot go on from this checkpoint: %s",
            quiet.n ? quiet.v[0].text
            : ends  ? sx_format(r->a, "it is behind epoch %ld", s.n)
                    : "it is of a training with other batches or metrics");
    return false;
}

/* 0: goes on; 1: there is nothing that could; SX_E_*: there is, and it must not be replaced. */
static int resume(run *r)
{
    const char *last = in_dir(r, "last.safetensors"), *prev = in_dir(r, "prev.safetensors");
    bool whole;
    if (resume_from(r, last, &whole) || (!(whole && r->w->strict) && resume_from(r, prev, &whole))) return 0;
    if (!r->w->strict || (!sx_file_exists(last) && !sx_file_exists(prev))) return 1;
    sx_error(r->d, SX_E_DATA, (sx_where){ .file = r->w->dir }, "this training cannot go on");
    sx_hint(r->d, "Another --dir keeps it, --init %s begins with its best weights; without --resume it is "
                  "replaced.", in_dir(r, "best.safetensors"));
    return SX_E_DATA;
}

/* The lines of a run's log up to an epoch; one that was run twice has two, of which the last counts. seconds:
 * of all of them; returns the last one's, NULL where there is none. */
static json_t *read_log(const char *file, long upto, double *seconds)
{
    FILE *f = fopen(file, "r");
    json_t *lines = json_object(), *last = NULL, *line;
    char *text = NULL, key[32];
    const char *name;
    size_t room = 0;
    while (f && getline(&text, &room, f) > 0) {
        line = json_loads(text, 0, NULL);
        const long epoch = (long)json_integer_value(json_object_get(line, "epoch"));
        snprintf(key, sizeof key, "%ld", epoch);
        if (epoch > 0 && epoch <= upto) json_object_set(lines, key, line);
        if (epoch == upto) { json_decref(last); last = json_incref(line); }
        json_decref(line);
    }
    *seconds = 0;
    json_object_foreach(lines, name, line) *seconds += json_number_value(json_object_get(line, "wall_s"));
    json_decref(lines);
    free(text);
    if (f) fclose(f);
    return last;
}

double sx_train_seconds(sx_arena *a, const char *dir)
{
    double seconds;
    json_decref(read_log(sx_format(a, "%s/log.jsonl", dir), LONG_MAX, &seconds));
    return seconds;
}

/* Takes what the log says of the epoch from which the training goes on; a log that was cut says nothing. */
static void recall(run *r)
{
    json_t *line = read_log(in_dir(r, "log.jsonl"), r->epoch, &r->before);
    r->recalled = line != NULL;
    for (long i = 0; i < r->names && line; i++) {
        const json_t *v = json_object_get(line, r->name[i]);
        r->recalled = r->recalled && json_is_number(v);
        r->value[i] = json_number_value(v);
    }
    json_decref(line);
}

static int start(run *r)
{
    const int nothing = r->w->resume && r->w->dir ? resume(r) : 1;
    if (!nothing) recall(r);
    if (nothing <= 0) return nothing;
    r->epoch = 0;
    int bad = sx_net_init(r->n, r->d);
    if (!bad && r->w->init) bad = sx_ckpt_import(r->a, r->w->init, NULL, r->n, true, SX_NOWHERE, r->d);
    if (!bad && r->w->dir) {                     /* what lies there is of another training */
        static const char *const old[] = { "log.jsonl", "result.json", "last.safetensors",
                                           "prev.safetensors" };
        for (size_t i = 0; i < sizeof old / sizeof *old; i++) unlink(in_dir(r, old[i]));
    }
    return bad;
}

/* --- One epoch --- */
static int pulse(void *ctx, double share)
{
    const run *r = ctx;
    return r->w->pulse ? r->w->pulse(r->w->pulse_ctx, r->epoch, r->from + r->span * share) : 0;
}

static void put_values(run *r, long at, const sx_tally *t)
{
    r->value[at] = t->loss;
    for (long i = 0; i < r->e->train.values; i++) r->value[at + 1 + i] = t->metric[i];
}

static int check_loss(const run *r, double loss)
{
    const double most = r->e->train.divergence;
    if (isfinite(loss) && !(most > 0 && loss > most)) return 0;
    sx_error(r->d, SX_E_DIVERGED, SX_NOWHERE, "the training loss %s in epoch %ld",
             isfinite(loss) ? sx_format(r->a, "is %g", loss) : "is not finite", r->epoch + 1);
    sx_hint(r->d, "Try a lower learning rate, or train.optimizer.clip.");
    return SX_E_DIVERGED;
}

static int learn(run *r)
{
    const sx_data_shape *s = &r->data->shape;
    const sx_watch w = { r->w->stop, pulse, r };
    sx_tally t;
    /* a step costs about three looks */
    r->from = 0, r->span = 3.0 * (double)s->fit / (3.0 * (double)s->fit + (double)s->val);
    int bad = sx_net_train(r->n, r->epoch, r->monitor, &w, &t, r->d);
    if (!bad) bad = check_loss(r, t.loss);
    if (bad) return bad;
    put_values(r, 0, &t);
    if (!s->val) return 0;
    r->from = r->span, r->span = 1 - r->span;
    bad = sx_net_eval(r->n, r->data->val, s->val, &w, &t, NULL, r->d);
    if (!bad) put_values(r, r->e->train.values + 1, &t);
    return bad;
}

static int one_epoch(run *r)
{
    const double begin = now();
    int bad = learn(r);
    if (bad) return bad;
    r->monitor[r->epoch++] = r->value[r->watched];
    const sx_epoch e = { r->epoch, now() - begin, r->names, r->name, r->value, false };
    if (best_of(r, r->epoch) == r->epoch - 1) bad = save_best(r);
    if (!bad) bad = write_log(r, e.seconds);  /* first: an epoch done again is there twice, none is missing */
    if (!bad) bad = save_last(r);
    return bad || !r->w->report ? bad : r->w->report(r->w->ctx, &e);
}

/* What a report wants. A training that is at its end anyway is complete. */
static int heed(const run *r, sx_outcome *o, int code)
{
    const bool over = r->epoch >= r->e->train.epochs || patience_lost(r);
    o->pruned = code == 1 && !over;
    o->paused = code == 2 && !over;
    o->diverged = code == SX_E_DIVERGED;
    return code < 0 ? code : 0;
}

static int epochs(run *r, sx_outcome *o)
{
    const sx_epoch last = { r->epoch, 0, r->names, r->name, r->value, .again = true };
    int bad = r->recalled && r->w->report ? heed(r, o, r->w->report(r->w->ctx, &last)) : 0;
    while (!bad && r->epoch < r->e->train.epochs && !o->pruned && !o->paused) {
        o->early = patience_lost(r);
        if (o->early) return 0;
        if (r->w->stop && *r->w->stop)
            return sx_error(r->d, SX_E_STOPPED, SX_NOWHERE, "stopped after epoch %ld", r->epoch);
        bad = heed(r, o, one_epoch(r));
    }
    return bad;
}

static void fill_outcome(run *r, sx_outcome *o, double begin)
{
    const long best = best_of(r, r->epoch);
    o->epochs = r->epoch, o->best_epoch = best + 1;
    o->best = best < 0 ? NAN : r->monitor[best];
    o->seconds = r->before + now() - begin;
    o->n = best < 0 ? 0 : r->names, o->name = r->name, o->value = r->best;
}

int sx_train(sx_arena *a, const sx_exp *e, sx_net *n, const sx_data *data, const sx_train_want *w,
             sx_outcome *out, sx_diags *d)
{
    const double begin = now();
    run r = { .a = a, .e = e, .n = n, .data = data, .w = w, .d = d };
    *out = (sx_outcome){ 0 };
    name_metrics(&r);
    int bad = find_monitor(&r);
    if (!bad && w->dir) bad = sx_dir_make(w->dir, d);
    if (!bad) bad = start(&r);
    const bool idle = r.epoch >= e->train.epochs || patience_lost(&r);
    if (!bad && !idle) bad = write_config(&r);
    if (!bad) bad = epochs(&r, out);
    fill_outcome(&r, out, begin);
    if (!bad && !out->best_epoch) {
        out->diverged = true;
        bad = sx_error(d, SX_E_DIVERGED, SX_NOWHERE, "'%s' was never finite in %s", r.name[r.watched],
                       sx_plural(a, r.epoch, "epoch"));
    }
    if (!bad && !out->paused && e->train.restore_best && out->best_epoch != out->epochs)
        bad = restore_best(&r);
    return bad || (idle && w->strict && has_result(&r)) ? bad : write_result(&r, out);
}
