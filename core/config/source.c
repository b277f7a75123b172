/* source.c: reads the text of experiment files before libconfig does, for what its version 1.5 gets wrong: it
 * includes relative to the working directory, cuts integers above 31 bits, says "syntax error" to all
 * mistakes. */
#include "source.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "file.h"

enum { INCLUDES = 10 };
typedef struct {
    sx_source *s; const char *file, *at; int line;
    bool fresh;                                  /* only blanks so far in this line */
} cursor;

void sx_source_init(sx_source *s, sx_arena *a, sx_diags *d, bool alone)
{
    *s = (sx_source){ .a = a, .d = d, .alone = alone, .before = ';' };
}

sx_origin sx_source_origin(const sx_source *s, long line)
{
    if (!s->line.n) return (sx_origin){ 0 };
    return s->line.v[line < 1 ? 0 : line > s->line.n ? s->line.n - 1 : line - 1];
}

/* Length of the UTF-8 sequence at p, 0 if it is none (overlong, surrogate, above U+10FFFF). */
static int sequence(const unsigned char *p)
{
    if (*p < 0x80) return 1;
    const int n = *p >= 0xc2 && *p < 0xe0 ? 2 : *p >= 0xe0 && *p < 0xf0 ? 3 : *p >= 0xf0 && *p < 0xf5 ? 4 : 0;
    for (int i = 1; i < n; i++) if ((p[i] & 0xc0) != 0x80) return 0;
    if (n == 3 && ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f))) return 0;
    if (n == 4 && ((*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))) return 0;
    return n;
}

bool sx_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    for (int n; *p; p += n) if (!(n = sequence(p))) return false;
    return true;
}

static sx_where here(const cursor *c) { return (sx_where){ c->file, c->line, NULL }; }

static void mark_line(cursor *c)
{
    SX_PUSH(c->s->a, c->s->line, ((sx_origin){ c->file, c->line }));
}

/* Copies n characters and counts their lines. */
static void copy(cursor *c, size_t n)
{
    for (; n; n--, c->at++) {
        SX_PUSH(c->s->a, c->s->text, *c->at);
        if (*c->at != '\n') continue;
        c->line++;
        c->fresh = true;
        mark_line(c);
    }
}

static int quoted(cursor *c)
{
    const char *end = c->at + 1;
    while (*end && *end != '"') end += *end == '\\' && end[1] ? 2 : 1;
    if (!*end) return sx_error(c->s->d, SX_E_CONFIG, here(c), "this text is never closed");
    copy(c, (size_t)(end + 1 - c->at));
    c->s->before = '"';
    return 0;
}

static int comment(cursor *c)
{
    if (c->at[0] == '/' && c->at[1] == '*') {
        const char *end = strstr(c->at + 2, "*/");
        if (!end) return sx_error(c->s->d, SX_E_CONFIG, here(c), "this comment is never closed");
        copy(c, (size_t)(end + 2 - c->at));
    } else {
        copy(c, strcspn(c->at, "\n"));
    }
    return 0;
}

static bool is_comment(const char *p) { return *p == '#' || (*p == '/' && (p[1] == '/' || p[1] == '*')); }
static bool in_name(char c) { return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '*'; }

static bool in_list(const sx_source *s) { return s->depth && s->bracket[s->depth - 1].open != '{'; }
/* Does a value come next? In a group commas may end settings, so there only = and : announce one. */
static bool wants_value(const sx_source *s)
{
    return s->before == '=' || s->before == ':' || (in_list(s) && strchr("[(,", s->before));
}

static int word(cursor *c)
{
    size_t n = 1;
    while (in_name(c->at[n])) n++;
    const bool truth = (n == 4 && !strncasecmp(c->at, "true", 4)) ||
                       (n == 5 && !strncasecmp(c->at, "false", 5));
    if (wants_value(c->s) && !truth)
        return sx_error(c->s->d, SX_E_CONFIG, here(c), "the text %.*s needs quotes", (int)(n < 80 ? n : 80),
                        c->at);
    copy(c, n);
    c->s->before = 'a';
    return 0;
}

