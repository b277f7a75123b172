/* match.c: finding shapes of ops: chains by kind for a device's lower, names in the text of a map. */
#include "plan.h"
#include <ctype.h>
#include <string.h>

static bool part_of_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

bool sx_map_names(const char *text, const char *name)
{
    const size_t n = strlen(name);
    for (const char *at = text; at && (at = strstr(at, name)); at++)
        if ((at == text || !part_of_name(at[-1])) && !part_of_name(at[n])) return true;
    return false;
}

struct word { const char *kind, *map; int kind_n, map_n; bool optional; };

/* The next word "kind:map?" of a pattern, or false at its end. */
static bool next_word(const char **pattern, struct word *w)
{
    const char *at = *pattern + strspn(*pattern, " ");
    const int n = (int)strcspn(at, " ");
    *pattern = at + n;
    if (!n) return false;
    const bool optional = at[n - 1] == '?';
    const char *colon = memchr(at, ':', (size_t)n);
    const int end = n - optional;
    *w = (struct word){ at, colon ? colon + 1 : NULL, colon ? (int)(colon - at) : end,
                        colon ? end - (int)(colon - at) - 1 : 0, optional };
    return true;
}

static bool is(const char *word, int n, const char *name)
{
    return strlen(name) == (size_t)n && !memcmp(word, name, (size_t)n);
}

static bool fits(const struct word *w, const sx_node *op)
{
    return is(w->kind, w->kind_n, op->op->name) &&
           (!w->map || (op->map && is(w->map, w->map_n, op->map->name)));
}

int sx_plan_match(const sx_plan *p, uint32_t at, const char *pattern, uint32_t op[16])
{
    uint32_t n;
    const sx_node *ops = sx_plan_ops(p, &n);
    int64_t next = at < n ? (int64_t)at : -1;    /* the only op that may be meant by the next word */
    int found = 0;
    struct word w;
    for (int i = 0; i < 16 && next_word(&pattern, &w); i++) {
        op[i] = UINT32_MAX;
        if (next < 0 || !fits(&w, &ops[next])) {
            if (!w.optional) return 0;
            continue;
        }
        op[i] = (uint32_t)next;
        found++;
        const sx_value y = ops[next].out;
        next = y.id && sx_plan_readers(p, y) == 1 ? sx_plan_reader(p, y) : -1;
    }
    return found;
}
