/* rng.c: Philox4x32-10 and what is drawn from it. Constants: Salmon et al., SC 2011, table 2. */
#include "rng.h"
#include <string.h>

void sx_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1; c3 = (uint32_t)p0; c0 = n0; c2 = n2;
        k0 += 0x9E3779B9u; k1 += 0xBB67AE85u;
    }
    out[0] = c0; out[1] = c1; out[2] = c2; out[3] = c3;
}

sx_key sx_key_of(uint64_t seed, int64_t trial, const char *purpose)
{
    uint64_t h = 0xcbf29ce484222325u;            /* FNV-1a, 64 bits */
    for (const char *p = purpose; *p; p++) h = (h ^ (unsigned char)*p) * 0x100000001b3u;
    const uint32_t counter[4] = { (uint32_t)trial, (uint32_t)((uint64_t)trial >> 32),
                                  (uint32_t)h, (uint32_t)(h >> 32) };
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    uint32_t out[4];
    sx_philox(counter, key, out);
    return (sx_key){ { out[0], out[1] } };
}

static void block(sx_key key, uint32_t step, uint64_t index, uint32_t out[4])
{
    const uint32_t counter[4] = { (uint32_t)index, (uint32_t)(index >> 32), step, 0 };
    sx_philox(counter, key.v, out);
}

static float unit(uint32_t w) { return (float)(w >> 8) * 0x1p-24f; }

float sx_uniform_at(sx_key key, uint32_t step, uint64_t element)
{
    uint32_t w[4];
    block(key, step, element / 4, w);
    return unit(w[element % 4]);
}

void sx_uniform_fill(sx_key key, uint32_t step, uint64_t from, long n, float *out)
{
    uint32_t w[4] = { 0 };
    for (long i = 0; i < n; i++) {
        const uint64_t e = from + (uint64_t)i;
        if (i == 0 || e % 4 == 0) block(key, step, e / 4, w);
        out[i] = unit(w[e % 4]);
    }
}

void sx_normal_fill(sx_key key, uint32_t step, uint64_t from, long n, float *out)
{
    for (long i = 0; i < n; i += 2) {
        const uint64_t e = from + (uint64_t)i;
        uint32_t w[4];
        block(key, step, e / 4, w);
        const uint32_t *pair = w + e % 4;
        const double u = ((double)(pair[0] >> 8) + 0.5) * 0x1p-24,
                     angle = 6.283185307179586 * ((double)(pair[1] >> 8) * 0x1p-24);
        const double radius = sqrt(-2 * log(u));
        out[i] = (float)(radius * cos(angle));
        if (i + 1 < n) out[i + 1] = (float)(radius * sin(angle));
    }
}

void sx_rng_init(sx_rng *r, uint64_t seed, int64_t trial, const char *purpose)
{
    const sx_key study = sx_key_of(seed, -1, purpose);
    *r = (sx_rng){ sx_key_of(seed, trial, purpose), 0, (uint64_t)study.v[1] << 32 | study.v[0], (long)trial };
}

static double uniform(sx_key key, uint64_t index)
{
    uint32_t w[4];
    block(key, 0, index, w);
    const uint64_t bits = (uint64_t)w[0] << 32 | w[1];
    return (double)(bits >> 11) * 0x1p-53;
}

double sx_uniform(sx_rng *r) { return uniform(r->key, r->next++); }
long sx_rng_trial(const sx_rng *r) { return r->trial; }
uint64_t sx_rng_study(const sx_rng *r) { return r->study; }

double sx_uniform_of(uint64_t key, uint64_t i)
{
    return uniform((sx_key){ { (uint32_t)key, (uint32_t)(key >> 32) } }, i);
}

void sx_permutation(sx_key key, uint32_t epoch, int32_t n, int32_t *out)
{
    for (int32_t i = 0; i < n; i++) out[i] = i;
    for (int32_t i = n - 1; i > 0; i--) {
        uint32_t w[4];
        block(key, epoch, (uint64_t)i, w);
        const int32_t j = (int32_t)(((uint64_t)w[0] * (uint64_t)(i + 1)) >> 32);
        const int32_t t = out[i]; out[i] = out[j]; out[j] = t;
    }
}
