/* space.c: reads tune.space: domains of variables, branches, vectors -> axes with the conditions under which they are active.
 * A branch is a path of (choice, option); a variable may get a value in several branches if these exclude each other. */
#include "space.h"
#include <stdlib.h>
#include <string.h>

enum { AXES = 1000, USES = 4000, OPTIONS = 10000, ELEMENTS = 1000 };
typedef struct { int axis, option; } turn;       /* one step into a branch */
typedef struct {                                 /* a place where a variable gets its value */
    const char *name; const sx_conf *at;
    const turn *path; int depth;
    int axis;                                    /* -1: the fixed value */
    sx_datum fixed;
} use;
typedef struct { int parent; struct { double *v; long n, cap; } value; } condition;
typedef struct {                                 /* an axis in the making */
    sx_axis axis; sx_var var;
    uint64_t hash;                               /* of its text: the same domain in two branches is one axis */
    const char *branch;                          /* path of its first use, as text, for name@branch */
    const char *per;
    struct { condition *v; long n, cap; } when;
    int place;                                   /* in the finished space, or -1 */
} draft;
typedef struct {
    sx_arena *a; const sx_conf *vars; const sx_scope *scope; sx_diags *d;
    struct { draft **v; long n, cap; } axis;
    struct { use *v; long n, cap; } use;
    int rc;
} builder;

