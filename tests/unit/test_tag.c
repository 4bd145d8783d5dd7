/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "storage/cursor.h"
#include "storage/tag.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

static struct stele_event_facts facts;

static void key_of(struct stele_tag_key *key, uint8_t byte) {
    uint8_t bytes[32];
    memset(bytes, byte, sizeof bytes);
    stele_tag_key_init(key, bytes);
}

/* The message of the format, in one piece. */
static void plain_tag(uint8_t key_byte, stele_view tenant, uint8_t field, stele_view value,
                      bool late, uint8_t *out) {
    stele_buf message = STELE_BUF_EMPTY;
    struct stele_writer w = stele_writer_to(&message);
    uint8_t hash[32];
    stele_write_u8(&w, 0x12);
    for (size_t i = 1; i < 64; i++) {
        stele_write_u8(&w, i <= 32 ? key_byte : 0);
    }
    stele_write_lp(&w, tenant);
    stele_write_u8(&w, field);
    stele_write_view(&w, value);
    assert_ok(stele_writer_end(&w, NULL));
    stele_sha256_of(stele_view_buf(&message), hash);
    memcpy(out, hash, 16);
    out[15] = (uint8_t)(late ? out[15] | 1 : out[15] & 0xfe);
    stele_buf_done(&message);
}

static void test_tag__is_the_hash_of_the_format(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    static const size_t sizes[] = {0,   1,   16,  50,  52,  53,  60,   61,   62,
                                   127, 128, 129, 191, 192, 193, 1000, 65535};
    uint8_t *value = stele_alloc(65536, 1);
    struct stele_tag_key key;
    assert_non_null(value);
    rng_bytes(&rng, value, 65536);
    key_of(&key, 9);
    for (size_t tenant_bytes = 0; tenant_bytes <= STELE_TENANT_MAX; tenant_bytes += 16) {
        char tenant[STELE_TENANT_MAX];
        memset(tenant, 't', sizeof tenant);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            for (int late = 0; late < 2; late++) {
                uint8_t expected[16];
                uint8_t tag[16];
                stele_view t = stele_view_of(tenant, tenant_bytes);
                stele_view v = stele_view_of(value, sizes[i]);
                plain_tag(9, t, 17, v, late == 1, expected);
                stele_tag_of(&key, t, 17, v, late == 1, tag);
                assert_memory_equal(tag, expected, 16);
            }
        }
    }
    stele_free(value);
}

static void test_tag__depends_on_key_tenant_field_and_value(void **state) {
    (void)state;
    struct stele_tag_key a;
    struct stele_tag_key b;
    uint8_t tag[6][16];
    key_of(&a, 1);
    key_of(&b, 2);
    assert_memory_not_equal(a.commit, b.commit, 32);
    stele_tag_of(&a, stele_view_str("t"), 1, stele_view_str("v"), false, tag[0]);
    stele_tag_of(&b, stele_view_str("t"), 1, stele_view_str("v"), false, tag[1]);
    stele_tag_of(&a, stele_view_str("u"), 1, stele_view_str("v"), false, tag[2]);
    stele_tag_of(&a, stele_view_str("t"), 2, stele_view_str("v"), false, tag[3]);
    stele_tag_of(&a, stele_view_str("t"), 1, stele_view_str("w"), false, tag[4]);
    stele_tag_of(&a, stele_view_str(""), 1, stele_view_str("v"), false, tag[5]);
    for (size_t i = 0; i < 6; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(tag[i], tag[k], 16);
        }
    }
}

static void test_tag__a_done_key_is_wiped(void **state) {
    (void)state;
    struct stele_tag_key key;
    struct stele_tag_key zero;
    memset(&zero, 0, sizeof zero);
    key_of(&key, 1);
    assert_memory_not_equal(&key, &zero, sizeof key);
    stele_tag_key_done(&key);
    assert_memory_equal(&key, &zero, sizeof key);
    stele_tag_key_done(NULL);
}

static void test_tag__a_set_ascends_without_duplicates(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    struct stele_tag_key key;
    key_of(&key, 3);
    for (size_t round = 0; round < 300; round++) {
        static uint8_t values[STELE_EVENT_KEYS_MAX];
        static struct stele_tag_set set;
        size_t distinct = 0;
        bool seen[256] = {false};
        facts.tenant = stele_view_str("acme");
        facts.n_keys = (size_t)rng_below(&rng, round % 2 == 0 ? 200 : 18);
        for (size_t i = 0; i < facts.n_keys; i++) {
            values[i] = (uint8_t)rng_below(&rng, 100);
            distinct += !seen[values[i]];
            seen[values[i]] = true;
            facts.key[i] = (struct stele_event_key){1, stele_view_of(&values[i], 1)};
        }
        bool late = rng_below(&rng, 2) == 1;
        assert_ok(stele_tag_set_of(&key, &facts, late, &set, NULL));
        assert_int_equal(set.n, distinct);
        for (size_t i = 0; i < set.n; i++) {
            assert_int_equal(set.tag[i][15] & 1, late);
            assert_true(i == 0 || memcmp(set.tag[i - 1], set.tag[i], 16) < 0);
        }
        for (size_t i = 0; i < facts.n_keys; i++) {
            uint8_t tag[16];
            size_t at = 0;
            stele_tag_of(&key, facts.tenant, 1, facts.key[i].value, late, tag);
            while (at < set.n && memcmp(set.tag[at], tag, 16) != 0) {
                at++;
            }
            assert_true(at < set.n);
        }
    }
}

static void test_tag__more_than_512_distinct_tags_are_refused(void **state) {
    (void)state;
    static uint8_t values[STELE_EVENT_KEYS_MAX][2];
    static struct stele_tag_set set;
    struct stele_tag_key key;
    key_of(&key, 3);
    facts.tenant = stele_view_str("acme");
    facts.n_keys = STELE_EVENT_KEYS_MAX;
    for (size_t i = 0; i < facts.n_keys; i++) {
        stele_put_u16(values[i], (uint16_t)(i % 512));
        facts.key[i] = (struct stele_event_key){2, stele_view_of(values[i], 2)};
    }
    assert_ok(stele_tag_set_of(&key, &facts, false, &set, NULL));
    assert_int_equal(set.n, 512);
    set.n = 7;
    stele_put_u16(values[1023], 512);
    assert_status(stele_tag_set_of(&key, &facts, false, &set, NULL), LIMIT);
    assert_int_equal(set.n, 7);
    facts.n_keys = STELE_EVENT_KEYS_MAX + 1;
    assert_status(stele_tag_set_of(&key, &facts, false, &set, NULL), LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tag__is_the_hash_of_the_format),
        cmocka_unit_test(test_tag__depends_on_key_tenant_field_and_value),
        cmocka_unit_test(test_tag__a_done_key_is_wiped),
        cmocka_unit_test(test_tag__a_set_ascends_without_duplicates),
        cmocka_unit_test(test_tag__more_than_512_distinct_tags_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
