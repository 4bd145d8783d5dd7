/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/disordered_segment.h: a segment whose keys do not ascend, and the seal that commits
 * to it as it is: what no program of ours writes.
 */
#ifndef STELE_TESTS_SUPPORT_DISORDERED_SEGMENT_H
#define STELE_TESTS_SUPPORT_DISORDERED_SEGMENT_H

#include "storage/seal.h"

enum disorder {
    DISORDER_EXCHANGED, /* two neighbours */
    DISORDER_TWICE,     /* one key, with a part of its postings each time */
};
struct disorder_plan {
    enum disorder how;
    bool across; /* each of the two begins a block, so that the segment's own index is out of order
                    too */
};
/* Of n sorted postings, of which a key has several: the segment, and its seal. info's counts are
 * filled. */
void disordered_segment_write(const struct disorder_plan *how,
                              const struct stele_segment_info *info,
                              const struct stele_posting *postings, size_t n, stele_buf *out);
void disordered_segment_seal(const struct disorder_plan *how, const stele_buf *segment,
                             struct stele_leaf_source leaves, const struct stele_posting *postings,
                             size_t n, stele_buf *out);

#endif
