/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage/tag.c: blinded index keys. The first block holds the key alone, so that its compression
 * is done once an era and a short tag costs one more.
 */
#include "storage/tag.h"

#include <string.h>

#include "storage/cursor.h"

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

void stele_tag_of(const struct stele_tag_key *key, stele_view tenant, uint8_t field,
                  stele_view value, bool late, uint8_t out[STELE_AT_LEAST(16)]) {
    uint8_t
        message[2 + STELE_TENANT_MAX + 1 + 128]; /* nearly every value is shorter than 128 bytes */
    uint8_t hash[STELE_HASH_BYTES];
    struct stele_sha256 h = key->midstate;
    /* The verifier asks for tenants it was given: a longer one still has a tag, which nothing
     * bears. */
    size_t tenant_bytes = tenant.size < UINT16_MAX ? tenant.size : UINT16_MAX;
    size_t size = 2 + tenant_bytes + 1;
    if (size + value.size <= sizeof message) {
        stele_put_u16(message, (uint16_t)tenant_bytes);
        if (tenant_bytes > 0) {
            memcpy(message + 2, tenant.data, tenant_bytes);
        }
        message[size - 1] = field;
        if (value.size > 0) {
            memcpy(message + size, value.data, value.size);
        }
        stele_sha256_update(&h, stele_view_of(message, size + value.size));
    } else {
        stele_put_u16(message, (uint16_t)tenant_bytes);
        stele_sha256_update(&h, stele_view_of(message, 2));
        stele_sha256_update(&h, stele_view_slice(tenant, 0, tenant_bytes));
        stele_sha256_update(&h, stele_view_of(&field, 1));
        stele_sha256_update(&h, value);
    }
    stele_sha256_final(&h, hash);
    memcpy(out, hash, STELE_TAG_BYTES);
    out[STELE_TAG_BYTES - 1] = (uint8_t)((out[STELE_TAG_BYTES - 1] & 0xfe) | (late ? 1 : 0));
}

/* The place of `tag` among the first n, sorted; true if it is there already. */
static bool place_of(uint8_t tags[][STELE_TAG_BYTES], size_t n, const uint8_t *tag, size_t *ret) {
    size_t low = 0;
    size_t high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(tags[middle], tag, STELE_TAG_BYTES);
        if (order == 0) {
            return true;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    *ret = low;
    return false;
}

stele_status stele_tag_set_of(const struct stele_tag_key *key,
                              const struct stele_event_facts *facts, bool late,
                              struct stele_tag_set *ret, stele_err *err) {
    uint8_t tags[STELE_TAGS_MAX][STELE_TAG_BYTES];
    size_t n = 0;
    if (facts->n_keys > STELE_EVENT_KEYS_MAX) {
        return STELE_FAIL(err, LIMIT, "an event with %zu keys, at most %d are taken", facts->n_keys,
                          STELE_EVENT_KEYS_MAX);
    }
    for (size_t i = 0; i < facts->n_keys; i++) {
        uint8_t tag[STELE_TAG_BYTES];
        size_t place = 0;
        stele_tag_of(key, facts->tenant, facts->key[i].field, facts->key[i].value, late, tag);
        if (place_of(tags, n, tag, &place)) {
            continue;
        }
        if (n == STELE_TAGS_MAX) {
            return STELE_FAIL(err, LIMIT,
                              "an event with more than %d distinct keys: split it into several",
                              STELE_TAGS_MAX);
        }
        memmove(tags[place + 1], tags[place], (n - place) * STELE_TAG_BYTES);
        memcpy(tags[place], tag, STELE_TAG_BYTES);
        n++;
    }
    ret->n = (uint16_t)n;
    memcpy(ret->tag, tags, n * STELE_TAG_BYTES);
    return STELE_OK;
}
