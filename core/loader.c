/* loader.c: finds plugins by kind and name, judges their manifests as data, keeps the registry of items.
 * A file is never scanned for in a run, never looked for in the working directory and never unloaded. */
#include "loader.h"
#include <strix/device.h>
#include <strix/store.h>
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log.h"

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

/* dlopen gives one handle for one file, whatever its path. */
typedef struct { void *handle; const sx_plugin *plugin; } loaded;
typedef struct { const char **v; long n, cap; } words;
struct sx_registry {
    sx_arena *arena;                             /* its own, used under the lock only */
    pthread_mutex_t *lock;                       /* recursive: trials in threads may look up what is not loaded */
    words dirs;
    struct { const sx_entry **v; long n, cap; } entries;
    struct { loaded *v; long n, cap; } files;
};

const char *sx_kind_name(int kind) { return kind > 0 && kind < SX_KINDS ? kinds[kind].name : "plugin"; }
const char *sx_kind_folder(int kind) { return kind > 0 && kind < SX_KINDS ? kinds[kind].folder : "."; }

int sx_kind_of(const char *name)
{
    for (int k = 1; k < SX_KINDS; k++)
        if (!strcmp(name, kinds[k].name) || !strcmp(name, kinds[k].folder)) return k;
    return 0;
}

/* --- The search path --- */

static void add_dir(sx_registry *r, const char *dir, size_t n)
{
    while (n > 1 && dir[n - 1] == '/') n--;
    if (n == 0) return;
    if (dir[0] != '/') { /* else a plugin could come from wherever the user happens to stand */
        sx_log(SX_LOG_WARN, "loader", "plugin path ignored: not absolute path=%.*s", (int)n, dir);
        return;
    }
    for (long i = 0; i < r->dirs.n; i++)
        if (strlen(r->dirs.v[i]) == n && !strncmp(r->dirs.v[i], dir, n)) return;
    SX_PUSH(r->arena, r->dirs, sx_strndup(r->arena, dir, n));
}

static void add_defaults(sx_registry *r)
{
    const char *data = secure_getenv("XDG_DATA_HOME"), *home = secure_getenv("HOME");
    const char *user = data && *data == '/' ? sx_format(r->arena, "%s/strix/plugins-%d", data, SX_ABI_MAJOR)
                       : home && *home == '/'
                           ? sx_format(r->arena, "%s/.local/share/strix/plugins-%d", home, SX_ABI_MAJOR)
                           : "";
    add_dir(r, user, strlen(user));
    add_dir(r, STRIX_PLUGINDIR, strlen(STRIX_PLUGINDIR));
}

static void add_list(sx_registry *r, const char *list)
{
    if (!list || !*list) return;
    for (const char *p = list;; p++) {
        const size_t n = strcspn(p, ":");
        if (n) add_dir(r, p, n);
        else add_defaults(r);
        p += n;
        if (!*p) break;
    }
}

static void drop_lock(void *lock) { pthread_mutex_destroy(lock); }

sx_registry *sx_registry_open(sx_arena *a, const char *path)
{
    pthread_mutexattr_t attr;
    sx_arena *own = sx_arena_open(a);
    sx_registry *r = SX_NEW(own, sx_registry);
    *r = (sx_registry){ .arena = own, .lock = SX_NEW(own, pthread_mutex_t) };
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(r->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    sx_arena_defer(own, drop_lock, r->lock);
    add_list(r, path);
    add_list(r, secure_getenv("STRIX_PLUGIN_PATH"));
    add_defaults(r);                             /* members that stand there already stay where they are */
    return r;
}

const char *sx_registry_path(const sx_registry *r)
{
    const char *s = "";
    pthread_mutex_lock(r->lock);
    for (long i = 0; i < r->dirs.n; i++) s = sx_format(r->arena, "%s%s%s", s, i ? ":" : "", r->dirs.v[i]);
    pthread_mutex_unlock(r->lock);
    return s;
}

static bool is_name(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '_' || s[n] == '-') n++;
    return n && n <= MOST_NAME && !s[n];
}

static bool is_file(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode);
}

static const char *folder_of(sx_arena *a, const char *dir, int kind, bool libs)
{
    return sx_format(a, "%s%s%s%s", dir, kind ? "/" : "", kind ? sx_kind_folder(kind) : "",
                     libs ? "/.libs" : "");
}

/* DIR/<kinds>/NAME.so, or where libtool puts it in a build tree; NULL: not in this directory. */
static const char *file_in(sx_arena *a, const char *dir, int kind, const char *name)
{
    for (int libs = 0; libs < 2; libs++) {
        const char *file = sx_format(a, "%s/%s.so", folder_of(a, dir, kind, libs), name);
        if (is_file(file)) return file;
    }
    return NULL;
}

