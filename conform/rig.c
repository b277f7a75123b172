/* rig.c: runs the ops that a suite wrote: opens the device, gives every bound value a buffer of its own.
 * What the core does for a net (one flat buffer a kind) would hide here what is wrong. */
#include "rig.h"

rig *rig_open(conform *c, bool training, long batch)
{
    sx_arena *a = sx_arena_open(c->arena);
    rig *r = SX_NEW(a, rig);
    r->a = a;
    sx_diags_init(&r->d, a);
    r->g = sx_graph_open(
        a, &(sx_graph_want){ .training = training, .compute = SX_F32, .batch = batch, .seed = 1 }, &r->d);
    return r;
}

void rig_close(rig *r) { sx_arena_close(r->a); }

void rig_numbers(const char *purpose, double low, double high, long n, float *out)
{
    sx_uniform_fill(sx_key_of(1, 0, purpose), 0, 0, n, out);
    for (long i = 0; i < n; i++) out[i] = (float)(low + (high - low) * (double)out[i]);
}

void rig_write(rig *r, sx_t t, const void *from)
{
    const sx_memory *m = r->memory[t.id - 1];
    if (m &&
        r->machine->device->write(r->machine->queue, m->buf, 0, from, sx_val_bytes(sx_graph_val(r->g, t))))
        SX_BUG("writing to the device failed: %s", r->machine->device->last_error());
}

void rig_result(rig *r, sx_t t, const char *name)
{
    const sx_val *v = sx_graph_val(r->g, sx_graph_root(r->g, t));
    if (v && v->role == SX_ROLE_TEMP) sx_graph_result(r->g, t, name);
}

float *rig_read(rig *r, sx_t t)
{
    const sx_t root = sx_graph_root(r->g, t);
    const sx_memory *m = root.id ? r->memory[root.id - 1] : NULL;
    const sx_val *v = sx_graph_val(r->g, root);
    float *out = m ? sx_alloc(r->a, sx_val_bytes(v)) : NULL;
    if (out && r->machine->device->read(r->machine->queue, m->buf, 0, out, sx_val_bytes(v)))
        SX_BUG("reading from the device failed: %s", r->machine->device->last_error());
    return out;
}

static int bind(rig *r, uint32_t id)
{
    const sx_t t = { id };
    const sx_val *v = sx_graph_val(r->g, t);
    if (v->role == SX_ROLE_TEMP) return 0;
    const int rc = sx_memory_open(r->a, r->machine, sx_val_bytes(v), &r->memory[id - 1], &r->d);
    if (rc) return rc;
    sx_program_bind(r->program, t, r->memory[id - 1], 0);
    if (v->role != SX_ROLE_WEIGHT && v->role != SX_ROLE_STATE) return 0;
    float *start = sx_alloc(r->a, sx_val_bytes(v));
    sx_init_fill(v, 0, sx_val_count(v), start);
    rig_write(r, t, start);
    return 0;
}

int rig_compile(conform *c, rig *r)
{
    sx_machine *m = NULL;
    int rc = sx_machine_open(r->a, c->registry, c->device, c->threads, &m, &r->d);
    if (rc) return rc;
    r->machine = m;
    r->memory = sx_alloc_array(r->a, (size_t)r->g->vals.n, sizeof *r->memory);
    rc = sx_program_open(r->a, m, r->g, true, NULL, &r->program, &r->d);
    for (uint32_t id = 1; !rc && id <= (uint32_t)r->g->vals.n; id++) rc = bind(r, id);
    return rc;
}

int rig_run(rig *r)
{
    const int rc = sx_program_run(r->program, 1, &r->d);
    return rc ? rc : r->machine->device->sync(r->machine->queue);
}
