/* study_show.c: strix study show and best: what a study has come to. */
#include "study_verb.h"
#include <stdlib.h>
#include <string.h>

/* --- Rows --- */

const char *study_state(const sx_trial_row *r)
{
    return r->waiting ? "waiting" : cli_fate_name(r->t.fate);
}
double study_value(const sx_trial_row *r) { return r->t.value ? *r->t.value : NAN; }

double study_seconds(const sx_trial_row *r)
{
    return r->started > 0 && r->ended > 0 ? r->ended - r->started : NAN;
}

json_t *study_row_json(const sx_trial_row *r)
{
    json_t *values = r->values ? json_loads(r->values, 0, NULL) : NULL, *curve = json_array();
    json_t *o = json_pack("{s:I, s:s, s:s?, s:s?, s:s?, s:i, s:b}", "number", (json_int_t)r->t.number,
                          "state", study_state(r), "dir", r->dir, "reason", r->reason, "worker", r->worker,
                          "attempt", r->attempt, "queued", r->queued);
    cli_json_real(o, "value", study_value(r));
    cli_json_real(o, "started", r->started > 0 ? r->started : NAN);
    cli_json_real(o, "wall_s", study_seconds(r));
    json_object_set_new(o, "values", values ? values : json_object());
    for (long i = 0; i < r->t.steps; i++) {
        json_t *at = json_pack("{s:I}", "step", (json_int_t)r->t.step[i]);
        cli_json_real(at, "value", r->t.curve[i]);
        json_array_append_new(curve, at);
    }
    json_object_set_new(o, "reports", curve);
    return o;
}

json_t *study_head_json(sx_study *s)
{
    const sx_exp *e = sx_study_exp(s);
    return json_pack("{s:s, s:s, s:s, s:s}", "study", sx_study_name(s), "store", sx_study_url(s), "objective",
                     e->tune.objective[0], "direction", e->tune.maximize[0] ? "maximize" : "minimize");
}

/* --- show, best --- */

int study_show(cli_context *c, sx_study *s)
{
    static const char *const states[] = { "complete", "pruned", "failed", "running", "paused", "waiting" };
    const sx_trial_row *const *row;
    const long n = sx_study_trials(s, c->arena, &row, &c->diags);
    if (n < 0) return (int)n;
    json_t *doc = study_head_json(s), *counts = json_object();
    for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
        long of = 0;
        for (long i = 0; i < n; i++) of += !strcmp(study_state(row[i]), states[k]);
        if (of) json_object_set_new(counts, states[k], json_integer(of));
    }
    const sx_trial_row *best = sx_study_best(s, c->arena, &c->diags);
    json_object_set_new(doc, "trials", json_integer(n));
    json_object_set_new(doc, "states", counts);
    json_object_set_new(doc, "axes", json_integer(sx_study_exp(s)->domain->space.n));
    json_object_set_new(doc, "best", best ? study_row_json(best) : json_null());
    if (c->json) { cli_json_print(c, doc); return 0; }
    printf("study      %s\nstore      %s\nobjective  %s, %s\ntrials     %ld", sx_study_name(s),
           sx_study_url(s), sx_study_exp(s)->tune.objective[0],
           sx_study_exp(s)->tune.maximize[0] ? "maximize" : "minimize", n);
    const char *key;
    json_t *v;
    json_object_foreach(counts, key, v) printf(", %s %lld", key, (long long)json_integer_value(v));
    putchar('\n');
    if (best) printf("best       %.6g, trial %ld %s\n", *best->t.value, best->t.number, best->values);
    json_decref(doc);
    return 0;
}

int study_best(cli_context *c, sx_study *s)
{
    const sx_trial_row *best = sx_study_best(s, c->arena, &c->diags);
    if (!best) return cli_fail(c, SX_E_STORE, "study '%s' has no complete trial", sx_study_name(s)), 1;
    if (cli_flag(c, "config")) {
        const sx_exp *e = sx_study_exp(s);
        sx_exp *at;
        if (e->search)
            return cli_fail(c, SX_E_CONFIG, "study '%s' has no experiment, only a space", sx_study_name(s));
        const int rc = sx_exp_at(c->arena, e, best->t.x, &at, &c->diags);
        if (!rc) fputs(sx_train_config(c->arena, at), stdout);
        return rc;
    }
    if (c->json) {
        json_t *doc = study_head_json(s);
        json_object_update_new(doc, study_row_json(best));
        cli_json_print(c, doc);
        return 0;
    }
    printf("trial %ld: %s %.6g\n%s\n", best->t.number, sx_study_exp(s)->tune.objective[0], *best->t.value,
           best->values);
    if (best->dir) printf("%s\n", best->dir);
    return 0;
}
