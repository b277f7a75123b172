/* source.h: the text of an experiment file as libconfig shall see it: @include put in, brackets and quotes
 * checked, big integers given their L, and the file:line that every line came from. */
#ifndef SX_SOURCE_H
#define SX_SOURCE_H
#include "diag.h"

enum { SX_SOURCE_DEPTH = 64, SX_SOURCE_BYTES = 16 << 20, SX_SOURCE_SETTINGS = 20000 };
typedef struct { const char *file; int line; } sx_origin;
typedef struct {
    sx_arena *a; sx_diags *d;
    bool alone;                                  /* no @include: the text of --set or of a store */
    struct { char *v; long n, cap; } text;       /* ends with 0 */
    struct { sx_origin *v; long n, cap; } line;
    struct { char open; sx_origin at; } bracket[SX_SOURCE_DEPTH];
    int depth, includes; long settings;
    /* the last character outside blanks and comments; 'a': a word or number */
    char before;
} sx_source;

void sx_source_init(sx_source *s, sx_arena *a, sx_diags *d, bool alone);
/* Appends a file (text NULL) or a text that is called `file` in messages. 0 or SX_E_*. */
int sx_source_add(sx_source *s, const char *file, const char *text);
int sx_source_end(sx_source *s);                 /* nothing may be open any more */
sx_origin sx_source_origin(const sx_source *s, long line);          /* of line 1, 2, .. of the text */
bool sx_utf8(const char *text);
#endif
