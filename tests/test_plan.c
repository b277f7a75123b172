/* test_plan.c: order, liveness and places of a plan; devices that plan wrongly are found out. */
#include "graph_help.h"
#include "plan.h"

TestSuite(plan, .fini = close_graphs);
SX_MAP1(twice, 2 * x, 2);
SX_MAP1(next, x + 1, 1);

static sx_plan *plan_of(sx_graph *g)
{
    sx_plan *p = NULL;
    cr_assert_eq(sx_plan_open(arena, g, NULL, NULL, false, &p, &diags), 0, "%s",
                 diags.n ? diags.v[0].text : "");
    return p;
}

static uint32_t ops_of(const sx_plan *p)
{
    uint32_t n;
    sx_plan_ops(p, &n);
    return n;
}

static sx_place at(const sx_plan *p, sx_t t) { return sx_plan_place(p, (sx_value){ t.id }); }

/* --- Liveness --- */
Test(plan, dead_code_goes)
{
    sx_graph *g = new_graph(false, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(8)), y = sx_map1(g, &twice, x, NULL);
    sx_map1(g, &next, sx_map1(g, &next, y, NULL), NULL);
    const sx_t unused = batch_of(g, "unused", SX_SHAPE(8));
    sx_graph_result(g, y, "y");
    const sx_plan *p = plan_of(g);
    cr_expect_eq(ops_of(p), 1);
    cr_expect_eq(sx_plan_slab(p), 0);
    cr_expect(sx_plan_wants(p, (sx_value){ x.id }) && sx_plan_wants(p, (sx_value){ y.id }));
    cr_expect_not(sx_plan_wants(p, (sx_value){ unused.id }));
    cr_expect_eq(sx_plan_bound(p, SX_ROLE_INPUT), 128);
    cr_expect_eq(sx_plan_readers(p, (sx_value){ x.id }), 1);
    cr_expect_eq(sx_plan_maker(p, (sx_value){ x.id }), -1);
    cr_expect_eq(sx_plan_maker(p, (sx_value){ y.id }), 0);
}

Test(plan, chain_in_place_needs_one_value)
{
    sx_graph *g = new_graph(false, 4);
    sx_t y = batch_of(g, "x", SX_SHAPE(256));
    for (int i = 0; i < 10; i++) y = sx_map1(g, &next, y, NULL);
    sx_graph_result(g, sx_map1(g, &twice, y, NULL), "y");
    cr_expect_eq(sx_plan_slab(plan_of(g)), 4096);
}

Test(plan, chain_without_in_place_needs_two)
{
    sx_graph *g = new_graph(false, 4);
    sx_t y = batch_of(g, "x", SX_SHAPE(16, 16));
    for (int i = 0; i < 10; i++) y = sx_permute(g, y, (const int[]){ 0, 2, 1 });
    sx_graph_result(g, sx_map1(g, &twice, y, NULL), "y");
    cr_expect_eq(sx_plan_slab(plan_of(g)), 2 * 4096);
}

Test(plan, a_value_read_again_stays)
{
    sx_graph *g = new_graph(false, 4);
    const sx_t a = sx_map1(g, &next, batch_of(g, "x", SX_SHAPE(256)), NULL), b = sx_map1(g, &twice, a, NULL);
    const sx_t c = sx_map1(g, &twice, b, NULL), y = sx_add(g, c, a);
    sx_graph_result(g, y, "y");
    const sx_plan *p = plan_of(g);
    cr_expect_eq(sx_plan_slab(p), 2 * 4096);
    cr_expect_neq(at(p, a).offset, at(p, b).offset);
    cr_expect_eq(at(p, b).offset, at(p, c).offset);
    cr_expect_not(at(p, y).slab);
}

Test(plan, broadcast_input_is_not_overwritten)
{
    sx_graph *g = new_graph(false, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(4, 4));
    const sx_t row = sx_map1(g, &next, sx_constant(g, 1, SX_SHAPE(1, 1, 1, 16)), NULL);
    const sx_t wide = sx_add(g, sx_reshape(g, row, SX_SHAPE(1, 1, 16)),
                             sx_map1(g, &next, sx_reshape(g, x, SX_SHAPE(1, 16)), NULL));
    sx_graph_result(g, sx_map1(g, &twice, wide, NULL), "y");
    const sx_plan *p = plan_of(g);
    cr_expect_neq(at(p, row).offset, at(p, wide).offset);
    cr_expect_eq(at(p, sx_graph_root(g, row)).bytes, 64);
}

