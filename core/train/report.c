/* report.c: classification report and confusion matrix, letter for letter as scikit-learn prints them
 * (sklearn.metrics.classification_report; its numbers come from precision_recall_fscore_support with
 * zero_division=0). */
#include "report.h"
#include "diag.h"
#include <stdlib.h>
#include <string.h>

typedef struct { long hit, guessed, truth; } counts;
typedef struct { long n; int32_t *label; const char **name; counts *of; counts all; bool covers; } tally;

static int by_value(const void *x, const void *y)
{
    const int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;
    return (a > b) - (a < b);
}

static int32_t *union_of(sx_arena *a, const sx_verdicts *v, long *n)
{
    const size_t half = (size_t)v->n;
    int32_t *all = sx_alloc_array(a, 2 * half + 1, sizeof *all);
    if (half) memcpy(all, v->truth, half * sizeof *all), memcpy(all + half, v->guess, half * sizeof *all);
    qsort(all, 2 * half, sizeof *all, by_value);
    *n = 0;
    for (size_t i = 0; i < 2 * half; i++) if (!*n || all[*n - 1] != all[i]) all[(*n)++] = all[i];
    return all;
}

static int32_t *labels_of(sx_arena *a, const sx_verdicts *v, long *n)
{
    if (!v->labels) return union_of(a, v, n);
    int32_t *label = sx_alloc_array(a, (size_t)v->labels, sizeof *label);
    for (long i = 0; i < v->labels; i++) label[i] = v->label ? v->label[i] : (int32_t)i;
    *n = v->labels;
    return label;
}

static long place(const int32_t *label, long n, int32_t what)
{
    if (what >= 0 && what < n && label[what] == what) return what;   /* the usual labels 0, 1, 2 .. */
    for (long i = 0; i < n; i++) if (label[i] == what) return i;
    return -1;
}

static tally count(sx_arena *a, const sx_verdicts *v)
{
    tally t = { .covers = true };
    t.label = labels_of(a, v, &t.n);
    t.of = sx_alloc_array(a, (size_t)t.n + 1, sizeof *t.of);
    t.name = sx_alloc_array(a, (size_t)t.n + 1, sizeof *t.name);
    for (long i = 0; i < t.n; i++) t.name[i] = v->name ? v->name[i] : sx_format(a, "%ld", (long)t.label[i]);
    for (long i = 0; i < v->n; i++) {
        const long truth = place(t.label, t.n, v->truth[i]), guess = place(t.label, t.n, v->guess[i]);
        if (truth >= 0) t.of[truth].truth++;
        if (guess >= 0) t.of[guess].guessed++;
        if (truth >= 0 && truth == guess) t.of[truth].hit++;
        t.covers = t.covers && truth >= 0 && guess >= 0;
    }
    for (long i = 0; i < t.n; i++)
        t.all = (counts){ t.all.hit + t.of[i].hit, t.all.guessed + t.of[i].guessed,
                          t.all.truth + t.of[i].truth };
    return t;
}

static double ratio(double a, double b) { return b ? a / b : 0; }

typedef enum { PRECISION, RECALL, F1, SCORES } score;
static double score_of(counts c, score s)
{
    if (s == PRECISION) return ratio((double)c.hit, (double)c.guessed);
    if (s == RECALL) return ratio((double)c.hit, (double)c.truth);
    return ratio(2.0 * (double)c.hit, (double)(c.guessed + c.truth));
}

/* numpy's pairwise sum (its loops-utils), so that averages round as Python's do. */
static double sum(const double *v, long n)
{
    if (n > 128) {
        const long half = n / 2 - n / 2 % 8;
        return sum(v, half) + sum(v + half, n - half);
    }
    double r[8] = { 0 }, s = 0;
    const long even = n < 8 ? 0 : n - n % 8;
    for (long i = 0; i < even; i++) r[i % 8] += v[i];
    if (even) s = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (long i = even; i < n; i++) s += v[i];
    return s;
}

static double average(sx_arena *a, const tally *t, score s, bool weighted)
{
    double *v = sx_alloc_array(a, (size_t)t->n + 1, sizeof *v);
    for (long i = 0; i < t->n; i++) v[i] = score_of(t->of[i], s) * (weighted ? (double)t->of[i].truth : 1);
    return ratio(sum(v, t->n), weighted ? (double)t->all.truth : (double)t->n);
}

