/* eval.c: strix eval: a trained net on a part of its data set: scikit-learn's classification report,
 * confusion matrix. */
#include "cli.h"
#include "report.h"
#include <string.h>

/* The net of a run directory, with the weights of its best epoch (the last ones where there is no best). */
static int open_exp(cli_context *c, const char *dir, sx_exp **e)
{
    const char *file = sx_format(c->arena, "%s/config.cfg", dir);
    if (sx_file_exists(file)) return cli_load_experiment(c, file, e);
    sx_error(&c->diags, SX_E_DATA, (sx_where){ .file = dir },
             "this is no run directory: it has no config.cfg");
    sx_hint(&c->diags, "`strix train` makes one, `strix tune` one for each trial.");
    return SX_E_DATA;
}

const char *cli_run_weights(cli_context *c, const char *dir)
{
    const char *best = sx_format(c->arena, "%s/best.safetensors", dir);
    return sx_file_exists(best) ? best : sx_format(c->arena, "%s/last.safetensors", dir);
}

int cli_open_run(cli_context *c, const char *dir, cli_open_data *open_data, void *ctx, sx_net **net)
{
    sx_exp *e;
    sx_machine *m;
    sx_data *data;
    int bad = open_exp(c, dir, &e);
    if (!bad) bad = cli_machine(c, &m);
    if (!bad) bad = open_data(c, e, m, ctx, &data);
    if (!bad) bad = sx_net_open(c->arena, e, m, data, e->tune.seed, 0, false, net, &c->diags);
    return bad ? bad : sx_ckpt_load(c->arena, cli_run_weights(c, dir), *net, NULL, &c->diags);
}

long cli_argmax(const float *y, long n)
{
    long best = 0;
    for (long i = 1; i < n; i++) if (y[i] > y[best]) best = i;
    return best;
}

/* --- Verdicts on a part --- */
typedef struct { const char *name; const int32_t *rows; long n; } part;
static int find_part(cli_context *c, const sx_data *data, part *p)
{
    p->name = cli_text(c, "data", data->shape.test ? "test" : "val");
    if (!strcmp(p->name, "test")) p->rows = data->test, p->n = data->shape.test;
    else if (!strcmp(p->name, "val")) p->rows = data->val, p->n = data->shape.val;
    else if (!strcmp(p->name, "train")) p->rows = data->fit, p->n = data->shape.fit;
    else return cli_usage(c, "--data is '%s', not test, val or train", p->name);
    return p->n ? 0 : cli_fail(c, SX_E_DATA, "the data set has no rows for '%s'", p->name);
}

/* The verdicts on one output. */
static sx_verdicts judge(cli_context *c, const sx_net *net, long output, const int32_t *rows, long n,
                         const float *y)
{
    const sx_data *data = sx_net_data(net);
    const sx_head *h = sx_net_head(net, output);
    const long width = h->width, labels = data->shape.label[h->label].classes;
    int32_t *truth = sx_alloc_array(c->arena, (size_t)n, sizeof *truth);
    int32_t *guess = sx_alloc_array(c->arena, (size_t)n, sizeof *guess);
    for (long i = 0; i < n; i++) {
        truth[i] = data->label[h->label][rows[i]];
        guess[i] = (int32_t)cli_argmax(y + i * width, width);
    }
    sx_verdicts v = { .n = n, .truth = truth, .guess = guess, .digits = 3 };
    v.labels = width > labels ? width : labels;
    if (data->names[h->label] && width <= labels) v.name = data->names[h->label];
    return v;
}

int cli_verdicts(cli_context *c, sx_net *net, const int32_t *rows, long n, sx_tally *tally, sx_verdicts **out)
{
    const long outputs = sx_net_exp(net)->outputs;
    float **y = sx_alloc_array(c->arena, (size_t)outputs, sizeof *y);
    for (long i = 0; i < outputs; i++)
        y[i] = sx_alloc_array(c->arena, (size_t)n * (size_t)sx_net_head(net, i)->width, sizeof **y);
    const int bad = sx_net_eval(net, rows, n, NULL, tally, y, &c->diags);
    *out = sx_alloc_array(c->arena, (size_t)outputs, sizeof **out);
    for (long i = 0; i < outputs && !bad; i++) (*out)[i] = judge(c, net, i, rows, n, y[i]);
    return bad;
}

