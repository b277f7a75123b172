/* draft.c: reads one domain: its kind, its numbers or options, their checks -> an axis in the making. */
#include "draft.h"
#include <stdlib.h>
#include <string.h>

enum { OPTIONS = 10000 };

int sx_draft_fail(sx_builder *b, const sx_conf *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    b->rc = sx_error(b->d, SX_E_CONFIG, sx_conf_where(b->a, at), "%s", sx_vformat(b->a, fmt, ap));
    va_end(ap);
    return b->rc;
}

typedef struct { const char *name; bool whole, log, round, normal; int least, most; } kind;
static const kind kinds[] = {
    { .name = "choice" },
    { "int", .whole = true, .least = 2, .most = 3 },
    { "uniform", .least = 2, .most = 3 },
    { "loguniform", .log = true, .least = 2, .most = 2 },
    { "quniform", .round = true, .least = 3, .most = 3 },
    { "qloguniform", .log = true, .round = true, .least = 3, .most = 3 },
    { "normal", .normal = true, .least = 2, .most = 2 },
    { "lognormal", .log = true, .normal = true, .least = 2, .most = 2 },
    { "qnormal", .round = true, .normal = true, .least = 3, .most = 3 },
    { "qlognormal", .log = true, .round = true, .normal = true, .least = 3, .most = 3 },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const kind *kind_named(const char *name)
{
    for (int i = 0; i < KINDS; i++) if (!strcmp(name, kinds[i].name)) return &kinds[i];
    return NULL;
}

/* The one member that says which kind of domain this is; NULL: an error was told. */
static const sx_conf *kind_of(sx_builder *b, const sx_conf *domain, const kind **k)
{
    const sx_conf *found = NULL;
    const char *words[KINDS + 2] = { "per", "weights" };
    for (int i = 0; i < KINDS; i++) words[i + 2] = kinds[i].name;
    for (const sx_conf *m = domain->first; m; m = m->next) {
        const kind *is = kind_named(m->name);
        if (is && found) {
            sx_draft_fail(b, m, "domain '%s' is both %s and %s", domain->name, found->name, m->name);
            return NULL;
        }
        if (is) { found = m; *k = is; continue; }
        if (!strcmp(m->name, "per") || !strcmp(m->name, "weights")) continue;
        sx_draft_fail(b, m, "a domain has no '%s'", m->name);
        const char *near = sx_nearest(m->name, words, KINDS + 2);
        if (near) sx_hint(b->d, "Did you mean '%s'?", near);
        else
            sx_hint(b->d, "The kinds are choice, int, uniform, loguniform, normal, lognormal, quniform, "
                          "qloguniform, qnormal, qlognormal.");
        return NULL;
    }
    if (!found) {
        sx_draft_fail(b, domain, "'%s' says no kind of domain", domain->name);
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
static int read_numbers(sx_builder *b, const sx_conf *c, const kind *k, double v[3], bool *ints)
{
    const long n = sx_conf_count(c);
    sx_datum list, raw;
    if (c->kind != SX_CONF_LIST || n < k->least || n > k->most)
        return sx_draft_fail(b, c, "%s takes %s", k->name, form(k));
    const sx_datum_kind wanted = k->whole ? SX_DATUM_INT : SX_DATUM_REAL;
    int rc = sx_conf_datum(b->a, c, b->scope, wanted, &list, b->d);
    if (!rc) rc = sx_conf_value(b->a, c, b->scope, wanted, &raw, b->d);
    if (rc) return b->rc = rc;
    *ints = true;
    for (long i = 0; i < n; i++) {
        v[i] = sx_datum_real(&list.v[i]);
        *ints = *ints && raw.v[i].kind == SX_DATUM_INT;
        if (!isfinite(v[i]) || fabs(v[i]) > (k->whole ? 0x1p53 : 1e300))
            return sx_draft_fail(b, c, "%s: %g is too large", k->name, v[i]);
    }
    return 0;
}

/* A stepped axis ends where its last step does. */
static void fit_high(sx_builder *b, const sx_conf *c, sx_axis *x)
{
    if (x->round || !(x->step > 0)) return;
    const double steps = floor((x->high - x->low) / x->step + 1e-8), high = x->low + steps * x->step;
    if (fabs(high - x->high) <= 1e-8 * x->step) return;
    sx_warn(b->d, sx_conf_where(b->a, c), "the steps end at %s, not at %s", sx_real_text(b->a, high),
            sx_real_text(b->a, x->high));
    x->high = high;
}

static int read_range(sx_builder *b, const sx_conf *c, const kind *k, sx_axis *x)
{
    double v[3] = { 0, 0, 0 };
    bool ints = false;
    if (read_numbers(b, c, k, v, &ints)) return b->rc;
    const bool stepped = sx_conf_count(c) == 3;
    const double step = stepped ? v[2] : k->whole ? 1 : 0;
    *x = (sx_axis){ .name = x->name, .kind = k->normal ? SX_AXIS_NORMAL : SX_AXIS_REAL, .log = k->log,
                    .round = k->round, .step = step, .whole = k->whole || (k->round && ints) };
    if (stepped && !(v[2] > 0))
        return sx_draft_fail(b, c, "%s: the step %s is not above 0", k->name, sx_real_text(b->a, v[2]));
    if (k->normal) {
        x->mu = v[0];
        x->sigma = v[1];
        if (v[1] > 0) return 0;
        return sx_draft_fail(b, c, "%s: the deviation %s is not above 0", k->name, sx_real_text(b->a, v[1]));
    }
    x->low = v[0];
    x->high = v[1];
    if (v[0] > v[1])
        return sx_draft_fail(b, c, "%s: the lower end %s is above the upper end %s", k->name,
                             sx_real_text(b->a, v[0]), sx_real_text(b->a, v[1]));
    if (k->log && !(v[0] > 0))
        return sx_draft_fail(b, c, "%s: the lower end %s is not above 0", k->name, sx_real_text(b->a, v[0]));
    if (x->step > 0 && (v[1] - v[0]) / x->step > 0x1p31)
        return sx_draft_fail(b, c, "%s has more than 2^31 steps", k->name);
    fit_high(b, c, x);
    return 0;
}

bool sx_draft_branches(const sx_conf *choice)
{
    return choice->first && choice->first->kind == SX_CONF_GROUP;
}

static int read_option(sx_builder *b, const sx_conf *m, bool branches, long i, sx_datum *option,
                       const char **label)
{
    if ((m->kind == SX_CONF_GROUP) != branches)
        return sx_draft_fail(b, m, "a choice is between values or between groups, not both");
    const sx_conf *name = branches ? sx_conf_member(m, "name") : NULL;
    *option = (sx_datum){ .kind = SX_DATUM_NONE };
    sx_datum text = { .kind = SX_DATUM_INT, .i = i };
    int rc = 0;
    if (!branches) rc = sx_conf_datum(b->a, m, b->scope, SX_DATUM_NONE, option, b->d);
    else if (name) rc = sx_conf_datum(b->a, name, b->scope, SX_DATUM_TEXT, &text, b->d);
    *label = rc ? "" : sx_datum_text(b->a, branches ? &text : option);
    return rc ? (b->rc = rc) : 0;
}

/* The numbers of a choice that is an ascending scale; NULL: it is none. */
static const double *levels(sx_arena *a, const sx_datum *v, long n)
{
    double *level = sx_alloc_array(a, (size_t)n, sizeof *level);
    for (long i = 0; i < n; i++) {
        level[i] = sx_datum_real(&v[i]);
        if (!sx_datum_is_number(&v[i]) || (i && level[i] <= level[i - 1])) return NULL;
    }
    return n > 1 ? level : NULL;
}

static int read_weights(sx_builder *b, const sx_conf *c, long n, sx_axis *x)
{
    sx_datum list;
    double *weight = sx_alloc_array(b->a, (size_t)n, sizeof *weight), sum = 0;
    const int rc = sx_conf_datum(b->a, c, b->scope, SX_DATUM_REAL, &list, b->d);
    if (rc) return b->rc = rc;
    if (list.kind != SX_DATUM_LIST || list.n != n)
        return sx_draft_fail(b, c, "%ld options need as many weights", n);
    for (long i = 0; i < n; i++) {
        weight[i] = sx_datum_real(&list.v[i]);
        if (!(weight[i] >= 0 && weight[i] <= 1e100))
            return sx_draft_fail(b, c, "weight %s is negative or too large", sx_real_text(b->a, weight[i]));
        sum += weight[i];
    }
    if (!(sum > 0)) return sx_draft_fail(b, c, "all weights are 0");
    for (long i = 0; i < n; i++) weight[i] /= sum;
    x->weight = weight;
    return 0;
}

static int read_choice(sx_builder *b, const sx_conf *c, sx_draft *to)
{
    const long n = sx_conf_count(c);
    if (c->kind != SX_CONF_LIST || !n) return sx_draft_fail(b, c, "choice takes a list of options");
    if (n > OPTIONS) return sx_draft_fail(b, c, "choice has %ld options, more than %d", n, OPTIONS);
    sx_datum *option = sx_alloc_array(b->a, (size_t)n, sizeof *option);
    const char **label = sx_alloc_array(b->a, (size_t)n, sizeof *label);
    const bool branches = sx_draft_branches(c);
    long i = 0;
    for (const sx_conf *m = c->first; m; m = m->next, i++) {
        if (read_option(b, m, branches, i, &option[i], &label[i])) return b->rc;
        for (long j = 0; j < i; j++)
            if (!strcmp(label[i], label[j]))
                return sx_draft_fail(b, m, "option '%.80s' stands in the choice twice", label[i]);
    }
    to->axis = (sx_axis){ .name = to->axis.name, .kind = SX_AXIS_CHOICE, .high = (double)(n - 1) };
    to->axis.level = branches ? NULL : levels(b->a, option, n);
    to->var.option = option;
    to->var.label = label;
    const sx_conf *weights = sx_conf_member(c->parent, "weights");
    return weights ? read_weights(b, weights, n, &to->axis) : 0;
}

int sx_draft_read(sx_builder *b, const sx_conf *domain, sx_draft *to)
{
    const kind *k = NULL;
    const sx_conf *c = kind_of(b, domain, &k), *per = sx_conf_member(domain, "per");
    if (!c) return b->rc;
    to->axis.name = domain->name;
    to->var = (sx_var){ .name = domain->name, .element = -1, .where = domain };
    const bool choice = k == kinds;
    if (!choice && sx_conf_member(domain, "weights"))
        return sx_draft_fail(b, sx_conf_member(domain, "weights"), "only a choice has weights");
    if (per && per->kind != SX_CONF_TEXT) return sx_draft_fail(b, per, "'per' names a variable");
    to->per = per ? per->s : NULL;
    return choice ? read_choice(b, c, to) : read_range(b, c, k, &to->axis);
}
