/* space.c: reads tune.space: domains, branches, vectors -> axes and the conditions that make them active. A
 * branch is a path of (choice, option); branches that exclude each other may give one variable its values. */
#include "draft.h"
#include <stdlib.h>
#include <string.h>

enum { AXES = 1000, USES = 4000, VALUES = 10000, ELEMENTS = 1000 };
typedef struct { int axis, option; } turn;       /* one step into a branch */
typedef struct sx_use {                          /* a place where a variable gets its value */
    const char *name; const sx_conf *at;
    const turn *path; int depth;
    int axis;                                    /* -1: the fixed value */
    sx_datum fixed;
} use;

/* --- Branches --- */

static bool exclusive(const use *x, const use *y)
{
    for (int i = 0; i < x->depth; i++)
        for (int j = 0; j < y->depth; j++)
            if (x->path[i].axis == y->path[j].axis && x->path[i].option != y->path[j].option) return true;
    return false;
}

static void add_use(sx_builder *b, const use *u)
{
    for (long i = 0; i < b->use.n; i++) {
        const use *old = &b->use.v[i];
        if (strcmp(old->name, u->name) || exclusive(old, u)) continue;
        sx_draft_fail(b, u->at, "'%s' gets a value twice in the space", u->name);
        sx_detail(b->d, "The other place is %s:%d.", old->at->file, old->at->line);
        return;
    }
    SX_PUSH(b->a, b->use, *u);
}

static void add_when(sx_builder *b, sx_draft *to, int parent, double value)
{
    for (long i = 0; i < to->when.n; i++) {
        sx_condition *w = &to->when.v[i];
        if (w->parent != parent) continue;
        for (long k = 0; k < w->value.n; k++) if (w->value.v[k] == value) return;
        SX_PUSH(b->a, w->value, value);
        return;
    }
    sx_condition fresh = { .parent = parent };
    SX_PUSH(b->a, fresh.value, value);
    SX_PUSH(b->a, to->when, fresh);
}

static const char *branch_text(sx_builder *b, const turn *path, int depth)
{
    const char *text = "";
    for (int i = 0; i < depth; i++)
        text = sx_format(b->a, "%s%s%s", text, i ? "." : "",
                         b->axis.v[path[i].axis]->var.label[path[i].option]);
    return text;
}

static bool known_variable(sx_builder *b, const sx_conf *c)
{
    if (sx_conf_member(b->vars, c->name)) return true;
    struct { const char **v; long n, cap; } names = { 0 };
    for (const sx_conf *m = b->vars ? b->vars->first : NULL; m; m = m->next) SX_PUSH(b->a, names, m->name);
    const char *near = sx_nearest(c->name, names.v, names.n);
    sx_draft_fail(b, c, "the space names '%s', which is no variable", c->name);
    if (near) sx_hint(b->d, "Did you mean '%s'?", near);
    else sx_hint(b->d, "Give it a value in vars: strix train uses that one.");
    return false;
}

static void read_entries(sx_builder *b, const sx_conf *group, const turn *path, int depth);

static void read_branches(sx_builder *b, int axis, const sx_conf *choice, const turn *path, int depth)
{
    turn *in = sx_alloc_array(b->a, (size_t)depth + 1, sizeof *in);
    if (depth) memcpy(in, path, (size_t)depth * sizeof *in);
    int k = 0;
    for (const sx_conf *m = choice->first; m; m = m->next, k++) {
        in[depth] = (turn){ axis, k };
        read_entries(b, m, sx_dup(b->a, in, ((size_t)depth + 1) * sizeof *in), depth + 1);
    }
}

/* The axis of a domain: the same domain's in another branch, or a new one. -1: an error. */
static int axis_of(sx_builder *b, const sx_conf *domain, const turn *path, int depth)
{
    const uint64_t hash = sx_conf_hash(domain);
    for (int i = 0; i < b->axis.n; i++)
        if (b->axis.v[i]->hash == hash && !strcmp(b->axis.v[i]->var.name, domain->name)) return i;
    sx_draft *to = SX_NEW(b->a, sx_draft);
    to->hash = hash;
    to->place = -1;
    to->branch = branch_text(b, path, depth);
    if (sx_draft_read(b, domain, to)) return -1;
    if (b->axis.n == AXES) { sx_draft_fail(b, domain, "a space has at most %d axes", AXES); return -1; }
    SX_PUSH(b->a, b->axis, to);
    return (int)b->axis.n - 1;
}

