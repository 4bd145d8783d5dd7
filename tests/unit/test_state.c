/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "storage/state.h"
#include "tests/support/cmocka.h"
#include "tests/support/rng.h"

static void put(struct stele_state *s, const char *key, const char *value) {
    assert_ok(stele_state_put(s, stele_view_str(key), stele_view_str(value), NULL));
}

static bool get_is(const struct stele_state *s, const char *key, const char *value) {
    stele_view found;
    return stele_state_get(s, stele_view_str(key), &found) && stele_view_is(found, value);
}

static void test_state__keys_ascend_whatever_the_order_of_puts(void **state) {
    (void)state;
    struct stele_state a;
    struct stele_state b;
    uint8_t root_a[32];
    uint8_t root_b[32];
    stele_state_init(&a);
    stele_state_init(&b);
    put(&a, "tenant/acme", "1");
    put(&a, "class", "2");
    put(&a, "epoch/1", "3");
    put(&b, "epoch/1", "3");
    put(&b, "tenant/acme", "1");
    put(&b, "class", "2");
    assert_true(stele_view_is(stele_view_buf(&a.leaf[0].key), "class"));
    assert_true(stele_view_is(stele_view_buf(&a.leaf[1].key), "epoch/1"));
    assert_true(stele_view_is(stele_view_buf(&a.leaf[2].key), "tenant/acme"));
    assert_ok(stele_state_root(&a, root_a, NULL));
    assert_ok(stele_state_root(&b, root_b, NULL));
    assert_memory_equal(root_a, root_b, 32);
    stele_state_done(&b);
    stele_state_done(&a);
    stele_state_done(NULL);
}

static void test_state__the_empty_state_has_the_empty_root(void **state) {
    (void)state;
    struct stele_state s;
    uint8_t root[32];
    uint8_t empty[32];
    stele_state_init(&s);
    stele_tree_empty_root(empty);
    assert_ok(stele_state_root(&s, root, NULL));
    assert_memory_equal(root, empty, 32);
    stele_state_done(&s);
}

static void test_state__write_once_keys_are_not_changed(void **state) {
    (void)state;
    static const char *const once[] = {"epoch/20261101", "disposed/0",  "erased/5",
                                       "gone/20261101",  "logs/models", "tenant/acme"};
    struct stele_state s;
    stele_err err;
    stele_state_init(&s);
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++) {
        put(&s, once[i], "first");
        assert_status(stele_state_put(&s, stele_view_str(once[i]), stele_view_str("second"), &err),
                      EXISTS);
        assert_non_null(strstr(err.text, once[i]));
        assert_true(get_is(&s, once[i], "first"));
    }
    assert_int_equal(s.n, 6);
    put(&s, "hold/1", "on");
    put(&s, "hold/1", "off");
    assert_true(get_is(&s, "hold/1", "off"));
    put(&s, "class", "5");
    put(&s, "class", "6");
    assert_true(get_is(&s, "class", "6"));
    put(&s, "epochs", "a");
    put(&s, "epochs", "b"); /* no prefix of the list */
    stele_state_done(&s);
}

static void test_state__absent_keys_are_not_found(void **state) {
    (void)state;
    struct stele_state s;
    stele_view value = stele_view_str("x");
    struct stele_tree_path path;
    uint64_t index = 77;
    stele_state_init(&s);
    put(&s, "class", "5");
    assert_false(stele_state_get(&s, stele_view_str("clas"), &value));
    assert_null(value.data);
    assert_false(stele_state_get(&s, stele_view_str("class/"), &value));
    assert_status(stele_state_prove(&s, stele_view_str("none"), &index, &path, NULL), NOT_FOUND);
    assert_true(index == 77);
    stele_state_done(&s);
}

static void test_state__sizes_and_characters_are_bounded(void **state) {
    (void)state;
    struct stele_state s;
    char key[257];
    uint8_t *value = stele_alloc(STELE_STATE_VALUE_MAX + 1, 1);
    assert_non_null(value);
    stele_state_init(&s);
    memset(key, 'k', sizeof key);
    assert_ok(stele_state_put(&s, stele_view_of(key, 255),
                              stele_view_of(value, STELE_STATE_VALUE_MAX), NULL));
    assert_status(stele_state_put(&s, stele_view_of(key, 256), stele_view_str("v"), NULL), LIMIT);
    assert_status(stele_state_put(&s, stele_view_of(key, 0), stele_view_str("v"), NULL), LIMIT);
    assert_status(stele_state_put(&s, stele_view_str("k"),
                                  stele_view_of(value, STELE_STATE_VALUE_MAX + 1), NULL),
                  LIMIT);
    assert_status(stele_state_put(&s, stele_view_str("\xc3\xa4"), stele_view_str("v"), NULL),
                  INVALID);
    assert_status(stele_state_put(&s, stele_view_of("a\0", 2), stele_view_str("v"), NULL), INVALID);
    assert_int_equal(s.n, 1);
    stele_free(value);
    stele_state_done(&s);
}

static void fill(struct stele_state *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char key[32];
        char value[32];
        (void)snprintf(key, sizeof key, "tenant/%zu", i * 7919 % 100003);
        (void)snprintf(value, sizeof value, "value %zu", i);
        put(s, key, value);
    }
}

