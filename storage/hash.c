/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/hash.c: every hash of FORMAT.md section 1, over libcrypto's low-level SHA-256.
 *
 * The low-level calls are deprecated in OpenSSL 3 and are used on purpose: fetching an EVP digest
 * costs more than hashing a tree node (measured: 321 ns against 75 ns for 65 bytes), and a midstate
 * that can be copied as a plain struct is what makes a tag one compression.
 */
#define OPENSSL_API_COMPAT 10100

#include "storage/hash.h"

#include <assert.h>
#include <openssl/sha.h>
#include <string.h>

#include "storage/cursor.h"
#include "storage/hash_ni.h"

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct stele_sha256), "the opaque stream is too small");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(struct stele_sha256),
               "the opaque stream is misaligned");
_Static_assert(SHA256_DIGEST_LENGTH == STELE_HASH_BYTES, "a hash is 32 bytes");

/* Only libcrypto looks inside, so that nothing in this file sees the memory as two types. */
static SHA256_CTX *context_of(struct stele_sha256 *h) {
    return (SHA256_CTX *)(void *)h;
}

void stele_sha256_init(struct stele_sha256 *h) {
    memset(h, 0, sizeof *h);
    (void)SHA256_Init(context_of(h)); /* this and the next two fail for NULL only */
}

void stele_sha256_update(struct stele_sha256 *h, stele_view bytes) {
    if (bytes.size > 0) {
        (void)SHA256_Update(context_of(h), bytes.data, bytes.size);
    }
}

void stele_sha256_final(struct stele_sha256 *h, uint8_t out[STELE_AT_LEAST(32)]) {
    (void)SHA256_Final(out, context_of(h));
}

uint64_t stele_sha256_state(const struct stele_sha256 *h, uint32_t ret_words[STELE_AT_LEAST(8)]) {
    SHA256_CTX c;
    memcpy(&c, h, sizeof c);
    assert(c.num == 0);
    for (size_t i = 0; i < 8; i++) {
        ret_words[i] = c.h[i];
    }
    return ((uint64_t)c.Nh << 32 | c.Nl) / 8;
}

void stele_sha256_of(stele_view bytes, uint8_t out[STELE_AT_LEAST(32)]) {
    struct stele_sha256 h;
    stele_sha256_init(&h);
    stele_sha256_update(&h, bytes);
    stele_sha256_final(&h, out);
}

/* H(prefix || a || b), the shape of most of the table. */
static void hash_two(uint8_t prefix, stele_view a, stele_view b, uint8_t out[STELE_AT_LEAST(32)]) {
    SHA256_CTX c;
    (void)SHA256_Init(&c);
    (void)SHA256_Update(&c, &prefix, 1);
    if (a.size > 0) {
        (void)SHA256_Update(&c, a.data, a.size);
    }
    if (b.size > 0) {
        (void)SHA256_Update(&c, b.data, b.size);
    }
    (void)SHA256_Final(out, &c);
}

static void hash_pair(uint8_t prefix, const uint8_t *left, const uint8_t *right,
                      uint8_t out[STELE_AT_LEAST(32)]) {
    uint8_t message[1 + 2 * STELE_HASH_BYTES];
    message[0] = prefix;
    memcpy(message + 1, left, STELE_HASH_BYTES);
    memcpy(message + 1 + STELE_HASH_BYTES, right, STELE_HASH_BYTES);
    stele_sha256_of(stele_view_of(message, sizeof message), out);
}

void stele_hash_leaf(stele_view entry, uint8_t out[STELE_AT_LEAST(32)]) {
    hash_two(0x00, entry, stele_view_of(NULL, 0), out);
}

void stele_hash_inner(const uint8_t left[STELE_AT_LEAST(32)],
                      const uint8_t right[STELE_AT_LEAST(32)], uint8_t out[STELE_AT_LEAST(32)]) {
    hash_pair(0x01, left, right, out);
}

/* H(prefix || data) of n adjacent messages, four at a time where the processor can. A last group of
 * three is worth the four lanes: one of them is then hashed twice. All of a group is read before
 * its first hash is written, and hashes are shorter than messages, so that `out` may be `data`. */
