/* exec.h: a planned graph on a device: buffers, binding, running. */
#ifndef SX_EXEC_H
#define SX_EXEC_H
#include "loader.h"
#include "plan.h"

typedef struct {                                 /* an opened device; shared by the programs of a trial */
    const sx_device *device; sx_dev *dev; sx_queue *queue; sx_dev_info info; const char *name;
    int threads;
} sx_machine;
/* Spec: "cpu", "cuda:1". threads 0: all cores. Closed with the arena. */
int sx_machine_open(sx_arena *a, sx_registry *r, const char *spec, int threads, sx_machine **out,
                    sx_diags *d);
int sx_machine_error(const sx_machine *m, int code, sx_diags *d);   /* adds the device's last_error */

/* A device buffer, freed with its arena */
typedef struct { sx_buf *buf; size_t bytes; const sx_machine *machine; } sx_memory;
/* SX_E_MEMORY says how much */
int sx_memory_open(sx_arena *a, const sx_machine *m, size_t bytes, sx_memory **out, sx_diags *d);

/* What programs that never run at once share: the slab, and what the device takes beside it. */
typedef struct { size_t slab, scratch; } sx_room;
/* Plans g for m (NULL: a device that keeps every value) and makes *most large enough for it, too. */
int sx_machine_room(const sx_machine *m, const sx_graph *g, bool fuse, sx_room *most, sx_diags *d);

typedef struct sx_program sx_program;
/* Plans (fuse), compiles, takes the slab. slab NULL: an own one; programs that never run at once may share
 * one big enough. */
int sx_program_open(sx_arena *a, const sx_machine *m, const sx_graph *g, bool fuse, sx_memory *slab,
                    sx_program **out, sx_diags *d);
const sx_plan *sx_program_plan(const sx_program *p);
void sx_program_bind(sx_program *p, sx_t value, const sx_memory *m, size_t offset);
/* All bound values must be bound. SX_E_DEVICE with the device's words. */
int sx_program_run(sx_program *p, unsigned times, sx_diags *d);
/* Each stage in order of running, with its seconds since the last call; 0: the device gives no times. */
typedef struct { const char *name; double seconds; sx_work work; } sx_stage_time;
long sx_program_profile(sx_arena *a, sx_program *p, const sx_stage_time **out);
/* What the device can do at most with its threads, measured now; false: it does not say. */
typedef struct { double flops, bytes_per_s; } sx_limits;
bool sx_machine_limits(const sx_machine *m, sx_limits *out);
#endif
