/* conform_store.c: what any store must do: hand out each trial once, keep the order of events, lose nothing,
 * map every number. A store is tried in a temporary folder as NAME:DIR/conform.db; STRIX_CONFORM_STORE names
 * another place (a server). */
#include "conform.h"
#include <stdlib.h>
#include <string.h>
#include <strix/store.h>
#include <sys/wait.h>
#include <unistd.h>

static const double one = 1;
static const sx_when when = { 1, 1, &one };
static const sx_axis rate = { .name = "rate", .kind = SX_AXIS_REAL, .log = true, .low = 1e-4, .high = 1 };
static const sx_axis kind = { .name = "kind", .kind = SX_AXIS_CHOICE, .high = 1, .step = 1 };
static const sx_axis size = { .name = "size",
                              .kind = SX_AXIS_REAL,
                              .low = 1,
                              .high = 4,
                              .step = 1,
                              .whole = true,
                              .whens = 1,
                              .when = &when };
static const sx_axis *const axes[] = { &rate, &kind, &size };
static const sx_space space = { .n = 3, .objectives = 1, .axis = axes };
static const char log_float[] = "{\"name\": \"FloatDistribution\", \"attributes\": {\"step\": null, "
                                "\"low\": 0.0001, \"high\": 1.0, \"log\": true}}";
static const char *const distribution[] = {
    log_float,
    "{\"name\": \"CategoricalDistribution\", \"attributes\": {\"choices\": [\"a\", \"b\"]}}",
    "{\"name\": \"IntDistribution\", \"attributes\": {\"log\": false, \"step\": 1, \"low\": 1, \"high\": 4}}"
};
static const bool up = true;
static const char *const metric = "score";
enum { WORKERS = 4, EACH = 10 };

typedef struct { conform *c; const sx_store *s; const char *url; sx_db *db; int64_t study; } tried;

static sx_study_row study_named(const char *name)
{
    return (sx_study_row){ .size = sizeof(sx_study_row),
                           .name = name,
                           .config = "a = 1;",
                           .space = "{}",
                           .seed = 1,
                           .objectives = 1,
                           .maximize = &up,
                           .metric = &metric,
                           .axes = &space,
                           .distribution = distribution };
}

static bool opened(tried *t, const sx_study_row *want)
{
    t->db = NULL;
    if (!conform_check(t->c, !t->s->open(t->url, true, &t->db), "it opens for writing")) {
        conform_note(t->c, "%s", t->s->last_error());
        return false;
    }
    return conform_check(t->c, !t->s->study(t->db, want, &t->study), "it makes a study");
}

