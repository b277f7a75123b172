/* spacejson.c: a space as JSON: for strix's own tables, and axis by axis in exactly Optuna's words. */
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
        for (char *h = p + 2; p[1] == 'u' && h < p + 6; h++)
            if (*h >= 'A' && *h <= 'F') *h = (char)(*h - 'A' + 'a');
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

typedef struct { sx_arena *a; char *v; long n, cap; } sink;

static void put(sink *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(sink *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    for (const char *text = sx_vformat(s->a, fmt, ap); *text; text++) SX_PUSH(s->a, *s, *text);
    va_end(ap);
}

static const char *end(sink *s)
{
    SX_PUSH(s->a, *s, 0);
    return s->v;
}

static const char *options(sx_arena *a, const sx_var *v)
{
    sink s = { .a = a };
    for (long i = 0; i <= (long)v->axis.high; i++)
        put(&s, "%s%s", i ? ", " : "[", datum(a, &v->option[i], v->label[i]));
    put(&s, "]");
    return end(&s);
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

static const char *flag(bool b) { return b ? "true" : "false"; }

const char *sx_axis_optuna(sx_arena *a, const sx_var *v)
{
    const sx_axis *x = &v->axis;
    sink s = { .a = a };
    if (x->kind == SX_AXIS_CHOICE) {
        put(&s, "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": %s}}", options(a, v));
        return end(&s);
    }
    double low, high;
    ends(x, &low, &high);
    if (x->whole && !x->log && fabs(low) < 0x1p53 && fabs(high) < 0x1p53) {
        put(&s, "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": false, ");
        put(&s, "\"step\": %.0f, \"low\": %.0f, \"high\": %.0f}}", x->step, low, high);
    } else {
        put(&s, "{\"name\": \"FloatDistribution\", \"attributes\": {");
        put(&s, "\"step\": %s, ", x->step > 0 && !x->log ? real(a, x->step) : "null");
        put(&s, "\"low\": %s, \"high\": %s, \"log\": %s}}", real(a, low), real(a, high), flag(x->log));
    }
    return end(&s);
}

static void put_kind(sink *s, const sx_var *v)
{
    const sx_axis *x = &v->axis;
    if (x->kind == SX_AXIS_CHOICE) {
        put(s, ", \"kind\": \"choice\", \"options\": %s", options(s->a, v));
        for (long i = 0; x->weight && i <= (long)x->high; i++)
            put(s, "%s%s", i ? ", " : ", \"weights\": [", real(s->a, x->weight[i]));
        if (x->weight) put(s, "]");
        return;
    }
    const bool normal = x->kind == SX_AXIS_NORMAL;
    put(s, ", \"kind\": \"%s\"", normal ? "normal" : "real");
    if (normal) put(s, ", \"mu\": %s, \"sigma\": %s", real(s->a, x->mu), real(s->a, x->sigma));
    else put(s, ", \"low\": %s, \"high\": %s", real(s->a, x->low), real(s->a, x->high));
    put(s, ", \"step\": %s, \"log\": %s", real(s->a, x->step), flag(x->log));
    put(s, ", \"round\": %s, \"whole\": %s", flag(x->round), flag(x->whole));
}

/* Active where a parent has one of these values: a branch by its label, a count by its number. */
static void put_whens(sink *s, const sx_domain *space, const sx_axis *x)
{
    for (int i = 0; i < x->whens; i++) {
        const sx_when *w = &x->when[i];
        const sx_var *p = space->var[w->parent];
        put(s, "%s{\"parent\": %s", i ? ", " : ", \"when\": [", quote(s->a, p->axis.name));
        for (int k = 0; k < w->n; k++) {
            const long at = (long)w->value[k];
            put(s, "%s%s", k ? ", " : ", \"values\": [",
                p->option ? datum(s->a, &p->option[at], p->label[at]) : real(s->a, w->value[k]));
        }
        put(s, "]}");
    }
    if (x->whens) put(s, "]");
}

const char *sx_domain_json(sx_arena *a, const sx_domain *d)
{
    sink s = { .a = a };
    put(&s, "{\"axes\": [");
    for (int i = 0; i < d->space.n; i++) {
        const sx_var *v = d->var[i];
        put(&s, "%s{\"name\": %s", i ? ", " : "", quote(a, v->axis.name));
        put(&s, ", \"variable\": %s", quote(a, v->name));
        if (v->element >= 0) put(&s, ", \"element\": %ld", v->element);
        put_kind(&s, v);
        put_whens(&s, d, &v->axis);
        put(&s, "}");
    }
    put(&s, "]}");
    return end(&s);
}
