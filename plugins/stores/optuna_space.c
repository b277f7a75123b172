/* optuna_space.c: a study whose space has changed. Optuna loads a study only where each name has one kind,
 * one scale and one list of choices in all trials: lists are joined, in the old trials too; the rest is
 * refused. */
#include <stdlib.h>
#include <string.h>
#include "ledger.h"

struct used { const char *name, *text; };
struct uses { struct used *v; long n, cap; };

static void use(sx_arena *a, struct uses *u, const char *name, const char *text)
{
    for (long i = 0; i < u->n; i++)
        if (!strcmp(u->v[i].name, name) && !strcmp(u->v[i].text, text)) return;
    SX_PUSH(a, *u, ((struct used){ name, text }));
}

/* What the trials of others have, from trial `from` on; all: our own, too. */
static int read_rows(sx_db *db, const struct ledger *l, bool all, int64_t from, sx_arena *a, struct uses *u)
{
    sx_cursor *q = sx_db_query(
        db,
        all ? "SELECT p.param_name, p.distribution_json, min(p.param_id) FROM trial_params p"
              " JOIN trials t ON t.trial_id = p.trial_id WHERE t.study_id = $1 AND t.trial_id >= $2"
              " GROUP BY p.param_name, p.distribution_json ORDER BY min(p.param_id)"
            : "SELECT p.param_name, p.distribution_json, min(p.param_id) FROM trials t"
              " LEFT JOIN strix_trial s ON s.trial_id = t.trial_id"
              " JOIN trial_params p ON p.trial_id = t.trial_id"
              " WHERE t.study_id = $1 AND coalesce(s.attempt, 0) = 0 AND t.trial_id >= $2"
              " GROUP BY p.param_name, p.distribution_json ORDER BY min(p.param_id)",
        "ii", l->id, from);
    int rc;
    while ((rc = sx_db_next(db, q)) == 1) {
        const char *name = sx_db_text(db, q, 0, a), *text = sx_db_text(db, q, 1, a);
        if (name && text && sx_db_dist(db, text)) use(a, u, name, text);
    }
    return rc;
}

/* What the study's rows have: a list of names and distributions, true for what strix writes and for all
 * trials below the id at its end, so that few have to be looked through; without a list all of them. */
static int read_used(sx_db *db, const struct ledger *l, sx_arena *a, struct uses *u)
{
    sx_cursor *q = sx_db_query(db, "SELECT used FROM strix_study WHERE study_id = $1", "i", l->id);
    const int rc = sx_db_next(db, q);
    if (rc < 0) return rc;
    const char *text = rc ? db->driver->text(q, 0) : NULL;
    json_t *list = text ? json_loads(text, 0, NULL) : NULL;
    const size_t n = json_array_size(list);
    for (size_t i = 0; i + 1 < n; i += 2) {
        const char *name = json_string_value(json_array_get(list, i)),
                   *dist = json_string_value(json_array_get(list, i + 1));
        if (name && dist && sx_db_dist(db, dist)) use(a, u, sx_strdup(a, name), sx_strdup(a, dist));
    }
    const int64_t below = n % 2 ? (int64_t)json_integer_value(json_array_get(list, n - 1)) : 0;
    if (rc) sx_db_stop(db, q);
    const bool listed = list != NULL;
    json_decref(list);
    return read_rows(db, l, !listed, below, a, u);
}

/* The list: what was used, and what this process will write. Trials below `stored` have ended. */
static int keep_used(sx_db *db, const struct ledger *l, const struct uses *u)
{
    json_t *list = json_array();
    for (long i = 0; i < u->n; i++) {
        json_array_append_new(list, json_string(u->v[i].name));
        json_array_append_new(list, json_string(u->v[i].text));
    }
    json_array_append_new(list, json_integer(l->stored));
    char *text = json_dumps(list, JSON_COMPACT);
    const int rc = sx_db_run(db, "UPDATE strix_study SET used = $1 WHERE study_id = $2", "ti", text, l->id);
    free(text);
    json_decref(list);
    return rc;
}

/* Behind the choices of all those of d that it lacks, so that the numbers of its own stay what they are.
 * False: d's own numbers would become others. */
static bool append(sx_dist *all, const sx_dist *d)
{
    for (size_t i = 0; i < json_array_size(d->choices); i++) {
        json_t *v = json_array_get(d->choices, i);
        if (isnan(sx_dist_internal(all, v))) json_array_append(all->choices, v);
    }
    for (size_t i = 0; i < json_array_size(d->choices); i++)
        if (sx_dist_internal(all, json_array_get(d->choices, i)) != (double)i) return false;
    return true;
}

static int refuse(const sx_study_row *w, int axis, const char *was)
{
    return sx_store_error(SX_E_CONFIG, "study '%s' has used '%s' as %s, which is not %s", w->name,
                          w->axes->axis[axis]->name, was, w->distribution[axis]);
}

