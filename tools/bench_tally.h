/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_tally.h: what one maker of load counts: latencies from when calls were due, and the
 * times at which nothing was answered. Layer: tools. Threads: one at a time for one tally.
 */
#ifndef STELE_TOOLS_BENCH_TALLY_H
#define STELE_TOOLS_BENCH_TALLY_H

#include "storage/status.h"
#include "tools/bench_histogram.h"

#define STELE_BENCH_STALL_US 1000000u
#define STELE_BENCH_STALLS_MAX 64u /* kept; all are counted */

/* Calls answered over a second after they were due, gathered into one while they overlap. */
struct stele_bench_stall {
    double unix_s; /* when the first of them was due */
    double ms;     /* until the last of them was answered */
};

struct stele_bench_tally {
    uint64_t start_us; /* of the run; set these two before the first count */
    double unix_s;     /* the same moment */
    struct stele_bench_histogram latency;
    uint64_t stored, repeated, hits;
    struct stele_bench_stall stall[STELE_BENCH_STALLS_MAX];
    uint64_t n_stalls;
};

void stele_bench_tally_count(struct stele_bench_tally *tally, uint64_t due_us, uint64_t done_us);
/* Stalls of all tallies that overlap are one. In the order they began; the first of them are kept,
 * all are counted. Errors: NO_MEMORY. */
STELE_MUST_USE stele_status stele_bench_tally_stalls(
    struct stele_bench_tally *const *tallies, size_t n,
    struct stele_bench_stall ret[STELE_BENCH_STALLS_MAX], uint64_t *ret_n, stele_err *err);

#endif
