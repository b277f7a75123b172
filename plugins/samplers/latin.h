/* latin.h: a random Latin hypercube, one point at a time: in each axis every one of `points` equal slices is
 * used once. A start for any sampler; pure, since it follows from the study's key. */
#ifndef LATIN_H
#define LATIN_H
#include <strix/plugin.h>

enum { LATIN_MOST = 10000 };

/* The coordinate in [0, 1) of point k < points, at most LATIN_MOST, in one axis. */
static inline double latin_at(uint64_t key, long points, long k, int axis)
{
    const uint64_t first = (uint64_t)axis * 2 * LATIN_MOST;
    uint16_t slice[LATIN_MOST];
    for (long i = 0; i < points; i++) slice[i] = (uint16_t)i;
    for (long i = points - 1; i >= k; i--) {     /* Fisher-Yates, until place k is settled */
        const long j = (long)(sx_uniform_of(key, first + (uint64_t)i) * (double)(i + 1));
        const uint16_t t = slice[i];
        slice[i] = slice[j];
        slice[j] = t;
    }
    return (slice[k] + sx_uniform_of(key, first + LATIN_MOST + (uint64_t)k)) / (double)points;
}

static inline void latin_point(const sx_space *s, uint64_t key, long points, long k, double *x)
{
    for (int i = 0; i < s->n; i++)
        x[i] = sx_active(s, x, i) ? sx_axis_at(s->axis[i], latin_at(key, points, k, i)) : NAN;
}
#endif
