/* study_rows.c: the trials of a study as documents and tables show them. */
#include "study_verb.h"
#include <stdlib.h>
#include <string.h>
#include "replica.h"

const char *study_state(const sx_trial_row *r)
{
    return r->waiting ? "waiting" : sx_fate_name(r->t.fate);
}
double study_value(const sx_trial_row *r) { return r->t.value ? *r->t.value : NAN; }

double study_seconds(const sx_trial_row *r)
{
    return r->started > 0 && r->ended > 0 ? r->ended - r->started : NAN;
}

const char *study_worth(cli_context *c, const sx_exp *e, const sx_trial_row *r)
{
    const char *text = "";
    for (long i = 0; i < e->tune.objectives && r->t.value; i++)
        text = sx_format(c->arena, "%s%s%s %.6g", text, i ? ", " : "", e->tune.objective[i], r->t.value[i]);
    return text;
}

const char *study_broken(cli_context *c, const sx_exp *e, const sx_trial_row *r)
{
    const char *text = "";
    for (long i = 0; i < e->tune.measured.n && r->t.constraint; i++)
        if (r->t.constraint[i] > 0)
            text = sx_format(c->arena, "%s%s'%s'", text, *text ? ", " : "breaks ",
                             e->tune.measured.v[i].text);
    return text;
}

/* --- Replicas --- */

static void keep_note(void *all, long trial, const char *key, const char *json)
{
    char number[32];
    json_t *doc = json_loads(json, 0, NULL);
    (void)key;
    snprintf(number, sizeof number, "%ld", trial);
    if (doc) json_object_set_new(all, number, doc);
}

json_t *study_replicas(cli_context *c, sx_study *s)
{
    json_t *all = json_object();
    (void)!sx_study_notes(s, "strix:replicas", keep_note, all, &c->diags);
    return all;
}

static const json_t *replicas_of(cli_context *c, const json_t *all, long trial)
{
    return json_object_get(all, sx_format(c->arena, "%ld", trial));
}

const char *study_spread(cli_context *c, const sx_exp *e, const json_t *all, const sx_trial_row *r)
{
    if (!r->t.value) return "";
    const json_t *list = json_object_get(replicas_of(c, all, r->t.number), e->tune.objective[0]);
    const size_t n = json_array_size(list);
    double *v = sx_alloc_array(c->arena, n + 1, sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = json_number_value(json_array_get(list, i));
    return n < 2 ? sx_format(c->arena, "%.6g", *r->t.value)
                 : sx_format(c->arena, "%.6g +- %.2g", *r->t.value, sx_spread_of(v, (long)n).sd);
}

/* --- Documents --- */

static json_t *values_json(const sx_exp *e, const sx_trial_row *r)
{
    json_t *o = json_object();
    for (long i = 0; i < e->tune.objectives; i++)
        cli_json_real(o, e->tune.objective[i], r->t.value ? r->t.value[i] : NAN);
    return o;
}

json_t *study_row_json(cli_context *c, const sx_study *s, const json_t *replicas, const sx_trial_row *r)
{
    const sx_exp *e = sx_study_exp((sx_study *)(uintptr_t)s);
    json_t *values = r->values ? json_loads(r->values, 0, NULL) : NULL, *curve = json_array(),
           *each = (json_t *)(uintptr_t)replicas_of(c, replicas, r->t.number);
    json_t *o = json_pack("{s:I, s:s, s:s?, s:s?, s:s?, s:i, s:b}", "number", (json_int_t)r->t.number,
                          "state", study_state(r), "dir", r->dir, "reason", r->reason, "worker", r->worker,
                          "attempt", r->attempt, "queued", r->queued);
    cli_json_real(o, "value", study_value(r));
    if (e->tune.objectives > 1) json_object_set_new(o, "objectives", values_json(e, r));
    if (e->tune.measured.n && r->t.constraint)
        json_object_set_new(o, "feasible", json_boolean(sx_study_feasible(s, r)));
    cli_json_real(o, "started", r->started > 0 ? r->started : NAN);
    cli_json_real(o, "wall_s", study_seconds(r));
    json_object_set_new(o, "values", values ? values : json_object());
    if (each) json_object_set(o, "replicas", each);
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
    const sx_tune_conf *t = &sx_study_exp(s)->tune;
    json_t *doc =
        json_pack("{s:s, s:s, s:s, s:s}", "study", sx_study_name(s), "store", sx_study_url(s), "objective",
                  t->objective[0], "direction", t->maximize[0] ? "maximize" : "minimize");
    if (t->objectives < 2) return doc;
    json_t *all = json_array();
    for (long i = 0; i < t->objectives; i++)
        json_array_append_new(all, json_pack("{s:s, s:s}", "name", t->objective[i], "direction",
                                             t->maximize[i] ? "maximize" : "minimize"));
    json_object_set_new(doc, "objectives", all);
    return doc;
}