Test(plan, aliases_lie_on_their_root)
{
    sx_graph *g = new_graph(false, 4);
    const sx_t a = sx_map1(g, &next, batch_of(g, "x", SX_SHAPE(6)), NULL),
        b = sx_stop(g, sx_reshape(g, a, SX_SHAPE(2, 3)));
    sx_graph_result(g, sx_permute(g, b, (const int[]){ 0, 2, 1 }), "y");
    const sx_plan *p = plan_of(g);
    cr_expect_eq(ops_of(p), 2);
    cr_expect_eq(sx_plan_root(p, (sx_value){ b.id }).id, a.id);
    cr_expect_eq(sx_plan_readers(p, (sx_value){ a.id }), 1);
    cr_expect_eq(at(p, b).offset, at(p, a).offset);
    cr_expect_eq(at(p, b).rank, 3);
}

Test(plan, result_behind_an_alias_is_bound)
{
    sx_graph *g = new_graph(false, 4);
    const sx_t a = sx_map1(g, &next, batch_of(g, "x", SX_SHAPE(6)), NULL),
        b = sx_reshape(g, a, SX_SHAPE(2, 3));
    sx_graph_result(g, b, "y");
    const sx_plan *p = plan_of(g);
    cr_expect(sx_plan_wants(p, (sx_value){ a.id }));
    cr_expect_not(at(p, b).slab);
    cr_expect_eq(sx_plan_readers(p, (sx_value){ a.id }), 1);
}

/* --- Order of writes --- */
static int64_t place_in_order(const sx_plan *p, uint32_t code, uint32_t target)
{
    uint32_t n;
    const sx_stage *s = sx_plan_stages(p, &n);
    const sx_node *op = sx_plan_ops(p, &n);
    uint32_t stages;
    sx_plan_stages(p, &stages);
    for (uint32_t i = 0; i < stages; i++)
        if (op[s[i].op[0]].op->code == code && (!target || op[s[i].op[0]].in[0].id == target)) return i;
    return -1;
}

Test(plan, old_values_are_read_before_they_are_written)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t s = sx_state(g, "s", SX_SHAPE(4), 0), t = sx_state(g, "t", SX_SHAPE(4), 0),
        x = batch_of(g, "x", SX_SHAPE(4));
    sx_graph_op(g, SX_OP_ADVANCE, 1, &g->step, NULL, 0);
    sx_assign(g, s, t);                          /* a swap */
    sx_assign(g, t, s);
    const sx_t y = sx_mul(g, sx_add(g, x, s), sx_random(g, x, SX_UNIFORM, 0, 1));
    sx_graph_result(g, y, "y");
    const sx_plan *p = plan_of(g);
    uint32_t n;
    sx_plan_stages(p, &n);
    cr_expect_eq(n, 8);
    cr_expect_eq(place_in_order(p, SX_OP_ADVANCE, 0), n - 1);
    const sx_node *op = sx_plan_ops(p, &n);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < i; k++)
            for (int j = 0; j < op[i].inputs && op[k].op->code == SX_OP_ASSIGN; j++)
                cr_expect(op[i].in[j].id != op[k].in[0].id, "%s reads a state after its ASSIGN",
                          op[i].op->name);
}

static void learn(long n, float *w, const float *d, float *const *s, const float *k)
{
    (void)n, (void)w, (void)d, (void)s, (void)k;
}
static const sx_update update = { sizeof(sx_update), 1, "learn", "w -= k[0] * d;", learn };

