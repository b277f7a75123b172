/* tensors.h: safetensors files (https://github.com/huggingface/safetensors, format of 2023): read with every
 * size checked before use, written so that they can be mapped (header padded to 8 bytes, tensors by dtype
 * size, then name). */
#ifndef SX_TENSORS_H
#define SX_TENSORS_H
#include "diag.h"

typedef struct { long n; const sx_blob *v; long n_meta; const char *const *key, *const *text; } sx_blobs;
/* Mapped; lives as long as a. SX_E_DATA: missing, damaged, or not such a file. Data may be unaligned in files
 * of others. */
int sx_tensors_read(sx_arena *a, const char *file, sx_blobs *out, sx_diags *d);
const sx_blob *sx_blobs_find(const sx_blobs *b, const char *name);
const char *sx_blobs_meta(const sx_blobs *b, const char *key);       /* NULL: none */
/* Atomic, see file.h. Names must be UTF-8 and differ; bytes must be what dtype and shape say (SX_BUG
 * otherwise). */
int sx_tensors_write(const char *file, const sx_blobs *b, sx_diags *d);
#endif
