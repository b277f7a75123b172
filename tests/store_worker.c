/* store_worker.c: a worker that trains nothing, for faults: claims, reports, tells, and dies or lags where
 * it is told to. Each line it prints happened: "claimed NUMBER ATTEMPT", "kept", "told NUMBER", "lost
 * NUMBER". */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strix/store.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "loader.h"

static long trials = 1000000, budget = 1000000, epochs = 1, epoch_ms, ask_ms, skew;
static double lease = 60;
static const char *die = "", *study_name = "s";

/* What this process takes for the time of day; plugins find this one first. */
int clock_gettime(clockid_t id, struct timespec *t)
{
    const int rc = (int)syscall(SYS_clock_gettime, id, t);
    if (id == CLOCK_REALTIME) t->tv_sec += skew;
    return rc;
}

static void nap(long ms) { nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL); }

static const sx_axis axis[2] = { { .name = "x", .kind = SX_AXIS_REAL, .low = 0, .high = 1 },
                                 { .name = "c", .kind = SX_AXIS_CHOICE, .high = 1, .step = 1 } };
static const sx_axis *const axes[] = { &axis[0], &axis[1] };
static const sx_space space = { .n = 2, .objectives = 1, .axis = axes };
static const char *const distribution[] = {
    "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, \"low\": 0.0, \"high\": 1.0, "
    "\"log\": false}}",
    "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"a\", \"b\"]}}"
};

static int ask(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
{
    static double x[2];
    (void)ctx;
    if (!strcmp(die, "ask")) raise(SIGKILL);
    if (!strcmp(die, "hang")) raise(SIGSTOP);
    nap(ask_ms);
    if (made->t.number < 0) return 1;
    x[0] = queued && !isnan(queued->t.x[0]) ? queued->t.x[0] : (double)(made->t.number % 1000) / 1000;
    x[1] = (double)(made->t.number % 2);
    made->t.x = x;
    return 0;
}

static void said(const sx_store *s, const char *what, int rc)
{
    printf("error %s %d: %s\n", what, rc, s->last_error());
    exit(3);
}

static int train(const sx_store *s, sx_db *db, const sx_trial_row *r, const char *worker)
{
    for (long e = 1; e <= epochs; e++) {
        const sx_metric m[] = { { "score", (double)e / 100, 0 }, { "loss", (double)-e, -1 } };
        nap(epoch_ms);
        int rc = s->report(db, r->id, worker, e, 2, m);
        if (rc == 1) puts("kept");
        if (rc >= 0) rc = s->beat(db, r->id, worker, lease);
        if (rc == SX_E_LOST) return rc;
        if (rc < 0 && rc != SX_E_STORE) said(s, "report", rc);
        if (!strcmp(die, "train")) raise(SIGKILL);
    }
    return 0;
}

static int work(const sx_store *s, sx_db *db, int64_t study, const char *worker)
{
    sx_trial_row r;
    for (long n = 0; n < trials;) {
        int rc = s->claim(db, study, worker, lease, budget, ask, NULL, &r);
        if (rc < 0) said(s, "claim", rc);
        if (rc == 1) return 0;
        if (rc == 2) { nap(50); continue; }
        printf("claimed %ld %d\n", r.t.number, r.attempt);
        n++;
        rc = train(s, db, &r, worker);
        const double value = -r.t.x[0];
        sx_trial_row end = r;
        end.worker = worker;
        end.t.fate = SX_DONE;
        end.t.value = &value;
        if (!rc) rc = s->finish(db, &end);
        if (rc && rc != SX_E_LOST) said(s, "finish", rc);
        printf("%s %ld\n", rc ? "lost" : "told", r.t.number);
    }
    return 0;
}

/* --- What the store has --- */

typedef struct { long n, done, failed, running, waiting, reports; bool bad; } sum;

static void add(void *ctx, const sx_trial_row *r)
{
    sum *c = ctx;
    c->bad |= r->t.number != c->n++;
    c->bad |= r->t.fate == SX_DONE && (!r->t.value || -*r->t.value != r->t.x[0]);
    for (long i = 0; i < r->t.steps; i++) c->bad |= r->t.step[i] != i + 1;
    c->reports += r->t.steps;
    c->waiting += r->waiting;
    *(r->t.fate == SX_DONE ? &c->done : r->t.fate == SX_FAILED ? &c->failed : &c->running) += 1;
}

static int show(const sx_store *s, sx_db *db, int64_t study)
{
    sum c = { 0 };
    if (s->trials(db, study, add, &c)) said(s, "trials", -1);
    printf("%ld trials, %ld done, %ld failed, %ld running, %ld reports, %s\n", c.n, c.done, c.failed,
           c.running, c.reports, c.bad ? "BAD" : "in order");
    return c.bad;
}

static int queue(const sx_store *s, sx_db *db, int64_t study)
{
    const double x[] = { 0.125, NAN };
    const sx_trial_row fixed = { .size = sizeof fixed, .t = { .x = x } };
    long number;
    if (s->add(db, study, &fixed, &number)) said(s, "add", -1);
    printf("queued %ld\n", number);
    return 0;
}

int main(int argc, char **argv)
{
    int c;
    alarm(300);                                  /* a test never hangs */
    setvbuf(stdout, NULL, _IOLBF, 0);
    while ((c = getopt(argc, argv, "n:b:e:m:a:l:k:t:s:")) != -1) {
        const long v = optarg ? strtol(optarg, NULL, 10) : 0;
        switch (c) {
        case 'n': trials = v; break;
        case 'b': budget = v; break;
        case 'e': epochs = v; break;
        case 'm': epoch_ms = v; break;
        case 'a': ask_ms = v; break;
        case 'l': lease = strtod(optarg, NULL); break;
        case 'k': die = optarg; break;
        case 't': skew = v; break;
        case 's': study_name = optarg; break;
        default: return 2;
        }
    }
    if (argc - optind != 2) {
        fprintf(stderr,
                "usage: store_worker [-n trials] [-b budget] [-e epochs] [-m ms of an epoch] [-a ms of ask]"
                        " [-l lease] [-k ask|hang|train] [-t skew] [-s study] URL NAME|show|queue\n");
        return 2;
    }
    const char *url = argv[optind], *worker = argv[optind + 1];
    sx_arena *a = sx_arena_open(NULL);
    sx_diags d;
    sx_diags_init(&d, a);
    const sx_entry *e = sx_find(sx_registry_open(a, NULL), SX_KIND_STORE,
                                sx_strndup(a, url, strcspn(url, ":")), SX_NOWHERE, &d);
    if (!e) { sx_diags_print(&d, stderr); return 2; }
    const sx_store *s = (const sx_store *)(const void *)e->item;
    const bool up = true, reads = !strcmp(worker, "show");
    const char *metric = "score";
    const sx_study_row want = { .size = sizeof want, .name = study_name, .config = "", .space = "{}",
                                .objectives = 1, .maximize = &up, .metric = &metric, .axes = &space,
                                .distribution = distribution };
    sx_db *db = NULL;
    int64_t study;
    int rc = s->open(url, !reads, &db);
    if (!rc) rc = s->study(db, &want, &study);
    if (rc) said(s, "open", rc);
    rc = reads                       ? show(s, db, study)
         : !strcmp(worker, "queue") ? queue(s, db, study)
                                    : work(s, db, study, worker);
    s->close(db);
    sx_arena_close(a);
    return rc;
}
