/* tpe_vectors.c: runs the code of the tpe sampler against numbers that hyperopt's and Optuna's own functions
 * gave. tpe_vectors [--tap] FILE...: prints each mismatch and 'N passed, N failed'; tests/tpe/README.md has
 * the formulas. */
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../plugins/samplers/surrogate/surrogate.h"

static struct { const char *file; long wrong; bool tap; parzen_pool pool; } run;

__attribute__((format(printf, 1, 2))) static void wrong(const char *fmt, ...)
{
    va_list ap;
    if (run.wrong++ >= 20) return;               /* the first ones tell */
    va_start(ap, fmt);
    printf("%s%s: ", run.tap ? "# " : "", run.file);
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
}

/* --- Reading --- */
static json_t *get(const json_t *o, const char *key) { return json_object_get(o, key); }
static long size(const json_t *list) { return (long)json_array_size(list); }
static json_t *item(const json_t *list, long i) { return json_array_get(list, (size_t)i); }
static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(get(o, key));
    return s ? s : "";
}

static double number(const json_t *v)
{
    const char *s = json_string_value(v);
    if (s) return !strcmp(s, "inf") ? INFINITY : !strcmp(s, "-inf") ? -INFINITY : NAN;
    return json_is_number(v) ? json_number_value(v) : NAN;
}
static double real(const json_t *o, const char *key) { return number(get(o, key)); }
static long whole(const json_t *o, const char *key) { return (long)json_integer_value(get(o, key)); }

static double *numbers(const json_t *list)
{
    double *v = PARZEN_NEW(&run.pool, double, size(list) + 1);
    for (long i = 0; i < size(list); i++) v[i] = number(item(list, i));
    return v;
}

/* --- Comparing --- */
static bool near(double a, double b, double tolerance)
{
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= tolerance * fmax(1, fabs(b));
}
static bool near_log(double a, double b) { return near(a, b, 1e-9) || fabs(exp(a) - exp(b)) <= 2e-15; }

static void same_long(const char *what, long a, long b)
{
    if (a != b) wrong("%s is %ld, not %ld", what, a, b);
}

/* Absolute or relative 1e-12. */
static void same_numbers(const char *what, const double *a, long n, const json_t *want)
{
    if (n != size(want)) { wrong("%s: %ld numbers, not %ld", what, n, size(want)); return; }
    for (long i = 0; i < n; i++)
        if (!near(a[i], number(item(want, i)), 1e-12))
            wrong("%s[%ld] is %.17g, not %.17g", what, i, a[i], number(item(want, i)));
}

typedef struct { long n, *number; const double **x; } observations;  /* in order of number */

static void same_numbering(const char *what, const observations *t, const json_t *want)
{
    bool same = t->n == size(want);
    for (long i = 0; i < t->n && same; i++) same = t->number[i] == json_integer_value(item(want, i));
    if (!same) wrong("%s: other trials", what);
}

static void same_logs(const char *what, const double *a, long n, const json_t *want)
{
    if (n != size(want)) { wrong("%s: %ld numbers, not %ld", what, n, size(want)); return; }
    for (long i = 0; i < n; i++)
        if (!near_log(a[i], number(item(want, i))))
            wrong("%s[%ld] is %.17g, not %.17g", what, i, a[i], number(item(want, i)));
}

/* Both log densities of the candidates, and which of them wins. */
static void same_scores(const char *what, const parzen_flavour *f, const parzen_mix *l, const parzen_mix *g,
                        const double *x,
                        long n, const json_t *want)
{
    double *log_l = PARZEN_NEW(&run.pool, double, n), *log_g = PARZEN_NEW(&run.pool, double, n);
    long best = 0;
    f->score(&run.pool, l, x, n, log_l);
    f->score(&run.pool, g, x, n, log_g);
    same_logs("log_l", log_l, n, get(want, "log_l"));
    same_logs("log_g", log_g, n, get(want, "log_g"));
    for (long c = 1; c < n; c++) if (log_l[c] - log_g[c] > log_l[best] - log_g[best]) best = c;
    const double gap = real(want, "gap");
    if (!(gap <= 1e-9) && best != whole(want, "best_index"))
        wrong("%s: candidate %ld wins, not %ld", what, best, whole(want, "best_index"));
}

