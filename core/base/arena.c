/* arena.c: memory by lifetime: chunks, children and deferred calls of an arena.
 * One allocation never spans chunks; big ones get a chunk of their own. */
#include "arena.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 16 * 1024, ALIGN = 16 };
struct chunk { struct chunk *next; size_t used, size; };             /* the bytes follow */
struct deferred { struct deferred *next; void (*fn)(void *); void *arg; };
struct sx_arena { sx_arena *parent, *child, *prev, *next; struct chunk *chunk; struct deferred *deferred; };

static size_t round_up(size_t n) { return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1); }

_Noreturn static void out_of_memory(size_t bytes)
{
    fprintf(stderr, "strix: error: out of memory (%zu bytes wanted)\n", bytes);
    abort();
}

sx_arena *sx_arena_open(sx_arena *parent)
{
    sx_arena *a = calloc(1, sizeof *a);
    if (!a) out_of_memory(sizeof *a);
    a->parent = parent;
    if (parent) {
        a->next = parent->child;
        if (a->next) a->next->prev = a;
        parent->child = a;
    }
    return a;
}

void sx_arena_close(sx_arena *a)
{
    if (!a) return;
    while (a->child) sx_arena_close(a->child);
    for (struct deferred *d = a->deferred; d; d = d->next) d->fn(d->arg);
    if (a->prev) a->prev->next = a->next;
    else if (a->parent) a->parent->child = a->next;
    if (a->next) a->next->prev = a->prev;
    for (struct chunk *c = a->chunk, *next; c; c = next) { next = c->next; free(c); }
    free(a);
}

void sx_arena_defer(sx_arena *a, void (*fn)(void *), void *arg)
{
    struct deferred *d = SX_NEW(a, struct deferred);
    *d = (struct deferred){ a->deferred, fn, arg };
    a->deferred = d;
}

void *sx_alloc(sx_arena *a, size_t bytes)
{
    const size_t head = round_up(sizeof(struct chunk));
    if (bytes > SIZE_MAX / 2) out_of_memory(bytes);
    bytes = round_up(bytes ? bytes : 1);
    struct chunk *c = a->chunk;
    if (!c || c->size - c->used < bytes) {
        const bool own = bytes > CHUNK / 4;      /* does not end the current chunk */
        const size_t size = own ? bytes : CHUNK - head;
        struct chunk *fresh = calloc(1, head + size);
        if (!fresh) out_of_memory(bytes);
        fresh->size = size;
        if (own && c) { fresh->next = c->next; c->next = fresh; }
        else { fresh->next = c; a->chunk = fresh; }
        c = fresh;
    }
    void *p = (char *)c + head + c->used;
    c->used += bytes;
    return p;
}

void *sx_alloc_array(sx_arena *a, size_t count, size_t bytes)
{
    if (bytes && count > SIZE_MAX / 2 / bytes) out_of_memory(SIZE_MAX);
    return sx_alloc(a, count * bytes);
}

void *sx_grow(sx_arena *a, void *old, size_t old_count, size_t new_count, size_t bytes)
{
    void *p = sx_alloc_array(a, new_count, bytes);
    if (old_count) memcpy(p, old, old_count * bytes);
    return p;
}

void *sx_dup(sx_arena *a, const void *from, size_t bytes)
{
    void *p = sx_alloc(a, bytes);
    if (bytes) memcpy(p, from, bytes);
    return p;
}

char *sx_strndup(sx_arena *a, const char *s, size_t n)
{
    n = strnlen(s, n);
    char *p = sx_alloc(a, n + 1);
    memcpy(p, s, n);
    return p;
}

char *sx_strdup(sx_arena *a, const char *s) { return s ? sx_strndup(a, s, strlen(s)) : NULL; }

char *sx_vformat(sx_arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    char *p = sx_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
    if (n > 0) vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

char *sx_format(sx_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *p = sx_vformat(a, fmt, ap);
    va_end(ap);
    return p;
}
