/* test_config.c: experiment files: libconfig's traps, extends, remove, include, edits, written text, limits.
 * */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config.h"
#include "rng.h"
#include "source.h"

static sx_arena *a;
static sx_diags d;
static char dir[] = "/tmp/strix-config-XXXXXX";

static void setup(void)
{
    a = sx_arena_open(NULL);
    sx_diags_init(&d, a);
    cr_assert_not_null(mkdtemp(dir));
    unsetenv("STRIX_CONFIG_PATH");
}

static void teardown(void)
{
    const char *rm = sx_format(a, "rm -rf %s", dir);
    if (system(rm)) fprintf(stderr, "could not remove %s\n", dir);
    sx_arena_close(a);
}
TestSuite(config, .init = setup, .fini = teardown);

static const char *file(const char *name, const char *text)
{
    const char *path = sx_format(a, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static sx_conf *parse(const char *text)
{
    sx_conf *root;
    sx_diags_init(&d, a);
    return sx_config_parse(a, text, "test.cfg", NULL, &root, &d) ? NULL : root;
}

static sx_conf *load(const char *path, const sx_edits *e)
{
    sx_conf *root;
    sx_diags_init(&d, a);
    return sx_config_load(a, path, e, &root, &d) ? NULL : root;
}

static const char *first(const char *text) { return parse(text) ? "fine" : d.v[0].text; }
static int64_t integer(const sx_conf *c, const char *path)
{
    c = sx_conf_find(c, path);
    cr_assert(c && c->kind == SX_CONF_INT, "%s", path);
    return c->i;
}

Test(config, values_and_places)
{
    const sx_conf *c = parse("a = 1;\nb = 2.5; # comment\ng = {\n  t = \"x\" \"y\";\n  on = TRUE;\n};\nl = ( "
                             "1, 2.5, \"z\", [ 3, 4 ],\n  { k = 7; } );\n");
    cr_assert_not_null(c);
    cr_assert_eq(integer(c, "a"), 1);
    cr_assert_eq(sx_conf_find(c, "b")->r, 2.5);
    cr_assert_str_eq(sx_conf_find(c, "g.t")->s, "xy");
    cr_assert_eq(sx_conf_find(c, "g.on")->b, true);
    cr_assert_eq(sx_conf_find(c, "g.on")->line, 5);
    cr_assert_eq(integer(c, "l.3.1"), 4);
    cr_assert_eq(integer(c, "l.4.k"), 7);
    cr_assert_eq(sx_conf_find(c, "l.4.k")->line, 8);
    cr_assert_str_eq(sx_conf_path(a, sx_conf_find(c, "l.4.k")), "l.4.k");
    cr_assert_str_eq(sx_conf_find(c, "g")->file, "test.cfg");
    cr_assert_eq(sx_conf_count(sx_conf_find(c, "l")), 5);
    static const char *const missing[] = { "x", "a.b", "l.5", "l.x", "g.", "l.-1", "g.t.u", "." };
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        cr_assert_null(sx_conf_find(c, missing[i]), "%s", missing[i]);
    cr_assert_null(sx_conf_member(NULL, "x"));
}

/* libconfig keeps the order of members without promising it; strix needs it. */
Test(config, members_keep_their_order)
{
    const sx_conf *c = parse("zebra = 1; ant = 2; dog = { z = 1; b = 2; a = 3; }; cat = 3;");
    const char *all = "";
    for (const sx_conf *m = c->first; m; m = m->next) all = sx_format(a, "%s %s", all, m->name);
    for (const sx_conf *m = sx_conf_member(c, "dog")->first; m; m = m->next)
        all = sx_format(a, "%s %s", all, m->name);
    cr_assert_str_eq(all, " zebra ant dog cat z b a");
}

Test(config, big_integers_keep_their_value)
{
    const sx_conf *c = parse("a = 5000000000;\nb = 5000000000L; c = -3000000000; h = 0xFFFFFFFF; m = "
                             "-9223372036854775808; s = \"5000000000\"; x5000000000 = 1;"
                             " n = -2147483648; f = 5000000000.0; e = 5e9;");
    cr_assert_not_null(c);
    cr_assert_eq(integer(c, "a"), 5000000000);
    cr_assert_eq(integer(c, "b"), 5000000000);
    cr_assert_eq(integer(c, "c"), -3000000000);
    cr_assert_eq(integer(c, "h"), 0xFFFFFFFF);
    cr_assert_eq(integer(c, "m"), INT64_MIN);
    cr_assert_eq(integer(c, "n"), INT32_MIN);
    cr_assert_eq(sx_conf_find(c, "f")->r, 5e9);
    cr_assert_eq(d.errors, 0);
    cr_assert_eq(d.n, 4);
    cr_assert_str_eq(d.v[0].text, "integer 5000000000 does not fit into 32 bits and has no L");
    cr_assert_eq(d.v[0].where.line, 1);
}

Test(config, mistakes_are_named)
{
    static const char *const wrong[][2] = {
        { "x = same;", "the text same needs quotes" },
        { "x = [1, 2,];", "a list ends with a value, not with a comma" },
        { "x = ( {a=1;}, );", "a list ends with a value, not with a comma" },
        { "g { x = 1; }", "a group needs a name and '=' before its '{'" },
        { "x = \"abc;\ny = 1;", "this text is never closed" },
        { "x = { y = 1;", "this '{' is never closed" },
        { "x = [1);", "')' where the '[' of line 1 is still open" },
        { "x = 1; }", "this '}' closes nothing" },
        { "/* x = 1;", "this comment is never closed" },
        { "x = 99999999999999999999;", "integer 99999999999999999999 does not fit into 64 bits" },
        { "x = 99999999999999999999L;", "integer 99999999999999999999 does not fit into 64 bits" },
        { "x = 0xFFFFFFFFFFFFFFFFF;", "integer 0xFFFFFFFFFFFFFFFFF does not fit into 64 bits" },
        { "x = 1e999;", "this number is too large" },
        { "x = [1, 2.5];", "mismatched element type in array" },
        { "x = 1; x = 2;", "duplicate setting name" },
        { "x = ;", "syntax error" },
        { "x 1;", "syntax error" },
        { "= 1;", "syntax error" },
        { "_x = 1;", "syntax error" },
        { "x = \"\\xff\";", "this text is not UTF-8" },
        { "x = \"\xff\";", "this is no UTF-8 text" },
        { "@include \"x.cfg\"\n", "@include \"x.cfg\" is not allowed here" },
        { "extends = [ \"a.cfg\" ];", "'extends' is for files only" },
        { "x = 12ab;", "syntax error" }
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert_str_eq(first(wrong[i][0]), wrong[i][1], "%s", wrong[i][0]);
    parse("a = 1;\nb = {\n  c = 2;\n  d = tanh;\n};");
    cr_assert_eq(d.v[0].where.line, 4);
    cr_assert_str_eq(first("x = true; y = False; g = { a = 1, b = 2, };"), "fine");
    cr_assert_str_eq(first(""), "fine");
    cr_assert_str_eq(first("# only a comment"), "fine");
    cr_assert_str_eq(first("\xef\xbb\xbfx = 1;\r\ny = 2;\r\n"), "fine");
}

Test(config, limits)
{
    char deep[400] = "x = ";
    for (int i = 0; i < 65; i++) strcat(deep, "(");
    cr_assert_str_eq(first(deep), "groups and lists are nested more than 64 deep");
    const char *path = file("big.cfg", "x = 1;");
    cr_assert_eq(truncate(path, SX_SOURCE_BYTES + 1), 0);
    cr_assert_null(load(path, NULL));
    FILE *f = fopen(file("many.cfg", ""), "w");
    for (int i = 0; i <= SX_SOURCE_SETTINGS; i++) fprintf(f, "x%d = 1;\n", i);
    fclose(f);
    cr_assert_null(load(sx_format(a, "%s/many.cfg", dir), NULL));
    cr_assert_str_eq(d.v[0].text, "more than 20000 settings in one file");
    cr_assert_null(load(dir, NULL));
    cr_assert_null(load("/nonexistent/x.cfg", NULL));
    cr_assert_eq(d.errors, 1);
    f = fopen(file("nul.cfg", ""), "w");
    fwrite("vars = {\0};", 1, 11, f);
    fclose(f);
    cr_assert_null(load(sx_format(a, "%s/nul.cfg", dir), NULL));
    cr_assert_str_eq(d.v[0].text, "this is no UTF-8 text");
}

Test(config, extends_merges_by_name)
{
    file("base.cfg", "vars = { a = 1; b = 2; l = [ 1, 2, 3 ]; }; train = { epochs = 5; act = \"relu\"; };");
    file("more.cfg", "vars = { b = 3; };");
    const char *top = file("top.cfg",
                           "extends = [ \"base.cfg\", \"more.cfg\" ];\nremove = [ \"train.epochs\" ];\n"
                           "vars = { c = 4; l = [ 9 ]; };\ntrain = { act = { type = \"tanh\"; }; };\n");
    const sx_conf *c = load(top, NULL);
    cr_assert_not_null(c);
    cr_assert_eq(integer(c, "vars.a"), 1);
    cr_assert_eq(integer(c, "vars.b"), 3);
    cr_assert_eq(sx_conf_count(sx_conf_find(c, "vars.l")), 1);
    cr_assert_null(sx_conf_find(c, "train.epochs"));
    cr_assert_str_eq(sx_conf_find(c, "train.act.type")->s, "tanh");
    cr_assert_str_eq(sx_conf_path(a, sx_conf_find(c, "train.act.type")), "train.act.type");
    cr_assert_null(sx_conf_find(c, "extends"));
    cr_assert_null(sx_conf_find(c, "remove"));
    cr_assert_str_eq(sx_conf_find(c, "vars.b")->file, sx_format(a, "%s/more.cfg", dir));
    cr_assert_eq(sx_conf_find(c, "vars.c")->line, 3);
    cr_assert_str_eq(c->first->name, "vars");                        /* inherited members come first */
}

Test(config, extends_goes_wrong)
{
    const char *x = file("x.cfg", "extends = \"y.cfg\";"),
               *self = file("self.cfg", "extends = [ \"self.cfg\" ];");
    file("y.cfg", "\nextends = \"./x.cfg\";");
    cr_assert_null(load(x, NULL));
    cr_assert_str_eq(d.v[0].text, "experiment files extend each other in a circle");
    cr_assert_str_eq(d.v[0].detail, sx_format(a, "%s/x.cfg -> %s/y.cfg -> %s/./x.cfg", dir, dir, dir));
    cr_assert_eq(d.v[0].where.line, 2);
    cr_assert_null(load(self, NULL));
    cr_assert_null(load(file("no.cfg", "extends = \"nix.cfg\";"), NULL));
    cr_assert_str_eq(d.v[0].text, "cannot find 'nix.cfg', which this file extends");
    cr_assert_null(load(file("number.cfg", "extends = 3;"), NULL));
    cr_assert_str_eq(d.v[0].text, "'extends' is a list of texts");
    cr_assert_null(load(file("rm.cfg", "vars = { lr = 1; };\nremove = [ \"vars.lrr\", \"train\" ];"), NULL));
    cr_assert_eq(d.errors, 2);
    file("deep.cfg", "vars = { lr = 1; };");
    cr_assert_null(load(file("rm2.cfg", "extends = \"deep.cfg\";\nremove = \"vars.lrr\";"), NULL));
    cr_assert_str_eq(d.v[0].text, "there is no setting 'vars.lrr'");
    cr_assert_str_eq(d.v[0].hint, "Did you mean 'vars.lr'?");
    cr_assert_eq(d.v[0].where.line, 2);
    char name[] = "f0.cfg";
    file(name, "vars = { };");
    /* each twice: 2^9 files without the limit */
    for (int i = 1; i < 10; i++) {
        const char *before = sx_format(a, "f%d.cfg", i - 1);
        file(sx_format(a, "f%d.cfg", i), sx_format(a, "extends = [ \"%s\", \"%s\" ];", before, before));
    }
    cr_assert_null(load(sx_format(a, "%s/f9.cfg", dir), NULL));
    cr_assert_str_eq(d.v[0].text, "more than 256 files extend each other");
}

Test(config, extends_looks_in_the_search_path)
{
    const char *sub = sx_format(a, "%s/sub", dir);
    cr_assert_eq(mkdir(sub, 0700), 0);
    file("sub/t.cfg", "vars = { t = 7; };");
    const char *top = file("top.cfg", "extends = \"t.cfg\";");
    cr_assert_null(load(top, NULL));
    setenv("STRIX_CONFIG_PATH", sx_format(a, "/nonexistent::%s", sub), 1);
    const sx_conf *c = load(top, NULL);
    cr_assert_not_null(c);
    cr_assert_eq(integer(c, "vars.t"), 7);
}

Test(config, include_is_relative_and_keeps_lines)
{
    cr_assert_eq(mkdir(sx_format(a, "%s/sub", dir), 0700), 0);
    file("sub/inner.cfg", "b = 2;\nc = 5000000000;");
    file("sub/part.cfg", "a = 1;\n@include \"inner.cfg\"\n");
    const char *top = file("top.cfg", "vars = {\n  @include \"sub/part.cfg\"\n  e = 5;\n};\n");
    const sx_conf *c = load(top, NULL);
    cr_assert_not_null(c);
    cr_assert_eq(integer(c, "vars.c"), 5000000000);
    cr_assert_eq(sx_conf_find(c, "vars.c")->line, 2);
    cr_assert_str_eq(sx_conf_find(c, "vars.c")->file, sx_format(a, "%s/sub/inner.cfg", dir));
    cr_assert_eq(sx_conf_find(c, "vars.a")->line, 1);
    cr_assert_eq(sx_conf_find(c, "vars.e")->line, 3);
    cr_assert_str_eq(sx_conf_find(c, "vars.e")->file, top);
    cr_assert_null(load(file("bad.cfg", "x = 1;\n@include \"nix.cfg\"\n"), NULL));
    cr_assert_eq(d.v[0].where.line, 2);
    cr_assert_null(load(file("loop.cfg", "@include \"loop.cfg\"\n"), NULL));
    cr_assert_str_eq(d.v[0].text, "files include each other more than 10 deep");
    /* text, not an include */
    cr_assert_null(load(file("text.cfg", "vars = { s = \"\n@include no\"; }; x = ?;"), NULL));
    cr_assert_eq(d.v[0].where.line, 2);
}

Test(config, sections_are_known)
{
    cr_assert_null(load(file("s.cfg", "vars = { };\ntrian = { };\n"), NULL));
    cr_assert_str_eq(d.v[0].text, "an experiment has no section 'trian'");
    cr_assert_str_eq(d.v[0].hint, "Did you mean 'train'?");
    cr_assert_eq(d.v[0].where.line, 2);
}

static const sx_conf *edited(const char *const *set, long n)
{
    return load(file("e.cfg",
                     "vars = { lr = 0.1; b = [ 1, 2 ]; }; train = { lr = \"lr\"; batch = \"2 * size\"; };"
                     "tune = { space = { depth = { int = [1, 2]; }; }; };"),
                &(sx_edits){ .set = set, .n_set = n });
}

Test(config, set_reads_values_as_libconfig_else_as_text)
{
    static const char *const set[] = { "vars.lr=3e-4",
                                       "vars.b=[3, 4, 5]",
                                       "vars.size=3",
                                       "train.batch=32",
                                       "train.early_stop.patience=7",
                                       "train.loss=mse",
                                       "dataset.dir=.",
                                       "dataset.on=true",
                                       "dataset.big=5000000000",
                                       "dataset.quoted=\"1\"",
                                       "dataset.empty=",
                                       "dataset.expr=2 * w",
                                       "dataset.path=/a/b=c",
                                       "dataset.two=1; x = 2",
                                       "vars.depth=2",
                                       "vars.b.1=9" };
    const sx_conf *c = edited(set, sizeof set / sizeof *set);
    if (!c) sx_diags_print(&d, stderr);
    cr_assert_not_null(c);
    cr_assert_eq(sx_conf_find(c, "vars.lr")->r, 3e-4);
    cr_assert_str_eq(sx_conf_find(c, "vars.lr")->file, "--set");
    cr_assert_eq(integer(c, "vars.b.2"), 5);
    cr_assert_eq(integer(c, "vars.b.1"), 9);
    cr_assert_eq(integer(c, "train.batch"), 32);
    cr_assert_eq(integer(c, "train.early_stop.patience"), 7);
    cr_assert_eq(integer(c, "dataset.big"), 5000000000);
    static const char *const texts[][2] = { { "train.loss", "mse" },      { "dataset.dir", "." },
                                            { "dataset.quoted", "1" },    { "dataset.empty", "" },
                                            { "dataset.expr", "2 * w" },  { "dataset.path", "/a/b=c" },
                                            { "dataset.two", "1; x = 2" } };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_assert_str_eq(sx_conf_find(c, texts[i][0])->s, texts[i][1]);
    cr_assert_eq(sx_conf_find(c, "dataset.on")->b, true);
}

Test(config, set_refuses_typos)
{
    static const char *const wrong[] = { "vars.lrr=1",
                                         "trian.batch=1",
                                         "train.early_stpo.patience=1",
                                         "foo=1",
                                         "vars.b.7=1",
                                         "vars.lr.x=1",
                                         "noequals",
                                         "=1",
                                         ".=1",
                                         "vars.=1",
                                         "train.a b=1",
                                         "train.optimizer.x.y=1",
                                         "tune.space.lr.int=3" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert_null(edited(&wrong[i], 1), "%s", wrong[i]);
    edited(wrong, 1);
    cr_assert_str_eq(d.v[0].hint, "Did you mean 'vars.lr'?");
    cr_assert_eq(d.errors, 1);
}

Test(config, unset_and_extends_of_the_command_line)
{
    const char *extra = file("extra.cfg", "remove = [ \"vars.b\" ]; vars = { lr = 0.5; };");
    const char *path = file("e.cfg", "vars = { lr = 0.1; b = 2; c = 3; };");
    static const char *const unset[] = { "vars.c" }, *const bad[] = { "vars.d", "" };
    const sx_conf *c = load(path,
                            &(sx_edits){ .extends = &extra, .n_extends = 1, .unset = unset, .n_unset = 1 });
    cr_assert_not_null(c);
    cr_assert_eq(sx_conf_find(c, "vars.lr")->r, 0.5);
    cr_assert_eq(sx_conf_count(sx_conf_find(c, "vars")), 1);
    cr_assert_null(load(path, &(sx_edits){ .unset = bad, .n_unset = 2 }));
    cr_assert_eq(d.errors, 2);
}

Test(config, what_is_written_reads_back_equal)
{
    const sx_conf *c = parse(
        "i = 1; big = 5000000000L; min = -9223372036854775808L; r = 0.30000000000000004; one = 1.0; tiny = "
        "1e-300; huge = 1e300;"
        "t = \"a\\\"b\\\\c\\n\\t\\x01 ${env.HOME} \xc3\xa9\"; e = \"\"; on = true; none = ( ); g = { };"
        "l = ( 1, 2.0, ( ), { x = 1; y = ( { z = 2; } ); }, [ 3, 4 ] );");
    cr_assert_not_null(c);
    const char *text = sx_conf_write(a, c);
    const sx_conf *again = parse(text);
    cr_assert_not_null(again, "%s", text);
    cr_assert_eq(d.n, 0);
    cr_assert_eq(sx_conf_hash(c), sx_conf_hash(again));
    cr_assert_str_eq(sx_conf_write(a, again), text);
    cr_assert_not_null(strstr(text, "${env.HOME}"));
    cr_assert_not_null(strstr(text, "r = 0.30000000000000004;"));
    cr_assert_not_null(strstr(text, "one = 1.0;"));
    const sx_conf *copy = sx_conf_copy(a, c);
    cr_assert_eq(sx_conf_hash(copy), sx_conf_hash(c));
    cr_assert_str_eq(sx_conf_path(a, sx_conf_find(copy, "l.3.y.0.z")), "l.3.y.0.z");
    sx_rng r;
    sx_rng_init(&r, 1, 0, "reals");
    for (int i = 0; i < 200; i++) {
        sx_conf *v = sx_conf_add(a, NULL, NULL, SX_CONF_GROUP);
        sx_conf_add(a, v, "x", SX_CONF_REAL)->r = ldexp(sx_uniform(&r), (int)(600 * sx_uniform(&r)) - 300);
        cr_assert_eq(sx_conf_hash(parse(sx_conf_write(a, v))), sx_conf_hash(v));
    }
}

Test(config, the_hash_counts_names_kinds_values_and_order)
{
    static const char *const text[] = { "a = 1;",          "a = 2;",        "b = 1;",
                                        "a = 1.0;",        "a = \"1\";",    "a = (1);",
                                        "a = { };",        "a = ( );",      "a = true;",
                                        "a = 1; b = 2;",   "b = 2; a = 1;", "a = { b = 2; };",
                                        "a = { }; b = 2;", "a = (1, 2);",   "a = ((1), 2);",
                                        "a = ((1, 2));" };
    const int n = sizeof text / sizeof *text;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            cr_assert_neq(sx_conf_hash(parse(text[i])), sx_conf_hash(parse(text[k])), "%s %s", text[i],
                          text[k]);
    cr_assert_eq(sx_conf_hash(parse("a = 1;")), sx_conf_hash(parse("\n\na=1")));
}

/* Whatever the text: a tree or an error, never a crash. */
Test(config, random_texts)
{
    static const char *const token[] = { "a",     "b",      "=",        ":",          ";",    ",",
                                         "{",     "}",      "[",        "]",          "(",    ")",
                                         "1",     "2.5",    "-3",       "5000000000", "0x",   "1e",
                                         "\"t\"", "\"",     "true",     "#",          "/*",   "*/",
                                         "//",    "\n",     "@include", "\\",         " ",    "L",
                                         ".",     "a = 1;", "b = {",    "};",         "\xc3", "\xc3\xa9" };
    sx_rng r;
    sx_rng_init(&r, 4711, 0, "fuzz");
    long fine = 0;
    for (int i = 0; i < 5000; i++) {
        sx_arena *step = sx_arena_open(NULL);
        sx_diags told;
        sx_diags_init(&told, step);
        const char *text = "";
        for (long k = 0, n = (long)(sx_uniform(&r) * 15); k < n; k++)
            text = sx_format(step, "%s%s", text,
                             token[(size_t)(sx_uniform(&r) * (double)(sizeof token / sizeof *token))]);
        sx_conf *root;
        const int rc = sx_config_parse(step, text, "fuzz", NULL, &root, &told);
        cr_assert(rc == 0 ? told.errors == 0 : rc == SX_E_CONFIG && told.errors == 1, "%s", text);
        fine += rc == 0;
        if (!rc) cr_assert_not_null(sx_conf_write(step, root));
        sx_arena_close(step);
    }
    cr_assert_gt(fine, 100);
}