Test(plan, updates_run_as_early_as_they_may)
{
    sx_graph *g = new_graph(true, 64);
    const long rows[] = { 2, SX_TABLE_WIDTH, 0 }, square[] = { 64, 64, 0 };
    const sx_t table = sx_graph_bound(g, SX_ROLE_INPUT, "table", SX_F32, rows, false);
    sx_t y = batch_of(g, "x", SX_SHAPE(64));
    for (int i = 0; i < 6; i++) {
        const sx_t weight = sx_weight(g, sx_format(arena, "w%d", i), square, "zeros");
        y = sx_map1(g, &next, sx_matmul(g, y, weight, 0), NULL);
    }
    const sx_t loss = sx_reduce(g, y, SX_SUM_SQUARES, 3);
    sx_t *w, *d;
    long n;
    cr_assert_eq(sx_grad(g, loss, 1, &n, &w, &d), 0);
    for (long i = 0; i < n; i++) {
        const char *name = sx_format(arena, "slot%ld", i);
        const sx_t slot = sx_graph_bound(g, SX_ROLE_SLOT, name, SX_F32, square, false);
        const sx_learn learning = { &update, 1, 0, 2 };
        const sx_t in[] = { w[i], d[i], table, g->step, slot };
        sx_graph_op(g, SX_OP_UPDATE, 5, in, &learning, sizeof learning);
    }
    sx_graph_op(g, SX_OP_ADVANCE, 1, &g->step, NULL, 0);
    const sx_plan *p = plan_of(g);
    for (long i = 0; i + 1 < n; i++)
        cr_expect_gt(place_in_order(p, SX_OP_UPDATE, w[i].id), place_in_order(p, SX_OP_UPDATE, w[i + 1].id));
    /* six inputs, not six gradients as well */
    cr_expect_leq(sx_plan_slab(p), (size_t)9 * 64 * 64 * 4);
    cr_expect_eq(sx_plan_bound(p, SX_ROLE_WEIGHT), (size_t)6 * 64 * 64 * 4);
    cr_expect_eq(sx_plan_bound(p, SX_ROLE_SLOT), (size_t)6 * 64 * 64 * 4);
}

Test(plan, an_average_of_new_weights_reads_them)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t table = sx_graph_bound(g, SX_ROLE_INPUT, "table", SX_F32, (const long[]){ 2, 16, 0 }, false);
    const sx_t w = sx_weight(g, "w", SX_SHAPE(4), "zeros"), mean = sx_state(g, "mean", SX_SHAPE(4), 0);
    const sx_t slot = sx_graph_bound(g, SX_ROLE_SLOT, "slot", SX_F32, (const long[]){ 4, 0 }, false);
    const sx_t other = sx_graph_bound(g, SX_ROLE_SLOT, "other", SX_F32, (const long[]){ 4, 0 }, false);
    const sx_learn l = { &update, 1, 0, 2 };
    const sx_t d = sx_map1(g, &next, sx_map1(g, &next, sx_constant(g, 1, SX_SHAPE(4)), NULL), NULL);
    sx_graph_op(g, SX_OP_UPDATE, 5, (sx_t[]){ w, d, table, g->step, slot }, &l, sizeof l);
    sx_graph_op(g, SX_OP_UPDATE, 5, (sx_t[]){ mean, w, table, g->step, other }, &l, sizeof l);
    const sx_plan *p = plan_of(g);
    cr_expect_gt(place_in_order(p, SX_OP_UPDATE, mean.id), place_in_order(p, SX_OP_UPDATE, w.id));
}

/* --- A property of 200 random graphs: who is alive has its bytes alone, and what is read was written --- */
static uint64_t state = 88172645463325252u;
static long dice(long n)
{
    state ^= state << 13; state ^= state >> 7; state ^= state << 17;
    return (long)(state % (uint64_t)n);
}

static sx_t some_op(sx_graph *g, const sx_t *v, long n)
{
    const sx_t x = v[dice(n)], z = v[dice(n)];
    const long c = sx_dim(g, x, -1);
    switch (dice(7)) {
    case 0: return sx_map1(g, &next, x, NULL);
    case 1: return sx_dim(g, z, -1) == c || sx_dim(g, z, -1) == 1 || c == 1 ? sx_add(g, x, z) : sx_stop(g, x);
    case 2: return sx_softmax(g, x);
    case 3: return sx_concat(g, 2, (const sx_t[]){ x, z }, 1);
    case 4: return sx_slice(g, x, 1, 0, 1 + dice(c));
    case 5: return sx_matmul(g, x, sx_weight(g, sx_format(arena, "w%ld.%ld", n, c), SX_SHAPE(c, 1 + dice(90)),
                                             "zeros"), 0);
    default: return sx_reshape(g, sx_reshape(g, x, SX_SHAPE(c, 1)), SX_SHAPE(c));
    }
}

