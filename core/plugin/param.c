/* param.c: declared parameters <-> settings of a file: types, ranges, defaults, nearest names, texts for
 * documentation. Plugins and the core's own sections get their structs filled and checked here and nowhere
 * else. */
#include "param.h"
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_MEMBERS = 100000 };                  /* of one list */
typedef struct {
    sx_arena *a; const char *what; const sx_conf *group; const sx_scope *scope; sx_diags *d; int rc;
    const char *meant;                           /* what an unknown member was probably meant to be */
} fill;

/* --- Texts --- */

const char *sx_type_name(sx_type t)
{
    switch (t) {
    case SX_TYPE_INT: return "integer";
    case SX_TYPE_REAL: return "number";
    case SX_TYPE_BOOL: return "truth value";
    case SX_TYPE_TEXT: return "text";
    case SX_TYPE_CHOICE: return "word";
    case SX_TYPE_INTS: return "integers";
    case SX_TYPE_REALS: return "numbers";
    case SX_TYPE_TEXTS: return "texts";
    }
    return "unknown";
}

static bool is_list(sx_type t) { return t == SX_TYPE_INTS || t == SX_TYPE_REALS || t == SX_TYPE_TEXTS; }
static sx_type member_type(sx_type t)
{
    return t == SX_TYPE_INTS    ? SX_TYPE_INT
           : t == SX_TYPE_REALS ? SX_TYPE_REAL
           : t == SX_TYPE_TEXTS ? SX_TYPE_TEXT
                                : t;
}
static bool has_range(const sx_param *p) { return p->min != 0 || p->max != 0; }
static bool in_range(const sx_param *p, double v)
{
    if (!has_range(p)) return true;
    return (p->flags & SX_OPEN_MIN ? v > p->min : v >= p->min) &&
           (p->flags & SX_OPEN_MAX ? v < p->max : v <= p->max);
}

static const char *words(sx_arena *a, const char *const *v)
{
    const char *s = "";
    for (long i = 0; v && v[i]; i++) s = sx_format(a, "%s%s%s", s, i ? ", " : "", v[i]);
    return s;
}

const char *sx_param_range(sx_arena *a, const sx_param *p)
{
    if (p->type == SX_TYPE_CHOICE) return sx_format(a, "one of %s", words(a, p->choices));
    if (!has_range(p) || member_type(p->type) == SX_TYPE_TEXT || p->type == SX_TYPE_BOOL) return "";
    return sx_format(a, "%c%s, %s%c", p->flags & SX_OPEN_MIN ? '(' : '[', sx_real_text(a, p->min),
                     sx_real_text(a, p->max), p->flags & SX_OPEN_MAX || isinf(p->max) ? ')' : ']');
}

const char *sx_param_default(sx_arena *a, const sx_param *p)
{
    if (p->flags & SX_REQUIRED) return "required";
    switch (p->type) {
    case SX_TYPE_BOOL: return p->def != 0 ? "true" : "false";
    case SX_TYPE_CHOICE: return sx_format(a, "\"%s\"", p->choices[(int)p->def]);
    case SX_TYPE_TEXT: return p->text ? sx_format(a, "\"%s\"", p->text) : "none";
    case SX_TYPE_INTS: case SX_TYPE_REALS: case SX_TYPE_TEXTS:
        if (p->text || p->def == 0) return sx_format(a, "[%s]", p->text ? p->text : "");
        return sx_format(a, "[%s]", sx_real_text(a, p->def));
    case SX_TYPE_INT: case SX_TYPE_REAL: break;
    }
    return sx_real_text(a, p->def);
}

bool sx_param_legal(const sx_param *p, double v)
{
    switch (member_type(p->type)) {
    case SX_TYPE_INT: return v == floor(v) && fabs(v) <= 0x1p62 && in_range(p, v);
    case SX_TYPE_REAL: return !isnan(v) && in_range(p, v);
    case SX_TYPE_BOOL: return v == 0 || v == 1;
    case SX_TYPE_CHOICE: {
        double n = 0;
        while (p->choices && p->choices[(int)n]) n++;
        return v == floor(v) && v >= 0 && v < n;
    }
    default: return false;                       /* a number is no text */
    }
}

