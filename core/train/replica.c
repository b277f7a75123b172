/* replica.c: the replicas of a trial, one after the other inside it. Each is a training with a directory and
 * a stream of random numbers of its own; one that has ended is gone through again in no time, from its last
 * checkpoint. */
#include "replica.h"
#include <jansson.h>
#include <string.h>
#include <unistd.h>
#include "rng.h"

typedef struct { long n, cap; double *v; } curve;                    /* epochs * names */
typedef struct {
    sx_arena *a; const sx_replica_want *w; sx_diags *d;
    long at, names; const char *const *name;     /* the replica that runs; what it reports */
    curve *curve;                                /* of those before */
    double **value;                              /* of the best epoch of each */
} replicas;

static const char *directory(sx_arena *a, const char *dir, long replica)
{
    return replica ? sx_format(a, "%s/replica-%ld", dir, replica) : dir;
}

void sx_replicas_forget(const char *dir)
{
    static const char *const file[] = { "best.safetensors", "last.safetensors", "prev.safetensors" };
    sx_arena *a = sx_arena_open(NULL);
    for (long r = 0; r == 0 || !access(directory(a, dir, r), F_OK); r++)
        for (size_t i = 0; i < sizeof file / sizeof *file; i++)
            unlink(sx_format(a, "%s/%s", directory(a, dir, r), file[i]));
    sx_arena_close(a);
}

/* --- The mean so far --- */

