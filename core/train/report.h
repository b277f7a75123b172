/* report.h: what a person reads of predictions: classification report and confusion matrix as scikit-learn
 * prints them. */
#ifndef SX_REPORT_H
#define SX_REPORT_H
#include "arena.h"
#include <stdint.h>

typedef struct { long n; const int32_t *truth, *guess; long labels; const int32_t *label;
                 const char *const *name; int digits; } sx_verdicts;
/* labels 0: the sorted union of truth and guess. name NULL: the labels' numbers. Text ends with one newline.
 * */
char *sx_report_text(sx_arena *a, const sx_verdicts *v);
/* [labels * labels]: row true, column guessed */
long *sx_confusion(sx_arena *a, const sx_verdicts *v, long *labels);
char *sx_confusion_text(sx_arena *a, const sx_verdicts *v);
#endif