static const char *find_file(const sx_registry *r, int kind, const char *name)
{
    const char *file = NULL;
    for (long i = 0; i < r->dirs.n && !file; i++) file = file_in(r->arena, r->dirs.v[i], kind, name);
    return file;
}

static const sx_entry *peek(const sx_registry *r, int kind, const char *name)
{
    for (long i = 0; i < r->entries.n; i++)
        if ((int)r->entries.v[i]->item->kind == kind && !strcmp(r->entries.v[i]->item->name, name))
            return r->entries.v[i];
    return NULL;
}

/* --- Judging a manifest: data only --- */

typedef struct { sx_registry *r; const char *file; sx_diags *d; } judge;

static sx_where at_file(const judge *j) { return (sx_where){ .file = j->file }; }
#define REFUSE(j, ...) sx_error((j)->d, SX_E_PLUGIN, at_file(j), __VA_ARGS__)

static int rebuild(const judge *j, int code)
{
    sx_hint(j->d, "Rebuild the plugin against the installed headers.");
    return code;
}

/* The part that never moves, so that a manifest of any version can be blamed for it. */
static int judge_abi(const judge *j, const sx_plugin *p)
{
    if (!p) return REFUSE(j, "sx_plugin_entry gives no manifest");
    if (p->magic != SX_MAGIC)
        return rebuild(j,
                       REFUSE(j, "manifest begins with 0x%08x, not with strix' 0x%08x", p->magic, SX_MAGIC));
    const unsigned major = p->abi >> 16, minor = p->abi & 0xffff;
    if (major != SX_ABI_MAJOR || minor > SX_ABI_MINOR)
        return rebuild(j, REFUSE(j, "plugin speaks ABI %u.%u, this strix speaks %d.%d", major, minor,
                                 SX_ABI_MAJOR, SX_ABI_MINOR));
    return 0;
}

static int judge_choices(const judge *j, const char *item, const sx_param *p)
{
    long n = 0;
    while (p->choices && n <= MOST_CHOICES && p->choices[n]) n++;
    if (n == 0) return REFUSE(j, "%s '%s' is a choice without choices", item, p->name);
    if (n > MOST_CHOICES) return REFUSE(j, "%s '%s' has more than %d choices", item, p->name, MOST_CHOICES);
    if (!(p->def >= 0 && p->def < (double)n))
        return REFUSE(j, "%s '%s' has the default %g of %ld choices", item, p->name, p->def, n);
    return 0;
}

static int judge_param(const judge *j, const sx_item *it, const sx_param *p)
{
    if (!is_name(p->name)) return REFUSE(j, "%s has a parameter named '%.64s'", it->name, p->name);
    if ((unsigned)p->type >= sizeof fields / sizeof *fields)
        return REFUSE(j, "%s '%s' has type %d, this strix knows %zu", it->name, p->name, (int)p->type,
                      sizeof fields / sizeof *fields);
    const field_row *f = &fields[p->type];
    if (p->offset % f->align || p->offset > it->params_size || it->params_size - p->offset < f->size)
        return REFUSE(j, "%s '%s' lies at %u, outside its struct of %u bytes", it->name, p->name, p->offset,
                      it->params_size);
    if (p->type == SX_TYPE_CHOICE) return judge_choices(j, it->name, p);
    if (!(p->min <= p->max) || isnan(p->def))
        return REFUSE(j, "%s '%s' has the range %g to %g", it->name, p->name, p->min, p->max);
    if (!p->doc || !*p->doc) sx_warn(j->d, at_file(j), "%s '%s' has no documentation", it->name, p->name);
    return 0;
}

/* Rows of the core's own size; missing fields are zero. */
static int copy_params(const judge *j, const sx_item *it, const sx_param **out)
{
    struct { sx_param *v; long n, cap; } rows = { 0 };
    const size_t least = offsetof(sx_param, def), size = it->param_size;
    if (it->params && (size < least || size > sizeof(sx_param) || size % _Alignof(sx_param)))
        return rebuild(j, REFUSE(j, "%s has parameters of %zu bytes, this strix reads %zu to %zu", it->name,
                                 size, least, sizeof(sx_param)));
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
        SX_PUSH(j->r->arena, rows, row);
    }
    SX_PUSH(j->r->arena, rows, (sx_param){ 0 });
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