/* --- Errors --- */

static const char *shown(sx_arena *a, const sx_datum *v)
{
    return v->kind == SX_DATUM_TEXT ? sx_format(a, "\"%.80s\"", v->s)
                                    : sx_format(a, "%.160s", sx_datum_text(a, v));
}

/* A plugin's item is named by a member `type`. The core's own settings, which are called by their section
 * (train.optimizer.lr), have no page of `plugins show`. */
static bool of_plugin(const fill *f)
{
    const sx_conf *type = sx_conf_member(f->group, "type");
    const bool named = type && type->kind == SX_CONF_TEXT && !strcmp(type->s, f->what);
    return named || (type && !(f->group->name && !strcmp(f->group->name, f->what)));
}

static void hint_default(fill *f, const sx_param *p)
{
    const char *value = sx_param_default(f->a, p), *see = of_plugin(f)
        ? sx_format(f->a, " See `strix plugins show %s`.", f->what) : "";
    if (p->flags & SX_REQUIRED) sx_hint(f->d, "It is %s.%s", p->doc ? p->doc : "required", see);
    else sx_hint(f->d, "The default is %s.%s", value, see);
}

static int wrong_type(fill *f, const sx_param *p, sx_where where, const char *is)
{
    static const char *const wanted[] = {
        [SX_TYPE_INT] = "an integer", [SX_TYPE_REAL] = "a number", [SX_TYPE_BOOL] = "true or false",
        [SX_TYPE_TEXT] = "a text", [SX_TYPE_CHOICE] = "a word", [SX_TYPE_INTS] = "a list of integers",
        [SX_TYPE_REALS] = "a list of numbers", [SX_TYPE_TEXTS] = "a list of texts" };
    f->rc = sx_error(f->d, SX_E_CONFIG, where, "%s '%s' is %s, not %s", f->what, p->name, is,
                     wanted[p->type]);
    hint_default(f, p);
    return f->rc;
}

static int out_of_range(fill *f, const sx_param *p, sx_where where, const char *value)
{
    f->rc = sx_error(f->d, SX_E_CONFIG, where, "%s '%s' is %s, outside %s", f->what, p->name, value,
                     sx_param_range(f->a, p));
    hint_default(f, p);
    return f->rc;
}

static int wrong_choice(fill *f, const sx_param *p, sx_where where, const char *word)
{
    long n = 0;
    while (p->choices[n]) n++;
    const char *near = sx_nearest(word, p->choices, n);
    f->rc = sx_error(f->d, SX_E_CONFIG, where, "%s '%s' is \"%.80s\", not one of %s", f->what, p->name, word,
                     words(f->a, p->choices));
    if (near) sx_hint(f->d, "Did you mean \"%s\"?", near);
    else hint_default(f, p);
    return f->rc;
}

/* --- One value --- */

typedef union { long i; double r; bool b; const char *s; int choice; } scalar;

static bool exact_long(const sx_datum *v, long *out)
{
    if (v->kind == SX_DATUM_INT) *out = (long)v->i;
    else if (v->kind == SX_DATUM_REAL && v->r == floor(v->r) && fabs(v->r) < 0x1p62) *out = (long)v->r;
    else return false;
    return true;
}

static int number(fill *f, const sx_param *p, sx_where where, const sx_datum *v, scalar *out)
{
    double value;
    if (member_type(p->type) == SX_TYPE_INT) {
        if (!exact_long(v, &out->i)) return wrong_type(f, p, where, shown(f->a, v));
        value = (double)out->i;
    } else {
        if (v->kind != SX_DATUM_INT && v->kind != SX_DATUM_REAL)
            return wrong_type(f, p, where, shown(f->a, v));
        value = out->r = sx_datum_real(v);
        if (isnan(value)) return wrong_type(f, p, where, "nan");
    }
    return in_range(p, value) ? 0 : out_of_range(f, p, where, shown(f->a, v));
}