static int fail(builder *b, const sx_conf *at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail(builder *b, const sx_conf *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    b->rc = sx_error(b->d, SX_E_CONFIG, sx_conf_where(b->a, at), "%s", sx_vformat(b->a, fmt, ap));
    va_end(ap);
    return b->rc;
}

/* --- One domain --- */

typedef struct { const char *name; bool whole, log, round, normal; int least, most; } kind;
static const kind kinds[] = {
    { "choice", 0, 0, 0, 0, 0, 0 }, { "int", 1, 0, 0, 0, 2, 3 }, { "uniform", 0, 0, 0, 0, 2, 3 }, { "loguniform", 0, 1, 0, 0, 2, 2 },
    { "quniform", 0, 0, 1, 0, 3, 3 }, { "qloguniform", 0, 1, 1, 0, 3, 3 }, { "normal", 0, 0, 0, 1, 2, 2 },
    { "lognormal", 0, 1, 0, 1, 2, 2 }, { "qnormal", 0, 0, 1, 1, 3, 3 }, { "qlognormal", 0, 1, 1, 1, 3, 3 },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const kind *kind_named(const char *name)
{
    for (int i = 0; i < KINDS; i++) if (!strcmp(name, kinds[i].name)) return &kinds[i];
    return NULL;
}

/* The one member that says which kind of domain this is; NULL: an error was told. */
static const sx_conf *kind_of(builder *b, const sx_conf *domain, const kind **k)
{
    const sx_conf *found = NULL;
    const char *words[KINDS + 2] = { "per", "weights" };
    for (int i = 0; i < KINDS; i++) words[i + 2] = kinds[i].name;
    for (const sx_conf *m = domain->first; m; m = m->next) {
        const kind *is = kind_named(m->name);
        if (is && found) { fail(b, m, "domain '%s' is both %s and %s", domain->name, found->name, m->name); return NULL; }
        if (is) { found = m; *k = is; continue; }
        if (!strcmp(m->name, "per") || !strcmp(m->name, "weights")) continue;
        fail(b, m, "a domain has no '%s'", m->name);
        const char *near = sx_nearest(m->name, words, KINDS + 2);
        if (near) sx_hint(b->d, "Did you mean '%s'?", near);
        else sx_hint(b->d, "The kinds are choice, int, uniform, loguniform, normal, lognormal, quniform, qloguniform, qnormal, qlognormal.");
        return NULL;
    }
    if (!found) {
        fail(b, domain, "'%s' says no kind of domain", domain->name);
        sx_hint(b->d, "For example %s = { uniform = [0.1, 0.5]; };", domain->name);
    }
    return found;
}

static const char *form(const kind *k)
{
    if (k->normal) return k->round ? "[mu, sigma, step]" : "[mu, sigma]";
    return k->round ? "[low, high, step]" : k->most == 3 ? "[low, high] or [low, high, step]" : "[low, high]";
}

/* Reads the two or three numbers of a domain. ints: all of them were written as integers. */
static int read_numbers(builder *b, const sx_conf *c, const kind *k, double v[3], bool *ints)
{
    const long n = sx_conf_count(c);
    sx_datum list, raw;
    if (c->kind != SX_CONF_LIST || n < k->least || n > k->most)
        return fail(b, c, "%s takes %s", k->name, form(k));
    const sx_datum_kind wanted = k->whole ? SX_DATUM_INT : SX_DATUM_REAL;
    int rc = sx_conf_datum(b->a, c, b->scope, wanted, &list, b->d);
    if (!rc) rc = sx_conf_value(b->a, c, b->scope, wanted, &raw, b->d);
    if (rc) return b->rc = rc;
    *ints = true;
    for (long i = 0; i < n; i++) {
        v[i] = sx_datum_real(&list.v[i]);
        *ints = *ints && raw.v[i].kind == SX_DATUM_INT;
        if (!isfinite(v[i]) || fabs(v[i]) > (k->whole ? 0x1p53 : 1e300)) return fail(b, c, "%s: %g is too large", k->name, v[i]);
    }
    return 0;
}

/* A stepped axis ends where its last step does. */
static void fit_high(builder *b, const sx_conf *c, sx_axis *x)
{
    if (x->round || !(x->step > 0)) return;
    const double steps = floor((x->high - x->low) / x->step + 1e-8), high = x->low + steps * x->step;
    if (fabs(high - x->high) <= 1e-8 * x->step) return;
    sx_warn(b->d, sx_conf_where(b->a, c), "the steps end at %s, not at %s", sx_real_text(b->a, high), sx_real_text(b->a, x->high));
    x->high = high;
}

static int read_range(builder *b, const sx_conf *c, const kind *k, sx_axis *x)
{
    double v[3] = { 0, 0, 0 };
    bool ints = false;
    if (read_numbers(b, c, k, v, &ints)) return b->rc;
    const bool stepped = sx_conf_count(c) == 3;
    *x = (sx_axis){ .name = x->name, .kind = k->normal ? SX_AXIS_NORMAL : SX_AXIS_REAL, .log = k->log, .round = k->round,
                    .step = stepped ? v[2] : k->whole ? 1 : 0, .whole = k->whole || (k->round && ints) };
    if (stepped && !(v[2] > 0)) return fail(b, c, "%s: the step %s is not above 0", k->name, sx_real_text(b->a, v[2]));
    if (k->normal) {
        x->mu = v[0];
        x->sigma = v[1];
        return v[1] > 0 ? 0 : fail(b, c, "%s: the deviation %s is not above 0", k->name, sx_real_text(b->a, v[1]));
    }
    x->low = v[0];
    x->high = v[1];
    if (v[0] > v[1])
        return fail(b, c, "%s: the lower end %s is above the upper end %s", k->name, sx_real_text(b->a, v[0]), sx_real_text(b->a, v[1]));
    if (k->log && !(v[0] > 0)) return fail(b, c, "%s: the lower end %s is not above 0", k->name, sx_real_text(b->a, v[0]));
    if (x->step > 0 && (v[1] - v[0]) / x->step > 0x1p31) return fail(b, c, "%s has more than 2^31 steps", k->name);
    fit_high(b, c, x);
    return 0;
}

static bool is_branches(const sx_conf *choice) { return choice->first && choice->first->kind == SX_CONF_GROUP; }

static int read_option(builder *b, const sx_conf *m, bool branches, long i, sx_datum *option, const char **label)
{
    if ((m->kind == SX_CONF_GROUP) != branches) return fail(b, m, "a choice is between values or between groups, not both");
    const sx_conf *name = branches ? sx_conf_member(m, "name") : NULL;
    *option = (sx_datum){ .kind = SX_DATUM_NONE };
    sx_datum text = { .kind = SX_DATUM_INT, .i = i };
    int rc = 0;
    if (!branches) rc = sx_conf_datum(b->a, m, b->scope, SX_DATUM_NONE, option, b->d);
    else if (name) rc = sx_conf_datum(b->a, name, b->scope, SX_DATUM_TEXT, &text, b->d);
    *label = rc ? "" : sx_datum_text(b->a, branches ? &text : option);
    return rc ? (b->rc = rc) : 0;
}

static bool is_number(const sx_datum *v) { return v->kind == SX_DATUM_INT || v->kind == SX_DATUM_REAL; }

/* The numbers of a choice that is an ascending scale; NULL: it is none. */
static const double *levels(sx_arena *a, const sx_datum *v, long n)
{
    double *level = sx_alloc_array(a, (size_t)n, sizeof *level);
    for (long i = 0; i < n; i++) {
        level[i] = sx_datum_real(&v[i]);
        if (!is_number(&v[i]) || (i && level[i] <= level[i - 1])) return NULL;
    }
    return n > 1 ? level : NULL;
}

static int read_weights(builder *b, const sx_conf *c, long n, sx_axis *x)
{
    sx_datum list;
    double *weight = sx_alloc_array(b->a, (size_t)n, sizeof *weight), sum = 0;
    const int rc = sx_conf_datum(b->a, c, b->scope, SX_DATUM_REAL, &list, b->d);
    if (rc) return b->rc = rc;
    if (list.kind != SX_DATUM_LIST || list.n != n) return fail(b, c, "%ld options need as many weights", n);
    for (long i = 0; i < n; i++) {
        weight[i] = sx_datum_real(&list.v[i]);
        if (!(weight[i] >= 0 && weight[i] <= 1e100)) return fail(b, c, "weight %s is negative or too large", sx_real_text(b->a, weight[i]));
        sum += weight[i];
    }
    if (!(sum > 0)) return fail(b, c, "all weights are 0");
    for (long i = 0; i < n; i++) weight[i] /= sum;
    x->weight = weight;
    return 0;
}

static int read_choice(builder *b, const sx_conf *c, draft *to)
{
    const long n = sx_conf_count(c);
    if (c->kind != SX_CONF_LIST || !n) return fail(b, c, "choice takes a list of options");
    if (n > OPTIONS) return fail(b, c, "choice has %ld options, more than %d", n, OPTIONS);
    sx_datum *option = sx_alloc_array(b->a, (size_t)n, sizeof *option);
    const char **label = sx_alloc_array(b->a, (size_t)n, sizeof *label);
    const bool branches = is_branches(c);
    long i = 0;
    for (const sx_conf *m = c->first; m; m = m->next, i++) {
        if (read_option(b, m, branches, i, &option[i], &label[i])) return b->rc;
        for (long j = 0; j < i; j++)
            if (!strcmp(label[i], label[j])) return fail(b, m, "option '%.80s' stands in the choice twice", label[i]);
    }
    to->axis = (sx_axis){ .name = to->axis.name, .kind = SX_AXIS_CHOICE, .high = (double)(n - 1) };
    to->axis.level = branches ? NULL : levels(b->a, option, n);
    to->var.option = option;
    to->var.label = label;
    const sx_conf *weights = sx_conf_member(c->parent, "weights");
    return weights ? read_weights(b, weights, n, &to->axis) : 0;
}

static int read_domain(builder *b, const sx_conf *domain, draft *to)
{
    const kind *k = NULL;
    const sx_conf *c = kind_of(b, domain, &k), *per = sx_conf_member(domain, "per");
    if (!c) return b->rc;
    to->axis.name = domain->name;
    to->var = (sx_var){ .name = domain->name, .element = -1, .where = domain };
    const bool choice = k == kinds;
    if (!choice && sx_conf_member(domain, "weights")) return fail(b, sx_conf_member(domain, "weights"), "only a choice has weights");
    if (per && (per->kind != SX_CONF_TEXT || (choice && is_branches(c))))
        return fail(b, per, "%s", per->kind == SX_CONF_TEXT ? "a choice of groups cannot be a vector" : "'per' names a variable");
    to->per = per ? per->s : NULL;
    return choice ? read_choice(b, c, to) : read_range(b, c, k, &to->axis);
}

/* --- Branches --- */

static bool exclusive(const use *x, const use *y)
{
    for (int i = 0; i < x->depth; i++)
        for (int j = 0; j < y->depth; j++)
            if (x->path[i].axis == y->path[j].axis && x->path[i].option != y->path[j].option) return true;
    return false;
}

static void add_use(builder *b, const use *u)
{
    for (long i = 0; i < b->use.n; i++) {
        const use *old = &b->use.v[i];
        if (strcmp(old->name, u->name) || exclusive(old, u)) continue;
        fail(b, u->at, "'%s' gets a value twice in the space", u->name);
        sx_detail(b->d, "The other place is %s:%d.", old->at->file, old->at->line);
        return;
    }
    SX_PUSH(b->a, b->use, *u);
}

static void add_when(builder *b, draft *to, int parent, double value)
{
    for (long i = 0; i < to->when.n; i++) {
        condition *w = &to->when.v[i];
        if (w->parent != parent) continue;
        for (long k = 0; k < w->value.n; k++) if (w->value.v[k] == value) return;
        SX_PUSH(b->a, w->value, value);
        return;
    }
    condition fresh = { .parent = parent };
    SX_PUSH(b->a, fresh.value, value);
    SX_PUSH(b->a, to->when, fresh);
}

static const char *branch_text(builder *b, const turn *path, int depth)
{
    const char *text = "";
    for (int i = 0; i < depth; i++)
        text = sx_format(b->a, "%s%s%s", text, i ? "." : "", b->axis.v[path[i].axis]->var.label[path[i].option]);
    return text;
}

static bool known_variable(builder *b, const sx_conf *c)
{
    if (sx_conf_member(b->vars, c->name)) return true;
    struct { const char **v; long n, cap; } names = { 0 };
    for (const sx_conf *m = b->vars ? b->vars->first : NULL; m; m = m->next) SX_PUSH(b->a, names, m->name);
    const char *near = sx_nearest(c->name, names.v, names.n);
    fail(b, c, "the space names '%s', which is no variable", c->name);
    if (near) sx_hint(b->d, "Did you mean '%s'?", near);
    else sx_hint(b->d, "Give it a value in vars: strix train uses that one.");
    return false;
}

static void read_entries(builder *b, const sx_conf *group, const turn *path, int depth);

static void read_branches(builder *b, int axis, const sx_conf *choice, const turn *path, int depth)
{
    turn *in = sx_alloc_array(b->a, (size_t)depth + 1, sizeof *in);
    if (depth) memcpy(in, path, (size_t)depth * sizeof *in);
    int k = 0;
    for (const sx_conf *m = choice->first; m; m = m->next, k++) {
        in[depth] = (turn){ axis, k };
        read_entries(b, m, sx_dup(b->a, in, ((size_t)depth + 1) * sizeof *in), depth + 1);
    }
}

/* The axis of a domain: that of the same domain of the same variable in another branch, or a new one. -1: an error. */
static int axis_of(builder *b, const sx_conf *domain, const turn *path, int depth)
{
    const uint64_t hash = sx_conf_hash(domain);
    for (int i = 0; i < b->axis.n; i++)
        if (b->axis.v[i]->hash == hash && !strcmp(b->axis.v[i]->var.name, domain->name)) return i;
    draft *to = SX_NEW(b->a, draft);
    to->hash = hash;
    to->place = -1;
    to->branch = branch_text(b, path, depth);
    if (read_domain(b, domain, to)) return -1;
    if (b->axis.n == AXES) { fail(b, domain, "a space has at most %d axes", AXES); return -1; }
    SX_PUSH(b->a, b->axis, to);
    return (int)b->axis.n - 1;
}

static void read_entry(builder *b, const sx_conf *c, const turn *path, int depth)
{
    const sx_conf *choice = sx_conf_member(c, "choice");
    const bool branches = choice && choice->kind == SX_CONF_LIST && is_branches(choice);
    use u = { .name = c->name, .at = c, .path = path, .depth = depth, .axis = -1 };
    if (b->use.n == USES) { fail(b, c, "a space has at most %d entries", USES); return; }
    if (!branches && !known_variable(b, c)) return;
    if (c->kind != SX_CONF_GROUP && !depth) {
        fail(b, c, "'%s' is a value, not a domain", c->name);
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

static void read_entries(builder *b, const sx_conf *group, const turn *path, int depth)
{
    for (const sx_conf *m = group->first; m; m = m->next)
        if (!depth || strcmp(m->name, "name")) read_entry(b, m, path, depth);
}

/* --- Vectors: one axis per element, active while the count is above its number --- */

typedef struct { int axis; double at; int64_t count; } source;       /* where the axis has that value, there are so many elements */
typedef struct { source *v; long n, cap; } sources;

static int add_source(builder *b, sources *to, const draft *of, int axis, double at, const sx_datum *count)
{
    const double n = sx_datum_real(count);
    if (!is_number(count) || n != floor(n) || n < 0 || n > ELEMENTS)
        return fail(b, of->var.where, "'%s' cannot have %s elements", of->var.name, sx_datum_text(b->a, count));
    SX_PUSH(b->a, *to, ((source){ axis, at, (int64_t)n }));
    return 0;
}

/* Every value of the axis of a searched count. */
static int axis_sources(builder *b, const draft *of, int axis, sources *to)
{
    const draft *count = b->axis.v[axis];
    const sx_axis *x = &count->axis;
    const long n = sx_axis_count(x);
    if (n < 1 || n > OPTIONS || count->per) return fail(b, of->var.where, "'%s' is no count: it has no few integer values", of->per);
    for (long k = 0; k < n; k++) {
        const double at = x->kind == SX_AXIS_CHOICE ? (double)k : sx_axis_snap(x, x->low + (double)k * x->step);
        const sx_datum value = x->kind == SX_AXIS_CHOICE ? count->var.option[k] : (sx_datum){ .kind = SX_DATUM_REAL, .r = at };
        if (add_source(b, to, of, axis, at, &value)) return b->rc;
    }
    return 0;
}

static bool through(const use *u, const char *name, int depth, int axis, int option)
{
    return !strcmp(u->name, name) && u->depth > depth && u->path[depth].axis == axis && u->path[depth].option == option;
}

/* The options of a choice in which the count gets no value: there it has the one of vars. */
static int default_sources(builder *b, const draft *of, int axis, int depth, const sx_datum *count, sources *to)
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
        const int rc = inner >= 0 ? default_sources(b, of, inner, depth + 1, count, to) : add_source(b, to, of, axis, option, count);
        if (rc) return rc;
    }
    return 0;
}

static const use *first_use(const builder *b, const char *name)
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

/* Where the elements of vector `of` come from. A source with axis -1: a fixed number, no further condition. */
static int find_sources(builder *b, const draft *of, sources *to)
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
            : self->depth ? add_source(b, to, of, -1, 0, &u->fixed)
            : add_source(b, to, of, u->path[u->depth - 1].axis, u->path[u->depth - 1].option, &u->fixed)) return b->rc;
        if (self->depth && (u->axis < 0 || b->axis.v[u->axis]->when.n == 1)) return 0;
    }
    if (self->depth || (first->depth && to->n == 0))
        return fail(b, of->var.where, "'%s' needs its count '%s' in the same branch or fixed", of->var.name, of->per);
    return first->depth ? default_sources(b, of, first->path[0].axis, 0, &usual, to) : 0;
}

