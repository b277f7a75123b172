/* epoch.c: a net's programs over the rows of an epoch or of a part, in slices of about half a second, and
 * what their logs come to. */
#include "mode.h"
#include <stdlib.h>
#include <string.h>

/* --- Running in slices --- */
typedef struct { double loss[SX_COLUMNS], value[SX_VALUES]; long rows; } sums;
typedef struct {
    sx_net *n; sx_mode *o; const sx_watch *w; sx_diags *d;
    long first, rows;                            /* this run: rows of the order, of all that are asked for */
    long before, all;                            /* rows of earlier runs, of all runs: for the share */
    bool watch_loss;                             /* stop at a loss that is not finite */
    sums *sums; float *const *y; long y_from;    /* y: where outputs go, from row y_from on; or NULL */
} run;

/* Adds rows [from, to) of a log, in order, so that slices change no bit. */
static int add_log(const run *r, size_t log_at, long from, long to, double *sum)
{
    const int bad = sx_net_get(r->n, r->o->io, log_at + (size_t)from * sizeof(float), r->o->read,
                        (size_t)(to - from) * sizeof(float), r->d);
    for (long i = 0; !bad && i < to - from; i++) *sum += (double)r->o->read[i];
    return bad;
}

static int collect(const run *r, long from, long to)
{
    const sx_mode *o = r->o;
    if (to > r->rows) to = r->rows;              /* what is behind is padding */
    int bad = 0;
    for (long i = 0; i < o->s->heads && !bad; i++) {
        const long width = o->s->head[i].width;
        const size_t each = (size_t)width * sizeof(float);
        bad = add_log(r, o->loss_at[i], from, to, &r->sums->loss[i]);
        if (!bad && r->y && r->y[i])
            bad = sx_net_get(r->n, o->io, o->y_at[i] + (size_t)from * each,
                             r->y[i] + (r->y_from + from) * width, (size_t)(to - from) * each, r->d);
    }
    for (long i = 0; i < o->s->values && !bad; i++)
        if (o->s->value_rows[i].id) bad = add_log(r, o->value_at[i], from, to, &r->sums->value[i]);
    r->sums->rows += to - from;
    return bad;
}

static int look(const run *r, long rows)
{
    if (!r->w) return 0;
    if (r->w->stop && *r->w->stop >= 2) return sx_error(r->d, SX_E_STOPPED, SX_NOWHERE, "stopped at once");
    return r->w->pulse ? r->w->pulse(r->w->ctx, (double)(r->before + rows) / (double)r->all) : 0;
}

static bool diverged(const run *r)
{
    bool bad = false;
    for (long i = 0; r->watch_loss && i < r->o->s->heads; i++) bad |= !isfinite(r->sums->loss[i]);
    return bad;
}

/* Runs `steps` steps; half a second at a time where somebody watches. */
static int run_slices(const run *r, long steps)
{
    const long batch = r->o->s->batch;
    for (long done = 0, times = 1; done < steps;) {
        if (times > steps - done) times = steps - done;
        const double start = sx_net_now();
        int bad = sx_program_run(r->o->p, (unsigned)times, r->d);
        if (!bad) bad = collect(r, done * batch, (done + times) * batch);
        done += times;
        if (!bad && done < steps) bad = look(r, done * batch);
        if (bad) return bad;
        if (diverged(r)) return 0;
        const double speed = (double)times / (sx_net_now() - start + 1e-9);
        times = 0.5 * speed < 1 ? 1 : 0.5 * speed > 1e6 ? 1000000 : (long)(0.5 * speed);
    }
    return 0;
}

static void tally(const sx_exp *e, const sums *s, double start, sx_tally *out)
{
    *out = (sx_tally){ .rows = s->rows, .seconds = sx_net_now() - start };
    for (long i = 0; i < e->outputs; i++) out->loss += e->output[i].weight * (s->loss[i] / (double)s->rows);
    for (long i = 0; i < e->train.values; i++) {
        const sx_score *v = &e->train.value[i];
        out->metric[i] = (v->metric ? s->value[i] : s->loss[v->output]) / (double)s->rows;
    }
}

/* --- Training --- */
/* Coefficients of the epoch's steps; c moves on to the end of the epoch. */
static void fill_table(const sx_net *n, long epoch, const double *monitor, sx_net_clock *c, float *table)
{
    const sx_train_conf *t = &n->e->train;
    sx_progress p = { .steps = n->train.s->steps, .epoch = epoch, .epochs = t->epochs, .monitor = monitor };
    for (p.step = 0; p.step < p.steps; p.step++, table += SX_TABLE_WIDTH) {
        const double lr = t->lr * SX_ITEM_OF(sx_schedule, t->schedule)->factor(t->schedule.params, &p);
        SX_ITEM_OF(sx_optimizer, t->optimizer)->coef(t->optimizer.params, lr, ++c->t, c->memo, table);
        table[SX_TABLE_LR] = (float)lr;
    }
    c->epoch = epoch + 1;
}

int sx_mode_order(const sx_net *n, const sx_mode *o, long rows, sx_diags *d)
{
    return sx_net_put(n, o->io, o->order_at, o->order, (size_t)rows * sizeof *o->order, d);
}

