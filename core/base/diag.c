/* diag.c: error records: collected by the core, printed by the command line, one string for each code. */
#include "diag.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 20 };

void sx_diags_init(sx_diags *d, sx_arena *a) { *d = (sx_diags){ .arena = a }; }

static void add(sx_diags *d, int code, sx_where where, const char *fmt, va_list ap)
{
    if (code) d->errors++;
    if (code && d->errors > KEPT) return;
    where.file = sx_strdup(d->arena, where.file);
    where.path = sx_strdup(d->arena, where.path);
    SX_PUSH(d->arena, *d, ((sx_diag){ .code = code, .where = where, .text = sx_vformat(d->arena, fmt, ap) }));
}

int sx_error(sx_diags *d, int code, sx_where where, const char *fmt, ...)
{
    if (!d) return code;
    va_list ap;
    va_start(ap, fmt);
    add(d, code, where, fmt, ap);
    va_end(ap);
    return code;
}

void sx_warn(sx_diags *d, sx_where where, const char *fmt, ...)
{
    if (!d) return;
    va_list ap;
    va_start(ap, fmt);
    add(d, 0, where, fmt, ap);
    va_end(ap);
}

/* The record that a detail or hint belongs to: the last one, unless it was one too many to be kept. */
static sx_diag *last(sx_diags *d) { return d && d->n && d->errors <= KEPT ? &d->v[d->n - 1] : NULL; }

void sx_detail(sx_diags *d, const char *fmt, ...)
{
    sx_diag *to = last(d);
    if (!to) return;
    va_list ap;
    va_start(ap, fmt);
    to->detail = sx_vformat(d->arena, fmt, ap);
    va_end(ap);
}

void sx_hint(sx_diags *d, const char *fmt, ...)
{
    sx_diag *to = last(d);
    if (!to) return;
    va_list ap;
    va_start(ap, fmt);
    to->hint = sx_vformat(d->arena, fmt, ap);
    va_end(ap);
}

const sx_diag *sx_diags_first(const sx_diags *d)
{
    for (long i = 0; i < d->n; i++) if (d->v[i].code) return &d->v[i];
    return NULL;
}

int sx_diags_code(const sx_diags *d)
{
    const sx_diag *first = sx_diags_first(d);
    return first ? first->code : 0;
}

sx_diag sx_diag_copy(sx_arena *a, const sx_diag *g)
{
    return (sx_diag){ .code = g->code,
                      .where = { sx_strdup(a, g->where.file), g->where.line, sx_strdup(a, g->where.path) },
                      .text = sx_strdup(a, g->text),
                      .detail = sx_strdup(a, g->detail),
                      .hint = sx_strdup(a, g->hint) };
}

void sx_diags_add(sx_diags *d, int code, const sx_diag *g)
{
    if (code) sx_error(d, code, g->where, "%s", g->text);
    else sx_warn(d, g->where, "%s", g->text);
    if (g->detail) sx_detail(d, "%s", g->detail);
    if (g->hint) sx_hint(d, "%s", g->hint);
}

int sx_diags_pass(const sx_diags *from, int rc, sx_diags *to)
{
    for (long i = 0; i < from->n; i++) sx_diags_add(to, from->v[i].code, &from->v[i]);
    return rc < 0 && !from->errors ? sx_error(to, rc, SX_NOWHERE, "%s", sx_error_text(rc)) : rc;
}

static void print_source(const sx_where *w, FILE *to)
{
    FILE *f = w->file && w->line > 0 ? fopen(w->file, "r") : NULL;
    if (!f) return;
    char line[512];
    for (int at = 1, start = 1; fgets(line, sizeof line, f);) {
        const size_t n = strlen(line);
        const bool whole = n && line[n - 1] == '\n';
        if (start && at == w->line) {
            char *text = line;
            while (isspace((unsigned char)*text)) text++;
            text[strcspn(text, "\r\n")] = 0;
            if (*text) fprintf(to, "  %5d | %.160s\n", at, text);
            break;
        }
        start = whole;
        at += whole;
    }
    fclose(f);
}

