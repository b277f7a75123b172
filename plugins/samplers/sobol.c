/* sobol.c: quasi-random search: points of a scrambled Sobol sequence, which fill a space more evenly than
 * random ones. Trial n is point n, so any number of workers share one sequence.
 * Joe and Kuo, "Constructing Sobol sequences with better two-dimensional projections", SIAM J. Sci. Comput.
 * 30 (2008); scrambling: Owen, "Randomly permuted (t,m,s)-nets and (t,s)-sequences" (1995). */
#include <strix/plugin.h>

enum { AXES = 64, BITS = 32, DEGREE = 9 };

/* Initial direction numbers of axes 1, 2, ..; their primitive polynomials are found in order. */
static const uint16_t initial[AXES - 1][DEGREE] = {
    { 1 }, { 1, 3 }, { 1, 3, 1 }, { 1, 1, 1 }, { 1, 1, 3, 3 }, { 1, 3, 5, 13 }, { 1, 1, 5, 5, 17 },
    { 1, 1, 5, 5, 5 }, { 1, 1, 7, 11, 19 }, { 1, 1, 5, 1, 1 }, { 1, 1, 1, 3, 11 }, { 1, 3, 5, 5, 31 },
    { 1, 3, 3, 9, 7, 49 }, { 1, 1, 1, 15, 21, 21 }, { 1, 3, 1, 13, 27, 49 }, { 1, 1, 1, 15, 7, 5 },
    { 1, 3, 1, 15, 13, 25 }, { 1, 1, 5, 5, 19, 61 }, { 1, 3, 7, 11, 23, 15, 103 },
    { 1, 3, 7, 13, 13, 15, 69 }, { 1, 1, 3, 13, 7, 35, 63 }, { 1, 3, 5, 9, 1, 25, 53 },
    { 1, 3, 1, 13, 9, 35, 107 }, { 1, 3, 1, 5, 27, 61, 31 }, { 1, 1, 5, 11, 19, 41, 61 },
    { 1, 3, 5, 3, 3, 13, 69 }, { 1, 1, 7, 13, 1, 19, 1 }, { 1, 3, 7, 5, 13, 19, 59 },
    { 1, 1, 3, 9, 25, 29, 41 }, { 1, 3, 5, 13, 23, 1, 55 }, { 1, 3, 7, 3, 13, 59, 17 },
    { 1, 3, 1, 3, 5, 53, 69 }, { 1, 1, 5, 5, 23, 33, 13 }, { 1, 1, 7, 7, 1, 61, 123 },
    { 1, 1, 7, 9, 13, 61, 49 }, { 1, 3, 3, 5, 3, 55, 33 }, { 1, 3, 1, 15, 31, 13, 49, 245 },
    { 1, 3, 5, 15, 31, 59, 63, 97 }, { 1, 3, 1, 11, 11, 11, 77, 249 }, { 1, 3, 1, 11, 27, 43, 71, 9 },
    { 1, 1, 7, 15, 21, 11, 81, 45 }, { 1, 3, 7, 3, 25, 31, 65, 79 }, { 1, 3, 1, 1, 19, 11, 3, 205 },
    { 1, 1, 5, 9, 19, 21, 29, 157 }, { 1, 3, 7, 11, 1, 33, 89, 185 }, { 1, 3, 3, 3, 15, 9, 79, 71 },
    { 1, 3, 7, 11, 15, 39, 119, 27 }, { 1, 1, 3, 1, 11, 31, 97, 225 }, { 1, 1, 1, 3, 23, 43, 57, 177 },
    { 1, 3, 7, 7, 17, 17, 37, 71 }, { 1, 3, 1, 5, 27, 63, 123, 213 }, { 1, 1, 3, 5, 11, 43, 53, 133 },
    { 1, 3, 5, 5, 29, 17, 47, 173, 479 }, { 1, 3, 3, 11, 3, 1, 109, 9, 69 },
    { 1, 1, 1, 5, 17, 39, 23, 5, 343 }, { 1, 3, 1, 5, 25, 15, 31, 103, 499 },
    { 1, 1, 1, 11, 11, 17, 63, 105, 183 }, { 1, 1, 5, 11, 9, 29, 97, 231, 363 },
    { 1, 1, 5, 15, 19, 45, 41, 7, 383 }, { 1, 3, 7, 7, 31, 19, 83, 137, 221 },
    { 1, 1, 1, 3, 23, 15, 111, 223, 83 }, { 1, 1, 5, 13, 31, 15, 55, 25, 161 },
    { 1, 1, 3, 13, 25, 47, 39, 87, 257 }
};

