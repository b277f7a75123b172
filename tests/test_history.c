/* test_history.c: what a sampler sees of a study after any event, and the index of points behind it. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include "history.h"
#include "places.h"
#include "rng.h"

static sx_arena *a;
static void open_all(void) { a = sx_arena_open(NULL); }
static void close_all(void) { sx_arena_close(a); }
TestSuite(history, .init = open_all, .fini = close_all);

static sx_axis grid = { .name = "g", .kind = SX_AXIS_REAL, .low = 0, .high = 9, .step = 1, .whole = true };
static const sx_axis *axes[] = { &grid, &grid };
static sx_domain domain = { .space = { 2, 1, 0, axes } };

static void happen(sx_past *p, int64_t event, long number, sx_fate fate)
{
    const double x[2] = { (double)(number % 10), (double)(number / 10 % 10) }, value = (double)number;
    const sx_trial_row row = { .t = { .number = number, .fate = fate, .x = x,
                                      .value = fate == SX_DONE ? &value : NULL } };
    sx_past_add(p, event, &row);
}

/* Starts and ends of 40 trials, three at a time, every fifth paused in between. */
static long script(int64_t event, sx_fate *fate)
{
    const long step = (long)event / 2;
    *fate = event % 2 ? SX_RUNNING : step % 5 == 4 ? SX_PAUSED : SX_DONE;
    return event % 2 ? step : step - 3;
}

static void tell(sx_past *p, int64_t from, int64_t to)
{
    for (int64_t e = from; e <= to; e++) {
        sx_fate fate;
        const long number = script(e, &fate);
        if (number >= 0) happen(p, e, number, fate);
    }
}

static void same_history(const sx_history *x, const sx_history *y, int64_t seen)
{
    cr_assert_eq(x->n, y->n, "after %ld", (long)seen);
    cr_assert_eq(x->done, y->done, "after %ld", (long)seen);
    for (long i = 0; i < x->n; i++) {
        cr_assert_eq(x->trial[i]->number, y->trial[i]->number, "after %ld, %ld", (long)seen, i);
        cr_assert_eq(x->trial[i]->fate, y->trial[i]->fate, "after %ld, %ld", (long)seen, i);
    }
}

Test(history, goes_on_by_the_news_and_remembers_every_moment)
{
    enum { EVENTS = 80 };
    sx_past *whole = sx_past_open(a, &domain, NULL), *growing = sx_past_open(a, &domain, NULL);
    tell(whole, 1, EVENTS);
    for (int64_t seen = 0; seen <= EVENTS; seen++) {
        if (seen) tell(growing, seen, seen);
        const sx_history h = sx_past_at(growing, a, seen);
        sx_past *fresh = sx_past_open(a, &domain, NULL);
        tell(fresh, 1, EVENTS);
        const sx_history first = sx_past_at(fresh, a, seen);
        same_history(&h, &first, seen);
        (void)sx_past_at(whole, a, EVENTS);      /* it is ahead, and looks back */
        const sx_history back = sx_past_at(whole, a, seen);
        same_history(&h, &back, seen);
        for (long i = 0; i < h.done; i++) cr_assert_neq(h.trial[i]->fate, SX_RUNNING);
        for (long i = h.done; i < h.n; i++) cr_assert_eq(h.trial[i]->fate, SX_RUNNING);
        for (long i = h.done + 1; i < h.n; i++) cr_assert_lt(h.trial[i - 1]->number, h.trial[i]->number);
    }
}

Test(history, the_index_holds_for_earlier_moments)
{
    sx_past *p = sx_past_open(a, &domain, NULL);
    for (int64_t e = 1; e <= 30; e++) happen(p, e, (long)e - 1, e % 7 ? SX_DONE : SX_RUNNING);
    (void)sx_past_at(p, a, 30);
    const sx_history half = sx_past_at(p, a, 15);
    for (long k = 0; k < 30; k++) {
        const double x[2] = { (double)(k % 10), (double)(k / 10) };
        const long at = sx_point_find(&domain.space, &half, x, 0);
        cr_assert_eq(at >= 0, k < 15, "point %ld at %ld", k, at);
        if (at >= 0) cr_assert_eq(half.trial[at]->number, k);
    }
}

Test(history, places_finds_what_a_look_at_all_finds)
{
    enum { N = 3000 };
    sx_places *p = sx_places_open(a, 3);
    double *x = sx_alloc_array(a, 3 * N, sizeof *x);
    sx_rng r;
    sx_rng_init(&r, 1, 0, "places");
    for (long i = 0; i < N; i++) {
        for (int j = 0; j < 3; j++) x[3 * i + j] = floor(sx_uniform(&r) * 14) - 1;
        if (sx_uniform(&r) < 0.2) x[3 * i + 2] = NAN;
        long first = 0;
        while (first < i && !(x[3 * first] == x[3 * i] && x[3 * first + 1] == x[3 * i + 1]
                              && (x[3 * first + 2] == x[3 * i + 2]
                                  || (isnan(x[3 * first + 2]) && isnan(x[3 * i + 2])))))
            first++;
        const long found = sx_places_find(p, x + 3 * i);
        cr_assert_eq(found, first < i ? first : -1, "point %ld: %ld, not %ld", i, found, first);
        sx_places_add(p, x + 3 * i);
    }
    const double zero[3] = { 0, 0, 0 }, minus[3] = { -0.0, 0, -0.0 };
    sx_places_add(p, zero);
    cr_assert_eq(sx_places_find(p, minus), sx_places_find(p, zero), "-0 is 0");
}
