/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench_ceiling.h: what the parts could do at best on this machine, for the figures beside
 * it. Layer: tools. */
#ifndef STELE_TOOLS_BENCH_CEILING_H
#define STELE_TOOLS_BENCH_CEILING_H

#include "storage/status.h"

struct stele_bench_ceiling {
    double hash_compress_per_s; /* events/s of one thread: map, tags, commitments, leaf, tree,
                                   frames of 16 */
    double fdatasync_ms;        /* median of 4 KiB appends, each synced */
    double
        null_per_s; /* events/s from a server that only acknowledges; the caller's, 0: not asked */
};
/* About one second of work. */
STELE_MUST_USE stele_status stele_bench_ceiling_measure(struct stele_bench_ceiling *ret,
                                                        stele_err *err);

#endif
