/* log.c: one line a message to stderr; levels by topic. */
#include "log.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const word[] = { "error", "warn", "info", "debug" };
static char spec[512] = "warn";

/* The level in "info" or in the member "topic:level"; -1: not a level. */
static int level_of(const char *s, size_t n)
{
    for (int i = 0; i < 4; i++) if (strlen(word[i]) == n && !strncmp(word[i], s, n)) return i;
    return -1;
}

void sx_log_set(const char *s)
{
    if (!s) s = getenv("STRIX_LOG");
    if (s) snprintf(spec, sizeof spec, "%s", s);
}

int sx_log_on(sx_log_level level, const char *topic)
{
    int least = SX_LOG_WARN;
    bool own = false;
    for (const char *p = spec; *p;) {
        const size_t n = strcspn(p, ",");
        const char *colon = memchr(p, ':', n);
        if (!colon && !own && level_of(p, n) >= 0) least = level_of(p, n);
        if (colon && (size_t)(colon - p) == strlen(topic) && !strncmp(p, topic, (size_t)(colon - p))) {
            const int l = level_of(colon + 1, n - (size_t)(colon + 1 - p));
            if (l >= 0) { least = l; own = true; }
        }
        p += n + (p[n] == ',');
    }
    return (int)level <= least;
}

void sx_log(sx_log_level level, const char *topic, const char *fmt, ...)
{
    if (!sx_log_on(level, topic)) return;
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s %s %s\n", word[level], topic, line);
}
