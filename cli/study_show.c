/* study_show.c: strix study show: what a study has come to, or a Python worker for it. */
#include "study_verb.h"
#include <stdlib.h>
#include <string.h>
#include "search.h"

/* --- A Python worker --- */

/* Python's spelling of a JSON value: strings and numbers are alike. */
static const char *python(cli_context *c, const json_t *v)
{
    if (json_is_null(v) || !v) return "None";
    if (json_is_boolean(v)) return json_is_true(v) ? "True" : "False";
    if (!json_is_array(v))
        return json_is_string(v) ? sx_json_text(c->arena, json_string_value(v)) : study_json_text(c, v);
    const char *text = "";
    for (size_t i = 0; i < json_array_size(v); i++)
        text = sx_format(c->arena, "%s%s%s", text, i ? ", " : "", python(c, json_array_get(v, i)));
    return sx_format(c->arena, "[%s]", text);
}

/* trial.suggest_float("lr", 0.0001, 1.0, log=True) */
static const char *suggest(cli_context *c, const sx_var *v, const char *written)
{
    json_t *dist = json_loads(written, 0, NULL),
           *at = json_object_get(dist, "attributes");
    const char *kind = json_string_value(json_object_get(dist, "name")),
               *name = sx_json_text(c->arena, v->axis.name);
    const char *text;
    if (!strncmp(kind, "Cat", 3))
        text = sx_format(c->arena, "trial.suggest_categorical(%s, %s)", name,
                         python(c, json_object_get(at, "choices")));
    else {
        const json_t *step = json_object_get(at, "step");
        const bool whole = *kind == 'I';
        text = sx_format(c->arena, "trial.suggest_%s(%s, %s, %s%s%s)", whole ? "int" : "float", name,
                         python(c, json_object_get(at, "low")), python(c, json_object_get(at, "high")),
                         json_is_true(json_object_get(at, "log")) ? ", log=True" : "",
                         json_is_null(step) || (whole && json_number_value(step) == 1)
                             ? "" : sx_format(c->arena, ", step=%s", python(c, step)));
    }
    json_decref(dist);
    return text;
}

/* "p.get("conv") in ["one-block"]"; NULL: always */
static const char *condition(cli_context *c, const sx_domain *d, const sx_axis *x)
{
    const char *text = NULL;
    for (int i = 0; i < x->whens; i++) {
        const sx_when *w = &x->when[i];
        const sx_var *p = d->var[w->parent];
        const char *values = "";
        for (int k = 0; k < w->n; k++) {
            const long at = (long)w->value[k];
            const sx_datum *option = p->option ? &p->option[at] : NULL;
            const char *value = !option ? sx_real_text(c->arena, w->value[k])
                                : option->kind == SX_DATUM_NONE || option->kind == SX_DATUM_TEXT ||
                                        option->kind == SX_DATUM_LIST
                                    ? sx_json_text(c->arena, p->label[at])
                                : option->kind == SX_DATUM_BOOL ? (option->b ? "True" : "False")
                                                                : sx_datum_text(c->arena, option);
            values = sx_format(c->arena, "%s%s%s", values, k ? ", " : "", value);
        }
        text = sx_format(c->arena, "%s%sp.get(%s) in [%s]", text ? text : "", text ? " or " : "",
                         sx_json_text(c->arena, p->axis.name), values);
    }
    return text;
}

/* The store's URL in SQLAlchemy's words, which names the library beside the kind. */
static const char *storage(cli_context *c, const char *url)
{
    if (!strncmp(url, "sqlite:", 7) && strncmp(url, "sqlite:///", 10))
        return sx_format(c->arena, "sqlite:///%s", url + 7);
    if (!strncmp(url, "postgresql:", 11)) return sx_format(c->arena, "postgresql+psycopg2:%s", url + 11);
    return url;
}

static int print_python(cli_context *c, sx_study *s)
{
    const sx_exp *e = sx_study_exp(s);
    printf("import optuna\n\n\ndef objective(trial):\n    p = {}\n");
    for (int i = 0; i < e->domain->space.n; i++) {
        const sx_var *v = e->domain->var[i];
        const char *when = condition(c, e->domain, &v->axis);
        if (when) printf("    if %s:\n    ", when);
        printf("    p[%s] = %s\n", sx_json_text(c->arena, v->axis.name),
               suggest(c, v, sx_study_written(s, i)));
    }
    printf("    return run(p)  # yours:");
    for (long i = 0; i < e->tune.objectives; i++) printf("%s %s", i ? "," : "", e->tune.objective[i]);
    printf("\n\n\ndef obey(study, trial):  # strix study stop\n    if study.user_attrs.get(\"strix:stop\"):\n"
           "        study.stop()\n\n\nstudy = optuna.load_study(study_name=%s, storage=%s)\n"
           "study.optimize(objective, n_trials=10, callbacks=[obey])\n",
           sx_json_text(c->arena, sx_study_name(s)),
           sx_json_text(c->arena, storage(c, sx_study_url(s))));
    return 0;
}

/* --- show --- */

int study_show(cli_context *c, sx_study *s)
{
    static const char *const states[] = { "complete", "pruned", "failed", "running", "paused", "waiting" };
    const sx_trial_row *const *row;
    bool stopped;
    if (cli_flag(c, "python")) return print_python(c, s);
    const long n = sx_study_brief(s, c->arena, &row, &c->diags);
    if (n < 0) return (int)n;
    const sx_trial_row *best;
    int rc = sx_study_stopped(s, &stopped, &c->diags);
    if (!rc) rc = study_find_best(c, s, &best);
    if (rc) return rc;
    json_t *doc = study_head_json(s), *counts = json_object();
    for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
        long of = 0;
        for (long i = 0; i < n; i++) of += !strcmp(study_state(row[i]), states[k]);
        if (of) json_object_set_new(counts, states[k], json_integer(of));
    }
    json_object_set_new(doc, "trials", json_integer(n));
    json_object_set_new(doc, "states", counts);
    json_object_set_new(doc, "axes", json_integer(sx_study_exp(s)->domain->space.n));
    json_object_set_new(doc, "best", best ? study_row_json(c, s, NULL, best) : json_null());
    json_object_set_new(doc, "stopped", json_boolean(stopped));
    if (c->json) { cli_json_print(c, doc); return 0; }
    const sx_tune_conf *t = &sx_study_exp(s)->tune;
    printf("study      %s\nstore      %s\nobjective  ", sx_study_name(s), sx_study_url(s));
    for (long i = 0; i < t->objectives; i++)
        printf("%s%s, %s", i ? "; " : "", t->objective[i], t->maximize[i] ? "maximize" : "minimize");
    printf("\ntrials     %ld", n);
    const char *key;
    json_t *v;
    json_object_foreach(counts, key, v) printf(", %s %lld", key, (long long)json_integer_value(v));
    putchar('\n');
    if (stopped) printf("stopped    `strix study resume` or `strix tune` goes on\n");
    if (best && t->objectives > 1)
        printf("best       %s, trial %ld, and what `strix study best` shows\n",
               study_worth(c, sx_study_exp(s), best), best->t.number);
    else if (best) printf("best       %.6g, trial %ld %s\n", *best->t.value, best->t.number, best->values);
    json_decref(doc);
    return 0;
}
