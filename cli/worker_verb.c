/* worker_verb.c: strix worker: runs trials of a study until nothing is left. `strix tune` is a supervisor
 * over such processes; on another shell or machine the same verb joins the study by its store alone. */
#include "crew.h"
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

typedef struct { cli_context *c; int fd; cli_progress *progress; } listener;

/* Where a trial hangs and nobody is left to kill this process, the clock does. */
static void set_alarm(const sx_event *e)
{
    enum { LATER = 30 };                         /* seconds that the supervisor has for it */
    if (!strcmp(e->kind, "trial_start")) alarm(e->left > 0 ? (unsigned)fmin(e->left, 1e9) + LATER : 0);
    else if (!strcmp(e->kind, "trial_end")) alarm(0);
}

/* What is to be known before hours of search: it is not kept until they are over. */
static void tell_warnings(const listener *l)
{
    cli_context *c = l->c;
    if (!c->diags.n || c->diags.errors) return;
    if (l->fd < 0) cli_progress_diags(l->progress, &c->diags);
    else wire_errors(l->fd, &c->diags);
    sx_diags_init(&c->diags, c->arena);
}

static void on_event(void *ctx, const sx_event *e)
{
    const listener *l = ctx;
    set_alarm(e);
    tell_warnings(l);
    if (l->fd < 0) cli_progress_event(l->progress, e);
    else if (!wire_event(l->fd, e)) {
        signal(SIGTERM, SIG_IGN);                /* of the same death: a second signal would end it here */
        l->c->stop = 2;
    }
}

/* A supervisor that is killed leaves no workers behind: they give their trial back as it was saved last. */
static int follow_parent(cli_context *c)
{
    signal(SIGPIPE, SIG_IGN);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM))
        return cli_fail(c, SX_E_IO, "the death of the parent cannot be watched");
    if (getppid() == 1) c->stop = 1; /* it is dead already (or is process 1, which takes no workers) */
    return 0;
}

static int work(cli_context *c, sx_study *s, listener *l)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    const double seconds = cli_real(c, "time", 0);
    const sx_worker_want w = { .device = c->device,
                               .threads = c->threads,
                               .stop = &c->stop,
                               .event = on_event,
                               .ctx = l,
                               .whole = l->fd < 0,
                               .until =
                                   seconds > 0 ? (double)t.tv_sec + 1e-9 * (double)t.tv_nsec + seconds : 0 };
    long done, failed;
    return sx_work_run(c->arena, s, &w, &done, &failed, &c->diags);
}

static int run(cli_context *c)
{
    sx_study *s = NULL;
    listener l = { .c = c, .fd = (int)cli_long(c, "events-fd", -1) };
    const int jobs = (int)cli_long(c, "jobs", 1);
    const char *store = cli_text(c, "store", NULL), *name = cli_text(c, "study", NULL);
    if (!store || !name) return cli_usage(c, "worker needs --store and --study");
    if (c->dry_run) return cli_usage(c, "worker knows no --dry-run");
    int rc = l.fd >= 0 ? follow_parent(c) : 0;
    if (!rc) rc = sx_study_open(c->arena, cli_registry(c), NULL, store, name, true, &s, &c->diags);
    if (!rc && l.fd < 0) l.progress = crew_progress(c, s);
    /* A trial with a limit of time runs in a process that can be killed. */
    if (!rc && (jobs > 1 || (l.fd < 0 && sx_study_exp(s)->tune.trial_time > 0)))
        rc = crew_run(
            c, &(crew_want){
                   .study = s, .jobs = jobs, .seconds = cli_real(c, "time", 0), .progress = l.progress });
    else if (!rc) rc = work(c, s, &l);
    cli_progress_close(l.progress);
    bool stopped = false;
    if (!rc && l.fd < 0) rc = sx_study_stopped(s, &stopped, &c->diags);
    if (stopped) cli_note(c, "study %s is stopped; `strix study resume` or `strix tune` goes on", name);
    if (!rc && c->json && l.fd < 0)
        cli_json_print(c, json_pack("{s:s, s:s, s:b}", "study", name, "store", store, "stopped", stopped));
    if (l.fd >= 0) {
        if (s) wire_refusals(l.fd, sx_study_refusals(s));
        wire_errors(l.fd, &c->diags);
        sx_diags_init(&c->diags, c->arena);      /* told there, not here */
        return rc < 0 ? cli_exit_code(c, rc) : rc;
    }
    return rc;
}

static const cli_option options[] = {
    { "store", 0, CLI_TEXT, "URL", "where the study is: sqlite:PATH, postgresql://USER@HOST/DATABASE", 0, 0 },
    { "study", 0, CLI_TEXT, "NAME", "its name", 0, 0 },
    { "jobs", 'j', CLI_LONG, "K", "worker processes (default: 1, this one)", 1, 1024 },
    { "time", 0, CLI_TIME, "T", "time that there is: no trial starts that may not end by then", 0, 0 },
    { "events-fd", 0, CLI_LONG, "N",
      "tell events and errors through this open descriptor (as strix tune wants it)", 3, 1024 },
    CLI_END
};

const cli_verb verb_worker = { .name = "worker",
                               .args = "--store URL --study NAME",
                               .doc = "join a search from another shell or machine",
                               .least = 0,
                               .most = 0,
                               .options = options,
                               .run = run };
