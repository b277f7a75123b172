/* optuna_events.c: the events of a study, from which samplers learn. Each keeps in one word what the tables
 * say of its trial at that moment, so that a history of many trials is one table, read once. */
#include <string.h>
#include "arena.h"
#include "ledger.h"

/* Events that are read at once; numbers in a word, beyond which the tables alone have them. */
enum { BATCH = 1024, LONGEST = 4096, DIGITS = 16 };

/* --- Words: the bits of each number in 16 hexadecimal digits --- */

uint64_t sx_space_hash(const char *space)
{
    uint64_t h = 14695981039346656037u;
    for (; space && *space; space++) h = (h ^ (unsigned char)*space) * 1099511628211u;
    return h;
}

typedef struct { char *at; } writer;
typedef struct { const char *at; size_t left; bool bad; } reader;

static void put_bits(writer *w, uint64_t v)
{
    for (int i = DIGITS; i-- > 0; v >>= 4) w->at[i] = "0123456789abcdef"[v & 15];
    w->at += DIGITS;
}

static void put_reals(writer *w, const double *v, long n)
{
    for (long i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        put_bits(w, bits);
    }
}

static reader read_word(const char *text)
{
    const size_t n = text ? strlen(text) : 0;
    return (reader){ text, n / DIGITS, !n || n % DIGITS };
}

static uint64_t get_bits(reader *r)
{
    uint64_t v = 0;
    unsigned bad = 0;
    if (!r->left) r->bad = true;
    if (r->bad) return 0;
    for (int i = 0; i < DIGITS; i++) {
        const unsigned c = (unsigned char)r->at[i], digit = (c & 15) + 9 * (c >> 6);
        bad |= c ^ (unsigned char)"0123456789abcdef"[digit & 15];
        v = v << 4 | (digit & 15);
    }
    r->bad = bad;
    r->at += DIGITS;
    r->left--;
    return v;
}

/* NULL of none, or where they are not there. */
static double *get_reals(reader *r, sx_arena *a, uint64_t n)
{
    if (n > r->left) r->bad = true;
    double *v = n && !r->bad ? sx_alloc_array(a, (size_t)n, sizeof *v) : NULL;
    for (uint64_t i = 0; v && i < n; i++) {
        const uint64_t bits = get_bits(r);
        memcpy(&v[i], &bits, sizeof bits);
    }
    return v;
}

/* --- What an event keeps: of a start the space and the point; else values, constraints, curve --- */

static const char *point_word(sx_arena *a, const struct ledger *l, const double *x)
{
    if (!l->space || !l->axes) return NULL;
    const long n = l->axes->n;
    char *text = sx_alloc_array(a, (size_t)n + 2, DIGITS);
    writer w = { text };
    put_bits(&w, l->space_hash);
    put_reals(&w, x, n);
    return text;
}

static const char *told_word(sx_arena *a, const struct ledger *l, const sx_body *b, bool ended)
{
    const long values = ended && b->value ? l->objectives : 0, constraints = b->constraint.n,
               steps = b->step.n;
    if (values + constraints + 2 * steps > LONGEST) return NULL;
    char *text = sx_alloc_array(a, (size_t)(values + constraints + 2 * steps) + 4, DIGITS);
    writer w = { text };
    put_bits(&w, (uint64_t)values);
    put_reals(&w, b->value, values);
    put_bits(&w, (uint64_t)constraints);
    put_reals(&w, b->constraint.v, constraints);
    put_reals(&w, b->curve.v, steps);
    for (long i = 0; i < steps; i++) put_bits(&w, (uint64_t)b->step.v[i]);
    return text;
}

static const double *point_of(sx_arena *a, const struct ledger *l, const char *text)
{
    reader r = read_word(text);
    if (r.bad || !l->space || !l->axes || get_bits(&r) != l->space_hash || r.bad) return NULL;
    if (r.left != (size_t)l->axes->n) return NULL;
    const double *x = l->axes->n ? get_reals(&r, a, r.left) : sx_alloc(a, sizeof *x);
    return r.bad ? NULL : x;
}

/* false: the tables have to be asked. */
static bool told_of(sx_arena *a, const struct ledger *l, const char *text, sx_trial *t)
{
    reader r = read_word(text);
    if (r.bad) return false;
    const uint64_t values = get_bits(&r);
    t->value = get_reals(&r, a, values);
    const uint64_t constraints = r.bad ? 0 : get_bits(&r);
    t->constraint = get_reals(&r, a, constraints);
    const uint64_t wanted = l->axes ? (uint64_t)l->axes->constraints : 0;
    if (r.bad || r.left % 2 || (values && values != (uint64_t)l->objectives)) return false;
    if (constraints && constraints != wanted) return false;
    t->steps = (long)(r.left / 2);
    t->curve = get_reals(&r, a, (uint64_t)t->steps);
    long *step = t->steps ? sx_alloc_array(a, (size_t)t->steps, sizeof *step) : NULL;
    for (long i = 0; i < t->steps; i++) step[i] = (long)get_bits(&r);
    t->step = step;
    return !r.bad;
}

