/* test_ask.c: one suggestion: legal, new, within the constraints, or a clear end. The samplers are
 * scripted. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include "study.h"

static sx_arena *a;
static sx_diags d;
static long asked, refused; /* calls of the sampler; refused points it saw in the last one */

static double script(sx_rng *r, int way) { return way == 0 ? sx_uniform(r) * 10 : way == 1 ? 3.4 : -100; }

static int ask(const void *params, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    const int way = *(const int *)params;
    (void)cache;
    asked++;
    refused = 0;
    for (long i = 0; i < h->n; i++) refused += h->trial[i]->fate == SX_REFUSED;
    for (int i = 0; i < s->n; i++) x[i] = script(r, way);
    *tag = 42;
    return way < 3 ? 0 : way == 3 ? 1 : way == 4 ? SX_E_MEMORY : 7;
}
static const sx_sampler sampler = { .kind = SX_KIND_SAMPLER, .size = sizeof sampler, .name = "scripted",
                                    .ask = ask };

static sx_domain domain;
static sx_var whole = { .axis = { .name = "w", .kind = SX_AXIS_REAL, .low = 0, .high = 9, .step = 1,
                                  .whole = true }, .name = "w", .element = -1 };
static sx_var real = { .axis = { .name = "r", .kind = SX_AXIS_REAL, .low = 0, .high = 9 }, .name = "r",
                       .element = -1 };
static const sx_axis *axis[1];
static sx_var *var[1];
static sx_exp e;
static sx_entry entry;
static int way;
static const sx_trial *list[20];
static sx_trial trial[20];
static double points[20];
static sx_history history;

static void open_all(void)
{
    a = sx_arena_open(NULL);
    sx_diags_init(&d, a);
    entry.item = (const sx_item *)&sampler;
    e.domain = &domain;
    e.tune.sampler = (sx_use){ &entry, &way };
    asked = 0;
}
static void close_all(void) { sx_arena_close(a); }
TestSuite(ask, .init = open_all, .fini = close_all);

static void space_of(sx_var *v)
{
    var[0] = v;
    axis[0] = &v->axis;
    domain = (sx_domain){ .space = { 1, 1, 0, axis }, .var = var };
}

/* A history of the points 0 .. n-1. */
static void tried(long n)
{
    for (long i = 0; i < n; i++) {
        points[i] = (double)i;
        trial[i] = (sx_trial){ .number = i, .fate = i % 2 ? SX_RUNNING : SX_DONE, .x = &points[i],
                               .value = &points[i] };
        list[i] = &trial[i];
    }
    history = (sx_history){ .n = n, .done = n, .trial = list };
}

static int suggest(int how, int (*check)(void *, const double *, sx_diag *), double *x)
{
    const sx_ask_want w = { .exp = &e, .history = &history, .seed = 1, .number = history.n, .check = check };
    int64_t tag = 0;
    way = how;
    return sx_ask_point(a, &w, x, &tag, &d);
}

static int above_five(void *ctx, const double *x, sx_diag *why)
{
    (void)ctx;
    why->text = "r <= 5";
    return x[0] > 5 ? 0 : SX_E_REFUSED;
}
static int never(void *ctx, const double *x, sx_diag *why)
{
    (void)ctx, (void)x;
    why->text = "w < 0";
    return SX_E_REFUSED;
}
static int no_net(void *ctx, const double *x, sx_diag *why)
{
    (void)ctx;
    if (x[0] < 1) return never(ctx, x, why);
    *why = (sx_diag){ .code = SX_E_CONFIG, .where = { .file = "f.cfg", .line = 3 }, .text = "no such layer",
                      .hint = "Did you mean it?" };
    return SX_E_REFUSED;
}
static int broken(void *ctx, const double *x, sx_diag *why)
{
    (void)ctx, (void)x, (void)why;
    return SX_E_MEMORY;
}

Test(ask, the_answer_is_made_legal)
{
    double x[1];
    space_of(&whole);
    tried(0);
    cr_assert_eq(suggest(1, NULL, x), 0);
    cr_assert_eq(x[0], 3);
    cr_assert_eq(suggest(2, NULL, x), 0);
    cr_assert_eq(x[0], 0);
    cr_assert_eq(asked, 2);
}

Test(ask, a_repeat_is_refused_and_the_sampler_sees_it)
{
    double x[1], again[1];
    space_of(&whole);
    tried(5);
    for (int i = 0; i < 2; i++) cr_assert_eq(suggest(0, NULL, i ? again : x), 0);
    cr_assert_geq(x[0], 5);
    cr_assert_eq(x[0], again[0], "the same history and seed, the same answer");
    cr_assert_eq(history.n, 5);
    cr_assert_eq(suggest(1, NULL, x), 0, "a sampler that insists");
    cr_assert_eq(x[0], 5, "the first that is left");
    cr_assert_gt(refused, 50);
}

Test(ask, a_finite_space_ends)
{
    double x[1];
    space_of(&whole);
    tried(9);
    cr_assert_eq(suggest(0, NULL, x), 0);
    cr_assert_eq(x[0], 9);
    tried(10);
    cr_assert_eq(suggest(0, NULL, x), 1);
    cr_assert_eq(suggest(1, NULL, x), 1);
    cr_assert_eq(suggest(3, NULL, x), 1, "the sampler says so itself");
    tried(2);
    cr_assert_eq(suggest(0, never, x), 1, "no point may be used");
}

Test(ask, repeats_are_taken_where_the_study_wants_them)
{
    double x[1];
    space_of(&whole);
    tried(10);
    e.tune.on_repeat = 1;
    cr_assert_eq(suggest(1, NULL, x), 0);
    e.tune.on_repeat = 0;
    cr_assert_eq(asked, 1);
}

Test(ask, an_endless_space_repeats_with_a_warning)
{
    double x[1];
    space_of(&real);
    tried(1);
    cr_assert_eq(suggest(2, NULL, x), 0);
    cr_assert_eq(x[0], 0);
    cr_assert_eq(asked, 100);
    cr_assert_eq(d.n, 1);
    cr_assert_eq(d.errors, 0);
}

Test(ask, constraints)
{
    double x[1];
    space_of(&real);
    tried(3);
    cr_assert_eq(suggest(0, above_five, x), 0);
    cr_assert_gt(x[0], 5);
    cr_assert_eq(suggest(0, never, x), SX_E_REFUSED);
    cr_assert(strstr(d.v[0].detail, "w < 0"), "%s", d.v[0].detail);
    sx_diags_init(&d, a);
    cr_assert_eq(suggest(0, no_net, x), SX_E_REFUSED);
    cr_assert_eq(d.v[0].code, SX_E_CONFIG, "no constraint, but the file's mistake");
    cr_assert_str_eq(d.v[0].text, "no such layer");
    cr_assert_eq(d.v[0].where.line, 3);
    cr_assert_str_eq(d.v[0].hint, "Did you mean it?");
    cr_assert_eq(suggest(0, broken, x), SX_E_MEMORY);
    space_of(&whole);
    for (int i = 0; i < 4; i++) {                /* four are left above five: 6 7 8 9 */
        tried(6 + i);
        cr_assert_eq(suggest(0, above_five, x), 0);
        cr_assert_geq(x[0], 6 + i);
    }
}

Test(ask, a_sampler_that_fails)
{
    double x[1];
    space_of(&real);
    tried(0);
    cr_assert_eq(suggest(4, NULL, x), SX_E_MEMORY);
    cr_assert_eq(suggest(5, NULL, x), SX_E_PLUGIN);
}
