/* crew.c: a small supervisor over `strix worker` processes: starts them (posix_spawn: no thread, database or
 * device crosses it), shows what they tell, passes signals on, and starts another one where one dies. */
#include "crew.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE_FD = 3, QUICK_DEATHS = 3, LINE_MOST = 1 << 20 };
typedef struct {                                 /* one place of the crew; pid 0: nobody */
    pid_t pid; int fd; wire_trial trial;
    double until; int late;                      /* of its trial, 0: no limit; how often it was told to end */
    int deaths;                                  /* in a row, without a word */
    bool heard; char *line; size_t n, room;
} member;
typedef struct { cli_context *c; const crew_want *w; member *v; double end; bool told; int rc; } crew;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- Starting --- */

const char *crew_self(sx_arena *a)
{
    char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    return n > 0 ? sx_strndup(a, path, (size_t)n) : "strix";
}

typedef struct { const char **v; long n, cap; } words;

static void arguments(const crew *k, words *to)
{
    cli_context *c = k->c;
    sx_arena *a = c->arena;
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const long threads = k->w->threads ? k->w->threads
                         : c->threads  ? c->threads
                         : cores > k->w->jobs ? cores / k->w->jobs : 1;
    const double left = k->end - now();
    const char *const fixed[] = { "strix",
                                  "worker",
                                  "--quiet",
                                  "--store",
                                  sx_study_url(k->w->study),
                                  "--study",
                                  sx_study_name(k->w->study),
                                  "--device",
                                  c->device,
                                  "--threads",
                                  sx_format(a, "%ld", threads),
                                  "--events-fd",
                                  sx_format(a, "%d", LINE_FD) };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) SX_PUSH(a, *to, fixed[i]);
    if (k->end > 0) {
        SX_PUSH(a, *to, "--time");
        SX_PUSH(a, *to, sx_format(a, "%.3f", left > 0.001 ? left : 0.001));
    }
    const char *const *dir;
    const long dirs = cli_list(c, "plugin-path", &dir);
    for (long i = 0; i < dirs; i++) {
        SX_PUSH(a, *to, "--plugin-path");
        SX_PUSH(a, *to, dir[i]);
    }
    SX_PUSH(a, *to, NULL);
}

extern char **environ;

/* In a process group of its own: a terminal's Ctrl-C reaches the supervisor alone, which passes it on once.
 */
static int spawn(crew *k, member *m, int line)
{
    words argv = { 0 };
    posix_spawn_file_actions_t act;
    posix_spawnattr_t attr;
    sigset_t none;
    arguments(k, &argv);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&act);
    posix_spawn_file_actions_addopen(&act, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&act, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&act, line, LINE_FD);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    const int rc =
        posix_spawn(&m->pid, crew_self(k->c->arena), &act, &attr, (char *const *)(uintptr_t)argv.v, environ);
    posix_spawn_file_actions_destroy(&act);
    posix_spawnattr_destroy(&attr);
    return rc ? cli_fail(k->c, SX_E_IO, "a worker could not be started: %s", strerror(rc)) : 0;
}

static int hire(crew *k, member *m)
{
    int ends[2], line;
    if (pipe2(ends, O_CLOEXEC)) return cli_fail(k->c, SX_E_IO, "no pipe for a worker: %s", strerror(errno));
    line = fcntl(ends[1], F_DUPFD_CLOEXEC,
                 LINE_FD + 10); /* not LINE_FD itself, which would stay closed on exec */
    close(ends[1]);
    const int rc =
        line < 0 ? cli_fail(k->c, SX_E_IO, "no pipe for a worker: %s", strerror(errno)) : spawn(k, m, line);
    if (line >= 0) close(line);
    if (rc) { close(ends[0]); m->pid = 0; return rc; }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    m->fd = ends[0];
    m->trial = (wire_trial){ .number = -1 };
    m->until = m->late = 0;
    m->heard = false;
    m->n = 0;
    return 0;
}

/* --- Listening --- */

static void hear(crew *k, member *m, char *text)
{
    m->heard = true;
    wire_show(k->c, k->w->study, k->w->progress, text, &m->trial);
    if (m->trial.number < 0) m->until = 0;
    else if (m->trial.left > 0) m->until = now() + m->trial.left;
    m->trial.left = 0;
}

/* Reads what there is; false: the line is closed. */
static bool listen_to(crew *k, member *m)
{
    for (;;) {
        if (m->n + 4096 > m->room && m->room < LINE_MOST) {
            m->line = sx_grow(k->c->arena, m->line, m->n, 2 * m->room + 8192, 1);
            m->room = 2 * m->room + 8192;
        }
        const ssize_t got = read(m->fd, m->line + m->n, m->room - m->n - 1);
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        if (got == 0) return false;
        m->n += (size_t)got;
        char *from = m->line, *newline;
        while ((newline = memchr(from, '\n', m->n - (size_t)(from - m->line)))) {
            *newline = 0;
            hear(k, m, from);
            from = newline + 1;
        }
        m->n -= (size_t)(from - m->line);
        memmove(m->line, from, m->n);
        if (m->n + 1 >= LINE_MOST) m->n = 0;     /* no worker writes such a line */
    }
}

