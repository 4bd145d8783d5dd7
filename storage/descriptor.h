/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/descriptor.h: what an INDEX entry commits to about one index segment, and the manifest,
 * the Merkle tree over the descriptors of all segments, which tile [0, M). Layer: storage, part of
 * the verifier. Pure. Source: FORMAT.md, "Descriptor" and "Manifest".
 */
#ifndef STELE_STORAGE_DESCRIPTOR_H
#define STELE_STORAGE_DESCRIPTOR_H

#include "storage/hash.h"

#define STELE_DESCRIPTOR_BYTES 144
/* Descriptors of one manifest: 84 eras of 7 years, and of the growing one what waits to be merged:
 * at most 16 spans of 2^24, 16 of 2^20, 16 of 2^16, the tail's blocks; four times that. */
#define STELE_DESCRIPTORS_MAX 4096

/* What every part of the index says of the entries it covers. */
struct stele_segment_info {
    uint32_t era;
    uint16_t map_version;
    uint16_t tag_alg;
    uint64_t lo, hi;          /* entries [lo, hi), lo < hi */
    uint64_t t_first, t_last; /* time_us of entries lo and hi - 1, of any type */
    uint64_t late_first,
        late_last; /* min and max event_us of its late events; UINT64_MAX and 0 if none */
    uint64_t n_keys, n_postings;
    uint8_t tag_key_commit[STELE_HASH_BYTES];
};

struct stele_descriptor {
    struct stele_segment_info info;
    uint8_t key_root[STELE_HASH_BYTES]; /* of the tree over its key leaves; the empty root if it has
                                           none */
};

void stele_descriptor_encode(const struct stele_descriptor *descriptor,
                             uint8_t out[STELE_AT_LEAST(STELE_DESCRIPTOR_BYTES)]);
/* Errors: INVALID: a reserved byte, lo >= hi, t_first > t_last, n_postings < n_keys, a size that is
 * not STELE_DESCRIPTOR_BYTES, no keys under a root that is not the empty one. */
STELE_MUST_USE stele_status stele_descriptor_decode(stele_view bytes, struct stele_descriptor *ret,
                                                    stele_err *err);
/* The manifest's leaf. */
void stele_descriptor_hash(const struct stele_descriptor *descriptor,
                           uint8_t out[STELE_AT_LEAST(32)]);

#endif
