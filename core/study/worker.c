/* worker.c: claims a trial, trains it, tells; repeats until nothing is left. The lease is kept alive from the
 * training's pulse; whoever takes a trial over goes on from its run directory's checkpoint. */
#include "worker.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "log.h"
#include "replica.h"
#include "search.h"

typedef struct {
    sx_arena *a; sx_study *s; const sx_worker_want *w; sx_diags *d;
    sx_machine *machine;
    const char *name; double lease; long budget;
    sx_arena *data_arena; sx_data *data; const sx_exp *data_of;      /* of the trial before */
} worker;
typedef struct {                                 /* one trial */
    worker *w; sx_arena *a; sx_claim claim; sx_diags d;
    double beaten;                               /* when the lease was last renewed */
    double last;                                 /* the latest finite value of the objective */
    double until;                                /* when its time is over; 0: never */
} job;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool stopped(const worker *w) { return w->w->stop && *w->w->stop; }

const char *sx_worker_name(sx_arena *a, long pid, int thread)
{
    char host[128] = "";
    if (gethostname(host, sizeof host - 1)) snprintf(host, sizeof host, "localhost");
    return sx_format(a, "%s-%ld-%d", host, pid, thread);
}

/* --- Events of a trial --- */

static void event(const job *j, sx_event e)
{
    e.claim = &j->claim;
    e.of_epochs = j->claim.exp ? j->claim.exp->train.epochs : 0;
    if (j->w->w->event) j->w->w->event(j->w->w->ctx, &e);
}

/* A store that is busy or away for a moment is no reason to stop: the lease lasts for three beats. */
static int beat(job *j)
{
    if (now() - j->beaten < j->w->lease / 3) return 0;
    const int rc = sx_study_beat(j->w->s, &j->claim, j->w->name, j->w->lease, &j->d);
    if (rc && rc != SX_E_STORE) return rc;
    if (rc) sx_log(SX_LOG_WARN, "worker", "trial %ld: no sign of life could be given", j->claim.row.t.number);
    else j->beaten = now();
    return 0;
}

/* The process that started this one looks after those that no longer come here. */
static int check_time(job *j)
{
    if (!(j->until > 0) || now() < j->until) return 0;
    return sx_error(&j->d, SX_E_REFUSED, SX_NOWHERE, "it took longer than tune.trial_time");
}

static int on_pulse(void *ctx, long epoch, double share)
{
    job *j = ctx;
    if (check_time(j)) return SX_E_REFUSED;
    event(j, (sx_event){ .kind = "pulse", .at_epoch = epoch, .share = share });
    return beat(j);
}

static int on_epoch(void *ctx, const sx_epoch *e)
{
    job *j = ctx;
    const long objective = sx_goal_place(j->claim.exp->tune.objective[0], e->n, e->name);
    if (objective >= 0 && isfinite(e->value[objective])) j->last = e->value[objective];
    if (!e->again) event(j, (sx_event){ .kind = "epoch", .epoch = e });
    const int rc = sx_study_report(j->w->s, &j->claim, e->epoch, e->n, e->name, e->value, &j->d);
    return rc ? rc : check_time(j) ? SX_E_REFUSED : beat(j);
}

/* --- Run directories --- */

/* What lies there from an older study of that name is removed before the store names the directory: what is
 * found there after a take-over is this trial's. */
static int run_dir(job *j, const char **dir)
{
    const sx_exp *e = sx_study_exp(j->w->s);
    *dir = sx_format(j->a, "%s/trial-%04ld", e->study.runs, j->claim.row.t.number);
    if (j->claim.row.dir && !strcmp(j->claim.row.dir, *dir)) return 0;
    sx_replicas_forget(*dir);
    return sx_study_note(j->w->s, &j->claim, "strix:dir", sx_json_text(j->a, *dir), &j->d);
}

/* Of equal values the earlier trial is kept: all workers must choose the same. */
typedef struct { double value; long number; const char *dir; } kept;
static int by_value(const void *x, const void *y)
{
    const kept *a = x, *b = y;
    const int order = (a->value > b->value) - (a->value < b->value);
    return order ? order : (a->number > b->number) - (a->number < b->number);
}

static bool among(const sx_trial_row *const *row, long n, long number)
{
    for (long i = 0; i < n; i++) if (row[i]->t.number == number) return true;
    return false;
}

