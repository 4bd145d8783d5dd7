/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/rng.h: splitmix64, so that a seed means the same run on every machine. A property
 * test starts from rng_start, which prints the seed; STELE_TEST_SEED=n repeats or varies a run.
 */
#ifndef STELE_TESTS_SUPPORT_RNG_H
#define STELE_TESTS_SUPPORT_RNG_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct rng {
    uint64_t state;
};

static inline struct rng rng_start(const char *test) {
    const char *text = getenv("STELE_TEST_SEED");
    uint64_t seed = 1;
    if (text != NULL) {
        (void)sscanf(text, "%" SCNu64, &seed);
    }
    (void)printf("%s: seed %" PRIu64 " (repeat with STELE_TEST_SEED=%" PRIu64 ")\n", test, seed,
                 seed);
    return (struct rng){seed};
}

static inline uint64_t rng_next(struct rng *rng) {
    uint64_t z = (rng->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 to n - 1; n > 0. */
static inline uint64_t rng_below(struct rng *rng, uint64_t n) {
    return rng_next(rng) % n;
}

static inline void rng_bytes(struct rng *rng, uint8_t *out, size_t size) {
    for (size_t i = 0; i < size; i++) {
        out[i] = (uint8_t)rng_next(rng);
    }
}

#endif
