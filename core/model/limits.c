/* limits.c: what a point would cost and whether it keeps the experiment's constraints, before any of it runs,
 * so that a search never spends time on what cannot be trained; and what a trial is worth at its end. */
#include <float.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "step.h"

struct sx_facts { pthread_mutex_t lock; bool known; int rc; sx_data_shape shape; };

static void close_facts(void *facts) { pthread_mutex_destroy(&((sx_facts *)facts)->lock); }

sx_facts *sx_facts_open(sx_arena *a)
{
    sx_facts *f = SX_NEW(a, sx_facts);
    pthread_mutex_init(&f->lock, NULL);
    sx_arena_defer(a, close_facts, f);
    return f;
}

int sx_exp_shape(const sx_exp *e, sx_data_shape *out, sx_diags *d)
{
    sx_facts *f = e->facts;
    pthread_mutex_lock(&f->lock);
    if (!f->known) {
        sx_arena *a = sx_arena_open(NULL);
        sx_data *data = NULL;
        f->rc = sx_data_open(a, e, NULL, true, &data, d);           /* as `train` has it */
        if (!f->rc) f->shape = data->shape;
        f->known = true;
        sx_arena_close(a);
    }
    *out = f->shape;
    pthread_mutex_unlock(&f->lock);
    return f->rc;
}

/* Without the data set a budget is still told, for as many rows as Fashion-MNIST's. */
static int shape_of(sx_arena *a, const sx_exp *e, sx_data_shape *s, sx_diags *d)
{
    return sx_exp_shape(e, s, NULL) ? sx_step_shape(a, e, 48000, 12000, s, d) : 0;
}

/* --- Functions that constraints may call --- */

typedef struct {
    sx_arena *a; const sx_exp *e; const sx_machine *m; const sx_data_shape *shape; sx_diags *d;
    sx_budget cost; bool planned;                /* planned: memory is known as well */
    bool pretend;                                /* only the writing is looked at: every cost is 1 */
    sx_where where;
    const char *seen;                            /* what was called, with its value, for the message */
} price;

/* The smaller of this host's memory and its control group's limit. */
static double host_memory(void)
{
    const double all = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    FILE *f = fopen("/sys/fs/cgroup/memory.max", "r");
    char line[64] = "";
    if (f && !fgets(line, sizeof line, f)) *line = 0;
    if (f) fclose(f);
    const double limit = strtod(line, NULL);
    return limit > 0 && limit < all ? limit : all;
}

static int memory_of(price *p, double *v)
{
    sx_budget b = { 0 };
    const int rc = p->planned ? 0 : sx_step_budget(p->a, p->e, p->shape, p->m, &b, p->d);
    if (rc) return rc;
    if (!p->planned) p->cost = b;
    p->planned = true;
    *v = (double)p->cost.total;
    return 0;
}

static bool is_cost(const char *name)
{
    return !strcmp(name, "memory") || !strcmp(name, "device_memory") || !strcmp(name, "parameters") ||
           !strcmp(name, "macs");
}

static int cost_of(price *p, const char *name, double *v)
{
    if (!strcmp(name, "memory")) return memory_of(p, v);
    if (!strcmp(name, "parameters")) *v = (double)(p->cost.parameters + p->cost.frozen);
    else if (!strcmp(name, "macs")) *v = p->cost.macs;
    else *v = p->m && p->m->info.memory ? (double)p->m->info.memory : host_memory();
    return 0;
}

static int call(void *ctx, const char *name, long n, const sx_datum *args, sx_datum *out)
{
    price *p = ctx;
    double v = 0;
    int rc = 0;
    (void)args;
    if (p->e->search || !is_cost(name)) return SX_E_UNSUPPORTED;
    if (n) return sx_error(p->d, SX_E_CONFIG, p->where, "%s() takes no argument", name);
    if (p->pretend) v = 1;
    else rc = cost_of(p, name, &v);
    *out = (sx_datum){ .kind = SX_DATUM_REAL, .r = v };
    p->seen = sx_format(p->a, "%s%s%s() is %.6g", p->seen, *p->seen ? ", " : "", name, v);
    return rc;
}

static int evaluate(price *p, const sx_rule *r, const char *text, const sx_scope *scope, sx_datum *v)
{
    p->seen = "";
    p->where = sx_conf_where(p->a, r->at);
    return sx_eval(p->a, text, sx_scope_calls(p->a, scope, call, p), p->where, v, p->d);
}

static int constraint(price *p, const sx_rule *r, sx_diag *why)
{
    sx_datum v = { 0 };
    const int rc = evaluate(p, r, r->text, p->e->scope, &v);
    if (rc) return rc;
    if (v.kind != SX_DATUM_BOOL)
        return sx_error(p->d, SX_E_CONFIG, p->where, "a constraint is %s, not true or false",
                        sx_datum_text(p->a, &v));
    if (v.b) return 0;
    *why = (sx_diag){ .where = p->where,
                      .text = sx_format(p->a, "constraint '%s' does not hold%s%s", r->text,
                                        *p->seen ? ": " : "", p->seen) };
    return SX_E_REFUSED;
}

/* Writes the step down, so that what it costs is known. SX_E_REFUSED: the model does not fit this point. */
static int open_price(price *p, sx_data_shape *shape, sx_diags *d)
{
    sx_steps steps;
    int rc = shape_of(p->a, p->e, shape, d);
    p->shape = shape;
    if (!rc) rc = sx_steps_write(p->a, p->e, shape, true, 0, 0, (sx_again){ 0 }, &steps, p->d);
    if (!rc) p->cost = sx_steps_budget(&steps, (sx_room){ 0 });
    return rc;
}

