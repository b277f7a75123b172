/* test_space.c: tune.space: the original study's spaces, branches, vectors, the way back, sizes, Optuna. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "rng.h"
#include "space.h"

static sx_arena *a;
static sx_diags d;
static sx_scope *vars;

static void setup(void) { a = sx_arena_open(NULL); sx_diags_init(&d, a); }
static void teardown(void) { sx_arena_close(a); }
TestSuite(space, .init = setup, .fini = teardown);

/* The domain of a text with `vars` and `space`; NULL: refused. */
static sx_domain *open_space(const char *text)
{
    sx_conf *root;
    sx_domain *s;
    if (sx_config_parse(a, text, "test.cfg", NULL, &root, &d)) {
        sx_diags_print(&d, stderr);
        cr_assert_fail("%s", text);
    }
    vars = sx_scope_open(a, NULL, sx_conf_member(root, "vars"));
    return sx_domain_open(a, sx_conf_member(root, "space"), sx_conf_member(root, "vars"), vars, 1, 0, &s, &d)
               ? NULL
               : s;
}

static void draw(const sx_domain *s, long trial, double *x)
{
    sx_rng r;
    sx_rng_init(&r, 1777, trial, "test");
    for (int i = 0; i < s->space.n; i++) x[i] = sx_axis_at(s->space.axis[i], sx_uniform(&r));
    sx_domain_repair(s, x);
}

static long integer(const sx_scope *s, const char *name)
{
    sx_datum v;
    cr_assert_eq(sx_scope_get(a, s, name, SX_NOWHERE, &v, &d), 0);
    cr_assert_eq(v.kind, SX_DATUM_INT);
    return (long)v.i;
}

static const char convstrix[] =
    "vars = { num_blocks = 4; block_size = 1; fcl_layers = 1; fcl_size = 1024; drop_rate = 0.3; activation = "
    "\"relu\";"
    " optimizer = \"adamax\"; lr = 0.0005; batch = 32; };"
    "space = { batch = { choice = [ 16, 32, 64 ]; }; lr = { loguniform = [ 1e-4, 1.0 ]; }; num_blocks = { "
    "int = [ 2, 6 ]; };"
    " block_size = { int = [ 1, 3 ]; }; fcl_layers = { int = [ 1, 4 ]; }; fcl_size = { choice = [ 512, 768, "
    "1024, 1536 ]; };"
    " drop_rate = { uniform = [ 0.05, 0.5, 0.05 ]; }; activation = { choice = [ \"relu\", \"selu\", \"tanh\" "
    "]; };"
    " optimizer = { choice = [ \"adam\", \"adamax\", \"nadam\", \"rmsprop\" ]; }; };";
static const char vggstrix[] =
    "vars = { num_blocks = 0; block_size = 0; lr = 0.001; double = \"${2 * block_size}\"; };"
    "space = { conv = { choice = ( { num_blocks = 0; block_size = 0; },"
    " { num_blocks = 1; block_size = { int = [ 1, 3 ]; }; }, { num_blocks = { int = [ 2, 3 ]; }; block_size "
    "= 1; } ); }; };";

Test(space, convstrix_has_nine_axes)
{
    const sx_domain *s = open_space(convstrix);
    static const char *const name[] = { "batch",    "lr",        "num_blocks", "block_size", "fcl_layers",
                                        "fcl_size", "drop_rate", "activation", "optimizer" };
    cr_assert_not_null(s);
    cr_assert_eq(s->space.n, 9);
    for (int i = 0; i < 9; i++) {
        cr_assert_str_eq(s->space.axis[i]->name, name[i]);
        cr_assert_eq(s->space.axis[i]->whens, 0);
    }
    cr_assert_eq(s->space.axis[1]->log, true);
    cr_assert_eq(s->space.axis[2]->whole, true);
    cr_assert_eq(s->space.axis[0]->level[2], 64);
    cr_assert_null(s->space.axis[7]->level);
    cr_assert_eq(sx_domain_size(s), 0);          /* lr is continuous */
}

