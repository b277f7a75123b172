/* below.h: exp of what is not above zero, in a form that loops over many numbers turn into vector code. */
#ifndef BELOW_H
#define BELOW_H
#include <stdint.h>
#include <string.h>

/* exp(x) of x <= 0, to the last digits; below -700, and of NaN, exp(-700), which no sum notices. 2^k times a
 * polynomial, without a branch or a table. */
static inline double exp_below(double x)
{
    static const double c[] = { 1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                                1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5,
                                1, 1 };
    x = x > -700 ? x : -700;
    const double magic = 0x1.8p52, t = x * 1.4426950408889634 + magic, k = t - magic;
    const double r = (x - k * 0x1.62e42fefa3800p-1) - k * 0x1.ef35793c76730p-45;
    double p = c[0], scale;
    for (int i = 1; i < 14; i++) p = p * r + c[i];
    uint64_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}
#endif
