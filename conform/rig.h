/* rig.h: a few ops on a device with every bound value in a buffer of its own.
 * For the suites of layers, losses and optimizers. */
#ifndef RIG_H
#define RIG_H
#include "conform.h"

typedef struct {
    sx_arena *a; sx_graph *g; sx_diags d;
    sx_program *program;
    sx_memory **memory;                          /* of value id - 1; NULL of a TEMP one */
    const sx_machine *machine;
} rig;

/* A graph to write into; the arena is a child of c's. */
rig *rig_open(conform *c, bool training, long batch);
void rig_close(rig *r);
void rig_result(rig *r, sx_t t, const char *name); /* to be read; the same value twice is fine */
/* Plans and compiles; weights and states get their first numbers, all else zeros. 0 or SX_E_*. */
int rig_compile(conform *c, rig *r);
int rig_run(rig *r);
void rig_write(rig *r, sx_t t, const void *from);
float *rig_read(rig *r, sx_t t);                 /* in r's arena; NULL of a dead or TEMP value */
/* n numbers in [low, high), always the same ones for a purpose. */
void rig_numbers(const char *purpose, double low, double high, long n, float *out);
#endif