Test(space, vggstrix_draws_exactly_its_six_pairs)
{
    const sx_domain *s = open_space(vggstrix);
    cr_assert_not_null(s);
    cr_assert_eq(s->space.n, 3);
    cr_assert_eq(sx_domain_size(s), 6);
    long seen[4][4] = { { 0 } };
    for (long t = 0; t < 2000; t++) {
        double x[3];
        draw(s, t, x);
        const sx_scope *at = sx_domain_bind(a, s, x, vars);
        const long blocks = integer(at, "num_blocks"), size = integer(at, "block_size");
        cr_assert(blocks >= 0 && blocks < 4 && size >= 0 && size < 4);
        cr_assert_eq(integer(at, "double"), 2 * size);               /* computed variables follow the trial */
        seen[blocks][size]++;
        sx_named *named;
        const long n = sx_domain_values(a, s, x, &named);
        cr_assert_eq(n, blocks == 0 ? 1 : 2);
        double back[3];
        cr_assert_eq(sx_domain_point(a, s, named, n, vars, back, &d), 0);
        for (int i = 0; i < 3; i++) cr_assert(x[i] == back[i] || (isnan(x[i]) && isnan(back[i])));
    }
    for (int b = 0; b < 4; b++)
        for (int k = 0; k < 4; k++) {
            const bool legal = (b == 0 && k == 0) || (b == 1 && k >= 1) || (b >= 2 && k == 1);
            cr_assert_eq(seen[b][k] > 50, legal, "%d %d drawn %ld times", b, k, seen[b][k]);
            cr_assert(legal || seen[b][k] == 0);
        }
}

/* The shipped examples hold these very spaces. */
Test(space, examples)
{
    static const struct { const char *file; int axes; } example[] = {
        { "convstrix", 9 }, { "convstrix28", 9 }, { "fcnn", 7 }, { "vggstrix", 10 } };
    const char *source = getenv("STRIX_SOURCE");
    cr_assert_not_null(source, "run by make check");
    for (size_t i = 0; i < sizeof example / sizeof *example; i++) {
        sx_conf *root;
        sx_domain *s;
        const char *file = sx_format(a, "%s/examples/%s.cfg", source, example[i].file);
        int rc = sx_config_load(a, file, NULL, &root, &d);
        const sx_conf *v = sx_conf_member(root, "vars"), *space = sx_conf_find(root, "tune.space");
        vars = sx_scope_open(a, NULL, v);
        if (!rc) rc = sx_domain_open(a, space, v, vars, 1, 0, &s, &d);
        sx_diags_print(&d, stderr);
        cr_assert_eq(rc, 0, "%s", file);
        cr_assert_eq(s->space.n, example[i].axes, "%s has %d axes", file, s->space.n);
        double *x = sx_alloc_array(a, (size_t)s->space.n, sizeof *x);
        cr_assert_eq(sx_domain_point(a, s, NULL, 0, vars, x, &d), 0, "%s: vars are a point of the space",
                     file);
        for (long t = 0; t < 2000 && example[i].axes == 10; t++) {
            draw(s, t, x);
            const sx_scope *at = sx_domain_bind(a, s, x, vars);
            const long blocks = integer(at, "num_blocks"), size = integer(at, "block_size");
            cr_assert((blocks == 0 && size == 0) || (blocks == 1 && size >= 1 && size <= 3) ||
                      ((blocks == 2 || blocks == 3) && size == 1));
        }
    }
}

