/* jobs.c: how many trials at a time, with how many threads each, train the most rows in a second: measured
 * once for a study and a machine, at the point of `vars`, by `strix bench step` processes side by side. */
#include "crew.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "file.h"

/* More trials at a time learn less from each other: they have to be so much faster. */
static const double worth = 1.05, seconds = 0.5;
static const char key[] = "strix:jobs";
enum { FIRST = 5, FEWEST = 5, MOST = 50000 };

typedef struct { cli_context *c; const char *dir, *file; long cores; } measuring;
extern char **environ;

static const char *out_of(const measuring *m, int i) { return sx_format(m->c->arena, "%s/%d", m->dir, i); }

static int start(const measuring *m, int i, long threads, long steps, pid_t *pid)
{
    sx_arena *a = m->c->arena;
    const char *const fixed[] = { "strix", "bench", "step", m->file, "--json", "--quiet",
                                  "--device", m->c->device, "--threads", sx_format(a, "%ld", threads),
                                  "--steps", sx_format(a, "%ld", steps) };
    const char *const *dir;
    const long dirs = cli_list(m->c, "plugin-path", &dir);
    struct { const char **v; long n, cap; } words = { 0 };
    for (size_t k = 0; k < sizeof fixed / sizeof *fixed; k++) SX_PUSH(a, words, fixed[k]);
    for (long k = 0; k < dirs; k++) {
        SX_PUSH(a, words, "--plugin-path");
        SX_PUSH(a, words, dir[k]);
    }
    SX_PUSH(a, words, NULL);
    posix_spawn_file_actions_t act;
    posix_spawn_file_actions_init(&act);
    posix_spawn_file_actions_addopen(&act, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&act, STDOUT_FILENO, out_of(m, i), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&act, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const int rc = posix_spawn(pid, crew_self(a), &act, NULL, (char *const *)(uintptr_t)words.v, environ);
    posix_spawn_file_actions_destroy(&act);
    return rc;
}

static double rows_per_second(const measuring *m, int i)
{
    json_t *doc = json_load_file(out_of(m, i), 0, NULL);
    const double v = json_number_value(json_object_get(doc, "images_per_s"));
    json_decref(doc);
    return v;
}

/* Rows in a second of `jobs` trials side by side; 0: they cannot be run. */
static double measure(const measuring *m, int jobs, long steps)
{
    pid_t *pid = sx_alloc_array(m->c->arena, (size_t)jobs, sizeof *pid);
    double sum = 0;
    bool fine = true;
    int begun = 0, status;
    for (; begun < jobs && fine; begun++) fine = !start(m, begun, m->cores / jobs, steps, &pid[begun]);
    if (!fine) begun--;
    for (int i = 0; i < begun; i++) {
        if (m->c->stop || !fine) kill(pid[i], SIGTERM);
        while (waitpid(pid[i], &status, 0) < 0 && errno == EINTR && !m->c->stop) continue;
        const double one =
            fine && !m->c->stop && WIFEXITED(status) && !WEXITSTATUS(status) ? rows_per_second(m, i) : 0;
        fine = one > 0;
        sum += one;
    }
    for (int i = 0; i < begun; i++) unlink(out_of(m, i));
    return fine ? sum : 0;
}

/* So many trials that each has what it needs of the device's memory. */
static long fitting(cli_context *c, const sx_exp *e)
{
    sx_arena *a = sx_arena_open(c->arena);
    sx_diags own;
    sx_diags_init(&own, a);
    sx_machine *m = NULL;
    sx_budget cost;
    long n = 1;
    if (!sx_machine_open(a, e->registry, c->device, 1, &m, &own) &&
        !sx_exp_price(a, e, m, &cost, NULL, &own)) {
        const double all = (double)m->info.memory;
        n = all > 0 && cost.total ? (long)fmin(0.9 * all / (double)cost.total, 1024) : 1024;
    }
    sx_arena_close(a);
    return n < 1 ? 1 : n;
}

/* Twice as many as long as that pays. */
static crew_share search(measuring *m, const sx_exp *e, long most)
{
    const double batch = (double)e->train.batch, probe = measure(m, 1, FIRST);
    crew_share best = { 1, m->cores, 0, 0 };
    for (int jobs = 1; jobs <= most && probe > 0 && !m->c->stop; jobs *= 2) {
        const double steps = seconds * probe / batch / jobs;
        const double rate = measure(m, jobs, (long)fmin(fmax(steps, FEWEST), MOST));
        if (jobs == 1) best.alone = best.rate = rate;
        else if (rate < worth * best.rate) break;
        else best = (crew_share){ jobs, m->cores / jobs, rate, best.alone };
        if (!(rate > 0)) break;
    }
    return best;
}

static crew_share measured(cli_context *c, sx_study *s, long most, long cores)
{
    const char *tmp = getenv("TMPDIR");
    const sx_exp *e = sx_study_exp(s);
    char *dir = sx_format(c->arena, "%s/strix-jobs-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    crew_share best = { 1, cores, 0, 0 };
    if (!mkdtemp(dir)) return best;
    measuring m = { c, dir, sx_format(c->arena, "%s/%s.cfg", dir, sx_study_name(s)), cores };
    const char *text = sx_conf_write(c->arena, e->root);
    if (!sx_file_write(m.file, text, strlen(text), &c->diags)) best = search(&m, e, most);
    unlink(m.file);
    rmdir(dir);
    return best;
}

/* --- What was measured before --- */

typedef struct { crew_share share; long cores; char device[64]; } kept;

static void read_kept(void *ctx, long trial, const char *name, const char *json)
{
    kept *k = ctx;
    (void)trial;
    if (strcmp(name, key)) return;
    json_t *o = json_loads(json, 0, NULL);
    const char *device = json_string_value(json_object_get(o, "device"));
    k->share.jobs = (int)json_integer_value(json_object_get(o, "jobs"));
    k->share.threads = (long)json_integer_value(json_object_get(o, "threads"));
    k->cores = (long)json_integer_value(json_object_get(o, "cores"));
    snprintf(k->device, sizeof k->device, "%s", device ? device : "");
    json_decref(o);
}

static int keep(cli_context *c, sx_study *s, const crew_share *b, long cores)
{
    json_t *o = json_pack("{s:i, s:I, s:I, s:s, s:f}", "jobs", b->jobs, "threads", (json_int_t)b->threads,
                          "cores", (json_int_t)cores, "device", c->device, "gain", b->rate / b->alone);
    char *text = json_dumps(o, JSON_REAL_PRECISION(4));
    const int rc = sx_study_remark(s, key, text, &c->diags);
    free(text);
    json_decref(o);
    return rc;
}

static const char *words(cli_context *c, const crew_share *b)
{
    return sx_format(c->arena, "%s at a time, %s each", sx_plural(c->arena, b->jobs, "trial"),
                     sx_plural(c->arena, b->threads, "thread"));
}

/* Does what was measured hold for so many cores? */
static bool holds(const kept *k, const cli_context *c, long cores)
{
    return k->cores == cores && !strcmp(k->device, c->device) && k->share.jobs > 0 &&
           k->share.jobs <= cores && k->share.threads > 0;
}

static int measure_and_keep(cli_context *c, sx_study *s, long most, long cores, crew_share *out)
{
    const crew_share best = measured(c, s, most, cores);
    if (c->stop) return SX_E_STOPPED;
    if (!(best.rate > 0)) {
        sx_warn(&c->diags, SX_NOWHERE, "the time of a step could not be measured: one trial at a time");
        return 0;
    }
    *out = best;
    if (best.jobs > 1)
        cli_note(c, "%s: %.0f rows a second, %.2f times those of one trial with all threads", words(c, out),
                 best.rate, best.rate / best.alone);
    else
        cli_note(c, "%s: %.0f rows a second; more trials at a time gain less than 5 %%", words(c, out),
                 best.rate);
    return keep(c, s, out, cores);
}

int crew_divide(cli_context *c, sx_study *s, crew_share *out)
{
    const long online = sysconf(_SC_NPROCESSORS_ONLN), here = online > 0 ? online : 1,
               cores = c->threads ? c->threads : here, fit = fitting(c, sx_study_exp(s)),
               wanted = sx_study_exp(s)->tune.trials, few = fit < wanted ? fit : wanted,
               most = cores < few ? cores : few;
    kept k = { .cores = -1 };
    *out = (crew_share){ .jobs = 1, .threads = cores };
    const char *why = strcmp(c->device, "cpu") ? "only the cpu is divided"
                      : fit < 2                ? "the memory is enough for no more"
                      : most < 2               ? "there is nothing to divide" : NULL;
    if (why) { cli_note(c, "%s: %s", words(c, out), why); return 0; }
    const int rc = sx_study_remarks(s, read_kept, &k, &c->diags);
    if (rc || !holds(&k, c, cores)) return rc ? rc : measure_and_keep(c, s, most, cores, out);
    *out = k.share;
    if (out->jobs > most) out->jobs = (int)most;
    cli_note(c, "%s, as was measured before", words(c, out));
    return 0;
}
