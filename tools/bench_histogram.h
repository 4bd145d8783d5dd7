/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_histogram.h: latencies of any number of calls in 20 KiB, each within 1.6 % of what it
 * was, from a microsecond to twelve days. Layer: tools. Threads: one at a time for one histogram.
 */
#ifndef STELE_TOOLS_BENCH_HISTOGRAM_H
#define STELE_TOOLS_BENCH_HISTOGRAM_H

#include <stdint.h>

/* Below 64 each value has a count; above, each power of two has 64. */
#define STELE_BENCH_BUCKETS (64 + 34 * 64)

struct stele_bench_histogram {
    uint64_t n, max_us;
    uint64_t count[STELE_BENCH_BUCKETS];
};

void stele_bench_histogram_add(struct stele_bench_histogram *histogram, uint64_t us);
void stele_bench_histogram_merge(struct stele_bench_histogram *into,
                                 const struct stele_bench_histogram *from);
/* The latency that `fraction` of all are not above, in milliseconds; 0 of none. */
double stele_bench_histogram_ms(const struct stele_bench_histogram *histogram, double fraction);

#endif
