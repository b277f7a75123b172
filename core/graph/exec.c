/* exec.c: a planned graph on a device: opening the device, its buffers, binding and running. */
#include "exec.h"
#include "param.h"
#include <string.h>

/* --- Devices --- */
static void close_device(void *m_) { const sx_machine *m = m_; m->device->close(m->dev); }
static void free_queue(void *m_) { const sx_machine *m = m_; m->device->queue_free(m->queue); }

int sx_machine_error(const sx_machine *m, int code, sx_diags *d)
{
    const char *words = m->device->last_error();
    code = code == SX_E_MEMORY ? code : SX_E_DEVICE;
    if (!words || !*words) words = sx_error_text(code);
    return sx_error(d, code, SX_NOWHERE, "device '%s': %s", m->name, words);
}

/* "cuda:1" -> "cuda" and 1. */
static int split(sx_arena *a, const char *spec, const char **name, int *index, sx_diags *d)
{
    const char *colon = strchr(spec, ':');
    *name = colon ? sx_strndup(a, spec, (size_t)(colon - spec)) : sx_strdup(a, spec);
    *index = 0;
    for (const char *c = colon ? colon + 1 : ""; *c; c++) {
        if (*c < '0' || *c > '9' || *index > 9999)
            return sx_error(d, SX_E_USAGE, SX_NOWHERE, "device '%s' is no name:number", spec);
        *index = 10 * *index + (*c - '0');
    }
    if (**name && !(colon && !colon[1])) return 0;
    return sx_error(d, SX_E_USAGE, SX_NOWHERE, "device '%s' is no name or name:number", spec);
}

static bool whole(const sx_device *v)
{
    return v->count && v->open && v->close && v->info && v->alloc && v->free && v->queue && v->queue_free &&
           v->write && v->read && v->sync && v->supports && v->compile && v->exe_free && v->run &&
           v->last_error;
}

static int open_unit(sx_arena *a, sx_machine *m, const void *params, int index, sx_diags *d)
{
    const int n = m->device->count();
    if (n < 0) return sx_machine_error(m, SX_E_DEVICE, d);
    if (index >= n)
        return sx_error(d, SX_E_DEVICE, SX_NOWHERE, "there is no device '%s': %d found", m->name, n);
    int code = m->device->open(params, index, &m->dev);
    if (code) return sx_machine_error(m, code, d);
    sx_arena_defer(a, close_device, m);
    m->info.size = sizeof m->info;
    code = m->device->info(m->dev, &m->info);
    if (!code) code = m->device->queue(m->dev, m->threads, &m->queue);
    if (code) return sx_machine_error(m, code, d);
    sx_arena_defer(a, free_queue, m);
    return 0;
}

int sx_machine_open(sx_arena *a, sx_registry *r, const char *spec, int threads, sx_machine **out, sx_diags *d)
{
    const char *name;
    int index;
    int code = split(a, spec, &name, &index, d);
    if (code) return code;
    const sx_entry *e = sx_find(r, SX_KIND_DEVICE, name, SX_NOWHERE, d);
    if (!e) return sx_diags_code(d) ? sx_diags_code(d) : SX_E_PLUGIN;
    sx_machine *m = SX_NEW(a, sx_machine);
    /* A copy: closing needs it, and the registry may be gone by then. */
    m->device = sx_dup(a, e->item, sizeof *m->device);
    m->name = sx_strdup(a, spec);
    m->threads = threads;
    if (!whole(m->device))
        return sx_error(d, SX_E_PLUGIN, SX_NOWHERE,
                        "device plugin '%s' lacks a function that every device needs", name);
    void *params = sx_alloc(a, e->item->params_size);
    code = sx_param_fill(a, e->params, name, NULL, NULL, NULL, params, d);
    if (!code) code = open_unit(a, m, params, index, d);
    if (!code) *out = m;
    return code;
}

/* --- Buffers --- */
static void free_memory(void *m_) { const sx_memory *m = m_; m->machine->device->free(m->buf); }

int sx_memory_open(sx_arena *a, const sx_machine *m, size_t bytes, sx_memory **out, sx_diags *d)
{
    sx_memory *to = SX_NEW(a, sx_memory);
    *to = (sx_memory){ NULL, bytes, m };
    if (m->device->alloc(m->dev, bytes ? bytes : 1, &to->buf)) {
        sx_error(d, SX_E_MEMORY, SX_NOWHERE, "device '%s' has no room for %.1f MiB", m->name,
                 (double)bytes / 0x1p20);
        sx_detail(d, "%s", m->device->last_error());
        return SX_E_MEMORY;
    }
    sx_arena_defer(a, free_memory, to);
    *out = to;
    return 0;
}