static void hash_many(uint8_t prefix, const uint8_t *data, size_t data_bytes, size_t n,
                      uint8_t *out) {
    size_t i = 0;
    bool one = data_bytes <= STELE_HASH_NI_ONE_MAX;
    bool two = data_bytes >= STELE_HASH_NI_TWO_MIN && data_bytes <= STELE_HASH_NI_TWO_MAX;
    if ((one || two) && n >= 3 && stele_hash__ni_available()) {
        for (; n - i >= 3; i += n - i >= 4 ? 4 : 3) {
            uint8_t hashes[STELE_HASH_NI_LANES * STELE_HASH_BYTES];
            const uint8_t *first = data + i * data_bytes;
            const uint8_t *last = n - i >= 4 ? first + 3 * data_bytes : first;
            const uint8_t *const lanes[STELE_HASH_NI_LANES] = {first, first + data_bytes,
                                                               first + 2 * data_bytes, last};
            if (one) {
                stele_hash__ni_one_x4(prefix, lanes, data_bytes, hashes);
            } else {
                stele_hash__ni_x4(prefix, lanes, data_bytes, hashes);
            }
            memcpy(out + i * STELE_HASH_BYTES, hashes, (n - i >= 4 ? 4 : 3) * STELE_HASH_BYTES);
        }
    }
    for (; i < n; i++) {
        hash_two(prefix, stele_view_of(data + i * data_bytes, data_bytes), stele_view_of(NULL, 0),
                 out + i * STELE_HASH_BYTES);
    }
}

void stele_hash_inner_many(const uint8_t *pairs, size_t n, uint8_t *out) {
    hash_many(0x01, pairs, (size_t)2 * STELE_HASH_BYTES, n, out);
}

void stele_hash_leaf_many(const uint8_t *entries, size_t entry_bytes, size_t n, uint8_t *out) {
    hash_many(0x00, entries, entry_bytes, n, out);
}

void stele_hash_payload(const uint8_t salt[STELE_AT_LEAST(16)], stele_view payload,
                        uint8_t out[STELE_AT_LEAST(32)]) {
    hash_two(0x10, stele_view_of(salt, STELE_SALT_BYTES), payload, out);
}

void stele_hash_keys(const uint8_t ksalt[STELE_AT_LEAST(16)], const uint8_t *tags, uint16_t n,
                     uint8_t out[STELE_AT_LEAST(32)]) {
    uint8_t head[STELE_SALT_BYTES + 2];
    memcpy(head, ksalt, STELE_SALT_BYTES);
    stele_put_u16(head + STELE_SALT_BYTES, n);
    hash_two(0x11, stele_view_of(head, sizeof head), stele_view_of(tags, (size_t)n * 16), out);
}

void stele_hash_tag_key(const uint8_t tag_key[STELE_AT_LEAST(32)],
                        uint8_t out[STELE_AT_LEAST(32)]) {
    hash_two(0x13, stele_view_of(tag_key, 32), stele_view_of(NULL, 0), out);
}

void stele_hash_body(stele_view body, uint8_t out[STELE_AT_LEAST(32)]) {
    hash_two(0x14, body, stele_view_of(NULL, 0), out);
}

static void hash_seed(uint8_t prefix, const uint8_t *seed, uint8_t i, uint8_t *out) {
    uint8_t full[STELE_HASH_BYTES];
    hash_two(prefix, stele_view_of(seed, STELE_SEED_BYTES), stele_view_of(&i, 1), full);
    memcpy(out, full, STELE_SALT_BYTES);
}

void stele_hash_salt(const uint8_t seed[STELE_AT_LEAST(32)], uint8_t i,
                     uint8_t out[STELE_AT_LEAST(16)]) {
    hash_seed(0x17, seed, i, out);
}

void stele_hash_ksalt(const uint8_t kseed[STELE_AT_LEAST(32)], uint8_t i,
                      uint8_t out[STELE_AT_LEAST(16)]) {
    hash_seed(0x18, kseed, i, out);
}

