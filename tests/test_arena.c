/* test_arena.c: arenas: alignment, zeroes, children, deferred calls in reverse order. */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>
#include "arena.h"

static char order[8];
static void note(void *arg) { strcat(order, arg); }

Test(arena, zeroed_and_aligned)
{
    sx_arena *a = sx_arena_open(NULL);
    for (size_t n = 0; n < 20000; n += 97) {
        unsigned char *p = sx_alloc(a, n);
        cr_assert_eq((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++) cr_assert_eq(p[i], 0);
        memset(p, 255, n);
    }
    sx_arena_close(a);
}

Test(arena, closes_children_then_itself_last_deferred_first)
{
    sx_arena *a = sx_arena_open(NULL), *b = sx_arena_open(a), *c = sx_arena_open(a);
    sx_arena_defer(a, note, "1");
    sx_arena_defer(a, note, "2");
    sx_arena_defer(b, note, "b");
    sx_arena_defer(c, note, "c");
    sx_arena_close(b);
    sx_arena_close(a);
    cr_assert_str_eq(order, "bc21");
}

Test(arena, vectors_and_text)
{
    sx_arena *a = sx_arena_open(NULL);
    struct { int *v; long n, cap; } v = { 0 };
    for (int i = 0; i < 1000; i++) SX_PUSH(a, v, i);
    for (int i = 0; i < 1000; i++) cr_assert_eq(v.v[i], i);
    cr_assert_str_eq(sx_format(a, "%d-%s", 7, "x"), "7-x");
    cr_assert_null(sx_strdup(a, NULL));
    sx_arena_close(a);
}
