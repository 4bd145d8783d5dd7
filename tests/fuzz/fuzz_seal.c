/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz_seal.c: any bytes as a segment and its seal: u32 size of the segment, segment,
 * seal; as they are, with the seal's checksums made right, and with both. Every question gets an
 * answer or CORRUPT, a key that is given is found where it stands, keys said to be out of order
 * are, and what merges opens again.
 */
#include <string.h>

#include "storage/cursor.h"
#include "storage/seal_format.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/memory_segment.h"
#include "tests/support/seal_model.h"

#define KEYS_ASKED 40u

struct bytes {
    const uint8_t *data;
    size_t size;
};

static stele_status read_at(void *ctx, uint64_t offset, size_t size, stele_buf *out,
                            stele_err *err) {
    const struct bytes *b = ctx;
    fuzz_require(offset <= b->size && size <= b->size - offset);
    return stele_buf_append(out, stele_view_of(b->data + offset, size), err);
}

static void ask_key(const struct stele_seal *seal, uint64_t rank) {
    struct stele_seal_key key;
    stele_buf siblings = STELE_BUF_EMPTY;
    uint64_t found = 0;
    bool present = false;
    if (stele_seal_key_at(seal, model_leaves(), rank, &key, NULL) == STELE_OK &&
        stele_seal_find(seal, key.tag, &found, &present, NULL) == STELE_OK && present) {
        fuzz_require(found == rank);
    }
    (void)!stele_seal_prove(seal, model_leaves(), rank, 1, &siblings, NULL);
    (void)!stele_seal_prove(seal, model_leaves(), rank, 2, &siblings, NULL);
    stele_buf_done(&siblings);
}

static void merge_alone(struct stele_segment *segment, struct stele_seal *seal) {
    const struct stele_seal_parts parts = {segment, &segment, &seal, 1};
    struct stele_descriptor descriptor;
    struct stele_seal *again = NULL;
    stele_buf out = STELE_BUF_EMPTY;
    if (stele_seal_merge(&parts, model_leaves(), memory_write, &out, &descriptor, NULL) ==
        STELE_OK) {
        struct bytes b = {out.data, out.size};
        fuzz_require(stele_seal_open(read_at, &b, b.size, segment, &again, NULL) == STELE_OK);
        stele_seal_close(again);
    }
    stele_buf_done(&out);
}

static void try_seal(struct stele_segment *segment, struct bytes b) {
    struct stele_seal *seal = NULL;
    uint8_t tag[STELE_TAG_BYTES] = {0};
    uint64_t rank = 0;
    bool present = false;
    if (stele_seal_open(read_at, &b, b.size, segment, &seal, NULL) != STELE_OK) {
        return;
    }
    uint64_t n = stele_seal_descriptor(seal)->info.n_keys;
    for (uint64_t i = 0; i < n && i < KEYS_ASKED; i++) {
        ask_key(seal, i);
        ask_key(seal, n - 1 - i);
    }
    ask_key(seal, n);
    memcpy(tag, b.data + b.size / 2, sizeof tag);
    (void)!stele_seal_find(seal, tag, &rank, &present, NULL);
    merge_alone(segment, seal);
    stele_seal_close(seal);
}

/* As an auditor reads it who looks for keys out of order: two neighbours that are are also proven.
 */
static void try_disorder(struct bytes segment_bytes, struct bytes b) {
    struct stele_segment *segment = NULL;
    struct stele_seal *seal = NULL;
    struct stele_seal_key key[2];
    stele_buf siblings = STELE_BUF_EMPTY;
    uint64_t rank = 0;
    if (stele_segment_open_any_order(read_at, &segment_bytes, segment_bytes.size, &segment, NULL) !=
        STELE_OK) {
        return;
    }
    if (stele_seal_open(read_at, &b, b.size, segment, &seal, NULL) == STELE_OK &&
        stele_seal_find_disorder(seal, &rank, NULL) == STELE_OK &&
        stele_seal_key_at(seal, model_leaves(), rank, &key[0], NULL) == STELE_OK &&
        stele_seal_key_at(seal, model_leaves(), rank + 1, &key[1], NULL) == STELE_OK) {
        fuzz_require(memcmp(key[0].tag, key[1].tag, sizeof key[0].tag) >= 0);
        (void)!stele_seal_prove(seal, model_leaves(), rank, 2, &siblings, NULL);
    }
    stele_buf_done(&siblings);
    stele_seal_close(seal);
    stele_segment_close(segment);
}

/* data: a copy that may be changed. */
static void try_both(uint8_t *data, size_t segment_size, size_t seal_size) {
    struct bytes b = {data, segment_size};
    struct stele_segment *segment = NULL;
    try_disorder(b, (struct bytes){data + segment_size, seal_size});
    if (stele_segment_open(read_at, &b, b.size, &segment, NULL) != STELE_OK) {
        return;
    }
    try_seal(segment, (struct bytes){data + segment_size, seal_size});
    test_seal_reseal(data + segment_size, seal_size, segment);
    try_seal(segment, (struct bytes){data + segment_size, seal_size});
    stele_segment_close(segment);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    stele_buf copy = STELE_BUF_EMPTY;
    if (size < 4 || stele_get_u32(data) > size - 4) {
        return 0;
    }
    size_t segment_size = stele_get_u32(data);
    size_t seal_size = size - 4 - segment_size;
    if (stele_buf_append(&copy, stele_view_of(data + 4, size - 4), NULL) == STELE_OK &&
        copy.size > 0) {
        try_both(copy.data, segment_size, seal_size);
        memcpy(copy.data, data + 4, size - 4);
        test_segment_reseal(copy.data, segment_size);
        try_both(copy.data, segment_size, seal_size);
    }
    stele_buf_done(&copy);
    return 0;
}
