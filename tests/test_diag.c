/* test_diag.c: records of errors: kept, counted, printed with their source line; names of codes; nearest
 * names. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "diag.h"

static char *printed(const sx_diags *d)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    sx_diags_print(d, f);
    fclose(f);
    return text;
}

Test(diag, prints_like_a_compiler)
{
    sx_arena *a = sx_arena_open(NULL);
    sx_diags d;
    sx_diags_init(&d, a);
    cr_assert_eq(sx_error(&d, SX_E_CONFIG, (sx_where){ "no-such.cfg", 14, NULL },
                          "dropout 'rate' is %g, outside [0, 1)", 1.5),
                 SX_E_CONFIG);
    sx_hint(&d, "The default is %g.", 0.5);
    sx_warn(&d, SX_NOWHERE, "beware");
    sx_detail(&d, "of this");
    char *text = printed(&d);
    cr_assert_str_eq(
        text, "no-such.cfg:14: error: dropout 'rate' is 1.5, outside [0, 1)\n  hint: The default is 0.5.\n"
              "warning: beware\n  detail: of this\n");
    cr_assert_eq(sx_diags_code(&d), SX_E_CONFIG);
    free(text);
    sx_arena_close(a);
}

Test(diag, shows_the_line)
{
    sx_arena *a = sx_arena_open(NULL);
    sx_diags d;
    sx_diags_init(&d, a);
    char file[] = "/tmp/strix-diag-XXXXXX";
    FILE *f = fdopen(mkstemp(file), "w");
    for (int i = 0; i < 600; i++)
        fputc('x', f); /* longer than a buffer: the count of lines must not be fooled */
    fputs("\n   second = 2;\r\n", f);
    fclose(f);
    sx_error(&d, SX_E_CONFIG, (sx_where){ file, 2, NULL }, "bad");
    char *text = printed(&d);
    cr_assert_not_null(strstr(text, "      2 | second = 2;\n"), "%s", text);
    free(text);
    remove(file);
    sx_arena_close(a);
}

Test(diag, keeps_twenty_and_counts_all)
{
    sx_arena *a = sx_arena_open(NULL);
    sx_diags d;
    sx_diags_init(&d, a);
    for (int i = 0; i < 25; i++) {
        sx_error(&d, SX_E_DATA, SX_NOWHERE, "error %d", i);
        sx_hint(&d, "Hint %d.", i);
    }
    cr_assert_eq(d.n, 20);
    cr_assert_eq(d.errors, 25);
    cr_assert_str_eq(d.v[19].hint, "Hint 19.", "hints of errors that were not kept go nowhere");
    char *text = printed(&d);
    cr_assert_not_null(strstr(text, "... and 5 more errors\n"));
    free(text);
    cr_assert_eq(sx_error(NULL, SX_E_IO, SX_NOWHERE, "nobody listens"), SX_E_IO);
    sx_hint(NULL, "nothing");
    sx_arena_close(a);
}

Test(diag, what_others_said_is_passed_on)
{
    sx_arena *a = sx_arena_open(NULL), *short_lived = sx_arena_open(NULL);
    sx_diags from, to;
    sx_diags_init(&from, short_lived);
    sx_diags_init(&to, a);
    cr_assert_eq(sx_diags_pass(&from, 0, &to), 0);
    cr_assert_eq(to.n, 0, "there was nothing to say");
    sx_warn(&from, SX_NOWHERE, "beware");
    cr_assert_eq(sx_diags_pass(&from, SX_E_IO, &to), SX_E_IO);
    cr_assert_str_eq(to.v[1].text, sx_error_text(SX_E_IO), "of an error without words");
    sx_error(&from, SX_E_DATA, (sx_where){ "x.cfg", 3, NULL }, "no data");
    sx_detail(&from, "Of these.");
    sx_hint(&from, "Look there.");
    to.n = to.errors = 0;
    cr_assert_eq(sx_diags_pass(&from, SX_E_DATA, &to), SX_E_DATA);
    cr_assert_eq(sx_diags_pass(&from, SX_E_DATA, NULL), SX_E_DATA);
    sx_arena_close(short_lived);
    char *text = printed(&to);
    cr_assert_str_eq(text, "warning: beware\nx.cfg:3: error: no data\n  detail: Of these.\n  hint: Look there.\n");
    free(text);
    sx_arena_close(a);
}

Test(diag, every_code_has_a_name_and_a_text)
{
    for (int code = 0; code >= SX_E_EXHAUSTED; code--) {
        cr_assert_str_neq(sx_error_text(code), "unknown error");
        cr_assert_str_neq(sx_error_name(code), "SX_E_?");
    }
    cr_assert_str_eq(sx_error_name(SX_E_EXHAUSTED), "SX_E_EXHAUSTED");
    cr_assert_str_eq(sx_error_name(SX_E_EXHAUSTED - 1), "SX_E_?");
    cr_assert_str_eq(sx_error_name(1), "SX_E_?");
}

Test(diag, plurals)
{
    sx_arena *a = sx_arena_open(NULL);
    cr_assert_str_eq(sx_plural(a, 1, "trial"), "1 trial");
    cr_assert_str_eq(sx_plural(a, 0, "trial"), "0 trials");
    cr_assert_str_eq(sx_plural(a, 2, "axis"), "2 axes");
    cr_assert_str_eq(sx_plural(a, 2, "study"), "2 studies");
    cr_assert_str_eq(sx_plural(a, 3, "class"), "3 classes");
    cr_assert_str_eq(sx_plural(a, 10, "batch"), "10 batches");
    cr_assert_str_eq(sx_plural(a, 3, "epoch"), "3 epochs");
    sx_arena_close(a);
}

Test(diag, nearest_names)
{
    static const char *const names[] = { "filters", "kernel", "lr", "units", "strides" };
    cr_assert_str_eq(sx_nearest("filter", names, 5), "filters");
    cr_assert_str_eq(sx_nearest("fitlers", names, 5), "filters");
    cr_assert_str_eq(sx_nearest("Kernel", names, 5), "kernel");
    cr_assert_null(sx_nearest("momentum", names, 5));
    cr_assert_null(sx_nearest("x", NULL, 0));
    char longer[500];
    memset(longer, 'a', 499);
    longer[499] = 0;
    cr_assert_null(sx_nearest(longer, names, 5));
}
