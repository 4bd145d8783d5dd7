/* SPDX-License-Identifier: Apache-2.0 */
/* The C code against the golden files, which tests/golden/v1/generate.py made without it. */
#include <string.h>

#include "storage/cursor.h"
#include "storage/entry.h"
#include "storage/state.h"
#include "storage/tag.h"
#include "tests/support/cmocka.h"
#include "tests/support/vectors.h"

#define GOLDEN STELE_SOURCE_DIR "/tests/golden/v1/"

static struct stele_event_facts facts;

static void assert_hex(const json_t *object, const char *key, const uint8_t *bytes, size_t size) {
    stele_buf expected = STELE_BUF_EMPTY;
    vectors_hex(json_object_get(object, key), &expected);
    assert_true(stele_view_equal(stele_view_buf(&expected), stele_view_of(bytes, size)));
    stele_buf_done(&expected);
}

/* Fixed-size hex into an array. */
static void get_hex(const json_t *object, const char *key, uint8_t *out, size_t size) {
    assert_ok(stele_hex_decode(stele_view_str(vectors_text(object, key)), out, size, NULL));
}

static void get_event(const json_t *c, struct stele_entry *e) {
    e->as.event.retention_years = (uint8_t)vectors_u64(c, "retention_years");
    e->as.event.late = vectors_u64(c, "late") == 1;
    e->as.event.event_us = vectors_u64(c, "event_us");
    get_hex(c, "payload_commit", e->as.event.payload_commit, 32);
    get_hex(c, "keys_commit", e->as.event.keys_commit, 32);
}

static void get_index(const json_t *c, struct stele_entry *e) {
    e->as.index.n_segments = (uint32_t)vectors_u64(c, "n_segments");
    e->as.index.covered = vectors_u64(c, "covered");
    e->as.index.control = vectors_u64(c, "control");
    get_hex(c, "manifest_root", e->as.index.manifest_root, 32);
}

static void get_control(const json_t *c, struct stele_entry *e) {
    e->as.control.kind = (stele_control_kind)vectors_u64(c, "kind");
    e->as.control.prev = vectors_u64(c, "prev");
    e->as.control.n_state = vectors_u64(c, "n_state");
    get_hex(c, "body_digest", e->as.control.body_digest, 32);
    get_hex(c, "state_root", e->as.control.state_root, 32);
}

static void test_golden__entries(void **state) {
    (void)state;
    json_t *file = vectors_load(GOLDEN "entries.json");
    const json_t *cases = json_object_get(file, "cases");
    assert_int_equal(json_array_size(cases), 8 + 4 + 9);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        struct stele_entry e = {.type = (stele_entry_type)vectors_u64(c, "type"),
                                .seq = vectors_u64(c, "seq"),
                                .time_us = vectors_u64(c, "time_us")};
        if (e.type == STELE_ENTRY_INDEX) {
            get_index(c, &e);
        } else {
            e.era = (uint32_t)vectors_u64(c, "era");
            e.type == STELE_ENTRY_EVENT ? get_event(c, &e) : get_control(c, &e);
        }
        uint8_t bytes[STELE_ENTRY_BYTES_MAX];
        uint8_t again[STELE_ENTRY_BYTES_MAX];
        uint8_t leaf[32];
        struct stele_entry back;
        size_t size = stele_entry_encode(&e, bytes);
        assert_hex(c, "hex", bytes, size);
        stele_hash_leaf(stele_view_of(bytes, size), leaf);
        assert_hex(c, "leaf_hash", leaf, 32);
        assert_ok(stele_entry_decode(stele_view_of(bytes, size), &back, NULL));
        assert_int_equal(stele_entry_encode(&back, again), size);
        assert_memory_equal(again, bytes, size);
    }
    const json_t *months = json_object_get(file, "months");
    assert_int_equal(json_array_size(months), 10);
    for (size_t i = 0; i < json_array_size(months); i++) {
        const json_t *c = json_array_get(months, i);
        assert_int_equal(stele_entry_month(vectors_u64(c, "time_us")), vectors_u64(c, "month"));
    }
    json_decref(file);
}

