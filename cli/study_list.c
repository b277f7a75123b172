/* study_list.c: strix study list: the studies of a store, or of all databases in ./studies. */
#include "study_verb.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

typedef struct { cli_context *c; const char *url; cli_table *table; json_t *list; } listing;

/* How many trials no other one beats; -1: of one objective. */
static long front_of(listing *l, const char *name)
{
    sx_arena *a = sx_arena_open(l->c->arena);
    sx_diags own;
    sx_diags_init(&own, a);
    sx_study *s = NULL;
    const sx_trial_row *const *row;
    long n = -1;
    if (!sx_study_open(a, cli_registry(l->c), NULL, l->url, name, false, &s, &own) &&
        sx_study_exp(s)->tune.objectives > 1)
        n = sx_study_front(s, a, &row, &own);
    sx_arena_close(a);
    return n;
}

static void one_study(void *ctx, int64_t study, const char *name, long trials, double best, bool has_best)
{
    listing *l = ctx;
    (void)study;
    const long front = has_best || !trials ? -1 : front_of(l, name);
    json_t *o = json_pack("{s:s, s:s, s:I}", "study", name, "store", l->url, "trials", (json_int_t)trials);
    cli_json_real(o, "best", has_best ? best : NAN);
    if (front >= 0) json_object_set_new(o, "front", json_integer((json_int_t)front));
    json_array_append_new(l->list, o);
    CLI_ROW(l->table, sx_strdup(l->c->arena, name), sx_format(l->c->arena, "%ld", trials),
            has_best     ? sx_format(l->c->arena, "%.6g", best)
            : front >= 0 ? sx_format(l->c->arena, "front of %ld", front)
                         : "-", l->url);
}

/* named: by the user; what else lies about may be damaged. */
static int list_store(listing *l, const char *url, bool named)
{
    cli_context *c = l->c;
    const sx_store *store = sx_store_of(cli_registry(c), url, &c->diags);
    if (!store) return sx_diags_code(&c->diags);
    sx_db *db = NULL;
    l->url = url;
    int rc = store->open(url, false, &db);
    if (!rc && *store->last_error()) sx_warn(&c->diags, SX_NOWHERE, "%s", store->last_error());
    if (!rc) rc = store->list(db, one_study, l);
    if (rc && named) sx_store_told(store, rc, &c->diags);
    else if (rc) sx_warn(&c->diags, SX_NOWHERE, "%s", store->last_error());
    if (db) store->close(db);
    return named ? rc : 0;
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* All of ./studies where no store is named; a damaged one is a warning there. */
static int list_folder(listing *l)
{
    cli_context *c = l->c;
    struct { const char **v; long n, cap; } names = { 0 };
    DIR *dir = opendir("studies");
    for (struct dirent *f; dir && (f = readdir(dir));) {
        const size_t n = strlen(f->d_name);
        if (n > 3 && !strcmp(f->d_name + n - 3, ".db"))
            SX_PUSH(c->arena, names, sx_format(c->arena, "sqlite:studies/%s", f->d_name));
    }
    if (dir) closedir(dir);
    if (names.n) qsort(names.v, (size_t)names.n, sizeof *names.v, by_name);
    int rc = 0;
    for (long i = 0; i < names.n; i++) {
        const int bad = list_store(l, names.v[i], false);
        if (!rc) rc = bad;
    }
    return rc;
}

int study_list(cli_context *c)
{
    listing l = { .c = c, .table = cli_table_open(c, "study|>trials|>best|store"), .list = json_array() };
    const char *url = cli_text(c, "store", NULL);
    const int rc = url ? list_store(&l, url, true) : list_folder(&l);
    if (c->json && !rc) cli_json_print(c, json_pack("{s:o}", "studies", l.list));
    else json_decref(l.list);
    if (!c->json && !(url && rc)) cli_table_print(l.table);
    return rc;
}