static void read_entry(sx_builder *b, const sx_conf *c, const turn *path, int depth)
{
    const sx_conf *choice = sx_conf_member(c, "choice");
    const bool branches = choice && choice->kind == SX_CONF_LIST && sx_draft_branches(choice);
    use u = { .name = c->name, .at = c, .path = path, .depth = depth, .axis = -1 };
    if (b->use.n == USES) { sx_draft_fail(b, c, "a space has at most %d entries", USES); return; }
    if (!branches && !known_variable(b, c)) return;
    if (c->kind != SX_CONF_GROUP && !depth) {
        sx_draft_fail(b, c, "'%s' is a value, not a domain", c->name);
        sx_hint(b->d, "A domain is a group, such as { int = [1, 4]; }; fixed values stand in vars.");
    } else if (c->kind != SX_CONF_GROUP) {
        const int rc = sx_conf_datum(b->a, c, b->scope, SX_DATUM_NONE, &u.fixed, b->d);
        if (rc) b->rc = rc;
        else add_use(b, &u);
    } else if ((u.axis = axis_of(b, c, path, depth)) >= 0) {
        add_use(b, &u);
        if (depth) add_when(b, b->axis.v[u.axis], path[depth - 1].axis, path[depth - 1].option);
        if (branches) read_branches(b, u.axis, choice, path, depth);
    }
}

static void read_entries(sx_builder *b, const sx_conf *group, const turn *path, int depth)
{
    for (const sx_conf *m = group->first; m; m = m->next)
        if (!depth || strcmp(m->name, "name")) read_entry(b, m, path, depth);
}

/* --- Vectors: one axis per element, active while the count is above its number --- */

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
    if (n < 1 || n > VALUES || count->per)
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

static bool through(const use *u, const char *name, int depth, int axis, int option)
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
            const use *u = &b->use.v[i];
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

static const use *first_use(const sx_builder *b, const char *name)
{
    for (long i = 0; i < b->use.n; i++) if (!strcmp(b->use.v[i].name, name)) return &b->use.v[i];
    return NULL;
}

static bool same_branch(const use *x, const use *y)
{
    for (int i = 0; i < x->depth && x->depth == y->depth; i++)
        if (x->path[i].axis != y->path[i].axis || x->path[i].option != y->path[i].option) return false;
    return x->depth == y->depth;
}

