/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/tag.h: blinded 16-byte index keys, and the seam through which storage learns an event's
 * keys without understanding events. Layer: storage. Pure. Source: FORMAT.md sections 1 and 4.
 *
 * The layer above gives a `stele_event_map_fn`: payload -> the facts below. It must be a pure
 * function of the payload: recovery, fsck and the verifier run it again, years later, and need the
 * same result.
 */
#ifndef STELE_STORAGE_TAG_H
#define STELE_STORAGE_TAG_H

#include <string.h>

#include "storage/hash.h"

#define STELE_TAG_BYTES 16
#define STELE_TAGS_MAX 512        /* distinct tags of one event; over it the event is refused */
#define STELE_EVENT_KEYS_MAX 1024 /* raw keys of one event, before duplicates are dropped */
#define STELE_TENANT_MAX 64
#define STELE_TAG_ALG 1
#define STELE_PAYLOAD_BYTES_MAX 65536

/* One raw key: a field number of FORMAT.md section 4 and its value. */
struct stele_event_key {
    uint8_t field;
    stele_view value; /* borrows the payload, or the scratch below */
};

/* How two tags are ordered, below 0, 0 or above. Here, because sorting an index calls it several
 * times a posting, and calling memcmp costs more than comparing. */
static inline int stele_tag_order(const uint8_t a[STELE_AT_LEAST(16)],
                                  const uint8_t b[STELE_AT_LEAST(16)]) {
    uint64_t x[2];
    uint64_t y[2];
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    size_t i = x[0] == y[0];
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t left = __builtin_bswap64(x[i]);
    uint64_t right = __builtin_bswap64(y[i]);
#else
    uint64_t left = x[i];
    uint64_t right = y[i];
#endif
    return (left > right) - (left < right);
}

/* Digests and random ids of one event that storage is told of; of what is more it is not. */
#define STELE_OPAQUE_MAX 64

/* What storage needs to know of an event. About 90 KiB: keep one per thread, not on a stack. */
struct stele_event_facts {
    uint64_t time_unix_nano; /* the event's own time; event_us of the format is this / 1000, rounded
                                down */
    uint64_t event_us;
    stele_view tenant; /* borrows the payload; 1..64 bytes */
    size_t n_keys;
    struct stele_event_key key[STELE_EVENT_KEYS_MAX];
    /* Parts of the payload that no compressor makes smaller, in their order: a hint (frame.h), and
     * nothing is committed to with it. */
    size_t n_opaque;
    stele_view opaque[STELE_OPAQUE_MAX];
    size_t scratch_used;
    uint8_t scratch[65536]; /* composed values: lp(id) || version, numbers, raw ids */
};

/* Errors: INVALID (not a well-formed event), LIMIT (over STELE_EVENT_KEYS_MAX keys
 * or the scratch). */
typedef stele_status (*stele_event_map_fn)(void *ctx, stele_view payload,
                                           struct stele_event_facts *ret, stele_err *err);
struct stele_event_map {
    stele_event_map_fn map;
    void *ctx;
    uint16_t version; /* map_version: stands in every EPOCH */
    uint8_t
        digest[STELE_HASH_BYTES]; /* H of the text that specifies the map: stands in every EPOCH */
};

/* A tag key with its first compression done. Holds key material: wipe with stele_tag_key_done. */
struct stele_tag_key {
    struct stele_sha256 midstate; /* after block64(0x12 || tag_key) */
    uint8_t commit[STELE_HASH_BYTES];
};
void stele_tag_key_init(struct stele_tag_key *key, const uint8_t tag_key[STELE_AT_LEAST(32)]);
void stele_tag_key_done(struct stele_tag_key *key);

/* One tag, with bit 0 of the last byte set to `late`. */
void stele_tag_of(const struct stele_tag_key *key, stele_view tenant, uint8_t field,
                  stele_view value, bool late, uint8_t out[STELE_AT_LEAST(16)]);

/* An event's tags: strictly ascending, distinct. */
struct stele_tag_set {
    uint16_t n;
    uint8_t tag[STELE_TAGS_MAX][STELE_TAG_BYTES];
};
/* Hash, set the late bit, sort, drop duplicates, count. Errors: LIMIT over 512 distinct tags. */
STELE_MUST_USE stele_status stele_tag_set_of(const struct stele_tag_key *key,
                                             const struct stele_event_facts *facts, bool late,
                                             struct stele_tag_set *ret, stele_err *err);

#endif