static int add_element(builder *b, const draft *of, int element, const sources *from)
{
    draft *to = sx_dup(b->a, of, sizeof *of);
    to->per = NULL;
    to->var.element = element;
    to->axis.name = sx_format(b->a, "%s[%d]", of->axis.name, element);
    for (long i = 0; i < from->n; i++) {
        if (from->v[i].axis < 0 || from->v[i].count <= element) continue;
        if (of->when.n && to->when.v == of->when.v) to->when.v = NULL, to->when.n = to->when.cap = 0;   /* the count implies it */
        add_when(b, to, from->v[i].axis, from->v[i].at);
    }
    if (b->axis.n == AXES) return fail(b, of->var.where, "a space has at most %d axes", AXES);
    SX_PUSH(b->a, b->axis, to);
    return 0;
}

static void expand_vectors(builder *b)
{
    const long n = b->axis.n;
    for (long i = 0; i < n && !b->rc; i++) {
        const draft *of = b->axis.v[i];
        sources from = { 0 };
        if (!of->per || find_sources(b, of, &from)) continue;
        int64_t most = 0;
        for (long k = 0; k < from.n; k++) if (from.v[k].count > most) most = from.v[k].count;
        for (int e = 0; e < (int)most && !b->rc; e++) add_element(b, of, e, &from);
    }
}

