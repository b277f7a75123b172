/* progress.c: what runs now: a status block on a terminal, else one plain line an epoch; --events as JSON
 * lines. Everything goes to stderr, redrawn at most ten times a second, never inside a step. */
#include "cli.h"
#include <langinfo.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 16, WIDTH = 80, MOST_TEXT = 320 };
typedef struct {                                 /* a running trial */
    bool used; long trial, epoch, epochs; double share, started; char text[MOST_TEXT];
} lane;
struct cli_progress {
    cli_context *c; cli_progress_want want;
    pthread_mutex_t lock;
    FILE *events;
    bool block, lines, utf8, color;              /* neither block nor lines: silent */
    int drawn; double drawn_at, started;
    lane *lane; int lanes;
};

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* --- Events --- */

static json_t *event_of(const char *kind, long trial)
{
    json_t *o = json_object();
    json_object_set_new(o, "event", json_string(kind));
    json_object_set_new(o, "time", json_real(now(CLOCK_REALTIME)));
    if (trial >= 0) json_object_set_new(o, "trial", json_integer(trial));
    return o;
}

static void write_event(cli_progress *p, json_t *o)
{
    if (p->events) {
        cli_json_write(p->events, o, true);
        fflush(p->events);                    /* one write a line: several processes may append to one file */
    }
    json_decref(o);
}

/* --- The status block --- */

/* Cuts s to `width` characters, whole ones of UTF-8; escape sequences do not occur before this. */
static void cut(char *s, int width)
{
    int n = 0;
    for (; *s; s++) {
        if (((unsigned char)*s & 0xc0) != 0x80 && n++ == width) { *s = 0; return; }
    }
}

static int terminal_width(void)
{
    struct winsize w;
    return !ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col > 20 ? w.ws_col - 1 : WIDTH;
}

static void bar_text(const cli_progress *p, double share, char *out, size_t size)
{
    const int full = (int)(share * BAR + 1e-9);
    size_t at = 0;
    for (int i = 0; i < BAR && at + 4 < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s",
                               p->utf8    ? i < full ? "━" : "╌"
                               : i < full ? "#"
                                          : ".");
}

static void lane_line(const cli_progress *p, const lane *l, char *out, size_t size)
{
    char bar[BAR * 4 + 4], name[32] = "";
    const double share = l->epochs > 0 ? ((double)l->epoch + l->share) / (double)l->epochs : l->share;
    bar_text(p, share > 1 ? 1 : share < 0 ? 0 : share, bar, sizeof bar);
    if (l->trial >= 0) snprintf(name, sizeof name, "trial %-4ld ", l->trial);
    snprintf(out, size, "%s%s %ld/%ld  %s", name, bar, l->epoch, l->epochs, l->text);
}

static void head_line(const cli_progress *p, char *out, size_t size)
{
    char best[128] = "";
    if (p->want.has_best)
        snprintf(best, sizeof best, "  best %s %.6g (trial %ld)", p->want.objective, p->want.best,
                 p->want.best_trial);
    snprintf(out, size, "%s  %ld/%ld trials%s  %s", p->want.title, p->want.done, p->want.trials, best,
             cli_seconds(p->c->arena, now(CLOCK_MONOTONIC) - p->started));
}

static void put_line(cli_progress *p, char *text)
{
    cut(text, terminal_width());
    fprintf(stderr, "%s\033[K\n", text);
    p->drawn++;
}

static void erase(cli_progress *p)
{
    if (p->drawn) fprintf(stderr, "\r\033[%dA\033[J", p->drawn);
    p->drawn = 0;
}

static void draw(cli_progress *p, bool now_please)
{
    const double t = now(CLOCK_MONOTONIC);
    if (!p->block || (!now_please && t - p->drawn_at < 0.1)) return;
    char text[MOST_TEXT + 160];
    if (p->drawn) fprintf(stderr, "\r\033[%dA", p->drawn);
    p->drawn = 0;
    p->drawn_at = t;
    if (p->want.trials > 0) { head_line(p, text, sizeof text); put_line(p, text); }
    for (int i = 0; i < p->lanes; i++)
        if (p->lane[i].used) { lane_line(p, &p->lane[i], text, sizeof text); put_line(p, text); }
    if (p->c->stop) {
        snprintf(text, sizeof text, "stopping after this epoch; once more stops at once");
        put_line(p, text);
    }
    fputs("\033[J", stderr);                     /* lines of a longer block before */
    fflush(stderr);
}

