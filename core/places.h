/* places.h: what stands at each path of an expanded model, and how a name is looked up from inside a group. */
#ifndef SX_PLACES_H
#define SX_PLACES_H
#include "model.h"

typedef struct {
    const char *path; sx_link out;
    long rounds, node;                           /* rounds of a repeat; place in the list, -1 of a block */
} sx_place;
typedef struct { sx_arena *arena; sx_place *v; long n, cap; } sx_places;         /* zeroed but for the arena: empty */

/* false: that path is taken. path must live as long as the places. */
bool sx_places_add(sx_places *p, const char *path, sx_link out, long rounds, long node);
/* `name` ("a", "a.b") as seen from prefix ("blocks.2.", at the top: root): the nearest enclosing group that has it wins; where
 * a part was repeated and no round is named, its last round is meant. NULL: nowhere. */
const sx_place *sx_places_find(const sx_places *p, const char *prefix, const char *root, const char *name);
#endif