/* --- The axes of a file --- */
static sx_axis axis_of(const json_t *p)
{
    const char *dist = text(p, "dist");
    const bool log = strstr(dist, "log") || json_is_true(get(p, "log"));
    sx_axis a = { .name = text(p, "name"), .kind = SX_AXIS_REAL, .log = log, .low = real(p, "low"),
                  .high = real(p, "high"),
                  .mu = real(p, "mu"), .sigma = real(p, "sigma") };
    if (!strcmp(dist, "float") || !strcmp(dist, "int")) {
        a.step = json_is_number(get(p, "step")) ? real(p, "step") : 0;
        a.whole = dist[0] == 'i';
    } else if (!strcmp(dist, "categorical") || !strcmp(dist, "randint")) {
        const json_t *weights = get(p, "p");
        const long options = weights ? size(weights) : dist[0] == 'r' ? (long)(a.high - a.low)
            : whole(p, "n_choices");
        a.kind = SX_AXIS_CHOICE;
        a.low = 0, a.high = (double)(options - 1);
        a.weight = weights ? numbers(weights) : NULL;
    } else {
        if (strstr(dist, "normal")) a.kind = SX_AXIS_NORMAL;
        if (log) a.low = exp(a.low), a.high = exp(a.high);
        a.round = dist[0] == 'q';
        a.step = a.round ? real(p, "q") : 0;
    }
    return a;
}
/* A randint's options are counted from its low end. */
static double offset_of(const json_t *p) { return !strcmp(text(p, "dist"), "randint") ? real(p, "low") : 0; }

typedef struct { sx_space space; sx_axis *axis; const sx_axis **list; parzen_axis *parzen;
                 const json_t *params; } axes;

static axes axes_of(const json_t *root)
{
    axes s = { .params = get(root, "params") };
    const long n = size(s.params);
    s.axis = PARZEN_NEW(&run.pool, sx_axis, n);
    s.list = PARZEN_NEW(&run.pool, const sx_axis *, n);
    s.parzen = PARZEN_NEW(&run.pool, parzen_axis, n);
    for (long i = 0; i < n; i++) {
        s.axis[i] = axis_of(item(s.params, i));
        s.list[i] = &s.axis[i];
        s.parzen[i] = parzen_axis_of(&s.axis[i], (int)i);
    }
    s.space = (sx_space){ (int)n, 1, 0, s.list };
    return s;
}

static double *point_of(const axes *s, const json_t *values)
{
    double *x = PARZEN_NEW(&run.pool, double, s->space.n);
    for (int i = 0; i < s->space.n; i++) {
        const json_t *v = get(values, s->axis[i].name);
        x[i] = v ? number(v) - offset_of(item(s->params, i)) : NAN;
    }
    return x;
}

/* --- The history of a file, minimised --- */
static sx_fate fate_of(const json_t *t)
{
    static const char *const names[] = { "complete", "pruned", "running" };
    static const sx_fate fates[] = { SX_DONE, SX_PRUNED, SX_RUNNING };
    for (int i = 0; i < 3; i++) if (!strcmp(text(t, "state"), names[i])) return fates[i];
    return SX_FAILED;
}

static double sign_of(const json_t *root, long objective)
{
    const char *s = json_string_value(item(get(root, "directions"), objective));
    return s && !strcmp(s, "maximize") ? -1 : 1;
}

