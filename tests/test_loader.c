/* test_loader.c: plugins found by name, judged as data, refused with both sides named. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "loader.h"

static sx_arena *a;
static sx_diags d;
static sx_registry *r;

static const char *border(void) { return sx_format(a, "%s/tests/plugins", getenv("STRIX_BUILD")); }

static void open_all(void)
{
    a = sx_arena_open(NULL);
    sx_diags_init(&d, a);
    r = sx_registry_open(a, border());
}
static void close_all(void) { sx_arena_close(a); }

static const sx_where here = { .file = "net.cfg", .line = 7 };

static void refused(const char *text)
{
    cr_assert_geq(d.n, 1, "nothing was said");
    cr_assert_eq(d.v[d.n - 1].code, SX_E_PLUGIN);
    cr_assert_not_null(strstr(d.v[d.n - 1].text, text), "'%s' lacks '%s'", d.v[d.n - 1].text, text);
}
static void hinted(const char *text)
{
    const char *hint = d.v[d.n - 1].hint;
    cr_assert_not_null(hint, "no hint");
    cr_assert_not_null(strstr(hint, text), "'%s' lacks '%s'", hint, text);
}

TestSuite(loader, .init = open_all, .fini = close_all);

Test(loader, finds_by_kind_and_name)
{
    const sx_entry *e = sx_find(r, SX_KIND_LAYER, "dense", here, &d);
    cr_assert_not_null(e);
    cr_assert_eq(d.n, 0);
    cr_assert_str_eq(e->item->name, "dense");
    cr_assert_eq(e->item->size, sizeof(sx_layer));
    cr_assert_not_null(strstr(e->file, "/layers/"));
    cr_assert_eq(sx_find(r, SX_KIND_LAYER, "dense", here, &d), e);
    cr_assert_eq(sx_peek(r, SX_KIND_LAYER, "dense"), e);
    cr_assert_null(sx_peek(r, SX_KIND_LOSS, "dense"));
}

Test(loader, takes_older_smaller_structs)
{
    const sx_entry *e = sx_find(r, SX_KIND_LAYER, "old_small", here, &d);
    cr_assert_not_null(e);
    const sx_layer *l = (const sx_layer *)e->item;
    cr_assert_eq(l->size, sizeof(sx_layer));
    cr_assert_not_null((void *)(uintptr_t)l->forward);
    cr_assert_null((void *)(uintptr_t)l->backward);
    cr_assert_str_eq(e->params[0].name, "units");
    cr_assert_eq(e->params[0].flags, SX_REQUIRED);
    cr_assert_str_eq(e->params[1].name, "rate");
    cr_assert_eq(e->params[1].def, 0.5);
    cr_assert_null(e->params[1].text);
    cr_assert_null(e->params[2].name);
}

Test(loader, blames_the_abi_not_the_symbol)
{
    cr_assert_null(sx_find(r, SX_KIND_LAYER, "abi2", here, &d));
    refused("plugin speaks ABI 2.0, this strix speaks 1.0");
    hinted("Rebuild the plugin against the installed headers.");
    cr_assert_not_null(strstr(d.v[0].where.file, "abi2.so"));
    cr_assert_str_eq(d.v[0].detail, "Wanted by net.cfg:7.");
}

Test(loader, names_the_missing_symbol)
{
    cr_assert_null(sx_find(r, SX_KIND_LAYER, "needs_symbol", here, &d));
    refused("plugin needs the symbol 'somebody_elses_call', which nothing defines");
    hinted("Link the library");
    cr_assert_null(sx_find(r, SX_KIND_LAYER, "needs_strix", here, &d));
    refused("plugin needs the symbol 'sx_not_in_this_strix'");
    hinted("Rebuild the plugin");
}

Test(loader, tells_plugins_from_other_files)
{
    cr_assert_null(sx_find(r, SX_KIND_LAYER, "no_entry", here, &d));
    refused("it does not export sx_plugin_entry");
    char dir[] = "/tmp/strix-loader-XXXXXX";
    cr_assert_not_null(mkdtemp(dir));
    const char *layers = sx_format(a, "%s/layers", dir), *file = sx_format(a, "%s/text.so", layers);
    cr_assert_eq(mkdir(layers, 0700), 0);
    FILE *f = fopen(file, "w");
    fputs("INPUT ( libm.so )\n", f);
    fclose(f);
    sx_registry *own = sx_registry_open(a, dir);
    cr_assert_null(sx_find(own, SX_KIND_LAYER, "text", here, &d));
    refused("not a shared object");
    cr_assert_not_null(strstr(d.v[d.n - 1].detail, "INPUT ( libm.so )"));
    f = fopen(file, "w");
    fwrite("\177ELF", 1, 4, f);
    fclose(f);
    cr_assert_null(sx_find(own, SX_KIND_LAYER, "text", here, &d));
    refused("cannot be loaded");
    remove(file), rmdir(layers), rmdir(dir);
}

Test(loader, refuses_wrong_manifests)
{
    static const struct { const char *name, *words;
    } bad[] = { { "bad_call", "layer 'bad' has no forward" },
                { "bad_choice", "has the default 2 of 2 choices" },
                { "bad_kind", "item is of kind 99, this strix knows 1 to 10" },
                { "bad_magic", "begins with 0xdeadbeef" },
                { "bad_newer", "plugin speaks ABI 1.1, this strix speaks 1.0" },
                { "bad_offset", "'rate' lies at 4096, outside its struct of 16 bytes" },
                { "bad_range", "'units' has the range 1 to -9" },
                { "bad_size", "layer is 7 bytes, this strix reads" },
                { "bad_twice", "two parameters 'units'" },
                { "bad_type", "'rate' has type 99, this strix knows 8" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sx_diags_init(&d, a);
        cr_assert_eq(sx_load(r, bad[i].name, here, &d), SX_E_PLUGIN, "%s", bad[i].name);
        refused(bad[i].words);
        cr_assert_null(sx_peek(r, SX_KIND_LAYER, "bad"));
    }
}

Test(loader, a_file_of_several_items_is_named_once)
{
    cr_assert_eq(sx_load(r, "several", here, &d), 0);
    const sx_entry *e = sx_peek(r, SX_KIND_LAYER, "first");
    cr_assert_not_null(e);
    cr_assert_not_null(sx_peek(r, SX_KIND_LAYER, "second"));
    cr_assert_not_null(sx_find(r, SX_KIND_SAMPLER, "third", here, &d));
    cr_assert_str_eq(e->plugin->version, "1.2");
    cr_assert_eq(sx_load(r, "several", here, &d), 0, "twice is once");
    const sx_plugin *p = NULL;
    cr_assert_eq(sx_load_file(r, e->file, &p, &d), 0);
    cr_assert_eq(p, e->plugin);
}

static void copy_file(const char *from, const char *to)
{
    char buffer[4096];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    cr_assert(in && out);
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, in));) fwrite(buffer, 1, n, out);
    fclose(in), fclose(out);
}

Test(loader, two_files_cannot_give_one_item)
{
    cr_assert_eq(sx_load(r, "several", here, &d), 0);
    const char *file = sx_peek(r, SX_KIND_LAYER, "first")->file;
    char dir[] = "/tmp/strix-loader-XXXXXX";
    cr_assert_not_null(mkdtemp(dir));
    const char *copy = sx_format(a, "%s/others.so", dir);
    copy_file(file, copy);
    cr_assert_eq(sx_load_file(r, copy, NULL, &d), SX_E_PLUGIN);
    refused("layer 'first' is already known from");
    cr_assert_not_null(strstr(d.v[0].text, file), "both files are named");
    cr_assert_not_null(strstr(d.v[0].where.file, "others.so"));
    remove(copy), rmdir(dir);
}

/* dlopen would map what is not there: SIGBUS. */
Test(loader, refuses_a_truncated_file)
{
    char dir[] = "/tmp/strix-loader-XXXXXX";
    struct stat st;
    cr_assert_eq(sx_load(r, "several", here, &d), 0);
    const char *file = sx_peek(r, SX_KIND_LAYER, "first")->file;
    cr_assert_not_null(mkdtemp(dir));
    const char *copy = sx_format(a, "%s/cut.so", dir);
    copy_file(file, copy);
    cr_assert_eq(stat(copy, &st), 0);
    for (off_t n = 5000; n > 4; n = n / 2) {     /* in the code, in the program headers, in the ELF header */
        cr_assert_lt(n, st.st_size);
        cr_assert_eq(truncate(copy, n), 0);
        cr_assert_eq(sx_load_file(r, copy, NULL, &d), SX_E_PLUGIN);
        refused("the file is truncated");
        hinted("anew");
    }
    remove(copy);
    cr_assert_eq(mkfifo(copy, 0600), 0);
    cr_assert_eq(sx_load_file(r, copy, NULL, &d), SX_E_PLUGIN);
    refused("it is no regular file");
    remove(copy), rmdir(dir);
}

