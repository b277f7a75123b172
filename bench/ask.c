/* ask.c: CPU time of one suggestion in the core: `bench/ask [-p PLUGIN_PATH] [-f FUNCTION] [-n TRIALS]
 * SAMPLER [SETTING]...`. What a study does between two trials, store and training left out: the
 * news goes into the history, the sampler is asked, its answer made legal and compared with every earlier
 * point. Behind random trials. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "functions.h"
#include "history.h"
#include "param.h"
#include "rng.h"
#include "study.h"

enum { TIMES = 21, BEFORE = 20 };
typedef struct {
    sx_arena *arena;
    const function *f;
    sx_exp exp; sx_domain domain; sx_past *past; void *cache;
    long n; int64_t event;
} bench;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void tell(bench *b, const double *x)
{
    const double value = b->f->loss(x);
    const sx_trial_row row = { .t = { .number = b->n++, .fate = SX_DONE, .x = x, .value = &value } };
    sx_past_add(b->past, ++b->event, &row);
}

static int ask(bench *b, double *x, sx_diags *d)
{
    sx_arena *a = sx_arena_open(NULL);
    const sx_history h = sx_past_at(b->past, a, b->event);
    const sx_ask_want w = { .exp = &b->exp, .history = &h, .seed = 1, .number = b->n, .cache = b->cache };
    int64_t tag;
    const int rc = sx_ask_point(a, &w, x, &tag, d);
    sx_arena_close(a);
    return rc;
}

/* Median of suggestions behind n trials, each told before the next; the last ones before were asked, too. */
static double measure(sx_arena *parent, const sx_entry *e, const void *params, const function *f, long n,
                      sx_diags *d)
{
    sx_arena *a = sx_arena_open(parent);
    const sx_sampler *s = (const sx_sampler *)e->item;
    const long before = n / 2 < BEFORE ? n / 2 : BEFORE;
    double at[TIMES], x[64];
    sx_rng r;
    bench b = { .arena = a, .f = f, .domain = { .space = f->space } };
    b.domain.var = sx_alloc_array(a, (size_t)f->space.n, sizeof *b.domain.var);
    for (int i = 0; i < f->space.n; i++) {
        b.domain.var[i] = SX_NEW(a, sx_var);
        *b.domain.var[i] = (sx_var){ .axis = *f->space.axis[i], .name = f->space.axis[i]->name,
                                     .element = -1 };
    }
    b.exp.domain = &b.domain;
    b.exp.tune.sampler = (sx_use){ e, (void *)(uintptr_t)params };
    b.past = sx_past_open(a, &b.domain, NULL);
    b.cache = s->open ? s->open(params, &b.domain.space) : NULL;
    sx_rng_init(&r, 7, 0, "random");
    for (long i = 0; i < n - before; i++) sx_point_random(&f->space, &r, x), tell(&b, x);
    int rc = ask(&b, x, d);
    for (long i = -before; i < TIMES && !rc; i++) {
        const double from = now();
        tell(&b, x);
        rc = ask(&b, x, d);
        if (i >= 0) at[i] = now() - from;
    }
    if (b.cache && s->close) s->close(b.cache);
    sx_arena_close(a);
    qsort(at, TIMES, sizeof *at, ascending);
    return rc ? -1 : at[TIMES / 2];
}

int main(int argc, char **argv)
{
    static const long sizes[] = { 10, 100, 1000, 10000 };
    const char *path = getenv("STRIX_PLUGIN_PATH"), *name = "conv_a", *text = "";
    int i = 1;
    long only = 0;
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        if (argv[i][1] == 'n') only = strtol(argv[i + 1], NULL, 10);
        else *(argv[i][1] == 'p' ? &path : &name) = argv[i + 1];
    }
    sx_arena *a = sx_arena_open(NULL);
    sx_diags d;
    sx_diags_init(&d, a);
    const function *const *f = functions;
    while (*f && strcmp((*f)->name, name)) f++;
    if (i >= argc || !*f) {
        fprintf(stderr, "usage: ask [-p PLUGIN_PATH] [-f FUNCTION] [-n TRIALS] SAMPLER [SETTING=VALUE]...\n");
        return 2;
    }
    const sx_entry *e = sx_find(sx_registry_open(a, path), SX_KIND_SAMPLER, argv[i++], SX_NOWHERE, &d);
    for (; i < argc; i++) text = sx_format(a, "%s%s;\n", text, argv[i]);
    sx_conf *settings = NULL;
    void *params = e ? sx_alloc(a, e->item->params_size) : NULL;
    if (!e || (*text && sx_config_parse(a, text, "settings", NULL, &settings, &d))
        || sx_param_fill(a, e->params, e->item->name, settings, NULL, NULL, params, &d)) {
        sx_diags_print(&d, stderr);
        return 1;
    }
    printf("%-10s %-8s", e->item->name, name);
    if (only > 0) printf(" %6ld: %8.1f us", only, measure(a, e, params, *f, only, &d));
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes && only <= 0; k++)
        printf(" %6ld: %8.1f us", sizes[k], measure(a, e, params, *f, sizes[k], &d));
    printf("\n");
    sx_arena_close(a);
    return 0;
}