static sx_trial *trial_of(const axes *s, const json_t *root, long i)
{
    const json_t *t = item(get(root, "trials"), i), *values = get(t, "values"),
        *reports = get(t, "intermediate");
    sx_trial *out = PARZEN_NEW(&run.pool, sx_trial, 1);
    long *step = PARZEN_NEW(&run.pool, long, size(reports) + 1);
    double *value = PARZEN_NEW(&run.pool, double, 8), *curve = PARZEN_NEW(&run.pool, double,
        size(reports) + 1);
    *out = (sx_trial){ .number = get(t, "number") ? whole(t, "number") : i, .fate = fate_of(t), .step = step,
                       .curve = curve,
                       .steps = size(reports) };
    out->x = point_of(s, get(t, "params") ? get(t, "params") : values);
    if (get(t, "loss")) value[0] = real(t, "loss");
    for (long j = 0; json_is_array(values) && j < size(values) && j < 8; j++)
        value[j] = sign_of(root, j) * number(item(values, j));
    out->value = out->fate == SX_DONE ? value : NULL;
    if (json_is_array(get(t, "constraints"))) out->constraint = numbers(get(t, "constraints"));
    for (long k = 0; k < out->steps; k++) {
        step[k] = (long)json_integer_value(item(item(reports, k), 0));
        curve[k] = sign_of(root, 0) * number(item(item(reports, k), 1));
    }
    return out;
}

static sx_history *history_of(axes *s, const json_t *root)
{
    const json_t *trials = get(root, "trials");
    const long n = size(trials);
    const sx_trial **list = PARZEN_NEW(&run.pool, const sx_trial *, n);
    sx_history *h = PARZEN_NEW(&run.pool, sx_history, 1);
    *h = (sx_history){ .trial = list };
    for (int running = 0; running < 2; running++)        /* ended ones first, as the core hands them out */
        for (long i = 0; i < n; i++)
            if ((fate_of(item(trials, i)) == SX_RUNNING) == running) {
                list[h->n++] = trial_of(s, root, i);
                if (!running) h->done++;
                const json_t *c = get(item(trials, i), "constraints");
                if (json_is_array(c)) s->space.constraints = (int)size(c);
            }
    if (get(root, "directions")) s->space.objectives = (int)size(get(root, "directions"));
    return h;
}

static observations side_of(const parzen_book *b, parzen_side side)
{
    observations o;
    o.n = parzen_book_side(b, &run.pool, side, &o.x, &o.number);
    return o;
}

/* Those in which all axes of the block are active. */
static observations active(observations o, const parzen_axis *const *block, int d)
{
    observations used = { 0, PARZEN_NEW(&run.pool, long, o.n), PARZEN_NEW(&run.pool, const double *, o.n) };
    for (long i = 0; i < o.n; i++) {
        bool all = true;
        for (int j = 0; j < d; j++) all = all && !isnan(o.x[i][block[j]->at]);
        if (all) used.number[used.n] = o.number[i], used.x[used.n++] = o.x[i];
    }
    return used;
}

/* The book that the sampler would have; told in two halves. */
static parzen_book *divide(const parzen_flavour *f, const json_t *root, const axes *s, const sx_history *h)
{
    const json_t *want = get(root, "expected");
    const bool liar = f == &parzen_hyperopt || json_is_true(get(get(root, "config"), "constant_liar"));
    const json_t *given = get(get(root, "config"), "gamma");         /* Optuna's is a formula */
    parzen_book *b = parzen_book_open(f, &s->space, json_is_number(given) ? number(given) : f->gamma, liar);
    const sx_history half = { .n = h->done / 2, .done = h->done / 2, .trial = h->trial };
    parzen_book_read(b, &half);
    parzen_book_split(b, &run.pool);
    parzen_book_read(b, h);
    parzen_book_split(b, &run.pool);
    const observations below = side_of(b, PARZEN_BELOW), above = side_of(b, PARZEN_ABOVE);
    same_long("n_below", parzen_good(f, b->gamma, b->told, s->space.objectives > 1), whole(want, "n_below"));
    if (get(want, "n_for_gamma")) same_long("n_for_gamma", b->told, whole(want, "n_for_gamma"));
    same_numbering("below", &below, get(want, "below_numbers"));
    same_numbering("above", &above, get(want, "above_numbers"));
    return b;
}

