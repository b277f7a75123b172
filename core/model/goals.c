/* goals.c: what a trial is judged by, as tune says it: objectives with their directions, constraints known
 * before a trial starts and those that only its end can tell. */
#include "step.h"
#include <ctype.h>
#include <string.h>

enum { OBJECTIVES = 8, NAMES = 2 * (SX_VALUES + 1) + 8 };        /* names: loss and values, twice; costs */
static const char *const costs[] = { "seconds", "parameters", "macs", "memory" };
enum { COSTS = sizeof costs / sizeof *costs };

static sx_where at(const sx_exp *e, const sx_conf *c)
{
    return c ? sx_conf_where(e->arena, c) : (sx_where){ .file = e->file };
}

static const sx_conf *member(const sx_conf *c, long i)
{
    if (!c || c->kind != SX_CONF_LIST) return c;
    const sx_conf *m = c->first;
    while (m && i-- > 0) m = m->next;
    return m ? m : c;
}

static bool is_cost(const char *name)
{
    for (int i = 0; i < COSTS; i++) if (!strcmp(name, costs[i])) return true;
    return false;
}

/* --- Names of values --- */

/* Is name "loss", a metric or one of these after "val_"? *more: greater is better. */
static bool is_metric(const sx_exp *e, const char *name, bool *more)
{
    const char *base = strncmp(name, "val_", 4) ? name : name + 4;
    *more = false;
    if (!strcmp(base, "loss")) return true;
    for (long i = 0; i < e->train.values; i++) {
        const sx_score *v = &e->train.value[i];
        if (strcmp(base, v->name) && strcmp(name, v->name)) continue;
        *more = v->maximize;
        return true;
    }
    for (long i = 0; i < e->train.metrics; i++)
        if (!e->train.metric[i].entry) return true;              /* its plugin is missing: told already */
    return false;
}

static long metric_names(const sx_exp *e, const char *name[NAMES])
{
    long n = 0;
    for (long i = -1; i < e->train.values; i++) {
        name[n++] = i < 0 ? "loss" : e->train.value[i].name;
        name[n] = sx_format(e->arena, "val_%s", name[n - 1]);
        n++;
    }
    return n;
}

/* What the end of a trial tells; of one that is run by others, its objectives. */
static long told_names(const sx_exp *e, const char *name[NAMES])
{
    long n = 0;
    if (!e->search) n = metric_names(e, name);
    for (long i = 0; e->search && i < e->tune.objectives; i++) name[n++] = e->tune.objective[i];
    if (!e->search) name[n++] = "seconds";
    return n;
}

void sx_goal_check(const sx_exp *e, const char *what, const char *value, bool costs_too, const sx_conf *c,
                   bool *more, sx_diags *d)
{
    const char *names[NAMES];
    if (is_metric(e, value, more) || (costs_too && is_cost(value))) return;
    long n = metric_names(e, names);
    for (int i = 0; costs_too && i < COSTS; i++) names[n++] = costs[i];
    sx_error(d, SX_E_CONFIG, at(e, c), "'%s' is '%s', which no training gives", what, value);
    const char *near = sx_nearest(value, names, n), *all = names[0];
    for (long i = 1; i < n; i++) all = sx_format(e->arena, "%s, %s", all, names[i]);
    if (near) sx_hint(d, "Did you mean '%s'?", near);
    else sx_hint(d, "It gives %s.", all);
}

long sx_goal_place(const char *want, long n, const char *const *name)
{
    for (long i = 0; i < n; i++) if (!strcmp(name[i], want)) return i;
    return strncmp(want, "val_", 4) ? -1 : sx_goal_place(want + 4, n, name);
}

/* The loss or metric behind a value, and the output that it is of; NULL: the sum of several, or a cost. */
static const sx_use *source_of(const sx_exp *e, const char *name, long *output)
{
    const char *base = strncmp(name, "val_", 4) ? name : name + 4;
    *output = 0;
    if (!strcmp(base, "loss")) return e->outputs == 1 ? &e->output->loss : NULL;
    for (long i = 0; i < e->train.values; i++) {
        const sx_score *v = &e->train.value[i];
        if (strcmp(base, v->name)) continue;
        *output = v->output;
        return v->metric ? v->metric : &e->output[v->output].loss;
    }
    return NULL;
}

double sx_goal_chance(const sx_exp *e)
{
    sx_data_shape shape;
    long output;
    const sx_use *u = e->search ? NULL : source_of(e, e->tune.objective[0], &output);
    const sx_loss *loss = u && u->entry ? (const sx_loss *)(const void *)u->entry->item : NULL;
    if (!loss || !loss->chance || sx_exp_shape(e, &shape, NULL)) return 0;
    const int label = sx_data_label(&shape, &e->output[output]);
    const long classes = label < 0 ? 0 : shape.label[label].classes;
    const double v = classes > 0 ? loss->chance(u->params, classes) : 0;
    return e->tune.maximize[0] ? -v : v;
}

/* --- Objectives --- */

static const char *default_name(const sx_exp *e, long i, long n)
{
    const bool by_loss = e->outputs > 1 || !e->train.values;
    if (e->search) return n > 1 ? sx_format(e->arena, "value%ld", i) : "value"; /* values come from outside */
    return sx_format(e->arena, "val_%s", by_loss ? "loss" : e->train.value->name);
}