Test(space, a_point_is_found_from_variables)
{
    const sx_domain *s = open_space(vggstrix);
    double x[3];
    cr_assert_eq(sx_domain_point(a, s, NULL, 0, vars, x, &d), 0);    /* vars: no blocks, so branch 0 */
    cr_assert(x[0] == 0 && isnan(x[1]) && isnan(x[2]));
    const sx_named two[] = { { "num_blocks", { .kind = SX_DATUM_INT, .i = 1 } },
                             { "block_size", { .kind = SX_DATUM_INT, .i = 3 } } };
    cr_assert_eq(sx_domain_point(a, s, two, 2, vars, x, &d), 0);
    cr_assert(x[0] == 1 && x[1] == 3 && isnan(x[2]));
    const sx_named branch[] = { { "conv", { .kind = SX_DATUM_TEXT, .s = "2" } },
                                { "num_blocks", { .kind = SX_DATUM_REAL, .r = 3 } } };
    cr_assert_eq(sx_domain_point(a, s, branch, 2, vars, x, &d), 0);
    cr_assert(x[0] == 2 && isnan(x[1]) && x[2] == 3);
    const sx_named none[] = { { "num_blocks", { .kind = SX_DATUM_INT, .i = 7 } } };
    cr_assert_eq(sx_domain_point(a, s, none, 1, vars, x, &d), SX_E_REFUSED);
    const sx_named inactive[] = { { "conv", { .kind = SX_DATUM_INT, .i = 0 } },
                                  { "block_size", { .kind = SX_DATUM_INT, .i = 2 } } };
    cr_assert_eq(sx_domain_point(a, s, inactive, 2, vars, x, &d), SX_E_REFUSED);
    const sx_named wrong[] = { { "num_block", { .kind = SX_DATUM_INT, .i = 1 } } };
    cr_assert_eq(sx_domain_point(a, s, wrong, 1, vars, x, &d), SX_E_REFUSED);
    cr_assert_str_eq(d.v[d.n - 1].hint, "Did you mean 'num_blocks'?");
}

Test(space, stored_decimals_come_back_on_the_grid)
{
    const sx_domain *s = open_space(
        "vars = { r = 0.1; }; space = { r = { uniform = [ 0.05, 0.5, 0.05 ]; }; };");
    const sx_named v = { "r", { .kind = SX_DATUM_REAL, .r = 0.15000000000000002 } };
    double x;
    cr_assert_eq(sx_domain_point(a, s, &v, 1, vars, &x, &d), 0);
    cr_assert_eq(x, 0.15);
    const sx_named off = { "r", { .kind = SX_DATUM_REAL, .r = 0.16 } };
    cr_assert_eq(sx_domain_point(a, s, &off, 1, vars, &x, &d), SX_E_REFUSED);
    cr_assert_eq(sx_domain_size(s), 10);
}

Test(space, one_variable_in_several_branches)
{
    const sx_domain *same = open_space(
        "vars = { n = 1; k = 1; }; space = { c = { choice = ( { n = { int = [1, 3]; }; k = 1; },"
        " { n = { int = [1, 3]; }; k = 2; }, { name = \"none\"; n = 0; } ); }; };");
    cr_assert_not_null(same);
    cr_assert_eq(same->space.n, 2);
    cr_assert_str_eq(same->space.axis[1]->name, "n");
    cr_assert_eq(same->space.axis[1]->whens, 1);
    cr_assert_eq(same->space.axis[1]->when[0].n, 2);
    cr_assert_eq(sx_domain_size(same), 7);
    const sx_domain *other = open_space(
        "vars = { n = 1; }; space = { c = { choice = ( { n = { int = [1, 3]; }; },"
        " { name = \"wide\"; n = { int = [4, 9]; }; } ); }; };");
    cr_assert_eq(other->space.n, 3);
    cr_assert_str_eq(other->space.axis[1]->name, "n@0");
    cr_assert_str_eq(other->space.axis[2]->name, "n@wide");
    cr_assert_eq(sx_domain_size(other), 9);
    const sx_named v = { "n", { .kind = SX_DATUM_INT, .i = 7 } };
    double x[3];
    cr_assert_eq(sx_domain_point(a, other, &v, 1, vars, x, &d), 0);
    cr_assert(x[0] == 1 && isnan(x[1]) && x[2] == 7);
}

Test(space, branches_nest)
{
    const sx_domain *s = open_space("vars = { p = 1; q = 1; }; space = { outer = { choice = ( { p = 1; },"
                                    " { inner = { choice = ( { q = 1; }, { q = { int = [2, 4]; }; } ); }; p "
                                    "= { choice = [ 5, 6 ]; }; } ); }; };");
    cr_assert_not_null(s);
    cr_assert_eq(s->space.n, 4);
    cr_assert_eq(sx_domain_size(s), 1 + (1 + 3) * 2);
    for (long t = 0; t < 200; t++) {
        double x[4];
        draw(s, t, x);
        for (int i = 1; i < 4; i++) cr_assert(x[0] == 1 || isnan(x[i]));
        const sx_scope *at = sx_domain_bind(a, s, x, vars);
        cr_assert_eq(integer(at, "p") > 1, x[0] == 1);
    }
}