static int judge_item(const judge *j, const sx_item *it)
{
    if (it->kind == 0 || it->kind >= SX_KINDS)
        return rebuild(j, REFUSE(j, "item is of kind %u, this strix knows 1 to %d", it->kind, SX_KINDS - 1));
    if (it->size < sizeof(sx_item) || it->size > kinds[it->kind].size)
        return rebuild(j, REFUSE(j, "%s is %u bytes, this strix reads %zu to %u", sx_kind_name((int)it->kind),
                                 it->size, sizeof(sx_item), kinds[it->kind].size));
    if (!it->name || !is_name(it->name))
        return REFUSE(j, "%s has no legal name", sx_kind_name((int)it->kind));
    if (it->params_size > 1 << 20) return REFUSE(j, "%s has settings of %u bytes", it->name, it->params_size);
    if (!it->doc || !*it->doc)
        sx_warn(j->d, at_file(j), "%s '%s' has no documentation", sx_kind_name((int)it->kind), it->name);
    return 0;
}

static int add_item(const judge *j, const sx_plugin *plugin, const sx_item *it)
{
    int rc = judge_item(j, it);
    if (rc) return rc;
    const sx_entry *same = peek(j->r, (int)it->kind, it->name);
    if (same)
        return REFUSE(j, "%s '%s' is already known from %s", sx_kind_name((int)it->kind), it->name,
                      same->file);
    sx_entry e = { .plugin = plugin, .file = j->file };
    if ((rc = copy_params(j, it, &e.params))) return rc;
    sx_item *copy = sx_alloc(j->r->arena, kinds[it->kind].size);
    memcpy(copy, it, it->size);
    copy->params = e.params;
    copy->size = kinds[it->kind].size;
    copy->param_size = sizeof(sx_param);
    const char *lacks = missing_call(copy);
    if (lacks) return REFUSE(j, "%s '%s' has no %s", sx_kind_name((int)it->kind), it->name, lacks);
    e.item = copy;
    SX_PUSH(j->r->arena, j->r->entries, sx_dup(j->r->arena, &e, sizeof e));
    return 0;
}

static int add_plugin(const judge *j, void *handle, const sx_plugin *given, const sx_plugin **out)
{
    int rc = judge_abi(j, given);
    if (rc) return rc;
    if (given->size < offsetof(sx_plugin, items) + sizeof given->items || given->size > sizeof(sx_plugin))
        return rebuild(
            j, REFUSE(j, "manifest is %u bytes, this strix reads %zu", given->size, sizeof(sx_plugin)));
    if (!given->name || !given->items) return REFUSE(j, "manifest has no name or no items");
    sx_plugin *p = SX_NEW(j->r->arena, sx_plugin);
    memcpy(p, given, given->size);
    const long before = j->r->entries.n;
    for (long i = 0; !rc && p->items[i]; i++)
        rc = i < MOST_ITEMS ? add_item(j, p, p->items[i])
                            : REFUSE(j, "plugin has more than %d items", MOST_ITEMS);
    if (!rc && j->r->entries.n == before) rc = REFUSE(j, "plugin has no items");
    if (rc) { j->r->entries.n = before; return rc; }                 /* a file is taken whole or not at all */
    SX_PUSH(j->r->arena, j->r->files, ((loaded){ handle, p }));
    *out = p;
    return 0;
}

/* --- Opening a file --- */

/* Plugins do not link libstrix: its symbols must be global also where a host opened it locally (Python). */
static void make_global(void)
{
    static const char here = 0;                  /* any address inside this library */
    Dl_info info;
    if (dladdr(&here, &info) && info.dli_fname) dlopen(info.dli_fname, RTLD_NOLOAD | RTLD_GLOBAL | RTLD_NOW);
}

typedef const sx_plugin *entry_call(void);
static entry_call *entry_of(void *handle)
{
    void *symbol = dlsym(handle, "sx_plugin_entry");
    entry_call *call = NULL;
    memcpy(&call, &symbol, sizeof call);         /* ISO C knows no cast from void * to a function */
    return symbol ? call : NULL;
}

/* Also gives the file's first words, for the message about a text file. */
static bool is_elf(const char *file, char begin[24])
{
    FILE *f = fopen(file, "rb");
    const size_t n = f ? fread(begin, 1, 23, f) : 0;
    if (f) fclose(f);
    const bool elf = n >= 4 && !memcmp(begin, "\177ELF", 4);
    size_t shown = 0;
    while (shown < n && isprint((unsigned char)begin[shown])) shown++;
    begin[shown] = 0;
    return elf;
}

