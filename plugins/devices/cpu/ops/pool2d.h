/* pool2d.h: windows of a pooling op, for the kernels that pool. */
#ifndef SX_POOL2D_H
#define SX_POOL2D_H
#include "cpu.h"

/* NaN wins. No && and ||: branches would keep loops from vectors. */
#define BEATS(x, y) (((x) > (y)) | ((x) != (x)))
typedef struct {
    long h, w, c, oh, ow, kh, kw, stride[2], top, left, dilation[2];
    bool apart;                                  /* no element belongs to two windows */
} pooling;

/* 1 or -1 for each channel, in `room`: by the second input where there is one. */
const float *pool_signs(const task *t, const lane *l, float *room);

/* Windows of 2x2 pixels side by side; what is left of odd lines and columns belongs to none. */
static inline bool is_halving(const pooling *g)
{
    return g->kh == 2 && g->kw == 2 && g->apart && g->stride[0] == 2 && g->stride[1] == 2 && !g->top
        && !g->left && g->oh == g->h / 2 && g->ow == g->w / 2;
}
#endif
