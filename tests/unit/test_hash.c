/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "storage/cursor.h"
#include "storage/hash.h"
#include "storage/hash_lanes.h"
#include "storage/hash_ni.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

static void assert_hash_of(const uint8_t *hash, const stele_buf *message, size_t hash_bytes) {
    uint8_t expected[STELE_HASH_BYTES];
    stele_sha256_of(stele_view_buf(message), expected);
    assert_memory_equal(hash, expected, hash_bytes);
}

static void test_hash__sha256_of_abc(void **state) {
    (void)state;
    uint8_t hash[STELE_HASH_BYTES];
    char hex[65];
    stele_sha256_of(stele_view_str("abc"), hash);
    stele_hex_encode(stele_view_of(hash, 32), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_hash__a_stream_can_be_split_and_copied(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    uint8_t message[300];
    rng_bytes(&rng, message, sizeof message);
    for (size_t size = 0; size <= sizeof message; size++) {
        uint8_t whole[STELE_HASH_BYTES];
        uint8_t parts[STELE_HASH_BYTES];
        struct stele_sha256 h;
        size_t cut = size == 0 ? 0 : (size_t)rng_below(&rng, size);
        stele_sha256_of(stele_view_of(message, size), whole);
        stele_sha256_init(&h);
        stele_sha256_update(&h, stele_view_of(message, cut));
        struct stele_sha256 copy = h;
        stele_sha256_update(&h, stele_view_of(message + cut, size - cut));
        stele_sha256_final(&h, parts);
        assert_memory_equal(parts, whole, sizeof whole);
        stele_sha256_update(&copy, stele_view_of(message + cut, size - cut));
        stele_sha256_final(&copy, parts);
        assert_memory_equal(parts, whole, sizeof whole);
    }
}

/* Every hash of the table against its message, written out. */
static void test_hash__messages_are_those_of_the_format(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    uint8_t a[32];
    uint8_t b[32];
    uint8_t tags[48];
    uint8_t out[STELE_HASH_BYTES];
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_writer w = stele_writer_to(&message);
    stele_view va = stele_view_of(a, 32);
    stele_view vb = stele_view_of(b, 32);
    stele_view text = stele_view_str("some payload");
    rng_bytes(&rng, a, sizeof a);
    rng_bytes(&rng, b, sizeof b);
    rng_bytes(&rng, tags, sizeof tags);
#define MESSAGE(prefix) (stele_buf_clear(&message), stele_write_u8(&w, (prefix)))
    MESSAGE(0x00), stele_write_view(&w, text);
    stele_hash_leaf(text, out);
    assert_hash_of(out, &message, 32);
    MESSAGE(0x01), stele_write_view(&w, va), stele_write_view(&w, vb);
    stele_hash_inner(a, b, out);
    assert_hash_of(out, &message, 32);
    MESSAGE(0x10), stele_write_view(&w, stele_view_of(a, 16)), stele_write_view(&w, text);
    stele_hash_payload(a, text, out);
    assert_hash_of(out, &message, 32);
    MESSAGE(0x11), stele_write_view(&w, stele_view_of(a, 16)), stele_write_u16(&w, 3);
    stele_write_view(&w, stele_view_of(tags, 48));
    stele_hash_keys(a, tags, 3, out);
    assert_hash_of(out, &message, 32);
    MESSAGE(0x11), stele_write_view(&w, stele_view_of(a, 16)), stele_write_u16(&w, 0);
    stele_hash_keys(a, NULL, 0, out);
    assert_hash_of(out, &message, 32);
    MESSAGE(0x13), stele_write_view(&w, va);
    stele_hash_tag_key(a, out);
    assert_hash_of(out, &message, 32);
    MESSAGE(0x14), stele_write_view(&w, text);
    stele_hash_body(text, out);
    assert_hash_of(out, &message, 32);
    MESSAGE(0x17), stele_write_view(&w, va), stele_write_u8(&w, 200);
    stele_hash_salt(a, 200, out);
    assert_hash_of(out, &message, 16);
    MESSAGE(0x18), stele_write_view(&w, va), stele_write_u8(&w, 7);
    stele_hash_ksalt(a, 7, out);
    assert_hash_of(out, &message, 16);
    stele_sha256_of(text, out);
    MESSAGE(0x27), stele_write_lp(&w, stele_view_str("class")),
        stele_write_view(&w, stele_view_of(out, 32));
    stele_hash_state_leaf(stele_view_str("class"), text, out);
    assert_hash_of(out, &message, 32);
    MESSAGE(0x28), stele_write_view(&w, va), stele_write_view(&w, vb);
    stele_hash_state_inner(a, b, out);
    assert_hash_of(out, &message, 32);
#undef MESSAGE
    assert_ok(stele_writer_end(&w, NULL));
    stele_buf_done(&message);
}

#define MANY_MAX 67

static void test_hash__inner_many_is_inner_many_times(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    uint8_t pairs[MANY_MAX * 64];
    uint8_t expected[MANY_MAX * 32];
    for (size_t n = 0; n <= MANY_MAX; n++) {
        uint8_t out[MANY_MAX * 32 + 1];
        rng_bytes(&rng, pairs, sizeof pairs);
        for (size_t i = 0; i < n; i++) {
            stele_hash_inner(pairs + 64 * i, pairs + 64 * i + 32, expected + 32 * i);
        }
        out[32 * n] = 0x5a;
        stele_hash_inner_many(pairs, n, out);
        assert_memory_equal(out, expected, 32 * n);
        assert_int_equal(out[32 * n], 0x5a);
        stele_hash_inner_many(pairs, n, pairs); /* in place */
        assert_memory_equal(pairs, expected, 32 * n);
    }
}

/* Every entry size around one, two and three blocks; the single hash is libcrypto's. */
static void test_hash__leaf_many_is_leaf_many_times(void **state) {
    (void)state;
    enum { SIZE_MAX_TRIED = 140 };
    struct rng rng = rng_start(__func__);
    uint8_t entries[MANY_MAX * SIZE_MAX_TRIED];
    uint8_t expected[MANY_MAX * 32];
    uint8_t out[MANY_MAX * 32 + 1];
    (void)printf("SHA extensions: %s\n",
                 stele_hash__ni_available() ? "used" : "not there, libcrypto alone");
    for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
        for (size_t n = 0; n <= MANY_MAX; n += n < 10 ? 1 : 19) {
            rng_bytes(&rng, entries, size * n);
            for (size_t i = 0; i < n; i++) {
                stele_hash_leaf(stele_view_of(entries + size * i, size), expected + 32 * i);
            }
            out[32 * n] = 0x5a;
            stele_hash_leaf_many(entries, size, n, out);
            assert_memory_equal(out, expected, 32 * n);
            assert_int_equal(out[32 * n], 0x5a);
        }
    }
}

/* Bytes outside of the messages are not read: the last message ends where its memory ends. */
static void test_hash__leaf_many_stays_inside_its_memory(void **state) {
    (void)state;
    for (size_t size = 1; size <= STELE_HASH_NI_TWO_MAX; size++) {
        uint8_t *entries = stele_alloc(4, size); /* the address sanitizer guards both ends */
        uint8_t *out = stele_alloc(4, 32);
        uint8_t expected[32];
        assert_true(entries != NULL && out != NULL);
        stele_hash_leaf_many(entries, size, 4, out);
        stele_hash_leaf(stele_view_of(entries, size), expected);
        for (size_t i = 0; i < 4; i++) {
            assert_memory_equal(out + 32 * i, expected, 32);
        }
        stele_free(out);
        stele_free(entries);
    }
}

/* Each call on adjacent messages against the call on one. */
static void test_hash__many_of_the_index_are_one_many_times(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    uint8_t bytes[MANY_MAX * STELE_HASH_HISTORY_MESSAGE];
    uint8_t out[MANY_MAX * 32];
    uint8_t expected[32];
    for (size_t n = 0; n <= MANY_MAX; n += n < 10 ? 1 : 19) {
        rng_bytes(&rng, bytes, sizeof bytes);
        stele_hash_posting_many(bytes, n, out);
        for (size_t i = 0; i < n; i++) {
            const uint8_t *at = bytes + i * STELE_HASH_POSTING_MESSAGE;
            stele_hash_posting(stele_get_u64(at), at + 8, expected);
            assert_memory_equal(out + 32 * i, expected, 32);
        }
        stele_hash_key_value_many(bytes, n, out);
        for (size_t i = 0; i < n; i++) {
            const uint8_t *at = bytes + i * STELE_HASH_KEY_VALUE_MESSAGE;
            stele_hash_key_value(stele_get_u64(at), at + 8, expected);
            assert_memory_equal(out + 32 * i, expected, 32);
        }
        stele_hash_key_leaf_many(bytes, n, out);
        for (size_t i = 0; i < n; i++) {
            const uint8_t *at = bytes + i * STELE_HASH_KEY_LEAF_MESSAGE;
            stele_hash_key_leaf(at, at + 16, expected);
            assert_memory_equal(out + 32 * i, expected, 32);
        }
        stele_hash_history_many(bytes, n, out);
        for (size_t i = 0; i < n; i++) {
            const uint8_t *at = bytes + i * STELE_HASH_HISTORY_MESSAGE;
            stele_hash_history(at[0], at + 1, at + 33, expected);
            assert_memory_equal(out + 32 * i, expected, 32);
        }
        stele_hash_key_inner_many(bytes, n, out);
        for (size_t i = 0; i < n; i++) {
            stele_hash_key_inner(bytes + 64 * i, bytes + 64 * i + 32, expected);
            assert_memory_equal(out + 32 * i, expected, 32);
        }
    }
}

/* Any number of messages of any length, with and without blocks in front; libcrypto says what is
 * right. */
static void test_hash__many_messages_are_each_their_own(void **state) {
    enum { N_MAX = 23, BODY_MAX = 300 };
    (void)state;
    struct rng rng = rng_start(__func__);
    static uint8_t body[N_MAX][BODY_MAX];
    for (size_t round = 0; round < 4000; round++) {
        struct stele_hash_message message[N_MAX];
        uint8_t out[N_MAX * STELE_HASH_BYTES + 1];
        uint8_t before[128];
        size_t n_before = 64 * (size_t)rng_below(&rng, 3);
        size_t n = (size_t)rng_below(&rng, N_MAX + 1);
        struct stele_sha256 start;
        rng_bytes(&rng, before, sizeof before);
        stele_sha256_init(&start);
        stele_sha256_update(&start, stele_view_of(before, n_before));
        for (size_t i = 0; i < n; i++) {
            const uint32_t sizes[] = {BODY_MAX + 1, 70,
                                      26}; /* the last: one block, and seldom two */
            size_t size = (size_t)rng_below(&rng, sizes[round % 3]);
            rng_bytes(&rng, body[i], size);
            rng_bytes(&rng, message[i].head, sizeof message[i].head);
            message[i].head_bytes = (uint8_t)rng_below(&rng, STELE_HASH_HEAD_MAX + 1);
            message[i].body = stele_view_of(size == 0 ? NULL : body[i], size);
        }
        out[n * STELE_HASH_BYTES] = 0x5a;
        stele_sha256_many(n_before == 0 && round % 4 < 2 ? NULL : &start, message, n, out);
        assert_int_equal(out[n * STELE_HASH_BYTES], 0x5a);
        for (size_t i = 0; i < n; i++) {
            uint8_t expected[STELE_HASH_BYTES];
            struct stele_sha256 h = start;
            stele_sha256_update(&h, stele_view_of(message[i].head, message[i].head_bytes));
            stele_sha256_update(&h, message[i].body);
            stele_sha256_final(&h, expected);
            assert_memory_equal(out + i * STELE_HASH_BYTES, expected, STELE_HASH_BYTES);
        }
    }
}

static void test_hash__a_frame_commits_as_its_events_do(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    static uint8_t bytes[STELE_HASH_FRAME_MAX][2][400];
    for (size_t round = 0; round < 200; round++) {
        size_t n = 1 + (size_t)rng_below(&rng, STELE_HASH_FRAME_MAX);
        uint8_t seed[2][STELE_SEED_BYTES];
        uint8_t ksalts[STELE_HASH_FRAME_MAX * STELE_SALT_BYTES];
        uint8_t commit[2][STELE_HASH_FRAME_MAX * STELE_HASH_BYTES];
        stele_view payload[STELE_HASH_FRAME_MAX];
        stele_view tags[STELE_HASH_FRAME_MAX];
        rng_bytes(&rng, seed[0], sizeof seed);
        rng_bytes(&rng, bytes[0][0], sizeof bytes);
        for (size_t i = 0; i < n; i++) {
            payload[i] = stele_view_of(bytes[i][0], (size_t)rng_below(&rng, 401));
            tags[i] = stele_view_of(bytes[i][1], 16 * (size_t)rng_below(&rng, 26));
        }
        stele_hash_frame(seed[0], seed[1], payload, tags, n, commit[0], commit[1],
                         round % 2 == 0 ? ksalts : NULL);
        for (uint8_t i = 0; i < n; i++) {
            uint8_t salt[STELE_SALT_BYTES];
            uint8_t expected[STELE_HASH_BYTES];
            stele_hash_salt(seed[0], i, salt);
            stele_hash_payload(salt, payload[i], expected);
            assert_memory_equal(commit[0] + (size_t)i * STELE_HASH_BYTES, expected,
                                sizeof expected);
            stele_hash_ksalt(seed[1], i, salt);
            if (round % 2 == 0) {
                assert_memory_equal(ksalts + (size_t)i * STELE_SALT_BYTES, salt, sizeof salt);
            }
            stele_hash_keys(salt, tags[i].data, (uint16_t)(tags[i].size / 16), expected);
            assert_memory_equal(commit[1] + (size_t)i * STELE_HASH_BYTES, expected,
                                sizeof expected);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash__sha256_of_abc),
        cmocka_unit_test(test_hash__a_stream_can_be_split_and_copied),
        cmocka_unit_test(test_hash__messages_are_those_of_the_format),
        cmocka_unit_test(test_hash__inner_many_is_inner_many_times),
        cmocka_unit_test(test_hash__leaf_many_is_leaf_many_times),
        cmocka_unit_test(test_hash__many_messages_are_each_their_own),
        cmocka_unit_test(test_hash__a_frame_commits_as_its_events_do),
        cmocka_unit_test(test_hash__leaf_many_stays_inside_its_memory),
        cmocka_unit_test(test_hash__many_of_the_index_are_one_many_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
