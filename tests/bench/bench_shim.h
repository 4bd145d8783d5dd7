/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/bench/bench_shim.h: Google Benchmark for C. bench_shim.cc, the only C++ of the tree, is
 * behind it and holds main(); every bench_*.c adds its benchmarks in one function, which
 * bench_all.c lists.
 */
#ifndef STELE_TESTS_BENCH_SHIM_H
#define STELE_TESTS_BENCH_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stele_bench; /* one run of one benchmark */

/* Measures what is between `while (stele_bench_next(b)) {` and `}`. */
typedef void (*stele_bench_fn)(struct stele_bench *b, int64_t arg);

/* Adds a benchmark; it runs once for each of n_args arguments, with 0 if there are none. `name` and
 * `args` are copied. One thread, before any run. */
void stele_bench_add(const char *name, stele_bench_fn fn, const int64_t *args, size_t n_args);

bool stele_bench_next(struct stele_bench *b);
/* What happens in between is not measured. Each costs about 0.2 us: for pauses of long turns. */
void stele_bench_pause(struct stele_bench *b);
void stele_bench_resume(struct stele_bench *b);
/* What one turn did, for items/s and bytes/s. After the loop. */
void stele_bench_did(struct stele_bench *b, uint64_t items_per_turn, uint64_t bytes_per_turn);
/* Another figure of the run's line. After the loop. */
void stele_bench_note(struct stele_bench *b, const char *name, double value);
/* The compiler must believe that the bytes are looked at. */
void stele_bench_keep(const void *bytes);

/* bench_all.c: adds everything. */
void stele_bench_add_all(void);
/* bench_all.c: ends what benchmarks share, after the last one. */
void stele_bench_end_all(void);

#ifdef __cplusplus
}
#endif

#endif
