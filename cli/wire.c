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

void wire_errors(int fd, const sx_diags *d)
{
    for (long i = 0; i < d->n; i++) {
        const sx_diag *g = &d->v[i];
        (void)put(fd, json_pack("{s:s, s:i, s:s?, s:i, s:s, s:s?, s:s?}", "event", "error", "code", g->code,
                                "file", g->where.file, "line", g->where.line, "text", g->text,
                                "detail", g->detail,
                                "hint", g->hint));
    }
}

static const char *text_of(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}
static long long_of(const json_t *o, const char *key)
{
    return (long)json_integer_value(json_object_get(o, key));
}

/* Workers meet the same trouble together; it is told once. */
static void show_error(cli_context *c, const json_t *o)
{
    const char *text = text_of(o, "text"), *detail = text_of(o, "detail"), *hint = text_of(o, "hint");
    const sx_where where = { .file = text_of(o, "file"), .line = (int)long_of(o, "line") };
    const int code = (int)long_of(o, "code");
    for (long i = 0; text && i < c->diags.n; i++) if (!strcmp(c->diags.v[i].text, text)) return;
    if (code) sx_error(&c->diags, code, where, "%s", text ? text : "a worker failed");
    else sx_warn(&c->diags, where, "%s", text ? text : "a warning of a worker");
    if (detail) sx_detail(&c->diags, "%s", detail);
    if (hint) sx_hint(&c->diags, "%s", hint);
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

void wire_show(cli_context *c, cli_progress *p, const char *line, wire_trial *trial)
{
    json_t *o = json_loads(line, 0, NULL);
    const char *kind = text_of(o, "event");
    const long number = long_of(o, "trial");
    if (!kind) { json_decref(o); return; }
    if (!strcmp(kind, "error")) show_error(c, o);
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