static sx_graph *random_graph(void)
{
    sx_graph *g = new_graph(true, 1 + dice(20));
    sx_t v[60];
    long n = 0;
    v[n++] = batch_of(g, "x", SX_SHAPE(1 + dice(40)));
    for (const long end = 5 + dice(50); n < end; n++) {
        v[n] = some_op(g, v, n);
        if (sx_dim(g, v[n], -1) > 4000) v[n] = sx_slice(g, v[n], 1, 0, 10);
    }
    sx_graph_result(g, sx_map1(g, &twice, v[n - 1], NULL), "y");
    const sx_t s = sx_state(g, "s", SX_SHAPE(1, sx_dim(g, v[n / 2], 1)), 0);
    sx_assign(g, s, sx_reduce(g, sx_add(g, v[n / 2], s), SX_SUM, 1));
    cr_assert_eq(diags.errors, 0, "%s", diags.n ? diags.v[0].text : "");
    return g;
}

struct life { size_t from, to; uint32_t first, last; bool read_in_last; };

static void check_plan(const sx_plan *p)
{
    uint32_t stages, ops;
    const sx_stage *s = sx_plan_stages(p, &stages);
    const sx_node *op = sx_plan_ops(p, &ops);
    struct life *life = sx_alloc_array(arena, 4000, sizeof *life);
    uint32_t *made = sx_alloc_array(arena, 4000, sizeof *made), lives = 0;
    for (uint32_t i = 0; i < stages; i++) {
        for (int j = 0; j < s[i].reads; j++) {
            const uint32_t on = sx_plan_root(p, s[i].in[j]).id;
            const bool bound = sx_plan_maker(p, s[i].in[j]) < 0 && !sx_plan_place(p, s[i].in[j]).slab;
            cr_assert(bound || made[on], "stage %u reads %u, which nobody wrote before", i, on);
            if (made[on]) life[made[on] - 1].last = i;
        }
        for (int j = 0; j < s[i].writes; j++) {
            const sx_place a = sx_plan_place(p, s[i].out[j]);
            if (!a.slab) continue;
            cr_assert_eq(a.offset % 64, 0);
            cr_assert_leq(a.offset + a.bytes, sx_plan_slab(p));
            life[lives++] = (struct life){ a.offset, a.offset + a.bytes, i, i, false };
            made[sx_plan_root(p, s[i].out[j]).id] = lives;
        }
        if (s[i].scratch)
            life[lives++] = (struct life){ s[i].scratch_at, s[i].scratch_at + s[i].scratch, i, i, false };
    }
    for (uint32_t a = 0; a < lives; a++)
        for (uint32_t b = 0; b < a; b++) {
            const bool apart = life[a].from >= life[b].to || life[b].from >= life[a].to;
            /* in place: b dies in the very stage that writes a, at the same offset */
            const bool over = life[b].last == life[a].first && life[b].from == life[a].from &&
                life[b].to == life[a].to;
            cr_assert(apart || over || life[a].first > life[b].last || life[b].first > life[a].last,
                      "two live values overlap");
        }
    (void)op;
}

Test(plan, no_two_live_values_overlap)
{
    for (int i = 0; i < 200; i++) {
        check_plan(plan_of(random_graph()));
        close_graphs();
    }
}

/* --- Devices --- */
static int (*lie)(sx_plan *p);
static const char *lacks;
static bool fake_supports(sx_dev *dev, const sx_plan *p, const sx_node *op)
{
    (void)dev, (void)p;
    return !lacks || strcmp(lacks, op->op->name) != 0;
}
static int fake_lower(sx_dev *dev, sx_plan *p) { (void)dev; return lie ? lie(p) : 0; }
static const char *fake_error(void) { return "no such trick"; }
static const sx_device fake = { .kind = SX_KIND_DEVICE, .name = "fake", .supports = fake_supports,
                                .lower = fake_lower, .last_error = fake_error };

