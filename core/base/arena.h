/* arena.h: memory by lifetime. Arenas form a tree (process > study > trial > step); closing one closes its children
 * and frees all that was taken from it. Nothing is freed singly. */
#ifndef SX_ARENA_H
#define SX_ARENA_H
#include <stdarg.h>
#include <stddef.h>

typedef struct sx_arena sx_arena;

sx_arena *sx_arena_open(sx_arena *parent);       /* parent may be NULL; not thread-safe for one parent at a time */
void sx_arena_close(sx_arena *a);                /* runs the deferred calls, last one first; NULL is fine */
/* Calls fn(arg) when a is closed: for files, buffers, handles. */
void sx_arena_defer(sx_arena *a, void (*fn)(void *), void *arg);
/* Zeroed, aligned for any type. Never NULL: a small allocation that fails ends the process with a message, which
 * costs one trial (docs/decisions/002). Big buffers (data, tensors) do not come from here and fail with SX_E_MEMORY. */
void *sx_alloc(sx_arena *a, size_t bytes);
void *sx_alloc_array(sx_arena *a, size_t count, size_t bytes);       /* checks the product */
void *sx_grow(sx_arena *a, void *old, size_t old_count, size_t new_count, size_t bytes); /* a copy with more room */
void *sx_dup(sx_arena *a, const void *from, size_t bytes);
char *sx_strdup(sx_arena *a, const char *s);     /* NULL gives NULL */
char *sx_strndup(sx_arena *a, const char *s, size_t n);
char *sx_format(sx_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *sx_vformat(sx_arena *a, const char *fmt, va_list ap);
#define SX_NEW(a, T) ((T *)sx_alloc(a, sizeof(T)))

/* Room for one more in a vector of an arena: fields T *v; long n, cap. */
#define SX_PUSH(a, vec, item) do { \
    if ((vec).n == (vec).cap) { \
        const long more_ = (vec).cap ? 2 * (vec).cap : 8; \
        (vec).v = sx_grow(a, (vec).v, (size_t)(vec).n, (size_t)more_, sizeof *(vec).v); (vec).cap = more_; } \
    (vec).v[(vec).n++] = (item); } while (0)
#endif
