/* data.c: data sets -> one table of rows and labels on the device, the split into training and validation,
 * and the order in which an epoch takes the rows. */
#include "data.h"
#include "manifest.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = INT32_MAX / 2 };

typedef struct { const sx_dataset *item; sx_set set; } part;
static void close_part(void *arg)
{
    part *p = arg;
    if (p->item->close) p->item->close(&p->set);
}

static size_t row_bytes(const sx_column_shape *s)
{
    size_t n = sx_dtype_size(s->dtype);
    for (int i = 0; i < s->rank; i++) n *= (size_t)s->shape[i];
    return n;
}

/* --- What a plugin hands over is checked like a file --- */
typedef struct { sx_column_shape shape; const void *data; const char *const *names; } column;
typedef struct {                                 /* a part of the data set, column by column */
    long count; int inputs, labels;
    column input[SX_COLUMNS], label[SX_COLUMNS];
    sx_where where;
    part *from;                                  /* NULL: no plugin's */
} content;

static int check_input(const column *c, long count, sx_where where, sx_diags *d)
{
    const sx_column_shape *s = &c->shape;
    double elements = 1;
    if (s->rank < 1 || s->rank >= SX_RANK)
        return sx_error(d, SX_E_DATA, where, "rows of the data set have %d axes", s->rank);
    for (int i = 0; i < s->rank; i++) {
        if (s->shape[i] < 1)
            return sx_error(d, SX_E_DATA, where, "axis %d of the data set's rows is %ld long", i,
                            s->shape[i]);
        elements *= (double)s->shape[i];
    }
    if (count > MOST_ROWS || elements * (double)count > 0x1p40)
        return sx_error(d, SX_E_DATA, where, "%ld rows of %.0f numbers are too much", count, elements);
    if (s->dtype != SX_U8 && s->dtype != SX_F32)
        return sx_error(d, SX_E_DATA, where, "rows of a data set must be u8 or f32");
    return 0;
}

static int check_label(const column *c, long count, sx_where where, sx_diags *d)
{
    const long classes = c->shape.classes;
    const int32_t *y = c->data;
    if (classes < 1) return sx_error(d, SX_E_DATA, where, "the data set has %ld classes", classes);
    for (long i = 0; i < count; i++)
        if (y[i] < 0 || y[i] >= classes)
            return sx_error(d, SX_E_DATA, where,
                            "label %ld of row %ld is out of range: there are %ld classes", (long)y[i], i,
                            classes);
    return 0;
}

/* x and y, or one of set->column, which tells by its type which of both it is. */
static int add_column(content *r, const sx_column *from, sx_diags *d)
{
    const bool label = from->dtype == SX_I32 && !from->rank;
    int *n = label ? &r->labels : &r->inputs;
    column *all = label ? r->label : r->input;
    if (!from->name || !sx_is_name(from->name))
        return sx_error(d, SX_E_DATA, r->where, "'%.80s' is no name that a column may have",
                        from->name ? from->name : "");
    for (int i = 0; i < *n; i++)
        if (!strcmp(all[i].shape.name, from->name))
            return sx_error(d, SX_E_DATA, r->where, "the data set has two columns '%s'", from->name);
    if (*n == SX_COLUMNS)
        return sx_error(d, SX_E_DATA, r->where, "the data set has more than %d %s", SX_COLUMNS,
                        label ? "labels" : "inputs");
    column *c = &all[(*n)++];
    *c = (column){ { .dtype = from->dtype, .rank = from->rank, .classes = from->classes }, from->data,
                   from->names };
    memcpy(c->shape.name, from->name, strlen(from->name));
    memcpy(c->shape.shape, from->shape, sizeof c->shape.shape);
    if (!c->data) return sx_error(d, SX_E_DATA, r->where, "the data set gave no rows");
    return label ? check_label(c, r->count, r->where, d) : check_input(c, r->count, r->where, d);
}

static int read_columns(const sx_set *s, content *r, sx_diags *d)
{
    sx_column x = { .name = s->x_name ? s->x_name : "x", .rank = s->rank, .dtype = s->dtype, .data = s->x };
    const sx_column y = { .name = s->y_name ? s->y_name : "y", .dtype = SX_I32, .data = s->y,
                          .classes = s->classes, .names = s->names };
    if (s->count < 0) return sx_error(d, SX_E_DATA, r->where, "the data set gave no rows");
    memcpy(x.shape, s->shape, sizeof x.shape);
    int bad = add_column(r, &x, d);
    if (!bad) bad = add_column(r, &y, d);
    for (int i = 0; i < s->columns && !bad; i++) {
        sx_column c = { 0 };                     /* of a plugin that may know fewer members */
        if (!s->column || !s->column[i])
            return sx_error(d, SX_E_DATA, r->where, "the data set lacks column %d of %d", i + 1, s->columns);
        memcpy(&c, s->column[i], s->column[i]->size < sizeof c ? s->column[i]->size : sizeof c);
        bad = add_column(r, &c, d);
    }
    return bad;
}