int sx_mode_epoch(sx_net *n, long epoch, const double *monitor, sx_net_clock *c, sx_diags *d)
{
    const sx_mode *o = &n->train;
    const int32_t step = (int32_t)(n->clock.t % INT32_MAX);
    const size_t bytes = (size_t)o->s->steps * SX_TABLE_WIDTH * sizeof(float);
    float *table = calloc(1, bytes);
    if (!table) return sx_error(d, SX_E_MEMORY, SX_NOWHERE, "no memory for %zu bytes of coefficients", bytes);
    fill_table(n, epoch, monitor, c, table);
    int bad = sx_net_put(n, o->io, o->table_at, table, bytes, d);
    free(table);
    const sx_key key = sx_key_of(n->seed, n->trial, "shuffle");
    sx_data_order(n->data->fit, n->data->shape.fit, o->s->batch, true, key, (uint32_t)epoch, false, o->order);
    if (!bad) bad = sx_mode_order(n, o, o->s->steps * o->s->batch, d);
    return bad ? bad : sx_net_put(n, o->io, 0, &step, sizeof step, d);
}

int sx_net_train(sx_net *n, long epoch, const double *monitor, const sx_watch *w, sx_tally *out, sx_diags *d)
{
    const double start = sx_net_now();
    const long rows = n->train.s->steps * n->train.s->batch;
    sx_net_clock c = n->clock;
    sums s = { 0 };
    const run r = { .n = n, .o = &n->train, .w = w, .d = d, .rows = rows, .all = rows, .watch_loss = true,
                    .sums = &s };
    int bad = sx_mode_epoch(n, epoch, monitor, &c, d);
    if (!bad) bad = run_slices(&r, n->train.s->steps);
    if (bad) return bad;
    n->clock = c;
    tally(n->e, &s, start, out);
    return 0;
}

/* --- Evaluation --- */
static int eval_run(run *r, const int32_t *rows)
{
    const sx_mode *o = r->o;
    const int32_t zero = 0;
    const long steps = sx_data_order(rows, r->rows, o->s->batch, false, (sx_key){ { 0, 0 } }, 0, true,
                                     o->order);
    int bad = sx_mode_order(r->n, o, steps * o->s->batch, r->d);
    if (!bad) bad = sx_net_put(r->n, o->io, 0, &zero, sizeof zero, r->d);
    return bad ? bad : run_slices(r, steps);
}

static bool has_over(const sx_train_conf *t)
{
    for (long i = 0; i < t->metrics; i++)
        if (SX_ITEM_OF(sx_loss, t->metric[i])->over) return true;
    return false;
}

/* Room for the outputs of all rows; those that the caller wants have theirs. NULL: there is none. */
static float **own_outputs(sx_arena *a, const sx_step *s, long count, float *const *y)
{
    float **all = sx_alloc_array(a, (size_t)s->heads, sizeof *all);
    for (long i = 0; i < s->heads; i++) {
        all[i] = y && y[i] ? y[i] : calloc((size_t)(count * s->head[i].width), sizeof **all);
        if (!all[i]) return NULL;
        if (!y || y[i] != all[i]) sx_arena_defer(a, free, all[i]);
    }
    return all;
}

/* Metrics of the whole set, from all outputs. */
static int measure(const sx_net *n, const int32_t *rows, long count, float *const *y, sx_tally *out,
                   sx_diags *d)
{
    const sx_train_conf *t = &n->e->train;
    float *target = calloc((size_t)count, sizeof *target);
    if (!target) return sx_error(d, SX_E_MEMORY, SX_NOWHERE, "no memory for %ld labels", count);
    for (long i = 0; i < t->values; i++) {
        const sx_score *v = &t->value[i];
        const sx_head *h = &n->eval.s->head[v->output];
        const sx_loss *item = v->metric ? SX_ITEM_OF(sx_loss, *v->metric) : NULL;
        if (!item || !item->over) continue;
        for (long k = 0; k < count; k++) target[k] = (float)n->data->label[h->label][rows[k]];
        out->metric[i] = item->over(v->metric->params, count, h->width, y[v->output], target);
    }
    free(target);
    return 0;
}

int sx_net_eval(sx_net *n, const int32_t *rows, long count, const sx_watch *w, sx_tally *out, float *const *y,
                sx_diags *d)
{
    const double start = sx_net_now();
    const sx_mode *o = &n->eval;
    const long most = o->s->steps * o->s->batch;
    const bool over = has_over(&n->e->train) && count > 0;
    sx_arena *own = sx_arena_open(NULL);
    if (over) y = own_outputs(own, o->s, count, y);
    sums s = { 0 };
    int bad = count < 1 ? sx_error(d, SX_E_DATA, SX_NOWHERE, "there are no rows to evaluate") : 0;
    if (over && !y)
        bad = sx_error(d, SX_E_MEMORY, SX_NOWHERE, "no memory for the outputs of %ld rows", count);
    for (long at = 0; at < count && !bad; at += most) {
        run r = { .n = n, .o = &n->eval, .w = w, .d = d, .rows = count - at < most ? count - at : most,
                  .before = at, .all = count,
                  .sums = &s, .y = y, .y_from = at };
        bad = eval_run(&r, rows + at);
    }
    if (!bad) tally(n->e, &s, start, out);
    if (!bad && over) bad = measure(n, rows, count, y, out, d);
    sx_arena_close(own);
    return bad;
}