static double number_of(const json_t *line, const char *name)
{
    const json_t *v = json_object_get(line, name);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

/* What a replica reported, from its log; a line that is not whole ends it. */
static int read_curve(replicas *r, const char *dir)
{
    char *text;
    size_t bytes;
    curve *c = &r->curve[r->at];
    const int rc = sx_file_read(r->a, sx_format(r->a, "%s/log.jsonl", dir), 1 << 28, &text, &bytes, r->d);
    if (rc) return rc;
    for (char *end; (end = strchr(text, '\n')); text = end + 1) {
        json_t *line = json_loadb(text, (size_t)(end - text), 0, NULL);
        const long epoch = (long)json_integer_value(json_object_get(line, "epoch"));
        if (epoch >= 1 && epoch <= c->n / r->names + 1) { /* a repeated epoch counts as it was last */
            c->n = (epoch - 1) * r->names;
            for (long i = 0; i < r->names; i++) SX_PUSH(r->a, *c, number_of(line, r->name[i]));
        }
        json_decref(line);
    }
    return 0;
}

static int on_epoch(void *ctx, const sx_epoch *e)
{
    const replicas *r = ctx;
    const sx_train_want *t = r->w->train;
    if (!t->report) return 0;
    if (!r->at) return t->report(t->ctx, e);
    sx_arena *a = sx_arena_open(NULL);
    double *mean = sx_alloc_array(a, (size_t)e->n + 1, sizeof *mean);
    for (long i = 0; i < e->n; i++) {
        long n = 1;
        mean[i] = e->value[i];
        for (long k = 0; k < r->at && i < r->names; k++)
            if (e->epoch * r->names <= r->curve[k].n)
                mean[i] += r->curve[k].v[(e->epoch - 1) * r->names + i], n++;
        mean[i] /= (double)n;
    }
    const int rc = t->report(t->ctx, &(sx_epoch){ e->epoch, e->seconds, e->n, e->name, mean, e->again });
    sx_arena_close(a);
    return rc > 0 ? 0 : rc;                      /* it is too late for the pruner */
}

/* --- One replica --- */

static uint64_t seed_of(const sx_replica_want *w, long replica)
{
    const sx_key k = sx_key_of(w->seed, replica, "replica");
    return replica ? (uint64_t)k.v[1] << 32 | k.v[0] : w->seed;
}

/* Behind the values of the best epoch those of the test part, by the weights of that epoch. */
static int test(replicas *r, sx_arena *a, sx_net *net, const char *dir, sx_outcome *o)
{
    const sx_data *data = r->w->data;
    const sx_watch watch = { .stop = r->w->train->stop };
    sx_tally t;
    long own = 0;
    while (own < o->n && strncmp(o->name[own], "val_", 4)) own++;
    const char **name = sx_alloc_array(r->a, (size_t)(o->n + own) + 1, sizeof *name);
    double *value = sx_alloc_array(r->a, (size_t)(o->n + own) + 1, sizeof *value);
    int rc = dir ? sx_ckpt_load(a, sx_format(a, "%s/best.safetensors", dir), net, NULL, r->d) : 0;
    if (!rc) rc = sx_net_eval(net, data->test, data->shape.test, &watch, &t, NULL, r->d);
    if (rc) return rc;
    for (long i = 0; i < o->n; i++) { name[i] = o->name[i]; value[i] = o->value[i]; }
    for (long i = 0; i < own; i++) {
        name[o->n + i] = sx_format(r->a, "test_%s", o->name[i]);
        value[o->n + i] = i ? t.metric[i - 1] : t.loss;
    }
    o->name = name;
    o->value = value;
    o->n += own;
    return 0;
}

static int train(replicas *r, sx_outcome *o)
{
    const sx_replica_want *w = r->w;
    sx_arena *a = sx_arena_open(r->a);           /* the net goes before the next one comes */
    sx_train_want want = *w->train;
    sx_net *net = NULL;
    want.dir = want.dir ? directory(a, want.dir, r->at) : NULL;
    want.report = on_epoch;
    want.ctx = r;
    int rc = sx_net_open(a, w->exp, w->machine, w->data, seed_of(w, r->at), w->trial, true, &net, r->d);
    if (!rc) rc = sx_train(a, w->exp, net, w->data, &want, o, r->d);
    if (!rc && !r->at) {
        const char **name = sx_alloc_array(r->a, (size_t)o->n + 1, sizeof *name);
        for (long i = 0; i < o->n; i++) name[i] = sx_strdup(r->a, o->name[i]);
        r->name = name;
        r->names = o->n;
    }
    const bool over = !rc && !o->pruned && !o->paused;
    if (over && want.dir && r->at + 1 < w->exp->tune.replicas) rc = read_curve(r, want.dir);
    if (!rc) o->name = r->name;
    if (over && !rc && w->exp->tune.test && w->data->shape.test) rc = test(r, a, net, want.dir, o);
    r->value[r->at] = sx_alloc_array(r->a, (size_t)o->n + 1, sizeof **r->value);
    for (long i = 0; i < o->n && !rc; i++) r->value[r->at][i] = o->value[i];
    o->value = r->value[r->at];
    sx_arena_close(a);
    return rc;
}

/* --- All of them --- */

static const char *real(sx_arena *a, double v)
{
    const char *text = sx_real_text(a, v);
    return strpbrk(text, ".e") ? text : sx_format(a, "%s.0", text);
}

static const char *as_json(const replicas *r, const sx_outcome *o, long n)
{
    const char *text = "{";
    for (long i = 0; i < o->n; i++) {
        text = sx_format(r->a, "%s%s\"%s\": [", text, i ? ", " : "", o->name[i]);
        for (long k = 0; k < n; k++) {
            const double v = r->value[k][i];
            text = sx_format(r->a, "%s%s%s", text, k ? ", " : "", isfinite(v) ? real(r->a, v) : "null");
        }
        text = sx_format(r->a, "%s]", text);
    }
    return sx_format(r->a, "%s}", text);
}

int sx_replicas_train(sx_arena *a, const sx_replica_want *w, sx_outcome *out, const char **each, sx_diags *d)
{
    const long n = w->exp->tune.replicas;
    replicas r = { .a = a, .w = w, .d = d, .curve = sx_alloc_array(a, (size_t)n, sizeof *r.curve),
                   .value = sx_alloc_array(a, (size_t)n, sizeof *r.value) };
    double seconds = 0, best = 0;
    *each = NULL;
    for (r.at = 0; r.at < n; r.at++) {
        const int rc = train(&r, out);
        if (rc || out->pruned || out->paused) return rc;
        seconds += out->seconds / (double)n;
        best += out->best / (double)n;
    }
    if (n == 1 && !w->exp->tune.test) return 0;
    *each = as_json(&r, out, n);
    double *mean = sx_alloc_array(a, (size_t)out->n + 1, sizeof *mean);
    for (long i = 0; i < out->n; i++)
        for (long k = 0; k < n; k++) mean[i] += r.value[k][i] / (double)n;
    out->value = mean;
    out->seconds = seconds;
    out->best = best;
    return 0;
}