static int convert(fill *f, const sx_param *p, sx_where where, const sx_datum *v, scalar *out)
{
    switch (member_type(p->type)) {
    case SX_TYPE_INT: case SX_TYPE_REAL: return number(f, p, where, v, out);
    case SX_TYPE_BOOL:
        if (v->kind != SX_DATUM_BOOL) return wrong_type(f, p, where, shown(f->a, v));
        out->b = v->b;
        return 0;
    case SX_TYPE_TEXT:
        if (v->kind != SX_DATUM_TEXT) return wrong_type(f, p, where, shown(f->a, v));
        out->s = sx_strdup(f->a, v->s);
        return 0;
    default: break;
    }
    if (v->kind != SX_DATUM_TEXT) return wrong_type(f, p, where, shown(f->a, v));
    for (int i = 0; p->choices[i]; i++) if (!strcmp(p->choices[i], v->s)) { out->choice = i; return 0; }
    return wrong_choice(f, p, where, v->s);
}

static sx_datum_kind wanted_of(sx_type t)
{
    switch (member_type(t)) {
    case SX_TYPE_INT: return SX_DATUM_INT;
    case SX_TYPE_REAL: return SX_DATUM_REAL;
    case SX_TYPE_BOOL: return SX_DATUM_BOOL;
    default: return t == SX_TYPE_TEXTS ? SX_DATUM_NONE : SX_DATUM_TEXT; /* "${names}" may be a list */
    }
}

static size_t size_of(sx_type t)
{
    return t == SX_TYPE_INTS ? sizeof(long) : t == SX_TYPE_REALS ? sizeof(double) : sizeof(char *);
}

static void put(const sx_param *p, const scalar *v, void *field)
{
    switch (member_type(p->type)) {
    case SX_TYPE_INT: memcpy(field, &v->i, sizeof v->i); break;
    case SX_TYPE_REAL: memcpy(field, &v->r, sizeof v->r); break;
    case SX_TYPE_BOOL: memcpy(field, &v->b, sizeof v->b); break;
    case SX_TYPE_CHOICE: memcpy(field, &v->choice, sizeof v->choice); break;
    default: memcpy(field, &v->s, sizeof v->s);
    }
}

/* sx_ints, sx_reals and sx_texts have one shape: a count and a pointer. */
static void put_list(const sx_param *p, long n, void *v, void *field)
{
    if (p->type == SX_TYPE_INTS) *(sx_ints *)field = (sx_ints){ n, v };
    else if (p->type == SX_TYPE_REALS) *(sx_reals *)field = (sx_reals){ n, v };
    else *(sx_texts *)field = (sx_texts){ n, v };
}

/* --- Settings --- */

bool sx_time_read(const char *text, double *seconds)
{
    static const struct { const char *unit; double seconds; } units[] = {
        { "", 1 }, { "s", 1 }, { "m", 60 }, { "min", 60 }, { "h", 3600 }, { "d", 86400 } };
    char *end;
    *seconds = strtod(text, &end);
    if (end == text || !(*seconds >= 0) || *seconds > 1e9) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(end, units[i].unit)) { *seconds *= units[i].seconds; return true; }
    return false;
}

/* In a list the kind asked for is its members'; an expression may give a whole list ("depth"). */
static int datum_of(fill *f, const sx_param *p, const sx_conf *c, sx_datum *v)
{
    const sx_where where = sx_conf_where(f->a, c);
    if (c->kind == SX_CONF_GROUP) return wrong_type(f, p, where, "a group");
    if (c->kind == SX_CONF_LIST && !is_list(p->type)) return wrong_type(f, p, where, "a list");
    double seconds;
    if (p->flags & SX_TIME && c->kind == SX_CONF_TEXT && sx_time_read(c->s, &seconds)) {
        *v = (sx_datum){ .kind = SX_DATUM_REAL, .r = seconds };
        return 0;
    }
    const int rc = sx_conf_value(f->a, c, f->scope, wanted_of(p->type), v, f->d);
    if (rc && p->flags & SX_TIME && c->kind == SX_CONF_TEXT && !strpbrk(c->s, "+-*/(${"))
        sx_hint(f->d, "Times are seconds or have a unit: 90, \"90s\", \"15m\", \"2h\", \"1d\".");
    return rc ? (f->rc = rc) : 0;
}

