/* rng.h: counter-based random numbers, Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011). A number is a function of (key, counter): nothing is stored, any device and any thread count draws the same. */
#ifndef SX_RNG_H
#define SX_RNG_H
#include <strix/plugin.h>

typedef struct { uint32_t v[2]; } sx_key;
void sx_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* The key of (seed, trial, purpose); purpose: the path of a layer or a word ("shuffle"). FNV-1a, then one Philox. */
sx_key sx_key_of(uint64_t seed, int64_t trial, const char *purpose);
/* Number `element` of the stream (key, step), in [0, 1) with 24 bits. Block element / 4, word element % 4;
 * counter = { element / 4 low, high, step, 0 }. SX_OP_RANDOM on every device and the initial weights use exactly this. */
float sx_uniform_at(sx_key key, uint32_t step, uint64_t element);
void sx_uniform_fill(sx_key key, uint32_t step, uint64_t from, long n, float *out);
void sx_normal_fill(sx_key key, uint32_t step, uint64_t from, long n, float *out); /* Box-Muller on pairs (2i, 2i+1); from even */
/* A sequential stream for samplers: sx_uniform of plugin.h draws from it. */
struct sx_rng { sx_key key; uint64_t next, study; long trial; };
void sx_rng_init(sx_rng *r, uint64_t seed, int64_t trial, const char *purpose);
void sx_permutation(sx_key key, uint32_t epoch, int32_t n, int32_t *out);        /* Fisher-Yates of 0 .. n-1 */
#endif