Test(loader, says_what_it_searched_and_what_is_near)
{
    cr_assert_null(sx_find(r, SX_KIND_LAYER, "conv2", here, &d));
    refused("no layer 'conv2'");
    hinted("Did you mean 'conv2d'?");
    cr_assert_not_null(strstr(d.v[0].detail, border()));
    cr_assert_not_null(strstr(d.v[0].detail, "Known: "));
    cr_assert_not_null(strstr(d.v[0].detail, "maxpool2d"));
    cr_assert_eq(d.v[0].where.line, 7);
    cr_assert_eq(sx_load(r, "nothing_of_the_kind", here, &d), SX_E_PLUGIN);
    refused("no plugin 'nothing_of_the_kind'");
}

Test(loader, names_are_no_paths)
{
    static const char *const bad[] = { "", "../dense", "a/b", "dense.so", "/tmp/x", "a b", "a\nb",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_null(sx_find(r, SX_KIND_LAYER, bad[i], here, &d));
        refused("is no plugin's name");
    }
    cr_assert_eq(sx_load(r, "../several", here, &d), SX_E_PLUGIN);
}

Test(loader, never_searches_the_working_directory)
{
    setenv("STRIX_PLUGIN_PATH", "plugins:.::/no/such/dir/", 1);
    sx_registry *own = sx_registry_open(a, "relative");
    const char *path = sx_registry_path(own);
    for (const char *p = path; p; p = strchr(p, ':') ? strchr(p, ':') + 1 : NULL)
        cr_assert_eq(*p, '/', "%s", path);
    cr_assert_not_null(strstr(path, ":/no/such/dir"),
                       "the empty member stands for the defaults, before it: %s", path);
}

