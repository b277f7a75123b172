/* distribution.c: distribution_json of Optuna 0.x to 5, read and written; values between their shown and
 * stored forms. A category is stored as its index, an integer as a double (interop with other programs
 * depends on each letter here). */
#include "distribution.h"
#include <stdlib.h>
#include <string.h>

static double number(const json_t *o, const char *key, double missing)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : missing;
}

/* Old and new class names and the short form, by what they mean. */
static const struct { const char *name; bool choice, whole, log; const char *step;
} known[] = {
    { "FloatDistribution", false, false, false, "step" },
    { "IntDistribution", false, true, false, "step" },
    { "CategoricalDistribution", true, false, false, "step" },
    { "UniformDistribution", false, false, false, "step" },
    { "LogUniformDistribution", false, false, true, "step" },
    { "DiscreteUniformDistribution", false, false, false, "q" },
    { "IntUniformDistribution", false, true, false, "step" },
    { "IntLogUniformDistribution", false, true, true, "step" },
    { "float", false, false, false, "step" },
    { "int", false, true, false, "step" },
    { "categorical", true, false, false, "step" },
};

static bool read_kind(const char *name, const json_t *at, sx_dist *d)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name)) continue;
        if (known[i].choice) {
            d->choices = json_incref(json_object_get(at, "choices"));
            d->high = (double)json_array_size(d->choices) - 1;
            return d->high >= 0;
        }
        d->whole = known[i].whole;
        d->log = known[i].log || json_is_true(json_object_get(at, "log"));
        d->low = number(at, "low", NAN);
        d->high = number(at, "high", NAN);
        d->step = number(at, known[i].step, d->whole ? 1 : 0);
        return d->low <= d->high && d->step >= 0 && (!d->log || d->low > 0);
    }
    return false;
}

bool sx_dist_read(const char *json, sx_dist *d)
{
    *d = (sx_dist){ 0 };
    json_t *o = json ? json_loads(json, 0, NULL) : NULL, *name = json_object_get(o, "name");
    const bool fine =
        name ? json_is_string(name) && read_kind(json_string_value(name), json_object_get(o, "attributes"), d)
             : json_is_string(name = json_object_get(o, "type")) && read_kind(json_string_value(name), o, d);
    json_decref(o);
    if (!fine) sx_dist_free(d);
    return fine;
}

void sx_dist_free(sx_dist *d)
{
    json_decref(d->choices);
    d->choices = NULL;
}

/* The shortest decimal that reads back equal, as Python writes a float: 1.0, 0.1, 1e-05. */
static void put_real(FILE *to, double v)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    fprintf(to, "%s%s", text, text[strcspn(text, ".en")] ? "" : ".0");
}

static void put_json(FILE *to, const json_t *v)
{
    if (json_is_real(v)) { put_real(to, json_real_value(v)); return; }
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    fputs(text ? text : "null", to);
    free(text);
}

char *sx_dist_write(const sx_dist *d)
{
    char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    if (!to) return NULL;
    if (d->choices) {
        fputs("{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [", to);
        for (size_t i = 0; i < json_array_size(d->choices); i++) {
            if (i) fputs(", ", to);
            put_json(to, json_array_get(d->choices, i));
        }
        fputs("]}}", to);
    } else if (d->whole) {
        fprintf(to,
                "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": %s, \"step\": %.0f, \"low\": "
                "%.0f, \"high\": %.0f}}",
                d->log ? "true" : "false", d->step, d->low, d->high);
    } else {
        fputs("{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": ", to);
        if (d->step > 0) put_real(to, d->step);
        else fputs("null", to);
        fputs(", \"low\": ", to);
        put_real(to, d->low);
        fputs(", \"high\": ", to);
        put_real(to, d->high);
        fprintf(to, ", \"log\": %s}}", d->log ? "true" : "false");
    }
    fclose(to);
    return text;
}

/* Python's rule: 16 == 16.0; true is no number here. */
static bool equal(const json_t *a, const json_t *b)
{
    return json_is_number(a) && json_is_number(b) ? json_number_value(a) == json_number_value(b)
                                                  : json_equal(a, b);
}

double sx_dist_internal(const sx_dist *d, const json_t *v)
{
    if (!d->choices) {
        const double x = json_is_number(v) ? json_number_value(v) : NAN;
        return x >= d->low && x <= d->high ? x : NAN;
    }
    for (size_t i = 0; i < json_array_size(d->choices); i++)
        if (v && equal(json_array_get(d->choices, i), v)) return (double)i;
    return NAN;
}

void sx_dist_show(const sx_dist *d, double x, FILE *to)
{
    if (!d->choices && d->whole && fabs(x) < 9e15) fprintf(to, "%.0f", x);
    else if (!d->choices && isfinite(x)) put_real(to, x);
    else if (d->choices && x >= 0 && x < (double)json_array_size(d->choices))
        put_json(to, json_array_get(d->choices, (size_t)x));
    else fputs("null", to);
}

bool sx_dist_like(const sx_dist *a, const sx_dist *b)
{
    if (!a->choices || !b->choices)
        return !a->choices && !b->choices && a->whole == b->whole && a->log == b->log;
    if (json_array_size(a->choices) != json_array_size(b->choices)) return false;
    for (size_t i = 0; i < json_array_size(a->choices); i++)
        if (!equal(json_array_get(a->choices, i), json_array_get(b->choices, i))) return false;
    return true;
}

void sx_dist_join(sx_dist *a, const sx_dist *b)
{
    if (a->choices || b->choices) return;
    a->low = fmin(a->low, b->low);
    a->high = fmax(a->high, b->high);
    if (a->step != b->step) a->step = a->whole ? 1 : 0;
}

sx_axis sx_dist_axis(const sx_dist *d, const char *name)
{
    return (sx_axis){ .name = name,
                      .kind = d->choices ? SX_AXIS_CHOICE : SX_AXIS_REAL,
                      .log = d->log,
                      .low = d->low,
                      .high = d->high,
                      .step = d->step,
                      .whole = d->whole };
}