/* --- Kind hyperopt-tpe --- */
static void same_mix_hyperopt(const char *what, const parzen_mix *mix, const json_t *want)
{
    const parzen_dim *d = mix->dim;
    if (d->axis->options) { same_numbers(what, d->prob, d->axis->options, get(want, "probs")); return; }
    same_numbers(what, mix->weight, mix->m, get(want, "weights"));
    same_numbers(what, d->mu, mix->m, get(want, "mus"));
    same_numbers(what, d->sigma, mix->m, get(want, "sigmas"));
    if (json_is_number(get(want, "p_accept")) && !near(mix->accept, real(want, "p_accept"), 1e-12))
        wrong("%s: p_accept is %.17g, not %.17g", what, mix->accept, real(want, "p_accept"));
}

static void hyperopt(const json_t *root)
{
    axes s = axes_of(root);
    const sx_history *h = history_of(&s, root);
    const parzen_flavour *f = &parzen_hyperopt;
    parzen_book *book = divide(f, root, &s, h);
    for (int j = 0; j < s.space.n; j++) {
        const json_t *want = get(get(get(root, "expected"), "params"), s.axis[j].name);
        const parzen_axis *block[1] = { &s.parzen[j] };
        const double prior_weight = real(get(root, "config"), "prior_weight"),
            offset = offset_of(item(s.params, j));
        if (!want) continue;
        const observations below = active(side_of(book, PARZEN_BELOW), block, 1),
            above = active(side_of(book, PARZEN_ABOVE), block, 1);
        const parzen_mix *l = f->fit(&run.pool, block, 1, below.x, below.n, prior_weight, false);
        const parzen_mix *g = f->fit(&run.pool, block, 1, above.x, above.n, prior_weight, false);
        same_mix_hyperopt("l", l, get(want, "l"));
        same_mix_hyperopt("g", g, get(want, "g"));
        double *c = numbers(get(want, "candidates"));
        for (long i = 0; i < size(get(want, "candidates")); i++) c[i] -= offset;
        same_scores(s.axis[j].name, f, l, g, c, size(get(want, "candidates")), want);
    }
    parzen_book_close(book);
}

/* --- Kind optuna-tpe --- */
static void same_dim(const parzen_mix *mix, const parzen_dim *d, const json_t *want)
{
    const json_t *mus = get(want, "mus"), *sigmas = get(want, "sigmas"), *kernels = get(want, "kernels");
    same_long("kernels", mix->m, size(kernels ? kernels : mus));
    if (d->axis->options) {
        double *prob = PARZEN_NEW(&run.pool, double, d->axis->options);
        for (long i = 0; i < mix->m; i++) {
            for (long o = 0; o < d->axis->options; o++) prob[o] = parzen_kernel_option(d, d->of[i], o);
            same_numbers("kernel", prob, d->axis->options, item(kernels, i));
        }
        return;
    }
    for (long i = 0; i < mix->m; i++) {
        const long k = d->of ? d->of[i] : i;
        const double mu = d->mu[k], sigma = d->sigma[k];
        if (!near(mu, number(item(mus, i)), 1e-12))
            wrong("mu[%ld] is %.17g, not %.17g", i, mu, number(item(mus, i)));
        if (!near(sigma, number(item(sigmas, i)), 1e-12))
            wrong("sigma[%ld] is %.17g, not %.17g", i, sigma, number(item(sigmas, i)));
    }
    if (!near(d->axis->low, real(want, "trunc_low"), 1e-12)) wrong("trunc_low is %.17g", d->axis->low);
    if (!near(d->axis->high, real(want, "trunc_high"), 1e-12)) wrong("trunc_high is %.17g", d->axis->high);
}

/* The same mixture by single steps: in another order, with observations that leave again. */
static const parzen_mix *step_by_step(const parzen_mix *whole_mix, const observations *o,
                                      const parzen_axis *const *block, int d, bool flat)
{
    parzen_mix *mix = parzen_optuna_open(&run.pool, block, d, whole_mix->prior_weight, flat);
    for (long i = o->n - 1; i >= 0; i -= 2) parzen_optuna_put(mix, o->number[i], o->x[i]);
    parzen_optuna_settle(mix);
    for (long i = o->n - 2; i >= 0; i -= 2) parzen_optuna_put(mix, o->number[i], o->x[i]);
    for (long i = 0; i < o->n; i += 3) parzen_optuna_drop(mix, o->number[i], o->x[i]);
    parzen_optuna_settle(mix);
    for (long i = 0; i < o->n; i += 3) parzen_optuna_put(mix, o->number[i], o->x[i]);
    parzen_optuna_settle(mix);
    return mix;
}

