/* test_report.c: classification reports and confusion matrices against scikit-learn's own text
 * (data/classification_report.json, made by scikit-learn; the script is named in the file). */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "diag.h"
#include "report.h"

static json_t *cases(void)
{
    char file[1024];
    const char *source = getenv("STRIX_SOURCE");
    snprintf(file, sizeof file, "%s/tests/data/classification_report.json", source ? source : ".");
    json_t *root = json_load_file(file, 0, NULL);
    cr_assert(root, "%s", file);
    return root;
}

static int32_t *ints(sx_arena *a, const json_t *v)
{
    int32_t *n = sx_alloc_array(a, json_array_size(v) + 1, sizeof *n);
    for (size_t i = 0; i < json_array_size(v); i++) n[i] = (int32_t)json_integer_value(json_array_get(v, i));
    return n;
}

static sx_verdicts verdicts(sx_arena *a, const json_t *c)
{
    const json_t *labels = json_object_get(c, "labels"), *names = json_object_get(c, "target_names");
    sx_verdicts v = { .n = (long)json_array_size(json_object_get(c, "y_true")),
                      .truth = ints(a, json_object_get(c, "y_true")),
                      .guess = ints(a, json_object_get(c, "y_pred")), .labels = (long)json_array_size(labels),
                          .label = ints(a, labels),
                      .digits = (int)json_integer_value(json_object_get(c, "digits")) };
    if (!json_is_array(names)) return v;
    const char **name = sx_alloc_array(a, json_array_size(names), sizeof *name);
    for (size_t i = 0; i < json_array_size(names); i++) name[i] = json_string_value(json_array_get(names, i));
    v.name = name;
    return v;
}

static void check_matrix(sx_arena *a, const json_t *c, const sx_verdicts *v)
{
    const json_t *want = json_object_get(c, "confusion");
    long n;
    const long *m = sx_confusion(a, v, &n);
    cr_assert_eq((size_t)n, json_array_size(want));
    for (long i = 0; i < n * n; i++)
        cr_expect_eq(m[i], json_integer_value(json_array_get(json_array_get(want, (size_t)(i / n)),
                                                             (size_t)(i % n))));
}

Test(report, as_scikit_learn)
{
    sx_arena *a = sx_arena_open(NULL);
    json_t *root = cases(), *c;
    size_t i;
    json_array_foreach(json_object_get(root, "cases"), i, c) {
        const sx_verdicts v = verdicts(a, c);
        cr_expect_str_eq(sx_report_text(a, &v), json_string_value(json_object_get(c, "report")), "%s",
                         json_string_value(json_object_get(c, "name")));
        check_matrix(a, c, &v);
    }
    cr_expect_eq(i, 8);
    json_decref(root);
    sx_arena_close(a);
}

Test(report, confusion_as_text)
{
    sx_arena *a = sx_arena_open(NULL);
    const int32_t truth[] = { 0, 0, 1 }, guess[] = { 0, 1, 1 };
    const char *const name[] = { "cat", "\xc3\xa9t\xc3\xa9" };
    const sx_verdicts v = { .n = 3, .truth = truth, .guess = guess, .labels = 2, .name = name, .digits = 3 };
    cr_assert_str_eq(sx_confusion_text(a, &v), "true, guessed     0     1\n"
                                               "          cat     1     1\n"
                                               "          \xc3\xa9t\xc3\xa9     0     1\n");
    sx_arena_close(a);
}

Test(report, nothing_at_all)
{
    sx_arena *a = sx_arena_open(NULL);
    const sx_verdicts v = { .labels = 1, .digits = 3 };
    cr_assert(strstr(sx_report_text(a, &v), "accuracy                          0.000         0"));
    sx_arena_close(a);
}
