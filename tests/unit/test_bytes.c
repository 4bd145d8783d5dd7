/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "storage/bytes.h"
#include "tests/support/cmocka.h"

static void test_bytes__views_compare_bytewise_and_prefixes_sort_first(void **state) {
    (void)state;
    stele_view abc = stele_view_str("abc");
    stele_view high = stele_view_of("ab\xff", 3);
    assert_true(stele_view_equal(abc, stele_view_of("abcd", 3)));
    assert_true(stele_view_compare(abc, abc) == 0);
    assert_true(stele_view_compare(stele_view_str("ab"), abc) < 0);
    assert_true(stele_view_compare(abc, stele_view_str("ab")) > 0);
    assert_true(stele_view_compare(abc, high) < 0);
    assert_true(stele_view_is(abc, "abc"));
    assert_false(stele_view_is(abc, "ab"));
}

static void test_bytes__an_empty_view_may_be_null(void **state) {
    (void)state;
    stele_view none = stele_view_of(NULL, 0);
    stele_buf buf = STELE_BUF_EMPTY;
    assert_true(stele_view_equal(none, stele_view_str("")));
    assert_true(stele_view_compare(none, stele_view_str("a")) < 0);
    assert_int_equal(stele_view_slice(none, 0, 0).size, 0);
    assert_ok(stele_buf_append(&buf, none, NULL));
    assert_null(buf.data);
    stele_buf_done(&buf);
    stele_buf_done(NULL);
}

static void test_bytes__a_slice_is_part_of_its_view(void **state) {
    (void)state;
    stele_view view = stele_view_str("0123456789");
    assert_true(stele_view_is(stele_view_slice(view, 3, 4), "3456"));
    assert_true(stele_view_is(stele_view_slice(view, 10, 0), ""));
}

static void test_bytes__a_buffer_grows_and_keeps_its_bytes(void **state) {
    (void)state;
    stele_buf buf = STELE_BUF_EMPTY;
    for (unsigned i = 0; i < 5000; i++) {
        uint8_t byte = (uint8_t)(i * 7);
        assert_ok(stele_buf_append(&buf, stele_view_of(&byte, 1), NULL));
    }
    assert_int_equal(buf.size, 5000);
    for (unsigned i = 0; i < 5000; i++) {
        assert_int_equal(buf.data[i], (uint8_t)(i * 7));
    }
    size_t capacity = buf.capacity;
    stele_buf_clear(&buf);
    assert_int_equal(buf.size, 0);
    assert_int_equal(buf.capacity, capacity);
    stele_buf_done(&buf);
    assert_true(buf.data == NULL && buf.size == 0 && buf.capacity == 0);
}

static void test_bytes__growth_beyond_memory_is_refused(void **state) {
    (void)state;
    stele_buf buf = STELE_BUF_EMPTY;
    stele_err err;
    assert_ok(stele_buf_append(&buf, stele_view_str("kept"), NULL));
    assert_status(stele_buf_reserve(&buf, SIZE_MAX, &err), NO_MEMORY);
    assert_status(stele_buf_reserve(&buf, SIZE_MAX / 2, &err), NO_MEMORY);
    assert_true(stele_view_is(stele_view_buf(&buf), "kept"));
    stele_buf_done(&buf);
}

static void test_bytes__printf_appends(void **state) {
    (void)state;
    stele_buf buf = STELE_BUF_EMPTY;
    assert_ok(stele_buf_printf(&buf, NULL, "%s-%d", "a", 1));
    assert_ok(stele_buf_printf(&buf, NULL, "+%0200d", 2));
    assert_int_equal(buf.size, 3 + 201);
    assert_memory_equal(buf.data, "a-1+000", 7);
    assert_int_equal(buf.data[buf.size - 1], '2');
    stele_buf_done(&buf);
}

static void test_bytes__allocation_checks_the_product(void **state) {
    (void)state;
    uint8_t *block = stele_alloc(3, 5);
    assert_non_null(block);
    for (size_t i = 0; i < 15; i++) {
        assert_int_equal(block[i], 0);
    }
    assert_null(stele_alloc(SIZE_MAX / 2, 3));
    assert_null(stele_realloc(block, SIZE_MAX / 2, 3));
    block = stele_realloc(block, 10, 10);
    assert_non_null(block);
    stele_free(block);
    void *empty = stele_alloc(0, 0);
    assert_non_null(empty); /* NULL means exhaustion and nothing else */
    stele_free(empty);
    char *copy = stele_strdup("text");
    assert_string_equal(copy, "text");
    stele_free(copy);
}

static void test_bytes__hex_goes_there_and_back(void **state) {
    (void)state;
    const uint8_t bytes[4] = {0x00, 0x9a, 0xff, 0x10};
    char text[9];
    uint8_t back[4];
    stele_hex_encode(stele_view_of(bytes, 4), text);
    assert_string_equal(text, "009aff10");
    assert_ok(stele_hex_decode(stele_view_str("009AfF10"), back, 4, NULL));
    assert_memory_equal(back, bytes, 4);
}

static void test_bytes__bad_hex_is_refused_and_writes_nothing(void **state) {
    (void)state;
    static const char *const bad[] = {"", "0", "000", "00000", "00g0", "0x00", " 000", "00-1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t out[2] = {7, 7};
        stele_err err;
        assert_status(stele_hex_decode(stele_view_str(bad[i]), out, 2, &err), INVALID);
        assert_true(out[0] == 7 && out[1] == 7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes__views_compare_bytewise_and_prefixes_sort_first),
        cmocka_unit_test(test_bytes__an_empty_view_may_be_null),
        cmocka_unit_test(test_bytes__a_slice_is_part_of_its_view),
        cmocka_unit_test(test_bytes__a_buffer_grows_and_keeps_its_bytes),
        cmocka_unit_test(test_bytes__growth_beyond_memory_is_refused),
        cmocka_unit_test(test_bytes__printf_appends),
        cmocka_unit_test(test_bytes__allocation_checks_the_product),
        cmocka_unit_test(test_bytes__hex_goes_there_and_back),
        cmocka_unit_test(test_bytes__bad_hex_is_refused_and_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
