/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/hash.h: the domain-separated SHA-256 hashes of the format. Layer: storage. Pure.
 *
 * Source: FORMAT.md section 1. Every hash in Stele has a first byte of its own, so that no value of
 * one kind can be taken for another. Backed by libcrypto; the *_many calls hash several independent
 * messages at a time and give the same bytes. Threads: any.
 */
#ifndef STELE_STORAGE_HASH_H
#define STELE_STORAGE_HASH_H

#include "storage/bytes.h"

#define STELE_SALT_BYTES 16
#define STELE_SEED_BYTES 32

/* A SHA-256 stream on the caller's stack. */
struct stele_sha256 {
    uint64_t opaque[16];
};
void stele_sha256_init(struct stele_sha256 *h);
void stele_sha256_update(struct stele_sha256 *h, stele_view bytes);
void stele_sha256_final(struct stele_sha256 *h, uint8_t out[STELE_AT_LEAST(32)]);
/* The eight words of the state after whole blocks of 64 bytes, and how many bytes those were. */
uint64_t stele_sha256_state(const struct stele_sha256 *h, uint32_t ret_words[STELE_AT_LEAST(8)]);
void stele_sha256_of(stele_view bytes, uint8_t out[STELE_AT_LEAST(32)]);

void stele_hash_leaf(stele_view entry, uint8_t out[STELE_AT_LEAST(32)]); /* 0x00 */
void stele_hash_inner(const uint8_t left[STELE_AT_LEAST(32)],
                      const uint8_t right[STELE_AT_LEAST(32)],
                      uint8_t out[STELE_AT_LEAST(32)]); /* 0x01 */
void stele_hash_posting(uint64_t seq, const uint8_t leaf[STELE_AT_LEAST(32)],
                        uint8_t out[STELE_AT_LEAST(32)]); /* 0x20 */
void stele_hash_history(uint8_t bit, const uint8_t left[STELE_AT_LEAST(32)],
                        const uint8_t right[STELE_AT_LEAST(32)],
                        uint8_t out[STELE_AT_LEAST(32)]); /* 0x21 */
void stele_hash_key_value(uint64_t count, const uint8_t root[STELE_AT_LEAST(32)],
                          uint8_t out[STELE_AT_LEAST(32)]); /* 0x22 */
void stele_hash_key_leaf(const uint8_t tag[STELE_AT_LEAST(16)],
                         const uint8_t value[STELE_AT_LEAST(32)],
                         uint8_t out[STELE_AT_LEAST(32)]); /* 0x23 */
void stele_hash_key_inner(const uint8_t left[STELE_AT_LEAST(32)],
                          const uint8_t right[STELE_AT_LEAST(32)],
                          uint8_t out[STELE_AT_LEAST(32)]);                    /* 0x24 */
void stele_hash_descriptor(stele_view bytes, uint8_t out[STELE_AT_LEAST(32)]); /* 0x25 */
void stele_hash_manifest_inner(const uint8_t left[STELE_AT_LEAST(32)],
                               const uint8_t right[STELE_AT_LEAST(32)],
                               uint8_t out[STELE_AT_LEAST(32)]); /* 0x26 */
/* n pairs of 32-byte hashes, left and right adjacent: 64 n bytes in, 32 n bytes out. out may be
 * `pairs` itself: the tree is folded level by level in place. */
void stele_hash_inner_many(const uint8_t *pairs, size_t n, uint8_t *out);
/* n entries of `entry_bytes` each, adjacent; 32 n bytes out. */
void stele_hash_leaf_many(const uint8_t *entries, size_t entry_bytes, size_t n, uint8_t *out);

/* n messages, adjacent, of what the calls above take, without the prefix; 32 n bytes out, which may
 * be the messages. */
#define STELE_HASH_POSTING_MESSAGE 40   /* u64 seq, leaf hash */
#define STELE_HASH_HISTORY_MESSAGE 65   /* u8 bit, left, right */
#define STELE_HASH_KEY_VALUE_MESSAGE 40 /* u64 count, root */
#define STELE_HASH_KEY_LEAF_MESSAGE 48  /* tag, value */
void stele_hash_posting_many(const uint8_t *messages, size_t n, uint8_t *out);
void stele_hash_history_many(const uint8_t *messages, size_t n, uint8_t *out);
void stele_hash_key_value_many(const uint8_t *messages, size_t n, uint8_t *out);
void stele_hash_key_leaf_many(const uint8_t *messages, size_t n, uint8_t *out);
void stele_hash_key_inner_many(const uint8_t *pairs, size_t n, uint8_t *out);

void stele_hash_payload(const uint8_t salt[STELE_AT_LEAST(16)], stele_view payload,
                        uint8_t out[STELE_AT_LEAST(32)]); /* 0x10 */
/* n tags of 16 bytes, strictly ascending. */
void stele_hash_keys(const uint8_t ksalt[STELE_AT_LEAST(16)], const uint8_t *tags, uint16_t n,
                     uint8_t out[STELE_AT_LEAST(32)]); /* 0x11 */
void stele_hash_tag_key(const uint8_t tag_key[STELE_AT_LEAST(32)],
                        uint8_t out[STELE_AT_LEAST(32)]);               /* 0x13 */
void stele_hash_body(stele_view body, uint8_t out[STELE_AT_LEAST(32)]); /* 0x14 */
void stele_hash_salt(const uint8_t seed[STELE_AT_LEAST(32)], uint8_t i,
                     uint8_t out[STELE_AT_LEAST(16)]); /* 0x17 */
void stele_hash_ksalt(const uint8_t kseed[STELE_AT_LEAST(32)], uint8_t i,
                      uint8_t out[STELE_AT_LEAST(16)]); /* 0x18 */
void stele_hash_state_leaf(stele_view key, stele_view value,
                           uint8_t out[STELE_AT_LEAST(32)]); /* 0x27 */
void stele_hash_state_inner(const uint8_t left[STELE_AT_LEAST(32)],
                            const uint8_t right[STELE_AT_LEAST(32)],
                            uint8_t out[STELE_AT_LEAST(32)]); /* 0x28 */

#endif
