/* book.c: what TPE keeps of a history: every trial by number, how good it is, on which side it stands, and
 * who changed sides since. A new book of the same history says the same, only later. */
#include <stdlib.h>
#include <string.h>
#include "parzen.h"

static void *grown(void *old, long *room, long need, size_t bytes)
{
    if (need <= *room) return old;
    *room = 2 * need + 16;
    void *more = realloc(old, (size_t)*room * bytes);
    if (!more) abort();                          /* as sx_alloc: memory so small costs one trial */
    return more;
}

parzen_book *parzen_book_open(const parzen_flavour *f, const sx_space *s, double gamma, bool liar)
{
    parzen_book *b = malloc(sizeof *b);
    if (!b) abort();
    *b = (parzen_book){ .f = f, .s = s, .gamma = gamma, .liar = liar, .epoch = 1 };
    return b;
}

void parzen_book_close(parzen_book *b)
{
    if (!b) return;
    parzen_free(&b->pool);
    free(b->spare);
    free(b->v);
    free(b->pattern);
    free(b->log);
    free(b);
}

static void forget(parzen_book *b)
{
    parzen_reset(&b->pool);
    b->spares = b->done = b->n = b->told = b->patterns = b->logged = 0;
    b->last = NULL;
    b->epoch++;
}

static void move(parzen_book *b, parzen_entry *e, parzen_side to)
{
    if (e->side == to) return;
    b->log = grown(b->log, &b->log_room, b->logged + 1, sizeof *b->log);
    b->log[b->logged++] = (parzen_change){ e->number, e->x, e->side, to };
    e->side = to;
}

/* The first entry whose number is not below. */
static long place_of(const parzen_book *b, long number)
{
    long low = 0, high = b->n;
    if (high && b->v[high - 1].number < number) return high;
    while (low < high) {
        const long i = low + (high - low) / 2;
        if (b->v[i].number < number) low = i + 1;
        else high = i;
    }
    return low;
}

static void leave(parzen_book *b, long i)
{
    parzen_entry *e = &b->v[i];
    move(b, e, PARZEN_NEITHER);
    b->spare = grown(b->spare, &b->spare_room, b->spares + 1, sizeof *b->spare);
    b->spare[b->spares++] = e->x;
    b->told -= e->counts;
    memmove(e, e + 1, (size_t)(b->n - i - 1) * sizeof *e);
    b->n--;
}

static parzen_entry *enter(parzen_book *b, long i, const sx_trial *t)
{
    const size_t n = (size_t)b->s->n, m = (size_t)b->s->objectives;
    b->v = grown(b->v, &b->room, b->n + 1, sizeof *b->v);
    parzen_entry *e = &b->v[i];
    memmove(e + 1, e, (size_t)(b->n++ - i) * sizeof *e);
    *e = (parzen_entry){ .number = t->number,
                         .x = b->spares ? b->spare[--b->spares] : PARZEN_NEW(&b->pool, double, n + m) };
    if (n) memcpy(e->x, t->x, n * sizeof *e->x);
    return e;
}

static bool same(const double *a, const double *b, int n)
{
    for (int i = 0; i < n; i++) if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i]))) return false;
    return true;
}

static bool alike(const double *a, const double *b, int n)
{
    for (int i = 0; i < n; i++) if (isnan(a[i]) != isnan(b[i])) return false;
    return true;
}

static void note_pattern(parzen_book *b, const double *x)
{
    for (long i = 0; i < b->patterns; i++) if (alike(b->pattern[i], x, b->s->n)) return;
    b->pattern = grown(b->pattern, &b->pattern_room, b->patterns + 1, sizeof *b->pattern);
    const size_t n = (size_t)b->s->n;
    double *copy = PARZEN_NEW(&b->pool, double, n + 1);
    if (n) memcpy(copy, x, n * sizeof *x);
    b->pattern[b->patterns++] = copy;
}

/* What a trial tells now; it may have told less before. */
static void describe(parzen_book *b, parzen_entry *e, const sx_trial *t, bool passing)
{
    const int m = b->s->objectives;
    b->told -= e->counts;
    e->merit = parzen_merit_of(b->f, b->s, t);
    if (m > 1 && !t->value && e->merit.rank == PARZEN_COMPLETE) e->merit.rank = PARZEN_BAD;
    for (int j = 0; j < m; j++) e->x[b->s->n + j] = t->value && t->fate == SX_DONE ? t->value[j] : NAN;
    e->counts = parzen_counts(b->f, t->fate);
    e->passing = passing;
    e->found = true;
    b->told += e->counts;
    if (e->counts) note_pattern(b, e->x);
}

/* An ended trial takes the place of what was known of it while it ran, or was paused. */
static void take_in(parzen_book *b, const sx_trial *t)
{
    long i = place_of(b, t->number);
    while (i < b->n && b->v[i].number == t->number) {
        if (same(b->v[i].x, t->x, b->s->n) && parzen_seen(b->f, t->fate, b->liar)) break;
        leave(b, i);
    }
    if (!parzen_seen(b->f, t->fate, b->liar)) return;
    const bool there = i < b->n && b->v[i].number == t->number;
    describe(b, there ? &b->v[i] : enter(b, i, t), t, false);
}

/* A running or refused trial, unless its number is known from before: paused, it runs again. */
static void take_along(parzen_book *b, const sx_trial *t)
{
    if (!parzen_seen(b->f, t->fate, b->liar)) return;
    long i = place_of(b, t->number);
    for (; i < b->n && b->v[i].number == t->number; i++) {
        parzen_entry *e = &b->v[i];
        if (!e->passing) return;
        if (e->found || e->counts != parzen_counts(b->f, t->fate) || !same(e->x, t->x, b->s->n)) continue;
        e->found = true;
        return;
    }
    describe(b, enter(b, i, t), t, true);
}

void parzen_book_read(parzen_book *b, const sx_history *h)
{
    if (h->done < b->done || (b->done && h->trial[b->done - 1] != b->last)
        || b->logged > 4 * b->n + 1000) forget(b);
    for (; b->done < h->done; b->done++) take_in(b, b->last = h->trial[b->done]);
    long passing = 0;
    for (long i = 0; i < b->n; i++) b->v[i].found = !b->v[i].passing, passing += b->v[i].passing;
    for (long i = h->done; i < h->n; i++) take_along(b, h->trial[i]);
    for (long i = b->n - 1; i >= 0 && passing; i--) if (!b->v[i].found) leave(b, i);
}

void parzen_book_split(parzen_book *b, parzen_pool *p)
{
    bool *good = PARZEN_NEW(p, bool, b->n);
    parzen_mark(p, b->s, b->v, b->n, parzen_good(b->f, b->gamma, b->told, b->s->objectives > 1), good);
    for (long i = 0; i < b->n; i++) move(b, &b->v[i], good[i] ? PARZEN_BELOW : PARZEN_ABOVE);
}

long parzen_book_side(const parzen_book *b, parzen_pool *p, parzen_side side, const double ***x,
                      long **number)
{
    long n = 0;
    *x = PARZEN_NEW(p, const double *, b->n);
    if (number) *number = PARZEN_NEW(p, long, b->n);
    for (long i = 0; i < b->n; i++) {
        if (b->v[i].side != side) continue;
        if (number) (*number)[n] = b->v[i].number;
        (*x)[n++] = b->v[i].x;
    }
    return n;
}
