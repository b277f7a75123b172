/* study_importance.c: strix study importance: which variables decide how good a trial is. */
#include "study_verb.h"
#include "importance.h"
#include <string.h>

static const struct { const char *name; sx_importance_method *run; } methods[] = {
    { "ped-anova", sx_importance_ped }, { "fanova", sx_importance_fanova } };
enum { METHODS = sizeof methods / sizeof *methods, FEW = 20 };

static int find_method(cli_context *c, int *at)
{
    const char *name = cli_text(c, "method", methods[0].name);
    for (*at = 0; *at < METHODS; ++*at) if (!strcmp(methods[*at].name, name)) return 0;
    return cli_usage(c, "--method is '%s', not ped-anova or fanova", name);
}

static int find_objective(cli_context *c, const sx_exp *e, long *at)
{
    const char *name = cli_text(c, "objective", e->tune.objective[0]);
    for (*at = 0; *at < e->tune.objectives; ++*at) if (!strcmp(e->tune.objective[*at], name)) return 0;
    return cli_usage(c, "--objective is '%s', and the study has %s", name,
                     sx_join(c->arena, e->tune.objective, e->tune.objectives));
}

typedef struct { long misfits, endless; } left_out;         /* complete trials that say nothing here */

/* Complete trials with a finite value of that objective that are points of the space as it is now. */
static sx_told told(cli_context *c, const sx_study *s, const sx_trial_row *const *row, long n, long objective,
                    left_out *out)
{
    const sx_exp *e = sx_study_exp((sx_study *)(uintptr_t)s);
    const double **x = sx_alloc_array(c->arena, (size_t)n + 1, sizeof *x);
    double *y = sx_alloc_array(c->arena, (size_t)n + 1, sizeof *y);
    long told = 0;
    for (long i = 0; i < n; i++) {
        const sx_trial *t = &row[i]->t;
        if (t->fate != SX_DONE || !t->value) continue;
        const bool endless = !isfinite(t->value[objective]);
        const bool misfit = !endless && sx_study_point(s, c->arena, row[i], &x[told], NULL);
        out->endless += endless;
        out->misfits += misfit;
        if (endless || misfit) continue;
        y[told++] = e->tune.maximize[objective] ? -t->value[objective] : t->value[objective];
    }
    return (sx_told){ &e->domain->space, told, x, y };
}

static void tell_left_out(cli_context *c, const left_out *out)
{
    if (out->misfits)
        sx_warn(&c->diags, SX_NOWHERE, "%s left out: the space that the study has now does not hold them",
                sx_plural(c->arena, out->misfits, "complete trial"));
    if (out->endless)
        sx_warn(&c->diags, SX_NOWHERE, "%s left out: their values are not finite",
                sx_plural(c->arena, out->endless, "complete trial"));
}

static void print_text(cli_context *c, const sx_told *t, const sx_importance *v, long n, const char *method,
                       const char *objective)
{
    cli_table *table = cli_table_open(c, "variable|>importance|>active in");
    printf("importance for %s, by %s over %s\n", objective, method,
           sx_plural(c->arena, t->n, "complete trial"));
    for (long i = 0; i < n; i++)
        CLI_ROW(table, t->space->axis[v[i].axis]->name,
                isnan(v[i].share) ? "not known" : sx_format(c->arena, "%.3f", v[i].share),
                sx_format(c->arena, "%.0f %%", 100 * v[i].active));
    cli_table_print(table);
}

static void print_json(cli_context *c, sx_study *s, const sx_told *t, const sx_importance *v, long n,
                       const char *method, long objective)
{
    const sx_tune_conf *tune = &sx_study_exp(s)->tune;
    json_t *doc = study_head_json(s), *list = json_array();
    for (long i = 0; i < n; i++) {
        json_t *o = json_pack("{s:s}", "variable", t->space->axis[v[i].axis]->name);
        cli_json_real(o, "importance", v[i].share);
        cli_json_real(o, "active", v[i].active);
        json_array_append_new(list, o);
    }
    json_object_set_new(doc, "objective", json_string(tune->objective[objective]));
    json_object_set_new(doc, "direction", json_string(tune->maximize[objective] ? "maximize" : "minimize"));
    json_object_set_new(doc, "method", json_string(method));
    json_object_set_new(doc, "trials", json_integer(t->n));
    json_object_set_new(doc, "importances", list);
    cli_json_print(c, doc);
}

int study_importance(cli_context *c, sx_study *s)
{
    const sx_exp *e = sx_study_exp(s);
    const sx_trial_row *const *row;
    sx_importance *v;
    int method = 0;
    long objective = 0;
    int rc = find_method(c, &method);
    if (!rc) rc = find_objective(c, e, &objective);
    const long n = rc ? rc : sx_study_trials(s, c->arena, &row, &c->diags);
    if (n < 0) return (int)n;
    left_out out = { 0 };
    const sx_told t = told(c, s, row, n, objective, &out);
    tell_left_out(c, &out);
    if (t.n < 2)
        return cli_fail(c, SX_E_STORE, "study '%s' has %s with a value; importance needs two",
                        sx_study_name(s), sx_plural(c->arena, t.n, "complete trial")),
               1;
    const long axes = sx_importance_rank(c->arena, &t, methods[method].run, &v);
    if (t.n < FEW)
        sx_warn(&c->diags, SX_NOWHERE, "%s tell little; %d or more are wanted",
                sx_plural(c->arena, t.n, "complete trial"), FEW);
    else if (!axes || !(v[0].share > 0))
        sx_warn(&c->diags, SX_NOWHERE, "the trials tell no variable from another");
    if (c->json) print_json(c, s, &t, v, axes, methods[method].name, objective);
    else print_text(c, &t, v, axes, methods[method].name, e->tune.objective[objective]);
    return 0;
}