/* dlerror's words without the file's name, which the diagnostic begins with. */
static const char *words_of_dlerror(const judge *j)
{
    const char *s = dlerror();
    if (!s) return "unknown reason";
    const size_t n = strlen(j->file);
    if (!strncmp(s, j->file, n) && s[n] == ':') s += n + 1 + strspn(s + n + 1, " ");
    return sx_strdup(j->r->arena, s);
}

/* RTLD_NOW failed. Opened lazily its manifest may be read: an ABI is a better reason than a symbol. */
static int blame(const judge *j)
{
    static const char undefined[] = "undefined symbol: ";
    const char *why = words_of_dlerror(j), *symbol = strstr(why, undefined);
    void *lazy = dlopen(j->file, RTLD_LAZY | RTLD_LOCAL);
    entry_call *entry = lazy ? entry_of(lazy) : NULL;
    const int abi = entry ? judge_abi(j, entry()) : 0;
    if (abi) return abi;
    if (!symbol) return REFUSE(j, "cannot be loaded: %s", why);
    symbol += strlen(undefined);
    const int n = (int)strcspn(symbol, ", (");
    const int rc = REFUSE(j, "plugin needs the symbol '%.*s', which nothing defines", n, symbol);
    if (!strncmp(symbol, "sx_", 3)) return rebuild(j, rc);
    sx_hint(j->d,
            "Link the library that defines it to the plugin (-l..); a plugin links all it calls itself.");
    return rc;
}

static int load(sx_registry *r, const char *file, const sx_plugin **out, sx_diags *d)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const judge j = { r, sx_strdup(r->arena, file), d };
    char begin[24];
    if (!is_elf(file, begin)) {
        const int rc = REFUSE(&j, "not a shared object");
        if (*begin) sx_detail(d, "The file begins with '%s'.", begin);
        return rc;
    }
    pthread_once(&once, make_global);
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return blame(&j);
    for (long i = 0; i < r->files.n; i++)
        if (r->files.v[i].handle == handle) { *out = r->files.v[i].plugin; return 0; }
    entry_call *entry = entry_of(handle);
    if (entry) return add_plugin(&j, handle, entry(), out);
    const int rc = REFUSE(&j, "no strix plugin: it does not export sx_plugin_entry");
    sx_hint(d, "A plugin ends with SX_PLUGIN(\"name\", \"version\", \"licence\", SX_ITEM(..)).");
    return rc;
}

static int load_file(sx_registry *r, const char *file, const sx_plugin **plugin, sx_diags *d)
{
    char *whole = realpath(file, NULL); /* dlopen searches the system's path for names without a slash */
    if (!whole) return sx_error(d, SX_E_PLUGIN, (sx_where){ .file = file }, "no such file");
    const sx_plugin *p = NULL;
    const int rc = load(r, whole, &p, d);
    free(whole);
    if (!rc && plugin) *plugin = p;
    return rc;
}

/* --- Looking up --- */

static void bad_name(const char *name, sx_where where, sx_diags *d)
{
    sx_error(d, SX_E_PLUGIN, where, "'%.64s' is no plugin's name", name);
    sx_hint(d, "Names are letters, digits, '_' and '-'; a plugin is named without its directory and '.so'.");
}

static const char *joined(sx_arena *a, const char *const *v, long n)
{
    const char *s = "";
    for (long i = 0; i < n; i++) s = sx_format(a, "%s%s%s", s, i ? ", " : "", v[i]);
    return s;
}

static void not_found(sx_registry *r, int kind, const char *name, sx_where where, sx_diags *d)
{
    const char *const *names = NULL;
    const long n = sx_known(r, r->arena, kind, &names);
    sx_error(d, SX_E_PLUGIN, where, "no %s '%s'", sx_kind_name(kind), name);
    sx_detail(d, "Searched %s for %s/%s.so. Known: %s.", joined(r->arena, r->dirs.v, r->dirs.n),
              sx_kind_folder(kind), name, n ? joined(r->arena, names, n) : "none");
    const char *near = sx_nearest(name, names, n);
    if (near) sx_hint(d, "Did you mean '%s'?", near);
    else if (!n) sx_hint(d, "Name the directory of the plugins with --plugin-path or STRIX_PLUGIN_PATH.");
}

static void wanted_by(sx_where where, sx_diags *d)
{
    if (d && d->n && !d->v[d->n - 1].detail && where.file && where.line > 0)
        sx_detail(d, "Wanted by %s:%d.", where.file, where.line);
}

