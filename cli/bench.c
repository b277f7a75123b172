/* bench.c: strix bench step: how long a step of training or inference takes and what memory it needs, on
 * random rows. */
#include "cli.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

typedef struct {
    cli_context *c; bool train, stages; long batch, steps;
    sx_exp *e; sx_machine *m; sx_net *net; sx_budget budget;
    double program;                             /* bytes of the process before anything runs, less its data */
    double first;                             /* seconds from the verb's start to the end of the first step */
    double faults;                               /* minor page faults of a step */
} job;

static const char *const precisions[] = { "f32", "tf32", "bf16" };

static int read_options(job *j)
{
    cli_context *c = j->c;
    const char *mode = cli_text(c, "mode", "train"), *precision = cli_text(c, "precision", NULL);
    if (strcmp(c->arg[0], "step"))
        return cli_usage(c, "there is no benchmark '%s'; there is: step", c->arg[0]);
    if (strcmp(mode, "train") && strcmp(mode, "infer"))
        return cli_usage(c, "--mode is '%s', not train or infer", mode);
    j->train = !strcmp(mode, "train");
    j->stages = cli_flag(c, "stages");
    int bad = cli_load_experiment(c, c->arg[1], &j->e);
    if (bad) return bad;
    cli_warn_freeze(c, j->e);
    for (int i = 0; precision && i < 4; i++) {
        if (i == 3) return cli_usage(c, "--precision is '%s', not f32, tf32 or bf16", precision);
        j->e->train.precision = i;
        if (!strcmp(precision, precisions[i])) break;
    }
    j->batch = j->e->train.batch = j->e->train.eval_batch = cli_long(c, "batch", j->e->train.batch);
    j->steps = cli_long(c, "steps", 50);
    return 0;
}

/* Bytes of this process: VmHWM, its peak, or VmRSS, what it holds now. */
static double process_bytes(const char *field)
{
    char line[256];
    double kb = 0;
    const size_t n = strlen(field);
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, field, n) && line[n] == ':') kb = strtod(line + n + 1, NULL);
    if (f) fclose(f);
    return 1024 * kb;
}

/* Rows of eight batches: more would only test the cache. */
static int open_net(job *j)
{
    cli_context *c = j->c;
    const long rows = 8 * j->batch;
    sx_data_shape s;
    sx_data *data;
    int bad = sx_step_shape(c->arena, j->e, j->train ? rows : 0, j->train ? 0 : rows, &s, &c->diags);
    for (int i = 0; i < s.labels; i++) s.label[i].classes = 1;   /* labels are 0: any model has that output */
    const double before = process_bytes("VmRSS");
    if (!bad) bad = sx_data_random(c->arena, j->m, &s, &data, &c->diags);
    const double written = process_bytes("VmRSS") - before;
    if (!bad) bad = sx_net_open(c->arena, j->e, j->m, data, 1, 0, j->train, &j->net, &c->diags);
    if (bad) return cli_own_net(bad);
    j->budget = sx_net_used(j->net);
    j->program = process_bytes("VmRSS") - written;       /* the net's own buffers are not written yet */
    return sx_net_init(j->net, &c->diags);
}