static void read_list(fill *f, const sx_param *p, const sx_conf *c, const sx_datum *v, void *field)
{
    const sx_where where = sx_conf_where(f->a, c);
    const long n = v->kind == SX_DATUM_LIST ? v->n : 1;
    const sx_datum *from = v->kind == SX_DATUM_LIST ? v->v : v;
    if (n > MOST_MEMBERS) {
        f->rc = sx_error(f->d, SX_E_CONFIG, where, "%s '%s' has %ld members, more than %d", f->what, p->name,
                         n, MOST_MEMBERS);
        return;
    }
    const size_t size = size_of(p->type);
    char *to = sx_alloc_array(f->a, (size_t)n, size);
    const sx_conf *member = c->kind == SX_CONF_LIST ? c->first : NULL;
    for (long i = 0; i < n; i++) {
        scalar one = { 0 };
        if (convert(f, p, member ? sx_conf_where(f->a, member) : where, &from[i], &one)) return;
        put(p, &one, to + (size_t)i * size);
        if (member) member = member->next;
    }
    put_list(p, n, to, field);
}

static void read_setting(fill *f, const sx_param *p, const sx_conf *c, void *field)
{
    sx_datum v = { 0 };
    if (datum_of(f, p, c, &v)) return;
    if (is_list(p->type)) { read_list(f, p, c, &v, field); return; }
    scalar one = { 0 };
    if (!convert(f, p, sx_conf_where(f->a, c), &v, &one)) put(p, &one, field);
}

/* The default text of a list, as in a file: "1, 1" or "train.gz, labels.gz". */
static void default_list(fill *f, const sx_param *p, void *field)
{
    struct { scalar *v; long n, cap; } list = { 0 };
    const char *s = p->text;
    if (!s && p->def != 0)
        SX_PUSH(f->a, list,
                p->type == SX_TYPE_INTS ? ((scalar){ .i = (long)p->def }) : ((scalar){ .r = p->def }));
    while (s && *(s += strspn(s, " ,\"[]"))) {
        const size_t n = strcspn(s, ",\"[]");
        const char *one = sx_strndup(f->a, s, n);
        SX_PUSH(f->a, list, p->type == SX_TYPE_INTS ? ((scalar){ .i = strtol(one, NULL, 10) })
                : p->type == SX_TYPE_REALS ? ((scalar){ .r = strtod(one, NULL) }) : ((scalar){ .s = one }));
        s += n;
    }
    const size_t size = size_of(p->type);
    char *to = sx_alloc_array(f->a, (size_t)list.n, size);
    for (long i = 0; i < list.n; i++) put(p, &list.v[i], to + (size_t)i * size);
    put_list(p, list.n, to, field);
}

static void read_default(fill *f, const sx_param *p, void *field)
{
    if (p->flags & SX_REQUIRED && f->meant && !strcmp(f->meant, p->name)) return;    /* told already */
    if (p->flags & SX_REQUIRED) {
        f->rc = sx_error(f->d, SX_E_CONFIG, f->group ? sx_conf_where(f->a, f->group) : SX_NOWHERE,
                         "%s needs '%s'", f->what, p->name);
        if (p->doc) sx_hint(f->d, "'%s' is %s.", p->name, p->doc);
    } else if (is_list(p->type)) {
        default_list(f, p, field);
    } else {
        const scalar v = p->type == SX_TYPE_INT      ? (scalar){ .i = (long)p->def }
                         : p->type == SX_TYPE_REAL   ? (scalar){ .r = p->def }
                         : p->type == SX_TYPE_BOOL   ? (scalar){ .b = p->def != 0 }
                         : p->type == SX_TYPE_CHOICE ? (scalar){ .choice = (int)p->def }
                                                     : (scalar){ .s = p->text };
        put(p, &v, field);
    }
}

