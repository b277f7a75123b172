/* test_expr.c: expressions, variables, texts: values, every mistake, limits, and 20,000 random strings. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "expr.h"
#include "rng.h"

static sx_arena *a;
static sx_diags d;

static void setup(void)
{
    a = sx_arena_open(NULL);
    sx_diags_init(&d, a);
}
static void teardown(void) { sx_arena_close(a); }
TestSuite(expr, .init = setup, .fini = teardown);

static sx_scope *scope_of(const char *vars)
{
    sx_conf *root;
    cr_assert_eq(sx_config_parse(a, vars, "test.cfg", NULL, &root, &d), 0);
    return sx_scope_open(a, NULL, root);
}

static const char *eval(const char *text, const sx_scope *s)
{
    sx_datum v;
    sx_diags_init(&d, a);
    const int rc = sx_eval(a, text, s, SX_NOWHERE, &v, &d);
    cr_assert_eq(rc != 0, d.errors > 0, "%s", text);
    return rc ? d.v[0].text : sx_format(a, "%s%s", v.kind == SX_DATUM_REAL ? "r" : "", sx_datum_text(a, &v));
}

static void same(const char *const (*want)[2], size_t n, const sx_scope *s)
{
    for (size_t i = 0; i < n; i++) cr_assert_str_eq(eval(want[i][0], s), want[i][1], "%s", want[i][0]);
}
#define SAME(want, s) same(want, sizeof (want) / sizeof *(want), s)

Test(expr, arithmetic)
{
    static const char *const want[][2] = { { "1 + 2 * 3", "7" },
                                           { "(1 + 2) * 3", "9" },
                                           { "7 / 2", "r3.5" },
                                           { "6 / 2", "r3" },
                                           { "7 // 2", "3" },
                                           { "-7 // 2", "-4" },
                                           { "7 // -2", "-4" },
                                           { "-7 % 3", "2" },
                                           { "7 % -3", "-2" },
                                           { "-6 % 3", "0" },
                                           { "5.5 % 2", "r1.5" },
                                           { "-5.5 % 2", "r0.5" },
                                           { "2 ** 10", "1024" },
                                           { "2 ** -1", "r0.5" },
                                           { "-2 ** 2", "-4" },
                                           { "2 ** 3 ** 2", "512" },
                                           { "(-2) ** 3", "-8" },
                                           { "0 ** 0", "1" },
                                           { "2 ** 62", "4611686018427387904" },
                                           { "3 ** 39", "4052555153018976267" },
                                           { "1e3", "r1000" },
                                           { ".5 + 1.", "r1.5" },
                                           { "--1", "1" },
                                           { "+1", "1" },
                                           { "1 - -1", "2" },
                                           { "9223372036854775807", "9223372036854775807" },
                                           { "-9223372036854775807 - 1", "-9223372036854775808" },
                                           { "7.9 // 2", "3" },
                                           { "64 * 2 ** 3", "512" },
                                           { "2 * -3", "-6" } };
    SAME(want, NULL);
}

Test(expr, logic)
{
    static const char *const want[][2] = { { "1 < 2", "true" },
                                           { "2 <= 2", "true" },
                                           { "2 > 2", "false" },
                                           { "2 >= 3", "false" },
                                           { "1 == 1.0", "true" },
                                           { "1 != 1", "false" },
                                           { "'relu' == 'relu'", "true" },
                                           { "'relu' == 1", "false" },
                                           { "true and false", "false" },
                                           { "true or false and false", "true" },
                                           { "not true or true", "true" },
                                           { "not 1 == 2", "true" },
                                           { "not not true", "true" },
                                           { "true ? 1 : 2", "1" },
                                           { "false ? 1 : true ? 2 : 3", "2" },
                                           { "1 < 2 ? 'a' : 'b'", "a" },
                                           { "false and 1 / 0 == 1", "false" },
                                           { "true or 1 / 0 == 1", "true" },
                                           { "true ? 1 : 1 / 0", "1" },
                                           { "false ? nix[7] : 2", "2" },
                                           { "true or nix(1) > 2", "true" },
                                           { "9007199254740993 > 9007199254740992", "true" } };
    SAME(want, NULL);
}

Test(expr, functions)
{
    static const char *const want[][2] = {
        { "min(3, 1, 2)", "1" }, { "max(3, 1.5)", "3" }, { "min(64 * 2 ** 4, 512)", "512" },
        { "abs(-3)", "3" },      { "abs(-.5)", "r0.5" }, { "floor(-1.5)", "-2" },
        { "ceil(1.2)", "2" },    { "round(2.5)", "3" },  { "round(-2.5)", "-3" },
        { "log2(8)", "r3" },     { "sqrt(16)", "r4" },   { "exp(0)", "r1" },
        { "log(1)", "r0" },      { "len('abc')", "3" },  { "floor(7)", "7" }
    };
    SAME(want, NULL);
}

Test(expr, mistakes)
{
    static const char *const want[][2] = {
        { "9223372036854775807 + 1", "integer overflow" },
        { "-9223372036854775807 - 2", "integer overflow" },
        { "3037000500 * 3037000500", "integer overflow" },
        { "2 ** 63", "integer overflow" },
        { "10 ** 19", "integer overflow" },
        { "(-9223372036854775807 - 1) // -1", "integer overflow" },
        { "abs(-9223372036854775807 - 1)", "integer overflow" },
        { "-(-9223372036854775807 - 1)", "integer overflow" },
        { "1 / 0", "division by zero" },
        { "1 // 0", "division by zero" },
        { "1 % 0", "division by zero" },
        { "1 / 0.0", "division by zero" },
        { "0 ** -1", "division by zero" },
        { "1e308 * 10", "this number is too large" },
        { "exp(1000)", "this number is too large" },
        { "1e999", "this number is too large" },
        { "(-8) ** 0.5", "this is not a number" },
        { "sqrt(-1)", "sqrt of -1" },
        { "log(0)", "log of 0" },
        { "log2(-1)", "log2 of -1" },
        { "floor(1e300)", "this number is too large for an integer" },
        { "99999999999999999999", "integer 99999999999999999999 does not fit into 64 bits" },
        { "", "a value is missing at the end" },
        { "1 +", "a value is missing at the end" },
        { "* 2", "a value is missing before '* 2'" },
        { "(1", "')' is missing at the end" },
        { "1)", "')' does not belong to the expression" },
        { "1 2", "'2' does not belong to the expression" },
        { "12abc", "'a' directly after a number" },
        { "0x10", "'x' directly after a number" },
        { "1.2.3", "'.3' does not belong to the expression" },
        { "'abc", "this text is never closed" },
        { "a.b", "names have no dots here" },
        { "1 and true", "and takes truth values, not an integer" },
        { "not 1", "not takes truth values, not an integer" },
        { "1 ? 2 : 3", "? takes truth values, not an integer" },
        { "true ? 1", "':' is missing at the end" },
        { "true + 1", "+ takes numbers, not a truth value" },
        { "'a' < 'b'", "< takes numbers, not a text" },
        { "nix", "undefined variable 'nix'" },
        { "nix(1)", "unknown function 'nix'" },
        { "min()", "min takes 1 argument, not 0" },
        { "abs(1, 2)", "abs takes 1 argument, not 2" },
        { "len(1)", "len takes a list or a text, not an integer" },
        { "1[0]", "only a list has elements, not an integer" },
        { "and", "a value is missing before 'and'" },
        { "1 +* 2", "a value is missing before '* 2'" },
        { "min(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)", "min() has more than 16 arguments" },
        { "env.HOME", "env.HOME may stand in texts only, as ${env.HOME}" }
    };
    SAME(want, NULL);
    eval("1 + nix", NULL);
    cr_assert_str_eq(d.v[0].detail, "At character 5 of '1 + nix'.");
}

static const char *repeated(const char *what, long n, const char *tail)
{
    const size_t size = strlen(what);
    char *s = sx_alloc(a, size * (size_t)n + strlen(tail) + 1);
    for (long i = 0; i < n; i++) memcpy(s + size * (size_t)i, what, size);
    memcpy(s + size * (size_t)n, tail, strlen(tail));
    return s;
}

Test(expr, limits)
{
    cr_assert_str_eq(eval(repeated("1+", 499, "11"), NULL), "510");
    cr_assert_str_eq(eval(repeated("1+", 500, "1"), NULL), "this expression has more than 1000 characters");
    cr_assert_str_eq(eval(sx_format(a, "%s%s", repeated("(", 32, "1"), repeated(")", 32, "")), NULL), "1");
    static const char *const deep[] = { "(", "-", "not ", "abs(", "2**", "true?", "[" };
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++)
        for (long n = 33; n < 120; n += 40)
            /* no crash, an error (checked in eval) */
            eval(repeated(deep[i], n, "1"), NULL);
    cr_assert_str_eq(eval(repeated("(", 33, "1"), NULL), "this expression is nested more than 32 deep");
}

