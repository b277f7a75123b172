/* csv.c: comma-separated values read into rows of texts; a quoted cell may hold commas, quotes and the ends
 * of lines. */
#include "csv.h"
#include <string.h>

enum { COLUMNS = 1000, BYTES = 1 << 28 };
typedef struct { const char **v; long n, cap; } cells;
typedef struct { csv_row *v; long n, cap; } rows;
typedef struct { cli_context *c; const char *file; char *at, *end; int line; } reader;

static int fault(const reader *r, int line, const char *what)
{
    return sx_error(&r->c->diags, SX_E_DATA, (sx_where){ .file = r->file, .line = line }, "%s", what);
}

/* What stands in quotes, unquoted in place; r->at is left behind the closing one. */
static int quoted(reader *r, const char **cell)
{
    const int line = r->line;
    char *to = ++r->at;
    *cell = to;
    for (; r->at < r->end; r->at++) {
        if (*r->at == '"' && (++r->at >= r->end || *r->at != '"')) {
            const bool ends = r->at >= r->end || strchr(",\r\n", *r->at);
            *to = 0;
            return ends ? 0 : fault(r, r->line, "something follows a closing quote");
        }
        r->line += *r->at == '\n';
        *to++ = *r->at;
    }
    return fault(r, line, "a quote is never closed");
}

/* One cell; *last: it ends its line. The separator becomes its end. */
static int cell(reader *r, const char **out, bool *last)
{
    int rc = 0;
    char *from = r->at;
    if (r->at < r->end && *r->at == '"') rc = quoted(r, out);
    else {
        r->at += strcspn(r->at, ",\r\n");
        *out = from;
    }
    if (rc) return rc;
    char *stop = r->at;
    *last = r->at >= r->end || *r->at != ',';
    if (r->at < r->end && *r->at == '\r' && r->at[1] == '\n') r->at++;
    if (r->at < r->end) r->at++;
    *stop = 0;
    return 0;
}

static int line_of(reader *r, cells *to, csv_row *row)
{
    bool last = false;
    *row = (csv_row){ .line = r->line };
    *to = (cells){ 0 };
    while (!last) {
        const char *text = "";
        const int rc = to->n < COLUMNS ? cell(r, &text, &last) : fault(r, r->line, "more than 1000 columns");
        if (rc) return rc;
        SX_PUSH(r->c->arena, *to, text);
    }
    r->line++;
    row->cell = to->v;
    return 0;
}

static bool is_empty(const cells *c) { return c->n == 1 && !*c->v[0]; }

static int read_rows(reader *r, csv *out)
{
    rows all = { 0 };
    cells line;
    csv_row row;
    int bad = r->at < r->end ? line_of(r, &line, &row) : fault(r, 1, "the file is empty");
    if (bad) return bad;
    out->head = line.v;
    out->columns = line.n;
    while (r->at < r->end) {
        const int rc = line_of(r, &line, &row);
        if (rc) return rc;                       /* where a quote is wrong, nothing after it is sure */
        if (is_empty(&line)) continue;
        if (line.n == out->columns) SX_PUSH(r->c->arena, all, row);
        else
            bad = sx_error(&r->c->diags, SX_E_DATA, (sx_where){ .file = r->file, .line = row.line },
                           "%s, and the first line names %s", sx_plural(r->c->arena, line.n, "cell"),
                           sx_plural(r->c->arena, out->columns, "column"));
    }
    out->row = all.v;
    out->rows = all.n;
    return bad;
}

static int check_head(const reader *r, const csv *t)
{
    for (long i = 0; i < t->columns; i++)
        if (*t->head[i] && csv_column(t, t->head[i]) != i)
            return sx_error(&r->c->diags, SX_E_DATA, (sx_where){ .file = r->file, .line = 1 },
                            "two columns are named '%s'", t->head[i]);
    return 0;
}

int csv_read(cli_context *c, const char *file, csv *out)
{
    size_t bytes = 0;
    char *text;
    const int bad = sx_file_read(c->arena, file, BYTES, &text, &bytes, &c->diags);
    if (bad) return bad;
    *out = (csv){ .file = file };
    reader r = { c, file, text, text + bytes, 1 };
    if (memchr(text, 0, bytes)) return fault(&r, 0, "not a text file");
    if (bytes >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) r.at += 3;
    const int rc = read_rows(&r, out);
    return rc ? rc : check_head(&r, out);
}

long csv_column(const csv *t, const char *name)
{
    for (long i = 0; i < t->columns; i++) if (!strcmp(t->head[i], name)) return i;
    return -1;
}