/* Where the elements of the vector come from. A source with axis -1: a fixed number, no further condition. */
static int find_sources(sx_builder *b, const sx_draft *of, sources *to)
{
    const use *self = first_use(b, of->var.name), *first = first_use(b, of->per);
    sx_datum usual = { 0 };
    const int rc = sx_scope_get(b->a, b->scope, of->per, sx_conf_where(b->a, of->var.where), &usual, b->d);
    if (rc) return b->rc = rc;
    if (!first) return add_source(b, to, of, -1, 0, &usual);
    for (long i = 0; i < b->use.n; i++) {
        const use *u = &b->use.v[i];
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

static int add_element(sx_builder *b, const sx_draft *of, int element, const sources *from)
{
    sx_draft *to = sx_dup(b->a, of, sizeof *of);
    to->per = NULL;
    to->var.element = element;
    to->axis.name = sx_format(b->a, "%s[%d]", of->axis.name, element);
    for (long i = 0; i < from->n; i++) {
        if (from->v[i].axis < 0 || from->v[i].count <= element) continue;
        /* the count is active in that branch only, so its condition takes the place of the branch's */
        if (of->when.n && to->when.v == of->when.v) to->when.v = NULL, to->when.n = to->when.cap = 0;
        add_when(b, to, from->v[i].axis, from->v[i].at);
    }
    if (b->axis.n == AXES) return sx_draft_fail(b, of->var.where, "a space has at most %d axes", AXES);
    SX_PUSH(b->a, b->axis, to);
    return 0;
}

static void expand_vectors(sx_builder *b)
{
    const long n = b->axis.n;
    for (long i = 0; i < n && !b->rc; i++) {
        const sx_draft *of = b->axis.v[i];
        sources from = { 0 };
        if (!of->per || find_sources(b, of, &from)) continue;
        int64_t most = 0;
        for (long k = 0; k < from.n; k++) if (from.v[k].count > most) most = from.v[k].count;
        for (int e = 0; e < (int)most && !b->rc; e++) add_element(b, of, e, &from);
    }
}

/* --- The finished space --- */

/* Where a variable has several axes they are called name@branch. */
static void name_axes(sx_builder *b)
{
    for (long i = 0; i < b->axis.n; i++) {
        long same = 0;
        sx_draft *x = b->axis.v[i];
        for (long k = 0; k < b->axis.n; k++) same += !strcmp(b->axis.v[k]->var.name, x->var.name);
        if (same > 1) x->axis.name = sx_format(b->a, "%s@%s", x->var.name, x->branch);
    }
}

static bool ready(const sx_builder *b, const sx_draft *x)
{
    for (long i = 0; i < x->when.n; i++) if (b->axis.v[x->when.v[i].parent]->place < 0) return false;
    return true;
}

static const sx_when *finish_whens(sx_builder *b, const sx_draft *x)
{
    sx_when *when = sx_alloc_array(b->a, (size_t)x->when.n, sizeof *when);
    for (long i = 0; i < x->when.n; i++) {
        const sx_condition *w = &x->when.v[i];
        when[i] = (sx_when){ b->axis.v[w->parent]->place, (int)w->value.n, w->value.v };
    }
    return when;
}

/* Axes in the order of the file, except that parents come first. */
static void finish(sx_builder *b, sx_domain *s)
{
    s->var = sx_alloc_array(b->a, (size_t)b->axis.n, sizeof *s->var);
    const sx_axis **axis = sx_alloc_array(b->a, (size_t)b->axis.n, sizeof *axis);
    for (bool more = true; more;) {
        more = false;
        for (long i = 0; i < b->axis.n; i++) {
            sx_draft *x = b->axis.v[i];
            if (x->per || x->place >= 0 || !ready(b, x)) continue;
            x->place = s->space.n++;
            x->axis.when = finish_whens(b, x);
            x->axis.whens = (int)x->when.n;
            x->var.axis = x->axis;
            s->var[x->place] = &x->var;
            axis[x->place] = &x->var.axis;
            more = true;
        }
    }
    s->space.axis = axis;
    struct { sx_fixed *v; long n, cap; } fixed = { 0 };
    for (long i = 0; i < b->use.n; i++) {
        const use *u = &b->use.v[i];
        if (u->axis >= 0 || !u->depth) continue;
        const turn *t = &u->path[u->depth - 1];
        SX_PUSH(b->a, fixed, ((sx_fixed){ u->name, u->fixed, b->axis.v[t->axis]->place, t->option }));
    }
    s->fixed = fixed.v;
    s->n_fixed = fixed.n;
}

int sx_domain_open(sx_arena *a, const sx_conf *space, const sx_conf *vars, const sx_scope *scope,
                   int objectives, int constraints, sx_domain **out, sx_diags *d)
{
    sx_builder b = { .a = a, .vars = vars, .scope = sx_scope_stored(a, scope), .d = d };
    sx_domain *s = *out = SX_NEW(a, sx_domain);
    s->root = space;
    s->space.objectives = objectives;
    s->space.constraints = constraints;
    if (space && space->kind != SX_CONF_GROUP)
        return sx_draft_fail(&b, space, "'space' is a group of domains");
    if (space) read_entries(&b, space, NULL, 0);
    if (!b.rc) name_axes(&b);
    if (!b.rc) expand_vectors(&b);
    if (!b.rc) finish(&b, s);
    return b.rc;
}
