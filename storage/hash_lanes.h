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

/* What stele_hash_payload and stele_hash_keys hash. payload and tags are borrowed. */
struct stele_hash_message stele_hash_message_payload(const uint8_t salt[STELE_AT_LEAST(16)],
                                                     stele_view payload);
struct stele_hash_message stele_hash_message_keys(const uint8_t ksalt[STELE_AT_LEAST(16)],
                                                  const uint8_t *tags, uint16_t n);

/* stele_hash_salt and stele_hash_ksalt of 0 to n - 1, at most 256; 16 n bytes out. */
void stele_hash_salt_many(const uint8_t seed[STELE_AT_LEAST(32)], size_t n, uint8_t *out);
void stele_hash_ksalt_many(const uint8_t kseed[STELE_AT_LEAST(32)], size_t n, uint8_t *out);

#endif
