/* change.c: what differs between two spaces, in words: a study may go on with another one, and its user reads
 * what became of it. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "search.h"

enum { MOST_TOLD = 6 };
typedef struct { sx_arena *a; const char *text; long n; } words;

static const char *text_of(const json_t *axis, const char *key)
{
    const char *text = json_string_value(json_object_get(axis, key));
    return text ? text : "";
}

static const json_t *axis_named(const json_t *axes, const char *name)
{
    for (size_t i = 0; i < json_array_size(axes); i++)
        if (!strcmp(text_of(json_array_get(axes, i), "name"), name)) return json_array_get(axes, i);
    return NULL;
}

static const char *dump(sx_arena *a, const json_t *v)
{
    char *text = v ? json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) : NULL;
    const char *kept = sx_strdup(a, text ? text : "?");
    free(text);
    return kept;
}

static const char *number(sx_arena *a, const json_t *axis, const char *key)
{
    return sx_real_text(a, json_number_value(json_object_get(axis, key)));
}

/* As an experiment file says it: choice ["relu", "tanh"]; 4 to 16 by 4. */
static const char *domain(sx_arena *a, const json_t *axis)
{
    const char *kind = text_of(axis, "kind");
    if (!strcmp(kind, "choice")) return dump(a, json_object_get(axis, "options"));
    const char *step = json_number_value(json_object_get(axis, "step")) > 0
                           ? sx_format(a, " by %s", number(a, axis, "step")) : "",
               *log = json_is_true(json_object_get(axis, "log")) ? ", logarithmic" : "";
    if (!strcmp(kind, "normal"))
        return sx_format(a, "normal %s, %s%s%s", number(a, axis, "mu"), number(a, axis, "sigma"), step, log);
    return sx_format(a, "%s to %s%s%s", number(a, axis, "low"), number(a, axis, "high"), step, log);
}

static void say(words *w, const char *text)
{
    if (w->n++ < MOST_TOLD) w->text = sx_format(w->a, "%s%s%s", w->text, *w->text ? "; " : "", text);
}

static void say_changed(words *w, const char *name, const json_t *was, const json_t *is)
{
    const char *x = domain(w->a, was), *y = domain(w->a, is);
    if (strcmp(x, y)) say(w, sx_format(w->a, "'%s' was %s, and is %s", name, x, y));
    else say(w, sx_format(w->a, "'%s' has other weights or conditions", name));
}

const char *sx_domain_difference(sx_arena *a, const char *was, const char *is)
{
    json_t *x = json_loads(was, 0, NULL), *y = json_loads(is, 0, NULL), *axis;
    const json_t *old = json_object_get(x, "axes"), *new = json_object_get(y, "axes");
    words w = { .a = a, .text = "" };
    size_t i;
    json_array_foreach(old, i, axis) {
        const char *name = text_of(axis, "name");
        const json_t *now = axis_named(new, name);
        if (!now) say(&w, sx_format(a, "'%s' is no longer searched", name));
        else if (!json_equal(axis, now)) say_changed(&w, name, axis, now);
    }
    json_array_foreach(new, i, axis) {
        const char *name = text_of(axis, "name");
        if (!axis_named(old, name)) say(&w, sx_format(a, "'%s' is new", name));
    }
    if (!w.n && !json_equal(old, new)) say(&w, "its variables stand in another order");
    json_decref(x);
    json_decref(y);
    return !w.n ? NULL : w.n > MOST_TOLD ? sx_format(a, "%s; and %ld more", w.text, w.n - MOST_TOLD) : w.text;
}