int sx_event_add(sx_db *db, const struct ledger *l, int64_t trial, const char *fate)
{
    const sx_fate f = sx_fate_of(fate);
    const bool starts = f == SX_RUNNING;
    sx_arena *a = sx_arena_open(NULL);
    sx_body b = { .id = trial };
    int rc = sx_bodies_read(db, l, a, starts ? SX_BODY_POINT : SX_BODY_VALUE | SX_BODY_CURVE, 1, &b);
    if (!rc)
        rc = sx_db_run(
            db,
            "INSERT INTO strix_event (study_id, seq, trial_id, fate, steps, number, tag, body) VALUES ($1,"
            " (SELECT coalesce(max(e.seq), 0) + 1 FROM strix_event e WHERE e.study_id = $1), $2, $3, $4,"
            " (SELECT number FROM trials WHERE trial_id = $2),"
            " (SELECT tag FROM strix_trial WHERE trial_id = $2), $5)",
            "iitit", l->id, trial, fate, starts ? INT64_C(0) : (int64_t)b.step.n,
            starts ? point_word(a, l, b.x) : told_word(a, l, &b, sx_fate_ended(f)));
    sx_arena_close(a);
    return rc;
}

/* --- History --- */

typedef struct {
    const struct ledger *ledger; sx_arena *arena;
    int64_t since;
    struct { sx_head *v; long n, cap; } heads;
} reading;

/* The point of the trial's latest start in this batch, or NULL. */
static const double *point_before(const reading *n, int64_t trial)
{
    for (long i = n->heads.n; i-- > 0;)
        if (n->heads.v[i].r.id == trial && n->heads.v[i].r.t.fate == SX_RUNNING) return n->heads.v[i].r.t.x;
    return NULL;
}

static sx_head event_at(reading *n, const sx_driver *d, sx_cursor *q)
{
    sx_head h = { .event = d->integer(q, 0), .most = (long)d->integer(q, 2),
                  .r = { .size = sizeof h.r, .id = d->integer(q, 3),
                         .t = { .number = (long)d->integer(q, 4), .fate = sx_fate_of(d->text(q, 1)),
                                .tag = d->integer(q, 5) } } };
    sx_trial *t = &h.r.t;
    if (t->fate == SX_RUNNING) {
        h.most = 0;
        t->x = point_of(n->arena, n->ledger, d->text(q, 6));
        h.whole = t->x;
    } else {
        t->x = point_before(n, h.r.id);
        h.whole = t->x && told_of(n->arena, n->ledger, d->text(q, 6), t);
    }
    return h;
}

static int read_batch(sx_db *db, void *ctx)
{
    reading *n = ctx;
    n->heads.n = 0;
    sx_cursor *q = sx_db_query(db,
                               "SELECT seq, fate, steps, trial_id, number, tag, body FROM strix_event"
                               " WHERE study_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
                               "iii", n->ledger->id, n->since, (int64_t)BATCH);
    int rc;
    while ((rc = sx_db_next(db, q)) == 1) SX_PUSH(n->arena, n->heads, event_at(n, db->driver, q));
    return rc ? rc : sx_heads_fill(db, n->ledger, n->arena, SX_BODY_POINT | SX_BODY_VALUE | SX_BODY_CURVE,
                                   n->heads.n, n->heads.v);
}

int sx_optuna_news(sx_db *db, int64_t study, int64_t *since, sx_on_event *each, void *ctx)
{
    reading n = { .ledger = sx_ledger_of(db, study) };
    int rc = n.ledger ? 0 : SX_E_USAGE;
    for (bool more = !rc; more;) {
        n = (reading){ .ledger = n.ledger, .arena = sx_arena_open(NULL), .since = *since };
        rc = sx_db_reading(db, read_batch, &n);
        for (long i = 0; i < n.heads.n && !rc; i++) {
            each(ctx, n.heads.v[i].event, &n.heads.v[i].r);
            *since = n.heads.v[i].event;
        }
        more = !rc && n.heads.n == BATCH;
        sx_arena_close(n.arena);
    }
    return rc;
}
