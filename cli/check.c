/* check.c: `strix check FILE`: reads an experiment, builds its model without running it and tells what it
 * costs; draws points of its space to tell how many of them would run. */
#include <ctype.h>
#include <string.h>
#include "cli.h"

static const cli_option options[] = {
    { "expand", 0, CLI_FLAG, NULL, "print it with loops, templates and variables worked out", 0, 0 },
    { "space", 0, CLI_LONG, "N", "draw N points of the space: how many can be built, fit, repeat", 1, 1e6 },
    { "strict", 0, CLI_FLAG, NULL, "warnings count as errors", 0, 0 },
    CLI_END
};

/* --- Warnings --- */

static bool names(const char *text, const char *word)
{
    const size_t n = strlen(word);
    for (const char *s = strstr(text, word); s; s = strstr(s + 1, word)) {
        const unsigned char before = s == text ? ' ' : (unsigned char)s[-1], after = (unsigned char)s[n];
        if (!isalnum(before) && before != '_' && !isalnum(after) && after != '_') return true;
    }
    return false;
}

/* Does a text in c, outside of `except`, name the word? */
static bool used(const sx_conf *c, const sx_conf *const except[2], const char *word)
{
    if (c == except[0] || c == except[1]) return false;
    if (c->kind == SX_CONF_TEXT) return names(c->s, word);
    if (c->kind != SX_CONF_GROUP && c->kind != SX_CONF_LIST) return false;
    for (const sx_conf *m = c->first; m; m = m->next) if (used(m, except, word)) return true;
    return false;
}

static void warn_unused(cli_context *c, const sx_exp *e)
{
    const sx_conf *vars = sx_conf_member(e->root, "vars"), *space = sx_conf_find(e->root, "tune.space");
    for (const sx_conf *v = vars ? vars->first : NULL; v; v = v->next)
        if (!used(e->root, (const sx_conf *const[2]){ v, space }, v->name))
            sx_warn(&c->diags, sx_conf_where(c->arena, v), "variable '%s' is used nowhere", v->name);
}

static void warn_weights(cli_context *c, const sx_exp *e)
{
    sx_diags own;
    sx_diags_init(&own, c->arena);
    sx_weights_use *w;
    if (sx_model_weights(c->arena, e, &w, &own) >= 0) return;
    for (long i = 0; i < own.n; i++) {
        sx_warn(&c->diags, own.v[i].where, "%s", own.v[i].text);
        sx_hint(&c->diags, "%s", own.v[i].hint);
    }
}

/* A named input that no layer reads is most likely forgotten. */
static void warn_inputs(cli_context *c, const sx_exp *e)
{
    const sx_layer_list *l = e->layers;
    for (long i = 0; i < e->inputs && e->input->name; i++) {
        bool read = false;
        for (long k = 0; k < l->n; k++)
            for (long j = 0; j < l->v[k].inputs; j++)
                read |= l->v[k].in[j].node < 0 && l->v[k].in[j].port == i;
        if (!read)
            sx_warn(&c->diags, sx_conf_where(c->arena, e->input[i].conf), "no layer reads the input '%s'",
                    e->input[i].name);
    }
}

/* The shape of the data; where they cannot be read, of any that fit the model. */
static int data_shape(cli_context *c, const sx_exp *e, sx_data_shape *s)
{
    sx_diags own;
    sx_diags_init(&own, c->arena);
    const int rc = sx_exp_shape(e, s, &own);
    if (!rc) return 0;
    /* A mistake of the file: an input that the data lack. */
    if (rc == SX_E_CONFIG) return sx_diags_pass(&own, rc, &c->diags);
    sx_warn(&c->diags, own.n ? own.v[0].where : SX_NOWHERE, "%s",
            own.n ? own.v[0].text : "the data set cannot be read");
    sx_detail(&c->diags, "Memory is told for 60,000 images in the shape of model.input.");
    if (own.n && own.v[0].hint) sx_hint(&c->diags, "%s", own.v[0].hint);
    return sx_step_shape(c->arena, e, 48000, 12000, s, &c->diags);
}

/* --- The table of layers --- */

static void print_layers(cli_context *c, const sx_layer_rows *rows)
{
    sx_arena *a = c->arena;
    cli_table *t = cli_table_open(c, "layer|type|output|>parameters|>MACs|>output bytes|");
    for (long i = 0; i < rows->n; i++) {
        const sx_layer_row *r = &rows->v[i];
        CLI_ROW(t, r->path, r->type, cli_shape(a, r->rank, r->shape),
                r->parameters ? cli_count(a, (double)r->parameters) : "",
                r->macs > 0 ? cli_count(a, r->macs) : "", cli_bytes(a, (double)r->bytes),
                r->frozen ? "frozen" : "");
    }
    cli_table_print(t);
}

