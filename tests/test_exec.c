/* test_exec.c: machines, memory and programs on the null device, and a small program on the CPU. */
#include "exec.h"
#include "graph_help.h"

TestSuite(exec, .fini = close_graphs);
SX_MAP1(next, x + k[0], 1);

static int open_machine(const char *spec, sx_machine **m)
{
    if (!arena) arena = sx_arena_open(NULL);
    sx_diags_init(&diags, arena);
    return sx_machine_open(arena, sx_registry_open(arena, NULL), spec, 1, m, &diags);
}

Test(exec, machines_by_name_and_number)
{
    sx_machine *m = NULL;
    cr_assert_eq(open_machine("null", &m), 0, "%s", diags.n ? diags.v[0].text : "");
    cr_expect_str_eq(m->name, "null");
    cr_expect_eq(m->info.units, 1);
    cr_expect_eq(open_machine("null:0", &m), 0);
}

Test(exec, wrong_machines_are_refused)
{
    const struct { const char *spec; int code; const char *text; } wrong[] = {
        { "null:1", SX_E_DEVICE, "there is no device 'null:1': 1 found" },
        { "null:99999999999999999999", SX_E_USAGE, "device 'null:99999999999999999999' is no name:number" },
        { "null:x", SX_E_USAGE, "device 'null:x' is no name:number" },
        { "null:-1", SX_E_USAGE, "device 'null:-1' is no name:number" },
        { "null:", SX_E_USAGE, "device 'null:' is no name or name:number" },
        { "", SX_E_USAGE, "device '' is no name or name:number" },
        { ":0", SX_E_USAGE, "device ':0' is no name or name:number" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        sx_machine *m = NULL;
        cr_expect_eq(open_machine(wrong[i].spec, &m), wrong[i].code);
        cr_expect_null(m);
        cr_assert_eq(diags.n, 1);
        cr_expect_str_eq(diags.v[0].text, wrong[i].text);
    }
    sx_machine *m;
    cr_expect_lt(open_machine("warp", &m), 0);
    cr_expect_eq(diags.n, 1);
}

Test(exec, memory_that_is_not_there)
{
    sx_machine *m;
    sx_memory *big;
    cr_assert_eq(open_machine("null", &m), 0);
    cr_expect_eq(sx_memory_open(arena, m, (size_t)3 << 40, &big, &diags), SX_E_MEMORY);
    cr_expect_str_eq(diags.v[0].text, "device 'null' has no room for 3145728.0 MiB");
    for (int i = 0; i < 100; i++) {              /* what a closed arena took is there again */
        sx_arena *a = sx_arena_open(arena);
        cr_assert_eq(sx_memory_open(a, m, (size_t)1 << 39, &big, &diags), 0);
        sx_arena_close(a);
    }
}

/* y = x + 2, s := s + 1; three runs in one call. */
static void three_runs(const char *spec, float expect, float expect_state)
{
    sx_machine *m;
    sx_memory *mem;
    sx_program *p;
    cr_assert_eq(open_machine(spec, &m), 0, "%s", diags.n ? diags.v[0].text : "");
    sx_graph *g = new_graph(true, 2);
    const sx_t x = batch_of(g, "x", SX_SHAPE(3)), s = sx_state(g, "s", SX_SHAPE(3), 0);
    const sx_t y = sx_reshape(g, sx_map1(g, &next, x, SX_K(2)), SX_SHAPE(1, 3));
    sx_assign(g, s, sx_map1(g, &next, s, SX_K(1)));
    sx_graph_result(g, y, "y");
    cr_assert_eq(sx_program_open(arena, m, g, true, NULL, &p, &diags), 0, "%s",
                 diags.n ? diags.v[0].text : "");
    cr_assert_eq(sx_memory_open(arena, m, 192, &mem, &diags), 0);
    sx_program_bind(p, x, mem, 0);
    sx_program_bind(p, y, mem, 64);
    sx_program_bind(p, s, mem, 128);
    sx_program_bind(p, g->step, mem, 0);         /* nothing reads it: no matter */
    float in[6] = { 1, 2, 3, 4, 5, 6 }, out[6], state[3];
    cr_assert_eq(m->device->write(m->queue, mem->buf, 0, in, sizeof in), 0);
    cr_assert_eq(sx_program_run(p, 3, &diags), 0);
    cr_assert_eq(m->device->read(m->queue, mem->buf, 64, out, sizeof out), 0);
    cr_assert_eq(m->device->read(m->queue, mem->buf, 128, state, sizeof state), 0);
    cr_expect_eq(out[5], expect);
    cr_expect_eq(state[2], expect_state);
}

Test(exec, null_computes_nothing) { three_runs("null", 0, 0); }
Test(exec, cpu_computes) { three_runs("cpu", 8, 3); }

static void unbound(void)
{
    sx_machine *m;
    sx_program *p;
    if (open_machine("null", &m)) return;
    sx_graph *g = new_graph(true, 2);
    sx_graph_result(g, sx_map1(g, &next, batch_of(g, "x", SX_SHAPE(3)), NULL), "y");
    if (sx_program_open(arena, m, g, true, NULL, &p, &diags)) return;
    sx_program_run(p, 1, &diags);
}
Test(exec, an_unbound_value_is_our_mistake, .signal = 6) { unbound(); }