static int open_part(sx_arena *a, const sx_exp *e, sx_part which, content *r, sx_diags *d)
{
    part *p = SX_NEW(a, part);
    p->item = (const sx_dataset *)(const void *)e->data.set.entry->item;
    p->set.size = sizeof p->set;
    int bad = p->item->open(e->data.set.params, which, &p->set);
    p->set.error[sizeof p->set.error - 1] = 0;   /* whatever a plugin wrote there */
    p->set.file[sizeof p->set.file - 1] = p->set.hint[sizeof p->set.hint - 1] = 0;
    const sx_where where = p->set.file[0] ? (sx_where){ .file = p->set.file }
                                          : sx_conf_where(a, sx_conf_member(e->root, "dataset"));
    *r = (content){ .count = p->set.count, .where = where, .from = p };
    if (bad) {
        bad = bad < 0 ? bad : SX_E_DATA;
        sx_error(d, bad, where, "%s", p->set.error[0] ? p->set.error : "the data set could not be opened");
        if (p->set.hint[0]) sx_hint(d, "%s", p->set.hint);
        return bad;
    }
    sx_arena_defer(a, close_part, p);
    if (which == SX_PART_TEST && !p->set.count) return 0;
    bad = read_columns(&p->set, r, d);
    if (!bad && e->data.limit > 0 && e->data.limit < r->count) r->count = e->data.limit;
    return bad;
}

/* The inputs of the model in its order; a single unnamed one is the data set's first. */
static int choose_inputs(sx_arena *a, const sx_exp *e, content *r, sx_diags *d)
{
    const content all = *r;
    r->inputs = (int)e->inputs;
    for (long k = 0; k < e->inputs && e->input->name; k++) {
        int i = 0;
        const char *there = "";
        while (i < all.inputs && strcmp(all.input[i].shape.name, e->input[k].name)) i++;
        r->input[k] = all.input[i < all.inputs ? i : 0];
        if (i < all.inputs) continue;
        for (i = 0; i < all.inputs; i++)
            there = sx_format(a, "%s%s%s", there, i ? ", " : "", all.input[i].shape.name);
        sx_error(d, SX_E_CONFIG, sx_conf_where(a, e->input[k].conf), "the data set has no input '%s'",
                 e->input[k].name);
        sx_hint(d, "It gives %s.", there);
        return SX_E_CONFIG;
    }
    return 0;
}

static bool alike(const column *a, const column *b)
{
    const sx_column_shape *x = &a->shape, *y = &b->shape;
    return x->rank == y->rank && x->dtype == y->dtype && !strcmp(x->name, y->name)
        && !memcmp(x->shape, y->shape, (size_t)x->rank * sizeof *x->shape);
}

static int check_alike(const sx_exp *e, const content *train, const content *test, sx_arena *a, sx_diags *d)
{
    bool same = train->inputs == test->inputs && train->labels == test->labels;
    for (int i = 0; same && i < train->inputs; i++) same = alike(&train->input[i], &test->input[i]);
    for (int i = 0; same && i < train->labels; i++) same = alike(&train->label[i], &test->label[i]);
    if (same) return 0;
    return sx_error(d, SX_E_DATA, sx_conf_where(a, sx_conf_member(e->root, "dataset")),
                    "rows of the test part have another shape than those of the training part");
}

int sx_data_label(const sx_data_shape *s, const sx_output *o)
{
    const char *name = o->target ? o->target : o->name;
    for (int i = 0; name && i < s->labels; i++) if (!strcmp(s->label[i].name, name)) return i;
    return o->target || (o->name && s->labels > 1) ? -1 : 0;
}

/* --- The table --- */
static int upload(const sx_machine *m, sx_memory *to, size_t at, const void *from, size_t bytes, sx_diags *d)
{
    const int bad = bytes ? m->device->write(m->queue, to->buf, at, from, bytes) : 0;
    return bad ? sx_machine_error(m, bad, d) : 0;
}

/* Rows of a column behind those that are there already, piece by piece: what the plugin holds goes as the
 * table grows. */
static int put_rows(const sx_machine *m, sx_memory *to, const sx_column_shape *s, long from, const content *r,
                    const column *c, sx_diags *d)
{
    const size_t each = row_bytes(s), all = (size_t)r->count * each, most = (size_t)1 << 18;
    const char *data = c->data;
    int bad = 0;
    for (size_t at = 0; m && at < all && !bad; at += most) {
        const size_t n = all - at < most ? all - at : most;
        bad = upload(m, to, (size_t)from * each + at, data + at, n, d);
        if (r->from && r->from->item->copied) r->from->item->copied(&r->from->set, data + at, n);
    }
    return bad;
}