static void check_tag(const json_t *c) {
    struct stele_tag_key key;
    uint8_t key_bytes[32];
    uint8_t tag[16];
    stele_buf tenant = STELE_BUF_EMPTY;
    stele_buf value = STELE_BUF_EMPTY;
    get_hex(c, "tag_key", key_bytes, 32);
    vectors_hex(json_object_get(c, "tenant"), &tenant);
    vectors_hex(json_object_get(c, "value"), &value);
    stele_tag_key_init(&key, key_bytes);
    assert_hex(c, "commit", key.commit, 32);
    stele_tag_of(&key, stele_view_buf(&tenant), (uint8_t)vectors_u64(c, "field"),
                 stele_view_buf(&value), vectors_u64(c, "late") == 1, tag);
    assert_hex(c, "tag", tag, 16);
    stele_tag_key_done(&key);
    stele_buf_done(&value);
    stele_buf_done(&tenant);
}

static void check_tag_set(const json_t *c) {
    static struct stele_tag_set set;
    static uint8_t values[STELE_EVENT_KEYS_MAX][4];
    struct stele_tag_key key;
    uint8_t key_bytes[32];
    uint8_t hash[32];
    stele_buf tenant = STELE_BUF_EMPTY;
    const json_t *keys = json_object_get(c, "keys");
    get_hex(c, "tag_key", key_bytes, 32);
    stele_tag_key_init(&key, key_bytes);
    vectors_hex(json_object_get(c, "tenant"), &tenant);
    facts.tenant = stele_view_buf(&tenant);
    facts.n_keys = json_array_size(keys);
    assert_true(facts.n_keys <= STELE_EVENT_KEYS_MAX);
    for (size_t i = 0; i < facts.n_keys; i++) {
        const json_t *raw = json_array_get(keys, i);
        get_hex(raw, "value", values[i], 4);
        facts.key[i] = (struct stele_event_key){(uint8_t)vectors_u64(raw, "field"),
                                                stele_view_of(values[i], 4)};
    }
    assert_ok(stele_tag_set_of(&key, &facts, vectors_u64(c, "late") == 1, &set, NULL));
    assert_int_equal(set.n, vectors_u64(c, "n"));
    stele_sha256_of(stele_view_of(set.tag[0], (size_t)set.n * 16), hash);
    assert_hex(c, "tags_sha256", hash, 32);
    stele_tag_key_done(&key);
    stele_buf_done(&tenant);
}

static void test_golden__tags(void **state) {
    (void)state;
    json_t *file = vectors_load(GOLDEN "tags.json");
    const json_t *cases = json_object_get(file, "cases");
    const json_t *sets = json_object_get(file, "sets");
    assert_true(json_array_size(cases) == 40 && json_array_size(sets) == 5);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        check_tag(json_array_get(cases, i));
    }
    for (size_t i = 0; i < json_array_size(sets); i++) {
        check_tag_set(json_array_get(sets, i));
    }
    json_decref(file);
}

static void check_state_leaf(const json_t *leaf, size_t index, const struct stele_state *s,
                             const uint8_t *root) {
    struct stele_tree_path path;
    struct stele_leaf_pos pos = {0, s->n};
    uint8_t hash[32];
    stele_view value;
    stele_view key = stele_view_str(vectors_text(leaf, "key"));
    const json_t *expected = json_object_get(leaf, "path");
    assert_true(stele_state_get(s, key, &value));
    stele_hash_state_leaf(key, value, hash);
    assert_hex(leaf, "hash", hash, 32);
    assert_ok(stele_state_prove(s, key, &pos.index_leaves, &path, NULL));
    assert_true(pos.index_leaves == index);
    assert_int_equal(path.n, json_array_size(expected));
    for (size_t i = 0; i < path.n; i++) {
        stele_buf node = STELE_BUF_EMPTY;
        vectors_hex(json_array_get(expected, i), &node);
        assert_true(stele_view_equal(stele_view_buf(&node), stele_view_of(path.node[i], 32)));
        stele_buf_done(&node);
    }
    assert_ok(stele_state_check(key, value, pos, path.node[0], path.n, root, NULL));
}

