/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/bench_hash.c: leaf and inner hashes, one by one and many side by side. */
#include "storage/entry.h"
#include "storage/hash.h"
#include "tests/bench/bench_parts.h"

#define MANY_MAX 256

static void leaf_one(struct stele_bench *b, int64_t entry_bytes) {
    uint8_t entry[1024] = {1};
    uint8_t out[STELE_HASH_BYTES];
    while (stele_bench_next(b)) {
        stele_hash_leaf(stele_view_of(entry, (size_t)entry_bytes), out);
        stele_bench_keep(out);
    }
    stele_bench_did(b, 1, (uint64_t)entry_bytes);
}

static void leaf_many(struct stele_bench *b, int64_t n) {
    static uint8_t entries[MANY_MAX * STELE_ENTRY_EVENT_BYTES];
    static uint8_t out[MANY_MAX * STELE_HASH_BYTES];
    while (stele_bench_next(b)) {
        stele_hash_leaf_many(entries, STELE_ENTRY_EVENT_BYTES, (size_t)n, out);
        stele_bench_keep(out);
    }
    stele_bench_did(b, (uint64_t)n, (uint64_t)n * STELE_ENTRY_EVENT_BYTES);
}

static void inner_one(struct stele_bench *b, int64_t unused) {
    uint8_t pair[2 * STELE_HASH_BYTES] = {1};
    (void)unused;
    while (stele_bench_next(b)) {
        stele_hash_inner(pair, pair + STELE_HASH_BYTES, pair);
        stele_bench_keep(pair);
    }
    stele_bench_did(b, 1, sizeof pair);
}

static void inner_many(struct stele_bench *b, int64_t n) {
    static uint8_t pairs[MANY_MAX * 2 * STELE_HASH_BYTES];
    static uint8_t out[MANY_MAX * STELE_HASH_BYTES];
    while (stele_bench_next(b)) {
        stele_hash_inner_many(pairs, (size_t)n, out);
        stele_bench_keep(out);
    }
    stele_bench_did(b, (uint64_t)n, (uint64_t)n * 2 * STELE_HASH_BYTES);
}

static void payload_one(struct stele_bench *b, int64_t payload_bytes) {
    static uint8_t payload[65536];
    uint8_t salt[STELE_SALT_BYTES] = {2};
    uint8_t out[STELE_HASH_BYTES];
    while (stele_bench_next(b)) {
        stele_hash_payload(salt, stele_view_of(payload, (size_t)payload_bytes), out);
        stele_bench_keep(out);
    }
    stele_bench_did(b, 1, (uint64_t)payload_bytes);
}

void bench_add_hash(void) {
    static const int64_t entry_bytes[] = {STELE_ENTRY_EVENT_BYTES};
    static const int64_t many[] = {4, 16, MANY_MAX};
    static const int64_t payload_bytes[] = {320, 65536};
    stele_bench_add("hash/leaf", leaf_one, entry_bytes, BENCH_N(entry_bytes));
    stele_bench_add("hash/leaf_many", leaf_many, many, BENCH_N(many));
    stele_bench_add("hash/inner", inner_one, NULL, 0);
    stele_bench_add("hash/inner_many", inner_many, many, BENCH_N(many));
    stele_bench_add("hash/payload", payload_one, payload_bytes, BENCH_N(payload_bytes));
}
