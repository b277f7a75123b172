/* manifest.c: judges a plugin's manifest, which is data, before any of the plugin's code is called, and
 * copies its items into structs of the core's own size, so that plugins of older headers are read as well. */
#include "manifest.h"
#include <strix/device.h>
#include <strix/store.h>
#include <ctype.h>
#include <string.h>

enum { MOST_ITEMS = 256, MOST_PARAMS = 1024, MOST_CHOICES = 1024, MOST_NAME = 64 };

typedef struct { const char *name, *folder; uint32_t size; } kind_row;
static const kind_row kinds[SX_KINDS] = {
    [0] = { "plugin", ".", 0 },
    [SX_KIND_LAYER] = { "layer", "layers", sizeof(sx_layer) },
    [SX_KIND_LOSS] = { "loss", "losses", sizeof(sx_loss) },
    [SX_KIND_METRIC] = { "metric", "metrics", sizeof(sx_loss) },
    [SX_KIND_OPTIMIZER] = { "optimizer", "optimizers", sizeof(sx_optimizer) },
    [SX_KIND_SCHEDULE] = { "schedule", "schedules", sizeof(sx_schedule) },
    [SX_KIND_DATASET] = { "dataset", "datasets", sizeof(sx_dataset) },
    [SX_KIND_SAMPLER] = { "sampler", "samplers", sizeof(sx_sampler) },
    [SX_KIND_PRUNER] = { "pruner", "pruners", sizeof(sx_pruner) },
    [SX_KIND_STORE] = { "store", "stores", sizeof(sx_store) },
    [SX_KIND_DEVICE] = { "device", "devices", sizeof(sx_device) },
};
typedef struct { uint32_t size, align; } field_row;
/* A field of the plugin's struct, by sx_type. */
static const field_row fields[] = {
    [SX_TYPE_INT] = { sizeof(long), _Alignof(long) },
    [SX_TYPE_REAL] = { sizeof(double), _Alignof(double) },
    [SX_TYPE_BOOL] = { sizeof(bool), _Alignof(bool) },
    [SX_TYPE_TEXT] = { sizeof(char *), _Alignof(char *) },
    [SX_TYPE_CHOICE] = { sizeof(int), _Alignof(int) },
    [SX_TYPE_INTS] = { sizeof(sx_ints), _Alignof(sx_ints) },
    [SX_TYPE_REALS] = { sizeof(sx_reals), _Alignof(sx_reals) },
    [SX_TYPE_TEXTS] = { sizeof(sx_texts), _Alignof(sx_texts) },
};

const char *sx_kind_name(int kind) { return kind > 0 && kind < SX_KINDS ? kinds[kind].name : "plugin"; }
const char *sx_kind_folder(int kind) { return kind > 0 && kind < SX_KINDS ? kinds[kind].folder : "."; }

int sx_kind_of(const char *name)
{
    for (int k = 1; k < SX_KINDS; k++)
        if (!strcmp(name, kinds[k].name) || !strcmp(name, kinds[k].folder)) return k;
    return 0;
}

bool sx_is_name(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '_' || s[n] == '-') n++;
    return n && n <= MOST_NAME && !s[n];
}

static sx_where at_file(const sx_judge *j) { return (sx_where){ .file = j->file }; }
#define REFUSE(j, ...) sx_error((j)->d, SX_E_PLUGIN, at_file(j), __VA_ARGS__)

int sx_judge_rebuild(const sx_judge *j, int code)
{
    sx_hint(j->d, "Rebuild the plugin against the installed headers.");
    return code;
}

/* The part that never moves, so that a manifest of any version can be blamed for it. */
int sx_manifest_abi(const sx_judge *j, const sx_plugin *p)
{
    if (!p) return REFUSE(j, "sx_plugin_entry gives no manifest");
    if (p->magic != SX_MAGIC)
        return sx_judge_rebuild(j,
                       REFUSE(j, "manifest begins with 0x%08x, not with strix' 0x%08x", p->magic, SX_MAGIC));
    const unsigned major = p->abi >> 16, minor = p->abi & 0xffff;
    if (major != SX_ABI_MAJOR || minor > SX_ABI_MINOR)
        return sx_judge_rebuild(j, REFUSE(j, "plugin speaks ABI %u.%u, this strix speaks %d.%d", major, minor,
                                 SX_ABI_MAJOR, SX_ABI_MINOR));
    return 0;
}

