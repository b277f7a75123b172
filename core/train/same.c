/* same.c: whether a run directory's training is the one that an experiment describes: its config.cfg against
 * the experiment, setting by setting, both worked out. What decides what the stored state means must not have
 * changed. */
#include "train.h"
#include "model.h"
#include "file.h"
#include <fnmatch.h>
#include <string.h>

typedef enum { FREE, SHOWN, FIXED } weight;
static const struct { const char *pattern; weight weight; } rules[] = {   /* the first that fits counts */
    { "train.epochs", FREE }, { "train.early_stop.patience", FREE }, { "train.early_stop.min_delta", FREE },
    { "train.memory", FREE }, { "train.recompute", FREE }, { "dataset.names", FREE },
    { "dataset.dir", FREE },                     /* data may be moved */
    { "train.loss*", FIXED }, { "train.metrics*", FIXED }, { "train.batch", FIXED },
    { "train.precision", FIXED }, { "train.early_stop.monitor", FIXED }, { "train.*", SHOWN }, { "*", FIXED }
};
enum { MOST = 4, LONG = 100 };                   /* changes that are told by name; letters of a value */

typedef struct { sx_arena *a; long n[FIXED + 1]; const char *text[FIXED + 1]; } changes;

static weight weight_of(const char *path)
{
    int i = 0;
    while (fnmatch(rules[i].pattern, path, 0)) i++;
    return rules[i].weight;
}

static const char *shown(const sx_setting *s)
{
    if (!s) return "not there";
    return strlen(s->text) > LONG ? "a long list" : s->text;
}

static void note(changes *ch, const char *path, const sx_setting *was, const sx_setting *is)
{
    const weight w = weight_of(path);
    const char **text = &ch->text[w];
    if (ch->n[w]++ < MOST)
        *text = sx_format(ch->a, "%s%s%s: %s, was %s", *text ? *text : "", *text ? "; " : "", path, shown(is),
                          shown(was));
}

/* Both lists have one order, so most often it is the one behind the last. */
static const sx_setting *find(const sx_settings *s, const char *path, long *at)
{
    if (*at < s->n && !strcmp(s->v[*at].path, path)) return &s->v[(*at)++];
    for (long i = 0; i < s->n; i++)
        if (!strcmp(s->v[i].path, path)) { *at = i + 1; return &s->v[i]; }
    return NULL;
}

static bool below(const char *path, const char *item)
{
    const size_t n = item ? strlen(item) : 0;
    return item && !strncmp(path, item, n) && path[n] == '.';
}

/* What of v is another in `other`, or not there; a whole item is one change. gone: other is the present, and
 * what it has is told already. */
static void compare(changes *ch, const sx_settings *v, const sx_settings *other, bool gone)
{
    const char *item = NULL;
    long at = 0;
    for (long i = 0; i < v->n; i++) {
        const sx_setting *s = &v->v[i], *o = NULL;
        if (below(s->path, item)) continue;
        o = find(other, s->path, &at);
        if (o && !strcmp(o->text, s->text)) continue;
        if (s->item) item = s->path;
        if (!gone) note(ch, s->path, o, s);
        else if (!o) note(ch, s->path, s, NULL);
    }
}

static const char *more(const changes *ch, weight w)
{
    return ch->n[w] > MOST ? sx_format(ch->a, "; and %ld more", ch->n[w] - MOST) : "";
}

static int hinted(const char *dir, int rc, sx_diags *d)
{
    sx_hint(d, "Another --dir keeps both, --init %s/best.safetensors begins with its weights; without "
               "--resume it is replaced.", dir);
    return rc;
}

static int judge(const changes *ch, const char *dir, sx_where where, sx_diags *d)
{
    if (ch->n[FIXED]) {
        sx_error(d, SX_E_CONFIG, where, "this training is another one");
        sx_detail(d, "%s%s.", ch->text[FIXED], more(ch, FIXED));
        return hinted(dir, SX_E_CONFIG, d);
    }
    if (ch->n[SHOWN])
        sx_warn(d, where, "settings that have changed: %s%s", ch->text[SHOWN], more(ch, SHOWN));
    return 0;
}

static bool there(sx_arena *a, const char *dir, const char *name)
{
    return sx_file_exists(sx_format(a, "%s/%s", dir, name));
}

/* The experiment of a run directory; its warnings were told when it began. */
static int open_old(sx_arena *a, const sx_exp *e, const char *file, sx_exp **old, sx_diags *d)
{
    sx_diags own;
    sx_conf *root;
    sx_diags_init(&own, a);
    int rc = sx_config_load(a, file, NULL, &root, &own);
    if (!rc) rc = sx_exp_open(a, e->registry, root, file, old, &own);
    return rc ? sx_diags_pass(&own, rc, d) : 0;
}

int sx_train_same(sx_arena *a, const char *dir, const sx_exp *e, sx_diags *d)
{
    const char *file = sx_format(a, "%s/config.cfg", dir);
    sx_exp *old;
    sx_settings was, is;
    changes ch = { .a = a };
    if (!there(a, dir, "last.safetensors") && !there(a, dir, "prev.safetensors")) return 0;
    if (!sx_file_exists(file)) return 0;
    const int rc = open_old(a, e, file, &old, d);
    if (rc) return hinted(dir, rc, d);
    sx_exp_settings(a, old, &was);
    sx_exp_settings(a, e, &is);
    compare(&ch, &is, &was, false);
    compare(&ch, &was, &is, true);
    return judge(&ch, dir, (sx_where){ .file = file }, d);
}
