/* search.c: spaces that come from a store: a study of another program as an experiment. */
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
    sx_tune_conf *t = &e->tune;
    t->objectives = row->objectives > 0 ? row->objectives : 1;
    t->objective = sx_alloc_array(a, (size_t)t->objectives, sizeof *t->objective);
    t->maximize = sx_alloc_array(a, (size_t)t->objectives, sizeof *t->maximize);
    for (int i = 0; i < t->objectives; i++) {
        const char *name = row->metric ? row->metric[i] : NULL;
        t->objective[i] = name ? name : t->objectives > 1 ? sx_format(a, "value%d", i) : "value";
        t->maximize[i] = i < row->objectives && row->maximize[i];
    }
    return 0;
}