/* A line that stays: above the block, or with the time of day. */
static void say(cli_progress *p, const char *color, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void say(cli_progress *p, const char *color, const char *fmt, ...)
{
    if (!p->block && !p->lines) return;
    if (p->block) erase(p);
    else {
        char clock[16];
        const time_t t = time(NULL);
        struct tm local;
        strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&t, &local));
        fprintf(stderr, "%s ", clock);
    }
    va_list ap;
    va_start(ap, fmt);
    if (p->color && color) fprintf(stderr, "\033[%sm", color);
    vfprintf(stderr, fmt, ap);
    if (p->color && color) fputs("\033[0m", stderr);
    va_end(ap);
    fputc('\n', stderr);
    draw(p, true);
}

/* --- Lanes --- */

static lane *lane_of(cli_progress *p, long trial, bool make)
{
    int empty = -1;
    for (int i = 0; i < p->lanes; i++) {
        if (p->lane[i].used && p->lane[i].trial == trial) return &p->lane[i];
        if (!p->lane[i].used && empty < 0) empty = i;
    }
    if (!make) return NULL;
    if (empty < 0) {
        p->lane = sx_grow(p->c->arena, p->lane, (size_t)p->lanes, (size_t)p->lanes + 4, sizeof *p->lane);
        empty = p->lanes;
        p->lanes += 4;
    }
    p->lane[empty] = (lane){ .used = true, .trial = trial, .started = now(CLOCK_MONOTONIC) };
    return &p->lane[empty];
}

/* {"lr": 0.001} as "lr=0.001"; what is no such object as it stands. */
static void values_text(const char *json, char *out, size_t size)
{
    json_t *o = json ? json_loads(json, 0, NULL) : NULL, *v;
    const char *key;
    size_t at = 0;
    out[0] = 0;
    if (!json_is_object(o)) snprintf(out, size, "%s", json ? json : "");
    else json_object_foreach(o, key, v) {
        char number[40];
        snprintf(number, sizeof number, json_is_integer(v) ? "%.0f" : "%.6g", json_number_value(v));
        const char *text = json_is_string(v)   ? json_string_value(v)
                           : json_is_true(v)   ? "true"
                           : json_is_false(v)  ? "false"
                           : json_is_number(v) ? number
                                               : "..";
        if (at < size) at += (size_t)snprintf(out + at, size - at, "%s%s=%s", at ? " " : "", key, text);
    }
    json_decref(o);
}

static const char *label(const lane *l, char out[32])
{
    out[0] = 0;
    if (l->trial >= 0) snprintf(out, 32, "trial %ld ", l->trial);
    return out;
}

/* --- Calls --- */

