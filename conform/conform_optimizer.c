/* conform_optimizer.c: what any optimizer must do: find the foot of a bowl, stay put without a rate, go on
 * from a saved memo with the same bits. And schedules: pure, finite, never below zero. */
#include <string.h>
#include "rig.h"

enum { N = 16, STEPS = 400 };
typedef struct { const sx_optimizer *o; const void *params; float w[N], slot[4][N]; double memo[4]; } descent;

static descent begin(const sx_entry *e, const void *params)
{
    descent s = { .o = (const sx_optimizer *)(const void *)e->item, .params = params };
    rig_numbers("weights", -1, 1, N, s.w);
    return s;
}

static void step(descent *s, long t, double lr, const float d[N])
{
    float k[8] = { 0 }, *slots[4] = { s->slot[0], s->slot[1], s->slot[2], s->slot[3] };
    s->o->coef(s->params, lr, t, s->memo, k);
    s->o->update->host(N, s->w, d, slots, k);
}

/* Half the squared distance to `to`, curved differently along each weight; d receives its gradient. */
static double bowl(const descent *s, const float to[N], float d[N])
{
    double sum = 0;
    for (int i = 0; i < N; i++) {
        const float curve = 0.5f + (float)i / N, off = s->w[i] - to[i];
        d[i] = curve * off;
        sum += 0.5 * (double)(curve * off * off);
    }
    return sum;
}

static bool finite_all(const float *x, long n)
{
    for (long i = 0; i < n; i++) if (!isfinite(x[i])) return false;
    return true;
}

static void check_descent(conform *c, const sx_entry *e, const void *params)
{
    descent s = begin(e, params);
    float to[N], d[N];
    rig_numbers("foot", -1, 1, N, to);
    const double before = bowl(&s, to, d);
    for (long t = 1; t <= STEPS; t++) { bowl(&s, to, d); step(&s, t, 0.01, d); }
    const double after = bowl(&s, to, d);
    conform_check(c, after < 0.5 * before, "%d steps come down a bowl", STEPS);
    conform_note(c, "from %g to %g", before, after);
}

static void check_still(conform *c, const sx_entry *e, const void *params)
{
    descent s = begin(e, params);
    const float zero[N] = { 0 };
    for (long t = 1; t <= 10; t++) step(&s, t, 0.01, zero);
    conform_check(c, finite_all(s.w, N), "no gradient: the weights stay finite");
    s = begin(e, params);
    const descent was = s;
    float d[N];
    rig_numbers("gradient", -1, 1, N, d);
    for (long t = 1; t <= 10; t++) step(&s, t, 0, d);
    conform_check(c, !memcmp(s.w, was.w, sizeof s.w), "a learning rate of 0 leaves the weights");
}

/* As after a checkpoint: weights, slots and memo are copied, nothing else is. */
static void check_resume(conform *c, const sx_entry *e, const void *params)
{
    descent s = begin(e, params), r;
    float d[N];
    rig_numbers("gradient", -1, 1, N, d);
    for (long t = 1; t <= 7; t++) step(&s, t, 0.01, d);
    r = s;
    for (long t = 8; t <= 20; t++) { step(&s, t, 0.01, d); step(&r, t, 0.01, d); }
    conform_check(c, !memcmp(s.w, r.w, sizeof s.w), "goes on from its memo with the same bits");
}

static void check_linear(conform *c, const sx_entry *e, const void *params)
{
    descent a = begin(e, params), b = a;
    float k[2][8] = { { 0 } };
    a.o->coef(params, 0.01, 1, a.memo, k[0]);
    b.o->coef(params, 0.02, 1, b.memo, k[1]);
    conform_check(c,
                  fabsf(k[1][0] - 2 * k[0][0]) <= 1e-6f * fabsf(k[1][0]) &&
                      !memcmp(&k[0][1], &k[1][1], 7 * sizeof(float)),
                  "k[0] is linear in the rate, the others do not know it");
}

int conform_optimizer(conform *c, const sx_entry *e)
{
    const sx_optimizer *o = (const sx_optimizer *)(const void *)e->item;
    if (!conform_check(c, (o->update && o->coef) || o->write,
                       "has an update with coefficients, or writes ops"))
        return 0;
    if (!o->update || !o->coef) { conform_skip(c, "it writes ops: nothing is known of them here"); return 0; }
    conform_check(c, o->update->slots >= 0 && o->update->slots <= 4, "has at most 4 moments");
    void *params = conform_params(c, c->arena, e);
    if (!params || o->update->slots < 0 || o->update->slots > 4) return 0;
    check_descent(c, e, params);
    check_still(c, e, params);
    check_resume(c, e, params);
    check_linear(c, e, params);
    for (const sx_param *p = e->params; p->name; p++) {
        double ends[2];
        const int n = conform_ends(p, ends);
        for (int i = 0; i < n; i++) {
            void *at = conform_params_with(c, c->arena, e, p, ends[i]);
            if (!at) continue;
            descent s = begin(e, at);
            float d[N];
            rig_numbers("gradient", -1, 1, N, d);
            for (long t = 1; t <= 3; t++) step(&s, t, 1e-3, d);
            conform_check(c, finite_all(s.w, N), "'%s' = %g: finite weights", p->name, ends[i]);
        }
    }
    return 0;
}

int conform_schedule(conform *c, const sx_entry *e)
{
    enum { EPOCHS = 6, PER_EPOCH = 10 };
    const sx_schedule *s = (const sx_schedule *)(const void *)e->item;
    const double monitor[EPOCHS] = { 1, 0.8, 0.7, 0.71, 0.7, 0.72 };
    void *params = conform_params(c, c->arena, e);
    bool fine = true, pure = true;
    for (long i = 0; params && i < EPOCHS * PER_EPOCH; i++) {
        const sx_progress p = { .step = i % PER_EPOCH,
                                .steps = PER_EPOCH,
                                .epoch = i / PER_EPOCH,
                                .epochs = EPOCHS,
                                .monitor = monitor };
        const double f = s->factor(params, &p), again = s->factor(params, &p);
        fine = fine && isfinite(f) && f >= 0;
        pure = pure && !memcmp(&f, &again, sizeof f);
    }
    conform_check(c, fine, "factors are finite and never below 0");
    conform_check(c, pure, "the same step gives the same factor");
    return 0;
}