Test(expr, variables)
{
    const sx_scope *s = scope_of("w = 4; lr = 0.5; act = \"relu\"; v = (1, 2.5, \"x\"); twice = \"${2 * "
                                 "w}\"; four = \"${2 * twice}\"; on = true;");
    static const char *const want[][2] = { { "w", "4" },
                                           { "lr", "r0.5" },
                                           { "act == 'relu'", "true" },
                                           { "v[1]", "r2.5" },
                                           { "v", "[1, 2.5, x]" },
                                           { "len(v)", "3" },
                                           { "v[3]", "element 3 of a list of 3" },
                                           { "v[-1]", "element -1 of a list of 3" },
                                           { "v[0.5]", "the number of an element is an integer" },
                                           { "v[6 / 3]", "x" },
                                           { "twice + four", "24" },
                                           { "on ? w : 0", "4" },
                                           { "min(v)", "min takes numbers, not a text" } };
    SAME(want, s);
    const sx_scope *b = sx_scope_bind(a, s, "b", (sx_datum){ .kind = SX_DATUM_INT, .i = 3 });
    cr_assert_str_eq(eval("w * (b + 1)", b), "16");
    cr_assert_str_eq(eval("actt", b), "undefined variable 'actt'");
    cr_assert_str_eq(d.v[0].hint, "Did you mean 'act'?");
    const char *name = "w";
    const sx_scope *trial = sx_scope_set(a, b, 1, &name, &(sx_datum){ .kind = SX_DATUM_INT, .i = 10 });
    cr_assert_str_eq(eval("four + b", trial), "43");                 /* what is computed follows */
    cr_assert_str_eq(eval("four + b", b), "19");                     /* and the old scope stays */
    cr_assert(sx_scope_has(trial, "b") && sx_scope_has(trial, "w") && !sx_scope_has(trial, "x"));
}

