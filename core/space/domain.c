/* domain.c: a point of a space -> variables, and back: stored trials, `vars`, command lines. */
#include <stdlib.h>
#include <string.h>
#include "space.h"

static bool is_branches(const sx_var *v) { return v->option && v->option[0].kind == SX_DATUM_NONE; }
static const sx_axis *axis_at(const sx_domain *s, int i) { return s->space.axis[i]; }

void sx_domain_repair(const sx_domain *s, double *x)
{
    for (int i = 0; i < s->space.n; i++)
        x[i] = sx_active(&s->space, x, i) ? sx_axis_snap(axis_at(s, i), x[i]) : NAN;
}

static sx_datum value_at(const sx_var *v, double x)
{
    if (v->axis.kind == SX_AXIS_CHOICE && is_branches(v))
        return (sx_datum){ .kind = SX_DATUM_TEXT, .s = v->label[(long)x] };
    if (v->axis.kind == SX_AXIS_CHOICE) return v->option[(long)x];
    if (v->axis.whole && fabs(x) < 0x1p63) return (sx_datum){ .kind = SX_DATUM_INT, .i = (int64_t)x };
    return (sx_datum){ .kind = SX_DATUM_REAL, .r = x };
}

long sx_domain_values(sx_arena *a, const sx_domain *s, const double *x, sx_named **out)
{
    sx_named *v = sx_alloc_array(a, (size_t)s->space.n, sizeof *v);
    long n = 0;
    for (int i = 0; i < s->space.n; i++)
        if (!isnan(x[i])) v[n++] = (sx_named){ axis_at(s, i)->name, value_at(s->var[i], x[i]) };
    *out = v;
    return n;
}

/* --- Point -> variables --- */

typedef struct { const char **name; sx_datum *value; long n; } binding;

static void bind(binding *b, const char *name, sx_datum value)
{
    b->name[b->n] = name;
    b->value[b->n++] = value;
}

/* A variable that is a vector: bound to a list at its first element, which grows by the others. */
static void bind_element(sx_arena *a, binding *b, const char *name, long element, sx_datum value)
{
    long i = 0;
    while (i < b->n && strcmp(b->name[i], name)) i++;
    if (i == b->n) bind(b, name, (sx_datum){ .kind = SX_DATUM_LIST });
    sx_datum *list = &b->value[i], *v = sx_alloc_array(a, (size_t)element + 1 + (size_t)list->n, sizeof *v);
    if (list->n) memcpy(v, list->v, (size_t)list->n * sizeof *v);
    v[element] = value;
    list->v = v;
    if (element >= list->n) list->n = element + 1;
}

sx_scope *sx_domain_bind(sx_arena *a, const sx_domain *s, const double *x, const sx_scope *scope)
{
    const size_t most = (size_t)s->space.n + (size_t)s->n_fixed;
    binding b = { sx_alloc_array(a, most, sizeof *b.name), sx_alloc_array(a, most, sizeof *b.value), 0 };
    for (int i = 0; i < s->space.n; i++) {
        const sx_var *v = s->var[i];
        if (isnan(x[i]) || (is_branches(v) && !sx_scope_has(scope, v->name))) continue;
        if (v->element >= 0) bind_element(a, &b, v->name, v->element, value_at(v, x[i]));
        else bind(&b, v->name, value_at(v, x[i]));
    }
    for (long i = 0; i < s->n_fixed; i++) {
        const sx_fixed *f = &s->fixed[i];
        if (x[f->axis] != f->option) continue;
        if (f->element >= 0) bind_element(a, &b, f->name, f->element, f->value);
        else bind(&b, f->name, f->value);
    }
    return sx_scope_set(a, scope, b.n, b.name, b.value);
}

/* --- Variables -> point --- */

typedef struct {
    sx_arena *a; const sx_domain *s;
    const sx_named *named; long n;
    const sx_scope *scope; sx_diags *d;
    double *x; bool free;                        /* free: what is not named has any value */
} inverse;

static const sx_datum *named_value(const inverse *v, const char *name)
{
    for (long i = 0; i < v->n; i++) if (!strcmp(v->named[i].name, name)) return &v->named[i].value;
    return NULL;
}

static bool near(double x, double y, double unit) { return fabs(x - y) <= 1e-8 * unit || x == y; }

static bool same(const sx_datum *x, const sx_datum *y)
{
    if (sx_datum_is_number(x) && sx_datum_is_number(y))
        return near(sx_datum_real(x), sx_datum_real(y), fabs(sx_datum_real(x)) * 1e-4);
    return sx_datum_equal(x, y);
}

