/* conform_dataset.c: what any data set must do: columns of one shape with labels in range, the same at every
 * opening, and where its files are missing a message instead of a crash. */
#include <string.h>
#include "conform.h"

typedef struct { conform *c; const sx_dataset *item; const void *params; } suite;

static sx_set fresh(void) { return (sx_set){ .size = sizeof(sx_set) }; }

static int columns_of(const sx_set *s) { return 2 + s->columns; }

/* x, y, then what there is beside them, in a struct of today's size. */
static sx_column column(const sx_set *s, int i)
{
    sx_column c = { .size = sizeof c, .name = s->x_name ? s->x_name : "x", .rank = s->rank, .dtype = s->dtype,
                    .data = s->x };
    memcpy(c.shape, s->shape, sizeof c.shape);
    if (i == 1)
        c = (sx_column){ .size = sizeof c, .name = s->y_name ? s->y_name : "y", .dtype = SX_I32, .data = s->y,
                         .classes = s->classes, .names = s->names };
    if (i < 2) return c;
    const sx_column *from = s->column[i - 2];
    c = (sx_column){ 0 };
    if (from) memcpy(&c, from, from->size < sizeof c ? from->size : sizeof c);
    return c;
}

static bool is_label(const sx_column *c) { return c->dtype == SX_I32; }

static size_t bytes_of(const sx_set *s, const sx_column *c)
{
    size_t n = (size_t)s->count * (c->dtype == SX_U8 ? 1 : 4);
    for (int i = 0; i < c->rank; i++) n *= (size_t)c->shape[i];
    return n;
}

static bool shape_ok(const sx_column *c)
{
    bool ok = is_label(c) ? c->rank == 0 : c->rank >= 1 && c->rank < SX_RANK;
    for (int i = 0; ok && i < c->rank; i++) ok = c->shape[i] > 0;
    return ok;
}

static bool labels_ok(const sx_set *s, const sx_column *c)
{
    const int32_t *y = c->data;
    for (long i = 0; i < s->count; i++) if (y[i] < 0 || y[i] >= c->classes) return false;
    return c->classes > 0;
}

static bool names_ok(const sx_column *c)
{
    for (long i = 0; c->names && i < c->classes; i++) if (!c->names[i] || !*c->names[i]) return false;
    return true;
}

static bool differ(const sx_set *s)
{
    for (int i = 0; i < columns_of(s); i++)
        for (int k = 0; k < i; k++) {
            const sx_column a = column(s, i), b = column(s, k);
            if (!a.name || !b.name || (is_label(&a) == is_label(&b) && !strcmp(a.name, b.name))) return false;
        }
    return true;
}

static void check_rows(conform *c, const sx_set *s, const char *part)
{
    bool there = s->count > 0 && s->columns >= 0 && (!s->columns || s->column);
    for (int i = 0; there && i < columns_of(s); i++) there = column(s, i).data != NULL;
    if (!conform_check(c, there, "%s: has rows and labels", part)) return;
    conform_check(c, differ(s), "%s: columns have names that differ", part);
    for (int i = 0; i < columns_of(s); i++) {
        const sx_column col = column(s, i);
        conform_check(c, shape_ok(&col),
                      "%s, %s: rows have 1 to %d axes, all longer than 0; labels none", part,
                      col.name, SX_RANK - 1);
        conform_check(c, is_label(&col) || col.dtype == SX_U8 || col.dtype == SX_F32,
                      "%s, %s: inputs are u8 or f32, labels i32", part, col.name);
        if (!is_label(&col)) continue;
        conform_check(c, labels_ok(s, &col), "%s, %s: labels are 0 .. classes-1", part, col.name);
        conform_check(c, names_ok(&col), "%s, %s: every class has a name, or none has", part, col.name);
    }
}

static bool same_shape(const sx_column *a, const sx_column *b)
{
    return !strcmp(a->name, b->name) && a->rank == b->rank && a->dtype == b->dtype
        && !memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape);
}

/* rows: with the same data, not only of one shape. */
static bool same_columns(const sx_set *a, const sx_set *b, bool rows)
{
    bool same = columns_of(a) == columns_of(b) && (!rows || a->count == b->count);
    for (int i = 0; same && i < columns_of(a); i++) {
        const sx_column x = column(a, i), y = column(b, i);
        same = same_shape(&x, &y);
        if (same && rows) same = x.classes == y.classes && !memcmp(x.data, y.data, bytes_of(a, &x));
    }
    return same;
}

static void check_again(const suite *u, const sx_set *first)
{
    sx_set again = fresh();
    const int rc = u->item->open(u->params, SX_PART_TRAIN, &again);
    conform_check(u->c, !rc && same_columns(first, &again, true),
                  "opened twice at once it gives the same rows");
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
        conform_check(u->c, same_columns(&test, train, false), "both parts have the same columns");
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