int sx_exp_price(sx_arena *a, const sx_exp *e, const sx_machine *m, sx_budget *cost, sx_diag *why,
                 sx_diags *d)
{
    sx_diag reason = { 0 };
    sx_data_shape shape;
    sx_diags own;
    sx_diags_init(&own, a);
    price p = { .a = a, .e = e, .m = m, .d = &own };
    int rc = e->search ? 0 : open_price(&p, &shape, d);
    if (rc == SX_E_REFUSED) {
        const sx_diag *first = sx_diags_first(&own);
        reason = first ? *first : (sx_diag){ .code = rc, .text = "the model refuses" };
    }
    double total;
    if (!rc && cost) { rc = memory_of(&p, &total); *cost = p.cost; }
    for (long i = 0; i < e->tune.known.n && !rc; i++) rc = constraint(&p, &e->tune.known.v[i], &reason);
    if (why) *why = reason;
    return rc && rc != SX_E_REFUSED && own.n ? sx_diags_pass(&own, rc, d) : rc;
}

int sx_exp_constraints(sx_arena *a, const sx_exp *e, const sx_machine *m, sx_diag *why, sx_diags *d)
{
    return sx_exp_price(a, e, m, NULL, why, d);
}

/* --- At the end of a trial --- */

/* "a <= b" as "(a) - (b)", so that a sampler learns by how much a point misses; text itself where it is no
 * single comparison. strict: 0 is a miss, too. */
static const char *excess(sx_arena *a, const char *text, bool *strict)
{
    const char *sign = NULL, *s = text;
    *strict = false;
    if (sx_text_mentions(text, "and") || sx_text_mentions(text, "or") || sx_text_mentions(text, "not"))
        return text;
    for (int depth = 0; *s; s++) {
        depth += (*s == '(' || *s == '[') - (*s == ')' || *s == ']');
        if (depth || !strchr("<>=!?\"'", *s)) continue;
        if (sign || (*s != '<' && *s != '>')) return text;
        sign = s;
        s += s[1] == '=';
    }
    if (!sign) return text;
    *strict = sign[1] != '=';
    const char *left = sx_strndup(a, text, (size_t)(sign - text)), *right = sign + 1 + !*strict;
    return *sign == '<' ? sx_format(a, "(%s) - (%s)", left, right) : sx_format(a, "(%s) - (%s)", right, left);
}

static int measured(price *p, const sx_rule *r, const sx_scope *scope, double *out)
{
    sx_datum v = { 0 };
    bool strict;
    const char *text = excess(p->a, r->text, &strict);
    const int rc = evaluate(p, r, text, scope, &v);
    if (rc) return rc;
    if (v.kind == SX_DATUM_TEXT || v.kind == SX_DATUM_LIST || v.kind == SX_DATUM_NONE)
        return sx_error(p->d, SX_E_CONFIG, p->where, "a constraint is %s, no number or truth value",
                        sx_datum_text(p->a, &v));
    *out = v.kind == SX_DATUM_BOOL ? !v.b : sx_datum_real(&v);
    if (strict && *out == 0) *out = DBL_MIN;
    if (!(*out < DBL_MAX)) *out = DBL_MAX;       /* no number: it cannot have been kept */
    return 0;
}

int sx_exp_measurable(const sx_exp *e, sx_diags *d)
{
    price p = { .a = e->arena, .e = e, .d = d, .pretend = true };
    const sx_scope *s = e->tune.measured.n ? sx_goal_scope(e->arena, e, 0, NULL, NULL) : NULL;
    double v;
    int rc = 0;
    for (long i = 0; i < e->tune.measured.n; i++) {
        const sx_rule *r = &e->tune.measured.v[i];
        sx_datum whole;
        int bad = evaluate(&p, r, r->text, s, &whole);               /* its errors are in the user's words */
        if (!bad) bad = measured(&p, r, s, &v);
        if (!rc) rc = bad;
    }
    return rc;
}

static bool costs_matter(const sx_tune_conf *t)
{
    bool any = false;
    for (long i = 0; i < t->objectives; i++) any |= is_cost(t->objective[i]);
    for (long i = 0; i < t->measured.n; i++) any |= strchr(t->measured.v[i].text, '(') != NULL;
    return any;
}

int sx_exp_measure(sx_arena *a, const sx_exp *e, const sx_machine *m, long n, const char *const *name,
                   const double *value, double *objective, double *constraint, sx_diags *d)
{
    const sx_tune_conf *t = &e->tune;
    sx_data_shape shape;
    price p = { .a = a, .e = e, .m = m, .d = d };
    const sx_scope *s = sx_goal_scope(a, e, n, name, value);
    int rc = !e->search && costs_matter(t) ? open_price(&p, &shape, d) : 0;
    for (long i = 0; i < t->objectives && !rc; i++) {
        const long at = sx_goal_place(t->objective[i], n, name);
        if (at >= 0) objective[i] = value[at];
        else if (!e->search && is_cost(t->objective[i])) rc = cost_of(&p, t->objective[i], &objective[i]);
        else rc = sx_error(d, SX_E_REFUSED, SX_NOWHERE, "no epoch gave '%s'", t->objective[i]);
    }
    sx_diags own;
    sx_diags_init(&own, a);
    p.d = &own;
    for (long i = 0; i < t->measured.n && !rc; i++) {
        if (!measured(&p, &t->measured.v[i], s, &constraint[i])) continue;
        constraint[i] = DBL_MAX;                 /* what has no value cannot have been kept */
        sx_warn(d, p.where, "constraint '%s': %s", t->measured.v[i].text,
                own.n ? own.v[own.n - 1].text : "?");
    }
    return rc;
}