static void check_state(const json_t *c) {
    struct stele_state s;
    struct stele_state back;
    uint8_t root[32];
    stele_buf stored = STELE_BUF_EMPTY;
    const json_t *puts = json_object_get(c, "puts");
    const json_t *leaves = json_object_get(c, "leaves");
    stele_state_init(&s);
    for (size_t i = 0; i < json_array_size(puts); i++) {
        const json_t *one = json_array_get(puts, i);
        stele_buf value = STELE_BUF_EMPTY;
        vectors_hex(json_object_get(one, "value"), &value);
        assert_ok(stele_state_put(&s, stele_view_str(vectors_text(one, "key")),
                                  stele_view_buf(&value), NULL));
        stele_buf_done(&value);
    }
    assert_ok(stele_state_root(&s, root, NULL));
    assert_hex(c, "root", root, 32);
    assert_ok(stele_state_encode(&s, &stored, NULL));
    assert_hex(c, "stored", stored.data, stored.size);
    struct stele_reader r = stele_reader_of(stele_view_buf(&stored), "golden state");
    assert_ok(stele_state_decode(&r, &back, NULL));
    assert_ok(stele_reader_end(&r, NULL));
    assert_int_equal(json_array_size(leaves), back.n);
    for (size_t i = 0; i < back.n; i++) {
        check_state_leaf(json_array_get(leaves, i), i, &back, root);
    }
    stele_buf_done(&stored);
    stele_state_done(&back);
    stele_state_done(&s);
}

static void test_golden__states(void **state) {
    (void)state;
    json_t *file = vectors_load(GOLDEN "state.json");
    const json_t *cases = json_object_get(file, "cases");
    assert_int_equal(json_array_size(cases), 8);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        check_state(json_array_get(cases, i));
    }
    json_decref(file);
}

static void check_payload(const json_t *c) {
    stele_buf payload = STELE_BUF_EMPTY;
    uint8_t salt[16];
    uint8_t hash[32];
    size_t size = (size_t)vectors_u64(c, "bytes");
    get_hex(c, "salt", salt, 16);
    if (json_object_get(c, "payload") != NULL) {
        vectors_hex(json_object_get(c, "payload"), &payload);
    } else {
        assert_ok(stele_buf_reserve(&payload, size, NULL));
        for (; payload.size < size; payload.size++) {
            payload.data[payload.size] = (uint8_t)(payload.size % 251);
        }
    }
    assert_int_equal(payload.size, size);
    stele_hash_payload(salt, stele_view_buf(&payload), hash);
    assert_hex(c, "hash", hash, 32);
    stele_buf_done(&payload);
}

static void check_keys(const json_t *c) {
    uint8_t tags[512 * 16];
    uint8_t ksalt[16];
    uint8_t hash[32];
    uint64_t n = vectors_u64(c, "n");
    assert_true(n <= 512);
    for (uint64_t i = 0; i < n; i++) {
        stele_put_u64(tags + 16 * i, i);
        stele_put_u64(tags + 16 * i + 8, 3 * i);
    }
    get_hex(c, "ksalt", ksalt, 16);
    stele_hash_keys(ksalt, tags, (uint16_t)n, hash);
    assert_hex(c, "hash", hash, 32);
}

static void check_salt(const json_t *c) {
    uint8_t seed[32];
    uint8_t salt[16];
    uint8_t i = (uint8_t)vectors_u64(c, "i");
    get_hex(c, "seed", seed, 32);
    stele_hash_salt(seed, i, salt);
    assert_hex(c, "salt", salt, 16);
    stele_hash_ksalt(seed, i, salt);
    assert_hex(c, "ksalt", salt, 16);
}

static void check_body(const json_t *c) {
    stele_buf body = STELE_BUF_EMPTY;
    uint8_t hash[32];
    vectors_hex(json_object_get(c, "body"), &body);
    stele_hash_body(stele_view_buf(&body), hash);
    assert_hex(c, "hash", hash, 32);
    stele_buf_done(&body);
}

static void check_each(const json_t *file, const char *key, size_t n,
                       void (*check)(const json_t *)) {
    const json_t *cases = json_object_get(file, key);
    assert_int_equal(json_array_size(cases), n);
    for (size_t i = 0; i < n; i++) {
        check(json_array_get(cases, i));
    }
}

static void test_golden__commits(void **state) {
    (void)state;
    json_t *file = vectors_load(GOLDEN "commits.json");
    check_each(file, "payloads", 6, check_payload);
    check_each(file, "keys", 5, check_keys);
    check_each(file, "salts", 4, check_salt);
    check_each(file, "bodies", 3, check_body);
    json_decref(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden__entries),
        cmocka_unit_test(test_golden__tags),
        cmocka_unit_test(test_golden__states),
        cmocka_unit_test(test_golden__commits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