typedef struct { const parzen_mix *whole, *stepped; } sides;

static sides side(const parzen_book *book, parzen_side which, const parzen_axis *const *block, int d,
                  const json_t *root, const json_t *used_want, bool flat)
{
    const observations used = active(side_of(book, which), block, d);
    const double prior_weight = real(get(root, "config"), "prior_weight");
    same_numbering("used", &used, used_want);
    const parzen_mix *mix = parzen_optuna.fit(&run.pool, block, d, used.x, used.n, prior_weight, flat);
    return (sides){ mix, step_by_step(mix, &used, block, d, flat) };
}

/* Not one bit may depend on the way. */
static void same_bits(const sides *s, const double *x, long n)
{
    double *a = PARZEN_NEW(&run.pool, double, n), *b = PARZEN_NEW(&run.pool, double, n);
    parzen_optuna.score(&run.pool, s->whole, x, n, a);
    parzen_optuna.score(&run.pool, s->stepped, x, n, b);
    if (memcmp(a, b, (size_t)n * sizeof *a)) wrong("steps give other scores than all at once");
}

static void estimator(const axes *s, const parzen_book *book, const json_t *root, const json_t *want)
{
    const json_t *names = get(want, "params"), *list = get(want, "candidates");
    const int d = (int)size(names);
    const parzen_axis **block = PARZEN_NEW(&run.pool, const parzen_axis *, d);
    for (int j = 0; j < d; j++)
        for (int k = 0; k < s->space.n; k++)
            if (!strcmp(s->axis[k].name, json_string_value(item(names, j)))) block[j] = &s->parzen[k];
    const sides below = side(book, PARZEN_BELOW, block, d, root, get(want, "below_used"),
                             s->space.objectives > 1);
    const sides above = side(book, PARZEN_ABOVE, block, d, root, get(want, "above_used"), false);
    const parzen_mix *l = below.whole, *g = above.whole;
    same_numbers("l weights", l->weight, l->m, get(get(want, "l"), "weights"));
    same_numbers("g weights", g->weight, g->m, get(get(want, "g"), "weights"));
    for (int j = 0; j < d; j++) {
        same_dim(l, &l->dim[j], get(get(get(want, "l"), "dims"), block[j]->axis->name));
        same_dim(g, &g->dim[j], get(get(get(want, "g"), "dims"), block[j]->axis->name));
    }
    double *x = PARZEN_NEW(&run.pool, double, size(list) * d);
    for (long c = 0; c < size(list); c++)
        for (int j = 0; j < d; j++) x[c * d + j] = real(item(list, c), block[j]->axis->name);
    same_scores("estimator", &parzen_optuna, l, g, x, size(list), want);
    same_bits(&below, x, size(list));
    same_bits(&above, x, size(list));
}

/* The blocks that the sampler would draw together are the file's. */
static void same_blocks(const axes *s, const parzen_book *book, const json_t *root)
{
    const json_t *config = get(root, "config"), *list = get(get(root, "expected"), "estimators");
    int *label = PARZEN_NEW(&run.pool, int, s->space.n);
    parzen_label(&run.pool, book, json_is_true(get(config, "multivariate")),
                 json_is_true(get(config, "group")), label);
    for (long e = 0; e < size(list); e++) {
        const json_t *names = get(item(list, e), "params");
        int first = -1;
        for (int k = 0; k < s->space.n; k++) {
            bool in = false;
            for (long j = 0; j < size(names); j++)
                in = in || !strcmp(s->axis[k].name, json_string_value(item(names, j)));
            if (in && first < 0) first = k;
            else if (first >= 0 && in != (label[first] >= 0 && label[k] == label[first]))
                wrong("block %ld: '%s'", e, s->axis[k].name);
        }
    }
}

