/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_record.c: the record chain's bytes. The first byte says how the rest is read: as
 * a whole record; as a record whose hash is made to fit, so that what lies behind the hash is
 * reached; as items.
 */
#include "storage/record.h"
#include "tests/fuzz/fuzz.h"

static void read_items(stele_view bytes, bool kseeds) {
    struct stele_reader r = stele_reader_of(bytes, "fuzzed items");
    struct stele_item item;
    stele_view kseed;
    while (stele_reader_left(&r) > 0 && stele_item_read(&r, &item, NULL) == STELE_OK) {
        if (kseeds && item.kind == STELE_ITEM_FRAME &&
            stele_read_view(&r, STELE_SEED_BYTES, &kseed, NULL) != STELE_OK) {
            return;
        }
    }
}

static void read_record(stele_view bytes) {
    struct stele_record record;
    if (stele_record_decode(bytes, &record, NULL) == STELE_OK) {
        read_items(record.body, true);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_buf copy = STELE_BUF_EMPTY;
    if (size == 0) {
        return 0;
    }
    stele_view rest = stele_view_of(data + 1, size - 1);
    if (data[0] % 3 == 0) {
        read_record(rest);
    } else if (data[0] % 3 == 1 && rest.size >= STELE_HASH_BYTES &&
               stele_buf_append(&copy, rest, NULL) == STELE_OK) {
        stele_sha256_of(stele_view_of(copy.data, copy.size - STELE_HASH_BYTES),
                        copy.data + copy.size - STELE_HASH_BYTES);
        read_record(stele_view_buf(&copy));
    } else {
        read_items(rest, false);
    }
    stele_buf_done(&copy);
    return 0;
}