Test(space, vectors_follow_their_count)
{
    const sx_domain *s = open_space(
        "vars = { n = 2; f = [ 8, 8, 8 ]; }; space = { f = { per = \"n\"; choice = [ 8, 16 ]; };"
        " n = { int = [ 1, 3 ]; }; };");
    cr_assert_not_null(s);
    cr_assert_eq(s->space.n, 4);
    cr_assert_str_eq(s->space.axis[0]->name, "n");                   /* parents come first */
    cr_assert_str_eq(s->space.axis[3]->name, "f[2]");
    cr_assert_eq(s->space.axis[1]->when[0].n, 3);
    cr_assert_eq(s->space.axis[3]->when[0].n, 1);
    cr_assert_eq(sx_domain_size(s), 2 + 4 + 8);
    for (long t = 0; t < 50; t++) {
        double x[4], back[4];
        draw(s, t, x);
        const sx_scope *at = sx_domain_bind(a, s, x, vars);
        sx_datum f;
        cr_assert_eq(sx_scope_get(a, at, "f", SX_NOWHERE, &f, &d), 0);
        cr_assert_eq(f.n, integer(at, "n"));
        sx_named *named;
        const long n = sx_domain_values(a, s, x, &named);
        cr_assert_eq(sx_domain_point(a, s, named, n, vars, back, &d), 0);
        for (int i = 0; i < 4; i++) cr_assert(x[i] == back[i] || (isnan(x[i]) && isnan(back[i])));
    }
    const sx_domain *fixed = open_space(
        "vars = { n = 2; f = 1; }; space = { f = { per = \"n\"; int = [ 1, 9 ]; }; };");
    cr_assert_eq(fixed->space.n, 2);
    cr_assert_eq(fixed->space.axis[1]->whens, 0);
    const sx_domain *branch = open_space(
        "vars = { n = 3; f = 1; }; space = { f = { per = \"n\"; int = [ 1, 9 ]; };"
        " c = { choice = ( { n = 1; }, { n = { choice = [ 0, 2 ]; }; }, { name = \"vars\"; } ); }; };");
    cr_assert_not_null(branch);
    cr_assert_eq(sx_domain_size(branch), 9 + (1 + 81) + 729);
}

static sx_datum element(const sx_scope *at, const char *name, long i)
{
    sx_datum list;
    cr_assert_eq(sx_scope_get(a, at, name, SX_NOWHERE, &list, &d), 0);
    cr_assert(list.kind == SX_DATUM_LIST && i < list.n, "%s has no element %ld", name, i);
    return list.v[i];
}

Test(space, vectors_of_groups_take_their_branches_along)
{
    const sx_domain *s =
        open_space("vars = { n = 2; f = [ 8, 16 ]; k = [ 3, 5 ]; a = \"relu\"; };"
                   "space = { n = { int = [ 1, 3 ]; };"
                   "  b = { per = \"n\"; choice = ( { name = \"plain\"; f = { choice = [ 8, 16 ]; }; },"
                   "    { name = \"wide\"; f = 32; in = { choice = ( { k = 7; }, { a = { choice = [ \"x\", "
                   "\"y\" ]; }; } ); }; } ); }; };");
    cr_assert_not_null(s);
    cr_assert_eq(s->space.n, 1 + 3 * 4);
    const uint64_t one = 2 + 1 + 2;
    cr_assert_eq(sx_domain_size(s), one + one * one + one * one * one);
    for (long t = 0; t < 300; t++) {
        double x[13], back[13];
        draw(s, t, x);
        const sx_scope *at = sx_domain_bind(a, s, x, vars);
        const long n = integer(at, "n");
        for (long e = 0; e < n; e++) {
            int block = -1, in = -1;
            for (int i = 0; i < s->space.n; i++) {
                if (s->var[i]->element != e) continue;
                if (!strcmp(s->var[i]->name, "b")) block = i;
                if (!strcmp(s->var[i]->name, "in")) in = i;
            }
            const bool wide = x[block] == 1;
            cr_assert_eq(!isnan(x[in]), wide);
            cr_assert_eq(element(at, "f", e).i == 32, wide);
            cr_assert_eq(element(at, "k", e).i,
                         wide && x[in] == 0 ? 7
                         : e == 0           ? 3
                                            : 5,
                         "else that of vars, its last one at most");
            cr_assert_eq(*element(at, "a", e).s == 'r', !wide || x[in] == 0);
        }
        sx_named *named;
        const long values = sx_domain_values(a, s, x, &named);
        cr_assert_eq(sx_domain_point(a, s, named, values, vars, back, &d), 0);
        for (int i = 0; i < 13; i++) cr_assert(x[i] == back[i] || (isnan(x[i]) && isnan(back[i])));
    }
    const sx_named second = {
        "f[1]", { .kind = SX_DATUM_INT, .i = 32 }
    }; /* fixed in a branch: it names the branch */
    double x[13];
    cr_assert_eq(sx_domain_point(a, s, &second, 1, vars, x, &d), SX_E_REFUSED,
                 "with a of vars no branch has it");
    cr_assert_eq(sx_domain_some(a, s, &second, 1, vars, x, &d), 0);
    for (int i = 0; i < 13; i++) if (!strcmp(s->space.axis[i]->name, "b[1]")) cr_assert(x[i] == 1);
}