int sx_machine_room(const sx_machine *m, const sx_graph *g, bool fuse, sx_room *most, sx_diags *d)
{
    sx_arena *own = sx_arena_open(NULL);
    sx_plan *p;
    const int bad = sx_plan_open(own, g, m ? m->device : NULL, m ? m->dev : NULL, fuse && m, &p, d);
    const size_t slab = bad ? 0 : sx_plan_slab(p), scratch = bad || !m ? 0 : sx_plan_beside(p, m->threads);
    if (slab > most->slab) most->slab = slab;
    if (scratch > most->scratch) most->scratch = scratch;
    sx_arena_close(own);
    return bad;
}

/* --- Programs --- */
struct sx_program {
    const sx_machine *machine; sx_plan *plan; sx_exe *exe;
    sx_bind *bind; int binds;                    /* bind[0]: the slab; buf NULL: not bound yet */
    int *at; long values;                        /* of a value: its place in bind; 0: none */
};

static void free_exe(void *p_) { const sx_program *p = p_; p->machine->device->exe_free(p->exe); }

static void list_binds(sx_arena *a, sx_program *p)
{
    p->values = sx_plan_graph(p->plan)->vals.n;
    p->at = sx_alloc_array(a, (size_t)p->values + 1, sizeof *p->at);
    p->bind = sx_alloc_array(a, (size_t)p->values + 1, sizeof *p->bind);
    p->binds = 1;
    for (uint32_t id = 1; id <= p->values; id++) {
        if (!sx_plan_wants(p->plan, (sx_value){ id })) continue;
        p->bind[p->binds].value.id = id;
        p->at[id] = p->binds++;
    }
}

int sx_program_open(sx_arena *a, const sx_machine *m, const sx_graph *g, bool fuse, sx_memory *slab,
                    sx_program **out, sx_diags *d)
{
    sx_program *p = SX_NEW(a, sx_program);
    p->machine = m;
    int code = sx_plan_open(a, g, m->device, m->dev, fuse, &p->plan, d);
    if (code) return code;
    if (!slab) code = sx_memory_open(a, m, sx_plan_slab(p->plan), &slab, d);
    if (code) return code;
    if (slab->bytes < sx_plan_slab(p->plan))
        SX_BUG("slab of %zu bytes for a plan of %zu", slab->bytes, sx_plan_slab(p->plan));
    code = m->device->compile(m->dev, p->plan, &p->exe);
    if (code) return sx_machine_error(m, code, d);
    sx_arena_defer(a, free_exe, p);
    list_binds(a, p);
    p->bind[0] = (sx_bind){ { 0 }, slab->buf, 0 };
    *out = p;
    return 0;
}

const sx_plan *sx_program_plan(const sx_program *p) { return p->plan; }

void sx_program_bind(sx_program *p, sx_t value, const sx_memory *m, size_t offset)
{
    const sx_value on = sx_plan_root(p->plan, (sx_value){ value.id });
    if (!on.id || on.id > p->values || !p->at[on.id]) return;        /* dead code reads it, or nothing */
    const size_t bytes = sx_plan_bytes(p->plan, on, NULL, NULL);
    if (offset > m->bytes || bytes > m->bytes - offset)
        SX_BUG("value %u (%zu bytes) bound beyond its buffer", on.id, bytes);
    p->bind[p->at[on.id]] = (sx_bind){ on, m->buf, offset };
}

int sx_program_run(sx_program *p, unsigned times, sx_diags *d)
{
    for (int i = 1; i < p->binds; i++)
        if (!p->bind[i].buf)
            SX_BUG("'%s' is not bound", sx_plan_graph(p->plan)->vals.v[p->bind[i].value.id - 1].name);
    const int code = p->machine->device->run(p->exe, p->machine->queue, p->binds, p->bind, times);
    return code ? sx_machine_error(p->machine, code, d) : 0;
}

long sx_program_profile(sx_arena *a, sx_program *p, const sx_stage_time **out)
{
    uint32_t n;
    const sx_device *v = p->machine->device;
    const sx_stage *s = sx_plan_stages(p->plan, &n);
    double *seconds = sx_alloc_array(a, (size_t)n + 1, sizeof *seconds);
    const char **name = sx_alloc_array(a, (size_t)n + 1, sizeof *name);
    sx_stage_time *to = sx_alloc_array(a, (size_t)n + 1, sizeof *to);
    *out = to;
    if (!v->profile || n > INT32_MAX || v->profile(p->exe, (int)n, seconds, name) != (int)n) return 0;
    for (uint32_t i = 0; i < n; i++)
        to[i] = (sx_stage_time){ name[i], seconds[i], sx_plan_work(p->plan, &s[i]) };
    return n;
}

bool sx_machine_limits(const sx_machine *m, sx_limits *out)
{
    const sx_device *v = m->device;
    return v->limits && !v->limits(m->queue, &out->flops, &out->bytes_per_s)
        && out->flops > 0 && out->bytes_per_s > 0;
}