static void test_state__every_leaf_proves_and_no_other_does(void **state) {
    (void)state;
    struct rng rng = rng_start(__func__);
    for (size_t n = 1; n < 40; n++) {
        struct stele_state s;
        uint8_t root[32];
        stele_state_init(&s);
        fill(&s, n);
        assert_ok(stele_state_root(&s, root, NULL));
        for (size_t i = 0; i < n; i++) {
            struct stele_tree_path path;
            struct stele_leaf_pos pos = {0, n};
            stele_view key = stele_view_buf(&s.leaf[i].key);
            stele_view value = stele_view_buf(&s.leaf[i].value);
            assert_ok(stele_state_prove(&s, key, &pos.index_leaves, &path, NULL));
            assert_true(pos.index_leaves == i);
            assert_ok(stele_state_check(key, value, pos, path.node[0], path.n, root, NULL));
            assert_status(stele_state_check(value, key, pos, path.node[0], path.n, root, NULL),
                          UNVERIFIED);
            assert_status(stele_state_check(key, stele_view_str("other"), pos, path.node[0], path.n,
                                            root, NULL),
                          UNVERIFIED);
            if (path.n > 0) {
                path.node[rng_below(&rng, path.n)][rng_below(&rng, 32)] ^= 4;
                assert_status(stele_state_check(key, value, pos, path.node[0], path.n, root, NULL),
                              UNVERIFIED);
            }
            pos.index_leaves = n;
            assert_status(stele_state_check(key, value, pos, path.node[0], path.n, root, NULL),
                          INVALID);
        }
        assert_status(stele_state_check(stele_view_of(NULL, 0), stele_view_str("v"),
                                        (struct stele_leaf_pos){0, 1}, NULL, 0, root, NULL),
                      INVALID);
        stele_state_done(&s);
    }
}

static void test_state__the_stored_form_goes_there_and_back(void **state) {
    (void)state;
    for (size_t n = 0; n < 300; n += 1 + n / 4) {
        struct stele_state s;
        struct stele_state back;
        stele_buf bytes = STELE_BUF_EMPTY;
        uint8_t a[32];
        uint8_t b[32];
        stele_state_init(&s);
        fill(&s, n);
        assert_ok(stele_state_encode(&s, &bytes, NULL));
        struct stele_reader r = stele_reader_of(stele_view_buf(&bytes), "state");
        assert_ok(stele_state_decode(&r, &back, NULL));
        assert_ok(stele_reader_end(&r, NULL));
        assert_int_equal(back.n, n);
        assert_ok(stele_state_root(&s, a, NULL));
        assert_ok(stele_state_root(&back, b, NULL));
        assert_memory_equal(a, b, 32);
        for (size_t cut = 0; cut < bytes.size; cut++) {
            struct stele_state none;
            r = stele_reader_of(stele_view_of(bytes.data, cut), "state");
            assert_status(stele_state_decode(&r, &none, NULL), INVALID);
            assert_int_equal(stele_reader_offset(&r), 0);
        }
        stele_state_done(&back);
        stele_state_done(&s);
        stele_buf_done(&bytes);
    }
}

static void test_state__stored_forms_that_no_state_has_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"\x02\0\1b\0\1v\0\1a\0\1v", 13}, /* falling */
        {"\x02\0\1a\0\1v\0\1a\0\1v", 13}, /* equal */
        {"\x01\0\0\0\1v", 6},             /* an empty key */
        {"\x01\0\1\n\0\1v", 7},           /* a key that is no printable ASCII */
        {"\xff\xff\xff\x7f", 4},          /* more leaves than there can be */
        {"\x81\x80\x04", 3},              /* 65,537 */
        {"\x80\x00", 2},                  /* 0 in two bytes */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct stele_state s;
        struct stele_reader r = stele_reader_of(stele_view_of(bad[i].bytes, bad[i].size), "state");
        stele_err err;
        assert_status(stele_state_decode(&r, &s, &err), INVALID);
    }
}

static void test_state__is_full_at_its_limit(void **state) {
    (void)state;
    struct stele_state s;
    stele_state_init(&s);
    for (uint32_t i = 0; i < STELE_STATE_LEAVES_MAX; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "hold/%08" PRIu32, i); /* ascending: no moves */
        put(&s, key, "");
    }
    assert_status(stele_state_put(&s, stele_view_str("one more"), stele_view_str(""), NULL), LIMIT);
    assert_ok(stele_state_put(&s, stele_view_str("hold/00000005"), stele_view_str("new"), NULL));
    assert_int_equal(s.n, STELE_STATE_LEAVES_MAX);
    stele_state_done(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state__keys_ascend_whatever_the_order_of_puts),
        cmocka_unit_test(test_state__the_empty_state_has_the_empty_root),
        cmocka_unit_test(test_state__write_once_keys_are_not_changed),
        cmocka_unit_test(test_state__absent_keys_are_not_found),
        cmocka_unit_test(test_state__sizes_and_characters_are_bounded),
        cmocka_unit_test(test_state__every_leaf_proves_and_no_other_does),
        cmocka_unit_test(test_state__the_stored_form_goes_there_and_back),
        cmocka_unit_test(test_state__stored_forms_that_no_state_has_are_refused),
        cmocka_unit_test(test_state__is_full_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
