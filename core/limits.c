/* limits.c: what a point would cost and whether it keeps the experiment's constraints, before any of it runs.
 * So that a search never spends time on what cannot be trained. */
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
        f->rc = sx_data_open(a, e, NULL, false, &data, d);
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

static int call(void *ctx, const char *name, long n, const sx_datum *args, sx_datum *out)
{
    price *p = ctx;
    double v = 0;
    int rc = 0;
    (void)args;
    if (n) return sx_error(p->d, SX_E_CONFIG, p->where, "%s() takes no argument", name);
    if (!strcmp(name, "memory")) rc = memory_of(p, &v);
    else if (!strcmp(name, "device_memory"))
        v = p->m && p->m->info.memory ? (double)p->m->info.memory : host_memory();
    else if (!strcmp(name, "parameters")) v = (double)(p->cost.parameters + p->cost.frozen);
    else if (!strcmp(name, "macs")) v = p->cost.macs;
    else return SX_E_UNSUPPORTED;
    *out = (sx_datum){ .kind = SX_DATUM_REAL, .r = v };
    p->seen = sx_format(p->a, "%s%s%s() is %.6g", p->seen, *p->seen ? ", " : "", name, v);
    return rc;
}

static int constraint(price *p, long i, const char **why)
{
    const sx_where where = sx_conf_where(p->a, p->e->tune.constraint_at[i]);
    sx_datum v = { 0 };
    p->seen = "";
    p->where = where;
    const int rc = sx_eval(p->a, p->e->tune.constraint[i], sx_scope_calls(p->a, p->e->scope, call, p), where,
                           &v, p->d);
    if (rc) return rc;
    if (v.kind != SX_DATUM_BOOL)
        return sx_error(p->d, SX_E_CONFIG, where, "a constraint is %s, not true or false",
                        sx_datum_text(p->a, &v));
    if (v.b) return 0;
    *why = sx_format(p->a, "constraint '%s' does not hold%s%s", p->e->tune.constraint[i],
                     *p->seen ? ": " : "", p->seen);
    return SX_E_REFUSED;
}

int sx_exp_price(sx_arena *a, const sx_exp *e, const sx_machine *m, sx_budget *cost, const char **why,
                 sx_diags *d)
{
    const char *reason = NULL;
    sx_data_shape shape;
    sx_steps steps;
    sx_diags own;
    sx_diags_init(&own, a);
    int rc = shape_of(a, e, &shape, d);
    if (rc) return rc;
    rc = sx_steps_write(a, e, &shape, true, 0, 0, &steps, &own);
    if (rc == SX_E_REFUSED) reason = own.n ? own.v[own.n - 1].text : "the model refuses";
    price p = { .a = a, .e = e, .m = m, .shape = &shape, .d = &own };
    if (!rc) p.cost = sx_steps_budget(&steps, 0);
    double total;
    if (!rc && cost) { rc = memory_of(&p, &total); *cost = p.cost; }
    for (long i = 0; i < e->tune.constraints && !rc; i++) rc = constraint(&p, i, &reason);
    if (why) *why = reason;
    if (rc && rc != SX_E_REFUSED && own.n)
        (void)sx_error(d, rc, own.v[own.n - 1].where, "%s", own.v[own.n - 1].text);
    return rc;
}

int sx_exp_constraints(sx_arena *a, const sx_exp *e, const sx_machine *m, const char **why, sx_diags *d)
{
    return sx_exp_price(a, e, m, NULL, why, d);
}
