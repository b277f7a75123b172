/* data.c: data sets -> one table of rows and labels on the device, the split into training and validation,
 * and the order in which an epoch takes the rows. */
#include "data.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = INT32_MAX / 2 };

typedef struct { const sx_dataset *item; sx_set set; } part;
static void close_part(void *arg)
{
    part *p = arg;
    if (p->item->close) p->item->close(&p->set);
}

static size_t row_bytes(const sx_data_shape *s)
{
    size_t n = s->dtype == SX_U8 ? 1 : sizeof(float);
    for (int i = 0; i < s->rank; i++) n *= (size_t)s->shape[i];
    return n;
}

/* --- What a plugin hands over is checked like a file --- */
static int check_shape(const sx_set *s, sx_where where, sx_diags *d)
{
    double elements = 1;
    if (s->rank < 1 || s->rank >= SX_RANK)
        return sx_error(d, SX_E_DATA, where, "rows of the data set have %d axes", s->rank);
    for (int i = 0; i < s->rank; i++) {
        if (s->shape[i] < 1)
            return sx_error(d, SX_E_DATA, where, "axis %d of the data set's rows is %ld long", i,
                            s->shape[i]);
        elements *= (double)s->shape[i];
    }
    if (s->count > MOST_ROWS || elements * (double)s->count > 0x1p40)
        return sx_error(d, SX_E_DATA, where, "%ld rows of %.0f numbers are too much", s->count, elements);
    if (s->dtype != SX_U8 && s->dtype != SX_F32)
        return sx_error(d, SX_E_DATA, where, "rows of a data set must be u8 or f32");
    return 0;
}

static int check_set(const sx_set *s, sx_where where, sx_diags *d)
{
    if (s->count < 0 || !s->x || !s->y) return sx_error(d, SX_E_DATA, where, "the data set gave no rows");
    const int bad = check_shape(s, where, d);
    if (bad) return bad;
    if (s->classes < 1) return sx_error(d, SX_E_DATA, where, "the data set has %ld classes", s->classes);
    for (long i = 0; i < s->count; i++)
        if (s->y[i] < 0 || s->y[i] >= s->classes)
            return sx_error(d, SX_E_DATA, where,
                            "label %ld of row %ld is out of range: there are %ld classes",
                            (long)s->y[i], i, s->classes);
    return 0;
}

static int open_part(sx_arena *a, const sx_exp *e, sx_part which, sx_set **set, sx_diags *d)
{
    part *p = SX_NEW(a, part);
    p->item = (const sx_dataset *)(const void *)e->data.set.entry->item;
    p->set.size = sizeof p->set;
    *set = &p->set;
    int bad = p->item->open(e->data.set.params, which, &p->set);
    p->set.error[sizeof p->set.error - 1] = 0;   /* whatever a plugin wrote there */
    p->set.file[sizeof p->set.file - 1] = p->set.hint[sizeof p->set.hint - 1] = 0;
    const sx_where where = p->set.file[0] ? (sx_where){ .file = p->set.file }
                                          : sx_conf_where(a, sx_conf_member(e->root, "dataset"));
    if (bad) {
        bad = bad < 0 ? bad : SX_E_DATA;
        sx_error(d, bad, where, "%s", p->set.error[0] ? p->set.error : "the data set could not be opened");
        if (p->set.hint[0]) sx_hint(d, "%s", p->set.hint);
        return bad;
    }
    sx_arena_defer(a, close_part, p);
    if (which == SX_PART_TEST && !p->set.count) return 0;
    bad = check_set(&p->set, where, d);
    if (!bad && e->data.limit > 0 && e->data.limit < p->set.count) p->set.count = e->data.limit;
    return bad;
}

static int check_alike(const sx_exp *e, const sx_set *train, const sx_set *test, sx_arena *a, sx_diags *d)
{
    const bool same = train->rank == test->rank && train->dtype == test->dtype
                   && !memcmp(train->shape, test->shape, (size_t)train->rank * sizeof *train->shape);
    if (same) return 0;
    return sx_error(d, SX_E_DATA, sx_conf_where(a, sx_conf_member(e->root, "dataset")),
                    "rows of the test part have another shape than those of the training part");
}

/* --- The table --- */
static int upload(const sx_machine *m, sx_memory *to, size_t at, const void *from, size_t bytes, sx_diags *d)
{
    const int bad = bytes ? m->device->write(m->queue, to->buf, at, from, bytes) : 0;
    return bad ? sx_machine_error(m, bad, d) : 0;
}

/* Rows (and labels) of a part behind those that are there already. */
static int fill_table(sx_data *t, const sx_machine *m, long from, long count, const void *x, const int32_t *y,
                      sx_diags *d)
{
    if (!m) return 0;
    const size_t each = row_bytes(&t->shape);
    const int bad = upload(m, t->x, (size_t)from * each, x, (size_t)count * each, d);
    return bad ? bad : upload(m, t->y, (size_t)from * sizeof *y, y, (size_t)count * sizeof *y, d);
}

