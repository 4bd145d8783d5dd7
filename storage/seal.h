/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/seal.h: what one index segment is committed to: the roots of its histories and its key
 * tree, kept beside it so that proofs are read, not computed. Layer: storage. Format: FORMAT.md,
 * "Seal".
 *
 * A seal follows from its segment and the log's leaf hashes alone. Merging segments merges seals by
 * the merge lemma: the root that a history has in one segment stands for all its postings there. So
 * that the lemma holds, the smallest aligned spans of 2^k entries around the merged segments must
 * be disjoint: segments are parts of eras within such spans.
 */
#ifndef STELE_STORAGE_SEAL_H
#define STELE_STORAGE_SEAL_H

#include "storage/descriptor.h"
#include "storage/segment.h"

/* The leaf hash of one entry. Called from one thread for each call it is given to; asked for
 * ascending seqs as far as possible, so that reading ahead pays. */
typedef stele_status (*stele_leaf_fn)(void *ctx, uint64_t seq, uint8_t ret[STELE_AT_LEAST(32)],
                                      stele_err *err);
struct stele_leaf_source {
    stele_leaf_fn leaf;
    void *ctx;
};

/*
 * Writes the seal of a segment as a stream, and its descriptor. Memory: at most 64 MiB, and 56
 * bytes for each 1,024 keys. Errors: CORRUPT (the segment does not hold), NO_MEMORY, and those of
 * write and leaf.
 */
STELE_MUST_USE stele_status stele_seal_build(struct stele_segment *segment,
                                             struct stele_leaf_source leaves, stele_write_fn write,
                                             void *ctx, struct stele_descriptor *ret,
                                             stele_err *err);

/* The same bytes from the n sorted postings that the segment was written from: nothing is read
 * back. */
STELE_MUST_USE stele_status stele_seal_build_of(struct stele_segment *segment,
                                                const struct stele_posting *postings, size_t n,
                                                struct stele_leaf_source leaves,
                                                stele_write_fn write, void *ctx,
                                                struct stele_descriptor *ret, stele_err *err);

struct stele_seal;
/* Whether the merge lemma holds for these neighbours: where it does not, the merged segment is
 * built. */
bool stele_seal_can_merge(struct stele_segment *const *segments, size_t n);
/*
 * The same bytes as stele_seal_build over `merged`, which is the merge of `segments` (n <= 64),
 * from their seals; no posting is read but those that stand alone in their segment. Errors: those
 * of _build; INVALID unless stele_seal_can_merge.
 */
struct stele_seal_parts {
    struct stele_segment *merged;
    struct stele_segment *const *segments;
    struct stele_seal *const *seals;
    size_t n;
};
STELE_MUST_USE stele_status stele_seal_merge(const struct stele_seal_parts *parts,
                                             struct stele_leaf_source leaves, stele_write_fn write,
                                             void *ctx, struct stele_descriptor *ret,
                                             stele_err *err);

/* Keeps footer and table in memory, 8 bytes for each block of the segment, 56 for each 1,024 keys;
 * borrows the segment, which must be the one it was written for. Threads: many readers. Errors:
 * CORRUPT, UNSUPPORTED, and those of `read`. */
STELE_MUST_USE stele_status stele_seal_open(stele_read_at_fn read, void *ctx, uint64_t size_bytes,
                                            struct stele_segment *segment, struct stele_seal **ret,
                                            stele_err *err);
void stele_seal_close(struct stele_seal *seal);
const struct stele_descriptor *stele_seal_descriptor(const struct stele_seal *seal);

/* ret_rank: how many keys of the segment are below the tag; ret_present: the key at that rank is
 * the tag's. */
STELE_MUST_USE stele_status stele_seal_find(const struct stele_seal *seal,
                                            const uint8_t tag[STELE_AT_LEAST(16)],
                                            uint64_t *ret_rank, bool *ret_present, stele_err *err);
/* The first key that is not below the one after it, in a segment that stele_segment_open_any_order
 * opened. Reads every block. END: all ascend. */
STELE_MUST_USE stele_status stele_seal_find_disorder(const struct stele_seal *seal,
                                                     uint64_t *ret_rank, stele_err *err);
struct stele_seal_key {
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t count;
    uint8_t root[STELE_HASH_BYTES];  /* of its history */
    uint8_t value[STELE_HASH_BYTES]; /* the key value: what its leaf holds beside the tag */
};
/* Errors: INVALID: rank is not below the number of keys. */
STELE_MUST_USE stele_status stele_seal_key_at(const struct stele_seal *seal,
                                              struct stele_leaf_source leaves, uint64_t rank,
                                              struct stele_seal_key *ret, stele_err *err);
/* The range proof (storage/tree_range.h) of key leaves [first, first + n), appended to `siblings`.
 * Errors: INVALID for keys that are not there. */
STELE_MUST_USE stele_status stele_seal_prove(const struct stele_seal *seal,
                                             struct stele_leaf_source leaves, uint64_t first,
                                             uint64_t n, stele_buf *siblings, stele_err *err);

#endif