static int rewrite(sx_db *db, int64_t study, const struct used *u, const char *text)
{
    return sx_db_run(
        db,
        "UPDATE trial_params SET distribution_json = $1 WHERE param_name = $2"
        " AND distribution_json = $3 AND trial_id IN (SELECT trial_id FROM trials WHERE study_id = $4)",
        "ttti", text, u->name, u->text, study);
}

static int join_choices(sx_db *db, int64_t study, struct uses *u, const sx_study_row *w, int axis,
                        const char **written)
{
    const sx_dist *is = sx_db_dist(db, w->distribution[axis]);
    sx_dist all = { .choices = json_array() };
    int rc = 0;
    for (long i = 0; i < u->n && !rc; i++)
        if (!strcmp(u->v[i].name, w->axes->axis[axis]->name) && !append(&all, sx_db_dist(db, u->v[i].text)))
            rc = refuse(w, axis, u->v[i].text);
    (void)append(&all, is);
    char *text = sx_dist_like(&all, is) ? NULL : sx_dist_write(&all);
    if (text) *written = sx_strdup(db->arena, text);
    free(text);
    for (long i = 0; i < u->n && !rc && db->write; i++)
        if (!strcmp(u->v[i].name, w->axes->axis[axis]->name) &&
            !sx_dist_like(&all, sx_db_dist(db, u->v[i].text))) {
            rc = rewrite(db, study, &u->v[i], *written);
            u->v[i].text = *written;
        }
    json_decref(all.choices);
    return rc;
}

static int join_axis(sx_db *db, int64_t study, struct uses *u, const sx_study_row *w, int axis,
                     const char **written)
{
    const sx_dist *is = sx_db_dist(db, w->distribution[axis]);
    for (long k = 0; k < u->n && is; k++) {
        const sx_dist *was =
            strcmp(u->v[k].name, w->axes->axis[axis]->name) ? NULL : sx_db_dist(db, u->v[k].text);
        if (was && !(was->choices && is->choices) && !sx_dist_like(is, was))
            return refuse(w, axis, u->v[k].text);
    }
    return is && is->choices ? join_choices(db, study, u, w, axis, written) : 0;
}

static int keep_from(sx_db *db, int64_t study)
{
    return sx_db_run(
        db,
        "INSERT INTO study_user_attributes (study_id, \"key\", value_json)"
        " VALUES ($1, 'strix:space_from', (SELECT CAST(count(*) AS TEXT) FROM trials WHERE study_id = $1))"
        " ON CONFLICT (study_id, \"key\") DO UPDATE SET value_json = excluded.value_json",
        "i", study);
}

int sx_space_join(sx_db *db, struct ledger *l, const sx_study_row *w, bool other)
{
    struct uses u = { 0 };
    sx_arena *a = sx_arena_open(NULL);
    const int n = w->axes ? w->axes->n : 0;
    const char **written = sx_alloc_array(db->arena, (size_t)n + 1, sizeof *written);
    int64_t taken;
    if (n) memcpy(written, w->distribution, (size_t)n * sizeof *written);
    int rc = other && db->write ? sx_db_lookup(db, &taken, "SELECT 1 FROM studies WHERE study_id = $1"
                                               " /*! FOR UPDATE */", "i", l->id)
                                : 0;
    if (rc >= 0 && n) rc = read_used(db, l, a, &u);
    for (int i = 0; i < n && rc >= 0; i++) rc = join_axis(db, l->id, &u, w, i, &written[i]);
    for (int i = 0; i < n; i++) use(a, &u, w->axes->axis[i]->name, written[i]);
    if (rc >= 0 && n && db->write) rc = keep_used(db, l, &u);
    if (rc >= 0 && other && db->write) rc = keep_from(db, l->id);
    sx_arena_close(a);
    l->written = written;
    return rc < 0 ? rc : 0;
}

const char *sx_optuna_written(sx_db *db, int64_t study, int axis)
{
    const struct ledger *l = sx_ledger_of(db, study);
    return !l || !l->axes || axis < 0 || axis >= l->axes->n ? NULL
           : l->written                                     ? l->written[axis]
                                                            : l->distribution[axis];
}

/* A value of axis i as its rows have it. */
double sx_space_stored(sx_db *db, const struct ledger *l, int i, double v)
{
    if (!l->written || !strcmp(l->written[i], l->distribution[i])) return v;
    const sx_dist *is = sx_db_dist(db, l->distribution[i]), *all = sx_db_dist(db, l->written[i]);
    return sx_dist_internal(all, json_array_get(is->choices, (size_t)v));
}

/* 0: the study still has the space that this process knows. */
int sx_space_check(sx_db *db, const struct ledger *l)
{
    int64_t same = 1;
    const int rc = !l->space ? 1
                             : sx_db_lookup(db, &same,
                                            "SELECT CASE WHEN space = $1 THEN 1 ELSE 0 END FROM strix_study"
                                            " WHERE study_id = $2 AND space IS NOT NULL",
                                            "ti", l->space, l->id);
    if (rc < 0 || rc == 0 || same) return rc < 0 ? rc : 0;
    return sx_store_error(SX_E_CONFIG, "study '%s' got another search space since this process began",
                          l->name);
}