static sx_data *new_table(sx_arena *a, const sx_data_shape *s)
{
    sx_data *t = SX_NEW(a, sx_data);
    t->shape = *s;
    t->label = sx_alloc_array(a, (size_t)s->rows + 1, sizeof *t->label);
    t->fit = sx_alloc_array(a, (size_t)s->fit + 1, sizeof *t->fit);
    t->val = sx_alloc_array(a, (size_t)s->val + 1, sizeof *t->val);
    t->test = sx_alloc_array(a, (size_t)s->test + 1, sizeof *t->test);
    return t;
}

static int table_memory(sx_arena *a, sx_data *t, const sx_machine *m, sx_diags *d)
{
    if (!m) return 0;
    const size_t rows = (size_t)t->shape.rows;
    const int bad = sx_memory_open(a, m, rows * row_bytes(&t->shape), &t->x, d);
    return bad ? bad : sx_memory_open(a, m, rows * sizeof *t->label, &t->y, d);
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

static const char *const *copy_names(sx_arena *a, const sx_set *s)
{
    if (!s->names) return NULL;
    const char **name = sx_alloc_array(a, (size_t)s->classes, sizeof *name);
    for (long i = 0; i < s->classes; i++) name[i] = sx_strdup(a, s->names[i]);
    return name;
}

static int build(sx_arena *a, const sx_exp *e, const sx_machine *m, const sx_set *train, const sx_set *test,
                 sx_data **out, sx_diags *d)
{
    const long classes = test && test->classes > train->classes ? test->classes : train->classes;
    sx_data_shape s = { .rows = train->count, .classes = classes, .rank = train->rank,
                        .dtype = train->dtype };
    memcpy(s.shape, train->shape, sizeof s.shape);
    s.val = sx_data_val_rows(e, train->count);
    s.fit = train->count - s.val;
    s.test = test ? test->count : 0;
    s.rows += s.test;
    sx_data *t = *out = new_table(a, &s);
    t->names = copy_names(a, test && test->classes == classes ? test : train);
    int32_t *label = (int32_t *)(uintptr_t)t->label;
    memcpy(label, train->y, (size_t)train->count * sizeof *label);
    if (test) memcpy(label + train->count, test->y, (size_t)test->count * sizeof *label);
    split(a, t, e->data.split_seed);
    int bad = table_memory(a, t, m, d);
    if (!bad) bad = fill_table(t, m, 0, train->count, train->x, train->y, d);
    if (!bad && test) bad = fill_table(t, m, train->count, test->count, test->x, test->y, d);
    return bad;
}

int sx_data_open(sx_arena *a, const sx_exp *e, const sx_machine *m, bool want_test, sx_data **out,
                 sx_diags *d)
{
    sx_arena *own = sx_arena_open(NULL); /* the plugin's copy is not needed once the device has its own */
    sx_set *train, *test = NULL;
    int bad = open_part(own, e, SX_PART_TRAIN, &train, d);
    if (!bad && train->count < 1)
        bad = sx_error(d, SX_E_DATA, SX_NOWHERE, "the data set has no training rows");
    if (!bad && want_test) bad = open_part(own, e, SX_PART_TEST, &test, d);
    if (!bad && test && !test->count) test = NULL;
    if (!bad && test) bad = check_alike(e, train, test, own, d);
    if (!bad) bad = build(a, e, m, train, test, out, d);
    sx_arena_close(own);
    return bad;
}

/* --- Tables without files --- */
int sx_data_given(sx_arena *a, const sx_machine *m, const sx_data_shape *s, const void *x, const int32_t *y,
                  sx_data **out, sx_diags *d)
{
    sx_data *t = *out = new_table(a, s);
    int32_t *to[] = { t->fit, t->val, t->test };
    const long n[] = { s->fit, s->val, s->test };
    int32_t row = 0;
    for (int i = 0; i < 3; i++) for (long j = 0; j < n[i]; j++) to[i][j] = row++;
    if (y) memcpy((int32_t *)(uintptr_t)t->label, y, (size_t)s->rows * sizeof *y);
    const int bad = table_memory(a, t, m, d);
    return bad ? bad : fill_table(t, m, 0, s->rows, x, t->label, d);
}

int sx_data_random(sx_arena *a, const sx_machine *m, const sx_data_shape *s, sx_data **out, sx_diags *d)
{
    const size_t bytes = (size_t)s->rows * row_bytes(s);
    unsigned char *x = malloc(bytes);
    int32_t *y = malloc((size_t)s->rows * sizeof *y);
    if (!x || !y) {
        free(x);
        free(y);
        return sx_error(d, SX_E_MEMORY, SX_NOWHERE, "no memory for %zu bytes of random rows", bytes);
    }
    const sx_key key = sx_key_of(0, 0, "random rows");
    uint32_t w[4];
    for (size_t i = 0; i < bytes; i++) {
        const uint32_t counter[4] = { (uint32_t)(i / 16), (uint32_t)(i / 16 >> 32), 0, 0 };
        if (i % 16 == 0) sx_philox(counter, key.v, w);
        x[i] = (unsigned char)(w[i % 16 / 4] >> 8 * (i % 4));
    }
    for (long i = 0; i < s->rows; i++) y[i] = (int32_t)(i % s->classes);
    if (s->dtype == SX_F32) sx_uniform_fill(key, 1, 0, (long)(bytes / sizeof(float)), (float *)(void *)x);
    const int bad = sx_data_given(a, m, s, x, y, out, d);
    free(x);
    free(y);
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