/* x -> conv -> relu-like map -> map -> result, with an ASSIGN of its sums */
static sx_value c, m, y, st;
static sx_graph *small_graph(void)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(6, 6, 1)), w = sx_weight(g, "w", SX_SHAPE(2, 3, 3, 1), "zeros");
    const sx_t conv = sx_conv2d(g, x, w, &(sx_window){ .size = { 3, 3 } });
    const sx_t map = sx_map1(g, &next, conv, NULL);
    const sx_t s = sx_state(g, "s", SX_SHAPE(1, 1, 1, 2), 0), end = sx_map1(g, &twice, map, NULL);
    sx_assign(g, s, sx_reduce(g, map, SX_SUM, 7));
    sx_graph_result(g, end, "y");
    c.id = conv.id; m.id = map.id; y.id = end.id; st.id = s.id;
    return g;
}

static int open_fake(sx_plan **p)
{
    const sx_graph *g = small_graph();
    return sx_plan_open(arena, g, &fake, (sx_dev *)(void *)arena, true, p, &diags);
}

static sx_value kept;
static int good(sx_plan *p)
{
    const uint32_t op[2] = { 0, 1 };
    uint32_t n, found[16];
    const sx_node *ops = sx_plan_ops(p, &n);
    cr_assert_eq(sx_plan_match(p, 0, "conv2d map:add? map:next", found), 2);
    cr_assert(found[0] == 0 && found[1] == UINT32_MAX && found[2] == 1);
    cr_assert_eq(sx_plan_match(p, 0, "conv2d map:next map:twice", found), 0);       /* map has two readers */
    cr_assert_eq(sx_plan_match(p, 0, "conv2d softmax", found), 0);
    cr_assert_eq(sx_plan_match(p, 0, "conv2d map:ne", found), 0);
    const sx_value side = sx_plan_side(p, 1000);
    cr_assert_eq(sx_plan_resize(p, m, 4096), 0);
    kept = sx_plan_kept(p, 500);
    cr_assert_eq(sx_plan_stage(p, 2, op, 2, ops[0].in, 2, (const sx_value[]){ m, side }, 777, "own"), 0);
    return sx_plan_stage(p, 1, &(uint32_t){ 3 }, 1, &side, 1, &ops[3].out, 0, NULL);
}

/* What is kept shares its place with nothing. */
static void keeps_clear(const sx_plan *p)
{
    const sx_place k = sx_plan_place(p, kept);
    cr_assert(k.slab && k.bytes == 500);
    for (uint32_t id = 1; id < kept.id; id++) {
        const sx_place v = sx_plan_place(p, (sx_value){ id });
        cr_expect(!v.slab || v.offset + v.bytes <= k.offset || k.offset + k.bytes <= v.offset,
                  "value %u lies there", id);
    }
}

Test(plan, a_device_may_fuse)
{
    sx_plan *p;
    uint32_t n;
    lie = good;
    cr_assert_eq(open_fake(&p), 0, "%s", diags.n ? diags.v[0].text : "");
    const sx_stage *s = sx_plan_stages(p, &n);
    cr_expect_eq(n, 4);                          /* fused, twice, reduce, assign */
    cr_expect_eq(s[0].ops, 2);
    cr_expect_str_eq(s[0].own, "own");
    cr_expect_eq(sx_plan_place(p, m).bytes, 4096);
    cr_expect_eq(sx_plan_bytes(p, c, NULL, NULL), 4 * 4 * 4 * 2 * 4);
    cr_expect_geq(sx_plan_slab(p), 4096 + 1000 + 777 + 500);
    keeps_clear(p);
    check_plan(p);
}