Test(space, a_value_that_is_named_finds_its_branch)
{
    const sx_domain *s = open_space(vggstrix);
    static const struct { const char *name; long value; double conv; } given[] = {
        { "block_size", 2, 1 }, { "num_blocks", 3, 2 }, { "block_size", 0, 0 }, { "num_blocks", 4, NAN }
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        double x[3];
        const sx_named one = { given[i].name, { .kind = SX_DATUM_INT, .i = given[i].value } };
        const int rc = sx_domain_some(a, s, &one, 1, vars, x, &d);
        cr_assert_eq(rc, isnan(given[i].conv) ? SX_E_REFUSED : 0);
        if (!rc) cr_assert_eq(x[0], given[i].conv);
    }
}

Test(space, bounds_may_be_expressions)
{
    const sx_domain *s = open_space(
        "vars = { w = 8; x = 9; }; space = { x = { int = [ \"w + 1\", \"2 ** w\" ]; }; };");
    cr_assert_not_null(s);
    cr_assert_eq(s->space.axis[0]->low, 9);
    cr_assert_eq(s->space.axis[0]->high, 256);
}

Test(space, optuna_reads_the_axes)
{
    const sx_domain *s = open_space(
        "vars = { lr = 1; r = 1; n = 1; c = 1; m = 0; q = 1; b = 1; };"
        "space = { lr = { loguniform = [ 1e-4, 1.0 ]; }; r = { uniform = [ 0.05, 0.5, 0.05 ]; }; n = { int = "
        "[ 1, 4 ]; };"
        " c = { choice = ( \"relu\", \"s\\\"\xc3\xa9\", true, 3, 2.5, (1, 2) ); }; m = { normal = ( 0, 0.5 "
        "); };"
        " q = { quniform = [ 1, 16, 2 ]; }; b = { choice = ( { name = \"one\"; }, { m2 = 1; } ); }; };");
    cr_assert_null(s);                           /* m2 is no variable */
    s = open_space("vars = { lr = 1; r = 1; n = 1; c = 1; m = 0; q = 1; b = 1; };"
                   "space = { lr = { loguniform = [ 1e-4, 1.0 ]; }; r = { uniform = [ 0.05, 0.5, 0.05 ]; }; "
                   "n = { int = [ 1, 4 ]; };"
                   " c = { choice = ( \"relu\", \"s\\\"\xc3\xa9\", true, 3, 2.5, (1, 2) ); }; m = { normal = "
                   "( 0, 0.5 ); };"
                   " q = { quniform = [ 1, 16, 2 ]; }; b = { choice = ( { name = \"one\"; }, { } ); }; };");
    static const char *const want[] = {
        "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.0001, \"high\": 1.0, "
        "\"log\": true}}",
        "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": 0.05, \"low\": 0.05, \"high\": 0.5, "
        "\"log\": false}}",
        "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": false, \"step\": 1, \"low\": 1, \"high\": "
        "4}}",
        "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"relu\", \"s\\\"\\u00e9\", "
        "true, 3, 2.5, \"[1, 2]\"]}}",
        "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": -5.0, \"high\": 5.0, "
        "\"log\": false}}",
        "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": false, \"step\": 2, \"low\": 0, \"high\": "
        "16}}",
        "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"one\", \"1\"]}}"
    };
    cr_assert_not_null(s);
    for (int i = 0; i < s->space.n; i++) cr_assert_str_eq(sx_axis_optuna(a, s->var[i]), want[i]);
}

