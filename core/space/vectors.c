/* vectors.c: `per = "num_blocks"`: the vectors of a space, one axis per element, and the counts that make
 * elements active. A vector of groups takes along all that its branches hold. */
#include "draft.h"
#include <string.h>

enum { VALUES = 10000, ELEMENTS = 1000 };

/* --- Where the elements come from --- */

/* where the axis has that value, there are so many elements */
typedef struct { int axis; double at; int64_t count; } source;
typedef struct { source *v; long n, cap; } sources;

static int add_source(sx_builder *b, sources *to, const sx_draft *of, int axis, double at,
                      const sx_datum *count)
{
    const double n = sx_datum_real(count);
    if (!sx_datum_is_number(count) || n != floor(n) || n < 0 || n > ELEMENTS)
        return sx_draft_fail(b, of->var.where, "'%s' cannot have %s elements", of->var.name,
                             sx_datum_text(b->a, count));
    SX_PUSH(b->a, *to, ((source){ axis, at, (int64_t)n }));
    return 0;
}

/* Every value of the axis of a searched count. */
static int axis_sources(sx_builder *b, const sx_draft *of, int axis, sources *to)
{
    const sx_draft *count = b->axis.v[axis];
    const sx_axis *x = &count->axis;
    const long n = sx_axis_count(x);
    if (n < 1 || n > VALUES || count->per || count->outer >= 0)
        return sx_draft_fail(b, of->var.where, "'%s' is no count: it has no few integer values", of->per);
    for (long k = 0; k < n; k++) {
        const double at = x->kind == SX_AXIS_CHOICE ? (double)k
                                                    : sx_axis_snap(x, x->low + (double)k * x->step);
        const sx_datum value = x->kind == SX_AXIS_CHOICE ? count->var.option[k]
                                                         : (sx_datum){ .kind = SX_DATUM_REAL, .r = at };
        if (add_source(b, to, of, axis, at, &value)) return b->rc;
    }
    return 0;
}

static bool through(const sx_use *u, const char *name, int depth, int axis, int option)
{
    return !strcmp(u->name, name) && u->depth > depth && u->path[depth].axis == axis &&
           u->path[depth].option == option;
}

/* The options of a choice in which the count gets no value: there it has the one of vars. */
static int default_sources(sx_builder *b, const sx_draft *of, int axis, int depth, const sx_datum *count,
                           sources *to)
{
    for (int option = 0; option <= (int)b->axis.v[axis]->axis.high; option++) {
        int inner = -1;
        bool set = false;
        for (long i = 0; i < b->use.n; i++) {
            const sx_use *u = &b->use.v[i];
            if (!through(u, of->per, depth, axis, option)) continue;
            set = set || u->depth == depth + 1;
            if (u->depth > depth + 1) inner = u->path[depth + 1].axis;
        }
        if (set) continue;
        const int rc = inner >= 0 ? default_sources(b, of, inner, depth + 1, count, to)
                                  : add_source(b, to, of, axis, option, count);
        if (rc) return rc;
    }
    return 0;
}

static const sx_use *first_use(const sx_builder *b, const char *name)
{
    for (long i = 0; i < b->use.n; i++) if (!strcmp(b->use.v[i].name, name)) return &b->use.v[i];
    return NULL;
}

static bool same_branch(const sx_use *x, const sx_use *y)
{
    for (int i = 0; i < x->depth && x->depth == y->depth; i++)
        if (x->path[i].axis != y->path[i].axis || x->path[i].option != y->path[i].option) return false;
    return x->depth == y->depth;
}

/* Where the elements of the vector come from. A source with axis -1: a fixed number, no further condition. */
static int find_sources(sx_builder *b, const sx_draft *of, sources *to)
{
    const sx_use *self = first_use(b, of->var.name), *first = first_use(b, of->per);
    sx_datum usual = { 0 };
    const int rc = sx_scope_get(b->a, b->scope, of->per, sx_conf_where(b->a, of->var.where), &usual, b->d);
    if (rc) return b->rc = rc;
    if (!first) return add_source(b, to, of, -1, 0, &usual);
    for (long i = 0; i < b->use.n; i++) {
        const sx_use *u = &b->use.v[i];
        if (strcmp(u->name, of->per) || (self->depth && !same_branch(u, self))) continue;
        if (u->axis >= 0 ? axis_sources(b, of, u->axis, to)
            : self->depth
                ? add_source(b, to, of, -1, 0, &u->fixed)
                : add_source(b, to, of, u->path[u->depth - 1].axis, u->path[u->depth - 1].option, &u->fixed))
            return b->rc;
        if (self->depth && (u->axis < 0 || b->axis.v[u->axis]->when.n == 1)) return 0;
    }
    if (self->depth || (first->depth && to->n == 0))
        return sx_draft_fail(b, of->var.where, "'%s' needs its count '%s' in the same branch or fixed",
                             of->var.name, of->per);
    return first->depth ? default_sources(b, of, first->path[0].axis, 0, &usual, to) : 0;
}