/* Covers random runs of ops; what the run alone reads is never stored. */
static int fuse_some(sx_plan *p)
{
    uint32_t n;
    const sx_node *op = sx_plan_ops(p, &n);
    for (uint32_t at = 0, end; at < n; at = end) {
        sx_value in[200], out[200];
        uint32_t covered[12];
        int reads = 0, writes = 0, ops = 0;
        end = at + 1 + (uint32_t)dice(6);
        if (end > n) end = n;
        if (dice(3) == 0) continue;              /* left to the core */
        for (uint32_t i = at; i < end; i++) {
            covered[ops++] = i;
            for (int j = 0; j < op[i].inputs; j++)
                if (sx_plan_maker(p, op[i].in[j]) < (int64_t)at) in[reads++] = op[i].in[j];
            bool outside = !op[i].out.id || !sx_plan_place(p, op[i].out).slab;
            for (uint32_t k = end; op[i].out.id && k < n; k++)
                for (int j = 0; j < op[k].inputs; j++)
                    outside |= sx_plan_root(p, op[k].in[j]).id == op[i].out.id;
            if (outside) out[writes++] = op[i].out.id ? op[i].out : op[i].in[0];
        }
        sx_plan_stage(p, ops, covered, reads, in, writes, out, (size_t)dice(5000), "own");
    }
    return 0;
}

Test(plan, random_fusion_keeps_values_apart)
{
    lie = fuse_some;
    for (int i = 0; i < 200; i++) {
        sx_plan *p, *plain;
        const sx_graph *g = random_graph();
        cr_assert_eq(sx_plan_open(arena, g, &fake, (sx_dev *)(void *)arena, true, &p, &diags), 0, "%s",
                     diags.n ? diags.v[0].text : "");
        check_plan(p);
        cr_assert_eq(sx_plan_open(arena, g, &fake, (sx_dev *)(void *)arena, false, &plain, &diags), 0);
        check_plan(plain);
        close_graphs();
    }
}

/* The op that reads the state runs late, in one stage with the last map. */
static int reads_late(sx_plan *p)
{
    uint32_t n, late[2] = { UINT32_MAX, UINT32_MAX };
    const sx_node *op = sx_plan_ops(p, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (op[i].map == &twice) late[0] = i;
        if (op[i].map == &next) late[1] = i;
    }
    const sx_value in[] = { op[late[0]].in[0], op[late[1]].in[0] };
    return sx_plan_stage(p, 2, late, 2, in, 2, (sx_value[]){ op[late[0]].out, op[late[1]].out }, 0, "own");
}

Test(plan, a_late_stage_still_reads_the_old_state)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(4)), s = sx_state(g, "s", SX_SHAPE(4), 0);
    sx_graph_result(g, sx_map1(g, &twice, s, NULL), "old");
    sx_assign(g, s, sx_constant(g, 3, SX_SHAPE(4)));
    sx_graph_result(g, sx_map1(g, &next, sx_softmax(g, x), NULL), "y");
    sx_plan *p;
    uint32_t n;
    lie = reads_late;
    cr_assert_eq(sx_plan_open(arena, g, &fake, (sx_dev *)(void *)arena, true, &p, &diags), 0);
    const sx_stage *stage = sx_plan_stages(p, &n);
    cr_assert_eq(n, 4);
    cr_expect_eq(stage[2].ops, 2);
    cr_expect_eq(place_in_order(p, SX_OP_ASSIGN, s.id), 3);
}

