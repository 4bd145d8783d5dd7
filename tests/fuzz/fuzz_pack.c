/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_pack.c: a pack blob from a disk that lies. The digest is made to fit, so that a
 * forged directory, bounds and items are reached; every entry the pack claims to hold is then asked
 * for.
 */
#include <string.h>

#include "storage/pack.h"
#include "storage/pack_format.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/engine_memory.h"

#define LO 512u

/* Puts in what is constant and the digest of the ranges the footer names, if they can be there. */
static void make_fit(uint8_t *pack, size_t size, uint64_t hi) {
    uint8_t *foot = pack + size - PACK_FOOT_BYTES;
    struct stele_sha256 sha;
    memcpy(pack, PACK_HEAD_MAGIC, MAGIC_BYTES);
    stele_put_u16(pack + 8, 1);
    stele_put_u64(pack + 16, LO);
    stele_put_u64(pack + 24, hi);
    memcpy(foot + PACK_FOOT_BYTES - MAGIC_BYTES, PACK_FOOT_MAGIC, MAGIC_BYTES);
    uint64_t at = stele_get_u64(foot);
    if (at > size - PACK_FOOT_BYTES) {
        return;
    }
    stele_sha256_init(&sha);
    stele_sha256_update(&sha, stele_view_of(pack, PACK_HEAD_BYTES));
    stele_sha256_update(&sha, stele_view_of(pack + at, size - PACK_FOOT_BYTES - (size_t)at +
                                                           PACK_FOOT_FIELDS_BYTES));
    stele_sha256_final(&sha, foot + PACK_FOOT_FIELDS_BYTES);
}

static void read_all(struct stele_unit *unit, uint64_t hi) {
    struct stele_unit_cursor cursor;
    struct stele_item item;
    struct stele_head head;
    stele_unit_cursor_init(&cursor);
    if (stele_pack_snapshot(unit, &head, NULL) == STELE_OK) {
        stele_head_done(&head);
    }
    if (stele_unit_cursor_enter(&cursor, unit, NULL) == STELE_OK) {
        for (uint64_t seq = LO; seq < hi; seq++) {
            stele_status ignored = stele_unit_item(&cursor, seq, &item, NULL);
            (void)ignored;
        }
    }
    stele_unit_cursor_done(&cursor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct stele_engine *engine;
    char key[STELE_BLOB_KEY_MAX];
    struct stele_unit *unit = NULL;
    if (size < 1 + PACK_HEAD_BYTES + PACK_FOOT_BYTES ||
        (engine == NULL && engine_memory_new(&engine, NULL) != STELE_OK)) {
        return 0;
    }
    uint64_t hi = LO + 1 + data[0];
    stele_pack_key("3y", 'p', LO, hi, key);
    stele_buf *blob = engine_memory_blob(engine, key);
    if (blob == NULL &&
        stele_engine_put(engine, key, stele_view_of(data, 1), NULL, NULL) == STELE_OK) {
        blob = engine_memory_blob(engine, key);
    }
    if (blob == NULL) {
        return 0;
    }
    stele_buf_clear(blob);
    if (stele_buf_append(blob, stele_view_of(data + 1, size - 1), NULL) != STELE_OK) {
        return 0;
    }
    make_fit(blob->data, blob->size, hi);
    if (stele_pack_open(engine, "3y", LO, hi, &unit, NULL) == STELE_OK) {
        read_all(unit, hi);
        stele_unit_unref(unit);
    }
    return 0;
}
