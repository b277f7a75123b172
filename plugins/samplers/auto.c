/* auto.c: the default sampler: asks the one that bench/hpo shows best for such a space and so many trials.
 * Which one follows from the space and the history alone, so a study replays whatever was asked before. */
#include <stdlib.h>
#include <string.h>
#include "part.h"

enum { GP, FOREST, TPE, PARTS };
enum { MANY = 500, OFTEN = 4, ROOM = 256 };      /* trials that a model takes in; every 4th of a forest */

typedef struct { void *cache[PARTS]; } memory;

static const sx_sampler *part(int which)
{
    return which == GP ? gp_part : which == FOREST ? forest_part : tpe_part;
}

/* A part's settings at their defaults. */
static void defaults(const sx_param *p, char *settings)
{
    for (; p->name; p++) {
        char *at = settings + p->offset;
        const long whole = (long)p->def;
        const int choice = (int)p->def;
        const bool flag = p->def != 0;
        if (p->type == SX_TYPE_INT) memcpy(at, &whole, sizeof whole);
        if (p->type == SX_TYPE_REAL) memcpy(at, &p->def, sizeof p->def);
        if (p->type == SX_TYPE_BOOL) memcpy(at, &flag, sizeof flag);
        if (p->type == SX_TYPE_CHOICE) memcpy(at, &choice, sizeof choice);
    }
}

/* Categories and conditions make steps, which a forest sees and a Gaussian process smooths over. */
static bool has_steps(const sx_space *s)
{
    for (int i = 0; i < s->n; i++) if (s->axis[i]->whens || s->axis[i]->kind == SX_AXIS_CHOICE) return true;
    return false;
}

static int choose(const sx_space *s, const sx_history *h, const sx_rng *r)
{
    if (h->done >= MANY) return TPE;
    return has_steps(s) && sx_rng_trial(r) % OFTEN == 1 ? FOREST : GP;
}

static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    (void)p;
    const int which = choose(s, h, r);
    memory *m = cache;
    max_align_t settings[ROOM / sizeof(max_align_t)] = { 0 };
    defaults(part(which)->params, (char *)settings);
    if (m && !m->cache[which]) m->cache[which] = part(which)->open(settings, s);
    return part(which)->ask(settings, m ? m->cache[which] : NULL, s, h, r, x, tag);
}

static void *open(const void *p, const sx_space *s) { return (void)p, (void)s, calloc(1, sizeof(memory)); }

static void close(void *cache)
{
    memory *m = cache;
    for (int i = 0; i < PARTS; i++) if (m->cache[i]) part(i)->close(m->cache[i]);
    free(m);
}

SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, auto, SX_NO_PARAMS, sx_no_params, .open = open, .close = close,
          .ask = ask,
          .doc = "gp, beside choices or conditions every 4th time forest, tpe from 500 trials on");
SX_PLUGIN("auto", "1.0", "MIT", SX_ITEM(auto));