Test(expr, cycles_and_chains)
{
    const sx_scope *s = scope_of(
        "a = \"${b + 1}\"; b = \"${c}\"; c = \"${2 * a}\"; self = \"${self}\"; ok = 1;");
    cr_assert_str_eq(eval("a", s), "variable 'a' needs itself");
    cr_assert_str_eq(d.v[0].detail, "a -> b -> c -> a");
    eval("self", s);
    cr_assert_str_eq(d.v[0].detail, "self -> self");
    cr_assert_str_eq(eval("ok", s), "1");
    const char *doubling = "x0 = \"ab\";", *chain = "x0 = 1;";
    for (int i = 1; i < 30; i++)
        doubling = sx_format(a, "%s x%d = \"${x%d}${x%d}\";", doubling, i, i - 1, i - 1);
    for (int i = 1; i < 60; i++) chain = sx_format(a, "%s x%d = \"${x%d + 1}\";", chain, i, i - 1);
    s = scope_of(doubling);
    cr_assert_str_eq(eval("len(x5)", s), "64");
    cr_assert_str_eq(eval("x29", s), "variables need each other more than 10000 times");
    s = scope_of(chain);
    cr_assert_str_eq(eval("x31", s), "32");
    cr_assert_str_eq(eval("x59", s), "variables need each other more than 32 deep");
    /* both depths at once: the stack holds */
    const char *open = repeated("min(", 31, ""), *close = repeated(")", 31, "");
    chain = "x0 = 1;";
    for (int i = 1; i < 32; i++)
        chain = sx_format(a, "%s x%d = \"${%sx%d%s}\";", chain, i, open, i - 1, close);
    cr_assert_str_eq(eval("x31", scope_of(chain)), "1");
}