static int ascending(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* What a step's stages took on the average, beside what they had to do and what the device could do. */
typedef struct { const sx_stage_time *v; long n; sx_limits limits; bool limited; double ms; } stages;

static stages measure_stages(job *j)
{
    stages s = { 0 };
    s.n = sx_net_profile(j->c->arena, j->net, j->train, &s.v);
    s.limited = s.n && sx_machine_limits(j->m, &s.limits);
    for (long i = 0; i < s.n; i++) s.ms += 1e3 * s.v[i].seconds / (double)j->steps;
    return s;
}

/* Of the time, how much the arithmetic or the memory would have taken at least; Winograd's way has less to
 * do than is counted, and what lies in a cache need not be read: it may be above 1. */
static double limit_share(const stages *s, sx_work w, double seconds)
{
    const double compute = w.flop / s->limits.flops, move = (w.read + w.written) / s->limits.bytes_per_s;
    return s->limited && seconds > 0 ? (compute > move ? compute : move) / seconds : NAN;
}

static json_t *json_stages(const job *j, const stages *s)
{
    json_t *all = json_array();
    for (long i = 0; i < s->n; i++) {
        const sx_stage_time *t = &s->v[i];
        const double seconds = t->seconds / (double)j->steps;
        json_t *o = json_pack("{s:s}", "stage", t->name ? t->name : "?");
        cli_json_real(o, "ms", 1e3 * seconds);
        cli_json_real(o, "flop", t->work.flop);
        cli_json_real(o, "read_bytes", t->work.read);
        cli_json_real(o, "written_bytes", t->work.written);
        cli_json_real(o, "flop_per_s", seconds > 0 ? t->work.flop / seconds : 0);
        cli_json_real(o, "bytes_per_s", seconds > 0 ? (t->work.read + t->work.written) / seconds : 0);
        if (s->limited) cli_json_real(o, "limit_share", seconds > 0 ? limit_share(s, t->work, seconds) : 0);
        json_array_append_new(all, o);
    }
    return all;
}

static void stage_row(const job *j, cli_table *t, const stages *s, const char *name, double seconds,
                      sx_work w)
{
    sx_arena *a = j->c->arena;
    const double one = seconds / (double)j->steps, bytes = w.read + w.written;
    const char *share = s->limited ? sx_format(a, "%.0f %%", 100 * limit_share(s, w, one)) : NULL;
    CLI_ROW(t, name, sx_format(a, "%.3f", 1e3 * one), sx_format(a, "%.1f %%", 1e5 * one / s->ms),
            sx_format(a, "%.3f", 1e-9 * w.flop), sx_format(a, "%.2f", 1e-6 * bytes),
            sx_format(a, "%.1f", one > 0 ? 1e-9 * w.flop / one : 0),
            sx_format(a, "%.1f", one > 0 ? 1e-9 * bytes / one : 0), share);
}

/* In order of running; those of less than a hundredth of the step together in the last line. */
static void print_stages(const job *j, const stages *s)
{
    cli_table *t = cli_table_open(j->c, "stage|>ms|>of step|>GFLOP|>MB|>GFLOP/s|>GB/s|>of limit");
    long few = 0;
    double seconds = 0;
    sx_work w = { 0 };
    for (long i = 0; i < s->n; i++) {
        const sx_stage_time *v = &s->v[i];
        if (1e3 * v->seconds / (double)j->steps >= 0.01 * s->ms) {
            stage_row(j, t, s, v->name ? v->name : "?", v->seconds, v->work);
            continue;
        }
        few++, seconds += v->seconds;
        w.flop += v->work.flop, w.read += v->work.read, w.written += v->work.written;
    }
    if (few) stage_row(j, t, s, sx_format(j->c->arena, "%ld small ones", few), seconds, w);
    cli_table_print(t);
    if (!s->n) printf("device '%s' gives no times of stages\n", j->m->name);
    if (s->limited)
        printf("limit: %.0f GFLOP/s, %.1f GB/s\n", 1e-9 * s->limits.flops, 1e-9 * s->limits.bytes_per_s);
}

static void print(job *j, double median)
{
    cli_context *c = j->c;
    const char *precision = precisions[j->e->train.precision];
    const int threads = j->m->threads ? j->m->threads : (int)j->m->info.units;
    const double peak = process_bytes("VmHWM"), predicted = j->program + (double)j->budget.total;
    json_t *doc = json_pack("{s:s, s:s, s:s, s:I, s:I, s:i}", "mode", j->train ? "train" : "infer",
                            "precision", precision, "device", j->m->name, "batch", (json_int_t)j->batch,
                            "steps", (json_int_t)j->steps, "threads", threads);
    json_object_set_new(doc, "device_text", json_string(j->m->info.text ? j->m->info.text : ""));
    cli_json_real(doc, "ms_per_step", 1e3 * median);
    cli_json_real(doc, "images_per_s", (double)j->batch / median);
    cli_json_real(doc, "first_step_s", j->first);
    cli_json_real(doc, "page_faults_per_step", j->faults);
    json_object_set_new(doc, "peak_bytes", json_integer((json_int_t)peak));
    json_object_set_new(doc, "predicted_bytes", json_integer((json_int_t)predicted));
    json_object_set_new(doc, "program_bytes", json_integer((json_int_t)j->program));
    json_object_set_new(doc, "device_bytes", json_integer((json_int_t)j->budget.total));
    json_object_set_new(doc, "slab_bytes", json_integer((json_int_t)j->budget.slab));
    json_object_set_new(doc, "scratch_bytes", json_integer((json_int_t)j->budget.scratch));
    json_object_set_new(doc, "parameters", json_integer(j->budget.parameters));
    json_object_set_new(doc, "frozen", json_integer(j->budget.frozen));
    json_object_set_new(doc, "macs", json_integer((json_int_t)j->budget.macs));
    const stages s = c->json || j->stages ? measure_stages(j) : (stages){ 0 };
    json_object_set_new(doc, "stages", json_stages(j, &s));
    if (s.limited) {
        cli_json_real(doc, "limit_flop_per_s", s.limits.flops);
        cli_json_real(doc, "limit_bytes_per_s", s.limits.bytes_per_s);
    }
    if (c->json) { cli_json_print(c, doc); return; }
    json_decref(doc);
    if (j->stages) print_stages(j, &s);
    printf("%s %s, batch %ld: %.2f ms a step, %.0f images/s, ", precision, j->train ? "train" : "infer",
           j->batch, 1e3 * median, (double)j->batch / median);
    printf("peak %s (predicted %s: %s of the program, %s on the device)\n", cli_bytes(c->arena, peak),
           cli_bytes(c->arena, predicted), cli_bytes(c->arena, j->program),
           cli_bytes(c->arena, (double)j->budget.total));
    const char *text = j->m->info.text;
    printf("device %s%s%s, %s\n", j->m->name, text ? ": " : "", text ? text : "",
           sx_plural(c->arena, threads, "thread"));
}

static double page_faults(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) ? 0 : (double)u.ru_minflt;
}

