/* search.c: spaces that come from a store: a study of another program as an experiment, and what differs
 * between two spaces. */
#include "search.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const char *sx_json_text(sx_arena *a, const char *text)
{
    json_t *j = json_string(text);
    char *dump = j ? json_dumps(j, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
    const char *kept = sx_strdup(a, dump ? dump : "\"?\"");
    free(dump);
    json_decref(j);
    return kept;
}

static sx_datum datum_of(sx_arena *a, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_INTEGER: return (sx_datum){ .kind = SX_DATUM_INT, .i = json_integer_value(v) };
    case JSON_REAL: return (sx_datum){ .kind = SX_DATUM_REAL, .r = json_real_value(v) };
    case JSON_TRUE: case JSON_FALSE: return (sx_datum){ .kind = SX_DATUM_BOOL, .b = json_is_true(v) };
    case JSON_STRING: return (sx_datum){ .kind = SX_DATUM_TEXT, .s = sx_strdup(a, json_string_value(v)) };
    default: return (sx_datum){ .kind = SX_DATUM_TEXT, .s = "null" };
    }
}

static void read_options(sx_arena *a, const char *distribution, sx_var *v)
{
    json_t *dist = json_loads(distribution, 0, NULL),
           *list = json_object_get(json_object_get(dist, "attributes"), "choices");
    const size_t n = json_array_size(list);
    sx_datum *option = sx_alloc_array(a, n + 1, sizeof *option);
    const char **label = sx_alloc_array(a, n + 1, sizeof *label);
    for (size_t i = 0; i < n; i++) {
        option[i] = datum_of(a, json_array_get(list, i));
        label[i] = sx_datum_text(a, &option[i]);
    }
    v->option = option;
    v->label = label;
    json_decref(dist);
}

int sx_search_of_axes(sx_arena *a, sx_registry *r, const sx_study_row *row, sx_exp **out, sx_diags *d)
{
    sx_conf *root = NULL;
    const char *file = sx_format(a, "%s.cfg", row->name);
    int rc = sx_config_parse(a, "", file, NULL, &root, d);
    if (!rc) rc = sx_search_open(a, r, root, file, out, d);
    if (rc) return rc;
    const int n = row->axes ? row->axes->n : 0;
    sx_domain *domain = SX_NEW(a, sx_domain);
    const sx_axis **axis = sx_alloc_array(a, (size_t)n + 1, sizeof *axis);
    domain->var = sx_alloc_array(a, (size_t)n + 1, sizeof *domain->var);
    domain->space = (sx_space){ .n = n, .objectives = row->objectives, .axis = axis };
    for (int i = 0; i < n; i++) {
        sx_var *v = domain->var[i] = SX_NEW(a, sx_var);
        *v = (sx_var){ .axis = *row->axes->axis[i], .name = row->axes->axis[i]->name, .element = -1 };
        if (v->axis.kind == SX_AXIS_CHOICE) read_options(a, row->distribution[i], v);
        axis[i] = &v->axis;
    }
    sx_exp *e = *out;
    e->domain = domain;
    e->root = NULL;                              /* there is no text that a worker could run */
    if (row->metric && row->metric[0]) e->tune.objective = row->metric[0];
    e->tune.maximize = row->objectives && row->maximize[0];
    return 0;
}

static json_t *axis_of(const json_t *axes, const char *name)
{
    for (size_t i = 0; i < json_array_size(axes); i++) {
        json_t *axis = json_array_get(axes, i);
        const char *is = json_string_value(json_object_get(axis, "name"));
        if (is && name && !strcmp(is, name)) return axis;
    }
    return NULL;
}

/* An axis of `these` that `those` lacks, or has otherwise. */
static const char *odd_one(sx_arena *a, const json_t *these, const json_t *those, const char *says)
{
    for (size_t i = 0; i < json_array_size(these); i++) {
        json_t *axis = json_array_get(these, i);
        const char *name = json_string_value(json_object_get(axis, "name"));
        const json_t *other = axis_of(those, name);
        if (name && !other) return sx_format(a, "'%s' %s.", name, says);
        if (!name || json_equal(axis, other)) continue;
        char *x = json_dumps(axis, 0), *y = json_dumps(other, 0);
        const char *text = sx_format(a, "'%s' was %s, and is %s.", name, x ? x : "?", y ? y : "?");
        free(x);
        free(y);
        return text;
    }
    return NULL;
}

const char *sx_domain_difference(sx_arena *a, const char *was, const char *is)
{
    json_t *x = json_loads(was, 0, NULL), *y = json_loads(is, 0, NULL);
    const json_t *old = json_object_get(x, "axes"), *new = json_object_get(y, "axes");
    const char *text = odd_one(a, old, new, "is no longer searched");
    if (!text) text = odd_one(a, new, old, "was not searched");
    if (!text && !json_equal(old, new)) text = "The variables stand in another order.";
    json_decref(x);
    json_decref(y);
    return text;
}