static int covers_nothing(sx_plan *p)
{
    return sx_plan_stage(p, 1, &(uint32_t){ 99 }, 0, NULL, 0, NULL, 0, NULL) * 0;
}
static int reads_unwritten(sx_plan *p)
{
    const sx_value side = sx_plan_side(p, 64);
    return sx_plan_stage(p, 1, &(uint32_t){ 2 }, 1, &side, 1, &y, 0, NULL);
}
static int writes_twice(sx_plan *p)
{
    const uint32_t op = 1;
    sx_plan_stage(p, 1, &op, 1, &c, 1, &m, 0, NULL);
    return sx_plan_stage(p, 1, &op, 1, &c, 1, &m, 0, NULL);
}
static int waits_for_itself(sx_plan *p)
{
    sx_plan_stage(p, 1, (uint32_t[]){ 0 }, 1, &m, 1, &c, 0, NULL);
    return sx_plan_stage(p, 1, (uint32_t[]){ 1 }, 1, &c, 1, &m, 0, NULL);
}
static int writes_weights(sx_plan *p)
{
    uint32_t n;
    return sx_plan_stage(p, 1, (uint32_t[]){ 0 }, 0, NULL, 1, &sx_plan_ops(p, &n)[0].in[1], 0, NULL);
}
static int assigns_twice(sx_plan *p)
{
    uint32_t n, op = 0;
    const sx_node *ops = sx_plan_ops(p, &n);
    while (ops[op].op->code != SX_OP_ASSIGN) op++;
    sx_plan_stage(p, 1, &op, 1, &ops[op].in[1], 1, &st, 0, NULL);
    return sx_plan_stage(p, 1, &op, 1, &ops[op].in[1], 1, &st, 0, NULL);
}
static int resizes_weights(sx_plan *p)
{
    uint32_t n;
    return sx_plan_resize(p, sx_plan_ops(p, &n)[0].in[1], 4) * 0;
}
static int reads_its_own(sx_plan *p) { return sx_plan_stage(p, 1, (uint32_t[]){ 1 }, 1, &m, 1, &m, 0, NULL); }
static int gives_up(sx_plan *p) { (void)p; return SX_E_DEVICE; }

Test(plan, a_device_that_lies_is_refused)
{
    const struct { int (*lie)(sx_plan *); const char *text; } lies[] = {
        { covers_nothing, "device 'fake' made a wrong plan: it covers an op that does not exist" },
        { reads_unwritten,
          "device 'fake' made a wrong plan: a stage reads side value 9, which no stage writes" },
        { writes_twice, "device 'fake' made a wrong plan: two stages write value 5 (map)" },
        { waits_for_itself, "device 'fake' made a wrong plan: its stages wait for each other in a circle" },
        { writes_weights, "device 'fake' made a wrong plan: a stage writes 'w', which no op of it does" },
        { assigns_twice, "device 'fake' made a wrong plan: two stages do assign of 's'" },
        { resizes_weights, "device 'fake' made a wrong plan: it resizes a value that is not in the slab" },
        { reads_its_own,
          "device 'fake' made a wrong plan: a stage reads value 5 (map), which it writes itself" },
        { gives_up, "device 'fake' cannot plan this step: no such trick" },
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        sx_plan *p;
        lie = lies[i].lie;
        cr_expect_eq(open_fake(&p), SX_E_DEVICE);
        cr_assert_eq(diags.n, 1);
        cr_expect_str_eq(diags.v[0].text, lies[i].text);
        close_graphs();
    }
}

Test(plan, a_missing_op_is_told_at_its_layer)
{
    sx_graph *g = new_graph(true, 4);
    const sx_t x = batch_of(g, "x", SX_SHAPE(6, 6, 1));
    const sx_conf conf = { .kind = SX_CONF_GROUP, .file = "m.cfg", .line = 7 };
    sx_graph_enter(g, &(sx_layer_context){ .path = "blocks.0.conv", .conf = &conf, .type = "conv2d",
                                           .inputs = 1, .in = &x, .training = true, .lr_scale = 1 });
    const sx_t out = sx_conv2d(g, x, sx_weight(g, "kernel", SX_SHAPE(2, 3, 3, 1), "zeros"),
                               &(sx_window){ .size = { 3, 3 } });
    sx_graph_leave(g, NULL, NULL, x, out);
    long n;
    sx_t *w, *d;
    cr_assert_eq(sx_grad(g, sx_reduce(g, out, SX_SUM, 0xf), 1, &n, &w, &d), 0);
    sx_graph_result(g, d[0], "d");
    lacks = "conv2d_bwd_w";
    sx_plan *p;
    cr_expect_eq(sx_plan_open(arena, g, &fake, (sx_dev *)(void *)arena, true, &p, &diags), SX_E_UNSUPPORTED);
    cr_assert_eq(diags.n, 1);
    cr_expect_str_eq(diags.v[0].text, "conv2d needs op 'conv2d_bwd_w', which device 'fake' does not have");
    cr_expect_str_eq(diags.v[0].where.file, "m.cfg");
    cr_expect_eq(diags.v[0].where.line, 7);
}
