/* hpo.c: regret of samplers on functions, and time per suggestion: `bench/hpo [options] SAMPLER
 * [SETTING]...`. Everything in one process and memory, so it measures the sampler; the peers' figures are in
 * docs/results-search.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "functions.h"
#include "param.h"
#include "rng.h"
#include "trials.h"

enum { MOST = 100000, FIRST = 1000 };
typedef struct {
    sx_arena *arena;
    const sx_sampler *sampler; const void *params;
    long trials, seeds, jobs, first;             /* first: seed */
    double noise;                                /* standard deviation of what is told, less what is true */
} wanted;
typedef struct { double best, told; long alike; } outcome;           /* alike: like one that ran at the time */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double normal(sx_rng *r)
{
    const double u = sx_uniform(r);
    return sqrt(-2 * log(1 - u)) * cos(6.283185307179586 * sx_uniform(r));
}

static bool alike(const double *x, const double *y, int n)
{
    for (int i = 0; i < n; i++) if (x[i] != y[i] && !(isnan(x[i]) && isnan(y[i]))) return false;
    return true;
}

static long running_alike(const trials *t)
{
    const sx_trial *last = t->all.v[t->all.n - 1];
    for (long i = 0; i + 1 < t->all.n; i++)
        if (t->all.v[i]->fate == SX_RUNNING && alike(t->all.v[i]->x, last->x, t->space->n)) return 1;
    return 0;
}

/* Ends the k-th running trial. What counts is the true loss, under noise that of the trial which seems best. */
static void end(trials *t, const function *f, long k, double noise, sx_rng *r, outcome *o)
{
    long i = 0;
    while (t->all.v[i]->fate != SX_RUNNING || k-- > 0) i++;
    const double loss = f->loss(t->all.v[i]->x), told = loss + noise * normal(r);
    trials_tell(t, t->all.v[i], isnan(loss) ? SX_FAILED : SX_DONE, told);
    if (isnan(loss)) return;
    if (noise == 0 && loss - f->optimum < o->best) o->best = loss - f->optimum;
    if (noise > 0 && told < o->told) o->told = told, o->best = loss - f->optimum;
}

/* One study; jobs trials run at a time and end in any order. */
static outcome play(const wanted *w, const function *f, trials *t, uint64_t seed)
{
    outcome o = { INFINITY, INFINITY, 0 };
    sx_rng r;
    sx_rng_init(&r, seed, 0, "bench");
    long running = 0;
    for (long i = 0; i < w->trials && !trials_ask(t); i++) {
        o.alike += running_alike(t);
        if (++running < w->jobs) continue;
        end(t, f, (long)(sx_uniform(&r) * (double)running), w->noise, &r, &o);
        running--;
    }
    while (running > 0) end(t, f, --running, w->noise, &r, &o);
    return o;
}

/* Median and quartiles of the regret over seeds, and microseconds per suggestion. */
static void measure(const wanted *w, const function *f)
{
    double *regret = sx_alloc_array(w->arena, (size_t)w->seeds, sizeof *regret), asked = 0;
    const long n = w->seeds;
    long twins = 0;
    for (long seed = 0; seed < n; seed++) {
        trials t = trials_open(w->arena, w->sampler, w->params, &f->space, (uint64_t)(w->first + seed), true);
        const outcome o = play(w, f, &t, (uint64_t)(w->first - FIRST + seed));
        regret[seed] = o.best;
        twins += o.alike;
        asked += t.asked;
        trials_close(&t);
    }
    qsort(regret, (size_t)n, sizeof *regret, ascending);
    printf("%-8s %6ld %12.5g [%.5g, %.5g] %10.1f us", f->name, w->trials,
           0.5 * (regret[(n - 1) / 2] + regret[n / 2]),
           regret[n / 4], regret[(3 * n - 1) / 4], 1e6 * asked / (double)(n * w->trials));
    printf(twins ? " %ld alike\n" : "\n", twins);
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
            "usage: hpo [-p PLUGIN_PATH] [-f FUNCTION] [-t TRIALS] [-s SEEDS] [-b FIRST_SEED] [-j JOBS] "
            "[-x NOISE] [-n HISTORY] SAMPLER [SETTING=VALUE]...\n"
            "  -f all: also those of holdouts.c; -x: standard deviation of the noise on a loss\n"
            "  -b: number of the first seed, 1000 or more; -j: trials that run at a time\n"
            "  -n: time of one suggestion behind that many trials instead of regret\n");
    return 2;
}

/* -1, which no option takes: it is no whole number. */
static long whole(const char *text)
{
    return *text && !text[strspn(text, "0123456789")] ? strtol(text, NULL, 10) : -1;
}

static bool wanted_one(const char *only, const function *f)
{
    return !only || !strcmp(only, "all") || !strcmp(only, f->name);
}

int main(int argc, char **argv)
{
    char *end = "";
    const char *path = getenv("STRIX_PLUGIN_PATH"), *only = NULL;
    long count = 50, seeds = 30, history = 0, jobs = 1, first = FIRST;
    double noise = 0;
    int i = 1;
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        long *number = argv[i][1] == 't' ? &count : argv[i][1] == 's' ? &seeds : argv[i][1] == 'n' ? &history
                                             : argv[i][1] == 'j' ? &jobs : argv[i][1] == 'b' ? &first : NULL;
        if (number) *number = whole(argv[i + 1]);
        else if (argv[i][1] == 'p') path = argv[i + 1];
        else if (argv[i][1] == 'f') only = argv[i + 1];
        else if (argv[i][1] == 'x') noise = strtod(argv[i + 1], &end);
        else return usage();
    }
    if (i >= argc || count < 1 || seeds < 1 || jobs < 1 || first < FIRST || history < 0 || count > MOST
        || seeds > MOST || history > MOST || *end || !(noise >= 0)) return usage();
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
    const wanted w = { a, (const sx_sampler *)e->item, params, count, seeds, jobs, first, noise };
    const function *const *const lists[] = { functions, only ? holdouts : NULL };
    long met = 0;
    for (int k = 0; k < 2; k++)
        for (const function *const *f = lists[k]; f && *f; f++) {
            if (!wanted_one(only, *f)) continue;
            met++;
            if (history) speed(&w, *f, history);
            else measure(&w, *f);
        }
    if (!met) fprintf(stderr, "hpo: there is no function '%s'\n", only);
    sx_arena_close(a);
    return met ? 0 : 2;
}
