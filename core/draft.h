/* draft.h: an axis in the making, shared by draft.c, which reads one domain, and space.c, which puts a space
 * together. */
#ifndef SX_DRAFT_H
#define SX_DRAFT_H
#include "space.h"

/* parent: place in builder.axis */
typedef struct { int parent; struct { double *v; long n, cap; } value; } sx_condition;
typedef struct {
    sx_axis axis; sx_var var;
    uint64_t hash;                               /* of its text: equal domains in two branches are one axis */
    const char *branch;                          /* path of its first use, as text, for name@branch */
    /* the count of a vector, whose elements take this draft's place; or NULL */
    const char *per;
    struct { sx_condition *v; long n, cap; } when;
    int place;                                   /* in the finished space, or -1 */
} sx_draft;
typedef struct {
    sx_arena *a; const sx_conf *vars; const sx_scope *scope; sx_diags *d;
    struct { sx_draft **v; long n, cap; } axis;
    struct { struct sx_use *v; long n, cap; } use;
    int rc;                                      /* of the last error; reading goes on to find more */
} sx_builder;

/* Fills axis, var and per from a group such as { int = [1, 4]; }. */
int sx_draft_read(sx_builder *b, const sx_conf *domain, sx_draft *to);
bool sx_draft_branches(const sx_conf *choice);   /* is it a choice between groups? */
int sx_draft_fail(sx_builder *b, const sx_conf *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#endif