cli_progress *cli_progress_open(cli_context *c, const cli_progress_want *w)
{
    cli_progress *p = SX_NEW(c->arena, cli_progress);
    const char *term = getenv("TERM"), *codeset = nl_langinfo(CODESET);
    const bool tty = isatty(STDERR_FILENO) && term && strcmp(term, "dumb"),
               quiet = c->verbosity < 0 || c->progress == CLI_PROGRESS_NEVER;
    p->c = c;
    p->want = *w;
    p->want.title = sx_strdup(c->arena, w->title ? w->title : "");
    p->want.objective = sx_strdup(c->arena, w->objective ? w->objective : "");
    p->block = !quiet && (tty || c->progress == CLI_PROGRESS_ALWAYS);
    p->lines = !quiet && !p->block;
    p->color = c->color && tty;
    p->utf8 = codeset && !strcmp(codeset, "UTF-8");
    p->started = now(CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    if (c->events && !(p->events = fopen(c->events, "ae")))
        sx_warn(&c->diags, (sx_where){ .file = c->events }, "events cannot be written");
    return p;
}

void cli_progress_start(cli_progress *p, long trial, const char *values, long epochs)
{
    pthread_mutex_lock(&p->lock);
    char name[32], text[MOST_TEXT];
    lane *l = lane_of(p, trial, true);
    l->epochs = epochs;
    values_text(values, text, sizeof text);
    snprintf(l->text, sizeof l->text, "%s", text);
    if (p->lines && trial >= 0) say(p, NULL, "%sstarts  %s", label(l, name), text);
    draw(p, false);
    json_t *e = event_of("trial_start", trial), *o = values ? json_loads(values, 0, NULL) : NULL;
    if (o) json_object_set_new(e, "values", o);
    json_object_set_new(e, "epochs", json_integer(epochs));
    write_event(p, e);
    pthread_mutex_unlock(&p->lock);
}

void cli_progress_pulse(cli_progress *p, long trial, long epoch, double share)
{
    pthread_mutex_lock(&p->lock);
    lane *l = lane_of(p, trial, true);
    l->epoch = epoch;
    l->share = share;
    draw(p, false);
    pthread_mutex_unlock(&p->lock);
}

void cli_progress_epoch(cli_progress *p, long trial, const sx_epoch *e)
{
    pthread_mutex_lock(&p->lock);
    char name[32];
    size_t at = 0;
    lane *l = lane_of(p, trial, true);
    l->epoch = e->epoch;
    l->share = 0;
    l->text[0] = 0;
    json_t *event = event_of("epoch", trial), *metrics = json_object();
    for (long i = 0; i < e->n; i++) {
        if (at < sizeof l->text)
            at += (size_t)snprintf(l->text + at, sizeof l->text - at, "%s%s %.4g", i ? "  " : "", e->name[i],
                                   e->value[i]);
        cli_json_real(metrics, e->name[i], e->value[i]);
    }
    if (p->lines || p->want.trials == 0) {       /* of a single training every epoch stays on the screen */
        const char *seconds = cli_seconds(p->c->arena, e->seconds);
        char text[MOST_TEXT];
        memcpy(text, l->text, sizeof text);
        l->text[0] = 0;
        say(p, NULL, "%sepoch %ld/%ld  %s  %s", label(l, name), l->epoch, l->epochs, text, seconds);
    }
    draw(p, false);
    json_object_set_new(event, "epoch", json_integer(e->epoch));
    json_object_set_new(event, "wall_s", json_real(e->seconds));
    json_object_set_new(event, "metrics", metrics);
    write_event(p, event);
    pthread_mutex_unlock(&p->lock);
}

static bool improves(const cli_progress *p, sx_fate fate, double v)
{
    if (p->want.several || fate != SX_DONE || !isfinite(v)) return false;
    return !p->want.has_best || (p->want.maximize ? v > p->want.best : v < p->want.best);
}

void cli_progress_end(cli_progress *p, long trial, sx_fate fate, double value, const char *reason)
{
    pthread_mutex_lock(&p->lock);
    char name[32];
    lane *l = lane_of(p, trial, true);
    const double seconds = now(CLOCK_MONOTONIC) - l->started;
    const bool best = improves(p, fate, value);
    l->used = false;
    if (fate != SX_PAUSED && fate != SX_RUNNING) p->want.done++;
    if (best) { p->want.has_best = true; p->want.best = value; p->want.best_trial = trial; }
    const char *shown = isfinite(value) ? sx_format(p->c->arena, "  %s %.6g", p->want.objective, value) : "";
    say(p,
        best                ? "1"
        : fate == SX_FAILED ? "31"
                            : NULL,
        "%s%s%s%s  %s%s%s", label(l, name), sx_fate_name(fate), shown, best ? " (best)" : "",
        cli_seconds(p->c->arena, seconds), reason ? "  " : "", reason ? reason : "");
    json_t *e = event_of("trial_end", trial);
    json_object_set_new(e, "state", json_string(sx_fate_name(fate)));
    cli_json_real(e, "value", value);
    json_object_set_new(e, "wall_s", json_real(seconds));
    if (reason) json_object_set_new(e, "reason", json_string(reason));
    write_event(p, e);
    if (best) {
        json_t *b = event_of("best", trial);
        cli_json_real(b, "value", value);
        write_event(p, b);
    }
    pthread_mutex_unlock(&p->lock);
}

void cli_progress_note(cli_progress *p, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    pthread_mutex_lock(&p->lock);
    say(p, NULL, "%s", text);
    pthread_mutex_unlock(&p->lock);
}

void cli_progress_diags(cli_progress *p, const sx_diags *d)
{
    if (!p) { sx_diags_print(d, stderr); return; }
    pthread_mutex_lock(&p->lock);
    if (p->block) erase(p);
    sx_diags_print(d, stderr);
    draw(p, true);
    pthread_mutex_unlock(&p->lock);
}

void cli_progress_event(void *progress, const sx_event *e)
{
    cli_progress *p = progress;
    const long trial = e->claim ? e->claim->row.t.number : -1;
    if (!strcmp(e->kind, "trial_start"))
        cli_progress_start(p, trial, e->claim ? e->claim->row.values : NULL, e->of_epochs);
    else if (!strcmp(e->kind, "epoch") && e->epoch) cli_progress_epoch(p, trial, e->epoch);
    else if (!strcmp(e->kind, "pulse")) cli_progress_pulse(p, trial, e->at_epoch, e->share);
    else if (!strcmp(e->kind, "trial_end")) cli_progress_end(p, trial, e->fate, e->value, e->reason);
}

void cli_progress_close(cli_progress *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    if (p->block) { erase(p); fflush(stderr); }
    p->block = p->lines = false;
    if (p->events) fclose(p->events);
    p->events = NULL;
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_destroy(&p->lock);
}
