/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/hash_lanes.h: SHA-256 of many independent messages of any length, several at a time.
 * Layer: storage. Pure. The results are those of storage/hash.h; where the processor lacks the
 * instructions, libcrypto makes them one after the other. Threads: any.
 */
#ifndef STELE_STORAGE_HASH_LANES_H
#define STELE_STORAGE_HASH_LANES_H

#include "storage/hash.h"

/* head, then body: so that a salt and a payload need no copy to be one message. */
#define STELE_HASH_HEAD_MAX 34 /* prefix, seed and a number */
struct stele_hash_message {
    uint8_t head[STELE_HASH_HEAD_MAX];
    uint8_t head_bytes;
    stele_view body; /* borrowed */
};

/* `start`: what stands before each message, whole blocks of 64 bytes; NULL: nothing. 32 n bytes
 * out, which is no part of the messages. */
void stele_sha256_many(const struct stele_sha256 *start, const struct stele_hash_message *message,
                       size_t n, uint8_t *out);

/*
 * What the entries of a frame's n events commit to, n from 1 to STELE_HASH_FRAME_MAX: the payloads,
 * salted from `seed`, and the tag lists (16 bytes each, strictly ascending), salted from `kseed`.
 * 32 n bytes out, each. ret_ksalts: the salts
 * of the tag lists, 16 n bytes; NULL: not wanted.
 */
#define STELE_HASH_FRAME_MAX 16
void stele_hash_frame(const uint8_t seed[STELE_AT_LEAST(32)],
                      const uint8_t kseed[STELE_AT_LEAST(32)], const stele_view *payload,
                      const stele_view *tags, size_t n, uint8_t *ret_payload_commits,
                      uint8_t *ret_keys_commits, uint8_t *ret_ksalts);

/* What stele_hash_leaf and stele_hash_keys hash. entry and tags are borrowed. */
struct stele_hash_message stele_hash_message_leaf(stele_view entry);
struct stele_hash_message stele_hash_message_keys(const uint8_t ksalt[STELE_AT_LEAST(16)],
                                                  stele_view tags);

#endif