static int run(cli_context *c)
{
    enum { WARM = 3 };
    job j = { .c = c };
    const double start = sx_net_now();
    int bad = read_options(&j);
    if (!bad) bad = cli_machine(c, &j.m);
    if (!bad) bad = open_net(&j);
    if (bad) return bad;
    double *seconds = sx_alloc_array(c->arena, (size_t)j.steps, sizeof *seconds);
    bad = sx_net_time_steps(j.net, j.train, 0, 1, seconds, &c->diags);
    j.first = sx_net_now() - start;
    if (!bad) bad = sx_net_time_steps(j.net, j.train, WARM - 1, 1, seconds, &c->diags);
    const double faults = page_faults();
    if (!bad) bad = sx_net_time_steps(j.net, j.train, 0, j.steps, seconds, &c->diags);
    j.faults = (page_faults() - faults) / (double)j.steps;
    if (bad) return bad;
    qsort(seconds, (size_t)j.steps, sizeof *seconds, ascending);
    print(&j, 0.5 * (seconds[(j.steps - 1) / 2] + seconds[j.steps / 2]));
    return 0;
}

static const cli_option options[] = {
    { "mode", 0, CLI_TEXT, "MODE", "train or infer; default: train", 0, 0 },
    { "precision", 0, CLI_TEXT, "TYPE", "f32, tf32 or bf16; default: train.precision", 0, 0 },
    { "batch", 0, CLI_LONG, "N", "rows of a step; default: train.batch", 1, 1 << 16 },
    { "steps", 0, CLI_LONG, "N", "timed steps; default 50", 1, 1000000 },
    { "stages", 0, CLI_FLAG, NULL, "also the time and the work of each stage of the device", 0, 0 },
    CLI_END
};

const cli_verb verb_bench = { .name = "bench", .args = "step FILE",
                              .doc = "time of a step and its memory, on random rows",
                              .least = 2, .most = 2, .options = options, .run = run };
