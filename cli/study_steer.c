/* study_steer.c: strix study stop, resume and skip: orders to all workers of a study, through its store. */
#include "study_verb.h"

static int told(cli_context *c, sx_study *s, const char *text, json_t *doc)
{
    json_t *head = study_head_json(s);
    json_object_update_new(head, doc);
    if (c->json) { cli_json_print(c, head); return 0; }
    printf("study %s: %s\n", sx_study_name(s), text);
    json_decref(head);
    return 0;
}

static int steer(cli_context *c, sx_study *s, bool stop)
{
    const int rc = sx_study_stop(s, stop, &c->diags);
    return rc ? rc
              : told(c, s, stop ? "stopped; running trials are given back after their epoch" : "goes on",
                     json_pack("{s:b}", "stopped", stop));
}

int study_create(cli_context *c, sx_study *s)
{
    const sx_trial_row *const *row;
    const long n = sx_study_brief(s, c->arena, &row, &c->diags);
    if (n < 0) return (int)n;
    return told(
        c, s,
        sx_format(c->arena, "%s of %ld in %s", sx_plural(c->arena, n, "trial"), sx_study_exp(s)->tune.trials,
                  sx_study_url(s)),
        json_pack("{s:I, s:I}", "trials", (json_int_t)n, "budget", (json_int_t)sx_study_exp(s)->tune.trials));
}

int study_stop(cli_context *c, sx_study *s) { return steer(c, s, true); }
int study_resume(cli_context *c, sx_study *s) { return steer(c, s, false); }

int study_skip(cli_context *c, sx_study *s)
{
    json_t *skipped = json_array();
    int rc = c->args < 3 ? cli_usage(c, "study skip needs the number of a trial") : 0;
    for (int i = 2; i < c->args && !rc; i++) {
        long number;
        if (!study_number(c->arg[i], &number)) rc = cli_usage(c, "'%s' is no number of a trial", c->arg[i]);
        else if (!(rc = sx_study_skip(s, number, &c->diags)))
            json_array_append_new(skipped, json_integer((json_int_t)number));
    }
    json_t *doc = json_pack("{s:o}", "skipped", skipped);
    if (rc) json_decref(doc);
    return rc ? rc : told(c, s, sx_format(c->arena, "%ld skipped", (long)json_array_size(skipped)), doc);
}
