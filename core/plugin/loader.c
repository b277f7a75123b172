/* loader.c: finds plugins by kind and name, opens them, keeps the registry of their items.
 * A file is never scanned for in a run, never looked for in the working directory and never unloaded. */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "log.h"
#include "manifest.h"

/* dlopen gives one handle for one file, whatever its path. */
typedef struct { void *handle; const sx_plugin *plugin; } loaded;
typedef struct { const char **v; long n, cap; } words;
struct sx_registry {
    sx_arena *arena;                             /* its own, used under the lock only */
    pthread_mutex_t *lock; /* recursive: trials in threads may look up what is not loaded */
    words dirs, relative;                        /* those that are searched; those that were passed over */
    struct { const sx_entry **v; long n, cap; } entries;
    struct { loaded *v; long n, cap; } files;
};

/* --- The search path --- */

static void add_dir(sx_registry *r, const char *dir, size_t n)
{
    while (n > 1 && dir[n - 1] == '/') n--;
    if (n == 0) return;
    if (dir[0] != '/') { /* else a plugin could come from wherever the user happens to stand */
        sx_log(SX_LOG_WARN, "loader", "plugin path ignored: not absolute path=%.*s", (int)n, dir);
        SX_PUSH(r->arena, r->relative, sx_strndup(r->arena, dir, n));
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

static void close_arena(void *arena) { sx_arena_close(arena); }
static void drop_lock(void *lock) { pthread_mutex_destroy(lock); }

sx_registry *sx_registry_open(sx_arena *a, const char *path)
{
    pthread_mutexattr_t attr;
    sx_arena *own = sx_arena_open(NULL);         /* no child of a: what a defers later may still use items */
    sx_arena_defer(a, close_arena, own);
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

/* --- Opening a file --- */

static sx_where at_file(const sx_judge *j) { return (sx_where){ .file = j->file }; }
#define REFUSE(j, ...) sx_error((j)->d, SX_E_PLUGIN, at_file(j), __VA_ARGS__)

/* A file is taken whole or not at all. */
static int add_plugin(sx_registry *r, const sx_judge *j, void *handle, const sx_plugin *given,
                      const sx_plugin **out)
{
    const long before = r->entries.n;
    sx_entries items = { 0 };
    int rc = sx_manifest_read(j, given, out, &items);
    for (long i = 0; i < items.n && !rc; i++) {
        const sx_item *it = items.v[i].item;
        const sx_entry *same = peek(r, (int)it->kind, it->name);
        if (!same) SX_PUSH(r->arena, r->entries, &items.v[i]);
        else rc = REFUSE(j, "%s '%s' is already known from %s", sx_kind_name((int)it->kind), it->name,
                         same->file);
    }
    if (rc) r->entries.n = before;
    else SX_PUSH(r->arena, r->files, ((loaded){ handle, *out }));
    return rc;
}

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

/* dlerror's words without the file's name, which the diagnostic begins with. */
static const char *words_of_dlerror(const sx_judge *j)
{
    const char *s = dlerror();
    if (!s) return "unknown reason";
    const size_t n = strlen(j->file);
    if (!strncmp(s, j->file, n) && s[n] == ':') s += n + 1 + strspn(s + n + 1, " ");
    return sx_strdup(j->arena, s);
}

/* RTLD_NOW failed. Opened lazily its manifest may be read: an ABI is a better reason than a symbol. */
static int blame(const sx_judge *j)
{
    static const char undefined[] = "undefined symbol: ";
    const char *why = words_of_dlerror(j), *symbol = strstr(why, undefined);
    void *lazy = dlopen(j->file, RTLD_LAZY | RTLD_LOCAL);
    entry_call *entry = lazy ? entry_of(lazy) : NULL;
    const int abi = entry ? sx_manifest_abi(j, entry()) : 0;
    if (abi) return abi;
    if (!symbol) return REFUSE(j, "cannot be loaded: %s", why);
    symbol += strlen(undefined);
    const int n = (int)strcspn(symbol, ", (");
    const int rc = REFUSE(j, "plugin needs the symbol '%.*s', which nothing defines", n, symbol);
    if (!strncmp(symbol, "sx_", 3)) return sx_judge_rebuild(j, rc);
    sx_hint(j->d,
            "Link the library that defines it to the plugin (-l..); a plugin links all it calls itself.");
    return rc;
}

static int load(sx_registry *r, const char *file, const sx_plugin **out, sx_diags *d)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const sx_judge j = { r->arena, sx_strdup(r->arena, file), d };
    const int bad = sx_elf_check(&j);
    if (bad) return bad;
    pthread_once(&once, make_global);
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return blame(&j);
    for (long i = 0; i < r->files.n; i++)
        if (r->files.v[i].handle == handle) { *out = r->files.v[i].plugin; return 0; }
    entry_call *entry = entry_of(handle);
    if (entry) return add_plugin(r, &j, handle, entry(), out);
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

/* Where a strix that was built and not installed has its plugins; NULL: it is none. */
static const char *beside_program(const sx_registry *r)
{
    char exe[4096];
    const ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) return NULL;
    exe[n] = 0;
    for (int up = 0; up < 2; up++) {             /* libtool keeps the program itself in .libs */
        char *slash = strrchr(exe, '/');
        if (!slash) return NULL;
        *slash = 0;
        const char *dir = sx_format(r->arena, "%s/plugins", exe);
        if (!access(sx_format(r->arena, "%s/layers", dir), F_OK)) return dir;
    }
    return NULL;
}

/* strix comes with plugins of every kind, so a kind without any is a wrong path. Told once, whatever is asked
 * for. */
static void wrong_path(sx_registry *r, int kind, sx_diags *d)
{
    static const char text[] = "the plugins of strix are not found";
    const char *dirs = "";
    for (long i = 0; d && i < d->n; i++) if (d->v[i].code && !strcmp(d->v[i].text, text)) return;
    for (long i = 0; i < r->dirs.n; i++)
        dirs = sx_format(r->arena, "%s%s%s (%s%s)", dirs, i ? ", " : "", r->dirs.v[i],
                         access(r->dirs.v[i], F_OK) ? "not there" : "without ",
                         access(r->dirs.v[i], F_OK) ? "" : sx_kind_folder(kind));
    for (long i = 0; i < r->relative.n; i++)
        dirs = sx_format(r->arena, "%s, %s (ignored, as it is not absolute)", dirs, r->relative.v[i]);
    sx_error(d, SX_E_PLUGIN, SX_NOWHERE, "%s", text);
    sx_detail(d, "Searched %s.", dirs);
    const char *beside = beside_program(r);
    if (beside) sx_hint(d, "This strix is not installed: export STRIX_PLUGIN_PATH=%s first.", beside);
    else sx_hint(d, "Name the directory that holds layers, losses, optimizers .. with --plugin-path or "
               "STRIX_PLUGIN_PATH.");
}

static void not_found(sx_registry *r, int kind, const char *name, sx_where where, sx_diags *d)
{
    const char *const *names = NULL;
    const long n = sx_known(r, r->arena, kind, &names);
    if (!n) { wrong_path(r, kind, d); return; }
    sx_error(d, SX_E_PLUGIN, where, "no %s '%s'", sx_kind_name(kind), name);
    sx_detail(d, "Searched %s for %s/%s.so. Known: %s.", sx_join(r->arena, r->dirs.v, r->dirs.n),
              sx_kind_folder(kind), name, sx_join(r->arena, names, n));
    const char *near = sx_nearest(name, names, n);
    if (near) sx_hint(d, "Did you mean '%s'?", near);
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
    if (!sx_is_name(name)) { bad_name(name, where, d); return NULL; }
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
    if (!sx_is_name(name)) { bad_name(name, where, d); return SX_E_PLUGIN; }
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
              sx_join(r->arena, r->dirs.v, r->dirs.n), name);
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
        if (sx_is_name(name)) add_word(a, out, name);
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