static const char *text(const char *t, const sx_scope *s)
{
    sx_datum v;
    sx_diags_init(&d, a);
    return sx_interpolate(a, t, s, SX_NOWHERE, &v, &d) ? d.v[0].text
                                                       : sx_format(a, "%d:%s", v.kind, sx_datum_text(a, &v));
}

Test(expr, texts)
{
    setenv("STRIX_TEST", "here", 1);
    unsetenv("STRIX_NONE");
    const sx_scope *s = scope_of("w = 4; act = \"relu\"; dir = \"${env.STRIX_TEST}/x\";");
    cr_assert_str_eq(text("plain", s), "4:plain");
    cr_assert_str_eq(text("", s), "4:");
    cr_assert_str_eq(text("${w + 1}", s), "1:5");                    /* keeps its type */
    cr_assert_str_eq(text("block${w + 1}_${act}", s), "4:block5_relu");
    cr_assert_str_eq(text("$${w} costs 3$ $", s), "4:${w} costs 3$ $");
    cr_assert_str_eq(text("${'}'}", s), "4:}");
    cr_assert_str_eq(text("${w", s), "'${' without '}' in \"${w\"");
    cr_assert_str_eq(text("a ${1 / 0}", s), "division by zero");
    cr_assert_str_eq(text("${env.STRIX_TEST}/y", s), "4:here/y");
    cr_assert_str_eq(text("${dir}", s), "4:here/x");
    cr_assert_str_eq(text("${env.PATH}", s), "env.PATH may not be read");
    cr_assert_str_eq(text("${env.STRIX_NONE}", s), "STRIX_NONE is not set in the environment");
    cr_assert_str_eq(text("${env.}", s), "env. needs the name of a variable of the environment");
}

Test(expr, the_data_directory_has_a_default)
{
    unsetenv("STRIX_DATA_DIR");
    cr_assert_neq(text("${env.STRIX_DATA_DIR}", NULL)[0], 'S');
    setenv("STRIX_DATA_DIR", "/mine", 1);
    cr_assert_str_eq(text("${env.STRIX_DATA_DIR}/x", NULL), "4:/mine/x");
}

static const char *setting(const char *c, sx_datum_kind wanted)
{
    sx_conf *root;
    sx_datum v;
    sx_diags_init(&d, a);
    const sx_scope *s = scope_of("w = 4; act = \"relu\"; half = 0.5; v = [1, 2];");
    cr_assert_eq(sx_config_parse(a, sx_format(a, "x = %s;", c), "test.cfg", NULL, &root, &d), 0);
    return sx_conf_datum(a, root->first, s, wanted, &v, &d)
               ? d.v[0].text
               : sx_format(a, "%d:%s", v.kind, sx_datum_text(a, &v));
}