static json_t *json_layers(const sx_layer_rows *rows, long model_from)
{
    json_t *list = json_array();
    for (long i = 0; i < rows->n; i++) {
        const sx_layer_row *r = &rows->v[i];
        json_t *shape = json_array();
        json_t *one = json_pack("{s:s, s:s, s:b, s:I, s:f, s:I, s:b}", "path", r->path, "type", r->type,
                                "transform", i < model_from, "parameters", (json_int_t)r->parameters, "macs",
                                r->macs, "bytes", (json_int_t)r->bytes, "frozen", r->frozen);
        for (int k = 0; k < r->rank; k++) json_array_append_new(shape, json_integer(r->shape[k]));
        json_object_set_new(one, "shape", shape);
        json_array_append_new(list, one);
    }
    return list;
}

/* What a trial takes, part by part. */
static const struct { const char *name, *doc; size_t at; } parts[] = {
    { "weights", "weights", offsetof(sx_budget, weights) },
    { "slots", "optimizer", offsetof(sx_budget, slots) },
    { "states", "running statistics", offsetof(sx_budget, states) },
    { "slab", "activations and gradients", offsetof(sx_budget, slab) },
    { "scratch", "scratch", offsetof(sx_budget, scratch) },
    { "data", "data", offsetof(sx_budget, data) },
    { "logs", "logs", offsetof(sx_budget, logs) },
    { "total", "together", offsetof(sx_budget, total) },
};
enum { PARTS = sizeof parts / sizeof *parts };

static double part(const sx_budget *b, int i)
{
    size_t v;
    memcpy(&v, (const char *)b + parts[i].at, sizeof v);
    return (double)v;
}

static void print_costs(cli_context *c, const sx_exp *e, const sx_machine *m, const sx_budget *b)
{
    sx_arena *a = c->arena;
    printf("\n%s weights", cli_count(a, (double)(b->parameters + b->frozen)));
    if (b->frozen) printf(" (%s frozen)", cli_count(a, (double)b->frozen));
    printf(", %s MACs for an image\n", cli_count(a, b->macs));
    printf("memory of a training with batch %ld on %s:", e->train.batch,
           m ? m->name : "a device that keeps every value");
    for (int i = 0; i < PARTS; i++)
        if (part(b, i) > 0) printf("%s %s %s", i ? "," : "", parts[i].doc, cli_bytes(a, part(b, i)));
    if (isfinite(sx_memory_limit(e, m))) printf(" of %s", cli_bytes(a, sx_memory_limit(e, m)));
    printf("\n");
    if (b->spared)
        printf("computed again in the backward pass, so that this is %s less: %.1f %% more operations\n",
               cli_bytes(a, (double)b->spared), 100 * b->again);
}

static void warn_memory(cli_context *c, const sx_exp *e, const sx_machine *m, const sx_budget *b)
{
    const double limit = sx_memory_limit(e, m);
    if ((double)b->total <= limit) return;
    const char *who = e->train.memory > 0 ? "train.memory allows"
                                          : sx_format(c->arena, "device '%s' has", m->name);
    sx_warn(&c->diags, SX_NOWHERE, "a training takes %s, and %s %s",
            cli_bytes(c->arena, (double)b->total), who,
            cli_bytes(c->arena, limit));
    sx_hint(&c->diags, "Make the batch or the layers smaller%s.",
            e->train.recompute == SX_AGAIN_NONE ? ", or leave train.recompute at \"auto\"" : "");
}

static json_t *json_costs(const sx_machine *m, const sx_budget *b)
{
    json_t *o = json_object();
    for (int i = 0; i < PARTS; i++)
        json_object_set_new(o, parts[i].name, json_integer((json_int_t)part(b, i)));
    json_object_set_new(o, "spared", json_integer((json_int_t)b->spared));
    cli_json_real(o, "again", b->again);
    json_object_set_new(o, "device", m ? json_string(m->name) : json_null());
    json_object_set_new(o, "device_memory", m ? json_integer((json_int_t)m->info.memory) : json_null());
    return o;
}

/* --- Points of the space --- */

enum { SHOWN = 12 };                            /* reasons */
typedef struct { const char *text; sx_diag said; long n; } reason;   /* text: without the point's own numbers */
typedef struct {
    long drawn, built, fit, repeated;
    struct { reason *v; long n, cap; } reasons;
    struct { uint64_t *v; long n, cap; } seen;   /* sorted hashes of the points so far */
} tally;

/* What follows ": " are the point's own numbers. */
static void count_reason(sx_arena *a, sx_arena *keep, tally *t, const sx_diag *said)
{
    const char *text = said->text, *colon = strstr(text, ": ");
    if (colon) text = sx_strndup(a, text, (size_t)(colon - text));
    for (long i = 0; i < t->reasons.n; i++)
        if (!strcmp(t->reasons.v[i].text, text)) {
            t->reasons.v[i].n++;
            return;
        }
    SX_PUSH(keep, t->reasons, ((reason){ sx_strdup(keep, text), sx_diag_copy(keep, said), 1 }));
}

