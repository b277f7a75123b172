/* test_param.c: declared parameters filled from settings: types, ranges, defaults, choices, lists, all errors
 * at once. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "param.h"

struct all {
    long whole;
    double real;
    bool flag;
    const char *text;
    int word;
    sx_ints ints;
    sx_reals reals;
    sx_texts texts;
};

static sx_arena *a;
static sx_diags d;
static sx_registry *r;
static const sx_entry *first;                    /* of tests/plugins/several.c: a parameter of each type */
static struct all v;

static void open_all(void)
{
    a = sx_arena_open(NULL);
    sx_diags_init(&d, a);
    r = sx_registry_open(a, sx_format(a, "%s/tests/plugins", getenv("STRIX_BUILD")));
    if (!sx_load(r, "several", SX_NOWHERE, &d)) first = sx_peek(r, SX_KIND_LAYER, "first");
}
static void close_all(void) { sx_arena_close(a); }

static sx_conf *parse(const char *text)
{
    sx_conf *root = NULL;
    cr_assert_eq(sx_config_parse(a, text, "net.cfg", &(sx_edits){ 0 }, &root, &d), 0, "%s: %s", text,
                 d.n ? d.v[0].text : "");
    return root;
}

static int fill(const char *text)
{
    sx_conf *root = parse(text);
    const sx_scope *scope = sx_scope_open(a, NULL, sx_conf_member(root, "vars"));
    static const char *const also[] = { "type", NULL };
    v = (struct all){ 0 };
    return sx_param_fill(a, first->params, "first", sx_conf_member(root, "x"), scope, also, &v, &d);
}

static void says(const char *text, const char *error, const char *hint)
{
    sx_diags_init(&d, a);
    cr_assert_eq(fill(text), SX_E_CONFIG, "%s is taken", text);
    cr_assert_str_eq(d.v[0].text, error);
    cr_assert_eq(d.v[0].where.line, 2);
    if (hint) cr_assert_str_eq(d.v[0].hint ? d.v[0].hint : "", hint);
}

TestSuite(param, .init = open_all, .fini = close_all);

Test(param, defaults)
{
    cr_assert_eq(sx_param_fill(a, first->params, "first", NULL, NULL, NULL, &v, &d), 0);
    cr_assert_eq(v.whole, 3);
    cr_assert_eq(v.real, 0.5);
    cr_assert_eq(v.flag, true);
    cr_assert_str_eq(v.text, "some words");
    cr_assert_eq(v.word, 1);
    cr_assert(v.ints.n == 2 && v.ints.v[0] == 1 && v.ints.v[1] == 2);
    cr_assert(v.reals.n == 1 && v.reals.v[0] == 0.25);
    cr_assert(v.texts.n == 2 && !strcmp(v.texts.v[0], "a.gz") && !strcmp(v.texts.v[1], "b.gz"));
}

Test(param, settings)
{
    cr_assert_eq(
        fill("x = { type = \"first\"; whole = 7; real = 0; flag = false; text = \"t\"; word = \"explicit\";\n"
             "ints = [ 3, 4, 5 ]; reals = ( 1, 2.5 ); texts = \"one\"; };"),
        0, "%s", d.n ? d.v[0].text : "");
    cr_assert_eq(v.whole, 7);
    cr_assert_eq(v.real, 0);
    cr_assert_eq(v.flag, false);
    cr_assert_str_eq(v.text, "t");
    cr_assert_eq(v.word, 2);
    cr_assert(v.ints.n == 3 && v.ints.v[2] == 5);
    cr_assert(v.reals.n == 2 && v.reals.v[0] == 1 && v.reals.v[1] == 2.5);
    cr_assert(v.texts.n == 1 && !strcmp(v.texts.v[0], "one"));
}