/* A point that the number alone decides. */
static double point[3];
static int ask(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
{
    (void)ctx;
    if (made->t.number < 0) return 1;
    point[0] = 0.001 * (double)(1 + made->t.number % 900);
    point[1] = (double)(made->t.number % 2);
    point[2] = point[1] == 1 ? 1 + (double)(made->t.number % 4) : NAN;
    for (int i = 0; queued && i < 3; i++) if (!isnan(queued->t.x[i])) point[i] = queued->t.x[i];
    made->t.x = point;
    made->t.tag = -made->t.number;
    return 0;
}

static int claim(tried *t, const char *worker, double lease, long budget, sx_trial_row *row)
{
    return t->s->claim(t->db, t->study, worker, lease, budget, ask, NULL, row);
}

static int finish(tried *t, const sx_trial_row *row, sx_fate fate, double value, const char *reason)
{
    sx_trial_row r = *row;
    r.t.fate = fate;
    r.t.value = isnan(value) ? NULL : &value;
    r.reason = reason;
    return t->s->finish(t->db, &r);
}

/* --- One trial --- */

typedef struct { long n; sx_trial_row row[64]; double x[64][3], value[64], last[64]; } heard;
static void hear(heard *h, const sx_trial_row *r)
{
    if (h->n == 64) return;
    h->row[h->n] = *r;
    for (int i = 0; i < 3; i++) h->x[h->n][i] = r->t.x ? r->t.x[i] : NAN;
    h->value[h->n] = r->t.value ? *r->t.value : NAN;
    h->last[h->n] = r->t.steps ? r->t.curve[r->t.steps - 1] : NAN;
    h->n++;
}
static void hear_event(void *ctx, int64_t event, const sx_trial_row *r) { (void)event; hear(ctx, r); }
static void hear_trial(void *ctx, const sx_trial_row *r) { hear(ctx, r); }

static void check_life(tried *t)
{
    static heard h;
    sx_trial_row r;
    conform *c = t->c;
    int64_t since = 0;
    h.n = 0;
    bool fine = !claim(t, "w", 60, 9, &r) && r.t.number == 0 && r.attempt == 1 && r.t.x[0] == 0.001 &&
                r.t.x[1] == 0 && isnan(r.t.x[2]);
    if (!conform_check(c, fine, "a claim gives the first trial, number 0, its point as it was")) return;
    const sx_metric m[] = { { "score", 0.5, 0 }, { "loss", 2, -1 } },
                    nan[] = { { "score", NAN, 0 }, { "loss", INFINITY, -1 } };
    fine = !t->s->report(t->db, r.id, "w", 1, 2, m) && !t->s->report(t->db, r.id, "w", 2, 2, nan) &&
           !t->s->report(t->db, r.id, "w", 3, 1, m);
    conform_check(c, fine, "it takes reports, those that are no number too");
    conform_check(c, t->s->report(t->db, r.id, "x", 4, 1, m) == SX_E_LOST,
                  "a report of another worker is SX_E_LOST");
    conform_check(c, !t->s->beat(t->db, r.id, "w", 60) && t->s->beat(t->db, r.id, "x", 60) == SX_E_LOST,
                  "so is its sign of life");
    conform_check(c, !t->s->note(t->db, r.id, "strix:dir", "\"some/where\""), "it takes notes");
    conform_check(c, !finish(t, &r, SX_DONE, -0.75, NULL), "it takes the end");
    conform_check(c, finish(t, &r, SX_DONE, -0.5, NULL) == SX_E_LOST, "once");
    fine = !t->s->news(t->db, t->study, &since, hear_event, &h) && h.n == 2 &&
           h.row[0].t.fate == SX_RUNNING && h.row[1].t.fate == SX_DONE;
    fine = fine && h.x[1][0] == 0.001 && isnan(h.x[1][2]) && h.value[1] == -0.75 && h.row[1].t.steps == 3 &&
           h.last[1] == -0.5;
    conform_check(c, fine, "the news are a start and an end, with point, value and curve as they were");
    h.n = 0;
    conform_check(c, !t->s->news(t->db, t->study, &since, hear_event, &h) && h.n == 0, "told once");
}

static void check_numbers(tried *t)
{
    static const double odd[] = { INFINITY, -INFINITY, 5e-324, -1.7976931348623157e308, 0.1 };
    static heard h;
    bool fine = true;
    sx_trial_row r;
    h.n = 0;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        fine = fine && !claim(t, "w", 60, 99, &r) && !finish(t, &r, SX_DONE, odd[i], NULL);
    fine = fine && !t->s->trials(t->db, t->study, hear_trial, &h) && h.n == 6;
    for (size_t i = 0; fine && i < sizeof odd / sizeof *odd; i++) fine = h.value[i + 1] == odd[i];
    conform_check(t->c, fine, "infinite, tiny and huge values come back with every bit");
    fine = !claim(t, "w", 60, 99, &r) && !finish(t, &r, SX_DONE, NAN, NULL);
    h.n = 0;
    fine = fine && !t->s->trials(t->db, t->study, hear_trial, &h) && h.row[6].t.fate == SX_FAILED &&
           isnan(h.value[6]);
    conform_check(t->c, fine, "a value that is no number is a failed trial");
}

/* --- Leases, queues --- */

static void check_leases(tried *t)
{
    sx_trial_row a, b;
    const double fixed[] = { NAN, 1, 3 };
    const sx_trial_row q = { .size = sizeof q, .t = { .x = fixed } };
    long number = -1;
    bool fine = !claim(t, "a", -1, 99, &a) && !claim(t, "b", 60, 99, &b) && a.id == b.id && b.attempt == 2;
    conform_check(t->c, fine, "an expired lease changes hands");
    a.worker = "a";                              /* a row lives until the next claim */
    conform_check(t->c, finish(t, &a, SX_DONE, 1, NULL) == SX_E_LOST,
                  "and the first worker cannot end the trial any more");
    conform_check(t->c, claim(t, "c", 60, b.t.number + 1, &a) == 2,
                  "with the budget used up and somebody running: 2");
    fine =
        !t->s->drop(t->db, b.id, "b", true) && !claim(t, "c", -1, 99, &a) && a.id == b.id && a.attempt == 3;
    conform_check(t->c, fine, "a lease given back can be taken at once");
    fine = !t->s->add(t->db, t->study, &q, &number) && !claim(t, "d", 60, 0, &b) && b.t.number == number &&
           b.queued;
    conform_check(t->c, fine && b.t.x[1] == 1 && b.t.x[2] == 3,
                  "after 3 attempts it is over; a queued point comes before all budgets");
    fine = !finish(t, &b, SX_FAILED, NAN, "why not");
    conform_check(t->c, fine && claim(t, "e", 60, 0, &a) == 1, "nothing left: 1");
}

/* --- Many at once --- */

static int crowd(tried *t, int who)
{
    char name[16];
    const sx_study_row want = study_named("crowd");
    snprintf(name, sizeof name, "w%d", who);
    sx_db *db = NULL;
    if (t->s->open(t->url, true, &db) || t->s->study(db, &want, &t->study)) return 1;
    t->db = db;
    for (int i = 0; i < EACH; i++) {
        sx_trial_row r;
        if (claim(t, name, 60, 10000, &r) || finish(t, &r, SX_DONE, 1, NULL)) return 2;
    }
    t->s->close(db);
    return 0;
}

static void check_crowd(tried *t)
{
    static heard h;
    const sx_study_row want = study_named("crowd");
    pid_t child[WORKERS];
    bool fine = true;
    fflush(t->c->out);
    for (int i = 0; i < WORKERS; i++) if (!(child[i] = fork())) _exit(crowd(t, i));
    for (int i = 0; i < WORKERS; i++) {
        int status = -1;
        waitpid(child[i], &status, 0);
        fine = fine && status == 0;
    }
    conform_check(t->c, fine, "%d processes ask and tell %d trials each, and none fails", WORKERS, EACH);
    h.n = 0;
    fine = !t->s->study(t->db, &want, &t->study) && !t->s->trials(t->db, t->study, hear_trial, &h) &&
           h.n == WORKERS * EACH;
    for (long i = 0; fine && i < h.n; i++) fine = h.row[i].t.number == i && h.row[i].t.fate == SX_DONE;
    conform_check(t->c, fine, "numbers are 0 .. %d, and nothing is lost", WORKERS * EACH - 1);
}

static void check_all(tried *t)
{
    const sx_study_row want = study_named("conform"), other = { .size = sizeof other,
                                                                .name = "conform",
                                                                .config = "",
                                                                .space = "{\"x\": 1}",
                                                                .seed = 1,
                                                                .objectives = 1,
                                                                .maximize = &up,
                                                                .metric = &metric,
                                                                .axes = &space,
                                                                .distribution = distribution };
    int64_t again = 0;
    sx_study_row row;
    if (!opened(t, &want)) return;
    conform_check(t->c, !t->s->study(t->db, &want, &again) && again == t->study,
                  "the same study again is the same");
    conform_check(t->c, t->s->study(t->db, &other, &again) == SX_E_CONFIG, "another space is SX_E_CONFIG");
    conform_check(t->c, t->s->find(t->db, "no such study", &again, &row) == SX_E_DATA,
                  "an unknown name is SX_E_DATA");
    check_life(t);
    check_numbers(t);
    check_leases(t);
    check_crowd(t);
}

int conform_store(conform *c, const sx_entry *e)
{
    char dir[] = "/tmp/strix-conform-XXXXXX";
    const char *elsewhere = getenv("STRIX_CONFORM_STORE");
    if (!mkdtemp(dir)) return SX_E_IO;
    tried t = { .c = c, .s = (const sx_store *)(const void *)e->item };
    t.url = elsewhere ? elsewhere : sx_format(c->arena, "%s:%s/conform.db", e->item->name, dir);
    check_all(&t);
    if (t.db) t.s->close(t.db);
    const char *const left[] = { "conform.db", "conform.db-wal", "conform.db-shm" };
    for (int i = 0; i < 3; i++) unlink(sx_format(c->arena, "%s/%s", dir, left[i]));
    rmdir(dir);
    return 0;
}
