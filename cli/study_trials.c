/* study_trials.c: strix study trials and replay: every trial as a table, CSV or JSON, and whether the sampler
 * would suggest it again. */
#include "study_verb.h"
#include <stdlib.h>
#include <string.h>

/* RFC 4180: quotes where a comma, a quote or a line's end would mislead. */
static void put_csv(const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) { fputs(text, stdout); return; }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"') putchar('"');
        putchar(*text);
    }
    putchar('"');
}

const char *study_json_text(cli_context *c, const json_t *v)
{
    if (json_is_string(v)) return json_string_value(v);
    if (!v || json_is_null(v)) return "";
    if (json_is_real(v)) return sx_real_text(c->arena, json_real_value(v));
    char *text = json_dumps(v, JSON_ENCODE_ANY);
    const char *kept = sx_strdup(c->arena, text ? text : "");
    free(text);
    return kept;
}

static const char *number_or_empty(cli_context *c, double v)
{
    return isnan(v) ? "" : sx_real_text(c->arena, v);
}

typedef struct { const char **v; long n, cap; } columns;

/* The variables of the space, then those of trials from before it was changed. values: one for each row,
 * freed by the caller. */
static columns variables(cli_context *c, const sx_space *space, const sx_trial_row *const *row, long n,
                         json_t **values)
{
    columns out = { 0 };
    json_t *seen = json_object(), *value;
    const char *name;
    for (int i = 0; i < space->n; i++) {
        SX_PUSH(c->arena, out, space->axis[i]->name);
        json_object_set_new(seen, space->axis[i]->name, json_true());
    }
    for (long k = 0; k < n; k++) {
        values[k] = row[k]->values ? json_loads(row[k]->values, 0, NULL) : NULL;
        json_object_foreach(values[k], name, value) {
            if (json_object_get(seen, name)) continue;
            SX_PUSH(c->arena, out, sx_strdup(c->arena, name));
            json_object_set_new(seen, name, json_true());
        }
    }
    json_decref(seen);
    return out;
}

static void print_csv_row(cli_context *c, const sx_study *s, const sx_trial_row *r, const columns *names,
                          const json_t *values)
{
    const sx_tune_conf *tune = &sx_study_exp((sx_study *)(uintptr_t)s)->tune;
    printf("%ld,%s,%s,%s,%s", r->t.number, study_state(r), number_or_empty(c, study_value(r)),
           number_or_empty(c, r->started > 0 ? r->started : NAN), number_or_empty(c, study_seconds(r)));
    for (long i = 0; tune->objectives > 1 && i < tune->objectives; i++)
        printf(",%s", r->t.value ? number_or_empty(c, r->t.value[i]) : "");
    if (tune->measured.n) printf(",%s", !r->t.constraint ? "" : sx_study_feasible(s, r) ? "true" : "false");
    for (long i = 0; i < names->n; i++) {
        putchar(',');
        put_csv(study_json_text(c, json_object_get(values, names->v[i])));
    }
    putchar(',');
    put_csv(r->dir ? r->dir : "");
    putchar(',');
    put_csv(r->reason ? r->reason : "");
    putchar('\n');
}

static int print_csv(cli_context *c, sx_study *s, const sx_trial_row *const *row, long n)
{
    const sx_tune_conf *tune = &sx_study_exp(s)->tune;
    json_t **values = sx_alloc_array(c->arena, (size_t)n + 1, sizeof *values);
    const columns names = variables(c, &sx_study_exp(s)->domain->space, row, n, values);
    printf("number,state,value,started,wall_s");
    for (long i = 0; tune->objectives > 1 && i < tune->objectives; i++) {
        putchar(',');
        put_csv(tune->objective[i]);
    }
    if (tune->measured.n) printf(",feasible");
    for (long i = 0; i < names.n; i++) { putchar(','); put_csv(names.v[i]); }
    puts(",dir,reason");
    for (long k = 0; k < n; k++) {
        print_csv_row(c, s, row[k], &names, values[k]);
        json_decref(values[k]);
    }
    return 0;
}

int study_trials(cli_context *c, sx_study *s)
{
    const sx_trial_row *const *row;
    const long n = sx_study_trials(s, c->arena, &row, &c->diags);
    if (n < 0) return (int)n;
    if (cli_flag(c, "replay")) return study_replay(c, s);
    if (cli_flag(c, "csv")) return print_csv(c, s, row, n);
    const sx_exp *e = sx_study_exp(s);
    json_t *list = json_array(), *replicas = study_replicas(c, s);
    cli_table *t = cli_table_open(c, ">trial|state|>value|>epochs|>elapsed|values|reason");
    for (long i = 0; i < n; i++) {
        const sx_trial_row *r = row[i];
        if (c->json) { json_array_append_new(list, study_row_json(c, s, replicas, r)); continue; }
        CLI_ROW(t, sx_format(c->arena, "%ld", r->t.number), study_state(r),
                e->tune.objectives > 1 ? study_worth(c, e, r) : study_spread(c, e, replicas, r),
                e->tune.objectives > 1 ? "-" : sx_format(c->arena, "%ld", r->t.steps),
                isnan(study_seconds(r)) ? "" : cli_seconds(c->arena, study_seconds(r)), r->values,
                r->reason ? r->reason : study_broken(c, e, r));
    }
    json_decref(replicas);
    if (!c->json) { json_decref(list); cli_table_print(t); return 0; }
    json_t *doc = study_head_json(s);
    json_object_set_new(doc, "trials", list);
    cli_json_print(c, doc);
    return 0;
}

int study_replay(cli_context *c, sx_study *s)
{
    const sx_trial_row *const *row;
    const long n = sx_study_trials(s, c->arena, &row, &c->diags);
    if (n < 0) return (int)n;
    long same = 0, other = 0, not_ours = 0;
    double *x = sx_alloc_array(c->arena, (size_t)sx_study_exp(s)->domain->space.n + 1, sizeof *x);
    json_t *differ = json_array();
    for (long i = 0; i < n; i++) {
        const int rc = sx_study_replay(s, row[i], x, &c->diags);
        if (rc < 0) { json_decref(differ); return rc; }
        same += rc == 0;
        other += rc == 1;
        not_ours += rc == 2;
        if (rc == 1) json_array_append_new(differ, json_integer(row[i]->t.number));
    }
    json_t *doc = study_head_json(s);
    json_object_update_new(doc, json_pack("{s:I, s:I, s:I}", "same", (json_int_t)same, "different",
                                      (json_int_t)other, "not_asked_here", (json_int_t)not_ours));
    json_object_set_new(doc, "differ", differ);
    if (c->json) cli_json_print(c, doc);
    else {
        printf("suggestions: %ld the same, %ld different, %ld not made by this sampler\n", same, other,
               not_ours);
        for (size_t i = 0; i < json_array_size(differ); i++)
            printf("trial %s differs\n", study_json_text(c, json_array_get(differ, i)));
        json_decref(doc);
    }
    return other ? 1 : 0;
}
