/* test_data.c: the split, the order of an epoch, tables on the device, and what is said of wrong data. */
#include "train_help.h"

TestSuite(data, .init = bench_begin, .fini = bench_end);

Test(data, order_is_a_permutation_that_depends_on_key_and_epoch)
{
    enum { N = 50, BATCH = 8 };
    int32_t rows[N], one[N + BATCH], two[N + BATCH], seen[3 * N] = { 0 };
    for (int i = 0; i < N; i++) rows[i] = 3 * i;
    const sx_key key = sx_key_of(1, 2, "shuffle");
    cr_assert_eq(sx_data_order(rows, N, BATCH, true, key, 4, false, one), 6);
    for (int i = 0; i < N; i++) seen[one[i]]++;
    for (int i = 0; i < N; i++) cr_assert_eq(seen[3 * i], 1);
    sx_data_order(rows, N, BATCH, true, key, 4, false, two);
    cr_assert_eq(memcmp(one, two, sizeof rows), 0);
    sx_data_order(rows, N, BATCH, true, key, 5, false, two);
    cr_assert_neq(memcmp(one, two, sizeof rows), 0, "the next epoch has another order");
    sx_data_order(rows, N, BATCH, true, sx_key_of(1, 3, "shuffle"), 4, false, two);
    cr_assert_neq(memcmp(one, two, sizeof rows), 0, "another trial has another order");
}

Test(data, order_pads_with_the_first_row)
{
    const int32_t rows[5] = { 9, 8, 7, 6, 5 };
    int32_t order[9];
    cr_assert_eq(sx_data_order(rows, 5, 4, false, (sx_key){ { 0, 0 } }, 0, true, order), 2);
    const int32_t want[8] = { 9, 8, 7, 6, 5, 9, 9, 9 };
    cr_assert_eq(memcmp(order, want, sizeof want), 0);
}

Test(data, split_takes_a_fifth_at_random)
{
    no_errors(bench_exp(SMALL, "epochs = 1;" ADAM), "exp");
    no_errors(bench_net(1, true), "net");
    const sx_data_shape *s = &t.data->shape;
    int seen[TRAIN_ROWS + TEST_ROWS] = { 0 };
    cr_assert(s->val == 40 && s->fit == 160 && s->test == 30 && s->rows == 230 && s->label->classes == 5);
    for (long i = 0; i < s->fit; i++) seen[t.data->fit[i]]++;
    for (long i = 0; i < s->val; i++) seen[t.data->val[i]]++;
    for (long i = 0; i < s->test; i++) seen[t.data->test[i]]++;
    for (int i = 0; i < TRAIN_ROWS + TEST_ROWS; i++) cr_assert_eq(seen[i], 1, "row %d", i);
    for (long i = 1; i < s->val; i++) cr_assert_lt(t.data->val[i - 1], t.data->val[i]);
    cr_assert_lt(t.data->val[5], 160, "not the last fifth");
    cr_assert(t.data->val[39] > 40, "not the first fifth");
    for (long i = 0; i < s->rows; i++)
        cr_assert_eq(t.data->label[0][i], (i < TRAIN_ROWS ? i : i - TRAIN_ROWS) % 5);
    unsigned char x[SIDE * SIDE];
    no_errors(t.machine->device->read(t.machine->queue, t.data->x[0]->buf, TRAIN_ROWS * SIDE * SIDE, x,
                                      sizeof x), "read");
    cr_assert(x[0] == 200 && x[SIDE] == SIDE * 17 % 60, "the test part lies behind the training part");
}

/* Larger than the pieces in which it goes to the device, whose memory the data set gives back meanwhile. */
Test(data, a_table_of_many_pieces_is_whole)
{
    enum { ROWS = 15000 };
    write_part("train", ROWS);
    no_errors(bench_exp(SMALL, "epochs = 1;" ADAM), "exp");
    no_errors(bench_net(1, true), "net");
    unsigned char *x = sx_alloc(t.arena, (size_t)ROWS * SIDE * SIDE);
    no_errors(t.machine->device->read(t.machine->queue, t.data->x[0]->buf, 0, x, (size_t)ROWS * SIDE * SIDE), "read");
    for (int i = 0; i < ROWS; i++)
        for (int p = 0; p < SIDE * SIDE; p++)
            cr_assert_eq(x[i * SIDE * SIDE + p], p / SIDE == i % 5 ? 200 : (i * 31 + p * 17) % 60, "row %d", i);
}

Test(data, copied_rows_go_by_whole_pages)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 4 * page;
    char *x = malloc(n);
    memset(x, 7, n);
    const size_t before = (page - (size_t)(uintptr_t)x % page) % page;
    sx_set_copied(NULL, x + before + 1, page - 2);                   /* no whole page in there */
    for (size_t i = 0; i < n; i++) cr_assert_eq(x[i], 7);
    sx_set_copied(NULL, x + 1, n - 2);
    for (size_t i = 0; i < before; i++) cr_assert_eq(x[i], 7, "byte %zu lies in a page that others share", i);
    cr_assert_eq(x[n - 1], 7);
    cr_assert_eq(x[before], 0, "a page of a private mapping is fresh again");
    free(x);
}

Test(data, missing_file_names_it_and_helps)
{
    no_errors(bench_exp(SMALL, "epochs = 1;" ADAM), "exp");
    unlink(in_dir("train-y"));
    cr_assert_eq(bench_net(1, true), SX_E_DATA);
    cr_assert_str_eq(t.diags.v[0].where.file, in_dir("train-y"));
    cr_assert(t.diags.v[0].hint);
}

Test(data, parts_must_agree)
{
    no_errors(bench_exp(SMALL, "epochs = 1;" ADAM), "exp");
    FILE *f = fopen(in_dir("test-x"), "wb");
    put32(f, 0x803), put32(f, TEST_ROWS), put32(f, 1), put32(f, 1);
    for (int i = 0; i < TEST_ROWS; i++) fputc(0, f);
    fclose(f);
    cr_assert_eq(bench_net(1, true), SX_E_DATA);
    cr_assert(strstr(t.diags.v[0].text, "another shape"));
}
