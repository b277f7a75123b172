/* conform_layer.c: what any layer, loss and metric must do: build on common shapes, have gradients that agree
 * with central differences, give the same bits twice, stand the ends of its ranges. */
#include <string.h>
#include "rig.h"

enum { BATCH = 3, MOST_INPUTS = 8, PROBES = 5 };
typedef struct { int rank; long dim[4]; } row_shape;                 /* of one row */
static const row_shape shapes[] = { { 1, { 6 } }, { 3, { 6, 5, 4 } }, { 3, { 8, 8, 1 } }, { 2, { 5, 3 } } };
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct {
    rig *r;
    sx_t x[MOST_INPUTS], factor, product, loss; /* factor: random; product = y factor; loss: its sum by row */
    int inputs;
    sx_t y;
    long n; sx_t *weights, *grads;               /* the learned ones: offsets of x first */
} trial;

/* One setting of the layer; param NULL: all are at their defaults. */
typedef struct { const sx_param *param; double value; const char *text; } setting;

static void *settings(conform *c, sx_arena *a, const sx_entry *e, const setting *s)
{
    return s->param ? conform_params_with(c, a, e, s->param, s->value) : conform_params(c, a, e);
}

static const sx_layer *layer_of(const sx_entry *e) { return (const sx_layer *)(const void *)e->item; }

static sx_t bound_input(sx_graph *g, const char *name, const row_shape *s)
{
    long shape[6] = { BATCH };
    memcpy(shape + 1, s->dim, (size_t)s->rank * sizeof *shape);
    return sx_graph_bound(g, SX_ROLE_INPUT, name, SX_F32, shape, true);
}

/* An input plus a learned offset, whose gradient is then that of the input, summed over the batch. */
static sx_t offset_input(sx_graph *g, int i, const row_shape *s, sx_t *x)
{
    long dims[5] = { 0 };
    memcpy(dims, s->dim, (size_t)s->rank * sizeof *dims);
    *x = bound_input(g, sx_format(g->arena, "x%d", i), s);
    return sx_add(g, *x, sx_weight(g, sx_format(g->arena, "offset%d", i), dims, "zeros"));
}

/* Writes e with two inputs where it takes several. false: it refuses this shape. */
static bool write_layer(const sx_entry *e, const void *params, const row_shape *s, trial *t)
{
    const sx_layer *l = layer_of(e);
    sx_graph *g = t->r->g;
    sx_t in[MOST_INPUTS];
    t->inputs = l->inputs < 0 ? 2 : l->inputs ? l->inputs : 1;
    if (t->inputs > MOST_INPUTS) return false;
    for (int i = 0; i < t->inputs; i++) in[i] = offset_input(g, i, s, &t->x[i]);
    const sx_layer_context at = { .path = "layer", .type = e->item->name, .inputs = t->inputs, .in = in,
        .training = g->training, .lr_scale = 1 };
    sx_graph_enter(g, &at);
    t->y = l->forward(g, params, in[0]);
    sx_graph_leave(g, l, params, in[0], t->y);
    return !g->refused;
}

/* A weight that the loss does not depend on has no gradient: that is told, and no refusal. */
static bool gradients(trial *t)
{
    sx_graph *g = t->r->g;
    (void)!sx_grad(g, t->loss, 1, &t->n, &t->weights, &t->grads);
    for (long i = 0; i < t->n && !g->refused; i++)
        rig_result(t->r, t->grads[i], sx_format(g->arena, "grad%ld", i));
    return !g->refused;
}

/* Rows of sum(y factor), and its gradients. */
static bool write_loss(trial *t)
{
    sx_graph *g = t->r->g;
    const sx_val *y = sx_graph_val(g, t->y);
    row_shape s = { .rank = y->rank - 1 };
    if (!y->batched || s.rank > 4) return false;
    memcpy(s.dim, y->shape + 1, (size_t)s.rank * sizeof *s.dim);
    t->factor = bound_input(g, "factor", &s);
    t->product = sx_mul(g, t->y, t->factor);
    t->loss = sx_reshape(g, sx_reduce(g, t->product, SX_SUM, (1u << y->rank) - 2), SX_SHAPE(1));
    sx_graph_result(g, t->product, "product");
    sx_graph_result(g, t->loss, "loss");
    return gradients(t);
}

/* Numbers for all that is bound. Weights away from 0, so that no difference crosses a kink unnoticed. */
static void fill_trial(trial *t)
{
    rig *r = t->r;
    for (uint32_t id = 1; id <= (uint32_t)r->g->vals.n; id++) {
        const sx_val *v = sx_graph_val(r->g, (sx_t){ id });
        if (v->role != SX_ROLE_INPUT && v->role != SX_ROLE_WEIGHT) continue;
        if (v->dtype != SX_F32 || !v->name) continue;
        float *x = sx_alloc(r->a, sx_val_bytes(v));
        rig_numbers(v->name, -1, 1, sx_val_count(v), x);
        rig_write(r, (sx_t){ id }, x);
    }
}