static void optuna(const json_t *root)
{
    axes s = axes_of(root);
    const sx_history *h = history_of(&s, root);
    parzen_book *book = divide(&parzen_optuna, root, &s, h);
    const json_t *list = get(get(root, "expected"), "estimators");
    same_blocks(&s, book, root);
    for (long e = 0; e < size(list); e++) estimator(&s, book, root, item(list, e));
    parzen_book_close(book);
}

/* --- The small kinds --- */
static void weights(const json_t *root)
{
    static const char *const lists[] = { "hyperopt_linear_forgetting", "optuna_default_weights" };
    const json_t *good = get(root, "n_below");
    for (int which = 0; which < 2; which++)
        for (long i = 0; i < size(get(root, lists[which])); i++) {
            const json_t *row = item(get(root, lists[which]), i);
            double *w = PARZEN_NEW(&run.pool, double, whole(row, "n"));
            parzen_weights(whole(row, "n"), w);
            same_numbers(lists[which], w, whole(row, "n"), get(row, "weights"));
        }
    for (long i = 0; i < size(good); i++) {
        const json_t *row = item(good, i);
        const long n = whole(row, "n");
        same_long("hyperopt", parzen_good(&parzen_hyperopt, 0.25, n, false), whole(row, "hyperopt"));
        same_long("optuna", parzen_good(&parzen_optuna, 0.1, n, false), whole(row, "optuna"));
        same_long("optuna_multi", parzen_good(&parzen_optuna, 0.1, n, true), whole(row, "optuna_multi"));
    }
}

static void truncnorm(const json_t *root)
{
    const json_t *rows = get(root, "rows"), *logs = get(root, "log_ndtr");
    for (long i = 0; i < size(rows); i++) {
        const json_t *r = item(rows, i);
        const double a = real(r, "a"), b = real(r, "b"), mu = real(r, "mu"), sigma = real(r, "sigma");
        const double mass = parzen_log_mass(a, b), z = parzen_quantile(real(r, "q"), a, b),
            x = mu + sigma * z;
        const double far = (real(r, "ppf") - mu) / sigma, log_density = -0.5 * far * far - log(sigma)
            - PARZEN_LN_SQRT_2PI - mass;
        if (!near_log(mass, real(r, "log_mass")))
            wrong("row %ld: log_mass is %.17g, not %.17g", i, mass, real(r, "log_mass"));
        if (fabs(z - real(r, "ppf_standard")) > 1e-7 * fabs(real(r, "ppf_standard")))
            wrong("row %ld: quantile is %.17g", i, z);
        if (fabs(x - real(r, "ppf")) > 1e-7 * fabs(real(r, "ppf")))
            wrong("row %ld: ppf is %.17g, not %.17g", i, x, real(r, "ppf"));
        if (!near(log_density, real(r, "logpdf"), 1e-9)) wrong("row %ld: logpdf is %.17g", i, log_density);
    }
    for (long i = 0; i < size(logs); i++) {
        const double x = number(item(item(logs, i), 0)), want = number(item(item(logs, i), 1));
        if (!near_log(parzen_log_phi(x), want))
            wrong("ln Phi(%g) is %.17g, not %.17g", x, parzen_log_phi(x), want);
    }
}

static void prior(const json_t *root)
{
    for (long i = 0; i < size(get(root, "rows")); i++) {
        const json_t *r = item(get(root, "rows"), i);
        const sx_axis a = axis_of(r);
        const parzen_axis p = parzen_axis_of(&a, 0);
        double *x = numbers(get(r, "xs"));
        for (long k = 0; k < size(get(r, "xs")); k++) x[k] = parzen_prior_mass(&p, x[k]);
        same_numbers(text(r, "dist"), x, size(get(r, "xs")), get(r, "ps"));
    }
}

enum { NAMES = 200 };
static const char *known_names[NAMES];

/* The place of a name, which is added where it is new. */
static int place(const json_t *name)
{
    int k = 0;
    while (k < NAMES - 1 && known_names[k] && strcmp(known_names[k], json_string_value(name))) k++;
    if (!known_names[k]) known_names[k] = json_string_value(name);
    return k;
}

