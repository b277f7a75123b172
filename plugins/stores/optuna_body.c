/* optuna_body.c: points, values, curves and constraints of many trials: each table is read in one go, not
 * once for each trial. */
#include <stdlib.h>
#include <string.h>
#include "arena.h"
#include "ledger.h"

/* Ids so close are read together; from so many on, a table may be read whole where it holds little else. */
enum { CLOSE = 16, MANY = 500 };
typedef struct {
    sx_db *db; const struct ledger *l; sx_arena *a;
    sx_body *body; long n, at;
    int axis; bool shown;
} reading;

static int by_id(const void *id, const void *body)
{
    const int64_t a = *(const int64_t *)id, b = ((const sx_body *)body)->id;
    return (a > b) - (a < b);
}

/* Rows come in the order of trials, nearly always. */
static sx_body *body_of(reading *r, int64_t id)
{
    for (long i = r->at; i < r->n && i < r->at + 2; i++)
        if (r->body[i].id == id) return &r->body[r->at = i];
    sx_body *b = bsearch(&id, r->body, (size_t)r->n, sizeof *b, by_id);
    if (b) r->at = b - r->body;
    return b;
}

/* --- Points --- */

static int axis_named(const struct ledger *l, const char *name, int hint)
{
    for (int k = 0; l->axes && name && k < l->axes->n; k++) {
        const int i = (hint + k) % l->axes->n;
        if (!strcmp(l->axes->axis[i]->name, name)) return i;
    }
    return -1;
}

/* An option that the axis has no more: a value, but none of its own. */
static double known(double option) { return isnan(option) ? -1 : option; }

/* A stored value in the terms of our axis: the same number, but the same word of a choice. */
static double into_axis(sx_db *db, const struct ledger *l, int i, const char *text, double v)
{
    if (!strcmp(text, l->distribution[i])) return v;
    const sx_dist *was = sx_db_dist(db, text), *is = sx_db_dist(db, l->distribution[i]);
    if (!was || !is) return NAN;
    if (!was->choices || !is->choices) return !was->choices && !is->choices ? v : NAN;
    return v >= 0 && v < (double)json_array_size(was->choices)
               ? known(sx_dist_internal(is, json_array_get(was->choices, (size_t)v)))
               : NAN;
}

static void take_param(reading *r, sx_body *b, sx_cursor *q)
{
    const sx_driver *d = r->db->driver;
    const char *name = d->text(q, 1), *dist = d->text(q, 3);
    if (!name || !dist || d->null(q, 2)) return;
    const double v = d->real(q, 2);
    const int axis = axis_named(r->l, name, r->axis + 1);
    if (axis >= 0) b->x[r->axis = axis] = into_axis(r->db, r->l, axis, dist, v);
    const sx_dist *is = r->shown ? sx_db_dist(r->db, dist) : NULL;
    if (!is) return;
    const struct shown s = { d->integer(q, 4), sx_strdup(r->a, name), is, v };
    SX_PUSH(r->a, b->shown, s);
    for (long i = b->shown.n - 1; i > 0 && b->shown.v[i - 1].id > s.id; i--) {
        b->shown.v[i] = b->shown.v[i - 1];
        b->shown.v[i - 1] = s;
    }
}

void sx_body_key(const char *name, FILE *to)
{
    json_t *key = json_string(name);
    char *quoted = json_dumps(key, JSON_ENCODE_ANY);
    fprintf(to, "%s: ", quoted ? quoted : "\"?\"");
    free(quoted);
    json_decref(key);
}

const char *sx_body_text(sx_arena *a, const sx_body *b)
{
    char *text = NULL;
    size_t bytes;
    FILE *json = open_memstream(&text, &bytes);
    if (!json) return NULL;
    fputc('{', json);
    for (long i = 0; i < b->shown.n; i++) {
        if (i) fputs(", ", json);
        sx_body_key(b->shown.v[i].name, json);
        sx_dist_show(b->shown.v[i].dist, b->shown.v[i].v, json);
    }
    fputc('}', json);
    fclose(json);
    const char *kept = sx_strdup(a, text);
    free(text);
    return kept;
}

/* --- Values, curves, constraints --- */