/* --- Leaving --- */

static double trial_time(const crew *k) { return sx_study_exp(k->w->study)->tune.trial_time; }

/* A worker fails a trial by itself when its time is over; this is for those that hang in somebody's code. */
static void keep_time(crew *k)
{
    const double grace = fmin(fmax(trial_time(k) / 10, 0.5), 10), t = now();
    for (int i = 0; i < k->w->jobs; i++) {
        member *m = &k->v[i];
        if (!m->pid || !(m->until > 0) || m->late > 1 || t < m->until + (m->late + 1) * grace) continue;
        kill(m->pid, m->late++ ? SIGKILL : SIGTERM);
    }
}

static int overdue(crew *k, member *m, pid_t pid)
{
    const char *reason = sx_format(k->c->arena, "it took longer than tune.trial_time, %s, and was killed",
                                   cli_seconds(k->c->arena, trial_time(k)));
    if (m->trial.number >= 0) cli_progress_end(k->w->progress, m->trial.number, SX_FAILED, NAN, reason);
    const int rc = sx_work_fail(k->w->study, (long)pid, reason, &k->c->diags);
    return rc || k->c->stop ? rc : hire(k, m);
}

static int died(crew *k, member *m, pid_t pid, int signal)
{
    if (m->trial.number >= 0)
        cli_progress_end(k->w->progress, m->trial.number, SX_RUNNING, NAN,
                         "its worker died, another one goes on");
    cli_progress_note(k->w->progress, "worker %ld died: %s", (long)pid, strsignal(signal));
    const int rc = sx_work_revive(k->w->study, (long)pid, &k->c->diags);
    if (rc || k->c->stop) return rc;
    m->deaths = m->heard ? 0 : m->deaths + 1;
    if (m->deaths < QUICK_DEATHS) return hire(k, m);
    return cli_fail(k->c, SX_E_IO, "%d workers in a row died (%s) before they said a word", QUICK_DEATHS,
                    strsignal(signal));
}

static void dismiss(crew *k, member *m)
{
    const pid_t pid = m->pid;
    int status = 0;
    close(m->fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    m->pid = 0;
    int rc = 0;
    if (m->late) rc = overdue(k, m, pid);
    else if (WIFSIGNALED(status)) rc = died(k, m, pid, WTERMSIG(status));
    else if (WEXITSTATUS(status) && WEXITSTATUS(status) < 128) {
        rc = sx_diags_code(&k->c->diags);
        if (!rc) rc = cli_fail(k->c, SX_E_IO, "a worker ended with code %d", WEXITSTATUS(status));
    }
    if (!k->rc) k->rc = rc;
}

static void pass_on(crew *k, int signal)
{
    for (int i = 0; i < k->w->jobs; i++) if (k->v[i].pid) kill(k->v[i].pid, signal);
}

/* Until nobody is left. */
static void attend(crew *k)
{
    struct pollfd *p = sx_alloc_array(k->c->arena, (size_t)k->w->jobs, sizeof *p);
    for (;;) {
        int n = 0;
        for (int i = 0; i < k->w->jobs; i++)
            if (k->v[i].pid) p[n++] = (struct pollfd){ .fd = k->v[i].fd, .events = POLLIN };
        if (!n) return;
        if (k->c->stop && !k->told) { k->told = true; pass_on(k, SIGINT); }
        keep_time(k);
        if (poll(p, (nfds_t)n, 200) <= 0) continue;
        for (int i = 0; i < k->w->jobs; i++)
            if (k->v[i].pid && !listen_to(k, &k->v[i])) dismiss(k, &k->v[i]);
        if (k->rc && !k->told) { k->told = true; pass_on(k, SIGINT); }
    }
}

int crew_run(cli_context *c, const crew_want *w)
{
    crew k = { .c = c, .w = w, .v = sx_alloc_array(c->arena, (size_t)w->jobs, sizeof(member)),
               .end = w->seconds > 0 ? now() + w->seconds : 0 };
    signal(SIGPIPE, SIG_IGN);
    k.rc = crew_await_orphans(c, w->study);
    for (int i = 0; i < w->jobs && !k.rc; i++) k.rc = hire(&k, &k.v[i]);
    attend(&k);
    return k.rc ? k.rc : c->stop ? SX_E_STOPPED : 0;
}

cli_progress *crew_progress(cli_context *c, sx_study *s)
{
    const sx_exp *e = sx_study_exp(s);
    const sx_trial_row *const *row;
    const long n = sx_study_brief(s, c->arena, &row, &c->diags);
    cli_progress_want w = { .title = sx_study_name(s),
                            .trials = e->tune.trials,
                            .objective = e->tune.objective[0],
                            .maximize = e->tune.maximize[0],
                            .several = e->tune.objectives > 1 };
    for (long i = 0; i < n; i++) w.done += row[i]->t.fate != SX_RUNNING && row[i]->t.fate != SX_PAUSED;
    const sx_trial_row *best = w.several ? NULL : sx_study_best(s, c->arena, &c->diags);
    if (best) {
        w.has_best = true;
        w.best = *best->t.value;
        w.best_trial = best->t.number;
    }
    return cli_progress_open(c, &w);
}