static const sx_entry *find(sx_registry *r, int kind, const char *name, sx_where where, sx_diags *d)
{
    const sx_entry *e = peek(r, kind, name);
    if (e) return e;
    if (!is_name(name)) { bad_name(name, where, d); return NULL; }
    const char *file = find_file(r, kind, name);
    if (!file) { not_found(r, kind, name, where, d); return NULL; }
    const sx_plugin *p = NULL;
    if (load(r, file, &p, d)) { wanted_by(where, d); return NULL; }
    e = peek(r, kind, name);
    if (!e) {
        sx_error(d, SX_E_PLUGIN, (sx_where){ .file = file }, "plugin '%s' has no %s '%s'", p->name,
                 sx_kind_name(kind), name);
        wanted_by(where, d);
    }
    return e;
}

static int load_named(sx_registry *r, const char *name, sx_where where, sx_diags *d)
{
    if (!is_name(name)) { bad_name(name, where, d); return SX_E_PLUGIN; }
    const char *file = NULL;
    for (int kind = 0; kind < SX_KINDS && !file; kind++) file = find_file(r, kind, name);
    const sx_plugin *p = NULL;
    if (file) {
        const int rc = load(r, file, &p, d);
        if (rc) wanted_by(where, d);
        return rc;
    }
    sx_error(d, SX_E_PLUGIN, where, "no plugin '%s'", name);
    sx_detail(d, "Searched %s for %s.so, itself and in the folders of the kinds.",
              joined(r->arena, r->dirs.v, r->dirs.n), name);
    return SX_E_PLUGIN;
}

/* --- The same for callers: one thread at a time --- */

const sx_entry *sx_peek(const sx_registry *r, int kind, const char *name)
{
    pthread_mutex_lock(r->lock);
    const sx_entry *e = peek(r, kind, name);
    pthread_mutex_unlock(r->lock);
    return e;
}

const sx_entry *sx_find(sx_registry *r, int kind, const char *name, sx_where where, sx_diags *d)
{
    pthread_mutex_lock(r->lock);
    const sx_entry *e = find(r, kind, name, where, d);
    pthread_mutex_unlock(r->lock);
    return e;
}

int sx_load(sx_registry *r, const char *name, sx_where where, sx_diags *d)
{
    pthread_mutex_lock(r->lock);
    const int rc = load_named(r, name, where, d);
    pthread_mutex_unlock(r->lock);
    return rc;
}

int sx_load_file(sx_registry *r, const char *file, const sx_plugin **plugin, sx_diags *d)
{
    pthread_mutex_lock(r->lock);
    const int rc = load_file(r, file, plugin, d);
    pthread_mutex_unlock(r->lock);
    return rc;
}

/* --- Listing --- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_word(sx_arena *a, words *w, const char *s)
{
    for (long i = 0; i < w->n; i++) if (!strcmp(w->v[i], s)) return;
    SX_PUSH(a, *w, s);
}

static void names_in(sx_arena *a, const char *dir, words *out)
{
    DIR *d = opendir(dir);
    if (!d) return;
    for (const struct dirent *e; (e = readdir(d));) {
        const size_t n = strlen(e->d_name);
        if (n <= 3 || strcmp(e->d_name + n - 3, ".so")) continue;
        const char *name = sx_strndup(a, e->d_name, n - 3);
        if (is_name(name)) add_word(a, out, name);
    }
    closedir(d);
}

static void sort(words *w)
{
    if (w->n) qsort(w->v, (size_t)w->n, sizeof *w->v, by_text);
}

long sx_known(sx_registry *r, sx_arena *a, int kind, const char *const **names)
{
    words w = { 0 };
    pthread_mutex_lock(r->lock);
    for (long i = 0; i < r->dirs.n; i++)
        for (int libs = 0; libs < 2; libs++) names_in(a, folder_of(a, r->dirs.v[i], kind, libs), &w);
    for (long i = 0; i < r->entries.n; i++)
        if ((int)r->entries.v[i]->item->kind == kind) add_word(a, &w, r->entries.v[i]->item->name);
    pthread_mutex_unlock(r->lock);
    sort(&w);
    *names = w.v;
    return w.n;
}

void sx_each_file(sx_registry *r, void (*each)(void *ctx, int kind, const char *name, const char *file),
                  void *ctx)
{
    pthread_mutex_lock(r->lock);
    for (long i = 0; i < r->dirs.n; i++)
        for (int kind = 0; kind < SX_KINDS; kind++) {
            words w = { 0 };
            for (int libs = 0; libs < 2; libs++)
                names_in(r->arena, folder_of(r->arena, r->dirs.v[i], kind, libs), &w);
            sort(&w);
            for (long k = 0; k < w.n; k++) {
                const char *file = file_in(r->arena, r->dirs.v[i], kind, w.v[k]);
                if (file) each(ctx, kind, w.v[k], file);
            }
        }
    pthread_mutex_unlock(r->lock);
}
