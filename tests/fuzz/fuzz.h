/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz.h: the one entry point of a fuzz target, and how a target states a property.
 *
 * A target takes any bytes, returns 0 and keeps nothing between calls. What must hold for whatever
 * parsed is stated with fuzz_require, which aborts, so that both libFuzzer and the replay report
 * it.
 */
#ifndef STELE_TESTS_FUZZ_FUZZ_H
#define STELE_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_require(claim)                                                                        \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #claim);       \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