/* --- The finished space --- */

/* Where a variable has several axes they are called name@branch. */
static void name_axes(builder *b)
{
    for (long i = 0; i < b->axis.n; i++) {
        long same = 0;
        draft *x = b->axis.v[i];
        for (long k = 0; k < b->axis.n; k++) same += !strcmp(b->axis.v[k]->var.name, x->var.name);
        if (same > 1) x->axis.name = sx_format(b->a, "%s@%s", x->var.name, x->branch);
    }
}

static bool ready(const builder *b, const draft *x)
{
    for (long i = 0; i < x->when.n; i++) if (b->axis.v[x->when.v[i].parent]->place < 0) return false;
    return true;
}

static const sx_when *finish_whens(builder *b, const draft *x)
{
    sx_when *when = sx_alloc_array(b->a, (size_t)x->when.n, sizeof *when);
    for (long i = 0; i < x->when.n; i++) {
        const condition *w = &x->when.v[i];
        when[i] = (sx_when){ b->axis.v[w->parent]->place, (int)w->value.n, w->value.v };
    }
    return when;
}

/* Axes in the order of the file, except that parents come first. */
static void finish(builder *b, sx_domain *s)
{
    s->var = sx_alloc_array(b->a, (size_t)b->axis.n, sizeof *s->var);
    const sx_axis **axis = sx_alloc_array(b->a, (size_t)b->axis.n, sizeof *axis);
    for (bool more = true; more;) {
        more = false;
        for (long i = 0; i < b->axis.n; i++) {
            draft *x = b->axis.v[i];
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

int sx_domain_open(sx_arena *a, const sx_conf *space, const sx_conf *vars, const sx_scope *scope, int objectives,
                   int constraints, sx_domain **out, sx_diags *d)
{
    builder b = { .a = a, .vars = vars, .scope = scope, .d = d };
    sx_domain *s = *out = SX_NEW(a, sx_domain);
    s->root = space;
    s->space.objectives = objectives;
    s->space.constraints = constraints;
    if (space && space->kind != SX_CONF_GROUP) return fail(&b, space, "'space' is a group of domains");
    if (space) read_entries(&b, space, NULL, 0);
    if (!b.rc) name_axes(&b);
    if (!b.rc) expand_vectors(&b);
    if (!b.rc) finish(&b, s);
    return b.rc;
}