static trial *open_trial(conform *c, const sx_entry *e, const setting *with, const row_shape *s,
                         bool training)
{
    rig *r = rig_open(c, training, BATCH);
    trial *t = SX_NEW(r->a, trial);
    t->r = r;
    void *params = settings(c, r->a, e, with);
    if (params && write_layer(e, params, s, t) && write_loss(t)) return t;
    rig_close(r);
    return NULL;
}

static double loss_now(trial *t)
{
    double sum = 0;
    if (rig_run(t->r)) return NAN;
    const float *rows = rig_read(t->r, t->loss);
    for (long i = 0; i < BATCH; i++) sum += (double)rows[i];
    return sum;
}

/* d loss / d w[i] by differences of three widths; kinks and rounding spoil one, seldom all. */
static bool agrees(trial *t, sx_t w, float *values, long i, double want, double scale, double *got)
{
    static const double widths[] = { 1e-2, 2e-3, 5e-2 };
    const float was = values[i];
    bool ok = false;
    for (int k = 0; k < 3 && !ok; k++) {
        values[i] = was + (float)widths[k];
        const double wide = (double)values[i];
        rig_write(t->r, w, values);
        const double up = loss_now(t);
        values[i] = was - (float)widths[k];
        rig_write(t->r, w, values);
        *got = (up - loss_now(t)) / (wide - (double)values[i]);
        ok = fabs(*got - want) <= 2e-2 * fabs(want) + 5e-3 * scale;
    }
    values[i] = was;
    rig_write(t->r, w, values);
    return ok;
}

static void check_gradient(conform *c, trial *t, long i, const char *where)
{
    const sx_t w = t->weights[i];
    const sx_val *v = sx_graph_val(t->r->g, w);
    const long n = sx_val_count(v);
    if (!t->grads[i].id) { conform_skip(c, "%s: no gradient for %s", where, v->name); return; }
    float *values = rig_read(t->r, w), *grad = rig_read(t->r, t->grads[i]);
    double scale = 0, got = 0;
    for (long k = 0; k < n; k++) scale = fmax(scale, fabs((double)grad[k]));
    long bad = -1;
    for (long k = 0; k < PROBES && k < n && bad < 0; k++) {
        const long at = k * (n - 1) / (PROBES > n ? n : PROBES - 1);
        if (!agrees(t, w, values, at, (double)grad[at], fmax(scale, 1e-2), &got)) bad = at;
    }
    conform_check(c, bad < 0, "%s: gradient of %s agrees with central differences", where, v->name);
    if (bad >= 0) conform_note(c, "element %ld: %g, by differences %g", bad, (double)grad[bad], got);
}

static bool finite_all(const float *x, long n)
{
    for (long i = 0; i < n; i++) if (!isfinite(x[i])) return false;
    return true;
}

/* Runs the layer on a shape: finite, the same bits twice, gradients. false: it refused. */
static bool check_run(conform *c, const sx_entry *e, const setting *with, const row_shape *s, bool training)
{
    trial *t = open_trial(c, e, with, s, training);
    const char *where = sx_format(c->arena, "%s%s on %d axes of %ld", with->text,
                                  training ? "training" : "evaluation", s->rank, s->dim[0]);
    if (!t) return false;
    if (rig_compile(c, t->r) || (fill_trial(t), rig_run(t->r))) {
        conform_check(c, false, "%s: runs on device %s", where, c->device);
        conform_diags(c, &t->r->d);
    } else {
        const long n = sx_val_count(sx_graph_val(t->r->g, t->product));
        const float *first = rig_read(t->r, t->product);
        conform_check(c, finite_all(first, n), "%s: finite numbers", where);
        const bool again = !rig_run(t->r);
        const size_t bytes = (size_t)n * sizeof *first;
        conform_check(c, again && !memcmp(first, rig_read(t->r, t->product), bytes),
                      "%s: the same bits twice", where);
        for (long i = 0; i < t->n; i++) check_gradient(c, t, i, where);
    }
    rig_close(t->r);
    return true;
}

/* "layer/kernel[3, 4] layer/bias[4]": what a layer keeps; the text lives in c's arena. NULL: refused. */
static const char *kept(conform *c, const sx_entry *e, const setting *with, const row_shape *s, bool training)
{
    rig *r = rig_open(c, training, BATCH);
    trial t = { .r = r };
    void *params = settings(c, r->a, e, with);
    const char *list = NULL;
    if (params && write_layer(e, params, s, &t)) {
        list = "";
        for (long i = 0; i < r->g->vals.n; i++) {
            const sx_val *v = &r->g->vals.v[i];
            if (v->role != SX_ROLE_WEIGHT && v->role != SX_ROLE_STATE) continue;
            list = sx_format(c->arena, "%s%s%s%s", list, *list ? " " : "", v->name,
                             sx_graph_shape(c->arena, v));
        }
    }
    rig_close(r);
    return list;
}

