/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/tag.c: blinded index keys. The first block holds the key alone, so that its compression
 * is done once an era and a short tag costs one more.
 */
#include "storage/tag.h"

#include <string.h>

#include "storage/cursor.h"
#include "storage/hash_lanes.h"

#define BLOCK_BYTES 64
#define TAG_PREFIX 0x12

/* memset that the compiler does not drop: the memory held key material. */
static void wipe(void *memory, size_t size) {
    volatile uint8_t *at = memory;
    for (size_t i = 0; i < size; i++) {
        at[i] = 0;
    }
}

void stele_tag_key_init(struct stele_tag_key *key, const uint8_t tag_key[STELE_AT_LEAST(32)]) {
    uint8_t block[BLOCK_BYTES] = {TAG_PREFIX};
    memcpy(block + 1, tag_key, 32);
    stele_sha256_init(&key->midstate);
    stele_sha256_update(&key->midstate, stele_view_of(block, sizeof block));
    stele_hash_tag_key(tag_key, key->commit);
    wipe(block, sizeof block);
}

void stele_tag_key_done(struct stele_tag_key *key) {
    if (key != NULL) {
        wipe(key, sizeof *key);
    }
}

/* Messages and values of one turn. Nearly every event has fewer keys than a turn takes, and nearly
 * every value is shorter than its place; a longer one is hashed by itself. */
enum { TURN = 16, VALUE_PLACE_BYTES = 128 };
#define PLACE_BYTES (2 + STELE_TENANT_MAX + 1 + VALUE_PLACE_BYTES)

static void as_tag(const uint8_t *hash, bool late, uint8_t *out) {
    memcpy(out, hash, STELE_TAG_BYTES);
    out[STELE_TAG_BYTES - 1] = (uint8_t)((out[STELE_TAG_BYTES - 1] & 0xfe) | (late ? 1 : 0));
}

void stele_tag_of(const struct stele_tag_key *key, stele_view tenant, uint8_t field,
                  stele_view value, bool late, uint8_t out[STELE_AT_LEAST(16)]) {
    uint8_t hash[STELE_HASH_BYTES];
    uint8_t size[2];
    struct stele_sha256 h = key->midstate;
    /* The verifier asks for tenants it was given: a longer one still has a tag, which nothing
     * bears. */
    size_t tenant_bytes = tenant.size < UINT16_MAX ? tenant.size : UINT16_MAX;
    stele_put_u16(size, (uint16_t)tenant_bytes);
    stele_sha256_update(&h, stele_view_of(size, sizeof size));
    stele_sha256_update(&h, stele_view_slice(tenant, 0, tenant_bytes));
    stele_sha256_update(&h, stele_view_of(&field, 1));
    stele_sha256_update(&h, value);
    stele_sha256_final(&h, hash);
    as_tag(hash, late, out);
}

/* The tags of up to TURN keys, in their order. */
static void hash_turn(const struct stele_tag_key *key, stele_view tenant,
                      const struct stele_event_key *keys, size_t n, bool late, uint8_t *out) {
    uint8_t bytes[TURN][PLACE_BYTES];
    uint8_t hash[TURN * STELE_HASH_BYTES];
    uint8_t of[TURN]; /* the key of each message */
    struct stele_hash_message message[TURN];
    size_t n_messages = 0;
    for (size_t i = 0; i < n; i++) {
        if (tenant.size > STELE_TENANT_MAX || keys[i].value.size > VALUE_PLACE_BYTES) {
            stele_tag_of(key, tenant, keys[i].field, keys[i].value, late,
                         out + i * STELE_TAG_BYTES);
            continue;
        }
        uint8_t *at = bytes[n_messages];
        stele_put_u16(at, (uint16_t)tenant.size);
        if (tenant.size > 0) {
            memcpy(at + 2, tenant.data, tenant.size);
        }
        at[2 + tenant.size] = keys[i].field;
        if (keys[i].value.size > 0) {
            memcpy(at + 2 + tenant.size + 1, keys[i].value.data, keys[i].value.size);
        }
        message[n_messages].head_bytes = 0;
        message[n_messages].body = stele_view_of(at, 2 + tenant.size + 1 + keys[i].value.size);
        of[n_messages++] = (uint8_t)i;
    }
    stele_sha256_many(&key->midstate, message, n_messages, hash);
    for (size_t m = 0; m < n_messages; m++) {
        as_tag(hash + m * STELE_HASH_BYTES, late, out + (size_t)of[m] * STELE_TAG_BYTES);
    }
}

/* Into its place, sorted; a tag that is there already stays alone. False: it is one too many. */
static bool insert(uint8_t tags[][STELE_TAG_BYTES], size_t *n, const uint8_t *tag) {
    size_t low = 0;
    size_t high = *n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = stele_tag_order(tags[middle], tag);
        if (order == 0) {
            return true;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    if (*n == STELE_TAGS_MAX) {
        return false;
    }
    memmove(tags[low + 1], tags[low], (*n - low) * STELE_TAG_BYTES);
    memcpy(tags[low], tag, STELE_TAG_BYTES);
    ++*n;
    return true;
}

/* Each tag goes where the number of those below it says: no branch has to be guessed, as in sorting
 * by exchanges one in two would be. False: two begin alike. */
static bool place(uint8_t turn[][STELE_TAG_BYTES], size_t n, uint8_t out[][STELE_TAG_BYTES]) {
    uint64_t first[TURN];
    size_t n_pairs = 0;
    for (size_t i = 0; i < n; i++) {
        first[i] = stele_get_u64(turn[i]);
    }
    for (size_t i = 0; i < n; i++) {
        size_t below = 0;
        for (size_t k = 0; k < n; k++) {
            below += first[k] < first[i];
        }
        memcpy(out[below], turn[i], STELE_TAG_BYTES);
        n_pairs += below;
    }
    return n_pairs == n * (n - 1) / 2; /* of two that are alike neither is below the other */
}

stele_status stele_tag_set_of(const struct stele_tag_key *key,
                              const struct stele_event_facts *facts, bool late,
                              struct stele_tag_set *ret, stele_err *err) {
    uint8_t tags[STELE_TAGS_MAX][STELE_TAG_BYTES];
    size_t n_tags = 0;
    if (facts->n_keys > STELE_EVENT_KEYS_MAX) {
        return STELE_FAIL(err, LIMIT, "an event with %zu keys, at most %d are taken", facts->n_keys,
                          STELE_EVENT_KEYS_MAX);
    }
    for (size_t first = 0; first < facts->n_keys; first += TURN) {
        size_t n = facts->n_keys - first < TURN ? facts->n_keys - first : TURN;
        uint8_t turn[TURN][STELE_TAG_BYTES];
        hash_turn(key, facts->tenant, facts->key + first, n, late, turn[0]);
        if (n == facts->n_keys && place(turn, n, ret->tag)) {
            ret->n = (uint16_t)n;
            return STELE_OK;
        }
        for (size_t i = 0; i < n; i++) {
            if (!insert(tags, &n_tags, turn[i])) {
                return STELE_FAIL(err, LIMIT,
                                  "an event with more than %d distinct keys: split it into several",
                                  STELE_TAGS_MAX);
            }
        }
    }
    ret->n = (uint16_t)n_tags;
    memcpy(ret->tag, tags, n_tags * STELE_TAG_BYTES);
    return STELE_OK;
}
