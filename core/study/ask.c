/* ask.c: one suggestion: the sampler's answer made legal, refused where it breaks a constraint or repeats a
 * trial. A refused point goes back into this ask's history as SX_REFUSED, so a sampler needs no code for
 * either. */
#include <string.h>
#include "rng.h"
#include "study.h"

/* how often; the largest finite space that is tried point by point */
enum { ASKED_AGAIN = 100, COUNTED = 10000 };

typedef struct {
    sx_arena *arena;
    const sx_ask_want *want;
    const sx_domain *domain;
    sx_history history; long room;               /* the wanted one; a copy from the first refused point on */
    const sx_trial **trial;
    sx_diag why;                                 /* of the latest refusal; text NULL: a repeat */
    sx_diag first; long broken, unbuilt;         /* the first that made no net; how many, and by constraints */
    sx_diags *diags;
} asking;

static void refuse(asking *q, const double *x)
{
    sx_trial *t = SX_NEW(q->arena, sx_trial);
    *t = (sx_trial){ .number = q->want->number, .fate = SX_REFUSED,
                     .x = sx_dup(q->arena, x, (size_t)q->domain->space.n * sizeof *x) };
    if (q->history.n >= q->room) {
        const long n = q->history.n, more = 2 * n + 16;
        const sx_trial **list = sx_alloc_array(q->arena, (size_t)more, sizeof *list);
        if (n) memcpy(list, q->history.trial, (size_t)n * sizeof *list);
        q->history.trial = q->trial = list;
        q->room = more;
    }
    q->trial[q->history.n++] = t;
}

static void note_reason(asking *q)
{
    if (!q->why.text) q->why.text = "a constraint";
    if (q->why.code && !q->unbuilt++) q->first = q->why;
    q->broken += !q->why.code;
}

/* 0: a good point; 1: refused, and noted as such; SX_E_*. */
static int judge(asking *q, const double *x)
{
    const sx_ask_want *w = q->want;
    q->why = (sx_diag){ 0 };
    const sx_space *s = &q->domain->space;
    const bool repeats = w->exp->tune.on_repeat == 0 && sx_point_find(s, &q->history, x, q->history.n) >= 0;
    if (!repeats) {
        const int rc = w->check ? w->check(w->ctx, x, &q->why) : 0;
        if (rc == 0 || (rc < 0 && rc != SX_E_REFUSED)) return rc;
        note_reason(q);
    }
    refuse(q, x);
    return 1;
}

/* Chance no longer finds the last points of a finite space: take the first one that is left. 1: none is. */
static int count_through(asking *q, double *x)
{
    const sx_space *s = &q->domain->space;
    long refused = 0, near = 0;
    sx_point_first(s, 1, x);
    do {
        const long at = sx_point_find(s, &q->history, x, near);
        near = at + 1;
        if (at >= 0) continue;
        const int rc = judge(q, x);
        if (rc <= 0) return rc;
    } while (++refused < COUNTED && sx_point_next(s, 1, x));
    return 1;
}

/* Most of the suggestions made no net: what was wrong with the first, as a mistake of the file. */
static int no_net(asking *q)
{
    sx_diags_add(q->diags, SX_E_CONFIG, &q->first);
    sx_detail(q->diags, "%s%sThat is why the first of %d suggestions in a row was refused.",
              q->first.detail ? q->first.detail : "", q->first.detail ? " " : "", ASKED_AGAIN);
    return SX_E_REFUSED;
}

static int give_up(asking *q, bool countable, double *x)
{
    if (countable) return count_through(q, x);
    if (!q->why.text) {
        sx_warn(q->diags, SX_NOWHERE, "trial %ld repeats a point: %d suggestions were no new ones",
                q->want->number, ASKED_AGAIN);
        return 0;
    }
    if (q->unbuilt > q->broken) return no_net(q);
    const int rc = sx_error(q->diags, SX_E_REFUSED, SX_NOWHERE,
                            "%d suggestions in a row broke the constraints", ASKED_AGAIN);
    sx_detail(q->diags, "The last one: %s.", q->why.text);
    sx_hint(q->diags, "Narrow tune.space to where tune.constraints can hold.");
    return rc;
}

int sx_ask_point(sx_arena *a, const sx_ask_want *w, double *x, int64_t *tag, sx_diags *d)
{
    const sx_use *use = &w->exp->tune.sampler;
    const sx_sampler *sampler = (const sx_sampler *)use->entry->item;
    const uint64_t size = sx_domain_size(w->exp->domain);
    asking q = { .arena = a, .want = w, .domain = w->exp->domain, .history = *w->history, .diags = d };
    sx_rng r;
    sx_rng_init(&r, w->seed, w->number, "ask");
    /* A grid with a constraint may be refused many times in a row and still have points to give. */
    const long most = size && size < COUNTED ? (long)size + ASKED_AGAIN : ASKED_AGAIN;
    for (long tries = 0; tries < most; tries++) {
        *tag = 0;
        const int rc = sampler->ask(use->params, w->cache, &q.domain->space, &q.history, &r, x, tag);
        if (rc == 1) return 1;
        if (rc)
            return sx_error(d, rc < 0 ? rc : SX_E_PLUGIN, SX_NOWHERE, "sampler '%s' failed (%d)",
                            use->entry->item->name, rc);
        sx_domain_repair(q.domain, x);
        const int verdict = judge(&q, x);
        if (verdict <= 0) return verdict;
    }
    return give_up(&q, size && size < COUNTED, x);
}
