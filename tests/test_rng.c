/* test_rng.c: Philox4x32-10 against the known-answer vectors of Random123 1.14; streams, permutations. */
#include <criterion/criterion.h>
#include <string.h>
#include "rng.h"

Test(rng, philox_known_answers)
{
    static const struct { uint32_t counter[4], key[2], out[4]; } kat[] = {
        { { 0 }, { 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { ~0u, ~0u, ~0u, ~0u }, { ~0u, ~0u }, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } } };
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        sx_philox(kat[i].counter, kat[i].key, out);
        cr_assert_eq(memcmp(out, kat[i].out, sizeof out), 0, "vector %d: %08x %08x %08x %08x", i, out[0],
                     out[1], out[2], out[3]);
    }
}

Test(rng, a_number_is_a_function_of_its_place)
{
    const sx_key key = sx_key_of(7, 3, "dropout");
    float all[103], part[103];
    sx_uniform_fill(key, 5, 0, 103, all);
    for (long from = 0; from < 103; from += 13)
        sx_uniform_fill(key, 5, (uint64_t)from, from + 13 < 103 ? 13 : 103 - from, part + from);
    for (int i = 0; i < 103; i++) {
        cr_assert_eq(all[i], part[i]);
        cr_assert_eq(all[i], sx_uniform_at(key, 5, (uint64_t)i));
        cr_assert(all[i] >= 0 && all[i] < 1);
    }
    cr_assert_neq(sx_uniform_at(key, 6, 0), all[0]);
    cr_assert_neq(sx_key_of(7, 3, "shuffle").v[0], key.v[0]);
    cr_assert_neq(sx_key_of(7, 4, "dropout").v[0], key.v[0]);
    cr_assert_neq(sx_key_of(8, 3, "dropout").v[0], key.v[0]);
}

Test(rng, normal_moments)
{
    enum { N = 100000 };
    static float v[N];
    double sum = 0, squares = 0;
    sx_normal_fill(sx_key_of(1, 0, "init"), 0, 0, N, v);
    for (int i = 0; i < N; i++) { sum += v[i]; squares += (double)v[i] * v[i]; }
    cr_assert(fabs(sum / N) < 0.02, "mean %g", sum / N);
    cr_assert(fabs(squares / N - 1) < 0.03, "variance %g", squares / N);
}

Test(rng, streams_and_permutations)
{
    sx_rng r, again;
    sx_rng_init(&r, 1, 2, "sampler");
    sx_rng_init(&again, 1, 2, "sampler");
    for (int i = 0; i < 100; i++) {
        const double u = sx_uniform(&r);
        cr_assert(u >= 0 && u < 1);
        cr_assert_eq(u, sx_uniform(&again));
    }
    int32_t v[100], w[100];
    char seen[100] = { 0 };
    sx_permutation(r.key, 0, 100, v);
    sx_permutation(r.key, 1, 100, w);
    for (int i = 0; i < 100; i++) seen[v[i]]++;
    for (int i = 0; i < 100; i++) cr_assert_eq(seen[i], 1);
    cr_assert_neq(memcmp(v, w, sizeof v), 0);
}

/* What all trials of a study have in common. */
Test(rng, a_study_has_a_key)
{
    sx_rng r, other, elsewhere;
    sx_rng_init(&r, 1, 2, "ask");
    sx_rng_init(&other, 1, 3, "ask");
    sx_rng_init(&elsewhere, 2, 2, "ask");
    cr_assert_eq(sx_rng_trial(&r), 2);
    cr_assert_eq(sx_rng_study(&r), sx_rng_study(&other));
    cr_assert_neq(sx_rng_study(&r), sx_rng_study(&elsewhere));
    double sum = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        const double u = sx_uniform_of(sx_rng_study(&r), i);
        cr_assert(u >= 0 && u < 1);
        cr_assert_eq(u, sx_uniform_of(sx_rng_study(&other), i));
        cr_assert_neq(u, sx_uniform_of(sx_rng_study(&r) + 1, i));
        sum += u;
    }
    cr_assert_float_eq(sum / 1000, 0.5, 0.05);
    cr_assert_neq(sx_uniform(&r), sx_uniform(&other));
}
