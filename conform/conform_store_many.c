/* conform_store_many.c: what any store must do for many workers: hand out each trial once, wait instead of
 * failing, survive whoever dies. */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "conform_store.h"

enum { WORKERS = 4, EACH = 10, TIMED = 100 };

/* In a process of its own: opens the store anew. */
static pid_t begin(tried *t, int (*work)(tried *t, int who), int who, const char *name)
{
    fflush(t->c->out);
    const pid_t child = fork();
    if (child) return child;
    const sx_study_row want = conform_study(t, name);
    t->db = NULL;
    if (t->s->open(t->url, true, &t->db) || t->s->study(t->db, &want, &t->study)) _exit(1);
    const int rc = work(t, who);
    t->s->close(t->db);
    _exit(rc);
}

static int ended(pid_t child)
{
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

static bool join(tried *t, const char *name)
{
    const sx_study_row want = conform_study(t, name);
    return !t->s->study(t->db, &want, &t->study);
}

static bool in_order(tried *t, long n, long done)
{
    static heard h;
    h.n = 0;
    bool fine = !t->s->trials(t->db, t->study, conform_hear, &h) && h.n == n;
    for (long i = 0; fine && i < n; i++) {
        fine = h.row[i].t.number == i;
        done -= h.row[i].t.fate == SX_DONE;
    }
    return fine && !done;
}

static int crowd(tried *t, int who)
{
    char name[16];
    snprintf(name, sizeof name, "w%d", who);
    for (int i = 0; i < EACH; i++) {
        sx_trial_row r = { 0 };
        if (conform_claim(t, name, 60, 10000, &r) || conform_finish(t, &r, SX_DONE, 1, NULL)) return 2;
    }
    return 0;
}

static void check_crowd(tried *t)
{
    pid_t child[WORKERS];
    bool fine = true;
    for (int i = 0; i < WORKERS; i++) child[i] = begin(t, crowd, i, "crowd");
    for (int i = 0; i < WORKERS; i++) fine = !ended(child[i]) && fine;
    conform_check(t->c, fine, "%d processes ask and tell %d trials each, and none fails", WORKERS, EACH);
    fine = join(t, "crowd") && in_order(t, WORKERS * EACH, WORKERS * EACH);
    conform_check(t->c, fine, "numbers are 0 .. %d, and nothing is lost", WORKERS * EACH - 1);
}

static int one_each(tried *t, int who)
{
    sx_trial_row r = { 0 };
    return conform_claim(t, who ? "a" : "b", 60, 2, &r) ? 100 : r.queued ? 10 : 11;
}

static void check_queue(tried *t)
{
    const double fixed[] = { 0.5, 0, NAN };
    const sx_trial_row q = { .size = sizeof q, .t = { .x = fixed } };
    long number = -1;
    bool fine = join(t, "queue") && !t->s->add(t->db, t->study, &q, &number) && number == 0;
    const pid_t a = begin(t, one_each, 0, "queue"), b = begin(t, one_each, 1, "queue");
    const int x = ended(a), y = ended(b);
    fine = fine && WIFEXITED(x) && WIFEXITED(y) && WEXITSTATUS(x) + WEXITSTATUS(y) == 21;
    conform_check(t->c, fine, "two workers and one queued trial: one of them gets it, the other a new one");
}

static int die(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
{
    (void)ctx, (void)queued, (void)made;
    raise(SIGKILL);
    return 0;
}

static int die_asking(tried *t, int who)
{
    sx_trial_row r = { 0 };
    (void)who;
    return t->s->claim(t->db, t->study, "dead", 60, 9, die, NULL, &r);
}

static int die_training(tried *t, int who)
{
    sx_trial_row r = { 0 };
    (void)who;
    if (!conform_claim(t, "dead", 0.3, 9, &r)) raise(SIGKILL);
    return 1;
}

static void check_deaths(tried *t)
{
    sx_trial_row r = { 0 };
    bool fine = join(t, "deaths") && WIFSIGNALED(ended(begin(t, die_asking, 0, "deaths"))) &&
                !conform_claim(t, "w", 60, 9, &r) && r.t.number == 0;
    conform_check(t->c, fine, "a worker killed inside its claim leaves nothing behind");
    fine = fine && !conform_finish(t, &r, SX_DONE, 1, NULL) &&
           WIFSIGNALED(ended(begin(t, die_training, 0, "deaths")));
    nanosleep(&(struct timespec){ .tv_nsec = 400000000 }, NULL);
    fine = fine && !conform_claim(t, "w", 60, 9, &r) && r.t.number == 1 && r.attempt == 2;
    conform_check(t->c, fine, "the trial of one killed outside goes on when its lease is over");
    fine = fine && !conform_finish(t, &r, SX_DONE, 1, NULL) && in_order(t, 2, 2);
    conform_check(t->c, fine, "and nothing is lost");
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void report_speed(tried *t)
{
    sx_trial_row r = { 0 };
    bool fine = join(t, "speed");
    const double from = now();
    for (int i = 0; i < TIMED && fine; i++)
        fine = !conform_claim(t, "w", 60, 9999, &r) && !conform_finish(t, &r, SX_DONE, 1, NULL);
    if (conform_check(t->c, fine, "%d trials one after the other", TIMED))
        conform_note(t->c, "%.2f ms each", 1e3 * (now() - from) / TIMED);
}

void conform_store_many(tried *t)
{
    check_crowd(t);
    check_queue(t);
    check_deaths(t);
    report_speed(t);
}