Test(loader, search_order)
{
    setenv("XDG_DATA_HOME", "/data", 1);
    setenv("STRIX_PLUGIN_PATH", "/env/one:/env/two/", 1);
    cr_assert_eq(strncmp(sx_registry_path(sx_registry_open(a, "/first")),
                         "/first:/env/one:/env/two:/data/strix/plugins-1:", 45),
                 0);
    unsetenv("XDG_DATA_HOME");
    unsetenv("STRIX_PLUGIN_PATH");
    setenv("HOME", "/home/me", 1);
    const char *path = sx_registry_path(sx_registry_open(a, NULL));
    cr_assert_eq(strncmp(path, "/home/me/.local/share/strix/plugins-1:", 38), 0, "%s", path);
}

static long seen;
static void count(void *ctx, int kind, const char *name, const char *file)
{
    (void)ctx, (void)kind, (void)file;
    seen += !strcmp(name, "dense") || !strcmp(name, "several");
}

Test(loader, lists_files_and_names)
{
    const char *const *names;
    const long n = sx_known(r, a, SX_KIND_LAYER, &names);
    cr_assert_gt(n, 10);
    for (long i = 1; i < n; i++) cr_assert_lt(strcmp(names[i - 1], names[i]), 0, "sorted, no doubles");
    sx_each_file(r, count, NULL);
    cr_assert_eq(seen, 2);
}

Test(loader, kinds)
{
    for (int k = 1; k < SX_KINDS; k++) {
        cr_assert_eq(sx_kind_of(sx_kind_name(k)), k);
        cr_assert_eq(sx_kind_of(sx_kind_folder(k)), k);
    }
    cr_assert_eq(sx_kind_of("layerz"), 0);
    cr_assert_str_eq(sx_kind_folder(SX_KIND_LOSS), "losses");
}
