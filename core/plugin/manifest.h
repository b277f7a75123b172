/* manifest.h: between loader.c, which finds and opens plugins, elf.c, which looks at their files, and
 * manifest.c, which judges what they say. */
#ifndef SX_MANIFEST_H
#define SX_MANIFEST_H
#include "loader.h"

typedef struct { sx_arena *arena; const char *file; sx_diags *d; } sx_judge;     /* file: whom diags blame */
typedef struct { sx_entry *v; long n, cap; } sx_entries;
bool sx_is_name(const char *s);                  /* of a plugin, an item or a parameter */
/* A regular file, a shared object and not truncated: 0, or SX_E_PLUGIN. */
int sx_elf_check(const sx_judge *j);
/* The part that never moves: 0, or SX_E_PLUGIN for another ABI. */
int sx_manifest_abi(const sx_judge *j, const sx_plugin *p);
/* The whole manifest: copies of it and of its items, or SX_E_PLUGIN with the first reason. */
int sx_manifest_read(const sx_judge *j, const sx_plugin *given, const sx_plugin **plugin, sx_entries *out);
int sx_judge_rebuild(const sx_judge *j, int code); /* gives the last diag the hint to rebuild; returns code */
#endif
