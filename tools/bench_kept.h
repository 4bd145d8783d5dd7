/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench_kept.h: what a store keeps of each event for good, by part: its blobs, which are
 * never written again. What is not in a pack yet stands in the record chain, which is dropped
 * behind the packer and counts as written, not as kept. Layer: tools.
 */
#ifndef STELE_TOOLS_BENCH_KEPT_H
#define STELE_TOOLS_BENCH_KEPT_H

#include <jansson.h>
#include <stdint.h>

/* FORMAT.md, "Files of a region". */
enum stele_bench_part {
    STELE_BENCH_PACKS,
    STELE_BENCH_HASHES,
    STELE_BENCH_SEEDS,
    STELE_BENCH_SEGMENTS,
    STELE_BENCH_SEALS,
    STELE_BENCH_PARTS,
};

struct stele_bench_kept {
    uint64_t entries; /* in packs, of all logs; 0: none yet */
    double bytes[STELE_BENCH_PARTS];
};

/* Of the server whose folder it is. What was merged and is not deleted yet does not count. */
void stele_bench_kept_measure(const char *folder, struct stele_bench_kept *ret);
/* Nothing without packs. */
void stele_bench_kept_print(const struct stele_bench_kept *kept);
void stele_bench_kept_json(const struct stele_bench_kept *kept, json_t *out);

#endif
