/* wire.c: what a worker process tells the command that started it: its events and errors as JSON lines
 * through a pipe. */
#include "crew.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* False: nobody listens any more. */
static bool put(int fd, json_t *o)
{
    bool heard = true;
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17));
    size_t n = text ? strlen(text) : 0;
    if (text) text[n++] = '\n';                  /* in place of the 0 */
    for (size_t at = 0; at < n;) {
        const ssize_t did = write(fd, text + at, n - at);
        if (did < 0 && errno != EINTR) { heard = false; break; }
        if (did > 0) at += (size_t)did;
    }
    free(text);
    json_decref(o);
    return heard;
}

static json_t *real(double v)
{
    return isfinite(v) ? json_real(v) : json_string(isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
}

static double real_of(const json_t *v)
{
    const char *word = json_string_value(v);
    return !word                  ? (json_is_number(v) ? json_number_value(v) : NAN)
           : !strcmp(word, "nan") ? NAN
           : *word == '-'         ? -INFINITY
                                  : INFINITY;
}

bool wire_event(int fd, const sx_event *e)
{
    const char *values = e->claim->row.values, *reason = e->reason;
    json_t *o = json_pack("{s:s, s:I, s:I, s:I, s:i, s:o, s:o}", "event", e->kind, "trial",
                          (json_int_t)e->claim->row.t.number, "epochs", (json_int_t)e->of_epochs, "epoch",
                          (json_int_t)(e->epoch ? e->epoch->epoch : e->at_epoch), "fate", (int)e->fate,
                          "share", real(e->share), "value", real(e->value));
    if (!strcmp(e->kind, "trial_start")) json_object_set_new(o, "left", real(e->left));
    if (!strcmp(e->kind, "trial_start") && values) json_object_set_new(o, "values", json_string(values));
    if (reason) json_object_set_new(o, "reason", json_string(reason));
    json_t *names = json_array(), *numbers = json_array();
    for (long i = 0; e->epoch && i < e->epoch->n; i++) {
        json_array_append_new(names, json_string(e->epoch->name[i]));
        json_array_append_new(numbers, real(e->epoch->value[i]));
    }
    json_object_set_new(o, "wall_s", real(e->epoch ? e->epoch->seconds : 0));
    json_object_set_new(o, "names", names);
    json_object_set_new(o, "numbers", numbers);
    return put(fd, o);
}

static json_t *diag_json(const sx_diag *g)
{
    return json_pack("{s:s, s:i, s:s?, s:i, s:s?, s:s?, s:s?, s:s?}", "event", "error", "code", g->code,
                     "file", g->where.file, "line", g->where.line, "path", g->where.path, "text", g->text,
                     "detail", g->detail, "hint", g->hint);
}

void wire_errors(int fd, const sx_diags *d)
{
    for (long i = 0; i < d->n; i++) (void)put(fd, diag_json(&d->v[i]));
}

void wire_refusals(int fd, const sx_refusals *r)
{
    if (r->broken + r->unbuilt)
        (void)put(fd, json_pack("{s:s, s:I, s:I, s:o, s:o}", "event", "refusals", "broken",
                                (json_int_t)r->broken, "unbuilt", (json_int_t)r->unbuilt, "rule",
                                diag_json(&r->rule), "net", diag_json(&r->net)));
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}
static long long_of(const json_t *o, const char *key)
{
    return (long)json_integer_value(json_object_get(o, key));
}

/* Its words are those of o, for as long as that is there. A worker reads the experiment from the store: what
 * stands at that path of s, which may come from a file, is what is meant. */
static sx_diag diag_of(cli_context *c, sx_study *s, const json_t *o)
{
    const sx_where its = { text_of(o, "file"), (int)long_of(o, "line"), text_of(o, "path") };
    const sx_conf *root = sx_study_exp(s)->root,
                  *here = root && its.path ? sx_conf_find(root, its.path) : NULL;
    return (sx_diag){ .code = (int)long_of(o, "code"),
                      .where = here ? sx_conf_where(c->arena, here) : its,
                      .text = text_of(o, "text"),
                      .detail = text_of(o, "detail"),
                      .hint = text_of(o, "hint") };
}

static bool holds(const sx_diags *d, const char *text)
{
    for (long i = 0; i < d->n; i++) if (!strcmp(d->v[i].text, text)) return true;
    return false;
}

/* Workers meet the same trouble together; it is told once: a warning now, an error at the end. */
static void show_error(cli_context *c, sx_study *s, cli_progress *p, const json_t *o)
{
    sx_diag g = diag_of(c, s, o);
    if (!g.text) g.text = g.code ? "a worker failed" : "a warning of a worker";
    if (holds(&c->diags, g.text) || holds(&c->told, g.text)) return;
    sx_diags_add(g.code ? &c->diags : &c->told, g.code, &g);
    if (!g.code) cli_progress_diags(p, &(sx_diags){ .n = 1, .v = &g });
}

static void take_refusals(cli_context *c, sx_study *s, const json_t *o)
{
    const sx_refusals r = { .broken = long_of(o, "broken"),
                            .unbuilt = long_of(o, "unbuilt"),
                            .rule = diag_of(c, s, json_object_get(o, "rule")),
                            .net = diag_of(c, s, json_object_get(o, "net")) };
    sx_study_refuse(s, &r);
}

static void show_epoch(cli_progress *p, long trial, const json_t *o)
{
    enum { MOST = 64 };
    const char *name[MOST];
    double value[MOST];
    const json_t *names = json_object_get(o, "names"), *numbers = json_object_get(o, "numbers");
    long n = (long)json_array_size(names);
    if (n > MOST) n = MOST;
    for (long i = 0; i < n; i++) {
        name[i] = json_string_value(json_array_get(names, (size_t)i));
        value[i] = real_of(json_array_get(numbers, (size_t)i));
        if (!name[i]) return;
    }
    const sx_epoch e = { long_of(o, "epoch"), real_of(json_object_get(o, "wall_s")), n, name, value, false };
    cli_progress_epoch(p, trial, &e);
}

void wire_show(cli_context *c, sx_study *s, cli_progress *p, const char *line, wire_trial *trial)
{
    json_t *o = json_loads(line, 0, NULL);
    const char *kind = text_of(o, "event");
    const long number = long_of(o, "trial");
    if (!kind) { json_decref(o); return; }
    if (!strcmp(kind, "error")) show_error(c, s, p, o);
    else if (!strcmp(kind, "refusals")) take_refusals(c, s, o);
    else if (!strcmp(kind, "trial_start")) {
        *trial = (wire_trial){ number, real_of(json_object_get(o, "left")) };
        cli_progress_start(p, number, text_of(o, "values"), long_of(o, "epochs"));
    }
    else if (!strcmp(kind, "epoch")) show_epoch(p, number, o);
    else if (!strcmp(kind, "pulse"))
        cli_progress_pulse(p, number, long_of(o, "epoch"), real_of(json_object_get(o, "share")));
    else if (!strcmp(kind, "trial_end")) {
        cli_progress_end(p, number, (sx_fate)long_of(o, "fate"), real_of(json_object_get(o, "value")),
                         text_of(o, "reason"));
        *trial = (wire_trial){ .number = -1 };
    }
    json_decref(o);
}
