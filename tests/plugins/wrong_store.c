/* wrong_store.c: stores with one fault each, which the conformance suite must find: the store `sqlite`, with
 * one of its calls spoilt. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strix/store.h>

static const sx_store *sound(void)
{
    static const sx_store *found;
    char path[4096];
    const char *build = getenv("STRIX_BUILD");
    snprintf(path, sizeof path, "%s/plugins/stores/.libs/sqlite.so", build ? build : ".");
    void *file = found ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL),
         *symbol = file ? dlsym(file, "sx_plugin_entry") : NULL;
    const sx_plugin *(*entry)(void) = NULL;
    memcpy(&entry, &symbol, sizeof entry);
    if (symbol) found = (const sx_store *)(const void *)entry()->items[0];
    if (!found) abort();
    return found;
}

static int open_sound(const char *url, bool write, sx_db **db)
{
    char as[4096];
    snprintf(as, sizeof as, "sqlite%s", strchr(url, ':') ? strchr(url, ':') : ":");
    return sound()->open(as, write, db);
}
static void close_sound(sx_db *db) { sound()->close(db); }
static int study(sx_db *db, const sx_study_row *want, int64_t *id) { return sound()->study(db, want, id); }
static int find(sx_db *db, const char *name, int64_t *id, sx_study_row *row)
{
    return sound()->find(db, name, id, row);
}
static int list(sx_db *db, sx_on_study *each, void *ctx) { return sound()->list(db, each, ctx); }
static int rename_study(sx_db *db, int64_t id, const char *name) { return sound()->rename(db, id, name); }
static int news(sx_db *db, int64_t id, int64_t *since, sx_on_event *each, void *ctx)
{
    return sound()->news(db, id, since, each, ctx);
}
static int trials(sx_db *db, int64_t id, sx_on_trial *each, void *ctx)
{
    return sound()->trials(db, id, each, ctx);
}
static int claim(sx_db *db, int64_t id, const char *worker, double lease, long budget, sx_ask *ask, void *ctx,
                 sx_trial_row *mine)
{
    return sound()->claim(db, id, worker, lease, budget, ask, ctx, mine);
}
static int add(sx_db *db, int64_t id, const sx_trial_row *fixed, long *number)
{
    return sound()->add(db, id, fixed, number);
}
static int report(sx_db *db, int64_t trial, const char *worker, long step, int n, const sx_metric *m)
{
    return sound()->report(db, trial, worker, step, n, m);
}
static int beat(sx_db *db, int64_t trial, const char *worker, double lease)
{
    return sound()->beat(db, trial, worker, lease);
}
static int finish(sx_db *db, const sx_trial_row *r) { return sound()->finish(db, r); }
static int note(sx_db *db, int64_t trial, const char *key, const char *json)
{
    return sound()->note(db, trial, key, json);
}
static int drop(sx_db *db, int64_t trial, const char *worker, bool died)
{
    return sound()->drop(db, trial, worker, died);
}
static const char *last_error(void) { return sound()->last_error(); }
static int remark(sx_db *db, int64_t id, const char *key, const char *json)
{
    return sound()->remark(db, id, key, json);
}
static int remarks(sx_db *db, int64_t id, sx_on_note *each, void *ctx)
{
    return sound()->remarks(db, id, each, ctx);
}
static int notes(sx_db *db, int64_t id, const char *key, sx_on_note *each, void *ctx)
{
    return sound()->notes(db, id, key, each, ctx);
}

/* --- The faults --- */

/* Leases are over at once, so that the next worker has the same trial. */
static int claim_twice(sx_db *db, int64_t id, const char *worker, double lease, long budget, sx_ask *ask,
                       void *ctx, sx_trial_row *mine)
{
    return claim(db, id, worker, lease < 0 ? lease : -1, budget, ask, ctx, mine);
}

static int report_lost(sx_db *db, int64_t trial, const char *worker, long step, int n, const sx_metric *m)
{
    return step == 2 ? 0 : report(db, trial, worker, step, n, m);
}

typedef struct { sx_on_trial *each; void *ctx; } telling;
static void one_more(void *ctx, const sx_trial_row *r)
{
    const telling *t = ctx;
    sx_trial_row other = *r;
    other.t.number++;
    t->each(t->ctx, &other);
}
static int trials_renumbered(sx_db *db, int64_t id, sx_on_trial *each, void *ctx)
{
    telling t = { each, ctx };
    return trials(db, id, one_more, &t);
}

static int finish_anybody(sx_db *db, const sx_trial_row *r)
{
    sx_trial_row anybody = *r;
    anybody.worker = NULL;
    return finish(db, &anybody);
}

#define STORE(NAME, DOC, CLAIM, REPORT, TRIALS, FINISH) \
    SX_DEFINE(SX_KIND_STORE, sx_store, NAME, SX_NO_PARAMS, sx_no_params, .doc = DOC, .open = open_sound, \
              .close = close_sound, .study = study, .find = find, .list = list, .rename = rename_study, \
              .news = news, .trials = TRIALS, .claim = CLAIM, .add = add, .report = REPORT, .beat = beat, \
              .finish = FINISH, .note = note, .drop = drop, .last_error = last_error, .remark = remark, \
              .remarks = remarks, .notes = notes)
STORE(sound, "has no fault", claim, report, trials, finish);
STORE(twice, "hands a trial to two workers", claim_twice, report, trials, finish);
STORE(loses, "loses a report", claim, report_lost, trials, finish);
STORE(renumbers, "counts from one", claim, report, trials_renumbered, finish);
STORE(trusting, "lets anybody end a trial", claim, report, trials, finish_anybody);
SX_PLUGIN("wrong_store", "1.0", "MIT", SX_ITEM(sound), SX_ITEM(twice), SX_ITEM(loses), SX_ITEM(renumbers),
          SX_ITEM(trusting));