/* Builds with one parameter at an end of its range: an output or a refusal, both with a reason. */
static void check_end(conform *c, const sx_entry *e, const setting *with)
{
    bool told = true;
    for (int s = 0; s < SHAPES; s++)
        for (int training = 0; training < 2; training++) {
            rig *r = rig_open(c, training, BATCH);
            trial t = { .r = r };
            void *params = settings(c, r->a, e, with);
            if (params && !write_layer(e, params, &shapes[s], &t) && !r->d.errors) told = false;
            rig_close(r);
        }
    conform_check(c, told, "%sbuilds, or refuses with a reason", with->text);
}

/* All shapes that it takes with these settings; how many. */
static int check_shapes(conform *c, const sx_entry *e, const setting *with)
{
    int built = 0;
    for (int s = 0; s < SHAPES; s++) {
        if (!check_run(c, e, with, &shapes[s], true)) continue;
        built++;
        check_run(c, e, with, &shapes[s], false);
        const char *train = kept(c, e, with, &shapes[s], true), *eval = kept(c, e, with, &shapes[s], false);
        conform_check(c, train && eval && !strcmp(train, eval),
                      "%sthe same weights and states in training and evaluation", with->text);
    }
    return built;
}

/* Each word and truth value but the default one, or the one that a required setting is tried with. */
static void check_words(conform *c, const sx_entry *e, const sx_param *p)
{
    const int n = conform_words(p), tried = p->flags & SX_REQUIRED ? 0 : (int)p->def;
    for (int i = 0; i < n; i++) {
        if (i == tried) continue;
        const char *word = p->type == SX_TYPE_BOOL ? (i ? "true" : "false") : p->choices[i];
        const setting with = { p, i, sx_format(c->arena, "'%s' = %s: ", p->name, word) };
        check_end(c, e, &with);
        check_shapes(c, e, &with);
    }
}

int conform_layer(conform *c, const sx_entry *e)
{
    conform_check(c, check_shapes(c, e, &(setting){ .text = "" }) > 0, "builds on at least one common shape");
    for (const sx_param *p = e->params; p->name; p++) {
        double ends[2];
        const int n = conform_ends(p, ends);
        for (int i = 0; i < n; i++)
            check_end(c, e, &(setting){ p, ends[i], sx_format(c->arena, "'%s' = %g: ", p->name, ends[i]) });
        check_words(c, e, p);
    }
    return 0;
}

/* --- Losses and metrics: probabilities over five classes and labels --- */

enum { CLASSES = 5 };

/* Rows of the loss or metric of softmax(x + offset) in t->loss. false: refused. */
static bool write_row_values(conform *c, const sx_entry *e, trial *t, sx_t *labels)
{
    static const row_shape s = { 1, { CLASSES } };
    const sx_loss *l = (const sx_loss *)(const void *)e->item;
    sx_graph *g = t->r->g;
    void *params = conform_params(c, t->r->a, e);
    const sx_t logits = offset_input(g, 0, &s, &t->x[0]);
    *labels = sx_graph_bound(g, SX_ROLE_INPUT, "labels", SX_I32, (const long[]){ BATCH, 0 }, true);
    sx_t in[1] = { sx_softmax(g, logits) };
    const sx_layer_context at = {
        .path = "loss", .type = e->item->name, .inputs = 1, .in = in, .training = true, .lr_scale = 1
    };
    sx_graph_enter(g, &at);
    t->loss = params ? l->forward(g, params, in[0], *labels) : (sx_t){ 0 };
    sx_graph_leave(g, NULL, params, in[0], t->loss);
    if (g->refused) return false;
    sx_graph_result(g, t->loss, "rows");
    return true;
}

static int check_row_values(conform *c, const sx_entry *e, bool gradient)
{
    rig *r = rig_open(c, true, BATCH);
    trial t = { .r = r };
    sx_t labels = { 0 };
    bool ok = write_row_values(c, e, &t, &labels);
    if (ok && gradient) ok = gradients(&t);
    if (!conform_check(c, ok, "builds on the probabilities of a softmax")) conform_diags(c, &r->d);
    else {
        const sx_val *v = sx_graph_val(r->g, t.loss);
        conform_check(c, v->rank == 1 && v->shape[0] == BATCH, "gives one number a row");
        const int rc = rig_compile(c, r);
        if (!rc) { fill_trial(&t); rig_write(r, labels, (const int32_t[BATCH]){ 0, 4, 2 }); }
        if (!conform_check(c, !rc && !rig_run(r), "runs on device %s", c->device)) conform_diags(c, &r->d);
        else {
            conform_check(c, finite_all(rig_read(r, t.loss), BATCH), "finite numbers");
            for (long i = 0; i < t.n; i++) check_gradient(c, &t, i, "training");
        }
    }
    rig_close(r);
    return 0;
}

int conform_loss(conform *c, const sx_entry *e) { return check_row_values(c, e, true); }

int conform_metric(conform *c, const sx_entry *e)
{
    const sx_loss *l = (const sx_loss *)(const void *)e->item;
    if (l->forward) return check_row_values(c, e, false);
    conform_check(c, l->over != NULL, "has a function for rows or for a whole set");
    return 0;
}
