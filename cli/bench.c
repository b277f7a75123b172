/* bench.c: strix bench step: how long a step of training or inference takes and what memory it needs, on
 * random rows. */
#include "cli.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    cli_context *c; bool train, stages; long batch, steps;
    sx_exp *e; sx_machine *m; sx_net *net; sx_budget budget;
    double program;                              /* bytes of the process before anything runs, less its data */
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
    for (int i = 0; i < s.labels; i++) s.label[i].classes = 1;       /* labels are 0: any model has that output */
    const double before = process_bytes("VmRSS");
    if (!bad) bad = sx_data_random(c->arena, j->m, &s, &data, &c->diags);
    const double written = process_bytes("VmRSS") - before;
    if (!bad) bad = sx_net_open(c->arena, j->e, j->m, data, 1, 0, j->train, &j->net, &c->diags);
    if (bad) return bad;
    j->budget = sx_net_used(j->net);
    j->program = process_bytes("VmRSS") - written;       /* the net's own buffers are not written yet */
    return sx_net_init(j->net, &c->diags);
}

static int ascending(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

enum { STAGES = 1000 };
static void print_stages(job *j, json_t *doc)
{
    double *seconds = sx_alloc_array(j->c->arena, STAGES, sizeof *seconds);
    const char **name = sx_alloc_array(j->c->arena, STAGES, sizeof *name);
    const int n = sx_net_profile(j->net, j->train, STAGES, seconds, name);
    cli_table *t = cli_table_open(j->c, "stage|>ms");
    json_t *all = json_array();
    for (int i = 0; i < n && i < STAGES; i++) {
        const double ms = 1e3 * seconds[i] / (double)j->steps;
        json_array_append_new(all, json_pack("{s:s, s:f}", "stage", name[i] ? name[i] : "?", "ms", ms));
        CLI_ROW(t, name[i] ? name[i] : "?", sx_format(j->c->arena, "%.3f", ms));
    }
    if (!j->c->json) cli_table_print(t);
    if (!j->c->json && !n) printf("device '%s' gives no times of stages\n", j->m->name);
    json_object_set_new(doc, "stages", all);
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
    cli_json_real(doc, "ms_per_step", 1e3 * median);
    cli_json_real(doc, "images_per_s", (double)j->batch / median);
    json_object_set_new(doc, "peak_bytes", json_integer((json_int_t)peak));
    json_object_set_new(doc, "predicted_bytes", json_integer((json_int_t)predicted));
    json_object_set_new(doc, "program_bytes", json_integer((json_int_t)j->program));
    json_object_set_new(doc, "device_bytes", json_integer((json_int_t)j->budget.total));
    json_object_set_new(doc, "slab_bytes", json_integer((json_int_t)j->budget.slab));
    json_object_set_new(doc, "scratch_bytes", json_integer((json_int_t)j->budget.scratch));
    json_object_set_new(doc, "parameters", json_integer(j->budget.parameters));
    json_object_set_new(doc, "macs", json_integer((json_int_t)j->budget.macs));
    if (j->stages) print_stages(j, doc);
    if (c->json) { cli_json_print(c, doc); return; }
    json_decref(doc);
    printf("%s %s, batch %ld: %.2f ms a step, %.0f images/s, ", precision, j->train ? "train" : "infer",
           j->batch, 1e3 * median, (double)j->batch / median);
    printf("peak %s (predicted %s: %s of the program, %s on the device)\n", cli_bytes(c->arena, peak),
           cli_bytes(c->arena, predicted), cli_bytes(c->arena, j->program),
           cli_bytes(c->arena, (double)j->budget.total));
}

static int run(cli_context *c)
{
    job j = { .c = c };
    int bad = read_options(&j);
    if (!bad) bad = cli_machine(c, &j.m);
    if (!bad) bad = open_net(&j);
    if (bad) return bad;
    double *seconds = sx_alloc_array(c->arena, (size_t)j.steps, sizeof *seconds);
    bad = sx_net_time_steps(j.net, j.train, j.steps, seconds, &c->diags);
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
    { "stages", 0, CLI_FLAG, NULL, "also the time of each stage of the device", 0, 0 },
    CLI_END
};

const cli_verb verb_bench = { .name = "bench", .args = "step FILE",
                              .doc = "time of a step and its memory, on random rows",
                              .least = 2, .most = 2, .options = options, .run = run };
