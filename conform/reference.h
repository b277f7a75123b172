/* reference.h: naive ops in double, see reference.c. */
#ifndef REFERENCE_H
#define REFERENCE_H
#include <strix/device.h>

typedef struct { sx_dtype dtype; int rank; long dim[SX_RANK], size; double *v; } view;
/* out has its shape and is zero. attr as a node has it. Constants k of maps are 0.25. */
typedef void reference(const view *in, int n, view *out, const void *attr);
reference ref_conv2d, ref_conv2d_bwd_x, ref_conv2d_bwd_w, ref_maxpool, ref_maxpool_arg, ref_avgpool,
    ref_maxpool_bwd, ref_avgpool_bwd, ref_resize, ref_resize_bwd, ref_matmul, ref_leaky, ref_tanh,
    ref_mix, ref_mix_bwd, ref_tanh_bwd, ref_reduce, ref_softmax, ref_softmax_bwd, ref_xent, ref_xent_bwd,
    ref_hit, ref_moments, ref_norm_scale, ref_scale_shift, ref_norm_sums, ref_norm_bwd, ref_fill,
    ref_copy, ref_permute, ref_slice, ref_pad, ref_concat, ref_random, ref_rows, ref_gather;
#endif
