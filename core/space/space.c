/* space.c: reads tune.space: domains, branches, vectors -> axes and the conditions that make them active. A
 * branch is a path of (choice, option); branches that exclude each other may give one variable its values. */
#include "draft.h"
#include <stdlib.h>
#include <string.h>

enum { USES = 4000 };

/* --- Branches --- */

static bool exclusive(const sx_use *x, const sx_use *y)
{
    for (int i = 0; i < x->depth; i++)
        for (int j = 0; j < y->depth; j++)
            if (x->path[i].axis == y->path[j].axis && x->path[i].option != y->path[j].option) return true;
    return false;
}

static void add_use(sx_builder *b, const sx_use *u)
{
    for (long i = 0; i < b->use.n; i++) {
        const sx_use *old = &b->use.v[i];
        if (strcmp(old->name, u->name) || exclusive(old, u)) continue;
        sx_draft_fail(b, u->at, "'%s' gets a value twice in the space", u->name);
        sx_detail(b->d, "The other place is %s:%d.", old->at->file, old->at->line);
        return;
    }
    SX_PUSH(b->a, b->use, *u);
}

void sx_draft_when(sx_builder *b, sx_draft *to, int parent, double value)
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

static const char *branch_text(sx_builder *b, const sx_turn *path, int depth)
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

static void read_entries(sx_builder *b, const sx_conf *group, const sx_turn *path, int depth);

static void read_branches(sx_builder *b, int axis, const sx_conf *choice, const sx_turn *path, int depth)
{
    sx_turn *in = sx_alloc_array(b->a, (size_t)depth + 1, sizeof *in);
    if (depth) memcpy(in, path, (size_t)depth * sizeof *in);
    int k = 0;
    for (const sx_conf *m = choice->first; m; m = m->next, k++) {
        in[depth] = (sx_turn){ axis, k };
        read_entries(b, m, sx_dup(b->a, in, ((size_t)depth + 1) * sizeof *in), depth + 1);
    }
}

/* The vector of groups that a branch belongs to, or -1. */
static int outer_of(const sx_builder *b, const sx_turn *path, int depth)
{
    for (int i = 0; i < depth; i++) if (b->axis.v[path[i].axis]->per) return path[i].axis;
    return -1;
}

/* The axis of a domain: the same domain's in another branch, or a new one. -1: an error. */
static int axis_of(sx_builder *b, const sx_conf *domain, const sx_turn *path, int depth)
{
    const uint64_t hash = sx_conf_hash(domain);
    const int outer = outer_of(b, path, depth);
    for (int i = 0; i < b->axis.n; i++)
        if (b->axis.v[i]->hash == hash && b->axis.v[i]->outer == outer &&
            !strcmp(b->axis.v[i]->var.name, domain->name))
            return i;
    sx_draft *to = SX_NEW(b->a, sx_draft);
    to->hash = hash;
    to->place = -1;
    to->outer = outer;
    to->branch = branch_text(b, path, depth);
    if (sx_draft_read(b, domain, to)) return -1;
    if (to->per && outer >= 0) {
        sx_draft_fail(b, domain, "'%s' is a vector inside the vector '%s'", domain->name,
                      b->axis.v[outer]->var.name);
        sx_hint(b->d, "What stands in a branch of '%s' has a value for each element already.",
                b->axis.v[outer]->var.name);
        return -1;
    }
    if (b->axis.n == SX_AXES) { sx_draft_fail(b, domain, "a space has at most %d axes", SX_AXES); return -1; }
    SX_PUSH(b->a, b->axis, to);
    return (int)b->axis.n - 1;
}

static void read_entry(sx_builder *b, const sx_conf *c, const sx_turn *path, int depth)
{
    const sx_conf *choice = sx_conf_member(c, "choice");
    const bool branches = choice && choice->kind == SX_CONF_LIST && sx_draft_branches(choice);
    sx_use u = { .name = c->name, .at = c, .path = path, .depth = depth, .axis = -1 };
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
        if (depth) sx_draft_when(b, b->axis.v[u.axis], path[depth - 1].axis, path[depth - 1].option);
        if (branches) read_branches(b, u.axis, choice, path, depth);
    }
}

static void read_entries(sx_builder *b, const sx_conf *group, const sx_turn *path, int depth)
{
    for (const sx_conf *m = group->first; m; m = m->next)
        if (!depth || strcmp(m->name, "name")) read_entry(b, m, path, depth);
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

static void finish_fixed(sx_builder *b, sx_domain *s)
{
    struct { sx_fixed *v; long n, cap; } fixed = { 0 };
    for (long i = 0; i < b->use.n; i++) {
        const sx_use *u = &b->use.v[i];
        if (u->axis >= 0 || !u->depth) continue;
        const sx_turn *t = &u->path[u->depth - 1];
        const sx_draft *of = b->axis.v[t->axis];
        if (!of->elements && of->outer < 0 && !of->per)
            SX_PUSH(b->a, fixed, ((sx_fixed){ u->name, u->fixed, of->place, t->option, -1, u->name }));
        for (int e = 0; e < of->elements && fixed.n < SX_VALUES; e++)
            SX_PUSH(b->a, fixed, ((sx_fixed){ u->name, u->usual ? sx_datum_element(&u->fixed, e) : u->fixed,
                                              b->axis.v[of->element[e]]->place, t->option, e,
                                              sx_format(b->a, "%s[%d]", u->name, e) }));
    }
    if (fixed.n >= SX_VALUES)
        sx_draft_fail(b, s->root, "the branches of a space set at most %d values", SX_VALUES);
    s->fixed = fixed.v;
    s->n_fixed = fixed.n;
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
            if (x->per || x->outer >= 0 || x->place >= 0 || !ready(b, x)) continue;
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
    finish_fixed(b, s);
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
    if (!b.rc) sx_draft_vectors(&b);
    if (!b.rc) finish(&b, s);
    return b.rc;
}
