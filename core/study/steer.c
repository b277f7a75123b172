/* steer.c: what one command asks of all others at work on a study, through its store: to stop, to skip a
 * trial. */
#include <string.h>
#include "study.h"

static const char stop_key[] = "strix:stop";

static void find_stop(void *stopped, long trial, const char *key, const char *json)
{
    (void)trial;
    if (!strcmp(key, stop_key)) *(bool *)stopped = !strcmp(json, "true");
}

int sx_study_stop(sx_study *s, bool stop, sx_diags *d)
{
    bool stopped;
    const int rc = sx_study_stopped(s, &stopped, d);
    return rc || stop == stopped ? rc : sx_study_remark(s, stop_key, stop ? "true" : NULL, d);
}

int sx_study_stopped(sx_study *s, bool *stopped, sx_diags *d)
{
    *stopped = false;
    return sx_study_remarks(s, find_stop, stopped, d);
}

int sx_study_skip(sx_study *s, long number, sx_diags *d)
{
    return sx_study_tell_number(s, number, SX_PRUNED, 0, NULL, "skipped by hand", d);
}
