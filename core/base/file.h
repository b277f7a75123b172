/* file.h: files written so that an old one stays intact whatever happens (disk full, kill): to FILE.tmp,
 * synced, renamed. */
#ifndef SX_FILE_H
#define SX_FILE_H
#include "diag.h"

typedef struct { const void *data; size_t bytes; } sx_piece;
/* Errors are SX_E_IO and name the file; no FILE.tmp is left behind. */
int sx_file_put(const char *file, long n, const sx_piece *v, sx_diags *d);
int sx_file_write(const char *file, const char *text, size_t bytes, sx_diags *d);
int sx_file_append(const char *file, const char *text, sx_diags *d);         /* one line of a log */
/* The whole of a regular file of at most `most` bytes, with a 0 behind it; lives in a. */
int sx_file_read(sx_arena *a, const char *file, size_t most, char **text, size_t *bytes, sx_diags *d);
/* A regular file for reading, or -1 and why not, in words. Never waits, as for the writer of a pipe. */
int sx_file_open(const char *file, size_t *bytes, const char **why);
bool sx_file_exists(const char *file);
int sx_dir_make(const char *dir, sx_diags *d);   /* with parents */
#endif