static bool is_among(const char *name, const char *const *v)
{
    for (; v && *v; v++) if (!strcmp(name, *v)) return true;
    return false;
}

/* --- Settings -> text --- */

static const char *list_text(sx_arena *a, const sx_param *p, const void *field)
{
    const sx_ints *i = field;
    const sx_reals *r = field;
    const sx_texts *s = field; /* each a count and a pointer */
    const char *all = "";
    for (long k = 0; k < i->n; k++)
        all = sx_format(a, "%s%s%s", all, k ? ", " : "",
                        p->type == SX_TYPE_INTS    ? sx_format(a, "%ld", i->v[k])
                        : p->type == SX_TYPE_REALS ? sx_real_text(a, r->v[k])
                                                   : sx_conf_quoted(a, s->v[k]));
    return sx_format(a, "[%s%s]", i->n ? " " : "", i->n ? sx_format(a, "%s ", all) : "");
}

static const char *int_text(sx_arena *a, long v)
{
    return sx_format(a, "%ld%s", v, labs(v) > 2147483647 ? "L" : "");
}

const char *sx_param_text(sx_arena *a, const sx_param *p, const void *field)
{
    switch (p->type) {
    case SX_TYPE_INT: return int_text(a, *(const long *)field);
    case SX_TYPE_REAL: return sx_real_text(a, *(const double *)field);
    case SX_TYPE_BOOL: return *(const bool *)field ? "true" : "false";
    case SX_TYPE_TEXT: return sx_conf_quoted(a, *(const char *const *)field);
    case SX_TYPE_CHOICE: return sx_conf_quoted(a, p->choices[*(const int *)field]);
    default: return list_text(a, p, field);
    }
}

/* --- All settings of an item --- */

static const sx_param *declared(const sx_param *p, const char *name)
{
    for (; p->name; p++) if (!strcmp(p->name, name)) return p;
    return NULL;
}

static void unknown(fill *f, const sx_param *params, const char *const *also, const sx_conf *c)
{
    struct { const char **v; long n, cap; } names = { 0 };
    for (const sx_param *p = params; p->name; p++) SX_PUSH(f->a, names, p->name);
    const long own = names.n;
    for (; also && *also; also++) SX_PUSH(f->a, names, *also);
    SX_PUSH(f->a, names, NULL);
    const char *near = sx_nearest(c->name, names.v, names.n - 1);
    f->rc = sx_error(f->d, SX_E_CONFIG, sx_conf_where(f->a, c), "%s has no parameter '%s'", f->what, c->name);
    names.v[own] = NULL;
    f->meant = near;
    if (near) sx_hint(f->d, "Did you mean '%s'?", near);
    else if (own) sx_hint(f->d, "Its parameters are %s.", words(f->a, names.v));
    else sx_hint(f->d, "It has no parameters.");
}

int sx_param_fill(sx_arena *a, const sx_param *params, const char *what, const sx_conf *group,
                  const sx_scope *scope, const char *const *also, void *out, sx_diags *d)
{
    static const sx_param none[] = { SX_END };
    if (!params) params = none;
    fill f = { a, what, group, scope, d, 0, NULL };
    int first = 0;
    for (const sx_conf *c = group ? group->first : NULL; c; c = c->next) {
        const sx_param *p = c->name ? declared(params, c->name) : NULL;
        if (p) read_setting(&f, p, c, (char *)out + p->offset);
        else if (c->name && !is_among(c->name, also)) unknown(&f, params, also, c);
        if (!first) first = f.rc;
    }
    for (const sx_param *p = params; p->name; p++)
        if (!sx_conf_member(group, p->name)) read_default(&f, p, (char *)out + p->offset);
    return first ? first : f.rc;
}