static int judge_choices(const sx_judge *j, const char *item, const sx_param *p)
{
    long n = 0;
    while (p->choices && n <= MOST_CHOICES && p->choices[n]) n++;
    if (n == 0) return REFUSE(j, "%s '%s' is a choice without choices", item, p->name);
    if (n > MOST_CHOICES) return REFUSE(j, "%s '%s' has more than %d choices", item, p->name, MOST_CHOICES);
    if (!(p->def >= 0 && p->def < (double)n))
        return REFUSE(j, "%s '%s' has the default %g of %ld choices", item, p->name, p->def, n);
    return 0;
}

static int judge_param(const sx_judge *j, const sx_item *it, const sx_param *p)
{
    if (!sx_is_name(p->name)) return REFUSE(j, "%s has a parameter named '%.64s'", it->name, p->name);
    if ((unsigned)p->type >= sizeof fields / sizeof *fields)
        return REFUSE(j, "%s '%s' has type %d, this strix knows %zu", it->name, p->name, (int)p->type,
                      sizeof fields / sizeof *fields);
    const field_row *f = &fields[p->type];
    if (p->offset % f->align || p->offset > it->params_size || it->params_size - p->offset < f->size)
        return REFUSE(j, "%s '%s' lies at %u, outside its struct of %u bytes", it->name, p->name, p->offset,
                      it->params_size);
    if (!p->doc || !*p->doc) sx_warn(j->d, at_file(j), "%s '%s' has no documentation", it->name, p->name);
    if (!(p->min <= p->max) || isnan(p->def))
        return REFUSE(j, "%s '%s' has the range %g to %g", it->name, p->name, p->min, p->max);
    return p->type == SX_TYPE_CHOICE ? judge_choices(j, it->name, p) : 0;
}

/* Rows of the core's own size; missing fields are zero. */
static int copy_params(const sx_judge *j, const sx_item *it, const sx_param **out)
{
    struct { sx_param *v; long n, cap; } rows = { 0 };
    const size_t least = offsetof(sx_param, def), size = it->param_size;
    if (it->params && (size < least || size > sizeof(sx_param) || size % _Alignof(sx_param)))
        return sx_judge_rebuild(j, REFUSE(j, "%s has parameters of %zu bytes, this strix reads %zu to %zu",
                                          it->name, size, least, sizeof(sx_param)));
    const char *from = (const char *)it->params;
    for (long i = 0; from && i <= MOST_PARAMS; i++, from += size) {
        sx_param row = { 0 };
        memcpy(&row, from, size);
        if (!row.name) break;
        for (long k = 0; k < i; k++)
            if (!strcmp(rows.v[k].name, row.name))
                return REFUSE(j, "%s has two parameters '%s'", it->name, row.name);
        if (i == MOST_PARAMS)
            return REFUSE(j, "%s has more than %d parameters (SX_END missing?)", it->name, MOST_PARAMS);
        const int rc = judge_param(j, it, &row);
        if (rc) return rc;
        SX_PUSH(j->arena, rows, row);
    }
    SX_PUSH(j->arena, rows, (sx_param){ 0 });
    *out = rows.v;
    return 0;
}

