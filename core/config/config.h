/* config.h: experiment files -> one merged, checked tree in which every value knows its file:line. The
 * language is described in strix.cfg(5) and docs/config.md. config.c is the only file that includes
 * libconfig.h. */
#ifndef SX_CONFIG_H
#define SX_CONFIG_H
#include <strix/plugin.h>
#include "diag.h"

typedef enum {
    SX_CONF_GROUP, SX_CONF_LIST, SX_CONF_INT, SX_CONF_REAL, SX_CONF_BOOL, SX_CONF_TEXT
} sx_conf_kind;
typedef struct sx_conf sx_conf;
struct sx_conf {
    sx_conf_kind kind;
    const char *name;                            /* NULL in a list and for the root */
    const char *file; int line;                  /* "--set" and 0 for what the command line gave */
    sx_conf *parent, *first, *last, *next;       /* members in file order (pinned by a test) */
    union { int64_t i; double r; bool b; const char *s; };
};
typedef struct {
    const char *const *extends; long n_extends;  /* --extends FILE */
    const char *const *set; long n_set;          /* "vars.lr=3e-4": libconfig scalar or array, else text */
    const char *const *unset; long n_unset;
} sx_edits;

/* Reads file (with extends, remove, @include), then applies the edits: extends, unset, set. Unknown sections
 * are errors here. A --set may name what the file lacks if its group is there or is one that every experiment
 * has (train.early_stop, ..): the plugin's settings tell typos later. A new variable must be read by some
 * expression or searched. */
int sx_config_load(sx_arena *a, const char *file, const sx_edits *edits, sx_conf **root, sx_diags *d);
/* The same from text (a study's stored config); name stands for the file in messages; extends are refused. */
int sx_config_parse(sx_arena *a, const char *text, const char *name, const sx_edits *edits, sx_conf **root,
                    sx_diags *d);
/* direct member or NULL; NULL group is fine */
sx_conf *sx_conf_member(const sx_conf *group, const char *name);
/* "tune.space.lr"; list members by number */
sx_conf *sx_conf_find(const sx_conf *group, const char *path);
long sx_conf_count(const sx_conf *c);
const char *sx_conf_path(sx_arena *a, const sx_conf *c);             /* "model.layers.blocks" */
sx_where sx_conf_where(sx_arena *a, const sx_conf *c);
sx_conf *sx_conf_copy(sx_arena *a, const sx_conf *c);
sx_conf *sx_conf_add(sx_arena *a, sx_conf *group, const char *name, sx_conf_kind kind);  /* new last member */
/* libconfig text that reads back equal (%.17g, L suffix); `env.` stays unresolved, so no secret gets into a
 * study. */
char *sx_conf_write(sx_arena *a, const sx_conf *c);
const char *sx_conf_quoted(sx_arena *a, const char *s);             /* a text as in a file; NULL: "" */
uint64_t sx_conf_hash(const sx_conf *c);         /* of names, kinds and values; file and line do not count */
#endif
