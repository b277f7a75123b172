/* paths.h: what stands at each path of an expanded model, and what a name means inside a group.
 * Inputs, shared weights and unique names all ask here. */
#ifndef SX_PATHS_H
#define SX_PATHS_H
#include "model.h"

typedef struct {
    const char *path; sx_link out;
    long rounds, node;                           /* rounds of a repeat; place in the list, -1 of a block */
} sx_path;
typedef struct { sx_arena *arena; sx_path *v; long n, cap; } sx_paths;   /* zeroed but for the arena: empty */

/* false: that path is taken. path is not copied. */
bool sx_paths_add(sx_paths *p, const char *path, sx_link out, long rounds, long node);
/* What `name` ("a", "a.b") means below prefix ("blocks.2."; root at the top): the nearest enclosing group that has it
 * wins; where a part was repeated and no round is named, its last round is meant. NULL: nothing. */
const sx_path *sx_paths_find(const sx_paths *p, const char *prefix, const char *root, const char *name);
#endif