/* The coordinate of a value on an axis; false: it has no such value. */
static bool coordinate(const inverse *v, const sx_var *var, const sx_datum *value, double *x)
{
    const sx_axis *axis = &var->axis;
    if (axis->kind == SX_AXIS_CHOICE) {
        const char *text = sx_datum_text(v->a, value);
        for (long k = 0; k <= (long)axis->high; k++) {
            const bool is = is_branches(var) || var->option[k].kind == SX_DATUM_LIST
                ? !strcmp(var->label[k], text) : same(&var->option[k], value);
            if (is) { *x = (double)k; return true; }
        }
        return false;
    }
    const double r = sx_datum_real(value);
    if (!sx_datum_is_number(value) || !isfinite(r)) return false;
    *x = sx_axis_snap(axis, r);
    return near(*x, r, axis->step > 0 ? axis->step : fabs(r) * 1e-4);
}

static bool variable(const inverse *v, const sx_var *var, sx_datum *out)
{
    const sx_datum *given = named_value(v, var->axis.name);
    if (!given) given = named_value(v, var->name);
    if (given) *out = *given;
    else if (!sx_scope_has(v->scope, var->name) ||
             sx_scope_get(v->a, v->scope, var->name, SX_NOWHERE, out, NULL))
        return false;
    if (var->element < 0 || out->kind != SX_DATUM_LIST) return true;
    if (var->element >= out->n) return false;
    *out = out->v[var->element];
    return true;
}

static bool depends(const sx_axis *axis, int parent, double value)
{
    for (int i = 0; i < axis->whens; i++)
        for (int k = 0; axis->when[i].parent == parent && k < axis->when[i].n; k++)
            if (axis->when[i].value[k] == value) return true;
    return false;
}

static long find_branch(const inverse *v, int i, double *x);

/* May the axis, or the fixed value, be what it likes? */
static bool is_free(const inverse *v, const char *label, const char *name)
{
    return v->free && !named_value(v, label) && !named_value(v, name);
}

/* Does option k of the choice i of branches give the variables the values that they have? -1: no; else how
 * many of those that were named it has. */
static long branch_fits(const inverse *v, int i, long k)
{
    const sx_domain *s = v->s;
    long fit = 0;
    for (long f = 0; f < s->n_fixed; f++) {
        const sx_fixed *e = &s->fixed[f];
        if (e->axis != i || e->option != k || is_free(v, e->label, e->name)) continue;
        const sx_var var = { .name = e->name, .axis.name = e->label, .element = e->element };
        sx_datum is;
        if (!variable(v, &var, &is) || !same(&is, &e->value)) return -1;
        fit++;
    }
    for (int c = i + 1; c < s->space.n; c++) {
        sx_datum is;
        double x;
        if (!depends(axis_at(s, c), i, (double)k)) continue;
        const long inside = is_branches(s->var[c])                                  ? find_branch(v, c, &x)
                            : is_free(v, axis_at(s, c)->name, s->var[c]->name)      ? 0
                            : variable(v, s->var[c], &is) && coordinate(v, s->var[c], &is, &x) ? 1
                                                                                    : -1;
        if (inside < 0) return -1;
        fit += inside;
    }
    return fit;
}

/* As branch_fits, of the option that fits: the first one, or where values are free the one with most of those
 * named. */
static long find_branch(const inverse *v, int i, double *x)
{
    sx_datum is;
    long best = -1;
    if (!is_free(v, axis_at(v->s, i)->name, v->s->var[i]->name) && variable(v, v->s->var[i], &is) &&
        coordinate(v, v->s->var[i], &is, x))
        return 1;
    for (long k = 0; k <= (long)axis_at(v->s, i)->high && (best < 0 || v->free); k++) {
        const long fit = branch_fits(v, i, k);
        if (fit > best) { best = fit; *x = (double)k; }
    }
    return best;
}

