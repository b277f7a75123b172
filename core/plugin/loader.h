/* loader.h: finds, loads and judges plugins; the registry by kind and name. Any thread may call; entries stay. */
#ifndef SX_LOADER_H
#define SX_LOADER_H
#include <strix/plugin.h>
#include "diag.h"

typedef struct sx_registry sx_registry;
typedef struct {
    const sx_item *item;                         /* copied into a zeroed struct of the core's own size */
    const sx_param *params;                      /* rows of the core's own size, SX_END last; never NULL */
    const sx_plugin *plugin;
    const char *file;
} sx_entry;

/* path: colon list searched first (--plugin-path), may be NULL; then STRIX_PLUGIN_PATH, $XDG_DATA_HOME/strix/plugins-1,
 * the installed directory. An empty member means the defaults. Never the working directory. */
sx_registry *sx_registry_open(sx_arena *a, const char *path);
const char *sx_registry_path(const sx_registry *r);                  /* the directories, colon-separated, in order */
/* Looks the item up, loading DIR/<kinds>/NAME.so ("layers/dense.so") where it is not known yet. NULL: diag says what
 * was searched, what is known and what is near. where: who asks. */
const sx_entry *sx_find(sx_registry *r, int kind, const char *name, sx_where where, sx_diags *d);
const sx_entry *sx_peek(const sx_registry *r, int kind, const char *name);       /* only what is loaded; NULL: not */
/* Loads a plugin of several items by name (config: plugins = [ "mine" ]) from DIR/mine.so, or DIR/<kinds>/mine.so. */
int sx_load(sx_registry *r, const char *name, sx_where where, sx_diags *d);
/* Loads this very file (strix conform ./mine.so) and returns its manifest. */
int sx_load_file(sx_registry *r, const char *file, const sx_plugin **plugin, sx_diags *d);
/* Names of kind that can be found (files in the search path, and what is loaded), sorted. */
long sx_known(sx_registry *r, sx_arena *a, int kind, const char *const **names);
/* Every plugin file of the search path, for `plugins list` and `doctor`: directory order, sorted by name. */
void sx_each_file(sx_registry *r, void (*each)(void *ctx, int kind, const char *name, const char *file), void *ctx);
const char *sx_kind_name(int kind);              /* "layer" */
const char *sx_kind_folder(int kind);            /* "layers" */
int sx_kind_of(const char *name);                /* of "layer" or "layers"; 0: none */
#endif
