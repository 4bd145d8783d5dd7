/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/hash_ni.h: four independent SHA-256 messages at a time on processors with the SHA
 * extensions. Layer: storage, private to hash.c. One message is a chain of instructions that wait
 * for each other; four of them side by side fill the waiting. The results are those of libcrypto.
 * Threads: any.
 */
#ifndef STELE_STORAGE_HASH_NI_H
#define STELE_STORAGE_HASH_NI_H

#include "storage/bytes.h"

#define STELE_HASH_NI_LANES 4
/* A prefix byte, the data, and the padding: messages of one block, or of two. */
#define STELE_HASH_NI_ONE_MAX 54
#define STELE_HASH_NI_TWO_MIN 63
#define STELE_HASH_NI_TWO_MAX 118

/* Asked of the processor once. The calls below must not be made where it is false. */
bool stele_hash__ni_available(void);
/* SHA-256 of `prefix` and data_bytes bytes, STELE_HASH_NI_TWO_MIN to _MAX, for each of four
 * messages. `out` may be the messages. */
void stele_hash__ni_x4(uint8_t prefix, const uint8_t *const data[STELE_HASH_NI_LANES],
                       size_t data_bytes, uint8_t out[STELE_AT_LEAST(128)]);
/* The same with at most STELE_HASH_NI_ONE_MAX bytes. */
void stele_hash__ni_one_x4(uint8_t prefix, const uint8_t *const data[STELE_HASH_NI_LANES],
                           size_t data_bytes, uint8_t out[STELE_AT_LEAST(128)]);
/* A state between blocks, as the instructions hold it. */
struct stele_hash_ni_state {
    uint32_t abef[4];
    uint32_t cdgh[4];
};
/* From, and to, the eight words of FIPS 180-4 section 6.2. */
void stele_hash__ni_load(struct stele_hash_ni_state *state,
                         const uint32_t words[STELE_AT_LEAST(8)]);
void stele_hash__ni_digest(const struct stele_hash_ni_state *state,
                           uint8_t out[STELE_AT_LEAST(32)]);
/* One block of 64 bytes more: of one message, and of each of four. */
void stele_hash__ni_block(struct stele_hash_ni_state *state, const uint8_t *block);
void stele_hash__ni_block_x4(struct stele_hash_ni_state state[STELE_HASH_NI_LANES],
                             const uint8_t *const block[STELE_HASH_NI_LANES]);

#endif