static json_t *confusion_json(cli_context *c, const sx_verdicts *v)
{
    long n;
    const long *m = sx_confusion(c->arena, v, &n);
    json_t *rows = json_array();
    for (long i = 0; i < n; i++) {
        json_t *row = json_array();
        for (long k = 0; k < n; k++) json_array_append_new(row, json_integer(m[i * n + k]));
        json_array_append_new(rows, row);
    }
    return rows;
}

void cli_verdicts_json(cli_context *c, json_t *o, const sx_net *net, const sx_verdicts *v, bool whole)
{
    const sx_exp *e = sx_net_exp(net);
    json_t *all = e->outputs > 1 ? json_object() : NULL;
    for (long i = 0; i < e->outputs; i++) {
        json_t *to = all ? json_object() : o, *names = whole ? json_array() : NULL;
        for (long k = 0; names && v[i].name && k < v[i].labels; k++)
            json_array_append_new(names, json_string(v[i].name[k]));
        if (whole) json_object_set_new(to, "classes", names);
        if (whole) json_object_set_new(to, "confusion", confusion_json(c, &v[i]));
        json_object_set_new(to, "report", json_string(sx_report_text(c->arena, &v[i])));
        if (all) json_object_set_new(all, e->output[i].name, to);
    }
    if (all) json_object_set_new(o, "outputs", all);
}

void cli_verdicts_print(cli_context *c, const sx_net *net, const sx_verdicts *v, bool whole)
{
    const sx_exp *e = sx_net_exp(net);
    for (long i = 0; i < e->outputs; i++) {
        if (e->outputs > 1) printf("\noutput %s\n", e->output[i].name);
        printf("\n%s", sx_report_text(c->arena, &v[i]));
        if (whole) printf("\n%s", sx_confusion_text(c->arena, &v[i]));
    }
}

static void print_json(cli_context *c, const sx_net *net, const part *p, const sx_tally *t,
                       const sx_verdicts *v)
{
    const sx_train_conf *conf = &sx_net_exp(net)->train;
    json_t *doc = json_pack("{s:s, s:I}", "data", p->name, "rows", (json_int_t)p->n);
    cli_json_real(doc, "loss", t->loss);
    for (long i = 0; i < conf->values; i++) cli_json_real(doc, conf->value[i].name, t->metric[i]);
    cli_verdicts_json(c, doc, net, v, true);
    cli_json_print(c, doc);
}

static void print_text(cli_context *c, const sx_net *net, const part *p, const sx_tally *t,
                       const sx_verdicts *v)
{
    const sx_train_conf *conf = &sx_net_exp(net)->train;
    printf("%s  %s  loss %.4f", p->name, sx_plural(c->arena, p->n, "row"), t->loss);
    for (long i = 0; i < conf->values; i++) printf("  %s %.4f", conf->value[i].name, t->metric[i]);
    printf("\n");
    cli_verdicts_print(c, net, v, true);
}

static int open_set(cli_context *c, const sx_exp *e, const sx_machine *m, void *ctx, sx_data **data)
{
    (void)ctx;
    return sx_data_open(c->arena, e, m, true, data, &c->diags);
}

static int run(cli_context *c)
{
    sx_net *net;
    part p = { 0 };
    sx_tally t;
    sx_verdicts *v;
    int bad = cli_open_run(c, c->arg[0], open_set, NULL, &net);
    if (!bad) bad = find_part(c, sx_net_data(net), &p);
    if (!bad) bad = cli_verdicts(c, net, p.rows, p.n, &t, &v);
    if (bad) return bad;
    if (c->json) print_json(c, net, &p, &t, v);
    else print_text(c, net, &p, &t, v);
    return 0;
}

static const cli_option options[] = {
    { "data", 0, CLI_TEXT, "PART", "test, val or train; default: test", 0, 0 },
    CLI_END
};

const cli_verb verb_eval = { .name = "eval", .args = "RUN",
                             .doc = "classification report and confusion matrix of a run directory",
                             .least = 1, .most = 1, .options = options, .run = run };