static void group_row(const json_t *r)
{
    const json_t *trials = get(r, "trials"), *want = get(r, "groups"), *shared = get(r, "intersection");
    const long n = size(trials);
    const double **x = PARZEN_NEW(&run.pool, const double *, n);
    int label[NAMES];
    bool common[NAMES];
    memset(known_names, 0, sizeof known_names);
    for (long t = 0; t < n; t++) {
        double *row = PARZEN_NEW(&run.pool, double, NAMES);
        for (int j = 0; j < NAMES; j++) row[j] = NAN;
        for (long k = 0; k < size(item(trials, t)); k++) row[place(item(item(trials, t), k))] = 0;
        x[t] = row;
    }
    same_long("groups", parzen_groups(NAMES, x, n, label), size(want));
    for (long g = 0; g < size(want); g++) {
        const json_t *group = item(want, g);
        const int first = label[place(item(group, 0))];
        long members = 0;
        for (int j = 0; j < NAMES; j++) members += first >= 0 && label[j] == first;
        same_long("members", members, size(group));
        for (long k = 0; k < size(group); k++) same_long("label", label[place(item(group, k))], first);
    }
    parzen_common(NAMES, x, n, common);
    long together = 0;
    for (int j = 0; j < NAMES; j++) together += common[j];
    same_long("intersection", together, size(shared));
    for (long k = 0; k < size(shared); k++) same_long("common", common[place(item(shared, k))], 1);
}

static void groups(const json_t *root)
{
    for (long i = 0; i < size(get(root, "rows")); i++) group_row(item(get(root, "rows"), i));
}

static void same_set(const char *what, const long *a, long n, const json_t *want)
{
    same_long(what, n, size(want));
    for (long i = 0; i < size(want); i++) {
        bool in = false;
        for (long k = 0; k < n; k++) in = in || a[k] == (long)json_integer_value(item(want, i));
        if (!in) wrong("%s lacks %ld", what, (long)json_integer_value(item(want, i)));
    }
}

static void hypervolume(const json_t *root)
{
    for (long i = 0; i < size(get(root, "rows")); i++) {
        const json_t *r = item(get(root, "rows"), i), *list = get(r, "points"), *of = get(r, "hssp_indices");
        const long n = size(list), k = whole(r, "hssp_k");
        const int m = (int)size(get(r, "reference_point"));
        double *y = PARZEN_NEW(&run.pool, double, n * m), *front = PARZEN_NEW(&run.pool, double, n * m);
        long *rank = PARZEN_NEW(&run.pool, long, n), *picked = PARZEN_NEW(&run.pool, long, n);
        for (long c = 0; c < n; c++) memcpy(y + c * m, numbers(item(list, c)), (size_t)m * sizeof *y);
        parzen_ranks(&run.pool, y, n, m, rank);
        for (long c = 0; c < n; c++)
            same_long("rank", rank[c], (long)json_integer_value(item(get(r, "rank"), c)));
        const double volume = parzen_hypervolume(&run.pool, y, n, m, numbers(get(r, "reference_point")));
        if (!near(volume, real(r, "hypervolume"), 1e-12))
            wrong("hypervolume is %.17g, not %.17g", volume, real(r, "hypervolume"));
        for (long c = 0; c < size(of); c++)
            memcpy(front + c * m, y + json_integer_value(item(of, c)) * m, (size_t)m * sizeof *y);
        parzen_subset(&run.pool, front, size(of), m, numbers(get(r, "hssp_reference_point")), k, picked);
        for (long c = 0; c < k; c++) picked[c] = (long)json_integer_value(item(of, picked[c]));
        same_set("subset", picked, k, get(r, "hssp_selected_set"));
    }
}

/* --- Kind gp --- */
static double *matrix(const json_t *rows, int d)
{
    double *v = PARZEN_NEW(&run.pool, double, size(rows) * d + 1);
    for (long i = 0; i < size(rows); i++) memcpy(v + i * d, numbers(item(rows, i)), (size_t)d * sizeof *v);
    return v;
}

static void same_gp(const char *what, double got, double want, double tolerance)
{
    if (!(got == want || fabs(got - want) <= 1e-8 + tolerance * fabs(want)))
        wrong("%s is %.17g, not %.17g", what, got, want);
}

