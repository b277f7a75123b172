/* losses.c: the functions of bench/ for programs in other languages: first a line of JSON for each, then for each
 * line `NAME VALUE ...` (a value for each axis, nan where it is not active) its loss. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "functions.h"

enum { LINE = 4096, AXES = 32 };

static void describe(const function *f)
{
    printf("{\"name\": \"%s\", \"optimum\": %.17g, \"axes\": [", f->name, f->optimum);
    for (int i = 0; i < f->space.n; i++) {
        const sx_axis *a = f->space.axis[i];
        const long options = a->kind == SX_AXIS_CHOICE ? (long)a->high + 1 : 0;
        printf("%s{\"name\": \"%s%d\", \"options\": %ld, \"log\": %d, \"low\": %.17g, \"high\": %.17g, "
               "\"step\": %.17g, \"whole\": %d", i ? ", " : "", a->name, i, options, a->log, a->low, a->high,
               a->step, a->whole);
        if (a->whens) printf(", \"parent\": %d, \"values\": [", a->when->parent);
        for (int k = 0; a->whens && k < a->when->n; k++) printf("%s%g", k ? ", " : "", a->when->value[k]);
        printf(a->whens ? "]}" : "}");
    }
    printf("]}\n");
}

int main(void)
{
    const function *const *const lists[] = { functions, holdouts };
    char line[LINE];
    for (int k = 0; k < 2; k++) for (const function *const *f = lists[k]; *f; f++) describe(*f);
    printf("\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        double x[AXES] = { 0 };
        char *at = line + strcspn(line, " \n");
        const size_t name = (size_t)(at - line);
        for (int i = 0; i < AXES; i++) x[i] = strtod(at, &at);
        for (int k = 0; k < 2; k++)
            for (const function *const *f = lists[k]; *f; f++)
                if (strlen((*f)->name) == name && !strncmp((*f)->name, line, name))
                    printf("%.17g\n", (*f)->loss(x));
        fflush(stdout);
    }
    return 0;
}