static void take_value(reading *r, sx_body *b, sx_cursor *q)
{
    const sx_driver *d = r->db->driver;
    const int64_t i = d->integer(q, 1);
    if (i < 0 || i >= r->l->objectives) return;
    if (!b->value) {
        b->value = sx_alloc_array(r->a, (size_t)r->l->objectives, sizeof *b->value);
        for (int k = 0; k < r->l->objectives; k++) b->value[k] = NAN;
    }
    b->value[i] = sx_user_value(r->l, (int)i, sx_number_of(d->text(q, 3), d->real(q, 2)));
}

static void take_step(reading *r, sx_body *b, sx_cursor *q)
{
    const sx_driver *d = r->db->driver;
    const long step = (long)d->integer(q, 1);
    const double v = sx_user_value(r->l, 0, sx_number_of(d->text(q, 3), d->real(q, 2)));
    SX_PUSH(r->a, b->step, step);
    SX_PUSH(r->a, b->curve, v);
    for (long i = b->step.n - 1; i > 0 && b->step.v[i - 1] > step; i--) {
        b->step.v[i] = b->step.v[i - 1], b->curve.v[i] = b->curve.v[i - 1];
        b->step.v[i - 1] = step, b->curve.v[i - 1] = v;
    }
}

static void take_constraint(reading *r, sx_body *b, sx_cursor *q)
{
    SX_PUSH(r->a, b->constraint, r->db->driver->null(q, 1) ? NAN : r->db->driver->real(q, 1));
}

/* --- Tables --- */

#define NEAR " WHERE trial_id BETWEEN $1 AND $2"
#define WHOLE " /*!" NEAR " */"
#define PARAMS "SELECT trial_id, param_name, param_value, distribution_json, param_id FROM trial_params"
#define VALUES "SELECT trial_id, objective, value, value_type FROM trial_values"
#define STEPS \
    "SELECT trial_id, step, intermediate_value, intermediate_value_type FROM trial_intermediate_values"
static const struct table {
    const char *near, *whole;                    /* a server keeps to its index in both */
    void (*take)(reading *r, sx_body *b, sx_cursor *q);
} params = { PARAMS NEAR, PARAMS WHOLE, take_param }, values = { VALUES NEAR, VALUES WHOLE, take_value },
  steps = { STEPS NEAR " ORDER BY trial_id, step", STEPS WHOLE, take_step },
  constraints = { "SELECT trial_id, value FROM strix_report" NEAR " AND step = -1 ORDER BY trial_id, metric",
                  NULL, take_constraint };

static int read_table(reading *r, const struct table *t, int64_t from, int64_t to, bool whole)
{
    sx_cursor *q = sx_db_query(r->db, whole && t->whole ? t->whole : t->near, "ii", from, to);
    int rc;
    r->at = 0;
    while ((rc = sx_db_next(r->db, q)) == 1) {
        sx_body *b = body_of(r, r->db->driver->integer(q, 0));
        if (b) t->take(r, b, q);
    }
    return rc;
}

static int read_run(reading *r, unsigned want)
{
    const int64_t from = r->body[0].id, to = r->body[r->n - 1].id;
    const bool whole = r->n >= MANY && r->n >= to / 2;
    int rc = want & (SX_BODY_POINT | SX_BODY_SHOWN) ? read_table(r, &params, from, to, whole) : 0;
    if (!rc && want & SX_BODY_VALUE) rc = read_table(r, &values, from, to, whole);
    if (!rc && want & SX_BODY_CURVE) rc = read_table(r, &steps, from, to, whole);
    return rc || !r->l->axes || !r->l->axes->constraints ? rc : read_table(r, &constraints, from, to, whole);
}

int sx_bodies_read(sx_db *db, const struct ledger *l, sx_arena *a, unsigned want, long n, sx_body *body)
{
    const size_t axes = (size_t)(l->axes ? l->axes->n : 0);
    double *x = l->axes && want & SX_BODY_POINT ? sx_alloc_array(a, (size_t)n * axes + 1, sizeof *x) : NULL;
    int rc = 0;
    for (size_t i = 0; x && i < (size_t)n * axes; i++) x[i] = NAN;
    for (long i = 0; i < n && x; i++) body[i].x = x + (size_t)i * axes;
    for (long from = 0, to; from < n && !rc; from = to) {
        for (to = from + 1; to < n && body[to].id - body[to - 1].id <= CLOSE;) to++;
        rc = read_run(&(reading){ db, l, a, body + from, to - from, 0, -1, want & SX_BODY_SHOWN }, want);
    }
    return rc;
}