/* Of several objectives the whole front is kept, of one the best trials. */
int sx_work_tidy(sx_study *s, sx_diags *d)
{
    sx_arena *a = sx_arena_open(NULL);
    const sx_tune_conf *t = &sx_study_exp(s)->tune;
    const sx_trial_row *const *row, *const *front = NULL;
    struct { kept *v; long n, cap; } done = { 0 };
    const long n = sx_study_brief(s, a, &row, d),
               fronts = t->objectives > 1 ? sx_study_front(s, a, &front, d) : 0;
    for (long i = 0; i < n && fronts >= 0; i++) {
        const sx_trial_row *r = row[i];
        if (!r->dir || r->t.fate == SX_RUNNING || r->t.fate == SX_PAUSED) continue;
        const bool good = r->t.fate == SX_DONE && r->t.value && sx_study_feasible(s, r);
        if (good && t->objectives == 1)
            SX_PUSH(a, done, ((kept){ t->maximize[0] ? -*r->t.value : *r->t.value, r->t.number, r->dir }));
        else if (!among(front, fronts, r->t.number)) sx_replicas_forget(r->dir);
    }
    if (done.n) qsort(done.v, (size_t)done.n, sizeof *done.v, by_value);
    for (long i = t->keep; i < done.n; i++) sx_replicas_forget(done.v[i].dir);
    sx_arena_close(a);
    return n < 0 ? (int)n : fronts < 0 ? (int)fronts : 0;
}

/* --- The data set, opened again only where the point changes it --- */

static bool same_setting(const sx_param *p, const void *x, const void *y)
{
    const void *a = (const char *)x + p->offset, *b = (const char *)y + p->offset;
    switch (p->type) {
    case SX_TYPE_INT: return *(const long *)a == *(const long *)b;
    case SX_TYPE_REAL: return *(const double *)a == *(const double *)b;
    case SX_TYPE_BOOL: return *(const bool *)a == *(const bool *)b;
    case SX_TYPE_CHOICE: return *(const int *)a == *(const int *)b;
    case SX_TYPE_TEXT: {
        const char *s = *(const char *const *)a, *t = *(const char *const *)b;
        return s == t || (s && t && !strcmp(s, t));
    }
    case SX_TYPE_TEXTS: {
        const sx_texts *s = a, *t = b;
        for (long i = 0; i < s->n && s->n == t->n; i++) if (strcmp(s->v[i], t->v[i])) return false;
        return s->n == t->n;
    }
    case SX_TYPE_INTS: case SX_TYPE_REALS: break;                    /* rare: opened again */
    }
    return false;
}

static bool same_data(const sx_data_conf *x, const sx_data_conf *y)
{
    const sx_entry *e = x->set.entry;
    if (e != y->set.entry || x->val != y->val || x->split_seed != y->split_seed || x->limit != y->limit)
        return false;
    for (const sx_param *p = e->params; p->name; p++)
        if (!same_setting(p, x->set.params, y->set.params)) return false;
    return true;
}

static int open_data(job *j)
{
    worker *w = j->w;
    if (w->data && same_data(&w->data_of->data, &j->claim.exp->data)) return 0;
    sx_arena_close(w->data_arena);
    w->data_arena = sx_arena_open(w->a);
    w->data = NULL;
    sx_exp *at = NULL;                           /* of its own: it outlives the trial */
    int rc = sx_exp_at(w->data_arena, sx_study_exp(w->s), j->claim.x, &at, &j->d);
    if (!rc) rc = sx_data_open(w->data_arena, at, w->machine, at->tune.test, &w->data, &j->d);
    w->data_of = at;
    if (rc) w->data = NULL;
    return rc;
}

/* --- One trial --- */

static int train(job *j, sx_outcome *o)
{
    const worker *w = j->w;
    const sx_claim *c = &j->claim;
    const char *dir = NULL, *each = NULL;
    int rc = run_dir(j, &dir);
    if (!rc) rc = open_data(j);
    if (rc) return rc;
    const sx_train_want want = { .dir = dir,
                                 .resume = c->row.dir != NULL,
                                 .stop = w->w->stop,
                                 .report = on_epoch,
                                 .ctx = j,
                                 .pulse = on_pulse,
                                 .pulse_ctx = j };
    const sx_replica_want replicas = {
        c->exp, w->machine, w->data, sx_study_exp(w->s)->tune.seed, c->row.t.number, &want
    };
    rc = sx_replicas_train(j->a, &replicas, o, &each, &j->d);
    return rc || !each ? rc : sx_study_note(w->s, c, "strix:replicas", each, &j->d);
}

/* Is it the point that failed, and not the machine that would fail every other point too? */
static bool points_fault(int rc)
{
    return rc == SX_E_DIVERGED || rc == SX_E_REFUSED || rc == SX_E_CONFIG || rc == SX_E_MEMORY ||
           rc == SX_E_UNSUPPORTED;
}

