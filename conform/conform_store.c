/* conform_store.c: what any store must do for one worker: keep the order of events, lose nothing, map every
 * number. Stores of files are tried in a temporary folder as NAME:DIR/conform.db; a server needs a URL
 * (--store, or STRIX_CONFORM_STORE) and gets studies conform-... of its own. */
#include "conform_store.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

sx_study_row conform_study(tried *t, const char *name)
{
    return (sx_study_row){ .size = sizeof(sx_study_row),
                           .name = sx_format(t->c->arena, "conform-%s-%s", t->run, name),
                           .config = "a = 1;",
                           .space = "{}",
                           .seed = 1,
                           .objectives = 1,
                           .maximize = &up,
                           .metric = &metric,
                           .axes = &space,
                           .distribution = distribution };
}

/* Also says why not. */
static bool fine_or_why(tried *t, int rc, const char *what)
{
    if (!conform_check(t->c, !rc, "%s", what)) conform_note(t->c, "%s", t->s->last_error());
    return !rc;
}

/* A point that the number alone decides. */
static double point[3];
int conform_ask(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
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

int conform_claim(tried *t, const char *worker, double lease, long budget, sx_trial_row *row)
{
    return t->s->claim(t->db, t->study, worker, lease, budget, conform_ask, NULL, row);
}

int conform_finish(tried *t, const sx_trial_row *row, sx_fate fate, double value, const char *reason)
{
    sx_trial_row r = *row;
    r.t.fate = fate;
    r.t.value = isnan(value) ? NULL : &value;
    r.reason = reason;
    return t->s->finish(t->db, &r);
}

/* --- One trial --- */

static void hear(heard *h, const sx_trial_row *r)
{
    if (h->n == HEARD) return;
    h->row[h->n] = *r;
    for (int i = 0; i < 3; i++) h->x[h->n][i] = r->t.x ? r->t.x[i] : NAN;
    h->value[h->n] = r->t.value ? *r->t.value : NAN;
    h->second[h->n] = r->t.value ? r->t.value[1] : NAN;
    h->constraint[h->n] = r->t.constraint ? *r->t.constraint : NAN;
    h->last[h->n] = r->t.steps ? r->t.curve[r->t.steps - 1] : NAN;
    h->n++;
}
static void hear_event(void *ctx, int64_t event, const sx_trial_row *r) { (void)event; hear(ctx, r); }
void conform_hear(void *ctx, const sx_trial_row *r) { hear(ctx, r); }

static void check_life(tried *t)
{
    static heard h;
    sx_trial_row r = { 0 };
    conform *c = t->c;
    int64_t since = 0;
    h.n = 0;
    bool fine = !conform_claim(t, "w", 60, 9, &r) && r.t.number == 0 && r.attempt == 1 && r.t.x[0] == 0.001 &&
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
    conform_check(c, !conform_finish(t, &r, SX_DONE, -0.75, NULL), "it takes the end");
    conform_check(c, conform_finish(t, &r, SX_DONE, -0.5, NULL) == SX_E_LOST, "once");
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
    sx_trial_row r = { 0 };
    h.n = 0;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        fine = fine && !conform_claim(t, "w", 60, 99, &r) && !conform_finish(t, &r, SX_DONE, odd[i], NULL);
    fine = fine && !t->s->trials(t->db, t->study, conform_hear, &h) && h.n == 6;
    for (size_t i = 0; fine && i < sizeof odd / sizeof *odd; i++) fine = h.value[i + 1] == odd[i];
    conform_check(t->c, fine, "infinite, tiny and huge values come back with every bit");
    fine = !conform_claim(t, "w", 60, 99, &r) && !conform_finish(t, &r, SX_DONE, NAN, NULL);
    h.n = 0;
    fine = fine && !t->s->trials(t->db, t->study, conform_hear, &h) && h.row[6].t.fate == SX_FAILED &&
           isnan(h.value[6]);
    conform_check(t->c, fine, "a value that is no number is a failed trial");
}

/* --- Leases, queues --- */

static void check_leases(tried *t)
{
    sx_trial_row a = { 0 }, b = { 0 };
    const double fixed[] = { NAN, 1, 3 };
    const sx_trial_row q = { .size = sizeof q, .t = { .x = fixed } };
    long number = -1;
    bool fine = !conform_claim(t, "a", -1, 99, &a) && !conform_claim(t, "b", 60, 99, &b) && a.id == b.id &&
                b.attempt == 2;
    conform_check(t->c, fine, "an expired lease changes hands");
    a.worker = "a";                              /* a row lives until the next claim */
    conform_check(t->c, conform_finish(t, &a, SX_DONE, 1, NULL) == SX_E_LOST,
                  "and the first worker cannot end the trial any more");
    conform_check(t->c, conform_claim(t, "c", 60, b.t.number + 1, &a) == 2,
                  "with the budget used up and somebody running: 2");
    fine = !t->s->drop(t->db, b.id, "b", true) && !conform_claim(t, "c", -1, 99, &a) && a.id == b.id &&
           a.attempt == 3;
    conform_check(t->c, fine, "a lease given back can be taken at once");
    fine = !t->s->add(t->db, t->study, &q, &number) && !conform_claim(t, "d", 60, 0, &b) &&
           b.t.number == number && b.queued;
    conform_check(t->c, fine && b.t.x[1] == 1 && b.t.x[2] == 3,
                  "after 3 attempts it is over; a queued point comes before all budgets");
    fine = !conform_finish(t, &b, SX_FAILED, NAN, "why not");
    conform_check(t->c, fine && conform_claim(t, "e", 60, 0, &a) == 1, "nothing left: 1");
}

/* --- Pauses, studies, remarks --- */

static int resume_first(void *ctx, const sx_trial_row *queued, sx_trial_row *made)
{
    (void)queued;
    made->t.number = *(const long *)ctx;
    return 0;
}

static void check_pause(tried *t)
{
    static heard h;
    sx_trial_row r = { 0 }, again = { 0 };
    int64_t since = 0;
    const sx_metric first = { "score", 0.25, 0 }, second = { "score", 0.5, 0 };
    h.n = 0;
    bool fine = !t->s->news(t->db, t->study, &since, hear_event, &h) && !conform_claim(t, "p", 60, 999, &r) &&
                !t->s->report(t->db, r.id, "p", 1, 1, &first) && !conform_finish(t, &r, SX_PAUSED, NAN, NULL);
    long number = r.t.number;
    fine = fine && !t->s->claim(t->db, t->study, "q", 60, 0, resume_first, &number, &again);
    conform_check(t->c, fine && again.id == r.id && again.t.steps == 1 && again.t.curve[0] == -0.25,
                  "a paused trial goes on with another worker, with its curve");
    fine = fine && !t->s->report(t->db, again.id, "q", 2, 1, &second) &&
           !t->s->report(t->db, again.id, "q", 2, 1, &first) &&
           !conform_finish(t, &again, SX_DONE, -0.25, NULL);
    h.n = 0;
    fine = fine && !t->s->news(t->db, t->study, &since, hear_event, &h) && h.n == 4 &&
           h.row[1].t.fate == SX_PAUSED && h.row[1].t.steps == 1 && h.row[2].t.fate == SX_RUNNING &&
           h.row[3].t.steps == 2;
    conform_check(t->c, fine && h.last[3] == -0.25,
                  "its events have their own parts of the curve; a later report replaces");
}

/* Shown as pruned, but paused in what samplers hear. */
static void check_shelf(tried *t)
{
    static heard h;
    sx_trial_row r = { 0 }, again = { 0 };
    int64_t since = 0;
    const sx_metric first = { "score", 0.25, 0 };
    if (!t->s->shelve) return;
    h.n = 0;
    bool fine = !conform_claim(t, "p", 60, 999, &r) && !t->s->report(t->db, r.id, "p", 1, 1, &first) &&
                !conform_finish(t, &r, SX_PAUSED, NAN, NULL);
    long number = r.t.number;
    h.n = 0;
    fine = fine && !t->s->news(t->db, t->study, &since, hear_event, &h) &&
           !t->s->shelve(t->db, t->study, "the end");
    h.n = 0;
    fine = fine && !t->s->news(t->db, t->study, &since, hear_event, &h) && !h.n &&
           !t->s->trials(t->db, t->study, conform_hear, &h) && h.n == number + 1 &&
           h.row[number].t.fate == SX_PRUNED && h.value[number] == -0.25;
    conform_check(t->c, fine, "a paused trial is shelved as pruned, with its last value, which is no news");
    fine =
        fine && !t->s->claim(t->db, t->study, "q", 60, 0, resume_first, &number, &again) && again.id == r.id;
    h.n = 0;
    fine = fine && !t->s->trials(t->db, t->study, conform_hear, &h) && h.row[number].t.fate == SX_RUNNING &&
           isnan(h.value[number]) && !conform_finish(t, &again, SX_DONE, -0.5, NULL);
    conform_check(t->c, fine, "and goes on when it is asked for again");
}

typedef struct { long n; char key[4][32], json[4][32]; } notes;
static void hear_note(void *ctx, long trial, const char *key, const char *json)
{
    notes *n = ctx;
    if (n->n == 4 || trial < -1) return;
    snprintf(n->key[n->n], sizeof *n->key, "%s", key);
    snprintf(n->json[n->n++], sizeof *n->json, "%s", json);
}

static void check_remarks(tried *t)
{
    notes n = { 0 };
    const sx_store *s = t->s;
    bool fine = !s->remark(t->db, t->study, "strix:conform", "1") &&
                !s->remark(t->db, t->study, "strix:conform", "2") &&
                !s->remarks(t->db, t->study, hear_note, &n) && n.n == 1 && !strcmp(n.json[0], "2");
    conform_check(t->c, fine, "a remark on a study replaces the one before");
    n.n = 0;
    fine = !s->remark(t->db, t->study, "strix:conform", NULL) &&
           !s->remarks(t->db, t->study, hear_note, &n) && !n.n;
    conform_check(t->c, fine, "and can be taken back");
    fine = !s->notes(t->db, t->study, "strix:dir", hear_note, &n) && n.n == 1 &&
           !strcmp(n.json[0], "\"some/where\"");
    conform_check(t->c, fine, "notes on trials can be read by their key");
}

static void hear_study(void *ctx, int64_t study, const char *name, long trials, double best, bool has_best)
{
    long *found = ctx;
    (void)best;
    if (name && study == found[0] && has_best) found[1] = trials;
}

static void check_studies(tried *t, const sx_study_row *want)
{
    sx_study_row row = { 0 };
    int64_t id = 0, again = 0;
    bool fine = !t->s->find(t->db, want->name, &id, &row) && id == t->study && row.config &&
                !strcmp(row.config, want->config) && row.space && !strcmp(row.space, want->space) &&
                row.seed == want->seed && row.objectives == 1 && row.maximize[0];
    conform_check(t->c, fine, "a study is found by its name, with its configuration, space and seed");
    sx_study_row w = *want;
    const bool down = false;
    w.maximize = &down;
    conform_check(t->c, t->s->study(t->db, &w, &again) == SX_E_CONFIG, "another direction is SX_E_CONFIG");
    w = *want;
    w.seed = 2;
    conform_check(t->c, t->s->study(t->db, &w, &again) == SX_E_CONFIG, "so is another seed");
    conform_check(t->c, t->s->find(t->db, "no such study", &again, &row) == SX_E_DATA,
                  "an unknown name is SX_E_DATA");
    conform_check(t->c, *t->s->last_error() != 0, "with a reason");
    long found[2] = { (long)t->study, -1 };
    fine = !t->s->study(t->db, want, &again) && !t->s->list(t->db, hear_study, found);
    conform_check(t->c, fine && again == t->study && found[1] > 0, "it is listed, with its trials");
    const char *other = sx_format(t->c->arena, "%s.1", want->name);
    fine = !t->s->rename(t->db, t->study, other) &&
           t->s->find(t->db, want->name, &again, &row) == SX_E_DATA &&
           !t->s->find(t->db, other, &again, &row) && again == t->study;
    conform_check(t->c, fine, "and has another name when it is renamed");
}

/* --- Several objectives, constraints --- */

static void check_objectives(tried *t)
{
    static heard h;
    static const bool both[] = { true, false };
    static const char *const names[] = { "score", "cost" };
    static const sx_space wide = { .n = 3, .objectives = 2, .constraints = 1, .axis = axes };
    sx_study_row w = conform_study(t, "objectives");
    w.objectives = 2;
    w.maximize = both;
    w.metric = names;
    w.axes = &wide;
    sx_trial_row r = { 0 };
    h.n = 0;
    bool fine = !t->s->study(t->db, &w, &t->study) && !conform_claim(t, "w", 60, 9, &r);
    const double value[] = { -2, 3 }, constraint = 0.5;
    sx_trial_row end = r;
    end.t.fate = SX_DONE;
    end.t.value = value;
    end.t.constraint = &constraint;
    fine = fine && !t->s->finish(t->db, &end) && !t->s->trials(t->db, t->study, conform_hear, &h) && h.n == 1;
    conform_check(t->c, fine && h.value[0] == -2 && h.second[0] == 3,
                  "two objectives, each in its direction");
    conform_check(t->c, fine && h.constraint[0] == 0.5, "a measured constraint is kept");
}

static void check_import(tried *t)
{
    static heard h;
    if (!t->s->import) return;
    const sx_study_row w = conform_study(t, "import");
    const double x[] = { 0.5, 1, 2 }, value = -7, curve[] = { -6, -7 };
    const long step[] = { 1, 2 };
    const sx_trial_row r[2] = {
        { .size = sizeof *r, .t = { .fate = SX_DONE, .x = x, .value = &value, .steps = 2, .step = step,
                                    .curve = curve } },
        { .size = sizeof *r, .t = { .fate = SX_FAILED, .x = x }, .reason = "there" } };
    h.n = 0;
    bool fine = !t->s->study(t->db, &w, &t->study) && !t->s->import(t->db, t->study, 2, r, NULL) &&
                !t->s->trials(t->db, t->study, conform_hear, &h) && h.n == 2;
    fine = fine && h.value[0] == -7 && h.last[0] == -7 && h.x[0][2] == 2 &&
           h.row[1].t.fate == SX_FAILED && h.row[1].t.number == 1;
    conform_check(t->c, fine, "trials that were run elsewhere are taken in");
}

/* Each trial by its number is what it is among all. */
static void check_one(tried *t)
{
    static heard all, h;
    if (!t->s->one) return;
    all.n = h.n = 0;
    bool fine = !t->s->trials(t->db, t->study, conform_hear, &all) && all.n > 2;
    for (long i = 0; fine && i < all.n; i++) {
        h.n = 0;
        fine = !t->s->one(t->db, t->study, all.row[i].t.number, conform_hear, &h) && h.n == 1 &&
               h.row[0].id == all.row[i].id && h.row[0].t.fate == all.row[i].t.fate &&
               !memcmp(h.x[0], all.x[i], sizeof *h.x) && !memcmp(h.value, &all.value[i], sizeof *h.value) &&
               !memcmp(h.last, &all.last[i], sizeof *h.last);
    }
    h.n = 0;
    fine = fine && !t->s->one(t->db, t->study, 99999, conform_hear, &h) && !h.n;
    conform_check(t->c, fine, "each trial can be read by its number");
}

static void check_reader(tried *t)
{
    sx_db *reader = NULL;
    sx_study_row row;
    int64_t id;
    static heard h;
    h.n = 0;
    const bool imports = t->s->import;
    bool fine = !t->s->open(t->url, false, &reader) &&
                !t->s->find(reader, conform_study(t, imports ? "import" : "objectives").name, &id, &row) &&
                !t->s->trials(reader, id, conform_hear, &h);
    conform_check(t->c, fine && h.n == (imports ? 2 : 1), "who only reads sees the same");
    if (reader) t->s->close(reader);
}

static void check_all(tried *t)
{
    const sx_study_row want = conform_study(t, "one");
    int64_t again = 0;
    if (!fine_or_why(t, t->s->study(t->db, &want, &t->study), "it makes a study")) return;
    conform_check(t->c, !t->s->study(t->db, &want, &again) && again == t->study,
                  "the same study again is the same");
    check_life(t);
    check_numbers(t);
    check_leases(t);
    check_pause(t);
    check_shelf(t);
    check_remarks(t);
    check_one(t);
    check_studies(t, &want);
    check_objectives(t);
    check_import(t);
    check_reader(t);
    conform_store_many(t);
}

int conform_store(conform *c, const sx_entry *e)
{
    char dir[] = "/tmp/strix-conform-XXXXXX";
    const char *elsewhere = c->store ? c->store : getenv("STRIX_CONFORM_STORE");
    if (elsewhere && strncmp(elsewhere, e->item->name, strlen(e->item->name))) elsewhere = NULL;
    if (!mkdtemp(dir)) return SX_E_IO;
    tried t = { .c = c, .s = (const sx_store *)(const void *)e->item };
    t.url = elsewhere ? elsewhere : sx_format(c->arena, "%s:%s/conform.db", e->item->name, dir);
    t.run = sx_format(c->arena, "%lx-%lx", (long)time(NULL), (long)getpid());
    const int rc = t.s->open(t.url, true, &t.db);
    if (rc == SX_E_USAGE && !elsewhere)
        conform_skip(c, "it is no file; name a place by --store URL or STRIX_CONFORM_STORE");
    else if (fine_or_why(&t, rc, "it opens for writing")) check_all(&t);
    if (t.db) t.s->close(t.db);
    const char *const left[] = { "conform.db", "conform.db-wal", "conform.db-shm" };
    for (int i = 0; i < 3; i++) unlink(sx_format(c->arena, "%s/%s", dir, left[i]));
    rmdir(dir);
    return 0;
}
