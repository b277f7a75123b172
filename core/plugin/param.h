/* param.h: declared parameters <-> settings. The core's own sections (train, dataset, tune, study) are declared the
 * same way. */
#ifndef SX_PARAM_H
#define SX_PARAM_H
#include "expr.h"
#include "loader.h"

/* Fills the struct `out` (zeroed, of the item's params_size) from the members of group (NULL: defaults only). `what`
 * names the owner in messages ("conv2d"). Members in `also` (NULL-terminated) are the caller's; any other unknown one
 * is an error with the nearest name. Texts and lists live in a. Reports every error; returns the first code. */
int sx_param_fill(sx_arena *a, const sx_param *params, const char *what, const sx_conf *group, const sx_scope *scope,
                  const char *const *also, void *out, sx_diags *d);
/* The settings of a plugin item in a group `{ type = "adam"; lr = ..; adam = { beta_1 = ..; }; }`: finds the item,
 * allocates and fills its struct. Settings of a member group named like an item of that kind hold for that item alone;
 * those of other items are skipped. A bare text ("adam") is a group with that type. fallback: the type where none is
 * given, or NULL. */
int sx_param_item(sx_arena *a, sx_registry *r, int kind, const sx_conf *c, const char *fallback, const sx_scope *scope,
                  const char *const *also, const sx_entry **entry, void **params, sx_diags *d);
/* Is v (one value of a searched variable) legal for p? Used on the ends of a domain and on every point. */
bool sx_param_legal(const sx_param *p, double v);
const char *sx_type_name(sx_type t);             /* "integer", "number", .. */
const char *sx_param_range(sx_arena *a, const sx_param *p);          /* "[0, 1)", "one of same, valid", or "" */
const char *sx_param_default(sx_arena *a, const sx_param *p);        /* as in a file; "required" */
/* The value that a field has, as in a file. */
const char *sx_param_text(sx_arena *a, const sx_param *p, const void *field);
/* Seconds from a text as "90", "90s", "15m", "2h", "1d". */
bool sx_time_read(const char *text, double *seconds);
#endif
