/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/bench_parts.h: what the files of benchmarks share. A failed call ends the program: a
 * figure of something that did not work says nothing. */
#ifndef STELE_TESTS_BENCH_PARTS_H
#define STELE_TESTS_BENCH_PARTS_H

#include <stdio.h>
#include <stdlib.h>

#include "storage/status.h"
#include "tests/bench/bench_shim.h"
#include "tests/support/rng.h"

/* The call's last argument is written `err`. */
#define BENCH_OK(call)                                                                             \
    do {                                                                                           \
        stele_err bench_err = {.text = ""};                                                        \
        stele_err *err = &bench_err;                                                               \
        if ((call) != STELE_OK) {                                                                  \
            (void)fprintf(stderr, "%s: %s\n", #call, err->text);                                   \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define BENCH_N(array) (sizeof(array) / sizeof(array)[0])

void bench_add_event(void);
void bench_add_hash(void);
void bench_add_frame(void);
void bench_add_segment(void);
void bench_add_seal(void);
void bench_add_engine(void);
void bench_add_log(void);
/* Closes and removes the store the log's benchmarks share, if one was made. */
void bench_end_log(void);

#endif