/* The data of this point cannot be read, while others, those of `vars`, can. */
static bool points_data(const job *j)
{
    const sx_exp *vars = sx_study_exp(j->w->s);
    sx_data *data;
    if (!j->claim.exp || same_data(&vars->data, &j->claim.exp->data)) return false;
    sx_arena *a = sx_arena_open(j->a);
    sx_diags unsaid;
    sx_diags_init(&unsaid, a);
    const bool there = !sx_data_open(a, vars, j->w->machine, false, &data, &unsaid);
    sx_arena_close(a);
    return there;
}

static const char *first_error(const sx_diags *d, int rc)
{
    for (long i = 0; i < d->n; i++) if (d->v[i].code) return d->v[i].text;
    return sx_error_text(rc);
}

static int tell(job *j, sx_fate fate, const double *value, const double *constraint, const char *reason)
{
    const double shown = value ? *value : NAN;
    event(j, (sx_event){ .kind = "trial_end", .fate = fate, .value = shown, .reason = reason });
    const int rc = sx_study_tell(j->w->s, &j->claim, fate, value, constraint, reason, &j->d);
    if (rc == SX_E_LOST) return 0;               /* somebody else finished it a moment ago */
    return rc ? sx_diags_pass(&j->d, rc, j->w->d) : 0;
}

/* Stopped, or this worker cannot go on at all: another one may, from the checkpoint. That is no fault of
 * the trial, so it costs none of its attempts: the same end waits for every other one. Where the data set is
 * there and other data are not (first weights), it may be this trial's: then it is not tried for ever. */
static int give_back(job *j, int rc)
{
    event(j, (sx_event){ .kind = "trial_end", .fate = SX_RUNNING, .value = NAN, .reason = "given back" });
    const bool died = rc == SX_E_DATA && j->w->data;
    (void)!sx_study_drop(j->w->s, j->claim.row.id, j->w->name, died, NULL);
    return rc == SX_E_STOPPED ? rc : sx_diags_pass(&j->d, rc, j->w->d);
}

/* What the best epoch gave, and the time that all of them took. */
static int measure(job *j, const sx_outcome *o)
{
    const sx_tune_conf *t = &j->claim.exp->tune;
    const char **name = sx_alloc_array(j->a, (size_t)o->n + 1, sizeof *name);
    double *value = sx_alloc_array(j->a, (size_t)o->n + 1, sizeof *value);
    double *objective = sx_alloc_array(j->a, (size_t)t->objectives, sizeof *objective);
    double *constraint = sx_alloc_array(j->a, (size_t)t->measured.n + 1, sizeof *constraint);
    for (long i = 0; i < o->n; i++) { name[i] = o->name[i]; value[i] = o->value[i]; }
    name[o->n] = "seconds", value[o->n] = o->seconds;
    const int rc = sx_exp_measure(j->a, j->claim.exp, j->w->machine, o->n + 1, name, value, objective,
                                  constraint, &j->d);
    if (rc) return tell(j, SX_FAILED, NULL, NULL, first_error(&j->d, rc));
    return tell(j, SX_DONE, objective, t->measured.n ? constraint : NULL, NULL);
}

static int outcome(job *j, const sx_outcome *o)
{
    if (o->paused) return tell(j, SX_PAUSED, NULL, NULL, NULL);
    if (!o->pruned) return measure(j, o);
    return tell(j, SX_PRUNED, isnan(j->last) ? NULL : &j->last, NULL,
                sx_format(j->a, "stopped by the pruner after epoch %ld", o->epochs));
}

/* 0: no limit. What earlier workers spent on the trial counts, too. */
static double time_left(job *j)
{
    const double limit = sx_study_exp(j->w->s)->tune.trial_time;
    if (!(limit > 0)) return 0;
    const char *dir = j->claim.row.dir;
    const double spent = dir && j->claim.exp ? sx_train_seconds(j->a, dir) : 0,
                 left = fmax(limit - spent, 0.001);
    j->until = now() + left;
    return left;
}

/* 0: the trial is over, whatever became of it; SX_E_*: so is this worker. */
static int run_trial(job *j, bool *failed)
{
    sx_outcome o = { 0 };
    int rc = sx_exp_at(j->a, sx_study_exp(j->w->s), j->claim.x, &j->claim.exp, &j->d);
    event(j, (sx_event){ .kind = "trial_start", .left = time_left(j) });
    if (!rc) rc = train(j, &o);
    *failed = rc != 0;
    if (!rc) return outcome(j, &o);
    if (rc == SX_E_LOST) {
        event(j, (sx_event){ .kind = "trial_end",
                             .fate = SX_RUNNING,
                             .value = NAN,
                             .reason = "another command ended it, or has it now" });
        return 0;
    }
    if (!points_fault(rc) && !(rc == SX_E_DATA && points_data(j))) return give_back(j, rc);
    return tell(j, SX_FAILED, NULL, NULL, first_error(&j->d, rc));
}