/* What the core will call must be there. */
static const char *missing_call(const sx_item *it)
{
    switch (it->kind) {
    case SX_KIND_LAYER: return ((const sx_layer *)it)->forward ? NULL : "forward";
    case SX_KIND_LOSS: return ((const sx_loss *)it)->forward ? NULL : "forward";
    case SX_KIND_METRIC:
        return ((const sx_loss *)it)->forward || ((const sx_loss *)it)->over ? NULL : "forward or over";
    case SX_KIND_OPTIMIZER: {
        const sx_optimizer *o = (const sx_optimizer *)it;
        return o->write || (o->update && o->coef && o->update->host) ? NULL : "update and coef, or write";
    }
    case SX_KIND_SCHEDULE: return ((const sx_schedule *)it)->factor ? NULL : "factor";
    case SX_KIND_DATASET: return ((const sx_dataset *)it)->open ? NULL : "open";
    case SX_KIND_SAMPLER: return ((const sx_sampler *)it)->ask ? NULL : "ask";
    case SX_KIND_PRUNER: return ((const sx_pruner *)it)->judge ? NULL : "judge";
    case SX_KIND_STORE:
        return ((const sx_store *)it)->open && ((const sx_store *)it)->last_error ? NULL
                                                                                  : "open and last_error";
    case SX_KIND_DEVICE:
        return ((const sx_device *)it)->open && ((const sx_device *)it)->last_error ? NULL
                                                                                    : "open and last_error";
    }
    return NULL;
}

static int judge_item(const sx_judge *j, const sx_item *it)
{
    if (it->kind == 0 || it->kind >= SX_KINDS)
        return sx_judge_rebuild(
            j, REFUSE(j, "item is of kind %u, this strix knows 1 to %d", it->kind, SX_KINDS - 1));
    if (it->size < sizeof(sx_item) || it->size > kinds[it->kind].size)
        return sx_judge_rebuild(j, REFUSE(j, "%s is %u bytes, this strix reads %zu to %u",
                                          sx_kind_name((int)it->kind), it->size, sizeof(sx_item),
                                          kinds[it->kind].size));
    if (!it->name || !sx_is_name(it->name))
        return REFUSE(j, "%s has no legal name", sx_kind_name((int)it->kind));
    if (it->params_size > 1 << 20) return REFUSE(j, "%s has settings of %u bytes", it->name, it->params_size);
    if (!it->doc || !*it->doc)
        sx_warn(j->d, at_file(j), "%s '%s' has no documentation", sx_kind_name((int)it->kind), it->name);
    return 0;
}

/* The item in a zeroed struct of the core's own size. */
static int copy_item(const sx_judge *j, const sx_plugin *plugin, const sx_item *it, sx_entry *e)
{
    int rc = judge_item(j, it);
    if (rc) return rc;
    *e = (sx_entry){ .plugin = plugin, .file = j->file };
    if ((rc = copy_params(j, it, &e->params))) return rc;
    sx_item *copy = sx_alloc(j->arena, kinds[it->kind].size);
    memcpy(copy, it, it->size);
    copy->params = e->params;
    copy->size = kinds[it->kind].size;
    copy->param_size = sizeof(sx_param);
    e->item = copy;
    const char *lacks = missing_call(copy);
    return lacks ? REFUSE(j, "%s '%s' has no %s", sx_kind_name((int)it->kind), it->name, lacks) : 0;
}

int sx_manifest_read(const sx_judge *j, const sx_plugin *given, const sx_plugin **plugin, sx_entries *out)
{
    int rc = sx_manifest_abi(j, given);
    if (rc) return rc;
    if (given->size < offsetof(sx_plugin, items) + sizeof given->items || given->size > sizeof(sx_plugin))
        return sx_judge_rebuild(
            j, REFUSE(j, "manifest is %u bytes, this strix reads %zu", given->size, sizeof(sx_plugin)));
    if (!given->name || !given->items) return REFUSE(j, "manifest has no name or no items");
    sx_plugin *p = SX_NEW(j->arena, sx_plugin);
    memcpy(p, given, given->size);
    for (long i = 0; !rc && p->items[i]; i++) {
        sx_entry e = { 0 };
        rc = i < MOST_ITEMS ? copy_item(j, p, p->items[i], &e)
                            : REFUSE(j, "plugin has more than %d items", MOST_ITEMS);
        if (!rc) SX_PUSH(j->arena, *out, e);
    }
    *plugin = p;
    return rc || out->n ? rc : REFUSE(j, "plugin has no items");
}
