/* diag.h: records of what went wrong, where, and what to try. Core functions fill them, only cli/ prints them.
 *   models/convstrix.cfg:14: error: dropout 'rate' is 1.5, outside [0, 1)
 *     detail: ...
 *     hint: The default is 0.5. See `strix plugins show dropout`. */
#ifndef SX_DIAG_H
#define SX_DIAG_H
#include <strix/plugin.h>
#include <stdio.h>
#include "arena.h"

typedef struct { const char *file; int line; const char *path; } sx_where;      /* NULL, 0, NULL: nowhere; path: model.layers.. */
typedef struct {
    int code;                                    /* SX_E_*; 0: a warning */
    sx_where where;
    const char *text, *detail, *hint;            /* primary: lower-case, no full stop; hint: a sentence; or NULL */
} sx_diag;
typedef struct {
    sx_arena *arena;
    long n, cap, errors; sx_diag *v;             /* warnings included in n; at most 20 errors are kept, all are counted */
} sx_diags;

void sx_diags_init(sx_diags *d, sx_arena *a);
/* Adds an error and returns code, so that `return sx_error(...)` reads well. The last diag's detail and hint are set
 * by sx_detail and sx_hint right after. d may be NULL: only the code is returned. */
int sx_error(sx_diags *d, int code, sx_where where, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void sx_warn(sx_diags *d, sx_where where, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void sx_detail(sx_diags *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sx_hint(sx_diags *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int sx_diags_code(const sx_diags *d);            /* of the first error; 0: none */
const sx_diag *sx_diags_first(const sx_diags *d);/* that error; NULL: none */
sx_diag sx_diag_copy(sx_arena *a, const sx_diag *g);
void sx_diags_add(sx_diags *d, int code, const sx_diag *g);          /* with its detail and hint; code 0: as a warning */
/* Adds all that `from` holds to `to`, and, where that is no error and rc is one, rc's own words. Returns rc. */
int sx_diags_pass(const sx_diags *from, int rc, sx_diags *to);
void sx_diags_print(const sx_diags *d, FILE *to);/* as above, with the offending source line where the file can be read */
const char *sx_error_text(int code);             /* one string for each SX_E_* */
const char *sx_error_name(int code);             /* "SX_E_CONFIG" */
/* The nearest of `names` to `word` (edit distance at most a third of its length), or NULL. */
const char *sx_nearest(const char *word, const char *const *names, long n);
const char *sx_join(sx_arena *a, const char *const *v, long n);      /* "adam, nadam" */
/* "1 trial", "4 trials", "1 axis", "0 classes". */
const char *sx_plural(sx_arena *a, long n, const char *noun);
#define SX_NOWHERE ((sx_where){ 0 })
/* For our own mistakes only: prints file:line and aborts. */
#define SX_BUG(...) sx_bug(__FILE__, __LINE__, __VA_ARGS__)
void sx_bug(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4), noreturn));
#endif