static int fill_table(sx_data *t, const sx_machine *m, long from, const content *r, sx_diags *d)
{
    int bad = 0;
    for (int i = 0; i < t->shape.inputs && !bad; i++)
        bad = put_rows(m, t->x[i], &t->shape.input[i], from, r, &r->input[i], d);
    for (int i = 0; i < t->shape.labels && !bad; i++) {
        const size_t bytes = (size_t)r->count * sizeof(int32_t);
        int32_t *host = (int32_t *)(uintptr_t)t->label[i] + from;
        if (r->label[i].data) memcpy(host, r->label[i].data, bytes);
        bad = m ? upload(m, t->y[i], (size_t)from * sizeof *host, host, bytes, d) : 0;
    }
    return bad;
}

static sx_data *new_table(sx_arena *a, const sx_data_shape *s)
{
    sx_data *t = SX_NEW(a, sx_data);
    t->shape = *s;
    for (int i = 0; i < s->labels; i++)
        t->label[i] = sx_alloc_array(a, (size_t)s->rows + 1, sizeof **t->label);
    t->fit = sx_alloc_array(a, (size_t)s->fit + 1, sizeof *t->fit);
    t->val = sx_alloc_array(a, (size_t)s->val + 1, sizeof *t->val);
    t->test = sx_alloc_array(a, (size_t)s->test + 1, sizeof *t->test);
    return t;
}

static int table_memory(sx_arena *a, sx_data *t, const sx_machine *m, sx_diags *d)
{
    const size_t n = (size_t)t->shape.rows;
    int bad = 0;
    for (int i = 0; m && i < t->shape.inputs && !bad; i++)
        bad = sx_memory_open(a, m, n * row_bytes(&t->shape.input[i]), &t->x[i], d);
    for (int i = 0; m && i < t->shape.labels && !bad; i++)
        bad = sx_memory_open(a, m, n * row_bytes(&t->shape.label[i]), &t->y[i], d);
    return bad;
}

static int ascending(const void *x, const void *y)
{
    const int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;
    return (a > b) - (a < b);
}

long sx_data_val_rows(const sx_exp *e, long n)
{
    const long val = lround((double)n * e->data.val);
    return val < n ? val : n - 1;                /* something must be left to learn from */
}

/* The first rows of a permutation are for validation, the others for training. */
static void split(sx_arena *a, sx_data *t, uint64_t seed)
{
    const long n = t->shape.fit + t->shape.val, val = t->shape.val;
    int32_t *order = sx_alloc_array(a, (size_t)n + 1, sizeof *order);
    sx_permutation(sx_key_of(seed, 0, "split"), 0, (int32_t)n, order);
    memcpy(t->val, order, (size_t)val * sizeof *order);
    memcpy(t->fit, order + val, (size_t)(n - val) * sizeof *order);
    qsort(t->val, (size_t)val, sizeof *order, ascending);
    qsort(t->fit, (size_t)(n - val), sizeof *order, ascending);
    for (long i = 0; i < t->shape.test; i++) t->test[i] = (int32_t)(n + i);
}

static const char *const *copy_names(sx_arena *a, const column *c)
{
    if (!c->names) return NULL;
    const char **name = sx_alloc_array(a, (size_t)c->shape.classes, sizeof *name);
    for (long i = 0; i < c->shape.classes; i++) name[i] = sx_strdup(a, c->names[i]);
    return name;
}

/* The part that knows more classes says how many there are, and their names. */
static const column *wider(const column *train, const column *test)
{
    return test->shape.classes > train->shape.classes ? test : train;
}

/* first: what the training part lives in, closed here, so that its copy and all of the table never stand in
 * memory together. */
static int build(sx_arena *a, const sx_exp *e, const sx_machine *m, const content *train, sx_arena *first,
                 const content *test, sx_data **out, sx_diags *d)
{
    const long rows = train->count;
    const long val = sx_data_val_rows(e, rows);
    sx_data_shape s = { .rows = rows + test->count, .inputs = train->inputs, .labels = train->labels,
                        .fit = rows - val, .val = val, .test = test->count };
    for (int i = 0; i < s.inputs; i++) s.input[i] = train->input[i].shape;
    for (int i = 0; i < s.labels; i++) s.label[i] = wider(&train->label[i], &test->label[i])->shape;
    sx_data *t = *out = new_table(a, &s);
    for (int i = 0; i < s.labels; i++) t->names[i] = copy_names(a, wider(&train->label[i], &test->label[i]));
    split(a, t, e->data.split_seed);
    int bad = table_memory(a, t, m, d);
    if (!bad) bad = fill_table(t, m, 0, train, d);
    sx_arena_close(first);
    return bad || !test->count ? bad : fill_table(t, m, rows, test, d);
}

