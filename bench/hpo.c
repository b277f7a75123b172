/* hpo.c: regret of samplers on five functions, and time per suggestion: `bench/hpo [options] SAMPLER
 * [SETTING]...`. Everything in one process and memory, so it measures the sampler; the peers' figures are in
 * docs/results-search.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "functions.h"
#include "param.h"
#include "rng.h"
#include "trials.h"

enum { MOST = 100000 };
typedef struct {
    sx_arena *arena;
    const sx_sampler *sampler; const void *params;
    long trials, seeds, jobs;
} wanted;

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median and quartiles of the regret over seeds, and microseconds per suggestion. With several jobs the
 * oldest trial ends when all of them are busy. */
static void measure(const wanted *w, const function *f)
{
    double *regret = sx_alloc_array(w->arena, (size_t)w->seeds, sizeof *regret), asked = 0;
    const long n = w->seeds;
    for (long seed = 0; seed < n; seed++) {
        trials t = trials_open(w->arena, w->sampler, w->params, &f->space, 1000 + (uint64_t)seed, true);
        regret[seed] = INFINITY;
        for (long i = 0; i < w->trials && !trials_ask(&t); i++) {
            const double loss = f->loss(t.all.v[i]->x);
            regret[seed] = fmin(regret[seed], loss - f->optimum);
            if (i + 1 < w->jobs) continue;
            sx_trial *oldest = t.all.v[i + 1 - w->jobs];
            trials_tell(&t, oldest, SX_DONE, f->loss(oldest->x));
        }
        asked += t.asked;
        trials_close(&t);
    }
    qsort(regret, (size_t)n, sizeof *regret, ascending);
    printf("%-8s %6ld %12.5g [%.5g, %.5g] %10.1f us\n", f->name, w->trials,
           0.5 * (regret[(n - 1) / 2] + regret[n / 2]),
           regret[n / 4], regret[(3 * n - 1) / 4], 1e6 * asked / (double)(n * w->trials));
}

/* Time of one suggestion behind n random trials; median of 21. */
static void speed(const wanted *w, const function *f, long n)
{
    enum { TIMES = 21, AXES = 16 };
    double at[TIMES], x[AXES];
    trials t = trials_open(w->arena, w->sampler, w->params, &f->space, 7, true);
    sx_rng r;
    sx_rng_init(&r, 7, 0, "random");
    for (long i = 0; i < n; i++) {
        sx_point_random(&f->space, &r, x);
        trials_tell(&t, trials_add(&t, x), SX_DONE, f->loss(x));
    }
    for (int i = 0; i < TIMES; i++) {
        t.asked = 0;
        t.seed = (uint64_t)i;
        trials_probe(&t, x);
        at[i] = t.asked;
    }
    trials_close(&t);
    qsort(at, TIMES, sizeof *at, ascending);
    printf("%-8s %6ld %41.1f us\n", f->name, n, 1e6 * at[TIMES / 2]);
}

static int usage(void)
{
    fprintf(stderr,
            "usage: hpo [-p PLUGIN_PATH] [-f FUNCTION] [-t TRIALS] [-s SEEDS] [-j JOBS] [-n HISTORY] "
            "SAMPLER [SETTING=VALUE]...\n"
            "  -n: time of one suggestion behind that many trials instead of regret\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *path = getenv("STRIX_PLUGIN_PATH"), *only = NULL;
    long count = 50, seeds = 30, history = 0, jobs = 1;
    int i = 1;
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        long *number = argv[i][1] == 't' ? &count : argv[i][1] == 's' ? &seeds : argv[i][1] == 'n' ? &history
                                             : argv[i][1] == 'j' ? &jobs : NULL;
        if (number) *number = strtol(argv[i + 1], NULL, 10);
        else if (argv[i][1] == 'p') path = argv[i + 1];
        else if (argv[i][1] == 'f') only = argv[i + 1];
        else return usage();
    }
    if (i >= argc || count < 1 || seeds < 1 || jobs < 1 || history < 0 || count > MOST || seeds > MOST
        || history > MOST) return usage();
    sx_arena *a = sx_arena_open(NULL);
    sx_diags d;
    sx_diags_init(&d, a);
    const sx_entry *e = sx_find(sx_registry_open(a, path), SX_KIND_SAMPLER, argv[i++], SX_NOWHERE, &d);
    char *text = sx_strdup(a, "");
    for (; i < argc; i++) text = sx_format(a, "%s%s;\n", text, argv[i]);
    sx_conf *settings = NULL;
    void *params = e ? sx_alloc(a, e->item->params_size) : NULL;
    if (!e || (*text && sx_config_parse(a, text, "settings", NULL, &settings, &d))
        || sx_param_fill(a, e->params, e->item->name, settings, NULL, NULL, params, &d)) {
        sx_diags_print(&d, stderr);
        sx_arena_close(a);
        return 1;
    }
    const wanted w = { a, (const sx_sampler *)e->item, params, count, seeds, jobs };
    for (const function *const *f = functions; *f; f++) {
        if (only && strcmp(only, (*f)->name)) continue;
        if (history) speed(&w, *f, history);
        else measure(&w, *f);
    }
    sx_arena_close(a);
    return 0;
}
