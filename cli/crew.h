/* crew.h: the worker processes of one command, and the line between them and it. */
#ifndef CREW_H
#define CREW_H
#include "cli.h"

typedef struct {
    sx_study *study;                             /* opened for writing: it takes back trials of the dead */
    int jobs;
    long threads;                                /* of each; 0: --threads, or the cores divided by jobs */
    double seconds;                              /* no trial starts after that many; 0: no limit */
    cli_progress *progress;
} crew_want;
/* Runs `strix worker` processes until nothing is left. 0; SX_E_STOPPED; the first error that ended a worker,
 * told in c->diags. */
int crew_run(cli_context *c, const crew_want *w);
/* Waits, ten seconds at most, for workers of this machine whose supervisor was killed. orphans.c */
int crew_await_orphans(cli_context *c, sx_study *s);
/* --jobs auto: measured where no process did so before on as many cores. jobs.c */
typedef struct { int jobs; long threads; double rate, alone; } crew_share;   /* rows a second; of one trial alone */
int crew_divide(cli_context *c, sx_study *s, crew_share *out);
const char *crew_self(sx_arena *a);              /* the program that runs */
cli_progress *crew_progress(cli_context *c, sx_study *s);            /* with what the study has so far */

/* The line: one JSON object per event, each written at once. */
bool wire_event(int fd, const sx_event *e);       /* false: nobody listens any more */
void wire_errors(int fd, const sx_diags *d);
void wire_refusals(int fd, const sx_refusals *r);
typedef struct { long number; double left; } wire_trial;             /* -1: none; left: see sx_event */
/* Shows one line of a worker; *trial: the one it is at. What it says of refusals is added to those of s. */
void wire_show(cli_context *c, sx_study *s, cli_progress *p, const char *line, wire_trial *trial);
#endif
