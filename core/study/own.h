/* own.h: the inside of a study, for the files that make one: study.c opens it, claim.c asks, tell.c tells,
 * results.c reads. */
#ifndef SX_OWN_H
#define SX_OWN_H
#include "history.h"
#include "study.h"

struct report { long step; double v; };
struct live {
    struct live *next;
    int64_t id;
    long n, cap;
    struct report *v;
}; /* of a trial that runs here */
struct sx_study {
    sx_arena *arena; sx_registry *registry; sx_exp *exp;
    const sx_store *store; sx_db *db; int64_t id, since;
    const char *url, *name;
    sx_past *past;
    const double *usual;                         /* the point of `vars` */
    void *cache;                                 /* the sampler's */
    const sx_machine *machine;
    struct live *lives;
    double chance; bool chance_known;            /* see sx_history */
    sx_refusals refusals; bool warned;           /* warned: of the first mistake */
};

static inline const sx_sampler *sx_study_sampler(const sx_study *s)
{
    return (const sx_sampler *)(const void *)s->exp->tune.sampler.entry->item;
}
void sx_study_facts(sx_study *s, sx_history *h);     /* fills in what pruners are told beside the trials */
/* A value as samplers and stores have it, less is better, from one as the user sees it; or back. */
static inline double sx_minimised(const sx_study *s, long objective, double v)
{
    return s->exp->tune.maximize[objective] ? -v : v;
}
int sx_study_told(const sx_study *s, int rc, sx_diags *d);       /* an error of the store, with its words */
/* sx_study_numbered with its code: SX_E_USAGE where there is none of that number. */
int sx_study_find(sx_study *s, sx_arena *a, long number, const sx_trial_row **row, sx_diags *d);
double sx_study_nearest(const sx_study *s, int i);               /* of axis i, to its variable; 0: it has none */
int sx_study_news(sx_study *s, sx_diags *d);         /* takes in the events since the last look */
void sx_study_curve(sx_study *s, int64_t id, long step, double v);   /* a report of a trial that runs here */
double *sx_study_reals(sx_arena *a, const double *v, long n);        /* a copy; NULL of NULL */
void sx_study_copy_row(sx_study *s, sx_arena *a, const sx_trial_row *from, sx_trial_row *to);
#endif