Test(param, expressions)
{
    cr_assert_eq(fill("vars = { n = 4; name = \"valid\"; depth = [ 2, 3 ]; on = true; };\n"
                      "x = { whole = \"2 * n + 1\"; real = \"1 / n\"; flag = \"n > 9\"; word = \"${name}\"; "
                      "text = \"n is ${n}\";\n"
                      "ints = \"depth\"; reals = ( \"n / 2\", 7 ); };"),
                 0, "%s", d.n ? d.v[0].text : "");
    cr_assert_eq(v.whole, 9);
    cr_assert_eq(v.real, 0.25);
    cr_assert_eq(v.flag, false);
    cr_assert_eq(v.word, 1);
    cr_assert_str_eq(v.text, "n is 4");
    cr_assert(v.ints.n == 2 && v.ints.v[1] == 3);
    cr_assert(v.reals.n == 2 && v.reals.v[0] == 2);
    cr_assert_eq(fill("x = { whole = 8.0; ints = 3; };"), 0);
    cr_assert_eq(v.whole, 8);
    cr_assert(v.ints.n == 1 && v.ints.v[0] == 3);
}

Test(param, errors)
{
    const char *see = "The default is 0.5. See `strix plugins show first`.";
    says("\nx = { type = \"first\"; real = 1.5; };", "first 'real' is 1.5, outside [0, 1)", see);
    says("\nx = { type = \"first\"; real = 1; };", "first 'real' is 1, outside [0, 1)", see);
    says("\nx = { whole = 0; };", "first 'whole' is 0, outside [1, 100]", "The default is 3.");
    says("\nx = { whole = 2.5; };", "first 'whole' is 2.5, not an integer", "The default is 3.");
    says("\nx = { whole = true; };", "first 'whole' is true, not an integer", NULL);
    says("\nx = { whole = \"1 > 2\"; };", "first 'whole' is false, not an integer", NULL);
    says("\nx = { whole = { a = 1; }; };", "first 'whole' is a group, not an integer", NULL);
    says("\nx = { whole = [ 1 ]; };", "first 'whole' is a list, not an integer", NULL);
    says("\nx = { flag = 1; };", "first 'flag' is 1, not true or false", "The default is true.");
    says("\nx = { text = 1; };", "first 'text' is 1, not a text", "The default is \"some words\".");
    says("\nx = { word = \"vaild\"; };", "first 'word' is \"vaild\", not one of same, valid, explicit",
         "Did you mean \"valid\"?");
    says("\nx = { word = \"quite other\"; };",
         "first 'word' is \"quite other\", not one of same, valid, explicit", "The default is \"valid\".");
    says("\nx = { ints = [ 1, 10 ]; };", "first 'ints' is 10, outside [0, 9]", "The default is [1, 2].");
    says("\nx = { ints = ( 1, \"0.5\" ); };", "first 'ints' is 0.5, not a list of integers", NULL);
    says("\nx = { texts = [ 1 ]; };", "first 'texts' is 1, not a list of texts", NULL);
    says("\nx = { hole = 1; };", "first has no parameter 'hole'", "Did you mean 'whole'?");
    says("\nx = { momentum = 1; };", "first has no parameter 'momentum'",
         "Its parameters are whole, real, flag, text, word, ints, reals, texts.");
    says("\nx = { whole = 1e300; };", "first 'whole' is 1e+300, not an integer", NULL);
    says("\nx = { real = \"1e999\"; };", "this number is too large", NULL);
}

Test(param, all_errors_at_once)
{
    cr_assert_eq(fill("x = { whole = 0;\nreal = 7; word = \"x\";\nnone = 1; ints = \"nothing\"; };"),
                 SX_E_CONFIG);
    cr_assert_eq(d.errors, 5);
    cr_assert_eq(d.v[1].where.line, 2);
    cr_assert_eq(d.v[3].where.line, 3);
}

Test(param, required_ones)
{
    const sx_entry *e = sx_find(r, SX_KIND_LAYER, "old_small", SX_NOWHERE, &d);
    struct { long units; double rate; } s;
    cr_assert_eq(sx_param_fill(a, e->params, "old_small", sx_conf_member(parse("\nx = { };"), "x"), NULL,
                               NULL, &s, &d),
                 SX_E_CONFIG);
    cr_assert_str_eq(d.v[0].text, "old_small needs 'units'");
    cr_assert_str_eq(d.v[0].hint, "'units' is how many.");
    cr_assert_eq(d.v[0].where.line, 2);
}