/* These texts were read and written again by Optuna 5.0, byte for byte. */
Test(space, optuna_texts_of_all_kinds)
{
    const sx_domain *s = open_space(
        "vars = { a = 1; b = 1; e = 1; f = 1; g = 1; h = 1; i = 1; j = 1; k = 1; };"
        "space = { a = { uniform = [ 1e-5, 1e16 ]; }; b = { uniform = [ 0.0, 1e15 ]; };"
        " e = { lognormal = ( -3, 0.5 ); }; f = { qnormal = [ 0, 3, 2 ]; }; g = { qlognormal = [ 1.0, 1.0, "
        "0.5 ]; };"
        " h = { qloguniform = [ 1, 100, 3 ]; }; i = { quniform = [ 0.0, 1.0, 0.25 ]; };"
        " j = { int = [ -5, 5, 5 ]; }; k = { choice = ( \"\xe6\x97\xa5\", 1e-5, 1e22, "
        "\"\xf0\x9f\x98\x80\\n\" ); }; };");
    static const char *const want[] = {
        "\"step\": null, \"low\": 1e-05, \"high\": 1e+16, \"log\": false}}",
        "\"step\": null, \"low\": 0.0, \"high\": 1000000000000000.0, \"log\": false}}",
        "\"step\": null, \"low\": 0.00033546262790251185, \"high\": 7.38905609893065, \"log\": true}}",
        "\"log\": false, \"step\": 2, \"low\": -30, \"high\": 30}}",
        "\"step\": null, \"low\": 0.00012340980408667956, \"high\": 59874.14171519782, \"log\": true}}",
        "\"step\": null, \"low\": 1.0, \"high\": 100.0, \"log\": true}}",
        "\"step\": 0.25, \"low\": 0.0, \"high\": 1.0, \"log\": false}}",
        "\"log\": false, \"step\": 5, \"low\": -5, \"high\": 5}}",
        "\"choices\": [\"\\u65e5\", 1e-05, 1e+22, \"\\ud83d\\ude00\\n\"]}}" };
    cr_assert_not_null(s);
    for (int i = 0; i < s->space.n; i++) {
        const char *text = sx_axis_optuna(a, s->var[i]), *attributes = strstr(text, "\"attributes\": {");
        cr_assert_str_eq(attributes + strlen("\"attributes\": {"), want[i]);
    }
}

Test(space, json_tells_conditions)
{
    const sx_domain *s = open_space(vggstrix);
    cr_assert_str_eq(sx_domain_json(a, s), "{\"axes\": [{\"name\": \"conv\", \"variable\": \"conv\", "
                                           "\"kind\": \"choice\", \"options\": [\"0\", \"1\", \"2\"]}, "
                                           "{\"name\": \"block_size\", \"variable\": \"block_size\", "
                                           "\"kind\": \"real\", \"low\": 1.0, \"high\": 3.0, \"step\": 1.0, "
                                           "\"log\": false, \"round\": false, \"whole\": true, \"when\": "
                                           "[{\"parent\": \"conv\", \"values\": [\"1\"]}]}, "
                                           "{\"name\": \"num_blocks\", \"variable\": \"num_blocks\", "
                                           "\"kind\": \"real\", \"low\": 2.0, \"high\": 3.0, \"step\": 1.0, "
                                           "\"log\": false, \"round\": false, \"whole\": true, \"when\": "
                                           "[{\"parent\": \"conv\", \"values\": [\"2\"]}]}]}");
}

