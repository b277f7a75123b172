/* tensors.c: data sets of several inputs and labels: a safetensors file for each part, in which every
 * tensor is a column [rows, ..]. Nothing a file says is believed before it is checked; sizes are by
 * sx_pack_open. */
#include <strix/plugin.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tensors { const char *dir, *train, *test; sx_texts inputs, labels; sx_ints classes; };
static const sx_param params[] = {
    SX_TEXT(struct tensors, dir, .text = ".", .doc = "directory of the files"),
    SX_TEXT(struct tensors, train, .text = "train.safetensors", .doc = "file to learn from"),
    SX_TEXT(struct tensors, test, .text = "", .doc = "file of the test part; \"\": there is none"),
    SX_TEXTS(struct tensors, inputs, .text = "",
             .doc = "tensors that are inputs; where not given all of U8 or of floating-point numbers"),
    SX_TEXTS(struct tensors, labels, .text = "",
             .doc = "tensors that are labels; where not given all [rows] of I64 or I32"),
    SX_INTS(struct tensors, classes, .text = "", .min = 1, .max = 1 << 30,
            .doc = "labels are 0 .. classes-1, a number for each; where not given up to the largest label"),
    SX_END
};

enum { MOST = 32 };                              /* columns */
typedef struct {
    sx_pack *pack;
    int inputs, labels;
    sx_column input[MOST], label[MOST];
    const sx_column *further[2 * MOST];
    int n_made; void *made[2 * MOST];            /* what did not lie in the file as it is wanted */
} own;
typedef struct { const struct tensors *p; sx_set *set; own *own; } source;

static int fail(const source *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int fail(const source *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->set->error, sizeof s->set->error, fmt, ap);
    va_end(ap);
    return SX_E_DATA;
}

static bool is(const sx_blob *b, const char *type) { return !strcmp(b->dtype, type); }
static bool is_whole(const sx_blob *b) { return is(b, "I64") || is(b, "I32"); }
static bool is_real(const sx_blob *b)
{
    return is(b, "F32") || is(b, "F64") || is(b, "F16") || is(b, "BF16");
}

static void *make(const source *s, size_t count, size_t bytes)
{
    void *made = calloc(count, bytes);
    if (made) s->own->made[s->own->n_made++] = made;
    else (void)fail(s, "no memory for %zu rows", count);
    return made;
}

/* Rows of all columns must be as many as those of the first. */
static int begin_column(const source *s, const sx_blob *b, int n, sx_column *c)
{
    const long rows = b->rank ? b->shape[0] : 0;
    if (n == MOST) return fail(s, "there are more than %d columns of a kind", MOST);
    if (rows < 1 || !b->bytes) return fail(s, "'%.80s' has no rows", b->name);
    if (s->set->count && rows != s->set->count)
        return fail(s, "'%.80s' has %ld rows, the columns before it have %ld", b->name, rows, s->set->count);
    s->set->count = rows;
    *c = (sx_column){ .size = sizeof *c, .name = b->name, .data = b->data };
    return 0;
}

static int add_input(const source *s, const sx_blob *b)
{
    sx_column *c = &s->own->input[s->own->inputs];
    const int bad = begin_column(s, b, s->own->inputs, c);
    if (bad) return bad;
    if (!is(b, "U8") && !is_real(b))
        return fail(s, "'%.80s' is of type %s; inputs are U8 or floating-point numbers", b->name, b->dtype);
    c->dtype = is(b, "U8") ? SX_U8 : SX_F32;
    c->rank = b->rank > 1 ? b->rank - 1 : 1;     /* [rows]: rows of one number */
    c->shape[0] = 1;
    long each = 1;
    for (int i = 1; i < b->rank; i++) each *= c->shape[i - 1] = b->shape[i];
    s->own->inputs++;
    if (is(b, "U8") || (is(b, "F32") && (uintptr_t)b->data % sizeof(float) == 0)) return 0;
    float *x = make(s, (size_t)(each * s->set->count), sizeof *x);
    c->data = x;
    return x ? sx_blob_f32(b, each * s->set->count, x) : SX_E_MEMORY;
}

static int64_t whole(const sx_blob *b, long i)
{
    int64_t wide;
    int32_t narrow;
    const char *from = b->data;                  /* may be unaligned */
    if (is(b, "I32")) return memcpy(&narrow, from + 4 * i, sizeof narrow), narrow;
    return memcpy(&wide, from + 8 * i, sizeof wide), wide;
}

