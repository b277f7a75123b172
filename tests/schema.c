/* schema.c: is the JSON document on stdin what tests/schemas/NAME.txt promises? A line there is a path and
 * its types:
 * "$.layers[].shape[] integer", "$.metrics.* real"; a path with '?' may be missing. Unknown paths are
 * mistakes, too. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { RULES = 256, TEXT = 512 };
typedef struct { char path[TEXT], types[TEXT]; bool optional, met; } rule;
static rule rules[RULES];
static int n, wrong;

static void complain(const char *what, const char *path)
{
    printf("#   %s: %s\n", what, path);
    wrong = 1;
}

/* '*' in a rule stands for the name of one member. */
static bool matches(const char *r, const char *path)
{
    while (*r && *path) {
        if (*r == '*') {
            r++;
            path += strcspn(path, ".[");
        } else if (*r++ != *path++) return false;
    }
    return !*r && !*path;
}

static const char *type_of(const json_t *v)
{
    static const char *const name[] = {
        [JSON_OBJECT] = "object",   [JSON_ARRAY] = "array", [JSON_STRING] = "string",
        [JSON_INTEGER] = "integer", [JSON_REAL] = "real",   [JSON_TRUE] = "boolean",
        [JSON_FALSE] = "boolean",   [JSON_NULL] = "null"
    };
    return name[json_typeof(v)];
}

static bool allows(const char *types, const char *type)
{
    const size_t len = strlen(type);
    for (const char *p = types; (p = strstr(p, type)); p += len)
        if ((p == types || p[-1] == '|') && (!p[len] || p[len] == '|')) return true;
    return false;
}

static void check_leaf(const json_t *v, const char *path)
{
    bool known = false;
    for (int i = 0; i < n && !known; i++) {
        if (!matches(rules[i].path, path)) continue;
        known = rules[i].met = true;
        if (!allows(rules[i].types, type_of(v))) complain(type_of(v), path);
    }
    if (!known) complain("not in the schema", path);
}

static void check(json_t *v, const char *path)
{
    char below[TEXT];
    const char *key;
    json_t *member;
    if (json_is_object(v)) json_object_foreach(v, key, member) {
        snprintf(below, sizeof below, "%.400s.%.100s", path, key);
        check(member, below);
    } else if (json_is_array(v)) for (size_t i = 0; i < json_array_size(v); i++) {
        snprintf(below, sizeof below, "%.400s[]", path);
        check(json_array_get(v, i), below);
    } else check_leaf(v, path);
}

static int read_rules(const char *file)
{
    char line[TEXT * 2];
    FILE *f = fopen(file, "r");
    if (!f) return -1;
    while (n < RULES && fgets(line, sizeof line, f)) {
        rule *r = &rules[n];
        if (sscanf(line, "%511s %511s", r->path, r->types) != 2 || *line == '#') continue;
        const size_t len = strlen(r->path);
        r->optional = r->path[len - 1] == '?';
        if (r->optional) r->path[len - 1] = 0;
        n++;
    }
    fclose(f);
    return 0;
}

int main(int argc, char **argv)
{
    json_error_t error;
    if (argc != 2 || read_rules(argv[1])) return complain("no schema", argc > 1 ? argv[1] : ""), 2;
    json_t *doc = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
    if (!doc) return complain("no JSON document", error.text), 1;
    check(doc, "$");
    for (int i = 0; i < n; i++) if (!rules[i].met && !rules[i].optional) complain("missing", rules[i].path);
    json_decref(doc);
    return wrong;
}