Test(space, wrong_domains_are_refused)
{
    static const char *const wrong[][2] = {
        { "x = { int = [4, 1]; };", "int: the lower end 4 is above the upper end 1" },
        { "x = { loguniform = [0, 1]; };", "loguniform: the lower end 0 is not above 0" },
        { "x = { int = [1, 2.5]; };", "mismatched element type in array" },
        { "x = { int = (1, 2.5); };", "'int' is 2.5, not an integer" },
        { "x = { uniform = [0, 1, 0]; };", "uniform: the step 0 is not above 0" },
        { "x = { normal = [0, -1]; };", "normal: the deviation -1 is not above 0" },
        { "x = { quniform = [0, 1]; };", "quniform takes [low, high, step]" },
        { "x = { int = 3; };", "int takes [low, high] or [low, high, step]" },
        { "x = { choice = [ ]; };", "choice takes a list of options" },
        { "x = { choice = [ 1, 1 ]; };", "option '1' stands in the choice twice" },
        { "x = { choice = ( 1, { x = 2; } ); };", "a choice is between values or between groups, not both" },
        { "x = { choice = [ 1, 2 ]; weights = [ 1 ]; };", "2 options need as many weights" },
        { "x = { choice = [ 1, 2 ]; weights = [ 0, 0 ]; };", "all weights are 0" },
        { "x = { int = [1, 2]; weights = [ 1, 1 ]; };", "only a choice has weights" },
        { "x = { int = [1, 2]; uniform = [ 1, 2 ]; };", "domain 'x' is both int and uniform" },
        { "x = { unifrom = [1, 2]; };", "a domain has no 'unifrom'" },
        { "x = { };", "'x' says no kind of domain" },
        { "x = 3;", "'x' is a value, not a domain" },
        { "xx = { int = [1, 2]; };", "the space names 'xx', which is no variable" },
        { "x = { int = [1, 2]; }; c = { choice = ( { x = 1; } ); };", "'x' gets a value twice in the space" },
        { "x = { per = \"y\"; int = [1, 2]; }; y = { uniform = [1, 2]; };",
          "'y' is no count: it has no few integer values" },
        { "x = { per = \"nix\"; int = [1, 2]; };", "undefined variable 'nix'" },
        { "c = { per = \"y\"; choice = ( { x = { per = \"y\"; int = [1, 2]; }; } ); };",
          "'x' is a vector inside the vector 'c'" },
        { "c = { per = \"y\"; choice = ( { x = 1; y = 2; } ); };",
          "'y' is how many elements 'c' has, it cannot stand in one of them" },
        { "c = { per = \"y\"; choice = ( { x = { int = [1, 2]; }; } ); }; e = { per = \"x\"; choice = ( { y "
          "= 1; } ); };",
          "'x' is no count: it has no few integer values" },
        { "x = { int = [1, \"1 / 0\"]; };", "mismatched element type in array" },
        { "x = { int = (1, \"1 / 0\"); };", "division by zero" }
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        sx_diags_init(&d, a);
        sx_conf *root;
        sx_domain *s;
        const char *text = sx_format(a, "vars = { x = 1; y = 2; }; space = { %s };", wrong[i][0]);
        int rc = sx_config_parse(a, text, "test.cfg", NULL, &root, &d);
        if (!rc) {
            const sx_conf *v = sx_conf_member(root, "vars");
            rc = sx_domain_open(a, sx_conf_member(root, "space"), v, sx_scope_open(a, NULL, v), 1, 0, &s, &d);
        }
        cr_assert_eq(rc, SX_E_CONFIG, "%s", wrong[i][0]);
        cr_assert_str_eq(d.v[0].text, wrong[i][1]);
    }
}

Test(space, steps_that_miss_the_end_are_told)
{
    const sx_domain *s = open_space("vars = { x = 1; }; space = { x = { int = [ 1, 6, 2 ]; }; };");
    cr_assert_not_null(s);
    cr_assert_eq(s->space.axis[0]->high, 5);
    cr_assert_eq(d.n, 1);
    cr_assert_eq(d.errors, 0);
}

/* --- Random spaces --- */

static sx_rng dice;
static long roll(long n) { return (long)(sx_uniform(&dice) * (double)n); }

