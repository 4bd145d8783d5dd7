/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/support/seal_model.h: seals in memory, and the commitments of a segment computed as slowly
 * and plainly as FORMAT.md section 6 says them: recursion over arrays, one hash at a time.
 */
#ifndef STELE_TESTS_SUPPORT_SEAL_MODEL_H
#define STELE_TESTS_SUPPORT_SEAL_MODEL_H

#include "storage/seal.h"

/* Leaf hashes that follow from the seq. ctx: a uint64_t that counts the calls, or NULL. */
stele_status model_leaf(void *ctx, uint64_t seq, uint8_t ret[STELE_AT_LEAST(32)], stele_err *err);
struct stele_leaf_source model_leaves(void);

/* The root of a history of n ascending seqs, n >= 1. */
void model_history(const uint64_t *seqs, size_t n, uint8_t ret[STELE_AT_LEAST(32)]);
/* The root of n key leaves by the recursion of RFC 6962. */
void model_key_root(const uint8_t *leaves, size_t n, uint8_t ret[STELE_AT_LEAST(32)]);

/* The keys of sorted postings. */
struct model_key {
    uint8_t tag[STELE_TAG_BYTES];
    uint64_t count;
    uint8_t root[STELE_HASH_BYTES], value[STELE_HASH_BYTES];
};
struct model_seal {
    struct model_key *key;
    uint8_t *leaves; /* of the key tree */
    size_t n_keys;
    uint8_t key_root[STELE_HASH_BYTES];
};
void model_seal_of(uint64_t lo, const struct stele_posting *postings, size_t n,
                   struct model_seal *ret);
void model_seal_done(struct model_seal *model);

/* A segment and its seal in memory, open. Zeroed before, _done after. */
struct sealed_segment {
    stele_buf segment_bytes, seal_bytes;
    struct stele_segment *segment;
    struct stele_seal *seal;
    struct stele_descriptor descriptor;
};
/* Of the postings in [lo, hi), which are sorted; their offsets count from `base`. */
void sealed_segment_build(struct sealed_segment *s, uint64_t base, uint64_t lo, uint64_t hi,
                          const struct stele_posting *postings, size_t n);
/* Opens the bytes that are there. */
void sealed_segment_open(struct sealed_segment *s);
void sealed_segment_done(struct sealed_segment *s);
/* What a forger does: every checksum of a seal made right, and the segment's named. */
void test_seal_reseal(uint8_t *data, size_t size, const struct stele_segment *segment);

#endif
