/* search.h: spaces that come from a store instead of an experiment file. */
#ifndef SX_SEARCH_H
#define SX_SEARCH_H
#include <strix/store.h>
#include "model.h"

/* The experiment of a study that others made: its axes, without conditions, and the default sampler. */
int sx_search_of_axes(sx_arena *a, sx_registry *r, const sx_study_row *row, sx_exp **out, sx_diags *d);
/* In words, what differs between two spaces of sx_domain_json; NULL: nothing. */
const char *sx_domain_difference(sx_arena *a, const char *was, const char *is);
const char *sx_json_text(sx_arena *a, const char *text);             /* quoted, as JSON */
#endif