static void gp_row(const json_t *r)
{
    const json_t *lengths = get(r, "inverse_squared_lengthscales");
    const int d = (int)size(lengths);
    const long n = size(get(r, "X")), m = size(get(r, "queries"));
    const double *x = matrix(get(r, "X"), d), *y = numbers(get(r, "y"));
    double *mean = PARZEN_NEW(&run.pool, double, m), *var = PARZEN_NEW(&run.pool, double, m),
           *theta = PARZEN_NEW(&run.pool, double, d + 2);
    memcpy(theta, numbers(lengths), (size_t)d * sizeof *theta);
    theta[d] = real(r, "kernel_scale"), theta[d + 1] = real(r, "noise_var");
    for (int j = 0; j < d + 2; j++) theta[j] = log(theta[j]);
    process_fit *f = process_prepare(&run.pool, d, n, x, y);
    const double likelihood = process_likelihood(f, theta, NULL),
        prior = process_prior(&(process_belief){ 0.1, 0.1, 30 }, d, theta, NULL);
    same_gp("likelihood", likelihood, real(r, "marginal_log_likelihood_without_constant"), 1e-7);
    same_gp("prior", prior, real(r, "log_prior"), 1e-7);
    const process *g = process_open(&run.pool, d, n, n, x, y, theta);
    if (!g) { wrong("no factor"); return; }
    process_predict(g, m, matrix(get(r, "queries"), d), mean, var);
    for (long i = 0; i < m; i++) {
        same_gp("mean", mean[i], number(item(get(r, "mean"), i)), 1e-7);
        same_gp("var", var[i], number(item(get(r, "var"), i)), 1e-7);
        const double log_ei = improve_log(-mean[i], var[i], -real(r, "threshold"));
        same_gp("log_ei", log_ei, number(item(get(r, "log_ei"), i)), 1e-6);
    }
}

static void gp(const json_t *root)
{
    for (long i = 0; i < size(get(root, "rows")); i++) gp_row(item(get(root, "rows"), i));
    for (long i = 0; i < size(get(root, "standard_logei")); i++) {
        const json_t *pair = item(get(root, "standard_logei"), i);
        same_gp("standard log_ei", improve_standard(number(item(pair, 0))), number(item(pair, 1)), 1e-9);
    }
}

static void check(const char *file)
{
    static const struct { const char *kind; void (*run)(const json_t *root); } kinds[] = {
        { "hyperopt-tpe", hyperopt }, { "optuna-tpe", optuna }, { "weights", weights },
        { "truncnorm", truncnorm },
        { "prior-pmf", prior }, { "groups", groups }, { "hypervolume", hypervolume }, { "gp", gp } };
    json_error_t e;
    json_t *root = json_load_file(file, 0, &e);
    run.file = file;
    run.wrong = 0;
    if (!root) { wrong("line %d: %s", e.line, e.text); return; }
    bool known = false;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        if (!strcmp(text(root, "kind"), kinds[k].kind)) known = true, kinds[k].run(root);
    if (!known) wrong("kind '%s' is not known", text(root, "kind"));
    json_decref(root);
    parzen_reset(&run.pool);
}

int main(int argc, char **argv)
{
    long passed = 0, failed = 0;
    const int from = argc > 1 && !strcmp(argv[1], "--tap") ? 2 : 1;
    run.tap = from == 2;
    if (run.tap) printf("1..%d\n", argc - from);
    for (int i = from; i < argc; i++) {
        check(argv[i]);
        if (run.wrong > 20) printf("%s%s: %ld mismatches in all\n", run.tap ? "# " : "", argv[i], run.wrong);
        *(run.wrong ? &failed : &passed) += 1;
        if (run.tap)
            printf("%sok %d %s\n", run.wrong ? "not " : "", i - from + 1,
                   strrchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 : argv[i]);
    }
    parzen_free(&run.pool);
    printf("%s%ld passed, %ld failed\n", run.tap ? "# " : "", passed, failed);
    return failed || from >= argc;
}
