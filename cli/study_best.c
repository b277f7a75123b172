/* study_best.c: strix study best: the best trial, of several objectives those that no other one beats, and
 * the experiment at its point as a file. */
#include "study_verb.h"
#include <string.h>
#include "file.h"

/* --- The experiment at the point of a trial --- */

/* Variables that the trial searched and the space has no more: they get the values that it had. */
static bool set_old_variables(cli_context *c, const sx_exp *e, const sx_trial_row *r, sx_conf *vars)
{
    bool any = false;
    json_t *values = r->values ? json_loads(r->values, 0, NULL) : NULL, *v;
    const char *name;
    json_object_foreach(values, name, v) {
        sx_conf *to = sx_conf_member(vars, name);
        bool is_axis = false;
        for (int i = 0; i < e->domain->space.n; i++) is_axis |= !strcmp(e->domain->var[i]->name, name);
        if (is_axis || !to || json_is_array(v)) continue;
        any = true;
        to->first = to->last = NULL;
        if (json_is_integer(v)) to->kind = SX_CONF_INT, to->i = json_integer_value(v);
        else if (json_is_real(v)) to->kind = SX_CONF_REAL, to->r = json_real_value(v);
        else if (json_is_boolean(v)) to->kind = SX_CONF_BOOL, to->b = json_is_true(v);
        else
            to->kind = SX_CONF_TEXT,
            to->s = sx_strdup(c->arena, json_is_string(v) ? json_string_value(v) : "");
    }
    json_decref(values);
    return any;
}

static int print_config(cli_context *c, sx_study *s, const sx_trial_row *r)
{
    sx_exp *e = sx_study_exp(s), *at = NULL;
    if (e->search)
        return cli_fail(c, SX_E_CONFIG, "study '%s' has no experiment, only a space", sx_study_name(s));
    const double *x;
    int rc = sx_study_point(s, c->arena, r, &x, &c->diags);
    if (rc) return rc;
    sx_conf *root = sx_conf_copy(c->arena, e->root), *vars = sx_conf_member(root, "vars");
    if (vars && set_old_variables(c, e, r, vars))
        rc = sx_exp_open(c->arena, cli_registry(c), root, e->file, &e, &c->diags);
    if (!rc) rc = sx_exp_at(c->arena, e, x, &at, &c->diags);
    if (rc) return rc;
    if (c->json) {
        json_t *doc = study_head_json(s);
        json_object_set_new(doc, "number", json_integer((json_int_t)r->t.number));
        json_object_set_new(doc, "config", json_string(sx_train_config(c->arena, at)));
        cli_json_print(c, doc);
    } else fputs(sx_train_config(c->arena, at), stdout);
    return 0;
}

/* --- best --- */

static void print_front(cli_context *c, sx_study *s, const sx_trial_row *const *row, long n)
{
    const sx_exp *e = sx_study_exp(s);
    const char *heads = ">trial";
    for (long i = 0; i < e->tune.objectives; i++)
        heads = sx_format(c->arena, "%s|>%s", heads, e->tune.objective[i]);
    cli_table *t = cli_table_open(c, sx_format(c->arena, "%s|values", heads));
    for (long k = 0; k < n; k++) {
        const char **cell = sx_alloc_array(c->arena, (size_t)e->tune.objectives + 2, sizeof *cell);
        cell[0] = sx_format(c->arena, "%ld", row[k]->t.number);
        for (long i = 0; i < e->tune.objectives; i++)
            cell[i + 1] = sx_format(c->arena, "%.6g", row[k]->t.value[i]);
        cell[e->tune.objectives + 1] = row[k]->values;
        cli_table_row(t, cell);
    }
    cli_table_print(t);
}

static int none_complete(cli_context *c, const sx_study *s)
{
    return cli_fail(c, SX_E_STORE, "study '%s' has no complete trial", sx_study_name(s)), 1;
}

static int show_front(cli_context *c, sx_study *s)
{
    const sx_trial_row *const *row;
    const long n = sx_study_front(s, c->arena, &row, &c->diags);
    if (n < 0) return (int)n;
    if (!n) return none_complete(c, s);
    if (!c->json) { print_front(c, s, row, n); return 0; }
    json_t *doc = study_head_json(s), *front = json_array(), *replicas = study_replicas(c, s);
    for (long i = 0; i < n; i++) json_array_append_new(front, study_row_json(c, s, replicas, row[i]));
    json_object_set_new(doc, "front", front);
    json_decref(replicas);
    cli_json_print(c, doc);
    return 0;
}

int study_find_best(cli_context *c, sx_study *s, const sx_trial_row **best)
{
    const long errors = c->diags.errors;
    *best = sx_study_best(s, c->arena, &c->diags);
    return c->diags.errors > errors ? sx_diags_code(&c->diags) : 0;
}

/* --trial, or the best one; not 0: told. */
static int choose(cli_context *c, sx_study *s, const sx_trial_row **row)
{
    const long number = cli_long(c, "trial", -1);
    if (number < 0) {
        const int rc = study_find_best(c, s, row);
        return rc || *row ? rc : none_complete(c, s);
    }
    *row = sx_study_numbered(s, c->arena, number, &c->diags);
    return *row ? 0 : sx_diags_code(&c->diags);
}

int study_best(cli_context *c, sx_study *s)
{
    const sx_exp *e = sx_study_exp(s);
    if (e->tune.objectives > 1 && !cli_flag(c, "config") && cli_long(c, "trial", -1) < 0)
        return show_front(c, s);
    const sx_trial_row *best;
    const int rc = choose(c, s, &best);
    if (rc) return rc;
    if (cli_flag(c, "config")) return print_config(c, s, best);
    json_t *replicas = study_replicas(c, s);
    if (c->json) {
        json_t *doc = study_head_json(s);
        json_object_update_new(doc, study_row_json(c, s, replicas, best));
        cli_json_print(c, doc);
    } else {
        printf("trial %ld: %s\n%s\n", best->t.number,
               e->tune.objectives > 1
                   ? study_worth(c, e, best)
                   : sx_format(c->arena, "%s %s", e->tune.objective[0], study_spread(c, e, replicas, best)),
               best->values);
        if (best->dir) printf("%s\n", best->dir);
    }
    json_decref(replicas);
    return 0;
}
