/* store.c: what a study of many trials costs with a store behind it: `bench/store [-n TRIALS] [-s SAMPLER]
 * [URL]`. Opening, and CPU time of ask + tell on the ConvStrix space; the peers' figures are in
 * docs/results-search.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "rng.h"
#include "study.h"

enum { TIMES = 51 };
static const char config[] =
    "vars = { batch = 32; rate = 0.001; layers = 2; width = 512; dropout = 0.1; act = \"relu\"; "
    "opt = \"adam\"; blocks = 2; size = 1; };\n"
    "tune = { trials = 1000000; direction = \"maximize\"; sampler = { type = \"%s\"; seed = 3; };\n"
    "  space = { batch = { choice = [ 16, 32, 64 ]; }; rate = { loguniform = [ 1e-4, 1.0 ]; };\n"
    "    layers = { int = [ 1, 4 ]; }; width = { choice = [ 512, 768, 1024, 1536 ]; };\n"
    "    dropout = { uniform = [ 0.05, 0.5, 0.05 ]; };\n"
    "    act = { choice = [ \"relu\", \"selu\", \"tanh\" ]; }; blocks = { int = [ 1, 5 ]; };\n"
    "    opt = { choice = [ \"adam\", \"adamax\", \"nadam\", \"rmsprop\" ]; };\n"
    "    size = { int = [ 1, 3 ]; }; }; };\n";

static double seconds(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct { sx_registry *registry; const char *url, *sampler; } bench;

static sx_study *opened(const bench *b, sx_arena *a, bool join)
{
    sx_diags d;
    sx_diags_init(&d, a);
    sx_conf *root;
    sx_exp *e = NULL;
    sx_study *s = NULL;
    int rc = join ? 0 : sx_config_parse(a, sx_format(a, config, b->sampler), "store.cfg", NULL, &root, &d);
    if (!rc && !join) rc = sx_search_open(a, b->registry, root, "store.cfg", &e, &d);
    if (!rc) rc = sx_study_open(a, b->registry, e, b->url, b->sampler, true, &s, &d);
    if (!rc) return s;
    sx_diags_print(&d, stderr);
    exit(1);
}

static void trial(sx_study *s)
{
    sx_arena *a = sx_arena_open(NULL);
    sx_diags d;
    sx_diags_init(&d, a);
    sx_claim c;
    int rc = sx_study_claim(s, a, "bench", 60, INT32_MAX, &c, &d);
    const double value = rc ? 0 : 1 / (1 + fabs(log10(c.x[1]) + 2)) - 0.01 * c.x[5];
    if (!rc) rc = sx_study_tell(s, &c, SX_DONE, &value, NULL, NULL, &d);
    if (rc) { sx_diags_print(&d, stderr); exit(1); }
    sx_arena_close(a);
}

/* Opening, and the first suggestion, which reads the history; then one after the other. */
static void measure(const bench *b, long n)
{
    double at[TIMES], open[2], first[2];
    for (int i = 0; i < TIMES; i++) at[i] = 0;
    const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    sx_arena *a = sx_arena_open(NULL);
    sx_study *s = opened(b, a, true);
    open[0] = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, open[1] = seconds(CLOCK_MONOTONIC) - wall;
    trial(s);
    first[0] = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu, first[1] = seconds(CLOCK_MONOTONIC) - wall;
    for (int i = 0; i < TIMES; i++) {
        const double from = seconds(CLOCK_PROCESS_CPUTIME_ID);
        trial(s);
        at[i] = seconds(CLOCK_PROCESS_CPUTIME_ID) - from;
    }
    sx_arena_close(a);
    qsort(at, TIMES, sizeof *at, ascending);
    printf("%6ld trials: opened in %.1f ms of CPU (%.1f ms), first trial %.1f (%.1f), "
           "ask + tell %.3f ms of CPU\n", n,
           1e3 * open[0], 1e3 * open[1], 1e3 * first[0], 1e3 * first[1], 1e3 * at[TIMES / 2]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    long most = 10000;
    bench b = { .sampler = "random" };
    int c;
    while ((c = getopt(argc, argv, "n:s:")) != -1) {
        if (c == 'n') most = strtol(optarg, NULL, 10);
        else if (c == 's') b.sampler = optarg;
        else return fprintf(stderr, "usage: store [-n TRIALS] [-s SAMPLER] [URL]\n"), 2;
    }
    char dir[] = "/tmp/strix-bench-XXXXXX";
    sx_arena *a = sx_arena_open(NULL);
    if (!mkdtemp(dir)) return 1;
    b.registry = sx_registry_open(a, NULL);
    b.url = argv[optind] ? argv[optind] : sx_format(a, "sqlite:%s/s.db", dir);
    long done = 0;
    for (long n = 10; n <= most; n *= 10) {
        sx_arena *own = sx_arena_open(a);
        sx_study *s = opened(&b, own, done > 0);
        for (; done < n; done++) trial(s);
        sx_arena_close(own);
        measure(&b, n);
        done += TIMES + 1;
    }
    sx_arena_close(a);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command) ? 1 : 0;
}
