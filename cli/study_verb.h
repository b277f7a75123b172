/* study_verb.h: what the actions of `strix study` share; each is a function that gets the opened study. The
 * table of actions and options is in study_verb.c. */
#ifndef STUDY_VERB_H
#define STUDY_VERB_H
#include "crew.h"

typedef int study_action(cli_context *c, sx_study *s);               /* c->arg: action, study, what follows */
study_action study_show, study_best, study_trials, study_replay, study_ask, study_tell, study_add,
    study_create, study_stop, study_resume, study_skip, study_importance, study_confirm;
int study_list(cli_context *c);
int study_import(cli_context *c);
/* An experiment file, or one that is a space alone. */
int study_load(cli_context *c, const char *file, sx_exp **e);
/* A mistake in a constraint is told here, where its line of the file is known and before anything is stored, not when
 * each trial is asked for. */
int study_look_over(cli_context *c, const sx_exp *e);
sx_datum study_datum_of_json(cli_context *c, const json_t *v);

const char *study_state(const sx_trial_row *r);  /* "complete", "waiting" .. */
double study_value(const sx_trial_row *r);       /* NaN: none */
/* from its first start to its end, pauses and second attempts included; NaN: not known */
double study_seconds(const sx_trial_row *r);
const char *study_worth(cli_context *c, const sx_exp *e, const sx_trial_row *r);     /* all objectives */
/* The measured constraints that it does not keep; "": none. */
const char *study_broken(cli_context *c, const sx_exp *e, const sx_trial_row *r);
/* What the replicas of each trial gave, by its number; for study_row_json and study_spread, or NULL. */
json_t *study_replicas(cli_context *c, sx_study *s);
/* "0.94 +- 0.01" */
const char *study_spread(cli_context *c, const sx_exp *e, const json_t *all, const sx_trial_row *r);
json_t *study_row_json(cli_context *c, const sx_study *s, const json_t *replicas, const sx_trial_row *r);
json_t *study_head_json(sx_study *s);            /* the head of a document: study, store, objective */
const char *study_json_text(cli_context *c, const json_t *v);        /* a value as a cell shows it */
int study_find_best(cli_context *c, sx_study *s, const sx_trial_row **best);     /* NULL and 0: there is none */
bool study_real(const char *text, double *v);    /* the whole text is a number */
bool study_number(const char *text, long *number);           /* of a trial */
/* add: --set lr=0.001 (no dot in the name) is a word of the point */
void study_words_of_sets(cli_context *c);
#endif
