/* spacejson.c: a space as JSON: for strix's own tables, and axis by axis in exactly the words of Optuna's distributions. */
#include <float.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "space.h"

/* Text as Python's json.dumps writes it: ASCII, \u in lower case. */
static const char *quote(sx_arena *a, const char *text)
{
    json_t *j = json_string(text);
    char *dump = j ? json_dumps(j, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
    char *s = sx_strdup(a, dump ? dump : "\"?\"");
    free(dump);
    json_decref(j);
    for (char *p = s; *p; p++) {
        if (*p != '\\') continue;
        for (char *h = p + 2; p[1] == 'u' && h < p + 6; h++) if (*h >= 'A' && *h <= 'F') *h = (char)(*h - 'A' + 'a');
        p++;
    }
    return s;
}

/* As Python's repr: the shortest digits, always a point or an exponent; exponents from 1e16 on. */
static const char *real(sx_arena *a, double v)
{
    const char *s = fabs(v) >= 1e15 && fabs(v) < 1e16 ? sx_format(a, "%.0f", v) : sx_real_text(a, v);
    return strpbrk(s, ".en") ? s : sx_format(a, "%s.0", s);
}

static const char *datum(sx_arena *a, const sx_datum *v, const char *label)
{
    switch (v->kind) {
    case SX_DATUM_INT: case SX_DATUM_BOOL: return sx_datum_text(a, v);
    case SX_DATUM_REAL: return real(a, v->r);
    case SX_DATUM_NONE: case SX_DATUM_TEXT: case SX_DATUM_LIST: break;
    }
    return quote(a, label);
}

typedef struct { char *v; long n, cap; } sink;
static void put(sx_arena *a, sink *s, const char *text) { for (; *text; text++) SX_PUSH(a, *s, *text); }
static const char *end(sx_arena *a, sink *s) { SX_PUSH(a, *s, 0); return s->v; }

static const char *options(sx_arena *a, const sx_var *v)
{
    sink s = { 0 };
    for (long i = 0; i <= (long)v->axis.high; i++) {
        put(a, &s, i ? ", " : "[");
        put(a, &s, datum(a, &v->option[i], v->label[i]));
    }
    put(a, &s, "]");
    return end(a, &s);
}

/* A normal law has no bounds, but a FloatDistribution needs some: ten deviations to each side. */
static void ends(const sx_axis *x, double *low, double *high)
{
    *low = x->low;
    *high = x->high;
    if (x->kind == SX_AXIS_NORMAL) {
        *low = x->mu - 10 * x->sigma;
        *high = x->mu + 10 * x->sigma;
        if (x->log) *low = fmax(exp(*low), DBL_MIN), *high = fmin(exp(*high), DBL_MAX);
    }
    if (!x->round || x->log) return;             /* hyperopt's kinds end at multiples of the step */
    *low = sx_axis_snap(x, *low);
    *high = sx_axis_snap(x, *high);
}

const char *sx_axis_optuna(sx_arena *a, const sx_var *v)
{
    const sx_axis *x = &v->axis;
    double low, high;
    if (x->kind == SX_AXIS_CHOICE)
        return sx_format(a, "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": %s}}", options(a, v));
    ends(x, &low, &high);
    if (x->whole && !x->log && fabs(low) < 0x1p53 && fabs(high) < 0x1p53)
        return sx_format(a, "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": false, \"step\": %.0f, \"low\": %.0f, "
                         "\"high\": %.0f}}", x->step, low, high);
    return sx_format(a, "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": %s, \"low\": %s, \"high\": %s, \"log\": %s}}",
                     x->step > 0 && !x->log ? real(a, x->step) : "null", real(a, low), real(a, high), x->log ? "true" : "false");
}

static const char *flag(bool b) { return b ? "true" : "false"; }

static void put_weights(sx_arena *a, sink *s, const sx_axis *x)
{
    put(a, s, ", \"weights\": [");
    for (long i = 0; i <= (long)x->high; i++) put(a, s, sx_format(a, "%s%s", i ? ", " : "", real(a, x->weight[i])));
    put(a, s, "]");
}

static void put_kind(sx_arena *a, sink *s, const sx_var *v)
{
    const sx_axis *x = &v->axis;
    switch (x->kind) {
    case SX_AXIS_CHOICE:
        put(a, s, sx_format(a, ", \"kind\": \"choice\", \"options\": %s", options(a, v)));
        if (x->weight) put_weights(a, s, x);
        return;
    case SX_AXIS_REAL:
        put(a, s, sx_format(a, ", \"kind\": \"real\", \"low\": %s, \"high\": %s", real(a, x->low), real(a, x->high)));
        break;
    case SX_AXIS_NORMAL:
        put(a, s, sx_format(a, ", \"kind\": \"normal\", \"mu\": %s, \"sigma\": %s", real(a, x->mu), real(a, x->sigma)));
        break;
    }
    put(a, s, sx_format(a, ", \"step\": %s, \"log\": %s, \"round\": %s, \"whole\": %s", real(a, x->step), flag(x->log),
                        flag(x->round), flag(x->whole)));
}

/* Active where a parent has one of these values: a branch by its label, a count by its number. */
static void put_whens(sx_arena *a, sink *s, const sx_domain *space, const sx_axis *x)
{
    put(a, s, ", \"when\": [");
    for (int i = 0; i < x->whens; i++) {
        const sx_when *w = &x->when[i];
        const sx_var *p = space->var[w->parent];
        put(a, s, sx_format(a, "%s{\"parent\": %s, \"values\": [", i ? ", " : "", quote(a, p->axis.name)));
        for (int k = 0; k < w->n; k++) {
            const long at = (long)w->value[k];
            put(a, s, sx_format(a, "%s%s", k ? ", " : "", p->option ? datum(a, &p->option[at], p->label[at]) : real(a, w->value[k])));
        }
        put(a, s, "]}");
    }
    put(a, s, "]");
}

const char *sx_domain_json(sx_arena *a, const sx_domain *d)
{
    sink s = { 0 };
    put(a, &s, "{\"axes\": [");
    for (int i = 0; i < d->space.n; i++) {
        const sx_var *v = d->var[i];
        put(a, &s, sx_format(a, "%s{\"name\": %s, \"variable\": %s", i ? ", " : "", quote(a, v->axis.name), quote(a, v->name)));
        if (v->element >= 0) put(a, &s, sx_format(a, ", \"element\": %ld", v->element));
        put_kind(a, &s, v);
        if (v->axis.whens) put_whens(a, &s, d, &v->axis);
        put(a, &s, "}");
    }
    put(a, &s, "]}");
    return end(a, &s);
}