/* An integer that 32 bits cannot hold gets an L; one that 64 bits cannot hold is an error. */
static int integer(cursor *c, const char *end, bool hex)
{
    errno = 0;
    const long long v = hex ? (long long)strtoull(c->at, NULL, 16) : strtoll(c->at, NULL, 10);
    const bool suffix = *end == 'L';
    const sx_where where = here(c);
    const int n = (int)(end - c->at);
    if (errno || (hex && v < 0))
        return sx_error(c->s->d, SX_E_CONFIG, where, "integer %.*s does not fit into 64 bits",
                        n < 80 ? n : 80, c->at);
    const char *digits = c->at;
    copy(c, (size_t)n);
    if (suffix) copy(c, c->at[1] == 'L' ? 2 : 1);
    else if (v > INT32_MAX || v < INT32_MIN) {
        SX_PUSH(c->s->a, c->s->text, 'L');
        sx_warn(c->s->d, where, "integer %.*s does not fit into 32 bits and has no L", n, digits);
        sx_hint(c->s->d, "Write %.*sL: other programs that use libconfig 1.5 cut it.", n, digits);
    }
    return 0;
}

static int number(cursor *c)
{
    const char *p = c->at + (*c->at == '+' || *c->at == '-');
    const bool hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
    const char *end = hex ? p + 2 : p;
    while (hex ? isxdigit((unsigned char)*end) : isdigit((unsigned char)*end)) end++;
    c->s->before = 'a';
    if (hex || !strchr(".eE", *end) || !*end) return integer(c, end, hex);
    while (isalnum((unsigned char)*end) || *end == '.' ||
           (strchr("+-", *end) && *end && strchr("eE", end[-1])))
        end++;
    copy(c, (size_t)(end - c->at));
    return 0;
}

static bool starts_number(const char *p)
{
    if (*p == '+' || *p == '-') p++;
    return isdigit((unsigned char)*p) || (*p == '.' && isdigit((unsigned char)p[1]));
}

static int open_bracket(cursor *c)
{
    sx_source *s = c->s;
    if (s->depth == SX_SOURCE_DEPTH)
        return sx_error(s->d, SX_E_CONFIG, here(c), "groups and lists are nested more than %d deep",
                        SX_SOURCE_DEPTH);
    if (*c->at == '{' && !wants_value(s)) {
        sx_error(s->d, SX_E_CONFIG, here(c), "a group needs a name and '=' before its '{'");
        return SX_E_CONFIG;
    }
    s->bracket[s->depth].open = *c->at;
    s->bracket[s->depth++].at = (sx_origin){ c->file, c->line };
    return 0;
}

static int close_bracket(cursor *c)
{
    sx_source *s = c->s;
    const char open = *c->at == '}' ? '{' : *c->at == ']' ? '[' : '(';
    if (!s->depth) return sx_error(s->d, SX_E_CONFIG, here(c), "this '%c' closes nothing", *c->at);
    if (s->bracket[s->depth - 1].open != open) {
        const sx_origin *at = &s->bracket[s->depth - 1].at;
        sx_error(s->d, SX_E_CONFIG, here(c), "'%c' where the '%c' of line %d is still open", *c->at,
                 s->bracket[s->depth - 1].open, at->line);
        return SX_E_CONFIG;
    }
    if (open != '{' && s->before == ',')
        return sx_error(s->d, SX_E_CONFIG, here(c), "a list ends with a value, not with a comma");
    s->depth--;
    return 0;
}

static int sign(cursor *c)
{
    sx_source *s = c->s;
    int rc = 0;
    if (strchr("{[(", *c->at)) rc = open_bracket(c);
    else if (strchr("}])", *c->at)) rc = close_bracket(c);
    else if (strchr("=:", *c->at) && ++s->settings > SX_SOURCE_SETTINGS)
        rc = sx_error(s->d, SX_E_CONFIG, here(c), "more than %d settings in one file", SX_SOURCE_SETTINGS);
    if (rc) return rc;
    s->before = *c->at;
    copy(c, 1);
    return 0;
}

