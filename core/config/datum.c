/* datum.c: values of the expression language: compared, turned into numbers, shown to people. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "expr.h"

double sx_datum_real(const sx_datum *v)
{
    switch (v->kind) {
    case SX_DATUM_INT: return (double)v->i;
    case SX_DATUM_REAL: return v->r;
    case SX_DATUM_BOOL: return v->b;
    case SX_DATUM_NONE: case SX_DATUM_TEXT: case SX_DATUM_LIST: break;
    }
    return NAN;
}

bool sx_datum_is_number(const sx_datum *v) { return v->kind == SX_DATUM_INT || v->kind == SX_DATUM_REAL; }

bool sx_datum_equal(const sx_datum *a, const sx_datum *b)
{
    if (a->kind == SX_DATUM_INT && b->kind == SX_DATUM_INT) return a->i == b->i;
    if (sx_datum_is_number(a) && sx_datum_is_number(b)) return sx_datum_real(a) == sx_datum_real(b);
    if (a->kind != b->kind) return false;
    if (a->kind == SX_DATUM_BOOL) return a->b == b->b;
    if (a->kind == SX_DATUM_TEXT) return !strcmp(a->s, b->s);
    if (a->kind != SX_DATUM_LIST) return true;
    if (a->n != b->n) return false;
    for (long i = 0; i < a->n; i++) if (!sx_datum_equal(&a->v[i], &b->v[i])) return false;
    return true;
}

const char *sx_real_text(sx_arena *a, double v)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    if (fabs(v) < 1e15 && v == floor(v)) snprintf(text, sizeof text, "%.0f", v);     /* 100, not 1e+02 */
    return sx_strdup(a, text);
}

const char *sx_datum_text(sx_arena *a, const sx_datum *v)
{
    switch (v->kind) {
    case SX_DATUM_NONE: return "nothing";
    case SX_DATUM_INT: return sx_format(a, "%" PRId64, v->i);
    case SX_DATUM_REAL: return sx_real_text(a, v->r);
    case SX_DATUM_BOOL: return v->b ? "true" : "false";
    case SX_DATUM_TEXT: return v->s;
    case SX_DATUM_LIST: break;
    }
    struct { char *v; long n, cap; } s = { 0 };
    for (long i = 0; i < v->n; i++) {
        const char *one = sx_format(a, "%s%s", i ? ", " : "[", sx_datum_text(a, &v->v[i]));
        for (; *one; one++) SX_PUSH(a, s, *one);
    }
    SX_PUSH(a, s, 0);
    return sx_format(a, "%s]", v->n ? s.v : "[");
}

sx_datum sx_datum_element(const sx_datum *of, long element)
{
    if (of->kind != SX_DATUM_LIST || !of->n) return *of;
    return of->v[element < of->n ? element : of->n - 1];
}
