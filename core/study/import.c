/* import.c: trials that were run elsewhere become a study's own, so that the search goes on from them. */
#include "own.h"
#include <string.h>

static sx_trial_row minimised(const sx_study *s, sx_arena *a, const sx_trial_row *row)
{
    const long objectives = s->exp->tune.objectives;
    sx_trial_row r = *row;
    double *value = sx_study_reals(a, row->t.value, objectives);
    double *curve = sx_study_reals(a, row->t.steps ? row->t.curve : NULL, row->t.steps);
    for (long i = 0; value && i < objectives; i++) value[i] = sx_minimised(s, i, value[i]);
    for (long i = 0; curve && i < row->t.steps; i++) curve[i] = sx_minimised(s, 0, curve[i]);
    r.t.value = value;
    r.t.curve = curve;
    return r;
}

int sx_study_import(sx_study *s, long n, const sx_trial_row *const *row, const char *const *note, sx_diags *d)
{
    if (!s->store->import)
        return sx_error(d, SX_E_UNSUPPORTED, SX_NOWHERE, "this store cannot take trials from elsewhere");
    sx_arena *a = sx_arena_open(NULL);
    sx_trial_row *r = sx_alloc_array(a, (size_t)n + 1, sizeof *r);
    for (long i = 0; i < n; i++) r[i] = minimised(s, a, row[i]);
    const int rc = n ? s->store->import(s->db, s->id, n, r, note) : 0;
    sx_arena_close(a);
    return sx_study_told(s, rc, d);
}
