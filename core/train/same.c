/* same.c: whether a run directory's training is the one that an experiment describes: its config.cfg against
 * the experiment, setting by setting. What decides what the stored state means must not have changed. */
#include "train.h"
#include "model.h"
#include "file.h"
#include <fnmatch.h>
#include <string.h>

typedef enum { FREE, SHOWN, FIXED } weight;
static const struct { const char *pattern; weight weight; } rules[] = {   /* the first that fits counts */
    { "tune.seed", FIXED }, { "tune*", FREE }, { "study*", FREE },
    { "train.epochs", FREE }, { "train.early_stop.patience", FREE }, { "train.early_stop.min_delta", FREE },
    { "train.memory", FREE }, { "train.recompute", FREE }, { "dataset.dir", FREE }, { "dataset.names*", FREE },
    { "train.loss*", FIXED }, { "train.metrics*", FIXED }, { "train.batch", FIXED },
    { "train.precision", FIXED }, { "train.early_stop.monitor", FIXED }, { "train.*", SHOWN }, { "*", FIXED }
};
enum { MOST = 4 };                               /* changes that are told by name */

typedef struct { sx_arena *a; long n[FIXED + 1]; const char *text[FIXED + 1]; } changes;

static weight weight_of(const char *path)
{
    int i = 0;
    while (fnmatch(rules[i].pattern, path, 0)) i++;
    return rules[i].weight;
}

static const char *value_text(sx_arena *a, const sx_conf *c)
{
    if (!c) return "not there";
    switch (c->kind) {
    case SX_CONF_INT: return sx_format(a, "%lld", (long long)c->i);
    case SX_CONF_REAL: return sx_real_text(a, c->r);
    case SX_CONF_BOOL: return c->b ? "true" : "false";
    case SX_CONF_TEXT: return sx_format(a, "\"%s\"", c->s);
    case SX_CONF_LIST: return "another list";
    case SX_CONF_GROUP: return "a group";
    }
    return "?";
}

static void note(changes *ch, const char *path, const sx_conf *was, const sx_conf *is)
{
    const weight w = weight_of(path);
    const char **text = &ch->text[w];
    if (ch->n[w]++ < MOST)
        *text = sx_format(ch->a, "%s%s%s: %s, was %s", *text ? *text : "", *text ? "; " : "", path,
                          value_text(ch->a, is), value_text(ch->a, was));
}

static bool is_group(const sx_conf *c) { return !c || c->kind == SX_CONF_GROUP; }

/* A group that is not there has no members. */
static void compare(changes *ch, const char *path, const sx_conf *was, const sx_conf *is)
{
    if (was && is && sx_conf_hash(was) == sx_conf_hash(is)) return;
    if (!is_group(was) || !is_group(is)) { note(ch, path, was, is); return; }
    const char *dot = *path ? "." : "";
    for (const sx_conf *m = was ? was->first : NULL; m; m = m->next)
        compare(ch, sx_format(ch->a, "%s%s%s", path, dot, m->name), m, sx_conf_member(is, m->name));
    for (const sx_conf *m = is ? is->first : NULL; m; m = m->next)
        if (!sx_conf_member(was, m->name))
            compare(ch, sx_format(ch->a, "%s%s%s", path, dot, m->name), NULL, m);
}

static const char *more(const changes *ch, weight w)
{
    return ch->n[w] > MOST ? sx_format(ch->a, "; and %ld more", ch->n[w] - MOST) : "";
}

int sx_train_same(sx_arena *a, const char *dir, const sx_exp *e, sx_diags *d)
{
    const char *file = sx_format(a, "%s/config.cfg", dir);
    changes ch = { .a = a };
    sx_conf *was, *is;
    if (!sx_file_exists(file)) return 0;
    int rc = sx_config_load(a, file, NULL, &was, d);
    if (!rc) rc = sx_config_parse(a, sx_train_config(a, e), file, NULL, &is, d);
    if (rc) return rc;
    compare(&ch, "", was, is);
    if (ch.n[FIXED]) {
        rc = sx_error(d, SX_E_CONFIG, (sx_where){ .file = file }, "this training is another one");
        sx_detail(d, "%s%s.", ch.text[FIXED], more(&ch, FIXED));
        sx_hint(d, "Another --dir keeps both, --init %s/best.safetensors begins with its weights; without "
                   "--resume it is replaced.", dir);
    } else if (ch.n[SHOWN])
        sx_warn(d, (sx_where){ .file = file }, "goes on with other settings: %s%s", ch.text[SHOWN],
                more(&ch, SHOWN));
    return rc;
}