Test(expr, settings_as_the_kind_that_is_wanted)
{
    cr_assert_str_eq(setting("\"2 * w\"", SX_DATUM_INT), "1:8");
    cr_assert_str_eq(setting("\"2 * w\"", SX_DATUM_TEXT), "4:2 * w");
    cr_assert_str_eq(setting("\"2 * w\"", SX_DATUM_NONE), "4:2 * w");
    cr_assert_str_eq(setting("\"${2 * w}\"", SX_DATUM_INT), "1:8");
    cr_assert_str_eq(setting("\"${2 * w}\"", SX_DATUM_TEXT), "4:8");
    cr_assert_str_eq(setting("\"${2 * w}\"", SX_DATUM_NONE), "1:8");
    cr_assert_str_eq(setting("\"${w} + 1\"", SX_DATUM_INT), "1:5");
    cr_assert_str_eq(setting("3.0", SX_DATUM_INT), "1:3");
    cr_assert_str_eq(setting("3", SX_DATUM_REAL), "2:3");
    cr_assert_str_eq(setting("\"w > 3\"", SX_DATUM_BOOL), "3:true");
    cr_assert_str_eq(setting("[1, 2]", SX_DATUM_INT), "5:[1, 2]");
    cr_assert_str_eq(setting("(1, \"w\")", SX_DATUM_REAL), "5:[1, 4]");
    cr_assert_str_eq(setting("\"a\"", SX_DATUM_LIST), "5:[a]");
    cr_assert_str_eq(setting("\"${v}\"", SX_DATUM_LIST), "5:[1, 2]");
    cr_assert_str_eq(setting("2.5", SX_DATUM_INT), "'x' is 2.5, not an integer");
    cr_assert_str_eq(setting("(1, 2.5)", SX_DATUM_INT), "'x' is 2.5, not an integer");
    cr_assert_str_eq(setting("\"w / 8\"", SX_DATUM_INT), "'x' is 0.5, not an integer");
    cr_assert_str_eq(setting("\"act\"", SX_DATUM_INT), "'x' is \"relu\", not an integer");
    cr_assert_str_eq(setting("1", SX_DATUM_BOOL), "'x' is 1, not a truth value");
    cr_assert_str_eq(setting("1", SX_DATUM_TEXT), "'x' is 1, not a text");
    cr_assert_str_eq(setting("{ }", SX_DATUM_TEXT), "a group stands where a value is wanted");
    cr_assert_str_eq(setting("\"${env.HOME}\"", SX_DATUM_INT),
                     "env.HOME may stand in texts only, as ${env.HOME}");
    setting("\"same\"", SX_DATUM_INT);
    cr_assert_str_eq(d.v[0].hint, "A number is wanted here, so the text is an expression.");
}

Test(expr, names_of_variables)
{
    sx_conf *root;
    cr_assert_eq(sx_config_parse(a, "min = 1; a-b = 2; memory = 3; ok = 4; bad = \"${nix}\";", "test.cfg",
                                 NULL, &root, &d),
                 0);
    cr_assert_eq(sx_scope_check(a, sx_scope_open(a, NULL, root), root, &d), SX_E_CONFIG);
    cr_assert_eq(d.errors, 4);
    cr_assert_str_eq(d.v[0].text, "a variable cannot be named 'min', which is a word of expressions");
    cr_assert_str_eq(d.v[1].text, "a variable cannot be named 'a-b'");
    cr_assert_eq(d.v[3].where.line, 1);
}

static int called(void *ctx, const char *name, long n, const sx_datum *args, sx_datum *out)
{
    if (strcmp(name, "memory")) return SX_E_UNSUPPORTED;
    *out = (sx_datum){ .kind = SX_DATUM_INT, .i = *(int *)ctx + n + (n ? args[0].i : 0) };
    return n > 1 ? SX_E_REFUSED : 0;
}