/* --- The worker --- */

/* No such process, or one that is dead and only not buried yet. */
static bool is_gone(long pid)
{
    char name[64], line[512] = "";
    if (kill((pid_t)pid, 0)) return errno == ESRCH;
    snprintf(name, sizeof name, "/proc/%ld/stat", pid);
    FILE *f = fopen(name, "r");
    if (f && !fgets(line, sizeof line, f)) line[0] = 0;
    if (f) fclose(f);
    const char *state = strrchr(line, ')');
    return state && (state[2] == 'Z' || state[2] == 'X');
}

/* Gives trials of the dead back, or fails them. */
static int bury(sx_study *s, long pid, const char *reason, sx_diags *d)
{
    sx_arena *a = sx_arena_open(NULL);
    const char *mine = sx_worker_name(a, 0, 0);
    const size_t host = strlen(mine) - 3;        /* without "0-0" */
    const sx_trial_row *const *row;
    const long n = sx_study_leased(s, a, &row, d);
    for (long i = 0; i < n; i++) {
        const sx_trial_row *r = row[i];
        if (r->t.fate != SX_RUNNING || r->waiting || !r->worker || strncmp(r->worker, mine, host)) continue;
        const long its = strtol(r->worker + host, NULL, 10);
        const bool gone = its > 0 && (pid ? its == pid : is_gone(its));
        if (gone && reason) (void)!sx_study_fail(s, r, r->worker, reason, NULL);
        else if (gone && !sx_study_drop(s, r->id, r->worker, true, NULL))
            sx_log(SX_LOG_INFO, "worker", "trial %ld: its worker %s is no more", r->t.number, r->worker);
    }
    sx_arena_close(a);
    return n < 0 ? (int)n : 0;
}

int sx_work_revive(sx_study *s, long pid, sx_diags *d) { return bury(s, pid, NULL, d); }
int sx_work_fail(sx_study *s, long pid, const char *reason, sx_diags *d) { return bury(s, pid, reason, d); }

/* Others still run, and may die: look again, now and then. */
static int wait_for_others(worker *w)
{
    for (int i = 0; i < 10 && !stopped(w); i++) nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    return sx_work_revive(w->s, 0, w->d);
}

/* 0: a trial is over; 1: nothing is left; 2: nothing now; 3: the study was stopped; SX_E_*. */
static int one_trial(worker *w, long *done, long *failed)
{
    job j = { .w = w, .a = sx_arena_open(w->a), .beaten = now(), .last = NAN };
    bool bad = false;
    sx_diags_init(&j.d, j.a);
    int rc = sx_study_claim(w->s, j.a, w->name, w->lease, w->budget, &j.claim, w->d);
    if (!rc) {
        rc = run_trial(&j, &bad);
        ++*(bad ? failed : done);
        if (!rc) rc = sx_work_tidy(w->s, w->d);
    }
    sx_arena_close(j.a);
    return rc;
}

int sx_work_run(sx_arena *a, sx_study *s, const sx_worker_want *want, long *done, long *failed, sx_diags *d)
{
    const sx_exp *e = sx_study_exp(s);
    worker w = { .a = a,
                 .s = s,
                 .w = want,
                 .d = d,
                 .name = want->name ? want->name : sx_worker_name(a, (long)getpid(), 0),
                 .lease = want->lease > 0 ? want->lease : 3 * e->study.heartbeat,
                 .budget = want->budget ? want->budget : e->tune.trials };
    double longest = 0;
    *done = *failed = 0;
    if (e->search) return sx_search_refuse(e, d);
    int rc =
        sx_machine_open(a, e->registry, want->device ? want->device : "cpu", want->threads, &w.machine, d);
    if (!rc) rc = sx_work_revive(s, 0, d);
    sx_study_use(s, w.machine);
    while (!rc || rc == 2) {
        if (stopped(&w)) return SX_E_STOPPED;
        const double begin = now();
        if (want->until > 0 && begin + (want->whole ? longest : 0) > want->until) return 0;
        rc = one_trial(&w, done, failed);
        if (!rc) longest = fmax(longest, now() - begin);
        if (rc == 2) rc = wait_for_others(&w);
    }
    const bool study = rc == 3 || (rc == SX_E_STOPPED && !stopped(&w));  /* it was stopped, not this worker */
    if (rc != 1) return study ? 0 : rc;
    rc = sx_study_end(s, d);
    return rc ? rc : sx_work_tidy(s, d);         /* what was paused needs its weights no more */
}