/* Does x generate all 2^degree - 1 elements of the field of this polynomial over GF(2)? */
static bool primitive(unsigned polynomial, int degree)
{
    unsigned x = 1, order = 0;
    do {
        x <<= 1;
        if (x >> degree) x ^= polynomial;
        order++;
    } while (x != 1 && order < 1u << degree);
    return order == (1u << degree) - 1;
}

typedef struct { int degree; unsigned p; } polynomial;

/* The next primitive polynomial, by degree, then by value. */
static polynomial next(polynomial q)
{
    do {
        q.p += 2;
        if (q.p >> (q.degree + 1)) q.degree++;   /* 2^(degree + 1) + 1 */
    } while (!primitive(q.p, q.degree));
    return q;
}

/* Point k in one axis, as a binary fraction of BITS digits. Axis 0 is van der Corput's sequence. */
static uint32_t sobol(int axis, polynomial q, uint32_t k)
{
    uint32_t m[BITS], x = 0;
    const int degree = q.degree;
    for (int i = 0; i < BITS && k >> i; i++) {
        m[i] = axis && i < degree ? initial[axis - 1][i] : 1;
        if (axis && i >= degree) {
            m[i] = m[i - degree];
            for (int j = 1; j <= degree; j++) if (q.p >> (degree - j) & 1) m[i] ^= m[i - j] << j;
        }
        if (k >> i & 1) x ^= m[i] << (BITS - 1 - i);
    }
    return x;
}

/* Every digit is flipped or not by what stands before it: points stay as even as they were, and each one is
 * uniform. */
static uint32_t scrambled(uint32_t x, uint64_t key)
{
    uint32_t y = x;
    for (int i = 0; i < BITS; i++) {
        const uint64_t before = i ? x >> (BITS - i) : 0;
        if (sx_uniform_of(key, (uint64_t)i << 32 | before) < 0.5) y ^= 1u << (BITS - 1 - i);
    }
    return y;
}

/* A point that was refused makes room for the same one of another scrambling. Axes beyond the table are drawn
 * at random. */
static int ask(const void *p, void *cache, const sx_space *s, const sx_history *h, sx_rng *r, double *x,
               int64_t *tag)
{
    uint64_t key = sx_rng_study(r);
    polynomial q = { 0, 1 };
    (void)p, (void)cache;
    *tag = 0;
    for (long i = h->n - 1; i >= h->done && h->trial[i]->fate == SX_REFUSED; i--) key += (uint64_t)s->n;
    for (int i = 0; i < s->n; i++) {
        if (i && i < AXES) q = next(q);
        const uint32_t k = (uint32_t)sx_rng_trial(r);
        const uint32_t at = i < AXES ? scrambled(sobol(i, q, k), key + (uint64_t)i) : 0;
        const double inside = sx_uniform(r), u = i < AXES ? (at + inside) * 0x1p-32 : inside;
        x[i] = sx_active(s, x, i) ? sx_axis_at(s->axis[i], u) : NAN;
    }
    return 0;
}

SX_DEFINE(SX_KIND_SAMPLER, sx_sampler, sobol, SX_NO_PARAMS, sx_no_params,
          .doc = "quasi-random search, a scrambled Sobol sequence", .ask = ask);
SX_PLUGIN("sobol", "1.0", "MIT", SX_ITEM(sobol));