static int add_label(const source *s, const sx_blob *b)
{
    const int n = s->own->labels;
    const sx_ints *given = &s->p->classes;
    sx_column *c = &s->own->label[n];
    int bad = begin_column(s, b, n, c);
    if (bad) return bad;
    if (!is_whole(b) || b->rank != 1)
        return fail(s, "'%.80s' is of type %s with %d axes; labels are I64 or I32 [rows]", b->name, b->dtype,
                    b->rank);
    int32_t *y = make(s, (size_t)s->set->count, sizeof *y);
    if (!y) return SX_E_MEMORY;
    const int64_t most = n < given->n ? given->v[n] : (int64_t)1 << 30;
    for (long i = 0; i < s->set->count; i++) {
        const int64_t v = whole(b, i);
        if (v < 0 || v >= most)
            return fail(s, "label %lld of row %ld in '%.80s' is outside 0 .. %lld", (long long)v, i,
                        b->name, (long long)most - 1);
        y[i] = (int32_t)v;
        if (v >= c->classes) c->classes = (long)v + 1;
    }
    if (n < given->n) c->classes = given->v[n];
    c->dtype = SX_I32, c->data = y;
    s->own->labels++;
    return 0;
}

static const sx_blob *find(const source *s, const char *name)
{
    const sx_blob *b;
    char there[sizeof s->set->hint - 32] = "";
    size_t n = 0;
    for (long i = 0; (b = sx_pack_at(s->own->pack, i)); i++) {
        if (!strcmp(b->name, name)) return b;
        if (n >= sizeof there) continue;
        n += (size_t)snprintf(there + n, sizeof there - n, "%s%.60s", i ? ", " : "", b->name);
    }
    snprintf(s->set->hint, sizeof s->set->hint, "The file has %s.", there);
    (void)fail(s, "there is no tensor '%.80s'", name);
    return NULL;
}

/* The named columns of a kind, or all that look like it. */
static int add_all(const source *s, const sx_texts *names, bool labels)
{
    int (*const add)(const source *, const sx_blob *) = labels ? add_label : add_input;
    const sx_blob *b;
    int bad = 0;
    for (long i = 0; i < names->n && !bad; i++) bad = (b = find(s, names->v[i])) ? add(s, b) : SX_E_DATA;
    for (long i = 0; !names->n && !bad && (b = sx_pack_at(s->own->pack, i)); i++)
        if (labels ? is_whole(b) && b->rank == 1 : is(b, "U8") || is_real(b)) bad = add(s, b);
    if (bad || (labels ? s->own->labels : s->own->inputs)) return bad;
    return fail(s, labels ? "there are no labels: no tensor [rows] of I64 or I32"
                          : "there are no inputs: no tensor of U8 or floating-point numbers");
}

/* The first ones are x and y. */
static void hand_over(const source *s)
{
    own *o = s->own;
    sx_set *set = s->set;
    set->x = o->input->data, set->dtype = o->input->dtype, set->rank = o->input->rank;
    memcpy(set->shape, o->input->shape, sizeof set->shape);
    set->y = o->label->data, set->classes = o->label->classes;
    set->x_name = o->input->name, set->y_name = o->label->name;
    for (int i = 1; i < o->inputs; i++) o->further[set->columns++] = &o->input[i];
    for (int i = 1; i < o->labels; i++) o->further[set->columns++] = &o->label[i];
    set->column = o->further;
    set->file[0] = 0;
}

static void close_set(sx_set *set)
{
    own *o = set->own;
    for (int i = 0; o && i < o->n_made; i++) free(o->made[i]);
    if (o) sx_pack_close(o->pack);
    free(o);
    set->own = NULL, set->x = NULL, set->y = NULL, set->column = NULL, set->columns = 0;
}

static int open_set(const void *params_, sx_part part, sx_set *set)
{
    const struct tensors *p = params_;
    const char *name = part == SX_PART_TRAIN ? p->train : p->test;
    char file[sizeof set->file];
    if (part == SX_PART_TEST && !*name) return 0;                    /* count 0: no such part */
    const source s = { p, set, set->own = calloc(1, sizeof(own)) };
    if (!s.own) return fail(&s, "no memory"), SX_E_MEMORY;
    if (*name == '/' ? snprintf(file, sizeof file, "%s", name) >= (int)sizeof file
                     : snprintf(file, sizeof file, "%s/%s", p->dir, name) >= (int)sizeof file)
        return close_set(set), fail(&s, "the path is longer than %zu characters", sizeof file - 1);
    int bad = sx_pack_open(file, set, &s.own->pack);
    if (!bad) bad = add_all(&s, &p->inputs, false);
    if (!bad) bad = add_all(&s, &p->labels, true);
    if (!bad && p->classes.n && p->classes.n != s.own->labels)
        bad = fail(&s, "dataset.classes has %ld numbers for %d labels", p->classes.n, s.own->labels);
    if (bad) close_set(set);
    else hand_over(&s);
    return bad;
}

SX_DEFINE(SX_KIND_DATASET, sx_dataset, tensors, params, struct tensors,
          .doc = "several inputs and labels by name, from safetensors files", .open = open_set,
          .close = close_set, .copied = sx_set_copied);
SX_PLUGIN("tensors", "1.0", "MIT", SX_ITEM(tensors));
