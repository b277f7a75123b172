/* draft.h: an axis in the making, shared by draft.c, which reads one domain, vectors.c, which makes an
 * axis of each element of a vector, and space.c, which puts a space together. */
#ifndef SX_DRAFT_H
#define SX_DRAFT_H
#include "space.h"

enum { SX_AXES = 1000, SX_VALUES = 20000 };      /* SX_VALUES: fixed ones of branches */
typedef struct { int axis, option; } sx_turn;    /* one step into a branch */
typedef struct {                                 /* a place where a variable gets its value */
    const char *name; const sx_conf *at;
    const sx_turn *path; int depth;
    int axis;                                    /* -1: the fixed value */
    sx_datum fixed; bool usual;                  /* usual: that of vars, as its branch has none */
} sx_use;
/* parent: place in builder.axis */
typedef struct { int parent; struct { double *v; long n, cap; } value; } sx_condition;
typedef struct {
    sx_axis axis; sx_var var;
    uint64_t hash;                               /* of its text: equal domains in two branches are one axis */
    const char *branch;                          /* path of its first use, as text, for name@branch */
    /* the count of a vector, whose elements take this draft's place; or NULL */
    const char *per;
    /* the vector of groups in whose branch it stands, or -1; axes of the elements, of either kind */
    int outer, elements, *element;
    struct { sx_condition *v; long n, cap; } when;
    int place;                                   /* in the finished space, or -1 */
} sx_draft;
typedef struct {
    sx_arena *a; const sx_conf *vars; const sx_scope *scope; sx_diags *d;
    struct { sx_draft **v; long n, cap; } axis;
    struct { sx_use *v; long n, cap; } use;
    int rc;                                      /* of the last error; reading goes on to find more */
} sx_builder;

/* Fills axis, var and per from a group such as { int = [1, 4]; }. */
int sx_draft_read(sx_builder *b, const sx_conf *domain, sx_draft *to);
/* Active where that axis has the value. */
void sx_draft_when(sx_builder *b, sx_draft *to, int parent, double value);
/* Adds an axis for each element of each vector, active while the count is above its number. */
void sx_draft_vectors(sx_builder *b);
bool sx_draft_branches(const sx_conf *choice);   /* is it a choice between groups? */
int sx_draft_fail(sx_builder *b, const sx_conf *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#endif