Test(expr, functions_of_the_core)
{
    int base = 100;
    const sx_scope *s = sx_scope_bind(a, sx_scope_calls(a, NULL, called, &base), "b",
                                      (sx_datum){ .kind = SX_DATUM_INT, .i = 7 });
    cr_assert_str_eq(eval("memory() <= 2 ** 10", s), "true");
    cr_assert_str_eq(eval("memory(b)", s), "108");
    cr_assert_str_eq(eval("memori()", s), "unknown function 'memori'");
    cr_assert_str_eq(eval("memory(1, 2)", s), "memory() failed: this point was refused");
}

Test(expr, reals_read_back_equal)
{
    static const double v[] = { 0.1,
                                0.30000000000000004,
                                1e-4,
                                1.0 / 3,
                                5e-324,
                                1.7976931348623157e308,
                                123456789012345678.0,
                                -0.0,
                                1e15,
                                100 };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) cr_assert_eq(strtod(sx_real_text(a, v[i]), NULL), v[i]);
    cr_assert_str_eq(sx_real_text(a, 0.1), "0.1");
    cr_assert_str_eq(sx_real_text(a, 1e-5), "1e-05");
    cr_assert_str_eq(sx_real_text(a, 300), "300");
    sx_rng r;
    sx_rng_init(&r, 1, 0, "reals");
    for (int i = 0; i < 2000; i++) {
        const double x = ldexp(sx_uniform(&r), (int)(2000 * sx_uniform(&r)) - 1000);
        cr_assert_eq(strtod(sx_real_text(a, x), NULL), x);
    }
}

/* Whatever the string: a value or an error with its story, never both, never a crash. */
Test(expr, random_strings)
{
    static const char *const token[] = { "1",       "0",     "2.5",      "9223372036854775807",
                                         "1e300",   "'a'",   "'",        "w",
                                         "v",       "nix",   "env.HOME", "(",
                                         ")",       "[",     "]",        "+",
                                         "-",       "*",     "/",        "//",
                                         "%",       "**",    "<",        "<=",
                                         "==",      "!=",    "?",        ":",
                                         ",",       " and ", " or ",     " not ",
                                         "true",    "false", "min(",     "max(",
                                         "abs(",    "len(",  "log(",     "round(",
                                         "memory(", " ",     ".",        "${",
                                         "}",       "$",     "\n",       "\xc3\xa9",
                                         "@",       "0x",    "1e" };
    const long tokens = sizeof token / sizeof *token;
    long values = 0;
    sx_rng r;
    sx_rng_init(&r, 4711, 0, "fuzz");
    for (int i = 0; i < 20000; i++) {
        sx_arena *step = sx_arena_open(NULL);
        sx_diags told;
        sx_diags_init(&told, step);
        sx_conf *root;
        cr_assert_eq(sx_config_parse(step, "w = 3; v = [1, 2, 3];", "fuzz", NULL, &root, &told), 0);
        const sx_scope *s = sx_scope_open(step, NULL, root);
        const long n = 1 + (long)(sx_uniform(&r) * (i % 100 ? 12 : 300));
        const char *string = "";
        for (long k = 0; k < n; k++) {           /* half of the time value, operator, value, .. */
            const double u = sx_uniform(&r);
            const long any = (long)(u * (double)tokens), value = (long)(u * 9), sign = 15 + (long)(u * 11);
            string = sx_format(step, "%s%s", string, token[i % 2 ? any : k % 2 ? sign : value]);
        }
        sx_datum v;
        int rc = sx_eval(step, string, s, SX_NOWHERE, &v, &told);
        cr_assert(rc == 0 ? told.errors == 0 : rc == SX_E_CONFIG && told.errors == 1, "%s", string);
        if (rc == 0) { cr_assert_not_null(sx_datum_text(step, &v)); values++; }
        sx_diags_init(&told, step);
        rc = sx_interpolate(step, string, s, SX_NOWHERE, &v, &told);
        cr_assert(rc == 0 ? told.errors == 0 : rc == SX_E_CONFIG && told.errors == 1, "%s", string);
        sx_arena_close(step);
    }
    cr_assert_gt(values, 500);
}