static uint64_t hash_point(const double *x, int n)
{
    uint64_t h = 1469598103934665603u;           /* FNV-1a over the bytes; all inactive axes are alike */
    for (int i = 0; i < n; i++) {
        unsigned char b[sizeof(double)];
        const double v = x[i] == x[i] ? x[i] : -1.7e308;
        memcpy(b, &v, sizeof b);
        for (size_t k = 0; k < sizeof b; k++) h = (h ^ b[k]) * 1099511628211u;
    }
    return h;
}

static bool seen_before(sx_arena *a, tally *t, uint64_t h)
{
    long low = 0, high = t->seen.n;
    while (low < high) {
        const long mid = (low + high) / 2;
        if (t->seen.v[mid] < h) low = mid + 1; else high = mid;
    }
    if (low < t->seen.n && t->seen.v[low] == h) return true;
    SX_PUSH(a, t->seen, h);
    memmove(t->seen.v + low + 1, t->seen.v + low, (size_t)(t->seen.n - 1 - low) * sizeof h);
    t->seen.v[low] = h;
    return false;
}

/* One point: can it be built, does it keep the constraints, does it fit? */
static int try_point(cli_context *c, const sx_exp *e, const sx_machine *m, long number, tally *t)
{
    const sx_space *s = &e->domain->space;
    sx_arena *a = sx_arena_open(c->arena);
    double *x = sx_alloc_array(a, (size_t)s->n, sizeof *x);
    sx_rng rng;
    sx_rng_init(&rng, e->tune.seed, number, "check");
    for (int i = 0; i < s->n; i++) x[i] = sx_axis_at(s->axis[i], sx_uniform(&rng));
    sx_domain_repair(e->domain, x);
    t->drawn++;
    t->repeated += seen_before(c->arena, t, hash_point(x, s->n));
    sx_diags own;
    sx_diags_init(&own, a);
    sx_exp *p;
    sx_budget cost;
    sx_diag why = { .code = SX_E_REFUSED, .text = "refused" };
    int rc = sx_exp_at(a, e, x, &p, &own);
    if (rc == SX_E_REFUSED && sx_diags_first(&own)) why = *sx_diags_first(&own);
    if (!rc) rc = sx_exp_price(a, p, m, &cost, &why, &own);
    if (!rc) {
        t->built++;
        t->fit += (double)cost.total <= sx_memory_limit(p, m);
    } else if (rc == SX_E_REFUSED) {
        count_reason(a, c->arena, t, &why);
    } else sx_diags_pass(&own, rc, &c->diags);
    sx_arena_close(a);
    return rc == SX_E_REFUSED ? 0 : rc;
}

static int by_count(const void *a, const void *b)
{
    const reason *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : strcmp(x->text, y->text);
}

static int draw(cli_context *c, const sx_exp *e, const sx_machine *m, long n, tally *t)
{
    if (!e->domain->space.n) return cli_fail(c, SX_E_CONFIG, "the experiment has no tune.space");
    for (long i = 0; i < n && c->stop == 0; i++) {
        const int rc = try_point(c, e, m, i, t);
        if (rc) return rc;
    }
    if (t->reasons.n) qsort(t->reasons.v, (size_t)t->reasons.n, sizeof *t->reasons.v, by_count);
    return 0;
}

/* A point that the file has wrong, and not one that a constraint or a layer refuses: where that stands. */
static void warn_mistakes(cli_context *c, const tally *t)
{
    for (long i = 0; i < t->reasons.n && i < SHOWN; i++) {
        const reason *r = &t->reasons.v[i];
        if (r->said.code != SX_E_CONFIG) continue;
        sx_diags_add(&c->diags, 0, &r->said);
        sx_detail(&c->diags, "%s%sSo %ld of %ld points of the space cannot be built.",
                  r->said.detail ? r->said.detail : "", r->said.detail ? " " : "", r->n, t->drawn);
    }
}

static void print_tally(sx_arena *a, const tally *t)
{
    printf("\n%s drawn: %ld can be built, %ld of them fit the device, %ld refused, %ld repeated\n",
           sx_plural(a, t->drawn, "point"), t->built, t->fit, t->drawn - t->built, t->repeated);
    for (long i = 0; i < t->reasons.n && i < SHOWN; i++)
        printf("  %6ld  %s\n", t->reasons.v[i].n, t->reasons.v[i].text);
    if (t->reasons.n > SHOWN) printf("          and %s\n", sx_plural(a, t->reasons.n - SHOWN, "more reason"));
}

