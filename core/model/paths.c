/* paths.c: the paths of an expanded model in a hash table, and the lookup of names by enclosing groups. */
#include "paths.h"
#include <string.h>

static sx_path *slot(const sx_paths *p, const char *path)
{
    uint64_t h = 1469598103934665603u;           /* FNV-1a; open addressing, cap is a power of two */
    for (const char *s = path; *s; s++) h = (h ^ (unsigned char)*s) * 1099511628211u;
    long i = (long)(h & (uint64_t)(p->cap - 1));
    while (p->v[i].path && strcmp(p->v[i].path, path)) i = (i + 1) & (p->cap - 1);
    return &p->v[i];
}

static void enlarge(sx_paths *p)
{
    const sx_paths old = *p;
    p->cap = old.cap ? 2 * old.cap : 64;
    p->v = sx_alloc_array(p->arena, (size_t)p->cap, sizeof *p->v);
    for (long i = 0; i < old.cap; i++) if (old.v[i].path) *slot(p, old.v[i].path) = old.v[i];
}

bool sx_paths_add(sx_paths *p, const char *path, sx_link out, long rounds, long node)
{
    if (2 * (p->n + 1) > p->cap) enlarge(p);
    sx_path *to = slot(p, path);
    if (to->path) return false;
    *to = (sx_path){ path, out, rounds, node };
    p->n++;
    return true;
}

static const sx_path *at(const sx_paths *p, const char *path)
{
    const sx_path *found = p->cap ? slot(p, path) : NULL;
    return found && found->path ? found : NULL;
}

static const sx_path *below(const sx_paths *p, const char *prefix, const char *name)
{
    const char *path = prefix;
    const sx_path *last = NULL;
    for (const char *s = name; *s;) {
        const size_t n = strcspn(s, ".");
        const char *dot = last ? "." : "", *part = sx_strndup(p->arena, s, n);
        const sx_path *next = at(p, sx_format(p->arena, "%s%s%s", path, dot, part));
        if (!next && last && last->rounds > 0)
            next = at(p, sx_format(p->arena, "%s.%ld.%s", path, last->rounds - 1, part));
        if (!next) return NULL;
        last = next;
        path = next->path;
        s += n + (s[n] == '.');
    }
    return last;
}

const sx_path *sx_paths_find(const sx_paths *p, const char *prefix, const char *root, const char *name)
{
    for (char *from = sx_strdup(p->arena, prefix);;) {
        const sx_path *found = below(p, from, name);
        if (found || !*from || !strcmp(from, root)) return found;
        from[strlen(from) - 1] = 0;              /* the last dot */
        char *dot = strrchr(from, '.');
        if (dot) dot[1] = 0;
        else *from = 0;
    }
}
