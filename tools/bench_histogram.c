/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_histogram.c: buckets of a power of two, each cut in 64. */
#include "tools/bench_histogram.h"

static unsigned bucket_of(uint64_t us) {
    unsigned shift = 0;
    while (us >> shift >= 128 && shift < 33) {
        shift++;
    }
    uint64_t in_power = us >> shift;
    if (in_power < 64) {
        return (unsigned)in_power;
    }
    return 64 * (shift + 1) + (in_power < 128 ? (unsigned)in_power - 64 : 63);
}

/* The largest value of a bucket. */
static uint64_t top_of(unsigned bucket) {
    unsigned shift = bucket / 64 == 0 ? 0 : bucket / 64 - 1;
    uint64_t in_power = bucket < 64 ? bucket : bucket % 64 + 64;
    return ((in_power + 1) << shift) - 1;
}

void stele_bench_histogram_add(struct stele_bench_histogram *histogram, uint64_t us) {
    histogram->n++;
    histogram->max_us = us > histogram->max_us ? us : histogram->max_us;
    histogram->count[bucket_of(us)]++;
}

void stele_bench_histogram_merge(struct stele_bench_histogram *into,
                                 const struct stele_bench_histogram *from) {
    into->n += from->n;
    into->max_us = from->max_us > into->max_us ? from->max_us : into->max_us;
    for (unsigned i = 0; i < STELE_BENCH_BUCKETS; i++) {
        into->count[i] += from->count[i];
    }
}

double stele_bench_histogram_ms(const struct stele_bench_histogram *histogram, double fraction) {
    uint64_t wanted = (uint64_t)(fraction * (double)histogram->n);
    uint64_t below = 0;
    wanted += (double)wanted < fraction * (double)histogram->n ? 1 : 0;
    for (unsigned i = 0; i < STELE_BENCH_BUCKETS && histogram->n > 0; i++) {
        below += histogram->count[i];
        if (below >= wanted) {
            uint64_t us = top_of(i) < histogram->max_us ? top_of(i) : histogram->max_us;
            return (double)us / 1000.0;
        }
    }
    return 0;
}