/* An axis for an element of `of`, without conditions. */
static sx_draft *add_axis(sx_builder *b, sx_draft *of, int element)
{
    if (b->axis.n == SX_AXES) {
        sx_draft_fail(b, of->var.where, "a space has at most %d axes", SX_AXES);
        return NULL;
    }
    sx_draft *to = sx_dup(b->a, of, sizeof *of);
    to->per = NULL;
    to->outer = -1;
    to->element = NULL;
    to->elements = 0;
    to->when.v = NULL;
    to->when.n = to->when.cap = 0;
    to->var.element = element;
    to->axis.name = sx_format(b->a, "%s[%d]", of->axis.name, element);
    if (!of->element) of->element = sx_alloc_array(b->a, ELEMENTS, sizeof *of->element);
    of->element[of->elements++] = (int)b->axis.n;
    SX_PUSH(b->a, b->axis, to);
    return to;
}

static bool counted(const sources *from, int element)
{
    for (long i = 0; i < from->n; i++)
        if (from->v[i].axis >= 0 && from->v[i].count > element) return true;
    return false;
}

/* Where the count is searched its condition takes the place of the branch's: it is active in that branch
 * only. */
static void add_element(sx_builder *b, sx_draft *of, int element, const sources *from)
{
    sx_draft *to = add_axis(b, of, element);
    if (!to) return;
    const bool alone = !counted(from, element);
    for (long i = 0; alone && i < of->when.n; i++)
        for (long k = 0; k < of->when.v[i].value.n; k++)
            sx_draft_when(b, to, of->when.v[i].parent, of->when.v[i].value.v[k]);
    for (long i = 0; i < from->n; i++)
        if (from->v[i].axis >= 0 && from->v[i].count > element)
            sx_draft_when(b, to, from->v[i].axis, from->v[i].at);
}

/* --- Vectors of groups: what stands in a branch has an element for each of theirs --- */

/* Of an axis in a branch: it hangs on the same element of the axes there. */
static void add_inner(sx_builder *b, sx_draft *of, int element)
{
    sx_draft *to = add_axis(b, of, element);
    for (long i = 0; to && i < of->when.n; i++) {
        const sx_draft *parent = b->axis.v[of->when.v[i].parent];
        for (long k = 0; k < of->when.v[i].value.n; k++)
            sx_draft_when(b, to, parent->element[element], of->when.v[i].value.v[k]);
    }
}

/* The branches of an axis that give the variable no value: there it keeps that of vars. */
static void fill_branches(sx_builder *b, long uses, const char *name, int axis, const sx_turn *path,
                          int depth, const sx_datum *usual)
{
    for (int option = 0; option <= (int)b->axis.v[axis]->axis.high; option++) {
        sx_turn *in = sx_alloc_array(b->a, (size_t)depth + 1, sizeof *in);
        if (depth) memcpy(in, path, (size_t)depth * sizeof *in);
        in[depth] = (sx_turn){ axis, option };
        int inner = -1;
        bool set = false;
        for (long i = 0; i < uses; i++) {
            const sx_use *u = &b->use.v[i];
            if (!through(u, name, depth, axis, option)) continue;
            set = set || u->depth == depth + 1;
            if (u->depth > depth + 1) inner = u->path[depth + 1].axis;
        }
        if (set || b->rc) continue;
        if (b->use.n >= SX_VALUES) {
            sx_draft_fail(b, b->axis.v[axis]->var.where, "the branches of a space set at most %d values",
                          SX_VALUES);
            return;
        }
        if (inner >= 0) fill_branches(b, uses, name, inner, in, depth + 1, usual);
        else SX_PUSH(b->a, b->use, ((sx_use){ .name = name, .path = in, .depth = depth + 1, .axis = -1,
                                              .fixed = *usual, .usual = true }));
    }
}

/* Every variable of the branches of vector i gets a value in each of them. */
static void fill_vector(sx_builder *b, int axis)
{
    const sx_draft *of = b->axis.v[axis];
    const sx_use *self = first_use(b, of->var.name);
    const int depth = self->depth;
    const long uses = b->use.n;
    for (long i = 0; i < uses && !b->rc; i++) {
        const sx_use u = b->use.v[i];
        sx_datum usual;
        bool known = u.depth <= depth || u.path[depth].axis != axis || !sx_scope_has(b->scope, u.name);
        for (long k = 0; k < i && !known; k++)
            known = !strcmp(b->use.v[k].name, u.name) && b->use.v[k].depth > depth &&
                    b->use.v[k].path[depth].axis == axis;
        if (known) continue;
        if (!strcmp(u.name, of->per)) {
            sx_draft_fail(b, u.at, "'%s' is how many elements '%s' has, it cannot stand in one of them",
                          u.name, of->var.name);
            return;
        }
        const int rc = sx_scope_get(b->a, b->scope, u.name, sx_conf_where(b->a, u.at), &usual, b->d);
        if (rc) b->rc = rc;
        else fill_branches(b, uses, u.name, axis, self->path, depth, &usual);
    }
}

void sx_draft_vectors(sx_builder *b)
{
    const long n = b->axis.n;
    for (int i = 0; i < n && !b->rc; i++) {
        sx_draft *of = b->axis.v[i];
        sources from = { 0 };
        if (!of->per || find_sources(b, of, &from)) continue;
        int64_t most = 0;
        for (long k = 0; k < from.n; k++) if (from.v[k].count > most) most = from.v[k].count;
        fill_vector(b, i);
        for (int e = 0; e < (int)most && !b->rc; e++) {
            add_element(b, of, e, &from);
            for (long k = 0; k < n && !b->rc; k++)
                if (b->axis.v[k]->outer == i) add_inner(b, b->axis.v[k], e);
        }
    }
}
