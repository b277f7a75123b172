/* wrong_search.c: samplers and pruners with one fault each, which the conformance suites must find. */
#include <strix/plugin.h>
#include <string.h>

static const sx_param params[] = { SX_END };
#define SAMPLER(NAME, DOC, ...) \
    SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, NAME, params, sx_no_params, .doc = DOC, __VA_ARGS__)
#define PRUNER(NAME, DOC, ...) \
    SX_DEFINE(SX_KIND_PRUNER, sx_pruner, NAME, params, sx_no_params, .doc = DOC, __VA_ARGS__)
#define ASK(NAME) \
    static int NAME##_ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, \
                          double *x, int64_t *tag)

ASK(outside)
{
    (void)p, (void)cache, (void)h, (void)tag;
    sx_point_random(s, r, x);
    for (int i = 0; i < s->n; i++) if (s->axis[i]->kind == SX_AXIS_REAL && sx_active(s, x, i)) x[i] = NAN;
    return 0;
}
SAMPLER(outside, "gives no number for a variable", .ask = outside_ask);

ASK(moody)
{
    static int asked;
    (void)p, (void)cache, (void)h, (void)tag;
    for (int skip = asked++ % 7; skip; skip--) (void)sx_uniform(r);
    sx_point_random(s, r, x);
    return 0;
}
SAMPLER(moody, "remembers how often it was asked", .ask = moody_ask);

/* What it keeps between two suggestions is no cache: it decides. */
static void *learns_open(const void *p, const sx_space *s)
{
    static long memory;
    (void)p, (void)s;
    memory = 0;
    return &memory;
}
ASK(learns)
{
    long *memory = cache;
    (void)p, (void)h, (void)tag;
    if (memory && ++*memory % 2) (void)sx_uniform(r);
    sx_point_random(s, r, x);
    return 0;
}
SAMPLER(learns, "keeps in its cache what no history tells", .open = learns_open, .ask = learns_ask);

ASK(early)
{
    (void)p, (void)cache, (void)tag;
    sx_point_random(s, r, x);
    return h->n > 3 && sx_axis_count(s->axis[1]);
}
SAMPLER(early, "takes a finite space for exhausted", .ask = early_ask);

/* The points of a design, by how many trials have ended instead of by number. */
ASK(copies)
{
    (void)p, (void)cache, (void)tag;
    for (int i = 0; i < s->n; i++)
        x[i] = sx_active(s, x, i)
                   ? sx_axis_at(s->axis[i], sx_uniform_of(sx_rng_study(r) + (uint64_t)i, (uint64_t)h->done))
                   : NAN;
    return 0;
}
SAMPLER(copies, "does not see running trials", .ask = copies_ask);

static sx_verdict hasty_judge(const void *p, const sx_history *h, const sx_trial *self)
{
    (void)p, (void)h, (void)self;
    return SX_STOP;
}
PRUNER(hasty, "stops everything", .judge = hasty_judge);

static sx_verdict fickle_judge(const void *p, const sx_history *h, const sx_trial *self)
{
    static int asked;
    (void)p, (void)self;
    return h->n && self->number > h->n && asked++ % 2 ? SX_STOP : SX_GO;
}
PRUNER(fickle, "judges differently each time", .judge = fickle_judge);

static sx_verdict go(const void *p, const sx_history *h, const sx_trial *self)
{
    (void)p, (void)h, (void)self;
    return SX_GO;
}
static long raises_resume(const void *p, const sx_history *h)
{
    (void)p;
    return h->done ? h->trial[h->done - 1]->number : -1;
}
PRUNER(raises, "goes on with trials that have ended", .judge = go, .resume = raises_resume);

SX_PLUGIN("wrong_search", "1.0", "MIT", SX_ITEM(outside), SX_ITEM(moody), SX_ITEM(learns), SX_ITEM(early),
          SX_ITEM(copies), SX_ITEM(hasty), SX_ITEM(fickle), SX_ITEM(raises));