static const char *random_domain(void)
{
    switch (roll(5)) {
    case 0: return sx_format(a, "{ int = [ 1, %ld ]; }", 1 + roll(3));
    case 1: return "{ choice = [ 0, 2, 1 ]; }";
    case 2: return "{ choice = ( \"p\", 2, 2.5 ); weights = [ 1, 2, 1 ]; }";
    case 3: return "{ quniform = [ 0, 4, 2 ]; }";
    default: return sx_format(a, "{ per = \"v%ld\"; choice = [ 5, 6 ]; }", roll(6));
    }
}

static const char *random_members(int depth)
{
    const char *s = "";
    long used = 0;
    for (long n = 1 + roll(3); n--;) {
        const long v = roll(6);
        if (used >> v & 1) continue;
        used |= 1L << v;
        if (roll(3) == 0 && depth < 3) {
            const char *branches = "";
            for (long k = 0, m = 1 + roll(3); k < m; k++)
                branches = sx_format(a, "%s%s{ %s }", branches, k ? ", " : "", random_members(depth + 1));
            const char *per = roll(4) ? "" : sx_format(a, "per = \"v%ld\";", roll(6));
            s = sx_format(a, "%s c%ld = { choice = ( %s ); %s };", s, v, branches, per);
        } else if (depth && roll(2)) s = sx_format(a, "%s v%ld = %ld;", s, v, roll(3));
        else s = sx_format(a, "%s v%ld = %s;", s, v, random_domain());
    }
    return s;
}

static bool equal_points(const double *x, const double *y, int n)
{
    for (int i = 0; i < n; i++) if (x[i] != y[i] && !(isnan(x[i]) && isnan(y[i]))) return false;
    return true;
}

/* A space that opens: every draw comes back from its values, and as many are different as it says. */
Test(space, random_spaces)
{
    enum { MOST = 40, DRAWS = 1500 };
    long opened = 0, counted = 0;
    sx_rng_init(&dice, 4711, 0, "spaces");
    for (int round = 0; round < 400; round++) {
        sx_conf *root;
        sx_domain *s;
        sx_diags_init(&d, a);
        const char *text = sx_format(
            a, "vars = { v0 = 1; v1 = 2; v2 = 0; v3 = 1; v4 = 3; v5 = 1; }; space = { %s };",
            random_members(0));
        if (sx_config_parse(a, text, "random.cfg", NULL, &root, &d)) continue;
        const sx_conf *v = sx_conf_member(root, "vars");
        const sx_scope *scope = sx_scope_open(a, NULL, v);
        const int rc = sx_domain_open(a, sx_conf_member(root, "space"), v, scope, 1, 0, &s, &d);
        cr_assert_eq(rc != 0, d.errors > 0, "%s", text);
        if (rc) continue;
        const int n = s->space.n;
        const uint64_t size = sx_domain_size(s);
        double *seen = sx_alloc_array(a, (size_t)(MOST + 1) * (size_t)(n + 1), sizeof *seen),
               *x = sx_alloc_array(a, (size_t)n, 2 * sizeof *x);
        long different = 0;
        cr_assert_gt(size, 0, "%s", text);
        for (long t = 0; t < (size <= MOST ? DRAWS : 20); t++) {
            sx_named *named;
            draw(s, t, x);
            const long values = sx_domain_values(a, s, x, &named);
            cr_assert_eq(sx_domain_point(a, s, named, values, scope, x + n, &d), 0, "%s", text);
            cr_assert(equal_points(x, x + n, n), "%s", text);
            long k = 0;
            while (k < different && !equal_points(seen + k * n, x, n)) k++;
            if (k == different && different <= MOST) memcpy(seen + different++ * n, x, (size_t)n * sizeof *x);
        }
        if (size <= MOST)
            cr_assert_eq((uint64_t)different, size, "%ld of %lu: %s", different, (unsigned long)size, text);
        counted += size > 1 && size <= MOST;
        opened++;
        cr_assert_not_null(sx_domain_json(a, s));
    }
    cr_assert(opened > 100 && counted > 50, "%ld %ld", opened, counted);
}

Test(space, a_missing_space_has_no_axes)
{
    sx_domain *s;
    cr_assert_eq(sx_domain_open(a, NULL, NULL, NULL, 1, 0, &s, &d), 0);
    cr_assert_eq(s->space.n, 0);
    cr_assert_eq(sx_domain_size(s), 1);
}