/* @include "file": relative to the file that includes. */
static int include(cursor *c)
{
    sx_source *s = c->s;
    const char *p = c->at + strlen("@include");
    p += strspn(p, " \t");
    const size_t n = *p == '"' ? strcspn(p + 1, "\"\n") : 0;
    if (!n || p[1 + n] != '"')
        return sx_error(s->d, SX_E_CONFIG, here(c), "@include needs a file's name in quotes");
    const char *name = sx_strndup(s->a, p + 1, n), *slash = strrchr(c->file, '/');
    if (s->alone) return sx_error(s->d, SX_E_CONFIG, here(c), "@include \"%s\" is not allowed here", name);
    if (++s->includes > INCLUDES)
        return sx_error(s->d, SX_E_CONFIG, here(c), "files include each other more than %d deep", INCLUDES);
    const char *path = name;
    if (*name != '/' && slash) path = sx_format(s->a, "%.*s/%s", (int)(slash - c->file), c->file, name);
    if (!sx_file_exists(path))
        return sx_error(s->d, SX_E_CONFIG, here(c), "included file '%s' does not exist", path);
    s->line.n--;                                 /* that file's first line takes the place of this one, */
    const int rc = sx_source_add(s, path, NULL);
    s->includes--;
    s->line.v[s->line.n - 1] = (sx_origin){ c->file, c->line };      /* which goes on behind its last */
    c->at = p + n + 2;
    return rc;
}

static int scan(cursor *c)
{
    int rc = 0;
    mark_line(c);
    while (!rc && *c->at) {
        const bool fresh = c->fresh;
        if (isspace((unsigned char)*c->at)) { copy(c, 1); continue; }
        c->fresh = false;
        if (fresh && !strncmp(c->at, "@include", 8)) rc = include(c);
        else if (*c->at == '"') rc = quoted(c);
        else if (is_comment(c->at)) rc = comment(c);
        else if (starts_number(c->at)) rc = number(c);
        else if (isalpha((unsigned char)*c->at) || *c->at == '*') rc = word(c);
        else rc = sign(c);
    }
    return rc;
}

int sx_source_add(sx_source *s, const char *file, const char *text)
{
    size_t bytes = text ? strlen(text) : 0;
    char *read = NULL;
    if (!text) {
        if (sx_file_read(s->a, file, SX_SOURCE_BYTES, &read, &bytes, s->d)) {
            if (s->d && s->d->n) s->d->v[s->d->n - 1].code = SX_E_CONFIG;    /* no data file, this one */
            return SX_E_CONFIG;
        }
        text = read;
    }
    const sx_where where = { file, 0, NULL };
    if (bytes > SX_SOURCE_BYTES || (size_t)s->text.n + bytes > SX_SOURCE_BYTES)
        return sx_error(s->d, SX_E_CONFIG, where, "more than %d megabytes of text", SX_SOURCE_BYTES >> 20);
    if (strlen(text) != bytes || !sx_utf8(text))
        return sx_error(s->d, SX_E_CONFIG, where, "this is no UTF-8 text");
    cursor c = { s, file, text, 1, true };
    if (!strncmp(text, "\xef\xbb\xbf", 3)) c.at += 3;
    const int rc = scan(&c);
    if (rc || !s->text.n || s->text.v[s->text.n - 1] == '\n') return rc;
    SX_PUSH(s->a, s->text, '\n');
    mark_line(&c);
    return 0;
}

int sx_source_end(sx_source *s)
{
    SX_PUSH(s->a, s->text, 0);
    if (!s->depth) return 0;
    const sx_origin at = s->bracket[s->depth - 1].at;
    return sx_error(s->d, SX_E_CONFIG, (sx_where){ at.file, at.line, NULL }, "this '%c' is never closed",
                    s->bracket[s->depth - 1].open);
}