static bool goes_up(const sx_exp *e, const char *word, const sx_conf *c, bool more, sx_diags *d)
{
    static const char *const words[] = { "auto", "minimize", "maximize" };
    if (!strcmp(word, "auto")) return more;
    if (!strcmp(word, "minimize") || !strcmp(word, "maximize")) return word[1] == 'a';
    sx_error(d, SX_E_CONFIG, at(e, c), "tune 'direction' is \"%s\"; it is one of auto, minimize, maximize",
             word);
    const char *near = sx_nearest(word, words, 3);
    if (near) sx_hint(d, "Did you mean \"%s\"?", near);
    return false;
}

static void read_objectives(sx_exp *e, const sx_conf *tune, const sx_texts *name, const sx_texts *way,
                            sx_diags *d)
{
    const sx_conf *names = sx_conf_member(tune, "objective"), *ways = sx_conf_member(tune, "direction");
    sx_tune_conf *t = &e->tune;
    long n = name->n ? name->n : e->search && way->n ? way->n : 1;
    if (n > OBJECTIVES) {
        sx_error(d, SX_E_CONFIG, at(e, name->n ? names : ways), "%ld objectives, more than %d", n,
                 OBJECTIVES);
        n = OBJECTIVES;
    }
    if (way->n && way->n != n) {
        sx_error(d, SX_E_CONFIG, at(e, ways), "%s for %s", sx_plural(e->arena, way->n, "direction"),
                 sx_plural(e->arena, n, "objective"));
        sx_hint(d, "Write one for each, or none: metrics of which more is better go up, all else goes down.");
    }
    t->objectives = n;
    t->objective = sx_alloc_array(e->arena, (size_t)n, sizeof *t->objective);
    t->maximize = sx_alloc_array(e->arena, (size_t)n, sizeof *t->maximize);
    for (long i = 0; i < n; i++) {
        bool more = false;
        t->objective[i] = name->n ? name->v[i] : default_name(e, i, n);
        if (!e->search) sx_goal_check(e, "objective", t->objective[i], true, member(names, i), &more, d);
        t->maximize[i] = goes_up(e, i < way->n ? way->v[i] : "auto", member(ways, i), more, d);
        if (sx_goal_place(t->objective[i], i, t->objective) >= 0)
            sx_error(d, SX_E_CONFIG, at(e, member(names, i)), "'%s' is an objective twice", t->objective[i]);
    }
}

const sx_entry *sx_goal_pruner(const sx_exp *e)
{
    for (long i = 0; i < e->tune.pruners; i++) {
        const sx_entry *p = e->tune.pruner[i].entry;
        if (p && strcmp(p->item->name, "none")) return p;
    }
    return NULL;
}

/* Pruners judge by the curve of one value over the epochs. */
static void check_pruner(const sx_exp *e, const sx_conf *tune, sx_diags *d)
{
    const sx_tune_conf *t = &e->tune;
    const sx_entry *pruner = sx_goal_pruner(e);
    if (!pruner || (t->objectives == 1 && (e->search || !is_cost(t->objective[0])))) return;
    sx_error(d, SX_E_CONFIG, at(e, sx_conf_member(tune, "pruner")),
             "pruner '%s' judges by one metric of the epochs, and this search %s", pruner->item->name,
             t->objectives > 1 ? "has several objectives"
                               : sx_format(e->arena, "is by '%s'", t->objective[0]));
    sx_hint(d, "Leave tune.pruner out, or search by one metric and keep the others within bounds by "
               "tune.constraints.");
}

/* --- Constraints --- */

static bool in_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

bool sx_text_mentions(const char *text, const char *name)
{
    const size_t n = strlen(name);
    for (const char *s = text; n && (s = strstr(s, name)); s += n)
        if ((s == text || !in_name(s[-1])) && !in_name(s[n])) return true;
    return false;
}

/* A variable of that name comes first. */
static bool is_measured(const sx_exp *e, const char *text)
{
    const char *name[NAMES];
    const long n = told_names(e, name);
    for (long i = 0; i < n; i++)
        if (sx_text_mentions(text, name[i]) && !sx_scope_has(e->scope, name[i])) return true;
    return false;
}

const sx_scope *sx_goal_scope(sx_arena *a, const sx_exp *e, long n, const char *const *name,
                              const double *value)
{
    const char *told[NAMES];
    const sx_scope *s = e->scope;
    const long all = told_names(e, told);
    for (long i = 0; i < all; i++) {
        const long k = sx_goal_place(told[i], n, name);
        const double v = !name ? 1 : k < 0 ? NAN : value[k];
        if (!sx_scope_has(e->scope, told[i]))
            s = sx_scope_bind(a, s, told[i], (sx_datum){ .kind = SX_DATUM_REAL, .r = v });
    }
    return s;
}

static void read_constraints(sx_exp *e, const sx_conf *c, const sx_texts *texts, sx_diags *d)
{
    sx_tune_conf *t = &e->tune;
    t->known = t->measured = (sx_rules){ 0 };
    for (long i = 0; i < texts->n; i++) {
        const sx_rule rule = { texts->v[i], member(c, i) };
        if (is_measured(e, rule.text)) SX_PUSH(e->arena, t->measured, rule);
        else SX_PUSH(e->arena, t->known, rule);
    }
    (void)!sx_exp_measurable(e, d);
}

void sx_goals_read(sx_exp *e, const sx_conf *tune, const sx_goal_texts *t, sx_diags *d)
{
    read_objectives(e, tune, &t->objective, &t->direction, d);
    check_pruner(e, tune, d);
    read_constraints(e, sx_conf_member(tune, "constraints"), &t->constraints, d);
}
