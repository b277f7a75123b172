/* places.h: an index of the points of a history, so that asking whether a point was tried before costs the
 * same behind ten trials and behind a million. */
#ifndef SX_PLACES_H
#define SX_PLACES_H
#include <strix/plugin.h>
#include "arena.h"

sx_places *sx_places_open(sx_arena *a, int axes);
void sx_places_expect(sx_places *p, long more);  /* so many will be added soon */
/* The point of the next place: 0, 1, .. in order of the calls. x is not copied and must stay. */
void sx_places_add(sx_places *p, const double *x);
/* The first place of the point, which decides for every shorter history, too; -1: none. */
long sx_places_find(const sx_places *p, const double *x);
#endif