static int item(const char *text, const sx_entry **e, struct all **out)
{
    sx_conf *root = parse(text);
    sx_diags_init(&d, a);
    return sx_param_item(a, r, SX_KIND_LAYER, sx_conf_member(root, "x"), NULL,
                         sx_scope_open(a, NULL, sx_conf_member(root, "vars")),
                         (const char *const[]){ "lr", NULL }, e, (void **)out, &d);
}

Test(param, items_of_plugins)
{
    const sx_entry *e = NULL;
    struct all *p = NULL;
    cr_assert_eq(item("x = \"first\";", &e, &p), 0);
    cr_assert(e == first && p->whole == 3);
    cr_assert_eq(item("vars = { t = \"first\"; }; x = { type = \"${t}\"; lr = 3; whole = 9; };", &e, &p), 0);
    cr_assert(e == first && p->whole == 9);
    cr_assert_eq(item("x = { type = \"first\"; whole = 9; real = 0.25; first = { whole = 8; }; second = { "
                      "bogus = 1; }; };",
                      &e, &p),
                 0, "settings of other items are theirs");
    cr_assert(p->whole == 8 && p->real == 0.25, "own settings win");
    cr_assert_eq(item("x = { type = \"first\"; third_party = { whole = 8; }; };", &e, &p), SX_E_CONFIG);
    cr_assert_str_eq(d.v[0].text, "first has no parameter 'third_party', and there is no layer 'third_party'");
    cr_assert(strstr(d.v[0].detail, "first, ") && strstr(d.v[0].detail, "second"), "the known ones are told");
    cr_assert_eq(item("\nx = { whole = 9; };", &e, &p), SX_E_CONFIG);
    cr_assert_str_eq(d.v[0].text, "the layer has no 'type'");
    cr_assert_eq(item("\nx = 3;", &e, &p), SX_E_CONFIG);
    cr_assert_eq(item("\n\nx = { type = \"frist\"; };", &e, &p), SX_E_PLUGIN);
    cr_assert_eq(d.v[0].where.line, 3);
    cr_assert_str_eq(d.v[0].hint, "Did you mean 'first'?");
    cr_assert_eq(sx_param_item(a, r, SX_KIND_LAYER, NULL, "second", NULL, NULL, &e, (void **)&p, &d), 0);
    cr_assert_str_eq(e->item->name, "second");
}

Test(param, texts_and_legality)
{
    const sx_param *p = first->params;
    cr_assert_str_eq(sx_param_range(a, &p[0]), "[1, 100]");
    cr_assert_str_eq(sx_param_range(a, &p[1]), "[0, 1)");
    cr_assert_str_eq(sx_param_range(a, &p[2]), "");
    cr_assert_str_eq(sx_param_range(a, &p[4]), "one of same, valid, explicit");
    cr_assert_str_eq(sx_param_default(a, &p[3]), "\"some words\"");
    cr_assert_str_eq(sx_param_default(a, &p[6]), "[0.25]");
    cr_assert(sx_param_legal(&p[0], 100) && !sx_param_legal(&p[0], 101) && !sx_param_legal(&p[0], 1.5) &&
              !sx_param_legal(&p[0], NAN));
    cr_assert(sx_param_legal(&p[1], 0.999) && !sx_param_legal(&p[1], 1) && !sx_param_legal(&p[1], NAN));
    cr_assert(sx_param_legal(&p[2], 1) && !sx_param_legal(&p[2], 2));
    cr_assert(!sx_param_legal(&p[3], 0));
    cr_assert(sx_param_legal(&p[4], 2) && !sx_param_legal(&p[4], 3) && !sx_param_legal(&p[4], -1));
    cr_assert(sx_param_legal(&p[5], 9) && !sx_param_legal(&p[5], 10));
    const sx_param endless = { .type = SX_TYPE_REAL, .min = 0, .max = INFINITY, .flags = SX_OPEN_MIN };
    cr_assert_str_eq(sx_param_range(a, &endless), "(0, inf)");
}
