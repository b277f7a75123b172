/* study_confirm.c: strix study confirm: are the best trials as good as they looked? Each is trained again
 * from several new seeds; the mean, its deviation and 95 % interval are shown for every metric of validation
 * and test. */
#include "study_verb.h"
#include <string.h>
#include "confirm.h"

static bool shown_metric(const sx_exp *e, const char *name)
{
    for (long i = 0; i < e->tune.objectives; i++) if (!strcmp(name, e->tune.objective[i])) return true;
    return !strncmp(name, "test_", 5) && strcmp(name, "test_loss");
}

static const char *spread_text(cli_context *c, const sx_spread *s)
{
    if (!s->n) return "";
    if (s->n == 1) return sx_format(c->arena, "%.4f", s->mean);
    return sx_format(c->arena, "%.4f +- %.4f [%.4f, %.4f]", s->mean, s->sd, s->low, s->high);
}

static void print_table(cli_context *c, const sx_exp *e, const sx_confirmed *v, long n)
{
    const char *heads = ">trial|>runs|>search";
    for (long i = 0; i < v->metrics; i++)
        if (shown_metric(e, v->name[i])) heads = sx_format(c->arena, "%s|>%s", heads, v->name[i]);
    cli_table *t = cli_table_open(c, sx_format(c->arena, "%s|values", heads));
    for (long k = 0; k < n; k++) {
        const char **cell = sx_alloc_array(c->arena, (size_t)v->metrics + 5, sizeof *cell);
        long at = 0, done = v[k].metrics ? v[k].spread[0].n : 0;
        cell[at++] = sx_format(c->arena, "%ld", v[k].trial);
        cell[at++] = v[k].failed || done < v[k].runs ? sx_format(c->arena, "%ld/%ld", done, v[k].runs)
                                                     : sx_format(c->arena, "%ld", v[k].runs);
        cell[at++] = v[k].row && v[k].row->t.value ? sx_format(c->arena, "%.4f", *v[k].row->t.value) : "";
        for (long i = 0; i < v[k].metrics; i++)
            if (shown_metric(e, v[k].name[i])) cell[at++] = spread_text(c, &v[k].spread[i]);
        cell[at] = v[k].row ? v[k].row->values : "";
        cli_table_row(t, cell);
    }
    cli_table_print(t);
}

static json_t *spread_json(const sx_spread *s)
{
    json_t *o = json_pack("{s:I}", "n", (json_int_t)s->n);
    cli_json_real(o, "mean", s->mean);
    cli_json_real(o, "sd", s->sd);
    cli_json_real(o, "low", s->low);
    cli_json_real(o, "high", s->high);
    return o;
}

static json_t *points_json(const sx_confirmed *v, long n)
{
    json_t *list = json_array();
    for (long k = 0; k < n; k++) {
        json_t *values = v[k].row && v[k].row->values ? json_loads(v[k].row->values, 0, NULL) : NULL,
               *metrics = json_object();
        for (long i = 0; i < v[k].metrics; i++)
            json_object_set_new(metrics, v[k].name[i], spread_json(&v[k].spread[i]));
        json_t *o = json_pack("{s:I, s:I, s:I, s:o, s:o}", "trial", (json_int_t)v[k].trial, "runs",
                              (json_int_t)v[k].runs, "failed", (json_int_t)v[k].failed, "values",
                              values ? values : json_object(), "metrics", metrics);
        cli_json_real(o, "value", v[k].row && v[k].row->t.value ? *v[k].row->t.value : NAN);
        json_array_append_new(list, o);
    }
    return list;
}

static int print(cli_context *c, sx_study *of, sx_study *confirm)
{
    sx_confirmed *v = NULL;
    const long n = sx_confirm_read(c->arena, of, confirm, &v, &c->diags);
    if (n < 0) return (int)n;
    if (c->json) {
        json_t *doc = study_head_json(of);
        json_object_set_new(doc, "confirm", json_string(sx_study_name(confirm)));
        json_object_set_new(doc, "points", points_json(v, n));
        cli_json_print(c, doc);
    } else if (n) {
        print_table(c, sx_study_exp(of), v, n);
        printf("\nmean +- standard deviation [95 %% interval of the mean, Student's t] over the runs of "
               "study %s\n",
               sx_study_name(confirm));
    }
    long ended = 0;
    for (long k = 0; k < n; k++) ended += v[k].metrics ? v[k].spread[0].n : 0;
    if (ended || c->stop) return 0;
    return cli_fail(c, SX_E_REFUSED, "none of the runs was completed; see strix study trials %s --store %s",
                    sx_study_name(confirm), sx_study_url(confirm)), 1;
}

int study_confirm(cli_context *c, sx_study *of)
{
    sx_study *s = NULL;
    const long top = cli_long(c, "top", 3), seeds = cli_long(c, "seeds", 5), jobs = cli_long(c, "jobs", 1);
    int rc = sx_confirm_open(c->arena, cli_registry(c), of, top, seeds, &s, &c->diags);
    if (!rc) rc = sx_study_stop(s, false, &c->diags);
    if (!rc) rc = sx_work_revive(s, 0, &c->diags);
    if (rc) return rc;
    crew_want w = { .study = s,
                    .jobs = (int)(jobs < top * seeds ? jobs : top * seeds),
                    .seconds = cli_real(c, "time", 0) };
    w.progress = crew_progress(c, s);
    rc = crew_run(c, &w);
    cli_progress_close(w.progress);
    if (rc && rc != SX_E_STOPPED) return rc;
    if (rc && c->verbosity >= 0) fprintf(stderr, "stopped; the same command goes on\n");
    const int bad = print(c, of, s);
    return rc ? rc : bad;
}