static int width_of(const char *s)               /* in code points of UTF-8 */
{
    int n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static void pad(FILE *f, const char *name, int width)
{
    fprintf(f, "%*s%s", width - width_of(name), "", name);
}

static void row(FILE *f, const char *name, int width, int digits, const double *v, long support)
{
    pad(f, name, width);
    fputc(' ', f);
    for (int i = 0; i < SCORES; i++) fprintf(f, " %9.*f", digits, v[i]);
    fprintf(f, " %9ld\n", support);
}

static int name_width(const tally *t, int least)
{
    for (long i = 0; i < t->n; i++) if (width_of(t->name[i]) > least) least = width_of(t->name[i]);
    return least;
}

static void averages(sx_arena *a, FILE *f, const tally *t, int width, int digits)
{
    double v[SCORES];
    for (int s = 0; s < SCORES; s++) v[s] = score_of(t->all, (score)s);
    if (t->covers) {
        pad(f, "accuracy", width);
        fprintf(f, "  %9s %9s %9.*f %9ld\n", "", "", digits, v[F1], t->all.truth);
    } else row(f, "micro avg", width, digits, v, t->all.truth);
    for (int weighted = 0; weighted < 2; weighted++) {
        for (int s = 0; s < SCORES; s++) v[s] = average(a, t, (score)s, weighted);
        row(f, weighted ? "weighted avg" : "macro avg", width, digits, v, t->all.truth);
    }
}

static char *finish(sx_arena *a, FILE *f, char **text)
{
    if (fclose(f)) SX_BUG("out of memory while writing a report");
    char *kept = sx_strdup(a, *text);
    free(*text);
    return kept;
}

static FILE *start(char **text, size_t *n)
{
    FILE *f = open_memstream(text, n);
    if (!f) SX_BUG("out of memory while writing a report");
    return f;
}

char *sx_report_text(sx_arena *a, const sx_verdicts *v)
{
    const tally t = count(a, v);
    int width = name_width(&t, 12);
    if (v->digits > width) width = v->digits;
    char *text;
    size_t n;
    FILE *f = start(&text, &n);
    fprintf(f, "%*s  %9s %9s %9s %9s\n\n", width, "", "precision", "recall", "f1-score", "support");
    for (long i = 0; i < t.n; i++) {
        double s[SCORES];
        for (int k = 0; k < SCORES; k++) s[k] = score_of(t.of[i], (score)k);
        row(f, t.name[i], width, v->digits, s, t.of[i].truth);
    }
    fputc('\n', f);
    averages(a, f, &t, width, v->digits);
    return finish(a, f, &text);
}

long *sx_confusion(sx_arena *a, const sx_verdicts *v, long *labels)
{
    long n;
    const int32_t *label = labels_of(a, v, &n);
    long *m = sx_alloc_array(a, (size_t)n * (size_t)n + 1, sizeof *m);
    for (long i = 0; i < v->n; i++) {
        const long truth = place(label, n, v->truth[i]), guess = place(label, n, v->guess[i]);
        if (truth >= 0 && guess >= 0) m[truth * n + guess]++;
    }
    *labels = n;
    return m;
}

char *sx_confusion_text(sx_arena *a, const sx_verdicts *v)
{
    const tally t = count(a, v);
    long n;
    const long *m = sx_confusion(a, v, &n);
    int cell = 5;
    for (long i = 0; i < n; i++) {
        const int wide = snprintf(NULL, 0, "%ld", t.of[i].truth);
        const int label = snprintf(NULL, 0, "%ld", (long)t.label[i]);
        cell = wide > cell ? wide : cell;
        cell = label > cell ? label : cell;
    }
    char *text;
    size_t bytes;
    FILE *f = start(&text, &bytes);
    const int width = name_width(&t, 12);
    pad(f, "true, guessed", width + 1);
    for (long j = 0; j < n; j++) fprintf(f, " %*ld", cell, (long)t.label[j]);
    fputc('\n', f);
    for (long i = 0; i < n; i++) {
        pad(f, t.name[i], width + 1);
        for (long j = 0; j < n; j++) fprintf(f, " %*ld", cell, m[i * n + j]);
        fputc('\n', f);
    }
    return finish(a, f, &text);
}
