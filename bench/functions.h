/* functions.h: functions to search, with spaces, optima and the peers' figures (docs/results-search.md).
 * conv_a and vgg_a stand for the ConvStrix and VGGStrix studies: same spaces, same cliffs, microseconds a
 * trial. */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H
#include <strix/plugin.h>

typedef struct {
    const char *name;
    sx_space space;
    double optimum;
    double (*loss)(const double *x);             /* x: a legal point of the space; NaN: such a trial fails */
} function;
extern const function *const functions[];        /* NULL-terminated */
extern const function *const holdouts[];         /* others */
extern const function function_conv_b, function_conv_c, function_vgg_b;          /* of conv_a's kind, vgg_a's */
/* conv_a and vgg_a by name instead of by axis; branch and what it fixes included. Order of a point: see
 * functions.c. */
enum { BATCH, RATE, LAYERS, WIDTH, DROPOUT, ACTIVATION, OPTIMIZER, BLOCKS, SIZE };
double function_accuracy(bool vgg, int branch, const double v[SIZE + 1]); /* v: values, not option numbers */
#endif