const char *sx_axis_words(sx_arena *a, const sx_var *v)
{
    enum { MOST = 20 };
    const sx_axis *x = &v->axis;
    if (x->kind == SX_AXIS_NORMAL && !(x->low < x->high))
        return !x->log ? "any numbers" : x->step > 0 ? "numbers of at least 0" : "numbers above 0";
    if (x->kind != SX_AXIS_CHOICE)
        return sx_format(a, "%s to %s%s", sx_real_text(a, x->low), sx_real_text(a, x->high),
                         x->step > 0 && !(x->whole && x->step == 1)
                             ? sx_format(a, " by %s", sx_real_text(a, x->step))
                         : x->whole ? ", whole ones"
                                    : "");
    const char *text = v->label[0];
    for (long k = 1; k <= (long)x->high && k < MOST; k++) text = sx_format(a, "%s, %s", text, v->label[k]);
    return x->high < MOST ? text : sx_format(a, "%s and %ld more", text, (long)x->high + 1 - MOST);
}

/* What the branches of a choice let those of their variables be that were named. */
static const char *named_ranges(const inverse *v, int i)
{
    const char *text = "";
    for (int c = i + 1; c < v->s->space.n; c++) {
        const sx_var *var = v->s->var[c];
        bool below = false;
        for (int w = 0; w < var->axis.whens; w++) below = below || var->axis.when[w].parent == i;
        if (!below || (!named_value(v, var->axis.name) && !named_value(v, var->name))) continue;
        text = sx_format(v->a, "%s%s'%s' %s", text, *text ? "; " : "", var->axis.name,
                         sx_axis_words(v->a, var));
    }
    return text;
}

static int refuse(const inverse *v, int i, const sx_datum *is)
{
    const sx_var *var = v->s->var[i];
    const sx_where where = sx_conf_where(v->a, var->where);
    if (is) {
        sx_error(v->d, SX_E_REFUSED, where, "'%s' cannot be %.80s", var->axis.name, sx_datum_text(v->a, is));
        sx_detail(v->d, "Its values are %s.", sx_axis_words(v->a, var));
        return SX_E_REFUSED;
    }
    const char *ranges = named_ranges(v, i);
    sx_error(v->d, SX_E_REFUSED, where, "no branch of '%s' has these values", var->axis.name);
    if (*ranges) sx_detail(v->d, "They are: %s.", ranges);
    return SX_E_REFUSED;
}

static int unknown(const inverse *v, const char *name)
{
    const char **names = sx_alloc_array(v->a, (size_t)v->s->space.n, sizeof *names);
    for (int i = 0; i < v->s->space.n; i++) names[i] = axis_at(v->s, i)->name;
    const char *hint = sx_nearest(name, names, v->s->space.n);
    sx_error(v->d, SX_E_REFUSED, SX_NOWHERE, "the space has no '%s'", name);
    if (hint) sx_hint(v->d, "Did you mean '%s'?", hint);
    return SX_E_REFUSED;
}

/* Whatever was named must hold at the point: by its axis, or by the value that the variable gets there. */
static int check_named(const inverse *v)
{
    const sx_scope *at = sx_domain_bind(v->a, v->s, v->x, v->scope);
    for (long k = 0; k < v->n; k++) {
        const sx_named *named = &v->named[k];
        bool holds = false, known = false;
        for (int i = 0; i < v->s->space.n; i++) {
            const bool is = !strcmp(axis_at(v->s, i)->name, named->name);
            holds = holds || (is && !isnan(v->x[i]));
            known = known || is || !strcmp(v->s->var[i]->name, named->name);
        }
        for (long i = 0; i < v->s->n_fixed; i++) {
            const sx_fixed *f = &v->s->fixed[i];
            const bool is = !strcmp(f->label, named->name);
            known = known || is || !strcmp(f->name, named->name);
            holds = holds || (is && v->x[f->axis] == f->option && same(&f->value, &named->value));
        }
        if (holds) continue;
        if (!known) return unknown(v, named->name);
        sx_datum is;
        if (sx_scope_has(at, named->name) && !sx_scope_get(v->a, at, named->name, SX_NOWHERE, &is, NULL) &&
            same(&is, &named->value))
            continue;
        return sx_error(v->d, SX_E_REFUSED, SX_NOWHERE, "'%s' cannot be %.80s in this branch", named->name,
                        sx_datum_text(v->a, &named->value));
    }
    return 0;
}