void stele_hash_state_leaf(stele_view key, stele_view value, uint8_t out[STELE_AT_LEAST(32)]) {
    uint8_t value_hash[STELE_HASH_BYTES];
    stele_sha256_of(value, value_hash);
    uint8_t head[3] = {0x27, 0, 0};
    stele_put_u16(head + 1, (uint16_t)key.size); /* a state key has at most 255 bytes */
    struct stele_sha256 h;
    stele_sha256_init(&h);
    stele_sha256_update(&h, stele_view_of(head, sizeof head));
    stele_sha256_update(&h, key);
    stele_sha256_update(&h, stele_view_of(value_hash, sizeof value_hash));
    stele_sha256_final(&h, out);
}

void stele_hash_state_inner(const uint8_t left[STELE_AT_LEAST(32)],
                            const uint8_t right[STELE_AT_LEAST(32)],
                            uint8_t out[STELE_AT_LEAST(32)]) {
    hash_pair(0x28, left, right, out);
}

void stele_hash_posting(uint64_t seq, const uint8_t leaf[STELE_AT_LEAST(32)],
                        uint8_t out[STELE_AT_LEAST(32)]) {
    uint8_t number[8];
    stele_put_u64(number, seq);
    hash_two(0x20, stele_view_of(number, sizeof number), stele_view_of(leaf, STELE_HASH_BYTES),
             out);
}

void stele_hash_history(uint8_t bit, const uint8_t left[STELE_AT_LEAST(32)],
                        const uint8_t right[STELE_AT_LEAST(32)], uint8_t out[STELE_AT_LEAST(32)]) {
    uint8_t message[1 + 2 * STELE_HASH_BYTES];
    message[0] = bit;
    memcpy(message + 1, left, STELE_HASH_BYTES);
    memcpy(message + 1 + STELE_HASH_BYTES, right, STELE_HASH_BYTES);
    hash_two(0x21, stele_view_of(message, sizeof message), stele_view_of(NULL, 0), out);
}

void stele_hash_key_value(uint64_t count, const uint8_t root[STELE_AT_LEAST(32)],
                          uint8_t out[STELE_AT_LEAST(32)]) {
    uint8_t number[8];
    stele_put_u64(number, count);
    hash_two(0x22, stele_view_of(number, sizeof number), stele_view_of(root, STELE_HASH_BYTES),
             out);
}

void stele_hash_key_leaf(const uint8_t tag[STELE_AT_LEAST(16)],
                         const uint8_t value[STELE_AT_LEAST(32)], uint8_t out[STELE_AT_LEAST(32)]) {
    hash_two(0x23, stele_view_of(tag, 16), stele_view_of(value, STELE_HASH_BYTES), out);
}

void stele_hash_key_inner(const uint8_t left[STELE_AT_LEAST(32)],
                          const uint8_t right[STELE_AT_LEAST(32)],
                          uint8_t out[STELE_AT_LEAST(32)]) {
    hash_pair(0x24, left, right, out);
}

void stele_hash_descriptor(stele_view bytes, uint8_t out[STELE_AT_LEAST(32)]) {
    hash_two(0x25, bytes, stele_view_of(NULL, 0), out);
}

void stele_hash_manifest_inner(const uint8_t left[STELE_AT_LEAST(32)],
                               const uint8_t right[STELE_AT_LEAST(32)],
                               uint8_t out[STELE_AT_LEAST(32)]) {
    hash_pair(0x26, left, right, out);
}

void stele_hash_posting_many(const uint8_t *messages, size_t n, uint8_t *out) {
    hash_many(0x20, messages, 8 + STELE_HASH_BYTES, n, out);
}

void stele_hash_history_many(const uint8_t *messages, size_t n, uint8_t *out) {
    hash_many(0x21, messages, 1 + 2 * STELE_HASH_BYTES, n, out);
}

void stele_hash_key_value_many(const uint8_t *messages, size_t n, uint8_t *out) {
    hash_many(0x22, messages, 8 + STELE_HASH_BYTES, n, out);
}

void stele_hash_key_leaf_many(const uint8_t *messages, size_t n, uint8_t *out) {
    hash_many(0x23, messages, 16 + STELE_HASH_BYTES, n, out);
}

void stele_hash_key_inner_many(const uint8_t *pairs, size_t n, uint8_t *out) {
    hash_many(0x24, pairs, (size_t)2 * STELE_HASH_BYTES, n, out);
}
