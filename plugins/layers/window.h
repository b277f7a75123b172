/* window.h: sizes, strides and padding as convolution and pooling declare them -> a window of the graph.
 * Shared by two layers of this folder; no part of the plugin interface. */
#ifndef WINDOW_H
#define WINDOW_H
#include <strix/plugin.h>

enum { PADDING_SAME, PADDING_VALID, PADDING_EXPLICIT };

/* One number means both axes; no number takes over `otherwise`. */
static inline bool window_pair(sx_ints v, const long *otherwise, long pair[2])
{
    if (v.n > 2 || (!v.n && !otherwise)) return false;
    for (int i = 0; i < 2; i++) pair[i] = v.n ? v.v[v.n == 2 ? i : 0] : otherwise[i];
    return true;
}

/* Padding for ceil(in / stride) windows along each axis, the odd element at the end (as TensorFlow does). */
static inline void window_same(sx_graph *g, sx_t x, sx_window *w)
{
    for (int i = 0; i < 2; i++) {
        const long in = sx_dim(g, x, 1 + i), out = (in + w->stride[i] - 1) / w->stride[i];
        const long need = (out - 1) * w->stride[i] + (w->size[i] - 1) * w->dilation[i] + 1 - in;
        w->pad[i] = need > 0 ? need / 2 : 0;
        w->pad[2 + i] = need > 0 ? need - need / 2 : 0;
    }
}

/* Does the window fit the padded input at least once? */
static inline bool window_fits(sx_graph *g, sx_t x, const sx_window *w)
{
    for (int i = 0; i < 2; i++) {
        const long span = (w->size[i] - 1) * w->dilation[i] + 1;
        if (span > sx_dim(g, x, 1 + i) + w->pad[i] + w->pad[2 + i]) return false;
    }
    return true;
}
#endif
