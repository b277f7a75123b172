/* orphans.c: workers of this machine whose supervisor was killed. They stop within a second and give their
 * trials back; who does not wait for that begins further trials beside them, by suggestions that know less. */
#include "crew.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEXT = 4096 };

/* The start of /proc/PID/NAME, which ends with a 0; false: there is no such process. */
static bool read_proc(long pid, const char *name, char text[TEXT], long *n)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : read(fd, text, TEXT - 1);
    if (fd >= 0) close(fd);
    text[got < 0 ? 0 : got] = 0;
    *n = got < 0 ? 0 : (long)got;
    return got >= 0;
}

/* Does it tell its events to a supervisor? (The arguments of a process, each with a 0 behind it.) */
static bool is_hired(long pid)
{
    char text[TEXT];
    long n;
    if (!read_proc(pid, "cmdline", text, &n)) return false;
    for (const char *s = text; s < text + n; s += strlen(s) + 1) if (!strcmp(s, "--events-fd")) return true;
    return false;
}

/* "PID (name) state parent ..": the name may hold anything. */
static long parent_of(long pid)
{
    char text[TEXT], state;
    long n, parent = 0;
    const char *end = read_proc(pid, "stat", text, &n) ? strrchr(text, ')') : NULL;
    return end && sscanf(end + 1, " %c %ld", &state, &parent) == 2 && state != 'Z' ? parent : 0;
}

/* Or may be: nobody may look into the processes of others. */
static bool same_program(long p, long q)
{
    char path[64], one[TEXT], other[TEXT];
    snprintf(path, sizeof path, "/proc/%ld/exe", p);
    const ssize_t n = readlink(path, one, sizeof one);
    snprintf(path, sizeof path, "/proc/%ld/exe", q);
    const ssize_t m = readlink(path, other, sizeof other);
    if (n < 0 || m < 0) return q != 1;           /* the first process takes in all orphans */
    return n == m && !memcmp(one, other, (size_t)n);
}

static bool is_orphan(long pid)
{
    const long parent = is_hired(pid) ? parent_of(pid) : 0;
    return parent > 0 && !same_program(pid, parent);
}

/* How many orphans hold a trial of the study; SX_E_*. */
static long count(cli_context *c, sx_study *s)
{
    sx_arena *a = sx_arena_open(c->arena);
    const char *mine = sx_worker_name(a, 0, 0);
    const size_t host = strlen(mine) - 3;        /* without "0-0" */
    const sx_trial_row *const *row;
    const long n = sx_study_leased(s, a, &row, &c->diags);
    long found = n < 0 ? n : 0;
    for (long i = 0; i < n; i++)
        if (row[i]->t.fate == SX_RUNNING && row[i]->worker && !strncmp(row[i]->worker, mine, host))
            found += is_orphan(strtol(row[i]->worker + host, NULL, 10));
    sx_arena_close(a);
    return found;
}

int crew_await_orphans(cli_context *c, sx_study *s)
{
    enum { TIMES = 200 };                        /* of 50 ms: one that hangs is left alone */
    long n = count(c, s);
    if (n > 0) cli_note(c, "waiting for %ld worker%s of a killed search", n, n == 1 ? "" : "s");
    for (int i = 0; n > 0 && i < TIMES && !c->stop; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
        n = count(c, s);
    }
    return n < 0 ? (int)n : 0;
}