int sx_data_open(sx_arena *a, const sx_exp *e, const sx_machine *m, bool want_test, sx_data **out,
                 sx_diags *d)
{
    /* the plugin's copies are not needed once the device has its own */
    sx_arena *own = sx_arena_open(NULL), *first = sx_arena_open(own);
    content *train = SX_NEW(own, content), *test = SX_NEW(own, content);
    int bad = open_part(first, e, SX_PART_TRAIN, train, d);
    if (!bad && train->count < 1)
        bad = sx_error(d, SX_E_DATA, SX_NOWHERE, "the data set has no training rows");
    if (!bad) bad = choose_inputs(own, e, train, d);
    if (!bad && want_test) bad = open_part(own, e, SX_PART_TEST, test, d);
    if (!bad && test->count) bad = choose_inputs(own, e, test, d);
    if (!bad && test->count) bad = check_alike(e, train, test, own, d);
    if (!bad) bad = build(a, e, m, train, first, test, out, d);
    sx_arena_close(own);
    return bad;
}

/* --- Tables without files --- */
int sx_data_given(sx_arena *a, const sx_machine *m, const sx_data_shape *s, const void *const *x,
                  const int32_t *const *y, sx_data **out, sx_diags *d)
{
    sx_data *t = *out = new_table(a, s);
    int32_t *to[] = { t->fit, t->val, t->test };
    const long n[] = { s->fit, s->val, s->test };
    int32_t row = 0;
    for (int i = 0; i < 3; i++) for (long j = 0; j < n[i]; j++) to[i][j] = row++;
    content r = { .count = s->rows };
    for (int i = 0; i < s->inputs; i++) r.input[i].data = x[i];
    for (int i = 0; i < s->labels; i++) r.label[i].data = y ? y[i] : NULL;
    const int bad = table_memory(a, t, m, d);
    return bad ? bad : fill_table(t, m, 0, &r, d);
}

/* Until a is closed; NULL: no memory. Labels go through their classes. */
static void *random_rows(sx_arena *a, const sx_column_shape *s, long count, sx_key key)
{
    const size_t bytes = (size_t)count * row_bytes(s);
    unsigned char *x = malloc(bytes ? bytes : 1);
    uint32_t w[4];
    if (!x) return NULL;
    sx_arena_defer(a, free, x);
    for (long i = 0; s->dtype == SX_I32 && i < count; i++)
        ((int32_t *)(void *)x)[i] = s->classes ? (int32_t)(i % s->classes) : 0;
    for (size_t i = 0; s->dtype != SX_I32 && i < bytes; i++) {
        const uint32_t counter[4] = { (uint32_t)(i / 16), (uint32_t)(i / 16 >> 32), 0, 0 };
        if (i % 16 == 0) sx_philox(counter, key.v, w);
        x[i] = (unsigned char)(w[i % 16 / 4] >> 8 * (i % 4));
    }
    if (s->dtype == SX_F32) sx_uniform_fill(key, 1, 0, (long)(bytes / sizeof(float)), (float *)(void *)x);
    return x;
}

int sx_data_random(sx_arena *a, const sx_machine *m, const sx_data_shape *s, sx_data **out, sx_diags *d)
{
    sx_arena *own = sx_arena_open(NULL);
    const void *x[SX_COLUMNS];
    const int32_t *y[SX_COLUMNS];
    bool there = true;
    for (int k = 0; k < s->inputs; k++)
        there &= (x[k] = random_rows(own, &s->input[k], s->rows, sx_key_of(0, k, "random rows"))) != NULL;
    for (int k = 0; k < s->labels; k++)
        there &= (y[k] = random_rows(own, &s->label[k], s->rows, sx_key_of(0, 0, ""))) != NULL;
    const int bad = there ? sx_data_given(a, m, s, x, y, out, d)
                          : sx_error(d, SX_E_MEMORY, SX_NOWHERE, "no memory for %ld random rows", s->rows);
    sx_arena_close(own);
    return bad;
}

/* --- The order of an epoch --- */
long sx_data_order(const int32_t *rows, long n, long batch, bool shuffle, sx_key key, uint32_t epoch,
                   bool pad, int32_t *order)
{
    const long steps = pad ? (n + batch - 1) / batch : n / batch;
    if (shuffle) {
        sx_permutation(key, epoch, (int32_t)n, order);
        for (long i = 0; i < n; i++) order[i] = rows[order[i]];
    } else if (n) memcpy(order, rows, (size_t)n * sizeof *order);
    for (long i = n; i < steps * batch; i++) order[i] = rows[0];
    return steps;
}