static json_t *json_tally(const tally *t)
{
    json_t *list = json_array();
    for (long i = 0; i < t->reasons.n; i++)
        json_array_append_new(list, json_pack("{s:s, s:I}", "reason", t->reasons.v[i].text, "points",
                                              (json_int_t)t->reasons.v[i].n));
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "drawn", (json_int_t)t->drawn, "built",
                     (json_int_t)t->built, "fit", (json_int_t)t->fit, "refused",
                     (json_int_t)(t->drawn - t->built), "repeated", (json_int_t)t->repeated, "reasons", list);
}

/* --- The verb --- */

static json_t *json_all(cli_context *c, const sx_exp *e, const sx_machine *m, const sx_steps *s,
                        const sx_budget *b, const tally *t)
{
    json_t *warnings = json_array();
    for (long i = 0; i < c->diags.n; i++)
        if (!c->diags.v[i].code) json_array_append_new(warnings, cli_json_diag(&c->diags.v[i]));
    json_t *doc = json_pack("{s:s, s:o, s:I, s:I, s:f, s:o, s:i, s:o}", "name", e->study.name, "layers",
                            json_layers(&s->eval->layers, s->eval->model_from), "parameters",
                            (json_int_t)(b->parameters + b->frozen), "frozen", (json_int_t)b->frozen, "macs",
                            b->macs, "memory", json_costs(m, b), "axes", e->domain->space.n, "warnings",
                            warnings);
    if (t->drawn) json_object_set_new(doc, "space", json_tally(t));
    return doc;
}

static int expand(cli_context *c, const sx_exp *e)
{
    const char *text = sx_model_expand(c->arena, e, &c->diags);
    if (c->json) cli_json_print(c, json_pack("{s:s}", "expanded", text));
    else fputs(text, stdout);
    return 0;
}

static int warn_constraints(cli_context *c, const sx_exp *e, const sx_machine *m)
{
    sx_diag why;
    const int rc = e->tune.known.n ? sx_exp_constraints(c->arena, e, m, &why, &c->diags) : 0;
    if (rc != SX_E_REFUSED) return rc;
    sx_warn(&c->diags, (sx_where){ .file = e->file }, "with the values of 'vars', %s", why.text);
    return 0;
}

/* A search begins with the point of `vars`, or with the nearest one that the space has. */
void cli_warn_vars(cli_context *c, const sx_exp *e)
{
    sx_diags why;
    sx_diags_init(&why, c->arena);
    double *x = sx_alloc_array(c->arena, (size_t)e->domain->space.n + 1, sizeof *x);
    if (!e->domain->space.n || !e->tune.first ||
        !sx_domain_point(c->arena, e->domain, NULL, 0, e->scope, x, &why) || !why.n)
        return;
    sx_warn(&c->diags, why.v[0].where, "the values of 'vars' are not in the space: %s", why.v[0].text);
    if (why.v[0].detail) sx_detail(&c->diags, "%s", why.v[0].detail);
    sx_hint(&c->diags, "A search begins with the nearest point; tune.first = false leaves it out.");
}

static int run(cli_context *c)
{
    sx_exp *e;
    sx_machine *m = NULL;
    sx_data_shape shape;
    sx_steps steps;
    sx_budget cost;
    tally t = { 0 };
    int rc = cli_load_experiment(c, c->arg[0], &e);
    if (rc) return rc;
    if (cli_flag(c, "expand")) return expand(c, e);
    if ((rc = cli_machine(c, &m)) || (rc = data_shape(c, e, &shape))) return rc;
    rc = sx_steps_write(c->arena, e, &shape, true, e->tune.seed, 0, (sx_again){ 0 }, &steps, &c->diags);
    if (rc) return cli_own_net(rc);
    if ((rc = sx_step_budget(c->arena, e, &shape, m, &cost, &c->diags))) return rc;
    warn_unused(c, e);
    cli_warn_freeze(c, e);
    warn_inputs(c, e);
    warn_weights(c, e);
    warn_memory(c, e, m, &cost);
    cli_warn_vars(c, e);
    if ((rc = warn_constraints(c, e, m))) return rc;
    const long n = cli_long(c, "space", 0);
    if (n && (rc = draw(c, e, m, n, &t))) return rc;
    warn_mistakes(c, &t);
    if (c->json) {
        cli_json_print(c, json_all(c, e, m, &steps, &cost, &t));
    } else {
        print_layers(c, &steps.eval->layers);
        print_costs(c, e, m, &cost);
        if (n) print_tally(c->arena, &t);
    }
    return cli_flag(c, "strict") && c->diags.n ? cli_fail(c, SX_E_CONFIG, "there are warnings") : 0;
}

const cli_verb verb_check = {
    .name = "check", .args = "FILE", .doc = "read an experiment, show its layers and what they cost",
    .least = 1, .most = 1, .options = options, .run = run,
    .more = "Nothing is trained and nothing is written.",
};