void sx_diags_print(const sx_diags *d, FILE *to)
{
    for (long i = 0; i < d->n; i++) {
        const sx_diag *g = &d->v[i];
        if (g->where.file && g->where.line > 0) fprintf(to, "%s:%d: ", g->where.file, g->where.line);
        else if (g->where.file) fprintf(to, "%s: ", g->where.file);
        fprintf(to, "%s: %s\n", g->code ? "error" : "warning", g->text);
        print_source(&g->where, to);
        if (g->detail) fprintf(to, "  detail: %s\n", g->detail);
        if (g->hint) fprintf(to, "  hint: %s\n", g->hint);
    }
    if (d->errors > KEPT) fprintf(to, "... and %ld more errors\n", d->errors - KEPT);
}

const char *sx_error_text(int code)
{
    switch (code) {
    case SX_OK: return "success";
    case SX_E_USAGE: return "wrong usage";
    case SX_E_CONFIG: return "the experiment file is not valid";
    case SX_E_PLUGIN: return "a plugin is missing or does not fit";
    case SX_E_DATA: return "data or weights are missing or damaged";
    case SX_E_DEVICE: return "the device is missing or failed";
    case SX_E_MEMORY: return "not enough memory";
    case SX_E_STORE: return "the study is locked, damaged or of an unknown schema";
    case SX_E_LOST: return "somebody else has this trial now";
    case SX_E_DIVERGED: return "the loss is not finite";
    case SX_E_REFUSED: return "this point was refused";
    case SX_E_STOPPED: return "stopped by a signal";
    case SX_E_IO: return "a file could not be read or written";
    case SX_E_UNSUPPORTED: return "not available here";
    case SX_E_EXHAUSTED: return "the space has no further point";
    }
    return "unknown error";
}

const char *sx_error_name(int code)
{
    static const char *const name[] = { "SX_OK", "SX_E_USAGE", "SX_E_CONFIG", "SX_E_PLUGIN", "SX_E_DATA",
        "SX_E_DEVICE", "SX_E_MEMORY", "SX_E_STORE", "SX_E_LOST", "SX_E_DIVERGED", "SX_E_REFUSED", "SX_E_STOPPED", "SX_E_IO",
        "SX_E_UNSUPPORTED", "SX_E_EXHAUSTED" };
    return code <= 0 && -code < (int)(sizeof name / sizeof *name) ? name[-code] : "SX_E_?";
}

/* Levenshtein distance with swaps of neighbours counted as one (optimal string alignment); words are
 * short. */
static int distance(const char *a, const char *b)
{
    enum { MOST = 64 };
    const int n = (int)strlen(a), m = (int)strlen(b);
    if (n > MOST || m > MOST) return 1 << 20;   /* near nothing */
    int d[MOST + 1][MOST + 1];
    for (int i = 0; i <= n; i++) d[i][0] = i;
    for (int j = 0; j <= m; j++) d[0][j] = j;
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= m; j++) {
            const bool differ = tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);
            int best = d[i - 1][j - 1] + differ;
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

const char *sx_nearest(const char *word, const char *const *names, long n)
{
    const char *best = NULL;
    int least = (int)strlen(word) / 3 + 1;       /* "lr" may be one off, "filter" two */
    for (long i = 0; i < n; i++) {
        const int d = distance(word, names[i]);
        if (d <= least && (!best || d < least)) { best = names[i]; least = d; }
    }
    return best;
}

const char *sx_join(sx_arena *a, const char *const *v, long n)
{
    const char *s = "";
    for (long i = 0; i < n; i++) s = sx_format(a, "%s%s%s", s, i ? ", " : "", v[i]);
    return s;
}

const char *sx_plural(sx_arena *a, long n, const char *noun)
{
    const size_t len = strlen(noun);
    if (n == 1) return sx_format(a, "1 %s", noun);
    if (len && noun[len - 1] == 'y') return sx_format(a, "%ld %.*sies", n, (int)len - 1, noun);
    if (len > 2 && !strcmp(noun + len - 2, "is")) return sx_format(a, "%ld %.*ses", n, (int)len - 2, noun);
    const bool hard = len > 4 && !strcmp(noun + len - 5, "epoch");   /* the one -ch that is spoken -k */
    return sx_format(a, "%ld %s%s", n, noun, len && strchr("sxh", noun[len - 1]) && !hard ? "es" : "s");
}

void sx_bug(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "strix: internal error at %s:%d: ", file, line);
    vfprintf(stderr, fmt, ap);
    fputs("\nThis is a mistake in strix, please report it.\n", stderr);
    va_end(ap);
    abort();
}
