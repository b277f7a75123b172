/* conform_dataset.c: what any data set must do: rows of one shape with labels in range, the same at every
 * opening, and where its files are missing a message instead of a crash. */
#include <string.h>
#include "conform.h"

typedef struct { conform *c; const sx_dataset *item; const void *params; } suite;

static sx_set fresh(void) { return (sx_set){ .size = sizeof(sx_set) }; }

static size_t bytes_of(const sx_set *s)
{
    size_t n = (size_t)s->count * (s->dtype == SX_U8 ? 1 : sizeof(float));
    for (int i = 0; i < s->rank; i++) n *= (size_t)s->shape[i];
    return n;
}

static bool shape_ok(const sx_set *s)
{
    bool ok = s->rank >= 1 && s->rank < SX_RANK;
    for (int i = 0; ok && i < s->rank; i++) ok = s->shape[i] > 0;
    return ok;
}

static bool labels_ok(const sx_set *s)
{
    for (long i = 0; i < s->count; i++) if (s->y[i] < 0 || s->y[i] >= s->classes) return false;
    return s->classes > 0;
}

static bool names_ok(const sx_set *s)
{
    for (long i = 0; s->names && i < s->classes; i++) if (!s->names[i] || !*s->names[i]) return false;
    return true;
}

static void check_rows(conform *c, const sx_set *s, const char *part)
{
    conform_check(c, s->count > 0 && s->x && s->y, "%s: has rows and labels", part);
    conform_check(c, shape_ok(s), "%s: rows have 1 to %d axes, all longer than 0", part, SX_RANK - 1);
    conform_check(c, s->dtype == SX_U8 || s->dtype == SX_F32, "%s: rows are u8 or f32", part);
    conform_check(c, labels_ok(s), "%s: labels are 0 .. classes-1", part);
    conform_check(c, names_ok(s), "%s: every class has a name, or none has", part);
}

static bool same_rows(const sx_set *a, const sx_set *b)
{
    return a->count == b->count && a->classes == b->classes && a->rank == b->rank && a->dtype == b->dtype
        && !memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) && !memcmp(a->x, b->x, bytes_of(a))
        && !memcmp(a->y, b->y, (size_t)a->count * sizeof *a->y);
}

static void check_again(const suite *u, const sx_set *first)
{
    sx_set again = fresh();
    const int rc = u->item->open(u->params, SX_PART_TRAIN, &again);
    conform_check(u->c, !rc && same_rows(first, &again), "opened twice at once it gives the same rows");
    if (!rc) u->item->close(&again);
}

static void check_test(const suite *u, const sx_set *train)
{
    sx_set test = fresh();
    const int rc = u->item->open(u->params, SX_PART_TEST, &test);
    if (!conform_check(u->c, !rc, "the test part opens, or has no rows"))
        conform_note(u->c, "%s", test.error);
    if (rc) return;
    if (test.count) {
        check_rows(u->c, &test, "test part");
        conform_check(u->c, test.rank == train->rank && test.dtype == train->dtype &&
                      !memcmp(test.shape, train->shape, (size_t)train->rank * sizeof *train->shape),
                          "both parts have rows of one shape");
    }
    u->item->close(&test);
}

/* Files that are not there: every text setting in turn names nothing. */
static void check_missing(const suite *u, sx_arena *a, const sx_entry *e)
{
    for (const sx_param *p = e->params; p->name; p++) {
        if (p->type != SX_TYPE_TEXT) continue;
        char *params = conform_params(u->c, a, e);
        if (!params) return;
        memcpy(params + p->offset, &(const char *){ "/nowhere/at/all" }, sizeof(const char *));
        sx_set s = fresh();
        const int rc = u->item->open(params, SX_PART_TRAIN, &s);
        conform_check(u->c, !rc || s.error[0], "%s = \"/nowhere/at/all\": opens, or says why not", p->name);
        if (!rc) u->item->close(&s);
    }
}

int conform_dataset(conform *c, const sx_entry *e)
{
    sx_arena *a = sx_arena_open(c->arena);
    const suite u = { c, (const sx_dataset *)(const void *)e->item, conform_params(c, a, e) };
    sx_set train = fresh();
    if (!u.params || !conform_check(c, u.item->open && u.item->close, "has open and close"))
        return sx_arena_close(a), 0;
    const int rc = u.item->open(u.params, SX_PART_TRAIN, &train);
    conform_check(c, !rc || train.error[0], "opens with its defaults, or says why not");
    if (rc) conform_skip(c, "its rows: %s%s%s", train.file, train.file[0] ? ": " : "", train.error);
    else {
        check_rows(c, &train, "training part");
        check_again(&u, &train);
        check_test(&u, &train);
        u.item->close(&train);
    }
    check_missing(&u, a, e);
    sx_arena_close(a);
    return 0;
}