static int find_point(sx_arena *a, const sx_domain *s, const sx_named *named, long n, const sx_scope *scope,
                      bool free, double *x, sx_diags *d)
{
    const inverse v = { a, s, named, n, scope, d, x, free };
    for (int i = 0; i < s->space.n; i++) {
        sx_datum is;
        x[i] = NAN;
        if (!sx_active(&s->space, x, i)) continue;
        if (is_branches(s->var[i])) {
            const sx_datum *given = named_value(&v, axis_at(s, i)->name);
            if (given ? !coordinate(&v, s->var[i], given, &x[i]) : find_branch(&v, i, &x[i]) < 0)
                return refuse(&v, i, given);
            continue;
        }
        const bool known = variable(&v, s->var[i], &is);
        if (is_free(&v, axis_at(s, i)->name, s->var[i]->name) &&
            !(known && coordinate(&v, s->var[i], &is, &x[i]))) {
            x[i] = sx_axis_at(axis_at(s, i), 0.5);
            continue;
        }
        if (!known)
            return sx_error(d, SX_E_REFUSED, sx_conf_where(a, s->var[i]->where), "'%s' has no value",
                            axis_at(s, i)->name);
        if (!coordinate(&v, s->var[i], &is, &x[i])) return refuse(&v, i, &is);
    }
    return check_named(&v);
}

int sx_domain_point(sx_arena *a, const sx_domain *s, const sx_named *named, long n, const sx_scope *scope,
                    double *x, sx_diags *d)
{
    return find_point(a, s, named, n, scope, false, x, d);
}

int sx_domain_some(sx_arena *a, const sx_domain *s, const sx_named *named, long n, const sx_scope *scope,
                   double *x, sx_diags *d)
{
    return find_point(a, s, named, n, scope, true, x, d);
}

/* --- Size --- */

enum { WORK = 200000 };
typedef struct {
    const sx_domain *s; double *x;
    const int *group; const bool *parent;        /* of each axis: its group; has it children? */
    int of; long work; bool endless;
} counting;

static uint64_t times(counting *c, uint64_t x, uint64_t y)
{
    uint64_t r;
    if (__builtin_mul_overflow(x, y, &r) || r > INT64_MAX) c->endless = true;
    return c->endless ? 0 : r;
}

static double kth(const sx_axis *axis, long k)
{
    if (axis->kind == SX_AXIS_CHOICE) return (double)k;
    const double step = axis->step > 0 ? axis->step : 1;
    const double low = axis->round ? nearbyint(axis->low / step) * step : axis->low;
    return sx_axis_snap(axis, low + (double)k * step);
}

/* Points of the axes i.. that belong to group c->of; axes with children are tried value by value. */
static uint64_t count(counting *c, int i)
{
    while (i < c->s->space.n && c->group[i] != c->of) i++;
    if (i == c->s->space.n || c->endless) return !c->endless;
    c->endless = ++c->work > WORK;
    c->x[i] = NAN;
    if (!sx_active(&c->s->space, c->x, i)) return count(c, i + 1);
    const long n = sx_axis_count(axis_at(c->s, i));
    if (n == 0) c->endless = true;
    if (!c->parent[i]) {
        c->x[i] = 0;
        return times(c, (uint64_t)n, count(c, i + 1));
    }
    uint64_t sum = 0;
    for (long k = 0; k < n && !c->endless; k++) {
        c->x[i] = kth(axis_at(c->s, i), k);
        if (__builtin_add_overflow(sum, count(c, i + 1), &sum) || sum > INT64_MAX) c->endless = true;
    }
    return sum;
}

/* Axes that hang together get one number: that of their first one. */
static void group_axes(const sx_domain *s, int *group, bool *parent)
{
    for (int i = 0; i < s->space.n; i++) {
        group[i] = i;
        for (int w = 0; w < axis_at(s, i)->whens; w++) {
            const int p = axis_at(s, i)->when[w].parent, from = group[i], to = group[p];
            parent[p] = true;
            for (int k = 0; k <= i; k++) if (group[k] == from) group[k] = to;
        }
    }
}

uint64_t sx_domain_size(const sx_domain *s)
{
    sx_arena *a = sx_arena_open(NULL);
    const size_t n = (size_t)s->space.n;
    int *group = sx_alloc_array(a, n, sizeof *group);
    bool *parent = sx_alloc_array(a, n, sizeof *parent);
    double *x = sx_alloc_array(a, n, sizeof *x);
    group_axes(s, group, parent);
    counting c = { .s = s, .x = x, .group = group, .parent = parent };
    uint64_t size = 1;
    for (int i = 0; i < s->space.n; i++) {
        c.of = i;
        bool any = false;
        for (int k = 0; k < s->space.n; k++) any = any || group[k] == i;
        if (any) size = times(&c, size, count(&c, 0));
    }
    sx_arena_close(a);
    return c.endless ? 0 : size;
}
